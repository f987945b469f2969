/* What redis-server would keep a list as: one listpack while it is small, a quicklist beyond.
 *
 * The bound is list-max-listpack-size: a number of values (and 8 KiB), or -1 .. -5: 4 .. 64 KiB. A
 * quicklist becomes a listpack again at half of that. Going by the number of values, LIST_QUICK
 * remembers which it is, at the cost of one write each time it changes. Going by bytes, what the
 * list holds now decides: to know its size at each push would cost a walk. */
#include "types/limits.h"
#include "types/list_int.h"
#include "types/listpack.h"

#define LISTPACK_ENDS 7 /* bytes of a listpack beside its entries */

/* The bound by number; 0: it is by bytes. */
static uint64_t count_limit(void) {
    if (types_limit.list_size < 0) return 0;
    return types_limit.list_size ? (uint64_t)types_limit.list_size : 1;
}

void list_resized(elements *el) {
    uint64_t limit = count_limit(), n = list_len(el);
    if (limit == 0 || n == 0) return;
    if (n > limit) el_set_hint(el, el_hint(el) | LIST_QUICK);
    if (n <= limit / 2) el_set_hint(el, el_hint(el) & ~(unsigned)LIST_QUICK);
}

/* The walk ends where the bound is passed. */
engine_result list_encoding(elements *el, const char **name) {
    uint64_t bytes = LISTPACK_ENDS, max = types_list_bytes(), limit = count_limit(),
             n = list_len(el);
    bool quick = limit ? n > limit || (el_hint(el) & LIST_QUICK) : n > max / 2;
    el_iter it;
    el->lean = true;
    *name = "quicklist";
    if (quick) return ENGINE_OK;
    engine_result r = el_first(el, 0, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        bytes += listpack_entry(it.item.value, it.item.left ? it.item.left : it.item.value.len);
        if (bytes > max) return ENGINE_OK;
    }
    *name = "listpack";
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}
