/* load_slice: a part of what some hints have, merged beside the thread. */
#ifndef STAVE_ENGINE_BITCASK_LOAD_SLICE_H
#define STAVE_ENGINE_BITCASK_LOAD_SLICE_H

#include "io/aio.h"
#include "storage/hint.h"

/* A hint that is open, and what its entries are to say of where they are. */
typedef struct slice_hint {
    const hint_reader *r;
    uint16_t slot; /* of its segment */
} slice_hint;

/* Which main entries: those of a pdb with tokens in [from, to). */
typedef struct slice_range {
    uint32_t pdb;
    uint64_t from, to;
    uint64_t bytes; /* of hints, at about: all slices together have those of all main entries */
} slice_range;

/* What is not an item: bytes of records, for the segment of one hint. */
typedef struct slice_sum {
    uint64_t live;   /* of the PUTs that are items */
    uint64_t hiding; /* of DELs that are none, as their keys have a later entry */
} slice_sum;

/* An item: the entry of a key in the latest hint that has one. */
typedef struct slice_item {
    bool is_del;
    uint64_t token;
    slice entry; /* as kdent_encode makes it; of a DEL the place and the key count */
} slice_item;

typedef struct load_slice load_slice;
/* Of n hints, oldest first, which outlive it and its jobs. */
load_slice *load_slice_new(const slice_hint *hints, uint32_t n);
/* REQUIRES: it is not under way. */
void load_slice_free(load_slice *s);

/* A worker merges that range; values of up to inline_max bytes go along. What it had before goes.
 */
void load_slice_start(load_slice *s, aio *a, const slice_range *range, size_t inline_max);
bool load_slice_is_ready(const load_slice *s);
/* What follows, when it is ready. */
status load_slice_result(const load_slice *s);
const slice_range *load_slice_range(const load_slice *s);
/* Entries that were read, replaced ones included. */
uint64_t load_slice_entries(const load_slice *s);
/* By hint. */
const slice_sum *load_slice_sums(const load_slice *s);
/* The items in order, token by token, then key by key: *at is 0 at first. */
bool load_slice_next(const load_slice *s, size_t *at, slice_item *out);

/* How many bytes of hints are enough for a slice; 0: it goes by the number of hints. For tests. */
extern uint64_t load_slice_bytes;
/* All main entries of these hints, cut into ranges in order; mem_free. */
slice_range *load_slice_plan(const slice_hint *hints, uint32_t n, uint32_t *ranges);

#endif
