/* derive: the elements of derived maps, which no record tells of.
 *
 * Map ENGINE_DERIVED of a collection is a function of its map 0 (engine_derive). So its elements
 * are in the collection's tree alone, where each is a key without a cell: a dozen bytes of memory
 * beside the key, none of the log, nothing to account for, to merge, or to write hints of. Records
 * of such elements that a store has all the same, made when nobody derived, are passed over.
 *
 * After a start they are made again, collection by collection: their keys are gathered, a bounded
 * number at a time, sorted, and put in order, which is what a tree takes fastest. When:
 *
 *   before anything is served   what is large, or needs values that only the log has: to wait for
 *                               it later would hold the thread
 *   when it is opened           small ones, whole: nobody has an iterator in it yet, and its map 0
 *                               is as it was loaded, so no batch that ends or not matters (B12)
 *   in the background           the others, in slices; who opens one is PENDING until it is made,
 *                               which then is next, or, if it can't wait, makes the rest
 *
 * What is to be made later is listed by number, so that a collection, or its database, may be
 * dropped without a word. */
#include "engine/bitcask/derive.h"
#include "base/log.h"
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/entries.h"

#include <stdlib.h>

#define GATHER_MAX   (2u << 20)  /* keys at a time, */
#define GATHER_BYTES (64u << 20) /* and about so many bytes of them */
#define TELL_EVERY   65536u      /* elements between two calls of host.loading */
#define LATER_MAX    262144u /* elements of map 0: one with more is made before the start ends */
#define LATER_HELD   1024u   /* one with more is waited for, by whoever can */
#define LATER_SLICE  256u    /* elements of a slice in the background */
#define LATER_TOLD   1000    /* ms: all took longer, and the log says so */

/* One gathered key. */
typedef struct found {
    uint64_t head; /* its first bytes behind the map's number, as a number of that order */
    uint32_t at, len;
} found;

typedef struct deriving {
    bitcask *e;
    load_ctx *load; /* NULL: the start has ended */
    found *keys;
    uint32_t n, cap;
    buf bytes; /* of the keys, each with the map's number before it */
    buf next;  /* the key of map 0 to go on from */
    uint64_t seen;
} deriving;

/* A collection whose map is to be made; there may be none of that number any more. */
typedef struct later {
    uint64_t coll;
    uint32_t pdb;
} later;

/* What is left. Every collection that is `unmade` is in the list, or the one under way. */
struct derive_later {
    deriving d;
    later *list;
    uint32_t n, cap;
    later under_way; /* it is made up to `next`; 0: none is */
    buf next;
    uint32_t made; /* how many were */
    uint64_t began_us;
};

bool derives(const bitcask *e, const coll *c) {
    CHECK(c->type < ENGINE_TYPES);
    return e->derive && c->owners > 0 && (e->derive->types >> c->type & 1);
}

/* The value of an element of map 0, where it matters: from the cell or, seldom, from its record. */
static status value_of(bitcask *e, const coll *c, slice key, const cell *x, slice *out) {
    record r;
    *out = x->value;
    if (x->has_value || !(e->derive->by_value >> c->type & 1)) return STATUS_OK;
    value_want w = coll_want(c, key, x);
    TRY(value_record(e, &w, &r));
    return pack_undo(&r, &e->plain, out);
}

status derived_key(bitcask *e, const coll *c, slice key, slice cell_bytes, buf *out, bool *has) {
    cell x;
    slice value;
    CHECK(e->derive->types >> c->type & 1 && key.len > 0 && key.data[0] == 0);
    cell_decode(cell_bytes, &x);
    *has = false;
    TRY(value_of(e, c, key, &x, &value));
    size_t start = out->len;
    buf_append_char(out, (char)ENGINE_DERIVED);
    *has = e->derive->subkey(c->type, slice_skip(key, 1), value, x.expire, out);
    if (!*has) out->len = start;
    CHECK(out->len - start <= COLL_KEY_MAX);
    return STATUS_OK;
}

/* Notes the key that was appended last. */
static void note(deriving *d, size_t start) {
    char head[8] = {0};
    size_t n = d->bytes.len - start;
    CHECK(n > 0 && d->n < GATHER_MAX);
    if (d->n == d->cap) d->keys = mem_more(d->keys, &d->cap, 1024, sizeof *d->keys);
    memcpy(head, d->bytes.data + start + 1, n - 1 < 8 ? n - 1 : 8);
    d->keys[d->n++] = (found){load_be64(head), (uint32_t)start, (uint32_t)n};
}

