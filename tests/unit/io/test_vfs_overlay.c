/* vfs_overlay: it behaves as the one file system that it seems to be, over memory and over a real
 * directory, and what is below is never changed. */
#include "io/vfs_overlay.h"

#include "base/mem.h"
#include "support/memfs.h"
#include "support/tempdir.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES   6
#define HANDLES 8
#define SIZE    5000

static void ok(status s) {
    if (!status_ok(s)) fail_msg("%s", s.msg);
}

/* ---- against a model ---------------------------------------------------------------------------
 */

/* The same calls go to the overlay and to a plain file system with the same contents. */
typedef struct pair {
    vfs *v, *model;
    const char *dir;
    vfs_file *f[HANDLES], *m[HANDLES];
    rng r;
} pair;

static const char *name_of(const pair *p, unsigned i) {
    static char text[4][TEMPDIR_MAX + 16];
    static unsigned at;
    char *out = text[at++ % 4];
    snprintf(out, sizeof text[0], "%s/f%u", p->dir, i);
    return out;
}

static char noise[SIZE];

static void same_bytes(vfs_file *a, vfs_file *b) {
    static char x[2 * SIZE], y[2 * SIZE];
    uint64_t na = 0, nb = 0;
    size_t ga = 0, gb = 0;
    ok(a->ops->size(a, &na));
    ok(b->ops->size(b, &nb));
    assert_int_equal(na, nb);
    ok(vfs_pread(a, x, sizeof x, 0, &ga));
    ok(vfs_pread(b, y, sizeof y, 0, &gb));
    assert_int_equal(ga, gb);
    assert_memory_equal(x, y, ga);
    memset(y, 0, sizeof y);
    status now = vfs_pread_now(a, y, sizeof y, 0, &gb);
    if (now.code == ST_BUSY) return; /* a hole that nobody has touched is on the disk */
    ok(now);
    assert_int_equal(ga, gb);
    assert_memory_equal(x, y, ga);
}

static void open_one(pair *p, unsigned h) {
    static const unsigned flags[] = {
        VFS_READ,
        VFS_READ | VFS_WRITE,
        VFS_READ | VFS_WRITE | VFS_CREATE,
        VFS_READ | VFS_WRITE | VFS_CREATE | VFS_TRUNC,
        VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCL,
    };
    const char *name = name_of(p, (unsigned)rng_below(&p->r, FILES));
    unsigned fl = flags[rng_below(&p->r, 5)];
    status a = vfs_open(p->v, name, fl, &p->f[h]), b = vfs_open(p->model, name, fl, &p->m[h]);
    assert_int_equal(a.code, b.code);
}

static void close_one(pair *p, unsigned h) {
    if (!p->f[h]) return;
    same_bytes(p->f[h], p->m[h]);
    ok(p->f[h]->ops->close(p->f[h]));
    ok(p->m[h]->ops->close(p->m[h]));
    p->f[h] = p->m[h] = NULL;
}

static void change_one(pair *p, unsigned h) {
    vfs_file *f = p->f[h], *m = p->m[h];
    uint64_t at = rng_below(&p->r, SIZE), n = rng_below(&p->r, SIZE);
    switch (rng_below(&p->r, 4)) {
    case 0:
        ok(f->ops->truncate(f, at));
        ok(m->ops->truncate(m, at));
        break;
    case 1:
        ok(f->ops->allocate(f, at, n + 1));
        ok(m->ops->allocate(m, at, n + 1));
        break;
    default: {
        size_t from = (size_t)rng_below(&p->r, SIZE), half = (SIZE - from) / 2;
        struct iovec iov[2] = {{noise + from, half}, {noise + from + half, SIZE - from - half}};
        ok(f->ops->pwritev(f, iov, 2, at));
        ok(m->ops->pwritev(m, iov, 2, at));
        break;
    }
    }
    ok(f->ops->fdatasync(f));
}

static void names_one(pair *p) {
    const char *a = name_of(p, (unsigned)rng_below(&p->r, FILES));
    const char *b = name_of(p, (unsigned)rng_below(&p->r, FILES));
    status s, t;
    if (rng_below(&p->r, 2)) {
        s = p->v->ops->unlink(p->v, a);
        t = p->model->ops->unlink(p->model, a);
    } else {
        if (strcmp(a, b) == 0) return;
        s = p->v->ops->rename(p->v, a, b);
        t = p->model->ops->rename(p->model, a, b);
    }
    assert_int_equal(s.code, t.code);
}

static void note_name(void *ctx, const char *name) {
    unsigned i;
    assert_int_equal(sscanf(name, "f%u", &i), 1);
    assert_in_range(i, 0, FILES - 1);
    assert_int_equal(((char *)ctx)[i], 0); /* each once */
    ((char *)ctx)[i] = 1;
}

