/* manifest_state: edits add up; impossible ones are refused; a state encodes to edits that make it.
 */
#include "support/unit.h"

#include "base/codec.h"
#include "base/mem.h"
#include "storage/manifest_state.h"

static const hash_key key = {1, 2};

static void start(manifest_state *s) {
    manifest_edit e = {0};
    *s = (manifest_state){0};
    edit_create(&e, "bitcask", 77, key, true);
    edit_reserve(&e, MANIFEST_IDS_FILE, 100);
    edit_reserve(&e, MANIFEST_IDS_PDB, 50);
    assert_true(status_ok(manifest_state_apply(s, buf_slice(&e.ops))));
    edit_free(&e);
}

static manifest_table sample(uint32_t number) {
    return (manifest_table){.number = number,
                            .length = 5000,
                            .level = 2,
                            .recency = 77,
                            .entries = 10,
                            .tombstones = 3,
                            .hidden = 1,
                            .plain_bytes = 4000,
                            .smallest = SLICE("aa"),
                            .limit = SLICE("b")};
}

/* Applies the edit and empties it. */
static status apply(manifest_state *s, manifest_edit *e) {
    status st = manifest_state_apply(s, buf_slice(&e->ops));
    edit_free(e);
    return st;
}

/* Adds files to the end of the order; sealed if length is not 0. */
static void add(manifest_state *s, uint32_t number, uint32_t length) {
    manifest_edit e = {0};
    edit_pending(&e, number);
    edit_append(&e, number);
    if (length) edit_seal(&e, number, length);
    assert_string_equal(apply(s, &e).msg, "");
}

