/* pdb: a physical database: what a logical one is mapped to until it is flushed.
 *
 * It owns its keydir, its index of expire times, its collections, and its share of every segment's
 * bytes; flushing unhooks it whole, and the background frees it in slices. The keydir is made at
 * the first key. */
#ifndef STAVE_ENGINE_BITCASK_PDB_H
#define STAVE_ENGINE_BITCASK_PDB_H

#include "base/btree.h"
#include "base/dict.h"
#include "engine/bitcask/keydir.h"
#include "engine/bitcask/segments.h"
#include "engine/model.h"

/* Expire times are ordered by (time, token). */
#define DUE_KEY 15

typedef struct coll {
    uint64_t id;
    struct pdb *db;
    uint32_t owners; /* main entries that own it: 1, or for a moment 0 or 2 */
    uint8_t type;    /* of its owner, the latest */
    bool cold;       /* an element of map 0 was loaded whose value is in the log alone */
    bool unmade;     /* its derived map is not, or not all, made: it was not opened (derive.c) */
    btree *tree;     /* map number || subkey -> cell (coll.c) */
    uint64_t counts[ENGINE_MAPS];
    struct coll *next; /* in the list of dropped ones */
    bool walking;      /* dropped: its bytes are being given back, up to `walk` */
    bool walked;       /* dropped: they all are */
    btree_iter walk;
} coll;

typedef struct pdb {
    uint32_t number;
    keydir *keys;     /* NULL: never had one */
    btree *due;       /* DUE_KEY bytes -> nothing; NULL: never had one */
    dict *colls;      /* id (8 bytes) -> coll; NULL: never had one */
    seg_share *share; /* by slot */
    uint32_t shares;
    bool mapped, dropped;
    size_t walk;      /* dropped: where in colls the freeing is */
    coll *freeing;    /* dropped: of colls, this is being freed */
    struct pdb *next; /* in the list of dropped ones */
} pdb;

pdb *pdb_new(bitcask *e, uint32_t number);
/* NULL if there is none of that number. */
pdb *pdb_find(bitcask *e, uint32_t number);
keydir *pdb_keys(bitcask *e, pdb *d);
/* It is dead: its bytes are, and the rest is freed by pdb_free_some. */
void pdb_drop(bitcask *e, pdb *d);
/* A slice of freeing what was dropped; true if there is more. */
bool pdb_free_some(bitcask *e);
/* Frees it whole, at once. */
void pdb_free(pdb *d);

/* ---- which is which (dbs.c) ---------------------------------------------------------------------
 */

struct undo;
struct batch;
/* The system's database. REQUIRES: there is none yet. */
void dbs_make_system(bitcask *e);
/* Makes the mapping that large; new ones have no pdb yet. */
void dbs_grow(bitcask *e, uint32_t ndbs);
void dbs_undo(bitcask *e, const struct undo *u);
/* After a batch, committed or undone: what no logical database has any more is dropped. */
void dbs_settle(bitcask *e, const struct batch *b);
/* Adds the mapping, as of `at`, to the manifest's edit. */
void dbs_edit_map(bitcask *e, log_pos at);
/* Has the manifest learn the mapping if it changed and that is durable. */
void dbs_checkpoint(bitcask *e);

/* ---- expire.c: the index of expire times -------------------------------------------------------
 */

void due_add(pdb *d, uint64_t token, int64_t when);
/* The entry with that time is out of the keydir, or has another time. */
void due_del(bitcask *e, pdb *d, uint64_t token, int64_t when);

#endif
