/* clients: accepting and refusing, limits, timeouts, blocking, what an idle one costs. */
#include "base/mem.h"
#include "session/block.h"
#include "session/config.h"
#include "session/output.h"
#include "support/session_test.h"

#include <stdio.h>

/* ---- accepting ---------------------------------------------------------------------------------
 */

static void max_clients(void **state) {
    (void)state;
    fake_end *second, *third, *fourth;
    kit_set("maxclients", "2");
    assert_non_null(kit_client(&k, &second));
    assert_null(kit_client(&k, &third));
    assert_true(third->closed);
    assert_string_equal(kit_received(third), "-ERR max number of clients reached\r\n");
    second->eof = true;
    kit_turn(&k);
    assert_non_null(kit_client(&k, &fourth));
    assert_int_equal(session_statistics(k.session)->rejected_connections, 1);
    assert_int_equal(session_statistics(k.session)->connections, 3);
}

/* Without a password, only from this machine, unless protected mode is off. */
static void protected_mode(void **state) {
    (void)state;
    fake_end *a;
    assert_non_null(kit_client(&k, &a));
    fake_end far[3];
    memset(far, 0, sizeof far);
    for (int i = 0; i < 3; i++) {
        far[i].conn = a->conn;
        far[i].take = SIZE_MAX;
    }
    assert_null(session_adopt(k.session, &far[0].conn, "9.9.9.9:1", false));
    assert_true(far[0].closed);
    assert_memory_equal(far[0].out.data, "-DENIED Redis is running in protected mode", 42);
    buf_free(&far[0].out);
    kit_set("protected-mode", "no");
    client *b = session_adopt(k.session, &far[1].conn, "9.9.9.9:2", false);
    assert_non_null(b);
    assert_false(b->flags & CLIENT_LOCAL);
    kit_set("protected-mode", "yes");
    kit_set("requirepass", "x");
    assert_non_null(session_adopt(k.session, &far[2].conn, "9.9.9.9:3", false));
    session_free(k.session);
    assert_true(far[1].closed && far[2].closed);
    status st = session_new(k.reactor, k.ks, &k.session);
    assert_true(status_ok(st));
}

static void ids(void **state) {
    (void)state;
    fake_end *ends[5];
    client *all[5];
    for (int i = 0; i < 5; i++)
        all[i] = kit_client(&k, &ends[i]);
    assert_ptr_equal(client_by_id(k.session, all[2]->id), all[2]);
    client_close_soon(all[2]);
    assert_ptr_equal(client_by_id(k.session, all[2]->id), all[2]);
    uint64_t gone = all[2]->id;
    kit_turn(&k);
    assert_null(client_by_id(k.session, gone));
    assert_null(client_by_id(k.session, 0));
    assert_null(client_by_id(k.session, 1000));
    uint64_t last = 0;
    int n = 0;
    for (client *o = NULL; (o = session_next_client(k.session, o)) != NULL; n++) {
        assert_true(o->id > last);
        last = o->id;
    }
    assert_int_equal(n, 5);
}

/* ---- what an idle one costs --------------------------------------------------------------------
 */

static void idle_memory(void **state) {
    (void)state;
    enum { N = 10000 };
    static client *all[N];
    static fake_end *ends[N];
    kit_set("maxclients", "20000");
    size_t before = session_client_memory(k.session);
    for (int i = 0; i < N; i++)
        all[i] = kit_client(&k, &ends[i]);
    for (int i = 0; i < N; i++)
        kit_send(ends[i],
                 "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\nGET key\r\n*1\r\n$4\r\nPI");
    for (int turn = 0; turn < 2; turn++) /* who used up his time goes on in the second */
        kit_turn(&k);
    for (int i = 0; i < N; i++) {
        assert_non_null(all[i]->partial);
        kit_send(ends[i], "NG\r\n");
    }
    for (int turn = 0; turn < 2; turn++)
        kit_turn(&k);
    size_t used = session_client_memory(k.session) - before;
    printf("an idle client: %zu bytes (struct client: %zu)\n", used / N, sizeof(client));
    /* The struct, its conn (here the test's) and its peer's name: no buffer, no parser. */
    for (int i = 0; i < N; i++) {
        assert_null(all[i]->query.data);
        assert_null(all[i]->out.data);
        assert_null(all[i]->partial);
        assert_null(all[i]->output.marks.data);
    }
    assert_in_range(used / N - mem_size(ends[0]), sizeof(client), sizeof(client) + 160);
    assert_in_range(sizeof(client), 1, 640);
}

/* ---- cron --------------------------------------------------------------------------------------
 */

static void run_cron(void) {
    for (int i = 0; i < 10; i++)
        session_cron(k.session);
    kit_turn(&k);
}

static void timeouts(void **state) {
    (void)state;
    fake_end *busy, *blocked;
    kit_client(&k, &busy);
    kit_client(&k, &blocked);
    kit_set("timeout", "10");
    assert_string_equal(kit_ask(&k, blocked, "BLOCK 0\r\n"), "");
    kit_sleep(&k, 9000);
    assert_string_equal(kit_ask(&k, busy, "PING\r\n"), "+PONG\r\n");
    run_cron();
    assert_false(end->closed);
    kit_sleep(&k, 2000);
    run_cron();
    assert_true(end->closed);
    assert_false(busy->closed);
    assert_false(blocked->closed);
}

