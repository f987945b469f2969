/* raw: the scalars of the RDB encoding: lengths, strings, doubles, times. README.md draws them.
 *
 * Readers take a cursor over bytes that nobody has checked, and return false if these are malformed
 * or too few; where the cursor is then does not matter. */
#ifndef STAVE_RDB_RAW_H
#define STAVE_RDB_RAW_H

#include "base/buf.h"
#include "base/setting.h"

#define RAW_STRING_MAX ((uint64_t)512 << 20) /* a longer string is malformed */

/* A length. */
bool raw_take_len(slice *in, uint64_t *out);
/* A length of something that takes at least `least` bytes each, and so can be checked: no more than
 * the bytes that are left allow. */
bool raw_take_count(slice *in, size_t least, uint64_t *out);
/* A string. *out lies in the input, or, if it had to be made (a number's text, LZF), in *room until
 * that is used again. */
bool raw_take_string(slice *in, buf *room, slice *out);
/* A double as eight bytes, as text. */
bool raw_take_double(slice *in, double *out);
bool raw_take_double_text(slice *in, double *out);

void raw_put_len(buf *out, uint64_t n);
/* As a number if it is one of up to 32 bits; else LZF if that is shorter and rdbcompression says
 * so; else as it is. */
void raw_put_string(buf *out, slice s);
/* The same, never as a number: for packed collections. */
void raw_put_blob(buf *out, slice s);
void raw_put_u64(buf *out, uint64_t v); /* little-endian: times */
void raw_put_double(buf *out, double v);

/* rdbcompression; ended by {0}. */
extern const setting rdb_settings[];

#endif
