/* map_iter: maps' elements in order: engine_map_seek, step, rank, select.
 *
 * A map_iter holds no memory and nobody says when it is no longer used, but a walk over tables is
 * not cheap. So the engine has LSM_WALKS places, each with a walk; an iterator names the place it
 * was given and the place's generation then. Places are given out in turn, one that was used later
 * than the next being passed over; whoever comes back to find another generation there takes a
 * place again and seeks from the key it stood at. Any number of iterators may so be alive at a
 * time, only slower. What begins at an end of a map that is known, and in the memtable, needs no
 * place before its first step: pushing to a list is a look for its end, and no more.
 *
 * The key: up to 24 bytes are in the map_iter itself. A longer one is noted in one of up to
 * LONG_KEYS notes, which are given out again as places are, to those that were not used since the
 * hand last passed. An iterator whose note is gone as well says so (ST_LIMIT): never wrong data.
 *
 *   priv[0]  u32 place, u32 generation
 *   priv[1]  collection
 *   priv[2]  u32 pdb, u8 map, u8 bytes of key in priv[3..5], or NOTED
 *   priv[3]  .. the key, or: u32 note, u32 generation */
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

#define LONG_KEYS 4096
#define NOTED     255u
#define IN_PRIV   24u
#define KEEP_NOTE 1024u /* bytes of a note's buffer that stay for the next */
_Static_assert(sizeof(((map_iter *)0)->priv) == 24 + IN_PRIV, "a short key fits");

typedef struct place {
    walk *w;         /* NULL: free */
    uint32_t number; /* generation */
    uint64_t used;   /* when, by map_iters.now */
} place;

typedef struct note {
    uint32_t number;
    bool used;
    buf key; /* a subkey */
} note;

struct map_iters {
    place places[LSM_WALKS];
    uint64_t now;
    unsigned turn; /* the place to be given out next */
    note *notes;
    uint32_t nnotes, hand;
};

/* An iterator's priv, taken apart. */
typedef struct where {
    uint32_t place, number;
    uint64_t coll;
    uint32_t pdb;
    uint8_t map, len;
    char key[IN_PRIV];
} where;

/* Puts it together. */
static void put_where(map_iter *it, const where *x) {
    CHECK(x->place < LSM_WALKS && x->coll != 0 && x->map < ENGINE_MAPS);
    it->priv[0] = x->place | (uint64_t)x->number << 32;
    it->priv[1] = x->coll;
    it->priv[2] = x->pdb | (uint64_t)x->map << 32 | (uint64_t)x->len << 40;
    memcpy(&it->priv[3], x->key, IN_PRIV);
}

/* An iterator that is not at an element has no place to go on from. */
static void get_where(const map_iter *it, where *x) {
    x->place = (uint32_t)it->priv[0];
    x->number = (uint32_t)(it->priv[0] >> 32);
    x->coll = it->priv[1];
    x->pdb = (uint32_t)it->priv[2];
    x->map = (uint8_t)(it->priv[2] >> 32);
    x->len = (uint8_t)(it->priv[2] >> 40);
    memcpy(x->key, &it->priv[3], IN_PRIV);
    CHECK(x->place < LSM_WALKS && x->map < ENGINE_MAPS && (x->len <= IN_PRIV || x->len == NOTED));
}

/* ---- places -----------------------------------------------------------------------------------
 */

/* Made by the first iterator. */
static struct map_iters *iters_of(lsm *e) {
    if (!e->iters) e->iters = mem_zalloc(sizeof *e->iters);
    return e->iters;
}

/* The place is free; whoever had it finds another generation. */
static void vacate(lsm *e, place *p) {
    CHECK(p->w != NULL);
    walk_free(e, p->w);
    p->w = NULL;
    p->number++;
    p->used = 0;
}

/* A place for one more iterator over a map. */
static place *occupy(lsm *e, uint32_t pdb, uint64_t coll, unsigned map) {
    struct map_iters *m = iters_of(e);
    place *best = &m->places[m->turn++ % LSM_WALKS], *other = &m->places[m->turn % LSM_WALKS];
    CHECK(map < ENGINE_MAPS);
    if (best->w && (!other->w || other->used < best->used)) best = other;
    if (best->w) vacate(e, best);
    slice from = lkey_sub(e, &e->key, pdb, coll, map, SLICE_EMPTY).bytes;
    slice to = lkey_sub(e, &e->key2, pdb, coll, map + 1, SLICE_EMPTY).bytes;
    CHECK(!best->w);
    best->w = walk_new(e, from, to, 0);
    best->used = ++m->now;
    return best;
}

/* Iterators of former commands hold their places for nobody, and one that is still used finds its
 * way back. */
void lsm_iters_rest(lsm *e) {
    for (unsigned i = 0; e->iters && i < LSM_WALKS; i++)
        if (e->iters->places[i].w) vacate(e, &e->iters->places[i]);
}

