/* check and repair of the LSM engine's files: tables by themselves, against the manifest and
 * against each other; damaged ones are told, and what is repaired is clean and has lost only what
 * was said. */
#include "support/unit.h"

#include <stdio.h>

#include "storage/dump.h"
#include "storage/outfile.h"
#include "storage/repair.h"
#include "storage/table_check.h"
#include "support/memfs.h"
#include "support/tablebuild.h"

#define STORE    0x77u
#define LOG      "d/0000000001.log"
#define TABLE(n) "d/000000000" #n ".sst"

static buf said;

static void hear(void *ctx, const char *text) {
    (void)ctx;
    buf_append(&said, text, strlen(text));
    buf_append_char(&said, '\n');
}

static const lines listener = {hear, NULL};

static bool heard(const char *text) {
    buf_append_char(&said, '\0');
    said.len--;
    return strstr(said.data, text) != NULL;
}

/* A store: log 1, sealed; tables 2 and 3 of level 1, which hold the two halves of `e`; table 4 of
 * level 0, all of it. */
typedef struct store {
    memfs *fs;
    table_entries e;
    size_t half;
    manifest_state s;
} store;

static void put_manifest(store *st) {
    static uint32_t number = 1;
    assert_true(status_ok(manifest_rewrite(memfs_vfs(st->fs), "d", &st->s, number++)));
}

static void build_one(store *st, manifest_edit *e, uint32_t number, unsigned level, size_t from,
                      size_t to) {
    table_options o = {.block_size = 300, .bloom_bits = 10, .lz4 = true};
    table_entries part = {.v = st->e.v + from, .n = to - from};
    table_summary sum;
    char path[64];
    buf limit = {0};
    snprintf(path, sizeof path, "d/%010u.sst", number);
    status s = table_build(memfs_vfs(st->fs), path, STORE, number, &o, &part, &sum);
    assert_string_equal(s.msg, "");
    buf_append_slice(&limit, buf_slice(&sum.last));
    buf_append_char(&limit, '\0');
    manifest_table t = {.number = number,
                        .length = sum.length,
                        .level = level,
                        .recency = number,
                        .entries = sum.entries,
                        .tombstones = sum.tombstones,
                        .hidden = sum.hidden,
                        .plain_bytes = sum.plain_bytes,
                        .smallest = buf_slice(&sum.first),
                        .limit = buf_slice(&limit)};
    edit_pending(e, number);
    edit_table_add(e, &t);
    buf_free(&limit);
    buf_free(&sum.first);
    buf_free(&sum.last);
}

static store make(void) {
    store st = {.fs = memfs_new()};
    rng r;
    rng_seed(&r, 4); /* names with a long beginning, the LSM's keys and others */
    st.e = table_entries_random(&r, 300, false);
    st.half = st.e.n / 2;
    file_header h = {.kind = FILE_LOG, .store_id = STORE, .number = 1};
    record begin = {.kind = RECORD_BEGIN};
    outfile o;
    manifest_edit e = {0};
    assert_true(status_ok(outfile_create(&o, memfs_vfs(st.fs), LOG, &h, false)));
    assert_true(status_ok(outfile_put(&o, &begin, NULL)));
    uint32_t length = outfile_length(&o);
    assert_true(status_ok(outfile_finish(&o)));
    edit_create(&e, "lsm", STORE, (hash_key){1, 2}, false);
    edit_reserve(&e, MANIFEST_IDS_FILE, 5);
    edit_pending(&e, 1);
    edit_append(&e, 1);
    edit_seal(&e, 1, length);
    build_one(&st, &e, 2, 1, 0, st.half);
    build_one(&st, &e, 3, 1, st.half, st.e.n);
    build_one(&st, &e, 4, 0, 0, st.e.n);
    edit_flushed(&e, log_pos_of(1, length), NULL, 0);
    assert_string_equal(manifest_state_apply(&st.s, buf_slice(&e.ops)).msg, "");
    edit_free(&e);
    put_manifest(&st);
    return st;
}

static void end(store *st) {
    manifest_state_free(&st->s);
    table_entries_free(&st->e);
    memfs_free(st->fs);
}

static check_result check(const store *st) {
    check_result r;
    buf_clear(&said);
    assert_string_equal(check_directory(memfs_vfs(st->fs), "d", &listener, &r).msg, "");
    assert_int_equal(memfs_open_files(st->fs), 0);
    return r;
}

static uint64_t problems(const store *st) {
    check_result r = check(st);
    uint64_t n = r.problems;
    check_result_free(&r);
    return n;
}

static void test_clean(void **state) {
    (void)state;
    store st = make();
    check_result r = check(&st);
    if (r.problems) fail_msg("%s", said.data);
    assert_true(r.tables == 3 && r.entries == 2 * st.e.n && r.nbad_tables == 0 && r.segments == 1);
    assert_true(heard("3 tables, ") && heard("no problems"));
    check_result_free(&r);
    memfs_put(st.fs, TABLE(5), SLICE("x")); /* a stranger */
    assert_int_equal(problems(&st), 1);
    end(&st);
}

