/* Looking ahead in a pipeline: where the next command ends and which key it is about, without the
 * reader's state and checks. It costs a quarter of a full parse, and lets the lookups of commands
 * that are still to come begin before their turn. */
#include "resp/header.h"
#include "resp/reader.h"

/* Nothing that is worth a hint has more arguments, or longer ones, than so many digits tell. */
#define DIGITS_MAX 9

/* The number after the byte `kind` at *p, and *p behind its line; -1 if it is not that. */
static inline int64_t take_header(const char **p, const char *end, char kind) {
    const char *q = *p;
    int64_t v = 0;
    if (q == end || *q != kind) return -1;
    size_t usual = header_short(q, (size_t)(end - q), &v);
    if (__builtin_expect(usual > 0, 1)) {
        *p = q + usual;
        return v;
    }
    v = 0;
    q++;
    const char *digits = q;
    while (q < end && (unsigned)(*q - '0') < 10 && q - digits < DIGITS_MAX)
        v = v * 10 + (*q++ - '0');
    if (q == digits || end - q < 2 || q[0] != '\r' || q[1] != '\n') return -1;
    *p = q + 2;
    return v;
}

/* Steps over one bulk string; false if it is not all there. */
static inline bool take_bulk(const char **p, const char *end, slice *out) {
    int64_t len = take_header(p, end, '$');
    if (len < 0 || end - *p < len + 2) return false;
    *out = slice_of(*p, (size_t)len);
    *p += len + 2;
    return true;
}

size_t resp_peek(const char *p, size_t n, slice *argument) {
    const char *at = p, *end = p + n;
    int64_t argc = take_header(&at, end, '*');
    slice skipped;
    if (argc < 2) return 0;
    if (!take_bulk(&at, end, &skipped) || !take_bulk(&at, end, argument)) return 0;
    for (int64_t i = 2; i < argc; i++)
        if (!take_bulk(&at, end, &skipped)) return 0;
    return (size_t)(at - p);
}
