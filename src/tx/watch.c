/* watch: which clients watch which keys, and what counts as a change.
 *
 *     watched.dbs[db] ──> watched_key ── watches ──> watch ──> watch ──> ...
 *                                                      │
 *                                  tx.watches ─────────┘  (a client's own)
 *
 * A key is watched by its name: what matters is not its value but whether anybody said that he
 * changed it. The keyspace tells after each commit, and while nobody watches it keeps nothing for
 * this. Three things need more than a flag:
 *
 *   expiry   A key whose time comes while it is watched has changed, whether or not it has been
 *            deleted: EXEC looks at the clock (watch_look). A key whose time had come before it was
 *            watched has not changed when it is deleted at last.
 *   flush    A key that was not there has not changed. Whether it was is known without asking, as
 *            any change since WATCH has made the client dirty anyway.
 *   swap     The key has changed unless it is absent in both databases.
 *
 *        was      deleted      another change    flush      after a swap: absent   due    live
 *        LIVE     dirty        dirty             dirty             dirty          dirty  dirty
 *        DUE      ABSENT       dirty             ABSENT            ABSENT         DUE    dirty
 *        ABSENT   dirty        dirty             ABSENT            ABSENT         DUE    dirty
 *
 * What can't be read in a hook without waiting counts as a change: EXEC fails and is tried again.
 */
#include "tx/internal.h"

#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"

/* A key that somebody watches; freed with its last watch. */
typedef struct watched_key {
    list_node watches;
    uint32_t db;
    size_t len;
    char bytes[];
} watched_key;

typedef struct watch {
    list_node node; /* in key->watches */
    list_node own;  /* in t->watches */
    watched_key *key;
    tx *t;
    enum ks_presence was;
} watch;

/* One session a process, so one table. */
static struct {
    keyspace *ks;
    int hook, ndbs;
    dict **dbs; /* NULL while nobody watches in that database */
    size_t keys;
} watched;

/* ---- keys --------------------------------------------------------------------------------------
 */

/* Made if nobody watches it. */
static watched_key *key_at(uint32_t db, slice name) {
    CHECK(db < (uint32_t)watched.ndbs);
    if (!watched.dbs[db]) watched.dbs[db] = dict_new(false);
    watched_key *k = dict_get(watched.dbs[db], name);
    if (k) return k;
    k = mem_zalloc(sizeof *k + name.len);
    list_init(&k->watches);
    k->db = db;
    k->len = name.len;
    if (name.len) memcpy(k->bytes, name.data, name.len);
    (void)dict_set(watched.dbs[db], name, k);
    if (watched.keys++ == 0) ks_hook_arm(watched.ks, watched.hook, true);
    return k;
}

/* As the client named it. */
static slice name_of(const watched_key *k) {
    return slice_of(k->bytes, k->len);
}

/* Frees a key that nobody watches. */
static void drop_unused(watched_key *k) {
    if (list_used(&k->watches)) return;
    dict *d = watched.dbs[k->db];
    CHECK(dict_del(d, name_of(k)) == k && watched.keys > 0);
    if (dict_count(d) == 0) {
        dict_free(d, NULL);
        watched.dbs[k->db] = NULL;
    }
    mem_free(k);
    if (--watched.keys == 0) ks_hook_arm(watched.ks, watched.hook, false);
}

/* ---- a client's watches ------------------------------------------------------------------------
 */

void watch_add(tx *t, slice key, enum ks_presence was) {
    watched_key *k = key_at(t->c->db, key);
    for (list_node *n = k->watches.next; n != &k->watches; n = n->next)
        if (LIST_OWNER(n, watch, node)->t == t) return;
    watch *w = mem_zalloc(sizeof *w);
    w->key = k;
    w->t = t;
    w->was = was;
    list_append(&k->watches, &w->node);
    list_append(&t->watches, &w->own);
    t->nwatches++;
    t->watch_bytes += sizeof *w + sizeof *k + key.len;
}

