/* buf: a growable run of bytes, owned. Zero-initialised is empty. */
#ifndef STAVE_BASE_BUF_H
#define STAVE_BASE_BUF_H

#include "base/slice.h"

typedef struct buf {
    char *data;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
} buf;

void buf_free(buf *b); /* releases the memory; b is empty again */
/* Makes room for n more bytes; returns where they go. len does not change. */
char *buf_reserve(buf *b, size_t n);
/* Like buf_reserve, but grows to exactly what is needed and never doubles (for huge values). */
char *buf_reserve_exact(buf *b, size_t n);
void buf_append(buf *b, const void *p, size_t n);
void buf_append_slice(buf *b, slice s);
void buf_append_char(buf *b, char c);
void buf_printf(buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes, moving the rest down. REQUIRES: n <= len. */
void buf_consume(buf *b, size_t n);
/* Gives memory back when cap is above keep and the contents fit in keep. */
void buf_shrink(buf *b, size_t keep);

static inline void buf_clear(buf *b) {
    b->len = 0;
}
static inline slice buf_slice(const buf *b) {
    return slice_of(b->data, b->len);
}

#endif
