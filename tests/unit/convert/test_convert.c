/* convert: whole directories, on the real file system: what arrives, that FROM stays as it is, what
 * is refused, and what is left when something fails.
 *
 * Writes go through this program's own pwrite and pwritev, which can find the disk full. */
#include "convert/side.h"
#include "convert/walk.h"
#include "support/tempdir.h"
#include "support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DATABASES 5

/* Bytes that there is room for, of this process and its children. */
static int64_t *disk_left;

static bool takes(size_t n) {
    if (!disk_left || __atomic_sub_fetch(disk_left, (int64_t)n, __ATOMIC_RELAXED) >= 0) return true;
    errno = ENOSPC;
    return false;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t offset) {
    return takes(n) ? syscall(SYS_pwrite64, fd, p, n, offset) : -1;
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset) {
    size_t all = 0;
    for (int i = 0; i < n; i++)
        all += iov[i].iov_len;
    return takes(all) ? syscall(SYS_pwritev, fd, iov, n, offset, 0) : -1;
}

static tempdir dir;
static char from[TEMPDIR_MAX + 8], to[TEMPDIR_MAX + 8], partial[TEMPDIR_MAX + 16];

static int setup(void **state) {
    (void)state;
    tempdir_make(&dir);
    snprintf(from, sizeof from, "%s/from", dir.path);
    snprintf(to, sizeof to, "%s/to", dir.path);
    snprintf(partial, sizeof partial, "%s/to.partial", dir.path);
    if (!disk_left) {
        disk_left = mmap(NULL, sizeof *disk_left, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(disk_left != MAP_FAILED);
    }
    *disk_left = INT64_MAX;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tempdir_remove(&dir);
    return 0;
}

static void ok(status s) {
    if (!status_ok(s)) fail_msg("%s", s.msg);
}

/* ---- stores -------------------------------------------------------------------------------------
 */

static void put_string(engine *e, uint32_t db, int i, size_t size, int64_t expire) {
    char key[32], *value = malloc(size + 1);
    int n = snprintf(key, sizeof key, "key:%d", i);
    memset(value, 'a' + i % 26, size);
    entry ent = {.type = 0, .hint = (uint8_t)(i % 16), .expire = expire};
    ent.value = slice_of(value, size);
    engine_begin(e);
    assert_int_equal(engine_put(e, db, slice_of(key, (size_t)n), &ent), ENGINE_OK);
    engine_commit(e);
    free(value);
}

static void put_coll(engine *e, uint32_t db, const char *key, int elements) {
    engine_coll c;
    slice k = slice_cstr(key);
    engine_begin(e);
    assert_int_equal(engine_coll_new(e, db, k, &c), ENGINE_OK);
    entry ent = {.type = 1, .coll = c.id}; /* one without a derived map */
    assert_int_equal(engine_put(e, db, k, &ent), ENGINE_OK);
    for (int i = 0; i < elements; i++) {
        char sub[16];
        int n = snprintf(sub, sizeof sub, "s%d", i);
        assert_int_equal(engine_map_put(e, &c, i % 2 ? ENGINE_DERIVED - 1 : 0,
                                        slice_of(sub, (size_t)n), SLICE("element"),
                                        i % 7 == 0 ? 1000 + i : 0),
                         ENGINE_OK);
    }
    engine_commit(e);
}

/* Strings of all sizes, some overwritten and deleted, and collections, in two databases;
 * and strings in the system's. */
static void fill(engine *e) {
    for (int i = 0; i < 1500; i++)
        put_string(e, 0, i, (size_t)i % 300, i % 3 ? 0 : 1 + i);
    for (int i = 0; i < 200; i++)
        put_string(e, 0, i * 2, 40, 0);
    for (int i = 0; i < 100; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "key:%d", i * 3);
        engine_begin(e);
        assert_int_equal(engine_del(e, 0, slice_of(key, (size_t)n)), ENGINE_OK);
        engine_commit(e);
    }
    put_string(e, 3, 1, 1 << 20, 0);
    put_coll(e, 3, "large", 3000);
    put_coll(e, 0, "small", 5);
    for (int i = 0; i < 40; i++)
        put_string(e, ENGINE_DB_SYSTEM, i, (size_t)i * 100, 0);
}

/* FROM, made and filled; left by a clean end or as a crash would. */
static void make_store(const convert_engine *k, bool clean, bool cluster) {
    side s = {0};
    convert_settings_default();
    ok(convert_set(SLICE("segment-size"), SLICE("256kb")));
    ok(side_init(&s, k, vfs_posix(), false));
    ok(side_open(&s, from, DATABASES, cluster, NULL));
    fill(s.e);
    ok(engine_sync(s.e));
    if (clean) side_close(&s);
    side_free(&s);
}

