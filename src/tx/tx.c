/* tx: transactions: commands that a client gives one after another and that run as one.
 *
 *     MULTI      the gate "take" is armed: from now on it keeps this client's commands, which have
 *                passed all gates before it, and answers +QUEUED
 *     EXEC       runs them all in one batch, which is one batch in the log: all of it survives a
 *                crash, or nothing
 *
 * A command that answers an error inside of EXEC does not end it (it has changed nothing: commands
 * refuse before they change anything). A read that must wait does: the whole batch leaves no trace,
 * and EXEC runs again from its start, WATCH included. A failure of the engine ends the transaction
 * with that error.
 *
 * So the queue outlives the run of EXEC: it goes when EXEC has ended, which is also when what it
 * ran is counted and told to SLOWLOG, MONITOR and the like (after_command). What EXEC's gates look
 * at is the sum of what it carries (client_carried): a transaction with one SET in it needs room
 * on the disk, is a write for CLIENT PAUSE, and so on. */
#include "tx/tx.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/config.h"
#include "session/reply.h"
#include "tx/internal.h"

static int slot = -1; /* of the clients' */
static int gate_number;
static size_t multis; /* clients in MULTI */

/* ---- a client's state --------------------------------------------------------------------------
 */

/* NULL if it has called neither MULTI nor WATCH. */
static tx *state_of(const client *c) {
    return c->slots[slot];
}

/* Made if there is none. */
static tx *state_for(client *c) {
    tx *t = state_of(c);
    if (t) return t;
    t = mem_zalloc(sizeof *t);
    t->c = c;
    list_init(&t->watches);
    c->slots[slot] = t;
    return t;
}

/* The client is no longer in MULTI and watches nothing. */
static void forget(client *c, void *state) {
    tx *t = state;
    watch_drop(t);
    for (size_t i = 0; i < t->n; i++)
        mem_free(t->queue[i].argv);
    mem_free(t->queue);
    mem_free(t);
    c->carried = (client_carried){0};
    if (!(c->flags & CLIENT_MULTI)) return;
    c->flags &= ~(unsigned)CLIENT_MULTI;
    CHECK(multis > 0);
    if (--multis == 0) session_gate_arm(c->session, gate_number, false);
}

/* The same, by a command of the client's own. */
static void end_state(client *c) {
    tx *t = state_of(c);
    c->slots[slot] = NULL;
    if (t) forget(c, t);
}

/* For CLIENT LIST and maxmemory-clients. */
static size_t memory(const client *c, const void *state) {
    const tx *t = state;
    (void)c;
    return mem_size(t) + t->cap * sizeof *t->queue + t->queue_bytes + t->watch_bytes;
}

/* ---- queueing ----------------------------------------------------------------------------------
 */

/* What runs at once also in MULTI: what ends it, and what refuses by itself to be in it. The last
 * two are found by name when they come, as they are others' commands. */
static bool runs_at_once(const command_row *row) {
    for (const command *own = tx_commands; own->name; own++)
        if (own == row->def) return strcmp(own->name, "unwatch") != 0;
    return strcmp(row->full_name, "quit") == 0 || strcmp(row->full_name, "reset") == 0;
}

/* Keeps the command; closes a client that sends more than a query may have. */
static void keep(client *c, tx *t) {
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 4;
        t->queue = mem_realloc(t->queue, t->cap * sizeof *t->queue);
    }
    slice *argv = client_copy_args(c);
    t->queue[t->n++] = (inside_command){.row = c->row, .argc = c->argc, .argv = argv};
    t->queue_bytes += mem_size(argv);
    c->carried.flags |= c->row->flags;
    c->carried.commands++;
    for (int i = 0; i < c->argc; i++)
        c->carried.bytes += c->argv[i].len;
    if (t->queue_bytes + t->cap * sizeof *t->queue <= (uint64_t)session_config.query_limit) return;
    log_warning("Closing client that reached max query buffer length in a transaction: id=%llu "
                "addr=%s",
                (unsigned long long)c->id, c->peer);
    session_statistics(c->session)->query_limit_disconnections++;
    client_close_soon(c);
}

/* The gate. A transaction that can't succeed any more needs no memory for what follows. While a
 * script holds the server its batch is open, in which nothing can be evicted. */
