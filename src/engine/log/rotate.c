/* rotate: appending to the log, and going on in the next file when one is full.
 *
 * A batch never spans files (W2): when the next record does not fit, the whole open batch moves to
 * the next file, and the engine makes whatever names the batch's places name the new ones
 * (calls.rotated). A batch that is larger than a file gets one to itself, which grows as it does.
 *
 *   before   ... |committed|batch batch batch|      no room for the next record
 *   after    ... |committed|  sealed here           the next file: |BEGIN|batch batch batch|record
 *
 * BEGIN says where the log left the former file, so that recovery can tell a file that was left
 * there from one whose end is lost. */
#include "engine/log/chain.h"

#define RESERVE (256u << 10)

/* A quarter of a small file. */
uint32_t chain_reserve(const chain *c) {
    CHECK(c->active);
    return c->active->limit / 4 < RESERVE ? c->active->limit / 4 : RESERVE;
}

/* Makes the file of f larger: for a batch that is larger than a file. */
static status grow(logfile *f, uint64_t limit) {
    CHECK(f->file && f->limit >= FILE_HEADER);
    if (limit > LOG_FILE_MAX)
        return status_make(ST_LIMIT, "a batch of more than %u bytes", LOG_FILE_MAX);
    CHECK(limit > f->limit);
    TRY(f->file->ops->allocate(f->file, 0, limit));
    f->limit = (uint32_t)limit;
    return STATUS_OK;
}

/* No file is touched: the next one was made ahead, and the old one is synced later. */
void chain_rotate(chain *c) {
    logfile *old = c->active, *f = c->next;
    logwrite_moved moved;
    CHECK(f && f->state == LOGFILE_READY && old->state == LOGFILE_ACTIVE);
    CHECK(f->number > old->number && !old->log_next);
    logwrite_file to = {f->file, f->number, f->limit};
    logwrite_next(c->tail, &to, &moved);
    old->state = LOGFILE_SEALED;
    old->end = log_pos_offset(moved.old_end);
    old->log_next = f;
    f->state = LOGFILE_ACTIVE;
    f->first = log_pos_offset(moved.to);
    c->active = f;
    c->next = NULL;
    c->on_reserve = f->reserve;
    CHECK(old->end > FILE_HEADER && old->end <= old->limit && f->first >= FILE_HEADER); /* W2 */
    if (c->calls->rotated) c->calls->rotated(c->ctx, old, f, &moved);
    CHECK(log_pos_file(logwrite_end(c->tail)) == f->number);
}

/* Makes `need` bytes of room in a file that also holds the open batch. */
static status make_room(chain *c, size_t need) {
    CHECK(c->open);
    uint64_t held = logwrite_batch_bytes(c->tail);
    uint64_t all = held + need + FILE_HEADER + RECORD_OVERHEAD_MAX;
    uint32_t end = log_pos_offset(logwrite_end(c->tail));
    CHECK(end >= held + FILE_HEADER);
    bool alone = end - held == c->active->first;
    if (!alone || c->active->limit < log_conf.segment_size) {
        TRY(chain_wait_next(c));
        if (c->next->limit < all) TRY(grow(c->next, all));
        chain_rotate(c);
        CHECK(logwrite_left(c->tail) >= need);
        return STATUS_OK;
    }
    uint64_t more = (uint64_t)c->active->limit + c->active->limit / 2;
    if (more > LOG_FILE_MAX) more = LOG_FILE_MAX;
    TRY(grow(c->active, more > end + need ? more : end + need));
    logwrite_extend(c->tail, c->active->limit);
    CHECK(logwrite_left(c->tail) >= need);
    return STATUS_OK;
}

/* The common case is a comparison and an encoding. */
status chain_append(chain *c, record *r, log_pos *at) {
    CHECK(c->open);
    size_t need = RECORD_OVERHEAD_MAX + r->key.len + r->value.len + r->body.len;
    if (__builtin_expect(logwrite_left(c->tail) < need, 0)) {
        if (chain_is_dead(c)) return c->failure;
        /* the value may lie in what is about to move */
        buf copy = {0};
        buf_append_slice(&copy, r->value);
        r->value.data = copy.data;
        status s = make_room(c, need);
        if (status_ok(s)) *at = logwrite_append(c->tail, r, NULL);
        buf_free(&copy);
        return s;
    }
    *at = logwrite_append(c->tail, r, NULL);
    CHECK(log_pos_file(*at) == c->active->number);
    return STATUS_OK;
}

/* Deletes may use what is left of the log; everything else leaves a part to them, once no further
 * file can be had (prepare.c). */
status chain_room(const chain *c, size_t bytes) {
    if (chain_is_dead(c)) return c->failure;
    uint64_t left = logwrite_left(c->tail), need = bytes + RECORD_OVERHEAD_MAX;
    bool coming = !c->no_space && !c->meta->full;        /* the next file is there, or on its way */
    bool can_wait = c->next || coming || c->can_reserve; /* chain_append makes a file */
    if (bytes == 0 && (left >= need || can_wait)) return STATUS_OK;
    if (bytes > 0 && !c->on_reserve && (left >= need + chain_reserve(c) || coming))
        return STATUS_OK;
    return status_make(ST_NO_SPACE, "No space left on device for the log in %s", c->meta->dir);
}
