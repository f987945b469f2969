/* entries: get, put, delete: the paths that every command takes.
 *
 * A change looks at what there is first: one way down the active memtable, whose end is kept for
 * the change, and only if the key is not there a look at older memtables and tables. Then come the
 * log's records, which may fail, and then the memtable, which can't (L2):
 *
 *   MAIN   the entry; with its value, if that is not longer than LSM_INLINE_MAX
 *   VAL    else the value; and a tombstone where there was one and is none any more
 *   DUE    a pair for the new expire time, none for the old one
 *   SUB, COLL   a drop, if the entry owned another collection
 *
 * The value that a put is given may lie in a block of the cache, or in the memtable: it is copied
 * to where its cell is made before anything is looked for. */
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

/* Bytes in a table, or in the log, that no version of this engine has written. */
engine_result lsm_damaged(lsm *e, const char *what) {
    return lsm_error(e, status_make(ST_CORRUPT, "%s: %s", e->dir, what));
}

/* Only what is in the cell. */
static void fill(const main_cell *c, log_pos pos, entry *out) {
    CHECK(c->type < ENGINE_TYPES);
    *out = (entry){.type = c->type,
                   .hint = c->hint,
                   .access = c->access,
                   .expire = c->expire,
                   .coll = c->coll,
                   .value = c->value,
                   .pos = pos};
}

