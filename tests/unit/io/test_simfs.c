/* Tests of the simulated disk, workers and children: that they do to a program what a disk may do,
 * and nothing else. A test double that is too kind finds nothing; one that is too harsh cries wolf.
 */
#include "base/log.h"
#include "base/mem.h"
#include "sim/simaio.h"
#include "sim/simchild.h"
#include "sim/simfs.h"
#include "support/unit.h"

static simfs *new_fs(uint64_t seed) {
    simfs *fs = simfs_new(seed);
    vfs *v = simfs_vfs(fs);
    assert_true(status_ok(v->ops->mkdir(v, "/d")));
    assert_true(status_ok(v->ops->sync_dir(v, "")));
    return fs;
}

static vfs_file *create(simfs *fs, const char *path) {
    vfs_file *f;
    assert_true(status_ok(vfs_open(simfs_vfs(fs), path, VFS_READ | VFS_WRITE | VFS_CREATE, &f)));
    return f;
}

static void write_at(vfs_file *f, const char *text, uint64_t offset) {
    assert_true(status_ok(vfs_pwrite(f, text, strlen(text), offset)));
}

/* The bytes of a file, or "-" if there is none. */
static void content(simfs *fs, const char *path, buf *out) {
    vfs_file *f;
    size_t got;
    buf_clear(out);
    status st = vfs_open(simfs_vfs(fs), path, VFS_READ, &f);
    if (st.code == ST_NOT_FOUND) {
        buf_append_char(out, '-');
        return;
    }
    assert_true(status_ok(st));
    assert_true(status_ok(vfs_pread(f, buf_reserve(out, 1 << 20), 1 << 20, 0, &got)));
    out->len = got;
    assert_true(status_ok(f->ops->close(f)));
}

static bool has(simfs *fs, const char *path, const char *text) {
    buf b = {0};
    content(fs, path, &b);
    bool same = slice_eq(buf_slice(&b), slice_cstr(text));
    buf_free(&b);
    return same;
}

static void sync_all(simfs *fs, vfs_file *f) {
    assert_true(status_ok(f->ops->fsync(f)));
    assert_true(status_ok(simfs_vfs(fs)->ops->sync_dir(simfs_vfs(fs), "/d")));
}

/* Synced bytes under a synced name are there after any power cut; a kill takes nothing. */
static void test_synced_stays(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        simfs *fs = new_fs(seed);
        vfs_file *f = create(fs, "/d/a");
        write_at(f, "kept", 0);
        sync_all(fs, f);
        write_at(create(fs, "/d/b"), "seen", 0);
        simfs_kill(fs);
        assert_true(has(fs, "/d/b", "seen"));
        assert_int_equal(simfs_open_handles(fs), 0);
        simfs_crash(fs);
        assert_true(has(fs, "/d/a", "kept"));
        simfs_free(fs);
    }
}

/* What is not synced: each outcome that a disk allows happens, over some seeds, and no other. */
static void test_unsynced_outcomes(void **state) {
    (void)state;
    int lost = 0, first = 0, second = 0, both = 0, no_name = 0;
    for (uint64_t seed = 0; seed < 600; seed++) {
        simfs *fs = new_fs(seed);
        vfs_file *f = create(fs, "/d/a");
        buf zeros = {0};
        memset(buf_reserve(&zeros, 2048), '.', 2048);
        assert_true(status_ok(vfs_pwrite(f, zeros.data, 2048, 0)));
        sync_all(fs, f);
        write_at(f, "one", 100);
        write_at(f, "two", 1500); /* another sector: may be there without the first */
        create(fs, "/d/new");
        simfs_crash(fs);
        buf b = {0};
        content(fs, "/d/a", &b);
        assert_int_equal(b.len, 2048);
        bool one = !memcmp(b.data + 100, "one", 3), two = !memcmp(b.data + 1500, "two", 3);
        assert_true(one || !memcmp(b.data + 100, "...", 3));
        assert_true(two || !memcmp(b.data + 1500, "...", 3));
        lost += !one && !two;
        first += one && !two;
        second += !one && two;
        both += one && two;
        no_name += has(fs, "/d/new", "-");
        buf_free(&b);
        buf_free(&zeros);
        simfs_free(fs);
    }
    assert_true(lost > 20 && first > 20 && second > 20 && both > 20);
    assert_in_range(no_name, 100, 500);
}