void watch_drop(tx *t) {
    for (list_node *n; (n = list_take(&t->watches)) != NULL;) {
        watch *w = LIST_OWNER(n, watch, own);
        list_remove(&w->node);
        drop_unused(w->key);
        mem_free(w);
    }
    t->nwatches = t->watch_bytes = 0;
    t->c->flags &= ~(unsigned)CLIENT_DIRTY;
}

/* Of all keys, so that all that must be read from the disk is asked for at once. */
engine_result watch_look(tx *t) {
    engine_result worst = ENGINE_OK;
    if (t->c->flags & CLIENT_DIRTY) return ENGINE_OK;
    for (list_node *n = t->watches.next; n != &t->watches; n = n->next) {
        const watch *w = LIST_OWNER(n, watch, own);
        enum ks_presence now;
        if (w->was != KS_LIVE) continue;
        engine_result r = ks_presence(watched.ks, w->key->db, name_of(w->key), &now);
        if (r == ENGINE_ERROR || (r == ENGINE_PENDING && worst == ENGINE_OK)) worst = r;
        if (r == ENGINE_OK && now != KS_LIVE) t->c->flags |= CLIENT_DIRTY;
    }
    return worst;
}

/* ---- what the keyspace tells --------------------------------------------------------------------
 */

static void touch(watch *w) {
    w->t->c->flags |= CLIENT_DIRTY;
}

/* What is at the key now; KS_LIVE if that can't be known at once. */
static enum ks_presence look(const watched_key *k) {
    enum ks_presence now;
    return ks_presence(watched.ks, k->db, name_of(k), &now) == ENGINE_OK ? now : KS_LIVE;
}

/* The key has changed. */
static void on_changed(void *ctx, uint32_t db, slice name) {
    (void)ctx;
    watched_key *k = watched.dbs[db] ? dict_get(watched.dbs[db], name) : NULL;
    if (!k) return;
    for (list_node *n = k->watches.next; n != &k->watches; n = n->next) {
        watch *w = LIST_OWNER(n, watch, node);
        if (w->was == KS_DUE && look(k) == KS_ABSENT)
            w->was = KS_ABSENT;
        else
            touch(w);
    }
}

/* The database has been emptied. */
static void flushed(watched_key *k) {
    for (list_node *n = k->watches.next; n != &k->watches; n = n->next) {
        watch *w = LIST_OWNER(n, watch, node);
        if (w->was == KS_LIVE) touch(w);
        w->was = KS_ABSENT;
    }
}

/* The key's database is another one now. */
static void swapped(watched_key *k) {
    enum ks_presence now = look(k);
    for (list_node *n = k->watches.next; n != &k->watches; n = n->next) {
        watch *w = LIST_OWNER(n, watch, node);
        if (w->was == KS_LIVE || now == KS_LIVE) touch(w);
        w->was = now;
    }
}

/* All watched keys of a database. */
static void for_keys(uint32_t db, void (*each)(watched_key *k)) {
    size_t pos = 0;
    slice name;
    void *k;
    while (watched.dbs[db] && dict_next(watched.dbs[db], &pos, &name, &k))
        each(k);
}

static void on_flushed(void *ctx, int32_t db) {
    (void)ctx;
    for (int i = 0; i < watched.ndbs; i++)
        if (db < 0 || db == i) for_keys((uint32_t)i, flushed);
}

static void on_swapped(void *ctx, uint32_t a, uint32_t b) {
    (void)ctx;
    for_keys(a, swapped);
    if (a != b) for_keys(b, swapped);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

/* The hook stays disarmed until somebody watches. */
void watch_start(keyspace *ks) {
    CHECK(watched.keys == 0);
    mem_free(watched.dbs);
    watched.ks = ks;
    watched.ndbs = ks_databases(ks);
    watched.dbs = mem_zalloc((size_t)watched.ndbs * sizeof *watched.dbs);
    watched.hook = ks_hook_add(
        ks, &(ks_hooks){.changed = on_changed, .flushed = on_flushed, .swapped = on_swapped});
    ks_hook_arm(ks, watched.hook, false);
}
