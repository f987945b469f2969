/* HyperLogLogs as values of keys: what is read, changed and written when, and the estimate.
 *
 * Work is done on a copy in memory, but for a few elements that are added to a dense value: of that
 * only the chunks with their registers are read. What is written is
 *
 *     sparse             the whole value, as a flat string: some 3000 bytes at most
 *     dense              the chunks that differ: one register costs one record of up to 4 KiB, in
 *                        place of the 12 KiB of the whole
 *     dense, but flat    (a client's SET) all of it, in chunks from then on
 *
 * The estimate is Otmar Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches",
 * arXiv:1702.01284, algorithm 6): it needs the number of registers of each value, and no table. Its
 * sums are made in redis-server's order, so that their last bits are the same. */
#include "types/hll_bytes.h"

#include <math.h>

#include "base/log.h"
#include "types/limits.h"

#define ALPHA  0.721347520444481703680 /* 1 / (2 ln 2) */
#define FEW    4                       /* elements that are added without the whole value */
#define VALUES 51                      /* the highest of a register */

/* ---- reading -----------------------------------------------------------------------------------
 */

engine_result hll_open(keyspace *ks, uint32_t db, slice key, unsigned flags, hll *out) {
    *out = (hll){0};
    string *s = &out->s;
    engine_result r = string_open(ks, db, key, flags, s);
    if (r != ENGINE_OK || !s->exists || s->wrong_type) return r;
    r = string_peek(s, 0, out->header, HLL_HEADER);
    if (r != ENGINE_OK) return r;
    out->not_one = !hll_header_fits(out->header, s->len);
    out->dense = out->header[4] == HLL_DENSE;
    return ENGINE_OK;
}

/* How long a sparse value may become. */
static uint64_t sparse_max(void) {
    uint64_t max = (uint64_t)types_limit.hll_sparse;
    return max < HLL_SPARSE_BYTES ? max : HLL_SPARSE_BYTES;
}

/* A copy, with room for what hll_image_set may add; of an absent key an empty one. */
static engine_result load(hll *h, hll_image *im) {
    CHECK(!h->not_one && !h->s.wrong_type);
    *im = (hll_image){.len = (size_t)h->s.len};
    h->broken = h->s.len > HLL_SPARSE_BYTES;
    if (h->broken) return ENGINE_OK;
    size_t most = im->len > sparse_max() ? im->len : (size_t)sparse_max();
    im->room = most + HLL_HEADER + HLL_GROWTH;
    im->bytes = ks_alloc(h->s.ks, im->room);
    if (h->s.exists) return string_peek(&h->s, 0, im->bytes, im->len);
    hll_image_empty(im);
    return ENGINE_OK;
}

engine_result hll_max(hll *h, uint8_t registers[HLL_REGISTERS]) {
    hll_image im;
    if (!h->s.exists) return ENGINE_OK;
    engine_result r = load(h, &im);
    if (r == ENGINE_OK && !h->broken) h->broken = !hll_image_max(&im, registers);
    return r;
}

engine_result hll_describe(hll *h, buf *out) {
    hll_image im;
    CHECK(!h->dense);
    engine_result r = load(h, &im);
    if (r == ENGINE_OK && !h->broken) hll_image_text(&im, out);
    return r;
}

bool hll_kept(const hll *h, uint64_t *count) {
    return hll_kept_count(h->header, count);
}

/* ---- changing ----------------------------------------------------------------------------------
 */

/* Writes the chunks in which two dense values differ. */
static engine_result store_chunks(hll *h, const uint8_t *was, const uint8_t *now) {
    string_edit e;
    engine_result r = string_edit_begin(&e, &h->s, HLL_DENSE_BYTES);
    for (size_t at = 0; r == ENGINE_OK && at < HLL_DENSE_BYTES; at += STRING_CHUNK) {
        size_t n = HLL_DENSE_BYTES - at < STRING_CHUNK ? HLL_DENSE_BYTES - at : STRING_CHUNK;
        if (memcmp(was + at, now + at, n) == 0) continue;
        r = string_edit_write(&e, at, slice_of(now + at, n));
    }
    return r == ENGINE_OK ? string_edit_end(&e) : r;
}

