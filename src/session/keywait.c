/* keywait: who waits for which key, and in which order they are served.
 *
 *     keywait.dbs[db] ──> wait_key ── waiters ──> wait_link ──> wait_link ──> ...   by arrival
 *                          │   ^                      │             │
 *                          │   └── also by the other  v             v
 *                          │       links of a waiter waiter        waiter ──> its client
 *                          └── ready_link: in `ready` (to be served), or in `held`
 *
 * A key with waiters that a committed batch has changed is put into `ready`; when the command that
 * made it so has replied, the keys there are served, first come first. What "served" means is the
 * same for all commands: the client's command runs again. It is a whole batch by itself, and may
 * make further keys ready (BLMOVE): they go to the end of the list, so that a chain of any length
 * is a loop.
 *
 * Each time a key becomes ready it gets a new round, and a waiter runs at most once a round. Before
 * each run the key's type is looked up again: when nobody waits for what is there now, that is the
 * end of it, so that one element wakes one of a thousand waiters and costs one run.
 *
 *     idle ──changed──> ready ──> serving ──> idle
 *                         ^          │ its waiter's read is pending, or the server is paused
 *                         └──────── held      (keywait_resume, its reads, or that waiter has gone)
 *
 * While a waiter's read is pending, those behind it at that key wait too, or they would get what
 * it came first for; other keys are served meanwhile. A waiter that is parked is still blocked: its
 * time limit runs, and as a parked run leaves no trace, it may end at any moment.
 *
 * The keyspace's hook is armed only while somebody waits. */
#include "session/keywait.h"

#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"
#include "session/block.h"
#include "session/dispatch.h"
#include "session/state.h"

#define TYPES        (KEY_STREAM + 1)
#define TYPE_ABSENT  (-1)
#define TYPE_UNKNOWN (-2) /* it can't be read */
#define TYPE_UNREAD  (-3) /* it must be looked up (again) */

typedef struct waiter waiter;

/* A key that somebody waits for; freed with its last waiter. */
typedef struct wait_key {
    list_node waiters;
    list_node ready_link;
    list_node *cursor; /* while it is served: the waiter that is next */
    waiter *held_by;   /* its read is pending */
    uint64_t round;
    uint32_t db;
    uint32_t wanted[TYPES], gone; /* how many wait for each type; how many for its absence too */
    bool serving;
    size_t len;
    char bytes[];
} wait_key;

/* A waiter's place at one of its keys. */
typedef struct wait_link {
    list_node node; /* in key->waiters */
    wait_key *key;
    waiter *w;
    uint64_t round; /* the last one in which it ran */
} wait_link;

/* A client that waits: the state of its block. */
struct waiter {
    client *c;
    void (*timed_out)(client *c);
    unsigned type, flags;
    bool running;
    list_node parked; /* in keywait.parked */
    wait_key *holds;
    buf kept; /* client_wait_keep */
    size_t n;
    wait_link links[];
};

struct keywait {
    session *s;
    int hook;
    int ndbs;
    dict **dbs; /* NULL while nobody waits in that database */
    list_node ready;
    list_node held;       /* keys whose type could not be read at once */
    list_node parked;     /* waiters */
    list_node again;      /* those of them that may be tried */
    engine_reader reader; /* of keys' types */
    uint64_t rounds;
    size_t keys, gone_keys;
    bool resumed; /* what is in `again` or `held` may be tried */
    bool serving;
};

/* ---- keys --------------------------------------------------------------------------------------
 */

/* Somebody calls keywait_serve before the turn ends. */
static void ask_to_serve(keywait *kw) {
    kw->s->keys_ready = true;
    reactor_wake(kw->s->reactor);
}

/* Will be served, unless it is just being served or can't be; then its round says that more is
 * to be done. */
static void make_ready(keywait *kw, wait_key *k) {
    k->round = ++kw->rounds;
    if (k->serving || k->held_by || list_used(&k->ready_link)) return;
    list_append(&kw->ready, &k->ready_link);
    ask_to_serve(kw);
}

/* The key as the clients name it. */
static slice name_of(const wait_key *k) {
    return slice_of(k->bytes, k->len);
}

