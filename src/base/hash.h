/* hash: SipHash-1-3 (Aumasson and Bernstein), CRC32C (Castagnoli, as in RFC 3720). */
#ifndef STAVE_BASE_HASH_H
#define STAVE_BASE_HASH_H

#include "base/slice.h"

typedef struct hash_key {
    uint64_t k0, k1;
} hash_key;

uint64_t siphash13(hash_key key, const void *p, size_t n);

/* CRC32C of p, continuing from crc (0 to begin). SSE4.2 or ARMv8 CRC where the machine has it,
 * chosen once; else slicing-by-8 tables. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The table version, for tests to compare with. */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n);

/* The place of a key in token order: 53 bits = slot (14) || top 39 bits of SipHash-1-3. */
#define TOKEN_BITS      53
#define TOKEN_HASH_BITS 39
static inline uint64_t token_of(hash_key key, uint16_t slot, slice k) {
    return ((uint64_t)slot << TOKEN_HASH_BITS) |
           (siphash13(key, k.data, k.len) >> (64 - TOKEN_HASH_BITS));
}

#endif
