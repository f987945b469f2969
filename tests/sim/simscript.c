/* simscript: see simscript.h.
 *
 *     EVAL text numkeys keys..  mark  n words of a command  m words of another  ...
 *
 * The texts take the commands from the arguments, by redis.call or redis.pcall; some end half way
 * by an error, or catch one. What a script does is one batch, as of any command: that it is there
 * whole or not at all, and that it may be pending in each of its reads, is looked at there. Those
 * that end by an error put a record before they do, so that it can be seen that what they did has
 * stayed.
 *
 * A library has two functions: f runs commands as a script does, v gives the number of its text. A
 * dry run changes the set of libraries as it thinks that it has committed: the set before is put
 * back, as another dry change. */
#include "sim/simscript.h"

#include "base/codec.h"
#include "base/log.h"
#include "script/function_store.h"
#include "script/script.h"

#include <stdio.h>

#define MARK      "sys:mark"
#define PREFIX    "function:" /* of libraries' records */
#define COMMANDS  6           /* of a script, at most */
#define LIBRARIES 4

/* What all texts begin with: step runs the next command, more says if there is one. */
static const char prelude[] =
    "local at, n = 2, 0\n"
    "local function more() return at <= #args end\n"
    "local function step(call)\n"
    "  local from, to = at + 1, at + tonumber(args[at])\n"
    "  at, n = to + 1, n + 1\n"
    "  return call(unpack(args, from, to))\n"
    "end\n"
    "local function mark() redis.call('sysput', '" MARK "', args[1]) end\n";

typedef struct text {
    bool marks;
    const char *body;
} text;

static const text texts[] = {
    {false, "local r while more() do r = step(redis.call) end return r"},
    {false, "local all = {} while more() do all[#all + 1] = step(redis.pcall) end return all"},
    {false, "redis.setresp(3) local r while more() do r = step(redis.pcall) end return r"},
    {false, "for _ = 1, 3 do at = 2 while more() do step(redis.pcall) end end return n"},
    {false, "local co = coroutine.wrap(function()\n"
            "  while more() do coroutine.yield(step(redis.pcall)) end return 'end' end)\n"
            "local all = {} repeat all[#all + 1] = co() until all[#all] == 'end' return all"},
    {true, "mark() while more() and n < 2 do step(redis.pcall) end\n"
           "return redis.error_reply('SIM ends here')"},
    {true, "mark() while more() do step(redis.call) end error({err = 'SIM raised'})"},
    {true, "while more() and n < 2 do step(redis.pcall) end mark() error('raised')"},
    {true, "mark() local told = {}\n"
           "while more() do told[#told + 1] = tostring((pcall(step, redis.call))) end return told"},
    {true, "xpcall(function() while more() do step(redis.call) end end,\n"
           "  function(e) return e end) mark() return n"},
};
#define TEXTS (sizeof texts / sizeof *texts)

static uint64_t below(sim *s, uint64_t n) {
    return rng_below(&s->chance, n);
}

/* ---- life --------------------------------------------------------------------------------------
 */

void simscript_register(void) {
    commands_register(script_commands);
    commands_register(function_commands);
    setting_defaults(script_settings);
}

/* What there is must be there now; if a read of it failed, there is no FUNCTION in this life. */
void simscript_open(simtypes *t) {
    script_start(t->session);
    status st = script_opened(t->ks);
    t->functions = status_ok(st);
    if (!t->functions) sim_say(t->s, "no functions: %s", st.msg);
    if (!t->functions && !t->tee.failed) sim_fail(t->s, "functions are refused: %s", st.msg);
}

void simscript_close(simtypes *t) {
    script_stop();
    buf_free(&t->payload);
    simwords_free(&t->inner);
}

/* ---- commands ----------------------------------------------------------------------------------
 */

static void put_number(simwords *w, uint64_t n) {
    char digits[24];
    simwords_word(w, slice_of(digits, (size_t)snprintf(digits, sizeof digits, "%llu",
                                                       (unsigned long long)n)));
}

