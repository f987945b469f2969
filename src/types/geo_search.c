/* The search: cells that cover the shape, the members in each, and of these what is inside.
 *
 * Hits are collected in memory of the search's own, members one after another in one buffer, and
 * given back in memory of the batch. When only the first so many are wanted, those that can't be
 * among them are thrown away whenever there are twice as many: so a search for the ten nearest of a
 * million holds some tens of them. Hits that are equally far keep the order in which they were
 * found. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "types/geo_cells.h"

#define LEAST_TRIM 64

/* A hit while it is collected. */
typedef struct found {
    geo_hit hit;    /* without its member, */
    size_t at, len; /*   which is there in `members` */
    uint64_t seq;   /* when it was found */
} found;

typedef struct search {
    elements *el;
    const geo_shape *shape;
    geo_order order;
    uint64_t count;
    bool any;
    found *items;
    size_t n;
    uint32_t cap;
    buf members;
    uint64_t seq;
} search;

/* ---- inside ------------------------------------------------------------------------------------
 */

/* Is it inside? *metres: how far from the centre. The box's height is measured along a meridian,
 * its width along the parallel of the place. */
static bool is_inside(const geo_shape *s, geo_point p, double *metres) {
    if (s->box) {
        geo_point level = {s->centre.lon, p.lat};
        if (geo_distance((geo_point){p.lon, s->centre.lat}, p) > s->height * s->unit / 2)
            return false;
        if (geo_distance(p, level) > s->width * s->unit / 2) return false;
    }
    *metres = geo_distance(s->centre, p);
    return s->box || !(*metres > s->radius * s->unit);
}

/* ---- collecting --------------------------------------------------------------------------------
 */

/* The nearer one first; of two equally far, the one that was found first. */
static int nearer(const void *a, const void *b) {
    const found *x = a, *y = b;
    if (x->hit.metres != y->hit.metres) return x->hit.metres < y->hit.metres ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The farthest first; as they were found where they are equally far. */
static int farther(const void *a, const void *b) {
    const found *x = a, *y = b;
    if (x->hit.metres != y->hit.metres) return x->hit.metres > y->hit.metres ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Puts what was found in order and drops what is too much, with its bytes. */
static void sort_and_trim(search *s) {
    if (s->order != GEO_UNORDERED && s->n > 1)
        qsort(s->items, s->n, sizeof *s->items, s->order == GEO_NEAREST ? nearer : farther);
    if (s->count == 0 || s->n <= s->count) return;
    s->n = (size_t)s->count;
    buf kept = {0};
    for (size_t i = 0; i < s->n; i++) {
        found *f = &s->items[i];
        size_t at = kept.len;
        buf_append(&kept, s->members.data + f->at, f->len);
        f->at = at;
    }
    buf_free(&s->members);
    s->members = kept;
}

/* One more. */
static void collect(search *s, slice member, double score, geo_point place, double metres) {
    if (s->n == s->cap) s->items = mem_more(s->items, &s->cap, 16, sizeof *s->items);
    s->items[s->n++] = (found){.hit = {.score = score, .place = place, .metres = metres},
                               .at = s->members.len,
                               .len = member.len,
                               .seq = s->seq++};
    buf_append_slice(&s->members, member);
    if (s->count && s->n >= LEAST_TRIM && s->n / 2 >= s->count) sort_and_trim(s);
}

/* Are there as many as are wanted, of whatever kind? */
static bool has_enough(const search *s) {
    return s->any && s->count && s->n >= s->count;
}

/* ---- walking -----------------------------------------------------------------------------------
 */

/* The members of one cell. */
static engine_result search_cell(search *s, geo_cell c) {
    zset_range range = {.by = ZSET_BY_SCORE, .max_open = true, .limit = -1};
    zset_walk w;
    geo_cell_scores(c, &range.min, &range.max);
    engine_result r = zset_first(s->el, &range, &w);
    for (; r == ENGINE_OK; r = zset_next(&w)) {
        geo_point place = geo_place(w.score);
        double metres;
        if (is_inside(s->shape, place, &metres)) collect(s, w.member, w.score, place, metres);
        if (has_enough(s)) return ENGINE_OK;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* The first member of each of these cells: what is not in memory comes together. */
static void ask_for(elements *el, const geo_cell *cells, int n) {
    for (int i = 0; i < n; i++) {
        zset_range range = {.by = ZSET_BY_SCORE, .max_open = true, .limit = -1};
        zset_walk w;
        if (cells[i].steps == 0) continue;
        geo_cell_scores(cells[i], &range.min, &range.max);
        if (zset_first(el, &range, &w) == ENGINE_ERROR) return;
    }
}

/* Where there are few cells on the whole earth, one may be the neighbour on two sides: in the order
 * of the cells these come one after the other. */
static engine_result search_cells(search *s) {
    geo_cell cells[GEO_CELLS];
    int last = 0;
    geo_cells_cover(s->shape, cells);
    for (int i = 0; i < GEO_CELLS && !has_enough(s); i++) {
        const geo_cell *c = &cells[i], *before = &cells[last];
        if (c->steps == 0) continue;
        if (last && c->lon == before->lon && c->lat == before->lat) continue;
        engine_result r = search_cell(s, *c);
        if (r == ENGINE_PENDING) ask_for(s->el, c + 1, GEO_CELLS - i - 1);
        if (r != ENGINE_OK) return r;
        last = i;
    }
    return ENGINE_OK;
}

/* What was collected, in memory of the batch. */
static void give(const search *s, geo_hits *out) {
    if (s->n == 0) return;
    char *bytes = ks_alloc(s->el->ks, s->members.len);
    if (s->members.len) memcpy(bytes, s->members.data, s->members.len);
    out->items = ks_alloc(s->el->ks, s->n * sizeof *out->items);
    out->n = s->n;
    for (size_t i = 0; i < s->n; i++) {
        out->items[i] = s->items[i].hit;
        out->items[i].member = slice_of(bytes + s->items[i].at, s->items[i].len);
    }
}

engine_result geo_search(elements *el, const geo_shape *shape, geo_order order, uint64_t count,
                         bool any, geo_hits *out) {
    search s = {.el = el, .shape = shape, .order = order, .count = count, .any = any};
    *out = (geo_hits){0};
    engine_result r = search_cells(&s);
    if (r == ENGINE_OK) {
        sort_and_trim(&s);
        give(&s, out);
    }
    buf_free(&s.members);
    mem_free(s.items);
    return r;
}
