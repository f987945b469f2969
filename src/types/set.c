/* Sets: members, their encoding, walks, pops.
 *
 * Members are elements without values. What redis-server would have encoded a set as is kept beside
 * it, because it cannot be told from the members: a set that once was large stays a hash table
 * there, and programs (and tests) ask. Only the encoding's name and the order of an intset come of
 * it here.
 *
 * An intset's members come in numeric order though they are kept in another: they are read whole
 * and sorted, 8 bytes each, of at most set-max-intset-entries (512). */
#include "types/set.h"

#include "base/log.h"
#include "base/num.h"
#include "types/limits.h"
#include "types/sample.h"

#include <stdlib.h>

#define INTSET_MAX (UINT64_C(1) << 30) /* redis-server's, whatever is set */
/* A pop that leaves less than a fifth makes a new set of the rest there, which may again be small.
 */
#define POP_REST 5

const el_type set_type = {.type = KEY_SET, .order = EL_AS_PUT};

/* ---- encoding ----------------------------------------------------------------------------------
 */

engine_result set_encoding(elements *el, const char **name) {
    static const char *const names[] = {"listpack", "intset", "listpack", "hashtable"};
    unsigned hint = el_hint(el);
    CHECK(hint <= SET_HASHTABLE);
    *name = names[hint];
    return ENGINE_OK;
}

bool set_is_integer(slice member) {
    int64_t v;
    return num_parse_i64(member, &v);
}

/* The setting, within redis-server's own bound. */
static uint64_t intset_max(void) {
    uint64_t max = (uint64_t)types_limit.set_intset;
    return max < INTSET_MAX ? max : INTSET_MAX;
}

/* May a member be added to a listpack, or to what becomes one, of that many? */
static bool fits_listpack(uint64_t count, slice member) {
    return count < (uint64_t)types_limit.set_entries &&
           member.len <= (uint64_t)types_limit.set_value;
}

unsigned set_encoding_with(unsigned encoding, uint64_t count, slice member) {
    if (encoding == SET_INTSET && set_is_integer(member))
        return count + 1 > intset_max() ? SET_HASHTABLE : SET_INTSET;
    if (encoding == SET_HASHTABLE) return encoding;
    return fits_listpack(count, member) ? SET_LISTPACK : SET_HASHTABLE;
}

void set_expect(elements *el, slice first, uint64_t n) {
    unsigned hint = el_hint(el);
    bool small = n <= (uint64_t)types_limit.set_entries;
    if (hint == SET_NEW && set_is_integer(first) && n <= intset_max()) {
        hint = SET_INTSET;
    } else if (hint == SET_NEW) {
        hint = small ? SET_LISTPACK : SET_HASHTABLE;
    } else if ((hint == SET_LISTPACK && !small) || (hint == SET_INTSET && n > intset_max())) {
        hint = SET_HASHTABLE;
    }
    el_set_hint(el, hint);
}

void set_all_integers(elements *el) {
    if (el_count(el, 0) <= intset_max()) el_set_hint(el, SET_INTSET);
}

/* ---- members -----------------------------------------------------------------------------------
 */

