/* maps: the calls on a collection's maps but for those that walk (map_iter.c).
 *
 * An element is a key of its own, under its collection's id and its map's number; nothing says that
 * the collection exists but its owner's entry. A map whose count is 0 is not looked into. */
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

/* ---- opening -----------------------------------------------------------------------------------
 */

/* engine_coll_new: the id is new for ever; nothing else is to be done until there is an element. */
engine_result lsm_coll_new(engine *base, uint32_t db, slice key, engine_coll *out) {
    lsm *e = lsm_of(base);
    *out = (engine_coll){.db = db, .key = key};
    CHECK(e->batch.open);
    status s = meta_take_id(&e->meta, MANIFEST_IDS_COLL, &out->id);
    if (!status_ok(s)) return lsm_error(e, s);
    lsm_counts_new(e, lsm_db(e, db), out->id);
    return ENGINE_OK;
}

/* engine_coll_open: reads the counts, so that engine_map_count, which can't fail, has them. */
engine_result lsm_coll_open(engine *base, uint32_t db, slice key, const entry *ent,
                            engine_coll *out) {
    lsm *e = lsm_of(base);
    const coll_counts *counts;
    *out = (engine_coll){.db = db, .key = key, .id = ent->coll};
    CHECK(ent->coll != 0);
    return lsm_counts(e, lsm_db(e, db), ent->coll, &counts);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* As lsm_look, leaving what it found in e->last, which is taken if it is of this key. */
static engine_result look_again(lsm *e, lkey key, bool empty, found *f) {
    last_look *l = &e->last;
    const btree *tree = e->active->tree;
    if (l->tree != tree || l->spot.version != btree_version(tree) ||
        !slice_eq(buf_slice(&l->key), key.bytes)) {
        btree_find(tree, key.bytes, &l->spot);
        l->tree = tree;
        buf_clear(&l->key);
        buf_append_slice(&l->key, key.bytes);
    }
    if (!l->spot.found) return empty ? ENGINE_ABSENT : lsm_find_below(e, key, f);
    e->stats.reads++;
    e->stats.memtable_hits++;
    f->cell = memtable_cell(l->spot.value, &f->pos);
    f->cell = lsm_cell(e, f->cell, f->pos);
    return f->cell.data[0] == CELL_PRESENT ? ENGINE_OK : ENGINE_ABSENT;
}

/* engine_map_get: a lookup, unless the map is known to be empty. */
engine_result lsm_map_get(engine *base, engine_coll *ec, unsigned map, slice sub, map_iter *out) {
    lsm *e = lsm_of(base);
    const lpdb *d = lsm_db(e, ec->db);
    found f;
    *out = (map_iter){0};
    CHECK(map < ENGINE_MAPS);
    if (lsm_counts_empty(e, ec->id, map)) return ENGINE_ABSENT;
    lkey k = lkey_sub(&e->key, d->number, ec->id, map, sub);
    engine_result r = look_again(e, k, lsm_coll_is_new(e, ec->id), &f);
    if (r != ENGINE_OK) return r;
    if (!cell_get_sub(f.cell, &out->expire, &out->value))
        return lsm_damaged(e, "an element's cell is malformed");
    out->subkey = sub; /* the caller has it; what is in e->key might be given to a put */
    out->pos = f.pos;
    return ENGINE_OK;
}

/* engine_map_count: 0 if they can't be read, which engine_coll_open has said then. */
uint64_t lsm_map_count(engine *base, engine_coll *ec, unsigned map) {
    lsm *e = lsm_of(base);
    return lsm_counts_of(e, lsm_db(e, ec->db), ec->id, map);
}

/* ---- changing ----------------------------------------------------------------------------------
 */

/* An element about to be changed: what there is; its place is in e->last. */
typedef struct element {
    const lpdb *d;
    uint64_t coll;
    unsigned map;
    bool had;
    int64_t was; /* when it expired */
    coll_counts *counts;
} element;

/* Its key is in e->key then. */
static engine_result look(lsm *e, element *x, slice sub) {
    found f;
    slice value;
    CHECK(e->batch.open && x->map < ENGINE_MAPS);
    engine_result r = lsm_counts_take(e, x->d, x->coll, &x->counts);
    if (r != ENGINE_OK) return r;
    lkey k = lkey_sub(&e->key, x->d->number, x->coll, x->map, sub);
    bool none = x->counts->n[x->map] == 0 || lsm_coll_is_new(e, x->coll) ||
                ends_beyond(&e->ends, x->coll, x->map, slice_skip(k.bytes, LKEY_SUB_HEAD));
    r = look_again(e, k, none, &f);
    x->had = r == ENGINE_OK;
    if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    if (!cell_get_sub(f.cell, &x->was, &value))
        return lsm_damaged(e, "an element's cell is malformed");
    return ENGINE_OK;
}

/* Appends the record of a change. */
static engine_result log_element(lsm *e, const element *x, record *r, log_pos *pos) {
    CHECK(r->kind == RECORD_MAP_PUT || x->had);
    r->pdb = x->d->number;
    r->coll = x->coll;
    r->map = (uint8_t)x->map;
    r->key = slice_skip(buf_slice(&e->key), LKEY_SUB_HEAD);
    if (!x->had) r->flags |= RECORD_NEW;
    if (x->had && x->was) r->flags |= RECORD_HAD_EXPIRE;
    status s = chain_append(&e->log, r, pos);
    if (!status_ok(s)) return lsm_error(e, s);
    *pos += r->size;
    return ENGINE_OK;
}

/* Puts an element; its value is copied before anything is read. */
static engine_result put_element(lsm *e, const lpdb *d, uint64_t coll, unsigned map, slice sub,
                                 slice value, int64_t expire) {
    element x = {.d = d, .coll = coll, .map = map};
    log_pos pos;
    CHECK(value.len <= ENGINE_VALUE_MAX && expire >= 0);
    cell_put_sub(lsm_cell_value(&e->cell), expire, value);
    CHECK(e->cell.len >= value.len);
    slice copy = slice_skip(buf_slice(&e->cell), e->cell.len - value.len);
    engine_result result = look(e, &x, sub);
    if (result != ENGINE_OK) return result;
    record r = {.kind = RECORD_MAP_PUT, .flags = expire ? RECORD_EXPIRE : 0, .expire = expire};
    lsm_pack(e, copy, &r);
    result = log_element(e, &x, &r, &pos);
    if (result != ENGINE_OK) return result;
    e->stats.user_bytes += sub.len + value.len;
    logged_leave(e, &r, sub.len + value.len, &e->cell);
    lsm_cell_put_at(e, &e->last.spot, buf_slice(&e->key), pos, &e->cell, x.had);
    if (x.had) return ENGINE_OK;
    lsm_counts_add(e, x.counts, map, 1, pos);
    ends_put(&e->ends, coll, map, slice_skip(buf_slice(&e->key), LKEY_SUB_HEAD));
    return ENGINE_OK;
}

/* engine_map_put: see put_element, which copies use too. */
engine_result lsm_map_put(engine *base, engine_coll *ec, unsigned map, slice sub, slice value,
                          int64_t expire) {
    lsm *e = lsm_of(base);
    return put_element(e, lsm_db(e, ec->db), ec->id, map, sub, value, expire);
}

/* engine_map_del: what is not there leaves no record. */
engine_result lsm_map_del(engine *base, engine_coll *ec, unsigned map, slice sub) {
    lsm *e = lsm_of(base);
    element x = {.d = lsm_db(e, ec->db), .coll = ec->id, .map = map};
    log_pos pos;
    engine_result result = look(e, &x, sub);
    if (result != ENGINE_OK) return result;
    if (!x.had) return ENGINE_ABSENT;
    record r = {.kind = RECORD_MAP_DEL};
    result = log_element(e, &x, &r, &pos);
    if (result != ENGINE_OK) return result;
    lsm_cell_del_at(e, &e->last.spot, buf_slice(&e->key), pos);
    lsm_counts_add(e, x.counts, map, -1, pos);
    ends_del(&e->ends, x.coll, map, slice_skip(buf_slice(&e->key), LKEY_SUB_HEAD));
    return ENGINE_OK;
}

/* ---- copying -----------------------------------------------------------------------------------
 */

/* Appends u32 key length, u32 cell length, key, cell of elements from `next` on, until there is
 * enough; *next is then behind the last one, or empty if there are no more. */
static engine_result collect(lsm *e, const lpdb *d, uint64_t coll, buf *next, buf *out) {
    CHECK(next->len >= LKEY_DROP_LEN);
    slice to = lkey_drop(&e->key2, d->number, coll + 1).bytes;
    walk *w = walk_new(e, buf_slice(next), to, WALK_SCAN);
    bool on = walk_first(w);
    for (; on && out->len < (size_t)lsm_limit.copy_bytes; on = walk_next(w)) {
        slice key = walk_key(w), cell = walk_cell(w);
        CHECK(key.len > LKEY_DROP_LEN);
        char *p = buf_reserve(out, 8);
        put_u32(put_u32(p, (uint32_t)key.len), (uint32_t)cell.len);
        out->len += 8;
        buf_append_slice(out, key);
        buf_append_slice(out, cell);
        buf_clear(next);
        buf_append_slice(next, key);
    }
    if (on)
        buf_append_char(next, 0); /* the least key that is greater */
    else
        buf_clear(next);
    status s = walk_status(w);
    walk_free(e, w);
    return status_ok(s) ? ENGINE_OK : lsm_unread(e, s);
}

/* Puts what was collected into another collection. */
static engine_result put_collected(lsm *e, slice pairs, const lpdb *to, uint64_t id) {
    engine_result r = ENGINE_OK;
    CHECK(id > 0);
    while (pairs.len && r == ENGINE_OK) {
        slice key, cell, value;
        uint32_t key_len, cell_len;
        int64_t expire;
        lkey_parts k;
        bool fine = get_u32(&pairs, &key_len) && get_u32(&pairs, &cell_len) &&
                    get_bytes(&pairs, key_len, &key) && get_bytes(&pairs, cell_len, &cell);
        CHECK(fine);
        if (!lkey_parse(key, &k) || k.drop || !cell_get_sub(cell, &expire, &value))
            return lsm_damaged(e, "an element is malformed");
        r = put_element(e, to, id, k.map, k.key, value, expire);
    }
    return r;
}

/* In pieces, as a walk does not survive a change of the memtable. */
engine_result lsm_coll_copy(lsm *e, const lpdb *from, uint64_t coll, lpdb *to, uint64_t *id) {
    buf next = {0}, piece = {0};
    CHECK(e->batch.open && coll > 0);
    status s = meta_take_id(&e->meta, MANIFEST_IDS_COLL, id);
    if (!status_ok(s)) return lsm_error(e, s);
    CHECK(*id > 0 && *id != coll); /* ids are never used again */
    lsm_counts_new(e, to, *id);
    lkey_drop(&next, from->number, coll);
    engine_result r = ENGINE_OK;
    while (next.len && r == ENGINE_OK) {
        buf_clear(&piece);
        r = collect(e, from, coll, &next, &piece);
        if (r == ENGINE_OK) r = put_collected(e, buf_slice(&piece), to, *id);
    }
    buf_free(&next);
    buf_free(&piece);
    return r;
}
