/* What redis-server would keep a list as: one listpack while it is small, a quicklist beyond.
 *
 * The bound is list-max-listpack-size: a number of values (and 8 KiB), or -1 .. -5: 4 .. 64 KiB. A
 * quicklist becomes a listpack again at half of that. Going by the number of values, LIST_QUICK
 * remembers which it is, at the cost of one write each time it changes. Going by bytes, what the
 * list holds now decides: to know its size at each push would cost a walk. */
#include "base/num.h"
#include "types/limits.h"
#include "types/list_int.h"

#define LISTPACK_ENDS 7 /* bytes of a listpack beside its entries */

/* The bound by number; 0: it is by bytes. */
static uint64_t count_limit(void) {
    if (types_limit.list_size < 0) return 0;
    return types_limit.list_size ? (uint64_t)types_limit.list_size : 1;
}

/* Bytes of an integer's entry, without its length behind. */
static uint64_t int_bytes(int64_t v) {
    if (v >= 0 && v <= 127) return 1;
    if (v >= -4096 && v <= 4095) return 2;
    if (v >= INT16_MIN && v <= INT16_MAX) return 3;
    if (v >= -(1 << 23) && v < 1 << 23) return 4;
    return v >= INT32_MIN && v <= INT32_MAX ? 5 : 9;
}

/* Bytes of a value's entry in a listpack. */
static uint64_t entry_bytes(const el_item *item) {
    uint64_t n = item->left ? item->left : item->value.len;
    int64_t v;
    if (n < NUM_I64_TEXT && num_parse_i64(item->value, &v)) {
        n = int_bytes(v);
    } else {
        n += n < 64 ? 1 : n < 4096 ? 2 : 5;
    }
    return n + (n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : n < 268435456 ? 4 : 5);
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
        bytes += entry_bytes(&it.item);
        if (bytes > max) return ENGINE_OK;
    }
    *name = "listpack";
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}
