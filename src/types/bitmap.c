/* Counting and searching bits, and combining strings.
 *
 * All three walk over a value run by run (string_next), so that a hole costs nothing and memory
 * does not grow with the value. Combining works on blocks of STRING_FLAT_MAX bytes: a source that
 * is flat lies in the first block alone, so each source is read once; the result's block is written
 * before the next is read, and may go to one of the sources, because no later block needs it. */
#include "types/bitmap.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- counting ----------------------------------------------------------------------------------
 */

uint64_t bitmap_popcount_portable(const char *p, size_t n) {
    const uint64_t m1 = 0x5555555555555555u, m2 = 0x3333333333333333u, m4 = 0x0f0f0f0f0f0f0f0fu;
    uint64_t sum = 0;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t x = load_u64(p);
        x -= (x >> 1) & m1;
        x = (x & m2) + ((x >> 2) & m2);
        x = (x + (x >> 4)) & m4;
        sum += (x * 0x0101010101010101u) >> 56;
    }
    for (; n > 0; p++, n--)
        sum += (unsigned)__builtin_popcount((unsigned char)*p);
    return sum;
}

#ifdef __x86_64__
/* Four sums, so that one need not wait for the other. */
__attribute__((target("popcnt"))) static uint64_t popcount_fast(const char *p, size_t n) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; n >= 32; p += 32, n -= 32) {
        a += (unsigned)__builtin_popcountll(load_u64(p));
        b += (unsigned)__builtin_popcountll(load_u64(p + 8));
        c += (unsigned)__builtin_popcountll(load_u64(p + 16));
        d += (unsigned)__builtin_popcountll(load_u64(p + 24));
    }
    return a + b + c + d + bitmap_popcount_portable(p, n);
}

uint64_t bitmap_popcount(const char *p, size_t n) {
    return __builtin_cpu_supports("popcnt") ? popcount_fast(p, n) : bitmap_popcount_portable(p, n);
}
#else
uint64_t bitmap_popcount(const char *p, size_t n) {
    return bitmap_popcount_portable(p, n);
}
#endif

/* The bits of byte number `at` that lie among from .. to-1. */
static uint8_t mask_of(uint64_t at, uint64_t from, uint64_t to) {
    unsigned mask = 0xff;
    if (from > at * 8) mask &= 0xffu >> (from - at * 8);
    if (to < at * 8 + 8) mask &= 0xff00u >> (to - at * 8);
    return (uint8_t)mask;
}

/* Bits set in byte `at`, which is v, outside of the range. */
static uint64_t outside(uint64_t at, char v, uint64_t from, uint64_t to) {
    unsigned bits = (unsigned char)v & (uint8_t)~mask_of(at, from, to);
    return (uint64_t)__builtin_popcount(bits);
}

