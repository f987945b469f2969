/* Elements against arrays: whatever is done to a key's elements, packed or apart, with reads that
 * are pending and calls that fail, they are what an array says, in the order that elements.h says.
 */
#include "types/elements.h"

#include "base/mem.h"
#include "keyspace/keyenc.h"
#include "support/readme.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/pack.h"

#include <stdio.h>
#include <stdlib.h>

#define UNIVERSE 260
#define LONG_LEN (EL_PIECE + 5000)

static world w;
static char long_bytes[2 * EL_PIECE + 5001];

static const el_type kinds[] = {
    {.type = KEY_HASH, .order = EL_AS_PUT},
    {.type = KEY_ZSET, .order = EL_BY_DERIVED},
    {.type = KEY_LIST, .order = EL_BY_SUBKEY},
    {.type = KEY_STREAM, .order = EL_BY_SUBKEY, .lives_empty = true},
};
#define KINDS 4

/* An element: its subkey is made of `id`, its value of len and seed. */
typedef struct one {
    uint16_t id;
    uint8_t seed;
    uint32_t len;
    int64_t expire;
} one;

/* A key. In order of insertion. */
typedef struct model {
    const el_type *type;
    bool small; /* its elements are a few bytes each: the border is met by number */
    bool exists, apart;
    uint32_t n, bytes;
    unsigned hint, header;
    int64_t wake;
    one at[UNIVERSE];
} model;

static model models[2 * KINDS];
static const char *const names[2 * KINDS] = {"hash", "zset", "list", "stream", "h", "z", "l", "s"};

static int open_world(void **state) {
    (void)state;
    world_open(&w, 33, true);
    for (size_t i = 0; i < sizeof long_bytes; i++)
        long_bytes[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < 2 * KINDS; i++)
        models[i] = (model){.type = &kinds[i % KINDS], .small = i >= KINDS};
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    return 0;
}

/* ---- bytes of elements
 * ---------------------------------------------------------------------------
 */

typedef struct sub_buf {
    char bytes[320];
} sub_buf;

/* Subkeys of all lengths; that of 0 is empty where subkeys have a prefix. */
static slice sub_of(const model *m, unsigned id, sub_buf *out) {
    if (id == 0 && m->type->order != EL_BY_SUBKEY) return SLICE_EMPTY;
    size_t n = m->small ? 3 : 3 + (id % 23 == 0 ? 200 + id % 60 : id % 9);
    memset(out->bytes, (int)('a' + id % 26), n);
    out->bytes[0] = (char)(id * 37);
    out->bytes[1] = (char)id;
    out->bytes[2] = (char)(id >> 8);
    return slice_of(out->bytes, n);
}

static slice value_of(const model *m, const one *o, char score[KEYENC_SCORE]) {
    if (m->type->type == KEY_ZSET) return keyenc_score(score, (double)(o->seed % 11) - 5);
    return slice_of(long_bytes + o->seed, o->len);
}

static uint32_t packed_size(const model *m, const one *o) {
    sub_buf s;
    char score[KEYENC_SCORE];
    return (uint32_t)pack_size(sub_of(m, o->id, &s), value_of(m, o, score), o->expire);
}

static bool has_derived(const model *m, const one *o) {
    return m->type->type == KEY_ZSET || (m->type->type == KEY_HASH && o->expire);
}

/* Into out, which has room. */
static slice derived_of(const model *m, const one *o, char *out) {
    sub_buf s;
    char score[KEYENC_SCORE];
    bool has = keyenc_derive_head(m->type->type, value_of(m, o, score), o->expire, out);
    assert_true(has);
    slice sub = sub_of(m, o->id, &s);
    if (sub.len) memcpy(out + KEYENC_HEAD, sub.data, sub.len);
    return slice_of(out, KEYENC_HEAD + sub.len);
}

static int find(const model *m, unsigned id) {
    for (uint32_t i = 0; i < m->n; i++)
        if (m->at[i].id == id) return (int)i;
    return -1;
}

/* ---- the model ----------------------------------------------------------------------------------
 */

