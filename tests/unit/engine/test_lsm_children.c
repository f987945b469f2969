/* What the children of flushes and compactions write, run in process over a disk in memory: random
 * contents with tombstones, drops and dead databases come through them unchanged to whoever reads,
 * nothing comes back, and in the end nothing is left of what is gone. Jobs overlap: a child's
 * result is what it saw at its fork, and is installed after others. */
#include "base/codec.h"
#include "base/mem.h"
#include "engine/lsm/jobs.h"
#include "support/memfs.h"
#include "support/omap.h"
#include "support/unit.h"

#include <stdio.h>

#define JOBS 3

static const pick_conf conf = {
    .base_bytes = 20000, .job_bytes = 30000, .table_size = 2000, .level0_files = 3, .ratio = 4};

/* A job whose child has run and that is not installed yet. */
typedef struct pending {
    compaction c; /* or a flush, if f.m */
    flush_job f;
    uint32_t names[64];
    buf result;
} pending;

typedef struct store {
    memfs *disk;
    lsm e;
    rng r;
    omap *model; /* key -> its cell, as a buf */
    version *v;
    pending *jobs[JOBS];
    uint32_t njobs;
    uint32_t names; /* given so far */
    uint64_t recency, coll, dropped_whole;
    uint32_t pdb; /* of database 1; older ones but 1 are dead */
    lpdb first, second, *pdbs[2];
    memtable *m;
} store;

/* ---- the store ----------------------------------------------------------------------------------
 */

static void free_cell(void *p) {
    buf_free(p);
    mem_free(p);
}

static store *store_new(void) {
    store *s = mem_zalloc(sizeof *s);
    unit_seed(&s->r);
    s->disk = memfs_new();
    s->model = omap_new();
    s->v = version_empty();
    s->e.fs = memfs_vfs(s->disk);
    s->e.dir = mem_strdup("db");
    s->e.store_id = 77;
    s->e.hash = (hash_key){1, 2};
    status st = s->e.fs->ops->mkdir(s->e.fs, "db");
    assert_true(status_ok(st));
    s->first.number = 1;
    s->second.number = s->pdb = 2;
    s->pdbs[0] = &s->first;
    s->pdbs[1] = &s->second;
    s->e.pdbs = s->pdbs;
    s->e.npdbs = 2;
    s->e.dead_below = 3;
    s->coll = 1;
    return s;
}

static void store_free(store *s) {
    assert_int_equal(s->njobs, 0);
    version_release(s->v);
    assert_int_equal(memfs_open_files(s->disk), 0);
    memfs_free(s->disk);
    omap_free(s->model, free_cell);
    mem_free(s->e.dir);
    mem_free(s);
}

/* The oldest collection that is there, and the next one. */
static uint64_t some_coll(store *s) {
    return s->coll + rng_below(&s->r, 4);
}

/* A pair into the memtable and the model; an empty cell: a tombstone. */
static void change(store *s, slice key, slice cell) {
    buf value = {0};
    buf_append(&value, "........\0", MEM_HEAD);
    if (cell.len == 0) cell_put_tag(&value, CELL_TOMBSTONE);
    buf_append_slice(&value, cell);
    btree_put(s->m->tree, key, buf_slice(&value));
    buf *old = omap_del(s->model, key);
    if (old) free_cell(old);
    if (cell.len) {
        buf *b = mem_zalloc(sizeof *b);
        buf_append_slice(b, cell);
        omap_set(s->model, key, b);
    }
    buf_free(&value);
}

/* All of the model that begins so is gone. */
static void forget_prefix(store *s, slice prefix) {
    for (;;) {
        slice key;
        if (!omap_at(s->model, omap_rank(s->model, prefix), &key, NULL)) return;
        if (key.len < prefix.len || memcmp(key.data, prefix.data, prefix.len)) return;
        free_cell(omap_del(s->model, key));
    }
}

