/* The HyperLogLog commands.
 *
 * A count that was computed is kept in the value, as redis-server does: so PFCOUNT of one key may
 * change it. Where nothing can be written (the log has no room, or has failed) it just counts. */
#include "types/hll.h"
#include "commands/commands.h"
#include "commands/data.h"

#define KEEP_BYTES (STRING_FLAT_EDIT_MAX + 1024) /* what keeping a count may log */

#define NOT_ONE SLICE("WRONGTYPE Key is not a valid HyperLogLog string value.")
#define BROKEN  SLICE("INVALIDOBJ Corrupted HLL object detected")

/* hll_open for a command of this client. */
static engine_result open_quietly(client *c, slice key, unsigned flags, hll *out) {
    if (c->flags & CLIENT_NO_TOUCH) flags |= KS_NO_TOUCH;
    return hll_open(c->ks, c->db, key, flags, out);
}

/* What it is, if it can't be used. */
static command_result check(client *c, const hll *h) {
    if (h->s.wrong_type) return reply_wrong_type(c);
    if (h->not_one) return reply_error_text(c, NOT_ONE);
    return h->broken ? reply_error_text(c, BROKEN) : CMD_DONE;
}

/* Opens it, or ends the command. */
static command_result open_hll(client *c, slice key, unsigned flags, hll *out) {
    if (flags & KS_WRITE) STEP_TRY(data_check_key(c, key));
    ENGINE_TRY(c, open_quietly(c, key, flags, out));
    return check(c, out);
}

/* The union of the keys at arguments from `at` on. All that must be read is asked for before the
 * first that is pending gives up; errors come in the order of the keys. */
static command_result unite(client *c, int at, uint8_t *registers, bool *dense) {
    bool pending = false;
    *dense = false;
    memset(registers, 0, HLL_REGISTERS);
    for (int i = at; i < c->argc; i++) {
        hll h;
        engine_result r = open_quietly(c, c->argv[i], 0, &h);
        if (r == ENGINE_OK && !h.s.wrong_type && !h.not_one) r = hll_max(&h, registers);
        if (r == ENGINE_PENDING) pending = true;
        if (pending) continue;
        ENGINE_TRY(c, r);
        STEP_TRY(check(c, &h));
        data_depends(c, &h.s);
        *dense |= h.s.exists && h.dense;
    }
    return pending ? CMD_AGAIN : CMD_DONE;
}

/* 1 if the key was made, or an estimate may have changed. */
static command_result cmd_pfadd(client *c) {
    hll h;
    uint64_t raised;
    STEP_TRY(open_hll(c, c->argv[1], KS_WRITE, &h));
    ENGINE_TRY(c, hll_add(&h, c->argv + 2, (size_t)c->argc - 2, &raised));
    STEP_TRY(check(c, &h));
    if (raised) {
        data_changed(c, KS_STRING, "pfadd", c->argv[1]);
        ks_dirty(c->ks, (int64_t)raised - 1);
    }
    data_depends(c, &h.s);
    reply_int(c, raised > 0);
    return CMD_DONE;
}

/* Keeps the count if that can be written. */
static command_result keep_count(client *c, hll *h, uint64_t count) {
    engine *e = ks_engine(c->ks);
    if (!status_ok(engine_failed(e)) || !status_ok(engine_room(e, KEEP_BYTES))) return CMD_DONE;
    ENGINE_TRY(c, hll_keep(h, count));
    ks_touched(c->ks, c->db, c->argv[1]);
    return CMD_DONE;
}

/* Of several keys, the count of their union. */
static command_result cmd_pfcount(client *c) {
    hll h;
    uint64_t count = 0;
    bool dense;
    if (c->argc > 2) {
        uint8_t *registers = ks_alloc(c->ks, HLL_REGISTERS);
        STEP_TRY(unite(c, 1, registers, &dense));
        reply_int(c, (int64_t)hll_estimate(registers));
        return CMD_DONE;
    }
    STEP_TRY(open_hll(c, c->argv[1], 0, &h));
    if (h.s.exists && !hll_kept(&h, &count)) {
        uint8_t *registers = ks_alloc(c->ks, HLL_REGISTERS);
        memset(registers, 0, HLL_REGISTERS);
        ENGINE_TRY(c, hll_max(&h, registers));
        STEP_TRY(check(c, &h));
        count = hll_estimate(registers);
        STEP_TRY(keep_count(c, &h, count));
    }
    data_depends(c, &h.s);
    reply_int(c, (int64_t)count);
    return CMD_DONE;
}

/* The destination is one of the sources, and dense if any of them is. */
static command_result cmd_pfmerge(client *c) {
    hll h;
    bool dense;
    uint8_t *registers = ks_alloc(c->ks, HLL_REGISTERS);
    STEP_TRY(data_check_key(c, c->argv[1]));
    STEP_TRY(unite(c, 1, registers, &dense));
    STEP_TRY(open_hll(c, c->argv[1], KS_WRITE, &h));
    ENGINE_TRY(c, hll_raise(&h, registers, dense));
    STEP_TRY(check(c, &h));
    data_changed(c, KS_STRING, "pfadd", c->argv[1]);
    reply_ok(c);
    return CMD_DONE;
}

