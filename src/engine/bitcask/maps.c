/* maps: the calls on a collection's maps, over the trees of coll.c.
 *
 * Elements are undone and accounted for as main entries are (entries.c); the tree's cells take the
 * place of the keydir's entries. Elements of derived maps are in the tree alone (derive.c).
 *
 * An iterator is a btree_iter in map_iter.priv[0..3], the collection in [4] and the map in [5]. All
 * maps of a collection share one tree, so a position is in the map only if its key begins with the
 * map's number. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/derive.h"
#include "engine/bitcask/entries.h"
#include "engine/bitcask/ops.h"

enum { PRIV_COLL = 4, PRIV_MAP = 5 };
_Static_assert(sizeof(btree_iter) <= PRIV_COLL * sizeof(uint64_t), "an iterator fits");

/* The pointer that opening left in the caller's struct. */
static inline coll *coll_of(const engine_coll *ec) {
    CHECK(ec->priv != 0);
    coll *c = (coll *)(uintptr_t)ec->priv;
    CHECK(!c->unmade);
    return c;
}

/* ---- opening -----------------------------------------------------------------------------------
 */

/* A new collection in d, undoably. */
static engine_result make_new(bitcask *e, pdb *d, coll **out) {
    uint64_t id;
    CHECK(e->log.open);
    status s = meta_take_id(&e->meta, MANIFEST_IDS_COLL, &id);
    if (!status_ok(s)) return bc_error(e, s);
    CHECK(coll_find(d, id) == NULL);
    *out = coll_make(d, id);
    undo *u = batch_undo(e);
    u->kind = UNDO_COLL_NEW;
    u->db = d;
    u->c = *out;
    return ENGINE_OK;
}

/* engine_coll_new: the id is new for ever, so elements left in the log by an earlier collection
 * can't become those of this one (B10). It has no owner before the put of its key. */
engine_result bc_coll_new(engine *base, uint32_t db, slice key, engine_coll *out) {
    bitcask *e = bitcask_of(base);
    coll *c;
    *out = (engine_coll){.db = db, .key = key};
    engine_result r = make_new(e, bc_db(e, db), &c);
    if (r != ENGINE_OK) return r;
    out->id = c->id;
    out->priv = (uintptr_t)c;
    return ENGINE_OK;
}

/* engine_coll_open: an entry without its collection would be damage in memory, not an answer. The
 * derived map is made before anybody has an iterator, which would not survive it. */