static void model_put(model *m, const one *o) {
    int i = find(m, o->id);
    uint32_t had = i < 0 ? 0 : packed_size(m, &m->at[i]);
    m->exists = true;
    m->bytes += packed_size(m, o) - had;
    if (i < 0) i = (int)m->n++;
    m->at[i] = *o;
    if (m->n > EL_PACKED_MAX || m->bytes > EL_PACKED_BYTES) m->apart = true;
}

static void model_del(model *m, int i) {
    m->bytes -= packed_size(m, &m->at[i]);
    memmove(&m->at[i], &m->at[i + 1], (--m->n - (unsigned)i) * sizeof m->at[0]);
}

/* What el_end does. */
static void model_end(model *m) {
    if (m->n || (m->type->lives_empty && m->exists)) return;
    *m = (model){.type = m->type, .small = m->small};
}

static const model *sorting; /* for the two functions below */

static int by_sub(const void *a, const void *b) {
    sub_buf x, y;
    return slice_cmp(sub_of(sorting, ((const one *)a)->id, &x),
                     sub_of(sorting, ((const one *)b)->id, &y));
}

static int by_derived(const void *a, const void *b) {
    char x[400], y[400];
    return slice_cmp(derived_of(sorting, a, x), derived_of(sorting, b, y));
}

/* The elements of a map in its order; how many. */
static uint32_t sorted(const model *m, unsigned map, one *out) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++)
        if (map == 0 || has_derived(m, &m->at[i])) out[n++] = m->at[i];
    sorting = m;
    if (map == 0 && m->type->order == EL_AS_PUT) return n;
    bool subs = map == 0 && m->type->order == EL_BY_SUBKEY;
    qsort(out, n, sizeof *out, subs ? by_sub : by_derived);
    return n;
}

/* ---- comparing
 * -----------------------------------------------------------------------------------
 */

#define PASS(expr)                                                                                 \
    do {                                                                                           \
        engine_result pass_ = (expr);                                                              \
        if (pass_ == ENGINE_PENDING || pass_ == ENGINE_ERROR) return pass_;                        \
        assert_int_equal(pass_, ENGINE_OK);                                                        \
    } while (0)
/* The same of a call that should find nothing. */
#define PASS_ABSENT(expr)                                                                          \
    do {                                                                                           \
        engine_result pass_ = (expr);                                                              \
        if (pass_ == ENGINE_PENDING || pass_ == ENGINE_ERROR) return pass_;                        \
        assert_int_equal(pass_, ENGINE_ABSENT);                                                    \
    } while (0)

static void assert_item(const model *m, unsigned map, const one *o, const el_item *item) {
    char buffer[400];
    sub_buf s;
    if (map == ENGINE_DERIVED) {
        assert_true(slice_eq(item->sub, derived_of(m, o, buffer)));
        assert_int_equal(item->value.len, 0);
        assert_true(item->expire == 0);
        return;
    }
    assert_true(slice_eq(item->sub, sub_of(m, o->id, &s)));
    assert_true(slice_eq(item->value, value_of(m, o, buffer)));
    assert_true(item->expire == o->expire);
    assert_int_equal(item->long_value, o->len > EL_PIECE && m->type->type != KEY_ZSET);
}

/* Walks a map that has an order both ways. */
static engine_result check_walk(elements *el, const model *m, unsigned map) {
    static one all[UNIVERSE];
    el_iter it;
    uint32_t n = sorted(m, map, all);
    assert_int_equal(el_count(el, map), n);
    if (n == 0) {
        PASS_ABSENT(el_first(el, map, &it));
        PASS_ABSENT(el_last(el, map, &it));
        return ENGINE_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        PASS(i ? el_step(&it, false) : el_first(el, map, &it));
        assert_item(m, map, &all[i], &it.item);
    }
    PASS_ABSENT(el_step(&it, false));
    for (uint32_t i = n; i-- > 0;) {
        PASS(i + 1 < n ? el_step(&it, true) : el_last(el, map, &it));
        assert_item(m, map, &all[i], &it.item);
    }
    PASS_ABSENT(el_step(&it, true));
    return ENGINE_OK;
}