engine_result bitmap_count(string *s, uint64_t from, uint64_t to, uint64_t *out) {
    *out = 0;
    if (from >= to) return ENGINE_OK;
    CHECK(to <= s->len * 8);
    uint64_t first = from / 8, last = (to - 1) / 8, at = first;
    string_cursor c;
    engine_result r;
    slice run;
    string_range(s, first, last + 1, &c);
    for (; (r = string_next(&c, &run)) == ENGINE_OK; at += run.len) {
        if (!run.data) continue;
        *out += bitmap_popcount(run.data, run.len);
        if (at == first) *out -= outside(first, run.data[0], from, to);
        if (last != first && at + run.len == last + 1)
            *out -= outside(last, run.data[run.len - 1], from, to);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* ---- searching ------------------------------------------------------------------------------- */

/* How many bytes at the beginning are all `skip`. */
static size_t skip_bytes(const char *p, size_t n, unsigned char skip) {
    const uint64_t word = skip ? UINT64_MAX : 0;
    size_t i = 0;
    while (i + 8 <= n && load_u64(p + i) == word)
        i += 8;
    while (i < n && (unsigned char)p[i] == skip)
        i++;
    return i;
}

/* The first bit of that value in a run of bytes that begins at byte `at`; -1 if there is none. */
static int64_t find_in_run(slice run, uint64_t at, bool bit, uint64_t from, uint64_t to) {
    const unsigned char flip = bit ? 0 : 0xff;
    for (size_t i = 0; i < run.len; i++) {
        i += skip_bytes(run.data + i, run.len - i, flip);
        if (i == run.len) return -1;
        unsigned wanted = ((unsigned char)run.data[i] ^ flip) & mask_of(at + i, from, to);
        if (wanted) return (int64_t)((at + i) * 8) + __builtin_clz(wanted) - 24;
    }
    return -1;
}

engine_result bitmap_find(string *s, bool bit, uint64_t from, uint64_t to, int64_t *out) {
    *out = -1;
    if (from >= to) return ENGINE_OK;
    CHECK(to <= s->len * 8);
    uint64_t at = from / 8;
    string_cursor c;
    engine_result r;
    slice run;
    string_range(s, at, (to - 1) / 8 + 1, &c);
    for (; (r = string_next(&c, &run)) == ENGINE_OK; at += run.len) {
        if (run.data) {
            *out = find_in_run(run, at, bit, from, to);
        } else if (!bit) {
            *out = (int64_t)(from > at * 8 ? from : at * 8);
        }
        if (*out >= 0) return ENGINE_OK;
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* ---- combining ------------------------------------------------------------------------------- */

/* acc = acc op p, for n bytes; a loop that compilers turn into vector instructions. */
static void combine_bytes(bitmap_operation op, char *restrict acc, const char *restrict p,
                          size_t n) {
    switch (op) {
    case BITMAP_AND:
        for (size_t i = 0; i < n; i++)
            acc[i] = (char)(acc[i] & p[i]);
        break;
    case BITMAP_OR:
        for (size_t i = 0; i < n; i++)
            acc[i] = (char)(acc[i] | p[i]);
        break;
    case BITMAP_XOR:
        for (size_t i = 0; i < n; i++)
            acc[i] = (char)(acc[i] ^ p[i]);
        break;
    case BITMAP_NOT:
        for (size_t i = 0; i < n; i++)
            acc[i] = (char)~p[i];
        break;
    }
}

/* acc = acc op zeros. */
static void combine_zeros(bitmap_operation op, char *acc, size_t n) {
    if (op == BITMAP_AND) memset(acc, 0, n);
    if (op == BITMAP_NOT) memset(acc, 0xff, n);
}

/* Combines bytes off .. off+n-1 of one source into acc. */
static engine_result combine_source(string *s, bitmap_operation op, uint64_t off, char *acc,
                                    size_t n) {
    string_cursor c;
    engine_result r;
    slice run;
    string_range(s, off, off + n, &c);
    while ((r = string_next(&c, &run)) == ENGINE_OK) {
        if (run.data) {
            combine_bytes(op, acc, run.data, run.len);
        } else {
            combine_zeros(op, acc, run.len);
        }
        acc += run.len;
        n -= run.len;
    }
    combine_zeros(op, acc, n);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

#define QUIET (KS_NO_TOUCH | KS_NO_STATS | KS_NO_NOTIFY)

/* One block of the result: n bytes from off on, of all sources. */
static engine_result combine_block(keyspace *ks, uint32_t db, bitmap_operation op,
                                   const slice *keys, size_t nkeys, uint64_t off, char *acc,
                                   size_t n) {
    /* The first is copied: it is combined with what leaves it as it is. */
    memset(acc, op == BITMAP_AND ? 0xff : 0, n);
    for (size_t i = 0; i < nkeys; i++) {
        string s;
        engine_result r = string_open(ks, db, keys[i], QUIET, &s);
        if (r != ENGINE_OK) return r;
        CHECK(!s.wrong_type);
        r = combine_source(&s, op, off, acc, n);
        if (r != ENGINE_OK) return r;
    }
    return ENGINE_OK;
}

/* The length of the longest, and whether dest is a chunked one of them. */
static engine_result survey(keyspace *ks, uint32_t db, slice dest, const slice *keys, size_t n,
                            uint64_t *longest, bool *in_place) {
    *longest = 0;
    *in_place = false;
    for (size_t i = 0; i < n; i++) {
        string s;
        engine_result r = string_open(ks, db, keys[i], QUIET, &s);
        if (r != ENGINE_OK) return r;
        if (s.len > *longest) *longest = s.len;
        if (s.chunked && slice_eq(keys[i], dest)) *in_place = true;
    }
    return ENGINE_OK;
}

/* Opens dest, a chunked string of that length, for the edit that writes the result's blocks. */
static engine_result begin_result(keyspace *ks, uint32_t db, slice dest, uint64_t len,
                                  bool in_place, string *s, string_edit *e) {
    engine_result r = in_place ? string_open(ks, db, dest, QUIET | KS_WRITE, s)
                               : string_create(ks, db, dest, len, s);
    if (r != ENGINE_OK) return r;
    r = string_edit_begin(e, s, len);
    e->put_entry |= s->ent.expire != ENGINE_NO_EXPIRE;
    s->ent.expire = ENGINE_NO_EXPIRE;
    return r;
}

/* A result that is too long to be flat, block by block. */
static engine_result combine_long(keyspace *ks, uint32_t db, bitmap_operation op, slice dest,
                                  const slice *keys, size_t n, uint64_t len, bool in_place,
                                  char *block) {
    string s;
    string_edit e;
    engine_result r = ENGINE_OK;
    for (uint64_t off = 0; off < len && r == ENGINE_OK; off += STRING_FLAT_MAX) {
        size_t part = len - off < STRING_FLAT_MAX ? (size_t)(len - off) : STRING_FLAT_MAX;
        r = combine_block(ks, db, op, keys, n, off, block, part);
        if (r == ENGINE_OK && off == 0) r = begin_result(ks, db, dest, len, in_place, &s, &e);
        if (r == ENGINE_OK) r = string_edit_write(&e, off, slice_of(block, part));
    }
    return r == ENGINE_OK ? string_edit_end(&e) : r;
}

engine_result bitmap_combine(keyspace *ks, uint32_t db, bitmap_operation op, slice dest,
                             const slice *keys, size_t n, uint64_t *len, bool *deleted) {
    bool in_place;
    *deleted = false;
    CHECK(n > 0 && (op != BITMAP_NOT || n == 1));
    engine_result r = survey(ks, db, dest, keys, n, len, &in_place);
    if (r != ENGINE_OK) return r;
    if (*len == 0) {
        r = ks_del(ks, db, dest);
        *deleted = r == ENGINE_OK;
        return r == ENGINE_ABSENT ? ENGINE_OK : r;
    }
    size_t size = *len < STRING_FLAT_MAX ? (size_t)*len : STRING_FLAT_MAX;
    char *block = mem_alloc(size);
    if (*len <= STRING_FLAT_MAX) {
        r = combine_block(ks, db, op, keys, n, 0, block, size);
        if (r == ENGINE_OK)
            r = string_set(ks, db, dest, slice_of(block, size), 0, STRING_EDITED, 0);
    } else {
        r = combine_long(ks, db, op, dest, keys, n, *len, in_place, block);
    }
    mem_free(block);
    return r;
}
