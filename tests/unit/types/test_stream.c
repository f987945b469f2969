/* Streams against a naive model: arrays of entries, groups and pending entries. Whatever is done,
 * with reads that are pending and calls that fail, both hold the same. */
#include "types/stream_group.h"

#include "base/log.h"
#include "support/readme.h"
#include "support/unit.h"
#include "support/world.h"
#include "types/limits.h"

#include <stdio.h>

#define ENTRIES   700
#define GROUPS    3
#define CONSUMERS 4
#define TEXT      400 /* bytes of a value */

static world w;
static const slice key = {"s", 1};
static const char *const group_names[GROUPS] = {"", "g", "gg"};
static const char *const consumer_names[CONSUMERS] = {"", "a", "ab", "b"};

/* ---- the model ----------------------------------------------------------------------------------
 */

typedef struct m_entry {
    stream_id id;
    unsigned fields;
    size_t text; /* bytes of each value */
} m_entry;

typedef struct m_pending {
    stream_id id;
    int consumer;
    int64_t time;
    uint64_t deliveries;
} m_pending;

typedef struct m_group {
    bool exists, consumers[CONSUMERS];
    stream_id last;
    int64_t read;
    size_t n;
    m_pending pending[ENTRIES];
} m_group;

static struct {
    bool exists;
    stream_id last, max_deleted;
    uint64_t added;
    size_t n;
    m_entry entries[ENTRIES];
    m_group groups[GROUPS];
} m;

static int open_world(void **state) {
    (void)state;
    world_open(&w, 5, false);
    memset(&m, 0, sizeof m);
    return 0;
}

static int close_world(void **state) {
    (void)state;
    world_close(&w);
    types_limit.stream_entries = 100;
    types_limit.stream_bytes = 4096;
    return 0;
}

/* Where an ID is among the model's pending ones, which are sorted; n if it is not. */
static size_t find_pending(const m_group *g, stream_id id) {
    for (size_t i = 0; i < g->n; i++)
        if (stream_id_cmp(g->pending[i].id, id) == 0) return i;
    return g->n;
}

static void insert_pending(m_group *g, m_pending p) {
    size_t at = g->n;
    assert_true(g->n < ENTRIES);
    for (; at > 0 && stream_id_cmp(g->pending[at - 1].id, p.id) > 0; at--)
        g->pending[at] = g->pending[at - 1];
    g->pending[at] = p;
    g->n++;
}

static void remove_pending(m_group *g, size_t at) {
    memmove(&g->pending[at], &g->pending[at + 1], (g->n - at - 1) * sizeof g->pending[0]);
    g->n--;
}

static void remove_entries(size_t at, size_t n) {
    memmove(&m.entries[at], &m.entries[at + n], (m.n - at - n) * sizeof m.entries[0]);
    m.n -= n;
}

/* The same bytes for the same entry. */
static slice text_of(const m_entry *e, unsigned i) {
    static char bytes[8][TEXT];
    for (size_t j = 0; j < e->text; j++)
        bytes[i][j] = (char)(e->id.ms * 7 + e->id.seq + i + j);
    return slice_of(bytes[i], e->text);
}

/* ---- operations ---------------------------------------------------------------------------------
 */

/* One change; what it needs, and what it found. */
typedef struct op {
    engine_result (*run)(stream *s, struct op *o);
    m_entry entry;
    stream_trim trim;
    stream_id id, max;
    uint64_t n;
    int64_t time, read;
    int group, consumer;
    bool found;
} op;

static engine_result run_add(stream *s, op *o) {
    slice pairs[8];
    static const char *const names[] = {"one", "two", "three", "4"};
    for (unsigned i = 0; i < o->entry.fields; i++) {
        pairs[2 * i] = slice_cstr(names[i]);
        pairs[2 * i + 1] = text_of(&o->entry, i);
    }
    return stream_add(s, o->entry.id, pairs, o->entry.fields * 2);
}