/* Seeks, steps, ranks and selects at a place that may be that of an element. */
static engine_result check_place(elements *el, const model *m, unsigned map, rng *r) {
    static one all[UNIVERSE];
    el_iter it;
    char bytes[400];
    sub_buf s;
    one probe = {.id = (uint16_t)(1 + rng_below(r, UNIVERSE - 1)),
                 .seed = (uint8_t)rng_next(r),
                 .expire = 1 + (int64_t)rng_below(r, 40)};
    uint32_t n = sorted(m, map, all), at = 0;
    if (n && rng_below(r, 2)) probe = all[rng_below(r, n)];
    slice from = map ? derived_of(m, &probe, bytes) : sub_of(m, probe.id, &s);
    if (rng_below(r, 4) == 0) from.len -= rng_below(r, from.len); /* a part, as ranges have */
    bool equal = false;
    for (; at < n; at++) {
        char other[400];
        sub_buf o;
        int cmp = slice_cmp(map ? derived_of(m, &all[at], other) : sub_of(m, all[at].id, &o), from);
        equal = cmp == 0;
        if (cmp >= 0) break;
    }
    if (at == n) {
        PASS_ABSENT(el_seek(el, map, from, false, &it));
    } else {
        PASS(el_seek(el, map, from, false, &it));
        assert_item(m, map, &all[at], &it.item);
        if (at > 0) {
            PASS(el_step(&it, true));
            assert_item(m, map, &all[at - 1], &it.item);
        }
    }
    if (at == 0 && !equal) {
        PASS_ABSENT(el_seek(el, map, from, true, &it));
    } else {
        PASS(el_seek(el, map, from, true, &it));
        assert_item(m, map, &all[at - !equal], &it.item);
    }
    if (!m->apart && m->type->order == EL_AS_PUT) return ENGINE_OK; /* has no ranks */
    uint64_t rank;
    PASS(el_rank(el, map, from, &rank));
    assert_int_equal(rank, at);
    if (at == n) {
        PASS_ABSENT(el_select(el, map, at, &it));
        return ENGINE_OK;
    }
    PASS(el_select(el, map, at, &it));
    assert_item(m, map, &all[at], &it.item);
    return ENGINE_OK;
}

/* Elements that a walk or a scan has seen; each once. */
typedef struct seen {
    const model *m;
    uint32_t n;
    bool yes[UNIVERSE];
} seen;

static void see(void *ctx, const el_item *item) {
    seen *s = ctx;
    sub_buf b;
    for (uint32_t i = 0; i < s->m->n; i++) {
        if (!slice_eq(item->sub, sub_of(s->m, s->m->at[i].id, &b))) continue;
        assert_item(s->m, 0, &s->m->at[i], item);
        assert_false(s->yes[i]);
        s->yes[i] = true;
        s->n++;
        return;
    }
    fail_msg("an element that is not there");
}

static engine_result check_scan(elements *el, const model *m, rng *r) {
    seen s = {.m = m};
    uint64_t cursor = 0, want = 1 + rng_below(r, 50);
    do {
        uint32_t before = s.n;
        PASS(el_scan(el, cursor, want, &cursor, see, &s));
        if (cursor) assert_true(m->apart && s.n - before >= want);
    } while (cursor);
    assert_int_equal(s.n, m->n);
    return ENGINE_OK;
}

static engine_result check_random(elements *el, const model *m) {
    seen s = {.m = m};
    el_iter it;
    if (m->n == 0) {
        PASS_ABSENT(el_random(el, &it));
        return ENGINE_OK;
    }
    PASS(el_random(el, &it));
    see(&s, &it.item);
    return ENGINE_OK;
}

