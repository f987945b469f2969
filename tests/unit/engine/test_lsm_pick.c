/* compact_pick: targets of levels, and which tables are taken: P1 to P5 of compact_pick.c, looked
 * at from outside over versions that are made up, and that it all comes to an end. */
#include "base/mem.h"
#include "engine/lsm/bounds.h"
#include "engine/lsm/compact_pick.h"
#include "support/unit.h"

#include <stdio.h>

#define MIB ((uint64_t)1 << 20)

static const pick_conf conf = {.base_bytes = 64 * MIB,
                               .job_bytes = 256 * MIB,
                               .table_size = 8 * MIB,
                               .level0_files = 4,
                               .ratio = 10};
static uint32_t numbers;

/* A table of keys lo .. hi, as five digits; there is no file. */
static table_ref *table_of(unsigned level, unsigned lo, unsigned hi, uint64_t length,
                           uint64_t entries, uint64_t tombstones) {
    table_ref *t = mem_zalloc(sizeof *t + 32);
    char *p = (char *)(t + 1);
    int n = snprintf(p, 16, "%05u", lo), m = snprintf(p + 16, 16, "%05u", hi + 1);
    assert_true(n > 0 && m > 0 && lo <= hi);
    t->number = ++numbers;
    t->recency = numbers;
    t->refs = 1;
    t->level = (uint8_t)level;
    t->length = length;
    t->plain = 2 * length;
    t->entries = entries;
    t->tombstones = tombstones;
    t->smallest = slice_of(p, (size_t)n);
    t->limit = slice_of(p + 16, (size_t)m);
    return t;
}

/* Adds a table to *v. */
static table_ref *add(version **v, unsigned level, unsigned lo, unsigned hi, uint64_t length,
                      uint64_t entries, uint64_t tombstones) {
    table_ref *t = table_of(level, lo, hi, length, entries, tombstones);
    version *old = *v;
    *v = version_after(old, &(version_change){.add = &t, .nadd = 1});
    version_release(old);
    return t;
}

/* ---- targets ----------------------------------------------------------------------------------
 */

static void test_plan(void **state) {
    (void)state;
    level_plan p;
    version *v = version_empty();
    pick_plan(v, &conf, &p);
    assert_int_equal(p.base, 6);
    assert_int_equal(p.bottom, 6);
    assert_true(pick_amplification(v) == 0 && pick_pending(v, &conf) == 0);
    /* a small store has one level */
    add(&v, 6, 0, 999, 60 * MIB, 1000, 0);
    pick_plan(v, &conf, &p);
    assert_int_equal(p.base, 6);
    assert_true(p.target[6] == 64 * MIB && p.score[6] == 0);
    assert_true(pick_amplification(v) == 1);
    /* ten thousand times the base: four levels above the last, each a tenth of the next */
    add(&v, 6, 1000, 9999, 600000 * MIB, 1000, 0);
    pick_plan(v, &conf, &p);
    assert_int_equal(p.base, 2);
    for (unsigned l = p.base; l < 6; l++)
        assert_true(p.target[l] == p.target[l + 1] / 10);
    assert_true(p.target[2] <= conf.base_bytes + MIB && p.target[2] * 10 > conf.base_bytes);
    /* what is above the base wants to go */
    add(&v, 1, 0, 10, MIB, 10, 0);
    pick_plan(v, &conf, &p);
    assert_true(p.score[1] >= 1 && pick_pending(v, &conf) >= MIB);
    version_release(v);
}

static void test_level0_score(void **state) {
    (void)state;
    level_plan p;
    pick out;
    version *v = version_empty();
    for (unsigned i = 0; i < 3; i++)
        add(&v, 0, 0, 999, MIB, 100, 0);
    pick_plan(v, &conf, &p);
    assert_true(p.score[0] == 0.75);
    assert_false(pick_next(v, &conf, NULL, 0, false, &out));
    add(&v, 0, 0, 999, MIB, 100, 0);
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_int_equal(out.from, 0);
    assert_int_equal(out.to, 6);
    assert_int_equal(out.n, 4);
    assert_false(out.move); /* they overlap */
    pick_free(&out);
    version_release(v);
}

