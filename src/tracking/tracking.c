/* tracking: clients that keep a cache of what they have read are told when it is no longer true.
 *
 *     a client reads a key          ran()      ──> table: this client may have it
 *     a key has changed             changed()  ──> table: who may have it is told now, and the key
 *                                                  forgotten
 *                                              ──> prefixes: noted; told at the turn's end
 *     databases are flushed         flushed()  ──> all are told "all keys"
 *
 * The order of these is what makes caches right: a change that comes after a read must be told
 * after the reply to that read. Both go through the list of what a batch has caused: a read takes
 * its place there with ks_after_commit, so that in EXEC or a script a read before a change, and one
 * behind it, are told apart; and of a run that comes to nothing nothing is kept. A reply that waits
 * for the log stands in its client's output already, where the message goes behind it.
 *
 * A client that switches off stays known, as what it has read before may be told when it switches
 * on again. While no client is known, hook and watch are disarmed. */
#include "tracking/tracking.h"

#include "base/log.h"
#include "base/mem.h"
#include "tracking/internal.h"

static int slot = -1; /* of the clients' */
static session *served;
static int hook, watch;
static bool armed;
static list_node trackers = {&trackers, &trackers};
static size_t known, tracking; /* clients with a state; those that track now */
static command_row *client_row;

/* ---- a client's state ---------------------------------------------------------------------------
 */

/* Any client's, also of a fake one, which has none. */
tracker *tracker_of(const client *c) {
    return c->slots[slot];
}

/* Listens, or no longer. */
static void arm(bool on) {
    if (on == armed) return;
    armed = on;
    ks_hook_arm(session_keyspace(served), hook, on);
    session_watch_arm(served, watch, on);
}

/* What it had switched on before is replaced; its prefixes stay. */
tracker *tracker_on(client *c) {
    tracker *t = tracker_of(c);
    if (!t) {
        c->slots[slot] = t = mem_zalloc(sizeof *t);
        t->c = c;
        list_append(&trackers, &t->node);
        known++;
    }
    arm(true);
    if (!tracks(c)) tracking++;
    c->flags &= ~(unsigned)(CLIENT_TRACKING_BROKEN | CLIENT_TRACKING_BCAST);
    c->flags |= CLIENT_TRACKING;
    c->redirect = 0;
    t->optin = t->optout = t->noloop = false;
    return t;
}

/* Its state stays as long as the client does. */
void tracker_off(client *c) {
    tracker *t = tracker_of(c);
    if (!t || !tracks(c)) return;
    prefixes_drop(t);
    c->flags &= ~(unsigned)(CLIENT_TRACKING | CLIENT_TRACKING_BROKEN | CLIENT_TRACKING_BCAST);
    c->redirect = 0;
    t->optin = t->optout = t->noloop = t->caching = false;
    CHECK(tracking > 0);
    tracking--;
}

/* The client ends, or is reset. What it has read is nobody's, with the last one all of it. */
static void forget(client *c, void *state) {
    tracker *t = state;
    c->slots[slot] = t;
    tracker_off(c);
    c->slots[slot] = NULL;
    list_remove(&t->node);
    mem_free(t);
    CHECK(known > 0);
    if (--known > 0) return;
    table_clear();
    arm(false);
}

/* For maxmemory-clients. A prefix counts for each of its clients. */
static size_t memory(const client *c, const void *state) {
    const tracker *t = state;
    (void)c;
    return mem_size(t) + t->prefix_bytes + (t->prefixes ? btree_bytes(t->prefixes) : 0);
}

/* ---- reads --------------------------------------------------------------------------------------
 */

/* Does it read keys that c is to be told of? Not what scripts declare, but what they run; and
 * not channels, which stand where keys would. */
static bool is_read(const client *c) {
    const tracker *t = tracker_of(c);
    const command_row *row = c->row;
    if (!t || !tracks(c) || (c->flags & CLIENT_TRACKING_BCAST)) return false;
    if (!(row->flags & CMD_READONLY) || (row->flags & CMD_PUBSUB)) return false;
    if (row->categories & CAT_SCRIPTING) return false;
    if (t->optin) return t->caching;
    return !(t->optout && t->caching);
}

/* The batch in which c read this key has committed. */
static void remember(void *ctx, slice key) {
    table_remember(ctx, key);
}

/* Keys are kept even if there was nothing, or an error was the answer: that may change too. What is
 * refused changes nothing, so its reads need no place among changes; its batch is thrown away. */
