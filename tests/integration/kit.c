/* kit: processes, connections and replies of tests that drive the real server.
 *
 * Failing ends the test through cmocka, so callers need no checks; what the server logged is shown
 * when it ended by itself, as then the log says why. */
#include "integration/kit.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS 30000 /* a server that is not there after this will not come */
#define STOP_MS  60000
#define ASK_S    60 /* a reply that takes longer fails the test */

kit_server kit_the_server;

void kit_sleep_ms(int ms) {
    poll(NULL, 0, ms);
}

/* ---- the process -------------------------------------------------------------------------------
 */

const char *kit_engine(void) {
    const char *name = getenv("STAVE_ENGINE");
    return name ? name : "bitcask";
}

bool kit_lsm(void) {
    return strcmp(kit_engine(), "lsm") == 0;
}

/* Takes the name that says to tests that run beside this one that the port is taken, until this
 * process ends (support/servers.py does the same); false if somebody has it. */
static bool take_name(unsigned port) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "stave-test-port-%u", port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    if (bind(fd, (struct sockaddr *)&a, len) == 0) return true;
    close(fd);
    return false;
}

/* A port that nobody listens on just now, below those that connections take for their own end. */
static int free_port(void) {
    for (;;) {
        uint16_t r;
        rand_bytes(&r, sizeof r);
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(10000 + r % 22000)};
        if (!take_name(ntohs(a.sin_port))) continue;
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        int failed = bind(fd, (struct sockaddr *)&a, sizeof a);
        close(fd);
        if (!failed) return ntohs(a.sin_port);
    }
}

/* Prints the end of the server's log. */
static void show_log(const kit_server *s) {
    FILE *f = fopen(tempdir_file(&s->dir, "server.log"), "re");
    if (!f) return;
    if (fseek(f, -3000, SEEK_END) != 0) rewind(f);
    char line[512];
    fprintf(stderr, "---- the server's log ends so:\n");
    while (fgets(line, sizeof line, f))
        fputs(line, stderr);
    fprintf(stderr, "----\n");
    fclose(f);
}

/* What happens in the child: output to the log, the death of the test kills it. */
static void become_server(const kit_server *s) {
    const char *program = getenv("STAVE_SERVER");
    char port[16], data[TEMPDIR_MAX + 16];
    const char *argv[KIT_OPTIONS_MAX + 24];
    size_t n = 0;
    snprintf(port, sizeof port, "%d", s->port);
    snprintf(data, sizeof data, "%s", tempdir_file(&s->dir, "data"));
    argv[n++] = program ? program : "src/stave-server";
    const char *own[] = {
        "--port", port,       "--bind",    "127.0.0.1", "--dir", data, "--enable-debug-command",
        "yes",    "--engine", kit_engine()};
    /* Most of the data shall be in tables. */
    const char *const small[] = {"--memtable-size", "256kb",          "--table-size",
                                 "256kb",           "--segment-size", "4mb"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        argv[n++] = own[i];
    for (size_t i = 0; kit_lsm() && i < sizeof small / sizeof *small; i++)
        argv[n++] = small[i];
    for (size_t i = 0; s->options[i]; i++)
        argv[n++] = s->options[i];
    argv[n] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int log = open(tempdir_file(&s->dir, "server.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* True if it answers PING. */
static bool answers(const kit_server *s) {
    redisContext *c = redisConnectWithTimeout("127.0.0.1", s->port, (struct timeval){1, 0});
    redisReply *r = c && !c->err ? redisCommand(c, "PING") : NULL;
    bool yes = r && r->type == REDIS_REPLY_STATUS;
    if (r) freeReplyObject(r);
    if (c) redisFree(c);
    return yes;
}

/* Starts the process and waits until it answers. */
static void launch(kit_server *s) {
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) become_server(s);
    for (int waited = 0; !answers(s); waited += 10) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid || waited > START_MS) {
            show_log(s);
            fail_msg("the server did not start");
        }
        kit_sleep_ms(10);
    }
}

/* Sends a signal and waits for the end; the exit status as waitpid gives it. */
static int end(kit_server *s, int signo) {
    int status = 0;
    kill(s->pid, signo);
    for (int waited = 0; waitpid(s->pid, &status, WNOHANG) != s->pid; waited += 10) {
        if (waited > STOP_MS) {
            show_log(s);
            kill(s->pid, SIGKILL);
            waitpid(s->pid, &status, 0);
            fail_msg("the server did not end");
        }
        kit_sleep_ms(10);
    }
    return status;
}

void kit_start(kit_server *s, const char *const *options) {
    *s = (kit_server){.port = free_port()};
    for (size_t i = 0; options && options[i] && i < KIT_OPTIONS_MAX - 1; i++)
        s->options[i] = options[i];
    tempdir_make(&s->dir);
    assert_int_equal(mkdir(tempdir_file(&s->dir, "data"), 0700), 0);
    launch(s);
}

void kit_restart(kit_server *s, bool kill) {
    int status = end(s, kill ? SIGKILL : SIGTERM);
    if (!kill && status) show_log(s);
    assert_true(kill || status == 0);
    launch(s);
}

void kit_stop(kit_server *s) {
    int status = end(s, SIGTERM);
    if (status) show_log(s);
    tempdir_remove(&s->dir);
    assert_int_equal(status, 0);
}

int kit_group_start(void **state) {
    (void)state;
    kit_start(&kit_the_server, NULL);
    return 0;
}

int kit_group_stop(void **state) {
    (void)state;
    kit_stop(&kit_the_server);
    return 0;
}

int kit_before_each(void **state) {
    (void)state;
    redisContext *c = kit_connect(&kit_the_server);
    EXPECT(c, "OK", "FLUSHALL");
    EXPECT(c, "OK", "CONFIG RESETSTAT");
    redisFree(c);
    return 0;
}

/* ---- replies -----------------------------------------------------------------------------------
 */

redisContext *kit_connect(const kit_server *s) {
    redisContext *c = redisConnectWithTimeout("127.0.0.1", s->port, (struct timeval){ASK_S, 0});
    assert_non_null(c);
    if (c->err) fail_msg("cannot connect: %s", c->errstr);
    assert_int_equal(redisSetTimeout(c, (struct timeval){ASK_S, 0}), REDIS_OK);
    return c;
}

/* Appends the bytes, those that are not printable as \xNN. */
static void show_bytes(buf *out, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)p[i];
        if (byte >= ' ' && byte < 127)
            buf_append_char(out, (char)byte);
        else
            buf_printf(out, "\\x%02x", byte);
    }
}

