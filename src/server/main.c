/* Where the program begins: options, the process, sockets, the engine, the reactor, the end.
 *
 * The order is such that what can fail for a reason the user can mend fails first and alone:
 * options, then the port, then the directory. Nothing is written before the port is ours. */
#include "server/server.h"

#include "base/log.h"
#include "base/version.h"
#include "engine/closed.h"
#include "io/signals.h"
#include "observe/observe.h"
#include "server/config.h"
#include "server/options.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* In static memory, as there is one server a process, and a crash report finds it there. */
static server the_server;

/* Says why there will be no server, on standard error (and in the log, if that is a file), and
 * takes back what the start has made: the socket's file and the pid file. */
static int fail(server *s, status st) {
    fflush(stdout);
    fprintf(stderr, "%s\n", st.msg);
    if (s->log_is_file) log_warning("%s", st.msg);
    listen_stop(s);
    process_remove_pidfile();
    return 1;
}

/* io_env.random_bytes: in tests it is the seed's, here the kernel's. */
static void kernel_random(void *p, size_t n, void *ctx) {
    (void)ctx;
    rand_bytes(p, n);
}

/* Workers have ended something: what follows from it is done on this thread. */
static void poll_aio(void *ctx, int fd, unsigned events) {
    (void)fd;
    (void)events;
    aio *a = ctx;
    a->ops->poll(a);
}

/* A child has told how far it is, or has ended. */
static void poll_children(void *ctx, int fd, unsigned events) {
    (void)fd;
    (void)events;
    child_host *h = ctx;
    h->ops->poll(h);
}

/* In a child nothing of the network may stay open: a dead parent's port must be free. */
static void close_in_child(void *ctx) {
    server *s = ctx;
    session_close_in_child(s->session);
    listen_close_in_child();
    reactor_close_in_child(s->reactor);
}

/* TERM and INT: an orderly end; a second one does not wait for a disk that fails. */
static void on_signal(void *ctx, int signo) {
    static int signals;
    server *s = ctx;
    log_warning("Received %s, scheduling shutdown...", signo == SIGINT ? "SIGINT" : "SIGTERM");
    if (signals++ > 0) s->stop_force = true;
    reactor_stop(s->reactor);
}

/* Clock, reactor, helpers beside the thread: what the engine and the session stand on. */
static status make_environment(server *s) {
    s->engine = engine_closed();
    clock_refresh(&s->clock);
    s->started_ms = s->last_save_ms = s->clock.wall_ms;
    uint64_t seed;
    rand_bytes(&seed, sizeof seed);
    rng_seed(&s->rng, seed);
    rand_hex(s->run_id, RUN_ID_LEN);
    rand_hex(s->replication_id, RUN_ID_LEN);
    TRY(reactor_new(&s->clock, &s->reactor));
    TRY(signals_start(s->reactor, on_signal, s));
    aio *a = NULL;
    child_host *children = NULL;
    TRY(aio_new((aio_method)settings.io_method, &a));
    child_fork_hooks hooks = {.after_fork_child = close_in_child, .ctx = s};
    TRY(child_fork_new(&hooks, &children));
    TRY(reactor_add(s->reactor, aio_fd(a), REACTOR_READ, poll_aio, a));
    TRY(reactor_add(s->reactor, child_fork_fd(children), REACTOR_READ, poll_children, children));
    s->env = (io_env){.fs = vfs_posix(),
                      .aio = a,
                      .children = children,
                      .clock = &s->clock,
                      .rng = &s->rng,
                      .random_bytes = kernel_random};
    return STATUS_OK;
}

/* Keyspace and session, then every module on top of them. */
static status make_server(server *s) {
    TRY(ks_new(s->engine, &s->clock, &s->rng, (int)settings.databases, &s->ks));
    TRY(session_new(s->reactor, s->ks, &s->session));
    s->loading_gate =
        session_gate_add(s->session, &(gate){"loading", GATE_RANK_LOADING, server_pass_loading});
    for (const module *const *m = modules; *m; m++) {
        if ((*m)->commands) commands_register((*m)->commands);
        if ((*m)->start) TRY((*m)->start(s));
    }
    return cron_start(s);
}

/* What an operator wants to see first. */
static void banner(const server *s) {
    log_notice("Stave %s (as Redis %s), %d bit, pid %d", STAVE_VERSION, STAVE_REDIS_VERSION,
               (int)sizeof(long) * 8, (int)getpid());
    if (config_path()[0]) {
        log_notice("Configuration loaded from %s", config_path());
    } else {
        log_notice("No config file given: using the default settings");
    }
    engine_db_stats total = {0};
    for (uint32_t db = 0; db < (uint32_t)settings.databases; db++) {
        engine_db_stats st;
        engine_db_stats_of(s->engine, db, &st);
        total.keys += st.keys;
    }
    char *dir = realpath(settings.dir, NULL);
    log_notice("Engine %s in %s: %llu keys recovered in %.3f seconds", s->klass->name,
               dir ? dir : settings.dir, (unsigned long long)total.keys,
               (double)s->recovery_us / 1e6);
    free(dir); /* realpath's own malloc */
    log_notice("Files are read and synced beside the thread by %s", s->env.aio->method);
    listen_announce();
}

/* All settings' tables, the server's own first. */
static void register_settings(void) {
    config_register(server_setting_table);
    config_register(tls_setting_table);
    server_engine_settings(config_register);
    for (const module *const *m = modules; *m; m++) {
        if ((*m)->settings) config_register((*m)->settings);
    }
    config_register(accepted_setting_table);
}

/* From settings to a server that accepts commands. */
static status start(server *s) {
    log_set_level((log_level)settings.loglevel);
    if (settings.logfile && settings.logfile[0]) {
        TRY(log_set_file(settings.logfile));
        s->log_is_file = true;
    }
    if (settings.daemonize) TRY(process_daemonize());
    if (settings.syslog_enabled) {
        log_set_syslog(1, settings.syslog_ident, settings_facility_name());
    }
    signals_crash_report();
    TRY(make_environment(s));
    TRY(make_server(s));
    s->serve_loading = true;
    TRY(tls_settings_start());
    TRY(listen_start(s));
    TRY(process_write_pidfile());
    TRY(server_open_engine(s));
    s->serve_loading = false;
    process_set_title(s);
    banner(s);
    TRY(process_daemon_ready());
    process_notify_supervisor("READY=1\nSTATUS=Ready to accept connections\n");
    return STATUS_OK;
}

/* Reading the options registers every setting first, so that a name that is unknown is an error
 * before anything was touched. A shutdown that is refused, as data is only in memory, goes on
 * serving: hence the loop. */
int main(int argc, char **argv) {
    server *s = &the_server;
    s->config_argc = argc;
    s->config_argv = argv;
    tzset();
    register_settings();
    status why;
    switch (options_parse(argc, argv, &why)) {
    case OPTIONS_DONE: return 0;
    case OPTIONS_BAD: return fail(s, why);
    case OPTIONS_RUN: break;
    }
    status st = start(s);
    if (!status_ok(st)) return fail(s, st);
    do {
        reactor_run(s->reactor);
        process_notify_supervisor("STOPPING=1\n");
    } while (!server_shutdown(s, s->stop_force));
    return 0;
}
