/* list: lists, over elements: a position of 64 bits for each value.
 *
 * A list is what el_open gives with list_type; whoever changed it calls el_end. These functions set
 * el->lean: values longer than EL_PIECE are left where they are by what they read. README.md says
 * how positions are chosen. */
#ifndef STAVE_TYPES_LIST_H
#define STAVE_TYPES_LIST_H

#include "types/elements.h"

extern const el_type list_type;

typedef enum list_end { LIST_HEAD, LIST_TAIL } list_end;

static inline uint64_t list_len(elements *el) {
    return el_count(el, 0);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* At the value of that index, from the head; ENGINE_ABSENT beyond the end. el_step goes on. */
engine_result list_at(elements *el, uint64_t index, el_iter *out);
/* Asks for values from..from+n-1 and uses none, so that those which are not near come together:
 * for a reader that was told PENDING. */
void list_ahead(elements *el, uint64_t from, uint64_t n);
/* The whole of a value that a read gave: a copy in that room. */
engine_result list_load(elements *el, const el_item *item, el_room *room, slice *out);
/* Is it that value? The item is not good afterwards, but its iterator is. */
engine_result list_equal(elements *el, const el_item *item, slice value, bool *equal);

/* Which places list_find tells: of those that hold the value, from one end, all but the first
 * `skip`, at most `want`; looking at `look` values at most. */
typedef struct list_search {
    slice value;
    list_end from;
    uint64_t skip, want, look;
} list_search;
engine_result list_find(elements *el, const list_search *s,
                        void (*found)(void *ctx, uint64_t index), void *ctx);
/* "listpack" or "quicklist": as redis-server would keep it. */
engine_result list_encoding(elements *el, const char **name);

/* ---- changing ----------------------------------------------------------------------------------
 * Values passed in must not lie in what a read of the same elements gave.
 */

/* One after another. */
engine_result list_push(elements *el, list_end end, const slice *values, size_t n);
/* ENGINE_ABSENT: no such index. */
engine_result list_set(elements *el, uint64_t index, slice value);
/* Beside the first value that is the pivot; ENGINE_ABSENT: there is none. */
engine_result list_insert(elements *el, slice pivot, bool after, slice value);
/* Takes out n values from an index on. REQUIRES: they are there. */
engine_result list_delete(elements *el, uint64_t from, uint64_t n);
/* Takes out the first or the last value, as el_first or el_last has just given it. */
engine_result list_delete_end(elements *el, const el_item *item);
/* Takes out at most `max` values that are equal, those nearest to one end. */
engine_result list_remove_equal(elements *el, slice value, list_end from, uint64_t max,
                                uint64_t *removed);

#endif
