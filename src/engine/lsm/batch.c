/* batch: begin, commit, abort.
 *
 * Every change of the active memtable inside a batch leaves the pair that it replaced in the undo
 * list; abort puts them back from the last to the first, and the totals and the mapping with them
 * (L1). A memtable is frozen only between batches, so all of a batch is in the active one, and its
 * records are in one file of the log. When that is full the open batch moves to the next one, and
 * the positions in its cells move with it. */
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

#define UNDO_KEEP  4096         /* items whose memory a batch leaves to the next */
#define BYTES_KEEP (1u << 20)   /* the same of the bytes */
#define CELL_KEEP  (256u << 10) /* of the scratch that cells are made in */

/* Grows by doubling; a batch of a few changes never does. */
undo *lsm_undo_next(lsm *e) {
    batch *b = &e->batch;
    CHECK(b->open);
    if (__builtin_expect(b->n == b->cap, 0))
        b->undo = mem_more(b->undo, &b->cap, 64, sizeof *b->undo);
    CHECK(b->n < b->cap);
    return &b->undo[b->n++];
}

/* Empties the list for the next batch. */
void lsm_batch_end(lsm *e) {
    batch *b = &e->batch;
    CHECK(b->open);
    b->open = b->orders = false;
    b->n = 0;
    logged_abort(e); /* what was committed has left the list */
    buf_clear(&b->bytes);
    if (__builtin_expect(b->cap > UNDO_KEEP || b->bytes.cap > BYTES_KEEP, 0)) {
        mem_free(b->undo);
        b->undo = NULL;
        b->cap = 0;
        buf_shrink(&b->bytes, BYTES_KEEP);
    }
    if (__builtin_expect(e->value.cap + e->cell.cap > CELL_KEEP, 0)) {
        buf_clear(&e->value);
        buf_clear(&e->cell);
        buf_shrink(&e->value, CELL_KEEP / 2);
        buf_shrink(&e->cell, CELL_KEEP / 2);
    }
}

/* engine_begin: the log notes where the batch begins, which is where an abort will cut it. */
void lsm_begin(engine *base) {
    lsm *e = lsm_of(base);
    CHECK(!e->batch.open && e->batch.n == 0);
    e->batch.open = true;
    e->batch.number++;
    CHECK(!e->batch.orders && e->batch.bytes.len == 0);
    pack_begin(&e->stats.packed);
    chain_begin(&e->log);
}

/* engine_commit: what the memtable has is right already; the log's part makes it so for ever. */
void lsm_commit(engine *base) {
    lsm *e = lsm_of(base);
    CHECK(e->batch.open);
    logged_commit(e);
    chain_commit(&e->log);
    if (__builtin_expect(e->batch.orders, 0)) {
        lsm_dbs_settle(e, true);
        e->map_wanted = chain_log_end(&e->log);
        e->log.want_sync = true; /* so that the space of what was flushed comes back */
    }
    if (e->batch.n) e->wrote_us = e->env->clock->mono_us;
    lsm_batch_end(e);
    chain_settled(&e->log);
    lsm_switch_if_full(e);
}

/* The key that u remembers, and the pair's value behind it. */
static slice undo_key(const lsm *e, const undo *u) {
    CHECK(u->kind == UNDO_CELL && u->cell.at + u->cell.key_len <= e->batch.bytes.len);
    return slice_of(e->batch.bytes.data + u->cell.at, u->cell.key_len);
}
static slice undo_value(const lsm *e, const undo *u) {
    CHECK(u->cell.at + u->cell.key_len + u->cell.old_len <= e->batch.bytes.len);
    return slice_of(e->batch.bytes.data + u->cell.at + u->cell.key_len, u->cell.old_len);
}

