/* sort: SORT: the elements of a list, a set or a sorted set, in the order of what they are, or of
 * what is kept in other keys about them.
 *
 * Texts are compared byte by byte, as redis-server does in the C locale. Elements that compare
 * alike come in the order of their bytes where they are compared as numbers, else in the source's.
 */
#ifndef STAVE_TYPES_SORT_H
#define STAVE_TYPES_SORT_H

#include "types/elements.h"
#include "types/held.h"

typedef struct sort_spec {
    slice by; /* the pattern of BY; data NULL: the elements themselves */
    bool alpha, descending;
    bool fixed;            /* the order must not depend on how a set is kept */
    int64_t offset, count; /* LIMIT; a count below 0: all */
    unsigned flags;        /* ks_get's, of lookups in other keys */
} sort_spec;

/* Opens a list, a set or a sorted set; wrong_type is anything else. flags: ks_get's. */
engine_result sort_open(keyspace *ks, uint32_t db, slice key, unsigned flags, elements *out);
/* How many elements come out, after LIMIT. */
uint64_t sort_count(elements *el, const sort_spec *spec);

/* Is shown an element, which lives until it returns. After PENDING it is shown more, so that it can
 * ask for more. */
typedef engine_result (*sort_each)(void *ctx, slice element);
/* Shows them in order. *not_number: nothing was shown, for something that was to be compared as a
 * number is none. Memory is that of the elements to the end of LIMIT, or none if BY has no '*'. */
engine_result sort_run(elements *el, const sort_spec *spec, sort_each each, void *ctx,
                       bool *not_number);

/* What a pattern of BY or GET stands for. The rooms are for the key it makes, and
 * for what is there. */
typedef struct sort_lookup {
    keyspace *ks;
    uint32_t db;
    unsigned flags;
    el_room key;
    el_room packed; /* a hash's elements */
} sort_lookup;
/* "#" is the element itself; else its first '*' is replaced by the element: "weight_*" is a
 * string's value, "object_*->field" that of a hash's field. ENGINE_ABSENT: nothing. The value lives
 * until the next call on the engine, or use of the scratch buffer; the element must not come from a
 * read. */
engine_result sort_value(sort_lookup *look, slice pattern, slice element, slice *out);

#endif
