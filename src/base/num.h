/* num: numbers to text and back, exactly as Redis reads and prints them. */
#ifndef STAVE_BASE_NUM_H
#define STAVE_BASE_NUM_H

#include "base/slice.h"

#define NUM_I64_TEXT     21 /* bytes that hold any int64 in decimal, without NUL */
#define NUM_DOUBLE_TEXT  32 /* bytes that hold any double, as below or as %.17g */
#define NUM_LDOUBLE_TEXT 5120

/* The strict form: an optional '-', no leading zero or plus, no space, in range. */
bool num_parse_i64(slice s, int64_t *out);
bool num_parse_u64(slice s, uint64_t *out);
/* Decimal text into out (>= NUM_I64_TEXT bytes); returns its length. */
size_t num_format_i64(char *out, int64_t v);
size_t num_format_u64(char *out, uint64_t v);
/* As Redis' getDoubleFromObject / getLongDoubleFromObject: whole slice, no leading space, no NaN.
 */
bool num_parse_double(slice s, double *out);
bool num_parse_ldouble(slice s, long double *out);
/* The shortest text that reads back as v, in the form of redis-server 7.2: 0.1, 3, 1e+21, 1.5e-7,
 * inf, -inf, nan, -0. */
size_t num_format_double(char *out, double v);
/* inf, -inf or nan; nothing, and 0, if v is a finite number. */
size_t num_format_special(char *out, double v);
/* As INCRBYFLOAT prints: %.17Lf without trailing zeros ("human friendly"). */
size_t num_format_ldouble(char *out, long double v);
/* "64mb", "1g", "100k", "512" (1k = 1000, 1kb = 1024), bytes. */
bool num_parse_memory(slice s, uint64_t *out);

#endif
