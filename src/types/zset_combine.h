/* zset_combine: unions, intersections and differences of sorted sets and sets, and copies of
 * ranges: what ZUNION, ZINTER, ZDIFF, their STORE forms and ZRANGESTORE do.
 *
 * A set counts as a sorted set in which every score is 1. Scores that come out as NaN are 0, and
 * sums are made in redis-server's order: the smallest source first. */
#ifndef STAVE_TYPES_ZSET_COMBINE_H
#define STAVE_TYPES_ZSET_COMBINE_H

#include "types/zset.h"

typedef struct zset_source {
    elements el;
    double weight;
    uint64_t n;      /* members */
    bool wrong_type; /* neither a sorted set nor a set: nothing else may be asked */
    size_t number;   /* which one it was */
} zset_source;

typedef enum zset_aggregate { ZSET_SUM, ZSET_MIN, ZSET_MAX } zset_aggregate;
typedef enum zset_operation { ZSET_UNION, ZSET_INTER, ZSET_DIFF } zset_operation;

/* Opens one for reading, with weight 1. */
engine_result zset_source_open(keyspace *ks, uint32_t db, slice key, unsigned flags,
                               zset_source *out);

/* What comes out, by score and then by bytes; memory of the batch. */
typedef struct zset_item {
    slice member;
    double score;
} zset_item;
typedef struct zset_list {
    zset_item *items;
    size_t n;
} zset_list;

/* The result as a list. The sources change places. */
engine_result zset_combine_list(keyspace *ks, zset_operation op, zset_source *from, size_t n,
                                zset_aggregate how, zset_list *out);
/* The result into `to`, which el_create has just made; it may have the key of a source. */
engine_result zset_combine_store(zset_operation op, zset_source *from, size_t n, zset_aggregate how,
                                 elements *to);
/* How many members all have; it stops at `limit` (0: no limit). */
engine_result zset_inter_count(zset_source *from, size_t n, uint64_t limit, uint64_t *count);

/* Copies a range into `to`, as above. */
engine_result zset_range_store(elements *from, const zset_range *range, elements *to);

#endif