/* The entry of the README. */
static engine_result run_one(stream *s, op *o) {
    const slice pairs[] = {SLICE("a"), SLICE("1")};
    (void)o;
    return stream_add(s, (stream_id){1, 1}, pairs, 2);
}

static engine_result run_del(stream *s, op *o) {
    engine_result r = stream_del(s, o->id);
    o->found = r == ENGINE_OK;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result run_cut(stream *s, op *o) {
    return stream_cut(s, &o->trim, &o->n);
}

static engine_result run_state(stream *s, op *o) {
    stream_set_state(s, o->id, o->n, o->max);
    return ENGINE_OK;
}

static engine_result run_group(stream *s, op *o) {
    stream_group g;
    slice name = slice_cstr(group_names[o->group]);
    engine_result r = stream_group_create(s, name, o->id, o->read, &g);
    o->found = r == ENGINE_ABSENT;
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* The group of the operation; the test knows that it is there. */
static engine_result open_group(stream *s, const op *o, stream_group *g) {
    engine_result r = stream_group_open(s, slice_cstr(group_names[o->group]), g);
    assert_int_not_equal(r, ENGINE_ABSENT);
    return r;
}

static engine_result run_drop_group(stream *s, op *o) {
    stream_group g;
    engine_result r = open_group(s, o, &g);
    return r == ENGINE_OK ? stream_group_drop(s, &g) : r;
}

/* The consumer, made if it is not there. */
static engine_result need_consumer(stream *s, const op *o, stream_group *g, stream_consumer **c) {
    slice name = slice_cstr(consumer_names[o->consumer]);
    engine_result r = stream_consumer_open(s, g, name, c);
    return r == ENGINE_ABSENT ? stream_consumer_create(s, g, name, o->time, c) : r;
}

static engine_result run_deliver(stream *s, op *o) {
    stream_group g;
    stream_pending was, p = {.id = o->id, .time = o->time, .deliveries = o->n};
    engine_result r = open_group(s, o, &g);
    if (r == ENGINE_OK) r = need_consumer(s, o, &g, &p.consumer);
    if (r != ENGINE_OK) return r;
    r = stream_pending_get(s, &g, o->id, &was);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    o->found = r == ENGINE_OK;
    r = stream_pending_put(s, &g, &p, o->found ? &was : NULL);
    return r == ENGINE_OK ? stream_group_end(s, &g) : r;
}

static engine_result run_ack(stream *s, op *o) {
    stream_group g;
    stream_pending p;
    engine_result r = open_group(s, o, &g);
    if (r == ENGINE_OK) r = stream_pending_get(s, &g, o->id, &p);
    o->found = r == ENGINE_OK;
    if (r == ENGINE_OK) r = stream_pending_del(s, &g, &p);
    if (r == ENGINE_OK) r = stream_group_end(s, &g);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result run_drop_consumer(stream *s, op *o) {
    stream_group g;
    stream_consumer *c;
    engine_result r = open_group(s, o, &g);
    if (r == ENGINE_OK)
        r = stream_consumer_open(s, &g, slice_cstr(consumer_names[o->consumer]), &c);
    o->found = r == ENGINE_OK;
    if (r == ENGINE_OK) {
        o->n = c->pending;
        r = stream_consumer_drop(s, &g, c);
    }
    if (r == ENGINE_OK) r = stream_group_end(s, &g);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

static engine_result in_stream(op *o) {
    stream s;
    engine_result r = el_open(w.ks, 0, key, &stream_type, KS_WRITE, &s.el);
    if (r == ENGINE_OK) r = stream_load(&s);
    if (r == ENGINE_OK) r = o->run(&s, o);
    return r == ENGINE_OK ? stream_end(&s) : r;
}

/* In a batch of its own, again until it comes to its end. */
static void perform(op *o) {
    for (int tries = 0;; tries++) {
        assert_true(tries < 10000);
        op attempt = *o;
        ks_begin(w.ks);
        if (in_stream(&attempt) == ENGINE_OK) {
            ks_commit(w.ks);
            *o = attempt;
            return;
        }
        ks_abort(w.ks);
    }
}

/* ---- the same? ----------------------------------------------------------------------------------
 */

static void same_id(stream_id a, stream_id b) {
    assert_true(stream_id_cmp(a, b) == 0);
}

#define FINE(expr)                                                                                 \
    do {                                                                                           \
        engine_result fine_ = (expr);                                                              \
        if (fine_ != ENGINE_OK) return fine_;                                                      \
    } while (0)
/* The end of a walk. */
#define ENDED(expr)                                                                                \
    do {                                                                                           \
        engine_result ended_ = (expr);                                                             \
        if (ended_ != ENGINE_ABSENT) return ended_;                                                \
    } while (0)

static void same_entry(stream_entry e, const m_entry *want) {
    slice field, value;
    same_id(e.id, want->id);
    assert_int_equal(e.fields, want->fields);
    for (unsigned i = 0; i < want->fields; i++) {
        assert_true(stream_entry_next(&e, &field, &value));
        assert_true(field.len >= 1 && slice_eq(value, text_of(want, i)));
    }
    assert_false(stream_entry_next(&e, &field, &value));
}

static engine_result same_entries(stream *s, bool backward) {
    stream_walk walk;
    size_t i = 0;
    stream_id a = backward ? STREAM_ID_MAX : STREAM_ID_ZERO;
    stream_id b = backward ? STREAM_ID_ZERO : STREAM_ID_MAX;
    engine_result r = stream_walk_begin(s, a, b, backward, &walk);
    for (; r == ENGINE_OK; r = stream_walk_next(&walk), i++) {
        assert_true(i < m.n);
        same_entry(walk.at, &m.entries[backward ? m.n - 1 - i : i]);
    }
    ENDED(r);
    assert_int_equal(i, m.n);
    return ENGINE_OK;
}

static void same_pending(const stream_pending *p, const m_pending *want) {
    same_id(p->id, want->id);
    assert_true(slice_eq(p->consumer->name, slice_cstr(consumer_names[want->consumer])));
    assert_true(p->time == want->time && p->deliveries == want->deliveries);
}

/* What is pending, of all and of each consumer, and the consumers. */
static engine_result same_group(stream *s, stream_group *g, const m_group *want) {
    stream_pending_walk walk;
    stream_consumer *c = NULL;
    stream_id last;
    size_t n = 0, consumers = 0;
    engine_result r = stream_pending_begin(s, g, NULL, STREAM_ID_ZERO, &walk);
    for (; r == ENGINE_OK; r = stream_pending_next(&walk)) {
        assert_true(n < want->n);
        same_pending(&walk.at, &want->pending[n++]);
    }
    ENDED(r);
    assert_int_equal(n, want->n);
    assert_int_equal(g->pending, want->n);
    r = stream_pending_last(s, g, &last);
    if (n == 0) {
        ENDED(r);
    } else {
        FINE(r);
        same_id(last, want->pending[n - 1].id);
    }
    for (int i = 0; i < CONSUMERS; i++) {
        if (!want->consumers[i]) continue;
        slice before = c ? c->name : SLICE_EMPTY;
        FINE(stream_consumer_next(s, g, c ? &before : NULL, &c));
        assert_true(slice_eq(c->name, slice_cstr(consumer_names[i])));
        consumers++;
        size_t own = 0, at = 0;
        r = stream_pending_begin(s, g, c, STREAM_ID_ZERO, &walk);
        for (; r == ENGINE_OK; r = stream_pending_next(&walk), own++) {
            while (at < want->n && want->pending[at].consumer != i)
                at++;
            assert_true(at < want->n);
            same_id(walk.at.id, want->pending[at++].id);
        }
        ENDED(r);
        assert_int_equal(own, c->pending);
        while (at < want->n)
            assert_int_not_equal(want->pending[at++].consumer, i);
    }
    assert_int_equal(g->consumers, consumers);
    slice before = c ? c->name : SLICE_EMPTY;
    ENDED(stream_consumer_next(s, g, c ? &before : NULL, &c));
    return ENGINE_OK;
}

static engine_result same_groups(stream *s) {
    stream_group g;
    slice before = SLICE_EMPTY;
    uint64_t n = 0, count;
    for (int i = 0; i < GROUPS; i++) {
        const m_group *want = &m.groups[i];
        if (!want->exists) continue;
        FINE(stream_group_next(s, n ? &before : NULL, &g));
        assert_true(slice_eq(g.name, slice_cstr(group_names[i])));
        same_id(g.last_id, want->last);
        assert_true(g.entries_read == want->read);
        before = g.name;
        n++;
        FINE(same_group(s, &g, want));
    }
    ENDED(stream_group_next(s, n ? &before : NULL, &g));
    FINE(stream_group_count(s, &count));
    assert_int_equal(count, n);
    return ENGINE_OK;
}

static engine_result compare(void) {
    stream s;
    stream_id first;
    FINE(el_open(w.ks, 0, key, &stream_type, 0, &s.el));
    FINE(stream_load(&s));
    assert_int_equal(s.el.exists, m.exists);
    assert_int_equal(stream_length(&s), m.n);
    same_id(s.last_id, m.last);
    same_id(s.max_deleted, m.max_deleted);
    assert_int_equal(s.added, m.added);
    FINE(stream_first(&s, &first));
    same_id(first, m.n ? m.entries[0].id : STREAM_ID_ZERO);
    same_id(stream_newest(&s), m.n ? m.entries[m.n - 1].id : STREAM_ID_ZERO);
    FINE(same_entries(&s, false));
    FINE(same_entries(&s, true));
    return same_groups(&s);
}

static void assert_same(void) {
    engine_result r = ENGINE_PENDING;
    for (int tries = 0; r != ENGINE_OK; tries++) {
        assert_true(tries < 100000);
        ks_begin(w.ks);
        r = compare();
        ks_commit(w.ks);
    }
}

/* ---- the random walk ----------------------------------------------------------------------------
 */

static stream_id some_id(rng *r) {
    if (m.n && rng_below(r, 8)) return m.entries[rng_below(r, m.n)].id;
    return (stream_id){rng_below(r, m.last.ms + 3), rng_below(r, 3)};
}

static void step_add(rng *r, bool tiny) {
    if (m.n == ENTRIES) return;
    op o = {.run = run_add};
    o.entry.id = m.last;
    if (rng_below(r, 3) == 0) o.entry.id.seq++;
    if (stream_id_cmp(o.entry.id, m.last) <= 0)
        o.entry.id = (stream_id){m.last.ms + 1 + rng_below(r, 3), rng_below(r, 2)};
    o.entry.fields = 1 + (unsigned)rng_below(r, 4);
    o.entry.text = rng_below(r, tiny ? 4 : rng_below(r, 10) ? 30 : TEXT);
    perform(&o);
    m.entries[m.n++] = o.entry;
    m.last = o.entry.id;
    m.added++;
    m.exists = true;
}

static void step_del(rng *r) {
    op o = {.run = run_del, .id = some_id(r)};
    size_t i = 0;
    if (m.n && rng_below(r, 4) == 0) o.id = m.entries[m.n - 1].id;
    perform(&o);
    while (i < m.n && stream_id_cmp(m.entries[i].id, o.id) != 0)
        i++;
    assert_int_equal(o.found, i < m.n);
    if (!o.found) return;
    remove_entries(i, 1);
    if (stream_id_cmp(o.id, m.max_deleted) > 0) m.max_deleted = o.id;
}

/* How many entries may go, at most, by what is asked. */
static size_t may_go(const stream_trim *t) {
    size_t n = 0;
    if (!t->by_id) return m.n > t->length ? m.n - (size_t)t->length : 0;
    while (n < m.n && stream_id_cmp(m.entries[n].id, t->min) < 0)
        n++;
    return n;
}

static void step_cut(rng *r) {
    op o = {.run = run_cut};
    o.trim = (stream_trim){.by_id = rng_below(r, 2), .nodes = rng_below(r, 2), .min = some_id(r)};
    o.trim.length = rng_below(r, 4) ? m.n - rng_below(r, m.n + 1) / 4 : rng_below(r, m.n + 2);
    if (o.trim.nodes && rng_below(r, 2)) o.trim.limit = 1 + rng_below(r, 300);
    perform(&o);
    size_t may = may_go(&o.trim), node = (size_t)types_limit.stream_entries;
    assert_true(o.n <= may);
    if (!o.trim.nodes) assert_int_equal(o.n, may);
    if (o.trim.nodes && !o.trim.limit) assert_true(may - o.n < node);
    if (o.trim.limit) assert_true(o.n <= o.trim.limit);
    remove_entries(0, (size_t)o.n);
}

static void step_state(rng *r) {
    op o = {.run = run_state, .id = m.last, .max = m.max_deleted, .n = m.n + rng_below(r, 20)};
    o.id.ms += rng_below(r, 3);
    if (m.n && rng_below(r, 3) == 0) o.id = m.entries[m.n - 1].id;
    if (stream_id_cmp(o.id, o.max) < 0) o.max = o.id;
    perform(&o);
    m.last = o.id;
    m.added = o.n;
    m.max_deleted = o.max;
    m.exists = true;
}

static void step_group(rng *r, int i) {
    m_group *g = &m.groups[i];
    op o = {.run = run_group, .group = i, .id = some_id(r), .read = (int64_t)rng_below(r, 9) - 1};
    if (g->exists && rng_below(r, 2)) {
        o.run = run_drop_group;
        perform(&o);
        memset(g, 0, sizeof *g);
        return;
    }
    perform(&o);
    assert_int_equal(o.found, g->exists);
    m.exists = true;
    if (g->exists) return;
    g->exists = true;
    g->last = o.id;
    g->read = o.read;
}

static void step_deliver(rng *r, int i) {
    m_group *g = &m.groups[i];
    op o = {.run = run_deliver, .group = i, .consumer = (int)rng_below(r, CONSUMERS)};
    if (!g->exists || g->n == ENTRIES) return;
    o.id = some_id(r);
    o.time = (int64_t)rng_below(r, 1000);
    o.n = rng_below(r, 5);
    perform(&o);
    size_t at = find_pending(g, o.id);
    assert_int_equal(o.found, at < g->n);
    if (o.found) remove_pending(g, at);
    insert_pending(g, (m_pending){o.id, o.consumer, o.time, o.n});
    g->consumers[o.consumer] = true;
}

static void step_ack(rng *r, int i) {
    m_group *g = &m.groups[i];
    op o = {.run = run_ack, .group = i, .id = some_id(r)};
    if (!g->exists) return;
    if (g->n && rng_below(r, 2)) o.id = g->pending[rng_below(r, g->n)].id;
    perform(&o);
    size_t at = find_pending(g, o.id);
    assert_int_equal(o.found, at < g->n);
    if (o.found) remove_pending(g, at);
}

static void step_drop_consumer(rng *r, int i) {
    m_group *g = &m.groups[i];
    op o = {.run = run_drop_consumer, .group = i, .consumer = (int)rng_below(r, CONSUMERS)};
    if (!g->exists) return;
    perform(&o);
    assert_int_equal(o.found, g->consumers[o.consumer]);
    g->consumers[o.consumer] = false;
    uint64_t dropped = 0;
    for (size_t at = g->n; at > 0; at--)
        if (g->pending[at - 1].consumer == o.consumer) {
            remove_pending(g, at - 1);
            dropped++;
        }
    if (o.found) assert_int_equal(o.n, dropped);
}

/* Drops the key: everything begins anew. */
static void step_forget(void) {
    engine_result r;
    do {
        ks_begin(w.ks);
        r = ks_del(w.ks, 0, key);
        ks_commit(w.ks);
    } while (r != ENGINE_OK && r != ENGINE_ABSENT);
    memset(&m, 0, sizeof m);
}

static void walk(unsigned pending, int steps, bool tiny) {
    rng r;
    unit_seed(&r);
    types_limit.stream_entries = 1 + (int64_t)rng_below(&r, 20);
    types_limit.stream_bytes = tiny ? 0 : 700;
    for (int i = 0; i < steps; i++) {
        mem_knobs *knobs = engine_mem_knobs(w.e);
        int g = (int)rng_below(&r, GROUPS);
        knobs->pending_permille = pending;
        if (pending && rng_below(&r, 4) == 0) knobs->error_at = 1 + rng_below(&r, 30);
        unsigned what = (unsigned)rng_below(&r, 100);
        if (what < 45)
            step_add(&r, tiny);
        else if (what < 53)
            step_del(&r);
        else if (what < 57)
            step_cut(&r);
        else if (what < 58)
            step_state(&r);
        else if (what < 62)
            step_group(&r, g);
        else if (what < 84)
            step_deliver(&r, g);
        else if (what < 93)
            step_ack(&r, g);
        else if (what < 96)
            step_drop_consumer(&r, g);
        else if (rng_below(&r, 150) == 0)
            step_forget();
        knobs->error_at = 0;
        knobs->pending_permille = 0;
        if (rng_below(&r, 8) == 0) assert_same();
    }
    assert_same();
    buf report = {0};
    assert_true(status_ok(engine_check(w.e, &report)));
    assert_int_equal(report.len, 0);
    buf_free(&report);
}

static void against_a_model(void **state) {
    (void)state;
    walk(0, unit_rounds(30000), false);
}
static void against_a_model_packed(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        walk(0, unit_rounds(400), true);
        step_forget();
    }
}
static void against_a_model_with_pending_reads_and_errors(void **state) {
    (void)state;
    walk(60, unit_rounds(8000), false);
}

/* ---- alone --------------------------------------------------------------------------------------
 */

/* An ID that ends, or begins, a millisecond, or all. */
static void ids(void **state) {
    (void)state;
    stream_id id = {5, UINT64_MAX};
    assert_true(stream_id_up(&id));
    same_id(id, (stream_id){6, 0});
    assert_true(stream_id_down(&id));
    same_id(id, (stream_id){5, UINT64_MAX});
    id = STREAM_ID_MAX;
    assert_false(stream_id_up(&id));
    id = STREAM_ID_ZERO;
    assert_false(stream_id_down(&id));
}

/* The worked example of src/types/README.md. */
static void the_format(void **state) {
    (void)state;
    entry ent;
    op o = {.run = run_one};
    perform(&o);
    ks_begin(w.ks);
    assert_int_equal(engine_get(w.e, 0, key, &ent), ENGINE_OK);
    assert_readme_shows("src/types/README.md", ent.value.data, ent.value.len);
    ks_commit(w.ks);
}

/* Adds entries of one field until there are n. */
static void add_until(size_t n, size_t text) {
    for (size_t i = m.n; i < n; i++) {
        op o = {.run = run_add, .entry = {{i + 1, 0}, 1, text}};
        perform(&o);
        m.entries[m.n++] = o.entry;
        m.last = o.entry.id;
        m.added++;
        m.exists = true;
    }
}

/* Delivers every entry to one consumer of the group. */
static void deliver_all(int group, int consumer) {
    for (size_t i = 0; i < m.n; i++) {
        op o = {.run = run_deliver, .group = group, .consumer = consumer, .n = 1};
        o.id = m.entries[i].id;
        perform(&o);
    }
}

/* Once entries are apart, one more is one element, and the main entry stays as it is. */
static void an_entry_costs_one_element(void **state) {
    (void)state;
    stream s;
    add_until(300, 20);
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, key, &stream_type, KS_WRITE, &s.el), ENGINE_OK);
    assert_false(s.el.packed);
    assert_int_equal(s.el.header.len, 0);
    log_pos before = s.el.ent.pos;
    ks_commit(w.ks);
    add_until(301, 20);
    assert_same();
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, key, &stream_type, KS_WRITE, &s.el), ENGINE_OK);
    assert_true(s.el.ent.pos == before);
    ks_commit(w.ks);
}