/* The key's waiters; made if it has none. */
static wait_key *key_at(keywait *kw, uint32_t db, slice name) {
    CHECK(db < (uint32_t)kw->ndbs);
    if (!kw->dbs[db]) kw->dbs[db] = dict_new(false);
    wait_key *k = dict_get(kw->dbs[db], name);
    if (k) return k;
    k = mem_zalloc(sizeof *k + name.len);
    list_init(&k->waiters);
    list_init(&k->ready_link);
    k->db = db;
    k->len = name.len;
    if (name.len) memcpy(k->bytes, name.data, name.len);
    (void)dict_set(kw->dbs[db], name, k);
    if (kw->keys++ == 0) ks_hook_arm(kw->s->ks, kw->hook, true);
    return k;
}

/* Frees a key that nobody waits for. */
static void drop_unused(keywait *kw, wait_key *k) {
    if (list_used(&k->waiters) || k->serving) return;
    list_remove(&k->ready_link);
    dict *d = kw->dbs[k->db];
    CHECK(dict_del(d, name_of(k)) == k && !k->held_by && kw->keys > 0);
    if (dict_count(d) == 0) {
        dict_free(d, NULL);
        kw->dbs[k->db] = NULL;
    }
    mem_free(k);
    if (--kw->keys == 0) ks_hook_arm(kw->s->ks, kw->hook, false);
}

/* The type of what is there now, or TYPE_ABSENT. False: it must be read, try again later. What
 * can't be read at all is left to the command to say. */
static bool type_of(keywait *kw, const wait_key *k, int *type) {
    entry ent;
    unsigned flags = KS_META | KS_NO_TOUCH | KS_NO_STATS | KS_NO_NOTIFY;
    engine_read_for(ks_engine(kw->s->ks), &kw->reader);
    engine_result r = ks_get(kw->s->ks, k->db, name_of(k), flags, &ent);
    engine_read_for(ks_engine(kw->s->ks), NULL);
    *type = r == ENGINE_OK ? (int)ent.type : r == ENGINE_ABSENT ? TYPE_ABSENT : TYPE_UNKNOWN;
    return r != ENGINE_PENDING;
}

/* Of the keywait's own reader: keys' types. */
static void types_ready(engine_reader *r) {
    keywait *kw = LIST_OWNER(r, keywait, reader);
    kw->resumed = true;
    ask_to_serve(kw);
}

/* Is that what this waiter waits for? */
static bool is_wanted(const waiter *w, int type) {
    return type == (int)w->type || type == TYPE_UNKNOWN || (w->flags & KEYWAIT_ALSO_GONE);
}

/* Is it what anybody waits for? */
static bool is_wanted_by_any(const wait_key *k, int type) {
    if (type == TYPE_UNKNOWN || k->gone) return true;
    return type >= 0 && type < TYPES && k->wanted[type];
}

/* ---- waiters -----------------------------------------------------------------------------------
 */

/* The next place at that key, unless it has one: its places at one key are made one after another.
 */
static void join(keywait *kw, waiter *w, slice name) {
    wait_key *k = key_at(kw, w->c->db, name);
    if (list_used(&k->waiters) && LIST_OWNER(k->waiters.prev, wait_link, node)->w == w) return;
    wait_link *l = &w->links[w->n++];
    *l = (wait_link){.key = k, .w = w};
    list_append(&k->waiters, &l->node);
    k->wanted[w->type]++;
    if ((w->flags & KEYWAIT_ALSO_GONE) && k->gone++ == 0) kw->gone_keys++;
}

/* Gives the place up. */
static void leave(keywait *kw, wait_link *l) {
    wait_key *k = l->key;
    const waiter *w = l->w;
    if (k->cursor == &l->node) k->cursor = l->node.next;
    list_remove(&l->node);
    CHECK(k->wanted[w->type] > 0);
    k->wanted[w->type]--;
    if ((w->flags & KEYWAIT_ALSO_GONE) && --k->gone == 0) kw->gone_keys--;
    drop_unused(kw, k);
}

/* Those behind w at the key that it held go on. */
static void let_go(keywait *kw, waiter *w) {
    wait_key *k = w->holds;
    if (!k) return;
    CHECK(k->held_by == w && !list_used(&k->ready_link));
    w->holds = NULL;
    k->held_by = NULL;
    if (k->serving) return;
    list_append(&kw->ready, &k->ready_link);
    ask_to_serve(kw);
}

/* The end of a block. What is not there any more is an absence, which depends on the log's end. */
static void ended(client *c, block_end why, void *state) {
    waiter *w = state;
    keywait *kw = c->session->keywait;
    if (why == BLOCK_TIMEOUT) {
        client_depends_on_end(c);
        w->timed_out(c);
    }
    let_go(kw, w);
    list_remove(&w->parked);
    engine_reader_end(ks_engine(c->ks), &c->reader);
    while (w->n > 0)
        leave(kw, &w->links[--w->n]);
    buf_free(&w->kept);
    mem_free(w);
}

