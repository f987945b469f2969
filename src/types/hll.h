/* hll: HyperLogLogs: how many different elements were added, within 0.81 %, in at most 12 KiB.
 *
 * The value is a string, byte for byte redis-server's: README.md has the format. A sparse one is
 * rewritten as a whole when it changes; a dense one is in chunks, of which those are rewritten that
 * hold a register that changed. Engine results are passed on. */
#ifndef STAVE_TYPES_HLL_H
#define STAVE_TYPES_HLL_H

#include "types/string.h"

#define HLL_REGISTERS 16384

/* One that is open. */
typedef struct hll {
    string s;     /* s.exists, s.wrong_type, s.pos may be used */
    bool not_one; /* a string, but no HyperLogLog: nothing else may be called */
    bool dense;
    bool broken; /* set by any function here whose bytes are wrong; it has changed nothing */
    uint8_t header[16];
} hll;

/* ENGINE_OK also if it is absent, of another type, or not one. flags: ks_get's. */
engine_result hll_open(keyspace *ks, uint32_t db, slice key, unsigned flags, hll *out);
/* Adds elements, making the key if it is absent. *raised: how many of them (and of the makings)
 * changed anything. REQUIRES: just opened. */
engine_result hll_add(hll *h, const slice *elements, size_t n, uint64_t *raised);
/* Raises registers[i] to those of h. */
engine_result hll_max(hll *h, uint8_t registers[HLL_REGISTERS]);
/* Raises h's registers to those, making the key if it is absent; dense: in the dense form whether
 * it must or not. REQUIRES: just opened. */
engine_result hll_raise(hll *h, const uint8_t registers[HLL_REGISTERS], bool dense);
/* The dense form from now on. REQUIRES: just opened, and there. */
engine_result hll_make_dense(hll *h);

/* How many different elements these registers have seen. */
uint64_t hll_estimate(const uint8_t registers[HLL_REGISTERS]);
/* What h has kept of its last estimate; false: something was added since. */
bool hll_kept(const hll *h, uint64_t *count);
/* Keeps it. REQUIRES: just opened, and there. */
engine_result hll_keep(hll *h, uint64_t count);
/* Appends the runs of a sparse value as text. REQUIRES: sparse. */
engine_result hll_describe(hll *h, buf *out);
/* Tries the arithmetic with chance: NULL, or what is wrong with it. */
const char *hll_self_test(rng *r);

#endif
