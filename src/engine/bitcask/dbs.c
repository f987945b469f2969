/* dbs: physical databases, and which logical one is which.
 *
 * A flush gives a logical database a new, empty physical one, and drops the old one whole; a swap
 * exchanges two. Both are records in the batch like any change, so they commit and abort with it.
 * What such a record says holds for all records after it, so it must outlive them, until the
 * manifest's copy of the mapping (dbs_checkpoint) is of a later position (B8). That copy is made
 * only of positions that are durable: a mapping must not be newer than the data.
 *
 * Numbers of physical databases begin at 1. 0 is the system's, which is in no mapping and always
 * there. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/entries.h"
#include "engine/bitcask/ops.h"

#define SLICE_CHUNKS 4
#define SLICE_PAIRS  256

/* ---- physical databases ---------------------------------------------------------------------- */

/* Its keydir, trees and shares are made when first needed. */
pdb *pdb_new(bitcask *e, uint32_t number) {
    CHECK(!pdb_find(e, number));
    char id[4];
    put_u32(id, number);
    pdb *d = mem_zalloc(sizeof *d);
    d->number = number;
    void *old = dict_set(e->pdbs, slice_of(id, sizeof id), d);
    CHECK(old == NULL);
    return d;
}

/* It is mapped for ever, so nothing drops it. */
void dbs_make_system(bitcask *e) {
    CHECK(!e->system && dict_count(e->pdbs) == 0);
    e->system = pdb_new(e, RECORD_PDB_SYSTEM);
    e->system->mapped = true;
}

/* The one found last is asked first: loading and merging come to the same again and again. */
pdb *pdb_find(bitcask *e, uint32_t number) {
    char id[4];
    if (e->pdb_last && e->pdb_last->number == number) return e->pdb_last;
    put_u32(id, number);
    pdb *d = dict_get(e->pdbs, slice_of(id, sizeof id));
    CHECK(!d || (d->number == number && !d->dropped));
    if (d) e->pdb_last = d;
    return d;
}

/* For a put; readers look at d->keys, which may be NULL. */
keydir *pdb_keys(bitcask *e, pdb *d) {
    CHECK(!d->dropped);
    if (__builtin_expect(!d->keys, 0)) d->keys = keydir_new(&e->shared);
    return d->keys;
}

/* Takes it out of the table of those alive. */
static void unhook(bitcask *e, pdb *d) {
    CHECK(d->dropped);
    char id[4];
    put_u32(id, d->number);
    void *was = dict_del(e->pdbs, slice_of(id, sizeof id));
    CHECK(was == d);
    if (e->pdb_last == d) e->pdb_last = NULL;
}

/* Out of the table and out of the accounting at once; the memory follows. */
void pdb_drop(bitcask *e, pdb *d) {
    CHECK(!d->dropped && !d->mapped);
    CHECK(d != e->system);
    d->dropped = true;
    unhook(e, d);
    coll_forget(e, d);
    seg_drop_shares(e, d);
    d->next = e->pdb_drops;
    e->pdb_drops = d;
}

/* One collection of a dropped database, some of it; true when it has none left. The table itself
 * is only walked, as deleting from it one by one would make each next one dearer to find. */
static bool free_colls_some(pdb *d) {
    CHECK(d->dropped);
    slice key;
    void *value;
    if (!d->colls) return true;
    if (d->freeing) {
        if (!btree_free_some(d->freeing->tree, SLICE_PAIRS)) return false;
        mem_free(d->freeing);
        d->freeing = NULL;
    }
    if (dict_next(d->colls, &d->walk, &key, &value)) {
        d->freeing = value;
        return false;
    }
    dict_free(d->colls, NULL);
    d->colls = NULL;
    return true;
}

/* Keys first, then the index of expire times, then collections. */
bool pdb_free_some(bitcask *e) {
    pdb *d = e->pdb_drops;
    if (!d) return false;
    CHECK(d->dropped && !d->mapped);
    if (d->keys) {
        if (keydir_free_some(d->keys, SLICE_CHUNKS)) d->keys = NULL;
    } else if (d->due) {
        if (btree_free_some(d->due, SLICE_PAIRS)) d->due = NULL;
    } else if (free_colls_some(d)) {
        e->pdb_drops = d->next;
        mem_free(d);
    }
    return e->pdb_drops != NULL;
}

/* For dict_free. */
static void free_coll(void *value) {
    coll_free(value);
}

/* At once: only for ends. */
void pdb_free(pdb *d) {
    CHECK(!d->freeing && !d->dropped);
    if (d->keys) keydir_free(d->keys);
    if (d->due) btree_free(d->due);
    if (d->colls) dict_free(d->colls, free_coll);
    mem_free(d->share);
    mem_free(d);
}

/* Never shrinks: databases that are not configured any more keep their data. */
void dbs_grow(bitcask *e, uint32_t ndbs) {
    CHECK(ndbs <= ENGINE_DBS_MAX);
    CHECK(ndbs > 0 || e->ndbs > 0);
    if (ndbs <= e->ndbs) return;
    e->map = mem_realloc(e->map, ndbs * sizeof *e->map);
    memset(e->map + e->ndbs, 0, (ndbs - e->ndbs) * sizeof *e->map);
    e->ndbs = ndbs;
}

/* ---- flush, swap ------------------------------------------------------------------------------
 */

