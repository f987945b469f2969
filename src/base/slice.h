/* slice: a pointer and a length over bytes that somebody else owns.
 *
 * A slice never owns, never ends in NUL, and may hold any byte. The empty slice may have a NULL
 * pointer. Who made the slice says how long its bytes live. */
#ifndef STAVE_BASE_SLICE_H
#define STAVE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct slice {
    const char *data;
    size_t len;
} slice;

#define SLICE_EMPTY ((slice){NULL, 0})
/* A slice over a string literal, without its NUL. */
#define SLICE(lit) ((slice){"" lit, sizeof(lit) - 1})

static inline slice slice_of(const void *data, size_t len) {
    return (slice){(const char *)data, len};
}

/* Over a C string; its bytes must outlive the slice. */
static inline slice slice_cstr(const char *s) {
    return (slice){s, strlen(s)};
}

static inline bool slice_eq(slice a, slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Order of memcmp, a prefix before what it begins: <0, 0, >0. */
static inline int slice_cmp(slice a, slice b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* True if a equals the C string s when ASCII letters' case is ignored. */
bool slice_ieq(slice a, const char *s);

/* The rest of a after its first n bytes. REQUIRES: n <= a.len. */
static inline slice slice_skip(slice a, size_t n) {
    return n ? (slice){a.data + n, a.len - n} : a;
}

#endif