/* One change of any kind. */
static void random_change(store *s) {
    buf key = {0}, cell = {0};
    char name[600] = {0};
    uint32_t pdb = rng_below(&s->r, 3) ? 1 : s->pdb;
    uint64_t n = rng_below(&s->r, 300), what = rng_below(&s->r, 100);
    int len = snprintf(name, sizeof name, "key:%llu", (unsigned long long)n);
    lsm_hash h = {.place = n * 0x9E3779B97F4A7C15u, .full = n};
    cell_put_tag(&cell, CELL_PRESENT);
    buf_append(&cell, name, rng_below(&s->r, sizeof name));
    bool gone = rng_below(&s->r, 3) == 0;
    if (what < 50) {
        lkey_main(&key, pdb, h, slice_of(name, (size_t)len));
    } else if (what < 60) {
        lkey_val(&key, pdb, h, slice_of(name, (size_t)len));
    } else if (what < 70) {
        lkey_due(&key, pdb, (int64_t)n + 1, h);
    } else if (what < 98) {
        lkey_sub(&key, 1, some_coll(s), 0, slice_of(name, (size_t)len));
    } else { /* the oldest collection goes, with what it has in the memtable and below */
        lkey_drop(&key, 1, s->coll);
        forget_prefix(s, buf_slice(&key));
        btree_put(s->m->tree, buf_slice(&key), slice_of("........\0\1", MEM_HEAD + 1));
        s->coll++;
        buf_free(&key);
        buf_free(&cell);
        return;
    }
    change(s, buf_slice(&key), gone ? SLICE_EMPTY : buf_slice(&cell));
    buf_free(&key);
    buf_free(&cell);
}

/* Database 1 is flushed: its tables' contents are dead from now on. */
static void flush_db(store *s) {
    buf key = {0};
    slice head = lkey_kind_start(&key, s->pdb, LKEY_MAIN);
    forget_prefix(s, slice_of(head.data, 4));
    s->second.number = ++s->pdb;
    s->e.dead_below = s->pdb + 1;
    buf_free(&key);
}

/* ---- jobs ---------------------------------------------------------------------------------------
 */

static output_spec spec_of(store *s, pending *p, unsigned level, uint64_t limit) {
    for (int i = 0; i < 64; i++)
        p->names[i] = ++s->names;
    return (output_spec){.e = &s->e,
                         .options = {.block_size = 256, .bloom_bits = 10, .lz4 = true},
                         .limit = limit,
                         .numbers = p->names,
                         .n = 64,
                         .level = (uint8_t)level};
}

static void must(status st) {
    if (!status_ok(st)) fail_msg("%s", st.msg);
}

/* Opens what a child wrote; those that it says are hidden go, unless a job has them. */
static void install(store *s, pending *p, unsigned level, uint64_t recency, uint32_t *drop,
                    uint32_t ndrop) {
    slice in = buf_slice(&p->result), whole;
    uint64_t read = 0, written = 0, n = 0;
    table_ref *outs[64];
    size_t nouts = 0;
    manifest_table m;
    assert_true(get_varint(&in, &read) && get_varint(&in, &written) && get_varint(&in, &n));
    assert_true(get_bytes(&in, n * 4, &whole));
    for (uint64_t i = 0; i < n; i++) {
        uint32_t number = load_u32(whole.data + 4 * i);
        for (unsigned l = 0; l < LSM_LEVELS; l++)
            for (uint32_t k = 0; k < s->v->level[l].n; k++) {
                table_ref *t = s->v->level[l].tables[k];
                if (t->number != number || t->busy) continue;
                drop[ndrop++] = number;
                s->dropped_whole++;
            }
    }
    while (outputs_next(&in, &m)) {
        m.level = level;
        m.recency = recency;
        must(table_ref_open(s->e.fs, "db", s->e.store_id, &m, &outs[nouts++]));
    }
    assert_int_equal(in.len, 0);
    version *old = s->v;
    s->v = version_after(
        old, &(version_change){.drop = drop, .ndrop = ndrop, .add = outs, .nadd = nouts});
    version_release(old);
}

/* The job is over. */
static void finish(store *s, uint32_t at) {
    pending *p = s->jobs[at];
    uint32_t drop[2048], n = 0;
    if (p->f.m) {
        install(s, p, 0, ++s->recency, drop, 0);
        memtable_free(p->f.m);
    } else {
        pick *k = &p->c.pick;
        for (uint32_t i = 0; i < k->n; i++) {
            k->in[i]->busy = false;
            drop[n++] = k->in[i]->number;
        }
        if (k->move) {
            uint8_t to[2048];
            memset(to, k->to, n);
            version *old = s->v;
            s->v =
                version_after(old, &(version_change){.moved = drop, .moved_to = to, .nmoved = n});
            version_release(old);
        } else {
            install(s, p, k->to, 0, drop, n);
        }
        pick_free(k);
    }
    version_release((version *)(uintptr_t)(p->f.m ? p->f.v : p->c.v));
    buf_free(&p->result);
    mem_free(p);
    s->jobs[at] = s->jobs[--s->njobs];
}