/* Gathers what is derived of `most` elements of map 0 at most, from *next on; *more if it has not
 * come to the end of the map. */
static status gather(deriving *d, coll *c, buf *next, uint32_t most, bool *more) {
    btree_iter it;
    bool has;
    d->n = 0;
    buf_clear(&d->bytes);
    CHECK(most > 0 && most <= GATHER_MAX);
    *more = btree_seek(c->tree, buf_slice(next), &it);
    for (; *more; *more = btree_next(&it)) {
        slice key = btree_iter_key(&it);
        size_t start = d->bytes.len;
        if (key.data[0] != 0) {
            *more = false;
            return STATUS_OK;
        }
        if (most-- == 0 || start > GATHER_BYTES) {
            buf_clear(next);
            buf_append_slice(next, key);
            return STATUS_OK;
        }
        TRY(derived_key(d->e, c, key, btree_iter_value(&it), &d->bytes, &has));
        if (has) note(d, start);
        if (++d->seen % TELL_EVERY == 0 && d->load) load_tell(d->load);
    }
    return STATUS_OK;
}

/* For qsort_r: the order of the tree. */
static int by_key(const void *a, const void *b, void *bytes) {
    const found *x = a, *y = b;
    if (x->head != y->head) return x->head < y->head ? -1 : 1;
    return slice_cmp(slice_of((char *)bytes + x->at, x->len),
                     slice_of((char *)bytes + y->at, y->len));
}

/* Puts what was gathered. */
static void put_gathered(deriving *d, coll *c) {
    if (d->n) qsort_r(d->keys, d->n, sizeof *d->keys, by_key, d->bytes.data);
    for (uint32_t i = 0; i < d->n; i++) {
        slice key = slice_of(d->bytes.data + d->keys[i].at, d->keys[i].len);
        bool was_new = btree_put(c->tree, key, SLICE_EMPTY);
        CHECK(was_new); /* elements differ in their subkeys, so in what is derived */
    }
    c->counts[ENGINE_DERIVED] += d->n;
    d->e->stats.recovery_derived += d->n;
}

/* The first key of map 0. */
static void from_the_first(coll *c, buf *next) {
    CHECK(c->counts[ENGINE_DERIVED] == 0);
    buf_clear(next);
    buf_append_char(next, 0);
}

/* A collection's map from *next on, `most` elements of map 0 at a time. */
static status derive_rest(deriving *d, coll *c, buf *next, uint32_t most) {
    bool more = true;
    while (more) {
        TRY(gather(d, c, next, most, &more));
        put_gathered(d, c);
    }
    return STATUS_OK;
}

/* Can it wait, and then be made by whoever opens it? */
static bool can_wait(const bitcask *e, const coll *c) {
    return c->counts[0] <= LATER_MAX && !(c->cold && e->derive->by_value >> c->type & 1);
}

/* It is next, behind the one under way. It may be in the list already: that is for nothing then. */
static void list_add(derive_later *l, const coll *c) {
    if (l->n == l->cap) l->list = mem_more(l->list, &l->cap, 64, sizeof *l->list);
    l->list[l->n++] = (later){c->id, c->db->number};
}

/* Notes a collection for later. */
static void wait_for(bitcask *e, coll *c) {
    if (!e->later) {
        e->later = mem_zalloc(sizeof *e->later);
        e->later->d.e = e;
        e->later->began_us = bc_now_us(e);
    }
    list_add(e->later, c);
    c->unmade = true;
}

/* One collection at a start. */
static status derive_coll(deriving *d, coll *c) {
    if (c->counts[0] == 0) return STATUS_OK;
    if (can_wait(d->e, c)) {
        wait_for(d->e, c);
        return STATUS_OK;
    }
    from_the_first(c, &d->next);
    return derive_rest(d, c, &d->next, GATHER_MAX);
}

/* All of a database's. */
static status derive_pdb(deriving *d, const pdb *p) {
    size_t pos = 0;
    slice key;
    void *value;
    while (p->colls && dict_next(p->colls, &pos, &key, &value))
        if (derives(d->e, value)) TRY(derive_coll(d, value));
    return STATUS_OK;
}