/* Frees everything. */
void lsm_iters_end(lsm *e) {
    if (!e->iters) return;
    lsm_iters_rest(e);
    for (uint32_t i = 0; i < e->iters->nnotes; i++)
        buf_free(&e->iters->notes[i].key);
    mem_free(e->iters->notes);
    mem_free(e->iters);
    e->iters = NULL;
}

/* ---- notes ------------------------------------------------------------------------------------
 */

/* The note that x names, if it is still its own. */
static note *note_of(struct map_iters *m, const where *x) {
    uint32_t i = load_u32(x->key);
    if (x->len != NOTED || i >= m->nnotes || m->notes[i].number != load_u32(x->key + 4))
        return NULL;
    return &m->notes[i];
}

/* A note for one more long key: a new one, or one that was not used for a while. */
static note *note_new(struct map_iters *m, where *x) {
    if (!m->notes) m->notes = mem_zalloc(LONG_KEYS * sizeof *m->notes);
    uint32_t i = m->nnotes;
    if (i < LONG_KEYS) {
        m->nnotes++;
    } else {
        while (m->notes[m->hand].used) {
            m->notes[m->hand].used = false;
            m->hand = (m->hand + 1) % LONG_KEYS;
        }
        i = m->hand;
        m->hand = (m->hand + 1) % LONG_KEYS;
        buf_clear(&m->notes[i].key);
        buf_shrink(&m->notes[i].key, KEEP_NOTE);
    }
    m->notes[i].number++;
    CHECK(i < m->nnotes && i < LONG_KEYS);
    put_u32(put_u32(x->key, i), m->notes[i].number);
    return &m->notes[i];
}

/* The iterator at x stands at subkey from now on. */
static void remember(struct map_iters *m, where *x, slice subkey) {
    CHECK(subkey.len <= ENGINE_SUBKEY_MAX);
    if (subkey.len <= IN_PRIV) {
        x->len = (uint8_t)subkey.len;
        if (subkey.len) memcpy(x->key, subkey.data, subkey.len);
        return;
    }
    note *n = note_of(m, x);
    if (!n) n = note_new(m, x);
    x->len = NOTED;
    n->used = true;
    buf_clear(&n->key);
    buf_append_slice(&n->key, subkey);
}

/* Where the iterator at x stands. False: that is forgotten. */
static bool recall(struct map_iters *m, const where *x, slice *subkey) {
    *subkey = slice_of(x->key, x->len);
    if (x->len != NOTED) return true;
    const note *n = note_of(m, x);
    if (n) *subkey = buf_slice(&n->key);
    return n != NULL;
}

/* ---- the calls --------------------------------------------------------------------------------
 */

/* A walk in a place moved: fills *out from where it is, or gives the place up. x: coll, pdb and
 * map; and len and key as they were, for the note that the iterator may have. */
static engine_result arrive(lsm *e, place *p, bool there, where *x, map_iter *out) {
    *out = (map_iter){0};
    CHECK(p->w != NULL);
    if (!there) {
        status s = walk_status(p->w);
        engine_result r = status_ok(s) ? ENGINE_ABSENT : lsm_error(e, s);
        vacate(e, p);
        return r;
    }
    slice key = walk_key(p->w);
    CHECK(key.len >= LKEY_SUB_HEAD);
    if (!cell_get_sub(walk_cell(p->w), &out->expire, &out->value))
        return lsm_error(e, status_make(ST_CORRUPT, "an element's cell is malformed"));
    out->pos = walk_pos(p->w);
    out->subkey = slice_skip(key, LKEY_SUB_HEAD);
    p->used = ++e->iters->now;
    x->place = (uint32_t)(p - e->iters->places);
    x->number = p->number;
    remember(e->iters, x, out->subkey);
    put_where(out, x);
    return ENGINE_OK;
}

/* What x begins as: len 0, so that it names no note. */
static where where_new(const lsm *e, const engine_coll *ec, unsigned map) {
    CHECK(ec->id != 0 && map < ENGINE_MAPS);
    return (where){.coll = ec->id, .pdb = lsm_db(e, ec->db)->number, .map = (uint8_t)map};
}

/* The end of a map that is known is found by a look into the memtable, if it is there: nothing is
 * before it. The iterator has a generation that no place has from now on, so that its first step
 * takes one. */
static bool seek_end(lsm *e, where *x, slice end, map_iter *out) {
    slice cell;
    log_pos pos;
    struct map_iters *m = iters_of(e);
    slice key = lkey_sub(e, &e->key, x->pdb, x->coll, x->map, end).bytes;
    if (!memtable_get(e->active, key, &cell, &pos) || cell.data[0] != CELL_PRESENT) return false;
    if (!cell_get_sub(cell, &out->expire, &out->value)) return false;
    e->stats.memtable_hits++;
    out->pos = pos;
    out->subkey = end; /* in e->ends, which changes when the engine is called again */
    x->place = 0;
    x->number = m->places[0].number - 1;
    remember(m, x, end);
    put_where(out, x);
    return true;
}