/* Forks a flush of the memtable: its child is through at once. */
static void begin_flush(store *s) {
    pending *p = s->jobs[s->njobs++] = mem_zalloc(sizeof *p);
    p->f = (flush_job){.m = s->m, .v = version_keep(s->v)};
    p->f.m->flushing = true;
    p->f.job.e = &s->e;
    p->f.job.spec = spec_of(s, p, 0, 8000);
    p->f.job.child.ctx = &p->f;
    must(flush_child_run(&p->f.job.child, s->e.fs, &p->result));
    s->m = NULL;
}

/* Is there a flush that is not installed? */
static memtable *flushing(const store *s) {
    for (uint32_t i = 0; i < s->njobs; i++)
        if (s->jobs[i]->f.m) return s->jobs[i]->f.m;
    return NULL;
}

static void begin_pick(store *s, const pick *k) {
    pending *p = s->jobs[s->njobs++] = mem_zalloc(sizeof *p);
    p->c = (compaction){.pick = *k, .v = version_keep(s->v)};
    for (uint32_t i = 0; i < k->n; i++)
        k->in[i]->busy = true;
    if (k->move) return;
    p->c.job.e = &s->e;
    p->c.job.spec = spec_of(s, p, k->to, conf.table_size);
    p->c.job.child.ctx = &p->c;
    must(compact_child_run(&p->c.job.child, s->e.fs, &p->result));
}

/* Starts a compaction if there is one to start. */
static bool begin_compaction(store *s, bool quiet) {
    pick k, *running[JOBS];
    uint32_t n = 0;
    if (s->njobs == JOBS) return false;
    for (uint32_t i = 0; i < s->njobs; i++)
        if (!s->jobs[i]->f.m) running[n++] = &s->jobs[i]->c.pick;
    if (!pick_next(s->v, &conf, running, n, quiet, &k)) return false;
    begin_pick(s, &k);
    return true;
}

/* ---- what is read -------------------------------------------------------------------------------
 */

/* The newest cell of a key; false: none. */
static bool newest(store *s, slice key, buf *cell) {
    table_hit hit;
    slice c;
    buf_clear(cell);
    memtable *layers[2] = {s->m, flushing(s)};
    for (int i = 0; i < 2; i++) {
        if (!layers[i] || !btree_get(layers[i]->tree, key, &c)) continue;
        buf_append_slice(cell, memtable_cell(c, NULL));
        return true;
    }
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        for (uint32_t i = 0; i < s->v->level[l].n; i++) {
            const table_ref *t = s->v->level[l].tables[i];
            if (!table_ref_overlaps(t, t->smallest, SLICE_EMPTY)) continue;
            if (slice_cmp(key, t->smallest) < 0 || slice_cmp(key, t->limit) >= 0) continue;
            must(table_get(t->t, NULL, key, lkey_filter(&s->e, key), &hit));
            if (!hit.found) continue;
            buf_append_slice(cell, hit.cell);
            return true;
        }
    return false;
}

/* Every key of the model is read as it is there. */
static void check_model(store *s) {
    buf cell = {0};
    slice key;
    void *value;
    for (uint64_t i = 0; omap_at(s->model, i, &key, &value); i++) {
        assert_true(newest(s, key, &cell));
        assert_true(slice_eq(buf_slice(&cell), buf_slice(value)));
    }
    buf_free(&cell);
}

/* Every key of a table that is not in the model reads as gone, unless nobody can ask for it. */
static void check_tables(store *s) {
    buf cell = {0};
    lkey_parts p;
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        for (uint32_t i = 0; i < s->v->level[l].n; i++) {
            const table_ref *t = s->v->level[l].tables[i];
            table_iter *it = table_iter_new_ahead(t->t, 4096);
            table_iter_seek_first(it);
            for (; table_iter_valid(it); table_iter_next(it)) {
                slice key = table_iter_key(it);
                assert_true(slice_cmp(key, t->smallest) >= 0 && slice_cmp(key, t->limit) < 0);
                if (omap_get(s->model, key)) continue;
                assert_true(lkey_parse(key, &p) && newest(s, key, &cell));
                bool nobody =
                    (p.pdb != 1 && p.pdb != s->pdb) || (p.kind == LKEY_SUB && p.coll < s->coll);
                assert_true(nobody || cell.data[0] == CELL_TOMBSTONE);
            }
            must(table_iter_status(it));
            table_iter_free(it);
        }
    buf_free(&cell);
}

