/* registry, keyspec, docs: commands by name, their keys, their derived flags, their documentation.
 */
#include "support/unit.h"

#include "session/command.h"
#include "session/keyspec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int keys_of_odd(const slice *argv, int argc, int *out, unsigned *flags) {
    (void)argv;
    int n = 0;
    for (int i = 1; i < argc; i += 2) {
        if (flags) flags[n] = KEY_RM;
        out[n++] = i;
    }
    return argc > 1 ? n : -1;
}

static const command subs[] = {
    {.name = "get", .arity = 3, .flags = CMD_ADMIN},
    {.name = "set", .arity = -4, .flags = CMD_WRITE},
    {0},
};

#define RO KEY_RO | KEY_ACCESS
static const command table[] = {
    {.name = "get", .arity = 2, .flags = CMD_READONLY | CMD_FAST, .keys = {{.flags = RO, 1}}},
    {.name = "mset", .arity = -3, .keys = {{.flags = KEY_OW, .begin = 1, .last = -1, .step = 2}}},
    {.name = "rename", .keys = {{.flags = KEY_RW, .begin = 1}, {.flags = KEY_OW, .begin = 2}}},
    {.name = "bitop",
     .keys = {{.flags = KEY_OW, .begin = 2}, {.flags = RO, .begin = 3, .last = -1}}},
    {.name = "lmpop", .keys = {{.flags = KEY_RW, .begin = 1, .counted = true}}},
    {.name = "zunionstore",
     .keys = {{.flags = KEY_OW, .begin = 1}, {.flags = RO, .begin = 2, .counted = true}}},
    {.name = "xread",
     .keys = {{.flags = RO, .begin = 1, .keyword = "STREAMS", .last = -1, .limit = 2}}},
    {.name = "migrate",
     .keys = {{.flags = KEY_RW, .begin = 3},
              {.flags = KEY_RW | KEY_INCOMPLETE, .begin = -2, .keyword = "KEYS", .last = -1}}},
    {.name = "sort", .keys = {{.flags = RO, .begin = 1}, {.flags = RO}, {.flags = KEY_OW}}},
    {.name = "odd", .getkeys = keys_of_odd},
    {.name = "config", .arity = -2, .subcommands = subs},
    {.name = "zrevrangebyscore", .flags = CMD_READONLY},
    {.name = "zrevrangebylex", .flags = CMD_READONLY},
    {.name = "blpop", .flags = CMD_WRITE | CMD_BLOCKING, .categories = CAT_LIST},
    {0},
};

static int setup(void **state) {
    (void)state;
    commands_register(table);
    return 0;
}

/* ---- names -------------------------------------------------------------------------------------
 */

static void by_name(void **state) {
    (void)state;
    size_t n = 0, pos = 0;
    for (command_row *row; (row = command_next(&pos)) != NULL; n++) {
        assert_ptr_equal(row->def, &table[n]);
        assert_ptr_equal(command_by_name(slice_cstr(table[n].name)), row);
        char upper[64];
        size_t len = strlen(table[n].name);
        for (size_t i = 0; i <= len; i++)
            upper[i] = (char)(i % 2 ? table[n].name[i] : table[n].name[i] & ~0x20);
        slice argv[] = {slice_of(upper, len)};
        assert_ptr_equal(command_find(argv, 1, NULL), row);
        assert_ptr_equal(command_find_near(argv, 1, row, NULL), row);
    }
    assert_int_equal(n, command_count());
    assert_int_equal(command_ids(), (int)n + 2);
    assert_null(command_by_name(SLICE("ge")));
    assert_null(command_by_name(SLICE("gett")));
    assert_null(command_by_name(SLICE("")));
    assert_null(command_by_name(SLICE("get\0")));
    assert_null(command_by_name(SLICE("zrevrangebyscorex")));
}

static void containers(void **state) {
    (void)state;
    command_row *config = command_by_name(SLICE("config")), *container;
    slice argv[] = {SLICE("CONFIG"), SLICE("Set"), SLICE("x")};
    command_row *set = command_find(argv, 3, &container);
    assert_string_equal(set->full_name, "config|set");
    assert_ptr_equal(set->parent, config);
    assert_null(container);
    assert_ptr_equal(command_by_name(SLICE("config|SET")), set);
    assert_ptr_equal(command_find(argv, 1, &container), config);
    argv[1] = SLICE("nope");
    assert_null(command_find(argv, 2, &container));
    assert_ptr_equal(container, config);
    /* The last command being a sub-command is no short cut to it. */
    slice get[] = {SLICE("get"), SLICE("k")};
    assert_string_equal(command_find_near(get, 2, &config->subs[0], NULL)->full_name, "get");
    assert_null(command_by_name(SLICE("config|nope")));
    assert_null(command_by_name(SLICE("nope|get")));
    assert_null(command_by_name(SLICE("get|get")));
}

