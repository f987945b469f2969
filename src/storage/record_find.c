/* record_find: headers in bytes of which nothing says where records begin: behind damage.
 *
 * The seed of a header's CRC has the record's offset in it, so that an image of a record in a
 * client's value, at another offset than it was made for, is not found. Most bytes are ruled out by
 * a look at kind, flags and length, and runs of zeros, of which a preallocated file is full, are
 * skipped. */
#include "base/codec.h"
#include "base/log.h"
#include "storage/record.h"

/* The first byte of p[i .. n) that is not zero, or n. */
static size_t skip_zeros(const char *p, size_t i, size_t n) {
    CHECK(i <= n);
    while (i + 8 <= n && load_u64(p + i) == 0)
        i += 8;
    while (i < n && p[i] == 0)
        i++;
    return i;
}

/* True if a header could begin at p: what record_read_head would refuse without a CRC. */
static inline bool plausible(const char *p) {
    unsigned kind = (unsigned char)p[12], flags = load_u16(p + 14);
    return kind > 0 && kind < RECORD_KINDS &&
           !(flags & ~(unsigned)(RECORD_ENTRY_FLAGS | RECORD_FRAME_FLAGS)) &&
           load_u32(p + 8) <= RECORD_BODY_MAX;
}

/* Zeros are skipped up to just in front of the first byte that a header could share. */
size_t record_find(const char *p, size_t from, size_t starts, size_t n, record_place base,
                   record *out) {
    CHECK(n == 0 || p);
    CHECK(starts <= n);
    for (size_t i = from; i < starts && n - i >= RECORD_HEADER; i++) {
        if (p[i] == 0) { /* a header has something in its first 16 bytes */
            size_t next = skip_zeros(p, i, n);
            if (next > i + RECORD_HEADER) i = next - RECORD_HEADER;
            if (i >= starts) break;
        }
        if (!plausible(p + i)) continue;
        CHECK(base.offset <= UINT32_MAX - i);
        record_place at = {base.store_id, base.file, base.offset + (uint32_t)i};
        if (record_read_head(p + i, n - i, at, out) == RECORD_OK) return i;
    }
    return starts;
}
