/* logwrite: random use against a model of the log, then the files are read back.
 *
 * The model is the list of committed records with their places. Checked all the time: reads of what
 * is in memory, the order of the positions, marks that never exceed what was durable. */
#include "support/unit.h"

#include "base/mem.h"
#include "storage/file_header.h"
#include "storage/logscan.h"
#include "storage/logwrite.h"
#include "support/memfs.h"
#include "support/random_record.h"

#define STORE     0xfeedu
#define FILES_MAX 64

typedef struct kept_record {
    log_pos at;
    record rec;
    random_bytes *mem; /* apart, as the list moves when it grows */
    bool last;         /* of its batch */
} kept_record;

typedef struct model {
    rng r;
    memfs *fs;
    logwrite *w;
    kept_record *recs;
    size_t n, cap, batch; /* recs[batch ..] are the open batch's */
    logwrite_file file;
    vfs_file *files[FILES_MAX];
    char paths[FILES_MAX][FILE_NAME_MAX];
    uint32_t nfiles; /* numbered from 1 */
    uint32_t segment;
    log_pos durable;
} model;

/* Creates the next file, header included. */
static void add_file(model *m, uint32_t limit) {
    char p[FILE_HEADER];
    file_header h = {.kind = FILE_SEGMENT, .store_id = STORE, .number = m->nfiles + 1};
    h.before = m->nfiles;
    assert_true(m->nfiles < FILES_MAX);
    file_name(m->paths[m->nfiles], FILE_SEGMENT, h.number);
    file_header_encode(p, &h);
    vfs_file **f = &m->files[m->nfiles];
    assert_true(status_ok(
        vfs_open(memfs_vfs(m->fs), m->paths[m->nfiles], VFS_READ | VFS_WRITE | VFS_CREATE, f)));
    assert_true(status_ok(vfs_pwrite(*f, p, sizeof p, 0)));
    assert_true(status_ok((*f)->ops->allocate(*f, 0, limit)));
    m->file = (logwrite_file){*f, h.number, limit};
    m->nfiles++;
}

static void model_start(model *m, uint32_t segment) {
    *m = (model){.segment = segment};
    unit_seed(&m->r);
    m->fs = memfs_new();
    m->w = logwrite_new(STORE);
    add_file(m, segment);
    logwrite_start(m->w, &m->file, 0);
    m->durable = logwrite_durable(m->w);
}

static void drop_records(model *m, size_t from) {
    while (m->n > from) {
        random_bytes_free(m->recs[--m->n].mem);
        mem_free(m->recs[m->n].mem);
    }
}

static void model_end(model *m) {
    drop_records(m, 0);
    mem_free(m->recs);
    logwrite_free(m->w);
    for (uint32_t i = 0; i < m->nfiles; i++)
        assert_true(status_ok(m->files[i]->ops->close(m->files[i])));
    memfs_free(m->fs);
}

/* The next file, taking the open batch along: every place of the batch moves by the same distance.
 */
static void next_file(model *m, uint32_t need) {
    logwrite_moved moved;
    uint32_t batch = logwrite_batch_bytes(m->w);
    uint32_t limit = FILE_HEADER + RECORD_OVERHEAD_MAX + batch + need;
    add_file(m, limit > m->segment ? limit : m->segment);
    log_pos committed = logwrite_committed(m->w);
    logwrite_next(m->w, &m->file, &moved);
    assert_true(moved.old_end == committed && moved.from == committed);
    assert_true(moved.to == logwrite_committed(m->w));
    assert_int_equal(logwrite_batch_bytes(m->w), batch);
    for (size_t i = m->batch; i < m->n; i++)
        m->recs[i].at += moved.to - moved.from;
}

/* Appends one record at random to the open batch. */
static void append(model *m, size_t longest) {
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->recs = mem_realloc(m->recs, m->cap * sizeof *m->recs);
    }
    kept_record *k = &m->recs[m->n];
    *k = (kept_record){.mem = mem_zalloc(sizeof *k->mem)};
    do {
        random_record(&m->r, longest, k->mem, &k->rec);
    } while (k->rec.kind == RECORD_MANIFEST || k->rec.kind == RECORD_HINT);
    k->rec.flags &= (uint16_t)~RECORD_MARK; /* logwrite's to set */
    k->rec.mark = 0;
    uint32_t need =
        (uint32_t)(RECORD_OVERHEAD_MAX + k->rec.key.len + k->rec.value.len + k->rec.body.len);
    if (logwrite_left(m->w) < need) {
        if (rng_below(&m->r, 4) == 0)
            logwrite_extend(m->w, m->file.limit + need);
        else
            next_file(m, need);
        m->file.limit += need;
    }
    log_pos end = logwrite_end(m->w);
    bool later = k->rec.value.len && !(k->rec.flags & RECORD_LZ4) && rng_below(&m->r, 3) == 0;
    record copy = k->rec;
    char *to = NULL;
    if (later) copy.value.data = NULL;
    k->at = logwrite_append(m->w, &copy, &to);
    if (later) memcpy(to, k->rec.value.data, k->rec.value.len);
    assert_true(k->at == end && logwrite_end(m->w) == end + copy.size);
    if (copy.flags & RECORD_MARK) {
        assert_true(copy.mark <= m->durable);
        k->rec.flags |= RECORD_MARK;
        k->rec.mark = copy.mark;
    }
    m->n++;
}

