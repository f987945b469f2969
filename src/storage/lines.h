/* lines: where checking, dumping and repairing say what they find: text, a line at a time. */
#ifndef STAVE_STORAGE_LINES_H
#define STAVE_STORAGE_LINES_H

#include "base/buf.h"

typedef struct lines {
    void (*line)(void *ctx, const char *text); /* without a newline; NULL: nobody listens */
    void *ctx;
} lines;

void lines_say(const lines *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends bytes as "text", with \xNN for what is not printable, and cut after `most` of them. */
void lines_quote(buf *out, slice bytes, size_t most);

#endif
