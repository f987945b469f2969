/* tx: what is queued, what EXEC does with it, what counts as a change of a watched key. */
#include "support/session_kit.h"
#include "support/unit.h"

#include "session/config.h"
#include "session/reply.h"
#include "tx/tx.h"

#include <stdio.h>
#include <string.h>

static kit k;
static client *c, *other;
static fake_end *end, *other_end;
static char told[1024]; /* what a watch heard: "NAME@DB " */

/* ---- commands ----------------------------------------------------------------------------------
 */

/* flush db, -1: all */
static command_result run_flush(client *who) {
    int64_t db;
    if (!arg_i64(who, 1, &db)) return CMD_REFUSED;
    engine_result r = ks_flush(who->ks, (int32_t)db);
    if (r != ENGINE_OK) return reply_engine(who, r);
    reply_ok(who);
    return CMD_DONE;
}

static command_result run_swap(client *who) {
    int64_t a, b;
    if (!arg_i64(who, 1, &a) || !arg_i64(who, 2, &b)) return CMD_REFUSED;
    engine_result r = ks_swap(who->ks, (uint32_t)a, (uint32_t)b);
    if (r != ENGINE_OK) return reply_engine(who, r);
    reply_ok(who);
    return CMD_DONE;
}

static command_result run_bad(client *who) {
    return reply_error(who, "ERR bad");
}

static command_result run_canblock(client *who) {
    (void)who;
    return CMD_DONE;
}

static int64_t times; /* that "outside" has run */

/* outside: changes what no batch takes back. */
static command_result run_outside(client *who) {
    reply_int(who, ++times);
    return CMD_DONE;
}

static const command can_subs[] = {
    {.name = "reset", .run = run_canblock, .arity = 2},
    {0},
};

static const command own_commands[] = {
    {.name = "can", .arity = -2, .subcommands = can_subs}, /* its "reset" is not RESET */
    {.name = "flush", .run = run_flush, .arity = 2, .flags = CMD_WRITE},
    {.name = "swap", .run = run_swap, .arity = 3, .flags = CMD_WRITE},
    {.name = "bad", .run = run_bad, .arity = 1, .flags = CMD_READONLY},
    {.name = "outside", .run = run_outside, .arity = 1},
    {.name = "never", .run = run_canblock, .arity = 1, .flags = CMD_NO_MULTI},
    {0},
};

/* ---- the world ---------------------------------------------------------------------------------
 */

static void hear(client *who, command_result r, uint64_t us, void *ctx) {
    (void)r;
    (void)us;
    (void)ctx;
    size_t n = strlen(told);
    snprintf(told + n, sizeof told - n, "%s@%u ", who->row->full_name, who->db);
}

static int setup(void **state) {
    (void)state;
    kit_register_once(own_commands, tx_commands);
    kit_start(&k);
    tx_start(k.session);
    session_watch_add(k.session, &(command_watch){.after = hear});
    c = kit_client(&k, &end);
    other = kit_client(&k, &other_end);
    told[0] = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    return 0;
}

/* Several lines, and the replies to them. */
static void ask(const char *lines, const char *want) {
    assert_string_equal(kit_ask(&k, end, lines), want);
}
static void ask_other(const char *lines, const char *want) {
    assert_string_equal(kit_ask(&k, other_end, lines), want);
}

/* ---- queueing ----------------------------------------------------------------------------------
 */