static gate_result take(client *c, void *ctx) {
    (void)ctx;
    if (!(c->flags & CLIENT_MULTI) || runs_at_once(c->row)) return GATE_PASS;
    tx *t = state_of(c);
    CHECK(t);
    if (c->row->flags & CMD_NO_MULTI) {
        (void)reply_error_text(c, SLICE("ERR Command not allowed inside a transaction"));
        return GATE_REFUSE;
    }
    bool room = session_serving(c->session) || c->row->flags & CMD_DENYOOM || ks_make_room(c->ks);
    if (!room) {
        (void)reply_out_of_memory(c);
        return GATE_REFUSE;
    }
    if (!t->refused && !(c->flags & CLIENT_DIRTY)) keep(c, t);
    reply_simple(c, "QUEUED");
    return GATE_TAKE;
}

/* EXEC itself was refused: it says why, and the transaction is over. */
static void exec_refused(client *c) {
    static const char head[] = "EXECABORT Transaction discarded because of: ";
    buf text = {0};
    slice why = slice_of(c->out.data + c->out_from, c->out.len - c->out_from);
    CHECK(why.len > 3 && why.data[0] == '-');
    why = slice_of(why.data + 1, why.len - 3);
    if (why.len > 4 && memcmp(why.data, "ERR ", 4) == 0) why = slice_skip(why, 4);
    buf_append(&text, head, sizeof head - 1);
    buf_append_slice(&text, why);
    (void)reply_error_instead(c, buf_slice(&text));
    buf_free(&text);
    end_state(c);
}

/* ---- commands ----------------------------------------------------------------------------------
 */

static command_result multi_command(client *c) {
    if (c->flags & CLIENT_MULTI) return reply_error(c, "ERR MULTI calls can not be nested");
    (void)state_for(c);
    c->flags |= CLIENT_MULTI;
    if (multis++ == 0) session_gate_arm(c->session, gate_number, true);
    reply_ok(c);
    return CMD_DONE;
}

static command_result discard_command(client *c) {
    if (!(c->flags & CLIENT_MULTI)) return reply_error(c, "ERR DISCARD without MULTI");
    end_state(c);
    reply_ok(c);
    return CMD_DONE;
}

/* Commands whose keys are asked for when one before them waits for the disk. */
#define AHEAD_MAX 256

/* The keys of commands from number i on. */
static void expect_from(client *c, const tx *t, size_t i) {
    for (size_t n = 0; i < t->n && n < AHEAD_MAX; i++, n++)
        inside_expect(c, t->queue[i].row, t->queue[i].argc, t->queue[i].argv);
}

/* Does it change what no batch takes back: the connection, settings, scripts, others' connections?
 * Those are the commands that neither read nor write keys; but what is fast among them changes
 * nothing, or what is taken back here, and a script's commands are the keyspace's. */
static bool acts_outside(const command_row *row) {
    return !(row->flags & (CMD_READONLY | CMD_WRITE | CMD_FAST | CMD_RUNS_SCRIPT));
}

/* From the next command on EXEC may not run again: its reads hold the thread. So what they need is
 * waited for here. False: it is on its way. */
static bool stop_waiting(client *c, const tx *t, size_t i) {
    expect_from(c, t, i);
    if (c->reader.waits) return false;
    engine_read_for(ks_engine(c->ks), NULL);
    return true;
}

/* In one batch: EXEC's own. What a command did to the connection is taken back when the batch has
 * to leave no trace. */
static command_result run_queue(client *c, tx *t) {
    uint32_t db = c->db;
    int proto = c->proto;
    bool may_wait = true;
    reply_array(c, (int64_t)t->n);
    for (size_t i = 0; i < t->n; i++) {
        bool must_wait = may_wait && acts_outside(t->queue[i].row);
        if (must_wait) must_wait = may_wait = !stop_waiting(c, t, i);
        command_result r = must_wait ? CMD_AGAIN : inside_run(c, &t->queue[i]);
        if (r == CMD_DONE || r == CMD_REFUSED) continue;
        if (r == CMD_AGAIN) expect_from(c, t, i + 1);
        c->db = db;
        c->proto = proto;
        return r;
    }
    t->ran = true;
    return CMD_DONE;
}

/* The state ends in after_command, when it is known that this was the last run. */
static command_result exec_command(client *c) {
    tx *t = state_of(c);
    if (!(c->flags & CLIENT_MULTI)) return reply_error(c, "ERR EXEC without MULTI");
    if (t->refused)
        return reply_error_text(
            c, SLICE("EXECABORT Transaction discarded because of previous errors."));
    engine_result r = watch_look(t);
    if (r != ENGINE_OK) return reply_engine(c, r);
    if (!(c->flags & CLIENT_DIRTY)) return run_queue(c, t);
    client_depends_on_end(c);
    reply_null_array(c);
    return CMD_DONE;
}

