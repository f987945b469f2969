/* buf: growable bytes.
 *
 * Capacity doubles while small, so that n appended bytes cost O(n), and grows by half above
 * LARGE, where a doubling would waste more than it saves. Owners that keep a buffer for a client's
 * life give memory back with buf_shrink. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

#define SMALLEST 64
#define LARGE    ((size_t)1 << 20)

/* Empty and without memory: ready to be used again. */
void buf_free(buf *b) {
    mem_free(b->data);
    *b = (buf){0};
}

/* Makes the capacity `cap`, which is not below len. */
static void resize(buf *b, size_t cap) {
    b->data = mem_realloc(b->data, cap);
    b->cap = cap;
}

/* What len + n comes to; a sum that wraps is a bug of the caller, who checks lengths. */
static size_t total(const buf *b, size_t n) {
    CHECK(n <= SIZE_MAX / 2 - b->len);
    return b->len + n;
}

/* At least doubles when it must grow; a first buffer of SMALLEST bytes serves short texts. */
char *buf_reserve(buf *b, size_t n) {
    if (__builtin_expect(b->cap - b->len < n || !b->data, 0)) {
        size_t need = total(b, n);
        size_t grown = b->cap < LARGE ? b->cap * 2 : b->cap + b->cap / 2;
        if (grown < SMALLEST) grown = SMALLEST;
        resize(b, need > grown ? need : grown);
    }
    return b->data + b->len;
}

/* For a value whose length is known: not a byte more than len + n. */
char *buf_reserve_exact(buf *b, size_t n) {
    size_t need = total(b, n);
    if (need > b->cap || !b->data) resize(b, need);
    return b->data + b->len;
}

/* p must not lie inside b, which may move. */
void buf_append(buf *b, const void *p, size_t n) {
    if (n == 0) return;
    memcpy(buf_reserve(b, n), p, n);
    b->len += n;
}

/* The slice may be the empty one without a pointer. */
void buf_append_slice(buf *b, slice s) {
    buf_append(b, s.data, s.len);
}

/* One byte; for more, reserve once and write in place. */
void buf_append_char(buf *b, char c) {
    *buf_reserve(b, 1) = c;
    b->len++;
}

/* Formats in place; a second time if the first guess of the room was too small. */
void buf_printf(buf *b, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    char *to = buf_reserve(b, SMALLEST);
    size_t room = b->cap - b->len;
    int n = vsnprintf(to, room, fmt, ap);
    CHECK(n >= 0);
    if ((size_t)n >= room) vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
    b->len += (size_t)n;
    va_end(again);
    va_end(ap);
}

/* Moves the rest down, so it costs what is left: consume many small parts at once. */
void buf_consume(buf *b, size_t n) {
    CHECK(n <= b->len);
    b->len -= n;
    if (b->len && n) memmove(b->data, b->data + n, b->len);
}

/* A realloc to exactly keep; keep == 0 gives back everything. */
void buf_shrink(buf *b, size_t keep) {
    if (b->cap <= keep || b->len > keep) return;
    if (keep == 0)
        buf_free(b);
    else
        resize(b, keep);
}
