/* derive: the elements of derived maps, which no record tells of.
 *
 * Map ENGINE_DERIVED of a collection is a function of its map 0 (engine_derive). So its elements
 * are in the collection's tree alone, where each is a key without a cell: a dozen bytes of memory
 * beside the key, none of the log, nothing to account for, to merge, or to write hints of. Records
 * of such elements that a store has all the same, made when nobody derived, are passed over.
 *
 * After all is loaded they are made again, collection by collection: their keys are gathered, a
 * bounded number at a time, sorted, and put in order, which is what a tree takes fastest. */
#include "engine/bitcask/derive.h"
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/entries.h"

#include <stdlib.h>

#define GATHER_MAX   (2u << 20)  /* keys at a time, */
#define GATHER_BYTES (64u << 20) /* and about so many bytes of them */
#define TELL_EVERY   65536u      /* elements between two calls of host.loading */

/* One gathered key. */
typedef struct found {
    uint64_t head; /* its first bytes behind the map's number, as a number of that order */
    uint32_t at, len;
} found;

typedef struct deriving {
    bitcask *e;
    load_ctx *load;
    found *keys;
    uint32_t n, cap;
    buf bytes; /* of the keys, each with the map's number before it */
    buf next;  /* the key of map 0 to go on from */
    uint64_t seen;
} deriving;

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
    CHECK(derives(e, c) && key.len > 0 && key.data[0] == 0);
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

/* Gathers from d->next on; *more if it has not come to the end of map 0. */
static status gather(deriving *d, coll *c, bool *more) {
    btree_iter it;
    bool has;
    d->n = 0;
    buf_clear(&d->bytes);
    *more = btree_seek(c->tree, buf_slice(&d->next), &it);
    for (; *more; *more = btree_next(&it)) {
        slice key = btree_iter_key(&it);
        size_t start = d->bytes.len;
        if (key.data[0] != 0) {
            *more = false;
            return STATUS_OK;
        }
        if (d->n == GATHER_MAX || start > GATHER_BYTES) {
            buf_clear(&d->next);
            buf_append_slice(&d->next, key);
            return STATUS_OK;
        }
        TRY(derived_key(d->e, c, key, btree_iter_value(&it), &d->bytes, &has));
        if (has) note(d, start);
        if (++d->seen % TELL_EVERY == 0) load_tell(d->load);
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

/* One collection. */
static status derive_coll(deriving *d, coll *c) {
    bool more = true;
    CHECK(c->counts[ENGINE_DERIVED] == 0);
    buf_clear(&d->next);
    buf_append_char(&d->next, 0);
    while (more) {
        TRY(gather(d, c, &more));
        put_gathered(d, c);
    }
    return STATUS_OK;
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

status derive_all(load_ctx *l) {
    bitcask *e = l->e;
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
