/* num: doubles as the shortest text that reads back as the same number, laid out as
 * redis-server 7.2 does.
 *
 *   whole numbers up to 2^62                     as integers                  1000000000000000000
 *   fewer than 7 zeros behind the digits         without an exponent          (beyond 2^62)
 *   less than 7 digits behind the point,         with a point                 0.000012345
 *     or at least 1e-3                                                        0.0012345678901234567
 *   else                                         with an exponent             1.5e-7, 1e+21
 *
 * The digits are found in two ways. A number of up to 15 of them, which is what people write, is an
 * integer over a power of ten: some multiplications find it, and one division, which is exact
 * enough to be a proof (see num.c), confirms it. For others the C library gives 17 digits, which
 * always suffice; of these, roundings to 15 and to 16 are tried. A number just above a power of two
 * is nearer to its lower neighbour than to its upper one, so that there the second nearest of 16
 * digits may be right where the nearest is not; and denormal numbers have fewer digits of their own
 * than 15, so that all lengths are tried. */
#include "base/num.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DIGITS     17 /* enough for any double */
#define SURE       15 /* decimals of so many digits are all different doubles */
#define POWERS_MAX 22 /* powers of ten up to here are doubles */

/* A number's digits, without zeros at the end, and the power of ten that goes with them. */
typedef struct decimal {
    char digits[DIGITS + 1];
    int n, power;
} decimal;

static void set_digits(decimal *d, uint64_t v, int power) {
    char text[NUM_I64_TEXT];
    d->n = (int)num_format_u64(text, v);
    for (d->power = power; d->n > 1 && text[d->n - 1] == '0'; d->n--)
        d->power++;
    memcpy(d->digits, text, (size_t)d->n);
}

/* Up to 15 digits, the last of them at most 22 behind the point. v > 0. */
static bool find_short(double v, decimal *d) {
    static const double power[POWERS_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    for (int i = 1; i <= POWERS_MAX; i++) {
        double scaled = v * power[i];
        if (scaled > 1e15) return false;
        double whole = (double)(uint64_t)(scaled + 0.5);
        if (fabs(scaled - whole) > scaled * (2 * DBL_EPSILON) || whole / power[i] != v) continue;
        set_digits(d, (uint64_t)whole, -i);
        return true;
    }
    return false;
}

/* Does it read back as v? */
static bool reads_as(uint64_t digits, int power, double v) {
    char text[64];
    size_t n = num_format_u64(text, digits);
    text[n++] = 'e';
    text[n + num_format_i64(text + n, power)] = '\0';
    return strtod(text, NULL) == v;
}

/* The n digits nearest to v, as an integer, and their power of ten. */
static uint64_t library_digits(double v, int n, int *power) {
    char text[64];
    uint64_t digits = 0;
    snprintf(text, sizeof text, "%.*e", n - 1, v);
    for (const char *p = text; *p != 'e'; p++)
        if (*p != '.') digits = digits * 10 + (uint64_t)(*p - '0');
    *power = atoi(strchr(text, 'e') + 1) - (n - 1);
    return digits;
}

/* v is normal, > 0. */
static void find_normal(double v, decimal *d) {
    int power, exponent, other;
    uint64_t all = library_digits(v, DIGITS, &power), last = all % 10;
    uint64_t sure = (all + 50) / 100;
    if (reads_as(sure, power + 2, v)) {
        set_digits(d, sure, power + 2);
        return;
    }
    /* 5 may be a little less or more: the library knows. */
    uint64_t nearest = last == 5 ? library_digits(v, DIGITS - 1, &other) : (all + 5) / 10;
    uint64_t second = nearest * 10 > all ? nearest - 1 : nearest + 1;
    if (reads_as(nearest, power + 1, v)) {
        set_digits(d, nearest, power + 1);
    } else if (frexp(v, &exponent) == 0.5 && reads_as(second, power + 1, v)) {
        set_digits(d, second, power + 1);
    } else {
        set_digits(d, all, power);
    }
}

static void find_denormal(double v, decimal *d) {
    int power;
    for (int n = 1;; n++) {
        uint64_t digits = library_digits(v, n, &power);
        if (n < DIGITS && !reads_as(digits, power, v)) continue;
        set_digits(d, digits, power);
        return;
    }
}

/* ---- layout -------------------------------------------------------------------------------------
 */

static char *put_zeros(char *p, int n) {
    memset(p, '0', (size_t)n);
    return p + n;
}

static char *put_digits(char *p, const decimal *d, int from, int to) {
    memcpy(p, d->digits + from, (size_t)(to - from));
    return p + to - from;
}

/* "d.ddde+dd", the exponent without zeros before it. */
static char *put_scientific(char *p, const decimal *d, int exponent) {
    p = put_digits(p, d, 0, 1);
    if (d->n > 1) *p++ = '.';
    p = put_digits(p, d, 1, d->n);
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    return p + num_format_u64(p, (uint64_t)abs(exponent));
}

static char *put_decimal(char *p, const decimal *d) {
    int exponent = d->power + d->n - 1; /* of the first digit */
    if (d->power >= 0 && exponent < d->n + 7) return put_zeros(put_digits(p, d, 0, d->n), d->power);
    if (d->power >= 0 || (d->power <= -7 && abs(exponent) >= 4))
        return put_scientific(p, d, exponent);
    int before = d->n + d->power; /* digits before the point */
    if (before > 0) {
        p = put_digits(p, d, 0, before);
        *p++ = '.';
        return put_digits(p, d, before, d->n);
    }
    *p++ = '0';
    *p++ = '.';
    return put_digits(put_zeros(p, -before), d, 0, d->n);
}

size_t num_format_double(char *out, double v) {
    const double bound = 4611686018427387904.0; /* 2^62 */
    decimal d;
    char *p = out;
    if (!isfinite(v)) return num_format_special(out, v);
    if (signbit(v)) *p++ = '-';
    v = fabs(v);
    if (v <= bound && (double)(uint64_t)v == v)
        return (size_t)(p - out) + num_format_u64(p, (uint64_t)v);
    if (!find_short(v, &d)) {
        if (v >= DBL_MIN) {
            find_normal(v, &d);
        } else {
            find_denormal(v, &d);
        }
    }
    return (size_t)(put_decimal(p, &d) - out);
}
