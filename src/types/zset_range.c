/* Sorted sets: ranges by score, by bytes of members, and by rank.
 *
 * A range by score is one of derived subkeys, at least `low` and less than `high`: the 8 bytes of a
 * score come before those with any member behind them, and the next greater number, read as bytes,
 * comes after all of them. A range by lex takes it that all members have the score of the first
 * one; the least subkey above `x` is `x` with a zero byte behind it. Only in a packed set, where it
 * costs nothing, members are compared whatever their scores, as redis-server does in a listpack. */
#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/zset.h"

#define SKIP_BY_STEPS 8 /* to leave out more, ranks are asked for where the engine counts */

/* ---- bounds -------------------------------------------------------------------------------------
 */

/* A derived subkey in the batch's memory, with room for a member and a byte. One that is longer
 * than any member may be is cut to a byte more than these have: that changes nothing in how they
 * compare with it, and an engine takes it. */
static slice bound(elements *el, uint64_t head, slice member, bool after) {
    if (member.len > EL_SUB_MAX) member.len = EL_SUB_MAX + 1;
    char *p = ks_alloc(el->ks, KEYENC_SCORE + member.len + 1);
    put_be64(p, head);
    if (member.len) memcpy(p + KEYENC_SCORE, member.data, member.len);
    p[KEYENC_SCORE + member.len] = 0;
    return slice_of(p, KEYENC_SCORE + member.len + after);
}

/* The order-preserving bytes of a score, as a number. */
static uint64_t head_of(double score) {
    char bytes[KEYENC_SCORE];
    return load_be64(keyenc_score(bytes, score).data);
}

/* One end of a range by lex; after: the bound lies behind the member itself. */
static slice lex_bound(elements *el, uint64_t head, const zset_lex *end, bool after) {
    if (end->infinite) return bound(el, end->infinite < 0 ? 0 : UINT64_MAX, SLICE_EMPTY, false);
    return bound(el, head, end->text, after);
}

/* Sets low and high. */
static engine_result find_bounds(elements *el, const zset_range *r, zset_walk *w) {
    el_iter it;
    if (r->by == ZSET_BY_SCORE) {
        w->low = bound(el, head_of(r->min) + r->min_open, SLICE_EMPTY, false);
        w->high = bound(el, head_of(r->max) + !r->max_open, SLICE_EMPTY, false);
        return ENGINE_OK;
    }
    engine_result res = el_first(el, ENGINE_DERIVED, &it);
    if (res != ENGINE_OK) return res;
    CHECK(it.item.sub.len >= KEYENC_SCORE);
    uint64_t head = load_be64(it.item.sub.data);
    w->low = lex_bound(el, head, &r->low, r->low.open);
    w->high = lex_bound(el, head, &r->high, !r->high.open);
    return ENGINE_OK;
}

/* Where a member stands to an end of a range by lex. */
static int lex_cmp(slice member, const zset_lex *end) {
    return end->infinite ? -end->infinite : slice_cmp(member, end->text);
}

/* Is it at or above the range's lower end? */
static bool above_low(const zset_walk *w, slice derived) {
    if (!w->by_text) return slice_cmp(derived, w->low) >= 0;
    int cmp = lex_cmp(slice_skip(derived, KEYENC_SCORE), &w->range->low);
    return w->range->low.open ? cmp > 0 : cmp >= 0;
}

/* Is it within the upper end? */
static bool below_high(const zset_walk *w, slice derived) {
    if (!w->by_text) return slice_cmp(derived, w->high) < 0;
    int cmp = lex_cmp(slice_skip(derived, KEYENC_SCORE), &w->range->high);
    return w->range->high.open ? cmp < 0 : cmp <= 0;
}

/* ---- walks --------------------------------------------------------------------------------------
 */

/* What is at the iterator, if it is in the range and may still come. */
static engine_result show(zset_walk *w) {
    slice sub = w->it.item.sub;
    CHECK(sub.len >= KEYENC_SCORE);
    if (w->left == 0) return ENGINE_ABSENT;
    if (w->range->by != ZSET_BY_RANK &&
        !(w->range->reverse ? above_low(w, sub) : below_high(w, sub)))
        return ENGINE_ABSENT;
    if (w->left != UINT64_MAX) w->left--;
    w->score = keyenc_score_of(sub.data);
    w->member = slice_skip(sub, KEYENC_SCORE);
    return ENGINE_OK;
}

/* A range by rank as numbers from `from` on, in the order of the walk. */
static uint64_t rank_range(elements *el, const zset_range *r, uint64_t *from) {
    int64_t n = (int64_t)el_count(el, 0);
    int64_t start = r->start < 0 ? r->start + n : r->start;
    int64_t stop = r->stop < 0 ? r->stop + n : r->stop;
    if (start < 0) start = 0;
    if (stop >= n) stop = n - 1;
    *from = (uint64_t)start;
    return start > stop || start >= n ? 0 : (uint64_t)(stop - start) + 1;
}

