/* Whole payloads of every type, which tests/support/rdb.py made from the descriptions of the
 * formats or redis-server gave: that each holds what it should, told as text; that the same
 * payloads with any byte changed, or cut anywhere, are read without harm; that README.md shows one
 * as it is. */
#include "rdb/rdb.h"

#include "base/mem.h"
#include "rdb/raw.h"
#include "support/payload.h"
#include "support/readme.h"
#include "support/unit.h"
#include "types/stream_group.h"

#include <dirent.h>
#include <stdio.h>

#define CORPUS "tests/fuzz/corpus/rdb/"

/* A file of the corpus. */
static buf load(const char *name) {
    char path[512];
    buf b = {0};
    snprintf(path, sizeof path, CORPUS "%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    b.len = fread(buf_reserve(&b, 1 << 20), 1, 1 << 20, f);
    fclose(f);
    return b;
}

/* Short ones as they are, long ones by their first byte and length. */
static void tell(buf *out, slice s) {
    if (s.len > 24) {
        buf_printf(out, "%c*%zu", s.data[0], s.len);
    } else {
        buf_append_slice(out, s);
    }
}

static void tell_id(buf *out, stream_id id) {
    buf_printf(out, "%llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.seq);
}

/* The items' text, one after another. */
static engine_result as_text(void *ctx, const rdb_item *x) {
    buf *out = ctx;
    static const char marks[] = "s.,z=e!g@p";
    buf_append_char(out, marks[x->kind]);
    if (x->kind == RDB_ITEM_ENTRY || x->kind == RDB_ITEM_PENDING) tell_id(out, x->id);
    tell(out, x->a);
    switch (x->kind) {
    case RDB_ITEM_SCORED: buf_printf(out, ":%g", x->score); break;
    case RDB_ITEM_FIELD:
        buf_append_char(out, ':');
        tell(out, x->b);
        if (x->expire) buf_printf(out, "~%lld", (long long)x->expire);
        break;
    case RDB_ITEM_ENTRY:
        for (size_t i = 0; i < x->nparts; i++) {
            buf_append_char(out, i % 2 ? '=' : ' ');
            tell(out, x->parts[i]);
        }
        break;
    case RDB_ITEM_STREAM:
        tell_id(out, x->stream.last);
        buf_append_char(out, ' ');
        tell_id(out, x->stream.max_deleted);
        buf_printf(out, " %llu %llu", (unsigned long long)x->stream.length,
                   (unsigned long long)x->stream.added);
        break;
    case RDB_ITEM_GROUP:
        buf_append_char(out, ' ');
        tell_id(out, x->id);
        buf_printf(out, " %lld", (long long)x->count);
        break;
    case RDB_ITEM_CONSUMER:
        buf_printf(out, " %lld %lld", (long long)x->seen, (long long)x->active);
        break;
    case RDB_ITEM_PENDING:
        buf_printf(out, " %lld %lld", (long long)x->seen, (long long)x->count);
        break;
    }
    buf_append_char(out, ' ');
    return ENGINE_OK;
}

#define LIST                                                                                       \
    ".a . .x*63 .y*64 .z*300 .w*5000 .0 .12 .13 .127 .128 .-1 .-128 .-129 .4095 .4096 .-4096 "     \
    ".-4097 .32767 .-32768 .32768 .8388607 .-8388608 .8388608 .2147483647 .-2147483648 "           \
    ".2147483648 .9223372036854775807 .-9223372036854775808 .007 .1.5 .q*17000 "
#define HASH         "=a:1 =b:y*300 =c*260: =d:-5 "
#define HASH_EXPIRES "=a:1 =b:y*300~1700000000000 =c*260: =d:-5 "
#define ZSET         "za:1 zb:1.5 zc:-7 zd:inf ze:-inf zf:100000 "
#define ZSET_SORTED  "ze:-inf zc:-7 za:1 zb:1.5 zf:100000 zd:inf "
#define ENTRIES      "e1000-1 f=1 g=two e2000-0 other=-5000 e3000-7 x=y*100 "
#define GROUPS(read, seen, active)                                                                 \
    "ggroup 2000-0 " read " @alice " seen " " active " p1000-1 1699999999000 3 @bob " seen         \
    " " active " p2000-0 1699999999000 1 gidle 0-0 0 "
#define SEEN "1699999999000"

static const struct {
    const char *name, *text;
} samples[] = {
    {"string", "shello "},
    {"string_empty", "s "},
    {"string_8", "s-7 "},
    {"string_16", "s-700 "},
    {"string_32", "s70000 "},
    {"string_lzf", "sa*29 "},
    {"string_long", "sm*20000 "},
    {"list", LIST},
    {"set", ",a ,5 ,c "},
    {"zset_text", ZSET},
    {"hash", HASH},
    {"zset_2", ZSET},
    {"zipmap", HASH},
    {"list_ziplist", LIST},
    {"intset_2", ",-2 ,1 ,30000 "},
    {"intset_4", ",-2 ,1 ,70000 "},
    {"intset_8", ",-5 ,1 ,2 ,70000 ,1099511627776 "},
    {"zset_ziplist", ZSET_SORTED},
    {"hash_ziplist", HASH},
    {"quicklist", LIST},
    {"hash_listpack", HASH},
    {"zset_listpack", ZSET_SORTED},
    {"quicklist_2", LIST},
    {"set_listpack", ",a ,5 ,c "},
    {"hash_expires_rc", HASH_EXPIRES},
    {"hash_listpack_expires_rc", HASH_EXPIRES},
    {"hash_expires", HASH_EXPIRES},
    {"hash_listpack_expires", HASH_EXPIRES},
    {"stream_1", ENTRIES "!3000-7 0-0 3 3 " GROUPS("-1", SEEN, SEEN)},
    {"stream_2", ENTRIES "!3000-7 1000-2 3 4 " GROUPS("3", SEEN, SEEN)},
    {"stream_3", ENTRIES "!3000-7 1000-2 3 4 " GROUPS("3", SEEN, SEEN)},
};

/* Each is what it is, and fine to load. */
static void contents(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        buf p = load(samples[i].name), text = {0};
        assert_int_equal(rdb_check(buf_slice(&p)), RDB_FINE);
        assert_int_equal(rdb_decode(rdb_body(buf_slice(&p)), as_text, &text), ENGINE_OK);
        buf_append_char(&text, '\0');
        assert_string_equal(text.data, samples[i].text);
        buf_free(&p);
        buf_free(&text);
    }
}

/* With a good checksum behind other bytes. */
static void sign(buf *p) {
    payload_sign(p->data, p->len);
}

/* A checksum that is wrong, a version that is too new, a payload that is too short. */
static void footers(void **state) {
    (void)state;
    buf p = load("string");
    p.data[2] ^= 1;
    assert_int_equal(rdb_check(buf_slice(&p)), RDB_BAD_FOOTER);
    sign(&p);
    assert_int_equal(rdb_check(buf_slice(&p)), RDB_FINE);
    p.data[p.len - RDB_FOOTER] = RDB_VERSION_MAX + 1;
    sign(&p);
    assert_int_equal(rdb_check(buf_slice(&p)), RDB_BAD_FOOTER);
    for (size_t n = 0; n < RDB_FOOTER; n++)
        assert_int_equal(rdb_check(slice_of(p.data, n)), RDB_BAD_FOOTER);
    buf_free(&p);
}

/* Type and contents, with a footer. */
static rdb_fault check(slice body) {
    buf p = {0};
    buf_append_slice(&p, body);
    buf_append(&p, "\x0a\0........", RDB_FOOTER);
    sign(&p);
    rdb_fault f = rdb_check(buf_slice(&p));
    buf_free(&p);
    return f;
}

/* What is well-formed in parts and wrong as a whole. */
static void refused(void **state) {
    (void)state;
    assert_int_equal(check(SLICE("")), RDB_MALFORMED);
    assert_int_equal(check(SLICE("\0\1x")), RDB_FINE);
    assert_int_equal(check(SLICE("\0\1xy")), RDB_MALFORMED);     /* bytes behind it */
    assert_int_equal(check(SLICE("\0\2x")), RDB_MALFORMED);      /* too few */
    assert_int_equal(check(SLICE("\6\1x")), RDB_MALFORMED);      /* a module's */
    assert_int_equal(check(SLICE("\x1a\1x")), RDB_MALFORMED);    /* no such type */
    assert_int_equal(check(SLICE("\1\0")), RDB_MALFORMED);       /* an empty list */
    assert_int_equal(check(SLICE("\2\2\1a\1b")), RDB_FINE);      /* a set, */
    assert_int_equal(check(SLICE("\2\2\1a\1a")), RDB_MALFORMED); /* the same twice */
    assert_int_equal(check(SLICE("\4\1\1a\1a")), RDB_FINE);      /* a hash */
    assert_int_equal(check(SLICE("\4\2\1a\1x\1a\1y")), RDB_MALFORMED);
    assert_int_equal(check(SLICE("\3\1\1a\3inf")), RDB_FINE);     /* a sorted set */
    assert_int_equal(check(SLICE("\3\1\1a\xfd")), RDB_MALFORMED); /* NaN */
    assert_int_equal(check(SLICE("\5\1\1a\0\0\0\0\0\0\xf8\x7f")), RDB_MALFORMED);
    assert_int_equal(check(SLICE("\13\12\2\0\0\0\2\0\0\0\1\0")), RDB_MALFORMED);
    assert_int_equal(check(SLICE("\13\14\2\0\0\0\2\0\0\0\2\0\1\0")), RDB_MALFORMED); /* 2, 1 */
    assert_int_equal(check(SLICE("\13\14\2\0\0\0\2\0\0\0\1\0\2\0")), RDB_FINE);
    /* A ziplist of 1 and 2, and the same with its last element said to be elsewhere. */
    assert_int_equal(check(SLICE("\12\17\17\0\0\0\14\0\0\0\2\0\0\xf2\2\xf3\xff")), RDB_FINE);
    assert_int_equal(check(SLICE("\12\17\17\0\0\0\12\0\0\0\2\0\0\xf2\2\xf3\xff")), RDB_MALFORMED);
    /* LZF that says it is half a gigabyte. */
    assert_int_equal(check(SLICE("\0\xc3\5\x80\x1f\xff\xff\xff\0a\xe0\x13\0")), RDB_MALFORMED);
}

/* A stream without entries that says it has `length`, and a group in which one entry is pending,
 * with `owners` consumers who each say it is theirs. */
static rdb_fault check_group(uint64_t length, unsigned owners) {
    static const char id[16] = {[7] = 1};
    buf p = {0};
    buf_append(&p, "\x13\0", 2);
    raw_put_len(&p, length);
    buf_append(&p, "\5\0\0\0\0\0\5\1\1g\1\0\0\1", 14); /* ids, entries added; one group */
    buf_append(&p, id, sizeof id);
    raw_put_u64(&p, 1000);
    raw_put_len(&p, 1);
    raw_put_len(&p, owners);
    for (unsigned i = 0; i < owners; i++) {
        raw_put_string(&p, slice_of(&"ab"[i], 1));
        raw_put_u64(&p, 1000);
        raw_put_len(&p, 1);
        buf_append(&p, id, sizeof id);
    }
    rdb_fault f = check(buf_slice(&p));
    buf_free(&p);
    return f;
}

/* Each pending entry has one owner; the length is true. */
static void groups(void **state) {
    (void)state;
    assert_int_equal(check_group(0, 1), RDB_FINE);
    assert_int_equal(check_group(0, 0), RDB_MALFORMED);
    assert_int_equal(check_group(0, 2), RDB_MALFORMED);
    assert_int_equal(check_group(1, 1), RDB_MALFORMED);
}

/* A member that is longer than this server takes is told apart. */
static void too_long(void **state) {
    (void)state;
    buf p = {0};
    buf_append(&p, "\2\1", 2);
    raw_put_len(&p, 64001);
    memset(buf_reserve(&p, 64001), 'x', 64001);
    p.len += 64001;
    assert_int_equal(check(buf_slice(&p)), RDB_TOO_LONG);
    buf_free(&p);
}

/* A stream without entries, with a group that has a consumer. */
static rdb_fault check_names(size_t group, size_t consumer) {
    static char bytes[65000];
    buf p = {0};
    memset(bytes, 'n', sizeof bytes);
    buf_append(&p, "\x13\0\0\0\0\0\0\0\0\0\1", 11);
    raw_put_blob(&p, slice_of(bytes, group));
    buf_append(&p, "\0\0\0\0\1", 5);
    raw_put_blob(&p, slice_of(bytes, consumer));
    buf_append(&p, "........\0", 9);
    rdb_fault f = check(buf_slice(&p));
    buf_free(&p);
    return f;
}

/* Names have less room than members: what is fine here is made without a word. */
static void long_names(void **state) {
    (void)state;
    assert_int_equal(check_names(STREAM_NAME_MAX, STREAM_NAME_MAX), RDB_FINE);
    assert_int_equal(check_names(STREAM_NAME_MAX + 1, 1), RDB_TOO_LONG);
    assert_int_equal(check_names(1, STREAM_NAME_MAX + 1), RDB_TOO_LONG);
}

static engine_result count(void *ctx, const rdb_item *item) {
    (void)item;
    ++*(size_t *)ctx;
    return ENGINE_OK;
}

/* All of the corpus, with bytes changed, cut, added: no harm, and no more items than bytes of what
 * was compressed. */
static void damaged(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    DIR *d = opendir(CORPUS);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        buf p = load(e->d_name);
        assert_int_equal(rdb_check(buf_slice(&p)), RDB_FINE);
        for (int round = 0; round < unit_rounds(400); round++) {
            size_t len = rng_below(&r, 2) ? rng_below(&r, p.len) : p.len - RDB_FOOTER, items = 0;
            char *exact = mem_dup(p.data, len);
            for (uint64_t k = rng_below(&r, 4); k && len; k--)
                exact[rng_below(&r, len)] = (char)rng_next(&r);
            (void)rdb_decode(slice_of(exact, len), count, &items);
            assert_true(items <= len * 88);
            mem_free(exact);
        }
        buf_free(&p);
    }
    closedir(d);
}

