/* runs: see the header. Keys share long prefixes, are prefixes of each other, and hold zeros, so
 * that comparing by heads alone would fail. */
#include "support/runs.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

static slice keep(const buf *b) {
    return slice_of(mem_dup(b->data, b->len), b->len);
}

static int by_key(const void *a, const void *b) {
    return slice_cmp(*(const slice *)a, *(const slice *)b);
}

/* A prefix, some bytes of few values, sometimes a long middle that many share. */
static void random_key(rng *r, slice prefix, buf *out) {
    buf_clear(out);
    buf_append_slice(out, prefix);
    if (rng_below(r, 3) == 0) buf_append(out, "shared by many of the keys", rng_below(r, 27));
    for (size_t n = rng_below(r, 9); n > 0; n--)
        buf_append_char(out, "\0\1a\xff"[rng_below(r, 4)]);
    if (out->len == 0) buf_append_char(out, 'x');
}

runs *runs_new(rng *r, slice prefix, size_t nkeys) {
    runs *x = mem_zalloc(sizeof *x);
    buf key = {0};
    x->fs = memfs_new();
    x->next = 1;
    x->keys = mem_alloc((nkeys + 1) * sizeof *x->keys);
    for (size_t i = 0; i < nkeys; i++) {
        random_key(r, prefix, &key);
        x->keys[i] = keep(&key);
    }
    buf_free(&key);
    qsort(x->keys, nkeys, sizeof *x->keys, by_key);
    for (size_t i = 0; i < nkeys; i++) {
        if (x->nkeys && slice_eq(x->keys[x->nkeys - 1], x->keys[i]))
            mem_free((void *)(uintptr_t)x->keys[i].data);
        else
            x->keys[x->nkeys++] = x->keys[i];
    }
    return x;
}

void runs_free(runs *x) {
    for (unsigned i = 0; i < x->n; i++) {
        run *u = &x->run[i];
        if (u->tree) btree_free(u->tree);
        for (uint32_t k = 0; k < u->ntables; k++)
            table_ref_release(u->tables[k]);
        mem_free(u->tables);
        for (size_t k = 0; k < x->nkeys; k++)
            mem_free((void *)(uintptr_t)u->cells[k].data);
        mem_free(u->cells);
    }
    for (size_t i = 0; i < x->nkeys; i++)
        mem_free((void *)(uintptr_t)x->keys[i].data);
    mem_free(x->keys);
    memfs_free(x->fs);
    mem_free(x);
}

log_pos runs_pos(unsigned n, size_t i) {
    return (uint64_t)(n + 1) << 32 | i;
}

/* One table of the run's cells for keys first .. last - 1, of which there is one at least. */
static table_ref *make_table(runs *x, const run *u, size_t first, size_t last, unsigned level) {
    char path[FILE_PATH_MAX];
    file_header h = {.kind = FILE_TABLE, .store_id = RUNS_STORE, .number = x->next++};
    table_options o = {.block_size = TABLE_BLOCK_MIN, .bloom_bits = 10, .lz4 = h.number % 2};
    table_writer *w;
    table_summary s;
    table_ref *t;
    CHECK(status_ok(file_path(path, "d", FILE_TABLE, h.number)));
    CHECK(status_ok(table_create(memfs_vfs(x->fs), path, &h, &o, &w)));
    for (size_t i = first; i < last; i++)
        if (u->cells[i].data) CHECK(status_ok(table_add(w, x->keys[i], u->cells[i], i + 1)));
    CHECK(status_ok(table_finish(w, &s)));
    buf limit = {0};
    buf_append_slice(&limit, buf_slice(&s.last));
    buf_append_char(&limit, 0);
    manifest_table m = {.number = h.number,
                        .length = s.length,
                        .level = level,
                        .recency = 1000 - x->n,
                        .entries = s.entries,
                        .tombstones = s.tombstones,
                        .hidden = s.hidden,
                        .plain_bytes = s.plain_bytes,
                        .smallest = buf_slice(&s.first),
                        .limit = buf_slice(&limit)};
    CHECK(status_ok(table_ref_open(memfs_vfs(x->fs), "d", RUNS_STORE, &m, &t)));
    buf_free(&limit);
    buf_free(&s.first);
    buf_free(&s.last);
    return t;
}

/* Cuts the run into tables of at least a key each. */
static void make_tables(runs *x, rng *r, run *u, unsigned tables, unsigned level) {
    size_t first = 0;
    u->tables = mem_alloc(tables * sizeof(table_ref *));
    while (u->ntables < tables && first < x->nkeys) {
        size_t last = first + 1 + rng_below(r, x->nkeys - first);
        size_t has = 0;
        if (u->ntables + 1 == tables) last = x->nkeys;
        for (size_t i = first; i < last; i++)
            has += u->cells[i].data != NULL;
        if (has) u->tables[u->ntables++] = make_table(x, u, first, last, level);
        first = last;
    }
    for (size_t i = first; i < x->nkeys; i++) { /* what was not put anywhere is not there */
        mem_free((void *)(uintptr_t)u->cells[i].data);
        u->cells[i] = SLICE_EMPTY;
    }
}

void runs_add(runs *x, rng *r, unsigned percent, unsigned tables, unsigned level) {
    CHECK(x->n < RUNS_MAX);
    run *u = &x->run[x->n];
    buf value = {0};
    u->cells = mem_zalloc((x->nkeys + 1) * sizeof *u->cells);
    if (!tables) u->tree = btree_new();
    size_t sure = tables ? rng_below(r, x->nkeys) : x->nkeys;
    for (size_t i = 0; i < x->nkeys; i++) {
        if (rng_below(r, 100) >= percent && i != sure) continue;
        buf_clear(&value);
        put_u64(buf_reserve(&value, 8), runs_pos(x->n, i));
        value.len += 8;
        buf_append_char(&value, 0);
        buf_append_char(&value, rng_below(r, 4) ? TABLE_PRESENT : TABLE_TOMBSTONE);
        buf_append_char(&value, 0); /* as an element: no expire time */
        buf_append_char(&value, (char)x->n);
        for (size_t n = rng_below(r, 20); n > 0; n--)
            buf_append_char(&value, (char)rng_below(r, 256));
        u->cells[i] = slice_of(mem_dup(value.data + 9, value.len - 9), value.len - 9);
        if (u->tree) btree_put(u->tree, x->keys[i], buf_slice(&value));
    }
    buf_free(&value);
    if (tables) make_tables(x, r, u, tables, level);
    x->n++;
}

unsigned runs_newest(const runs *x, size_t i) {
    unsigned k = 0;
    while (k < x->n && !x->run[k].cells[i].data)
        k++;
    return k;
}

size_t runs_at(const runs *x, slice key) {
    size_t i = 0;
    while (i < x->nkeys && slice_cmp(x->keys[i], key) < 0)
        i++;
    return i;
}

slice runs_near(const runs *x, rng *r, buf *out) {
    buf_clear(out);
    if (x->nkeys) buf_append_slice(out, x->keys[rng_below(r, x->nkeys)]);
    switch (rng_below(r, 4)) {
    case 0: buf_append_char(out, 0); break;
    case 1: out->len = rng_below(r, out->len + 1); break;
    case 2:
        if (out->len) out->data[out->len - 1]++;
        break;
    default: break;
    }
    return buf_slice(out);
}
