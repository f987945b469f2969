/* Fields of a hash picked at random.
 *
 * As a rule no field is due, and any element will do. While some are due and not deleted (there
 * were more than one wake-up deletes, or none may be deleted) they must not be picked: then
 * different fields come from one walk over all, in which each is taken with the chance that leaves
 * the rest of the picks possible, and single ones from tries, and after many from a walk, too. */
#include "types/hash.h"

#define TRIES 32

/* The live field of that number, in a walk. */
static engine_result walk_to(elements *el, uint64_t number, el_iter *out) {
    engine_result r = hash_first(el, out);
    for (; r == ENGINE_OK && number > 0; number--)
        r = hash_next(out);
    return r;
}

/* One that is not due, of `live` that there are. */
static engine_result random_live(elements *el, uint64_t live, el_iter *out) {
    for (int i = 0; i < TRIES; i++) {
        engine_result r = el_random(el, out);
        if (r != ENGINE_OK || !hash_is_due(el, out->item.expire)) return r;
    }
    return walk_to(el, rng_below(ks_rng(el->ks), live), out);
}

engine_result hash_sample_any(elements *el, uint64_t n, sample_each each, void *ctx) {
    uint64_t live;
    engine_result r = hash_count(el, &live);
    if (r != ENGINE_OK || live == 0) return r;
    if (live == el_count(el, 0)) return sample_any(el, n, each, ctx);
    for (; n > 0; n--) {
        el_iter it;
        r = random_live(el, live, &it);
        if (r != ENGINE_OK || !each(ctx, &it.item)) break;
    }
    return r;
}

engine_result hash_sample_distinct(elements *el, uint64_t n, sample_each each, void *ctx) {
    uint64_t live;
    el_iter it;
    engine_result r = hash_count(el, &live);
    if (r != ENGINE_OK || live == 0) return r;
    if (live == el_count(el, 0)) return sample_distinct(el, n, each, ctx);
    for (r = hash_first(el, &it); r == ENGINE_OK && n > 0; r = hash_next(&it), live--) {
        if (n < live && rng_below(ks_rng(el->ks), live) >= n) continue;
        n--;
        if (!each(ctx, &it.item)) return ENGINE_OK;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}