/* P1: the oldest, as many as a job may take. */
static void test_oldest_first(void **state) {
    (void)state;
    pick out;
    version *v = version_empty();
    for (unsigned i = 0; i < 6; i++)
        add(&v, 0, 0, 999, 100 * MIB, 100, 0);
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_int_equal(out.n, 3); /* 300 MiB: the first with which the job is large enough */
    for (uint32_t i = 0; i < out.n; i++)
        assert_ptr_equal(out.in[i], v->level[0].tables[3 + i]);
    /* one of level 0 at a time */
    v->level[0].tables[5]->busy = true;
    pick_free(&out);
    assert_false(pick_next(v, &conf, NULL, 0, true, &out));
    version_release(v);
}

/* P4: what is above the base is not passed by. */
static void test_no_level_is_skipped(void **state) {
    (void)state;
    pick out;
    version *v = version_empty();
    add(&v, 6, 0, 9999, 60 * MIB, 100, 0);
    add(&v, 3, 500, 600, MIB, 100, 0);
    for (unsigned i = 0; i < 12; i++)
        add(&v, 0, 0, 9999, MIB, 100, 0);
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_int_equal(out.from, 0);
    assert_int_equal(out.to, 3);
    assert_int_equal(out.n, 13);
    pick_free(&out);
    version_release(v);
}

static void test_moves(void **state) {
    (void)state;
    pick out;
    version *v = version_empty();
    /* disjoint, and large enough to stand alone */
    for (unsigned i = 0; i < 4; i++)
        add(&v, 0, i * 10, i * 10 + 9, 8 * MIB, 100, 0);
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_true(out.move && out.n == 4);
    pick_free(&out);
    /* a tombstone that hides nothing: a rewrite gets rid of it */
    v->level[0].tables[2]->tombstones = 1;
    v->level[0].tombstones = 1;
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_false(out.move);
    pick_free(&out);
    version_release(v);
}

/* Small tables beside one another become one. */
static void test_neighbours(void **state) {
    (void)state;
    pick out;
    version *v = version_empty();
    table_ref *small = add(&v, 6, 0, 9, 1000, 10, 0);
    add(&v, 0, 20, 29, 1000, 10, 0);
    assert_true(pick_next(v, &conf, NULL, 0, true, &out));
    assert_true(!out.move && out.n == 2 && out.in[1] == small);
    pick_free(&out);
    version_release(v);
}

static void test_tombstones(void **state) {
    (void)state;
    pick out;
    version *v = version_empty();
    for (unsigned i = 0; i < 10; i++)
        add(&v, 6, i * 100, i * 100 + 99, 60 * MIB, 1000, 0);
    add(&v, 5, 0, 99, 8 * MIB, 1000, 400);
    assert_false(pick_next(v, &conf, NULL, 0, false, &out)); /* some are no reason */
    table_ref *full = add(&v, 5, 300, 399, MIB, 1000, 500);
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_true(out.why == PICK_TOMBSTONES && out.in[0] == full && out.n == 2);
    pick_free(&out);
    full->busy = true;
    /* reads stumble over them again and again */
    v->level[5].tables[0]->skipped = 2000;
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_true(out.why == PICK_TOMBSTONES && out.in[0]->entries == 1000);
    pick_free(&out);
    version_release(v);
    /* the last level: rewritten where it is */
    v = version_empty();
    add(&v, 6, 0, 99, 60 * MIB, 1000, 600);
    assert_true(pick_next(v, &conf, NULL, 0, false, &out));
    assert_true(out.from == 6 && out.to == 6 && out.n == 1 && !out.move);
    pick_free(&out);
    version_release(v);
}

static void test_quiet(void **state) {
    (void)state;
    pick out;
    version *v = version_empty();
    add(&v, 6, 0, 999, 600 * MIB, 1000, 0);
    add(&v, 5, 0, 999, 50 * MIB, 1000, 0);
    assert_false(pick_next(v, &conf, NULL, 0, true, &out)); /* 1.08 */
    add(&v, 0, 0, 999, 20 * MIB, 1000, 0);
    assert_false(pick_next(v, &conf, NULL, 0, false, &out));
    assert_true(pick_next(v, &conf, NULL, 0, true, &out)); /* 1.12 */
    assert_true(out.why == PICK_QUIET && out.from == 0 && out.to == 5);
    pick_free(&out);
    version_release(v);
}

