/* bench_index: what the index structures in RAM cost: nanoseconds an operation, bytes a key.
 *
 *   bench_index keydir [KEYS ...]    16-byte keys, 1 and 10 million unless told otherwise
 *   bench_index cache                a million values of 100 bytes
 *   bench_index btree [PAIRS]        a million pairs of each kind, unless told otherwise
 *   bench_index table [KEYS]         a table of two million small entries in /tmp, cached
 *
 * Times are processor time of one run, so other programs disturb them by what they do to the caches
 * alone; bytes are exact. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/btree.h"
#include "base/mem.h"
#include "engine/bitcask/keydir.h"
#include "storage/table.h"

#define LOOKUPS 1000000

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Times what follows until lap(), which gives ns an operation. */
static double started;
static double lap(double operations) {
    double t = now_ns(), ns = (t - started) / operations;
    started = now_ns();
    return ns;
}

/* Sixteen bytes: the number in hex behind "user:". */
static slice key_of(char *out, uint64_t i) {
    memcpy(out, "user:", 5);
    for (int d = 15; d >= 5; d--, i >>= 4)
        out[d] = "0123456789abcdef"[i & 15];
    return slice_of(out, 16);
}

/* ---- keydir -----------------------------------------------------------------------------------
 */

/* Random keys of those there are, and their tokens, so that no hash is in the times. */
static char (*keys)[16];
static uint64_t *tokens;

static void pick_keys(const keydir_shared *s, uint64_t n) {
    rng r;
    rng_seed(&r, n);
    for (int i = 0; i < LOOKUPS; i++)
        tokens[i] = keydir_token(s, key_of(keys[i], rng_below(&r, n)));
}

static double time_inserts(const keydir_shared *s, keydir *k, uint64_t n) {
    char key[16];
    arena_ref old;
    double hashing;
    started = now_ns();
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += keydir_token(s, key_of(key, i));
    hashing = lap((double)n);
    for (uint64_t i = 0; i < n; i++) {
        kdent e = {.segment = 1, .offset = (uint32_t)i, .size = 140, .key = key_of(key, i)};
        keydir_put(k, keydir_token(s, e.key), &e, &old);
    }
    return lap((double)n) - (sum ? hashing : 0);
}

static void bench_keydir(uint64_t n) {
    keydir_shared s = {.arena = arena_new(ARENA_MAX), .hash = {1, 2}};
    keydir *k = keydir_new(&s);
    rng r;
    rng_seed(&r, 1);
    uint64_t sum = 0;
    arena_ref old;
    double insert = time_inserts(&s, k, n);
    double bytes = (double)arena_bytes(s.arena) / (double)n - 16;
    pick_keys(&s, n);
    started = now_ns();
    for (int i = 0; i < LOOKUPS; i++)
        sum += keydir_find(k, tokens[i], slice_of(keys[i], 16));
    double find = lap(LOOKUPS);
    for (int i = 0; i < LOOKUPS; i++)
        sum += keydir_find(k, tokens[i] ^ 0x2aaaaaaaaa, slice_of(keys[i], 16));
    double absent = lap(LOOKUPS);
    for (int i = 0; i < LOOKUPS; i++)
        sum += keydir_random(k, &r);
    double random = lap(LOOKUPS);
    for (int i = 0; i < LOOKUPS; i++) {
        kdent e = {.segment = 2, .size = 140, .key = slice_of(keys[i], 16)};
        sum += keydir_put(k, tokens[i], &e, &old);
        keydir_free_entry(k, old);
    }
    double replace = lap(LOOKUPS);
    for (int i = 0; i < LOOKUPS; i++) {
        old = keydir_remove(k, tokens[i], slice_of(keys[i], 16));
        if (old) keydir_free_entry(k, old);
    }
    double removal = lap(LOOKUPS);
    printf("| %9llu | %6.0f | %4.0f | %6.0f | %7.0f | %6.0f | %6.0f | %10.2f |\n",
           (unsigned long long)n, insert, find, absent, replace, removal, random, bytes);
    fflush(stdout);
    if (sum == 0) abort();
    keydir_free(k);
    arena_free(s.arena);
}

