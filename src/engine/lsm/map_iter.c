/* map_iter: maps' elements in order: engine_map_seek, step, rank, select.
 *
 * A map_iter holds no memory and nobody says when it is no longer used, but a walk over tables is
 * not cheap. So the engine has LSM_WALKS places, each with a walk; an iterator names the place it
 * was given and the place's generation then. Places are given out in turn, one that was used later
 * than the next being passed over; whoever comes back to find another generation there takes a
 * place again and seeks from the key it stood at. Any number of iterators may so be alive at a
 * time, only slower. What begins at an end of a map that is known, and in the memtable, or in a
 * collection that is there alone, needs no place before its first step: pushing to a list is a look
 * for its end, and no more.
 *
 * The key: up to 24 bytes are in the map_iter itself. A longer one is noted in one of up to
 * LONG_KEYS notes, which are given out again as places are, to those that were not used since the
 * hand last passed. An iterator whose note is gone as well says so (ST_LIMIT): never wrong data.
 *
 *   priv[0]  u32 place, u32 generation
 *   priv[1]  collection
 *   priv[2]  u32 pdb, u8 map, u8 bytes of key in priv[3..5], or NOTED
 *   priv[3]  .. the key, or: u32 note, u32 generation
 *
 * They are read and written as words, in place: a step costs little more than these few stores, and
 * a copy by wider loads would have to wait for them. */
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

#define LONG_KEYS 4096
#define NOTED     255u
#define IN_PRIV   24u
#define KEEP_NOTE 1024u /* bytes of a note's buffer that stay for the next */

enum { PRIV_PLACE, PRIV_COLL, PRIV_MAP, PRIV_KEY };
_Static_assert(sizeof(((map_iter *)0)->priv) == 8 * PRIV_KEY + IN_PRIV, "a short key fits");

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