/* Level 0 waits for a table below: nothing else of that level is taken meanwhile. */
static void test_level0_is_waited_for(void **state) {
    (void)state;
    pick out;
    version *v = version_empty();
    for (unsigned i = 0; i < 10; i++)
        add(&v, 6, i * 100, i * 100 + 99, 60 * MIB, 1000, 0);
    for (unsigned i = 0; i < 20; i++)
        add(&v, 5, i * 50, i * 50 + 49, 8 * MIB, 1000, 0);
    for (unsigned i = 0; i < 20; i++)
        add(&v, 0, 0, 999, MIB, 100, 0);
    pick other = {.from = 5, .to = 6, .in = &v->level[5].tables[0], .n = 1, .nfrom = 1};
    other.smallest = other.in[0]->smallest;
    other.limit = other.in[0]->limit;
    pick *running[] = {&other};
    other.in[0]->busy = true;
    assert_false(pick_next(v, &conf, running, 1, false, &out));
    other.in[0]->busy = false;
    assert_true(pick_next(v, &conf, NULL, 0, false, &out) && out.from == 0);
    pick_free(&out);
    version_release(v);
}

/* With little room jobs are smaller: fewer tables of level 0, and if there is no room even for the
 * oldest with what it meets, the level below is emptied first. */
static void test_room(void **state) {
    (void)state;
    pick out;
    pick_conf c = conf;
    version *v = version_empty();
    for (unsigned i = 0; i < 10; i++)
        add(&v, 6, i * 100, i * 100 + 99, 60 * MIB, 1000, 0);
    for (unsigned i = 0; i < 8; i++)
        add(&v, 5, i * 100, i * 100 + 99, 4 * MIB, 1000, 0);
    for (unsigned i = 0; i < 8; i++)
        add(&v, 0, 0, 999, 8 * MIB, 1000, 0);
    assert_true(pick_next(v, &c, NULL, 0, false, &out));
    assert_true(out.nfrom == 8 && out.n == 16);
    pick_free(&out);
    c.room = 70 * MIB; /* half of them, and all of level 5 */
    assert_true(pick_next(v, &c, NULL, 0, false, &out));
    assert_true(out.from == 0 && out.nfrom == 4 && out.bytes == 64 * MIB);
    assert_ptr_equal(out.in[0], v->level[0].tables[4]);
    pick_free(&out);
    c.room = 40 * MIB; /* the oldest alone */
    assert_true(pick_next(v, &c, NULL, 0, false, &out));
    assert_true(out.from == 0 && out.nfrom == 1 && out.n == 9);
    pick_free(&out);
    c.room = 39 * MIB; /* nothing: a table of level 5 would need 64 */
    assert_false(pick_next(v, &c, NULL, 0, false, &out));
    c.tight = c.hopeful = true;
    assert_false(pick_next(v, &c, NULL, 0, true, &out));
    version_release(v);
}

/* Level 0 has no room: tables of the level below it go further down, until it has. */
static void test_room_is_made_below(void **state) {
    (void)state;
    pick out;
    pick_conf c = conf;
    version *v = version_empty();
    for (unsigned i = 0; i < 80; i++)
        add(&v, 6, i * 10, i * 10 + 9, 7 * MIB, 1000, 0);
    for (unsigned i = 0; i < 8; i++)
        add(&v, 5, i * 100, i * 100 + 99, 5 * MIB, 1000, 0);
    for (unsigned i = 0; i < 4; i++)
        add(&v, 0, 0, 999, 8 * MIB, 1000, 0);
    c.room = 47 * MIB;
    assert_false(pick_next(v, &c, NULL, 0, false, &out)); /* 48 or 75 */
    for (unsigned i = 0; i < 7; i++)
        add(&v, 6, 1000 + i * 10, 1009 + i * 10, 6 * MIB, 1000, 0);
    add(&v, 5, 1000, 1099, 5 * MIB, 1000, 0);
    assert_true(pick_next(v, &c, NULL, 0, false, &out)); /* 47 */
    assert_true(out.from == 5 && out.to == 6 && out.nfrom == 1 && out.n == 8);
    pick_free(&out);
    version_release(v);
}

/* Little room: whatever has tombstones goes down, and of what these hide it is hoped that nothing
 * is written. */
