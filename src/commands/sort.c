/* SORT and SORT_RO: options, the reply or the list that it stores, and their table.
 *
 * The order of elements is types/sort.h's. Replies are written as elements are shown, each with its
 * values of GET; a stored result is pushed to a new list, which takes the destination's place at
 * the end, so that this may be the source. */
#include "types/sort.h"
#include "commands/commands.h"
#include "commands/data.h"
#include "session/identity.h"
#include "types/list.h"

/* What the arguments say, and where the result goes. */
typedef struct sorting {
    client *c;
    sort_spec spec;
    const slice **gets; /* patterns, each an argument */
    uint64_t ngets;
    const slice *store; /* NULL: into the reply */
    elements to;
    held value; /* the list is read before a value is put there */
    sort_lookup look;
} sorting;

/* ---- options -----------------------------------------------------------------------------------
 */

/* The keys that patterns stand for are not known beforehand: false, after having replied, for who
 * may not read all of them. */
static bool may_read_all(client *c, const char *option) {
    if (identity_reads_all(c)) return true;
    (void)reply_error(c, "ERR %s option of SORT denied due to insufficient ACL permissions",
                      option);
    return false;
}

/* Options may come in any order and more than once: GETs add up, of others the last one counts. */
static bool parse(client *c, bool read_only, sorting *s) {
    *s = (sorting){.c = c, .spec = {.count = -1}};
    s->gets = ks_alloc(c->ks, (size_t)c->argc * sizeof *s->gets);
    for (int i = 2; i < c->argc; i++) {
        int left = c->argc - i - 1;
        if (arg_is(c, i, "asc")) {
            s->spec.descending = false;
        } else if (arg_is(c, i, "desc")) {
            s->spec.descending = true;
        } else if (arg_is(c, i, "alpha")) {
            s->spec.alpha = true;
        } else if (arg_is(c, i, "limit") && left >= 2) {
            if (!arg_i64(c, ++i, &s->spec.offset) || !arg_i64(c, ++i, &s->spec.count)) return false;
        } else if (!read_only && arg_is(c, i, "store") && left >= 1) {
            s->store = &c->argv[++i];
        } else if (arg_is(c, i, "by") && left >= 1) {
            i++;
            s->spec.by = slice_of(c->argv[i].len ? c->argv[i].data : "", c->argv[i].len);
            bool looks_up = memchr(s->spec.by.data, '*', s->spec.by.len) != NULL;
            if (looks_up && !may_read_all(c, "BY")) return false;
        } else if (arg_is(c, i, "get") && left >= 1) {
            if (!may_read_all(c, "GET")) return false;
            s->gets[s->ngets++] = &c->argv[++i];
        } else {
            (void)reply_syntax_error(c);
            return false;
        }
    }
    s->spec.fixed = s->store != NULL;
    s->spec.flags = c->flags & CLIENT_NO_TOUCH ? KS_NO_TOUCH : 0;
    s->look = (sort_lookup){.ks = c->ks, .db = c->db, .flags = s->spec.flags};
    return true;
}

/* ---- results -----------------------------------------------------------------------------------
 */

/* One string of the result; NULL: there is none, which a list stores as an empty one. */
static engine_result put(sorting *s, const slice *value) {
    if (s->store) {
        hold(s->c->ks, &s->value, value ? *value : SLICE_EMPTY);
        return list_push(&s->to, LIST_TAIL, &s->value.bytes, 1);
    }
    if (value) {
        reply_bulk(s->c, *value);
    } else {
        reply_null(s->c);
    }
    return ENGINE_OK;
}

/* A sort_each: the element, or what the patterns of GET stand for. All are asked for. */
static engine_result put_element(void *ctx, slice element) {
    sorting *s = ctx;
    engine_result worst = ENGINE_OK;
    if (s->ngets == 0) return put(s, &element);
    for (uint64_t i = 0; i < s->ngets; i++) {
        slice value;
        engine_result r = sort_value(&s->look, *s->gets[i], element, &value);
        if (r == ENGINE_OK || r == ENGINE_ABSENT) {
            r = worst == ENGINE_OK ? put(s, r == ENGINE_OK ? &value : NULL) : worst;
        }
        if (r == ENGINE_ERROR) return r;
        if (r != ENGINE_OK) worst = r;
    }
    return worst;
}

/* The stored list's end: the key, the event, the reply. */
static command_result finish_store(sorting *s, uint64_t n) {
    client *c = s->c;
    ENGINE_TRY(c, el_end(&s->to));
    if (n > 0) {
        data_changed(c, KS_LIST, "sortstore", *s->store);
        ks_dirty(c->ks, (int64_t)n - 1);
    } else if (s->to.deleted) {
        data_changed(c, KS_GENERIC, "del", *s->store);
    }
    reply_int(c, (int64_t)n);
    return CMD_DONE;
}