/* What an iterator is of. */
static inline uint64_t coll_of(const map_iter *it) {
    return it->priv[PRIV_COLL];
}
static inline uint32_t pdb_of(const map_iter *it) {
    return (uint32_t)it->priv[PRIV_MAP];
}
static inline unsigned map_of(const map_iter *it) {
    return (uint8_t)(it->priv[PRIV_MAP] >> 32);
}
/* Bytes of the key that it has, or NOTED. */
static inline unsigned len_of(const map_iter *it) {
    return (uint8_t)(it->priv[PRIV_MAP] >> 40);
}
static inline void set_len(map_iter *it, unsigned len) {
    CHECK(len <= IN_PRIV || len == NOTED);
    it->priv[PRIV_MAP] = (it->priv[PRIV_MAP] & ~(UINT64_C(0xff) << 40)) | (uint64_t)len << 40;
}
static inline void set_place(map_iter *it, uint32_t number, uint32_t generation) {
    CHECK(number < LSM_WALKS);
    it->priv[PRIV_PLACE] = number | (uint64_t)generation << 32;
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
    slice from = lkey_sub(&e->key, pdb, coll, map, SLICE_EMPTY).bytes;
    slice to = lkey_sub(&e->key2, pdb, coll, map + 1, SLICE_EMPTY).bytes;
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

/* Notes are short. */
uint64_t lsm_iters_memory(const lsm *e) {
    uint64_t bytes = 0;
    for (unsigned i = 0; e->iters && i < LSM_WALKS; i++)
        if (e->iters->places[i].w) bytes += walk_memory(e->iters->places[i].w);
    return bytes;
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

/* The note that the iterator names, if it is still its own. */
static note *note_of(struct map_iters *m, const map_iter *it) {
    uint32_t i = (uint32_t)it->priv[PRIV_KEY];
    if (len_of(it) != NOTED || i >= m->nnotes ||
        m->notes[i].number != (uint32_t)(it->priv[PRIV_KEY] >> 32))
        return NULL;
    return &m->notes[i];
}

/* A note for one more long key: a new one, or one that was not used for a while. */
static note *note_new(struct map_iters *m, map_iter *it) {
    if (!m->notes) m->notes = mem_zalloc(LONG_KEYS * sizeof *m->notes);
    uint32_t i = m->nnotes;
    CHECK(i <= LONG_KEYS && m->hand < LONG_KEYS);
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
    it->priv[PRIV_KEY] = i | (uint64_t)m->notes[i].number << 32;
    return &m->notes[i];
}

/* The iterator stands at subkey from now on. */
static void remember(struct map_iters *m, map_iter *it, slice subkey) {
    CHECK(subkey.len <= ENGINE_SUBKEY_MAX);
    if (subkey.len <= IN_PRIV) {
        size_t len = subkey.len;
        set_len(it, (unsigned)len);
        for (uint64_t *word = &it->priv[PRIV_KEY]; len > 0; word++) {
            size_t n = len < 8 ? len : 8;
            *word = load_upto8(subkey.data + subkey.len - len, n);
            len -= n;
        }
        return;
    }
    note *n = note_of(m, it);
    if (!n) n = note_new(m, it);
    set_len(it, NOTED);
    n->used = true;
    buf_clear(&n->key);
    buf_append_slice(&n->key, subkey);
}

/* Where the iterator stands. False: that is forgotten. */
static bool recall(struct map_iters *m, const map_iter *it, slice *subkey) {
    CHECK(len_of(it) <= IN_PRIV || len_of(it) == NOTED);
    *subkey = slice_of((const char *)&it->priv[PRIV_KEY], len_of(it));
    if (len_of(it) != NOTED) return true;
    const note *n = note_of(m, it);
    if (n) *subkey = buf_slice(&n->key);
    return n != NULL;
}

/* ---- the calls --------------------------------------------------------------------------------
 */

/* A walk in a place moved: fills the iterator from where it is, or gives the place up. What `it` is
 * of is in it, and the note that it may have; if it is pending it stays what it was, so that a step
 * can be made again. */
static engine_result arrive(lsm *e, place *p, bool there, map_iter *it) {
    CHECK(p->w != NULL);
    if (!there) {
        status s = walk_status(p->w);
        engine_result r = status_ok(s) ? ENGINE_ABSENT : lsm_unread(e, s);
        CHECK(!walk_valid(p->w));
        if (r != ENGINE_PENDING) *it = (map_iter){0};
        vacate(e, p);
        return r;
    }
    slice key = walk_key(p->w);
    CHECK(key.len >= LKEY_SUB_HEAD);
    if (!cell_get_sub(walk_cell(p->w), &it->expire, &it->value))
        return lsm_error(e, status_make(ST_CORRUPT, "an element's cell is malformed"));
    it->pos = walk_pos(p->w);
    it->subkey = slice_skip(key, LKEY_SUB_HEAD);
    p->used = ++e->iters->now;
    set_place(it, (uint32_t)(p - e->iters->places), p->number);
    remember(e->iters, it, it->subkey);
    return ENGINE_OK;
}

/* What a cleared iterator begins as: it names no note. */
static void begin(const lsm *e, const engine_coll *ec, unsigned map, map_iter *out) {
    CHECK(ec->id != 0 && map < ENGINE_MAPS);
    out->priv[PRIV_COLL] = ec->id;
    out->priv[PRIV_MAP] = lsm_db(e, ec->db)->number | (uint64_t)map << 32;
}

/* The key of a subkey of the map that the iterator is of. */
static slice key_of(lsm *e, const map_iter *it, slice subkey) {
    CHECK(coll_of(it) != 0 && map_of(it) < ENGINE_MAPS);
    return lkey_sub(&e->key, pdb_of(it), coll_of(it), map_of(it), subkey).bytes;
}

/* The end of a map that is known is found by a look into the memtable, if it is there: nothing is
 * before it. The iterator has a generation that no place has from now on, so that its first step
 * takes one. */
static bool seek_end(lsm *e, slice end, map_iter *out) {
    slice cell;
    struct map_iters *m = iters_of(e);
    if (!memtable_get(e->active, key_of(e, out, end), &cell, &out->pos)) return false;
    CHECK(cell.len > 0);
    cell = lsm_cell(e, cell, out->pos);
    if (cell.data[0] != CELL_PRESENT || !cell_get_sub(cell, &out->expire, &out->value))
        return false;
    e->stats.memtable_hits++;
    out->subkey = end; /* in e->ends, which changes when the engine is called again */
    set_place(out, 0, m->places[0].number - 1);
    remember(m, out, end);
    return true;
}

/* In a collection that is in the active memtable alone, a seek is one way down. The first step
 * takes a place, as above. */
static engine_result seek_new(lsm *e, slice from, bool backward, map_iter *out) {
    btree_iter it;
    slice key, value;
    const btree *tree = e->active->tree;
    bool there, last = backward && from.len == 0;
    unsigned map = map_of(out) + last; /* the last one is before the next map's first */
    slice at = lkey_sub(&e->key, pdb_of(out), coll_of(out), map, from).bytes;
    there = backward ? btree_seek_before(tree, at, &it) : btree_seek(tree, at, &it);
    if (there && last && slice_eq(btree_iter_key(&it), at)) there = btree_prev(&it);
    if (there) {
        btree_iter_pair(&it, &key, &value);
        slice head = lkey_sub(&e->key, pdb_of(out), coll_of(out), map_of(out), SLICE_EMPTY).bytes;
        there = key.len >= head.len && memcmp(key.data, head.data, head.len) == 0;
    }
    if (!there) {
        *out = (map_iter){0};
        return ENGINE_ABSENT;
    }
    slice cell = memtable_cell(value, &out->pos);
    if (!cell_get_sub(lsm_cell(e, cell, out->pos), &out->expire, &out->value))
        return lsm_damaged(e, "an element's cell is malformed");
    e->stats.memtable_hits++;
    out->subkey = slice_skip(key, LKEY_SUB_HEAD);
    set_place(out, 0, iters_of(e)->places[0].number - 1);
    remember(e->iters, out, out->subkey);
    return ENGINE_OK;
}

/* engine_map_seek: a place, and its walk put where it is asked for. */
engine_result lsm_map_seek(engine *base, engine_coll *ec, unsigned map, slice from, bool backward,
                           map_iter *out) {
    lsm *e = lsm_of(base);
    uint64_t coll = ec->id;
    CHECK(map < ENGINE_MAPS);
    *out = (map_iter){0};
    if (lsm_counts_empty(e, coll, map)) return ENGINE_ABSENT;
    begin(e, ec, map, out);
    if (lsm_coll_is_new(e, coll)) return seek_new(e, from, backward, out);
    bool there, at_end = ends_seek(&e->ends, coll, map, backward, &from);
    if (at_end && from.len && ends_there(&e->ends, coll, map, backward) && seek_end(e, from, out))
        return ENGINE_OK;
    place *p = occupy(e, pdb_of(out), coll, map);
    slice key = key_of(e, out, from);
    if (!backward)
        there = walk_seek(p->w, key);
    else
        there = from.len ? walk_seek_before(p->w, key) : walk_last(p->w);
    engine_result r = arrive(e, p, there, out);
    if (at_end && r == ENGINE_OK) ends_found(&e->ends, coll, map, backward, out->subkey);
    return r;
}

/* engine_map_end: nothing is looked for while that end is known. */
engine_result lsm_map_end(engine *base, engine_coll *ec, unsigned map, bool last, slice *sub) {
    lsm *e = lsm_of(base);
    map_iter it;
    *sub = SLICE_EMPTY;
    CHECK(map < ENGINE_MAPS);
    if (ends_there(&e->ends, ec->id, map, last)) {
        (void)ends_seek(&e->ends, ec->id, map, last, sub);
        return ENGINE_OK;
    }
    engine_result r = lsm_map_seek(base, ec, map, SLICE_EMPTY, last, &it);
    *sub = it.subkey;
    return r;
}

/* The iterator's own place, with its walk where the iterator is; NULL if it was given away or the
 * walk can't go on. */
static place *own_place(lsm *e, const map_iter *it) {
    uint32_t number = (uint32_t)it->priv[PRIV_PLACE];
    CHECK(number < LSM_WALKS && coll_of(it) != 0 && map_of(it) < ENGINE_MAPS);
    place *p = &iters_of(e)->places[number];
    if (!p->w || p->number != it->priv[PRIV_PLACE] >> 32) return NULL;
    bool fine = walk_current(e, p->w);
    if (fine && walk_stale(p->w)) {
        slice subkey;
        fine = recall(e->iters, it, &subkey) && walk_renew(p->w, key_of(e, it, subkey));
    }
    if (!fine) vacate(e, p);
    return fine ? p : NULL;
}

/* Takes a place for an iterator that lost its own, and moves from where it stood. */
static engine_result step_anew(lsm *e, bool backward, map_iter *it) {
    slice subkey;
    if (!recall(iters_of(e), it, &subkey)) {
        *it = (map_iter){0};
        return lsm_error(e, status_make(ST_LIMIT, "too many iterators at a time"));
    }
    place *p = occupy(e, pdb_of(it), coll_of(it), map_of(it));
    slice key = key_of(e, it, subkey);
    bool there = backward ? walk_seek_before(p->w, key) : walk_seek(p->w, key);
    if (there && slice_eq(walk_key(p->w), key))
        there = backward ? walk_prev(p->w) : walk_next(p->w);
    return arrive(e, p, there, it);
}

/* engine_map_step: one step of the walk, if it is still there. */
engine_result lsm_map_step(engine *base, map_iter *it, bool backward) {
    lsm *e = lsm_of(base);
    place *p = own_place(e, it);
    if (!p) return step_anew(e, backward, it);
    return arrive(e, p, backward ? walk_prev(p->w) : walk_next(p->w), it);
}

/* engine_map_rank: two walks from sub, up and down, a step each in turn, until one is at its end:
 * as many steps as there are elements on the shorter side. */
engine_result lsm_map_rank(engine *base, engine_coll *ec, unsigned map, slice sub, uint64_t *rank) {
    lsm *e = lsm_of(base);
    uint32_t pdb = lsm_db(e, ec->db)->number;
    uint64_t below = 0, above = 0, total = lsm_map_count(base, ec, map);
    slice from = lkey_sub(&e->key, pdb, ec->id, map, SLICE_EMPTY).bytes;
    slice at = lkey_sub(&e->key2, pdb, ec->id, map, sub).bytes;
    walk *down = walk_new(e, from, at, 0);
    slice to = lkey_sub(&e->key, pdb, ec->id, map + 1, SLICE_EMPTY).bytes;
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
    return status_ok(s) ? ENGINE_OK : lsm_unread(e, s);
}

/* engine_map_select: a walk from the nearer end. */
engine_result lsm_map_select(engine *base, engine_coll *ec, unsigned map, uint64_t rank,
                             map_iter *out) {
    lsm *e = lsm_of(base);
    uint64_t total = lsm_map_count(base, ec, map);
    *out = (map_iter){0};
    if (rank >= total) return ENGINE_ABSENT;
    begin(e, ec, map, out);
    bool backward = rank > total / 2;
    place *p = occupy(e, pdb_of(out), ec->id, map);
    bool there = backward ? walk_last(p->w) : walk_first(p->w);
    for (uint64_t left = backward ? total - 1 - rank : rank; there && left > 0; left--)
        there = backward ? walk_prev(p->w) : walk_next(p->w);
    return arrive(e, p, there, out);
}