static void test_room_of_tombstones(void **state) {
    (void)state;
    pick out;
    pick_conf c = conf;
    version *v = version_empty();
    for (unsigned i = 0; i < 10; i++)
        add(&v, 6, i * 100, i * 100 + 99, 60 * MIB, 1000, 0);
    add(&v, 5, 0, 99, MIB, 600, 100);
    assert_false(pick_next(v, &c, NULL, 0, true, &out));
    c.tight = true;
    assert_true(pick_next(v, &c, NULL, 0, true, &out));
    assert_true(out.why == PICK_TOMBSTONES && out.from == 5 && out.n == 2);
    pick_free(&out);
    c.room = 55 * MIB; /* 1,400 entries would be written, of 1,600 in 61 MiB */
    assert_false(pick_next(v, &c, NULL, 0, true, &out));
    c.hopeful = true;
    assert_true(pick_next(v, &c, NULL, 0, true, &out));
    pick_free(&out);
    c.room = 50 * MIB;
    assert_false(pick_next(v, &c, NULL, 0, true, &out));
    version_release(v);
}

/* ---- all of it, at random
 * ------------------------------------------------------------------------
 */

/* A compaction that runs. */
typedef struct job {
    pick p;
} job;

typedef struct world {
    version *v;
    job jobs[3];
    uint32_t n;
    rng r;
    uint64_t moved_bytes;
    pick_conf conf;
} world;

/* P2, P3, P4 and the inputs' own order, by looking at every table. */
static void check_pick(const world *w, const pick *p) {
    assert_true(p->nfrom > 0 && p->nfrom <= p->n && p->to >= 1 && p->to < LSM_LEVELS);
    for (uint32_t i = 0; i < p->n; i++) {
        const table_ref *t = p->in[i];
        assert_false(t->busy);
        assert_int_equal(t->level, i < p->nfrom ? p->from : p->to);
        assert_true(slice_cmp(p->smallest, t->smallest) <= 0 && slice_cmp(t->limit, p->limit) <= 0);
    }
    if (w->conf.room && !p->move) assert_true(p->bytes <= w->conf.room); /* P5 */
    for (unsigned l = p->from + 1u; l < p->to; l++)
        assert_int_equal(w->v->level[l].n, 0);
    const version *v = w->v;
    for (uint32_t i = 0; i < v->level[p->to].n; i++) {
        const table_ref *t = v->level[p->to].tables[i];
        if (!bound_overlap(t->smallest, t->limit, p->smallest, p->limit)) continue;
        bool input = false;
        for (uint32_t k = 0; k < p->n; k++)
            input |= p->in[k] == t;
        assert_true(input);
    }
    if (p->from == 0) /* P1 */
        for (uint32_t i = 0; i < p->nfrom; i++)
            assert_ptr_equal(p->in[i], v->level[0].tables[v->level[0].n - p->nfrom + i]);
    for (uint32_t i = 0; i < w->n; i++) {
        const pick *r = &w->jobs[i].p;
        assert_false(r->to == p->to && bound_overlap(r->smallest, r->limit, p->smallest, p->limit));
    }
}

/* A number out of a bound's digits. */
static unsigned digits(slice s) {
    unsigned n = 0;
    for (size_t i = 0; i < s.len; i++)
        n = n * 10 + (unsigned)(s.data[i] - '0');
    return n;
}

/* Ends a job: outputs take the range of the inputs, with less in them. */
static void finish(world *w, uint32_t at) {
    pick *p = &w->jobs[at].p;
    uint32_t drop[512];
    uint8_t to[512];
    table_ref *outs[64];
    size_t nouts = 0;
    uint64_t bytes = 0, entries = 0, tombstones = 0;
    unsigned lo = digits(p->smallest), hi = digits(p->limit) - 1;
    assert_true(p->n <= 512);
    for (uint32_t i = 0; i < p->n; i++) {
        drop[i] = p->in[i]->number;
        to[i] = p->to;
        bytes += p->in[i]->length;
        entries += p->in[i]->entries;
        tombstones += p->in[i]->tombstones;
        p->in[i]->busy = false;
    }
    version_change c = {.drop = drop, .ndrop = p->n};
    if (p->move) {
        c = (version_change){.moved = drop, .moved_to = to, .nmoved = p->n};
    } else {
        bool last = !version_below_overlaps(w->v, p->to, p->smallest, p->limit);
        uint64_t gone = last ? tombstones : tombstones / 2;
        bytes = bytes - bytes / (entries + 1) * gone;
        entries = entries > gone ? entries - gone : 0;
        tombstones -= gone;
        w->moved_bytes += bytes;
        unsigned n = (unsigned)(bytes / conf.table_size) + 1;
        if (n > hi - lo + 1) n = hi - lo + 1;
        if (n > 64) n = 64;
        for (unsigned i = 0; i < n && entries > 0; i++) {
            unsigned a = lo + (hi - lo + 1) * i / n, b = lo + (hi - lo + 1) * (i + 1) / n - 1;
            outs[nouts++] = table_of(p->to, a, b, bytes / n + 1, entries / n + 1, tombstones / n);
            assert_true(outs[nouts - 1]->tombstones <= outs[nouts - 1]->entries);
        }
        c.add = outs;
        c.nadd = nouts;
    }
    version *old = w->v;
    w->v = version_after(old, &c);
    version_release(old);
    pick_free(p);
    w->jobs[at] = w->jobs[--w->n];
}