/* Logs an order and remembers it for the batch's end. */
static status log_order(bitcask *e, uint8_t kind, size_t n, const uint32_t *dbs,
                        const uint32_t *pdbs) {
    CHECK(n > 0 && (kind == RECORD_FLUSH || kind == RECORD_SWAP));
    buf body = {0};
    log_pos at;
    record_put_pairs(&body, n, dbs, pdbs);
    record r = {.kind = kind, .body = buf_slice(&body)};
    status s = chain_append(&e->log, &r, &at);
    buf_free(&body);
    TRY(s);
    CHECK(log_pos_file(at) == seg_active(e)->log.number && at > e->batch.order_at);
    e->batch.orders = true;
    e->batch.order_size += r.size;
    e->batch.order_at = at;
    return STATUS_OK;
}

/* Gives a logical database another physical one, undoably. */
static void remap(bitcask *e, uint32_t db, pdb *now) {
    CHECK(!now->dropped && now != e->map[db] && now != e->system);
    CHECK(e->map[db] != e->system);
    CHECK(e->log.open && db < e->ndbs);
    undo *u = batch_undo(e);
    *u = (undo){.kind = UNDO_MAP, .logical = db, .db = e->map[db]};
    u->now = now;
    e->map[db] = now;
}

/* Does it take a flush to make it as if it had never been used? */
static bool was_used(const pdb *d) {
    return d->keys || d->shares;
}

/* engine_flush: each database gets an empty physical one, in one record; the old ones are unhooked
 * when the batch ends and freed in the background. One that was never used keeps what it has. */
engine_result bc_flush(engine *base, int32_t db) {
    bitcask *e = bitcask_of(base);
    CHECK(e->log.open && db < (int32_t)e->ndbs);
    uint32_t from = db < 0 ? 0 : (uint32_t)db, to = db < 0 ? e->ndbs : from + 1, n = 0;
    uint32_t *dbs = mem_alloc((to - from) * sizeof *dbs), *pdbs = mem_alloc((to - from) * 4);
    status s = STATUS_OK;
    for (uint32_t i = from; i < to && status_ok(s); i++) {
        uint64_t id = 0;
        if (!was_used(e->map[i])) continue;
        s = meta_take_id(&e->meta, MANIFEST_IDS_PDB, &id);
        dbs[n] = i;
        pdbs[n++] = (uint32_t)id;
    }
    CHECK(n <= to - from);
    if (status_ok(s) && n) s = log_order(e, RECORD_FLUSH, n, dbs, pdbs);
    for (uint32_t i = 0; i < n && status_ok(s); i++)
        remap(e, dbs[i], pdb_new(e, pdbs[i]));
    mem_free(dbs);
    mem_free(pdbs);
    return status_ok(s) ? ENGINE_OK : bc_error(e, s);
}

/* engine_swap: only the mapping changes; no key is touched. */
engine_result bc_swap(engine *base, uint32_t a, uint32_t b) {
    bitcask *e = bitcask_of(base);
    CHECK(e->log.open && a < e->ndbs && b < e->ndbs);
    if (a == b) return ENGINE_OK;
    pdb *was_a = e->map[a], *was_b = e->map[b];
    CHECK(was_a != was_b);
    uint32_t dbs[2] = {a, b}, pdbs[2] = {was_b->number, was_a->number};
    status s = log_order(e, RECORD_SWAP, 2, dbs, pdbs);
    if (!status_ok(s)) return bc_error(e, s);
    remap(e, a, was_b);
    remap(e, b, was_a);
    return ENGINE_OK;
}

/* The logical database has its former one back; the new one is dropped by dbs_settle. */
void dbs_undo(bitcask *e, const undo *u) {
    CHECK(u->kind == UNDO_MAP && u->logical < e->ndbs);
    pdb *now = e->map[u->logical];
    CHECK(now == u->now);
    e->map[u->logical] = u->db;
}

/* Drops d if it is alive and no logical database has it any more. */
static void drop_if_unmapped(bitcask *e, pdb *d) {
    if (!d->mapped && !d->dropped) pdb_drop(e, d);
}

/* A database may have gone through several hands in one batch, so what is left is looked
 * at last. */
void dbs_settle(bitcask *e, const batch *b) {
    for (uint32_t i = 0; i < b->n; i++)
        if (b->undo[i].kind == UNDO_MAP) b->undo[i].db->mapped = b->undo[i].now->mapped = false;
    for (uint32_t i = 0; i < e->ndbs; i++) {
        CHECK(!e->map[i]->dropped);
        e->map[i]->mapped = true;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->undo[i].kind != UNDO_MAP) continue;
        drop_if_unmapped(e, b->undo[i].db);
        drop_if_unmapped(e, b->undo[i].now);
    }
}

/* ---- the manifest's copy ----------------------------------------------------------------------
 */

/* All of it: it is small, and whole it needs no history. */
void dbs_edit_map(bitcask *e, log_pos at) {
    CHECK(at > 0 && e->ndbs > 0);
    manifest_map *map = mem_alloc(e->ndbs * sizeof *map);
    for (uint32_t i = 0; i < e->ndbs; i++)
        map[i] = (manifest_map){i, e->map[i]->number};
    edit_map(&e->meta.edit, at, map, e->ndbs);
    mem_free(map);
}

/* Only of a position that is durable: a mapping newer than the data would make a hole (B8). */
void dbs_checkpoint(bitcask *e) {
    if (e->map_gen && meta_is_durable(&e->meta, e->map_gen)) {
        seg_orders_covered(e, e->map_flying);
        e->map_gen = 0;
    }
    log_pos at = e->map_wanted;
    if (!at || e->map_gen || logwrite_durable(e->log.tail) < at || chain_is_dead(&e->log)) return;
    CHECK(!e->log.open);
    CHECK(at > e->map_flying); /* the manifest's mapping only gets younger */
    e->map_wanted = 0;
    e->map_flying = at;
    dbs_edit_map(e, at);
    e->map_gen = meta_commit(&e->meta);
}