static engine_result check_get(elements *el, const model *m, rng *r) {
    el_item item;
    sub_buf b;
    for (int i = 0; i < 10; i++) {
        unsigned id = (unsigned)rng_below(r, UNIVERSE);
        if (id == 0 && m->type->order == EL_BY_SUBKEY) continue;
        int at = find(m, id);
        if (at < 0) {
            PASS_ABSENT(el_get(el, 0, sub_of(m, id, &b), &item));
        } else {
            PASS(el_get(el, 0, sub_of(m, id, &b), &item));
            assert_item(m, 0, &m->at[at], &item);
        }
    }
    return ENGINE_OK;
}

/* All that can be seen of them. */
static engine_result check(elements *el, const model *m, rng *r) {
    assert_int_equal(el->exists, m->exists);
    assert_int_equal(el_count(el, 0), m->n);
    if (m->exists) {
        assert_int_equal(el->packed, !m->apart);
        assert_int_equal(el_hint(el), m->hint);
        assert_true(el->wake == m->wake);
        assert_int_equal(el->header.len, m->header);
    }
    PASS(check_get(el, m, r));
    unsigned order = m->type->order;
    bool derives = m->type->type == KEY_ZSET || m->type->type == KEY_HASH;
    if (rng_below(r, 4) == 0) {
        if (order == EL_BY_SUBKEY || !m->apart) PASS(check_walk(el, m, 0));
        if (derives) PASS(check_walk(el, m, ENGINE_DERIVED));
        if (order != EL_BY_SUBKEY) PASS(check_scan(el, m, r));
    }
    for (int i = 0; i < 4; i++) {
        if (order == EL_BY_SUBKEY) PASS(check_place(el, m, 0, r));
        if (derives) PASS(check_place(el, m, ENGINE_DERIVED, r));
    }
    return order == EL_BY_SUBKEY ? ENGINE_OK : check_random(el, m);
}

/* ---- changing
 * ------------------------------------------------------------------------------------
 */

/* One change, of both. */
static engine_result change(elements *el, model *m, rng *r, unsigned range, bool longs) {
    sub_buf b;
    char score[KEYENC_SCORE];
    el_item found = {0};
    one o = {.id = (uint16_t)rng_below(r, range), .seed = (uint8_t)rng_next(r)};
    if (o.id == 0 && m->type->order == EL_BY_SUBKEY) o.id = 1;
    int at = find(m, o.id);
    const el_item *old = EL_UNKNOWN;
    bool put = rng_below(r, 5) < (m->small ? 4 : 3);
    slice sub = sub_of(m, o.id, &b);
    if (rng_below(r, 2)) {
        engine_result got = el_get(el, 0, sub, &found);
        if (got != ENGINE_OK && got != ENGINE_ABSENT) return got;
        assert_int_equal(got == ENGINE_OK, at >= 0);
        old = got == ENGINE_OK ? &found : NULL;
    }
    if (!put) {
        if (!old) return ENGINE_OK;
        engine_result gone = el_del(el, 0, sub, old);
        if (gone != ENGINE_OK && gone != ENGINE_ABSENT) return gone;
        assert_int_equal(gone == ENGINE_OK, at >= 0);
        if (at >= 0) model_del(m, at);
        return ENGINE_OK;
    }
    if (m->type->type != KEY_ZSET) {
        o.len = (uint32_t)rng_below(r, m->small ? 4 : rng_below(r, 9) ? 12 : 120);
        if (longs && rng_below(r, 12) == 0)
            o.len = EL_PIECE - 2 + (uint32_t)(rng_below(r, 3) ? rng_below(r, 5) : EL_PIECE);
        o.expire = m->small || rng_below(r, 3) ? 0 : 1 + (int64_t)rng_below(r, 40);
    }
    engine_result done = el_put(el, 0, sub, value_of(m, &o, score), o.expire, old);
    if (done == ENGINE_OK) model_put(m, &o);
    return done;
}

/* Things of the main entry. */
static void change_entry(elements *el, model *m, rng *r) {
    if (!m->exists) return;
    m->hint = (unsigned)rng_below(r, 8);
    m->wake = rng_below(r, 2) ? 0 : (int64_t)w.clock.wall_ms + 100000000;
    m->header = (unsigned)rng_below(r, 300);
    el_set_hint(el, m->hint);
    el_set_wake(el, m->wake);
    el_set_header(el, slice_of(long_bytes, m->header));
}

