/* Picking elements at random.
 *
 *   any        el_random, n times
 *   distinct   all, or many of all: one walk, that takes each element with the chance
 *                  still wanted / still to come
 *              (selection sampling: Knuth, The Art of Computer Programming, 3.4.2, S)
 *              few: lots are drawn until n different ones came up
 *
 * A lot is a rank where the engine counts, so that one drawn before costs no read. Where it does
 * not, a lot is an element that el_random found, known again by a keyed hash of 64 bits: that two
 * members have the same one is next to impossible, and would cost one of them this one chance.
 *
 * Drawing is cheaper than walking as long as few of all are wanted: of a counted map a third, as
 * redis-server has it; of another, where a lot is a seek and a few steps, a sixteenth. */
#include "types/sample.h"

#include "base/hash.h"
#include "base/log.h"
#include "types/hashes.h"

#define WALK_COUNTED 3
#define WALK_OTHER   16

/* ---- a run ------------------------------------------------------------------------------------
 */

/* What a run remembers: the lots as they were before it, and how many reads did not come. */
typedef struct sample_run {
    elements *el;
    sample_each each;
    void *ctx;
    rng before;
    uint64_t misses;
    bool enough; /* each wants no more */
} sample_run;

static sample_run run_begin(elements *el, sample_each each, void *ctx) {
    return (sample_run){.el = el, .each = each, .ctx = ctx, .before = *ks_rng(el->ks)};
}

/* Shows what a read gave. A read that is pending lets the run go on to ask for others, but nothing
 * more is shown; false ends it. */
static bool run_shows(sample_run *run, engine_result *r, const el_item *item) {
    if (*r == ENGINE_PENDING) {
        *r = ENGINE_OK;
        return el_may_miss(run->el->ks, ++run->misses);
    }
    if (*r != ENGINE_OK) return false;
    if (run->misses == 0) run->enough = !run->each(run->ctx, item);
    return !run->enough;
}

/* The same lots again for the next run, if this one did not come to its end. */
static engine_result run_end(sample_run *run, engine_result r) {
    if (r == ENGINE_OK && run->misses) r = ENGINE_PENDING;
    if (r == ENGINE_PENDING) *ks_rng(run->el->ks) = run->before;
    return r;
}

/* ---- any ---------------------------------------------------------------------------------------
 */

engine_result sample_any(elements *el, uint64_t n, sample_each each, void *ctx) {
    sample_run run = run_begin(el, each, ctx);
    el_iter it;
    if (el_count(el, 0) == 0) return ENGINE_OK;
    engine_result r = ENGINE_OK;
    for (uint64_t i = 0; i < n; i++) {
        r = el_random(el, &it);
        CHECK(r != ENGINE_ABSENT);
        if (!run_shows(&run, &r, &it.item)) break;
    }
    return run_end(&run, r);
}

/* ---- distinct ----------------------------------------------------------------------------------
 */

/* n of `count`, in one walk. A pending read ends it: where it goes on is not known. */
static engine_result walk(sample_run *run, uint64_t n, uint64_t count) {
    rng *random = ks_rng(run->el->ks);
    el_iter it;
    engine_result r = el_first(run->el, 0, &it);
    for (uint64_t left = count; n > 0; left--) {
        CHECK(left >= n && r != ENGINE_ABSENT);
        if (r != ENGINE_OK) break;
        if (n == left || rng_below(random, left) < n) {
            n--;
            if (!run_shows(run, &r, &it.item)) break;
        }
        if (n > 0) r = el_step(&it, false);
    }
    return r;
}

/* By rank. */
static engine_result draw_ranks(sample_run *run, uint64_t n, uint64_t count) {
    rng *random = ks_rng(run->el->ks);
    engine_result r = ENGINE_OK;
    el_iter it;
    hashes l;
    hashes_make(run->el->ks, n, &l);
    while (n > 0) {
        uint64_t rank = rng_below(random, count);
        if (!hashes_add(&l, rank + 1)) continue;
        n--;
        r = el_select(run->el, 0, rank, &it);
        CHECK(r != ENGINE_ABSENT);
        if (!run_shows(run, &r, &it.item)) break;
    }
    return r;
}

/* By what is found. A read that did not come counts as a pick. */
static engine_result draw_members(sample_run *run, uint64_t n) {
    rng *random = ks_rng(run->el->ks);
    hash_key key = {.k0 = rng_next(random), .k1 = rng_next(random)};
    engine_result r = ENGINE_OK;
    el_iter it;
    hashes l;
    hashes_make(run->el->ks, n, &l);
    while (n > 0) {
        r = el_random(run->el, &it);
        CHECK(r != ENGINE_ABSENT);
        if (r == ENGINE_OK && !hashes_add(&l, siphash13(key, it.item.sub.data, it.item.sub.len)))
            continue;
        n--;
        if (!run_shows(run, &r, &it.item)) break;
    }
    return r;
}

engine_result sample_distinct(elements *el, uint64_t n, sample_each each, void *ctx) {
    sample_run run = run_begin(el, each, ctx);
    uint64_t count = el_count(el, 0);
    if (n == 0 || count == 0) return ENGINE_OK;
    bool counted = el->packed || engine_counted(ks_engine(el->ks));
    if (n > count) n = count;
    if (n == count || n >= count / (counted ? WALK_COUNTED : WALK_OTHER))
        return run_end(&run, walk(&run, n, count));
    return run_end(&run, counted ? draw_ranks(&run, n, count) : draw_members(&run, n));
}
