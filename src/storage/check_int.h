/* check_int: what the parts of check share, and nobody else. */
#ifndef STAVE_STORAGE_CHECK_INT_H
#define STAVE_STORAGE_CHECK_INT_H

#include "storage/check.h"
#include "storage/logscan.h"

/* A record that names a key, for comparing a segment with its hint. */
typedef struct check_item {
    uint64_t key;     /* hash of kind of entry, pdb, collection, map and key */
    uint64_t content; /* hash of the rest that a hint repeats, but for the value */
    uint64_t value;   /* hash of the value as stored */
    uint64_t coll;    /* of MAP_PUT, MAP_DEL and DROP */
    uint32_t offset;
    uint8_t kind;
} check_item;

typedef struct checker {
    vfs *v;
    const char *dir;
    const lines *say;
    check_result *res;
    size_t file;       /* the segment being read */
    log_pos mark;      /* the newest mark read */
    unsigned said;     /* problems said about this segment */
    bool collect;      /* it has a hint: keep items */
    check_item *items; /* of this segment */
    size_t nitems, room;
    buf scratch;
} checker;

/* Counts a problem and says it; of one file only the first few are said. */
void check_problem(checker *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* All live segments, in log order. */
status check_segments(checker *c);
/* All tables. */
status check_tables(checker *c);
/* Keeps what a hint must repeat of a record. */
void check_collect(checker *c, const record *r, uint32_t offset);
/* The hint of the segment whose items were collected. */
status check_hint(checker *c, const manifest_file *f);

#endif
