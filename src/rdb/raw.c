/* The scalars of the RDB encoding.
 *
 * What a length says is never believed: it is compared with the bytes that are there, and that of a
 * string that must be decompressed with what LZF can make of so many bytes, before there is memory
 * for it. So a payload costs at most LZF_RATIO times its own size, one string at a time. */
#include "rdb/raw.h"

#include "base/codec.h"
#include "base/num.h"

#include <liblzf/lzf.h>
#include <math.h>

/* The two high bits of a length's first byte. */
enum { LEN_6 = 0, LEN_14 = 1, LEN_LONG = 2, LEN_ENCODED = 3 };
#define LEN_32 0x80
#define LEN_64 0x81
/* The six others, if it is none but a string's encoding. */
enum { STRING_I8 = 0, STRING_I16 = 1, STRING_I32 = 2, STRING_LZF = 3 };
/* Three bytes of LZF stand for at most 264. */
#define LZF_RATIO     88
#define LZF_WORTH     20                /* bytes: shorter strings are not compressed */
#define HUGE_STRING   ((size_t)1 << 20) /* bytes: room is made for no more than it needs */
#define NUMBER_DIGITS 11                /* bytes of the longest 32-bit number */

/* Lengths of a double's text that are none. */
enum { TEXT_NAN = 253, TEXT_INF = 254, TEXT_MINUS_INF = 255 };

static int compression;

const setting rdb_settings[] = {
    {"rdbcompression", NULL, SETTING_BOOL, 0, &compression, "yes"},
    {0},
};

/* ---- reading ------------------------------------------------------------------------------------
 */

/* A length, or the encoding of a string. */
static bool take_len(slice *in, uint64_t *out, bool *encoded) {
    slice head, more;
    if (!get_bytes(in, 1, &head)) return false;
    unsigned b = (unsigned char)head.data[0];
    *encoded = b >> 6 == LEN_ENCODED;
    *out = b & 0x3f;
    if (b == LEN_32) {
        if (!get_bytes(in, 4, &more)) return false;
        *out = __builtin_bswap32(load_u32(more.data));
    } else if (b == LEN_64) {
        if (!get_bytes(in, 8, &more)) return false;
        *out = load_be64(more.data);
    } else if (b >> 6 == LEN_14) {
        if (!get_bytes(in, 1, &more)) return false;
        *out = *out << 8 | (unsigned char)more.data[0];
    } else if (b >> 6 == LEN_LONG) {
        return false;
    }
    return true;
}

/* A string's encoding is no length. */
bool raw_take_len(slice *in, uint64_t *out) {
    bool encoded;
    return take_len(in, out, &encoded) && !encoded;
}

/* Nothing has been taken for them by then. */
bool raw_take_count(slice *in, size_t least, uint64_t *out) {
    return raw_take_len(in, out) && *out <= in->len / least;
}

/* What LZF made smaller. */
static bool take_lzf(slice *in, buf *room, slice *out) {
    uint64_t packed_len, len;
    slice packed;
    if (!raw_take_count(in, 1, &packed_len) || !raw_take_len(in, &len)) return false;
    if (len == 0 || len > RAW_STRING_MAX || len / LZF_RATIO > packed_len) return false;
    if (!get_bytes(in, (size_t)packed_len, &packed)) return false;
    buf_clear(room);
    char *p = buf_reserve_exact(room, (size_t)len);
    if (lzf_decompress(packed.data, (unsigned)packed.len, p, (unsigned)len) != len) return false;
    room->len = (size_t)len;
    *out = buf_slice(room);
    return true;
}

/* The text of a number of n bytes. */
static bool take_number(slice *in, size_t n, buf *room, slice *out) {
    slice bytes;
    if (!get_bytes(in, n, &bytes)) return false;
    int64_t v = n == 1   ? (int8_t)bytes.data[0]
                : n == 2 ? (int16_t)load_u16(bytes.data)
                         : (int32_t)load_u32(bytes.data);
    buf_clear(room);
    room->len = num_format_i64(buf_reserve(room, NUM_I64_TEXT), v);
    *out = buf_slice(room);
    return true;
}

