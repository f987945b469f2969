/* errors: counts by error code, the first word of an error reply.
 *
 * Codes come from the program's own texts, so there are a few dozen at most; a script may make up
 * more later, so the table has a limit beyond which all new codes count as one. */
#include "session/errors.h"

#include <stdio.h>

#define CODES_MAX    128
#define CODE_MAX_LEN 32

static struct {
    char code[CODE_MAX_LEN + 1];
    uint64_t count;
} codes[CODES_MAX];
static int ncodes;

/* The row of a code; the last one takes what no longer fits. */
static int row_of(slice code) {
    for (int i = 0; i < ncodes; i++)
        if (slice_eq(code, slice_cstr(codes[i].code))) return i;
    if (ncodes == CODES_MAX) return CODES_MAX - 1;
    if (ncodes == CODES_MAX - 1) code = SLICE("OTHER");
    memcpy(codes[ncodes].code, code.data, code.len);
    codes[ncodes].code[code.len] = 0;
    codes[ncodes].count = 0;
    return ncodes++;
}

/* The first word, or nothing if that is no code. */
static slice code_of(slice text) {
    size_t n = 0;
    while (n < text.len && text.data[n] != ' ')
        n++;
    return n > CODE_MAX_LEN ? SLICE_EMPTY : slice_of(text.data, n);
}

/* What has no code in front is counted in total only. */
void errors_count(session_stats *stats, slice text) {
    slice code = code_of(text);
    stats->error_replies++;
    if (code.len) codes[row_of(code)].count++;
}

/* Of a text that was just counted, so its row is there. */
void errors_uncount(session_stats *stats, slice text) {
    slice code = code_of(text);
    stats->error_replies--;
    if (code.len) codes[row_of(code)].count--;
}

/* In order of first appearance. */
void errors_emit(buf *out) {
    for (int i = 0; i < ncodes; i++)
        buf_printf(out, "errorstat_%s:count=%llu\r\n", codes[i].code,
                   (unsigned long long)codes[i].count);
}

/* CONFIG RESETSTAT. */
void errors_reset(void) {
    ncodes = 0;
}
