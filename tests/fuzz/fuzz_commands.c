/* fuzz_commands: streams of commands, a line each, on every type. They run twice: on an engine that
 * has everything at hand, and on one whose reads are often pending, so that commands start again
 * from any place. Both must answer alike, and leave what they count in order.
 *
 * A line goes to the client whose number it begins with, or else to the first; if that one waits
 * for keys, to the next that does not; when all wait, time passes. Who was closed comes anew. What
 * is drawn at random is drawn again when a command runs again, and what tells of clients tells of
 * addresses and times: such a stream's replies are not compared. The numbers that would only make
 * long replies are left out, and scripts that could go on for ever (too_long). */
#include "support/fuzz.h"

#include "base/log.h"
#include "base/mem.h"
#include "resp/reader.h"
#include "session/block.h"
#include "support/families.h"
#include "support/session_kit.h"

#include <string.h>
#include <strings.h>

#define CLIENTS   3
#define LINES_MAX 200
#define DAY_MS    86400000
#define PENDING   300 /* of a thousand reads */

typedef struct run_state {
    kit k;
    client *c[CLIENTS];
    fake_end *end[CLIENTS];
    buf said; /* all replies, in order of the lines */
} run_state;

typedef struct line_request {
    int to; /* which client */
    buf bytes;
} line_request;

static void start(run_state *s, unsigned pending) {
    families_register();
    kit_start(&s->k);
    kit_set("proto-max-bulk-len", "1mb");
    s->k.knobs->pending_permille = pending;
    families_start(s->k.session);
    for (int i = 0; i < CLIENTS; i++)
        s->c[i] = kit_client(&s->k, &s->end[i]);
}

/* Runs until nothing more happens, and takes what was said. */
static void settle(run_state *s) {
    for (int i = 0; i < CLIENTS; i++) {
        kit_quiet(&s->k, s->end[i]);
        buf_append_slice(&s->said, buf_slice(&s->end[i]->out));
        buf_clear(&s->end[i]->out);
    }
    for (int i = 0; i < CLIENTS; i++)
        if (s->end[i]->closed) s->c[i] = kit_client(&s->k, &s->end[i]);
}

/* Time passes, so that most who wait have their answer; who waits for ever is told so. */
static void release(run_state *s) {
    kit_sleep(&s->k, DAY_MS);
    settle(s);
    for (int i = 0; i < CLIENTS; i++)
        if (s->c[i]->flags & CLIENT_BLOCKED) client_unblock(s->c[i], BLOCK_TIMEOUT);
    settle(s);
}

static void run_request(run_state *s, const line_request *r) {
    int i = r->to, tried = 0;
    for (; tried < CLIENTS && (s->c[i]->flags & CLIENT_BLOCKED); tried++)
        i = (i + 1) % CLIENTS;
    if (tried == CLIENTS) release(s);
    kit_send_bytes(s->end[i], buf_slice(&r->bytes));
    settle(s);
}

static void run(run_state *s, unsigned pending, const line_request *requests, size_t n) {
    buf report = {0};
    start(s, pending);
    for (size_t i = 0; i < n; i++)
        run_request(s, &requests[i]);
    release(s);
    CHECK(status_ok(engine_check(s->k.engine, &report)) && report.len == 0);
    buf_free(&report);
    kit_stop(&s->k);
    families_stop();
}

static bool begins(slice word, const char *name) {
    return word.len >= strlen(name) && strncasecmp(word.data, name, strlen(name)) == 0;
}

/* Does the command draw at random? */
static bool draws(slice name) {
    return begins(name, "srand") || begins(name, "hrand") || begins(name, "zrand") ||
           begins(name, "spop") || begins(name, "randomkey");
}

/* Is the word somewhere in the text? */
static bool holds(slice text, const char *word) {
    return memmem(text.data, text.len, word, strlen(word)) != NULL;
}

/* Does its reply differ from run to run? Also if a script or EXEC runs it, so any word is looked
 * at. */
static bool varies(slice word) {
    static const char *const words[] = {"client",  "slowlog", "latency",
                                        "monitor", "log",     "genpass"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins(word, words[i]) || holds(word, words[i])) return true;
    return draws(word);
}

/* Could the script go on for ever, or make more than it is worth? Recursion ends by itself. */
static bool goes_on(slice text) {
    static const char *const words[] = {"while", "repeat", "for",  "rep",  "goto",
                                        "find",  "match",  "gsub", "sort", "format"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (holds(text, words[i])) return true;
    return false;
}

/* Would it take long, and tell nothing? Members drawn again and again; the table of an LCS. */
static bool too_long(const slice *words, int n) {
    for (int i = 1; i < n; i++)
        if ((draws(words[0]) && begins(words[i], "-") && words[i].len > 4) || goes_on(words[i]))
            return true;
    return begins(words[0], "lcs");
}

/* A line as a request; empty if it is none. Sets *drawn if its reply is a matter of chance. */
static void make_request(slice line, line_request *r, bool *drawn) {
    slice *words;
    buf *out = &r->bytes;
    buf_clear(out);
    r->to = 0;
    if (line.len > 2 && line.data[1] == ' ' && line.data[0] >= '0' &&
        line.data[0] < '0' + CLIENTS) {
        r->to = line.data[0] - '0';
        line = slice_skip(line, 2);
    }
    int n = resp_split_line(line, &words);
    if (n > 0 && !too_long(words, n)) {
        buf_printf(out, "*%d\r\n", n);
        for (int i = 0; i < n; i++) {
            buf_printf(out, "$%zu\r\n", words[i].len);
            buf_append_slice(out, words[i]);
            buf_append(out, "\r\n", 2);
            if (varies(words[i])) *drawn = true;
        }
    }
    if (n > 0) mem_free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static line_request requests[LINES_MAX];
    static run_state steady, waiting;
    size_t n = 0;
    bool drawn = false;
    for (slice rest = slice_of(data, size); rest.len && n < LINES_MAX;) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        make_request(slice_of(rest.data, len), &requests[n], &drawn);
        if (requests[n].bytes.len) n++;
        rest = slice_skip(rest, end ? len + 1 : len);
    }
    buf_clear(&steady.said);
    buf_clear(&waiting.said);
    run(&steady, 0, requests, n);
    run(&waiting, PENDING, requests, n);
    CHECK(drawn || slice_eq(buf_slice(&steady.said), buf_slice(&waiting.said)));
    return 0;
}
