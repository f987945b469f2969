/* The server's own settings: where it listens, where its data and its log are, how it runs.
 *
 * Names, choices and defaults are those of redis.conf wherever there is such a setting, so that a
 * file written for Redis does what its author meant. `engine` and `io-method` are ours. Settings
 * marked SETTING_FIXED are read once, at the start: CONFIG SET refuses them, and CONFIG REWRITE
 * keeps them. What every module has of its own is in that module's table (config.c puts all of them
 * together). */
#include "server/server.h"

#include "base/log.h"

#include <syslog.h>

/* Read by this folder alone: what lies below is given what it needs as arguments. */
server_settings settings;

/* "nothing" is later than Redis 7.0 and harmless to know. */
static const setting_choice loglevels[] = {
    {"debug", LOG_LEVEL_DEBUG},     {"verbose", LOG_LEVEL_VERBOSE}, {"notice", LOG_LEVEL_NOTICE},
    {"warning", LOG_LEVEL_WARNING}, {"nothing", LOG_LEVEL_NOTHING}, {NULL, 0},
};
/* The facilities that syslog.h has for everybody's use; Redis knows the same. */
static const setting_choice facilities[] = {
    {"user", LOG_USER},     {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7}, {NULL, 0},
};
/* As openlog wants it said in the log's first line: by name. The table ends with NULL, but the
 * value came out of it. */
const char *settings_facility_name(void) {
    const setting_choice *c = facilities;
    while (c->value != settings.syslog_facility)
        c++;
    return c->name;
}

/* auto and systemd tell systemd when the server is ready; upstart is taken and has no effect, as it
 * wants a process that stops itself. */
static const setting_choice supervised_modes[] = {
    {"no", 0}, {"auto", 1}, {"systemd", 2}, {"upstart", 3}, {NULL, 0},
};
/* A server lets nobody use DEBUG unless it is told to, as Redis does since 7.0. */
static const setting_choice debug_choices[] = {
    {"no", DEBUG_COMMAND_NO},
    {"yes", DEBUG_COMMAND_YES},
    {"local", DEBUG_COMMAND_LOCAL},
    {NULL, 0},
};

/* How files are read and synced beside the thread: see io/aio.h. */
static const setting_choice io_methods[] = {
    {"auto", AIO_AUTO}, {"io_uring", AIO_URING}, {"threads", AIO_THREADS}, {NULL, 0}};

/* The level may be changed while the server runs, to look at something that happens just now. */
static status apply_loglevel(const setting *s) {
    (void)s;
    log_set_level((log_level)settings.loglevel);
    return STATUS_OK;
}

/* In the order of redis.conf. Of `bind` and `port` CONFIG SET opens the new sockets before it says
 * OK; `hz` is taken up by cron at its next turn. */
const setting server_setting_table[] = {
    {"bind", NULL, SETTING_STRING, SETTING_MULTI_ARG, &settings.bind, "* -::*",
     .apply = listen_apply_bind},
    {"port", NULL, SETTING_INT, 0, &settings.port, "6379", 0, 65535, .apply = listen_apply_port},
    {"tcp-backlog", NULL, SETTING_INT, SETTING_FIXED, &settings.tcp_backlog, "511", 0, INT32_MAX},
    {"unixsocket", NULL, SETTING_STRING, SETTING_FIXED, &settings.unixsocket, ""},
    {"unixsocketperm", NULL, SETTING_OCTAL, SETTING_FIXED, &settings.unixsocketperm, "0", 0, 0777},
    {"daemonize", NULL, SETTING_BOOL, SETTING_FIXED, &settings.daemonize, "no"},
    {"supervised", NULL, SETTING_ENUM, SETTING_FIXED, &settings.supervised, "no",
     .choices = supervised_modes},
    {"pidfile", NULL, SETTING_STRING, SETTING_FIXED, &settings.pidfile, ""},
    {"loglevel", NULL, SETTING_ENUM, 0, &settings.loglevel, "notice", .choices = loglevels,
     .apply = apply_loglevel},
    {"logfile", NULL, SETTING_STRING, SETTING_FIXED, &settings.logfile, ""},
    {"syslog-enabled", NULL, SETTING_BOOL, SETTING_FIXED, &settings.syslog_enabled, "no"},
    {"syslog-ident", NULL, SETTING_STRING, SETTING_FIXED, &settings.syslog_ident, "stave"},
    {"syslog-facility", NULL, SETTING_ENUM, SETTING_FIXED, &settings.syslog_facility, "local0",
     .choices = facilities},
    {"dir", NULL, SETTING_STRING, SETTING_FIXED, &settings.dir, "./data"},
    {"engine", NULL, SETTING_STRING, SETTING_FIXED, &settings.engine, "bitcask"},
    {"io-method", NULL, SETTING_ENUM, SETTING_FIXED, &settings.io_method, "auto",
     .choices = io_methods},
    {"databases", NULL, SETTING_INT, SETTING_FIXED, &settings.databases, "16", 1, ENGINE_DBS_MAX},
    {"hz", NULL, SETTING_INT, 0, &settings.hz, "10", 1, 500},
    {"shutdown-timeout", NULL, SETTING_INT, 0, &settings.shutdown_timeout, "10", 0, INT32_MAX},
    {"set-proc-title", NULL, SETTING_BOOL, SETTING_FIXED, &settings.set_proc_title, "yes"},
    {"proc-title-template", NULL, SETTING_STRING, SETTING_FIXED, &settings.proc_title,
     "{title} {listen-addr} {server-mode}"},
    {"enable-debug-command", NULL, SETTING_ENUM, SETTING_FIXED, &settings.enable_debug_command,
     "no", .choices = debug_choices},
    {0},
};
