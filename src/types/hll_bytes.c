/* The bytes of HyperLogLogs: registers of 6 bits, packed one after another or as runs.
 *
 *     | "HYLL" | form: u8 | 0 0 0 | kept count: u64, bit 63: out of date | registers |
 *
 * Dense: register i is the 6 bits from bit 6 * i on, counted from the lowest bit of the first byte.
 * Sparse: runs that cover registers 0 .. 16383 without a gap:
 *
 *     00nnnnnn            n + 1 registers are 0        (1 .. 64)
 *     01nnnnnn nnnnnnnn   n + 1 registers are 0        (1 .. 16384)
 *     1vvvvvnn            n + 1 registers are v + 1    (1 .. 4 of 1 .. 32)
 *
 * A value made by the same additions has the same bytes as redis-server's, so where there are
 * several ways to write the same registers (which neighbours are joined, and when) the one it takes
 * is followed: a run is split in three where a register changes, and then the five runs from the
 * one before it on are looked at once for neighbours of one value that fit into one. */
#include "types/hll_bytes.h"

#include "base/codec.h"
#include "base/log.h"

#define OUT_OF_DATE  0x80 /* in the last byte of the kept count */
#define KEPT_AT      8
#define ZERO_MAX     64 /* the longest run of one byte of zeros */
#define VALUE_MAX    32
#define VALUE_RUN    4
#define JOIN_LOOKS   5
#define HASH_SEED    0xadc83b19u
#define INDEX_BITS   14
#define REGISTER_MAX 51 /* 64 - INDEX_BITS + 1 */

static const uint8_t magic[4] = {'H', 'Y', 'L', 'L'};

/* ---- elements ----------------------------------------------------------------------------------
 */

/* MurmurHash64A (Austin Appleby, public domain) of little-endian words. */
static uint64_t murmur64a(slice s, uint64_t seed) {
    const uint64_t m = 0xc6a4a7935bd1e995u;
    uint64_t h = seed ^ (s.len * m), tail = 0;
    size_t whole = s.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t k = load_u64(s.data + i) * m;
        h = (h ^ (k ^ k >> 47) * m) * m;
    }
    for (size_t i = s.len; i > whole; i--)
        tail = tail << 8 | (uint8_t)s.data[i - 1];
    if (whole < s.len) h = (h ^ tail) * m;
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}

/* The low bits of the hash choose the register; it counts the zeros that follow, and one. */
unsigned hll_element(slice element, unsigned *index) {
    uint64_t h = murmur64a(element, HASH_SEED);
    *index = (unsigned)(h & (HLL_REGISTERS - 1));
    h = h >> INDEX_BITS | (uint64_t)1 << (REGISTER_MAX - 1);
    return (unsigned)__builtin_ctzll(h) + 1;
}

/* ---- header ------------------------------------------------------------------------------------
 */

bool hll_header_fits(const uint8_t header[HLL_HEADER], uint64_t len) {
    if (len < HLL_HEADER || memcmp(header, magic, sizeof magic) != 0) return false;
    return header[4] == HLL_SPARSE || (header[4] == HLL_DENSE && len == HLL_DENSE_BYTES);
}

bool hll_kept_count(const uint8_t header[HLL_HEADER], uint64_t *count) {
    *count = load_u64((const char *)header + KEPT_AT);
    return !(header[HLL_HEADER - 1] & OUT_OF_DATE);
}

void hll_keep_in_header(uint8_t header[HLL_HEADER], uint64_t count) {
    for (int i = 0; i < 8; i++)
        header[KEPT_AT + i] = (uint8_t)(count >> 8 * i);
}

void hll_outdate(uint8_t header[HLL_HEADER]) {
    header[HLL_HEADER - 1] |= OUT_OF_DATE;
}

/* ---- dense -------------------------------------------------------------------------------------
 */

/* A register of which the lowest bit is bit `shift` of w[0]; from bit 3 on, it ends in w[1]. */
static unsigned window_get(const uint8_t *w, unsigned shift) {
    unsigned two = w[0] | (shift > 2 ? (unsigned)w[1] << 8 : 0);
    return two >> shift & 63;
}

