/* recover: from the manifest and the files to the state that was promised.
 *
 *   1. engine/log/store has seen to what the manifest has as pending, and to names it does not know
 *   2. the segments are loaded in order: by hint if there is a good one, else by reading; where the
 *      log ends is decided by engine/log/recover, and damage to what was acknowledged is a refusal
 *   3. the open end of the log is fsynced and sealed where it was cut, what lies behind it retired,
 *      the mapping of databases as it now stands recorded, all in the manifest edit that also
 *      begins a new segment
 *   4. the derived maps are made again, or noted to be made behind the start
 *
 * Until 3 nothing but step 1's unlinking has changed a file. */
#include "engine/bitcask/recover.h"

#include "base/log.h"
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/derive.h"
#include "engine/bitcask/load.h"
#include "engine/log/recover.h"

typedef struct loading {
    load_ctx load;
    recovery files;
} loading;

/* The live files, as segments in order. */
static status open_segments(bitcask *e, loading *l) {
    CHECK(e->norder == 0);
    recovery *r = &l->files;
    TRY(recover_files(r, &e->log));
    for (uint32_t i = 0; i < r->n; i++) {
        segment *s = seg_of(r->files[i]);
        CHECK(s->log.state == LOGFILE_SEALED && s->log.number > 0);
        s->merged = r->merged[i];
        seg_append(e, s);
        load_weigh(&l->load, s);
    }
    return STATUS_OK;
}

/* For recover_replay. */
static status load_one_record(void *ctx, logfile *f, const logscan_item *item) {
    loading *l = ctx;
    return load_record(&l->load, seg_of(f), item);
}

/* Reads the segments of ranks [from, to). */
static status replay(loading *l, uint32_t from, uint32_t to) {
    CHECK(from < to && to <= l->load.e->norder);
    l->load.e->stats.recovery_logs += to - from;
    status s = recover_replay(&l->files, from, to, load_one_record, l);
    load_drain(&l->load);
    return s;
}

/* Loads all segments. A hint that is not there is nothing special; one that is bad is told, as it
 * says something about the disk. */
static status load_all(bitcask *e, loading *l) {
    CHECK(!e->log.active);
    uint32_t n = e->norder, sealed = 0, i = 0;
    while (sealed < n && e->order[sealed]->log.end != 0)
        sealed++;
    /* sealed ones, by hint where there is a good one */
    while (i < sealed) {
        uint32_t hinted;
        bool bad;
        TRY(load_hints(&l->load, i, sealed, &hinted, &bad));
        e->stats.recovery_hints += hinted;
        i += hinted;
        CHECK(hinted > 0 || bad);
        if (bad) TRY(replay(l, i, i + 1));
        i += bad;
    }
    /* the open ones, together: where one ends is told by how the next one begins */
    if (i < n) TRY(replay(l, i, n));
    e->stats.recovery_cut = l->files.cut;
    return STATUS_OK;
}

/* recover_calls.retired: only the last ones are. */
static void retired(void *ctx, logfile *f, uint64_t gen) {
    bitcask *e = ctx;
    uint32_t rank = seg_rank(e, seg_of(f));
    CHECK(rank < e->norder);
    seg_replace(e, rank, 1, NULL, 0);
    seg_retire(e, seg_of(f), gen);
}

/* recover_calls.begins: the mapping goes to the manifest, so no order is needed any more. */
static void begins(void *ctx, log_pos at) {
    dbs_edit_map(ctx, at);
}

/* The mapping as the manifest has it, and a database for each logical one; and the system's. */
static void load_map(bitcask *e, load_ctx *l) {
    CHECK(e->ndbs == 0);
    dbs_make_system(e);
    const manifest_state *m = meta_state(&e->meta);
    for (size_t i = 0; i < m->nmap; i++) {
        CHECK(m->map[i].pdb != RECORD_PDB_SYSTEM && m->map[i].db < ENGINE_DBS_MAX);
        dbs_grow(e, m->map[i].db + 1);
        pdb *d = pdb_find(e, m->map[i].pdb);
        e->map[m->map[i].db] = d ? d : pdb_new(e, m->map[i].pdb);
        if (m->map[i].pdb >= l->known) l->known = m->map[i].pdb + 1;
    }
}

/* Logical databases that there were not before get a physical one. */
static status fill_map(bitcask *e, uint32_t databases) {
    CHECK(databases > 0);
    dbs_grow(e, databases);
    for (uint32_t i = 0; i < e->ndbs; i++) {
        uint64_t id;
        if (e->map[i]) continue;
        TRY(meta_take_id(&e->meta, MANIFEST_IDS_PDB, &id));
        e->map[i] = pdb_new(e, (uint32_t)id);
    }
    return STATUS_OK;
}

/* The new beginning. */
static status begin(bitcask *e, loading *l) {
    static const recover_calls calls = {.retired = retired, .begins = begins};
    TRY(recover_begin(&l->files, &calls, e));
    for (uint32_t i = 0; i < e->norder; i++)
        e->order[i]->order = 0;
    seg_append(e, seg_active(e));
    seg_consider_all(e);
    CHECK(!chain_is_dead(&e->log));
    return STATUS_OK;
}

/* Loading, then the new beginning. */
static status recover_all(bitcask *e, loading *l, uint32_t databases) {
    load_map(e, &l->load);
    TRY(open_segments(e, l));
    TRY(load_all(e, l));
    TRY(fill_map(e, databases));
    load_finish(&l->load);
    TRY(begin(e, l));
    return derive_start(&l->load);
}

/* The steps above, in order. */
status recover(bitcask *e, uint32_t databases) {
    loading l = {.load.e = e};
    status s = recover_all(e, &l, databases);
    recover_free(&l.files);
    load_free(&l.load);
    CHECK(!status_ok(s) || (e->log.active && e->norder > 0));
    return s;
}
