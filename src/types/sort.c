/* SORT.
 *
 * Sorted, elements are collected with what they are compared by. With a LIMIT that ends at the k-th
 * only the k least are kept, in a heap whose first one is the greatest of them:
 *
 *     element --> less than the first? --> takes its place, sinks         then: sort the k, show
 *                 no: forgotten                                           those from the offset on
 *
 * and the room of one that is forgotten is used again. So memory is that of what comes out and what
 * the offset skips, not of the source.
 *
 * Unsorted (BY has no '*') elements are shown as they are read: a list's by index, a sorted set's
 * by rank, both from the end if descending, a set's in no particular order.
 *
 * A lookup that is pending does not end a run: others are asked for first (el_may_miss).
 */
#include "types/sort.h"

#include "base/log.h"
#include "keyspace/keyenc.h"
#include "types/list.h"
#include "types/set.h"
#include "types/zset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* ---- the source ---------------------------------------------------------------------------------
 */

engine_result sort_open(keyspace *ks, uint32_t db, slice key, unsigned flags, elements *out) {
    static const el_type *const types[] = {&list_type, &set_type, &zset_type};
    entry ent;
    *out = (elements){.ks = ks, .db = db, .key = key, .type = &list_type};
    engine_result r = ks_get(ks, db, key, flags, &ent);
    if (r != ENGINE_OK) {
        out->packed = true;
        return r == ENGINE_ABSENT ? ENGINE_OK : r;
    }
    size_t i = 0;
    while (i < 2 && types[i]->type != ent.type)
        i++;
    return el_of_entry(ks, db, key, &ent, types[i], out);
}

/* LIMIT, cut to the n elements there are. */
static void window(const sort_spec *spec, uint64_t n, uint64_t *from, uint64_t *len) {
    *from = spec->offset < 0 ? 0 : (uint64_t)spec->offset;
    if (*from > n) *from = n;
    *len = n - *from;
    if (spec->count >= 0 && (uint64_t)spec->count < *len) *len = (uint64_t)spec->count;
}

uint64_t sort_count(elements *el, const sort_spec *spec) {
    uint64_t from, len;
    window(spec, el_count(el, 0), &from, &len);
    return len;
}

/* Shows len elements from `from` on, counted from the other end if backward (not of a set). */
typedef struct walk {
    uint64_t from, len;
    bool backward;
    sort_each each;
    void *ctx;
    el_room room; /* for a list's values */
} walk;

/* A set_each that leaves the first ones out. */
static engine_result walk_member(void *ctx, slice member) {
    walk *w = ctx;
    if (w->from > 0) {
        w->from--;
        return ENGINE_OK;
    }
    if (w->len == 0) return ENGINE_ABSENT;
    w->len--;
    return w->each(w->ctx, member);
}

/* Of a list the value, whole; of a sorted set the member behind its score. */
static engine_result element_of(elements *el, const el_item *item, el_room *room, slice *out) {
    if (el->type == &list_type) return list_load(el, item, room, out);
    CHECK(item->sub.len >= KEYENC_HEAD);
    *out = slice_skip(item->sub, KEYENC_HEAD);
    return ENGINE_OK;
}

/* From the place where LIMIT begins; a set has no places, so it is walked as it is. */
static engine_result walk_source(elements *el, walk *w) {
    el_iter it;
    if (w->len == 0) return ENGINE_OK;
    if (el->type == &set_type) return set_walk(el, walk_member, w);
    uint64_t at = w->backward ? el_count(el, 0) - 1 - w->from : w->from;
    engine_result r =
        el->type == &list_type ? list_at(el, at, &it) : el_select(el, ENGINE_DERIVED, at, &it);
    while (r == ENGINE_OK) {
        slice element;
        r = element_of(el, &it.item, &w->room, &element);
        if (r == ENGINE_OK) r = w->each(w->ctx, element);
        if (r != ENGINE_OK || --w->len == 0) return r;
        r = el_step(&it, w->backward);
    }
    CHECK(r != ENGINE_ABSENT);
    return r;
}

/* ---- records ------------------------------------------------------------------------------------
 */

/* An element and what it is compared by. */
typedef struct record {
    held element;
    held text;    /* with BY and ALPHA */
    double score; /* without ALPHA */
    bool none;    /* with BY: there is nothing */
    uint64_t index;
} record;

typedef struct sorter {
    elements *el;
    const sort_spec *spec;
    sort_lookup look;
    record *records; /* the least so far; a heap once there are `room` */
    uint64_t n, room;
    uint64_t seen;
    record next;    /* the one that is looked at */
    el_room digits; /* of a number that is long */
    uint64_t misses;
    bool not_number;
    sort_each each;
    void *ctx;
} sorter;

/* Texts: what there is nothing for comes first. */
static int text_cmp(const record *a, const record *b, bool by) {
    if (!by) return slice_cmp(a->element.bytes, b->element.bytes);
    if (a->none || b->none) return (int)b->none - (int)a->none;
    return slice_cmp(a->text.bytes, b->text.bytes);
}

/* Elements with the same number are in the order of their bytes. */
static int score_cmp(const record *a, const record *b) {
    if (a->score != b->score) return a->score < b->score ? -1 : 1;
    return slice_cmp(a->element.bytes, b->element.bytes);
}

