/* num: numbers to text and back.
 *
 * Integers are read in one strict form only, so that a text that is stored as an integer prints as
 * the same text again. Floating point goes through the C library, which rounds correctly, with one
 * short cut: up to 15 digits with a point among them are an exact integer over an exact power of
 * ten, and one IEEE division of the two rounds correctly as well (Clinger, "How to read floating
 * point numbers accurately"). */
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#define U64_DIGITS 20

/* One comparison, and no locale. */
static inline bool is_digit(char c) {
    return (unsigned)(c - '0') < 10;
}

/* Twenty digits at most, so one check at the twentieth is enough for overflow. */
bool num_parse_u64(slice s, uint64_t *out) {
    if (s.len == 0 || s.len > U64_DIGITS) return false;
    if (s.data[0] == '0' && s.len > 1) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.data[i])) return false;
        uint64_t digit = (uint64_t)(s.data[i] - '0');
        /* Only the last of twenty digits can overflow. */
        if (i == U64_DIGITS - 1 &&
            (v > UINT64_MAX / 10 || (v == UINT64_MAX / 10 && digit > UINT64_MAX % 10)))
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

/* The magnitude as an unsigned number, then the sign. */
bool num_parse_i64(slice s, int64_t *out) {
    bool negative = s.len > 1 && s.data[0] == '-';
    uint64_t v;
    if (!num_parse_u64(negative ? slice_skip(s, 1) : s, &v)) return false;
    if (negative) {
        if (v == 0 || v > (uint64_t)INT64_MAX + 1) return false; /* "-0" is no strict form */
        *out = (int64_t)(0 - v);
        return true;
    }
    if (v > INT64_MAX) return false;
    *out = (int64_t)v;
    return true;
}

/* "00" "01" .. "99": two digits a division. */
static const char pairs[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

/* From the last digit to the first, in a buffer of its own, then copied. */
size_t num_format_u64(char *out, uint64_t v) {
    char text[U64_DIGITS], *p = text + sizeof text;
    while (v >= 100) {
        p -= 2;
        memcpy(p, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        p -= 2;
        memcpy(p, pairs + 2 * v, 2);
    } else {
        *--p = (char)('0' + v);
    }
    size_t n = (size_t)(text + sizeof text - p);
    memcpy(out, p, n);
    return n;
}

/* The negation is done unsigned, where the smallest number has one. */
size_t num_format_i64(char *out, int64_t v) {
    if (v >= 0) return num_format_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + num_format_u64(out + 1, 0 - (uint64_t)v);
}

/* The short cut of the design note: [+-] digits [. digits], at most 15 digits in all. False: not of
 * that form (which may still be a number). */
static bool parse_short_decimal(slice s, double *out) {
    static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *p = s.data, *end = p + s.len;
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) negative = *p++ == '-';
    if (end - p > 16) return false;
    uint64_t v = 0;
    unsigned digits = 0, after_point = 0;
    bool point = false;
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(*p)) return false;
        v = v * 10 + (uint64_t)(*p - '0');
        digits++;
        after_point += point;
    }
    if (digits == 0 || digits > 15) return false;
    double d = (double)v / power[after_point];
    *out = negative ? -d : d;
    return true;
}

/* strtod on a copy that ends in NUL. A result out of range is refused, a denormal is not. */
bool num_parse_double(slice s, double *out) {
    char small[256];
    double v;
    if (parse_short_decimal(s, out)) return true;
    if (s.len == 0 || isspace((unsigned char)s.data[0])) return false;
    char *text = s.len < sizeof small ? small : mem_alloc(s.len + 1);
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    v = strtod(text, &end);
    bool whole = end == text + s.len;
    bool in_range = errno != ERANGE || (fabs(v) != HUGE_VAL && fpclassify(v) != FP_ZERO);
    if (text != small) mem_free(text);
    if (!whole || !in_range || isnan(v)) return false;
    *out = v;
    return true;
}

/* Like num_parse_double, with Redis' bound of NUM_LDOUBLE_TEXT bytes on the text. */
bool num_parse_ldouble(slice s, long double *out) {
    char text[NUM_LDOUBLE_TEXT];
    if (s.len == 0 || s.len >= sizeof text || isspace((unsigned char)s.data[0])) return false;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    long double v = strtold(text, &end);
    if (end != text + s.len || isnan(v)) return false;
    if (errno == ERANGE && (fabsl(v) == HUGE_VALL || fpclassify(v) == FP_ZERO)) return false;
    *out = v;
    return true;
}

size_t num_format_special(char *out, double v) {
    const char *text = isnan(v) ? "nan" : isinf(v) ? (v > 0 ? "inf" : "-inf") : "";
    size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

/* 17 digits after the point, then without the zeros at their end, and without the point if none is
 * left; "-0" is 0. */
size_t num_format_ldouble(char *out, long double v) {
    if (isnan(v) || isinf(v)) return num_format_special(out, (double)v);
    size_t n = (size_t)snprintf(out, NUM_LDOUBLE_TEXT, "%.17Lf", v);
    while (out[n - 1] == '0')
        n--;
    if (out[n - 1] == '.') n--;
    if (n == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        n = 1;
    }
    return n;
}

/* The factor of a unit, letters' case ignored; 0 if it is none. */
static uint64_t unit_factor(slice unit) {
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {{"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1024},
                 {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (slice_ieq(unit, units[i].name)) return units[i].factor;
    return 0;
}

/* Leading zeros are fine here; no digits or a product above 64 bits is not. */
bool num_parse_memory(slice s, uint64_t *out) {
    uint64_t v = 0;
    size_t i = 0;
    for (; i < s.len && is_digit(s.data[i]); i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.data[i] - '0'), &v))
            return false;
    if (i == 0) return false;
    uint64_t factor = unit_factor(slice_skip(s, i));
    return factor && !__builtin_mul_overflow(v, factor, out);
}
