/* segments: the table by slot and the total order (B3).
 *
 * Slots are few and looked up for every read, so the table is an array of pointers; a slot is given
 * again as soon as its segment is gone, which is when nothing in memory says its number. The order
 * is an array too: it changes once per rotation or merge. A slot's number means the same segment as
 * long as anything in memory may say it: entries and cells (its bytes are live then), the undo list
 * (its batch keeps old entries' segments alive, as nothing is retired within a batch), a merge's
 * list of moves (the run is frozen). */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"

/* The lowest free slot: slots index tables, so they are kept dense. */
segment *seg_new(bitcask *e, uint32_t number) {
    CHECK(number > 0);
    uint32_t slot = 0;
    while (slot < e->nslots && e->slots[slot])
        slot++;
    if (slot >= SEG_NO_SLOT) return NULL;
    if (slot == e->nslots) {
        e->slots = mem_realloc(e->slots, (slot + 1) * sizeof(segment *));
        e->nslots++;
    }
    segment *s = mem_zalloc(sizeof *s);
    s->log.number = number;
    s->slot = (uint16_t)slot;
    s->log.state = LOGFILE_PREPARING;
    e->slots[slot] = s;
    return s;
}

/* Its slot may be given again at once. */
void seg_free(bitcask *e, segment *s) {
    CHECK(e->slots[s->slot] == s && s->live == 0);
    e->slots[s->slot] = NULL;
    if (s->log.file && !fetch_keeps(e->fetch, s->log.file)) {
        status st = s->log.file->ops->close(s->log.file);
        if (!status_ok(st)) log_warning("Closing segment %u: %s", s->log.number, st.msg);
    }
    mem_free(s);
}

/* Makes room for n more in the order. */
static void order_reserve(bitcask *e, uint32_t n) {
    CHECK(e->norder <= e->order_cap);
    if (e->norder + n <= e->order_cap) return;
    e->order_cap = (e->norder + n) * 2;
    e->order = mem_realloc(e->order, e->order_cap * sizeof *e->order);
}

/* A rotation, or loading in order. */
void seg_append(bitcask *e, segment *s) {
    CHECK(seg_rank(e, s) == e->norder);
    CHECK(e->slots[s->slot] == s);
    order_reserve(e, 1);
    e->order[e->norder++] = s;
}

/* A merge is installed. */
void seg_replace(bitcask *e, uint32_t at, uint32_t len, segment **with, uint32_t n) {
    CHECK(at + len <= e->norder);
    order_reserve(e, n);
    memmove(e->order + at + n, e->order + at + len, (e->norder - at - len) * sizeof *e->order);
    CHECK(e->norder - len + n <= e->order_cap);
    for (uint32_t i = 0; i < n; i++)
        e->order[at + i] = with[i];
    e->norder = e->norder - len + n;
}

/* A walk: asked once a merge. */
uint32_t seg_rank(const bitcask *e, const segment *s) {
    CHECK(s);
    uint32_t i = 0;
    while (i < e->norder && e->order[i] != s)
        i++;
    return i;
}

/* ---- for the log --------------------------------------------------------------------------------
 */

/* calls.make: NULL if all slots are taken. */
static logfile *make_segment(void *ctx, uint32_t number) {
    segment *s = seg_new(ctx, number);
    CHECK(!s || &s->log == (logfile *)s);
    return s ? &s->log : NULL;
}

/* calls.drop */
static void drop_segment(void *ctx, logfile *f) {
    CHECK(f->state == LOGFILE_PREPARING);
    seg_free(ctx, seg_of(f));
}

/* All that this batch has put points to where the batch is now. */
static void batch_moved(bitcask *e, const segment *from, const logwrite_moved *m) {
    CHECK(m->to > m->from);
    for (uint32_t i = 0; i < e->batch.n; i++) {
        undo *u = &e->batch.undo[i];
        if (u->kind != UNDO_ENTRY && u->kind != UNDO_ELEMENT) continue;
        if (u->size == 0) continue; /* a derived element */
        CHECK(u->size >= RECORD_HEADER);
        log_pos old = log_pos_of(log_pos_file(m->from), u->offset);
        CHECK(old >= m->from);
        u->offset = log_pos_offset(m->to + (old - m->from));
        cache_drop(e->values, old);
        if (u->kind == UNDO_ELEMENT) {
            coll_moved(e, u, from->slot, log_pos_offset(m->from), log_pos_offset(m->to));
        } else if (u->entry.now != ARENA_NONE) {
            char *p = keydir_at(&e->shared, u->entry.now);
            bool fits = kdent_set_place(p, seg_active(e)->slot, u->offset, u->size);
            CHECK(fits);
        }
    }
    if (e->batch.order_at) e->batch.order_at = m->to + (e->batch.order_at - m->from);
}

/* calls.rotated: the new one is the last in the order. */
static void log_rotated(void *ctx, logfile *old, logfile *now, const logwrite_moved *moved) {
    bitcask *e = ctx;
    CHECK(e->norder > 0 && e->order[e->norder - 1] == seg_of(old));
    seg_append(e, seg_of(now));
    if (e->log.open) batch_moved(e, seg_of(old), moved);
}

/* calls.sealed */
static void log_sealed(void *ctx) {
    seg_consider_all(ctx);
}

const chain_calls seg_chain_calls = {
    .make = make_segment,
    .drop = drop_segment,
    .rotated = log_rotated,
    .sealed = log_sealed,
};
