/* engine_mem_coll: the collections of engine_mem.
 *
 * A collection is found anew by its id at every call, so that a use of one that was dropped is
 * seen. An iterator is a rank in its map and the map's version: a step after a change aborts. */
#include "support/engine_mem_private.h"

#include "base/log.h"
#include "base/mem.h"

/* Where map_iter.priv keeps what. */
enum { IT_DB, IT_COLL, IT_MAP, IT_RANK, IT_VERSION, IT_POSITIONED };

static mem_coll *coll_of(mem *m, const engine_coll *c) {
    mem_coll *found = mem_coll_find(mem_db_at(m, c->db), c->id);
    CHECK(found != NULL); /* dropped, or never there: the caller kept it too long */
    return found;
}

engine_result mem_coll_new_op(engine *e, uint32_t db, slice key, engine_coll *out) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch);
    *out = (engine_coll){.db = db, .key = key};
    if (!mem_gate(m, 0, db, key, 0, SLICE_EMPTY, &r)) return r;
    out->id = ++m->next_coll;
    mem_new_coll(&m->state, mem_db_at(m, db), out->id);
    mem_take_back(m);
    return ENGINE_OK;
}

engine_result mem_coll_open_op(engine *e, uint32_t db, slice key, const entry *ent,
                               engine_coll *out) {
    mem *m = mem_of(e);
    engine_result r;
    *out = (engine_coll){.db = db, .key = key, .id = ent->coll};
    if (!mem_gate(m, 'c', db, key, 0, SLICE_EMPTY, &r)) return r;
    CHECK(ent->coll != 0);
    coll_of(m, out);
    mem_take_back(m);
    return ENGINE_OK;
}

/* Fills an iterator with the element of that rank. ABSENT if there is none. */
static engine_result show(mem *m, const engine_coll *c, unsigned map, uint64_t rank,
                          map_iter *out) {
    mem_coll *coll = coll_of(m, c);
    omap *o = mem_coll_map(coll, map);
    slice sub;
    void *v;
    bool there = o && omap_at(o, rank, &sub, &v);
    mem_take_back(m);
    if (!there) return ENGINE_ABSENT;
    mem_elem *el = v;
    out->subkey = mem_give(m, sub);
    out->value = mem_give(m, buf_slice(&el->value));
    out->expire = el->expire;
    out->pos = el->pos;
    out->priv[IT_DB] = c->db;
    out->priv[IT_COLL] = c->id;
    out->priv[IT_MAP] = map;
    out->priv[IT_RANK] = rank;
    out->priv[IT_VERSION] = coll->version[map];
    out->priv[IT_POSITIONED] = 1;
    return ENGINE_OK;
}

engine_result mem_map_get_op(engine *e, engine_coll *c, unsigned map, slice sub, map_iter *out) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(sub.len <= ENGINE_SUBKEY_MAX);
    *out = (map_iter){0};
    if (!mem_gate(m, 'g', c->db, c->key, map, sub, &r)) return r;
    omap *o = mem_coll_map(coll_of(m, c), map);
    if (!o || !omap_get(o, sub)) {
        mem_take_back(m);
        return ENGINE_ABSENT;
    }
    r = show(m, c, map, omap_rank(o, sub), out);
    out->priv[IT_POSITIONED] = 0;
    return r;
}

engine_result mem_map_put_op(engine *e, engine_coll *c, unsigned map, slice sub, slice value,
                             int64_t expire) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch && map < ENGINE_MAPS && expire >= 0);
    CHECK(sub.len <= ENGINE_SUBKEY_MAX && value.len <= ENGINE_VALUE_MAX);
    if (!mem_gate(m, 'g', c->db, c->key, map, sub, &r)) return r;
    mem_elem *el = mem_zalloc(sizeof *el);
    buf_append_slice(&el->value, value);
    el->expire = expire;
    el->pos = mem_advance(m);
    mem_set_elem(&m->state, coll_of(m, c), map, sub, el);
    mem_take_back(m);
    return ENGINE_OK;
}