/* Within a sector, and for one name, the order of time holds. */
static void test_order_is_kept(void **state) {
    (void)state;
    int torn = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        simfs *fs = new_fs(seed);
        vfs *v = simfs_vfs(fs);
        vfs_file *f = create(fs, "/d/a");
        sync_all(fs, f);
        write_at(f, "x", 0);
        write_at(f, "y", 1);
        assert_true(status_ok(v->ops->rename(v, "/d/a", "/d/b")));
        assert_true(status_ok(v->ops->rename(v, "/d/b", "/d/c")));
        char wide[1500];
        memset(wide, 'w', sizeof wide);
        vfs_file *g = create(fs, "/d/wide");
        sync_all(fs, g);
        assert_true(status_ok(vfs_pwrite(g, wide, sizeof wide, 0)));
        simfs_crash(fs);
        bool a = !has(fs, "/d/a", "-"), b = !has(fs, "/d/b", "-"), c = !has(fs, "/d/c", "-");
        assert_int_equal(a + b + c, 1);
        const char *name = a ? "/d/a" : b ? "/d/b" : "/d/c";
        buf bytes = {0};
        content(fs, name, &bytes);
        if (bytes.len == 2 && bytes.data[1] == 'y') assert_int_equal(bytes.data[0], 'x');
        content(fs, "/d/wide", &bytes);
        torn += memchr(bytes.data, 0, bytes.len) != NULL;
        buf_free(&bytes);
        simfs_free(fs);
    }
    assert_true(torn > 20);
}

/* A failed fsync: nothing is dirty any more, and a second one covers nothing. */
static void test_failed_fsync_lies(void **state) {
    (void)state;
    int lost = 0, kept = 0, dropped = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        simfs *fs = new_fs(seed);
        vfs_file *f = create(fs, "/d/a");
        sync_all(fs, f);
        write_at(f, "data", 0);
        simfs_knobs_of(fs)->fail_at = simfs_counts_of(fs)->calls + 1;
        simfs_knobs_of(fs)->fail_code = ST_IO;
        assert_int_equal(f->ops->fsync(f).code, ST_IO);
        assert_true(status_ok(f->ops->fsync(f)));
        dropped += has(fs, "/d/a", "");
        simfs_crash(fs);
        lost += has(fs, "/d/a", "");
        kept += has(fs, "/d/a", "data");
        assert_int_equal(simfs_counts_of(fs)->failed_syncs, 1);
        simfs_free(fs);
    }
    assert_true(lost > 20 && kept > 20 && dropped > 20);
}

/* From the change at which the machine stops, nothing happens any more. */
static void test_stop(void **state) {
    (void)state;
    simfs *fs = new_fs(1);
    vfs_file *f = create(fs, "/d/a");
    sync_all(fs, f);
    simfs_knobs_of(fs)->stop_at = simfs_counts_of(fs)->changes + 2;
    write_at(f, "1", 0);
    assert_int_equal(vfs_pwrite(f, "2", 1, 1).code, ST_IO);
    assert_true(simfs_stopped(fs));
    assert_int_equal(vfs_pwrite(f, "3", 1, 0).code, ST_IO);
    assert_int_equal(f->ops->fsync(f).code, ST_IO);
    simfs_kill(fs);
    buf b = {0};
    content(fs, "/d/a", &b);
    assert_int_equal(b.data[0], '1');
    assert_true(b.len == 1 || (b.len == 2 && b.data[1] == '2'));
    buf_free(&b);
    simfs_free(fs);
}

static void test_limits_locks_and_flips(void **state) {
    (void)state;
    simfs *fs = new_fs(1);
    vfs *v = simfs_vfs(fs);
    vfs_file *f = create(fs, "/d/a"), *lock, *other;
    simfs_knobs_of(fs)->limit = 1000;
    assert_true(status_ok(f->ops->allocate(f, 0, 900)));
    write_at(f, "within what was allocated", 800);
    assert_int_equal(vfs_pwrite(f, "beyond", 6, 996).code, ST_NO_SPACE);
    uint64_t left;
    assert_true(status_ok(v->ops->free_space(v, "/d", &left)));
    assert_int_equal(left, 100);
    assert_true(status_ok(v->ops->lock(v, "/d/LOCK", &lock)));
    assert_int_equal(v->ops->lock(v, "/d/LOCK", &other).code, ST_BUSY);
    lock->ops->unlock(lock);
    assert_true(status_ok(v->ops->lock(v, "/d/LOCK", &lock)));
    simfs_kill(fs);
    assert_true(status_ok(v->ops->lock(v, "/d/LOCK", &lock)));
    buf what = {0}, before = {0}, after = {0};
    content(fs, "/d/a", &before);
    assert_true(simfs_flip(fs, "a", &what));
    content(fs, "/d/a", &after);
    assert_false(slice_eq(buf_slice(&before), buf_slice(&after)));
    buf_free(&what);
    buf_free(&before);
    buf_free(&after);
    simfs_free(fs);
}