status derive_start(load_ctx *l) {
    bitcask *e = l->e;
    CHECK(!e->later);
    if (!e->derive) return STATUS_OK;
    deriving d = {.e = e, .load = l};
    size_t pos = 0;
    slice key;
    void *value;
    status s = STATUS_OK;
    uint64_t began = bc_now_us(e);
    while (status_ok(s) && dict_next(e->pdbs, &pos, &key, &value))
        s = derive_pdb(&d, value);
    mem_free(d.keys);
    buf_free(&d.bytes);
    buf_free(&d.next);
    e->stats.recovery_derived_ms = (bc_now_us(e) - began) / 1000;
    CHECK(e->stats.recovery_derived <= d.seen);
    return s;
}

/* ---- behind the start --------------------------------------------------------------------------
 */

/* It is whole. */
static void is_made(derive_later *l, coll *c) {
    CHECK(c->unmade && can_wait(l->d.e, c));
    c->unmade = false;
    l->made++;
}

/* What readers of a collection wait for: no log position is that large. */
static uint64_t place_of(uint64_t coll_id) {
    CHECK(coll_id >> 63 == 0);
    return coll_id | 1ull << 63;
}

/* Its values are in the tree, so nothing is read and nothing fails. Those who wait for it are told
 * by the next slice, which still knows of it. */
engine_result derive_now(bitcask *e, coll *c) {
    derive_later *l = e->later;
    CHECK(l && c->unmade);
    if (c->counts[0] > LATER_HELD && fetch_await(e->fetch, place_of(c->id))) {
        list_add(l, c);
        return ENGINE_PENDING;
    }
    bool begun = l->under_way.coll == c->id;
    buf *next = begun ? &l->next : &l->d.next;
    if (!begun) from_the_first(c, next);
    status s = derive_rest(&l->d, c, next, LATER_MAX);
    CHECK(status_ok(s));
    is_made(l, c);
    return ENGINE_OK;
}

/* The one under way is whole, or is no more. */
static void end_one(bitcask *e, derive_later *l) {
    uint64_t id = l->under_way.coll;
    l->under_way = (later){0};
    fetch_done(e->fetch, place_of(id));
}

/* The collection under way, or the last in the list, which then is; NULL: it was made meanwhile, or
 * dropped, maybe with its database. */
static coll *take_one(bitcask *e, derive_later *l) {
    bool begun = l->under_way.coll != 0;
    if (!begun) l->under_way = l->list[--l->n];
    pdb *p = pdb_find(e, l->under_way.pdb);
    coll *c = p ? coll_find(p, l->under_way.coll) : NULL;
    if (!c || !c->unmade) {
        end_one(e, l);
        return NULL;
    }
    CHECK(derives(e, c));
    if (!begun) from_the_first(c, &l->next);
    return c;
}

bool derive_some(bitcask *e) {
    derive_later *l = e->later;
    bool more;
    if (!l) return false;
    CHECK(!e->log.open);
    if (l->n == 0 && l->under_way.coll == 0) {
        uint64_t ms = (bc_now_us(e) - l->began_us) / 1000;
        if (ms > LATER_TOLD)
            log_notice("Derived maps of %u collections were made behind the start, in %.1f s",
                       l->made, (double)ms / 1000);
        derive_free(e);
        return false;
    }
    coll *c = take_one(e, l);
    if (!c) return true;
    status s = gather(&l->d, c, &l->next, LATER_SLICE, &more);
    CHECK(status_ok(s));
    put_gathered(&l->d, c);
    if (more) return true;
    is_made(l, c);
    end_one(e, l);
    return true;
}

uint64_t derive_pending(const bitcask *e) {
    return e->later ? e->later->n + (e->later->under_way.coll != 0) : 0;
}

uint64_t derive_memory(const bitcask *e) {
    const derive_later *l = e->later;
    if (!l) return 0;
    return l->cap * sizeof *l->list + l->d.cap * sizeof *l->d.keys + l->d.bytes.cap;
}

void derive_free(bitcask *e) {
    derive_later *l = e->later;
    if (!l) return;
    mem_free(l->list);
    mem_free(l->d.keys);
    buf_free(&l->d.bytes);
    buf_free(&l->d.next);
    buf_free(&l->next);
    mem_free(l);
    e->later = NULL;
}
