/* lcs: the longest common subsequence of two byte strings. */
#ifndef STAVE_TYPES_LCS_H
#define STAVE_TYPES_LCS_H

#include "base/slice.h"

/* A stretch of equal bytes that the subsequence takes from both, places inclusive. */
typedef struct lcs_match {
    uint32_t a_first, a_last, b_first, b_last;
} lcs_match;

/* Bytes that lcs_trace needs for its table. REQUIRES: each length < 2^32 - 1. */
uint64_t lcs_table_bytes(slice a, slice b);
/* Its length alone, in memory of the shorter one's length. */
uint32_t lcs_length(slice a, slice b);
/* Its length; out, if not NULL, gets its bytes (room for the shorter one's length); each, if not
 * NULL, is told of every stretch, the last one first. */
uint32_t lcs_trace(slice a, slice b, char *out, void (*each)(void *ctx, lcs_match m), void *ctx);

#endif
