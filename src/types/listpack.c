/* listpack: an entry is a head, the value unless it is a number, which the head holds, and the
 * entry's length, so that it can be walked backward. src/rdb/listpack.c reads and writes them. */
#include "types/listpack.h"

#include "base/num.h"

/* Bytes of a number's entry, without its length behind. */
static uint64_t number_bytes(int64_t v) {
    if (v >= 0 && v <= 127) return 1;
    if (v >= -4096 && v <= 4095) return 2;
    if (v >= INT16_MIN && v <= INT16_MAX) return 3;
    if (v >= -(1 << 23) && v < 1 << 23) return 4;
    return v >= INT32_MIN && v <= INT32_MAX ? 5 : 9;
}

uint64_t listpack_entry(slice value, uint64_t len) {
    int64_t v;
    uint64_t n = len < NUM_I64_TEXT && num_parse_i64(value, &v) ? number_bytes(v)
                                                                : len + (len < 64     ? 1
                                                                         : len < 4096 ? 2
                                                                                      : 5);
    return n + listpack_back(n);
}
