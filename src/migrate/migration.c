/* The life of a migration:
 *
 *   wait for the log -> send, receive -> (once more, if a kept connection was dead) ->
 *   delete what the target has -> reply
 *
 * Each step is a timer or an event of the reactor, and none is done within the command: it reads
 * the keys, blocks its client and is over.
 *
 * It waits for the log because what leaves the process must be as durable as a reply would have to
 * be (engine.h, rule E5). While it goes on others run: a hook of the keyspace sees what becomes of
 * its keys, and one that was changed is not deleted. A client that goes away meanwhile changes
 * nothing; one that is unblocked (CLIENT UNBLOCK) ends it where it is. */
#include "migrate/migration.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "session/block.h"
#include "session/reply.h"

#define RETRY_MS 1 /* until the log, or a pending read, is asked about again */

static struct {
    session *session;
    keyspace *ks;
    reactor *reactor;
    links *links;
    list_node all; /* those that have been started and have not deleted their keys */
    int hook;
} m;

static void begin_exchange(migration *j);

/* ---- what becomes of the keys meanwhile ---------------------------------------------------------
 */

/* Every key of every migration that is `key`, or all (NULL), in db, or all (-1). */
static void mark(int64_t db, const slice *key) {
    for (list_node *n = m.all.next; n != &m.all; n = n->next) {
        migration *j = LIST_OWNER(n, migration, link);
        if (db >= 0 && j->db != (uint32_t)db) continue;
        for (size_t i = 0; i < j->nkeys; i++)
            if (!key || slice_eq(j->keys[i].key, *key)) j->keys[i].changed = true;
    }
}

/* By a command, or by expiry. */
static void on_changed(void *ctx, uint32_t db, slice key) {
    (void)ctx;
    mark(db, &key);
}
/* What is there afterwards is not what was sent. */
static void on_flushed(void *ctx, int32_t db) {
    (void)ctx;
    mark(db, NULL);
}
/* Either database has other keys now. */
static void on_swapped(void *ctx, uint32_t a, uint32_t b) {
    (void)ctx;
    mark(a, NULL);
    mark(b, NULL);
}

/* The hook is armed only while there is something to watch. */
void migrations_start(session *s) {
    m.session = s;
    m.ks = session_keyspace(s);
    m.reactor = session_reactor(s);
    m.links = links_new(m.reactor);
    list_init(&m.all);
    m.hook = ks_hook_add(
        m.ks, &(ks_hooks){.changed = on_changed, .flushed = on_flushed, .swapped = on_swapped});
    ks_hook_arm(m.ks, m.hook, false);
}

/* 0 also before the start. */
size_t migrations_idle_links(void) {
    return m.links ? links_idle(m.links) : 0;
}

void migrations_use_tls(bool on) {
    links_use_tls(m.links, on);
}

/* In the list of those whose keys are watched, or out of it. They are watched from the moment they
 * are read (the command's own batch changes none) to that of their deletion. */
static void watch(migration *j, bool on) {
    if (on) {
        list_append(&m.all, &j->link);
    } else {
        list_remove(&j->link);
    }
    ks_hook_arm(m.ks, m.hook, list_used(&m.all));
}

/* ---- making and ending one ----------------------------------------------------------------------
 */

/* Of that client, in its database; the command fills in the rest. */
migration *migration_new(client *c) {
    migration *j = mem_zalloc(sizeof *j);
    j->c = c;
    j->db = c->db;
    list_init(&j->link);
    return j;
}

/* In whatever state it is: a timer, a connection and the watch over its keys end with it. */
void migration_free(migration *j) {
    if (list_used(&j->link)) watch(j, false);
    if (j->timer) reactor_timer_remove(m.reactor, j->timer);
    if (j->peer) link_drop(j->peer);
    mem_free(j->host);
    mem_free(j->keys);
    buf_free(&j->names);
    buf_free(&j->body);
    buf_free(&j->head);
    buf_free(&j->error);
    mem_free(j);
}

/* Did a key change that is now both here and there? */
static bool any_stays(const migration *j) {
    for (size_t i = 0; i < j->nkeys; i++)
        if (j->keys[i].accepted && j->keys[i].changed) return true;
    return false;
}

/* redis-server's words, of which the first are its own grammar. */
static const char *io_error(link_end why) {
    return why == LINK_NO_CONNECT ? "connecting to the client"
           : why == LINK_NO_WRITE ? "writing to target instance"
                                  : "reading to target instance";
}

/* The reply, in the order of redis-server: what the target said goes before what broke. What was
 * deleted was the client's change, for WAITAOF behind it. */
static void reply(client *c, const migration *j) {
    client_depends_on_end(c);
    if (!j->copy) c->wrote = c->depends;
    if (j->error.len > 0) {
        (void)reply_error(c, "ERR Target instance replied with error: %.*s", (int)j->error.len,
                          j->error.data);
    } else if (j->why != LINK_DONE) {
        (void)reply_error(c, "IOERR error or timeout %s", io_error(j->why));
    } else if (j->failed) {
        (void)reply_error(c, "IOERR the target has the keys, and they cannot be deleted here");
    } else if (!j->copy && any_stays(j)) {
        (void)reply_error(c,
                          "IOERR a key was changed while it was sent: the target has what it was "
                          "before, and it stays here");
    } else {
        reply_ok(c);
    }
}