/* A dropped group is not there at once, and its elements go in portions; one of the same name has
 * nothing of it. */
static void a_dropped_group_goes_in_portions(void **state) {
    (void)state;
    stream s;
    op o = {.run = run_group, .group = 1, .read = -1};
    add_until(600, 5);
    perform(&o);
    deliver_all(1, 2);
    op drop = {.run = run_drop_group, .group = 1};
    perform(&drop);
    perform(&o);
    m.groups[1] = (m_group){.exists = true, .read = -1};
    assert_same();
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, key, &stream_type, 0, &s.el), ENGINE_OK);
    assert_int_equal(el_hint(&s.el), 1);
    assert_true(el_count(&s.el, 2) + el_count(&s.el, 4) > 0);
    ks_commit(w.ks);
    add_until(603, 5);
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, key, &stream_type, 0, &s.el), ENGINE_OK);
    assert_int_equal(el_hint(&s.el), 0);
    for (unsigned map = 2; map <= 5; map++)
        assert_int_equal(el_count(&s.el, map), 0);
    assert_int_equal(el_count(&s.el, 1), 1);
    ks_commit(w.ks);
    assert_same();
}

/* What a dropped consumer had may be delivered to another before it was cleared up: it is the
 * other's then, and stays. */
static void a_dropped_consumers_entry_is_delivered_again(void **state) {
    (void)state;
    stream s;
    op o = {.run = run_group, .group = 1, .read = -1};
    add_until(600, 5);
    perform(&o);
    deliver_all(1, 2);
    op drop = {.run = run_drop_consumer, .group = 1, .consumer = 2};
    perform(&drop);
    assert_int_equal(drop.n, 600);
    op again = {.run = run_deliver, .group = 1, .consumer = 3, .id = {600, 0}, .n = 4};
    perform(&again);
    assert_false(again.found);
    m.groups[1] = (m_group){.exists = true, .read = -1, .consumers = {[3] = true}};
    insert_pending(&m.groups[1], (m_pending){again.id, 3, 0, 4});
    assert_same();
    ks_begin(w.ks);
    assert_int_equal(el_open(w.ks, 0, key, &stream_type, 0, &s.el), ENGINE_OK);
    assert_int_equal(el_hint(&s.el), 0);
    for (unsigned map = 1; map <= 5; map++)
        assert_int_equal(el_count(&s.el, map), 1);
    ks_commit(w.ks);
}

/* redis-server's nodes: of a hundred entries, or of 4 KiB. */
static void nodes(void **state) {
    (void)state;
    uint64_t n;
    stream s;
    static const struct {
        size_t entries, text, nodes;
    } cases[] = {{0, 0, 0}, {1, 1, 1}, {100, 1, 1}, {101, 1, 2}, {300, 1, 3}, {600, 390, 60}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        step_forget();
        add_until(cases[i].entries, cases[i].text);
        ks_begin(w.ks);
        assert_int_equal(el_open(w.ks, 0, key, &stream_type, 0, &s.el), ENGINE_OK);
        assert_int_equal(stream_load(&s), ENGINE_OK);
        assert_int_equal(stream_nodes(&s, &n), ENGINE_OK);
        assert_int_equal(n, cases[i].nodes);
        ks_commit(w.ks);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(against_a_model, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_a_model_packed, open_world, close_world),
        cmocka_unit_test_setup_teardown(against_a_model_with_pending_reads_and_errors, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(the_format, open_world, close_world),
        cmocka_unit_test_setup_teardown(ids, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_entry_costs_one_element, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_dropped_group_goes_in_portions, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_dropped_consumers_entry_is_delivered_again, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(nodes, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