/* NULL if c does not wait for keys. */
static waiter *waiter_of(const client *c) {
    return c->block && c->block->end == ended ? c->block->state : NULL;
}

/* A key that is too long to exist need not be waited for. */
command_result client_wait_for_keys(client *c, const slice *keys, size_t n, unsigned type,
                                    unsigned flags, int64_t timeout_ms,
                                    void (*timed_out)(client *c)) {
    session *s = c->session;
    waiter *w = waiter_of(c);
    CHECK(type < TYPES && c->out.len == c->out_from);
    if (!w && !client_can_block(c)) {
        client_depends_on_end(c);
        timed_out(c);
        return CMD_DONE;
    }
    if (w) {
        CHECK(w->running);
        c->flags |= CLIENT_BLOCKED;
    } else {
        w = mem_zalloc(sizeof *w + n * sizeof w->links[0]);
        w->c = c;
        w->timed_out = timed_out;
        w->type = type;
        w->flags = flags;
        list_init(&w->parked);
        for (size_t i = 0; i < n; i++)
            if (keys[i].len <= ENGINE_KEY_MAX) join(s->keywait, w, keys[i]);
        client_block_for(c, timeout_ms, ended, w);
    }
    if (s->keep.len) {
        buf_free(&w->kept);
        w->kept = s->keep;
        s->keep = (buf){0};
    }
    return CMD_DONE;
}

/* Belongs to the run until that waits; dispatch forgets it with the run. */
void client_wait_keep(client *c, slice bytes) {
    buf_clear(&c->session->keep);
    buf_append_slice(&c->session->keep, bytes);
}

/* Of a client that never waited there is nothing. */
slice client_wait_kept(const client *c) {
    const waiter *w = waiter_of(c);
    return w ? buf_slice(&w->kept) : SLICE_EMPTY;
}

/* ---- serving -----------------------------------------------------------------------------------
 */

/* Runs the waiter's command again. False: its read is pending, or the server is paused. After true,
 * w may be gone. */
static bool run_again(keywait *kw, waiter *w) {
    client *c = w->c;
    command_result r = CMD_AGAIN;
    bool there = false; /* what its run has asked for, already */
    if (!(c->flags & CLIENT_ENDS) && !gates_paused(c)) {
        w->running = true;
        c->flags &= ~(unsigned)CLIENT_BLOCKED;
        c->argc = c->block->argc;
        c->argv = c->block->argv;
        r = dispatch_again(c);
        c->argc = 0;
        c->argv = NULL;
        w->running = false;
        there = c->reader.rounds && !c->reader.waits;
    }
    bool waits = c->flags & CLIENT_BLOCKED;
    c->flags |= CLIENT_BLOCKED;
    if (r == CMD_AGAIN) {
        list_append(&kw->parked, &w->parked);
        if (there) keywait_ready(kw, c);
        return false;
    }
    if (!waits) client_unblock(c, BLOCK_REPLIED);
    return true;
}

/* One waiter's turn at a key; *type is what is there. False: the key must wait for something. */
static bool serve_next(keywait *kw, wait_key *k, uint64_t round, int *type) {
    wait_link *l = LIST_OWNER(k->cursor, wait_link, node);
    waiter *w = l->w;
    k->cursor = l->node.next;
    if (l->round == round || !is_wanted(w, *type)) return true;
    if (list_used(&w->parked) || (w->c->flags & CLIENT_ENDS)) return true;
    l->round = round;
    *type = TYPE_UNREAD;
    if (run_again(kw, w)) return true;
    w->holds = k;
    k->held_by = w;
    return false;
}

/* All who wait for what the key holds, until it holds nothing for anybody. */
static void serve_key(keywait *kw, wait_key *k) {
    uint64_t round = k->round;
    int type = TYPE_UNREAD;
    k->serving = true;
    k->cursor = k->waiters.next;
    while (k->cursor != &k->waiters) {
        if (type == TYPE_UNREAD && !type_of(kw, k, &type)) {
            list_append(&kw->held, &k->ready_link);
            if (kw->reader.rounds && !kw->reader.waits) types_ready(&kw->reader);
            break;
        }
        if (!is_wanted_by_any(k, type)) break;
        if (!serve_next(kw, k, round, &type)) break;
    }
    k->serving = false;
    k->cursor = NULL;
    if (k->round != round && !k->held_by && !list_used(&k->ready_link))
        list_append(&kw->ready, &k->ready_link);
    drop_unused(kw, k);
}

