/* rotate: appending to the log, and going on in the next segment when one is full.
 *
 * A batch never spans files (B2): when the next record does not fit, the whole open batch moves to
 * the next segment, and so do the places that its entries and elements name. A batch that is larger
 * than a segment gets one to itself, which grows as it does.
 *
 *   before   ... |committed|batch batch batch|      no room for the next record
 *   after    ... |committed|  sealed here           the next file: |BEGIN|batch batch batch|record
 *
 * BEGIN says where the log left the former file, so that recovery can tell a file that was left
 * there from one whose end is lost. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/seglog.h"

#define RESERVE (256u << 10)

/* A quarter of a small segment. */
uint32_t seglog_reserve(const bitcask *e) {
    CHECK(e->active);
    return e->active->limit / 4 < RESERVE ? e->active->limit / 4 : RESERVE;
}

/* Makes the file of s larger: for a batch that is larger than a segment. */
static status grow(segment *s, uint64_t limit) {
    CHECK(s->file && s->limit >= FILE_HEADER);
    if (limit > LOG_FILE_MAX)
        return status_make(ST_LIMIT, "a batch of more than %u bytes", LOG_FILE_MAX);
    CHECK(limit > s->limit);
    TRY(s->file->ops->allocate(s->file, 0, limit));
    s->limit = (uint32_t)limit;
    return STATUS_OK;
}

/* All that this batch has put points to where the batch is now. */
static void batch_moved(bitcask *e, uint16_t from_slot, const logwrite_moved *m) {
    CHECK(m->to > m->from);
    for (uint32_t i = 0; i < e->batch.n; i++) {
        undo *u = &e->batch.undo[i];
        if (u->kind != UNDO_ENTRY && u->kind != UNDO_ELEMENT) continue;
        log_pos old = log_pos_of(log_pos_file(m->from), u->offset);
        CHECK(old >= m->from);
        u->offset = log_pos_offset(m->to + (old - m->from));
        cache_drop(e->values, old);
        if (u->kind == UNDO_ELEMENT) {
            coll_moved(e, u, from_slot, log_pos_offset(m->from), log_pos_offset(m->to));
        } else if (u->entry.now != ARENA_NONE) {
            char *p = keydir_at(&e->shared, u->entry.now);
            bool fits = kdent_set_place(p, e->active->slot, u->offset, u->size);
            CHECK(fits);
        }
    }
    if (e->batch.order_at) e->batch.order_at = m->to + (e->batch.order_at - m->from);
}

/* No file is touched: the next one was made ahead, and the old one is synced later. */
void seg_rotate(bitcask *e) {
    segment *old = e->active, *s = e->next;
    logwrite_moved moved;
    CHECK(s && s->state == SEG_READY && old->state == SEG_ACTIVE);
    logwrite_file f = {s->file, s->number, s->limit};
    logwrite_next(e->log, &f, &moved);
    old->state = SEG_SEALED;
    old->end = log_pos_offset(moved.old_end);
    old->log_next = s;
    s->state = SEG_ACTIVE;
    s->first = log_pos_offset(moved.to);
    e->active = s;
    e->next = NULL;
    e->on_reserve = s->reserve;
    seg_append(e, s);
    if (e->batch.open) batch_moved(e, old->slot, &moved);
    CHECK(log_pos_file(logwrite_end(e->log)) == s->number);
}

/* Makes `need` bytes of room in a file that also holds the open batch. */
static status make_room(bitcask *e, size_t need) {
    CHECK(e->batch.open);
    uint64_t held = logwrite_batch_bytes(e->log);
    uint64_t all = held + need + FILE_HEADER + RECORD_OVERHEAD_MAX;
    uint32_t end = log_pos_offset(logwrite_end(e->log));
    bool alone = end - held == e->active->first;
    if (!alone || e->active->limit < bitcask_conf.segment_size) {
        TRY(seg_wait_next(e));
        if (e->next->limit < all) TRY(grow(e->next, all));
        seg_rotate(e);
        return STATUS_OK;
    }
    uint64_t more = (uint64_t)e->active->limit + e->active->limit / 2;
    if (more > LOG_FILE_MAX) more = LOG_FILE_MAX;
    TRY(grow(e->active, more > end + need ? more : end + need));
    logwrite_extend(e->log, e->active->limit);
    return STATUS_OK;
}

/* The common case is a comparison and an encoding. */
status seglog_append(bitcask *e, record *r, log_pos *at) {
    CHECK(e->batch.open);
    size_t need = RECORD_OVERHEAD_MAX + r->key.len + r->value.len + r->body.len;
    if (__builtin_expect(logwrite_left(e->log) < need, 0)) {
        if (seglog_is_dead(e)) return seglog_failure(e);
        /* the value may lie in what is about to move */
        buf copy = {0};
        buf_append_slice(&copy, r->value);
        r->value.data = copy.data;
        status s = make_room(e, need);
        if (status_ok(s)) *at = logwrite_append(e->log, r, NULL);
        buf_free(&copy);
        return s;
    }
    *at = logwrite_append(e->log, r, NULL);
    return STATUS_OK;
}
