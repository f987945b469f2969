/* batch: begin, commit, abort.
 *
 * Every change inside a batch leaves one item in the undo list. Abort takes them back from the last
 * to the first; commit walks them once: only then do bytes change sides between live and dead, are
 * replaced entries freed and orphaned collections dropped. Nothing of an aborted batch is left: not
 * in the log, whose tail is cut, nor in the value cache, where its places will mean other records
 * (B1). */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/entries.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/ops.h"

#define UNDO_KEEP 4096 /* items whose memory a batch leaves to the next */

/* Grows by doubling; a batch of one or two changes never does. */
undo *batch_undo(bitcask *e) {
    CHECK(e->log.open);
    batch *b = &e->batch;
    if (__builtin_expect(b->n == b->cap, 0))
        b->undo = mem_more(b->undo, &b->cap, 64, sizeof *b->undo);
    CHECK(b->n < b->cap);
    return &b->undo[b->n++];
}

/* Empties the list for the next batch. */
static void batch_reset(bitcask *e) {
    CHECK(e->log.open);
    batch *b = &e->batch;
    b->n = 0;
    b->order_size = 0;
    b->order_at = 0;
    b->orders = false;
    b->cached = 0;
    buf_clear(&b->bytes);
    if (__builtin_expect(b->cap <= UNDO_KEEP, 1)) return;
    mem_free(b->undo);
    b->undo = NULL;
    b->cap = 0;
    buf_shrink(&b->bytes, 1 << 20);
}

/* engine_begin: the log notes where the batch begins, which is where an abort will cut it. */
void bc_begin(engine *base) {
    bitcask *e = bitcask_of(base);
    CHECK(!e->log.open && e->batch.n == 0);
    CHECK(!e->batch.orders && e->batch.bytes.len == 0);
    pack_begin(&e->stats.packed);
    chain_begin(&e->log);
}

/* ---- commit -----------------------------------------------------------------------------------
 */

/* A main entry's change stands. */
static void settle_entry(bitcask *e, const undo *u) {
    CHECK(u->kind == UNDO_ENTRY && u->size >= RECORD_HEADER);
    if (u->entry.now != ARENA_NONE)
        seg_live_add(e, u->db, seg_active(e)->slot, u->size);
    else
        seg_hiding_add(e, u->db, seg_active(e)->slot, u->size);
    if (u->entry.old == ARENA_NONE) return;
    kdent k;
    kdent_decode(keydir_at(&e->shared, u->entry.old), &k);
    seg_live_sub(e, u->db, k.segment, k.size);
    if (__builtin_expect(k.coll != 0, 0)) {
        coll *c = coll_find(u->db, k.coll);
        if (c && c->owners == 0) coll_drop(e, c);
    }
    keydir_free_entry(u->db->keys, u->entry.old);
}

/* The batch's orders stand. */
static void settle_orders(bitcask *e) {
    CHECK(e->batch.order_size > 0);
    segment *s = seg_active(e);
    s->order += e->batch.order_size;
    s->order_last = e->batch.order_at;
    CHECK(log_pos_file(s->order_last) == s->log.number);
    e->map_wanted = logwrite_committed(e->log.tail);
    e->log.want_sync = true; /* so that the space of what was flushed comes back */
    dbs_settle(e, &e->batch);
}

/* engine_commit: nothing here can fail. Bytes change sides only now (B5), so an abort has none to
 * give back. */
void bc_commit(engine *base) {
    bitcask *e = bitcask_of(base);
    batch *b = &e->batch;
    /* this is the moment: the records are sealed, and a batch of the log from now on */
    chain_commit(&e->log);
    for (uint32_t i = 0; i < b->n; i++) {
        const undo *u = &b->undo[i];
        if (u->kind == UNDO_ENTRY)
            settle_entry(e, u);
        else if (u->kind != UNDO_MAP)
            coll_settle(e, u);
    }
    bool orders = b->orders;
    CHECK(!orders || b->order_at > 0);
    if (__builtin_expect(orders, 0)) settle_orders(e);
    batch_reset(e);
    chain_settled(&e->log);
    if (__builtin_expect(orders, 0)) merge_cancel(e);
}

/* ---- abort ------------------------------------------------------------------------------------
 */

/* A main entry is again what it was. */
static void undo_entry(bitcask *e, const undo *u) {
    CHECK(u->db->keys && !u->db->dropped);
    CHECK(u->entry.now != ARENA_NONE || u->entry.old != ARENA_NONE);
    arena_ref now = u->entry.now, old = u->entry.old;
    slice key = kdent_key(keydir_at(&e->shared, now != ARENA_NONE ? now : old));
    uint64_t token = keydir_token(&e->shared, key);
    kdent k;
    bool expires = false;
    if (now != ARENA_NONE) {
        kdent_decode(keydir_at(&e->shared, now), &k);
        expires = k.expire != 0;
        cache_drop(e->values, seg_pos(seg_active(e), u->offset));
        if (k.coll) coll_find(u->db, k.coll)->owners--;
    }
    int64_t when = expires ? k.expire : 0;
    keydir_undo(u->db->keys, old, now);
    if (when) due_del(e, u->db, token, when);
    if (old != ARENA_NONE) entry_linked(e, u->db, token, old);
}

/* engine_abort: from the last change to the first, so that each finds what it left (B1). The log is
 * cut when nothing names its records any more. */
void bc_abort(engine *base) {
    bitcask *e = bitcask_of(base);
    batch *b = &e->batch;
    CHECK(e->log.open);
    for (uint32_t i = b->n; i-- > 0;) {
        const undo *u = &b->undo[i];
        switch (u->kind) {
        case UNDO_ENTRY: undo_entry(e, u); break;
        case UNDO_ELEMENT:
        case UNDO_COLL_NEW: coll_undo(e, u); break;
        default: dbs_undo(e, u); break;
        }
    }
    chain_abort(&e->log);
    if (b->orders) dbs_settle(e, b);
    batch_reset(e);
    chain_settled(&e->log);
}
