/* What the server does by the clock: expiry and the engine's own cron, sampling of rates and of
 * memory, the session's limits.
 *
 * The timer runs `hz` times a second. Background slices (applying a merge, freeing, expiry) also
 * run at the end of every turn, for about a millisecond, as long as there is something to do. */
#include "server/server.h"

#include "base/log.h"
#include "base/mem.h"
#include "observe/observe.h"

#define SLICE_US     1000 /* background work a turn */
#define RATE_SAMPLES 16
#define RATE_MS      100

static struct {
    server *server;
    uint64_t ops[RATE_SAMPLES], in[RATE_SAMPLES], out[RATE_SAMPLES]; /* per second */
    uint64_t last_ops, last_in, last_out, last_us;
    int at;
} cron;

static uint64_t mean(const uint64_t *v) {
    uint64_t sum = 0;
    for (int i = 0; i < RATE_SAMPLES; i++)
        sum += v[i];
    return sum / RATE_SAMPLES;
}

cron_rates cron_measured(void) {
    return (cron_rates){mean(cron.ops), mean(cron.in) / 1024, mean(cron.out) / 1024};
}

/* Notes how much happened since the last sample, as a rate per second. */
static void sample_rates(void) {
    const session_stats *st = session_statistics(cron.server->session);
    uint64_t now = cron.server->clock.mono_us, us = now - cron.last_us;
    if (us < RATE_MS * 1000) return;
    cron.ops[cron.at] = (st->commands - cron.last_ops) * 1000000 / us;
    cron.in[cron.at] = (st->net_in_bytes - cron.last_in) * 1000000 / us;
    cron.out[cron.at] = (st->net_out_bytes - cron.last_out) * 1000000 / us;
    cron.at = (cron.at + 1) % RATE_SAMPLES;
    cron.last_ops = st->commands;
    cron.last_in = st->net_in_bytes;
    cron.last_out = st->net_out_bytes;
    cron.last_us = now;
}

/* When all of the log is durable, what LASTSAVE tells is now. */
static void note_saved(server *s) {
    if (engine_durable(s->engine) >= engine_log_end(s->engine)) s->last_save_ms = s->clock.wall_ms;
}

static int64_t tick(void *ctx) {
    server *s = ctx;
    mem_sample();
    sample_rates();
    session_cron(s->session);
    if (!s->loading && !s->cron_paused) {
        engine_cron(s->engine);
        note_saved(s);
    }
    return 1000 / settings.hz;
}

/* At the end of each turn: a slice of whatever is waiting. */
static void background(void *ctx) {
    server *s = ctx;
    if (s->loading || s->cron_paused) return;
    uint64_t t0 = clock_mono_us();
    bool more = ks_expire_cycle(s->ks, SLICE_US);
    uint64_t t1 = clock_mono_us();
    latency_event(NULL, "expire-cycle", t1 - t0);
    more |= engine_background(s->engine, SLICE_US);
    if (more) reactor_wake(s->reactor);
}

status cron_start(server *s) {
    cron.server = s;
    cron.last_us = clock_mono_us();
    if (!reactor_timer_add(s->reactor, 1000 / settings.hz, tick, s)) {
        return status_make(ST_FAILED, "Can't create the server's timer");
    }
    reactor_after(s->reactor, background, s);
    return STATUS_OK;
}
