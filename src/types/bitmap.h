/* bitmap: strings as arrays of bits, bit 0 the highest of byte 0: counting, searching, combining,
 * and integers of any width at any bit. */
#ifndef STAVE_TYPES_BITMAP_H
#define STAVE_TYPES_BITMAP_H

#include "types/string.h"

/* Bits set among from .. to-1 (places of bits). REQUIRES: to <= 8 * length. */
engine_result bitmap_count(string *s, uint64_t from, uint64_t to, uint64_t *out);
/* The first bit of that value among from .. to-1; -1 if there is none. REQUIRES: as above. */
engine_result bitmap_find(string *s, bool bit, uint64_t from, uint64_t to, int64_t *out);
/* Bits set in n bytes: as fast as the machine can. */
uint64_t bitmap_popcount(const char *p, size_t n);
/* The same without the machine's instruction, for tests to compare with. */
uint64_t bitmap_popcount_portable(const char *p, size_t n);

typedef enum bitmap_operation { BITMAP_AND, BITMAP_OR, BITMAP_XOR, BITMAP_NOT } bitmap_operation;

/* Combines the strings at `keys` (a shorter one is followed by zeros) and puts the result at dest,
 * which may be one of them, without expire time; an empty result deletes it. *len: the result's
 * length; *deleted: whether dest was there and is no longer. One key for BITMAP_NOT. REQUIRES: no
 * key is of another type. */
engine_result bitmap_combine(keyspace *ks, uint32_t db, bitmap_operation op, slice dest,
                             const slice *keys, size_t n, uint64_t *len, bool *deleted);

/* ---- integers in bits (BITFIELD) ---------------------------------------------------------------
 */

typedef struct bit_type {
    bool is_signed;
    unsigned bits; /* 1 .. 64; 63 if not signed */
} bit_type;

typedef enum bit_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL } bit_overflow;

/* "i16", "u8": false if it is no such thing. */
bool bit_type_parse(slice s, bit_type *out);

#define BIT_WINDOW 9 /* bytes that hold 64 bits at any bit */

/* The integer at bit `at` (0 .. 7) of a window of bytes, and putting one there. */
int64_t bit_window_get(const uint8_t window[BIT_WINDOW], unsigned at, bit_type t);
void bit_window_set(uint8_t window[BIT_WINDOW], unsigned at, bit_type t, int64_t v);
/* How many bytes of a window an integer at bit `at` touches. */
size_t bit_window_bytes(unsigned at, bit_type t);

/* old + by within the type's range, treated as `how` says; false if it does not fit and how is
 * OVERFLOW_FAIL. For an unsigned type `old` counts as unsigned. */
bool bit_add(bit_type t, bit_overflow how, int64_t old, int64_t by, int64_t *out);

#endif
