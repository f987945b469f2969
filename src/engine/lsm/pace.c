/* pace: one pressure out of three measures, one rate out of the pressure, one wait out of the rate.
 *
 *   pressure   (now - soft) / (hard - soft) of the worst measure, 0 .. 1
 *   rate       what is worked off in a second, times (1 - pressure) / pressure:
 *
 *       rate │.                     no limit at the soft limit, so no step there;
 *            │ .                    exactly what is worked off half way, so that is where a load
 *      work ─┼──.──                 that is too high comes to rest;
 *            │     .                next to nothing at the hard limit
 *            └──────── . pressure
 *           soft      hard
 *
 *   wait       as of a clock that runs ahead by bytes / rate for each write let in (a token bucket)
 *
 * The measures move by whole tables and memtables; the active memtable counts by how full it is, so
 * that the first does not jump. */
#include "engine/lsm/pace.h"
#include "base/log.h"
#include "engine/lsm/jobs.h"
#include "engine/lsm/ops.h"

#define RATE_FIRST 32e6  /* bytes a second, before anything was measured */
#define RATE_LEAST 65536 /* so that a wait comes to an end */
/* So far the clock may run ahead before anybody waits: who does waits as long at least, which a
 * timer can measure. */
#define BURST_US 2000

/* For INFO. */
const char *pace_reason_name(pace_reason r) {
    static const char *const names[] = {"none", "memtables", "level0", "pending-compaction"};
    CHECK(r < PACE_REASONS);
    return names[r];
}

/* No load, and a guess of what the machine can do. */
void pace_init(pace *p) {
    *p = (pace){.flush_rate = RATE_FIRST, .drain_rate = RATE_FIRST};
    CHECK(p->reason == PACE_NONE);
}

/* A moving average in which each new measure counts a quarter. */
static void measure(double *rate, uint64_t bytes, uint64_t us) {
    CHECK(*rate > 0);
    if (bytes < 65536) return; /* the fork and the fsyncs are what was measured */
    double now = (double)bytes * 1e6 / (double)(us ? us : 1);
    *rate += (now - *rate) / 4;
    CHECK(*rate > 0);
}

/* Of memtables. */
void pace_flushed(pace *p, uint64_t bytes, uint64_t us) {
    measure(&p->flush_rate, bytes, us);
}

/* Of level 0. */
void pace_drained(pace *p, uint64_t bytes, uint64_t us) {
    measure(&p->drain_rate, bytes, us);
}

/* 0 below the soft limit, 1 from the hard one on. */
static double part(double now, double soft, double hard) {
    CHECK(hard > soft);
    double x = (now - soft) / (hard - soft);
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* The worst measure decides, with the work that would bring it down. */
void pace_update(pace *p, const pace_load *now, const pace_limits *l) {
    double of[PACE_REASONS] = {
        [PACE_MEMTABLES] = part(now->memtables, l->soft.memtables, l->hard.memtables),
        [PACE_LEVEL0] = part(now->level0, l->soft.level0, l->hard.level0),
        [PACE_PENDING] = part(now->pending, l->soft.pending, l->hard.pending),
    };
    p->reason = PACE_NONE;
    p->pressure = 0;
    for (unsigned r = PACE_MEMTABLES; r < PACE_REASONS; r++) {
        if (of[r] <= p->pressure) continue;
        p->reason = (pace_reason)r;
        p->pressure = of[r];
    }
    if (p->reason == PACE_NONE) {
        p->rate = 0;
        return;
    }
    CHECK(p->pressure > 0 && p->pressure <= 1);
    double work = p->reason == PACE_MEMTABLES ? p->flush_rate : p->drain_rate;
    double rate = work * (1 - p->pressure) / p->pressure;
    p->rate = rate < RATE_LEAST ? RATE_LEAST : rate > 1e12 ? (uint64_t)1e12 : (uint64_t)rate;
    CHECK(p->rate > 0);
}

/* Time in which somebody waits, counted once however many do. */
static void count(pace *p, uint64_t now_us, uint64_t wait) {
    CHECK(wait > 0);
    if (now_us > p->until_us) {
        p->until_us = now_us;
        p->stalls++;
    }
    if (now_us + wait <= p->until_us) return;
    p->stall_us += now_us + wait - p->until_us;
    if (p->pressure >= 1) p->stopped_us += now_us + wait - p->until_us;
    p->until_us = now_us + wait;
}

/* What is let in now is worked off `bytes / rate` later. */
uint64_t pace_ask(pace *p, uint64_t now_us, uint64_t bytes) {
    if (p->rate == 0) {
        p->free_us = 0;
        return 0;
    }
    CHECK(p->reason != PACE_NONE);
    if (p->free_us < now_us) p->free_us = now_us;
    /* no more is remembered than anybody can be made to wait for */
    if (p->free_us > now_us + PACE_WAIT_MAX) p->free_us = now_us + PACE_WAIT_MAX;
    p->free_us += (uint64_t)((double)bytes * 1e6 / (double)p->rate);
    uint64_t ahead = p->free_us - now_us;
    if (ahead <= BURST_US) return 0;
    uint64_t wait = ahead < PACE_WAIT_MAX ? ahead : PACE_WAIT_MAX;
    count(p, now_us, wait);
    return wait;
}

/* ---- the engine's part --------------------------------------------------------------------------
 */

#define MEMTABLES_SOFT 1.5
#define MEMTABLES_HARD 4.0
#define LEVEL0_SOFT    3 /* times level0-files */
#define LEVEL0_HARD    9
#define PENDING_SOFT   256 /* memtables */
#define PENDING_HARD   1024

/* Ten times a second, and when a memtable is frozen: what the engine's state means. */
void pace_cron(lsm *e) {
    pick_conf c = compact_conf(e);
    double size = (double)lsm_memtable_size(e), files = (double)c.level0_files;
    double full = (double)memtable_bytes(e->active) / size;
    pace_load now = {.memtables = (double)e->nfrozen + (full < 1 ? full : 1),
                     .level0 = (double)e->current->level[0].n,
                     .pending = (double)pick_pending(e->current, &c)};
    pace_limits l = {.soft = {MEMTABLES_SOFT, LEVEL0_SOFT * files, PENDING_SOFT * size},
                     .hard = {e->budget ? BUDGET_MEMTABLES : MEMTABLES_HARD, LEVEL0_HARD * files,
                              PENDING_HARD * size}};
    CHECK(size > 0 && files > 0);
    pace_update(&e->jobs->pace, &now, &l);
}

/* engine_pace: how full the active memtable is counts as of this write, the rest as of the last
 * cron. */
uint64_t lsm_pace(engine *base, size_t bytes) {
    lsm *e = lsm_of(base);
    CHECK(e->jobs != NULL);
    if (e->nfrozen > 0 || e->jobs->pace.rate > 0) pace_cron(e);
    return pace_ask(&e->jobs->pace, e->env->clock->mono_us, bytes);
}
