/* crc64: the cyclic redundancy check by David T. Jones, polynomial 0xad93d23594c935a9, as files and
 * payloads in the RDB encoding end in it. "123456789" gives 0xe9c6d914c4b8d9ca.
 *
 * Eight tables, eight bytes a step ("slicing by 8", after Kounavis and Berry), as in crc32c.c. */
#include "base/crc64.h"

#include "base/codec.h"

#define POLYNOMIAL 0x95ac9329ac4bc9b5u /* 0xad93d23594c935a9, its bits reversed */

/* tables[k][b]: the CRC of byte b followed by k zero bytes. Filled before main. */
static uint64_t tables[8][256];

/* Table 0 by the definition, a bit at a time; table k by appending a zero byte to table k - 1. */
__attribute__((constructor)) static void make_tables(void) {
    for (unsigned b = 0; b < 256; b++) {
        uint64_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ (c & 1 ? POLYNOMIAL : 0);
        tables[0][b] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
}

/* Each of a step's bytes selects from the table of its distance to the end of the step. */
uint64_t crc64(uint64_t crc, const void *p, size_t n) {
    const char *at = p;
    for (; n >= 8; at += 8, n -= 8) {
        uint64_t w = load_u64(at) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++)
            crc ^= tables[7 - k][(w >> (8 * k)) & 0xff];
    }
    for (; n; n--)
        crc = (crc >> 8) ^ tables[0][(crc ^ (unsigned char)*at++) & 0xff];
    return crc;
}
