/* close: a clean end: everything durable, every segment sealed, hints beside them.
 *
 * The active segment is sealed as it is and cut to its length; one that was prepared and not used
 * goes, and so does an active one in which nothing matters. A merge that was being applied is left
 * as the manifest has it: not begun. What fails on the way costs the next start time, not data: it
 * recovers as after a crash. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/ops.h"

/* Seals the active segment, or retires it if nothing in it matters. True if it was sealed. */
static bool end_active(bitcask *e) {
    segment *s = seg_of(chain_end(&e->log));
    CHECK(e->norder > 0 && s->log.state == LOGFILE_SEALED);
    CHECK(e->order[e->norder - 1] == s);
    if (s->live || s->hiding || s->order) {
        chain_seal(&e->log, &s->log);
        return true;
    }
    e->norder--;
    edit_retire(&e->meta.edit, s->log.number);
    seg_retire(e, s, e->meta.gen);
    return false;
}

/* Waits until what is retired is unlinked, or can't be. */
static void end_retiring(bitcask *e) {
    CHECK(!e->merge);
    retire_advance(&e->retire);
    e->env->aio->ops->drain(e->env->aio);
    if (e->meta.edit.ops.len == 0 || chain_is_dead(&e->log)) return;
    status s = meta_wait(&e->meta, meta_commit(&e->meta));
    if (!status_ok(s)) log_warning("Closing %s: %s", e->dir, s.msg);
}

/* In the order in which a crash at any point between costs least. */
status seg_close(bitcask *e) {
    CHECK(!e->merge && !e->hints);
    /* what is acknowledged comes first; all that follows only saves the next start some work */
    TRY(chain_sync_all(&e->log));
    TRY(chain_end_preparing(&e->log));
    seg_retire_dead(e);
    /* made ahead in vain */
    if (e->log.next) {
        segment *next = seg_of(e->log.next);
        CHECK(next->log.state == LOGFILE_READY && next->live == 0);
        e->log.next = NULL;
        edit_retire(&e->meta.edit, next->log.number);
        seg_retire(e, next, e->meta.gen);
    }
    dbs_edit_map(e, logwrite_end(e->log.tail));
    segment *last = seg_active(e);
    bool kept = end_active(e);
    TRY(meta_wait(&e->meta, meta_commit(&e->meta)));
    if (kept) chain_cut(&e->log, &last->log);
    end_retiring(e);
    hint_all(e);
    return STATUS_OK;
}
