/* What the server does by the clock: expiry and the engine's own cron, sampling of memory, the
 * session's limits and rates.
 *
 * The timer runs `hz` times a second. Background slices (applying a merge, freeing, expiry) also
 * run at the end of every turn, for about a millisecond, as long as there is something to do. */
#include "server/server.h"

#include "base/log.h"
#include "base/mem_later.h"
#include "base/slow.h"

#define IDLE_US 1000 /* background work in a turn without commands */
#define BUSY_US 200  /* in one with: every client waits for it */

/* When all of the log is durable, what LASTSAVE tells is now. */
static void note_saved(server *s) {
    if (engine_durable(s->engine) >= engine_log_end(s->engine)) s->last_save_ms = s->clock.wall_ms;
}

static int64_t tick(void *ctx) {
    server *s = ctx;
    mem_sample();
    session_cron(s->session);
    if (!s->loading && !s->cron_paused) {
        ks_cron(s->ks);
        engine_cron(s->engine);
        note_saved(s);
    }
    return 1000 / settings.hz;
}

/* At the end of each turn: a slice of whatever is waiting. What it logged, and what it told
 * subscribers, leaves with the end of a turn: there is one at once. */
static void background(void *ctx) {
    server *s = ctx;
    static uint64_t commands_before;
    if (s->loading || s->cron_paused) return;
    uint64_t commands = session_statistics(s->session)->commands;
    uint64_t budget = commands == commands_before ? IDLE_US : BUSY_US;
    commands_before = commands;
    uint64_t begun = slow_begin();
    log_pos logged = engine_log_end(s->engine);
    bool more = ks_expire_cycle(s->ks, budget);
    slow_end("expire-cycle", begun);
    more |= engine_background(s->engine, budget);
    more |= mem_later_some(budget);
    if (more || engine_log_end(s->engine) != logged) reactor_wake(s->reactor);
}

status cron_start(server *s) {
    if (!reactor_timer_add(s->reactor, 1000 / settings.hz, tick, s)) {
        return status_make(ST_FAILED, "Can't create the server's timer");
    }
    reactor_after(s->reactor, background, s);
    return STATUS_OK;
}
