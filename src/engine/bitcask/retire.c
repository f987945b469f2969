/* retire: segments leave.
 *
 *   DEAD ──(the log is durable beyond dead_at, no job reads it)──> RETIRE in the manifest
 *        ──(durable)──> engine/log/retire: hint and segment are unlinked
 *
 * The wait for dead_at (B7): what made the segment dead lies in the log before that position. Were
 * the file unlinked earlier, a crash could lose both the old record and the new. */
#include "engine/bitcask/bitcask_int.h"

#define KINDS (RETIRE_KIND(FILE_SEGMENT) | RETIRE_KIND(FILE_HINT))

/* Nothing in memory says its slot any more, so the slot is free at once. */
void seg_retire(bitcask *e, segment *s, uint64_t gen) {
    CHECK(s->live == 0 && &s->log != e->log.active && &s->log != e->log.sync_head);
    seg_forget_shares(e, s);
    CHECK(!s->frozen && s->live == 0);
    retire_item item = {.number = s->log.number, .kinds = KINDS, .gen = gen, .file = s->log.file};
    if (item.file && fetch_keeps(e->fetch, item.file)) item.file = NULL; /* unlinked all the same */
    retire_push(&e->retire, &item);
    s->log.file = NULL;
    seg_free(e, s);
}

/* Its name is pending in the manifest, or about to be. */
void seg_give_up(bitcask *e, segment *s) {
    CHECK(s->log.state == LOGFILE_PREPARING);
    retire_item item = {.number = s->log.number, .kinds = KINDS};
    seg_free(e, s);
    retire_push(&e->retire, &item);
    retire_advance(&e->retire);
}

/* All that may go, in one edit (B7). */
bool seg_retire_dead(bitcask *e) {
    CHECK(!e->log.open);
    uint32_t kept = 0, n = e->norder;
    log_pos durable = chain_durable(&e->log);
    if (chain_is_dead(&e->log)) return false;
    for (uint32_t i = 0; i < n; i++) {
        segment *s = e->order[i];
        bool logged = logfile_is_logged(&s->log, &e->meta), dead = s->log.state == SEG_DEAD;
        if (dead && durable < s->dead_at && log_conf.appendfsync == ENGINE_FSYNC_NO)
            e->log.want_sync = true; /* nothing else would bring the log that far */
        if (!dead || s->frozen || !logged || durable < s->dead_at) {
            e->order[kept++] = s;
            continue;
        }
        CHECK(!s->live && !s->order && s->dead_at > 0);
        edit_retire(&e->meta.edit, s->log.number);
        seg_retire(e, s, e->meta.gen);
    }
    e->norder = kept;
    if (kept == n) return false;
    edit_durable(&e->meta.edit, durable); /* so that a log that lost what counts now is refused */
    seg_consider_all(e);                  /* another may be the oldest now */
    meta_commit(&e->meta);
    return true;
}
