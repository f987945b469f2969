/* reader: one command of a byte stream.
 *
 * A request is an array of bulk strings, or a line of words:
 *
 *     *2 CRLF $3 CRLF GET CRLF $1 CRLF k CRLF          GET k LF
 *
 * Whatever the cuts, the same bytes give the same commands: every decision waits for the bytes that
 * it needs, and looks at no others. Headers are at most RESP_INLINE_MAX bytes; nearly all have one
 * or two digits, which header_short finds without searching for the line's end. Like redis-server,
 * the reader skips the byte after a header's CR and the two after a bulk without looking at them.
 *
 * States, by (left, bulk), of a command whose first `at` bytes are parsed:
 *
 *     (0, any)   at its start: read_start -> WHOLE (a line, an empty array) or (count, -1)
 *     (n, -1)    before a bulk's header  -> (n, length)
 *     (n, len)   before a bulk's bytes   -> (n - 1, -1), WHOLE when n was 1 */
#include "resp/reader.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "resp/header.h"

#define FIRST_ARGS 16  /* of a new vector */
#define KEEP_ARGS  256 /* a larger vector is released after its command */
#define FAST_BYTES 19  /* '$' and up to 18 digits, which can't overflow */

typedef enum header {
    HEADER_OK,
    HEADER_SHORT,   /* its end has not come */
    HEADER_LONG,    /* its end is beyond RESP_INLINE_MAX */
    HEADER_INVALID, /* no number */
} header;

/* The caller closes the client, so the state needs no repair. */
static resp_result fail(resp_reader *r, const char *error) {
    r->error = error;
    return RESP_ERROR;
}

/* The state says where to go on. */
static resp_result incomplete(resp_reader *r, size_t need) {
    r->need = need;
    return RESP_INCOMPLETE;
}

/* As good as new. */
void resp_reader_free(resp_reader *r) {
    mem_free(r->args);
    mem_free(r->argv);
    mem_free(r->words);
    *r = (resp_reader){0};
}

/* Forgets the command before. */
static void begin(resp_reader *r) {
    if (__builtin_expect(r->cap > KEEP_ARGS, 0)) resp_reader_free(r);
    if (__builtin_expect(r->words != NULL, 0)) {
        mem_free(r->words);
        r->words = NULL;
    }
    r->argc = 0;
    r->bulk = -1;
}

/* Room for n arguments. */
static void reserve_args(resp_reader *r, int n) {
    if (n <= r->cap) return;
    int64_t cap = r->cap ? r->cap : FIRST_ARGS;
    while (cap < n)
        cap *= 2;
    if (cap > RESP_ARGS_MAX) cap = RESP_ARGS_MAX;
    r->args = mem_realloc(r->args, (size_t)cap * sizeof *r->args);
    r->argv = mem_realloc(r->argv, (size_t)cap * sizeof *r->argv);
    r->cap = (int)cap;
}

/* The number between p[at], the header's type, and its CR, anything else than the usual: negative,
 * malformed, or not whole yet. */
static header read_any_count(const char *p, size_t n, size_t at, size_t *end, int64_t *value) {
    size_t left = n - at;
    size_t window = left <= RESP_INLINE_MAX ? left : RESP_INLINE_MAX + 1;
    const char *cr = memchr(p + at, '\r', window);
    if (!cr) return left > RESP_INLINE_MAX ? HEADER_LONG : HEADER_SHORT;
    *end = (size_t)(cr - p) + 2;
    if (*end > n) return HEADER_SHORT;
    const char *digits = p + at + 1;
    if (cr < digits || !num_parse_i64(slice_of(digits, (size_t)(cr - digits)), value))
        return HEADER_INVALID;
    return HEADER_OK;
}

/* The header at p[at], whose type byte is known to be there and right; *end is behind its LF. */
static inline header read_count(const char *p, size_t n, size_t at, size_t *end, int64_t *value) {
    size_t usual = header_short(p + at, n - at, value);
    if (__builtin_expect(usual > 0, 1)) {
        *end = at + usual;
        return HEADER_OK;
    }
    size_t stop = n - at > FAST_BYTES ? at + FAST_BYTES : n, i = at + 1;
    int64_t v = 0;
    for (; i < stop; i++) {
        unsigned digit = (unsigned char)p[i] - (unsigned)'0';
        if (digit > 9) break;
        v = v * 10 + digit;
    }
    bool digits = i > at + 1 && (p[at + 1] != '0' || i == at + 2);
    if (__builtin_expect(!digits || i + 1 >= n || p[i] != '\r', 0))
        return read_any_count(p, n, at, end, value);
    *value = v;
    *end = i + 2;
    return HEADER_OK;
}