static void note_file(void *ctx, const char *name) {
    buf *b = ctx;
    buf_append(b, name, strlen(name) + 1);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names, sizes and contents of FROM's files, as one hash. */
static uint64_t hash_of_from(void) {
    static const hash_key key = {1, 2};
    buf names = {0}, all = {0};
    const char *sorted[1000];
    size_t n = 0;
    ok(vfs_posix()->ops->list(vfs_posix(), from, note_file, &names));
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
        sorted[n++] = names.data + at;
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++) {
        char path[2 * TEMPDIR_MAX];
        struct stat st;
        vfs_file *f;
        snprintf(path, sizeof path, "%s/%s", from, sorted[i]);
        ok(vfs_open(vfs_posix(), path, VFS_READ, &f));
        assert_int_equal(stat(path, &st), 0);
        buf_printf(&all, "%s %lld %lld.%ld ", sorted[i], (long long)st.st_size,
                   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        char *p = buf_reserve(&all, (size_t)st.st_size);
        ok(vfs_pread_all(f, path, p, (size_t)st.st_size, 0));
        all.len += (size_t)st.st_size;
        ok(f->ops->close(f));
    }
    uint64_t h = siphash13(key, all.data, all.len);
    buf_free(&names);
    buf_free(&all);
    return h;
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

/* ---- what arrived -------------------------------------------------------------------------------
 */

static status tally_key(void *ctx, uint32_t db, slice key, const entry *ent) {
    (void)db;
    tally_entry(ctx, key, ent);
    return STATUS_OK;
}

static status tally_elem(void *ctx, unsigned map, slice sub, slice value, int64_t expire) {
    tally_element(ctx, map, sub, value, expire);
    return STATUS_OK;
}

static void no_wait(void *ctx) {
    (void)ctx;
}

/* What a directory holds, the system's database last, and the tokens of two keys. */
static void look(const convert_engine *k, const char *path, bool cluster,
                 tally_sum sums[DATABASES + 1], uint64_t tokens[2]) {
    side s = {0};
    ok(side_init(&s, k, vfs_posix(), false));
    ok(side_open(&s, path, DATABASES, cluster, NULL));
    for (uint32_t i = 0; i <= DATABASES; i++) {
        uint32_t db = i < DATABASES ? i : ENGINE_DB_SYSTEM;
        tally t = {0};
        walker w = {tally_key, tally_elem, no_wait, &t};
        ok(walk_db(s.e, db, &w));
        sums[i] = t.sum;
        tally_free(&t);
    }
    tokens[0] = engine_token(s.e, SLICE("one"));
    tokens[1] = engine_token(s.e, SLICE("{two}x"));
    side_close(&s);
    side_free(&s);
}

static convert_options options(const convert_engine *k) {
    return (convert_options){.fs = vfs_posix(),
                             .from = from,
                             .to = to,
                             .engine = k,
                             .force = true,
                             .lock = vfs_posix_lock_as_it_is};
}

static void compare(const convert_engine *a, const convert_engine *b, bool cluster) {
    tally_sum x[DATABASES + 1], y[DATABASES + 1];
    uint64_t tx[2], ty[2];
    look(a, from, cluster, x, tx);
    look(b, to, cluster, y, ty);
    for (int db = 0; db <= DATABASES; db++)
        assert_true(tally_eq(&x[db], &y[db]));
    assert_int_equal(x[0].keys, 1401);
    assert_int_equal(x[3].elements, 3000);
    assert_int_equal(x[DATABASES].keys, 40);
    assert_memory_equal(tx, ty, sizeof tx);
}

/* Calls f for each engine with each. */
static void each_pair(void (*f)(const convert_engine *a, const convert_engine *b)) {
    for (size_t i = 0; convert_engine_name(i); i++) {
        for (size_t j = 0; convert_engine_name(j); j++) {
            f(convert_engine_named(slice_cstr(convert_engine_name(i))),
              convert_engine_named(slice_cstr(convert_engine_name(j))));
            teardown(NULL);
            setup(NULL);
        }
    }
}

static bool clean, cluster;

static void one_way(const convert_engine *a, const convert_engine *b) {
    make_store(a, clean, cluster);
    uint64_t before = hash_of_from();
    convert_options o = options(b);
    convert_report r;
    ok(convert_store(&o, &r));
    assert_int_equal(hash_of_from(), before);
    assert_string_equal(r.from, a->klass->name);
    assert_int_equal(r.sum.keys, 1401 + 2);
    assert_int_equal(r.sum.elements, 3005);
    assert_int_equal(r.databases, DATABASES);
    assert_false(is_there(partial));
    compare(a, b, cluster);
}

/* Closed cleanly and not, with and without slots. */
static void all_ways(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        clean = way & 1;
        cluster = way & 2;
        each_pair(one_way);
    }
}

/* The other mode of the cluster: the contents stay, the tokens do not. */
static void other_mode(void **state) {
    (void)state;
    const convert_engine *k = convert_engine_named(SLICE("bitcask"));
    tally_sum x[DATABASES + 1], y[DATABASES + 1];
    uint64_t tx[2], ty[2];
    make_store(k, true, false);
    convert_options o = options(k);
    o.force = false;
    o.cluster = CONVERT_CLUSTER_YES;
    convert_report r;
    ok(convert_store(&o, &r));
    look(k, from, false, x, tx);
    look(k, to, true, y, ty);
    for (int db = 0; db <= DATABASES; db++)
        assert_true(tally_eq(&x[db], &y[db]));
    assert_true(tx[0] != ty[0]);
}

/* ---- what is refused ----------------------------------------------------------------------------
 */

static void refused(const convert_options *o, status_code code, const char *words) {
    convert_report r;
    status s = convert_store(o, &r);
    if (s.code != code || !strstr(s.msg, words)) fail_msg("%d %s", s.code, s.msg);
    assert_false(r.began);
    assert_false(is_there(partial) && strcmp(words, "no conversion made") != 0);
}

static void refusals(void **state) {
    (void)state;
    const convert_engine *k = convert_engine_named(SLICE("bitcask"));
    convert_options o = options(k);
    refused(&o, ST_INVALID, "no MANIFEST here");
    make_store(k, true, false);
    o.force = false;
    refused(&o, ST_INVALID, "--force");
    o.force = true;
    assert_int_equal(mkdir(to, 0700), 0);
    refused(&o, ST_INVALID, "exists");
    assert_int_equal(rmdir(to), 0);
    FILE *f = fopen(to, "w"); /* a file is something that exists, too */
    assert_non_null(f);
    fclose(f);
    refused(&o, ST_INVALID, "exists");
    assert_int_equal(unlink(to), 0);
    /* Somewhere in FROM, or nowhere. */
    char inside[2 * TEMPDIR_MAX];
    snprintf(inside, sizeof inside, "%s/new", from);
    o.to = inside;
    refused(&o, ST_INVALID, "inside of");
    snprintf(inside, sizeof inside, "%s/no/new", dir.path);
    refused(&o, ST_INVALID, "is not there");
    o.to = to;
    /* Something else has the other name. */
    assert_int_equal(mkdir(partial, 0700), 0);
    snprintf(inside, sizeof inside, "%s/mine", partial);
    f = fopen(inside, "w");
    assert_non_null(f);
    fclose(f);
    refused(&o, ST_INVALID, "no conversion made");
    assert_true(is_there(inside));
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(rmdir(partial), 0);
    /* A server has it. */
    side s = {0};
    ok(side_init(&s, k, vfs_posix(), false));
    ok(side_open(&s, from, DATABASES, false, NULL));
    refused(&o, ST_BUSY, "is held by process");
    side_close(&s);
    side_free(&s);
    /* And now there is nothing to say against it. */
    convert_report r;
    ok(convert_store(&o, &r));
}

/* ---- what fails ---------------------------------------------------------------------------------
 */

/* The disk fills up at different times: FROM is as it was, TO is not there, and with more room the
 * same command works. */
static void fill_disk(const convert_engine *a, const convert_engine *k) {
    make_store(a, false, false);
    uint64_t before = hash_of_from();
    convert_options o = options(k);
    convert_report r;
    int failures = 0;
    for (int64_t room = 20000; failures < 20; room *= 2) {
        *disk_left = room;
        status s = convert_store(&o, &r);
        *disk_left = INT64_MAX;
        assert_int_equal(hash_of_from(), before);
        assert_false(is_there(partial));
        if (status_ok(s)) break;
        failures++;
        assert_false(is_there(to));
    }
    assert_in_range(failures, 2, 19);
    compare(a, k, false);
}

static void full_disk(void **state) {
    (void)state;
    each_pair(fill_disk);
}

typedef struct stop {
    int left;
    convert_phase phase;
    bool told;
} stop;

static bool stopped(void *ctx) {
    return ((stop *)ctx)->left-- <= 0;
}

static void progress(void *ctx, convert_phase phase, const tally_sum *sum, uint64_t total) {
    stop *s = ctx;
    assert_true(phase >= s->phase && sum->keys <= total);
    s->phase = phase;
    s->told = true;
}

/* Stopped anywhere, it leaves nothing; what a killed one leaves does not hinder the next. */
static void interrupt(const convert_engine *a, const convert_engine *k) {
    make_store(a, true, false);
    uint64_t before = hash_of_from();
    convert_report r;
    stop at = {0};
    convert_options o = options(k);
    o.stopped = stopped;
    o.progress = progress;
    o.ctx = &at;
    int stops = 0;
    for (;; stops++) {
        at = (stop){.left = stops};
        status s = convert_store(&o, &r);
        assert_true(at.told);
        assert_int_equal(hash_of_from(), before);
        assert_false(is_there(partial));
        if (status_ok(s)) break;
        assert_true(s.code == ST_FAILED && strcmp(s.msg, "interrupted") == 0);
        assert_false(is_there(to));
    }
    assert_in_range(stops, 3, 1000);
    assert_int_equal(at.phase, CONVERT_VERIFYING);
    teardown(NULL);
    setup(NULL);
    make_store(a, true, false);
    char path[3 * TEMPDIR_MAX];
    const char *const left[] = {"", "/scratch", "/store"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", partial, left[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof path, "%s%s/LOCK", partial, left[i]);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fclose(f);
    }
    o = options(k);
    ok(convert_store(&o, &r));
    assert_false(is_there(partial));
    compare(a, k, false);
}

static void interrupted(void **state) {
    (void)state;
    each_pair(interrupt);
}

/* The last table's name, in FROM. */
static void name_of_table(void *path, const char *name) {
    if (strstr(name, ".sst")) snprintf(path, 2 * TEMPDIR_MAX, "%s/%s", from, name);
}

/* Bytes of FROM's data are not what was written: nothing is made of that. */
static void damage(const convert_engine *a, const convert_engine *b) {
    char path[2 * TEMPDIR_MAX], byte;
    uint64_t size;
    bool bitcask = strcmp(a->klass->name, "bitcask") == 0;
    make_store(a, true, false);
    snprintf(path, sizeof path, "%s/%s", from, bitcask ? "0000000001.seg" : "table");
    if (!bitcask) ok(vfs_posix()->ops->list(vfs_posix(), from, name_of_table, path));
    vfs_file *f;
    ok(vfs_open(vfs_posix(), path, VFS_READ | VFS_WRITE, &f));
    ok(f->ops->size(f, &size));
    for (uint64_t at = size / 4; at < size / 2; at += 512) {
        ok(vfs_pread_all(f, path, &byte, 1, at));
        byte ^= 1;
        ok(vfs_pwrite(f, &byte, 1, at));
    }
    ok(f->ops->close(f));
    uint64_t before = hash_of_from();
    convert_options o = options(b);
    convert_report r;
    status s = convert_store(&o, &r);
    assert_int_equal(s.code, ST_CORRUPT);
    assert_false(is_there(to) || is_there(partial));
    assert_int_equal(hash_of_from(), before);
}

static void damaged(void **state) {
    (void)state;
    each_pair(damage);
}

static status small_segments(void *ctx) {
    (void)ctx;
    return convert_set(SLICE("segment-size"), SLICE("64kb"));
}

static status wrong_setting(void *ctx) {
    (void)ctx;
    return convert_set(SLICE("no-such"), SLICE("1"));
}

static void count_segments(void *ctx, const char *name) {
    *(int *)ctx += strstr(name, ".seg") != NULL;
}

static void settings(void **state) {
    (void)state;
    const convert_engine *k = convert_engine_named(SLICE("bitcask"));
    make_store(k, true, false);
    convert_options o = options(k);
    convert_report r;
    o.settings = wrong_setting;
    status s = convert_store(&o, &r);
    assert_int_equal(s.code, ST_INVALID);
    assert_false(is_there(to) || is_there(partial));
    o.settings = small_segments;
    ok(convert_store(&o, &r));
    int n = 0;
    ok(vfs_posix()->ops->list(vfs_posix(), to, count_segments, &n));
    assert_in_range(n, 4, 40);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_ways),  TEST(other_mode),  TEST(refusals), TEST(settings),
        TEST(full_disk), TEST(interrupted), TEST(damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
