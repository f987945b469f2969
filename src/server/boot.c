/* Opening and closing the engine, with progress for whoever waits.
 *
 * While the engine recovers, the reactor is turned a little every few MiB, so that clients get
 * -LOADING instead of silence, and INFO says how far it is. */
#include "server/server.h"

#include "base/log.h"
#include "base/slow.h"
#include "engine/closed.h"
#include "engine/lsm/lsm.h"
#include "keyspace/keyenc.h"
#include "session/reply.h"

#include <limits.h>
#include <stdlib.h>

/* The engines there are, by name. */
static const engine_class *const engines[] = {&bitcask_class, &lsm_class, NULL};

/* One file of settings serves whichever engine runs. */
void server_engine_settings(void (*each)(const setting *table)) {
    each(log_setting_table);
    for (const engine_class *const *k = engines; *k; k++)
        each((*k)->settings);
}

/* The class of the `engine` setting. */
static status find_engine(const engine_class **out) {
    buf names = {0};
    for (const engine_class *const *k = engines; *k; k++) {
        if (slice_ieq(slice_cstr((*k)->name), settings.engine)) {
            *out = *k;
            buf_free(&names);
            return STATUS_OK;
        }
        buf_printf(&names, "%s'%s'", names.len ? ", " : "", (*k)->name);
    }
    status st = status_make(ST_INVALID, "Unknown engine '%s': this build has %.*s", settings.engine,
                            (int)names.len, names.data);
    buf_free(&names);
    return st;
}

double server_loading_percent(const server *s) {
    return s->loading_total ? 100.0 * (double)s->loading_done / (double)s->loading_total : 0;
}

/* The time that is left is that which was needed so far, in proportion. */
int64_t server_loading_eta(const server *s) {
    double share = server_loading_percent(s) / 100;
    double elapsed = (double)(s->clock.wall_ms - s->loading_started_ms) / 1000;
    return share > 0 ? (int64_t)(elapsed * (1 - share) / share) : -1;
}

/* Says how far recovery is: in the log once a second, in INFO always; and answers clients. */
static void on_loading(void *ctx, uint64_t done, uint64_t total) {
    server *s = ctx;
    s->loading_done = done;
    s->loading_total = total;
    clock_refresh(&s->clock);
    if (s->clock.wall_ms - s->loading_said_ms >= 1000) {
        s->loading_said_ms = s->clock.wall_ms;
        log_notice("Loading: %.1f%% of %.1f MB, about %lld seconds more", server_loading_percent(s),
                   (double)total / 1048576, (long long)server_loading_eta(s));
    }
    if (!s->serve_loading) return;
    reactor_wake(s->reactor); /* a look at clients, not a wait for them */
    reactor_turn(s->reactor);
}

/* The engine's calls, of which the first is made in the middle of a turn: so both only wake the
 * reactor, which looks at clients in its own order. Held replies may go: in this turn. */
static void on_released(void *ctx) {
    server *s = ctx;
    reactor_wake(s->reactor);
}
/* A block that somebody waits for is there: parked commands run again. */
static void on_ready(void *ctx) {
    server *s = ctx;
    session_resume(s->session);
    reactor_wake(s->reactor);
}

/* The loading gate lets through what is marked CMD_LOADING. */
gate_result server_pass_loading(client *c, void *ctx) {
    (void)ctx;
    if (c->row->flags & CMD_LOADING) return GATE_PASS;
    reply_error(c, "LOADING Redis is loading the dataset in memory");
    return GATE_REFUSE;
}

/* The flag is INFO's; the gate is armed only then, so it costs nothing later. */
static void set_loading(server *s, bool on) {
    s->loading = on;
    session_gate_arm(s->session, s->loading_gate, on);
}

/* Opens the engine named in the settings in their directory. Until it is open, what INFO and others
 * ask of the engine is asked of the closed one. */
status server_open_engine(server *s) {
    TRY(find_engine(&s->klass));
    engine_options opt = {
        .dir = settings.dir,
        .env = &s->env,
        .host = {.ready = on_ready, .released = on_released, .loading = on_loading, .ctx = s},
        .databases = (int)settings.databases,
        .derive = &keyenc_derived,
    };
    set_loading(s, true);
    clock_refresh(&s->clock);
    s->loading_started_ms = s->loading_said_ms = s->clock.wall_ms;
    s->loading_done = s->loading_total = 0;
    uint64_t t0 = clock_mono_us();
    engine *opened = NULL;
    s->engine = engine_closed();
    status st = s->klass->open(&opt, &opened);
    s->recovery_us = clock_mono_us() - t0;
    slow_took("recovery", s->recovery_us);
    if (status_ok(st)) s->engine = opened;
    ks_set_engine(s->ks, s->engine);
    for (const module *const *m = modules; *m && status_ok(st); m++)
        if ((*m)->opened) st = (*m)->opened(s);
    set_loading(s, false);
    return st;
}

/* The keyspace is left without an engine while it is closed: only what is marked CMD_LOADING runs.
 */
status server_reload_engine(server *s) {
    TRY(engine_sync(s->engine));
    ks_set_engine(s->ks, engine_closed());
    engine_close(s->engine);
    return server_open_engine(s);
}

/* One line a reason, so that an operator sees from the log alone how a server ended. */
bool server_shutdown(server *s, bool force) {
    status st = engine_sync(s->engine);
    if (!status_ok(st)) {
        log_warning("Making everything durable failed: %s", st.msg);
        if (!force) {
            log_warning(
                "Not shutting down: there is data that only memory has. SHUTDOWN FORCE (or a "
                "second signal) ends the server and loses it.");
            return false;
        }
    }
    listen_stop(s);
    session_free(s->session);
    ks_free(s->ks);
    s->env.children->ops->close(s->env.children);
    engine_close(s->engine);
    s->env.aio->ops->close(s->env.aio);
    process_remove_pidfile();
    log_warning("Stave is now ready to exit, bye bye...");
    return true;
}