uint64_t zset_rank_count(elements *el, const zset_range *range) {
    uint64_t from;
    CHECK(range->by == ZSET_BY_RANK);
    return rank_range(el, range, &from);
}

/* Is a range by lex empty by its ends alone? */
static bool lex_is_empty(const zset_range *r) {
    if (r->low.infinite > 0 || r->high.infinite < 0) return true;
    if (r->low.infinite || r->high.infinite) return false;
    int cmp = slice_cmp(r->low.text, r->high.text);
    return cmp > 0 || (cmp == 0 && (r->low.open || r->high.open));
}

/* The first of a range by lex in a packed set: a walk from the end where it begins. */
static engine_result seek_text(elements *el, zset_walk *w) {
    bool back = w->range->reverse;
    engine_result r = el_last(el, ENGINE_DERIVED, &w->it);
    if (r != ENGINE_OK || !above_low(w, w->it.item.sub)) return r == ENGINE_OK ? ENGINE_ABSENT : r;
    r = el_first(el, ENGINE_DERIVED, &w->it);
    if (r != ENGINE_OK || !below_high(w, w->it.item.sub)) return r == ENGINE_OK ? ENGINE_ABSENT : r;
    if (back) r = el_last(el, ENGINE_DERIVED, &w->it);
    while (r == ENGINE_OK && !(back ? below_high(w, w->it.item.sub) : above_low(w, w->it.item.sub)))
        r = el_step(&w->it, back);
    return r;
}

/* The first of the range of subkeys. Backward, a subkey that is `high` itself is none of it. */
static engine_result seek_bound(elements *el, zset_walk *w) {
    if (!w->range->reverse) return el_seek(el, ENGINE_DERIVED, w->low, false, &w->it);
    engine_result r = el_seek(el, ENGINE_DERIVED, w->high, true, &w->it);
    if (r == ENGINE_OK && !below_high(w, w->it.item.sub)) r = el_step(&w->it, true);
    return r;
}

/* Goes to the member that is `skip` beyond the first of the range. */
static engine_result seek_skipping(elements *el, zset_walk *w, uint64_t skip) {
    uint64_t rank;
    bool back = w->range->reverse;
    if (skip > SKIP_BY_STEPS && !w->by_text && engine_counted(ks_engine(el->ks))) {
        engine_result r = el_rank(el, ENGINE_DERIVED, back ? w->high : w->low, &rank);
        if (r != ENGINE_OK) return r;
        if (back ? rank <= skip : skip >= el_count(el, 0) - rank) return ENGINE_ABSENT;
        return el_select(el, ENGINE_DERIVED, back ? rank - 1 - skip : rank + skip, &w->it);
    }
    engine_result r = w->by_text ? seek_text(el, w) : seek_bound(el, w);
    for (; skip > 0 && r == ENGINE_OK; skip--) {
        if (!(back ? above_low(w, w->it.item.sub) : below_high(w, w->it.item.sub)))
            return ENGINE_ABSENT;
        r = el_step(&w->it, back);
    }
    return r;
}

engine_result zset_first(elements *el, const zset_range *range, zset_walk *out) {
    uint64_t from;
    engine_result r;
    *out = (zset_walk){.range = range, .left = UINT64_MAX};
    if (!el->exists) return ENGINE_ABSENT;
    if (range->by == ZSET_BY_RANK) {
        out->left = rank_range(el, range, &from);
        if (out->left == 0) return ENGINE_ABSENT;
        if (range->reverse) from = el_count(el, 0) - 1 - from;
        r = el_select(el, ENGINE_DERIVED, from, &out->it);
        return r == ENGINE_OK ? show(out) : r;
    }
    if (range->offset < 0) return ENGINE_ABSENT;
    if (range->limit >= 0) out->left = (uint64_t)range->limit;
    if (range->by == ZSET_BY_LEX && lex_is_empty(range)) return ENGINE_ABSENT;
    out->by_text = range->by == ZSET_BY_LEX && el->packed;
    r = out->by_text ? ENGINE_OK : find_bounds(el, range, out);
    if (r == ENGINE_OK) r = seek_skipping(el, out, (uint64_t)range->offset);
    return r == ENGINE_OK ? show(out) : r;
}

engine_result zset_next(zset_walk *w) {
    if (w->left == 0) return ENGINE_ABSENT;
    engine_result r = el_step(&w->it, w->range->reverse);
    return r == ENGINE_OK ? show(w) : r;
}

/* ---- counting -----------------------------------------------------------------------------------
 */

/* A walk over what is not in the range: down from its low end, then up from its high one. */
typedef struct outside {
    el_iter it;
    bool begun, above;
    uint64_t seen;
} outside;

