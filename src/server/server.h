/* server: what one running server consists of, and the modules that make it up.
 *
 * Nobody below this folder sees the struct. A module of this folder keeps the pointer that its
 * start function is given, and nothing else is global. */
#ifndef STAVE_SERVER_SERVER_H
#define STAVE_SERVER_SERVER_H

#include "engine/engine.h"
#include "io/reactor.h"
#include "session/session.h"

#define RUN_ID_LEN 40

typedef struct server {
    stave_clock clock;
    rng rng;
    io_env env;
    reactor *reactor;
    const engine_class *klass;
    engine *engine;
    keyspace *ks;
    session *session;
    char run_id[RUN_ID_LEN + 1], replication_id[RUN_ID_LEN + 1];
    int64_t started_ms;   /* wall clock */
    uint64_t recovery_us; /* the last opening of the engine */
    int64_t last_save_ms; /* when all of the log was last known to be durable */
    bool loading;
    int loading_gate;                            /* its number: armed while loading */
    uint64_t loading_done, loading_total;        /* bytes */
    int64_t loading_started_ms, loading_said_ms; /* the latter: in the log */
    bool serve_loading; /* answer clients while loading: at start, not in a reload */
    bool cron_paused;   /* DEBUG PAUSE-CRON */
    bool log_is_file;   /* not standard output */
    bool stop_force;    /* the next end of the reactor ends the server whatever the disk says */
    int config_argc;    /* for INFO's executable and restarts */
    char **config_argv;
} server;

/* What a module of the server or of a feature brings; see modules.c for the list. */
typedef struct module {
    const char *name;
    const setting *settings;
    const command *commands;
    /* Called when session and keyspace exist, before the first client. May be NULL. */
    status (*start)(server *s);
    /* INFO sections, asked for once after start; may be NULL. */
    const metric_section *(*metrics)(server *s);
    /* Called whenever the engine has been opened, before commands on data run. May be NULL. */
    status (*opened)(server *s);
} module;

extern const module *const modules[]; /* ended by NULL */

/* Process-wide settings of the server itself. */
typedef struct server_settings {
    int64_t port, tls_port, tcp_backlog, unixsocketperm, databases, hz, shutdown_timeout;
    int io_method; /* aio_method */
    char *bind, *unixsocket, *pidfile, *logfile, *dir, *syslog_ident, *engine, *proc_title;
    int loglevel, daemonize, syslog_enabled, syslog_facility, supervised, set_proc_title;
    int enable_debug_command;
} server_settings;
extern server_settings settings;
extern const setting server_setting_table[];
/* The name of the syslog-facility setting, as log_set_syslog takes it. */
const char *settings_facility_name(void);
/* Settings of redis.conf that are taken and shown, and have nothing to do here. */
extern const setting accepted_setting_table[];

enum debug_command { DEBUG_COMMAND_NO, DEBUG_COMMAND_YES, DEBUG_COMMAND_LOCAL };

/* Gives each the settings of every engine there is, so that one file serves whichever runs. */
void server_engine_settings(void (*each)(const setting *table));
/* Opens the engine in the settings' directory, with progress in the log and INFO. */
status server_open_engine(server *s);
/* DEBUG RELOAD: closes and opens it again. On failure the server can only end. */
status server_reload_engine(server *s);
/* A gate: -LOADING while the engine recovers. ctx: the server. */
gate_result server_pass_loading(client *c, void *ctx);
/* How far it is; the seconds that are left, -1 before anybody can tell. */
double server_loading_percent(const server *s);
int64_t server_loading_eta(const server *s);
/* Everything durable, sockets closed, files left as the next start wants them. False, and the
 * server goes on, if that fails and force is not set. */
bool server_shutdown(server *s, bool force);

/* listen.c: the sockets of bind, port, tls-port and unixsocket. */
status listen_start(server *s);
status listen_apply_bind(const setting *st);
status listen_apply_port(const setting *st);
status listen_apply_tls_port(void);
void listen_stop(server *s);
int listen_port(void); /* that is in use; 0: none */
int listen_tls_port(void);
void listen_show(buf *out); /* INFO's lines */
void listen_announce(void); /* in the log */
void listen_close_in_child(void);

/* tls.c: certificates and what goes with them. */
extern const setting tls_setting_table[];
status tls_settings_start(void);

/* cron.c: the timers. */
status cron_start(server *s);

/* process.c: daemonize, pid file, supervisor, title, limits. */
status process_daemonize(void);
status process_daemon_ready(void);
status process_write_pidfile(void);
void process_remove_pidfile(void);
void process_notify_supervisor(const char *state);
void process_set_title(server *s);

#endif