/* One batch: opens, changes, looks, ends. */
static engine_result batch(model *m, rng *r, const char *key, bool longs) {
    elements el;
    unsigned n = (unsigned)rng_below(r, rng_below(r, 3) ? 4 : 60);
    unsigned range = rng_below(r, 2) ? UNIVERSE : 20; /* few: so that it empties, too */
    if (rng_below(r, 40) == 0) {                      /* what was there is replaced */
        el_create(w.ks, 0, slice_cstr(key), m->type, &el);
        *m = (model){.type = m->type, .small = m->small};
    } else {
        PASS(el_open(w.ks, 0, slice_cstr(key), m->type, KS_WRITE, &el));
        assert_false(el.wrong_type);
    }
    if (m->type->lives_empty && rng_below(r, 20) == 0) {
        el_make(&el);
        m->exists = true;
    }
    PASS(check(&el, m, r));
    for (unsigned i = 0; i < n; i++)
        PASS(change(&el, m, r, range, longs));
    if (rng_below(r, 30) == 0) /* all of them go */
        while (m->n) {
            sub_buf b;
            PASS(el_del(&el, 0, sub_of(m, m->at[0].id, &b), EL_UNKNOWN));
            model_del(m, 0);
        }
    if (rng_below(r, 8) == 0) change_entry(&el, m, r);
    PASS(check(&el, m, r));
    PASS(el_end(&el));
    model_end(m);
    PASS(check(&el, m, r));
    return ENGINE_OK;
}

static void walk(unsigned pending, int steps, bool longs) {
    rng r;
    unit_seed(&r);
    for (int i = 0; i < steps; i++) {
        unsigned k = (unsigned)rng_below(&r, 2 * KINDS);
        mem_knobs *knobs = engine_mem_knobs(w.e);
        knobs->pending_permille = pending;
        if (pending && rng_below(&r, 4) == 0) knobs->error_at = 1 + rng_below(&r, 60);
        for (int tries = 0;; tries++) {
            static model next;
            rng again = r;
            next = models[k];
            assert_true(tries < 100000);
            ks_begin(w.ks);
            if (batch(&next, &r, names[k], longs) == ENGINE_OK) {
                ks_commit(w.ks);
                models[k] = next;
                break;
            }
            ks_abort(w.ks);
            r = again;
        }
        knobs->error_at = 0;
    }
    engine_mem_knobs(w.e)->pending_permille = 0;
    buf report = {0};
    assert_true(status_ok(engine_check(w.e, &report)));
    assert_int_equal(report.len, 0);
    buf_free(&report);
}

static void against_arrays(void **state) {
    (void)state;
    walk(0, unit_rounds(900), false);
}

static void against_arrays_with_pending_reads_and_errors(void **state) {
    (void)state;
    walk(2, unit_rounds(300), false);
}

static void against_arrays_with_long_values(void **state) {
    (void)state;
    walk(1, unit_rounds(60), true);
}

/* ---- single things
 * -------------------------------------------------------------------------------
 */

static void put(elements *el, const char *sub, slice value) {
    assert_int_equal(el_put(el, 0, slice_cstr(sub), value, 0, EL_UNKNOWN), ENGINE_OK);
}

static void open_kind(elements *el, int k) {
    assert_int_equal(el_open(w.ks, 0, slice_cstr(names[k]), &kinds[k], KS_WRITE, el), ENGINE_OK);
}

/* Appends the subkey and a space. */
static void gather(void *ctx, const el_item *item) {
    buf_append_slice(ctx, item->sub);
    buf_append_char(ctx, ' ');
}