static engine_result stop(void *ctx, const rdb_item *item) {
    (void)item;
    return --*(int *)ctx < 0 ? ENGINE_PENDING : ENGINE_OK;
}

/* What the sink says ends the decoding, wherever it is. */
static void stopped(void **state) {
    (void)state;
    buf p = load("stream_3");
    for (int after = 0; after < 9; after++) {
        int left = after;
        assert_int_equal(rdb_decode(rdb_body(buf_slice(&p)), stop, &left), ENGINE_PENDING);
    }
    buf_free(&p);
}

static void readme(void **state) {
    (void)state;
    buf p = load("hash_listpack_small");
    assert_readme_shows("src/rdb/README.md", p.data, p.len);
    buf text = {0};
    assert_int_equal(rdb_decode(rdb_body(buf_slice(&p)), as_text, &text), ENGINE_OK);
    assert_true(slice_eq(buf_slice(&text), SLICE("=name:Ann =age:-300 ")));
    buf_free(&p);
    buf_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents), cmocka_unit_test(footers), cmocka_unit_test(refused),
        cmocka_unit_test(too_long), cmocka_unit_test(groups),  cmocka_unit_test(long_names),
        cmocka_unit_test(damaged),  cmocka_unit_test(stopped), cmocka_unit_test(readme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
