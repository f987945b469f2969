/* A key's elements by chance and by cursor.
 *
 * Elements that are apart come in the order of a hash, of 32 bits, so a cursor is simply the hash
 * to go on from, and a random hash leads to a random element. Elements of the same hash are given
 * in one call. */
#include "types/elements_int.h"

#define NEAR 8 /* how many successors of a random hash are as good as it */

/* At the first element whose hash is at least that. */
static engine_result seek_hash(elements *el, uint32_t hash, el_iter *out) {
    char head[KEYENC_PREFIX];
    *out = (el_iter){.el = el};
    put_be32(head, hash);
    return el_settle(out, engine_map_seek(el_engine(el), &el->apart, 0, slice_of(head, sizeof head),
                                          false, &out->it));
}

engine_result el_scan(elements *el, uint64_t cursor, uint64_t want, uint64_t *next,
                      void (*each)(void *ctx, const el_item *item), void *ctx) {
    el_iter it;
    uint64_t seen = 0;
    *next = 0;
    CHECK(el->type->order != EL_BY_SUBKEY && want > 0);
    if (cursor > UINT32_MAX) return ENGINE_OK;
    bool all = el->packed || !el->exists;
    engine_result r = all ? el_first(el, 0, &it) : seek_hash(el, (uint32_t)cursor, &it);
    for (uint32_t last = 0; r == ENGINE_OK; seen++) {
        uint32_t hash = all ? 0 : it.index;
        if (!all && seen >= want && hash != last) {
            *next = hash;
            return ENGINE_OK;
        }
        last = hash;
        each(ctx, &it.item);
        r = el_step(&it, false);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result el_random(elements *el, el_iter *out) {
    rng *random = ks_rng(el->ks);
    uint64_t n = el_count(el, 0);
    if (n == 0) return ENGINE_ABSENT;
    if (el->packed || engine_counted(el_engine(el)) || n <= NEAR)
        return el_select(el, 0, rng_below(random, n), out);
    uint64_t steps = rng_below(random, NEAR);
    engine_result r = seek_hash(el, (uint32_t)rng_next(random), out);
    if (r == ENGINE_ABSENT) r = el_first(el, 0, out); /* the first one follows the last one */
    for (; steps > 0 && r == ENGINE_OK; steps--) {
        r = el_step(out, false);
        if (r == ENGINE_ABSENT) r = el_first(el, 0, out);
    }
    return r;
}