/* numkeys, keys, the mark, commands. What the script says that it uses, it does not have to. */
static void put_arguments(simwords *w, sim *s, uint64_t mark) {
    simwords *in = &s->types->inner;
    uint64_t keys = below(s, 4);
    put_number(w, keys);
    for (uint64_t i = 0; i < keys; i++) {
        simwords_line(in, s, "%k");
        simwords_word(w, in->argv[0]);
    }
    put_number(w, mark);
    for (uint64_t n = below(s, COMMANDS + 1); n > 0; n--) {
        in->dump = w->dump;
        if (sim_permille(s, 50))
            simwords_line(in, s, "SELECT %d");
        else
            simwords_plain(in, s);
        if (w->argc + in->argc + 2 > WORDS_MAX || w->bytes.len > 400000) return;
        put_number(w, (uint64_t)in->argc);
        for (int i = 0; i < in->argc; i++)
            simwords_word(w, in->argv[i]);
        w->inner++;
    }
}

/* EVAL: does it say what it is? One that says that it writes nothing can't leave a mark. */
static void make_eval(simwords *w, sim *s) {
    static const char *const firsts[] = {
        "", "", "", "", "#!lua\n", "#!lua flags=allow-oom\n", "#!lua flags=no-writes\n"};
    size_t first = below(s, sizeof firsts / sizeof *firsts);
    const text *x = &texts[below(s, TEXTS)];
    bool read_only = sim_permille(s, 60);
    uint64_t mark = 1 + below(s, 1000000);
    buf code = {0};
    buf_printf(&code, "%slocal args = ARGV\n%s%s", firsts[first], prelude, x->body);
    simwords_word(w, slice_cstr(read_only ? "EVAL_RO" : "EVAL"));
    simwords_word(w, buf_slice(&code));
    buf_free(&code);
    put_arguments(w, s, mark);
    w->inner++; /* the mark */
    if (x->marks && !read_only && first < 6) w->mark = mark;
}

/* A library's text. Some are long: more than a piece of a record. */
static void make_library(buf *code, sim *s, unsigned number) {
    unsigned version = (unsigned)below(s, 1000000);
    size_t pad = below(s, sim_permille(s, 20) ? 600000 : sim_permille(s, 100) ? 20000 : 100);
    buf_printf(code, "#!lua name=lib%u\n--%u ", number, version);
    memset(buf_reserve(code, pad), 'p', pad);
    code->len += pad;
    buf_printf(code,
               "\nredis.register_function('f%u', function(keys, args)\n%s%s\nend)\n"
               "redis.register_function{function_name = 'v%u', flags = {'no-writes'},\n"
               "  callback = function() return %u end}\n",
               number, prelude, texts[below(s, TEXTS)].body, number, version);
    if (sim_permille(s, 60))
        buf_printf(code, "redis.register_function('shared', function() return 1 end)\n");
    if (sim_permille(s, 20)) buf_printf(code, "error('not to be loaded')\n");
}

/* What changes the set of libraries, or shows all of it. */
static void make_function(simwords *w, sim *s) {
    unsigned number = (unsigned)below(s, LIBRARIES);
    uint64_t what = below(s, 100);
    buf name = {0};
    simwords_word(w, SLICE("FUNCTION"));
    buf_printf(&name, "lib%u", number);
    if (what < 55) {
        buf code = {0};
        make_library(&code, s, number);
        simwords_word(w, SLICE("LOAD"));
        if (sim_permille(s, 700)) simwords_word(w, SLICE("REPLACE"));
        simwords_word(w, buf_slice(&code));
        buf_free(&code);
    } else if (what < 75) {
        simwords_word(w, SLICE("DELETE"));
        simwords_word(w, buf_slice(&name));
    } else if (what < 80) {
        simwords_word(w, SLICE("FLUSH"));
    } else if (what < 85) {
        simwords_word(w, SLICE("LIST"));
    } else if (what < 92 || !s->types->payload.len) {
        simwords_word(w, SLICE("DUMP"));
    } else {
        static const char *const policies[] = {"FLUSH", "APPEND", "REPLACE"};
        simwords_word(w, SLICE("RESTORE"));
        simwords_word(w, buf_slice(&s->types->payload));
        simwords_word(w, slice_cstr(policies[below(s, 3)]));
    }
    buf_free(&name);
}

/* FCALL of one that there is perhaps. */
static void make_fcall(simwords *w, sim *s) {
    char name[16];
    snprintf(name, sizeof name, "%c%u", sim_permille(s, 900) ? 'f' : 'v',
             (unsigned)below(s, LIBRARIES));
    simwords_word(w, slice_cstr(sim_permille(s, 60) ? "FCALL_RO" : "FCALL"));
    simwords_word(w, slice_cstr(name));
    put_arguments(w, s, 1 + below(s, 1000000));
}