/* client_block's: the client waits no more. */
static void unblocked(client *c, block_end why, void *state) {
    migration *j = state;
    if (why == BLOCK_CLOSED) {
        j->c = NULL;
        return;
    }
    if (why == BLOCK_TIMEOUT) j->why = LINK_NO_READ;
    if (why == BLOCK_TIMEOUT || why == BLOCK_SERVED) reply(c, j);
    migration_free(j);
}

/* The client gets its reply, if there still is one. */
static void finish(migration *j) {
    if (j->c) {
        client_unblock(j->c, BLOCK_SERVED);
    } else {
        migration_free(j);
    }
}

/* ---- deleting -----------------------------------------------------------------------------------
 */

/* In a batch: what the target has and nobody changed. */
static engine_result delete_keys(migration *j) {
    for (size_t i = 0; i < j->nkeys; i++) {
        migration_key *k = &j->keys[i];
        if (!k->accepted || k->changed) continue;
        engine_result r = ks_del(m.ks, j->db, k->key);
        if (r == ENGINE_ABSENT) continue; /* it expired */
        if (r != ENGINE_OK) return r;
        ks_changed(m.ks, KS_GENERIC, "del", j->db, k->key);
    }
    return ENGINE_OK;
}

/* Returns as a timer: again while a read is pending, as an engine may have to look up what a delete
 * hides. What is deleted was the client's to delete, so a full disk does not stop it. */
static int64_t try_delete(void *ctx) {
    migration *j = ctx;
    ks_begin(m.ks);
    engine_result r = j->copy ? ENGINE_OK : delete_keys(j);
    if (r == ENGINE_PENDING) {
        ks_abort(m.ks);
        return RETRY_MS;
    }
    watch(j, false); /* what it deletes is no change of others */
    j->failed = r != ENGINE_OK;
    if (j->failed) {
        ks_abort(m.ks);
    } else {
        ks_commit(m.ks);
    }
    j->timer = 0;
    finish(j);
    return -1;
}

/* The exchange has ended, well or not; what was accepted goes. */
static void conclude(migration *j, link_end why) {
    j->why = why;
    j->timer = reactor_timer_add(m.reactor, 0, try_delete, j);
}

/* ---- the exchange -------------------------------------------------------------------------------
 */

/* The i-th reply: of AUTH and SELECT, then of each key's RESTORE. Where SELECT failed, RESTORE made
 * the key in another database: that is told, and the key stays here. */
static void replied(void *ctx, size_t i, slice line) {
    migration *j = ctx;
    bool good = line.data[0] == '+';
    j->answered = true;
    if (!good && j->error.len == 0) buf_append_slice(&j->error, slice_skip(line, 1));
    if (j->selects && i + 1 == j->heads) *link_db(j->peer) = good ? j->target_db : -1;
    if (i < j->heads && !good) j->astray = true;
    if (i >= j->heads) j->keys[i - j->heads].accepted = good && !j->astray;
}

/* A connection that was kept may have died without a word: then, and if there was time enough left
 * for it to be no slowness, a new one is tried. */
static void exchanged(void *ctx, link_end why) {
    migration *j = ctx;
    uint64_t took_ms = (reactor_now_us(m.reactor) - j->begun_us) / 1000;
    struct link *l = j->peer;
    j->peer = NULL;
    if (why == LINK_DONE) {
        link_give_back(l);
        conclude(j, why);
        return;
    }
    link_drop(l);
    if (j->reused && !j->again && !j->answered && took_ms < (uint64_t)j->timeout_ms) {
        j->again = true;
        begin_exchange(j);
    } else {
        conclude(j, why);
    }
}

/* AUTH and SELECT, if they must be. */
static void make_head(migration *j) {
    buf *b = &j->head;
    char db[NUM_I64_TEXT];
    buf_clear(b);
    j->heads = 0;
    j->astray = false;
    if (j->password.data) {
        resp_array(b, j->user.data ? 3 : 2);
        resp_bulk(b, SLICE("AUTH"));
        if (j->user.data) resp_bulk(b, j->user);
        resp_bulk(b, j->password);
        j->heads++;
    }
    j->selects = *link_db(j->peer) != j->target_db;
    if (!j->selects) return;
    resp_array(b, 2);
    resp_bulk(b, SLICE("SELECT"));
    resp_bulk(b, slice_of(db, num_format_i64(db, j->target_db)));
    j->heads++;
}

/* The time limit begins now: waiting for the log does not count. */
static void begin_exchange(migration *j) {
    j->peer = link_take(m.links, j->host, j->port, j->again, &j->reused);
    make_head(j);
    j->begun_us = reactor_now_us(m.reactor);
    link_exchange(j->peer, buf_slice(&j->head), buf_slice(&j->body), j->heads + j->nkeys,
                  j->timeout_ms, &(link_events){replied, exchanged, j});
}

/* Returns as a timer: again until the log is as far as what is sent. */
static int64_t wait_for_log(void *ctx) {
    migration *j = ctx;
    engine *e = ks_engine(m.ks);
    bool failed = !status_ok(engine_failed(e));
    if (!failed && engine_released(e) < j->depends) return RETRY_MS;
    j->timer = 0;
    if (failed) {
        conclude(j, LINK_NO_WRITE);
    } else {
        begin_exchange(j);
    }
    return -1;
}

/* The log is asked about by a timer also the first time: the command has not committed. */
void migration_start(migration *j) {
    j->depends = engine_log_end(ks_engine(m.ks));
    watch(j, true);
    client_block_for(j->c, 0, unblocked, j);
    j->timer = reactor_timer_add(m.reactor, 0, wait_for_log, j);
}