static void expect_order(const manifest_state *s, const uint32_t *numbers, size_t n) {
    assert_int_equal(s->nfiles, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s->files[i].number, numbers[i]);
        assert_int_equal(manifest_state_find(s, numbers[i]), i);
    }
}
#define EXPECT_ORDER(s, ...)                                                                       \
    expect_order(s, (uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4)

static void test_life_of_files(void **state) {
    (void)state;
    manifest_state s;
    manifest_edit e = {0};
    start(&s);
    assert_string_equal(s.engine, "bitcask");
    assert_true(s.store_id == 77 && s.key.k0 == 1 && s.key.k1 == 2 && s.cluster);
    for (uint32_t n = 1; n <= 5; n++)
        add(&s, n, 1000 * n);
    add(&s, 6, 0);
    EXPECT_ORDER(&s, 1, 2, 3, 4, 5, 6);
    edit_pending(&e, 8);
    edit_pending(&e, 7);
    assert_true(status_ok(apply(&s, &e)));
    assert_true(manifest_state_is_pending(&s, 7) && manifest_state_is_pending(&s, 8));
    edit_replace(&e, 2, 4, (manifest_file[]){{8, 500, false}, {7, 600, false}}, 2);
    assert_true(status_ok(apply(&s, &e)));
    EXPECT_ORDER(&s, 1, 8, 7, 5, 6);
    assert_true(s.files[1].merged && s.files[1].length == 500 && !s.files[0].merged);
    assert_int_equal(s.npending, 3);
    assert_true(manifest_state_is_pending(&s, 3) && !manifest_state_is_pending(&s, 7));
    edit_gone(&e, 2);
    edit_gone(&e, 4);
    edit_gone(&e, 3);
    edit_retire(&e, 1);
    assert_true(status_ok(apply(&s, &e)));
    EXPECT_ORDER(&s, 8, 7, 5, 6);
    assert_int_equal(s.npending, 1);
    edit_replace(&e, 8, 8, NULL, 0); /* a merge that leaves nothing */
    edit_seal(&e, 6, 70);
    assert_true(status_ok(apply(&s, &e)));
    EXPECT_ORDER(&s, 7, 5, 6);
    assert_int_equal(s.files[2].length, 70);
    manifest_state_free(&s);
}

static void test_ids_and_map(void **state) {
    (void)state;
    manifest_state s;
    manifest_edit e = {0};
    start(&s);
    edit_reserve(&e, MANIFEST_IDS_COLL, (uint64_t)1 << 40);
    edit_map(&e, 12345, (manifest_map[]){{0, 3}, {1, 49}, {15, 0}}, 3);
    assert_true(status_ok(apply(&s, &e)));
    assert_true(s.ids[MANIFEST_IDS_COLL] == (uint64_t)1 << 40);
    assert_int_equal(s.nmap, 3);
    assert_int_equal(s.map[1].pdb, 49);
    assert_int_equal(s.map_at, 12345);
    edit_map(&e, 12345, NULL, 0);
    assert_true(status_ok(apply(&s, &e)));
    assert_int_equal(s.nmap, 0);
    assert_int_equal(manifest_state_durable(&s), 12345);
    edit_durable(&e, 20000);
    assert_true(status_ok(apply(&s, &e)));
    assert_int_equal(manifest_state_durable(&s), 20000);
    edit_durable(&e, 19999);
    assert_int_equal(apply(&s, &e).code, ST_CORRUPT);
    manifest_state_free(&s);
}

/* Each of these, applied to files 1 (sealed), 2 (sealed), 3 (open) and 9 (pending), is refused. */
static void impossible(const char *what, manifest_edit *e) {
    manifest_state s;
    manifest_edit pending = {0};
    start(&s);
    add(&s, 1, 100);
    add(&s, 2, 100);
    add(&s, 3, 0);
    edit_pending(&pending, 9);
    assert_true(status_ok(apply(&s, &pending)));
    status st = apply(&s, e);
    if (st.code != ST_CORRUPT) fail_msg("%s was accepted", what);
    manifest_state_free(&s);
}

static void test_impossible(void **state) {
    (void)state;
    manifest_edit e = {0};
    manifest_file out[] = {{9, 100, false}, {9, 100, false}};
#define IMPOSSIBLE(call) ((void)(call), impossible(#call, &e))
    IMPOSSIBLE(edit_create(&e, "lsm", 1, key, false));
    IMPOSSIBLE(edit_pending(&e, 1));             /* live */
    IMPOSSIBLE(edit_pending(&e, 9));             /* pending already */
    IMPOSSIBLE(edit_pending(&e, 100));           /* not reserved */
    IMPOSSIBLE(buf_append(&e.ops, "\2\1\0", 3)); /* pending 0 */
    IMPOSSIBLE(edit_append(&e, 4));              /* not pending */
    IMPOSSIBLE(edit_append(&e, 1));
    IMPOSSIBLE(edit_seal(&e, 1, 100));                       /* sealed already */
    IMPOSSIBLE(edit_seal(&e, 9, 100));                       /* not live */
    IMPOSSIBLE(edit_seal(&e, 3, 63));                        /* shorter than a header */
    IMPOSSIBLE((edit_append(&e, 9), edit_seal(&e, 9, 100))); /* behind an open file */
    IMPOSSIBLE(edit_retire(&e, 9));
    IMPOSSIBLE(edit_gone(&e, 1));
    IMPOSSIBLE(edit_gone(&e, 4));
    IMPOSSIBLE(edit_replace(&e, 2, 1, out, 1)); /* backward */
    IMPOSSIBLE(edit_replace(&e, 1, 4, out, 1)); /* no such file */
    IMPOSSIBLE(edit_replace(&e, 2, 3, out, 1)); /* the last is open */
    IMPOSSIBLE(edit_replace(&e, 1, 2, out, 2)); /* an output twice */
    out[0].number = 3;
    IMPOSSIBLE(edit_replace(&e, 1, 2, out, 1));          /* an output that is live */
    IMPOSSIBLE(edit_reserve(&e, MANIFEST_IDS_FILE, 99)); /* backward */
    IMPOSSIBLE(edit_reserve(&e, MANIFEST_IDS_FILE, (uint64_t)1 << 32));
    IMPOSSIBLE(edit_map(&e, 1, (manifest_map[]){{1, 1}, {0, 1}}, 2)); /* out of order */
    IMPOSSIBLE(edit_map(&e, 1, (manifest_map[]){{1, 1}, {1, 2}}, 2));
    IMPOSSIBLE(edit_map(&e, 1, (manifest_map[]){{65536, 1}}, 1));
    IMPOSSIBLE(edit_map(&e, 1, (manifest_map[]){{0, 50}}, 1)); /* not reserved */
    IMPOSSIBLE((edit_map(&e, 9, NULL, 0), edit_map(&e, 8, NULL, 0)));
#undef IMPOSSIBLE
}

/* Operations that are cut, too long or unknown; and edits before the creation. */
static void test_malformed(void **state) {
    (void)state;
    manifest_edit e = {0};
    edit_create(&e, "bitcask", 77, key, false);
    edit_reserve(&e, MANIFEST_IDS_FILE, 100);
    edit_pending(&e, 3);
    edit_append(&e, 3);
    edit_seal(&e, 3, 1000);
    size_t whole = 0;
    for (size_t n = 0; n <= e.ops.len; n++) {
        manifest_state s = {0};
        whole += status_ok(manifest_state_apply(&s, slice_of(e.ops.data, n)));
        manifest_state_free(&s);
    }
    assert_int_equal(whole, 6); /* at the five operations' ends, and nothing at all */
    edit_free(&e);
    static const slice bad[] = {
        SLICE("\2\1\5"),     /* pending before the creation */
        SLICE("\0\0"),       /* no operation */
        SLICE("\x7f\0"),     /* an unknown one */
        SLICE("\1\1\0"),     /* an engine without a name */
        SLICE("\2\2\5\5"),   /* a byte too many */
        SLICE("\2\x80\0\5"), /* a long form of a length */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        manifest_state s;
        if (i)
            start(&s);
        else
            s = (manifest_state){0};
        assert_int_equal(manifest_state_apply(&s, bad[i]).code, ST_CORRUPT);
        manifest_state_free(&s);
    }
}

/* Random possible edits, one kind a case (a flat switch); after each the state encodes to edits
 * that make it again. */
static void random_edit(rng *r, manifest_state *s, manifest_edit *e) {
    uint32_t next = (uint32_t)s->ids[MANIFEST_IDS_FILE];
    switch (rng_below(r, 11)) {
    case 0:
        edit_reserve(e, MANIFEST_IDS_FILE, next + 2);
        edit_pending(e, next);
        edit_pending(e, next + 1);
        break;
    case 1:
        if (s->npending) edit_append(e, s->pending[rng_below(r, s->npending)]);
        break;
    case 2:
        for (size_t i = 0; i < s->nfiles; i++)
            if (!s->files[i].length) {
                edit_seal(e, s->files[i].number, 64 + (uint32_t)rng_below(r, 1u << 31));
                break;
            }
        break;
    case 3: {
        size_t sealed = 0;
        while (sealed < s->nfiles && s->files[sealed].length)
            sealed++;
        if (sealed == 0) break;
        size_t a = rng_below(r, sealed), b = a + rng_below(r, sealed - a);
        manifest_file out[3];
        size_t n = rng_below(r, (s->npending < 3 ? s->npending : 3) + 1);
        for (size_t i = 0; i < n; i++)
            out[i] = (manifest_file){s->pending[i], 64 + (uint32_t)rng_below(r, 5000), false};
        edit_replace(e, s->files[a].number, s->files[b].number, out, n);
        break;
    }
    case 4:
        if (s->nfiles) edit_retire(e, s->files[rng_below(r, s->nfiles)].number);
        break;
    case 5:
        if (s->npending) edit_gone(e, s->pending[rng_below(r, s->npending)]);
        break;
    case 6: edit_durable(e, s->durable + 1 + rng_below(r, 1000)); break;
    case 7: {
        if (!s->npending) break;
        manifest_table t = {.number = s->pending[rng_below(r, s->npending)],
                            .length = 65 + (uint32_t)rng_below(r, 1u << 30),
                            .level = (uint32_t)rng_below(r, MANIFEST_LEVELS),
                            .recency = rng_next(r),
                            .entries = 1 + rng_below(r, 1000),
                            .smallest = slice_of("abcde", rng_below(r, 5)),
                            .limit = SLICE("abcde")};
        edit_table_add(e, &t);
        break;
    }
    case 8:
    case 9: {
        const manifest_table *t = manifest_tables_after(&s->tables, (uint32_t)rng_below(r, next));
        if (t && rng_below(r, 2))
            edit_table_drop(e, t->number);
        else if (t)
            edit_table_level(e, t->number, (unsigned)rng_below(r, MANIFEST_LEVELS));
        break;
    }
    case 10: {
        manifest_count c[3];
        size_t n = rng_below(r, 4);
        for (size_t i = 0; i < n; i++)
            c[i] = (manifest_count){(uint32_t)i * 7, 10 + rng_next(r) / 2, rng_below(r, 10)};
        edit_flushed(e, s->flushed + rng_below(r, 1000), c, n);
        break;
    }
    default: {
        manifest_map map[4];
        size_t n = rng_below(r, 5);
        for (size_t i = 0; i < n; i++)
            map[i] = (manifest_map){(uint32_t)i * 3, (uint32_t)rng_below(r, 50)};
        edit_map(e, s->map_at + rng_below(r, 1000), map, n);
    }
    }
}

static void test_encode(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    manifest_state s;
    start(&s);
    for (int i = 0; i < unit_rounds(3000); i++) {
        manifest_edit e = {0};
        manifest_state copy, again = {0};
        buf ops = {0};
        random_edit(&r, &s, &e);
        assert_string_equal(apply(&s, &e).msg, "");
        manifest_state_copy(&copy, &s);
        assert_true(manifest_state_eq(&copy, &s));
        manifest_state_encode(&s, &ops);
        slice rest = buf_slice(&ops); /* applied in pieces */
        while (rest.len) {
            slice piece = manifest_ops_piece(&rest, 1 + rng_below(&r, 60));
            assert_true(status_ok(manifest_state_apply(&again, piece)));
        }
        assert_true(manifest_state_eq(&again, &s));
        again.ids[3]++;
        assert_false(manifest_state_eq(&again, &s));
        buf_free(&ops);
        manifest_state_free(&copy);
        manifest_state_free(&again);
    }
    manifest_state_free(&s);
}

static void test_print(void **state) {
    (void)state;
    manifest_edit e = {0};
    buf out = {0};
    edit_create(&e, "bitcask", 0xabc, key, false);
    edit_reserve(&e, MANIFEST_IDS_PDB, 16);
    edit_seal(&e, 3, 1000);
    edit_replace(&e, 1, 2, (manifest_file[]){{7, 500, false}}, 1);
    edit_map(&e, log_pos_of(3, 64), (manifest_map[]){{0, 5}}, 1);
    manifest_table t = sample(9);
    edit_table_add(&e, &t);
    edit_table_level(&e, 9, 6);
    edit_table_drop(&e, 9);
    edit_flushed(&e, log_pos_of(3, 64), (manifest_count[]){{2, 50, 5}}, 1);
    buf_append(&e.ops, "\x55\1x", 3);
    buf_append(&e.ops, "\3\2\5", 3);
    manifest_ops_print(buf_slice(&e.ops), &out);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data, "create engine bitcask store 0000000000000abc hash key "
                                  "00000000000000010000000000000002 cluster no\n"
                                  "reserve pdb ids below 16\n"
                                  "seal 3 1000\n"
                                  "replace 1 2 1 7 500\n"
                                  "map at file 3 offset 64: 1 0 5\n"
                                  "table 9 level 2 recency 77 length 5000 entries 10 tombstones 3 "
                                  "hidden 1 plain 4000 from \"aa\" below \"b\"\n"
                                  "level 9 6\n"
                                  "drop 9\n"
                                  "flushed up to file 3 offset 64: pdb 2 50 keys 5 expires\n"
                                  "unknown (malformed)\n"
                                  "bytes that are no operation\n");
    buf_free(&out);
    edit_free(&e);
}

