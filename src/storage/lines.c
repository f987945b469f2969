/* lines: formatting for people. Keys and values are any bytes: they are quoted so that a terminal
 * shows them as they are and obeys none of them. */
#include "storage/lines.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

#define LINE_MAX_BYTES 4096

/* A line that is too long is cut. */
void lines_say(const lines *l, const char *fmt, ...) {
    CHECK(fmt);
    char text[LINE_MAX_BYTES];
    va_list ap;
    if (!l || !l->line) return;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    l->line(l->ctx, text);
}

/* Whatever the bytes are, what is printed is printable ASCII. */
void lines_quote(buf *out, slice bytes, size_t most) {
    CHECK(most > 0);
    size_t n = bytes.len < most ? bytes.len : most;
    CHECK(n == 0 || bytes.data);
    buf_append_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c >= ' ' && c < 127)
            buf_append_char(out, (char)c);
        else
            buf_printf(out, "\\x%02x", c);
    }
    buf_append_char(out, '"');
    if (n < bytes.len) buf_printf(out, "... (%zu bytes)", bytes.len);
}