/* Appends a reply, with those inside it. */
static void show_reply(buf *out, const redisReply *r) {
    switch (r->type) {
    case REDIS_REPLY_INTEGER: buf_printf(out, ":%lld", r->integer); break;
    case REDIS_REPLY_NIL: buf_printf(out, "nil"); break;
    case REDIS_REPLY_STATUS: show_bytes(out, r->str, (size_t)r->len); break;
    case REDIS_REPLY_ERROR:
        buf_append_char(out, '-');
        show_bytes(out, r->str, (size_t)r->len);
        break;
    case REDIS_REPLY_ARRAY:
        buf_append_char(out, '[');
        for (size_t i = 0; i < r->elements; i++) {
            if (i) buf_append_char(out, ' ');
            show_reply(out, r->element[i]);
        }
        buf_append_char(out, ']');
        break;
    default:
        buf_append_char(out, '"');
        show_bytes(out, r->str, (size_t)r->len);
        buf_append_char(out, '"');
    }
}

const char *kit_show(const redisReply *r) {
    static buf texts[4];
    static unsigned turn;
    buf *b = &texts[turn++ % 4];
    buf_clear(b);
    show_reply(b, r);
    buf_append_char(b, '\0');
    return b->data;
}

/* The expected text, or, before "...", its beginning. */
static bool matches(const char *got, const char *want) {
    size_t n = strlen(want);
    if (n >= 3 && strcmp(want + n - 3, "...") == 0) return strncmp(got, want, n - 3) == 0;
    return strcmp(got, want) == 0;
}

/* Compares a reply, which it frees; says where, what and why when it differs. */
static void compare(const char *file, int line, const redisContext *c, redisReply *r,
                    const char *what, const char *want) {
    if (!r) {
        print_error("%s: no reply: %s\n", what, c->errstr);
        _fail(file, line);
    }
    const char *got = kit_show(r);
    bool same = matches(got, want);
    freeReplyObject(r);
    if (same) return;
    print_error("%s\n     got: %.2000s\n  wanted: %.2000s\n", what, got, want);
    _fail(file, line);
}

void kit_expect(const char *file, int line, redisContext *c, const char *want, const char *fmt,
                ...) {
    va_list args;
    va_start(args, fmt);
    redisReply *r = redisvCommand(c, fmt, args);
    va_end(args);
    compare(file, line, c, r, fmt, want);
}

void kit_rows(redisContext *c, const kit_row *rows) {
    for (const kit_row *row = rows; row->command; row++)
        compare(__FILE__, __LINE__, c, redisCommand(c, row->command), row->command, row->want);
}

redisReply *kit_call(redisContext *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    redisReply *r = redisvCommand(c, fmt, args);
    va_end(args);
    if (!r) fail_msg("%s: no reply: %s", fmt, c->errstr);
    return r;
}

long long kit_int(redisContext *c, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    redisReply *r = redisvCommand(c, fmt, args);
    va_end(args);
    if (!r || r->type != REDIS_REPLY_INTEGER) {
        fail_msg("%s: %s", fmt, r ? kit_show(r) : c->errstr);
        return 0;
    }
    long long v = r->integer;
    freeReplyObject(r);
    return v;
}

redisReply *kit_next(redisContext *c) {
    void *r = NULL;
    if (redisGetReply(c, &r) != REDIS_OK) fail_msg("no reply: %s", c->errstr);
    return r;
}

/* ---- what the server says of itself ------------------------------------------------------------
 */

const char *kit_info_text(redisContext *c, const char *field) {
    static char value[512];
    redisReply *r = kit_call(c, "INFO everything");
    size_t n = strlen(field);
    const char *found = NULL;
    for (const char *p = r->str; p && !found; p = strchr(p, '\n')) {
        while (*p == '\n')
            p++;
        if (strncmp(p, field, n) == 0 && p[n] == ':') found = p + n + 1;
    }
    if (found) snprintf(value, sizeof value, "%.*s", (int)strcspn(found, "\r\n"), found);
    freeReplyObject(r);
    return found ? value : NULL;
}

long long kit_info(redisContext *c, const char *field) {
    const char *text = kit_info_text(c, field);
    if (!text) fail_msg("INFO has no field %s", field);
    return strtoll(text, NULL, 10);
}

void kit_wait_info(redisContext *c, const char *field, long long want) {
    long long found = 0;
    for (int waited = 0; waited < START_MS; waited += 20) {
        found = kit_info(c, field);
        if (found == want) return;
        kit_sleep_ms(20);
    }
    fail_msg("%s stays %lld, wanted %lld", field, found, want);
}

const char *kit_config(redisContext *c, const char *name) {
    static char value[512];
    redisReply *r = kit_call(c, "CONFIG GET %s", name);
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2)
        fail_msg("CONFIG GET %s: %s", name, kit_show(r));
    snprintf(value, sizeof value, "%s", r->element[1]->str);
    freeReplyObject(r);
    return value;
}
