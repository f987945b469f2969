/* Listpacks: how redis-server 7 keeps small hashes, sorted sets and sets, a list's nodes and a
 * stream's.
 *
 *   u32 bytes in all | u16 elements, 65535: not known | elements | ff
 *
 * An element is its encoding, its bytes, and the length of these two once more, so that it can be
 * found from behind: seven bits a byte, the high ones first, the bit 80 in all bytes but the first.
 *
 *   0vvvvvvv                    number, 0 .. 127
 *   10nnnnnn                    n bytes follow
 *   110vvvvv vvvvvvvv           number, 13 bits, signed
 *   1110nnnn nnnnnnnn           n bytes follow
 *   f0 u32                      as many bytes follow
 *   f1 i16, f2 i24, f3 i32, f4 i64    number, little-endian
 */
#include "types/listpack.h"
#include "base/codec.h"
#include "base/log.h"
#include "rdb/packed.h"

#define HEADER       6
#define COUNT_AT     4
#define COUNT_IS_ANY 0xffffu
#define END          0xff

/* Writes an entry's length behind it; p has room for five bytes. */
static size_t put_back(unsigned char *p, uint64_t len) {
    size_t n = listpack_back(len);
    for (size_t i = n; i-- > 0; len >>= 7)
        p[i] = (unsigned char)((len & 127) | (i ? 128 : 0));
    return n;
}

/* The length in front must be that of the blob. */
bool listpack_open(packed *p) {
    return packed_take_header(p, HEADER, COUNT_AT);
}

/* What the encoding at `in` says: how many bytes are its own, and how many follow (0 for numbers).
 * False if it is none, or the number's bytes are too few. */
static bool take_head(slice in, size_t *own, uint64_t *follow, packed_item *out) {
    static const unsigned char widths[] = {2, 3, 4, 8};
    const unsigned char *b = (const unsigned char *)in.data;
    *follow = 0;
    *own = 1;
    if (b[0] < 0x80) {
        out->is_number = true;
        out->number = b[0];
    } else if (b[0] < 0xc0) {
        *follow = b[0] & 0x3f;
    } else if (b[0] < 0xf0) {
        if (in.len < 2) return false;
        *own = 2;
        if (b[0] < 0xe0) {
            int v = (b[0] & 0x1f) << 8 | b[1];
            out->is_number = true;
            out->number = v < 4096 ? v : v - 8192;
        } else {
            *follow = (uint64_t)(b[0] & 0x0f) << 8 | b[1];
        }
    } else if (b[0] == 0xf0) {
        if (in.len < 5) return false;
        *own = 5;
        *follow = load_u32(in.data + 1);
    } else if (b[0] <= 0xf4) {
        size_t n = widths[b[0] - 0xf1];
        if (in.len < 1 + n) return false;
        *own = 1 + n;
        out->is_number = true;
        out->number = packed_signed(in.data + 1, n);
    } else {
        return false;
    }
    return true;
}

/* The length behind an element must be what it is: who reads from behind relies on it. */
packed_result listpack_next(packed *p, packed_item *out) {
    slice in = slice_skip(p->bytes, p->at);
    size_t own;
    uint64_t follow;
    unsigned char back[5];
    if (in.len == 0) return PACKED_BAD;
    if ((unsigned char)in.data[0] == END) {
        bool whole = in.len == 1 && (p->count == PACKED_UNKNOWN || p->count == p->seen);
        return whole ? PACKED_END : PACKED_BAD;
    }
    if (!take_head(in, &own, &follow, out) || follow > in.len - own) return PACKED_BAD;
    if (!out->is_number) out->bytes = slice_of(in.data + own, (size_t)follow);
    in = slice_skip(in, own + (size_t)follow);
    size_t n = put_back(back, own + follow);
    if (n > in.len || memcmp(back, in.data, n) != 0) return PACKED_BAD;
    p->at += own + (size_t)follow + n;
    return PACKED_ITEM;
}

/* ---- writing ------------------------------------------------------------------------------------
 */

/* The header is filled in at the end. */
void listpack_begin(listpack_writer *w, buf *out) {
    *w = (listpack_writer){.out = out, .start = out->len};
    memset(buf_reserve(out, HEADER), 0, HEADER);
    out->len += HEADER;
}

/* The length, behind what was written since `from`. */
static void finish(listpack_writer *w, size_t from) {
    unsigned char back[5];
    buf_append(w->out, back, put_back(back, w->out->len - from));
    w->count++;
}

/* The shortest form that holds it. */
void listpack_add_number(listpack_writer *w, int64_t v) {
    unsigned char p[9];
    size_t n;
    if (v >= 0 && v <= 127) {
        p[0] = (unsigned char)v;
        n = 1;
    } else if (v >= -4096 && v <= 4095) {
        p[0] = (unsigned char)(0xc0 | (v >> 8 & 0x1f));
        p[1] = (unsigned char)v;
        n = 2;
    } else {
        unsigned form = v >= INT16_MIN && v <= INT16_MAX   ? 0
                        : v >= -(1 << 23) && v < 1 << 23   ? 1
                        : v >= INT32_MIN && v <= INT32_MAX ? 2
                                                           : 3;
        p[0] = (unsigned char)(0xf1 + form);
        n = 1 + (form == 3 ? 8 : 2 + form);
        for (size_t i = 1; i < n; i++)
            p[i] = (unsigned char)((uint64_t)v >> (8 * (i - 1)));
    }
    size_t from = w->out->len;
    buf_append(w->out, p, n);
    finish(w, from);
}

/* A number's text becomes a number only if it is exactly what that number is written as. */
void listpack_add(listpack_writer *w, slice element) {
    int64_t number;
    unsigned char p[5];
    size_t n = 1, from = w->out->len;
    if (num_parse_i64(element, &number)) {
        listpack_add_number(w, number);
        return;
    }
    CHECK(element.len <= UINT32_MAX);
    if (element.len < 64) {
        p[0] = (unsigned char)(0x80 | element.len);
    } else if (element.len < 4096) {
        p[0] = (unsigned char)(0xe0 | element.len >> 8);
        p[1] = (unsigned char)element.len;
        n = 2;
    } else {
        p[0] = 0xf0;
        put_u32((char *)p + 1, (uint32_t)element.len);
        n = 5;
    }
    buf_append(w->out, p, n);
    buf_append_slice(w->out, element);
    finish(w, from);
}

/* Elements do not depend on where they are. */
void listpack_append(listpack_writer *w, const listpack_writer *from) {
    slice all = slice_skip(buf_slice(from->out), from->start + HEADER);
    buf_append_slice(w->out, all);
    w->count += from->count;
}

/* One byte for the end. */
size_t listpack_size(const listpack_writer *w) {
    return w->out->len - w->start + 1;
}

/* A count that does not fit is not known. */
void listpack_end(listpack_writer *w) {
    buf_append_char(w->out, (char)END);
    size_t n = w->out->len - w->start;
    CHECK(n <= UINT32_MAX);
    put_u32(w->out->data + w->start, (uint32_t)n);
    put_u16(w->out->data + w->start + COUNT_AT,
            (uint16_t)(w->count < COUNT_IS_ANY ? w->count : COUNT_IS_ANY));
}
