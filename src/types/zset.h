/* zset: the sorted set: members with scores, in the order of score and then of bytes.
 *
 * Written over elements.h: map 0 is member -> keyenc_score, ENGINE_DERIVED is those 8 bytes and the
 * member, so that order, ranks and ranges are the derived map's. A set is opened with el_open and
 * zset_type, and closed with el_end after changes. Engine results are passed on as there. Scores
 * are never NaN, and -0 is 0. */
#ifndef STAVE_TYPES_ZSET_H
#define STAVE_TYPES_ZSET_H

#include "types/elements.h"

extern const el_type zset_type;

/* The type's bit of entry.hint, on disk. */
enum zset_hint {
    ZSET_SKIPLIST = 1, /* was too large for a listpack once: OBJECT ENCODING says "skiplist" */
};

/* The elements of a zset: el_count(el, 0). */

/* ---- one member ---------------------------------------------------------------------------------
 */

/* The score of an element of map 0. */
double zset_item_score(const el_item *item);
/* ENGINE_ABSENT: no such member. */
engine_result zset_score(elements *el, slice member, double *score);
/* How many come before it (reverse: after it), and its score. ENGINE_ABSENT: no such member. */
engine_result zset_rank(elements *el, slice member, bool reverse, uint64_t *rank, double *score);

enum zset_add_flags {
    ZSET_NX = 1 << 0,   /* only a member that is not there */
    ZSET_XX = 1 << 1,   /* only one that is */
    ZSET_GT = 1 << 2,   /* one that is there: only to a greater score */
    ZSET_LT = 1 << 3,   /* only to a smaller one */
    ZSET_INCR = 1 << 4, /* score is added to the one it has, or to 0 */
};
typedef enum zset_outcome {
    ZSET_REFUSED, /* the flags forbid it */
    ZSET_SAME,    /* it has that score */
    ZSET_ADDED,
    ZSET_UPDATED,
    ZSET_NAN, /* the sum is no number; nothing has changed */
} zset_outcome;

/* *now: the score it has then, unless it was refused or NaN. member must not lie in what a read of
 * this set gave. REQUIRES: score is a number. */
engine_result zset_add(elements *el, slice member, double score, unsigned flags, double *now,
                       zset_outcome *outcome);
/* A member that is known not to be there. */
engine_result zset_put(elements *el, slice member, double score);
/* ENGINE_ABSENT: no such member. */
engine_result zset_remove(elements *el, slice member);
/* A set of n members is coming: what OBJECT ENCODING says, as redis-server decides it. */
void zset_expect(elements *el, uint64_t n);
engine_result zset_encoding(elements *el, const char **name);

/* ---- ranges -------------------------------------------------------------------------------------
 */

/* An end of a range of members that have one score. */
typedef struct zset_lex {
    int infinite; /* -1: before all, 1: after all */
    bool open;    /* without `text` itself */
    slice text;
} zset_lex;

/* Which members. By rank, `start` and `stop` are included, count from 0 in the order of the walk,
 * or from -1 at its end. By score and by lex, low and high are so also if reverse. */
typedef struct zset_range {
    enum { ZSET_BY_RANK, ZSET_BY_SCORE, ZSET_BY_LEX } by;
    bool reverse;
    int64_t start, stop;
    double min, max;
    bool min_open, max_open;
    zset_lex low, high;
    int64_t offset; /* so many are left out first; negative: all */
    int64_t limit;  /* then at most so many; negative: no limit */
} zset_range;

/* All, from the lowest on. */
#define ZSET_ALL ((zset_range){.by = ZSET_BY_RANK, .stop = -1, .limit = -1})

/* A place in a range. Invalid after any change of the set. */
typedef struct zset_walk {
    slice member; /* what is there */
    double score;

    /* Inside. */
    el_iter it;
    const zset_range *range;
    bool by_text;    /* members are compared, not derived subkeys */
    slice low, high; /* derived subkeys: at least low, less than high; by rank: without data */
    uint64_t left;   /* how many more may come */
} zset_walk;

/* The first of the range; ENGINE_ABSENT: there is none. Members of different scores have no order
 * that BY_LEX could use: redis-server says what then comes is unspecified, but the whole range (-
 * to +) has all. */
engine_result zset_first(elements *el, const zset_range *range, zset_walk *out);
engine_result zset_next(zset_walk *w);
/* How many members are in the range; offset and limit do not count. Logarithmic where the engine
 * counts, else a walk over the range, or over what is outside of it. */
engine_result zset_count(elements *el, const zset_range *range, uint64_t *count);
/* How many a range by rank has, which needs no look. */
uint64_t zset_rank_count(elements *el, const zset_range *range);
/* Removes them; offset and limit do not count. REQUIRES: not reverse. */
engine_result zset_remove_range(elements *el, const zset_range *range, uint64_t *removed);
/* Removes the lowest, or highest, and says which: *member is a copy that lives as long as the
 * batch. ENGINE_ABSENT: there is none. more: how many will be taken behind it. */
engine_result zset_pop(elements *el, bool highest, uint64_t more, slice *member, double *score);

#endif
