/* writer: replies, each made in place: room is reserved once and the bytes are written there.
 *
 *     type   RESP2            RESP3
 *     null   $-1 or *-1       _
 *     bool   :1 :0            #t #f
 *     double a bulk           ,1.5
 *     map    *2n              %n
 *     set    *n               ~n
 *     push   *n               >n
 *     big    a bulk           (123
 *     text   a bulk           =7 CRLF txt:abc */
#include "resp/writer.h"

#include "base/num.h"

#define HEADER_ROOM (1 + NUM_I64_TEXT + 2) /* a type, a number, CRLF */

/* Every line of the protocol ends so. */
static inline char *put_crlf(char *p) {
    p[0] = '\r';
    p[1] = '\n';
    return p + 2;
}

/* One digit, the commonest case, without a call. */
static inline char *put_header(char *p, char type, int64_t v) {
    *p++ = type;
    if (v >= 0 && v < 10) {
        *p++ = (char)('0' + v);
        return put_crlf(p);
    }
    return put_crlf(p + num_format_i64(p, v));
}

/* A type and a number: all that an integer is, and how an aggregate begins. */
static void header(buf *b, char type, int64_t v) {
    char *start = buf_reserve(b, HEADER_ROOM);
    b->len += (size_t)(put_header(start, type, v) - start);
}

/* A type and a text on one line. */
static void line(buf *b, char type, slice text) {
    char *p = buf_reserve(b, text.len + 3);
    *p++ = type;
    if (text.len) memcpy(p, text.data, text.len);
    put_crlf(p + text.len);
    b->len += text.len + 3;
}

/* REQUIRES: no CR or LF in s; replies of the program's own words. */
void resp_simple(buf *b, const char *s) {
    line(b, '+', slice_cstr(s));
}

/* Neither may be inside a line. */
static bool ends_line(char c) {
    return c == '\r' || c == '\n';
}

/* Texts may quote what a client sent, so line ends are taken out here, in one place. */
void resp_error(buf *b, slice text) {
    while (text.len && ends_line(text.data[0]))
        text = slice_skip(text, 1);
    while (text.len && ends_line(text.data[text.len - 1]))
        text.len--;
    size_t start = b->len + 1;
    line(b, '-', text);
    for (size_t i = start; i < start + text.len; i++)
        if (ends_line(b->data[i])) b->data[i] = ' ';
}

/* The same in both protocols. */
void resp_int(buf *b, int64_t v) {
    header(b, ':', v);
}

/* Header, bytes and CRLF with one reservation. */
void resp_bulk(buf *b, slice s) {
    char *start = buf_reserve(b, s.len + HEADER_ROOM + 2);
    char *p = put_header(start, '$', (int64_t)s.len);
    if (s.len) memcpy(p, s.data, s.len);
    b->len += (size_t)(put_crlf(p + s.len) - start);
}

/* A number as a string, as most values are shown. */
void resp_bulk_i64(buf *b, int64_t v) {
    char text[NUM_I64_TEXT];
    resp_bulk(b, slice_of(text, num_format_i64(text, v)));
}

/* The absent value. */
void resp_null(buf *b, int proto) {
    buf_append_slice(b, proto == 3 ? SLICE("_\r\n") : SLICE("$-1\r\n"));
}

/* RESP2 tells an absent list from an absent value; RESP3 does not. */
void resp_null_array(buf *b, int proto) {
    buf_append_slice(b, proto == 3 ? SLICE("_\r\n") : SLICE("*-1\r\n"));
}

/* n elements follow. */
void resp_array(buf *b, int64_t n) {
    header(b, '*', n);
}

/* Keys and values follow by turns. */
void resp_map(buf *b, int proto, int64_t pairs) {
    if (proto == 3)
        header(b, '%', pairs);
    else
        header(b, '*', 2 * pairs);
}

/* n elements follow, in no order. */
void resp_set(buf *b, int proto, int64_t n) {
    header(b, proto == 3 ? '~' : '*', n);
}

/* Out-of-band data; a RESP2 client in subscribe mode gets an array. */
void resp_push(buf *b, int proto, int64_t n) {
    header(b, proto == 3 ? '>' : '*', n);
}

/* Metadata in front of a reply. REQUIRES: a RESP3 client. */
void resp_attribute(buf *b, int64_t pairs) {
    header(b, '|', pairs);
}

/* RESP2 has numbers for it. */
void resp_bool(buf *b, int proto, bool v) {
    if (proto == 3)
        buf_append_slice(b, v ? SLICE("#t\r\n") : SLICE("#f\r\n"));
    else
        header(b, ':', v);
}

/* The same digits in both. */
void resp_double(buf *b, int proto, double v) {
    char text[NUM_DOUBLE_TEXT];
    slice s = slice_of(text, num_format_double(text, v));
    if (proto == 3)
        line(b, ',', s);
    else
        resp_bulk(b, s);
}

/* REQUIRES: digits with an optional sign. */
void resp_big_number(buf *b, int proto, slice digits) {
    if (proto == 3)
        line(b, '(', digits);
    else
        resp_bulk(b, digits);
}

/* The extension says how to show the text: txt or mkd. */
void resp_verbatim(buf *b, int proto, slice s, const char ext[3]) {
    if (proto != 3) {
        resp_bulk(b, s);
        return;
    }
    header(b, '=', (int64_t)s.len + 4);
    buf_append(b, ext, 3);
    buf_append_char(b, ':');
    buf_append_slice(b, s);
    buf_append(b, "\r\n", 2);
}