/* For walks. */
bool lsm_entry_of(slice cell, log_pos pos, entry *out) {
    main_cell c;
    if (!cell_get_main(cell, &c)) return false;
    fill(&c, pos, out);
    return true;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* The entry's cell, taken apart. Access state can be changed in place in the active memtable
 * alone, so there is a reference only there. */
static engine_result find_main(lsm *e, const lpdb *d, lkey k, main_cell *c, entry *out) {
    found f;
    uint64_t ref = 0;
    engine_result r = ENGINE_OK;
    if (d->totals.keys == 0) return ENGINE_ABSENT; /* L3 */
    if (memtable_get(e->active, k.bytes, &f.cell, &f.pos)) {
        e->stats.reads++;
        if (f.cell.data[0] != CELL_PRESENT) return ENGINE_ABSENT;
        e->stats.memtable_hits++;
        ref = (uint64_t)(uintptr_t)(f.cell.data + CELL_ACCESS);
    } else {
        r = lsm_find_below(e, k, &f);
    }
    if (r != ENGINE_OK) return r;
    if (!cell_get_main(f.cell, c)) return lsm_damaged(e, "an entry's cell is malformed");
    fill(c, f.pos, out);
    out->ref = ref;
    return ENGINE_OK;
}

/* engine_get: a second lookup for values that are apart. */
engine_result lsm_get(engine *base, uint32_t db, slice key, entry *out) {
    lsm *e = lsm_of(base);
    const lpdb *d = lsm_db(e, db);
    lsm_hash h = lkey_hash(e, key);
    main_cell c;
    found f;
    engine_result r = find_main(e, d, lkey_main(&e->key, d->number, h, key), &c, out);
    if (r != ENGINE_OK || !c.apart) return r;
    r = lsm_find(e, lkey_val(&e->key, d->number, h, key), &f);
    if (r >= ENGINE_PENDING) return r;
    if (r != ENGINE_OK || !cell_get_val(f.cell, &out->value) || out->value.len != c.value_len)
        return lsm_damaged(e, "an entry's value is missing or malformed");
    return ENGINE_OK;
}

/* engine_meta: never more than the entry's own cell. */
engine_result lsm_meta(engine *base, uint32_t db, slice key, entry *out) {
    lsm *e = lsm_of(base);
    const lpdb *d = lsm_db(e, db);
    lkey k = lkey_main(&e->key, d->number, lkey_hash(e, key), key);
    main_cell c;
    engine_result r = find_main(e, d, k, &c, out);
    if (r == ENGINE_OK) out->value = SLICE_EMPTY;
    return r;
}

/* engine_set_access: in place if the cell is in the active memtable, else forgotten: it is not
 * worth a record, and no key is evicted by it. */
void lsm_set_access(engine *base, const entry *ent, uint32_t access) {
    (void)base;
    if (ent->ref) cell_set_access((char *)(uintptr_t)ent->ref, access);
}

/* engine_token: the key's place in the order of scans. */
uint64_t lsm_token(engine *base, slice key) {
    return lkey_token(lkey_hash(lsm_of(base), key));
}

/* ---- changing ----------------------------------------------------------------------------------
 */

/* One way down; below only if that does not answer, and there is something. */
engine_result lsm_look(lsm *e, lkey key, bool empty, btree_spot *spot, found *f) {
    if (btree_find(e->active->tree, key.bytes, spot)) {
        e->stats.reads++;
        e->stats.memtable_hits++;
        f->cell = memtable_cell(spot->value, &f->pos);
        f->cell = lsm_cell(e, f->cell, f->pos);
        return f->cell.data[0] == CELL_PRESENT ? ENGINE_OK : ENGINE_ABSENT;
    }
    return empty ? ENGINE_ABSENT : lsm_find_below(e, key, f);
}

/* A value that is inline in its entry's cell is not compressed: its block will be. */
void lsm_pack(lsm *e, slice plain, record *r) {
    pack_value(plain, plain.len <= LSM_INLINE_MAX, &e->packed, &e->stats.packed, r);
}

/* Cells, totals and due pairs; all of it undoable, none of it can fail. */
void lsm_entry_change(lsm *e, const main_change *c, log_pos pos) {
    CHECK(c->had || c->has);
    bool apart = c->has && c->now->apart, was_apart = c->had && c->was_apart;
    int64_t was = c->had ? c->was : 0, now = c->has ? c->now->expire : 0;
    if (c->had != c->has) {
        lsm_totals_save(e, c->d);
        CHECK(c->has || c->d->totals.keys > 0);
        c->d->totals.keys += c->has ? 1 : UINT64_MAX;
    }
    slice main = buf_slice(&e->key);
    if (c->has)
        lsm_cell_put_at(e, c->spot, main, pos, &e->cell, c->had);
    else
        lsm_cell_del_at(e, c->spot, main, pos);
    if (__builtin_expect(apart || was_apart, 0)) {
        lkey val = lkey_val(&e->key2, c->d->number, c->h, c->key);
        if (apart)
            lsm_cell_put(e, val.bytes, pos, &e->value, was_apart);
        else
            lsm_cell_del(e, val.bytes, pos);
    }
    if (was != now) lsm_due_change(e, c->d, c->h, was, now, pos);
    CHECK(c->d->totals.expires <= c->d->totals.keys); /* L3 */
}

/* What a change of an entry finds there, in terms of what it will become. */
static engine_result look_main(lsm *e, lkey k, main_change *c, uint64_t *coll) {
    found f;
    main_cell was;
    *coll = 0;
    engine_result r = lsm_look(e, k, c->d->totals.keys == 0, c->spot, &f);
    c->had = r == ENGINE_OK;
    if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    if (!cell_get_main(f.cell, &was)) return lsm_damaged(e, "an entry's cell is malformed");
    c->was = was.expire;
    c->was_apart = was.apart;
    *coll = was.coll;
    return ENGINE_OK;
}

/* Logs the drop of the collection that was, if need be, and the record. */
static engine_result log_change(lsm *e, const main_change *c, uint64_t drops, record *r, bool *any,
                                log_pos *pos) {
    *any = false;
    if (!c->had) r->flags |= RECORD_NEW;
    if (c->had && c->was) r->flags |= RECORD_HAD_EXPIRE;
    if (c->had && c->was_apart) r->flags |= RECORD_HAD_APART;
    engine_result result = drops ? lsm_coll_log_drop(e, c->d, drops, any) : ENGINE_OK;
    if (result != ENGINE_OK) return result;
    status s = chain_append(&e->log, r, pos);
    if (!status_ok(s)) return lsm_error(e, s);
    *pos += r->size;
    CHECK(*pos <= chain_log_end(&e->log));
    return ENGINE_OK;
}

/* Puts ent into d, for puts and moves. */
engine_result lsm_entry_put(lsm *e, lpdb *d, slice key, const entry *ent) {
    btree_spot spot;
    uint64_t coll;
    bool any;
    log_pos pos;
    CHECK(e->batch.open && key.len <= ENGINE_KEY_MAX && ent->value.len <= ENGINE_VALUE_MAX);
    CHECK(ent->access < 1u << 24 && ent->expire >= 0);
    main_cell now = {.type = ent->type,
                     .hint = ent->hint,
                     .access = ent->access,
                     .expire = ent->expire,
                     .coll = ent->coll,
                     .apart = ent->value.len > LSM_INLINE_MAX,
                     .value_len = ent->value.len,
                     .value = ent->value};
    main_change c = {.d = d, .h = lkey_hash(e, key), .spot = &spot, .has = true, .now = &now};
    lkey k = lkey_main(&e->key, d->number, c.h, key);
    cell_put_main(lsm_cell_value(&e->cell), &now);
    if (now.apart) cell_put_val(lsm_cell_value(&e->value), ent->value);
    const buf *copy = now.apart ? &e->value : &e->cell; /* the value is its last bytes */
    CHECK(copy->len >= ent->value.len);
    slice value = slice_skip(buf_slice(copy), copy->len - ent->value.len);
    c.key = slice_skip(k.bytes, LKEY_MAIN_HEAD);
    engine_result result = look_main(e, k, &c, &coll);
    if (result != ENGINE_OK) return result;
    record r = pack_entry(d->number, c.key, ent);
    lsm_pack(e, value, &r);
    result = log_change(e, &c, coll == ent->coll ? 0 : coll, &r, &any, &pos);
    if (result != ENGINE_OK) return result;
    e->stats.user_bytes += key.len + value.len;
    if (now.apart) logged_leave(e, &r, key.len + value.len, &e->value);
    lsm_entry_change(e, &c, pos);
    if (any) lsm_coll_drop(e, d, coll, pos);
    return ENGINE_OK;
}

/* engine_put: see lsm_entry_put. */
engine_result lsm_put(engine *base, uint32_t db, slice key, const entry *ent) {
    lsm *e = lsm_of(base);
    return lsm_entry_put(e, lsm_db(e, db), key, ent);
}

/* A key that is not there leaves no record. */
engine_result lsm_entry_del(lsm *e, lpdb *d, slice key, bool keeps) {
    btree_spot spot;
    uint64_t coll;
    bool any;
    log_pos pos;
    CHECK(e->batch.open && key.len <= ENGINE_KEY_MAX);
    main_change c = {.d = d, .h = lkey_hash(e, key), .spot = &spot};
    lkey k = lkey_main(&e->key, d->number, c.h, key);
    c.key = slice_skip(k.bytes, LKEY_MAIN_HEAD);
    engine_result result = look_main(e, k, &c, &coll);
    if (result != ENGINE_OK) return result;
    if (!c.had) return ENGINE_ABSENT;
    record r = {.kind = RECORD_DEL, .pdb = d->number, .key = c.key};
    result = log_change(e, &c, keeps ? 0 : coll, &r, &any, &pos);
    if (result != ENGINE_OK) return result;
    lsm_entry_change(e, &c, pos);
    if (any) lsm_coll_drop(e, d, coll, pos);
    return ENGINE_OK;
}

/* engine_del: see lsm_entry_del. */
engine_result lsm_del(engine *base, uint32_t db, slice key) {
    lsm *e = lsm_of(base);
    return lsm_entry_del(e, lsm_db(e, db), key, false);
}
