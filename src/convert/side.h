/* side: one of the two engines of a conversion, with all that it stands on. */
#ifndef STAVE_CONVERT_SIDE_H
#define STAVE_CONVERT_SIDE_H

#include "convert/convert.h"

typedef struct side {
    const convert_engine *engine;
    stave_clock clock;
    rng rng;
    io_env env;
    engine *e;        /* NULL: not open */
    uint64_t cron_at; /* when its cron is due */
} side;

/* Makes the environment. alone: only this process has v, so no children are forked: their jobs run
 * here. */
status side_init(side *s, const convert_engine *which, vfs *v, bool alone);
/* hash: of a store that is made. */
status side_open(side *s, const char *dir, uint32_t databases, bool cluster, const hash_key *hash);
/* A clean end. Children and workers are kept for another opening. */
void side_close(side *s);
/* Ends it all; an engine that is open is dropped as a crash would. Also if it was never made. */
void side_free(side *s);

/* What the reactor does for an engine at the end of a turn. Not ok: its log has failed. */
status side_work(side *s);
/* A read of the engine is on its way: gives it a little time. */
void side_wait(side *s);
/* Sleeps at most a millisecond. */
void side_nap(uint64_t us);

#endif
