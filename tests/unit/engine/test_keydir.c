/* Tests of the keydir: random batches, committed and undone, against an array of what must be
 * there, with tokens as they are, with tokens that collide, and in cluster mode; the shape of the
 * trie; what it costs. */
#include "engine/bitcask/keydir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "support/unit.h"

#define KEYS    6000
#define KEY_MAX 70000

/* What the model knows of one key. */
typedef struct model_key {
    bool in;
    arena_ref ref;
    kdent e; /* without key and value */
    uint32_t value_len;
} model_key;

typedef struct model {
    keydir_shared s;
    keydir *k;
    model_key keys[KEYS];
    uint64_t tokens[KEYS];
    keydir_spot spots[KEYS];
    uint64_t count, expires, found; /* found: by their spots */
    rng r;
} model;

static char key_bytes[KEY_MAX], value_bytes[2000];

/* The key of that number: most short, some long enough for every kind of object in the arena. */
static slice key_of(unsigned i) {
    size_t len;
    if (i == 1) return SLICE_EMPTY;
    len = (size_t)snprintf(key_bytes, 40, "key:%u", i * 7919u);
    if (i % 5 == 2) len += i % 200;
    if (i % 500 == 3) len += i * 11;
    CHECK(len <= KEY_MAX);
    for (size_t n = strlen(key_bytes); n < len; n++)
        key_bytes[n] = (char)('a' + n % 26);
    return slice_of(key_bytes, len);
}

/* Slots of which most keys have one, as with hash tags. */
static uint16_t crowded_slot(slice key) {
    unsigned sum = 0;
    for (size_t i = 0; i < key.len && i < 40; i++)
        sum = sum * 31 + (unsigned char)key.data[i];
    return sum % 4 ? 12345 : (uint16_t)(sum % 16384);
}

static kdent random_entry(rng *r) {
    kdent e = {
        .segment = (uint16_t)rng_next(r),
        .type = (uint8_t)rng_below(r, 16),
        .hint = (uint8_t)rng_below(r, 16),
        .own = (uint8_t)rng_below(r, 16),
        .offset = (uint32_t)rng_next(r),
        .access = (uint32_t)rng_below(r, 1 << 24),
        .size = (uint32_t)(rng_next(r) >> (43 + rng_below(r, 20))),
    };
    if (rng_below(r, 3) == 0) e.expire = 1 + (int64_t)(rng_next(r) >> (1 + rng_below(r, 62)));
    if (rng_below(r, 10) == 0) e.coll = 1 + (rng_next(r) >> (1 + rng_below(r, 62)));
    e.has_value = rng_below(r, 3) == 0;
    return e;
}

static void assert_entry(const model *m, unsigned i) {
    const model_key *want = &m->keys[i];
    kdent got;
    kdent_decode(keydir_at(&m->s, want->ref), &got);
    assert_true(slice_eq(got.key, key_of(i)));
    assert_true(slice_eq(kdent_key(keydir_at(&m->s, want->ref)), got.key));
    assert_int_equal(got.segment, want->e.segment);
    assert_int_equal(got.offset, want->e.offset);
    assert_int_equal(got.type, want->e.type);
    assert_int_equal(got.hint, want->e.hint);
    assert_int_equal(got.own, want->e.own);
    assert_int_equal(got.access, want->e.access);
    assert_int_equal(got.size, want->e.size);
    assert_true(got.expire == want->e.expire && got.coll == want->e.coll);
    assert_int_equal(got.has_value, want->e.has_value);
    assert_int_equal(got.value.len, want->value_len);
    if (got.value.len) assert_memory_equal(got.value.data, value_bytes, got.value.len);
}

/* ---- batches ----------------------------------------------------------------------------------
 */

/* One change of a batch, with what the model held before. */
typedef struct change {
    unsigned key;
    arena_ref old, new_ref;
    model_key before;
} change;

static void set_model(model *m, unsigned i, const model_key *now) {
    model_key *k = &m->keys[i];
    m->count += (uint64_t)now->in - (uint64_t)k->in;
    m->expires += (uint64_t)(now->in && now->e.expire) - (uint64_t)(k->in && k->e.expire);
    *k = *now;
}