/* Puts the image in the place of what was loaded; was: a copy of that, if it was dense. */
static engine_result store(hll *h, const hll_image *im, const uint8_t *was) {
    string *s = &h->s;
    slice value = slice_of(im->bytes, im->len);
    if (im->bytes[4] == HLL_SPARSE)
        return string_set(s->ks, s->db, s->key, value, s->ent.expire, STRING_EDITED, s->ent.access);
    if (s->chunked && was) return store_chunks(h, was, im->bytes);
    return string_set_chunked(s, value, value.len);
}

/* What was loaded, if store can use it. */
static const uint8_t *keep_copy(hll *h, const hll_image *im) {
    if (!h->dense || !h->s.chunked) return NULL;
    return memcpy(ks_alloc(h->s.ks, im->len), im->bytes, im->len);
}

/* The image in the dense form; false: its bytes are wrong. */
static bool make_dense(hll *h, hll_image *im) {
    if (im->bytes[4] == HLL_DENSE) return true;
    hll_image dense = {ks_alloc(h->s.ks, HLL_DENSE_BYTES), HLL_DENSE_BYTES, HLL_DENSE_BYTES};
    h->broken = !hll_image_dense(im, dense.bytes);
    *im = dense;
    return !h->broken;
}

/* Raises one register, in whatever form it takes; false: the bytes are wrong. */
static bool raise_one(hll *h, hll_image *im, unsigned index, unsigned count, uint64_t *raised) {
    hll_set set = hll_image_set(im, index, count, sparse_max());
    if (set == HLL_NEEDS_DENSE) {
        if (!make_dense(h, im)) return false;
        set = hll_image_set(im, index, count, 0);
        CHECK(set == HLL_RAISED);
    }
    h->broken = set == HLL_BROKEN;
    *raised += set == HLL_RAISED;
    return !h->broken;
}

/* Asks for the registers of these elements, so that what is missing comes together. */
static void ask_for(hll *h, const slice *elements, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t window[2];
        unsigned index;
        size_t at;
        (void)hll_element(elements[i], &index);
        size_t len = hll_window(index, &at);
        if (string_peek(&h->s, at, window, len) == ENGINE_ERROR) return;
    }
}

/* A few elements and a dense value in chunks: each register is looked at, and raised, where it is.
 */
static engine_result add_in_place(hll *h, const slice *elements, size_t n, uint64_t *raised) {
    string_edit e;
    uint64_t kept;
    engine_result r = string_edit_begin(&e, &h->s, HLL_DENSE_BYTES);
    for (size_t i = 0; i < n && r == ENGINE_OK; i++) {
        uint8_t window[2];
        unsigned index, count = hll_element(elements[i], &index);
        size_t at, len = hll_window(index, &at);
        r = string_edit_read(&e, at, window, len);
        if (r == ENGINE_PENDING) ask_for(h, elements + i + 1, n - i - 1);
        if (r != ENGINE_OK || !hll_window_raise(window, index, count)) continue;
        ++*raised;
        r = string_edit_write(&e, at, slice_of(window, len));
    }
    if (r == ENGINE_OK && *raised && hll_kept(h, &kept)) {
        hll_outdate(h->header);
        r = string_edit_write(&e, 0, slice_of(h->header, HLL_HEADER));
    }
    return r == ENGINE_OK ? string_edit_end(&e) : r;
}

engine_result hll_add(hll *h, const slice *elements, size_t n, uint64_t *raised) {
    hll_image im;
    *raised = !h->s.exists;
    if (h->dense && h->s.chunked && n <= FEW) return add_in_place(h, elements, n, raised);
    engine_result r = load(h, &im);
    if (r != ENGINE_OK || h->broken) return r;
    const uint8_t *was = keep_copy(h, &im);
    for (size_t i = 0; i < n; i++) {
        unsigned index, count = hll_element(elements[i], &index);
        if (!raise_one(h, &im, index, count, raised)) return ENGINE_OK;
    }
    if (*raised == 0) return ENGINE_OK;
    hll_outdate(im.bytes);
    return store(h, &im, was);
}

engine_result hll_raise(hll *h, const uint8_t registers[HLL_REGISTERS], bool dense) {
    hll_image im;
    uint64_t raised = 0;
    engine_result r = load(h, &im);
    if (r != ENGINE_OK || h->broken) return r;
    const uint8_t *was = keep_copy(h, &im);
    if (dense && !make_dense(h, &im)) return ENGINE_OK;
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        if (registers[i] && !raise_one(h, &im, i, registers[i], &raised)) return ENGINE_OK;
    hll_outdate(im.bytes);
    return store(h, &im, was);
}

