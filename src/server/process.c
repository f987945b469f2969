/* The process: detaching, its pid file, telling a supervisor, its title.
 *
 * daemonize forks before anything else is made (no threads, no sockets, no engine), so that no
 * state has to be carried over; who started the daemon waits until it serves. */
#include "server/server.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int starter = -1; /* a pipe to the process that waits for the daemon; -1: none */

/* Puts /dev/null in the place of descriptors [from, to]. */
static status to_null(int from, int to) {
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return status_errno(errno, "Can't open /dev/null");
    for (int i = from; i <= to; i++)
        dup2(fd, i);
    if (fd > STDERR_FILENO) close(fd);
    return STATUS_OK;
}

/* Goes on in a child of its own session. The parent stays until the child is ready or has ended,
 * and its status tells which; until then the child keeps standard error to say why it can't start.
 */
status process_daemonize(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return status_errno(errno, "Can't daemonize");
    pid_t pid = fork();
    if (pid < 0) return status_errno(errno, "Can't daemonize");
    if (pid > 0) {
        char byte;
        ssize_t n;
        close(ends[1]);
        do
            n = read(ends[0], &byte, 1);
        while (n < 0 && errno == EINTR);
        _exit(n == 1 ? 0 : 1);
    }
    close(ends[0]);
    starter = ends[1];
    setsid();
    return to_null(STDIN_FILENO, STDOUT_FILENO);
}

/* Lets the parent of a daemon go. */
status process_daemon_ready(void) {
    if (starter < 0) return STATUS_OK;
    TRY(to_null(STDERR_FILENO, STDERR_FILENO));
    if (write(starter, "", 1) < 0) log_verbose("Nobody waits for this daemon");
    close(starter);
    starter = -1;
    return STATUS_OK;
}

/* Where the pid goes: the setting, or Redis' default place for a daemon; "" for none. */
static const char *pidfile_path(void) {
    if (settings.pidfile && settings.pidfile[0]) return settings.pidfile;
    return settings.daemonize ? "/var/run/stave.pid" : "";
}

/* Whether the file is ours: another server's is not ours to remove. */
static bool pidfile_written;

/* Written when the port is ours, so that a second server does not overwrite the first one's. */
status process_write_pidfile(void) {
    const char *path = pidfile_path();
    if (!path[0]) return STATUS_OK;
    FILE *f = fopen(path, "we");
    if (!f) return status_errno(errno, "Can't write the pid file '%s'", path);
    pidfile_written = true;
    fprintf(f, "%d\n", (int)getpid());
    return fclose(f) == 0 ? STATUS_OK : status_errno(errno, "Can't write the pid file '%s'", path);
}

/* At an orderly end, and when the start failed. */
void process_remove_pidfile(void) {
    const char *path = pidfile_path();
    if (pidfile_written) unlink(path);
    pidfile_written = false;
}

/* Sends one datagram to systemd's socket, as sd_notify(3) describes; nothing without one. */
void process_notify_supervisor(const char *state) {
    if (settings.supervised != 1 && settings.supervised != 2) return;
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@')) return;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof to.sun_path) return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@') to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0) {
        log_warning("Can't tell the supervisor '%s': %s", state, strerror(errno));
    }
    close(fd);
}

/* Appends the value of one {name} of proc-title-template; false if there is no such name. */
static bool title_variable(slice name, buf *out) {
    if (slice_ieq(name, "title")) {
        buf_printf(out, "stave-server");
    } else if (slice_ieq(name, "listen-addr")) {
        slice bind = slice_cstr(settings.bind ? settings.bind : "*");
        const char *space = memchr(bind.data, ' ', bind.len);
        if (space) bind.len = (size_t)(space - bind.data);
        buf_printf(out, "%.*s:%d", (int)bind.len, bind.data,
                   listen_port() ? listen_port() : listen_tls_port());
    } else if (slice_ieq(name, "port")) {
        buf_printf(out, "%d", listen_port());
    } else if (slice_ieq(name, "unixsocket")) {
        buf_printf(out, "%s", settings.unixsocket ? settings.unixsocket : "");
    } else if (slice_ieq(name, "tls-port")) {
        buf_printf(out, "%d", listen_tls_port());
    } else if (slice_ieq(name, "config-file") || slice_ieq(name, "server-mode")) {
        return true; /* empty: a stand-alone server */
    } else {
        return false;
    }
    return true;
}

/* Writes the title over the argument strings, which lie one after another in memory. */
void process_set_title(server *s) {
    static char *start;
    static size_t room;
    if (!settings.set_proc_title || s->config_argc < 1) return;
    if (!start) { /* measured once, before anything is overwritten */
        char *last = s->config_argv[s->config_argc - 1];
        start = s->config_argv[0];
        room = (size_t)(last + strlen(last) - start);
    }
    buf title = {0};
    for (const char *p = settings.proc_title; p && *p; p++) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        if (end && title_variable(slice_of(p + 1, (size_t)(end - p - 1)), &title)) {
            p = end;
        } else {
            buf_append_char(&title, *p);
        }
    }
    while (title.len && title.data[title.len - 1] == ' ')
        title.len--;
    size_t n = title.len < room ? title.len : room;
    memset(start, 0, room);
    memcpy(start, title.data, n);
    buf_free(&title);
    prctl(PR_SET_NAME, "stave-server");
}
