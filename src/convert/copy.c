/* copy: entries in token order, several a batch; a large collection takes several batches, so
 * memory is bounded by a batch and not by the data.
 *
 *     walk ──> op, op, op ... in memory ── full ──> room? pace? begin, every op, commit ──> turn
 *
 * The changes of a batch are collected before it begins, so that it can be made again when one of
 * them finds that a read of the target is PENDING (E2), and so that the engine is told beforehand
 * how much comes. Where there is no room, the target gets some seconds to make some (the next file
 * of its log may be on its way). */
#include "convert/copy.h"

#include "base/log.h"
#include "convert/walk.h"

#define BATCH_BYTES   (1u << 20)
#define BATCH_CHANGES 1000
#define CHANGE_BYTES  64      /* what a change logs besides its key and value */
#define ROOM_WAIT_US  10000   /* between looks for room, */
#define ROOM_PATIENCE 5000000 /* and in all */

/* A change, followed by its key or subkey and its value. */
typedef struct op {
    bool element; /* of the collection that came last */
    bool coll;    /* an entry that owns one */
    uint8_t type, hint, map;
    uint32_t access;
    int64_t expire;
    uint32_t key_len, value_len;
} op;

typedef struct copier {
    engine *to;
    uint32_t db;
    const copy_host *host;
    tally t;
    buf ops; /* the next batch */
    size_t nops;
    buf key;  /* of the last collection of the batches before */
    buf name; /* of the collection that is open */
    engine_coll coll;
    bool coll_open; /* coll is good for this batch */
} copier;

/* ---- one batch ----------------------------------------------------------------------------------
 */

/* The collection that goes on, from the batches before. */
static engine_result open_last(copier *c) {
    entry ent;
    if (c->coll_open) return ENGINE_OK;
    engine_result r = engine_meta(c->to, c->db, buf_slice(&c->name), &ent);
    if (r == ENGINE_OK) r = engine_coll_open(c->to, c->db, buf_slice(&c->name), &ent, &c->coll);
    c->coll_open = r == ENGINE_OK;
    return r;
}

/* A new entry; one with a collection is what the elements behind it belong to. */
static engine_result put_entry(copier *c, const op *o, slice key, slice value) {
    entry ent = {
        .type = o->type, .hint = o->hint, .access = o->access, .expire = o->expire, .value = value};
    if (o->coll) {
        buf_clear(&c->name);
        buf_append_slice(&c->name, key);
        engine_result r = engine_coll_new(c->to, c->db, buf_slice(&c->name), &c->coll);
        if (r != ENGINE_OK) return r;
        c->coll_open = true;
        ent.coll = c->coll.id;
    }
    return engine_put(c->to, c->db, key, &ent);
}

/* All changes of the batch, in order. */
static engine_result put_all(copier *c) {
    engine_result r = ENGINE_OK;
    buf_clear(&c->name);
    buf_append_slice(&c->name, buf_slice(&c->key));
    c->coll_open = false;
    for (size_t at = 0; r == ENGINE_OK && at < c->ops.len;) {
        op o;
        memcpy(&o, c->ops.data + at, sizeof o);
        slice key = slice_of(c->ops.data + at + sizeof o, o.key_len);
        slice value = slice_of(key.data + key.len, o.value_len);
        at += sizeof o + key.len + value.len;
        CHECK(at <= c->ops.len);
        if (o.element) {
            r = open_last(c);
            if (r == ENGINE_OK) r = engine_map_put(c->to, &c->coll, o.map, key, value, o.expire);
        } else {
            r = put_entry(c, &o, key, value);
        }
    }
    return r;
}

/* Waits for room, and as long as the engine wants writes to wait. */
static status admit(const copier *c) {
    size_t bytes = c->ops.len + c->nops * CHANGE_BYTES;
    uint64_t waited = 0;
    for (;;) {
        status s = engine_room(c->to, bytes);
        if (status_ok(s)) break;
        if (s.code != ST_NO_SPACE || waited >= ROOM_PATIENCE) return s;
        TRY(c->host->sleep(c->host->ctx, ROOM_WAIT_US));
        waited += ROOM_WAIT_US;
    }
    uint64_t us = engine_pace(c->to, bytes);
    return us ? c->host->sleep(c->host->ctx, us) : STATUS_OK;
}

/* Makes what was collected a batch of the target, and lets that work. */
static status flush(copier *c) {
    engine_result r = ENGINE_PENDING;
    if (c->nops == 0) return STATUS_OK;
    TRY(admit(c));
    while (r == ENGINE_PENDING) {
        engine_begin(c->to);
        r = put_all(c);
        if (r == ENGINE_OK) break;
        engine_abort(c->to);
        if (r == ENGINE_PENDING) TRY(c->host->sleep(c->host->ctx, ROOM_WAIT_US / 10));
    }
    if (r == ENGINE_ERROR) return engine_error(c->to);
    if (r == ENGINE_ABSENT)
        return status_make(ST_CORRUPT, "a collection that was just made is not found");
    engine_commit(c->to);
    buf_clear(&c->key);
    buf_append_slice(&c->key, buf_slice(&c->name));
    buf_clear(&c->ops);
    c->nops = 0;
    return c->host->turn(c->host->ctx, &c->t.sum);
}

/* ---- what the walk tells ------------------------------------------------------------------------
 */

/* Behind those that are there, which go first if they are enough. */
static status collect(copier *c, const op *o, slice key, slice value) {
    if (c->ops.len >= BATCH_BYTES || c->nops >= BATCH_CHANGES) TRY(flush(c));
    buf_append(&c->ops, o, sizeof *o);
    buf_append_slice(&c->ops, key);
    buf_append_slice(&c->ops, value);
    c->nops++;
    return STATUS_OK;
}

/* The walker's: an entry goes into the tally, and into the batch. */
static status copy_key(void *ctx, uint32_t db, slice key, const entry *ent) {
    copier *c = ctx;
    CHECK(db == c->db);
    op o = {.coll = ent->coll != 0,
            .type = ent->type,
            .hint = ent->hint,
            .access = ent->access,
            .expire = ent->expire,
            .key_len = (uint32_t)key.len,
            .value_len = (uint32_t)ent->value.len};
    tally_entry(&c->t, key, ent);
    return collect(c, &o, key, ent->value);
}

/* The walker's: an element likewise. */
static status copy_element(void *ctx, unsigned map, slice sub, slice value, int64_t expire) {
    copier *c = ctx;
    op o = {.element = true,
            .map = (uint8_t)map,
            .expire = expire,
            .key_len = (uint32_t)sub.len,
            .value_len = (uint32_t)value.len};
    tally_element(&c->t, map, sub, value, expire);
    return collect(c, &o, sub, value);
}

/* The walker's. */
static void copy_wait(void *ctx) {
    copier *c = ctx;
    c->host->wait(c->host->ctx);
}

/* What is left of the last batch goes at the end. */
status copy_db(engine *from, engine *to, uint32_t db, const copy_host *host, tally_sum *sum) {
    copier c = {.to = to, .db = db, .host = host, .t = {.sum = *sum}};
    walker w = {copy_key, copy_element, copy_wait, &c};
    status s = walk_db(from, db, &w);
    if (status_ok(s)) s = flush(&c);
    *sum = c.t.sum;
    tally_free(&c.t);
    buf_free(&c.ops);
    buf_free(&c.key);
    buf_free(&c.name);
    return s;
}
