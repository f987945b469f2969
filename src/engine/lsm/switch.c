/* switch: one memtable after another.
 *
 *   active ──lsm_freeze──> frozen ──flushed, installed: lsm_unfreeze──> dying ──> freed
 *
 * The list begins with the active one, newest first; the oldest is the next to be installed. A
 * memtable is frozen between batches, and takes with it what the manifest must say beside its
 * table: the log's position, the totals and, if that is not on its way there, the mapping. */
#include "engine/lsm/lsm_int.h"

#define FREE_PAIRS 512 /* a slice of freeing, some tens of microseconds */

/* The totals are what they were behind the last record, as no batch is open; the counts too, once
 * they are in their cells. */
void lsm_freeze(lsm *e, log_pos end) {
    memtable *m = e->active;
    log_pos last = m->older ? m->older->end : e->flushed;
    CHECK(!e->batch.open && end > 0 && m->end == 0);
    lsm_counts_settle(e);
    if (memtable_entries(m) == 0 && log_pos_file(end) == log_pos_file(last)) return;
    CHECK(end >= last); /* positions only grow */
    m->end = end;
    e->last.tree = NULL;
    lsm_dbs_freeze(e, m);
    e->active = memtable_new(m->number + 1);
    e->active->older = m;
    e->active->first_coll = e->meta.ids[MANIFEST_IDS_COLL].next;
    e->nfrozen++;
    lsm_walks_forget(e);
}

/* A file of the log that has hardly been used is not left for that. */
void lsm_switch(lsm *e) {
    lsm_freeze(e, chain_log_end(&e->log));
    const logfile *f = e->log.active;
    bool used = log_pos_offset(chain_log_end(&e->log)) >= f->limit / 4;
    if (e->log.next && used && !chain_is_dead(&e->log)) chain_rotate(&e->log);
    CHECK(memtable_entries(e->active) == 0);
}

/* After each batch. */
void lsm_switch_if_full(lsm *e) {
    CHECK(!e->batch.open);
    if (memtable_bytes(e->active) < lsm_memtable_size(e) || e->nfrozen >= LSM_FROZEN_MAX) return;
    lsm_switch(e);
}

/* Installs happen in order, so it is the last of the list. */
void lsm_unfreeze(lsm *e, memtable *m) {
    memtable *before = e->active;
    CHECK(m != e->active && !m->older && e->nfrozen > 0);
    while (before->older != m) {
        before = before->older;
        CHECK(before);
    }
    before->older = NULL;
    e->nfrozen--;
    lsm_walks_forget(e);
    m->older = e->dying;
    e->dying = m;
}

/* One that is still read waits for its reader's end. */
bool lsm_free_some(lsm *e) {
    for (memtable **at = &e->dying; *at; at = &(*at)->older) {
        memtable *m = *at, *rest = m->older;
        CHECK(m != e->active);
        if (m->readers) continue;
        if (memtable_free_some(m, FREE_PAIRS)) {
            *at = rest;
            logged_release(e);
        }
        return e->dying != NULL;
    }
    return false;
}