static void batch(model *m) {
    logwrite_begin(m->w);
    m->batch = m->n;
    size_t count = rng_below(&m->r, 4) ? 1 : rng_below(&m->r, 40);
    size_t longest = rng_below(&m->r, 60) ? 600 : 400000;
    for (size_t i = 0; i < count; i++) {
        append(m, longest);
        if (rng_below(&m->r, 200) == 0) next_file(m, 0);
    }
    if (rng_below(&m->r, 5) == 0) {
        log_pos committed = logwrite_committed(m->w);
        logwrite_abort(m->w);
        assert_true(logwrite_end(m->w) == committed);
        drop_records(m, m->batch);
    } else {
        logwrite_commit(m->w);
        if (m->n > m->batch) m->recs[m->n - 1].last = true;
    }
    assert_true(logwrite_end(m->w) == logwrite_committed(m->w));
    m->batch = m->n;
}

/* Reads a record at random: from memory if the log still has it, and then it must be right. */
static void read_one(model *m) {
    if (m->n == 0) return;
    kept_record *k = &m->recs[m->n - 1 - rng_below(&m->r, m->n < 50 ? m->n : 50)];
    slice bytes;
    record back;
    bool there = logwrite_read(m->w, k->at, &bytes);
    assert_int_equal(there, k->at >= logwrite_kept(m->w));
    if (!there) {
        assert_true(k->at < logwrite_written(m->w));
        return;
    }
    assert_int_equal(record_parse(bytes.data, bytes.len, &back), RECORD_OK);
    assert_true(record_same(&k->rec, &back));
}

/* A write by somebody else, while the log goes on. */
static void slow_write(model *m) {
    logwrite_out out;
    if (!logwrite_gather(m->w, SIZE_MAX, &out)) return;
    batch(m);
    read_one(m);
    size_t bytes = 0;
    for (int i = 0; i < out.n; i++)
        bytes += out.iov[i].iov_len;
    assert_int_equal(bytes, out.bytes);
    assert_true(status_ok(vfs_pwritev(out.file, out.iov, out.n, out.offset)));
    logwrite_wrote(m->w, &out);
}

/* Something durable: mostly all whole batches, sometimes a record's end before that. */
static void fsync_some(model *m) {
    log_pos to = logwrite_whole(m->w);
    if (m->n && rng_below(&m->r, 3) == 0) {
        log_pos at = m->recs[m->n - 1 - rng_below(&m->r, m->n < 9 ? m->n : 9)].at;
        if (at < to) to = at;
    }
    if (to > m->durable) m->durable = to;
    logwrite_set_durable(m->w, to);
    assert_true(logwrite_durable(m->w) == m->durable);
    if (rng_below(&m->r, 2)) logwrite_idle(m->w);
}

/* What is whole ends where a batch does, and is all once all is written. */
static void check_whole(const model *m) {
    log_pos whole = logwrite_whole(m->w), written = logwrite_written(m->w);
    assert_true(m->durable <= whole && whole <= written);
    if (written == logwrite_committed(m->w)) assert_true(whole == written);
    for (size_t i = m->n; i-- > 0;) {
        if (m->recs[i].at >= whole) continue;
        assert_true(m->recs[i].last);
        break;
    }
}

static void step(model *m) {
    switch (rng_below(&m->r, 8)) {
    case 0: { /* all, or so much and no more than a chunk beyond */
        uint64_t most = rng_below(&m->r, 2) ? UINT64_MAX : 1 + rng_below(&m->r, 1 << 20), bytes;
        assert_true(status_ok(logwrite_flush(m->w, most, &bytes)));
        bool all = logwrite_written(m->w) == logwrite_committed(m->w);
        assert_true(all || (bytes >= most && bytes - most < RECORD_MAX + LOGWRITE_CHUNK));
        break;
    }
    case 1: slow_write(m); break;
    case 2: fsync_some(m); break;
    case 3: logwrite_forget(m->w, logwrite_written(m->w)); break;
    case 4: read_one(m); break;
    default: batch(m);
    }
    check_whole(m);
    assert_true(logwrite_written(m->w) <= logwrite_committed(m->w));
    assert_true(logwrite_committed(m->w) == logwrite_end(m->w));
}

