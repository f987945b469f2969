/* Sorted sets: one member at a time.
 *
 * A change looks its member up first, since what it does depends on what is there; el_put and
 * el_del are told what was found, so the derived map costs no second lookup. Scores are kept as
 * keyenc_score makes them, 8 bytes whose order is theirs. */
#include "types/zset.h"

#include <math.h>

#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/limits.h"

const el_type zset_type = {.type = KEY_ZSET, .order = EL_BY_DERIVED};

double zset_item_score(const el_item *item) {
    CHECK(item->value.len == KEYENC_SCORE);
    return keyenc_score_of(item->value.data);
}

engine_result zset_score(elements *el, slice member, double *score) {
    el_item item;
    engine_result r = el_get(el, 0, member, &item);
    if (r == ENGINE_OK) *score = zset_item_score(&item);
    return r;
}

/* The rank of a derived subkey that is there is how many lie below it. */
engine_result zset_rank(elements *el, slice member, bool reverse, uint64_t *rank, double *score) {
    *rank = 0;
    engine_result r = zset_score(el, member, score);
    if (r != ENGINE_OK) return r;
    char *derived = ks_alloc(el->ks, KEYENC_SCORE + member.len);
    (void)keyenc_score(derived, *score);
    if (member.len) memcpy(derived + KEYENC_SCORE, member.data, member.len);
    r = el_rank(el, ENGINE_DERIVED, slice_of(derived, KEYENC_SCORE + member.len), rank);
    if (r == ENGINE_OK && reverse) *rank = el_count(el, 0) - 1 - *rank;
    return r;
}

/* Writes it, and notes what makes it large in redis-server's eyes. */
static engine_result put(elements *el, slice member, double score, const el_item *old) {
    char bytes[KEYENC_SCORE];
    engine_result r = el_put(el, 0, member, keyenc_score(bytes, score), ENGINE_NO_EXPIRE, old);
    if (r == ENGINE_OK && !old) {
        zset_expect(el, el_count(el, 0));
        if (member.len > (uint64_t)types_limit.zset_value) el_set_hint(el, ZSET_SKIPLIST);
    }
    return r;
}

/* Of one that is there, with the score that `found` has. */
static engine_result update(elements *el, slice member, double score, unsigned flags,
                            const el_item *found, double *now, zset_outcome *outcome) {
    double was = zset_item_score(found);
    *outcome = ZSET_REFUSED;
    if (flags & ZSET_NX) return ENGINE_OK;
    if (flags & ZSET_INCR) score += was;
    *outcome = ZSET_NAN;
    if (isnan(score)) return ENGINE_OK;
    *outcome = ZSET_REFUSED;
    if ((flags & ZSET_GT && score <= was) || (flags & ZSET_LT && score >= was)) return ENGINE_OK;
    *now = score == 0 ? 0 : score;
    *outcome = ZSET_SAME;
    if (score == was) return ENGINE_OK;
    *outcome = ZSET_UPDATED;
    return put(el, member, score, found);
}

engine_result zset_add(elements *el, slice member, double score, unsigned flags, double *now,
                       zset_outcome *outcome) {
    el_item found;
    *now = 0;
    *outcome = ZSET_REFUSED;
    CHECK(!isnan(score));
    engine_result r = el_get(el, 0, member, &found);
    if (r == ENGINE_OK) return update(el, member, score, flags, &found, now, outcome);
    if (r != ENGINE_ABSENT) return r;
    if (flags & ZSET_XX) return ENGINE_OK;
    *now = score == 0 ? 0 : score;
    *outcome = ZSET_ADDED;
    return put(el, member, score, NULL);
}

engine_result zset_put(elements *el, slice member, double score) {
    return put(el, member, score, NULL);
}

engine_result zset_remove(elements *el, slice member) {
    el_item found;
    engine_result r = el_get(el, 0, member, &found);
    return r == ENGINE_OK ? el_del(el, 0, member, &found) : r;
}

void zset_expect(elements *el, uint64_t n) {
    if (n > (uint64_t)types_limit.zset_entries) el_set_hint(el, ZSET_SKIPLIST);
}

engine_result zset_encoding(elements *el, const char **name) {
    *name = el_hint(el) & ZSET_SKIPLIST ? "skiplist" : "listpack";
    return ENGINE_OK;
}