/* ---- PFDEBUG, PFSELFTEST ------------------------------------------------------------------------
 */

/* Makes it dense, if it is not: 1 if so. */
static command_result to_dense(client *c, hll *h, bool *done) {
    *done = !h->dense;
    ENGINE_TRY(c, hll_make_dense(h));
    STEP_TRY(check(c, h));
    ks_dirty(c->ks, *done);
    return CMD_DONE;
}

/* All registers; it is dense then. */
static command_result getreg(client *c, hll *h) {
    bool done;
    uint8_t *registers = ks_alloc(c->ks, HLL_REGISTERS);
    memset(registers, 0, HLL_REGISTERS);
    ENGINE_TRY(c, hll_max(h, registers));
    STEP_TRY(check(c, h));
    if (!h->dense) {
        STEP_TRY(open_hll(c, c->argv[2], KS_WRITE, h));
        STEP_TRY(to_dense(c, h, &done));
    }
    reply_array(c, HLL_REGISTERS);
    for (int i = 0; i < HLL_REGISTERS; i++)
        reply_int(c, registers[i]);
    return CMD_DONE;
}

/* A sparse one's runs. */
static command_result decode(client *c, hll *h) {
    if (h->dense) return reply_error(c, "ERR HLL encoding is not sparse");
    buf *text = ks_scratch(c->ks);
    buf_clear(text);
    ENGINE_TRY(c, hll_describe(h, text));
    STEP_TRY(check(c, h));
    reply_bulk(c, buf_slice(text));
    return CMD_DONE;
}

/* What concerns the form, for tests. */
static command_result cmd_pfdebug(client *c) {
    hll h;
    bool done = false;
    STEP_TRY(data_check_key(c, c->argv[2]));
    ENGINE_TRY(c, open_quietly(c, c->argv[2], KS_WRITE, &h));
    if (!h.s.exists) return reply_error(c, "ERR The specified key does not exist");
    STEP_TRY(check(c, &h));
    client_depends_on_end(c);
    if (arg_is(c, 1, "getreg")) return getreg(c, &h);
    if (arg_is(c, 1, "decode")) return decode(c, &h);
    if (arg_is(c, 1, "encoding")) {
        reply_simple(c, h.dense ? "dense" : "sparse");
        return CMD_DONE;
    }
    if (!arg_is(c, 1, "todense"))
        return reply_error(c, "ERR Unknown PFDEBUG subcommand '%.*s'", (int)c->argv[1].len,
                           c->argv[1].data);
    STEP_TRY(to_dense(c, &h, &done));
    reply_int(c, done);
    return CMD_DONE;
}

/* Needs no key. */
static command_result cmd_pfselftest(client *c) {
    const char *wrong = hll_self_test(ks_rng(c->ks));
    if (wrong) return reply_error(c, "ERR TESTFAILED %s", wrong);
    reply_ok(c);
    return CMD_DONE;
}

/* ---- table --------------------------------------------------------------------------------------
 */

#define HLLS .categories = CAT_HYPERLOGLOG, .group = "hyperloglog", .since = "2.8.9"

const command hll_commands[] = {
    {.name = "pfadd",
     .run = cmd_pfadd,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
     HLLS,
     .complexity = "O(1) to add every element.",
     .summary = "Adds elements to a HyperLogLog, which is made if there is none.",
     .syntax = "key [element...]",
     .keys = {KEY_AT(1, KEY_RW | KEY_INSERT)}},
    {.name = "pfcount",
     .run = cmd_pfcount,
     .arity = -2,
     .flags = CMD_READONLY | CMD_MAY_REPLICATE,
     HLLS,
     .complexity = "O(1) with a very small average constant time when called with a single key. "
                   "O(N) with N being the number of keys, and much bigger constant times, when "
                   "called with multiple keys.",
     .summary = "Estimates how many different elements were added to one or more HyperLogLogs.",
     .syntax = "key...",
     .keys = {{.flags = KEY_RW | KEY_ACCESS,
               .begin = 1,
               .last = -1,
               .step = 1,
               .notes = "RW because it may change the internal representation of the key, and "
                        "propagate to replicas"}}},
    {.name = "pfmerge",
     .run = cmd_pfmerge,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM,
     HLLS,
     .complexity = "O(N) to merge N HyperLogLogs, but with high constant times.",
     .summary = "Adds to a HyperLogLog what was added to others.",
     .syntax = "destkey [sourcekey:key...]",
     .keys = {KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_INSERT), KEYS_FROM(2, 1, KEY_RO | KEY_ACCESS)}},
    {.name = "pfdebug",
     .run = cmd_pfdebug,
     .arity = 3,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_ADMIN,
     HLLS,
     .complexity = "N/A",
     .summary = "Shows, or changes, how a HyperLogLog is kept.",
     .syntax = "subcommand key",
     .keys = {KEY_AT(2, KEY_RW | KEY_ACCESS)},
     .internal = true},
    {.name = "pfselftest",
     .run = cmd_pfselftest,
     .arity = 1,
     .flags = CMD_ADMIN,
     HLLS,
     .complexity = "N/A",
     .summary = "Tries the arithmetic of HyperLogLogs.",
     .internal = true},
    {0},
};