/* The reply's length is known before the elements are: so they are written as they come, and taken
 * back if one of them is no number. */
static command_result sort(client *c, bool read_only) {
    sorting s;
    elements el;
    bool not_number;
    if (!parse(c, read_only, &s)) return CMD_REFUSED;
    if (s.store) STEP_TRY(data_check_key(c, *s.store));
    ENGINE_TRY(c, sort_open(c->ks, c->db, c->argv[1], s.spec.flags, &el));
    if (el.wrong_type) return reply_wrong_type(c);
    client_depends_on_end(c);
    uint64_t n = sort_count(&el, &s.spec) * (s.ngets ? s.ngets : 1);
    size_t at = c->out.len;
    if (s.store) {
        el_create(c->ks, c->db, *s.store, &list_type, &s.to);
    } else {
        reply_array(c, (int64_t)n);
    }
    ENGINE_TRY(c, sort_run(&el, &s.spec, put_element, &s, &not_number));
    if (not_number) {
        c->out.len = at;
        return reply_error(c, "ERR One or more scores can't be converted into double");
    }
    return s.store ? finish_store(&s, n) : CMD_DONE;
}

static command_result cmd_sort(client *c) {
    return sort(c, false);
}
static command_result cmd_sort_ro(client *c) {
    return sort(c, true);
}

/* ---- table -------------------------------------------------------------------------------------
 */

/* The source, and where STORE says; its last one counts. Words after GET, BY and LIMIT are no
 * options. Keys made of patterns cannot be told. */
static int sort_keys(const slice *argv, int argc, int *out, unsigned *flags) {
    int n = 1;
    out[0] = 1;
    if (flags) flags[0] = KEY_RO | KEY_ACCESS;
    for (int i = 2; i < argc; i++) {
        if (slice_ieq(argv[i], "limit")) {
            i += 2;
        } else if (slice_ieq(argv[i], "get") || slice_ieq(argv[i], "by")) {
            i++;
        } else if (slice_ieq(argv[i], "store") && i + 1 < argc) {
            n = 2;
            out[1] = ++i;
            if (flags) flags[1] = KEY_OW | KEY_UPDATE;
        }
    }
    return n;
}

static int sort_ro_keys(const slice *argv, int argc, int *out, unsigned *flags) {
    (void)argv;
    (void)argc;
    out[0] = 1;
    if (flags) flags[0] = KEY_RO | KEY_ACCESS;
    return 1;
}

#define SORT_ROW                                                                                   \
    .categories = CAT_SET | CAT_SORTEDSET | CAT_LIST | CAT_DANGEROUS, .group = "generic",          \
    .arity = -2,                                                                                   \
    .complexity = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, "   \
                  "and M the number of returned elements. When the elements are not sorted, "      \
                  "complexity is O(N)."
#define SORT_SYNTAX                                                                                \
    "key [@by-pattern:BY pattern#1] [@limit:LIMIT offset count] [@get-pattern:GET pattern#1]... "  \
    "@order:[ASC|DESC] [@sorting:ALPHA]"

/* Keys that no position tells: begin is 0. */
#define PATTERN_KEYS                                                                               \
    {                                                                                              \
        .flags = KEY_RO | KEY_ACCESS,                                                              \
        .notes = "For the optional BY/GET keyword. It is marked 'unknown' because the key names "  \
                 "derive from the content of the key we sort"                                      \
    }
#define STORE_KEY                                                                                  \
    {                                                                                              \
        .flags = KEY_OW | KEY_UPDATE,                                                              \
        .notes = "For the optional STORE keyword. It is marked 'unknown' because the keyword can " \
                 "appear anywhere in the argument array"                                           \
    }

const command sort_commands[] = {
    {.name = "sort",
     .run = cmd_sort,
     .flags = CMD_WRITE | CMD_DENYOOM,
     SORT_ROW,
     .since = "1.0.0",
     .summary = "Sorts the elements of a list, a set or a sorted set, and returns or stores them.",
     .syntax = SORT_SYNTAX " [STORE destination#2]",
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS), PATTERN_KEYS, STORE_KEY},
     .getkeys = sort_keys},
    {.name = "sort_ro",
     .run = cmd_sort_ro,
     .flags = CMD_READONLY,
     SORT_ROW,
     .since = "7.0.0",
     .summary = "Returns the elements of a list, a set or a sorted set in order.",
     .syntax = SORT_SYNTAX,
     .keys = {KEY_AT(1, KEY_RO | KEY_ACCESS), PATTERN_KEYS},
     .getkeys = sort_ro_keys},
    {0},
};
