/* resp_splits: two parses of one stream, each written down as text, must read the same. */
#include "support/resp_splits.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

/* One parse: where it is, and what it found. */
typedef struct parse {
    const char *p;
    size_t n, start, avail; /* of the stream: its length, the command's first byte, what has come */
    resp_reader reader;
    buf found; /* the commands and the end, written down */
    int commands;
    size_t surely; /* a parse of fewer bytes than this must be incomplete */
} parse;

/* An array's arguments are slices of the input, in order, inside what was consumed. */
static void check_inside(const resp_reader *r, const char *p) {
    const char *from = p, *end = p + r->consumed;
    for (int i = 0; i < r->argc; i++) {
        CHECK(r->argv[i].data >= from && r->argv[i].data <= end);
        from = r->argv[i].data + r->argv[i].len + 2;
        CHECK(from <= end);
    }
}

/* One line a command; lengths tell apart words that hold blanks. */
static void write_down(parse *s) {
    buf_printf(&s->found, "%d:", s->reader.argc);
    for (int i = 0; i < s->reader.argc; i++) {
        buf_printf(&s->found, " %zu ", s->reader.argv[i].len);
        buf_append_slice(&s->found, s->reader.argv[i]);
    }
    buf_append_char(&s->found, '\n');
    s->commands++;
}

/* Reads one command of the bytes that have come; false when more are needed or none may follow. */
static bool step(parse *s, const resp_limits *limits) {
    size_t n = s->avail - s->start;
    char *copy = mem_dup(s->p + s->start, n);
    resp_result res = resp_read(&s->reader, copy, n, limits);
    bool more = false;
    switch (res) {
    case RESP_WHOLE:
        CHECK(s->avail >= s->surely);
        CHECK(s->reader.consumed > 0 && s->reader.consumed <= n);
        if (copy[0] == '*') check_inside(&s->reader, copy);
        write_down(s);
        s->start += s->reader.consumed;
        s->surely = 0;
        more = true;
        break;
    case RESP_INCOMPLETE:
        CHECK(s->reader.need > 0);
        s->surely = s->avail + s->reader.need;
        break;
    case RESP_ERROR:
        CHECK(s->avail >= s->surely);
        buf_printf(&s->found, "error %s", s->reader.error);
        s->avail = s->n;
        break;
    }
    mem_free(copy);
    return more;
}

/* Bytes of the next piece: mostly few, so that every header is cut somewhere, but more of a longer
 * stream, as each piece costs a copy of the command so far. */
static size_t piece(rng *r, size_t left) {
    static const size_t most[] = {1, 1, 3, 20, 1000, 100000};
    size_t n = 1 + rng_below(r, most[rng_below(r, 6)]) * (1 + left / 4000);
    return n < left ? n : left;
}

/* The whole parse first: its text is what the other must match. */
int resp_check_splits(const char *p, size_t n, const resp_limits *limits, rng *r) {
    parse whole = {.p = p, .n = n, .avail = n}, cut = {.p = p, .n = n};
    while (step(&whole, limits))
        ;
    for (;;) {
        while (step(&cut, limits))
            ;
        if (cut.avail == n) break;
        cut.avail += piece(r, n - cut.avail);
        resp_reader moved = cut.reader; /* the state may be moved between calls */
        memset(&cut.reader, 0xee, sizeof cut.reader);
        cut.reader = moved;
    }
    CHECK(whole.commands == cut.commands);
    CHECK(slice_eq(buf_slice(&whole.found), buf_slice(&cut.found)));
    int commands = whole.commands;
    resp_reader_free(&whole.reader);
    resp_reader_free(&cut.reader);
    buf_free(&whole.found);
    buf_free(&cut.found);
    return commands;
}
