/* batch: what has to be known to undo the changes since begin. */
#ifndef STAVE_ENGINE_LSM_BATCH_H
#define STAVE_ENGINE_LSM_BATCH_H

#include "engine/model.h"

enum undo_kind {
    UNDO_CELL,   /* a key of the memtable: what it had before, or nothing */
    UNDO_COUNTS, /* a database's totals and due index */
    UNDO_MAP,    /* a logical db now has another pdb */
};

struct lpdb;
typedef struct undo {
    uint8_t kind;
    bool had;         /* UNDO_CELL: there was a pair before */
    uint32_t key_len; /* UNDO_CELL: in batch.bytes at `at`: key, then what was before */
    uint32_t old_len;
    log_pos pos; /* UNDO_CELL: of the old pair */
    size_t at;
    uint32_t logical; /* UNDO_MAP */
    struct lpdb *db;  /* UNDO_COUNTS: whose; UNDO_MAP: the one mapped before */
    uint64_t keys, expires;
    int64_t due_from, due_next;
    bool due_known;
} undo;

typedef struct batch {
    bool open;
    bool orders; /* holds a FLUSH or SWAP */
    undo *undo;
    uint32_t n, cap;
    buf bytes;
} batch;

#endif