static void window_set(uint8_t *w, unsigned shift, unsigned v) {
    w[0] = (uint8_t)((w[0] & ~(63u << shift)) | v << shift);
    if (shift > 2) w[1] = (uint8_t)((w[1] & ~(63u >> (8 - shift))) | v >> (8 - shift));
}

/* Register i of all; the last one ends with its byte. */
static unsigned dense_get(const uint8_t *p, unsigned i) {
    return window_get(p + i * 6 / 8, i * 6 % 8);
}

static void dense_set(uint8_t *p, unsigned i, unsigned v) {
    window_set(p + i * 6 / 8, i * 6 % 8, v);
}

size_t hll_window(unsigned index, size_t *at) {
    *at = HLL_HEADER + index * 6 / 8;
    return index * 6 % 8 > 2 ? 2 : 1;
}

bool hll_window_raise(uint8_t window[2], unsigned index, unsigned count) {
    if (window_get(window, index * 6 % 8) >= count) return false;
    window_set(window, index * 6 % 8, count);
    return true;
}

/* ---- sparse ------------------------------------------------------------------------------------
 */

/* A run of equal registers. */
typedef struct run {
    unsigned value, length;
    unsigned size; /* bytes; 0: cut off */
} run;

/* The run at p. REQUIRES: p < end. */
static run run_at(const uint8_t *p, const uint8_t *end) {
    if (*p & 0x80) return (run){(*p >> 2 & 31u) + 1, (*p & 3u) + 1, 1};
    if (!(*p & 0x40)) return (run){0, (*p & 63u) + 1, 1};
    if (end - p < 2) return (run){0, 0, 0};
    return (run){0, ((*p & 63u) << 8 | p[1]) + 1, 2};
}

/* Writes a run in its shortest form; returns its size. A length of 0 is no run. */
static unsigned put_run(uint8_t *p, unsigned value, unsigned length) {
    if (length == 0) return 0;
    if (value > 0) {
        *p = (uint8_t)(0x80 | (value - 1) << 2 | (length - 1));
        return 1;
    }
    if (length <= ZERO_MAX) {
        *p = (uint8_t)(length - 1);
        return 1;
    }
    p[0] = (uint8_t)(0x40 | (length - 1) >> 8);
    p[1] = (uint8_t)(length - 1);
    return 2;
}

void hll_image_empty(hll_image *im) {
    CHECK(im->room >= HLL_HEADER + 2);
    memset(im->bytes, 0, HLL_HEADER);
    memcpy(im->bytes, magic, sizeof magic);
    im->bytes[4] = HLL_SPARSE;
    im->len = HLL_HEADER + put_run(im->bytes + HLL_HEADER, 0, HLL_REGISTERS);
}

/* Takes n bytes at p out, or makes room for -n. */
static void cut(hll_image *im, uint8_t *p, int n) {
    const uint8_t *end = im->bytes + im->len;
    CHECK(n >= 0 || im->len + (size_t)-n <= im->room);
    if (n > 0)
        memmove(p, p + n, (size_t)(end - p - n));
    else
        memmove(p - n, p, (size_t)(end - p));
    im->len -= (size_t)n;
}

/* Joins neighbours of one value, in the few runs from `p` on. */
static void join(hll_image *im, uint8_t *p) {
    for (int look = 0; look < JOIN_LOOKS; look++) {
        const uint8_t *end = im->bytes + im->len;
        if (p >= end) return;
        run a = run_at(p, end);
        if (a.size == 0) return;
        if (a.value > 0 && p + 1 < end) {
            run b = run_at(p + 1, end);
            if (b.value == a.value && a.length + b.length <= VALUE_RUN) {
                cut(im, p, 1);
                (void)put_run(p, a.value, a.length + b.length);
                continue;
            }
        }
        p += a.size;
    }
}

/* Finds the run that has the register; replaces it by what is before, the register, and what is
 * after it. */