/* engine_map_seek: a place, and its walk put where it is asked for. */
engine_result lsm_map_seek(engine *base, engine_coll *ec, unsigned map, slice from, bool backward,
                           map_iter *out) {
    lsm *e = lsm_of(base);
    where x = where_new(e, ec, map);
    bool there, at_end = ends_seek(&e->ends, x.coll, map, backward, &from);
    *out = (map_iter){0};
    if (e->counted == x.coll && e->counts[map] == 0) return ENGINE_ABSENT;
    if (at_end && from.len && ends_there(&e->ends, x.coll, map, backward) &&
        seek_end(e, &x, from, out))
        return ENGINE_OK;
    place *p = occupy(e, x.pdb, x.coll, map);
    slice key = lkey_sub(e, &e->key, x.pdb, x.coll, map, from).bytes;
    if (!backward)
        there = walk_seek(p->w, key);
    else
        there = from.len ? walk_seek_before(p->w, key) : walk_last(p->w);
    engine_result r = arrive(e, p, there, &x, out);
    if (at_end && r == ENGINE_OK) ends_found(&e->ends, x.coll, map, backward, out->subkey);
    return r;
}

/* The iterator's own place, with its walk where the iterator is; NULL if it was given away or the
 * walk can't go on. */
static place *own_place(lsm *e, const where *x) {
    place *p = &iters_of(e)->places[x->place];
    if (!p->w || p->number != x->number) return NULL;
    bool fine = walk_current(e, p->w);
    if (fine && walk_stale(p->w)) {
        slice subkey;
        fine = recall(e->iters, x, &subkey) &&
               walk_renew(p->w, lkey_sub(e, &e->key, x->pdb, x->coll, x->map, subkey).bytes);
    }
    if (!fine) vacate(e, p);
    return fine ? p : NULL;
}

/* Takes a place for an iterator that lost its own, and moves from where it stood. */
static engine_result step_anew(lsm *e, where *x, bool backward, map_iter *it) {
    slice subkey;
    if (!recall(iters_of(e), x, &subkey)) {
        *it = (map_iter){0};
        return lsm_error(e, status_make(ST_LIMIT, "too many iterators at a time"));
    }
    place *p = occupy(e, x->pdb, x->coll, x->map);
    slice key = lkey_sub(e, &e->key, x->pdb, x->coll, x->map, subkey).bytes;
    bool there = backward ? walk_seek_before(p->w, key) : walk_seek(p->w, key);
    if (there && slice_eq(walk_key(p->w), key))
        there = backward ? walk_prev(p->w) : walk_next(p->w);
    return arrive(e, p, there, x, it);
}

/* engine_map_step: one step of the walk, if it is still there. */
engine_result lsm_map_step(engine *base, map_iter *it, bool backward) {
    lsm *e = lsm_of(base);
    where x;
    CHECK(it->priv[1] != 0);
    get_where(it, &x);
    place *p = own_place(e, &x);
    if (!p) return step_anew(e, &x, backward, it);
    bool there = backward ? walk_prev(p->w) : walk_next(p->w);
    return arrive(e, p, there, &x, it);
}

/* engine_map_rank: two walks from sub, up and down, a step each in turn, until one is at its end:
 * as many steps as there are elements on the shorter side. */
engine_result lsm_map_rank(engine *base, engine_coll *ec, unsigned map, slice sub, uint64_t *rank) {
    lsm *e = lsm_of(base);
    where x = where_new(e, ec, map);
    uint64_t below = 0, above = 0, total = lsm_map_count(base, ec, map);
    slice from = lkey_sub(e, &e->key, x.pdb, x.coll, map, SLICE_EMPTY).bytes;
    slice at = lkey_sub(e, &e->key2, x.pdb, x.coll, map, sub).bytes;
    walk *down = walk_new(e, from, at, 0);
    slice to = lkey_sub(e, &e->key, x.pdb, x.coll, map + 1, SLICE_EMPTY).bytes;
    walk *up = walk_new(e, at, to, 0);
    bool more_down = walk_last(down), more_up = walk_first(up);
    while (more_down && more_up) {
        below++;
        above++;
        more_down = walk_prev(down);
        more_up = walk_next(up);
    }
    status s = walk_status(more_down ? up : down);
    walk_free(e, down);
    walk_free(e, up);
    *rank = more_down ? total - above : below;
    return status_ok(s) ? ENGINE_OK : lsm_error(e, s);
}

/* engine_map_select: a walk from the nearer end. */
engine_result lsm_map_select(engine *base, engine_coll *ec, unsigned map, uint64_t rank,
                             map_iter *out) {
    lsm *e = lsm_of(base);
    where x = where_new(e, ec, map);
    uint64_t total = lsm_map_count(base, ec, map);
    *out = (map_iter){0};
    if (rank >= total) return ENGINE_ABSENT;
    bool backward = rank > total / 2;
    place *p = occupy(e, x.pdb, x.coll, map);
    bool there = backward ? walk_last(p->w) : walk_first(p->w);
    for (uint64_t left = backward ? total - 1 - rank : rank; there && left > 0; left--)
        there = backward ? walk_prev(p->w) : walk_next(p->w);
    return arrive(e, p, there, &x, out);
}