static void test_tables(void **state) {
    (void)state;
    manifest_state s;
    manifest_edit e = {0};
    manifest_table t = sample(9), u = sample(8);
    start(&s);
    edit_pending(&e, 9);
    edit_table_add(&e, &t);
    edit_pending(&e, 8);
    edit_table_add(&e, &u);
    manifest_count counts[] = {{3, 100, 7}, {49, 5, 0}};
    edit_flushed(&e, log_pos_of(5, 1000), counts, 2);
    assert_string_equal(apply(&s, &e).msg, "");
    assert_true(s.npending == 0 && s.tables.n == 2 && s.nfiles == 0);
    assert_int_equal(manifest_tables_after(&s.tables, 0)->number, 8);
    assert_int_equal(manifest_tables_after(&s.tables, 8)->number, 9);
    assert_null(manifest_tables_after(&s.tables, 9));
    assert_true(s.flushed == log_pos_of(5, 1000) && s.ncounts == 2 && s.counts[1].keys == 5);
    assert_true(manifest_state_durable(&s) == s.flushed);
    edit_table_level(&e, 9, 6);
    edit_table_drop(&e, 8);
    edit_flushed(&e, log_pos_of(5, 1000), NULL, 0);
    assert_string_equal(apply(&s, &e).msg, "");
    const manifest_table *is = manifest_tables_find(&s.tables, 9);
    assert_true(is->level == 6 && is->recency == 77 && is->hidden == 1 && is->plain_bytes == 4000);
    assert_true(slice_eq(is->smallest, t.smallest) && slice_eq(is->limit, t.limit));
    assert_null(manifest_tables_find(&s.tables, 8));
    assert_true(s.npending == 1 && s.pending[0] == 8 && s.ncounts == 0);
    manifest_state_free(&s);
}

