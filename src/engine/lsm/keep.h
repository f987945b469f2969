/* keep: which cells a flush or a compaction writes, and which it leaves out. In a child, over its
 * vfs and memory as of the fork; keys are asked about in ascending order. */
#ifndef STAVE_ENGINE_LSM_KEEP_H
#define STAVE_ENGINE_LSM_KEEP_H

#include "engine/lsm/keys.h"
#include "engine/lsm/version.h"

/* Tables that are disjoint and sorted: a level, or one table of level 0; and where among them the
 * last key was. */
typedef struct older_run {
    table_ref *const *tables;
    uint32_t n, at;
    table *open; /* tables[at], opened again through the child's vfs */
    bool failed; /* it can't be: it counts as having every key in its range */
} older_run;

typedef struct keeper {
    const struct lsm *e;
    vfs *v;
    older_run *older; /* all tables, but the inputs, that may hold something older than they do */
    uint32_t nolder;
    cache *blocks;   /* of their filters */
    char head[4];    /* the database of the last key */
    bool known;      /* head is right */
    bool dead;       /* that database is */
    buf skip_to;     /* see keep_answer.skip */
    buf whole;       /* u32 each: tables that a drop which was kept hides wholly */
    uint32_t nwhole; /* of them */
} keeper;

typedef struct keep_answer {
    bool put;  /* the cell is to be written */
    bool skip; /* nothing before keeper.skip_to is, whatever it is and wherever it comes from */
} keep_answer;

void keeper_init(keeper *k, const struct lsm *e, vfs *v);
void keeper_older(keeper *k, table_ref *const *tables, uint32_t n);
/* All levels below `level` of v; 0 and above it for a flush: pass -1. */
void keeper_older_levels(keeper *k, const version *v, int level);
/* About the newest cell of a key. */
keep_answer keeper_ask(keeper *k, slice key, slice cell);
void keeper_free(keeper *k);

#endif
