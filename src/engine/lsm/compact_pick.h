/* compact_pick: which tables the next compaction takes. Pure functions over a version: nothing is
 * marked, nothing is read. */
#ifndef STAVE_ENGINE_LSM_COMPACT_PICK_H
#define STAVE_ENGINE_LSM_COMPACT_PICK_H

#include "engine/lsm/version.h"

/* What the choice depends on, besides the version. */
typedef struct pick_conf {
    uint64_t base_bytes; /* what the highest level below 0 may have at most */
    uint64_t job_bytes;  /* no job grows beyond it by choice */
    uint64_t table_size;
    uint32_t level0_files;
    uint32_t ratio; /* of a level's target to that of the one above */
    uint64_t room;  /* on the disk: no job writes more; 0: no limit */
    bool tight;     /* there is little: whatever is deleted should go */
    bool hopeful;   /* each tombstone meets what it hides, so that neither is written */
} pick_conf;

typedef enum pick_why {
    PICK_SIZE,       /* a level has outgrown its target */
    PICK_TOMBSTONES, /* a table of tombstones, or one that reads stumble over */
    PICK_QUIET,      /* nobody writes: upper levels go down */
    PICK_ASKED,      /* engine_compact */
} pick_why;
const char *pick_why_name(pick_why w);

/* A compaction, to be made or under way. */
typedef struct pick {
    uint8_t from, to; /* levels; the same one only if nothing below has keys of the range */
    uint8_t why;      /* pick_why */
    bool move;        /* the tables go down as they are */
    table_ref **in;   /* nfrom of level `from`, in its order; the rest of level `to`, sorted */
    uint32_t n, nfrom;
    uint64_t bytes, plain; /* of all */
    slice smallest, limit; /* of all: slices of two of the tables */
} pick;
void pick_free(pick *p);

/* Targets of the levels, and how much each asks for a compaction: 1 or more is a reason. */
typedef struct level_plan {
    unsigned base;   /* the highest level below 0 that may keep anything */
    unsigned bottom; /* the deepest level with tables; LSM_LEVELS - 1 if only level 0 has any */
    uint64_t target[LSM_LEVELS];
    double score[LSM_LEVELS];
} level_plan;
void pick_plan(const version *v, const pick_conf *c, level_plan *out);

/* Bytes of all, divided by those of the deepest level: 1 is the best; 0: there are no tables. */
double pick_amplification(const version *v);
/* Bytes that compactions will read and write until every level has its target. */
uint64_t pick_pending(const version *v, const pick_conf *c);

/* What a compaction of everything has got to. */
typedef struct pick_asked {
    bool on;
    unsigned level; /* its tables with numbers up to `last` go down next */
    uint32_t last;
} pick_asked;

/* The best compaction that can run beside those under way, whose inputs are busy. False: there is
 * none worth it. *out is the caller's to free. */
bool pick_next(const version *v, const pick_conf *c, pick *const *running, uint32_t nrunning,
               bool quiet, pick *out);
/* The next step of a compaction of everything; false if there is none just now: it is over if
 * a->on is false then. `newest`: the greatest number of a table there is. */
bool pick_step(const version *v, const pick_conf *c, pick *const *running, uint32_t nrunning,
               pick_asked *a, uint32_t newest, pick *out);

#endif