static hll_set sparse_set(hll_image *im, unsigned index, unsigned count, uint64_t max) {
    uint8_t *p = im->bytes + HLL_HEADER, *before = p;
    const uint8_t *end = im->bytes + im->len;
    unsigned first = 0;
    run r = {0};
    if (count > VALUE_MAX) return HLL_NEEDS_DENSE;
    for (; p < end; p += r.size, first += r.length) {
        r = run_at(p, end);
        if (r.size == 0) return HLL_BROKEN;
        if (index < first + r.length) break;
        before = p;
    }
    if (p >= end) return HLL_BROKEN;
    if (r.value >= count) return HLL_SAME;
    uint8_t made[2 + 1 + 2];
    unsigned n = put_run(made, r.value, index - first);
    n += put_run(made + n, count, 1);
    n += put_run(made + n, r.value, first + r.length - 1 - index);
    if (n > r.size && im->len + n - r.size > max) return HLL_NEEDS_DENSE;
    cut(im, p, (int)r.size - (int)n);
    memcpy(p, made, n);
    join(im, before);
    hll_outdate(im->bytes);
    return HLL_RAISED;
}

/* A walk over the runs of a sparse value that must cover all registers. */
typedef struct runs {
    const uint8_t *p, *end;
    unsigned at; /* the register that comes next */
} runs;

/* The next one; false at the end, and where the bytes are wrong. */
static bool next_run(runs *w, run *out) {
    if (w->p >= w->end) return false;
    *out = run_at(w->p, w->end);
    if (out->size == 0 || out->length > HLL_REGISTERS - w->at) return false;
    w->p += out->size;
    w->at += out->length;
    return true;
}

/* Over the runs of a value. */
static runs runs_of(const hll_image *im) {
    return (runs){im->bytes + HLL_HEADER, im->bytes + im->len, 0};
}

/* After the last run: were they all? */
static bool are_all(const runs *w) {
    return w->at == HLL_REGISTERS && w->p == w->end;
}

/* ---- both --------------------------------------------------------------------------------------
 */

hll_set hll_image_set(hll_image *im, unsigned index, unsigned count, uint64_t max) {
    CHECK(index < HLL_REGISTERS && count > 0 && count < 64 && im->len >= HLL_HEADER);
    if (im->bytes[4] == HLL_SPARSE) return sparse_set(im, index, count, max);
    CHECK(im->len == HLL_DENSE_BYTES);
    uint8_t *registers = im->bytes + HLL_HEADER;
    if (dense_get(registers, index) >= count) return HLL_SAME;
    dense_set(registers, index, count);
    return HLL_RAISED;
}

bool hll_image_dense(const hll_image *im, uint8_t *out) {
    runs w = runs_of(im);
    run r;
    CHECK(im->bytes[4] == HLL_SPARSE);
    memset(out, 0, HLL_DENSE_BYTES);
    memcpy(out, im->bytes, HLL_HEADER);
    out[4] = HLL_DENSE;
    while (next_run(&w, &r))
        for (unsigned i = 0; r.value && i < r.length; i++)
            dense_set(out + HLL_HEADER, w.at - 1 - i, r.value);
    return are_all(&w);
}

bool hll_image_max(const hll_image *im, uint8_t registers[HLL_REGISTERS]) {
    if (im->bytes[4] == HLL_DENSE) {
        for (unsigned i = 0; i < HLL_REGISTERS; i++) {
            unsigned v = dense_get(im->bytes + HLL_HEADER, i);
            if (v > registers[i]) registers[i] = (uint8_t)v;
        }
        return true;
    }
    runs w = runs_of(im);
    run r;
    while (next_run(&w, &r))
        for (unsigned i = w.at - r.length; r.value && i < w.at; i++)
            if (r.value > registers[i]) registers[i] = (uint8_t)r.value;
    return are_all(&w);
}

void hll_image_text(const hll_image *im, buf *out) {
    const uint8_t *p = im->bytes + HLL_HEADER, *end = im->bytes + im->len;
    while (p < end) {
        run r = run_at(p, end);
        if (r.size == 0) return;
        if (p > im->bytes + HLL_HEADER) buf_append_char(out, ' ');
        if (r.value)
            buf_printf(out, "v:%u,%u", r.value, r.length);
        else
            buf_printf(out, "%c:%u", r.size == 2 ? 'Z' : 'z', r.length);
        p += r.size;
    }
}