/* ---- cache ------------------------------------------------------------------------------------
 */

static uint64_t place_of(uint64_t i) {
    return (1 + (i >> 22)) << 32 | (i & ((1 << 22) - 1)) * 160;
}

static void bench_cache(void) {
    static char value[100];
    cache *c = cache_new(256u << 20);
    rng r;
    rng_seed(&r, 1);
    uint64_t n = 1000000, sum = 0, at = 0;
    slice v;
    for (int i = 0; i < LOOKUPS; i++)
        tokens[i] = place_of(rng_below(&r, n));
    started = now_ns();
    for (; at < n; at++)
        cache_put(c, place_of(at), slice_of(value, sizeof value));
    double put = lap((double)n);
    for (int i = 0; i < LOOKUPS; i++)
        sum += cache_get(c, tokens[i], &v) && v.data[50] == 0;
    double hit = lap(LOOKUPS);
    for (int i = 0; i < LOOKUPS; i++)
        sum += cache_get(c, tokens[i] + 8, &v);
    double miss = lap(LOOKUPS);
    for (; at < 3 * n; at++)
        cache_put(c, place_of(at), slice_of(value, sizeof value));
    started = now_ns();
    for (; at < 4 * n; at++)
        cache_put(c, place_of(at), slice_of(value, sizeof value));
    double full = lap((double)n);
    cache_stats s;
    cache_stats_of(c, &s);
    printf("| %6.0f | %8.0f | %4.0f | %4.0f | %11.1f |\n", put, full, hit, miss,
           (double)(s.bytes - s.value_bytes) / (double)s.items);
    if (sum == 0) abort();
    cache_free(c);
}

/* ---- btree ------------------------------------------------------------------------------------
 */

/* What the engines put in trees. */
enum pairs { EXPIRY, ELEMENTS, TEXTS, LIST, PAIR_KINDS };
static const char *const pair_names[PAIR_KINDS] = {"expiry: time, db, token", "set: hash, 16 bytes",
                                                   "hash: hash, 5..40 bytes", "list: in order"};

static uint64_t mix(uint64_t i) {
    i = (i ^ i >> 31) * 0x9e3779b97f4a7c15u;
    return (i ^ i >> 29) * 0xbf58476d1ce4e5b9u;
}

/* Pair number i of that kind: a key at out, a value at `value`. */
static slice pair_of(enum pairs kind, char *out, uint64_t i, slice *value) {
    static const char place[16] = "where it lies...";
    uint64_t h = mix(i);
    *value = slice_of(place, kind == EXPIRY ? 0 : 8);
    if (kind == EXPIRY) {
        put_be64(out, 1700000000000 + h % 86400000);
        put_u32(out + 8, 0);
        put_be64(out + 12, mix(h) >> 25);
        return slice_of(out, 20);
    }
    out[0] = 0;
    if (kind == LIST) {
        put_be64(out + 1, ((uint64_t)1 << 63) + (i << 16));
        return slice_of(out, 9);
    }
    put_u32(out + 1, (uint32_t)(h >> 32));
    key_of(out + 5, i);
    if (kind == ELEMENTS) return slice_of(out, 21);
    *value = slice_of(place, 8 + h % 5);
    memset(out + 21, 'x', 24);
    return slice_of(out, 5 + 5 + h % 36);
}

