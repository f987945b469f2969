/* load: putting what was read from the log, or from a hint, back into memory. */
#ifndef STAVE_ENGINE_BITCASK_LOAD_H
#define STAVE_ENGINE_BITCASK_LOAD_H

#include "storage/hint.h"
#include "storage/logscan.h"

typedef struct bitcask bitcask;
struct segment;

/* Which databases were dead by the manifest's copy of the mapping; made once. */
typedef struct load_ctx {
    bitcask *e;
    uint32_t known;           /* pdbs below: dead unless mapped */
    uint64_t done, total;     /* for host.loading: bytes to read; see load_weigh */
    uint64_t looked, told_us; /* done when the clock was looked at last; when the host was told */
    struct load_ahead *ahead; /* what waits to be loaded (load_ahead.c) */
} load_ctx;

#define LOAD_HINTS_MAX  256u /* that are open together: descriptors, and a block of each */
#define LOAD_CHECK_PART 4u   /* to check a hint takes a fourth of the time that its entries take */

/* One record of segment s: what it says may not show before load_drain. */
status load_record(load_ctx *l, struct segment *s, const logscan_item *item);
/* The hints of the sealed segments of ranks [from, to), up to the first that has no good one (*bad:
 * it is that of rank from + *n, to be read itself), and LOAD_HINTS_MAX at most; *n: how many. */
status load_hints(load_ctx *l, uint32_t from, uint32_t to, uint32_t *n, bool *bad);

/* All records so far are loaded. */
void load_drain(load_ctx *l);
/* Frees what belongs to l alone; what still waits is forgotten. */
void load_free(load_ctx *l);

/* Adds to the total what loading segment s reads: its hint, and a part more for checking that, or,
 * there being none, itself. */
void load_weigh(load_ctx *l, const struct segment *s);
/* The hint that there is of s is no good: s itself is read too. */
void load_instead(load_ctx *l, const struct segment *s);
/* Bytes were dealt with: tells the host every few milliseconds. */
void load_progress(load_ctx *l, uint64_t bytes);
/* The same now: something that takes long is under way. */
void load_look(load_ctx *l);
/* Tells it that all but a little is done. */
void load_tell(load_ctx *l);
/* All is loaded: drops what is not mapped, and collections that nobody owns. */
void load_finish(load_ctx *l);

#endif