/* Starts what there is to start. */
static void start(world *w, bool quiet) {
    pick p, *running[3];
    while (w->n < 3) {
        for (uint32_t i = 0; i < w->n; i++)
            running[i] = &w->jobs[i].p;
        if (!pick_next(w->v, &w->conf, running, w->n, quiet, &p)) return;
        check_pick(w, &p);
        for (uint32_t i = 0; i < p.n; i++)
            p.in[i]->busy = true;
        w->jobs[w->n++].p = p;
    }
}

/* A store grows, and then nobody writes. */
static void grow_and_rest(world *w) {
    for (int round = 0; round < unit_rounds(600); round++) {
        unsigned lo = (unsigned)rng_below(&w->r, 9000), hi = lo + (unsigned)rng_below(&w->r, 1000);
        uint64_t entries = 1000, tombstones = rng_below(&w->r, 4) ? rng_below(&w->r, 300) : 900;
        add(&w->v, 0, rng_below(&w->r, 3) ? 0 : lo, rng_below(&w->r, 3) ? 9999 : hi,
            MIB + rng_below(&w->r, 16 * MIB), entries, tombstones);
        if (rng_below(&w->r, 3) == 0) start(w, rng_below(&w->r, 10) == 0);
        while (w->n > 0 && rng_below(&w->r, 3))
            finish(w, rng_below(&w->r, w->n));
    }
    /* nobody writes: it comes to an end, and little is above the last level */
    int steps = 0;
    for (start(w, true); w->n > 0; start(w, true)) {
        finish(w, rng_below(&w->r, w->n));
        assert_true(++steps < 2000);
    }
}

/* However little room jobs have, level 0 goes down: here about a twentieth of the store. */
static void test_random_with_little_room(void **state) {
    (void)state;
    world w = {.v = version_empty(), .conf = conf};
    unit_seed(&w.r);
    w.conf.room = 256 * MIB;
    w.conf.tight = true;
    grow_and_rest(&w);
    assert_int_equal(w.v->level[0].n, 0);
    version_release(w.v);
}

static void test_random(void **state) {
    (void)state;
    world w = {.v = version_empty(), .conf = conf};
    unit_seed(&w.r);
    grow_and_rest(&w);
    assert_true(pick_amplification(w.v) <= 1.1);
    /* all down: one level is left */
    pick_asked a = {.on = true, .last = numbers};
    pick p;
    int steps = 0;
    while (pick_step(w.v, &conf, NULL, 0, &a, numbers, &p)) {
        check_pick(&w, &p);
        for (uint32_t i = 0; i < p.n; i++)
            p.in[i]->busy = true;
        w.jobs[w.n++].p = p;
        finish(&w, 0);
        assert_true(++steps < 2000);
    }
    assert_false(a.on);
    for (unsigned l = 0; l + 1 < LSM_LEVELS; l++)
        assert_int_equal(w.v->level[l].n, 0);
    assert_int_equal(w.v->level[6].tombstones, 0);
    version_release(w.v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_level0_score),
        cmocka_unit_test(test_oldest_first),
        cmocka_unit_test(test_no_level_is_skipped),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_tombstones),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_level0_is_waited_for),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_room_is_made_below),
        cmocka_unit_test(test_room_of_tombstones),
        cmocka_unit_test(test_random_with_little_room),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
