/* load_hints: the hints of segments that follow each other, together.
 *
 * Each hint has its main entries in the order of the keydir, so merging them gives every key once,
 * the later segment's entry first, with those it replaces right behind it (B3):
 *
 *      hint of segment 4   a1     c1        f1
 *      hint of segment 7      b2  c2 -d2          ->   a1 b2 c2 -d2 e9 f9    c1, f1: replaced
 *      hint of segment 9                e9  f9
 *
 * The first hints of a start so fill empty keydirs from their first page to their last, without
 * looking for anything (keydir_build); what comes to a keydir that has keys already is put one by
 * one, but in order. A replaced entry was never there, so nothing is accounted for it; a delete
 * hides, replaced or not, as in load_main.
 *
 * Smallest first by a tournament: each hint's next entry waits where it lost, so the next smallest
 * is found by one comparison a level.
 *
 *                 first                    lost[1..n-1]: who lost there; the leaves are
 *               lost[1]                    the hints, n .. 2n - 1
 *          lost[2]     lost[3]
 *        hint0 hint1 hint2 hint3
 *
 * Orders come before the entries and elements after them, hint by hint: an order only says what the
 * databases are called, and which entries' databases are dead is looked at when all is loaded. */
#include "engine/bitcask/load_int.h"

#include "base/log.h"
#include "engine/bitcask/entries.h"

/* A hint, and the entry that it is at. */
typedef struct source {
    segment *s;
    hint_reader *r;
    hint_entry at;
    bool got;      /* there is such an entry */
    uint32_t told; /* of the file, to load_progress */
} source;

typedef struct merging {
    load_ctx *l;
    source *src; /* by rank, oldest first */
    uint32_t n;
    uint32_t *lost;
    uint32_t first;
    /* the entry before: those of the same key are replaced by it */
    bool any;
    uint32_t pdb;
    uint64_t token;
    buf key;
    keydir_build *build; /* of the database pdb; NULL: entries are put */
} merging;

/* The next entry of one hint. */
static status step(merging *m, source *x) {
    TRY(hint_next(x->r, &x->at, &x->got));
    uint32_t now = hint_offset(x->r);
    if (now == x->told) return STATUS_OK;
    CHECK(now > x->told);
    load_progress(m->l, now - x->told);
    x->told = now;
    return STATUS_OK;
}

/* Is this a main entry? Those of elements come behind all of these. */
static inline bool is_main(const source *x) {
    return x->got && (x->at.kind == RECORD_PUT || x->at.kind == RECORD_DEL);
}

/* Does a's entry come before b's? Of one key, that of the later segment. */
static bool before(const merging *m, uint32_t a, uint32_t b) {
    CHECK(a != b && a < m->n && b < m->n);
    const source *x = &m->src[a], *y = &m->src[b];
    if (!is_main(x) || !is_main(y)) return is_main(x);
    if (x->at.pdb != y->at.pdb) return x->at.pdb < y->at.pdb;
    if (__builtin_expect(x->at.token != y->at.token, 1)) return x->at.token < y->at.token;
    int c = slice_cmp(x->at.key, y->at.key);
    return c ? c < 0 : a > b;
}

/* Source i has another entry: plays its games again, from its leaf up. */
static void replay(merging *m, uint32_t i) {
    uint32_t winner = i;
    for (uint32_t at = (i + m->n) / 2; at > 0; at /= 2) {
        CHECK(m->lost[at] < m->n);
        if (!before(m, m->lost[at], winner)) continue;
        uint32_t loser = winner;
        winner = m->lost[at];
        m->lost[at] = loser;
    }
    CHECK(winner < m->n);
    m->first = winner;
}

/* All games, for the first time. */
static void play(merging *m) {
    uint32_t *won = mem_alloc(2 * m->n * sizeof *won);
    CHECK(m->n > 0);
    for (uint32_t i = 0; i < m->n; i++)
        won[m->n + i] = i;
    for (uint32_t at = m->n - 1; at > 0; at--) {
        uint32_t a = won[2 * at], b = won[2 * at + 1];
        bool left = before(m, a, b);
        won[at] = left ? a : b;
        m->lost[at] = left ? b : a;
    }
    m->first = m->n > 1 ? won[1] : 0;
    mem_free(won);
}

/* Is the entry of the key that came last? Else it is the last one from now on. */
static bool is_replaced(merging *m, const hint_entry *h) {
    CHECK(h->token >> TOKEN_BITS == 0 && h->key.len <= RECORD_KEY_MAX);
    CHECK(!m->any || h->pdb >= m->pdb);
    if (m->any && m->token == h->token && m->pdb == h->pdb && slice_eq(buf_slice(&m->key), h->key))
        return true;
    m->any = true;
    m->token = h->token;
    m->pdb = h->pdb;
    buf_clear(&m->key);
    buf_append_slice(&m->key, h->key);
    return false;
}

/* What was built of one database is whole. */
static void end_build(merging *m) {
    CHECK(!m->build || m->any);
    keydir_build_end(m->build);
    m->build = NULL;
}