static void exec_runs_all(void **state) {
    (void)state;
    uint64_t commits = engine_mem_counters(k.engine)->commits;
    ask("MULTI\r\nset a 1\r\nset b 2\r\nget a\r\n", "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    assert_true(c->flags & CLIENT_MULTI);
    assert_int_equal(c->carried.commands, 3);
    ask_other("get a\r\n", "$-1\r\n");
    ask("EXEC\r\n", "*3\r\n+OK\r\n+OK\r\n$1\r\n1\r\n");
    /* MULTI, get, EXEC: what is queued is no batch, what runs together is one */
    assert_int_equal(engine_mem_counters(k.engine)->commits - commits, 3);
    assert_string_equal(told, "multi@0 get@0 set@0 set@0 get@0 exec@0 ");
    assert_false(c->flags & CLIENT_MULTI);
    assert_null(c->block);
    ask("MULTI\r\nEXEC\r\n", "+OK\r\n*0\r\n");
    ask("EXEC\r\nDISCARD\r\n", "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n");
    ask("MULTI\r\nset a 9\r\nDISCARD\r\nget a\r\n", "+OK\r\n+QUEUED\r\n+OK\r\n$1\r\n1\r\n");
}

static void errors(void **state) {
    (void)state;
    ask("MULTI\r\nset a 1\r\nnosuch\r\nset b 2\r\nEXEC\r\nget a\r\n",
        "+OK\r\n+QUEUED\r\n-ERR unknown command 'nosuch', with args beginning with: \r\n"
        "+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n");
    ask("MULTI\r\nget\r\nEXEC\r\n",
        "+OK\r\n-ERR wrong number of arguments for 'get' command\r\n"
        "-EXECABORT Transaction discarded because of previous errors.\r\n");
    ask("MULTI\r\nEXEC now\r\nEXEC\r\n",
        "+OK\r\n-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
        "command\r\n-ERR EXEC without MULTI\r\n");
    ask("WATCH a\r\nset a 1\r\nEXEC now\r\nMULTI\r\nping\r\nEXEC\r\ndrop a\r\n",
        "+OK\r\n+OK\r\n-EXECABORT Transaction discarded because of: wrong number of arguments for "
        "'exec' command\r\n+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n:1\r\n");
    ask("MULTI\r\nMULTI\r\nWATCH a\r\nset a 1\r\nEXEC\r\n",
        "+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not allowed\r\n"
        "+QUEUED\r\n*1\r\n+OK\r\n");
    ask("MULTI\r\nnever\r\nEXEC\r\n",
        "+OK\r\n-ERR Command not allowed inside a transaction\r\n"
        "-EXECABORT Transaction discarded because of previous errors.\r\n");
    ask("MULTI\r\ncan reset\r\nDISCARD\r\n", "+OK\r\n+QUEUED\r\n+OK\r\n");
    /* an error inside stops nothing */
    ask("MULTI\r\nset a 5\r\nbad\r\nget a\r\nEXEC\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n-ERR bad\r\n$1\r\n5\r\n");
    assert_int_equal(command_by_name(SLICE("bad"))->failed, 1);
}

static void database(void **state) {
    (void)state;
    ask("MULTI\r\nselect 3\r\nset a 1\r\nEXEC\r\nget a\r\nselect 0\r\nget a\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n$-1\r\n");
    assert_string_equal(told, "multi@0 select@3 set@3 exec@3 get@3 select@0 get@0 ");
}

static void gates(void **state) {
    (void)state;
    ask("MULTI\r\ndrop a\r\nput a 1\r\n", "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    k.knobs->room = ST_NO_SPACE;
    ask("EXEC\r\n",
        "-EXECABORT Transaction discarded because of: MISCONF Errors writing to the log "
        "on disk: No space left on device\r\n");
    ask("EXEC\r\n", "-ERR EXEC without MULTI\r\n");
    /* what only takes away needs no room */
    ask("MULTI\r\ndrop a\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n:0\r\n");
    ask("MULTI\r\nput a 1\r\n",
        "+OK\r\n-MISCONF Errors writing to the log on disk: No space left on device\r\n");
    k.knobs->room = ST_OK;
    ask("EXEC\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    /* a pause of writes holds EXEC if there is one in it */
    ask("MULTI\r\nget a\r\nEXEC\r\nMULTI\r\nset a 1\r\n",
        "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n+OK\r\n+QUEUED\r\n");
    session_pause(k.session, ks_now(k.ks) + 1000, false);
    ask("EXEC\r\n", "");
    ask_other("MULTI\r\nget a\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
    session_unpause(k.session);
    ask("", "*1\r\n+OK\r\n");
}

/* Memory is counted, and bounded as a query is. */
static void memory(void **state) {
    (void)state;
    size_t before = client_memory(c);
    char line[3000];
    snprintf(line, sizeof line, "set a %02000d\r\n", 7);
    ask("MULTI\r\n", "+OK\r\n");
    for (int i = 0; i < 100; i++)
        ask(line, "+QUEUED\r\n");
    assert_true(client_memory(c) > before + 200000);
    assert_true(c->carried.bytes > 200000);
    kit_set("client-query-buffer-limit", "1mb");
    for (int i = 0; i < 1000 && !end->closed; i++) {
        kit_send(end, line);
        kit_turn(&k);
    }
    assert_true(end->closed);
    kit_set("client-query-buffer-limit", "1gb");
    ask_other("MULTI\r\nset a 1\r\n", "+OK\r\n+QUEUED\r\n");
    client_forget_slots(other);
    assert_false(other->flags & CLIENT_MULTI);
    ask_other("get a\r\n", "$-1\r\n");
}

/* ---- running more than once --------------------------------------------------------------------
 */

static void pending(void **state) {
    rng r;
    (void)state;
    unit_seed(&r);
    ask("set n 0\r\n", "+OK\r\n");
    for (int i = 0; i < 200; i++) {
        char want[128], lines[128];
        told[0] = 0;
        snprintf(lines, sizeof lines,
                 "MULTI\r\nget n\r\nselect 1\r\nget n\r\nset n %d\r\nselect 0\r\n"
                 "get n\r\nEXEC\r\n",
                 i);
        k.knobs->pending_permille = 400;
        const char *got = kit_ask(&k, end, lines);
        if (i == 0) {
            snprintf(want, sizeof want, "*6\r\n$1\r\n0\r\n+OK\r\n$-1\r\n+OK\r\n+OK\r\n$1\r\n0\r\n");
        } else {
            char n[12];
            snprintf(n, sizeof n, "%d", i - 1);
            snprintf(want, sizeof want,
                     "*6\r\n$1\r\n0\r\n+OK\r\n$%zu\r\n%s\r\n+OK\r\n+OK\r\n$1\r\n0\r\n", strlen(n),
                     n);
        }
        assert_non_null(strstr(got, want));
        assert_string_equal(told, "multi@0 get@0 select@1 get@1 set@1 select@0 get@0 exec@0 ");
    }
    assert_true(engine_mem_counters(k.engine)->pendings > 50);
}

/* What must come from the disk comes together: EXEC does not run once for each of its reads. */
static void reads_together(void **state) {
    (void)state;
    ask("MULTI\r\nget a\r\nget b\r\nget c\r\nget d\r\nget e\r\nexists f\r\nmget g h\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    k.knobs->pending_permille = 1000;
    uint64_t parked = session_statistics(k.session)->parked;
    ask("EXEC\r\n", "*7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n:0\r\n*2\r\n$-1\r\n$-1\r\n");
    k.knobs->pending_permille = 0;
    assert_in_range(session_statistics(k.session)->parked - parked, 1, 2);
}

/* A command that changes what no batch takes back runs once, wherever EXEC has to wait. */
static void runs_once(void **state) {
    rng r;
    (void)state;
    unit_seed(&r);
    k.knobs->for_readers = true;
    uint64_t parked = session_statistics(k.session)->parked;
    for (int64_t i = 0; i < 50; i++) {
        char want[128];
        times = i;
        k.knobs->pending_permille = 0;
        ask("MULTI\r\nget a\r\noutside\r\nget b\r\nget c\r\n",
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
        k.knobs->pending_permille = 600;
        snprintf(want, sizeof want, "*4\r\n$-1\r\n:%d\r\n$-1\r\n$-1\r\n", (int)i + 1);
        ask("EXEC\r\n", want);
    }
    assert_in_range(session_statistics(k.session)->parked - parked, 40, 150);
}

/* A failure of the engine in the middle: nothing stays, and the transaction is over. */
static void engine_fails(void **state) {
    (void)state;
    for (uint64_t at = 1; at < 6; at++) {
        ask("select 0\r\nflush -1\r\nMULTI\r\nset a 1\r\nselect 1\r\nset b 2\r\nset c 3\r\n",
            "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
        k.knobs->error_at = at;
        const char *got = kit_ask(&k, end, "EXEC\r\n");
        bool failed = got[0] == '-';
        k.knobs->error_at = 0;
        assert_false(c->flags & CLIENT_MULTI);
        if (failed) {
            assert_int_equal(c->db, 0);
            ask("get a\r\nselect 1\r\nget b\r\nget c\r\n", "$-1\r\n+OK\r\n$-1\r\n$-1\r\n");
        }
        assert_true(failed || at > 3);
    }
}

/* ---- watching ----------------------------------------------------------------------------------
 */

/* In c: WATCH, then `lines` in the other client, then an EXEC that runs or does not. */
static void watched(const char *before, const char *watch, const char *lines, bool runs) {
    (void)kit_ask(&k, other_end, "select 0\r\nflush -1\r\n");
    (void)kit_ask(&k, other_end, before);
    ask(watch, "+OK\r\n");
    (void)kit_ask(&k, other_end, lines);
    ask("MULTI\r\nping\r\nEXEC\r\n",
        runs ? "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n" : "+OK\r\n+QUEUED\r\n*-1\r\n");
    assert_false(c->flags & CLIENT_DIRTY);
}

static void changes(void **state) {
    (void)state;
    watched("set a 1\r\n", "WATCH a\r\n", "get a\r\n", true);
    watched("set a 1\r\n", "WATCH a\r\n", "set b 1\r\n", true);
    watched("set a 1\r\n", "WATCH a\r\n", "set a 1\r\n", false);
    watched("set a 1\r\n", "WATCH b a a\r\n", "drop a\r\n", false);
    watched("", "WATCH a\r\n", "set a 1\r\ndrop a\r\n", false);
    watched("", "WATCH a\r\n", "drop a\r\n", true);
    watched("", "WATCH a\r\n", "select 1\r\nset a 1\r\n", true);
    watched("", "WATCH a\r\n", "MULTI\r\nset a 1\r\nDISCARD\r\n", true);
    watched("", "WATCH a\r\n", "MULTI\r\nset a 1\r\nEXEC\r\n", false);
    /* the other's aborted batch is no change */
    watched("", "WATCH a\r\n", "refuse a 1\r\n", true);
    ask("WATCH a\r\nset a 1\r\nUNWATCH\r\nMULTI\r\nping\r\nEXEC\r\n",
        "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    ask("WATCH a\r\nset a 1\r\nMULTI\r\nDISCARD\r\nMULTI\r\nping\r\nEXEC\r\n",
        "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    ask("WATCH a\r\nMULTI\r\nset a 1\r\nset a 2\r\nUNWATCH\r\nEXEC\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n+OK\r\n");
}

static void flushes_and_swaps(void **state) {
    (void)state;
    watched("set a 1\r\n", "WATCH a\r\n", "flush -1\r\n", false);
    watched("set a 1\r\n", "WATCH a\r\n", "flush 0\r\n", false);
    watched("set a 1\r\n", "WATCH a\r\n", "flush 1\r\n", true);
    watched("set b 1\r\n", "WATCH a\r\n", "flush -1\r\n", true);
    watched("set a 1\r\n", "WATCH a\r\n", "swap 0 1\r\n", false);
    watched("set a 1\r\n", "WATCH a\r\n", "swap 2 1\r\n", true);
    watched("set b 1\r\n", "WATCH a\r\n", "swap 1 0\r\n", true);
    watched("select 1\r\nset a 1\r\n", "WATCH a\r\n", "swap 0 1\r\n", false);
    watched("select 1\r\nset a 1\r\n", "WATCH a\r\n", "flush 1\r\nswap 0 1\r\n", true);
}

/* c watches a key with an expire time. */
static void watch_due(const char *set, int64_t before, int64_t after, const char *lines,
                      bool runs) {
    (void)kit_ask(&k, other_end, "select 0\r\nflush -1\r\n");
    (void)kit_ask(&k, other_end, set);
    ks_set_expiry_frozen(k.ks, true); /* what is due stays where it is */
    kit_sleep(&k, before);
    ask("WATCH a\r\n", "+OK\r\n");
    kit_sleep(&k, after);
    ks_set_expiry_frozen(k.ks, false);
    (void)kit_ask(&k, other_end, lines);
    ask("MULTI\r\nping\r\nEXEC\r\n",
        runs ? "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n" : "+OK\r\n+QUEUED\r\n*-1\r\n");
}

static void expiry(void **state) {
    (void)state;
    ks_set_active_expire(k.ks, false);
    watch_due("setpx a 1 1000\r\n", 0, 10, "", true);
    watch_due("setpx a 1 1000\r\n", 0, 1001, "", false);          /* came due, not deleted */
    watch_due("setpx a 1 1000\r\n", 0, 1001, "get a\r\n", false); /* and deleted */
    watch_due("setpx a 1 1000\r\n", 1001, 0, "", true);           /* was due already */
    watch_due("setpx a 1 1000\r\n", 1001, 0, "get a\r\n", true);
    watch_due("setpx a 1 1000\r\n", 1001, 0, "flush 0\r\n", true);
    watch_due("setpx a 1 1000\r\n", 1001, 0, "set a 2\r\n", false);
    watch_due("setpx a 1 1000\r\n", 1001, 0, "get a\r\nset a 2\r\n", false);
    watch_due("setpx a 1 1000\r\n", 1001, 0, "swap 0 1\r\n", true);
    watch_due("select 1\r\nsetpx a 1 1000\r\n", 1001, 0, "swap 0 1\r\n", true);
    watch_due("select 1\r\nsetpx a 1 1000\r\n", 1001, 0, "swap 0 1\r\nselect 0\r\nget a\r\n", true);
    watch_due("select 1\r\nsetpx a 1 1000\r\n", 0, 0, "swap 0 1\r\n", false);
}

/* The states of many clients, against a count of what each watches: none is left behind. */
static void random_watches(void **state) {
    enum { N = 6 };
    client *cl[N];
    fake_end *e[N];
    bool dirty[N] = {false}, watches[N][4] = {{false}};
    rng r;
    (void)state;
    unit_seed(&r);
    for (int i = 0; i < N; i++)
        cl[i] = kit_client(&k, &e[i]);
    for (int i = 0; i < unit_rounds(3000); i++) {
        int who = (int)rng_below(&r, N), key = (int)rng_below(&r, 4);
        char line[64];
        k.knobs->pending_permille = rng_below(&r, 2) ? 200 : 0;
        switch (rng_below(&r, 4)) {
        case 0:
            snprintf(line, sizeof line, "WATCH k%d\r\n", key);
            assert_string_equal(kit_ask(&k, e[who], line), "+OK\r\n");
            watches[who][key] = true;
            break;
        case 1:
            snprintf(line, sizeof line, "set k%d 1\r\n", key);
            assert_string_equal(kit_ask(&k, e[who], line), "+OK\r\n");
            for (int j = 0; j < N; j++)
                dirty[j] |= watches[j][key];
            break;
        default:
            assert_string_equal(kit_ask(&k, e[who], "MULTI\r\nping\r\nEXEC\r\n"),
                                dirty[who] ? "+OK\r\n+QUEUED\r\n*-1\r\n"
                                           : "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
            dirty[who] = false;
            memset(watches[who], 0, sizeof watches[who]);
        }
        assert_int_equal(!!(cl[who]->flags & CLIENT_DIRTY), dirty[who]);
    }
}

/* A command in it that finds nothing to change says what another client has done: EXEC's reply
 * waits for the log as that one's does. */
static void nothing_to_change(void **state) {
    (void)state;
    ask("set a 1\r\n", "+OK\r\n");
    k.knobs->hold = true;
    assert_string_equal(kit_ask(&k, other_end, "drop a\r\n"), "");
    ask("MULTI\r\ndrop a\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n");
    k.knobs->hold = false;
    engine_mem_release(k.engine, UINT64_MAX);
    assert_string_equal(kit_ask(&k, end, ""), "*1\r\n:0\r\n");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(exec_runs_all),
        TEST(errors),
        TEST(database),
        TEST(gates),
        TEST(memory),
        TEST(pending),
        TEST(reads_together),
        TEST(runs_once),
        TEST(engine_fails),
        TEST(changes),
        TEST(flushes_and_swaps),
        TEST(expiry),
        TEST(random_watches),
        TEST(nothing_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