/* What is at the keys must be known, so that later it is known whether that has changed. All are
 * asked for before the command gives up its turn. */
static command_result watch_command(client *c) {
    if (c->flags & CLIENT_MULTI) return reply_error(c, "ERR WATCH inside MULTI is not allowed");
    enum ks_presence *was = ks_alloc(c->ks, (size_t)c->argc * sizeof *was);
    engine_result worst = ENGINE_OK;
    for (int i = 1; i < c->argc; i++) {
        engine_result r = ks_presence(c->ks, c->db, c->argv[i], &was[i]);
        if (r == ENGINE_ERROR || worst == ENGINE_OK) worst = r;
    }
    if (worst != ENGINE_OK) return reply_engine(c, worst);
    tx *t = state_for(c);
    for (int i = 1; i < c->argc && !(c->flags & CLIENT_DIRTY); i++)
        watch_add(t, c->argv[i], was[i]);
    reply_ok(c);
    return CMD_DONE;
}

/* Inside of EXEC it comes too late to matter, and the state must live on. */
static command_result unwatch_command(client *c) {
    if (!(c->flags & CLIENT_MULTI)) end_state(c);
    reply_ok(c);
    return CMD_DONE;
}

/* ---- what the session tells --------------------------------------------------------------------
 */

/* A command that will not run spoils the transaction that it should have been in. EXEC says that it
 * was refused in its own words, as in redis-server also when there is nothing to run. */
static void refused(client *c, bool known, void *ctx) {
    (void)ctx;
    if (known && c->row->def->run == exec_command)
        exec_refused(c);
    else if (c->flags & CLIENT_MULTI)
        state_of(c)->refused = true;
}

/* EXEC has ended, and its batch: what was in it is counted. */
static void after_command(client *c, command_result r, uint64_t us, void *ctx) {
    (void)us;
    (void)ctx;
    if (c->row->def->run != exec_command || !(c->flags & CLIENT_MULTI)) return;
    const tx *t = state_of(c);
    for (size_t i = 0; r == CMD_DONE && t->ran && i < t->n; i++)
        inside_account(c, &t->queue[i]);
    end_state(c);
}

/* Slots are the process', gates and watches the session's. */
void tx_start(session *s) {
    if (slot < 0) {
        slot = client_slot_add(forget);
        client_slot_memory(slot, memory);
    }
    CHECK(multis == 0);
    watch_start(session_keyspace(s));
    gate_number =
        session_gate_add(s, &(gate){.name = "take", .rank = GATE_RANK_TAKE, .pass = take});
    session_gate_arm(s, gate_number, false);
    session_watch_add(s, &(command_watch){.after = after_command, .refused = refused});
}

/* ---- table -------------------------------------------------------------------------------------
 */

#define TX(name_, run_, arity_, flags_, since_, complexity_, summary_, ...)                        \
    {                                                                                              \
        .name = name_, .run = run_, .arity = arity_,                                               \
        .flags = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | (flags_), .categories = CAT_TRANSACTION, \
        .group = "transactions", .since = since_, .complexity = complexity_, .summary = summary_,  \
        __VA_ARGS__                                                                                \
    }
#define AT_ONCE (CMD_FAST | CMD_ALLOW_BUSY)

const command tx_commands[] = {
    TX("multi", multi_command, 1, AT_ONCE, "1.2.0", "O(1)",
       "Begins a transaction: what follows runs at EXEC."),
    TX("exec", exec_command, 1, CMD_SKIP_SLOWLOG | CMD_CARRIES, "1.2.0",
       "Depends on commands in the transaction",
       "Runs what was given since MULTI, all of it or nothing."),
    TX("discard", discard_command, 1, AT_ONCE, "2.0.0",
       "O(N), when N is the number of queued commands", "Forgets what was given since MULTI."),
    TX("watch", watch_command, -2, AT_ONCE, "2.2.0", "O(1) for every key.",
       "Lets EXEC run nothing if one of the keys has changed by then.",
       .keys = {{.flags = KEY_RO, .begin = 1, .last = -1, .step = 1}}, .syntax = "key..."),
    TX("unwatch", unwatch_command, 1, AT_ONCE, "2.2.0", "O(1)", "Forgets all watched keys."),
    {0},
};