/* How many keys, and bytes, tables have. */
static uint64_t entries_of(const version *v) {
    uint64_t n = 0;
    for (unsigned l = 0; l < LSM_LEVELS; l++)
        n += v->level[l].entries;
    return n;
}

/* ---- tests --------------------------------------------------------------------------------------
 */

/* All that runs ends; then compactions until none is wanted, then all of it down. */
static void all_down(store *s) {
    int steps = 0;
    while (s->njobs)
        finish(s, 0);
    while (begin_compaction(s, true)) {
        finish(s, 0);
        assert_true(++steps < 1000);
    }
    assert_true(pick_amplification(s->v) <= 1.1);
    check_tables(s);
    pick_asked a = {.on = true, .last = s->names};
    pick k;
    while (pick_step(s->v, &conf, NULL, 0, &a, s->names, &k)) {
        begin_pick(s, &k);
        finish(s, 0);
        assert_true(++steps < 2000);
    }
    assert_false(a.on);
}

static void test_random(void **state) {
    (void)state;
    store *s = store_new();
    for (int round = 0; round < unit_rounds(150); round++) {
        s->m = memtable_new((uint64_t)round + 1);
        for (uint64_t n = 1 + rng_below(&s->r, 80); n > 0; n--)
            random_change(s);
        if (rng_below(&s->r, 20) == 0) flush_db(s);
        while (flushing(s) || s->njobs == JOBS)
            finish(s, (uint32_t)rng_below(&s->r, s->njobs));
        begin_flush(s);
        while (rng_below(&s->r, 2) && begin_compaction(s, rng_below(&s->r, 10) == 0))
            continue;
        while (s->njobs && rng_below(&s->r, 2))
            finish(s, (uint32_t)rng_below(&s->r, s->njobs));
        if (round % 4 == 0) check_model(s);
        if (round % 16 == 0) check_tables(s);
    }
    all_down(s);
    check_model(s);
    check_tables(s);
    /* nothing is left but what is there */
    assert_int_equal(s->v->level[LSM_LEVELS - 1].tombstones, 0);
    store_free(s);
}

/* Deleting everything leaves nothing. */
static void test_all_deleted(void **state) {
    (void)state;
    store *s = store_new();
    slice key;
    for (int round = 0; round < 12; round++) {
        s->m = memtable_new((uint64_t)round + 1);
        for (int i = 0; i < 60; i++)
            random_change(s);
        begin_flush(s);
        finish(s, 0);
        if (round % 3 == 2 && begin_compaction(s, true)) finish(s, 0);
    }
    s->m = memtable_new(100);
    buf copy = {0};
    while (omap_at(s->model, 0, &key, NULL)) {
        buf_clear(&copy);
        buf_append_slice(&copy, key);
        change(s, buf_slice(&copy), SLICE_EMPTY);
    }
    for (; s->coll < 20; s->coll++) {
        lkey_drop(&copy, 1, s->coll);
        btree_put(s->m->tree, buf_slice(&copy), slice_of("........\0\1", MEM_HEAD + 1));
    }
    buf_free(&copy);
    begin_flush(s);
    while (s->njobs || begin_compaction(s, true))
        finish(s, 0);
    assert_int_equal(entries_of(s->v), 0);
    assert_int_equal(version_tables(s->v), 0);
    store_free(s);
}

/* A collection that fills tables of its own goes without being read, with the flush of its drop. */
static void test_whole_tables(void **state) {
    (void)state;
    store *s = store_new();
    buf key = {0};
    char name[32];
    s->m = memtable_new(1);
    for (int i = 0; i < 2000; i++) {
        int n = snprintf(name, sizeof name, "member:%06d", i);
        lkey_sub(&key, 1, 5, 0, slice_of(name, (size_t)n));
        change(s, buf_slice(&key), slice_of("\2\0abcdefgh", 10));
    }
    begin_flush(s);
    finish(s, 0);
    assert_true(version_tables(s->v) > 2);
    s->m = memtable_new(2);
    lkey_drop(&key, 1, 5);
    btree_put(s->m->tree, buf_slice(&key), slice_of("........\0\1", MEM_HEAD + 1));
    forget_prefix(s, buf_slice(&key));
    begin_flush(s);
    finish(s, 0);
    assert_int_equal(version_tables(s->v), 1); /* that of the drop */
    assert_true(s->dropped_whole > 2);
    while (begin_compaction(s, true))
        finish(s, 0);
    assert_int_equal(version_tables(s->v), 0);
    buf_free(&key);
    store_free(s);
}