/* ---- workers ------------------------------------------------------------------------------------
 */

typedef struct noted_job {
    aio_job job;
    char name;
    buf *order;
} noted_job;

static void note_run(aio_job *job) {
    buf_append_char(((noted_job *)job)->order, ((noted_job *)job)->name);
    job->result = status_make(ST_IO, "job %c", ((noted_job *)job)->name);
}

static void note_done(aio_job *job) {
    noted_job *n = (noted_job *)job;
    assert_int_equal(job->result.msg[4], n->name);
    buf_append_char(n->order, (char)(n->name - 'a' + 'A'));
}

static void test_lanes_keep_order(void **state) {
    (void)state;
    bool log_first = false, housekeep_first = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        simaio *a = simaio_new(seed);
        aio *base = simaio_aio(a);
        buf order = {0};
        noted_job jobs[4];
        for (int i = 0; i < 4; i++) {
            jobs[i] = (noted_job){.job = {.run = note_run, .done = note_done},
                                  .name = (char)('a' + i),
                                  .order = &order};
            aio_submit(base, i < 2 ? AIO_LOG : AIO_HOUSEKEEP, &jobs[i].job);
        }
        assert_int_equal(order.len, 0);
        while (simaio_step(a))
            base->ops->poll(base);
        base->ops->drain(base);
        buf_append_char(&order, 0);
        const char *o = order.data;
        assert_int_equal(strlen(o), 8);
        assert_true(strchr(o, 'a') < strchr(o, 'b') && strchr(o, 'c') < strchr(o, 'd'));
        for (char c = 'a'; c <= 'd'; c++)
            assert_true(strchr(o, c) < strchr(o, c - 'a' + 'A'));
        log_first |= *o == 'a';
        housekeep_first |= *o == 'c';
        buf_free(&order);
        simaio_free(a);
    }
    assert_true(log_first && housekeep_first);
}

typedef struct noted_read {
    aio_read base;
    char name, byte;
    buf *order;
} noted_read;

static void note_read(aio_read *r) {
    noted_read *n = (noted_read *)r;
    assert_int_equal(r->got, 1);
    buf_append_char(n->order, n->name);
    buf_append_char(n->order, n->byte);
}

/* Reads begin at a kick, end in any order, and see what the disk has when they run. */
static void test_reads_in_no_order(void **state) {
    (void)state;
    bool b_first = false, old_seen = false, new_seen = false;
    for (uint64_t seed = 0; seed < 60; seed++) {
        simfs *fs = new_fs(seed);
        simaio *a = simaio_new(seed);
        aio *base = simaio_aio(a);
        vfs_file *f = create(fs, "/d/a");
        buf order = {0};
        noted_read reads[2] = {{.name = 'a'}, {.name = 'b'}};
        write_at(f, "o", 0);
        for (int i = 0; i < 2; i++) {
            reads[i].order = &order;
            reads[i].base = (aio_read){.done = note_read, .file = f, .p = &reads[i].byte, .n = 1};
            base->ops->read(base, &reads[i].base);
        }
        assert_false(simaio_step(a));
        assert_int_equal(simaio_pending(a), 2);
        aio_kick(base);
        assert_true(simaio_step(a));
        write_at(f, "n", 0);
        base->ops->drain(base);
        assert_int_equal(order.len, 4);
        b_first |= order.data[0] == 'b';
        old_seen |= order.data[1] == 'o';
        new_seen |= order.data[3] == 'n';
        buf_free(&order);
        simaio_free(a);
        simfs_free(fs);
    }
    assert_true(b_first && old_seen && new_seen);
}

/* What is not in memory is the seed's, as often as asked for; a read beside the thread gets it. */
static void test_cold(void **state) {
    (void)state;
    simfs *fs = new_fs(7);
    vfs_file *f = create(fs, "/d/a");
    char byte;
    size_t got, misses = 0;
    write_at(f, "x", 0);
    assert_true(status_ok(vfs_pread_now(f, &byte, 1, 0, &got)));
    simfs_knobs_of(fs)->cold_permille = 500;
    for (int i = 0; i < 1000; i++) {
        status s = vfs_pread_now(f, &byte, 1, 0, &got);
        assert_true(status_ok(s) || s.code == ST_BUSY);
        misses += !status_ok(s);
    }
    assert_in_range(misses, 400, 600);
    assert_int_equal(simfs_counts_of(fs)->cold, misses);
    simfs_knobs_of(fs)->cold_permille = 1000;
    assert_true(status_ok(vfs_pread(f, &byte, 1, 0, &got)));
    simfs_free(fs);
}