/* Gives an entry to its database. */
static status take(merging *m, const source *x) {
    loaded e;
    bitcask *eng = m->l->e;
    uint32_t slot = x->s->slot, was = m->pdb;
    CHECK(slot < eng->nslots && eng->slots[slot] == x->s);
    bool replaced = is_replaced(m, &x->at);
    if (m->pdb != was) end_build(m);
    pdb *d = load_live_pdb(m->l, x->at.pdb);
    if (!d) return STATUS_OK;
    TRY(loaded_of_hint(x->s, &x->at, &e));
    eng->stats.recovery_records++;
    if (replaced || (m->build && e.kind == RECORD_DEL)) {
        if (e.kind == RECORD_DEL) seg_hiding_add(eng, d, (uint16_t)slot, e.size);
        return STATUS_OK;
    }
    if (!m->build && e.kind == RECORD_PUT && keydir_count(pdb_keys(eng, d)) == 0)
        m->build = keydir_build_new(d->keys);
    if (!m->build) {
        load_main(eng, d, x->s, &e);
        return STATUS_OK;
    }
    kdent k = loaded_entry(x->s, &e);
    arena_ref now = keydir_build_add(m->build, e.token, &k);
    seg_live_add(eng, d, (uint16_t)slot, e.size);
    entry_linked(eng, d, e.token, now);
    return STATUS_OK;
}

/* The main entries of all, in order. */
static status merge_main(merging *m) {
    CHECK(m->n > 0 && !m->build);
    status s = STATUS_OK;
    play(m);
    while (status_ok(s) && is_main(&m->src[m->first])) {
        source *x = &m->src[m->first];
        s = take(m, x);
        if (status_ok(s)) s = step(m, x);
        replay(m, m->first);
    }
    end_build(m);
    CHECK(!status_ok(s) || !is_main(&m->src[m->first]));
    return s;
}

/* ---- one hint ----------------------------------------------------------------------------------
 */

/* Its orders, up to its first other entry. */
static status take_orders(merging *m, source *x) {
    CHECK(!x->got && x->told == 0);
    TRY(step(m, x));
    while (x->got && (x->at.kind == RECORD_FLUSH || x->at.kind == RECORD_SWAP)) {
        TRY(load_order(m->l, x->s, x->at.offset, x->at.size, record_pairs(x->at.body)));
        TRY(step(m, x));
    }
    return STATUS_OK;
}

/* Its elements, to its end. */
static status take_elements(merging *m, source *x) {
    loaded e;
    CHECK(!is_main(x));
    while (x->got) {
        if (x->at.kind != RECORD_DROP) {
            TRY(loaded_of_hint(x->s, &x->at, &e));
            TRY(load_one(m->l, x->s, &e));
        }
        TRY(step(m, x));
    }
    return STATUS_OK;
}

/* Opens the hint of segment s, which checks all of it. */
static status open_source(load_ctx *l, segment *s, source *x) {
    char path[FILE_PATH_MAX];
    CHECK(s->log.end > FILE_HEADER);
    *x = (source){.s = s};
    TRY(bc_path(l->e, FILE_HINT, s->log.number, path));
    TRY(hint_open(l->e->fs, path, l->e->meta.store_id, s->log.number, s->log.end, &x->r));
    load_progress(l, hint_size(x->r));
    return STATUS_OK;
}

/* ---- many --------------------------------------------------------------------------------------
 */

/* Opens hints as long as they are good. *bad: one was not, and its segment is to be read. */
static status open_all(merging *m, uint32_t from, uint32_t to, bool *bad) {
    bitcask *e = m->l->e;
    CHECK(m->n == 0 && from < to);
    *bad = false;
    while (m->n < to - from && m->n < LOAD_HINTS_MAX && !*bad) {
        segment *s = e->order[from + m->n];
        status st = open_source(m->l, s, &m->src[m->n]);
        *bad = st.code == ST_NOT_FOUND || st.code == ST_CORRUPT || st.code == ST_INVALID;
        if (!status_ok(st) && !*bad) return st;
        if (*bad && st.code != ST_NOT_FOUND) {
            log_warning("Reading segment %u instead: %s", s->log.number, st.msg);
            load_instead(m->l, s);
        }
        if (!*bad) m->n++;
    }
    return STATUS_OK;
}

/* Takes all there is of those that are open. */
static status take_all(merging *m) {
    CHECK(m->n <= LOAD_HINTS_MAX);
    for (uint32_t i = 0; i < m->n; i++)
        TRY(take_orders(m, &m->src[i]));
    TRY(merge_main(m));
    for (uint32_t i = 0; i < m->n; i++)
        TRY(take_elements(m, &m->src[i]));
    return STATUS_OK;
}

/* A hint was checked whole before anything of any is taken: what fails later is no reason to read
 * the segment instead. */
status load_hints(load_ctx *l, uint32_t from, uint32_t to, uint32_t *n, bool *bad) {
    CHECK(from < to && to <= l->e->norder);
    uint32_t max = to - from < LOAD_HINTS_MAX ? to - from : LOAD_HINTS_MAX;
    merging m = {.l = l};
    m.src = mem_zalloc(max * sizeof *m.src);
    m.lost = mem_zalloc(max * sizeof *m.lost);
    status s = open_all(&m, from, to, bad);
    if (status_ok(s) && m.n) {
        s = take_all(&m);
        if (!status_ok(s)) s = status_make(ST_IO, "%s", s.msg);
    }
    for (uint32_t i = 0; i < m.n; i++) {
        source *x = &m.src[i];
        x->s->hinted = true;
        load_progress(l, hint_size(x->r) - x->told);
        hint_close(x->r);
    }
    CHECK(m.n <= max && !m.build);
    *n = m.n;
    buf_free(&m.key);
    mem_free(m.lost);
    mem_free(m.src);
    return s;
}