/* Applied behind: 9 pending, 10 a table, flushed to 100. */
static void impossible_tables(const char *what, manifest_edit *e) {
    manifest_state s;
    manifest_edit first = {0};
    manifest_table t = sample(10);
    start(&s);
    edit_pending(&first, 9);
    edit_pending(&first, 10);
    edit_table_add(&first, &t);
    edit_flushed(&first, 100, NULL, 0);
    assert_true(status_ok(apply(&s, &first)));
    status st = apply(&s, e);
    if (st.code != ST_CORRUPT) fail_msg("%s was accepted", what);
    manifest_state_free(&s);
}

/* A TABLE_ADD whose fields were not checked by edit_table_add. */
static void raw_add(manifest_edit *e, const char *fields, size_t n, const char *bounds, size_t m) {
    char tag[] = {MANIFEST_TABLE_ADD, (char)(n + m)};
    buf_append(&e->ops, tag, 2);
    buf_append(&e->ops, fields, n);
    buf_append(&e->ops, bounds, m);
}

static void test_impossible_tables(void **state) {
    (void)state;
    manifest_edit e = {0};
    manifest_table t = sample(11);
#define IMPOSSIBLE(call) ((void)(call), impossible_tables(#call, &e))
#define FIELDS(f, b)     raw_add(&e, f, sizeof f - 1, b, sizeof b - 1)
    IMPOSSIBLE(edit_table_add(&e, &t)); /* not pending */
    IMPOSSIBLE((t.number = 10, edit_table_add(&e, &t)));
    IMPOSSIBLE(edit_table_drop(&e, 9));
    IMPOSSIBLE(edit_table_level(&e, 9, 1));
    IMPOSSIBLE(edit_pending(&e, 10));
    IMPOSSIBLE(edit_append(&e, 10));
    IMPOSSIBLE(edit_retire(&e, 10));
    IMPOSSIBLE(edit_gone(&e, 10));
    IMPOSSIBLE(buf_append(&e.ops, "\16\2\12\20", 4));                     /* level 16 */
    IMPOSSIBLE(edit_flushed(&e, 99, NULL, 0));                            /* backward */
    IMPOSSIBLE(edit_flushed(&e, 200, (manifest_count[]){{50, 1, 1}}, 1)); /* not reserved */
    IMPOSSIBLE(buf_append(&e.ops, "\17\14\1\1\1\1\1\1\1\1\1\1\1\2", 14)); /* expires > keys */
    /* number, level, recency, length, entries, tombstones, drops, plain bytes; bounds */
    manifest_state s;
    start(&s);
    edit_pending(&e, 9);
    FIELDS("\11\1\1\101\3\1\1\11", "\1a\1b");
    assert_true(status_ok(apply(&s, &e)));
    manifest_state_free(&s);
    IMPOSSIBLE(FIELDS("\11\1\1\101\3\1\1\11", "\1b\1b"));  /* bounds are equal */
    IMPOSSIBLE(FIELDS("\11\1\1\101\3\1\1\11", "\1c\1b"));  /* or crossed */
    IMPOSSIBLE(FIELDS("\11\1\1\101\3\1\1\11", "\1a\2b"));  /* cut */
    IMPOSSIBLE(FIELDS("\11\1\1\101\3\1\1\11", "\1a\1bx")); /* too long */
    IMPOSSIBLE(FIELDS("\11\1\1\100\3\1\1\11", "\1a\1b"));  /* a header alone */
    IMPOSSIBLE(FIELDS("\11\20\1\101\3\1\1\11", "\1a\1b")); /* level 16 */
    IMPOSSIBLE(FIELDS("\11\1\1\101\0\0\0\11", "\1a\1b"));  /* no entries */
    IMPOSSIBLE(FIELDS("\11\1\1\101\3\4\0\11", "\1a\1b"));  /* more tombstones */
    IMPOSSIBLE(FIELDS("\11\1\1\101\3\3\1\11", "\1a\1b"));  /* something hidden, and no drop */
    IMPOSSIBLE(FIELDS("\0\1\1\101\3\1\1\11", "\1a\1b"));   /* number 0 */
#undef FIELDS
#undef IMPOSSIBLE
}

