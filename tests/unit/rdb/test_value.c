/* Loading and saving over an engine in memory: what a payload holds is what the key's own payload
 * holds then, of every type and encoding, packed and apart, with reads that are pending and calls
 * that fail; and what was there before stays when nothing comes of it. */
#include "rdb/rdb.h"

#include "base/hash.h"
#include "rdb/raw.h"
#include "support/payload.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/classes.h"
#include "types/limits.h"

#include <dirent.h>
#include <stdio.h>

#define CORPUS "tests/fuzz/corpus/rdb/"
#define KEY    SLICE("key")

static world w;

static int open_world(void **state) {
    (void)state;
    world_open(&w, 5, true);
    w.clock.wall_ms = 1600000000000; /* before the times in the corpus */
    setting_defaults(rdb_settings);
    setting_defaults(types_settings);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

/* Items as a sum that does not depend on the order of members and fields, but on that of a list's
 * elements and of all that is in a stream. */
typedef struct summary {
    uint64_t sum;
    uint64_t at; /* items before that have an order */
    size_t items;
} summary;

static engine_result add(void *ctx, const rdb_item *x) {
    summary *s = ctx;
    bool ordered =
        x->kind != RDB_ITEM_MEMBER && x->kind != RDB_ITEM_FIELD && x->kind != RDB_ITEM_SCORED;
    rdb_item fixed = *x; /* what a type 19 does not say */
    fixed.a = fixed.b = SLICE_EMPTY;
    fixed.parts = NULL;
    fixed.active = 0;
    uint32_t h = crc32c((uint32_t)(ordered ? ++s->at : 0), &fixed.kind, sizeof fixed.kind);
    h = crc32c(h, x->a.data, x->a.len);
    h = crc32c(h, x->b.data, x->b.len);
    h = crc32c(h, &fixed.score, sizeof fixed.score);
    h = crc32c(h, &fixed.expire, sizeof fixed.expire);
    h = crc32c(h, &fixed.id, sizeof fixed.id);
    h = crc32c(h, &fixed.count, sizeof fixed.count);
    h = crc32c(h, &fixed.seen, sizeof fixed.seen);
    if (x->kind == RDB_ITEM_STREAM) h = crc32c(h, &fixed.stream, sizeof fixed.stream);
    for (size_t i = 0; i < x->nparts; i++)
        h = crc32c(h, x->parts[i].data, x->parts[i].len);
    s->sum += (uint64_t)h * 0x9e3779b97f4a7c15u ^ h;
    s->items++;
    return ENGINE_OK;
}

static summary summary_of(slice payload) {
    summary s = {0};
    assert_int_equal(rdb_check(payload), RDB_FINE);
    assert_int_equal(rdb_decode(rdb_body(payload), add, &s), ENGINE_OK);
    return s;
}

/* Loads it in a batch; again while it is pending. What it came to. */
static engine_result load(slice payload) {
    for (int tries = 0;; tries++) {
        assert_true(tries < 100000);
        ks_begin(w.ks);
        engine_result r = rdb_load(w.ks, 0, KEY, payload, ENGINE_NO_EXPIRE);
        if (r == ENGINE_OK) {
            ks_commit(w.ks);
            return r;
        }
        ks_abort(w.ks);
        if (r != ENGINE_PENDING) return r;
    }
}

/* The key's payload; its length 0 if there is no key, or it failed. */
static buf save(void) {
    for (int tries = 0;; tries++) {
        buf out = {0};
        entry ent;
        assert_true(tries < 100000);
        ks_begin(w.ks);
        engine_result r = ks_get(w.ks, 0, KEY, 0, &ent);
        if (r == ENGINE_OK) r = rdb_save(w.ks, 0, KEY, &ent, &out);
        ks_abort(w.ks);
        if (r == ENGINE_OK) return out;
        buf_clear(&out);
        if (r != ENGINE_PENDING) return out;
        buf_free(&out);
    }
}

/* Through a key and back. */
static void round_trip(slice payload, const char *name) {
    assert_int_equal(load(payload), ENGINE_OK);
    buf again = save();
    summary a = summary_of(payload), b = summary_of(buf_slice(&again));
    if (a.sum != b.sum || a.items != b.items)
        fail_msg("%s: %zu items, %zu", name, a.items, b.items);
    buf_free(&again);
}

static buf read_file(const char *name) {
    char path[512];
    buf b = {0};
    snprintf(path, sizeof path, CORPUS "%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    b.len = fread(buf_reserve(&b, 1 << 20), 1, 1 << 20, f);
    fclose(f);
    return b;
}

static void corpus(void **state) {
    (void)state;
    for (unsigned pending = 0; pending <= 200; pending += 100) {
        DIR *d = opendir(CORPUS);
        assert_non_null(d);
        engine_mem_knobs(w.e)->pending_permille = pending;
        for (struct dirent *e; (e = readdir(d));) {
            if (e->d_name[0] == '.') continue;
            buf p = read_file(e->d_name);
            round_trip(buf_slice(&p), e->d_name);
            buf_free(&p);
        }
        closedir(d);
    }
    assert_true(world_keys(&w, 0) == 1);
}

/* A footer behind type and contents. */
static void finish(buf *p) {
    buf_append(p, "\x0a\0........", RDB_FOOTER);
    payload_sign(p->data, p->len);
}

/* A payload of n random elements that differ, of up to `most` bytes. */
static buf random_payload(rng *r, unsigned type, size_t n, size_t most) {
    buf p = {0}, room = {0};
    char *bytes = buf_reserve(&room, most + 24);
    buf_append_char(&p, (char)type);
    raw_put_len(&p, n);
    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)snprintf(bytes, 24, "%zu:", i), more = rng_below(r, most + 1);
        memset(bytes + len, 'a' + (int)rng_below(r, 26), more);
        raw_put_string(&p, slice_of(bytes, rng_below(r, 4) ? len + more : len - 1));
        if (type == RDB_ZSET) raw_put_double(&p, (double)rng_below(r, 50) / 4);
        if (type == RDB_HASH) raw_put_string(&p, slice_of(bytes + len, more));
    }
    buf_free(&room);
    finish(&p);
    return p;
}