static void same_names(pair *p) {
    char a[FILES] = {0}, b[FILES] = {0};
    ok(p->v->ops->list(p->v, p->dir, note_name, a));
    ok(p->model->ops->list(p->model, p->dir, note_name, b));
    assert_memory_equal(a, b, FILES);
}

static void run_pair(pair *p, int rounds) {
    for (int i = 0; i < rounds; i++) {
        unsigned h = (unsigned)rng_below(&p->r, HANDLES);
        if (!p->f[h])
            open_one(p, h);
        else if (rng_below(&p->r, 4) == 0)
            close_one(p, h);
        else
            change_one(p, h);
        if (p->f[h]) same_bytes(p->f[h], p->m[h]);
        if (rng_below(&p->r, 6) == 0) names_one(p);
        if (i % 16 == 0) same_names(p);
    }
    for (unsigned h = 0; h < HANDLES; h++)
        close_one(p, h);
    same_names(p);
}

/* Half of the names exist below. */
static void put_files(pair *p, vfs *v, buf *contents) {
    for (unsigned i = 0; i < FILES / 2; i++) {
        vfs_file *f;
        slice bytes = slice_of(noise + i * 100, SIZE - i * 700);
        ok(vfs_open(v, name_of(p, i), VFS_READ | VFS_WRITE | VFS_CREATE, &f));
        ok(vfs_pwrite(f, bytes.data, bytes.len, 0));
        ok(f->ops->close(f));
        if (contents) buf_append_slice(contents, bytes);
    }
}

static void as_before(pair *p, vfs *v) {
    char found[SIZE + 1];
    size_t got;
    for (unsigned i = 0; i < FILES; i++) {
        vfs_file *f;
        status s = vfs_open(v, name_of(p, i), VFS_READ, &f);
        assert_int_equal(s.code, i < FILES / 2 ? ST_OK : ST_NOT_FOUND);
        if (!status_ok(s)) continue;
        ok(vfs_pread(f, found, sizeof found, 0, &got));
        assert_int_equal(got, SIZE - i * 700);
        assert_memory_equal(found, noise + i * 100, got);
        ok(f->ops->close(f));
    }
}

static void fill_noise(rng *r) {
    for (int i = 0; i < SIZE; i++)
        noise[i] = (char)rng_next(r);
}

static void over_memory(void **state) {
    (void)state;
    pair p = {.dir = "dir"};
    unit_seed(&p.r);
    fill_noise(&p.r);
    for (int round = 0; round < unit_rounds(200); round++) {
        memfs *lower = memfs_new(), *upper = memfs_new(), *model = memfs_new();
        vfs_overlay_options opt = {
            .lower = memfs_vfs(lower), .upper = memfs_vfs(upper), .scratch = "scratch"};
        p.model = memfs_vfs(model);
        put_files(&p, opt.lower, NULL);
        put_files(&p, p.model, NULL);
        uint64_t calls = memfs_calls(lower);
        p.v = vfs_overlay_new(&opt);
        run_pair(&p, 200);
        assert_int_equal(memfs_calls(lower), calls);
        as_before(&p, opt.lower);
        vfs_overlay_free(p.v);
        assert_int_equal(memfs_open_files(upper), 0);
        char none[FILES] = {0};
        ok(opt.upper->ops->list(opt.upper, "scratch", note_name, none));
        memfs_free(lower);
        memfs_free(upper);
        memfs_free(model);
    }
}

static void over_files(void **state) {
    (void)state;
    pair p = {0};
    unit_seed(&p.r);
    fill_noise(&p.r);
    for (int round = 0; round < unit_rounds(10); round++) {
        tempdir below, scratch;
        tempdir_make(&below);
        tempdir_make(&scratch);
        memfs *model = memfs_new();
        vfs_overlay_options opt = {
            .lower = vfs_posix(), .upper = vfs_posix(), .scratch = scratch.path};
        p.dir = below.path;
        p.model = memfs_vfs(model);
        put_files(&p, opt.lower, NULL);
        put_files(&p, p.model, NULL);
        for (unsigned i = 0; i < FILES / 2; i++)
            assert_int_equal(chmod(name_of(&p, i), 0400), 0); /* reading is enough */
        p.v = vfs_overlay_new(&opt);
        run_pair(&p, 300);
        as_before(&p, opt.lower);
        vfs_overlay_free(p.v);
        assert_int_equal(rmdir(scratch.path), 0); /* nothing is left in it */
        assert_int_equal(mkdir(scratch.path, 0700), 0);
        memfs_free(model);
        tempdir_remove(&below);
        tempdir_remove(&scratch);
    }
}

/* ---- what fails ---------------------------------------------------------------------------------
 */