/* The order, never equal: for qsort_r, too. */
static int record_cmp(const void *a, const void *b, void *ctx) {
    const record *x = a, *y = b;
    const sorter *s = ctx;
    int c = s->spec->alpha ? text_cmp(x, y, s->spec->by.data) : score_cmp(x, y);
    if (c) return s->spec->descending ? -c : c;
    return x->index < y->index ? -1 : 1;
}

/* A number as redis-server's strtod reads it: spaces before it are fine, and so is nothing at all.
 */
static bool number_of(elements *el, el_room *room, slice text, double *out) {
    char small[64], *end;
    char *copy = text.len < sizeof small ? small : room_for(el->ks, room, text.len + 1);
    if (text.len) memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *out = strtod(copy, &end);
    return *end == '\0' && errno != ERANGE && !isnan(*out);
}

/* Finds out what the next one is compared by. */
static engine_result weigh(sorter *s) {
    const sort_spec *spec = s->spec;
    record *next = &s->next;
    slice value = next->element.bytes;
    next->none = false;
    next->score = 0;
    if (spec->by.data) {
        engine_result r = sort_value(&s->look, spec->by, next->element.bytes, &value);
        next->none = r == ENGINE_ABSENT;
        if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
        if (spec->alpha) hold(s->el->ks, &next->text, value);
    }
    if (!spec->alpha && !number_of(s->el, &s->digits, value, &next->score)) s->not_number = true;
    return ENGINE_OK;
}

/* records[at] moves down to its place: no record is less than those below it. */
static void sink(sorter *s, uint64_t at) {
    for (;;) {
        uint64_t most = at;
        for (uint64_t child = 2 * at + 1; child < s->n && child <= 2 * at + 2; child++)
            if (record_cmp(&s->records[child], &s->records[most], s) > 0) most = child;
        if (most == at) return;
        record r = s->records[at];
        s->records[at] = s->records[most];
        s->records[most] = r;
        at = most;
    }
}

/* A lookup is pending: may there be more in this run? */
static engine_result miss(sorter *s) {
    return el_may_miss(s->el->ks, ++s->misses) ? ENGINE_OK : ENGINE_PENDING;
}

/* A sort_each: takes an element in if it may come out. */
static engine_result collect(void *ctx, slice element) {
    sorter *s = ctx;
    hold(s->el->ks, &s->next.element, element);
    s->next.index = s->seen++;
    engine_result r = weigh(s);
    if (r == ENGINE_PENDING) return miss(s);
    if (r != ENGINE_OK || s->misses || s->not_number || s->room == 0) return r;
    if (s->n < s->room) {
        s->records[s->n++] = s->next;
        s->next = (record){0};
        for (uint64_t i = s->n / 2; s->n == s->room && i-- > 0;)
            sink(s, i);
        return ENGINE_OK;
    }
    if (record_cmp(&s->next, &s->records[0], s) > 0) return ENGINE_OK;
    record out = s->records[0];
    s->records[0] = s->next;
    s->next = out;
    sink(s, 0);
    return ENGINE_OK;
}

/* ---- showing ------------------------------------------------------------------------------------
 */

static engine_result show(sorter *s, slice element) {
    engine_result r = s->each(s->ctx, element);
    return r == ENGINE_PENDING ? miss(s) : r;
}

/* A sort_each, for what is not sorted. */
static engine_result show_held(void *ctx, slice element) {
    sorter *s = ctx;
    hold(s->el->ks, &s->next.element, element);
    return show(s, s->next.element.bytes);
}

/* Collects, sorts, shows. */
static engine_result run_sorted(sorter *s, uint64_t from, uint64_t len) {
    uint64_t n = el_count(s->el, 0);
    walk w = {.len = n, .each = collect, .ctx = s};
    s->room = len ? from + len : 0;
    s->records = ks_alloc(s->el->ks, s->room * sizeof *s->records + 1);
    engine_result r = walk_source(s->el, &w);
    if (r != ENGINE_OK || s->misses) return r == ENGINE_OK ? ENGINE_PENDING : r;
    if (s->not_number) return ENGINE_OK;
    qsort_r(s->records, s->n, sizeof *s->records, record_cmp, s);
    for (uint64_t i = from; i < s->n && r == ENGINE_OK; i++)
        r = show(s, s->records[i].element.bytes);
    return r;
}

engine_result sort_run(elements *el, const sort_spec *given, sort_each each, void *ctx,
                       bool *not_number) {
    sort_spec spec = *given;
    uint64_t from, len;
    bool sorted = !spec.by.data || memchr(spec.by.data, '*', spec.by.len);
    if (!sorted && spec.fixed && el->type == &set_type) { /* as if it had been ALPHA */
        spec.by = SLICE_EMPTY;
        spec.alpha = sorted = true;
    }
    sorter s = {.el = el, .spec = &spec, .each = each, .ctx = ctx};
    s.look = (sort_lookup){.ks = el->ks, .db = el->db, .flags = spec.flags};
    window(&spec, el_count(el, 0), &from, &len);
    walk w = {from, len, spec.descending, show_held, &s, {0}};
    engine_result r = sorted ? run_sorted(&s, from, len) : walk_source(el, &w);
    *not_number = s.not_number;
    return r == ENGINE_OK && s.misses ? ENGINE_PENDING : r;
}