/* One more; ENGINE_ABSENT: that was all. */
static engine_result outside_step(elements *el, const zset_walk *w, outside *o) {
    engine_result r = ENGINE_ABSENT;
    if (!o->above) {
        r = o->begun ? el_step(&o->it, true) : el_seek(el, ENGINE_DERIVED, w->low, true, &o->it);
        if (r == ENGINE_OK && !o->begun && above_low(w, o->it.item.sub)) r = el_step(&o->it, true);
        o->begun = true;
    }
    if (r == ENGINE_ABSENT) {
        r = o->above ? el_step(&o->it, false) : el_seek(el, ENGINE_DERIVED, w->high, false, &o->it);
        o->above = true;
    }
    o->seen += r == ENGINE_OK;
    return r;
}

/* Two walks, a step each in turn, over the range and over what is outside of it: the first that
 * ends knows the number. */
static engine_result count_walking(elements *el, const zset_walk *w, uint64_t *count) {
    el_iter it;
    outside o = {0};
    engine_result r = el_seek(el, ENGINE_DERIVED, w->low, false, &it);
    for (; r == ENGINE_OK && below_high(w, it.item.sub); (*count)++) {
        r = outside_step(el, w, &o);
        if (r == ENGINE_ABSENT) *count = el_count(el, 0) - o.seen;
        if (r != ENGINE_OK) break;
        r = el_step(&it, false);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result zset_count(elements *el, const zset_range *range, uint64_t *count) {
    zset_walk w = {.range = range};
    zset_range all = *range;
    uint64_t low, high;
    *count = 0;
    if (!el->exists) return ENGINE_OK;
    if (range->by == ZSET_BY_LEX && lex_is_empty(range)) return ENGINE_OK;
    if (range->by == ZSET_BY_RANK) {
        *count = zset_rank_count(el, range);
        return ENGINE_OK;
    }
    if (range->by == ZSET_BY_LEX && el->packed) {
        all.offset = 0;
        all.limit = -1;
        engine_result r = zset_first(el, &all, &w);
        for (; r == ENGINE_OK; r = zset_next(&w))
            (*count)++;
        return r == ENGINE_ABSENT ? ENGINE_OK : r;
    }
    engine_result r = find_bounds(el, range, &w);
    if (r != ENGINE_OK || slice_cmp(w.low, w.high) >= 0) return r;
    if (!el->packed && !engine_counted(ks_engine(el->ks))) return count_walking(el, &w, count);
    r = el_rank(el, ENGINE_DERIVED, w.low, &low);
    if (r == ENGINE_OK) r = el_rank(el, ENGINE_DERIVED, w.high, &high);
    if (r == ENGINE_OK) *count = high - low;
    return r;
}

/* ---- removing -----------------------------------------------------------------------------------
 */

/* The member of a derived subkey, which also says the score that it has. */
static engine_result remove_derived(elements *el, slice derived) {
    el_item old = {.sub = slice_skip(derived, KEYENC_SCORE),
                   .value = slice_of(derived.data, KEYENC_SCORE)};
    engine_result r = el_del(el, 0, old.sub, &old);
    CHECK(r != ENGINE_ABSENT);
    return r;
}

/* A removal is pending: the members of the `left` ones behind it are asked for too. What they
 * answer does not matter now. */
static void ask_behind(elements *el, slice derived, bool backward, uint64_t left) {
    el_iter it;
    engine_result r = el_seek(el, ENGINE_DERIVED, derived, backward, &it);
    for (uint64_t n = 0; r == ENGINE_OK && n < left && el_may_miss(el->ks, n); n++) {
        el_item item;
        r = el_step(&it, backward);
        if (r != ENGINE_OK) return;
        slice member = el_keep(el, slice_skip(it.item.sub, KEYENC_SCORE));
        if (el_get(el, 0, member, &item) == ENGINE_ERROR) return;
    }
}

/* A change ends the walk, so the next one is sought from where the last one was. */
engine_result zset_remove_range(elements *el, const zset_range *range, uint64_t *removed) {
    zset_walk w;
    zset_range all = *range;
    el_room room = {0};
    CHECK(!range->reverse);
    *removed = 0;
    all.offset = 0;
    all.limit = -1;
    engine_result r = zset_first(el, &all, &w);
    while (r == ENGINE_OK) {
        slice gone = room_copy(el->ks, &room, w.it.item.sub);
        r = remove_derived(el, gone);
        if (r == ENGINE_PENDING) ask_behind(el, gone, false, el_count(el, 0));
        if (r != ENGINE_OK) break;
        ++*removed;
        r = el_seek(el, ENGINE_DERIVED, gone, false, &w.it);
        if (r == ENGINE_OK) r = show(&w);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result zset_pop(elements *el, bool highest, uint64_t more, slice *member, double *score) {
    el_iter it;
    engine_result r =
        highest ? el_last(el, ENGINE_DERIVED, &it) : el_first(el, ENGINE_DERIVED, &it);
    if (r != ENGINE_OK) return r;
    slice derived = el_keep(el, it.item.sub);
    CHECK(derived.len >= KEYENC_SCORE);
    *member = slice_skip(derived, KEYENC_SCORE);
    *score = keyenc_score_of(derived.data);
    r = remove_derived(el, derived);
    if (r == ENGINE_PENDING) ask_behind(el, derived, highest, more);
    return r;
}
