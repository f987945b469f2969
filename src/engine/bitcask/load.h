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
    uint32_t known;             /* pdbs below: dead unless mapped */
    uint64_t done, total, told; /* bytes, for host.loading */
} load_ctx;

/* One record of segment s. */
status load_record(load_ctx *l, struct segment *s, const logscan_item *item);
/* All of a segment's hint. ST_NOT_FOUND, ST_CORRUPT, ST_INVALID: nothing was taken from it. */
status load_hint(load_ctx *l, struct segment *s);
/* Bytes of the log were dealt with: tells the host from time to time. */
void load_progress(load_ctx *l, uint64_t bytes);
/* Tells it that all but a little is done. */
void load_tell(load_ctx *l);
/* All is loaded: drops what is not mapped, and collections that nobody owns. */
void load_finish(load_ctx *l);

#endif