static void bench_btree(enum pairs kind, uint64_t n) {
    btree *t = btree_new();
    char key[64];
    slice value, got;
    uint64_t sum = 0, raw = 0;
    rng r;
    rng_seed(&r, 3);
    started = now_ns();
    for (uint64_t i = 0; i < n; i++)
        sum += pair_of(kind, key, i, &value).len + value.len;
    double making = lap((double)n);
    raw = sum;
    for (uint64_t i = 0; i < n; i++) {
        slice k = pair_of(kind, key, i, &value);
        btree_put(t, k, value);
    }
    double insert = lap((double)n) - making;
    double bytes = (double)btree_bytes(t) / (double)n - (double)raw / (double)n;
    double fill = (double)raw / (double)btree_bytes(t);
    for (int i = 0; i < LOOKUPS; i++)
        sum += btree_get(t, pair_of(kind, key, rng_below(&r, n), &value), &got);
    double find = lap(LOOKUPS) - making;
    btree_iter it;
    started = now_ns();
    for (bool more = btree_first(t, &it); more; more = btree_next(&it))
        sum += btree_iter_key(&it).len;
    double step = lap((double)n);
    for (int i = 0; i < LOOKUPS; i++)
        sum += btree_rank(t, pair_of(kind, key, rng_below(&r, n), &value));
    double rank = lap(LOOKUPS) - making;
    for (uint64_t i = 0; i < n; i++)
        sum += btree_del(t, pair_of(kind, key, i, &value));
    double removal = lap((double)n) - making;
    printf("| %-23s | %6.0f | %4.0f | %4.0f | %4.0f | %6.0f | %10.2f | %6.1f |\n", pair_names[kind],
           insert, find, step, rank, removal, bytes, fill * 100);
    fflush(stdout);
    if (sum == 0) abort();
    btree_free(t);
}

/* ---- table ------------------------------------------------------------------------------------
 */

/* Key number i of a table, as the LSM engine has them: a db, a kind, a hash that ascends, a name.
 */
static slice table_key(char *out, uint64_t i, uint64_t n) {
    memcpy(out, "\0\0\0\1\1", 5);
    put_be64(out + 5, (UINT64_MAX / n * i) | (mix(i) & 0xffff));
    key_of(out + 13, mix(i));
    return slice_of(out, 29);
}

static void write_table(const char *path, uint64_t n, double *add, double *bytes) {
    file_header h = {.kind = FILE_TABLE, .store_id = 1, .number = 1};
    table_options o = {.block_size = 4096, .bloom_bits = 10, .lz4 = true};
    table_summary sum;
    table_writer *w;
    char key[32], cell[24] = "\2the cell of a main key";
    status st = table_create(vfs_posix(), path, &h, &o, &w);
    if (!status_ok(st)) abort();
    started = now_ns();
    for (uint64_t i = 0; i < n && status_ok(st); i++)
        st = table_add(w, table_key(key, i, n), slice_of(cell, sizeof cell), mix(i) | 1);
    if (status_ok(st)) st = table_finish(w, &sum);
    if (!status_ok(st)) abort();
    *add = lap((double)n);
    *bytes = (double)sum.length / (double)n;
    tokens[0] = sum.length;
    buf_free(&sum.first);
    buf_free(&sum.last);
}

/* ns a lookup of random keys; absent: of keys that are not there, hash 0: without the filter. */
static double time_gets(table *t, cache *c, uint64_t n, bool absent, bool filter) {
    char key[32];
    table_hit hit;
    rng r;
    uint64_t found = 0;
    double ns[2];
    for (int pass = 0; pass < 2; pass++) { /* the first pass times the making of keys */
        rng_seed(&r, 5);
        started = now_ns();
        for (int i = 0; i < LOOKUPS; i++) {
            uint64_t k = rng_below(&r, n);
            slice s = table_key(key, k, n);
            if (absent) key[28] = 'x';
            if (!pass) found += (unsigned char)key[20];
            if (!pass) continue;
            status st = table_get(t, c, s, filter ? (mix(k) | 1) + absent : 0, &hit);
            found += status_ok(st) && hit.found;
        }
        ns[pass] = lap(LOOKUPS);
    }
    if (found == 0) abort();
    return ns[1] - ns[0];
}