/* Reading back: what comes out must be the model's records, in order. */
typedef struct reading {
    const model *m;
    size_t at;
    log_pos mark;
} reading;

static status check_one(void *ctx, const log_file *f, const logscan_item *item) {
    reading *rd = ctx;
    const record *rec = &item->rec;
    log_pos at = log_pos_of(f->number, item->offset);
    if (rec->flags & RECORD_MARK) {
        assert_true(rec->mark <= at && rec->mark >= rd->mark);
        rd->mark = rec->mark;
    }
    if (rec->kind == RECORD_BEGIN) return STATUS_OK;
    if (rec->kind == RECORD_IDLE && (rec->flags & RECORD_MARK) &&
        (rd->at == rd->m->n || rd->m->recs[rd->at].at != at))
        return STATUS_OK; /* logwrite_idle's */
    assert_true(rd->at < rd->m->n);
    const kept_record *k = &rd->m->recs[rd->at++];
    assert_true(k->at == at);
    assert_true(record_same(&k->rec, rec));
    assert_int_equal(!(rec->flags & RECORD_CONTINUES), k->last);
    return STATUS_OK;
}

static void read_back(model *m) {
    log_file files[FILES_MAX];
    log_verdict v;
    reading rd = {.m = m};
    assert_true(status_ok(logwrite_flush(m->w, UINT64_MAX, NULL)));
    for (uint32_t i = 0; i < m->nfiles; i++)
        files[i] = (log_file){m->files[i], m->paths[i], FILE_SEGMENT, i + 1, 0};
    status st = log_replay(STORE, files, m->nfiles, 0, check_one, &rd, &v);
    assert_string_equal(st.msg, "");
    if (rd.at != m->n)
        fail_msg("stopped in file %zu of %u at %u: %s, verdict %d dropped %llu", v.file, m->nfiles,
                 v.bad, record_result_text(v.why), v.kind, (unsigned long long)v.dropped);
    assert_int_equal(v.kind, LOG_CLEAN);
    assert_int_equal(v.file, m->nfiles - 1);
    assert_true(log_pos_of(m->nfiles, v.cut) == logwrite_end(m->w));
}

static void test_against_model(void **state) {
    (void)state;
    uint32_t segments[] = {20000, 600000, 4000000};
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
        model m;
        model_start(&m, segments[i]);
        m.r.s[1] ^= i * 0x9e3779b97f4a7c15u;
        for (int k = 0; k < unit_rounds(1500) && m.nfiles < FILES_MAX - 10; k++)
            step(&m);
        read_back(&m);
        model_end(&m);
    }
}

/* A record with or without a mark. */
static record one(model *m, bool commit) {
    record r = {.kind = RECORD_DEL, .key = SLICE("key")};
    logwrite_begin(m->w);
    logwrite_append(m->w, &r, NULL);
    if (commit)
        logwrite_commit(m->w);
    else
        logwrite_abort(m->w);
    return r;
}

static void make_durable(model *m) {
    assert_true(status_ok(logwrite_flush(m->w, UINT64_MAX, NULL)));
    logwrite_set_durable(m->w, logwrite_written(m->w));
}

/* One mark a durable position, in the next record whatever that is; none for idle records. */
static void test_marks(void **state) {
    (void)state;
    model m;
    model_start(&m, 100000);
    assert_false(logwrite_idle(m.w)); /* nothing was appended */
    assert_false(one(&m, true).flags & RECORD_MARK);
    make_durable(&m);
    log_pos durable = logwrite_durable(m.w);
    record r = one(&m, false);
    assert_true((r.flags & RECORD_MARK) && r.mark == durable);
    r = one(&m, true); /* the aborted one took it: due again */
    assert_true((r.flags & RECORD_MARK) && r.mark == durable);
    assert_false(one(&m, true).flags & RECORD_MARK);
    make_durable(&m);
    assert_true(logwrite_idle(m.w));
    assert_false(logwrite_idle(m.w));
    make_durable(&m); /* covers nothing but the idle record */
    assert_false(logwrite_idle(m.w));
    assert_false(one(&m, true).flags & RECORD_MARK);
    make_durable(&m);
    durable = logwrite_durable(m.w);
    r = one(&m, true);
    assert_true((r.flags & RECORD_MARK) && r.mark == durable);
    model_end(&m);
}

