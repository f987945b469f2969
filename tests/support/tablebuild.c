/* tablebuild: random sorted entries. Kinds of keys: a few letters (short, one the beginning of
 * another); an engine's (a number, a kind, a hash, a name); long names with a long common
 * beginning; any bytes. */
#include "support/tablebuild.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

/* Never 0: that would be "no filter". */
uint64_t table_test_hash(slice key) {
    return siphash13((hash_key){7, 9}, key.data, key.len) | 1;
}

static void random_key(rng *r, unsigned kind, bool large, buf *out) {
    size_t n = rng_below(r, 12);
    buf_clear(out);
    if (kind == 1) {
        char p[13];
        put_be64(p + 5, rng_next(r) << 11);
        memcpy(p, "\0\0\0\1\1", 5);
        buf_append(out, p, sizeof p);
    } else if (kind == 2) {
        buf_append(out, "a name that begins as all the others do, for longer than a head: ", 65);
    }
    for (size_t i = 0; i < n; i++)
        buf_append_char(out, kind == 3 ? (char)rng_next(r) : "abc\0\xff"[rng_below(r, 5)]);
    if (large && rng_below(r, 40) == 0) {
        size_t more = rng_below(r, 3) ? rng_below(r, 3000) : RECORD_KEY_MAX - 100;
        memset(buf_reserve(out, more), 'k', more);
        out->len += more;
    }
}

static slice random_cell(rng *r, bool large) {
    size_t n = 1 + rng_below(r, rng_below(r, 4) ? 20 : 300);
    if (large && rng_below(r, 40) == 0)
        n = rng_below(r, 3) ? 1 + rng_below(r, 100000) : TABLE_CELL_MAX;
    char *p = mem_alloc(n);
    unsigned of = (unsigned)rng_below(r, 10);
    p[0] = of == 0 ? TABLE_DROP : of < 3 ? TABLE_TOMBSTONE : TABLE_PRESENT;
    bool noise = rng_below(r, 2);
    for (size_t i = 1; i < n; i++)
        p[i] = noise ? (char)rng_next(r) : (char)(i / 7);
    return slice_of(p, n);
}

static int by_key(const void *a, const void *b) {
    return slice_cmp(((const table_entry *)a)->key, ((const table_entry *)b)->key);
}

table_entries table_entries_random(rng *r, size_t n, bool large) {
    table_entries e = {.v = mem_zalloc((n + 1) * sizeof *e.v)};
    unsigned kind = (unsigned)rng_below(r, 4);
    buf key = {0};
    for (size_t i = 0; i < n; i++) {
        random_key(r, rng_below(r, 20) ? kind : (unsigned)rng_below(r, 4), large, &key);
        e.v[i].key = slice_of(mem_dup(key.data, key.len), key.len);
    }
    qsort(e.v, n, sizeof *e.v, by_key);
    for (size_t i = 0; i < n; i++) {
        if (e.n && slice_eq(e.v[e.n - 1].key, e.v[i].key)) {
            mem_free((void *)(uintptr_t)e.v[i].key.data);
            continue;
        }
        table_entry *to = &e.v[e.n++];
        to->key = e.v[i].key;
        to->cell = random_cell(r, large);
        to->hash = table_test_hash(to->key);
        e.tombstones += to->cell.data[0] == TABLE_TOMBSTONE;
        e.hidden += table_hidden_by(to->cell);
        e.plain += to->key.len + to->cell.len;
    }
    buf_free(&key);
    return e;
}

void table_entries_free(table_entries *e) {
    for (size_t i = 0; i < e->n; i++) {
        mem_free((void *)(uintptr_t)e->v[i].key.data);
        mem_free((void *)(uintptr_t)e->v[i].cell.data);
    }
    mem_free(e->v);
    *e = (table_entries){0};
}

size_t table_entries_at(const table_entries *e, slice key) {
    size_t lo = 0, hi = e->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (slice_cmp(e->v[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

slice table_entries_near(const table_entries *e, rng *r, buf *out) {
    if (e->n == 0 || rng_below(r, 10) == 0) {
        random_key(r, (unsigned)rng_below(r, 4), false, out);
        return buf_slice(out);
    }
    buf_clear(out);
    buf_append_slice(out, e->v[rng_below(r, e->n)].key);
    switch (rng_below(r, 5)) {
    case 0: out->len = out->len ? rng_below(r, out->len) : 0; break;
    case 1: buf_append_char(out, "\0a\xff"[rng_below(r, 3)]); break;
    case 2:
        if (out->len) out->data[out->len - 1 - rng_below(r, out->len < 9 ? out->len : 9)]++;
        break;
    default: break;
    }
    return buf_slice(out);
}

table_options table_options_random(rng *r) {
    static const uint32_t sizes[] = {256, 300, 1000, 4096, 65536};
    return (table_options){.block_size = sizes[rng_below(r, 5)],
                           .bloom_bits = rng_below(r, 4) ? (unsigned)rng_below(r, 21) : 0,
                           .lz4 = rng_below(r, 2)};
}

status table_build(vfs *v, const char *path, uint64_t store_id, uint32_t number,
                   const table_options *o, const table_entries *e, table_summary *out) {
    file_header h = {.kind = FILE_TABLE, .store_id = store_id, .number = number};
    table_writer *w;
    *out = (table_summary){0};
    status st = table_create(v, path, &h, o, &w);
    if (!status_ok(st)) return st;
    for (size_t i = 0; i < e->n && status_ok(st); i++)
        st = table_add(w, e->v[i].key, e->v[i].cell, e->v[i].hash);
    if (status_ok(st)) return table_finish(w, out);
    table_abandon(w);
    return st;
}
