/* close: a clean end: everything durable, every segment sealed, hints beside them.
 *
 * The active segment is sealed as it is and cut to its length; one that was prepared and not used
 * goes, and so does an active one in which nothing matters. A merge that was being applied is left
 * as the manifest has it: not begun. What fails on the way costs the next start time, not data: it
 * recovers as after a crash. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/ops.h"
#include "engine/bitcask/seglog.h"

/* Waits until no segment is being made: either there is a next one, or none. */
static status end_preparing(bitcask *e) {
    CHECK(!e->batch.open);
    while (e->prepare.step != PREP_NONE) {
        if (seglog_is_dead(e)) return e->failure;
        if (e->meta.full) return status_make(ST_NO_SPACE, "No space left on device");
        meta_kick(e);
        e->env->aio->ops->drain(e->env->aio);
    }
    return STATUS_OK;
}

/* Seals the active segment, or retires it if nothing in it matters. */
static void end_active(bitcask *e) {
    CHECK(e->active && !e->next);
    segment *s = e->active;
    s->end = log_pos_offset(logwrite_end(e->log));
    s->state = SEG_SEALED;
    CHECK(logwrite_durable(e->log) == logwrite_end(e->log) && e->sync_head == s);
    if (s->live || s->hiding || s->order) {
        edit_seal(&e->meta.edit, s->number, s->end);
        s->seal_gen = e->meta.gen;
        return;
    }
    CHECK(e->order[e->norder - 1] == s);
    e->norder--;
    edit_retire(&e->meta.edit, s->number);
    e->active = e->sync_head = NULL;
    seg_retire(e, s, e->meta.gen);
}

/* Waits until what is retired is unlinked, or can't be. */
static void end_retiring(bitcask *e) {
    CHECK(!e->merge);
    retire_advance(e);
    e->env->aio->ops->drain(e->env->aio);
    if (e->meta.edit.ops.len == 0 || seglog_is_dead(e)) return;
    status s = meta_wait(e, meta_commit(e));
    if (!status_ok(s)) log_warning("Closing %s: %s", e->dir, s.msg);
}

/* In the order in which a crash at any point between costs least. */
status seg_close(bitcask *e) {
    CHECK(!e->merge && !e->hints);
    /* what is acknowledged comes first; all that follows only saves the next start some work */
    TRY(bc_sync(&e->base));
    TRY(end_preparing(e));
    seg_retire_dead(e);
    /* made ahead in vain */
    if (e->next) {
        edit_retire(&e->meta.edit, e->next->number);
        seg_retire(e, e->next, e->meta.gen);
        e->next = NULL;
    }
    dbs_edit_map(e, logwrite_end(e->log));
    segment *last = e->active;
    end_active(e);
    TRY(meta_wait(e, meta_commit(e)));
    if (e->active) {
        status cut = last->file->ops->truncate(last->file, last->end);
        if (!status_ok(cut)) log_warning("Closing %s: %s", e->dir, cut.msg);
    }
    end_retiring(e);
    hint_all(e);
    return STATUS_OK;
}