/* What no fsync covers stays readable, whatever was written, unless it is given up. */
static void test_kept_until_durable(void **state) {
    (void)state;
    model m;
    slice bytes;
    model_start(&m, 8u << 20);
    log_pos first = logwrite_end(m.w);
    for (int i = 0; i < 40000; i++)
        one(&m, true);
    assert_true(status_ok(logwrite_flush(m.w, UINT64_MAX, NULL)));
    assert_true(logwrite_read(m.w, first, &bytes));
    assert_true(logwrite_memory(m.w) >= 40000 * 22);
    logwrite_forget(m.w, logwrite_written(m.w));
    assert_false(logwrite_read(m.w, first, &bytes));
    assert_true(logwrite_kept(m.w) == logwrite_end(m.w));
    assert_true(logwrite_durable(m.w) < logwrite_written(m.w));
    model_end(&m);
}

/* What an heir has taken, and what of it he wants. */
typedef struct heirloom {
    log_pos from, to, wanted;
    char *data;
    uint32_t cap;
    unsigned asked;
} heirloom;

static bool take(void *ctx, log_pos from, log_pos to, char *data, uint32_t cap) {
    heirloom *h = ctx;
    h->asked++;
    assert_true(from < to && to - from <= cap && from >= h->to);
    if (h->wanted < from || h->wanted >= to) return false;
    assert_null(h->data);
    *h = (heirloom){from, to, h->wanted, data, cap, h->asked};
    return true;
}

/* A chunk that is forgotten is its heir's, bytes and memory; the tail goes on without it, also if
 * it is the last one, whose memory is used again otherwise. */
static void test_heir(void **state) {
    (void)state;
    for (int last = 0; last < 2; last++) {
        model m;
        slice bytes;
        heirloom h = {0};
        const logwrite_heir heir = {take, &h};
        model_start(&m, 8u << 20);
        logwrite_set_heir(m.w, &heir);
        for (int i = 0; i < (last ? 10 : 20000); i++) {
            h.wanted = i == 5 ? logwrite_end(m.w) : h.wanted;
            one(&m, true);
        }
        assert_true(logwrite_read(m.w, h.wanted, &bytes));
        uint32_t size = record_encoded_size(bytes.data);
        char *copy = mem_dup(bytes.data, size);
        uint64_t memory = logwrite_memory(m.w);
        assert_true(status_ok(logwrite_flush(m.w, UINT64_MAX, NULL)));
        assert_int_equal(h.asked, 0);
        logwrite_forget(m.w, logwrite_written(m.w));
        assert_true(last ? h.asked == 1 : h.asked > 1);
        assert_non_null(h.data);
        assert_memory_equal(h.data + (h.wanted - h.from), copy, size);
        assert_true(last || logwrite_memory(m.w) == memory - h.cap);
        one(&m, true);
        assert_memory_equal(h.data + (h.wanted - h.from), copy, size);
        mem_free(copy);
        mem_unmap(h.data, h.cap);
        model_end(&m);
    }
}

/* A write that fails leaves the positions where they were, and the bytes readable. */
static void test_failed_write(void **state) {
    (void)state;
    model m;
    slice bytes;
    uint64_t written;
    model_start(&m, 100000);
    one(&m, true);
    make_durable(&m);
    log_pos before = logwrite_written(m.w), at = logwrite_end(m.w);
    one(&m, true);
    memfs_fail(m.fs, 1, ST_IO);
    assert_int_equal(logwrite_flush(m.w, UINT64_MAX, &written).code, ST_IO);
    assert_int_equal(written, 0);
    assert_true(logwrite_written(m.w) == before && logwrite_durable(m.w) == before);
    assert_true(logwrite_read(m.w, at, &bytes));
    model_end(&m);
}

/* The record with a replication id and offset is part of its batch, and its last. */
static void test_origin(void **state) {
    (void)state;
    model m;
    char origin[RECORD_ORIGIN_LEN];
    slice bytes;
    record back;
    model_start(&m, 100000);
    memset(origin, 'o', sizeof origin);
    record r = {.kind = RECORD_DEL, .key = SLICE("key")};
    logwrite_begin(m.w);
    log_pos at = logwrite_append(m.w, &r, NULL);
    logwrite_origin(m.w, origin);
    logwrite_commit(m.w);
    assert_true(logwrite_read(m.w, at, &bytes));
    record_place place = {STORE, 1, log_pos_offset(at)};
    assert_int_equal(record_read(bytes.data, bytes.len, place, &back), RECORD_OK);
    assert_true(back.flags & RECORD_CONTINUES);
    place.offset += back.size;
    bytes = slice_skip(bytes, back.size);
    assert_int_equal(record_read(bytes.data, bytes.len, place, &back), RECORD_OK);
    assert_int_equal(back.kind, RECORD_IDLE);
    assert_int_equal(back.flags, RECORD_ORIGIN);
    assert_true(slice_eq(back.origin, slice_of(origin, sizeof origin)));
    model_end(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),      cmocka_unit_test(test_marks),
        cmocka_unit_test(test_kept_until_durable), cmocka_unit_test(test_heir),
        cmocka_unit_test(test_failed_write),       cmocka_unit_test(test_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