static void derived(void **state) {
    (void)state;
    assert_int_equal(command_by_name(SLICE("get"))->categories, CAT_READ | CAT_FAST);
    assert_int_equal(command_by_name(SLICE("blpop"))->categories,
                     CAT_WRITE | CAT_LIST | CAT_BLOCKING | CAT_SLOW);
    assert_int_equal(command_by_name(SLICE("config|get"))->categories,
                     CAT_ADMIN | CAT_DANGEROUS | CAT_SLOW);
    static const char *const movable[] = {"lmpop",   "zunionstore", "xread",
                                          "migrate", "sort",        "odd"};
    unsigned found = 0;
    size_t pos = 0;
    for (command_row *row; (row = command_next(&pos)) != NULL;)
        found += !!(row->flags & CMD_MOVABLE_KEYS);
    for (size_t i = 0; i < 6; i++)
        assert_true(command_by_name(slice_cstr(movable[i]))->flags & CMD_MOVABLE_KEYS);
    assert_int_equal(found, 6);
    int flags = 0, categories = 0, keys = 0;
    while (command_flag_names[flags])
        flags++;
    while (command_category_names[categories])
        categories++;
    while (key_flag_names[keys])
        keys++;
    assert_int_equal(1 << (flags - 1), CMD_MOVABLE_KEYS);
    assert_int_equal(1 << (categories - 1), CAT_SCRIPTING);
    assert_int_equal(1 << (keys - 1), KEY_VARIABLE_FLAGS);
}

/* ---- keys --------------------------------------------------------------------------------------
 */

/* The key positions of a line, as text: "1 3", "none" or "wrong". */
static const char *keys(const char *line) {
    static char out[128];
    char text[128];
    slice argv[16];
    int argc = 0, at[16], n;
    unsigned flags[16];
    snprintf(text, sizeof text, "%s", line);
    for (char *p = strtok(text, " "); p; p = strtok(NULL, " "))
        argv[argc++] = slice_cstr(p);
    n = command_keys(command_find(argv, argc, NULL), argv, argc, at, flags);
    if (n <= 0) return n < 0 ? "wrong" : "none";
    out[0] = 0;
    for (int i = 0; i < n; i++) {
        assert_true(flags[i]);
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%d", i ? " " : "", at[i]);
    }
    return out;
}

static void key_positions(void **state) {
    (void)state;
    assert_string_equal(keys("get a"), "1");
    assert_string_equal(keys("get"), "wrong");
    assert_string_equal(keys("mset a 1 b 2 c 3"), "1 3 5");
    assert_string_equal(keys("mset a 1 b"), "1 3");
    assert_string_equal(keys("rename a b"), "1 2");
    assert_string_equal(keys("bitop and d a b"), "2 3 4");
    assert_string_equal(keys("lmpop 2 a b LEFT"), "2 3");
    assert_string_equal(keys("lmpop 3 a b"), "wrong");
    assert_string_equal(keys("lmpop x a b"), "wrong");
    assert_string_equal(keys("lmpop -1 a b"), "wrong");
    assert_string_equal(keys("lmpop 0 a b"), "none");
    assert_string_equal(keys("zunionstore d 2 a b WEIGHTS 1 2"), "1 3 4");
    assert_string_equal(keys("xread COUNT 1 streams a b 0 0"), "4 5");
    assert_string_equal(keys("xread COUNT 1"), "none");
    assert_string_equal(keys("migrate h p k 0 1"), "3");
    assert_string_equal(keys("migrate h p k 0 1 KEYS a b"), "3 7 8");
    assert_string_equal(keys("sort a BY b STORE c"), "1");
    assert_string_equal(keys("odd a b c"), "1 3");
    assert_string_equal(keys("odd"), "wrong");
    assert_string_equal(keys("config get x"), "none");
}