/* Waiters in the order in which they were parked; then keys whose type was being read. */
static void try_parked(keywait *kw) {
    list_node now;
    list_init(&now);
    list_append_all(&now, &kw->again);
    kw->resumed = false;
    for (list_node *n; (n = list_take(&now)) != NULL;) {
        waiter *w = LIST_OWNER(n, waiter, parked);
        client *c = w->c;
        if (run_again(kw, w) && waiter_of(c) == w) let_go(kw, w);
    }
    list_append_all(&kw->ready, &kw->held);
}

void keywait_serve(keywait *kw) {
    session *s = kw->s;
    if (kw->serving) return;
    CHECK(!s->running);
    kw->serving = true;
    s->now_ns = clock_mono_ns();
    uint64_t begun = slow_begin();
    if (kw->resumed) try_parked(kw);
    for (list_node *n; (n = list_take(&kw->ready)) != NULL;)
        serve_key(kw, LIST_OWNER(n, wait_key, ready_link));
    if (!list_used(&kw->held)) engine_reader_end(ks_engine(s->ks), &kw->reader);
    kw->serving = false;
    s->keys_ready = kw->resumed;
    slow_end("command-unblocking", begun);
}

void keywait_resume(keywait *kw) {
    if (!list_used(&kw->parked) && !list_used(&kw->held)) return;
    list_append_all(&kw->again, &kw->parked);
    kw->resumed = true;
    ask_to_serve(kw);
}

void keywait_ready(keywait *kw, client *c) {
    waiter *w = waiter_of(c);
    if (!w || w->running || !list_used(&w->parked)) return;
    list_remove(&w->parked);
    list_append(&kw->again, &w->parked);
    kw->resumed = true;
    ask_to_serve(kw);
}

/* ---- what the keyspace tells --------------------------------------------------------------------
 */

/* A key that somebody may wait for. */
static void on_changed(void *ctx, uint32_t db, slice name) {
    keywait *kw = ctx;
    wait_key *k = kw->dbs[db] ? dict_get(kw->dbs[db], name) : NULL;
    if (k) make_ready(kw, k);
}

/* All keys of a database; or those alone that somebody waits for to be gone. */
static void ready_all(keywait *kw, uint32_t db, bool gone_only) {
    size_t pos = 0;
    slice name;
    void *k;
    while (kw->dbs[db] && dict_next(kw->dbs[db], &pos, &name, &k))
        if (!gone_only || ((wait_key *)k)->gone) make_ready(kw, k);
}

/* Nothing is there any more. */
static void on_flushed(void *ctx, int32_t db) {
    keywait *kw = ctx;
    for (int i = 0; i < kw->ndbs; i++)
        if (db < 0 || db == i) ready_all(kw, (uint32_t)i, true);
}

/* Clients stay where they are, and find the other's keys. */
static void on_swapped(void *ctx, uint32_t a, uint32_t b) {
    ready_all(ctx, a, false);
    ready_all(ctx, b, false);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

keywait *keywait_new(session *s) {
    keywait *kw = mem_zalloc(sizeof *kw);
    kw->s = s;
    kw->ndbs = ks_databases(s->ks);
    kw->dbs = mem_zalloc((size_t)kw->ndbs * sizeof *kw->dbs);
    list_init(&kw->ready);
    list_init(&kw->held);
    list_init(&kw->parked);
    list_init(&kw->again);
    kw->reader.ready = types_ready;
    kw->hook = ks_hook_add(
        s->ks, &(ks_hooks){
                   .changed = on_changed, .flushed = on_flushed, .swapped = on_swapped, .ctx = kw});
    ks_hook_arm(s->ks, kw->hook, false);
    return kw;
}

/* The hook stays, disarmed. */
void keywait_free(keywait *kw) {
    CHECK(kw->keys == 0);
    engine_reader_end(ks_engine(kw->s->ks), &kw->reader);
    mem_free(kw->dbs);
    mem_free(kw);
}

size_t keywait_keys(const keywait *kw, size_t *gone) {
    *gone = kw->gone_keys;
    return kw->keys;
}

/* Its keys' names are counted as arguments. */
size_t keywait_memory(const client *c) {
    const waiter *w = waiter_of(c);
    return w ? mem_size(w) + w->kept.cap : 0;
}
