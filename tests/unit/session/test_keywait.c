/* keywait: who is served, when, and in which order; over commands that keep a word of letters in a
 * key, as if it were a list. */
#include "support/session_kit.h"
#include "support/unit.h"

#include "base/mem.h"
#include "session/block.h"
#include "session/keywait.h"
#include "session/reply.h"

#include <stdio.h>
#include <stdlib.h>

#define CLIENTS 8

static kit k;
static client *c[CLIENTS];
static fake_end *end[CLIENTS];
static unsigned runs; /* of the commands that wait */

/* ---- commands ----------------------------------------------------------------------------------
 */

static void no_luck(client *who) {
    reply_null(who);
}

/* The word in a key; empty if there is none. It is copied. */
static command_result read_word(client *who, slice key, slice *word) {
    entry ent;
    engine_result r = ks_get(who->ks, who->db, key, KS_WRITE, &ent);
    *word = SLICE_EMPTY;
    if (r == ENGINE_ABSENT) return CMD_DONE;
    if (r != ENGINE_OK) return reply_engine(who, r);
    if (ent.type != KEY_LIST) return reply_wrong_type(who);
    char *copy = ks_alloc(who->ks, ent.value.len + 1);
    memcpy(copy, ent.value.data, ent.value.len);
    *word = slice_of(copy, ent.value.len);
    return CMD_DONE;
}

/* An empty word is no key. */
static command_result write_word(client *who, slice key, slice word) {
    entry ent = {.type = KEY_LIST, .value = word};
    engine_result r =
        word.len ? ks_put(who->ks, who->db, key, &ent) : ks_del(who->ks, who->db, key);
    if (r != ENGINE_OK) return reply_engine(who, r);
    ks_changed(who->ks, KS_LIST, "word", who->db, key);
    return CMD_DONE;
}

static command_result append(client *who, slice key, slice more) {
    slice old;
    command_result r = read_word(who, key, &old);
    if (r != CMD_DONE) return r;
    char *word = ks_alloc(who->ks, old.len + more.len + 1);
    if (old.len) memcpy(word, old.data, old.len);
    memcpy(word + old.len, more.data, more.len);
    return write_word(who, key, slice_of(word, old.len + more.len));
}

/* push key letters */
static command_result run_push(client *who) {
    command_result r = append(who, who->argv[1], who->argv[2]);
    if (r == CMD_DONE) reply_ok(who);
    return r;
}

/* Takes the first letter of the first key that has one; *found is 0 .. n, n: none. */
static command_result take(client *who, const slice *keys, int n, int *found, char *letter) {
    for (*found = 0; *found < n; ++*found) {
        slice word;
        command_result r = read_word(who, keys[*found], &word);
        if (r != CMD_DONE) return r;
        if (!word.len) continue;
        *letter = word.data[0];
        return write_word(who, keys[*found], slice_skip(word, 1));
    }
    return CMD_DONE;
}

/* pop key... ms: replies KEY=LETTER */
static command_result run_pop(client *who) {
    int64_t ms;
    int n = who->argc - 2, found;
    char letter;
    runs++;
    if (!arg_i64(who, who->argc - 1, &ms)) return CMD_REFUSED;
    command_result r = take(who, &who->argv[1], n, &found, &letter);
    if (r != CMD_DONE) return r;
    if (found == n)
        return client_wait_for_keys(who, &who->argv[1], (size_t)n, KEY_LIST, 0, ms, no_luck);
    slice key = who->argv[1 + found];
    buf_printf(&who->out, "+%.*s=%c\r\n", (int)key.len, key.data, letter);
    return CMD_DONE;
}

/* move from to ms: one letter */
static command_result run_move(client *who) {
    int64_t ms;
    int found;
    char letter;
    runs++;
    if (!arg_i64(who, 3, &ms)) return CMD_REFUSED;
    command_result r = take(who, &who->argv[1], 1, &found, &letter);
    if (r != CMD_DONE) return r;
    if (found == 1) return client_wait_for_keys(who, &who->argv[1], 1, KEY_LIST, 0, ms, no_luck);
    r = append(who, who->argv[2], slice_of(&letter, 1));
    if (r == CMD_DONE) buf_printf(&who->out, "+%c\r\n", letter);
    return r;
}

