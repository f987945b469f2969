/* engine_mem_state: what engine_mem holds, and the journal that undoes changes to it.
 *
 * Private to engine_mem. Every change of the state goes through a mem_set_* or mem_drop_* function
 * here, which puts what was there before into the journal; so an abort, or a rollback over
 * committed batches, is the journal read backwards. What the journal holds is freed when it is
 * forgotten. */
#ifndef STAVE_TESTS_SUPPORT_ENGINE_MEM_STATE_H
#define STAVE_TESTS_SUPPORT_ENGINE_MEM_STATE_H

#include "engine/model.h"
#include "support/omap.h"

typedef struct mem_entry {
    uint8_t type, hint;
    uint32_t access;
    int64_t expire;
    uint64_t coll;
    log_pos pos;
    buf value;
} mem_entry;

typedef struct mem_elem {
    int64_t expire;
    log_pos pos;
    buf value;
} mem_elem;

typedef struct mem_coll {
    uint64_t id;
    bool owned;                    /* an entry was put with it */
    uint64_t version[ENGINE_MAPS]; /* goes up with every change of that map */
    omap *maps[ENGINE_MAPS];       /* subkey -> mem_elem; NULL while never used */
} mem_coll;

/* One physical database. */
typedef struct mem_db {
    omap *keys;    /* be64 token || key -> mem_entry */
    omap *expires; /* be64 time || be64 token || key -> the same mem_entry */
    omap *colls;   /* be64 id -> mem_coll */
} mem_db;

typedef struct mem_undo {
    enum { UNDO_ENTRY, UNDO_ELEM, UNDO_FLUSH, UNDO_SWAP, UNDO_COLL_NEW, UNDO_COLL_DROP } kind;
    mem_db *db; /* UNDO_FLUSH: the one that was there */
    mem_coll *coll;
    unsigned map;
    uint32_t a, b; /* logical databases */
    buf key;       /* as in the omap that changed */
    void *old;     /* mem_entry or mem_elem; NULL if there was none */
} mem_undo;

typedef struct mem_state {
    mem_db **dbs; /* the system's comes behind the logical ones */
    int databases;
    mem_undo *journal;
    size_t undos, cap;
} mem_state;

void mem_state_init(mem_state *s, int databases);
void mem_state_free(mem_state *s);

mem_entry *mem_entry_new(const entry *from);
mem_coll *mem_coll_find(const mem_db *db, uint64_t id);
/* NULL if the map was never used. */
omap *mem_coll_map(const mem_coll *c, unsigned map);

/* e NULL deletes; else it becomes the state's. Returns what was there, which the journal owns. */
mem_entry *mem_set_entry(mem_state *s, mem_db *db, slice tkey, mem_entry *e);
mem_elem *mem_set_elem(mem_state *s, mem_coll *c, unsigned map, slice sub, mem_elem *e);
mem_coll *mem_new_coll(mem_state *s, mem_db *db, uint64_t id);
void mem_drop_coll(mem_state *s, mem_db *db, uint64_t id);
void mem_flush_db(mem_state *s, uint32_t logical);
void mem_swap_dbs(mem_state *s, uint32_t a, uint32_t b);

/* Undoes all changes after the first `undos` ones. */
void mem_undo_to(mem_state *s, size_t undos);
/* Forgets the first `undos` changes: they are there to stay. */
void mem_forget(mem_state *s, size_t undos);

/* Compares what is kept twice: expiry index and entries, entries and collections. Appends what is
 * wrong to report; returns the number of faults. */
size_t mem_state_check(const mem_state *s, buf *report);

#endif