static const unsigned types[] = {RDB_LIST, RDB_SET, RDB_ZSET, RDB_HASH};

/* Either side of what fits in one entry, by number and by bytes; compressed or not; and with what
 * is longer than one piece of a long value. */
static void sizes(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    static const size_t numbers[] = {1, 2, 127, 128, 129, 300};
    for (int round = 0; round < unit_rounds(60); round++) {
        unsigned type = types[rng_below(&r, 4)];
        engine_mem_knobs(w.e)->pending_permille = (unsigned)rng_below(&r, 3) * 50;
        buf p = random_payload(&r, type, numbers[rng_below(&r, 6)], 1u << rng_below(&r, 9));
        round_trip(buf_slice(&p), "random");
        buf_free(&p);
    }
    buf p = random_payload(&r, RDB_HASH, 3, 600000);
    if (rdb_check(buf_slice(&p)) == RDB_FINE) round_trip(buf_slice(&p), "long");
    buf_free(&p);
    static const int64_t nodes[] = {-5, -1, 2, 100}; /* list-max-listpack-size */
    for (int i = 0; i < 4; i++) {
        types_limit.list_size = nodes[i];
        p = random_payload(&r, RDB_LIST, 40, i ? 3000 : 20000);
        round_trip(buf_slice(&p), "list");
        buf_free(&p);
    }
    p = random_payload(&r, RDB_LIST, 5, 600000);
    round_trip(buf_slice(&p), "long list");
    buf_free(&p);
}

/* Beyond -5 the setting is as -5: 64 KiB a node. */
static void node_sizes(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    static const int64_t sizes[] = {-5, -6, -17, -33, -100, INT32_MIN};
    buf p = random_payload(&r, RDB_LIST, 300, 3000), first = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        types_limit.list_size = sizes[i];
        assert_int_equal(load(buf_slice(&p)), ENGINE_OK);
        buf now = save();
        if (i == 0) buf_append_slice(&first, buf_slice(&now));
        assert_true(slice_eq(buf_slice(&now), buf_slice(&first)));
        buf_free(&now);
    }
    types_limit.list_size = -2;
    buf_free(&first);
    buf_free(&p);
}

/* Whatever call fails, the key holds what it did. */
static void failures(void **state) {
    (void)state;
    rng r;
    unit_seed(&r);
    for (int round = 0; round < unit_rounds(300); round++) {
        buf old = random_payload(&r, types[rng_below(&r, 4)], 1 + rng_below(&r, 200), 20);
        buf new = random_payload(&r, types[rng_below(&r, 4)], 1 + rng_below(&r, 200), 20);
        assert_int_equal(load(buf_slice(&old)), ENGINE_OK);
        engine_mem_knobs(w.e)->error_at = 1 + rng_below(&r, 400);
        bool loaded = load(buf_slice(&new)) == ENGINE_OK;
        engine_mem_knobs(w.e)->error_at = 0;
        buf now = save();
        summary a = summary_of(buf_slice(loaded ? &new : &old)), b = summary_of(buf_slice(&now));
        assert_true(a.sum == b.sum);
        engine_mem_knobs(w.e)->error_at = 1 + rng_below(&r, 50);
        buf failed = save();
        engine_mem_knobs(w.e)->error_at = 0;
        assert_true(failed.len == 0 || slice_eq(buf_slice(&failed), buf_slice(&now)));
        buf_free(&failed);
        buf_free(&now);
        buf_free(&old);
        buf_free(&new);
    }
}

/* Expire time, and what OBJECT ENCODING says: a listpack stays one whatever its elements' length,
 * as redis-server has it. */
static void entries(void **state) {
    (void)state;
    static const struct {
        const char *name, *encoding;
    } cases[] = {{"hash_listpack", "listpack"}, {"hash", "hashtable"},
                 {"zset_2", "listpack"},        {"intset_8", "intset"},
                 {"set_listpack", "listpack"},  {"quicklist", "quicklist"},
                 {"hash_expires", "hashtable"}, {"stream_2", "stream"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf p = read_file(cases[i].name);
        entry ent;
        elements el;
        const char *encoding;
        ks_begin(w.ks);
        assert_int_equal(rdb_load(w.ks, 0, KEY, buf_slice(&p), 1600000005000), ENGINE_OK);
        assert_int_equal(ks_get(w.ks, 0, KEY, 0, &ent), ENGINE_OK);
        assert_true(ent.expire == 1600000005000);
        const type_class *class = type_class_of(ent.type);
        assert_int_equal(el_of_entry(w.ks, 0, KEY, &ent, class->el, &el), ENGINE_OK);
        assert_int_equal(class->encoding(&el, &encoding), ENGINE_OK);
        if (strcmp(encoding, cases[i].encoding) != 0) fail_msg("%s: %s", cases[i].name, encoding);
        ks_commit(w.ks);
        buf_free(&p);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(corpus), TEST(sizes), TEST(node_sizes), TEST(failures),
                                       TEST(entries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