/* Everybody is looked at, however many there are and whoever goes meanwhile. */
static void cron_reaches_all(void **state) {
    (void)state;
    fake_end *ends[1000];
    for (int i = 0; i < 1000; i++)
        kit_client(&k, &ends[i]);
    kit_set("timeout", "1");
    kit_sleep(&k, 3000);
    run_cron();
    for (int i = 0; i < 1000; i++)
        assert_true(ends[i]->closed);
    assert_int_equal(session_client_count(k.session), 0);
    run_cron();
}

/* The one that cron would look at next goes away. */
static void cron_and_a_gone_client(void **state) {
    (void)state;
    fake_end *ends[100];
    for (int i = 0; i < 100; i++)
        kit_client(&k, &ends[i]);
    kit_set("timeout", "1");
    session_cron(k.session);
    for (int i = 40; i < 90; i++)
        ends[i]->eof = true;
    kit_turn(&k);
    kit_sleep(&k, 3000);
    run_cron();
    for (int i = 0; i < 100; i++)
        assert_true(ends[i]->closed);
}

static void client_eviction(void **state) {
    (void)state;
    fake_end *large, *larger, *kept;
    kit_client(&k, &large);
    kit_client(&k, &larger);
    client *safe = kit_client(&k, &kept);
    safe->flags |= CLIENT_NO_EVICT;
    large->take = larger->take = kept->take = 0;
    kit_ask(&k, large, "BIG 2000000\r\n");
    kit_ask(&k, larger, "BIG 3000000\r\n");
    kit_ask(&k, kept, "BIG 4000000\r\n");
    run_cron();
    assert_false(larger->closed);
    kit_set("maxmemory-clients", "4mb");
    run_cron();
    assert_true(larger->closed);
    assert_false(large->closed);
    kit_set("maxmemory-clients", "1mb");
    run_cron();
    assert_true(large->closed);
    assert_false(end->closed);
    assert_false(kept->closed);
    assert_int_equal(session_statistics(k.session)->evicted_clients, 2);
    kit_set("maxmemory", "4gb");
    kit_set("maxmemory-clients", "50%");
    run_cron();
    assert_false(kept->closed);
}

/* ---- blocking ----------------------------------------------------------------------------------
 */

static void block_and_wake(void **state) {
    (void)state;
    fake_end *other;
    kit_client(&k, &other);
    char wake[32];
    snprintf(wake, sizeof wake, "WAKE %llu\r\n", (unsigned long long)c->id);
    assert_string_equal(kit_ask(&k, other, wake), "-ERR not blocked\r\n");
    ASK("BLOCK 0\r\nPING\r\n", "");
    kit_sleep(&k, 1000000);
    ASK("PING\r\n", "");
    assert_string_equal(kit_ask(&k, other, wake), "+OK\r\n");
    ASK("", "+woken\r\n+PONG\r\n+PONG\r\n");
}

static void block_times_out(void **state) {
    (void)state;
    ASK("PING\r\nBLOCK 100\r\nPING\r\nBLOCK 100\r\n", "+PONG\r\n");
    kit_sleep(&k, 99);
    ASK("", "");
    kit_sleep(&k, 2);
    ASK("", "$-1\r\n+PONG\r\n");
    client_unblock(c, BLOCK_ERROR);
    ASK("", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    kit_sleep(&k, 1000); /* its timer is gone */
    ASK("PING\r\n", "+PONG\r\n");
}

/* A late reply obeys the reply mode, once. */
static void block_and_skip(void **state) {
    (void)state;
    c->flags |= CLIENT_REPLY_SKIP;
    ASK("BLOCK 100\r\n", "");
    kit_sleep(&k, 101);
    ASK("PING\r\n", "+PONG\r\n");
}

static void blocked_is_killed(void **state) {
    (void)state;
    ASK("BLOCK 100\r\n", "");
    client_close_soon(c);
    kit_turn(&k);
    assert_true(end->closed);
    kit_sleep(&k, 200);
}

static void fakes_do_not_block(void **state) {
    (void)state;
    client *f = client_fake(k.session);
    assert_false(client_can_block(f));
    client_fake_free(f);
    assert_true(client_can_block(c));
}

/* ---- slots and texts ---------------------------------------------------------------------------
 */

static int freed;
static void free_slot(client *who, void *state) {
    assert_non_null(who);
    assert_ptr_equal(state, &freed);
    freed++;
}

static void slots(void **state) {
    (void)state;
    fake_end *other;
    int slot = client_slot_add(free_slot);
    client *o = kit_client(&k, &other);
    o->slots[slot] = &freed;
    client_close_soon(o);
    client_close_soon(c);
    kit_turn(&k);
    assert_int_equal(freed, 1);
}

static void texts(void **state) {
    (void)state;
    client_set_text(&c->name, SLICE("one"));
    client_set_text(&c->name, SLICE("two"));
    assert_string_equal(c->name, "two");
    client_set_text(&c->name, SLICE_EMPTY);
    assert_null(c->name);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(max_clients),
        TEST(protected_mode),
        TEST(ids),
        TEST(idle_memory),
        TEST(timeouts),
        TEST(cron_reaches_all),
        TEST(cron_and_a_gone_client),
        TEST(client_eviction),
        TEST(block_and_wake),
        TEST(block_times_out),
        TEST(block_and_skip),
        TEST(texts),
        TEST(blocked_is_killed),
        TEST(slots),
        TEST(fakes_do_not_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