static double time_steps(table_iter *i, bool back) {
    uint64_t sum = 0, n = 0;
    started = now_ns();
    for (back ? table_iter_seek_last(i) : table_iter_seek_first(i); table_iter_valid(i); n++) {
        sum += table_iter_key(i).len;
        back ? table_iter_prev(i) : table_iter_next(i);
    }
    if (sum == 0) abort();
    return lap((double)n);
}

static void bench_table(uint64_t n) {
    static const char path[] = "/tmp/bench_table.tbl";
    double add, bytes;
    char key[32];
    rng r;
    vfs *v = vfs_posix();
    status st = v->ops->unlink(v, path);
    write_table(path, n, &add, &bytes);
    table *t;
    cache *c = cache_new(1u << 30);
    st = table_open(v, path, 1, 1, (uint32_t)tokens[0], &t);
    if (!status_ok(st)) abort();
    time_gets(t, c, n, false, true); /* warms the cache */
    double hit = time_gets(t, c, n, false, true), plain = time_gets(t, c, n, false, false);
    double miss = time_gets(t, c, n, true, true), unfiltered = time_gets(t, c, n, true, false);
    table_iter *i = table_iter_new(t, c, 0), *ahead = table_iter_new_ahead(t, 1u << 20);
    double next = time_steps(i, false), prev = time_steps(i, true), all = time_steps(ahead, false);
    rng_seed(&r, 5);
    started = now_ns();
    for (int k = 0; k < LOOKUPS; k++)
        table_iter_seek(i, table_key(key, rng_below(&r, n), n));
    double seek = lap(LOOKUPS);
    printf("| %6.0f | %4.0f | %9.0f | %8.0f | %6.0f | %4.0f | %4.0f | %10.0f | %4.0f | %10.1f |\n",
           add, hit, plain, miss, unfiltered, next, prev, all, seek, bytes);
    table_iter_free(i);
    table_iter_free(ahead);
    table_close(t);
    cache_free(c);
    st = v->ops->unlink(v, path);
    if (!status_ok(st)) abort();
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "all";
    bool all = strcmp(what, "all") == 0;
    keys = mem_alloc(LOOKUPS * sizeof *keys);
    tokens = mem_alloc(LOOKUPS * sizeof *tokens);
    if (all || strcmp(what, "keydir") == 0) {
        printf("keydir: 16-byte keys; ns an operation, bytes a key beyond the key\n"
               "|      keys | insert | find | absent | replace | remove | random | bytes each |\n"
               "|-----------|--------|------|--------|---------|--------|--------|------------|\n");
        static const uint64_t usual[] = {1000000, 10000000};
        for (int i = 2; i < argc; i++)
            bench_keydir(strtoull(argv[i], NULL, 10));
        for (int i = 0; argc < 3 && i < 2; i++)
            bench_keydir(usual[i]);
    }
    if (all || strcmp(what, "cache") == 0) {
        printf("cache: values of 100 bytes; ns an operation, bytes a value beyond the value\n"
               "| put    | put full | hit  | miss | bytes each  |\n"
               "|--------|----------|------|------|-------------|\n");
        bench_cache();
    }
    if (all || strcmp(what, "btree") == 0) {
        printf("btree: ns an operation, bytes a pair beyond the pair, percent of memory in pairs\n"
               "| pairs                   | insert | find | step | rank | delete | bytes each | in "
               "use |\n"
               "|-------------------------|--------|------|------|------|--------|------------|----"
               "----|\n");
        for (int kind = 0; kind < PAIR_KINDS; kind++)
            bench_btree((enum pairs)kind, argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000);
    }
    if (all || strcmp(what, "table") == 0) {
        printf(
            "table: keys of 29 bytes, cells of 24; all in the cache; ns an operation, bytes an "
            "entry\n"
            "| add    | hit  | no filter | filtered | absent | next | prev | next ahead | seek | "
            "bytes each |\n"
            "|--------|------|-----------|----------|--------|------|------|------------|------|-"
            "-----------|\n");
        bench_table(argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000);
    }
    mem_free(keys);
    mem_free(tokens);
    return 0;
}