/* The encodings with all their bits; others there are none. */
bool raw_take_string(slice *in, buf *room, slice *out) {
    uint64_t n;
    bool encoded;
    if (!take_len(in, &n, &encoded)) return false;
    if (!encoded) return n <= RAW_STRING_MAX && n <= in->len && get_bytes(in, (size_t)n, out);
    switch (n) {
    case STRING_I8: return take_number(in, 1, room, out);
    case STRING_I16: return take_number(in, 2, room, out);
    case STRING_I32: return take_number(in, 4, room, out);
    case STRING_LZF: return take_lzf(in, room, out);
    default: return false;
    }
}

/* Any bits are a double; NaN is for the caller to see. */
bool raw_take_double(slice *in, double *out) {
    uint64_t bits;
    if (!get_u64(in, &bits)) return false;
    memcpy(out, &bits, sizeof *out);
    return true;
}

/* Three lengths are no lengths but what has no text. */
bool raw_take_double_text(slice *in, double *out) {
    slice head, text;
    if (!get_bytes(in, 1, &head)) return false;
    unsigned n = (unsigned char)head.data[0];
    if (n == TEXT_NAN) *out = NAN;
    if (n == TEXT_INF) *out = INFINITY;
    if (n == TEXT_MINUS_INF) *out = -INFINITY;
    return n >= TEXT_NAN || (get_bytes(in, n, &text) && num_parse_double(text, out));
}

/* ---- writing ------------------------------------------------------------------------------------
 */

/* The shortest form. */
void raw_put_len(buf *out, uint64_t n) {
    char *p = buf_reserve(out, 9), *start = p;
    if (n < 1 << 6) {
        *p++ = (char)n;
    } else if (n < 1 << 14) {
        *p++ = (char)(LEN_14 << 6 | n >> 8);
        *p++ = (char)n;
    } else if (n <= UINT32_MAX) {
        *p++ = (char)LEN_32;
        p = put_u32(p, __builtin_bswap32((uint32_t)n));
    } else {
        *p++ = (char)LEN_64;
        p = put_be64(p, n);
    }
    out->len += (size_t)(p - start);
}

/* True if the string is a number's text, and has been put as that number. */
static bool put_number(buf *out, slice s) {
    int64_t v;
    if (s.len > NUMBER_DIGITS || !num_parse_i64(s, &v) || v < INT32_MIN || v > INT32_MAX)
        return false;
    unsigned form = v >= INT8_MIN && v <= INT8_MAX     ? STRING_I8
                    : v >= INT16_MIN && v <= INT16_MAX ? STRING_I16
                                                       : STRING_I32;
    buf_append_char(out, (char)(LEN_ENCODED << 6 | form));
    for (unsigned i = 0; i < 1u << form; i++)
        buf_append_char(out, (char)((uint64_t)v >> (8 * i)));
    return true;
}

/* True if LZF made it shorter, by the bytes of the second length at least, and has been put. The
 * compressed bytes are made behind the longest lengths there can be, and then moved down. */
static bool put_lzf(buf *out, slice s) {
    size_t start = out->len, head = 1 + 2 * 9;
    if (!compression || s.len <= LZF_WORTH || s.len > RAW_STRING_MAX) return false;
    bool huge = s.len > HUGE_STRING;
    char *p = (huge ? buf_reserve_exact : buf_reserve)(out, head + s.len) + head;
    unsigned n = lzf_compress(s.data, (unsigned)s.len, p, (unsigned)s.len - 4);
    if (n == 0) return false;
    buf_append_char(out, (char)(LEN_ENCODED << 6 | STRING_LZF));
    raw_put_len(out, n);
    raw_put_len(out, s.len);
    memmove(out->data + out->len, out->data + start + head, n);
    out->len += n;
    return true;
}

/* Also a listpack that happens to be short: nobody takes it for a number. */
void raw_put_blob(buf *out, slice s) {
    if (put_lzf(out, s)) return;
    raw_put_len(out, s.len);
    buf_append_slice(out, s);
}

/* Numbers first: they are shorter than anything. */
void raw_put_string(buf *out, slice s) {
    if (!put_number(out, s)) raw_put_blob(out, s);
}

/* As it is in memory. */
void raw_put_u64(buf *out, uint64_t v) {
    put_u64(buf_reserve(out, 8), v);
    out->len += 8;
}

/* Its bits. */
void raw_put_double(buf *out, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    raw_put_u64(out, bits);
}