static void legacy_ranges(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int first, last, step;
    } want[] = {{"get", 1, 1, 1},    {"mset", 1, -1, 2},   {"rename", 1, 2, 1},
                {"bitop", 2, -1, 1}, {"lmpop", 0, 0, 0},   {"zunionstore", 1, 1, 1},
                {"xread", 0, 0, 0},  {"migrate", 3, 3, 1}, {"sort", 1, 1, 1},
                {"config", 0, 0, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        key_range r = command_legacy_range(command_by_name(slice_cstr(want[i].name))->def);
        assert_int_equal(r.first, want[i].first);
        assert_int_equal(r.last, want[i].last);
        assert_int_equal(r.step, want[i].step);
    }
}

/* ---- docs --------------------------------------------------------------------------------------
 */

/* RESP to something readable: maps and sets in braces, arrays in brackets. */
static const char *render(const char *p, char **out) {
    char type = *p++;
    long n = strtol(p, NULL, 10);
    const char *eol = strstr(p, "\r\n");
    const char *next = eol + 2;
    switch (type) {
    case '$': *out += sprintf(*out, "%.*s", (int)n, next); return next + n + 2;
    case '+':
    case ':': *out += sprintf(*out, "%.*s", (int)(eol - p), p); return next;
    case '%': n *= 2; /* fall through */
    case '~':
    case '*':
        *(*out)++ = type == '*' ? '[' : '{';
        for (long i = 0; i < n; i++) {
            if (i) *(*out)++ = type == '%' && i % 2 ? '=' : ' ';
            next = render(next, out);
        }
        *(*out)++ = type == '*' ? ']' : '}';
        **out = 0;
        return next;
    default: fail_msg("unexpected %c", type); return next;
    }
}

static const char *tree(const char *syntax) {
    static char text[4096];
    command def = {.name = "x", .syntax = syntax, .keys = {{.flags = RO, 1}, {.flags = RO, 2}}};
    buf out = {0};
    command_docs_arguments(&def, &out, 3);
    buf_append_char(&out, 0);
    char *p = text;
    assert_ptr_equal(render(out.data, &p), out.data + out.len - 1);
    buf_free(&out);
    return text;
}

#define V(name, type)      "{name=" name " type=" type " display_text=" name "}"
#define T(name, token)     "{name=" name " type=pure-token display_text=" name " token=" token "}"
#define KEY(name, spec)    "{name=" name " type=key display_text=" name " key_spec_index=" spec "}"
#define OPT                " flags={optional}"
#define VT(name, ty, tok)  "{name=" name " type=" ty " display_text=" name " token=" tok "}"
#define VTO(name, ty, tok) "{name=" name " type=" ty " display_text=" name " token=" tok OPT "}"

static void docs(void **state) {
    (void)state;
    assert_string_equal(tree("key"), "[" KEY("key", "0") "]");
    assert_string_equal(tree("key newkey key"),
                        "[" KEY("key", "0") " " KEY("newkey", "1") " " KEY("key", "1") "]");
    assert_string_equal(
        tree("value [GET]"),
        "[" V("value",
              "string") " {name=get type=pure-token display_text=get token=GET flags={optional}}]");
    assert_string_equal(tree("[NX|XX]"), "[{name=nx_xx type=oneof flags={optional} arguments=[" T(
                                             "nx", "NX") " " T("xx", "XX") "]}]");
    assert_string_equal(tree("@condition:[NX|XX]"),
                        "[{name=condition type=oneof flags={optional} "
                        "arguments=[" T("nx", "NX") " " T("xx", "XX") "]}]");
    assert_string_equal(tree("[EX seconds|KEEPTTL]"),
                        "[{name=seconds_keepttl type=oneof flags={optional} arguments=[" VT(
                            "seconds", "integer", "EX") " " T("keepttl", "KEEPTTL") "]}]");
    assert_string_equal(tree("[LIMIT offset count]"),
                        "[{name=offset_count type=block token=LIMIT flags={optional} arguments=[" V(
                            "offset", "integer") " " V("count", "integer") "]}]");
    assert_string_equal(
        tree("[GET pattern]... [BY pattern]"),
        "[{name=pattern type=pattern display_text=pattern token=GET "
        "flags={optional multiple multiple_token}} " VTO("pattern", "pattern", "BY") "]");
    assert_string_equal(tree("[KEYS key...]"),
                        "[{name=key type=key display_text=key "
                        "key_spec_index=0 token=KEYS flags={optional multiple}}]");
    assert_string_equal(
        tree("<score member>... increment:double"),
        "[{name=score_member type=block flags={multiple} arguments=[" V("score", "double") " " V(
            "member", "string") "]} " V("increment", "double") "]");
    assert_string_equal(tree("<FROMMEMBER member|FROMLONLAT longitude latitude> ANY"),
                        "[{name=member_longitude_latitude type=oneof arguments=[" VT(
                            "member", "string",
                            "FROMMEMBER") " {name=longitude_latitude type=block token=FROMLONLAT "
                                          "arguments=[" V("longitude", "double") " " V(
                                              "latitude", "double") "]}]} " T("any", "ANY") "]");
    assert_string_equal(tree("key [@by:BY pattern#1] [STORE key#0]"),
                        "[" KEY("key", "0") " {name=by type=pattern display_text=pattern "
                                            "key_spec_index=1 token=BY flags={optional}} "
                                            "{name=key type=key display_text=key "
                                            "key_spec_index=0 token=STORE flags={optional}}]");
    assert_string_equal(tree("<<BY a> b>"), "[{name=a_b type=block arguments=[" VT(
                                                "a", "string", "BY") " " V("b", "string") "]}]");
    assert_string_equal(tree("[@by:TYPE <A|*>] x"),
                        "[{name=by type=oneof token=TYPE flags={optional} arguments=[" T(
                            "a", "A") " " T("*", "*") "]} " V("x", "string") "]");
}