/* An inline command: a line of words. */
static resp_result read_line(resp_reader *r, const char *p, size_t n) {
    size_t window = n <= RESP_INLINE_MAX ? n : RESP_INLINE_MAX + 1;
    const char *lf = memchr(p + r->at, '\n', window - r->at);
    if (!lf) {
        if (n > RESP_INLINE_MAX) return fail(r, "too big inline request");
        r->at = n;
        return incomplete(r, 1);
    }
    size_t len = (size_t)(lf - p);
    r->consumed = len + 1;
    r->at = 0;
    if (len && p[len - 1] == '\r') len--;
    int argc = resp_split_line(slice_of(p, len), &r->words);
    if (argc < 0) return fail(r, "unbalanced quotes in request");
    reserve_args(r, argc);
    if (argc) memcpy(r->argv, r->words, (size_t)argc * sizeof *r->argv);
    r->argc = argc;
    return RESP_WHOLE;
}

/* The header of an array: RESP_WHOLE if it is empty, RESP_INCOMPLETE with left > 0 if it was read
 * and bulks follow. */
static resp_result read_array(resp_reader *r, const char *p, size_t n, const resp_limits *limits) {
    int64_t count;
    size_t end;
    switch (read_count(p, n, 0, &end, &count)) {
    case HEADER_OK: break;
    case HEADER_SHORT: return incomplete(r, 1);
    case HEADER_LONG: return fail(r, "too big mbulk count string");
    case HEADER_INVALID: return fail(r, "invalid multibulk length");
    }
    bool unauth = limits->max_bulk_unauth > 0;
    if (count > RESP_ARGS_MAX || (!unauth && count > limits->max_multibulk))
        return fail(r, "invalid multibulk length");
    if (count > limits->max_multibulk) return fail(r, "unauthenticated multibulk length");
    if (count <= 0) {
        r->consumed = end;
        return RESP_WHOLE;
    }
    /* Few of a large array's arguments can be here yet: the vectors grow as they come. */
    reserve_args(r, count < FIRST_ARGS ? (int)count : FIRST_ARGS);
    r->at = end;
    r->left = count;
    return RESP_INCOMPLETE;
}

/* A bulk's header at p[at]: its length. The first byte is looked at when the line is whole. */
static resp_result read_bulk_header(resp_reader *r, const char *p, size_t n, size_t *at,
                                    const resp_limits *limits) {
    header h = HEADER_SHORT;
    size_t end = 0;
    int64_t len = 0;
    if (__builtin_expect(*at < n && p[*at] == '$', 1))
        h = read_count(p, n, *at, &end, &len);
    else if (*at < n)
        h = read_any_count(p, n, *at, &end, &len);
    if (h == HEADER_SHORT) return incomplete(r, 1);
    if (h == HEADER_LONG) return fail(r, "too big bulk count string");
    if (p[*at] != '$') {
        snprintf(r->error_text, sizeof r->error_text, "expected '$', got '%c'", p[*at]);
        return fail(r, r->error_text);
    }
    if (h == HEADER_INVALID || len < 0 || len > limits->max_bulk)
        return fail(r, "invalid bulk length");
    if (limits->max_bulk_unauth > 0 && len > limits->max_bulk_unauth)
        return fail(r, "unauthenticated bulk length");
    *at = end;
    r->bulk = len;
    return RESP_WHOLE;
}

/* The bulks still to come, as far as the bytes go. */
static resp_result read_bulks(resp_reader *r, const char *p, size_t n, const resp_limits *limits) {
    size_t at = r->at;
    while (r->left) {
        if (r->bulk < 0) {
            resp_result res = read_bulk_header(r, p, n, &at, limits);
            r->at = at;
            if (__builtin_expect(res != RESP_WHOLE, 0)) return res;
        }
        size_t len = (size_t)r->bulk;
        if (n - at < len + 2) {
            r->at = at;
            return incomplete(r, len + 2 - (n - at));
        }
        if (__builtin_expect(r->argc == r->cap, 0)) reserve_args(r, r->argc + 1);
        r->args[r->argc++] = (resp_arg){at, len};
        at += len + 2;
        r->bulk = -1;
        r->left--;
    }
    for (int i = 0; i < r->argc; i++)
        r->argv[i] = slice_of(p + r->args[i].at, r->args[i].len);
    r->consumed = at;
    r->at = 0;
    return RESP_WHOLE;
}

/* See the states in the design note. */
resp_result resp_read(resp_reader *r, const char *p, size_t n, const resp_limits *limits) {
    if (r->left == 0) {
        if (r->at == 0) begin(r);
        if (n == 0) return incomplete(r, 1);
        if (p[0] != '*') return read_line(r, p, n);
        resp_result res = read_array(r, p, n, limits);
        if (r->left == 0) return res;
    }
    CHECK(r->at <= n);
    return read_bulks(r, p, n, limits);
}