/* longer key [gone]: replies when the word is longer than it was, or has gone */
static command_result run_longer(client *who) {
    slice word, kept = client_wait_kept(who);
    size_t was;
    runs++;
    command_result r = read_word(who, who->argv[1], &word);
    if (r != CMD_DONE) return r;
    if (kept.len) {
        memcpy(&was, kept.data, sizeof was);
        if (word.len > was || (who->argc > 2 && !word.len)) {
            reply_int(who, (int64_t)word.len);
            return CMD_DONE;
        }
    } else {
        client_wait_keep(who, slice_of((const char *)&word.len, sizeof word.len));
    }
    return client_wait_for_keys(who, &who->argv[1], 1, KEY_LIST,
                                who->argc > 2 ? KEYWAIT_ALSO_GONE : 0, 0, no_luck);
}

/* rm key */
static command_result run_rm(client *who) {
    engine_result r = ks_del(who->ks, who->db, who->argv[1]);
    if (r != ENGINE_OK) return reply_engine(who, r);
    ks_changed(who->ks, KS_GENERIC, "del", who->db, who->argv[1]);
    reply_ok(who);
    return CMD_DONE;
}

/* swap (0 with 1), flush (0), use db */
static command_result run_swap(client *who) {
    (void)ks_swap(who->ks, 0, 1);
    reply_ok(who);
    return CMD_DONE;
}

static command_result run_flush(client *who) {
    (void)ks_flush(who->ks, 0);
    reply_ok(who);
    return CMD_DONE;
}

static command_result run_use(client *who) {
    int64_t db;
    if (!arg_i64(who, 1, &db)) return CMD_REFUSED;
    who->db = (uint32_t)db;
    reply_ok(who);
    return CMD_DONE;
}

static const command commands[] = {
    {.name = "push", .run = run_push, .arity = 3, .flags = CMD_WRITE},
    {.name = "pop", .run = run_pop, .arity = -3, .flags = CMD_WRITE | CMD_BLOCKING},
    {.name = "move", .run = run_move, .arity = 4, .flags = CMD_WRITE | CMD_BLOCKING},
    {.name = "longer", .run = run_longer, .arity = -2, .flags = CMD_READONLY | CMD_BLOCKING},
    {.name = "rm", .run = run_rm, .arity = 2, .flags = CMD_WRITE},
    {.name = "swap", .run = run_swap, .arity = 1, .flags = CMD_WRITE},
    {.name = "flush", .run = run_flush, .arity = 1, .flags = CMD_WRITE},
    {.name = "use", .run = run_use, .arity = 2},
    {0},
};

/* ---- the world ---------------------------------------------------------------------------------
 */

static int setup(void **state) {
    (void)state;
    kit_register_once(commands, NULL);
    kit_start(&k);
    for (int i = 0; i < CLIENTS; i++)
        c[i] = kit_client(&k, &end[i]);
    runs = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    return 0;
}

#define ASK(i, text, reply) assert_string_equal(kit_ask(&k, end[i], text), reply)
#define HAS(i, reply)       ASK(i, "", reply)

