/* split: a line into words, as redis-server splits inline commands and lines of its config file.
 *
 * A word ends at a blank. A quote anywhere in it begins a quoted part, and a closing quote must be
 * followed by a blank or the end of the line: foo"a b" is fooa b, but "a"b is an error. Between
 * double quotes \n \r \t \b \a \xHH are escapes and any other \c is c; between single quotes only
 * \' is. Words and their bytes share one block: as no word's text is longer than its source, the
 * block's size is known beforehand. */
#include "base/mem.h"
#include "resp/reader.h"

/* The line's cursor, and where the next byte of a word goes. */
typedef struct splitter {
    const char *p, *end;
    char *out;
} splitter;

/* Before a word: isspace of the C locale. */
static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Inside one, Redis ends a bare word at fewer of them. */
static bool ends_word(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The value of a hexadecimal digit, -1 if c is none. */
static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What \c stands for between double quotes. */
static char escaped(char c) {
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* Between double quotes, at a backslash that is not the line's last byte. */
static void take_escape(splitter *s) {
    if (s->end - s->p >= 4 && s->p[1] == 'x' && hex_value(s->p[2]) >= 0 &&
        hex_value(s->p[3]) >= 0) {
        *s->out++ = (char)(hex_value(s->p[2]) * 16 + hex_value(s->p[3]));
        s->p += 4;
        return;
    }
    *s->out++ = escaped(s->p[1]);
    s->p += 2;
}

/* The quoted part whose opening quote was passed; false if it is not closed as it must be. */
static bool take_quoted(splitter *s, char quote) {
    while (s->p < s->end && *s->p != quote) {
        bool more = s->end - s->p >= 2;
        if (*s->p == '\\' && more && quote == '"') {
            take_escape(s);
        } else if (*s->p == '\\' && more && s->p[1] == '\'') {
            *s->out++ = '\'';
            s->p += 2;
        } else {
            *s->out++ = *s->p++;
        }
    }
    if (s->p == s->end) return false;
    s->p++;
    return s->p == s->end || is_blank(*s->p);
}

/* One word, at its first byte. A quoted part ends it. */
static bool take_word(splitter *s) {
    while (s->p < s->end && !ends_word(*s->p)) {
        char c = *s->p++;
        if (c == '"' || c == '\'') return take_quoted(s, c);
        *s->out++ = c;
    }
    return true;
}

/* To the next word, or the end. */
static void skip_blanks(splitter *s) {
    while (s->p < s->end && is_blank(*s->p))
        s->p++;
}

/* At least as many as the line has words: a word begins only at its start and after a blank. */
static size_t count_words(slice line) {
    size_t n = 0;
    bool blank = true;
    for (size_t i = 0; i < line.len; i++) {
        bool now = is_blank(line.data[i]);
        n += blank && !now;
        blank = now;
    }
    return n;
}

/* One allocation: the slices first, their bytes behind them. */
int resp_split_line(slice line, slice **out) {
    size_t room = count_words(line);
    *out = NULL;
    if (room == 0) return 0;
    slice *words = mem_alloc(room * sizeof *words + line.len);
    splitter s = {line.data, line.data + line.len, (char *)(words + room)};
    int n = 0;
    for (skip_blanks(&s); s.p < s.end; skip_blanks(&s)) {
        char *start = s.out;
        if (!take_word(&s)) {
            mem_free(words);
            return -1;
        }
        words[n++] = slice_of(start, (size_t)(s.out - start));
    }
    *out = words;
    return n;
}
