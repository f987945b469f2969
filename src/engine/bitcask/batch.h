/* batch: what has to be known to undo, or to finish, the changes since begin. */
#ifndef STAVE_ENGINE_BITCASK_BATCH_H
#define STAVE_ENGINE_BITCASK_BATCH_H

#include "engine/bitcask/pdb.h"

enum undo_kind {
    UNDO_ENTRY,    /* a main entry put (now != NONE) or deleted */
    UNDO_ELEMENT,  /* an element put (now_size) or deleted */
    UNDO_COLL_NEW, /* a collection made */
    UNDO_MAP,      /* a logical db now has another pdb */
};

typedef struct undo {
    uint8_t kind;
    bool had;         /* UNDO_ELEMENT: there was an old cell */
    bool has;         /* UNDO_ELEMENT: there is a new one */
    uint32_t size;    /* of the record written; 0: none, a derived element */
    uint32_t offset;  /* of it; its segment is the active one */
    uint32_t logical; /* UNDO_MAP */
    pdb *db;          /* UNDO_MAP: the one mapped before */
    union {
        struct {
            arena_ref old, now;
        } entry;
        struct {
            coll *c;
            size_t at;        /* in batch.bytes: key, then the old cell */
            uint32_t key_len; /* map number and subkey */
            uint32_t old_len;
        } element;
        coll *c;  /* UNDO_COLL_NEW */
        pdb *now; /* UNDO_MAP */
    };
} undo;

typedef struct batch {
    bool orders; /* holds a FLUSH or SWAP */
    undo *undo;
    uint32_t n, cap;
    buf bytes;
    uint32_t order_size; /* bytes of its FLUSH and SWAP records */
    log_pos order_at;    /* the last of them */
    uint64_t cached;     /* bytes that it brought to the value cache */
} batch;

#endif
