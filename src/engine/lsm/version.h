/* version: which tables make up the store, at some moment, by level.
 *
 * Level 0 has the newest first, and they may overlap; the tables of each other level are disjoint
 * and sorted. A version never changes: an edit (a flush, a compaction) makes the next one out of
 * it, and a version is freed when nobody uses it. A table is open as long as a version, or an
 * iterator, has it.
 *
 * A range of keys is [from, to); an empty `to` is no end. */
#ifndef STAVE_ENGINE_LSM_VERSION_H
#define STAVE_ENGINE_LSM_VERSION_H

#include "storage/manifest_state.h"
#include "storage/table.h"

#define LSM_LEVELS 7

/* A table as versions share it. */
typedef struct table_ref {
    uint32_t number;
    uint32_t refs;
    uint8_t level;    /* in the newest version that has it */
    bool busy;        /* input of a job under way */
    uint64_t recency; /* in level 0: later is newer */
    uint64_t length, plain;
    uint64_t entries, tombstones, hidden; /* as table_summary has them */
    slice smallest;                       /* keys are >= this */
    slice limit;                          /* and < that; both owned */
    uint64_t skipped; /* tombstones that reads had to walk over: a wish to be compacted */
    table *t;
} table_ref;

typedef struct version {
    uint32_t refs;
    struct {
        table_ref **tables; /* level 0: newest first; else by smallest */
        uint32_t n;
        uint64_t bytes, entries, tombstones; /* what drops hide among the latter */
    } level[LSM_LEVELS];
} version;

/* What an edit does: tables that go, by number, and tables that come. */
typedef struct version_change {
    const uint32_t *drop;
    size_t ndrop;
    table_ref **add; /* with level set; each brings the reference it was made with */
    size_t nadd;
    const uint32_t *moved; /* tables that change level: numbers, */
    const uint8_t *moved_to;
    size_t nmoved;
} version_change;

version *version_empty(void);
/* The version after the change, with one reference. REQUIRES: v has all that goes or moves, and
 * what comes overlaps nothing that stays in its level, unless that is 0. */
version *version_after(const version *v, const version_change *c);
version *version_keep(version *v);
void version_release(version *v); /* nothing happens for NULL */
/* Opens dir's table of the manifest's description (copied), with one reference. */
status table_ref_open(vfs *fs, const char *dir, uint64_t store_id, const manifest_table *m,
                      table_ref **out);
table_ref *table_ref_keep(table_ref *t);
void table_ref_release(table_ref *t);
/* Can t hold a key of the range? */
bool table_ref_overlaps(const table_ref *t, slice from, slice to);

/* The first table of a level >= 1 whose limit is > key; level.n if there is none. */
uint32_t version_find(const version *v, unsigned level, slice key);
/* The same among tables that are disjoint and sorted. */
uint32_t tables_find(table_ref *const *tables, uint32_t n, slice key);
/* How many tables of a level >= 1 overlap the range: they are neighbours, and *first is the first
 * of them. For level 0 ask each one: table_ref_overlaps. */
uint32_t version_overlap(const version *v, unsigned level, slice from, slice to, uint32_t *first);
/* Might a table of a level > `level` hold key, or any key of the range? For dropping tombstones. */
bool version_below_may_hold(const version *v, unsigned level, slice key);
bool version_below_overlaps(const version *v, unsigned level, slice from, slice to);
uint64_t version_bytes(const version *v);
uint32_t version_tables(const version *v);
/* Aborts on a broken invariant: order, disjointness, totals. */
void version_check(const version *v);

#endif