/* Elements that stay are seen by a scan, while others come and go, packed or not at its start. */
static void scans_are_complete(void **state) {
    (void)state;
    enum { STAY = 700 };
    static bool met[STAY];
    elements el;
    char name[32];
    rng r;
    unit_seed(&r);
    ks_begin(w.ks);
    open_kind(&el, 0);
    for (int i = 0; i < STAY; i++) {
        snprintf(name, sizeof name, "s%d", i);
        put(&el, name, SLICE("v"));
    }
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
    uint64_t cursor = 0, turns = 0;
    do {
        buf got = {0};
        ks_begin(w.ks);
        open_kind(&el, 0);
        for (int i = 0; i < 20; i++) {
            snprintf(name, sizeof name, "x%d", (int)rng_below(&r, 300));
            if (rng_below(&r, 2)) put(&el, name, SLICE("w"));
            engine_result gone = el_del(&el, 0, slice_cstr(name), EL_UNKNOWN);
            assert_true(gone == ENGINE_OK || gone == ENGINE_ABSENT);
            if (rng_below(&r, 2)) put(&el, name, SLICE("z"));
        }
        assert_int_equal(el_scan(&el, cursor, 10, &cursor, gather, &got), ENGINE_OK);
        assert_int_equal(el_end(&el), ENGINE_OK);
        ks_commit(w.ks);
        char *save = NULL;
        buf_append_char(&got, '\0');
        for (char *s = strtok_r(got.data, " ", &save); s; s = strtok_r(NULL, " ", &save))
            if (s[0] == 's') met[atoi(s + 1)] = true;
        buf_free(&got);
        turns++;
    } while (cursor);
    assert_true(turns > 10);
    for (int i = 0; i < STAY; i++)
        assert_true(met[i]);
}

static uint64_t pieces(elements *el) {
    return el->packed ? 0 : engine_map_count(w.e, &el->apart, EL_LONG);
}