/* What was put and deleted between two flushes, and is nowhere else, never gets to a table. */
static void test_short_lived(void **state) {
    (void)state;
    store *s = store_new();
    buf key = {0};
    s->m = memtable_new(1);
    for (uint64_t i = 0; i < 50; i++) {
        lkey_main(&key, 1, (lsm_hash){.place = i << 50, .full = i}, SLICE("some"));
        change(s, buf_slice(&key), i == 7 || i == 40 ? SLICE("\2x") : SLICE_EMPTY);
    }
    begin_flush(s);
    finish(s, 0);
    assert_int_equal(entries_of(s->v), 2);
    /* now the filter says it: the range of the table is no reason to keep a tombstone */
    s->m = memtable_new(2);
    for (uint64_t i = 0; i < 50; i++) {
        lkey_main(&key, 1, (lsm_hash){.place = i << 50, .full = i}, SLICE("some"));
        change(s, buf_slice(&key), SLICE_EMPTY);
    }
    begin_flush(s);
    finish(s, 0);
    uint64_t kept = s->v->level[0].tombstones;
    assert_true(kept >= 2 && kept < 10);
    buf_free(&key);
    store_free(s);
}

/* Each call of the disk may fail: then the child says so, and leaves no file open. */
static void test_failures(void **state) {
    (void)state;
    store *s = store_new();
    buf out = {0};
    for (int round = 0; round < 4; round++) {
        s->m = memtable_new((uint64_t)round + 1);
        for (int i = 0; i < 60; i++)
            random_change(s);
        begin_flush(s);
        finish(s, 0);
    }
    pick k;
    assert_true(pick_next(s->v, &conf, NULL, 0, false, &k) && !k.move);
    pending *p = mem_zalloc(sizeof *p);
    p->c = (compaction){.pick = k, .v = s->v};
    p->c.job.e = &s->e;
    p->c.job.child.ctx = &p->c;
    int open = memfs_open_files(s->disk);
    uint64_t nth = 1;
    for (;; nth++) {
        p->c.job.spec = spec_of(s, p, k.to, conf.table_size);
        memfs_fail(s->disk, nth, nth % 2 ? ST_IO : ST_NO_SPACE);
        status st = compact_child_run(&p->c.job.child, s->e.fs, &out);
        assert_int_equal(memfs_open_files(s->disk), open);
        if (status_ok(st)) break;
        assert_int_equal(st.code, nth % 2 ? ST_IO : ST_NO_SPACE);
        assert_int_equal(out.len, 0);
    }
    assert_true(nth > 4 && out.len > 0);
    memfs_fail(s->disk, 0, ST_OK);
    pick_free(&k);
    buf_free(&out);
    mem_free(p);
    store_free(s);
}

/* A damaged input is an error, never other contents. */
static void test_damage(void **state) {
    (void)state;
    store *s = store_new();
    s->m = memtable_new(1);
    for (int i = 0; i < 60; i++)
        random_change(s);
    begin_flush(s);
    finish(s, 0);
    pick k;
    buf out = {0};
    assert_true(pick_next(s->v, &conf, NULL, 0, true, &k));
    char full[FILE_PATH_MAX];
    must(file_path(full, "db", FILE_TABLE, k.in[0]->number));
    memfs_bytes(s->disk, full)->data[200] ^= 1;
    pending *p = mem_zalloc(sizeof *p);
    p->c = (compaction){.pick = k, .v = s->v};
    p->c.job.e = &s->e;
    p->c.job.child.ctx = &p->c;
    p->c.pick.move = false;
    p->c.job.spec = spec_of(s, p, k.to, conf.table_size);
    assert_int_equal(compact_child_run(&p->c.job.child, s->e.fs, &out).code, ST_CORRUPT);
    pick_free(&k);
    mem_free(p);
    buf_free(&out);
    store_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),       cmocka_unit_test(test_all_deleted),
        cmocka_unit_test(test_whole_tables), cmocka_unit_test(test_short_lived),
        cmocka_unit_test(test_failures),     cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
