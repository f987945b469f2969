/* walk: everything that a database of an engine holds, one thing after another. */
#ifndef STAVE_CONVERT_WALK_H
#define STAVE_CONVERT_WALK_H

#include "engine/engine.h"

/* Who is told. Slices live until the next call of any of them. Whatever is not ok ends the walk and
 * is what it returns. */
typedef struct walker {
    /* An entry with its value, or with a collection (ent->coll): then its elements follow. */
    status (*key)(void *ctx, uint32_t db, slice key, const entry *ent);
    /* Maps in order of number, subkeys in order. */
    status (*element)(void *ctx, unsigned map, slice sub, slice value, int64_t expire);
    /* A read is on its way: gives the engine the time to get it. */
    void (*wait)(void *ctx);
    void *ctx;
} walker;

/* Visits all entries of db in token order. ST_CORRUPT: there are not as many entries or elements as
 * the engine says that there are. Nothing changes e meanwhile. */
status walk_db(engine *e, uint32_t db, const walker *w);

#endif