/* A number of section Clients. */
static long info(const char *field) {
    buf out = {0};
    for (const metric_section *m = session_metrics(k.session); m->name; m++)
        if (!strcmp(m->name, "Clients")) m->emit(&out, m->ctx);
    buf_append_char(&out, 0);
    char name[64];
    snprintf(name, sizeof name, "\n%s:", field);
    const char *at = strstr(out.data, name);
    assert_non_null(at);
    long v = strtol(at + strlen(name), NULL, 10);
    buf_free(&out);
    return v;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void served(void **state) {
    (void)state;
    ASK(0, "POP a b 0\r\nPING\r\n", "");
    assert_int_equal(info("blocked_clients"), 1);
    assert_int_equal(info("clients_in_timeout_table"), 0);
    assert_int_equal(info("total_blocking_keys"), 2);
    ASK(1, "PUSH b xy\r\nPOP b 0\r\n", "+OK\r\n+b=y\r\n");
    HAS(0, "+b=x\r\n+PONG\r\n");
    assert_int_equal(info("blocked_clients"), 0);
    assert_int_equal(info("total_blocking_keys"), 0);
    ASK(1, "PUSH a z\r\nPOP a 0\r\n", "+OK\r\n+a=z\r\n");
    ASK(0, "POP a a a 0\r\n", "");
    ASK(1, "PUSH a q\r\nPOP a 5\r\n", "+OK\r\n");
    HAS(0, "+a=q\r\n");
}

/* Each run of the waiting commands is for somebody who finds something. */
static void first_come(void **state) {
    (void)state;
    for (int i = 1; i < CLIENTS; i++)
        ASK(i, i % 2 ? "POP a 0\r\n" : "POP b a 0\r\n", "");
    runs = 0;
    ASK(0, "PUSH a 123\r\n", "+OK\r\n");
    HAS(1, "+a=1\r\n");
    HAS(2, "+a=2\r\n");
    HAS(3, "+a=3\r\n");
    HAS(4, "");
    assert_int_equal(runs, 3);
    ASK(0, "PUSH b 4\r\nPUSH b 6\r\nPUSH a 5\r\n", "+OK\r\n+OK\r\n+OK\r\n");
    HAS(4, "+b=4\r\n");
    HAS(5, "+a=5\r\n");
    HAS(6, "+b=6\r\n");
    HAS(7, "");
    assert_int_equal(runs, 6);
}

/* Another type is not what they wait for. */
static void wrong_type(void **state) {
    (void)state;
    ASK(1, "POP a 0\r\n", "");
    runs = 0;
    ASK(0, "SET a text\r\n", "+OK\r\n");
    HAS(1, "");
    assert_int_equal(runs, 0);
    ASK(0, "RM a\r\nPUSH a 1\r\n", "+OK\r\n+OK\r\n");
    HAS(1, "+a=1\r\n");
    /* what it finds elsewhere by then is told */
    ASK(1, "POP a b 0\r\n", "");
    ASK(0, "SET a text\r\nPUSH b 1\r\n", "+OK\r\n+OK\r\n");
    HAS(1, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    ASK(1, "PING\r\n", "+PONG\r\n");
    assert_int_equal(info("blocked_clients"), 0);
}

/* A letter goes through all keys, the last one's waiter included, in one turn. */
static void chains(void **state) {
    (void)state;
    char line[64];
    for (int i = 1; i < CLIENTS; i++) {
        snprintf(line, sizeof line, "MOVE k%d k%d 0\r\n", i, i + 1);
        ASK(i, line, "");
    }
    kit_send(end[0], "PUSH k1 x\r\nPOP k8 0\r\n");
    kit_turn(&k);
    HAS(0, "+OK\r\n+k8=x\r\n");
    for (int i = 1; i < CLIENTS; i++)
        HAS(i, "+x\r\n");
    /* in a circle, each goes once */
    ASK(1, "MOVE a b 0\r\n", "");
    ASK(2, "MOVE b a 0\r\n", "");
    ASK(3, "MOVE a a 0\r\n", "");
    ASK(0, "PUSH a x\r\nPOP a 0\r\n", "+OK\r\n+a=x\r\n");
    HAS(1, "+x\r\n");
    HAS(2, "+x\r\n");
    HAS(3, "+x\r\n");
}

/* Who finds nothing again keeps what it knows, its place, and its time limit. */
static void runs_again(void **state) {
    (void)state;
    ASK(0, "PUSH a 123\r\n", "+OK\r\n");
    ASK(1, "LONGER a\r\n", "");
    ASK(2, "LONGER a gone\r\n", "");
    assert_int_equal(info("total_blocking_keys_on_nokey"), 1);
    ASK(0, "POP a 0\r\n", "+a=1\r\n");
    ASK(0, "PUSH a 4\r\n", "+OK\r\n");
    assert_int_equal(runs, 2 + 1 + 2 + 2);
    HAS(1, "");
    ASK(0, "PUSH a 5\r\n", "+OK\r\n");
    HAS(1, ":4\r\n");
    HAS(2, ":4\r\n");
    ASK(1, "LONGER a\r\n", "");
    ASK(2, "LONGER a gone\r\n", "");
    ASK(0, "RM a\r\n", "+OK\r\n");
    HAS(1, "");
    HAS(2, ":0\r\n");
    ASK(0, "PUSH a 12345\r\n", "+OK\r\n");
    HAS(1, ":5\r\n");
    ASK(2, "LONGER a gone\r\n", "");
    ASK(0, "SET a text\r\n", "+OK\r\n");
    HAS(2, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
}

static void databases(void **state) {
    (void)state;
    ASK(0, "USE 1\r\nPUSH a 1\r\n", "+OK\r\n+OK\r\n");
    ASK(1, "POP a 0\r\n", "");
    ASK(2, "USE 1\r\nPOP b 0\r\n", "+OK\r\n");
    ASK(3, "PUSH b 2\r\nLONGER b gone\r\n", "+OK\r\n");
    ASK(3, "", "");
    ASK(0, "SWAP\r\n", "+OK\r\n");
    HAS(1, "+a=1\r\n");
    HAS(2, "+b=2\r\n");
    HAS(3, ":0\r\n");
    ASK(1, "POP a 0\r\n", "");
    ASK(3, "PUSH b 2\r\nLONGER b gone\r\n", "+OK\r\n");
    ASK(0, "FLUSH\r\n", "+OK\r\n");
    HAS(1, "");
    HAS(3, ":0\r\n");
    ASK(2, "PUSH a 1\r\n", "+OK\r\n"); /* in 1 */
    HAS(1, "");
}

/* Ends other than being served. */
static void other_ends(void **state) {
    (void)state;
    ASK(1, "POP a 100\r\nPING\r\n", "");
    ASK(2, "POP a 0\r\n", "");
    ASK(3, "POP a 0\r\n", "");
    ASK(4, "POP a 50\r\n", "");
    ASK(5, "POP a 0\r\n", "");
    assert_int_equal(info("clients_in_timeout_table"), 2);
    kit_sleep(&k, 60);
    HAS(4, "$-1\r\n");
    client_unblock(c[2], BLOCK_ERROR);
    HAS(2, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    kit_sleep(&k, 60);
    HAS(1, "$-1\r\n+PONG\r\n");
    end[3]->eof = true;
    kit_turn(&k);
    assert_true(end[3]->closed);
    ASK(0, "PUSH a 1\r\n", "+OK\r\n");
    HAS(5, "+a=1\r\n");
    assert_int_equal(info("blocked_clients"), 0);
    assert_int_equal(info("clients_in_timeout_table"), 0);
    /* a client that is to be closed gets nothing, though it is still there */
    ASK(5, "POP a 0\r\n", "");
    ASK(6, "POP a 0\r\n", "");
    client_close_soon(c[5]);
    kit_send(end[0], "PUSH a 2\r\n");
    kit_turn(&k);
    HAS(6, "+a=2\r\n");
    assert_true(end[5]->closed);
    /* nor does one in a transaction wait */
    c[6]->flags |= CLIENT_MULTI;
    ASK(6, "POP a 0\r\nPING\r\n", "$-1\r\n+PONG\r\n");
}

/* What the watches are told. */
static int afters;
static char seen[64];

static void after(client *who, command_result r, uint64_t us, void *ctx) {
    (void)r;
    (void)us;
    (void)ctx;
    if (!slice_ieq(who->argv[0], "pop")) return;
    afters++;
    snprintf(seen, sizeof seen, "%.*s %.*s", (int)who->argv[1].len, who->argv[1].data,
             (int)(who->out.len - who->out_from), who->out.data + who->out_from);
}

/* However often it runs, and however it ends, a command is counted once. */
static void counted_once(void **state) {
    (void)state;
    afters = 0;
    session_watch_add(k.session, &(command_watch){NULL, after, &k});
    command_row *pop = command_by_name(SLICE("pop"));
    uint64_t calls = pop->calls, failed = pop->failed;
    ASK(1, "POP abc 100\r\n", "");
    ASK(2, "POP d 0\r\n", "");
    assert_int_equal(pop->calls, calls);
    assert_int_equal(afters, 0);
    ASK(0, "PUSH abc 1\r\n", "+OK\r\n");
    assert_int_equal(pop->calls, calls + 1);
    assert_string_equal(seen, "abc +abc=1\r\n");
    client_unblock(c[2], BLOCK_ERROR);
    assert_int_equal(pop->calls, calls + 2);
    assert_int_equal(pop->failed, failed + 1);
    ASK(1, "", "+abc=1\r\n");
    ASK(1, "POP abc 100\r\n", "");
    kit_sleep(&k, 101);
    assert_int_equal(afters, 3);
    assert_string_equal(seen, "abc $-1\r\n");
    assert_int_equal(session_statistics(k.session)->commands, 4);
}

/* Paused, nobody is served; then everybody, in order. */
static void paused(void **state) {
    (void)state;
    ASK(1, "POP a 0\r\n", "");
    ASK(2, "POP a 0\r\n", "");
    ASK(3, "LONGER b\r\n", "");
    kit_send(end[0], "PUSH a 1\r\nPUSH b 1\r\n");
    session_pause(k.session, ks_now(k.ks) + 1000, false);
    HAS(0, "");
    /* a script, or replication, might do this meanwhile */
    ks_begin(k.ks);
    entry ent = {.type = KEY_LIST, .value = SLICE("xyz")};
    assert_int_equal(ks_put(k.ks, 0, SLICE("a"), &ent), ENGINE_OK);
    ks_changed(k.ks, KS_LIST, "word", 0, SLICE("a"));
    assert_int_equal(ks_put(k.ks, 0, SLICE("b"), &ent), ENGINE_OK);
    ks_changed(k.ks, KS_LIST, "word", 0, SLICE("b"));
    ks_commit(k.ks);
    HAS(1, "");
    HAS(3, ":3\r\n");
    session_unpause(k.session);
    HAS(1, "+a=x\r\n");
    HAS(2, "+a=y\r\n");
}

/* Of a thousand, one element wakes one. */
static void thousands(void **state) {
    (void)state;
    enum { N = 1000 };
    static client *all[N];
    static fake_end *ends[N];
    size_t idle = client_memory(c[0]);
    for (int i = 0; i < N; i++) {
        all[i] = kit_client(&k, &ends[i]);
        kit_send(ends[i], "POP some-key 0\r\n");
    }
    kit_turn(&k);
    assert_int_equal(info("blocked_clients"), N);
    assert_int_equal(info("total_blocking_keys"), 1);
    assert_true(client_memory(all[0]) > idle && client_memory(all[0]) < idle + 1024);
    uint64_t calls = engine_mem_counters(k.engine)->calls;
    runs = 0;
    for (int i = 0; i < N; i++) {
        ASK(0, "PUSH some-key x\r\n", "+OK\r\n");
        assert_string_equal(kit_received(ends[i]), "+some-key=x\r\n");
    }
    assert_int_equal(runs, N);
    assert_true(engine_mem_counters(k.engine)->calls - calls < 12 * N);
    /* nobody looks at those that wait for another type */
    for (int i = 0; i < N; i++)
        kit_send(ends[i], "POP some-key 0\r\n");
    kit_turn(&k);
    runs = 0;
    for (int i = 0; i < N; i++)
        ASK(0, "SET some-key x\r\n", "+OK\r\n");
    assert_int_equal(runs, 0);
}

/* A run whose read is pending keeps its place; other keys are served meanwhile. */
static void pending(void **state) {
    (void)state;
    for (int i = 1; i <= 4; i++)
        ASK(i, i == 4 ? "POP b 0\r\n" : "POP a 0\r\n", "");
    kit_send(end[0], "PUSH a 12\r\nPUSH b 3\r\n");
    k.knobs->pending_permille = 1000;
    for (int i = 0; i < 100; i++)
        kit_turn(&k);
    HAS(0, "+OK\r\n+OK\r\n");
    HAS(1, "+a=1\r\n");
    HAS(2, "+a=2\r\n");
    HAS(3, "");
    HAS(4, "+b=3\r\n");
}

/* Each waiter runs once for each change, and once more after its read was pending, though the key
 * is taken up again after each of these. */
static void pending_once(void **state) {
    (void)state;
    ASK(0, "PUSH a 1234\r\n", "+OK\r\n");
    for (int i = 1; i < CLIENTS; i++)
        ASK(i, "LONGER a\r\n", "");
    kit_send(end[0], "POP a 0\r\n");
    runs = 0;
    k.knobs->pending_permille = 1000;
    for (int i = 0; i < 100; i++)
        kit_turn(&k);
    HAS(0, "+a=1\r\n");
    assert_true(runs <=
                2 * (CLIENTS - 1) + 4); /* the POP is one of them, and may be pending twice */
    k.knobs->pending_permille = 0;
    ASK(0, "PUSH a xy\r\n", "+OK\r\n");
    for (int i = 1; i < CLIENTS; i++)
        HAS(i, ":5\r\n");
}

/* Clients that go away, or whose time is up, at any moment of that. */
static void pending_and_gone(void **state) {
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        k.knobs->pending_permille = 0;
        ASK(1, "POP a 1000\r\n", "");
        ASK(2, "POP a 1000\r\n", "");
        k.knobs->pending_permille = 1000;
        kit_send(end[0], "PUSH a 1\r\n");
        for (int i = 0; i < turns; i++)
            kit_turn(&k);
        bool gone = c[1]->flags & CLIENT_BLOCKED;
        if (gone) client_unblock(c[1], BLOCK_TIMEOUT);
        for (int i = 0; i < 50; i++)
            kit_turn(&k);
        HAS(0, "+OK\r\n");
        HAS(1, gone ? "$-1\r\n" : "+a=1\r\n");
        HAS(2, gone ? "+a=1\r\n" : "");
        if (!gone) client_unblock(c[2], BLOCK_TIMEOUT);
        if (!gone) HAS(2, "$-1\r\n");
        assert_int_equal(info("total_blocking_keys"), 0);
    }
}

/* An error of the engine ends the wait of the one that met it. */
static void engine_fails(void **state) {
    (void)state;
    ASK(1, "POP a 0\r\n", "");
    ASK(2, "POP a 0\r\n", "");
    ks_begin(k.ks);
    entry ent = {.type = KEY_LIST, .value = SLICE("xyz")};
    assert_int_equal(ks_put(k.ks, 0, SLICE("a"), &ent), ENGINE_OK);
    ks_changed(k.ks, KS_LIST, "word", 0, SLICE("a"));
    ks_commit(k.ks);
    k.knobs->error_at = 2;
    HAS(1, "-ERR engine_mem: an error was asked for\r\n");
    HAS(2, "+a=x\r\n");
}

/* No reply before what it shows is released. */
static void depends(void **state) {
    (void)state;
    ASK(1, "POP a 0\r\n", "");
    k.knobs->hold = true;
    kit_send(end[0], "PUSH a 1\r\n");
    kit_turn(&k);
    kit_turn(&k);
    assert_string_equal(kit_received(end[1]), "");
    k.knobs->hold = false;
    kit_turn(&k);
    HAS(1, "+a=1\r\n");
}

/* Letters that clients were given since the last call. */
static long given(void) {
    long n = 0;
    for (int i = 0; i < CLIENTS; i++)
        for (const char *p = kit_ask(&k, end[i], ""); (p = strchr(p, '=')) != NULL; p++)
            n++;
    return n;
}

/* Letters that are in the keys; no client may wait for a key that has some. */
static long kept(void) {
    long n = 0;
    for (int i = 0; i < 3; i++) {
        entry ent;
        char name[16];
        snprintf(name, sizeof name, "k%d", i);
        if (ks_get(k.ks, 0, slice_cstr(name), 0, &ent) != ENGINE_OK) continue;
        n += (long)ent.value.len;
        for (int j = 0; j < CLIENTS; j++) {
            const client_block *b = c[j]->block;
            for (int a = 1; b && a < b->argc - 1; a++)
                assert_false(slice_eq(b->argv[a], slice_cstr(name)) &&
                             (a == 1 || !slice_ieq(b->argv[0], "move")));
        }
    }
    return n;
}

/* Random clients, keys and ends. Whatever is pushed is there or was given to one, once; nobody
 * waits for what is there. */
static void random_waits(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    long pushed = 0, got = 0;
    for (int round = 0; round < unit_rounds(60); round++) {
        unsigned permille = rng_below(&r, 2) ? 0 : (unsigned)rng_below(&r, 700);
        for (int step = 0; step < 100; step++) {
            int who = (int)rng_below(&r, CLIENTS), a = (int)rng_below(&r, 3);
            int b = (int)rng_below(&r, 3), ms = (int)rng_below(&r, 40);
            char line[64];
            k.knobs->pending_permille = permille;
            if (c[who]->flags & CLIENT_BLOCKED) {
                if (rng_below(&r, 8) == 0) client_unblock(c[who], BLOCK_TIMEOUT);
            } else if ((c[who]->flags & (CLIENT_WAITS | CLIENT_RERUN)) ||
                       end[who]->read < end[who]->in.len) {
                /* what it sends now might come behind a POP that is about to wait */
            } else if (rng_below(&r, 2)) {
                int n = 1 + (int)rng_below(&r, 3);
                pushed += n;
                snprintf(line, sizeof line, "PUSH k%d %.*s\r\n", a, n, "xyz");
                kit_send(end[who], line);
            } else {
                const char *name = rng_below(&r, 3) ? "POP" : "MOVE";
                snprintf(line, sizeof line, "%s k%d k%d %d\r\n", name, a, b, ms);
                kit_send(end[who], line);
            }
            if (rng_below(&r, 3) == 0) kit_sleep(&k, (int64_t)rng_below(&r, 10));
            if (rng_below(&r, 2)) continue;
            got += given();
            k.knobs->pending_permille = 0;
            assert_int_equal(got + kept(), pushed);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        if (c[i]->flags & CLIENT_BLOCKED) client_unblock(c[i], BLOCK_TIMEOUT);
    assert_int_equal(info("total_blocking_keys"), 0);
}

static bool may;

static gate_result may_gate(client *who, void *ctx) {
    (void)ctx;
    if (may || strcmp(who->row->full_name, "pop") != 0) return GATE_PASS;
    (void)reply_error(who, "NOPERM no");
    return GATE_REFUSE;
}

/* A gate that looks at what runs again refuses it, and the next one is served. */
static void refused_later(void **state) {
    (void)state;
    may = true;
    session_gate_add(
        k.session, &(gate){.name = "may", .rank = GATE_RANK_ACL, .pass = may_gate, .inside = true});
    ASK(1, "POP a 0\r\nPING\r\n", "");
    ASK(2, "MOVE a b 0\r\n", "");
    may = false;
    uint64_t rejected = command_by_name(SLICE("pop"))->rejected;
    uint64_t calls = command_by_name(SLICE("pop"))->calls;
    runs = 0;
    ASK(0, "PUSH a 1\r\n", "+OK\r\n");
    HAS(1, "-NOPERM no\r\n+PONG\r\n");
    HAS(2, "+1\r\n");
    assert_int_equal(runs, 1);
    assert_int_equal(command_by_name(SLICE("pop"))->rejected, rejected + 1);
    assert_int_equal(command_by_name(SLICE("pop"))->calls, calls);
    assert_int_equal(info("blocked_clients"), 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(served),           TEST(first_come),   TEST(wrong_type), TEST(chains),
        TEST(runs_again),       TEST(databases),    TEST(other_ends), TEST(counted_once),
        TEST(paused),           TEST(thousands),    TEST(pending),    TEST(pending_once),
        TEST(pending_and_gone), TEST(engine_fails), TEST(depends),    TEST(random_waits),
        TEST(refused_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
