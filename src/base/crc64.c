/* crc64: the cyclic redundancy check by David T. Jones, polynomial 0xad93d23594c935a9, as files and
 * payloads in the RDB encoding end in it. "123456789" gives 0xe9c6d914c4b8d9ca.
 *
 * Eight tables, eight bytes a step ("slicing by 8", after Kounavis and Berry), as in crc32c.c. */
#include "base/crc64.h"

#include "base/codec.h"

#define POLYNOMIAL 0x95ac9329ac4bc9b5u /* 0xad93d23594c935a9, its bits reversed */

/* tables[k][b]: the CRC of byte b followed by k zero bytes. Filled before main. */
static uint64_t tables[8][256];

/* One byte more, by table 0. */
static inline uint64_t step(uint64_t crc, unsigned char byte) {
    return crc >> 8 ^ tables[0][(crc ^ byte) & 0xff];
}

/* Of one byte, by the definition: a bit at a time. */
static uint64_t slowly(uint64_t c) {
    for (int bit = 0; bit < 8; bit++)
        c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
    return c;
}

/* Each table appends a zero byte to the one before. */
__attribute__((constructor)) static void make_tables(void) {
    for (unsigned i = 0; i < 8 * 256; i++) {
        unsigned k = i / 256, b = i % 256;
        tables[k][b] = k ? step(tables[k - 1][b], 0) : slowly(b);
    }
}

/* Each of a step's eight bytes selects from the table of its distance to the end of the step. */
uint64_t crc64(uint64_t crc, const void *p, size_t n) {
    const unsigned char *at = p;
    for (; n >= 8; at += 8, n -= 8) {
        crc ^= load_u64((const char *)at);
        uint64_t next = 0;
        for (int k = 7; k >= 0; k--, crc >>= 8)
            next ^= tables[k][crc & 0xff];
        crc = next;
    }
    while (n--)
        crc = step(crc, *at++);
    return crc;
}