/* Each byte of a table: a problem, and a repair that leaves none. */
static void test_every_byte(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    store st = make();
    buf *b = memfs_bytes(st.fs, TABLE(2));
    size_t step = b->len / (size_t)unit_rounds(400) + 1;
    for (size_t k = rng_below(&r, step); k < b->len; k += step) {
        char flip = (char)(1 << rng_below(&r, 8));
        b->data[k] ^= flip;
        check_result found = check(&st);
        assert_true(found.problems > 0 && found.nbad_tables == 1 && found.bad_tables[0] == 2);
        check_result_free(&found);
        b->data[k] ^= flip;
    }
    assert_int_equal(problems(&st), 0);
    end(&st);
}

/* Everything that the repaired table has was there, in order; returns how much is left. */
static size_t compare_repaired(const store *st, const manifest_table *m) {
    char path[64];
    table *t;
    size_t n = 0, at = 0;
    snprintf(path, sizeof path, "d/%010u.sst", m->number);
    assert_true(status_ok(table_open(memfs_vfs(st->fs), path, STORE, m->number, m->length, &t)));
    table_iter *i = table_iter_new_ahead(t, 100000);
    for (table_iter_seek_first(i); table_iter_valid(i); table_iter_next(i), n++, at++) {
        while (at < st->half && !slice_eq(st->e.v[at].key, table_iter_key(i)))
            at++;
        assert_true(at < st->half && slice_eq(st->e.v[at].cell, table_iter_cell(i)));
    }
    assert_true(status_ok(table_iter_status(i)));
    table_iter_free(i);
    table_close(t);
    return n;
}

static void test_skip(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int k = 0; k < unit_rounds(60); k++) {
        store st = make();
        vfs *v = memfs_vfs(st.fs);
        buf *b = memfs_bytes(st.fs, TABLE(2));
        size_t at = rng_below(&r, b->len), n = 1 + rng_below(&r, k % 3 ? 20 : b->len - at);
        for (size_t j = at; j < at + n && j < b->len; j++)
            b->data[j] ^= (char)(1 + rng_below(&r, 255));
        check_result found = check(&st);
        assert_true(found.nbad_tables == 1 && found.ndamage == 0);
        assert_int_equal(repair_directory(v, "d", &found, REPAIR_HINTS, NULL).code, ST_INVALID);
        assert_int_equal(repair_directory(v, "d", &found, REPAIR_CUT, NULL).code, ST_INVALID);
        repair_explain(&found, &listener);
        assert_true(heard("--repair=skip replaces 1 damaged tables"));
        assert_string_equal(repair_directory(v, "d", &found, REPAIR_SKIP, &listener).msg, "");
        check_result_free(&found);
        assert_non_null(memfs_bytes(st.fs, TABLE(2) ".damaged"));
        found = check(&st);
        if (found.problems) fail_msg("%s", said.data);
        const manifest_table *t = manifest_tables_find(&found.state.tables, 5);
        if (t) {
            size_t left = compare_repaired(&st, t);
            assert_true(left > 0 && left == t->entries && t->level == 1 && t->recency == 2);
            if (n < 21) assert_true(left + 40 > st.half); /* some blocks at most */
        }
        assert_null(manifest_tables_find(&found.state.tables, 2));
        check_result_free(&found);
        end(&st);
    }
}

/* A table that is not there. */
static void test_missing(void **state) {
    (void)state;
    store st = make();
    vfs *v = memfs_vfs(st.fs);
    assert_true(status_ok(v->ops->unlink(v, TABLE(3))));
    check_result found = check(&st);
    assert_true(found.problems == 1 && found.nbad_tables == 1 && heard("missing"));
    assert_string_equal(repair_directory(v, "d", &found, REPAIR_SKIP, &listener).msg, "");
    assert_true(heard("table 3: missing; all of its keys are lost"));
    check_result_free(&found);
    assert_int_equal(problems(&st), 0);
    end(&st);
}

/* What the manifest says and the table does not: each is one problem, and no damage. */
static void expect(store *st, manifest_table t, const char *words) {
    manifest_tables keep;
    manifest_tables_copy(&keep, &st->s.tables);
    manifest_tables_remove(&st->s.tables, t.number);
    manifest_tables_put(&st->s.tables, &t);
    put_manifest(st);
    check_result r = check(st);
    if (r.problems != 1 || !heard(words) || r.nbad_tables)
        fail_msg("%d problems, and not '%s': %s", (int)r.problems, words, said.data);
    check_result_free(&r);
    manifest_tables_free(&st->s.tables);
    st->s.tables = keep;
}

static void test_manifest_differs(void **state) {
    (void)state;
    store st = make();
    manifest_table t = *manifest_tables_find(&st.s.tables, 4);
#define EXPECT(change, words)                                                                      \
    do {                                                                                           \
        manifest_table u = t;                                                                      \
        change;                                                                                    \
        expect(&st, u, words);                                                                     \
    } while (0)
    EXPECT(u.entries++, "entries, by the manifest");
    EXPECT(u.tombstones++, "tombstones, by the manifest");
    EXPECT(u.hidden++, "what drops hide, by the manifest");
    EXPECT(u.plain_bytes++, "plain bytes, by the manifest");
    EXPECT(u.smallest = st.e.v[1].key, "lies before the manifest's bounds");
    EXPECT(u.limit = st.e.v[st.e.n - 1].key, "lies behind the manifest's bounds");
    t = *manifest_tables_find(&st.s.tables, 3);
    EXPECT(u.smallest = st.e.v[0].key, "tables 2 and 3 of level 1 overlap");
#undef EXPECT
    put_manifest(&st);
    assert_int_equal(problems(&st), 0);
    end(&st);
}

