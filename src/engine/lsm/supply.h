/* supply: what tables' blocks that no cache has come from: the engine's fetcher (engine/fetch.h),
 * which begins a read beside the thread for whoever can wait for it. */
#ifndef STAVE_ENGINE_LSM_SUPPLY_H
#define STAVE_ENGINE_LSM_SUPPLY_H

#include "engine/fetch.h"
#include "storage/table.h"

typedef struct supply {
    table_source base;
    fetcher *fetch;
    const engine *engine; /* whose reader reads */
    bool ending;          /* no worker is asked for anything any more */
} supply;

struct lsm;
/* The source of e's tables, for a new engine; at its end, before tables are closed; and when none
 * is open. */
void supply_new(struct lsm *e);
void supply_end(struct lsm *e);
void supply_free(struct lsm *e);
/* engine_reader_end. */
void lsm_reader_end(engine *base, engine_reader *r);

#endif