engine_result hll_make_dense(hll *h) {
    hll_image im;
    if (h->dense) return ENGINE_OK;
    engine_result r = load(h, &im);
    if (r != ENGINE_OK || h->broken || !make_dense(h, &im)) return r;
    return store(h, &im, NULL);
}

engine_result hll_keep(hll *h, uint64_t count) {
    string_edit e;
    hll_keep_in_header(h->header, count);
    engine_result r = string_edit_begin(&e, &h->s, h->s.len);
    if (r == ENGINE_OK) r = string_edit_write(&e, 0, slice_of(h->header, HLL_HEADER));
    return r == ENGINE_OK ? string_edit_end(&e) : r;
}

/* ---- estimating --------------------------------------------------------------------------------
 */

/* What the registers that are full add (the paper's tau); x: the part of all that is not. */
static double tau(double x) {
    if (x == 0 || x == 1) return 0;
    double sum = 1 - x, before, weight = 1;
    do {
        before = sum;
        x = sqrt(x);
        weight *= 0.5;
        sum -= pow(1 - x, 2) * weight;
    } while (sum != before);
    return sum / 3;
}

/* What the registers that are empty add (sigma); x: their part of all. */
static double sigma(double x) {
    if (x == 1) return INFINITY;
    double sum = x, before, weight = 1;
    do {
        before = sum;
        x *= x;
        sum += x * weight;
        weight += weight;
    } while (sum != before);
    return sum;
}

/* A register that is higher than any hash makes it counts for nothing. */
uint64_t hll_estimate(const uint8_t registers[HLL_REGISTERS]) {
    const double m = HLL_REGISTERS;
    unsigned how_many[64] = {0};
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        how_many[registers[i] & 63]++;
    double sum = m * tau((m - how_many[VALUES]) / m);
    for (int v = VALUES - 1; v >= 1; v--)
        sum = (sum + how_many[v]) * 0.5;
    sum += m * sigma(how_many[0] / m);
    return (uint64_t)llroundl(ALPHA * m * m / sum);
}

/* ---- self-test ---------------------------------------------------------------------------------
 */

/* Adds an element to a value in memory that has room to become dense. */
static bool add_to(hll_image *im, slice element, uint64_t max, uint8_t *dense) {
    unsigned index, count = hll_element(element, &index);
    hll_set set = hll_image_set(im, index, count, max);
    if (set == HLL_NEEDS_DENSE) {
        if (!hll_image_dense(im, dense)) return false;
        *im = (hll_image){dense, HLL_DENSE_BYTES, HLL_DENSE_BYTES};
        set = hll_image_set(im, index, count, max);
    }
    return set == HLL_SAME || set == HLL_RAISED;
}

/* The same elements to a value that stays sparse as long as it can, and to one that does not: the
 * registers must be the same, and the estimate near. */
const char *hll_self_test(rng *r) {
    static uint8_t room[2][HLL_SPARSE_BYTES + HLL_GROWTH], dense[2][HLL_DENSE_BYTES];
    static uint8_t registers[2][HLL_REGISTERS];
    hll_image im[2] = {{room[0], 0, sizeof room[0]}, {room[1], 0, sizeof room[1]}};
    uint64_t max[2] = {sparse_max(), HLL_HEADER};
    memset(registers, 0, sizeof registers);
    for (int i = 0; i < 2; i++)
        hll_image_empty(&im[i]);
    for (uint64_t n = 1, check = 1; n <= 100000; n++) {
        uint64_t element = rng_next(r);
        for (int i = 0; i < 2; i++)
            if (!add_to(&im[i], slice_of(&element, sizeof element), max[i], dense[i]))
                return "a register can't be set";
        if (n != check) continue;
        check *= 10;
        for (int i = 0; i < 2; i++)
            if (!hll_image_max(&im[i], registers[i])) return "the registers can't be read";
        if (memcmp(registers[0], registers[1], HLL_REGISTERS) != 0)
            return "the sparse and the dense form differ";
        double estimate = (double)hll_estimate(registers[0]), exact = (double)n;
        if (fabs(estimate - exact) > exact * 0.06 + 2) return "the estimate is too far off";
    }
    return NULL;
}