engine_result set_has(elements *el, slice member, bool *has) {
    el_item item;
    *has = false;
    engine_result r = el_get(el, 0, member, &item);
    *has = r == ENGINE_OK;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result set_add_new(elements *el, slice member) {
    if (el_hint(el) == SET_NEW) set_expect(el, member, 1);
    unsigned hint = set_encoding_with(el_hint(el), el_count(el, 0), member);
    engine_result r = el_put(el, 0, member, SLICE_EMPTY, ENGINE_NO_EXPIRE, NULL);
    if (r == ENGINE_OK) el_set_hint(el, hint);
    return r;
}

engine_result set_add(elements *el, slice member, bool *added) {
    bool has;
    *added = false;
    engine_result r = set_has(el, member, &has);
    if (r != ENGINE_OK || has) return r;
    *added = true;
    return set_add_new(el, member);
}

/* ---- walks -------------------------------------------------------------------------------------
 */

static int order_of_integers(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

bool set_all_intsets(elements *const *sets, unsigned n) {
    uint64_t total = 0;
    for (unsigned i = 0; i < n; i++) {
        if (sets[i]->exists && el_hint(sets[i]) != SET_INTSET) return false;
        total += el_count(sets[i], 0);
    }
    return total <= intset_max();
}

engine_result set_walk_integers(elements *const *sets, unsigned n, set_each each, void *ctx) {
    uint64_t found = 0, total = 0;
    engine_result r = ENGINE_OK;
    for (unsigned i = 0; i < n; i++)
        total += el_count(sets[i], 0);
    int64_t *all = ks_alloc(sets[0]->ks, total * sizeof *all + 1);
    for (unsigned i = 0; i < n; i++) {
        el_iter it;
        for (r = el_first(sets[i], 0, &it); r == ENGINE_OK; r = el_step(&it, false))
            CHECK(found < total && num_parse_i64(it.item.sub, &all[found++]));
        if (r != ENGINE_ABSENT) return r;
    }
    qsort(all, found, sizeof *all, order_of_integers);
    r = ENGINE_OK;
    for (uint64_t i = 0; i < found && r == ENGINE_OK; i++) {
        char text[NUM_I64_TEXT];
        if (i > 0 && all[i] == all[i - 1]) continue;
        r = each(ctx, slice_of(text, num_format_i64(text, all[i])));
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result set_walk(elements *el, set_each each, void *ctx) {
    el_iter it;
    if (el_count(el, 0) == 0) return ENGINE_OK;
    if (el_hint(el) == SET_INTSET) return set_walk_integers(&el, 1, each, ctx);
    engine_result r = el_first(el, 0, &it);
    while (r == ENGINE_OK) {
        r = each(ctx, it.item.sub);
        if (r == ENGINE_OK) r = el_step(&it, false);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* ---- pops --------------------------------------------------------------------------------------
 */

/* Members are shown as they are drawn, and kept until they can be removed. */
typedef struct popped {
    elements *el;
    slice *members;
    uint64_t n;
    set_each each;
    void *ctx;
    engine_result result;
} popped;

/* Shown now; the removal waits, as it would move the walk's ground. */
static bool pop_one(void *ctx, const el_item *item) {
    popped *p = ctx;
    p->members[p->n++] = el_keep(p->el, item->sub);
    p->result = p->each(p->ctx, item->sub);
    return p->result == ENGINE_OK;
}

/* Ends the walk at the first member that is too long for a listpack. */
static engine_result grow_rest(void *ctx, slice member) {
    unsigned *encoding = ctx;
    if (*encoding == SET_LISTPACK && member.len > (uint64_t)types_limit.set_value)
        *encoding = SET_HASHTABLE;
    return *encoding == SET_LISTPACK ? ENGINE_OK : ENGINE_ABSENT;
}

/* What is left of a hash table is made a listpack again if it fits. */
static engine_result shrink(elements *el) {
    unsigned encoding = SET_LISTPACK;
    if (el_hint(el) != SET_HASHTABLE || el_count(el, 0) > (uint64_t)types_limit.set_entries)
        return ENGINE_OK;
    engine_result r = set_walk(el, grow_rest, &encoding);
    if (r == ENGINE_OK) el_set_hint(el, encoding);
    return r;
}

engine_result set_pop(elements *el, uint64_t n, set_each each, void *ctx) {
    uint64_t count = el_count(el, 0);
    popped p = {.el = el, .each = each, .ctx = ctx, .result = ENGINE_OK};
    if (n > count) n = count;
    p.members = ks_alloc(el->ks, n * sizeof *p.members + 1);
    engine_result r = sample_distinct(el, n, pop_one, &p);
    if (r == ENGINE_OK) r = p.result;
    for (uint64_t i = 0; i < p.n && r == ENGINE_OK; i++) {
        r = el_del(el, 0, p.members[i], EL_UNKNOWN);
        CHECK(r != ENGINE_ABSENT);
    }
    if (r == ENGINE_OK && (count - n) * POP_REST <= n) r = shrink(el);
    return r;
}
