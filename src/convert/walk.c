/* walk: see walk.h. Keys are collected from a few steps of a scan, whose visitor may not ask the
 * engine, then read one after another. Any read may be PENDING (E2): it is asked again after
 * w->wait; an iterator is put back to the element it was at. */
#include "convert/walk.h"

#include "base/log.h"

#define KEYS_A_STEP 64

typedef struct walk {
    engine *e;
    uint32_t db;
    const walker *w;
    buf keys;   /* of one step: each a uint32_t length and its bytes */
    buf last;   /* subkey of the element that was told last */
    uint64_t n; /* entries told */
} walk;

/* Ok, or what the engine says of an error. REQUIRES: r is not ENGINE_PENDING. */
static status result_of(engine *e, engine_result r, const char *what) {
    CHECK(r != ENGINE_PENDING);
    if (r == ENGINE_OK) return STATUS_OK;
    if (r == ENGINE_ERROR) return engine_error(e);
    return status_make(ST_CORRUPT, "%s: what was there a moment ago is not found", what);
}

/* Evaluates the call until it is not PENDING. */
#define SETTLED(k, r, call)                                                                        \
    do {                                                                                           \
        (r) = (call);                                                                              \
        if ((r) == ENGINE_PENDING) (k)->w->wait((k)->w->ctx);                                      \
    } while ((r) == ENGINE_PENDING)

/* The element after the one told last. */
static engine_result step(walk *k, engine_coll *c, unsigned map, map_iter *it) {
    engine_result r = engine_map_step(k->e, it, false);
    while (r == ENGINE_PENDING) {
        SETTLED(k, r, engine_map_seek(k->e, c, map, buf_slice(&k->last), false, it));
        if (r == ENGINE_OK && slice_eq(it->subkey, buf_slice(&k->last)))
            r = engine_map_step(k->e, it, false);
        if (r == ENGINE_PENDING) k->w->wait(k->w->ctx);
    }
    return r;
}

/* All elements of one map. */
static status walk_map(walk *k, engine_coll *c, unsigned map) {
    uint64_t n = engine_map_count(k->e, c, map), told = 0;
    map_iter it;
    engine_result r = ENGINE_ABSENT;
    if (n) SETTLED(k, r, engine_map_seek(k->e, c, map, SLICE_EMPTY, false, &it));
    while (r == ENGINE_OK) {
        told++;
        buf_clear(&k->last);
        buf_append_slice(&k->last, it.subkey);
        TRY(k->w->element(k->w->ctx, map, it.subkey, it.value, it.expire));
        r = step(k, c, map, &it);
    }
    if (r == ENGINE_ERROR) return engine_error(k->e);
    if (told == n) return STATUS_OK;
    return status_make(ST_CORRUPT,
                       "map %u of a collection in database %u has %llu elements, not %llu", map,
                       k->db, (unsigned long long)told, (unsigned long long)n);
}

/* One entry, with its elements. */
static status walk_key(walk *k, slice key) {
    entry ent;
    engine_coll c;
    engine_result r;
    SETTLED(k, r, engine_get(k->e, k->db, key, &ent));
    TRY(result_of(k->e, r, "an entry"));
    k->n++;
    TRY(k->w->key(k->w->ctx, k->db, key, &ent));
    if (!ent.coll) return STATUS_OK;
    SETTLED(k, r, engine_coll_open(k->e, k->db, key, &ent, &c));
    TRY(result_of(k->e, r, "a collection"));
    for (unsigned map = 0; map < ENGINE_MAPS; map++)
        TRY(walk_map(k, &c, map));
    return STATUS_OK;
}

/* The scan's visitor. */
static void collect(void *ctx, slice key, const entry *meta) {
    walk *k = ctx;
    uint32_t n = (uint32_t)key.len;
    (void)meta;
    buf_append(&k->keys, &n, sizeof n);
    buf_append_slice(&k->keys, key);
}

/* The keys that were collected. */
static status walk_collected(walk *k) {
    for (size_t at = 0; at < k->keys.len;) {
        uint32_t n;
        memcpy(&n, k->keys.data + at, sizeof n);
        TRY(walk_key(k, slice_of(k->keys.data + at + sizeof n, n)));
        at += sizeof n + n;
    }
    return STATUS_OK;
}

/* From step to step, as a SCAN would. */
static status walk_all(walk *k) {
    uint64_t token = 0;
    do {
        uint64_t next = 0;
        engine_result r;
        do {
            buf_clear(&k->keys);
            r = engine_scan(k->e, k->db, token, KEYS_A_STEP, &next, collect, k);
            if (r == ENGINE_PENDING) k->w->wait(k->w->ctx);
        } while (r == ENGINE_PENDING);
        if (r == ENGINE_ERROR) return engine_error(k->e);
        TRY(walk_collected(k));
        CHECK(next == 0 || next > token);
        token = next;
    } while (token);
    return STATUS_OK;
}

/* The engine's counts are exact, so that a scan which left something out is found out here. */
status walk_db(engine *e, uint32_t db, const walker *w) {
    walk k = {.e = e, .db = db, .w = w};
    engine_db_stats stats;
    engine_db_stats_of(e, db, &stats);
    status s = stats.keys ? walk_all(&k) : STATUS_OK;
    buf_free(&k.keys);
    buf_free(&k.last);
    TRY(s);
    if (k.n == stats.keys) return STATUS_OK;
    return status_make(ST_CORRUPT, "database %u has %llu keys, not %llu as it is said to have", db,
                       (unsigned long long)k.n, (unsigned long long)stats.keys);
}