bool simscript_make(simwords *w, sim *s) {
    uint64_t what = s->types->changes_functions ? 50 + below(s, 110) : below(s, 1000);
    if (what >= 160 || (what >= 70 && !s->types->functions)) return false;
    simwords_begin(w);
    if (what < 70)
        make_eval(w, s);
    else if (what < 110)
        make_fcall(w, s);
    else
        make_function(w, s);
    simwords_end(w);
    return true;
}

/* ---- the functions there are -------------------------------------------------------------------
 */

typedef struct kept {
    const libset *was;
    libset *copy;
} kept;

void *simscript_keep(simtypes *t) {
    kept *k = region_alloc(&t->kept, sizeof *k);
    *k = (kept){.was = functions_now(), .copy = libset_copy(functions_now())};
    return k;
}

/* Each change makes another set, and frees the old one when it ends. */
void simscript_put_back(simtypes *t, void *what) {
    kept *k = what;
    if (functions_now() == k->was) {
        libset_free(k->copy);
    } else {
        ks_begin(t->ks);
        CHECK(functions_change(t->ks, k->copy) == ENGINE_OK);
        ks_commit(t->ks);
    }
    region_reset(&t->kept);
}

void simscript_keep_payload(simtypes *t, slice payload) {
    buf_clear(&t->payload);
    buf_append_slice(&t->payload, payload);
}

/* ---- is it sound? ------------------------------------------------------------------------------
 */

/* One command run dry, its reply in t->expected. */
static void ask(simtypes *t, const char *line, slice name) {
    simwords_on_key(&t->inner, line, name);
    buf_clear(&t->expected);
    simtypes_run_dry(t, t->client, &t->inner, 1);
}

static bool replied(const simtypes *t, slice should) {
    slice reply = buf_slice(&t->expected);
    return reply.len >= should.len && memcmp(reply.data, should.data, should.len) == 0;
}

void simscript_check_mark(simtypes *t, const simwords *w) {
    char should[64];
    if (!w->mark) return;
    uint64_t mark = w->mark;
    int digits = snprintf(NULL, 0, "%llu", (unsigned long long)mark);
    snprintf(should, sizeof should, "$%d\r\n%llu\r\n", digits, (unsigned long long)mark);
    ask(t, "SYSGET %", SLICE(MARK));
    if (!replied(t, slice_cstr(should))) sim_fail(t->s, "what a script did before its end is gone");
}

/* First pieces of libraries' records. */
static void count_record(void *ctx, slice key, const entry *meta) {
    size_t *n = ctx, prefix = strlen(PREFIX);
    (void)meta;
    if (key.len < prefix + 4 || memcmp(key.data, PREFIX, prefix) != 0) return;
    *n += load_u32(key.data + key.len - 4) == 0;
}

/* A library is its record's text, and its function is of that text. */
static void check_library(simtypes *t, const library *lib) {
    char head[64] = {0}, line[64];
    unsigned number, version;
    buf name = {0}, should = {0};
    buf_printf(&name, PREFIX "%s", lib->name);
    buf_printf(&should, "$%zu\r\n", lib->code.len);
    buf_append_slice(&should, buf_slice(&lib->code));
    ask(t, "SYSGET %", buf_slice(&name));
    if (!replied(t, buf_slice(&should)))
        sim_fail(t->s, "unsound: %s is not what its record says", lib->name);
    buf_free(&should);
    buf_free(&name);
    memcpy(head, lib->code.data, lib->code.len < 63 ? lib->code.len : 63);
    CHECK(sscanf(head, "#!lua name=lib%u\n--%u", &number, &version) == 2);
    snprintf(line, sizeof line, "v%u", number);
    ask(t, "FCALL_RO % 0", slice_cstr(line));
    snprintf(line, sizeof line, ":%u\r\n", version);
    if (!replied(t, slice_cstr(line)))
        sim_fail(t->s, "unsound: %s runs another text than it has", lib->name);
}

void simscript_sound(simtypes *t) {
    sim *s = t->s;
    size_t records = 0;
    uint64_t next;
    if (!t->functions || simfs_stopped(s->fs)) return;
    (void)engine_scan(s->model, ENGINE_DB_SYSTEM, 0, SIZE_MAX, &next, count_record, &records);
    if (records != libset_count(functions_now()))
        sim_fail(s, "unsound: %zu libraries, of which %zu are recorded",
                 libset_count(functions_now()), records);
    for (size_t i = 0; i < libset_count(functions_now()); i++)
        check_library(t, libset_at(functions_now(), i));
}