/* Whichever call of the upper file system fails, the file is as it was, or as it should be. */
static void upper_fails(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth < 6; nth++) {
        memfs *lower = memfs_new(), *upper = memfs_new();
        vfs_overlay_options opt = {
            .lower = memfs_vfs(lower), .upper = memfs_vfs(upper), .scratch = "s"};
        vfs *v = vfs_overlay_new(&opt);
        memfs_put(lower, "d/a", SLICE("0123456789"));
        vfs_file *f, *reader;
        ok(vfs_open(v, "d/a", VFS_READ, &reader));
        ok(vfs_open(v, "d/a", VFS_READ | VFS_WRITE, &f));
        memfs_fail(upper, nth, ST_NO_SPACE);
        status s = vfs_pwrite(f, "xy", 2, 3);
        char text[11] = {0};
        size_t got;
        ok(vfs_pread(reader, text, 10, 0, &got));
        assert_int_equal(got, 10);
        if (nth <= 2) { /* making the copy, filling it */
            assert_int_equal(s.code, ST_NO_SPACE);
            assert_string_equal(text, "0123456789");
            ok(vfs_pwrite(f, "xy", 2, 3)); /* room again */
            ok(vfs_pread(reader, text, 10, 0, &got));
        } else if (nth == 3) { /* the write itself: half of it is there */
            assert_int_equal(s.code, ST_NO_SPACE);
            assert_string_equal(text, "012x456789");
            ok(vfs_pwrite(f, "xy", 2, 3));
            ok(vfs_pread(reader, text, 10, 0, &got));
        } else {
            ok(s);
        }
        assert_string_equal(text, "012xy56789");
        memfs_fail(upper, 0, ST_OK);
        assert_true(slice_eq(buf_slice(memfs_bytes(lower, "d/a")), SLICE("0123456789")));
        ok(f->ops->close(f));
        ok(reader->ops->close(reader));
        vfs_overlay_free(v);
        memfs_free(lower);
        memfs_free(upper);
    }
}

static void directories(void **state) {
    (void)state;
    tempdir below, scratch;
    tempdir_make(&below);
    tempdir_make(&scratch);
    vfs_overlay_options opt = {.lower = vfs_posix(), .upper = vfs_posix(), .scratch = scratch.path};
    vfs *v = vfs_overlay_new(&opt);
    uint64_t space = 0;
    ok(v->ops->mkdir(v, below.path));
    assert_int_equal(v->ops->mkdir(v, tempdir_file(&below, "new")).code, ST_NOT_FOUND);
    assert_int_equal(v->ops->rmdir(v, below.path).code, ST_INVALID);
    ok(v->ops->sync_dir(v, below.path));
    ok(v->ops->free_space(v, below.path, &space));
    assert_true(space > 0);
    vfs_overlay_free(v);
    tempdir_remove(&below);
    tempdir_remove(&scratch);
}

/* ---- the lock -----------------------------------------------------------------------------------
 */

static void lock_is_the_real_one(void **state) {
    (void)state;
    tempdir below, scratch;
    tempdir_make(&below);
    tempdir_make(&scratch);
    vfs *real = vfs_posix();
    const char *path = tempdir_file(&below, "LOCK");
    vfs_overlay_options opt = {
        .lower = real, .upper = real, .scratch = scratch.path, .lock = vfs_posix_lock_as_it_is};
    vfs *v = vfs_overlay_new(&opt);
    vfs_file *held, *again;
    char text[16] = {0};
    size_t got;
    /* Somebody has it. */
    ok(real->ops->lock(real, path, &held));
    status s = v->ops->lock(v, path, &again);
    assert_int_equal(s.code, ST_BUSY);
    assert_non_null(strstr(s.msg, "is held by process"));
    ok(vfs_pwrite(held, "12345678\n", 9, 0)); /* as a process that is gone would have left it */
    real->ops->unlock(held);
    /* Nobody has; then we do, and the file says what it said, even if it can only be read. */
    assert_int_equal(chmod(path, 0400), 0);
    ok(v->ops->lock(v, path, &held));
    vfs_posix_lock_wait(0);
    assert_int_equal(vfs_posix_lock_as_it_is(real, path, &again).code, ST_BUSY);
    vfs_posix_lock_wait(10000);
    ok(vfs_pread(held, text, sizeof text, 0, &got));
    assert_true(got == 9 && memcmp(text, "12345678\n", 9) == 0);
    v->ops->unlock(held);
    ok(vfs_posix_lock_as_it_is(real, path, &again));
    real->ops->unlock(again);
    /* One that is missing is made, so that nobody else gets it. */
    ok(v->ops->lock(v, tempdir_file(&below, "OTHER"), &held));
    assert_int_equal(real->ops->lock(real, tempdir_file(&below, "OTHER"), &again).code, ST_BUSY);
    v->ops->unlock(held);
    vfs_overlay_free(v);
    tempdir_remove(&below);
    tempdir_remove(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_memory),          cmocka_unit_test(over_files),
        cmocka_unit_test(upper_fails),          cmocka_unit_test(directories),
        cmocka_unit_test(lock_is_the_real_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