static void ran(client *c, command_result r, void *ctx) {
    (void)ctx;
    if (!is_read(c)) return;
    int *at = ks_alloc(c->ks, (size_t)c->argc * sizeof *at);
    int n = command_keys(c->row, c->argv, c->argc, at, NULL);
    bool now = r == CMD_REFUSED && !c->outer;
    for (int i = 0; i < n; i++) {
        if (now)
            table_remember(c, c->argv[at[i]]);
        else
            ks_after_commit(c->ks, remember, c, c->argv[at[i]]);
    }
}

/* CLIENT CACHING is for one command, or one transaction; other CLIENT commands do not use it up. */
static void use_up_caching(client *c, bool is_row) {
    tracker *t = tracker_of(c);
    if (!t || !t->caching || (c->flags & CLIENT_MULTI)) return;
    if (!is_row || c->row->parent != client_row) t->caching = false;
}

/* Inside of a transaction the client still is in it: what it has run is told before EXEC. */
static void after_command(client *c, command_result r, uint64_t us, void *ctx) {
    (void)r;
    (void)us;
    (void)ctx;
    use_up_caching(c, true);
}
/* That counts as a command too; one that is not known has no row. */
static void refused(client *c, bool is_row, void *ctx) {
    (void)ctx;
    use_up_caching(c, is_row);
}

/* ---- changes ------------------------------------------------------------------------------------
 */

/* What expires or is evicted nobody has changed, whoever's command it was found by: a client that
 * wants to hear nothing of its own changes knows nothing of that. */
static void changed(void *ctx, uint32_t db, slice key) {
    keyspace *ks = session_keyspace(served);
    const client *by = ks_told_of_itself(ks) ? NULL : session_running(served);
    (void)ctx;
    (void)db;
    table_changed(key, by);
    prefixes_changed(key, by);
}

/* Whichever database it was: keys are not told apart by database. */
static void flushed(void *ctx, int32_t db) {
    (void)ctx;
    (void)db;
    table_clear();
    for (list_node *n = trackers.next; n != &trackers; n = n->next) {
        tracker *t = LIST_OWNER(n, tracker, node);
        if (tracks(t->c)) send_all_keys(t);
    }
}

/* What was put off goes on while there are turns, so there are until it is done. */
static void turn_end(void *ctx) {
    (void)ctx;
    prefixes_send();
    if (table_work()) reactor_wake(session_reactor(served));
    if (tracking == 0 && table_keys() == 0) arm(false);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

/* A limit that was lowered is reached within the next turns. */
const setting tracking_settings[] = {
    {"tracking-table-max-keys", NULL, SETTING_INT, 0, &table_max_keys, "1000000", 0, INT64_MAX,
     NULL, NULL, NULL, NULL},
    {0},
};

/* Those that track now. */
static void emit_clients(buf *out, void *ctx) {
    (void)ctx;
    metric_u64(out, "tracking_clients", tracking);
}
/* As redis-server counts them, ids of clients that have gone included. */
static void emit_stats(buf *out, void *ctx) {
    (void)ctx;
    metric_u64(out, "tracking_total_keys", table_keys());
    metric_u64(out, "tracking_total_items", table_items());
    metric_u64(out, "tracking_total_prefixes", prefixes_count());
}

/* One line of Clients, three of Stats. */
const metric_section *tracking_metrics(void) {
    static const metric_section sections[] = {
        {"Clients", emit_clients, NULL, NULL, 0}, {"Stats", emit_stats, NULL, NULL, 0}, {0}};
    return sections;
}

/* For the process, as rows are. */
void tracking_register(void) {
    commands_extend("client", tracking_commands, tracking_help);
}

/* Slots are the process', hooks and watches the session's. After transactions, whose end comes
 * before that of the command that ends them. */
void tracking_start(session *s) {
    CHECK(known == 0 && tracking == 0);
    if (slot < 0) {
        slot = client_slot_add(forget);
        client_slot_memory(slot, memory);
    }
    served = s;
    client_row = command_by_name(SLICE("client"));
    hook = ks_hook_add(session_keyspace(s), &(ks_hooks){.changed = changed, .flushed = flushed});
    watch = session_watch_add(
        s, &(command_watch){.after = after_command, .refused = refused, .ran = ran});
    session_at_turn_end(s, turn_end, NULL);
    table_start(s);
    armed = true;
    arm(false);
}