/* ---- children -----------------------------------------------------------------------------------
 */

typedef struct copy_job {
    child_job job;
    bool saw_own;
    status_code result;
    int dones;
    char said[16];
} copy_job;

/* Copies a to b, in two writes, and reads its own work back. */
static status copy_run(child_job *job, vfs *v, buf *out) {
    vfs_file *a, *b;
    char bytes[4];
    size_t got;
    TRY(vfs_open(v, "/d/a", VFS_READ, &a));
    TRY(vfs_open(v, "/d/b", VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCL, &b));
    TRY(vfs_pread(a, bytes, 4, 0, &got));
    TRY(vfs_pwrite(b, bytes, 2, 0));
    TRY(vfs_pwrite(b, bytes + 2, 2, 2));
    TRY(b->ops->fsync(b));
    TRY(v->ops->sync_dir(v, "/d"));
    memset(bytes, 0, 4);
    TRY(vfs_pread(b, bytes, 4, 0, &got));
    ((copy_job *)job)->saw_own = got == 4 && !memcmp(bytes, "fork", 4);
    TRY(a->ops->close(a));
    TRY(b->ops->close(b));
    buf_append(out, "copied", 6);
    return STATUS_OK;
}

static void copy_done(child_job *job, status result, slice out) {
    copy_job *c = (copy_job *)job;
    c->dones++;
    c->result = result.code;
    memcpy(c->said, out.data ? out.data : "", out.len);
}

/* The child sees the disk as of the fork; its work comes later, by pieces. */
static void test_child_comes_later(void **state) {
    (void)state;
    bool half_seen = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        simfs *fs = new_fs(seed);
        simchild *h = simchild_new(fs, seed);
        child_host *base = simchild_host(h);
        copy_job c = {.job = {.name = "copy", .run = copy_run, .done = copy_done}};
        vfs_file *a = create(fs, "/d/a");
        write_at(a, "fork", 0);
        assert_true(status_ok(base->ops->start(base, &c.job)));
        assert_true(c.saw_own);
        write_at(a, "next", 0);
        assert_true(has(fs, "/d/b", "-"));
        base->ops->poll(base);
        assert_int_equal(c.dones, 0);
        while (simchild_step(h))
            half_seen |= has(fs, "/d/b", "fo");
        assert_true(has(fs, "/d/b", "fork"));
        while (!c.dones)
            base->ops->poll(base);
        assert_int_equal(c.result, ST_OK);
        assert_string_equal(c.said, "copied");
        simfs_crash(fs);
        assert_true(has(fs, "/d/b", "fork"));
        simchild_free(h);
        simfs_free(fs);
    }
    assert_true(half_seen);
}

/* A child that is killed, at any point, is told of once, and leaves what it had done. */
static void test_child_killed(void **state) {
    (void)state;
    bool nothing = false, some = false;
    for (uint64_t seed = 0; seed < 100; seed++) {
        simfs *fs = new_fs(seed);
        simchild *h = simchild_new(fs, seed);
        child_host *base = simchild_host(h);
        copy_job c = {.job = {.name = "copy", .run = copy_run, .done = copy_done}};
        write_at(create(fs, "/d/a"), "fork", 0);
        assert_true(status_ok(base->ops->start(base, &c.job)));
        base->ops->kill(base, &c.job);
        for (int i = 0; i < 100 && !c.dones; i++)
            base->ops->poll(base);
        assert_int_equal(c.dones, 1);
        assert_int_equal(c.result, ST_FAILED);
        assert_string_equal(c.said, "");
        nothing |= has(fs, "/d/b", "-");
        some |= has(fs, "/d/b", "fo");
        simchild_free(h);
        assert_int_equal(c.dones, 1);
        simfs_free(fs);
    }
    assert_true(nothing && some);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synced_stays),
        cmocka_unit_test(test_unsynced_outcomes),
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_failed_fsync_lies),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_limits_locks_and_flips),
        cmocka_unit_test(test_lanes_keep_order),
        cmocka_unit_test(test_reads_in_no_order),
        cmocka_unit_test(test_cold),
        cmocka_unit_test(test_child_comes_later),
        cmocka_unit_test(test_child_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