/* The border of long values, and what a change of one leaves behind. */
static void long_values(void **state) {
    (void)state;
    elements el;
    el_item item;
    static const size_t lens[] = {EL_PIECE,         EL_PIECE + 1, 2 * EL_PIECE,
                                  2 * EL_PIECE + 1, EL_PIECE + 9, 3};
    static const uint64_t wanted[] = {0, 2, 2, 3, 2, 0};
    ks_begin(w.ks);
    open_kind(&el, 0);
    for (size_t i = 0; i < 6; i++) {
        put(&el, "f", slice_of(long_bytes, lens[i]));
        assert_int_equal(pieces(&el), wanted[i]);
        assert_int_equal(el_get(&el, 0, SLICE("f"), &item), ENGINE_OK);
        assert_true(slice_eq(item.value, slice_of(long_bytes, lens[i])));
        assert_int_equal(item.long_value, wanted[i] > 0);
    }
    put(&el, "f", slice_of(long_bytes, LONG_LEN));
    put(&el, "g", SLICE("")); /* empty beside a long one */
    assert_int_equal(el_get(&el, 0, SLICE("g"), &item), ENGINE_OK);
    assert_int_equal(item.value.len, 0);
    assert_false(item.long_value);
    assert_int_equal(el_del(&el, 0, SLICE("f"), EL_UNKNOWN), ENGINE_OK);
    assert_int_equal(pieces(&el), 0);
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

/* Subkeys that no element can have are asked for all the same; and looking up any number of long
 * ones takes no memory for each. */
static void long_subkeys(void **state) {
    (void)state;
    static char bytes[EL_SUB_MAX + 1];
    elements el;
    el_item item;
    memset(bytes, 'x', sizeof bytes);
    for (int k = 0; k < 2; k++) {
        ks_begin(w.ks);
        open_kind(&el, k);
        for (size_t n = 1000; n < 1000 + 2 * EL_PACKED_MAX; n++)
            assert_int_equal(el_put(&el, 0, slice_of(bytes, n), SLICE("8 bytes."), 0, EL_UNKNOWN),
                             ENGINE_OK);
        assert_false(el.packed);
        for (size_t n = EL_SUB_MAX; n <= EL_SUB_MAX + 1; n++) {
            assert_int_equal(el_get(&el, 0, slice_of(bytes, n), &item), ENGINE_ABSENT);
            assert_int_equal(el_del(&el, 0, slice_of(bytes, n), EL_UNKNOWN), ENGINE_ABSENT);
        }
        uint64_t before = mem_used();
        for (int i = 0; i < 4000; i++)
            assert_int_equal(el_get(&el, 0, slice_of(bytes, 1000), &item), ENGINE_OK);
        assert_true(mem_used() < before + 500000);
        assert_int_equal(el_end(&el), ENGINE_OK);
        ks_commit(w.ks);
    }
}

/* The value that was read last is in memory; what was read before has gone from there. */
static void long_values_in_turn(void **state) {
    (void)state;
    elements el;
    el_item item;
    ks_begin(w.ks);
    open_kind(&el, 0);
    put(&el, "f", slice_of(long_bytes, 2 * EL_PIECE));
    put(&el, "g", slice_of(long_bytes, LONG_LEN));
    assert_int_equal(el_end(&el), ENGINE_OK);
    uint64_t before = mem_used();
    for (int i = 0; i < 100; i++) {
        size_t len = i % 2 ? LONG_LEN : 2 * EL_PIECE;
        assert_int_equal(el_get(&el, 0, i % 2 ? SLICE("g") : SLICE("f"), &item), ENGINE_OK);
        assert_true(slice_eq(item.value, slice_of(long_bytes, len)));
    }
    assert_true(mem_used() < before + 10 * EL_PIECE);
    before = mem_used();
    for (int i = 0; i < 50; i++) { /* what is replaced need not be read */
        put(&el, "f", slice_of(long_bytes, 3));
        put(&el, "g", slice_of(long_bytes, 3));
    }
    assert_true(mem_used() < before + 10 * EL_PIECE);
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

/* Over a key of any type, and nothing over a key that holds something. */
static void replacing(void **state) {
    (void)state;
    elements el;
    world_put(&w, 0, "zset", "a string", 0);
    ks_begin(w.ks);
    open_kind(&el, 1);
    assert_true(el.exists && el.wrong_type);
    el_create(w.ks, 0, SLICE("zset"), &kinds[1], &el);
    char score[KEYENC_SCORE];
    put(&el, "m", keyenc_score(score, 2));
    assert_int_equal(el_end(&el), ENGINE_OK);
    open_kind(&el, 1);
    assert_true(el.exists && !el.wrong_type && el.packed);
    assert_int_equal(el_count(&el, 0), 1);
    el_create(w.ks, 0, SLICE("zset"), &kinds[1], &el);
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_true(el.deleted);
    el_create(w.ks, 0, SLICE("zset"), &kinds[1], &el);
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_false(el.deleted);
    ks_commit(w.ks);
    assert_false(world_has(&w, 0, "zset"));
}

/* A collection that was made in vain goes with its key, or with nothing. */
static void apart_and_gone(void **state) {
    (void)state;
    elements el;
    for (int stored = 0; stored < 2; stored++) {
        ks_begin(w.ks);
        open_kind(&el, 0);
        if (stored) {
            put(&el, "a", SLICE("b"));
            assert_int_equal(el_end(&el), ENGINE_OK);
            assert_int_equal(el_del(&el, 0, SLICE("a"), EL_UNKNOWN), ENGINE_OK);
        }
        put(&el, "f", slice_of(long_bytes, LONG_LEN));
        assert_int_equal(el_del(&el, 0, SLICE("f"), EL_UNKNOWN), ENGINE_OK);
        assert_int_equal(el_end(&el), ENGINE_OK);
        assert_int_equal(el.deleted, stored);
        assert_false(el.exists);
        ks_commit(w.ks);
        assert_false(world_has(&w, 0, "hash"));
    }
    buf report = {0};
    assert_true(status_ok(engine_check(w.e, &report)));
    buf_free(&report);
}

/* Maps of the type's own: always apart. */
static void other_maps(void **state) {
    (void)state;
    elements el;
    el_item item;
    el_iter it;
    ks_begin(w.ks);
    open_kind(&el, 3);
    put(&el, "1-1", SLICE("v"));
    assert_true(el.packed);
    assert_int_equal(el_get(&el, 2, SLICE("g"), &item), ENGINE_ABSENT);
    assert_int_equal(el_first(&el, 2, &it), ENGINE_ABSENT);
    assert_int_equal(el_del(&el, 2, SLICE("g"), EL_UNKNOWN), ENGINE_ABSENT);
    assert_int_equal(el_put(&el, 2, SLICE("g"), SLICE("group"), 0, EL_UNKNOWN), ENGINE_OK);
    assert_false(el.packed);
    assert_int_equal(el_end(&el), ENGINE_OK);
    open_kind(&el, 3);
    assert_int_equal(el_count(&el, 0), 1);
    assert_int_equal(el_count(&el, 2), 1);
    assert_int_equal(el_get(&el, 2, SLICE("g"), &item), ENGINE_OK);
    assert_true(slice_eq(item.value, SLICE("group")));
    assert_int_equal(el_get(&el, 0, SLICE("1-1"), &item), ENGINE_OK);
    assert_int_equal(el_del(&el, 0, SLICE("1-1"), &item), ENGINE_OK);
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_false(el.deleted); /* it lives empty */
    ks_commit(w.ks);
    assert_true(world_has(&w, 0, "stream"));
}

/* Random members are all met. */
static void random_reaches_all(void **state) {
    (void)state;
    elements el;
    bool met[200] = {false};
    char name[16];
    ks_begin(w.ks);
    open_kind(&el, 0);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%d", i);
        put(&el, name, SLICE(""));
    }
    for (int i = 0; i < 5000; i++) {
        el_iter it;
        assert_int_equal(el_random(&el, &it), ENGINE_OK);
        snprintf(name, sizeof name, "%.*s", (int)it.item.sub.len, it.item.sub.data);
        met[atoi(name)] = true;
    }
    int n = 0;
    for (int i = 0; i < 200; i++)
        n += met[i];
    assert_true(n > 195);
    assert_int_equal(el_end(&el), ENGINE_OK);
    ks_commit(w.ks);
}

/* The worked example of src/types/README.md. */
static void the_format(void **state) {
    (void)state;
    elements el;
    entry ent;
    ks_begin(w.ks);
    open_kind(&el, 0);
    put(&el, "name", SLICE("Ada"));
    assert_int_equal(el_put(&el, 0, SLICE("seen"), SLICE("1"), 1700000000000, NULL), ENGINE_OK);
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_int_equal(engine_get(w.e, 0, SLICE("hash"), &ent), ENGINE_OK);
    assert_readme_shows("src/types/README.md", ent.value.data, ent.value.len);
    el_set_header(&el, SLICE("hd"));
    el_set_wake(&el, 1700000000000);
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_int_equal(engine_get(w.e, 0, SLICE("hash"), &ent), ENGINE_OK);
    assert_int_equal(ent.hint & KS_WAKES, KS_WAKES);
    assert_readme_shows("src/types/README.md", ent.value.data, ent.value.len);
    put(&el, "long", slice_of(long_bytes, EL_PACKED_BYTES));
    assert_int_equal(el_end(&el), ENGINE_OK);
    assert_int_equal(engine_get(w.e, 0, SLICE("hash"), &ent), ENGINE_OK);
    assert_true(ent.coll != 0);
    assert_readme_shows("src/types/README.md", ent.value.data, ent.value.len);
    assert_int_equal(el_count(&el, ENGINE_DERIVED), 1);
    ks_commit(w.ks);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_WORLD(against_arrays),
        IN_WORLD(against_arrays_with_pending_reads_and_errors),
        IN_WORLD(against_arrays_with_long_values),
        IN_WORLD(scans_are_complete),
        IN_WORLD(long_values),
        IN_WORLD(long_subkeys),
        IN_WORLD(long_values_in_turn),
        IN_WORLD(replacing),
        IN_WORLD(apart_and_gone),
        IN_WORLD(other_maps),
        IN_WORLD(random_reaches_all),
        IN_WORLD(the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
