/* pace: how long a write has to wait while flushes or compactions lag behind. Arithmetic alone:
 * what it is told, and a clock. */
#ifndef STAVE_ENGINE_LSM_PACE_H
#define STAVE_ENGINE_LSM_PACE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum pace_reason {
    PACE_NONE,
    PACE_MEMTABLES, /* frozen memtables wait for their flush */
    PACE_LEVEL0,    /* level 0 has many tables */
    PACE_PENDING,   /* compactions have much to do */
    PACE_REASONS,
} pace_reason;
const char *pace_reason_name(pace_reason r);

/* How things stand. */
typedef struct pace_load {
    double memtables; /* frozen, and the active one's part that is full */
    double level0;    /* tables */
    double pending;   /* bytes */
} pace_load;

/* Where waiting begins and where writes stop. */
typedef struct pace_limits {
    pace_load soft, hard;
} pace_limits;

typedef struct pace {
    pace_reason reason; /* the worst of them; NONE: no waiting */
    double pressure;    /* 0 at a soft limit, 1 at the hard one */
    uint64_t rate;      /* bytes a second that may be put; 0: no limit */
    double flush_rate;  /* bytes of memtable a second, measured */
    double drain_rate;  /* the same of level 0 */
    uint64_t free_us;   /* when what was let in so far will have been worked off */
    uint64_t until_us;  /* the last wait's end */
    uint64_t stalls, stall_us, stopped_us;
} pace;

#define PACE_WAIT_MAX 2000000 /* us: no single wait is longer */

void pace_init(pace *p);
/* A flush, or a compaction of level 0, has taken that long for so many bytes. */
void pace_flushed(pace *p, uint64_t bytes, uint64_t us);
void pace_drained(pace *p, uint64_t bytes, uint64_t us);
/* How things stand now. */
void pace_update(pace *p, const pace_load *now, const pace_limits *l);
/* A write of so many bytes comes: microseconds that it is to wait. */
uint64_t pace_ask(pace *p, uint64_t now_us, uint64_t bytes);

#endif