/* engine_abort: from the last change to the first, so that each finds what it left. */
void lsm_abort(engine *base) {
    lsm *e = lsm_of(base);
    batch *b = &e->batch;
    CHECK(b->open);
    for (uint32_t i = b->n; i-- > 0;) {
        const undo *u = &b->undo[i];
        switch (u->kind) {
        case UNDO_CELL: memtable_restore(e->active, undo_key(e, u), undo_value(e, u)); break;
        case UNDO_TOTALS: u->db->totals = u->totals; break;
        case UNDO_COUNTS: lsm_counts_undo(e, u); break;
        default: lsm_dbs_undo(e, u); break;
        }
    }
    if (b->orders) lsm_dbs_settle(e, false);
    lsm_counts_forget(e);
    ends_forget(&e->ends);
    chain_abort(&e->log);
    lsm_batch_end(e);
    chain_settled(&e->log);
}

/* ---- changes -----------------------------------------------------------------------------------
 */

/* Remembers the pair at the spot, or that there is none. */
static void remember(lsm *e, const btree_spot *spot, slice key) {
    undo *u = lsm_undo_next(e);
    buf *bytes = &e->batch.bytes;
    size_t old = spot->found ? spot->value.len : 0;
    CHECK(key.len > 0 && e->active->end == 0); /* what is frozen never changes */
    u->kind = UNDO_CELL;
    u->cell.at = bytes->len;
    u->cell.key_len = (uint32_t)key.len;
    u->cell.old_len = (uint32_t)old;
    char *p = buf_reserve(bytes, key.len + old);
    memcpy(p, key.data, key.len);
    if (old) memcpy(p + key.len, spot->value.data, old);
    bytes->len += key.len + old;
}

/* Room for what memtable_put fills in. */
buf *lsm_cell_value(buf *b) {
    buf_clear(b);
    (void)buf_reserve(b, MEM_HEAD);
    b->len = MEM_HEAD;
    return b;
}

/* The one way in which cells come to the memtable. */
void lsm_cell_put_at(lsm *e, btree_spot *spot, slice key, log_pos pos, buf *value, bool exists) {
    CHECK(e->batch.open && value->len > MEM_HEAD);
    remember(e, spot, key);
    memtable_put(e->active, spot, key, pos, buf_slice(value), exists);
}

/* With a look first. */
void lsm_cell_put(lsm *e, slice key, log_pos pos, buf *value, bool exists) {
    btree_spot spot;
    btree_find(e->active->tree, key, &spot);
    lsm_cell_put_at(e, &spot, key, pos, value, exists);
}

/* The one way in which they go. */
void lsm_cell_del_at(lsm *e, btree_spot *spot, slice key, log_pos pos) {
    CHECK(e->batch.open);
    remember(e, spot, key);
    memtable_del(e->active, spot, key, pos);
}

/* With a look first. */
void lsm_cell_del(lsm *e, slice key, log_pos pos) {
    btree_spot spot;
    btree_find(e->active->tree, key, &spot);
    lsm_cell_del_at(e, &spot, key, pos);
}

/* Of a key that the open batch has not changed, if it is not to be undone. */
void lsm_cell_settle(lsm *e, slice key, log_pos pos, buf *value, bool exists, bool undone) {
    btree_spot spot;
    CHECK((value || exists) && (e->batch.open || !undone));
    btree_find(e->active->tree, key, &spot);
    if (undone) remember(e, &spot, key);
    if (value)
        memtable_put(e->active, &spot, key, pos, buf_slice(value), exists);
    else
        memtable_del(e->active, &spot, key, pos);
}

/* Once a batch for each database. */
void lsm_totals_save(lsm *e, lpdb *d) {
    CHECK(e->batch.open);
    if (d->saved == e->batch.number) return;
    d->saved = e->batch.number;
    undo *u = lsm_undo_next(e);
    u->kind = UNDO_TOTALS;
    u->db = d;
    u->totals = d->totals;
}

/* A pair that was changed twice is come by twice: what is in another file stays. */
void lsm_batch_moved(lsm *e, log_pos from, log_pos to) {
    CHECK(e->batch.open && to > from);
    for (uint32_t i = 0; i < e->batch.n; i++) {
        const undo *u = &e->batch.undo[i];
        if (u->kind != UNDO_CELL) continue;
        slice old = undo_value(e, u);
        memtable_move(e->active, undo_key(e, u), from, to);
        if (old.len) memtable_move_value((char *)(uintptr_t)old.data, from, to);
    }
}
