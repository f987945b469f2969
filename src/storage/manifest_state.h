/* manifest_state: what a manifest says, and the edits that change it. No files here.
 *
 * An edit is a run of operations; one RECORD_MANIFEST record holds one edit (a rewritten manifest's
 * first edit may take several, joined by RECORD_CONTINUES). An operation is a u8 tag, a varint
 * length and that many bytes:
 *
 *   CREATE   u8 engine name length, name, u64 store id, u64 k0, u64 k1, u8 cluster; the first, once
 *   PENDING  varint file                     the name is taken, the contents are not data
 *   APPEND   varint file                     pending -> live, last in the order, not sealed
 *   SEAL     varint file, varint length      it is durable and complete so far
 *   REPLACE  varint first, varint last, varint n, n x (varint file, varint length)
 *                                            the live run first .. last becomes pending; the n
 *                                            pending files take its place in the order, sealed
 *   RETIRE   varint file                     live -> pending: to be unlinked
 *   GONE     varint file                     pending -> forgotten: unlinked, and that is durable
 *   RESERVE  u8 which, varint next           ids below next may be in use
 *   MAP      u64 position, varint n, n x (varint db, varint pdb)   the mapping as of that position
 *   FILE     varint file, varint length, u8 merged   a live file as it is (rewritten manifests)
 *   DURABLE  u64 position                    all of the log before it was durable: goes with edits
 *                                            that let old files go because of what the log says
 * since TABLE    a table's fields, below         a pending file becomes a table DROP     varint
 * file                     a table becomes a pending file LEVEL    varint file, u8 level a table
 * changes its level FLUSHED  u64 position, varint n, n x (varint pdb, varint keys, varint expires)
 *                                            the tables have all of the log before the position,
 * and these are the counts as of it: they replace the former
 *
 * A file goes: PENDING, created and fsynced, APPEND or REPLACE, ..., RETIRE or REPLACE, unlinked,
 * GONE. So at a start each pending file is to be unlinked, and a file with a final name that is
 * neither pending nor live is a refusal. */
#ifndef STAVE_STORAGE_MANIFEST_STATE_H
#define STAVE_STORAGE_MANIFEST_STATE_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "storage/manifest_tables.h"
#include "storage/record.h"

#define MANIFEST_FILES_MAX  (1u << 20) /* log files, pending files and tables */
#define MANIFEST_ENGINE_MAX 15

/* On disk: never renumber. */
enum manifest_op {
    MANIFEST_CREATE = 1,
    MANIFEST_PENDING = 2,
    MANIFEST_APPEND = 3,
    MANIFEST_SEAL = 4,
    MANIFEST_REPLACE = 5,
    MANIFEST_RETIRE = 6,
    MANIFEST_GONE = 7,
    MANIFEST_RESERVE = 8,
    MANIFEST_MAP = 9,
    MANIFEST_FILE = 10,
    MANIFEST_DURABLE = 11,
    MANIFEST_TABLE_ADD = 12,
    MANIFEST_TABLE_DROP = 13,
    MANIFEST_TABLE_LEVEL = 14,
    MANIFEST_FLUSHED = 15,
};
/* On disk: never renumber. */
enum manifest_ids { MANIFEST_IDS_FILE, MANIFEST_IDS_PDB, MANIFEST_IDS_COLL, MANIFEST_IDS = 4 };

typedef struct manifest_file {
    uint32_t number;
    uint32_t length; /* sealed length; 0: not sealed */
    bool merged;     /* came by REPLACE */
} manifest_file;

typedef struct manifest_map {
    uint32_t db, pdb;
} manifest_map;

/* Keys and entries with an expire time of a physical db. */
typedef struct manifest_count {
    uint32_t pdb;
    uint64_t keys, expires;
} manifest_count;

typedef struct manifest_state {
    char engine[MANIFEST_ENGINE_MAX + 1]; /* "" before CREATE */
    uint64_t store_id;
    hash_key key;
    bool cluster;
    manifest_file *files; /* live, in log order, oldest first */
    size_t nfiles;
    uint32_t *pending; /* ascending */
    size_t npending;
    uint64_t ids[MANIFEST_IDS]; /* by manifest_ids: ids below may be in use; files begin at 1 */
    manifest_map *map;          /* by db ascending */
    size_t nmap;
    log_pos map_at;   /* the log position the mapping is as of */
    log_pos durable;  /* all of the log before it was durable: as much of a proof as a mark is */
    uint32_t highest; /* no live file has a greater number: for a quick no */
    manifest_tables tables;
    log_pos flushed;        /* 0: nothing */
    manifest_count *counts; /* as of `flushed`; by pdb ascending */
    size_t ncounts;
} manifest_state;

void manifest_state_free(manifest_state *s);
void manifest_state_copy(manifest_state *to, const manifest_state *from);
bool manifest_state_eq(const manifest_state *a, const manifest_state *b);
/* All of the log before it was durable when the manifest was written: the latest of `durable`,
 * `map_at` and `flushed`. */
log_pos manifest_state_durable(const manifest_state *s);
/* Index into files, or -1. Tables are not among them: manifest_tables_find. */
ptrdiff_t manifest_state_find(const manifest_state *s, uint32_t number);
bool manifest_state_is_pending(const manifest_state *s, uint32_t number);

/* An edit being put together: operations, applied in order. Zero-initialised is empty. */
typedef struct manifest_edit {
    buf ops;
} manifest_edit;

void edit_create(manifest_edit *e, const char *engine, uint64_t store_id, hash_key key,
                 bool cluster);
void edit_pending(manifest_edit *e, uint32_t file);
void edit_append(manifest_edit *e, uint32_t file);
void edit_seal(manifest_edit *e, uint32_t file, uint32_t length);
/* first .. last: a contiguous run of live, sealed files (by number, in log order); n may be 0. */
void edit_replace(manifest_edit *e, uint32_t first, uint32_t last, const manifest_file *outputs,
                  size_t n);
void edit_retire(manifest_edit *e, uint32_t file);
void edit_gone(manifest_edit *e, uint32_t file);
void edit_reserve(manifest_edit *e, enum manifest_ids which, uint64_t next);
void edit_map(manifest_edit *e, log_pos at, const manifest_map *map, size_t n);
void edit_durable(manifest_edit *e, log_pos at);
/* t->number is pending. */
void edit_table_add(manifest_edit *e, const manifest_table *t);
void edit_table_drop(manifest_edit *e, uint32_t file);
void edit_table_level(manifest_edit *e, uint32_t file, unsigned level);
/* counts by pdb ascending; pdbs that are not there have no keys. */
void edit_flushed(manifest_edit *e, log_pos at, const manifest_count *counts, size_t n);
void edit_free(manifest_edit *e);

/* Applies operations; ST_CORRUPT at the first that is malformed or impossible, with s in between.
 */
status manifest_state_apply(manifest_state *s, slice ops);
/* Appends the operations that make this state from nothing. */
void manifest_state_encode(const manifest_state *s, buf *out);
/* Cuts the operations that fit in `max` bytes, one at least, off the front of *ops. */
slice manifest_ops_piece(slice *ops, size_t max);
/* Appends each operation in words, one a line; what is malformed is said to be. */
void manifest_ops_print(slice ops, buf *out);

#endif
