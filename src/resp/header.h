/* header: the length in front of an array or a bulk, as it nearly always is: one digit or two. */
#ifndef STAVE_RESP_HEADER_H
#define STAVE_RESP_HEADER_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of the header at p[0], its type and its line's end included, and its number; 0 if it is
 * another one than that, or not known to be all there: then the long way tells. */
static inline size_t header_short(const char *p, size_t n, int64_t *value) {
    if (__builtin_expect(n < 5, 0)) return 0;
    unsigned first = (unsigned char)p[1] - (unsigned)'0';
    unsigned second = (unsigned char)p[2] - (unsigned)'0';
    if (first > 9) return 0;
    *value = first;
    if (p[2] == '\r') return 4;
    *value = first * 10 + second;
    return first > 0 && second <= 9 && p[3] == '\r' ? 5 : 0;
}

#endif