static uint64_t right_hash(void *ctx, slice key) {
    return *(const bool *)ctx ? table_test_hash(key) : table_test_hash(key) * 3 | 1;
}

/* The filter is asked for each key by who knows the hash. */
static void test_filter(void **state) {
    (void)state;
    store st = make();
    bool right = true;
    table_rules rules = {
        .listed = manifest_tables_find(&st.s.tables, 4), .filter_hash = right_hash, .ctx = &right};
    table_found found;
    assert_true(status_ok(table_check(memfs_vfs(st.fs), TABLE(4), STORE, &rules, &found)));
    assert_int_equal(found.problems, 0);
    right = false;
    assert_true(status_ok(table_check(memfs_vfs(st.fs), TABLE(4), STORE, &rules, &found)));
    assert_true(found.problems > st.e.n / 2 && found.lost == 0);
    end(&st);
}

/* The log of this engine: cut, not skipped through. */
static void test_log(void **state) {
    (void)state;
    store st = make();
    vfs *v = memfs_vfs(st.fs);
    memfs_bytes(st.fs, LOG)->data[70] ^= 1;
    check_result found = check(&st);
    assert_int_equal(found.ndamage, 1);
    assert_int_equal(repair_directory(v, "d", &found, REPAIR_SKIP, NULL).code, ST_INVALID);
    assert_string_equal(repair_directory(v, "d", &found, REPAIR_CUT, &listener).msg, "");
    check_result_free(&found);
    assert_int_equal(problems(&st), 0);
    assert_non_null(memfs_bytes(st.fs, LOG ".damaged"));
    end(&st);
}

static void test_dump(void **state) {
    (void)state;
    store st = make();
    bool damaged;
    buf_clear(&said);
    assert_string_equal(dump_file(memfs_vfs(st.fs), TABLE(4), &listener, &damaged).msg, "");
    assert_false(damaged);
    assert_true(heard("table 4 of store") && heard("BLOCK") && heard("partition") &&
                heard("properties") && heard("filters of 10 bits a key") && heard(": present"));
    memfs_bytes(st.fs, TABLE(4))->data[300] ^= 1;
    assert_true(status_ok(dump_file(memfs_vfs(st.fs), TABLE(4), &listener, &damaged)));
    assert_true(damaged);
    end(&st);
}

/* The engine's keys, in words. */
static void test_dump_keys(void **state) {
    (void)state;
    memfs *fs = memfs_new();
    static const struct {
        slice key, cell;
        const char *words;
    } all[] = {
        {SLICE("\0\0\0\1\1\0\0\0\0\0\0\0\7name"), SLICE("\2Ada"),
         "pdb 1 MAIN place 0000000000000007 \"name\": present \"Ada\"\n"},
        {SLICE("\0\0\0\1\3\0\0\0\0\0\0\0\5"), SLICE("\1"), "pdb 1 SUB coll 5: drop\n"},
        {SLICE("\0\0\0\1\3\0\0\0\0\0\0\0\5\1f"), SLICE("\0"),
         "pdb 1 SUB coll 5 map 1 \"f\": tombstone\n"},
        {SLICE("\0\0\0\1\4\0\0\0\0\0\0\0\5"), SLICE("\2x"), "pdb 1 COLL coll 5: present \"x\"\n"},
        {SLICE("\0\0\0\1\5\0\0\0\0\0\0\0\5ab"), SLICE("\2"), "pdb 1 DUE time 5 place \"ab\""},
        {SLICE("any"), SLICE("\2"), "key \"any\": present\n"},
    };
    file_header h = {.kind = FILE_TABLE, .store_id = STORE, .number = 9};
    table_options o = {.block_size = 4096};
    table_writer *w;
    table_summary sum;
    bool damaged;
    assert_true(status_ok(table_create(memfs_vfs(fs), TABLE(9), &h, &o, &w)));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_true(status_ok(table_add(w, all[i].key, all[i].cell, 0)));
    assert_true(status_ok(table_finish(w, &sum)));
    buf_free(&sum.first);
    buf_free(&sum.last);
    buf_clear(&said);
    assert_true(status_ok(dump_file(memfs_vfs(fs), TABLE(9), &listener, &damaged)));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!heard(all[i].words)) fail_msg("not '%s' in: %s", all[i].words, said.data);
    memfs_free(fs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),     cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_skip),      cmocka_unit_test(test_missing),
        cmocka_unit_test(test_log),       cmocka_unit_test(test_manifest_differs),
        cmocka_unit_test(test_filter),    cmocka_unit_test(test_dump),
        cmocka_unit_test(test_dump_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
