/* Where a value goes between two others, and making room there.
 *
 * Pushes leave LIST_STRIDE positions to the next value, inserts halve what is between two. Where
 * nothing is left, the values around are spread anew: a window of 2^j of them (and what there is,
 * near an end), for the least j from 4 on at which each of them, and the new one, gets 2 j
 * positions of those that the window covers. Its neighbours outside stay where they are, so the
 * order is kept. A window that is the whole list covers all positions, of which there are enough:
 * so some window always does. And as a window asks for more room than those it is made of, these
 * must have taken about 1/j of their number of new values before it is spread again: an insert
 * costs, in the long run, a number of moves in the order of the square of the logarithm of how many
 * were made at the same place, wherever they are made. */
#include "types/list_int.h"

#define WINDOW_BITS 4

/* Values around the place, by position, in order; `cut` of them lie before it. */
typedef struct window {
    uint64_t *at;
    uint64_t n, cut;
    uint64_t low, high; /* the positions it covers */
    bool head, tail;    /* it has the list's first, last value */
} window;

/* Positions of up to `max` values in a direction, from the iterator on; then *bound is the last
 * position before the next value, and *end is true if there is none. */
static engine_result collect(el_iter *it, engine_result r, bool backward, uint64_t max,
                             uint64_t *at, uint64_t *n, uint64_t *bound, bool *end) {
    for (*n = 0; r == ENGINE_OK && *n < max; r = el_step(it, backward))
        at[(*n)++] = list_position(&it->item);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    *end = r == ENGINE_ABSENT;
    if (*end) {
        *bound = backward ? 0 : UINT64_MAX;
    } else {
        *bound = backward ? list_position(&it->item) + 1 : list_position(&it->item) - 1;
    }
    return ENGINE_OK;
}

/* The window of up to `half` values on each side. */
static engine_result look(elements *el, const uint64_t *before, const uint64_t *behind,
                          uint64_t half, window *w) {
    el_iter it;
    uint64_t n;
    engine_result r = ENGINE_ABSENT;
    uint64_t *back = ks_alloc(el->ks, half * sizeof *back);
    w->at = ks_alloc(el->ks, 2 * half * sizeof *w->at);
    if (before) r = list_seek(el, *before, true, &it);
    r = collect(&it, r, true, half, back, &w->cut, &w->low, &w->head);
    if (r != ENGINE_OK) return r;
    for (uint64_t i = 0; i < w->cut; i++)
        w->at[i] = back[w->cut - 1 - i];
    r = behind ? list_seek(el, *behind, false, &it) : (engine_result)ENGINE_ABSENT;
    r = collect(&it, r, false, half, w->at + w->cut, &n, &w->high, &w->tail);
    w->n = w->cut + n;
    return r;
}

/* A value goes to another position, by way of that room. */
static engine_result move(elements *el, el_room *room, uint64_t from, uint64_t to) {
    el_iter it;
    slice value;
    if (from == to) return ENGINE_OK;
    engine_result r = list_seek(el, from, false, &it);
    if (r != ENGINE_OK) return r;
    CHECK(list_position(&it.item) == from);
    r = list_load(el, &it.item, room, &value);
    if (r == ENGINE_OK) r = list_put(el, to, value, NULL);
    return r == ENGINE_OK ? list_del(el, from) : r;
}

/* Value i of the window goes to first + step * (its number, the new one counted). Those that go up
 * are moved from the last on, the others from the first on: so none ever comes to where another
 * still is. */
static engine_result spread(elements *el, const window *w, uint64_t first, uint64_t step) {
    el_room room = {0};
    engine_result r = ENGINE_OK;
    for (uint64_t i = w->n; i-- > 0 && r == ENGINE_OK;) {
        uint64_t to = first + step * (i + (i >= w->cut));
        if (to > w->at[i]) r = move(el, &room, w->at[i], to);
    }
    for (uint64_t i = 0; i < w->n && r == ENGINE_OK; i++) {
        uint64_t to = first + step * (i + (i >= w->cut));
        if (to < w->at[i]) r = move(el, &room, w->at[i], to);
    }
    return r;
}

/* Where the first of n + 1 goes that are `step` apart: as far from the list's neighbours as can be,
 * but at an end of the list as far from the end of all positions; a whole list, in the middle. */
static uint64_t first_of(const window *w, uint64_t step) {
    uint64_t length = step * w->n, slack = w->high - w->low - length;
    if (w->head && w->tail) return LIST_MIDDLE - length / 2;
    if (w->head) return w->high - step - length;
    if (w->tail) return w->low + step;
    return w->low + slack / 2;
}

/* Spreads the least window that has room; *out is then the place. */
static engine_result make_room(elements *el, const uint64_t *before, const uint64_t *behind,
                               uint64_t *out) {
    for (unsigned j = WINDOW_BITS;; j++) {
        window w;
        engine_result r = look(el, before, behind, (uint64_t)1 << (j - 1), &w);
        if (r != ENGINE_OK) return r;
        uint64_t step = (w.high - w.low) / (w.n + 2);
        if (step < 2 * j) {
            CHECK(!(w.head && w.tail));
            continue;
        }
        if (step > LIST_STRIDE) step = LIST_STRIDE;
        uint64_t first = first_of(&w, step);
        r = spread(el, &w, first, step);
        if (r != ENGINE_OK) return r;
        *out = first + step * w.cut;
        if (w.head && w.tail && step == LIST_STRIDE)
            el_set_hint(el, el_hint(el) & ~(unsigned)LIST_UNEVEN);
        else
            list_uneven(el);
        return ENGINE_OK;
    }
}

engine_result list_place(elements *el, const uint64_t *before, const uint64_t *behind,
                         uint64_t *out) {
    *out = LIST_MIDDLE;
    if (!before && !behind) return ENGINE_OK;
    if (!behind && *before <= UINT64_MAX - LIST_STRIDE) {
        *out = *before + LIST_STRIDE;
        return ENGINE_OK;
    }
    if (!before && *behind >= LIST_STRIDE) {
        *out = *behind - LIST_STRIDE;
        return ENGINE_OK;
    }
    uint64_t low = before ? *before : 0, high = behind ? *behind : UINT64_MAX;
    CHECK(low < high || !before || !behind);
    if (high - low < 2) return make_room(el, before, behind, out);
    *out = low + (high - low) / 2;
    list_uneven(el);
    return ENGINE_OK;
}

/* The pivot is looked for from the head, as redis-server does. */
engine_result list_insert(elements *el, slice pivot, bool after, slice value) {
    el_iter it;
    bool equal = false, other;
    uint64_t beside = 0, at = 0;
    el->lean = true;
    engine_result r = el_first(el, 0, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        beside = list_position(&it.item);
        r = list_equal(el, &it.item, pivot, &equal);
        if (r != ENGINE_OK || equal) break;
    }
    if (r != ENGINE_OK) return r;
    r = el_step(&it, !after);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    other = r == ENGINE_OK;
    uint64_t next = other ? list_position(&it.item) : 0;
    const uint64_t *before = after ? &beside : &next, *behind = after ? &next : &beside;
    if (!other && after) behind = NULL;
    if (!other && !after) before = NULL;
    r = list_place(el, before, behind, &at);
    if (r == ENGINE_OK) r = list_put(el, at, value, NULL);
    if (r == ENGINE_OK) list_resized(el);
    return r;
}