engine_result mem_map_del_op(engine *e, engine_coll *c, unsigned map, slice sub) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(m->in_batch && map < ENGINE_MAPS && sub.len <= ENGINE_SUBKEY_MAX);
    if (!mem_gate(m, 'g', c->db, c->key, map, sub, &r)) return r;
    mem_coll *coll = coll_of(m, c);
    omap *o = mem_coll_map(coll, map);
    bool there = o && omap_get(o, sub);
    if (there) {
        mem_advance(m);
        mem_set_elem(&m->state, coll, map, sub, NULL);
    }
    mem_take_back(m);
    return there ? ENGINE_OK : ENGINE_ABSENT;
}

uint64_t mem_map_count_op(engine *e, engine_coll *c, unsigned map) {
    mem *m = mem_of(e);
    omap *o = mem_coll_map(coll_of(m, c), map);
    return o ? omap_count(o) : 0;
}

engine_result mem_map_seek_op(engine *e, engine_coll *c, unsigned map, slice from, bool backward,
                              map_iter *out) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(from.len <= ENGINE_SUBKEY_MAX);
    *out = (map_iter){0};
    if (!mem_gate(m, backward ? 'b' : 's', c->db, c->key, map, from, &r)) return r;
    omap *o = mem_coll_map(coll_of(m, c), map);
    uint64_t n = o ? omap_count(o) : 0;
    uint64_t rank = o ? omap_rank(o, from) : 0; /* of the first one >= from */
    if (backward && from.len == 0) rank = n;
    if (backward && !(rank < n && omap_get(o, from))) rank--; /* below 0 is past every end */
    return show(m, c, map, rank, out);
}

engine_result mem_map_step_op(engine *e, map_iter *it, bool backward) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(it->priv[IT_POSITIONED]);
    engine_coll c = {.db = (uint32_t)it->priv[IT_DB], .id = it->priv[IT_COLL]};
    unsigned map = (unsigned)it->priv[IT_MAP];
    uint64_t rank = it->priv[IT_RANK]; /* the subkey may be gone by now */
    if (!mem_gate(m, backward ? 'p' : 'n', c.db, slice_of(&c.id, sizeof c.id), map,
                  slice_of(&rank, sizeof rank), &r))
        return r;
    CHECK(coll_of(m, &c)->version[map] == it->priv[IT_VERSION]);
    return show(m, &c, map, backward ? rank - 1 : rank + 1, it);
}

engine_result mem_map_rank_op(engine *e, engine_coll *c, unsigned map, slice sub, uint64_t *rank) {
    mem *m = mem_of(e);
    engine_result r;
    CHECK(sub.len <= ENGINE_SUBKEY_MAX);
    *rank = 0;
    if (!mem_gate(m, 'r', c->db, c->key, map, sub, &r)) return r;
    omap *o = mem_coll_map(coll_of(m, c), map);
    *rank = o ? omap_rank(o, sub) : 0;
    mem_take_back(m);
    return ENGINE_OK;
}

engine_result mem_map_select_op(engine *e, engine_coll *c, unsigned map, uint64_t rank,
                                map_iter *out) {
    mem *m = mem_of(e);
    engine_result r;
    *out = (map_iter){0};
    if (!mem_gate(m, 'i', c->db, c->key, map, slice_of(&rank, sizeof rank), &r)) return r;
    return show(m, c, map, rank, out);
}

uint64_t mem_copy_coll(mem *m, const mem_coll *from, mem_db *to) {
    mem_coll *copy = mem_new_coll(&m->state, to, ++m->next_coll);
    for (unsigned map = 0; map < ENGINE_MAPS; map++) {
        slice sub;
        void *v;
        for (uint64_t i = 0; from->maps[map] && omap_at(from->maps[map], i, &sub, &v); i++) {
            const mem_elem *old = v;
            mem_elem *el = mem_zalloc(sizeof *el);
            buf_append_slice(&el->value, buf_slice(&old->value));
            el->expire = old->expire;
            el->pos = mem_advance(m);
            mem_set_elem(&m->state, copy, map, sub, el);
        }
    }
    return copy->id;
}