/* Bounds of the greatest length, and one byte more. */
static void test_long_bounds(void **state) {
    (void)state;
    manifest_state s, again = {0};
    manifest_edit e = {0};
    buf long_bound = {0}, ops = {0};
    manifest_table t = sample(9), got;
    memset(buf_reserve(&long_bound, MANIFEST_BOUND_MAX + 1), 'a', MANIFEST_BOUND_MAX + 1);
    t.smallest = slice_of(long_bound.data, MANIFEST_BOUND_MAX);
    start(&s);
    edit_pending(&e, 9);
    edit_table_add(&e, &t);
    assert_true(status_ok(apply(&s, &e)));
    manifest_state_encode(&s, &ops);
    assert_true(status_ok(manifest_state_apply(&again, buf_slice(&ops))));
    assert_true(manifest_state_eq(&again, &s));
    buf_clear(&ops);
    manifest_table_encode(&t, &ops);
    assert_true(manifest_table_decode(buf_slice(&ops), &got));
    buf_clear(&ops); /* the same with a bound that is too long */
    manifest_table_encode(&t, &ops);
    size_t head = ops.len - t.smallest.len - 1 - t.limit.len - varint_size(t.smallest.len);
    ops.len = head;
    char *p = put_varint(buf_reserve(&ops, MANIFEST_BOUND_MAX + 99), MANIFEST_BOUND_MAX + 1);
    memset(p, 'a', MANIFEST_BOUND_MAX + 1);
    memcpy(p + MANIFEST_BOUND_MAX + 1, "\1b", 2);
    ops.len = (size_t)(p + MANIFEST_BOUND_MAX + 3 - ops.data);
    assert_false(manifest_table_decode(buf_slice(&ops), &got));
    buf_free(&ops);
    buf_free(&long_bound);
    manifest_state_free(&s);
    manifest_state_free(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_files), cmocka_unit_test(test_ids_and_map),
        cmocka_unit_test(test_impossible),    cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_encode),        cmocka_unit_test(test_print),
        cmocka_unit_test(test_tables),        cmocka_unit_test(test_impossible_tables),
        cmocka_unit_test(test_long_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