static void change_put(model *m, unsigned i, change *c) {
    model_key now = {.in = true, .e = random_entry(&m->r)};
    if (now.e.has_value) now.value_len = (uint32_t)rng_below(&m->r, 100);
    kdent e = now.e;
    e.key = key_of(i);
    e.value = slice_of(value_bytes, now.value_len);
    const keydir_spot *near = rng_below(&m->r, 4) ? &m->spots[i] : NULL; /* some old, some new */
    now.ref = c->new_ref = keydir_put_at(m->k, m->tokens[i], near, &e, &c->old);
    assert_int_not_equal(c->new_ref, ARENA_NONE);
    assert_int_equal(c->old, m->keys[i].ref);
    set_model(m, i, &now);
}

static void change_remove(model *m, unsigned i, change *c) {
    model_key now = {0};
    c->old = keydir_remove(m->k, m->tokens[i], key_of(i));
    c->new_ref = ARENA_NONE;
    assert_int_equal(c->old, m->keys[i].ref);
    set_model(m, i, &now);
}

/* A batch of a few changes, often of the same keys; undone one time in three. */
static void batch(model *m, unsigned puts_of_ten) {
    change changes[12];
    unsigned n = 0, want = (unsigned)(1 + rng_below(&m->r, 12)), near;
    near = (unsigned)rng_below(&m->r, KEYS);
    for (unsigned i = 0; i < want; i++) {
        change *c = &changes[n];
        c->key = rng_below(&m->r, 3) ? (unsigned)rng_below(&m->r, KEYS) : near;
        c->before = m->keys[c->key];
        if (rng_below(&m->r, 10) < puts_of_ten)
            change_put(m, c->key, c);
        else
            change_remove(m, c->key, c);
        if (c->old || c->new_ref) n++;
    }
    bool undo = rng_below(&m->r, 3) == 0;
    while (n-- > 0) {
        change *c = &changes[n];
        if (undo) {
            keydir_undo(m->k, c->old, c->new_ref);
            set_model(m, c->key, &c->before);
        } else if (c->old) {
            keydir_free_entry(m->k, c->old);
        }
    }
    assert_int_equal(keydir_count(m->k), m->count);
    assert_int_equal(keydir_expires(m->k), m->expires);
}

/* ---- single operations ------------------------------------------------------------------------
 */

static void look(model *m) {
    unsigned i = (unsigned)rng_below(&m->r, KEYS);
    model_key *k = &m->keys[i];
    arena_ref got = keydir_find(m->k, m->tokens[i], key_of(i));
    assert_int_equal(got, k->ref);
    if (!k->in) return;
    assert_entry(m, i);
    got = keydir_find_place(m->k, m->tokens[i], k->e.segment, k->e.offset);
    assert_int_equal(got, k->ref);
    got = keydir_find_place(m->k, m->tokens[i], k->e.segment, k->e.offset + 1);
    assert_int_equal(got, ARENA_NONE);
}

/* Some keys are brought near; what their spots say later is right, or nothing. */
static void look_at_spots(model *m) {
    for (unsigned step = 0; step < KEYDIR_STEPS; step++) {
        unsigned i = (unsigned)rng_below(&m->r, KEYS);
        keydir_prefetch(m->k, m->tokens[i], step, &m->spots[i]);
        arena_ref now = keydir_find_at(m->k, &m->spots[i], key_of(i));
        if (step == KEYDIR_STEPS - 1) m->found += now != ARENA_NONE;
        unsigned then = (unsigned)rng_below(&m->r, KEYS);
        arena_ref old = keydir_find_at(m->k, &m->spots[then], key_of(then));
        assert_true(now == ARENA_NONE || now == m->keys[i].ref);
        assert_true(old == ARENA_NONE || old == m->keys[then].ref);
    }
}

static void adjust(model *m) {
    unsigned i = (unsigned)rng_below(&m->r, KEYS);
    model_key *k = &m->keys[i];
    if (!k->in) return;
    if (rng_below(&m->r, 2)) {
        k->e.access = (uint32_t)rng_below(&m->r, 1 << 24);
        kdent_set_access(keydir_at(&m->s, k->ref), k->e.access);
    } else {
        uint32_t size = (uint32_t)(rng_next(&m->r) >> (43 + rng_below(&m->r, 20)));
        bool in_place = size <= k->e.size; /* then the bytes of the old size do */
        k->e.segment = (uint16_t)rng_next(&m->r);
        k->e.offset = (uint32_t)rng_next(&m->r);
        k->e.size = size;
        arena_ref now = keydir_moved(m->k, k->ref, k->e.segment, k->e.offset, size);
        if (in_place) assert_int_equal(now, k->ref);
        k->ref = now;
    }
    assert_entry(m, i);
}

/* ---- the whole --------------------------------------------------------------------------------
 */

