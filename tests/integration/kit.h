/* kit: a server of a test's own, driven through hiredis, and replies as text to compare with.
 *
 * The server is $STAVE_SERVER, or src/stave-server, on a free loopback port, with the engine
 * $STAVE_ENGINE and a temporary directory that is removed when it is stopped; it ends with the
 * test, however the test ends.
 *
 * A reply is written so:   OK   :3   "text"   nil   [:1 "a" nil]   -ERR what
 * Bytes of a text that are not printable come as \x07; an expected reply that ends with "..." has
 * to be the beginning of what came. */
#ifndef STAVE_TESTS_INTEGRATION_KIT_H
#define STAVE_TESTS_INTEGRATION_KIT_H

#include "support/unit.h"

#include <hiredis.h>
#include <stdbool.h>
#include <sys/types.h>

#include "support/tempdir.h"

#define KIT_OPTIONS_MAX 32

typedef struct kit_server {
    pid_t pid;
    int port;
    tempdir dir;                          /* DIR/data is the server's, DIR/server.log its output */
    const char *options[KIT_OPTIONS_MAX]; /* "--name", "value", ... as given to kit_start */
} kit_server;

/* The engine that is tested: "bitcask" or "lsm". */
const char *kit_engine(void);
bool kit_lsm(void);
/* Starts it with the options (ended by NULL) and waits until it answers. DEBUG is allowed. */
void kit_start(kit_server *s, const char *const *options);
/* Ends it by SIGTERM, which must succeed, or by SIGKILL; and starts it again, on the same port,
 * with the same data. */
void kit_restart(kit_server *s, bool kill);
/* Ends it by SIGTERM, fails if it does not end with 0, and removes its directory. */
void kit_stop(kit_server *s);

/* A connection; ends the test if there is none. Freed by redisFree. */
redisContext *kit_connect(const kit_server *s);
/* A reply as text, in one of a few buffers used in turn. */
const char *kit_show(const redisReply *r);

/* Sends one command, in redisCommand's format (%b is a pointer and a size_t), and compares the
 * reply. */
#define EXPECT(c, want, ...) kit_expect(__FILE__, __LINE__, c, want, __VA_ARGS__)
void kit_expect(const char *file, int line, redisContext *c, const char *want, const char *fmt,
                ...);

/* A command and its reply. Its words are separated by spaces; there is no quoting. */
typedef struct kit_row {
    const char *command, *want;
} kit_row;
/* Runs rows up to one without a command, in order, and compares each reply. */
void kit_rows(redisContext *c, const kit_row *rows);

/* The reply to a command; ends the test if the connection broke. Freed by freeReplyObject. */
redisReply *kit_call(redisContext *c, const char *fmt, ...);
/* The integer that a command answers. */
long long kit_int(redisContext *c, const char *fmt, ...);
/* The next reply of a pipeline; ends the test if the connection broke. */
redisReply *kit_next(redisContext *c);

/* A field of INFO as a number; ends the test if there is no such field. */
long long kit_info(redisContext *c, const char *field);
/* A field of INFO as text, in one buffer; NULL if there is none. */
const char *kit_info_text(redisContext *c, const char *field);
/* Looks at a field of INFO until it is `want`; ends the test if it is not within half a minute. */
void kit_wait_info(redisContext *c, const char *field, long long want);
/* What CONFIG GET says of one setting, in one buffer. */
const char *kit_config(redisContext *c, const char *name);
void kit_sleep_ms(int ms);

/* What main returns: runs the tests with one server for all, kit_the_server, and FLUSHALL and
 * `RESET` before each; argv[1] is a pattern of tests to run. */
#define KIT_TEST(f) cmocka_unit_test_setup(f, kit_before_each)
#define KIT_MAIN(tests)                                                                            \
    int main(int argc, char **argv) {                                                              \
        if (argc > 1) cmocka_set_test_filter(argv[1]);                                             \
        return cmocka_run_group_tests(tests, kit_group_start, kit_group_stop);                     \
    }
extern kit_server kit_the_server;
int kit_group_start(void **state);
int kit_group_stop(void **state);
int kit_before_each(void **state);

#endif