/* Another module's rows in a container: found, numbered, derived and counted like its own. */
static void extended(void **state) {
    (void)state;
    static const command more[] = {
        {.name = "more", .arity = 2, .flags = CMD_READONLY},
        {.name = "less", .arity = -3, .flags = CMD_ADMIN},
        {0},
    };
    static const char *const help[] = {"MORE", NULL};
    int ids = command_ids();
    commands_extend("config", more, help);
    command_row *config = command_by_name(SLICE("config")), *get = &config->subs[0];
    assert_int_equal(config->nsubs, 4);
    assert_int_equal(command_ids(), ids + 2);
    assert_true(config->more_help == help);
    command_row *row = command_by_name(SLICE("config|more"));
    assert_ptr_equal(row, &config->subs[2]);
    assert_ptr_equal(row->parent, config);
    assert_string_equal(row->full_name, "config|more");
    assert_true(row->categories & CAT_READ);
    assert_true(command_by_name(SLICE("config|less"))->categories & CAT_DANGEROUS);
    assert_ptr_equal(command_by_name(SLICE("config|get")), get);
    assert_ptr_equal(get->parent, config);
}

/* A version stands behind what it is of; a token's is that of what the token takes. */
static void docs_since(void **state) {
    (void)state;
#define SINCE(name, type, rest) "{name=" name " type=" type " display_text=" name rest "}"
    assert_string_equal(tree("[a^6.2.0]"),
                        "[" SINCE("a", "string", " since=6.2.0 flags={optional}") "]");
    assert_string_equal(
        tree("[EX^2.6.12 seconds] [GET^6.2.0]"),
        "[" SINCE("seconds", "integer", " token=EX since=2.6.12 flags={optional}") //
        " " SINCE("get", "pure-token", " token=GET since=6.2.0 flags={optional}") "]");
    assert_string_equal(
        tree("[NX|XX^7.0.0]^3.0.2"),
        "[{name=nx_xx type=oneof since=3.0.2 flags={optional} arguments=[" T("nx", "NX") " " SINCE(
            "xx", "pure-token", " token=XX since=7.0.0") "]}]");
    assert_string_equal(
        tree("[LIMIT^6.2.0 a b] c...^1.0.0"),
        "[{name=a_b type=block token=LIMIT since=6.2.0 flags={optional} arguments=[" V(
            "a", "string") " " V("b", "string") "]} " //
        SINCE("c", "string", " since=1.0.0 flags={multiple}") "]");
}

/* RESP2 has the same as flat arrays. */
static void docs_resp2(void **state) {
    (void)state;
    command def = {.name = "x", .syntax = "[seconds]"};
    buf out = {0};
    command_docs_arguments(&def, &out, 2);
    buf_append_char(&out, 0);
    assert_string_equal(out.data,
                        "*1\r\n*8\r\n$4\r\nname\r\n$7\r\nseconds\r\n$4\r\ntype\r\n$7\r\n"
                        "integer\r\n$12\r\ndisplay_text\r\n$7\r\nseconds\r\n$5\r\nflags\r\n"
                        "*1\r\n+optional\r\n");
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name),       cmocka_unit_test(containers),
        cmocka_unit_test(derived),       cmocka_unit_test(key_positions),
        cmocka_unit_test(legacy_ranges), cmocka_unit_test(docs),
        cmocka_unit_test(docs_resp2),    cmocka_unit_test(extended),
        cmocka_unit_test(docs_since),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
