/* A second entry with the same contents: COPY, for every type.
 *
 * A collection is copied map by map, element by element, without knowing what they mean. */
#include "keyspace/internal.h"

#include "base/log.h"

/* Copies all elements of one map. The elements' slices end with the next call on the engine, so
 * each goes through the scratch buffer. */
static engine_result copy_map(keyspace *ks, engine_coll *from, engine_coll *to, unsigned map) {
    map_iter it;
    engine_result r = engine_map_seek(ks->engine, from, map, SLICE_EMPTY, false, &it);
    while (r == ENGINE_OK) {
        buf *b = ks_scratch(ks);
        size_t sub_len = it.subkey.len;
        buf_clear(b);
        buf_append_slice(b, it.subkey);
        buf_append_slice(b, it.value);
        slice sub = slice_of(b->data, sub_len), value = slice_skip(buf_slice(b), sub_len);
        r = engine_map_put(ks->engine, to, map, sub, value, it.expire);
        if (r == ENGINE_OK) r = engine_map_step(ks->engine, &it, false);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result ks_copy(keyspace *ks, uint32_t db, slice key, const entry *ent, uint32_t to_db,
                      slice to_key) {
    CHECK(ks->depth > 0 && (db != to_db || !slice_eq(key, to_key)));
    buf *b = ks_scratch(ks);
    buf_clear(b);
    buf_append_slice(b, ent->value);
    entry twin = *ent;
    twin.value = buf_slice(b);
    twin.access = access_fresh(ks);
    held_add(ks, HELD_EVENT, KS_NEW, "new", to_db, to_key); /* also when it replaces, as in Redis */
    if (ent->coll == 0) return ks_put(ks, to_db, to_key, &twin);

    engine_coll from, to;
    engine_result r = engine_coll_open(ks->engine, db, key, ent, &from);
    if (r == ENGINE_OK) r = engine_coll_new(ks->engine, to_db, to_key, &to);
    if (r != ENGINE_OK) return r;
    twin.coll = to.id;
    r = ks_put(ks, to_db, to_key, &twin);
    for (unsigned map = 0; r == ENGINE_OK && map < ENGINE_MAPS; map++)
        if (engine_map_count(ks->engine, &from, map) > 0) r = copy_map(ks, &from, &to, map);
    return r;
}