engine_result bc_coll_open(engine *base, uint32_t db, slice key, const entry *ent,
                           engine_coll *out) {
    bitcask *e = bitcask_of(base);
    *out = (engine_coll){.db = db, .key = key, .id = ent->coll};
    CHECK(ent->coll != 0);
    coll *c = coll_find(bc_db(e, db), ent->coll);
    CHECK(c && c->owners > 0);
    out->priv = (uintptr_t)c;
    return __builtin_expect(c->unmade, 0) ? derive_now(e, c) : ENGINE_OK;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

/* Fills out from the pair (key, value) of c's tree. */
static engine_result fill(bitcask *e, const coll *c, slice key, slice bytes, map_iter *out) {
    CHECK(key.len > 0 && (unsigned char)key.data[0] < ENGINE_MAPS && c->id != 0);
    cell x;
    out->subkey = slice_skip(key, 1);
    if (bytes.len == 0) { /* a derived one: which record it is of is not known */
        out->pos = chain_log_end(&e->log);
        return ENGINE_OK;
    }
    cell_decode(bytes, &x);
    out->expire = x.expire;
    out->value = x.value;
    out->pos = value_depends(e, x.slot, x.offset, x.size);
    if (x.has_value) return ENGINE_OK;
    value_want w = coll_want(c, key, &x);
    return value_read(e, &w, &out->value);
}

/* The element at `it` is PENDING, and who walks will want those behind it: so many are asked for
 * too, as long as they are of that map. */
static void ask_ahead(bitcask *e, const coll *c, unsigned map, bool backward, btree_iter it,
                      uint64_t n) {
    uint64_t bytes = 0, most = fetch_ahead(e->fetch);
    CHECK(c->id != 0);
    while (n-- > 0 && bytes < most && (backward ? btree_prev(&it) : btree_next(&it))) {
        slice key, value;
        cell x;
        btree_iter_pair(&it, &key, &value);
        if ((unsigned char)key.data[0] != map || value.len == 0) return;
        cell_decode(value, &x);
        if (x.has_value) continue;
        value_want w = coll_want(c, key, &x);
        value_ahead(e, &w);
        bytes += x.size;
    }
}

/* The iterator is at it, if that is in the map. */
static engine_result settle_at(bitcask *e, coll *c, unsigned map, bool found, const btree_iter *it,
                               map_iter *out) {
    CHECK(map < ENGINE_MAPS);
    *out = (map_iter){0};
    if (!found) return ENGINE_ABSENT;
    slice key, value;
    btree_iter_pair(it, &key, &value);
    CHECK(key.len > 0);
    if ((unsigned char)key.data[0] != map) return ENGINE_ABSENT;
    memcpy(out->priv, it, sizeof *it);
    out->priv[PRIV_COLL] = (uintptr_t)c;
    out->priv[PRIV_MAP] = map;
    return fill(e, c, key, value, out);
}

/* engine_map_get: from the tree's cell, or by place as a main entry's value. */
engine_result bc_map_get(engine *base, engine_coll *ec, unsigned map, slice sub, map_iter *out) {
    bitcask *e = bitcask_of(base);
    coll *c = coll_of(ec);
    *out = (map_iter){0};
    const btree_spot *spot = coll_look(e, c, map, sub);
    if (!spot->found) return ENGINE_ABSENT;
    return fill(e, c, buf_slice(&e->sub), spot->value, out);
}

/* engine_map_count: kept with each change (element_changes). */
uint64_t bc_map_count(engine *base, engine_coll *ec, unsigned map) {
    (void)base;
    CHECK(map < ENGINE_MAPS);
    return coll_of(ec)->counts[map];
}

/* The map's first pair, or right behind its last one: at the tree's own end if no other map is
 * there, which takes no comparisons. */
static bool seek_end(bitcask *e, const coll *c, unsigned map, bool last, btree_iter *it) {
    CHECK(map < ENGINE_MAPS);
    bool alone = c->counts[map] == btree_count(c->tree);
    if (!last)
        return alone || map == 0 ? btree_first(c->tree, it)
                                 : btree_seek(c->tree, coll_key(e, map, SLICE_EMPTY), it);
    if (alone || map == ENGINE_MAPS - 1) return btree_last(c->tree, it);
    char next = (char)(map + 1);
    bool found = btree_seek_before(c->tree, slice_of(&next, 1), it);
    return found && btree_iter_key(it).data[0] == next ? btree_prev(it) : found;
}

/* engine_map_seek: a place in the tree that all maps share; settle_at() says whether it is still in
 * this one. */
engine_result bc_map_seek(engine *base, engine_coll *ec, unsigned map, slice from, bool backward,
                          map_iter *out) {
    bitcask *e = bitcask_of(base);
    coll *c = coll_of(ec);
    btree_iter it;
    bool found;
    if (from.len == 0)
        found = seek_end(e, c, map, backward, &it);
    else if (backward)
        found = btree_seek_before(c->tree, coll_key(e, map, from), &it);
    else /* the first that is not smaller, if it is of this map */
        found = btree_seek(c->tree, coll_key(e, map, from), &it);
    engine_result r = settle_at(e, c, map, found, &it, out);
    if (r == ENGINE_PENDING) ask_ahead(e, c, map, backward, it, engine_ask_least(base));
    return r;
}

/* engine_map_end: in the tree, whatever the value is. */
engine_result bc_map_end(engine *base, engine_coll *ec, unsigned map, bool last, slice *sub) {
    coll *c = coll_of(ec);
    btree_iter it;
    *sub = SLICE_EMPTY;
    if (bc_map_count(base, ec, map) == 0) return ENGINE_ABSENT;
    bool found = seek_end(bitcask_of(base), c, map, last, &it);
    CHECK(found && (unsigned char)btree_iter_key(&it).data[0] == map);
    *sub = slice_skip(btree_iter_key(&it), 1);
    return ENGINE_OK;
}

/* engine_map_step: the tree refuses an iterator that is older than its last change. */
engine_result bc_map_step(engine *base, map_iter *mi, bool backward) {
    bitcask *e = bitcask_of(base);
    coll *c = (coll *)(uintptr_t)mi->priv[PRIV_COLL];
    btree_iter it;
    CHECK(c != NULL);
    unsigned map = (unsigned)mi->priv[PRIV_MAP];
    memcpy(&it, mi->priv, sizeof it);
    bool found = backward ? btree_prev(&it) : btree_next(&it);
    engine_result r = settle_at(e, c, map, found, &it, mi);
    if (r == ENGINE_PENDING) ask_ahead(e, c, map, backward, it, engine_ask_most(base));
    return r;
}

/* How many elements lie before the map's. */
static uint64_t map_base(const coll *c, unsigned map) {
    char first = (char)map;
    CHECK(map < ENGINE_MAPS);
    if (map == 0) return 0;
    if (map == ENGINE_MAPS - 1) return btree_count(c->tree) - c->counts[map];
    return btree_rank(c->tree, slice_of(&first, 1));
}

/* engine_map_rank: the difference of two ranks in the tree. */
engine_result bc_map_rank(engine *base, engine_coll *ec, unsigned map, slice sub, uint64_t *rank) {
    bitcask *e = bitcask_of(base);
    coll *c = coll_of(ec);
    *rank = btree_rank(c->tree, coll_key(e, map, sub)) - map_base(c, map);
    CHECK(*rank <= c->counts[map]);
    return ENGINE_OK;
}

/* engine_map_select: the same the other way round. */
engine_result bc_map_select(engine *base, engine_coll *ec, unsigned map, uint64_t rank,
                            map_iter *out) {
    bitcask *e = bitcask_of(base);
    coll *c = coll_of(ec);
    btree_iter it;
    CHECK(map < ENGINE_MAPS);
    bool found = rank < c->counts[map] && btree_select(c->tree, map_base(c, map) + rank, &it);
    return settle_at(e, c, map, found, &it, out);
}

/* ---- changing ----------------------------------------------------------------------------------
 */

/* Remembers a change of an element of c, about to be made at `spot`, which was just looked for;
 * size, at: of its record, 0 if it has none. */
static void element_changes(bitcask *e, coll *c, const btree_spot *spot, uint32_t size, log_pos at,
                            bool has) {
    slice key = buf_slice(&e->sub), old = spot->found ? spot->value : SLICE_EMPTY;
    CHECK(e->log.open && e->looked == c->id && key.len > 0);
    undo *u = batch_undo(e);
    u->kind = UNDO_ELEMENT;
    u->had = spot->found;
    u->has = has;
    u->size = size;
    u->offset = log_pos_offset(at);
    u->db = c->db;
    u->element.c = c;
    u->element.at = e->batch.bytes.len;
    u->element.key_len = (uint32_t)key.len;
    u->element.old_len = (uint32_t)old.len;
    buf_append_slice(&e->batch.bytes, key);
    buf_append_slice(&e->batch.bytes, old);
    unsigned map = (unsigned char)key.data[0];
    CHECK(map < ENGINE_MAPS && c->counts[map] + has >= u->had);
    c->counts[map] = c->counts[map] + has - u->had;
}

/* Puts or deletes a derived element. */
static engine_result derived_change(bitcask *e, coll *c, slice sub, bool put) {
    CHECK(e->log.open);
    btree_spot *spot = coll_look(e, c, ENGINE_DERIVED, sub);
    if (spot->found == put) return put ? ENGINE_OK : ENGINE_ABSENT;
    element_changes(e, c, spot, 0, 0, put);
    if (put)
        btree_put_at(c->tree, spot, buf_slice(&e->sub), SLICE_EMPTY);
    else
        btree_del_at(c->tree, spot);
    return ENGINE_OK;
}

/* Puts an element. */
static engine_result element_put(bitcask *e, coll *c, unsigned map, slice sub, slice value,
                                 int64_t expire) {
    char bytes[CELL_MAX(1024)];
    log_pos at;
    CHECK(e->log.open && value.len <= ENGINE_VALUE_MAX && expire >= 0);
    if (coll_is_derived(e, map)) {
        CHECK(value.len == 0 && expire == ENGINE_NO_EXPIRE);
        return derived_change(e, c, sub, true);
    }
    record r = {.kind = RECORD_MAP_PUT,
                .flags = expire ? RECORD_EXPIRE : 0,
                .pdb = c->db->number,
                .coll = c->id,
                .map = (uint8_t)map,
                .key = sub,
                .expire = expire};
    value_pack(e, value, &r);
    status s = chain_append(&e->log, &r, &at);
    if (!status_ok(s)) return bc_error(e, s);
    CHECK(log_pos_file(at) == seg_active(e)->log.number);
    cell x = {.slot = seg_active(e)->slot,
              .has_value = value_is_inline(value),
              .offset = log_pos_offset(at),
              .size = r.size,
              .expire = expire};
    if (x.has_value) x.value = value;
    CHECK(x.value.len <= 1024);
    size_t n = cell_encode(bytes, &x);
    btree_spot *spot = coll_look(e, c, map, sub);
    element_changes(e, c, spot, r.size, at, true);
    btree_put_at(c->tree, spot, buf_slice(&e->sub), slice_of(bytes, n));
    value_written(e, at, value, x.has_value);
    return ENGINE_OK;
}

/* engine_map_put: see element_put(), which copies use too. */
engine_result bc_map_put(engine *base, engine_coll *ec, unsigned map, slice sub, slice value,
                         int64_t expire) {
    return element_put(bitcask_of(base), coll_of(ec), map, sub, value, expire);
}

/* engine_map_del: logs the delete before the tree forgets the element, as the log may refuse (B1).
 * An append that moves the batch to another segment changes cells, but where none of them is. */
engine_result bc_map_del(engine *base, engine_coll *ec, unsigned map, slice sub) {
    bitcask *e = bitcask_of(base);
    coll *c = coll_of(ec);
    log_pos at;
    CHECK(e->log.open);
    if (coll_is_derived(e, map)) return derived_change(e, c, sub, false);
    btree_spot *spot = coll_look(e, c, map, sub);
    if (!spot->found) return ENGINE_ABSENT;
    record r = {.kind = RECORD_MAP_DEL,
                .pdb = c->db->number,
                .coll = c->id,
                .map = (uint8_t)map,
                .key = sub};
    status s = chain_append(&e->log, &r, &at);
    if (!status_ok(s)) return bc_error(e, s);
    CHECK(log_pos_file(at) == seg_active(e)->log.number);
    element_changes(e, c, spot, r.size, at, false);
    btree_del_at(c->tree, spot);
    return ENGINE_OK;
}

/* Element by element, each a record of its own; in the batch of the caller. */
engine_result coll_copy(bitcask *e, coll *c, pdb *to, uint64_t *id) {
    btree_iter it;
    CHECK(c != NULL && c->db != to);
    coll *copy;
    engine_result r = c->unmade ? derive_now(e, c) : ENGINE_OK;
    if (r == ENGINE_OK) r = make_new(e, to, &copy);
    for (bool more = btree_first(c->tree, &it); more && r == ENGINE_OK; more = btree_next(&it)) {
        map_iter el = {0};
        slice key = btree_iter_key(&it);
        unsigned map = (unsigned char)key.data[0];
        r = fill(e, c, key, btree_iter_value(&it), &el);
        if (r == ENGINE_PENDING) ask_ahead(e, c, map, false, it, engine_ask_most(&e->base));
        if (r != ENGINE_OK) break;
        r = element_put(e, copy, map, el.subkey, el.value, el.expire);
    }
    if (r == ENGINE_OK) *id = copy->id;
    return r;
}
