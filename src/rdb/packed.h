/* packed: the compact encodings in which redis-server keeps small collections, and in which they
 * are in RDB payloads: one blob of bytes that holds elements one after another. README.md draws
 * them.
 *
 * Pure functions over bytes that nobody has checked: a read never leaves the blob, and what does
 * not fit the format is PACKED_BAD. They take no memory. */
#ifndef STAVE_RDB_PACKED_H
#define STAVE_RDB_PACKED_H

#include "base/buf.h"
#include "base/num.h"

typedef enum packed_kind {
    PACKED_LISTPACK,
    PACKED_ZIPLIST,
    PACKED_INTSET,
    PACKED_ZIPMAP, /* fields and values by turns */
} packed_kind;

/* A position in a blob. May be copied. */
typedef struct packed {
    packed_kind kind;
    slice bytes;
    size_t at;      /* where the next element begins */
    uint64_t count; /* elements, as the header says; PACKED_UNKNOWN */
    uint64_t seen;  /* elements before `at` */
    size_t last;    /* ziplist: bytes of the element before `at`. intset: bytes of a number */
} packed;

#define PACKED_UNKNOWN UINT64_MAX

/* An element: a number, or bytes that lie in the blob. */
typedef struct packed_item {
    bool is_number;
    int64_t number;
    slice bytes;
    char digits[NUM_I64_TEXT];
} packed_item;

typedef enum packed_result { PACKED_ITEM, PACKED_END, PACKED_BAD } packed_result;

/* At the first element. False: it has no such header. */
bool packed_open(packed *p, packed_kind kind, slice bytes);
/* PACKED_END only where the blob ends, and with as many elements as its header says. */
packed_result packed_next(packed *p, packed_item *out);
/* The element as bytes; a number's are in *item. */
slice packed_text(packed_item *item);

/* What listpacks and ziplists share: a header of so many bytes that begins with the blob's length
 * and has the number of elements, if that is known, in a u16. */
bool packed_take_header(packed *p, size_t header, size_t count_at);
/* A number of n bytes (1 to 8), little-endian, signed. */
int64_t packed_signed(const char *p, size_t n);
/* What packed.c calls, one pair a format. */
bool listpack_open(packed *p);
packed_result listpack_next(packed *p, packed_item *out);
bool ziplist_open(packed *p);
packed_result ziplist_next(packed *p, packed_item *out);
bool intset_open(packed *p);
packed_result intset_next(packed *p, packed_item *out);
bool zipmap_open(packed *p);
packed_result zipmap_next(packed *p, packed_item *out);

/* ---- writing ------------------------------------------------------------------------------------
 */

/* A listpack that is appended to *out: begin, any number of elements, end. What is numbers to
 * redis-server (canonical decimal text that fits 64 bits) is written as such. */
typedef struct listpack_writer {
    buf *out;
    size_t start; /* where it begins in out */
    uint64_t count;
} listpack_writer;

void listpack_begin(listpack_writer *w, buf *out);
void listpack_add(listpack_writer *w, slice element);
void listpack_add_number(listpack_writer *w, int64_t number);
/* The elements of another that has no end. */
void listpack_append(listpack_writer *w, const listpack_writer *from);
/* Bytes so far, with the end that is missing. */
size_t listpack_size(const listpack_writer *w);
void listpack_end(listpack_writer *w);

/* An intset of n numbers, which are sorted here. REQUIRES: no two are equal. */
void intset_write(buf *out, int64_t *numbers, size_t n);

#endif