typedef struct scanning {
    model *m;
    uint64_t seen, calls;
    bool marks[KEYS];
} scanning;

static unsigned number_of(const model *m, arena_ref r) {
    for (unsigned i = 0; i < KEYS; i++)
        if (m->keys[i].ref == r) return i;
    fail_msg("a reference that no key has");
    return 0;
}

static void see(void *ctx, arena_ref r) {
    scanning *s = ctx;
    unsigned i = number_of(s->m, r);
    assert_false(s->marks[i]);
    s->marks[i] = true;
    s->seen++;
}

/* Scans with calls of random size: every entry once, no token in two calls. */
static void assert_scan(model *m) {
    scanning *s = mem_zalloc(sizeof *s);
    s->m = m;
    uint64_t from = 0;
    do {
        size_t want = 1 + rng_below(&m->r, 500);
        uint64_t seen = s->seen;
        uint64_t next = keydir_scan(m->k, from, want, see, s);
        assert_true(next == 0 || (next > from && s->seen - seen >= want));
        from = next;
    } while (from);
    assert_int_equal(s->seen, m->count);
    mem_free(s);
}

/* Walks from a random token to the end. */
static void assert_walk(model *m) {
    unsigned bits = m->s.slot_of ? TOKEN_BITS : TOKEN_HASH_BITS;
    uint64_t from = rng_below(&m->r, 3) ? rng_below(&m->r, (uint64_t)1 << bits) : 0;
    uint64_t want = 0, got = 0, last = from, token;
    slice last_key = SLICE_EMPTY;
    for (unsigned i = 0; i < KEYS; i++)
        want += m->keys[i].in && m->tokens[i] >= from;
    keydir_iter it;
    keydir_seek(m->k, from, &it);
    for (arena_ref r; (r = keydir_next(&it, &token)) != ARENA_NONE; got++) {
        slice key = kdent_key(keydir_at(&m->s, r));
        assert_int_equal(token, keydir_token(&m->s, key));
        assert_true(token > last || (token == last && (!got || slice_cmp(last_key, key) < 0)));
        last = token;
        last_key = key;
    }
    assert_int_equal(got, want);
}

static void run_model(model *m) {
    unit_seed(&m->r);
    memset(value_bytes, 'v', sizeof value_bytes);
    uint64_t before = mem_used();
    m->s.arena = arena_new(1u << 30);
    m->s.hash = (hash_key){rng_next(&m->r), rng_next(&m->r)};
    m->k = keydir_new(&m->s);
    for (unsigned i = 0; i < KEYS; i++)
        m->tokens[i] = keydir_token(&m->s, key_of(i));
    int rounds = unit_rounds(12000);
    for (int i = 0; i < rounds; i++) {
        unsigned phase = (unsigned)(i * 8 / rounds); /* filling and emptying in turn */
        batch(m, phase % 2 ? 2 : 8);
        look(m);
        look_at_spots(m);
        adjust(m);
        arena_ref r = keydir_random(m->k, &m->r);
        if (m->count)
            assert_true(m->keys[number_of(m, r)].in);
        else
            assert_int_equal(r, ARENA_NONE);
        if (i % (rounds / 40) != 0) continue;
        keydir_check(m->k);
        assert_scan(m);
        assert_walk(m);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        arena_ref r = keydir_remove(m->k, m->tokens[i], key_of(i));
        assert_int_equal(r, m->keys[i].ref);
        if (r) keydir_free_entry(m->k, r);
        if (i == KEYS / 2) keydir_check(m->k);
    }
    assert_int_equal(keydir_count(m->k), 0);
    assert_int_equal(keydir_bytes(m->k), 0);
    keydir_check(m->k);
    keydir_free(m->k);
    arena_free(m->s.arena);
    assert_int_equal(mem_used(), before);
}

static void test_model(void **state) {
    (void)state;
    model *m = calloc(1, sizeof *m);
    run_model(m);
    assert_true(m->found > 0); /* where hundreds of keys share a token none may be */
    free(m);
}

/* Three, then eleven bits that count: hundreds and a few keys of one token. */
static void test_collisions(void **state) {
    (void)state;
    static const uint64_t masks[] = {0x4000800001, 0x5400a10407};
    for (int i = 0; i < 2; i++) {
        model *m = calloc(1, sizeof *m);
        m->s.token_mask = masks[i];
        run_model(m);
        free(m);
    }
}

static void test_cluster(void **state) {
    (void)state;
    model *m = calloc(1, sizeof *m);
    m->s.slot_of = crowded_slot;
    run_model(m);
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
