/* dbs: physical databases, and which logical one is which.
 *
 * A flush gives a logical database a new, empty physical one; a swap exchanges two. Both are
 * records in the batch like any change, so they commit and abort with it. What such a record says
 * holds for all records after it, so the log keeps it until the manifest's copy of the mapping is
 * of a later position (L7). That copy is made when the log is durable that far, and goes along
 * with the table of a memtable that was frozen in between.
 *
 * A physical database is *dead* when nothing can ever map to it again: it is not mapped now, not in
 * the manifest's mapping, to which a crash may go back, and was not made since that, as the log may
 * bring such a one back. Numbers ascend, and each change of the mapping but a swap maps new ones,
 * so what was made since has a number beyond the greatest in the mapping.
 *
 * Numbers begin at 1. 0 is the system's, which is in no mapping and never dead. */
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

/* ---- physical databases ---------------------------------------------------------------------- */

/* The first place in e->pdbs whose number is not less. */
static uint32_t place_of(const lsm *e, uint32_t number) {
    uint32_t low = 0, high = e->npdbs;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (e->pdbs[mid]->number < number)
            low = mid + 1;
        else
            high = mid;
    }
    CHECK(low <= e->npdbs);
    return low;
}

/* There are about as many as logical ones. */
lpdb *lsm_pdb_find(const lsm *e, uint32_t number) {
    uint32_t i = place_of(e, number);
    return i < e->npdbs && e->pdbs[i]->number == number ? e->pdbs[i] : NULL;
}

/* Empty, mapped by nobody yet. */
static lpdb *pdb_add(lsm *e, uint32_t number) {
    uint32_t at = place_of(e, number);
    CHECK(!lsm_pdb_find(e, number));
    if (e->npdbs == e->pdbs_cap) {
        e->pdbs_cap = e->pdbs_cap ? 2 * e->pdbs_cap : 16;
        e->pdbs = mem_realloc(e->pdbs, e->pdbs_cap * sizeof(lpdb *));
    }
    CHECK(e->npdbs < e->pdbs_cap && (at == 0 || e->pdbs[at - 1]->number < number));
    memmove(e->pdbs + at + 1, e->pdbs + at, (e->npdbs - at) * sizeof(lpdb *));
    e->npdbs++;
    lpdb *d = mem_zalloc(sizeof *d);
    CHECK((number == RECORD_PDB_SYSTEM) == !e->system);
    d->number = number;
    return e->pdbs[at] = d;
}

/* Forgets those of which `keep` says no. */
static void pdbs_prune(lsm *e, bool (*keep)(const lsm *e, const lpdb *d)) {
    uint32_t n = 0;
    CHECK(!e->batch.open || e->batch.orders);
    for (uint32_t i = 0; i < e->npdbs; i++) {
        if (e->pdbs[i]->mapped || keep(e, e->pdbs[i]))
            e->pdbs[n++] = e->pdbs[i];
        else
            mem_free(e->pdbs[i]);
    }
    e->npdbs = n;
}

/* For compactions, which leave out all that is in it. */
bool lsm_pdb_is_dead(const lsm *e, uint32_t number) {
    CHECK(e->npdbs > 0); /* the system's at least */
    return number < e->dead_below && !lsm_pdb_find(e, number);
}

/* Never shrinks: databases that are not configured any more keep their data. */
static void grow(lsm *e, uint32_t ndbs) {
    CHECK(ndbs <= ENGINE_DBS_MAX);
    if (ndbs <= e->ndbs) return;
    e->map = mem_realloc(e->map, ndbs * sizeof(lpdb *));
    memset(e->map + e->ndbs, 0, (ndbs - e->ndbs) * sizeof(lpdb *));
    e->ndbs = ndbs;
}

/* Sets `mapped` of all. */
static void mark(lsm *e) {
    CHECK(e->ndbs == 0 || e->map);
    for (uint32_t i = 0; i < e->npdbs; i++)
        e->pdbs[i]->mapped = false;
    for (uint32_t i = 0; i < e->ndbs; i++)
        if (e->map[i]) e->map[i]->mapped = true;
    e->system->mapped = true;
}

/* For engine_close. */
void lsm_dbs_free(lsm *e) {
    for (uint32_t i = 0; i < e->npdbs; i++)
        mem_free(e->pdbs[i]);
    mem_free(e->pdbs);
    mem_free(e->map);
    e->pdbs = e->map = NULL;
    e->system = NULL;
    e->npdbs = e->pdbs_cap = e->ndbs = 0;
}

/* engine_db_stats_of: exact (L3). */
void lsm_db_stats(engine *base, uint32_t db, engine_db_stats *out) {
    const lpdb *d = lsm_db(lsm_of(base), db);
    CHECK(d->totals.expires <= d->totals.keys); /* L3 */
    *out = (engine_db_stats){.keys = d->totals.keys, .expires = d->totals.expires};
}

/* ---- a start ------------------------------------------------------------------------------------
 */

/* One more than the greatest number that the manifest's mapping has. */
static uint32_t manifest_top(const lsm *e) {
    const manifest_state *m = meta_state(&e->meta);
    uint32_t top = 0;
    CHECK(m->nmap == 0 || m->map);
    for (size_t i = 0; i < m->nmap; i++)
        if (m->map[i].pdb > top) top = m->map[i].pdb;
    return top + 1;
}

/* Totals of a database that the mapping does not have are of a dead one. */
status lsm_dbs_load(lsm *e) {
    const manifest_state *m = meta_state(&e->meta);
    CHECK(e->npdbs == 0 && e->ndbs == 0);
    e->system = pdb_add(e, RECORD_PDB_SYSTEM);
    for (size_t i = 0; i < m->nmap; i++) {
        if (m->map[i].db >= ENGINE_DBS_MAX || m->map[i].pdb == RECORD_PDB_SYSTEM)
            return status_make(ST_CORRUPT, "%s: the manifest's mapping is malformed", e->dir);
        grow(e, m->map[i].db + 1);
        lpdb *d = lsm_pdb_find(e, m->map[i].pdb);
        e->map[m->map[i].db] = d ? d : pdb_add(e, m->map[i].pdb);
    }
    for (size_t i = 0; i < m->ncounts; i++) {
        lpdb *d = lsm_pdb_find(e, m->counts[i].pdb);
        if (!d) continue;
        d->totals.keys = m->counts[i].keys;
        d->totals.expires = m->counts[i].expires;
    }
    e->dead_below = manifest_top(e);
    e->map_flying = m->map_at;
    mark(e);
    return STATUS_OK;
}

/* A FLUSH or SWAP, unless the manifest's mapping is of a later position: it knows it then, and
 * maybe later ones that undid it. */
status lsm_dbs_replay(lsm *e, const record *r, log_pos pos) {
    uint32_t db, number;
    slice pairs = record_pairs(r->body);
    CHECK(r->kind == RECORD_FLUSH || r->kind == RECORD_SWAP);
    if (pos < meta_state(&e->meta)->map_at) return STATUS_OK;
    while (record_next_pair(&pairs, &db, &number)) {
        if (db >= ENGINE_DBS_MAX || number == RECORD_PDB_SYSTEM)
            return status_make(ST_CORRUPT, "%s: the log maps db %u to %u", e->dir, db, number);
        grow(e, db + 1);
        lpdb *d = lsm_pdb_find(e, number);
        e->map[db] = d ? d : pdb_add(e, number);
    }
    mark(e);
    e->map_wanted = pos + r->size;
    return STATUS_OK;
}

/* New databases get their numbers now; the edit with which the log begins has them. */
status lsm_dbs_complete(lsm *e, uint32_t databases) {
    CHECK(databases > 0 && !e->batch.open);
    grow(e, databases);
    for (uint32_t i = 0; i < e->ndbs; i++) {
        uint64_t id;
        if (e->map[i]) continue;
        TRY(meta_take_id(&e->meta, MANIFEST_IDS_PDB, &id));
        e->map[i] = pdb_add(e, (uint32_t)id);
    }
    mark(e);
    return STATUS_OK;
}

/* ---- flush, swap ------------------------------------------------------------------------------
 */

/* Logs an order: these logical databases are those physical ones from here on. */
static engine_result log_order(lsm *e, uint8_t kind, size_t n, const uint32_t *dbs,
                               const uint32_t *pdbs) {
    buf body = {0};
    log_pos at;
    CHECK(n > 0 && e->batch.open);
    record_put_pairs(&body, n, dbs, pdbs);
    record r = {.kind = kind, .body = buf_slice(&body)};
    status s = chain_append(&e->log, &r, &at);
    buf_free(&body);
    if (!status_ok(s)) return lsm_error(e, s);
    CHECK(log_pos_file(at) == e->log.active->number);
    e->batch.orders = true;
    return ENGINE_OK;
}

/* Makes logical databases be other physical ones, logged and undoably. */
static engine_result remap(lsm *e, uint8_t kind, size_t n, const uint32_t *dbs,
                           const uint32_t *pdbs) {
    engine_result r = log_order(e, kind, n, dbs, pdbs);
    for (size_t i = 0; i < n && r == ENGINE_OK; i++) {
        lpdb *now = lsm_pdb_find(e, pdbs[i]);
        undo *u = lsm_undo_next(e);
        u->kind = UNDO_MAP;
        u->db = lsm_db(e, dbs[i]);
        u->map.logical = dbs[i];
        u->map.now = now ? now : pdb_add(e, pdbs[i]);
        CHECK(u->map.now != u->db);
        e->map[dbs[i]] = u->map.now;
    }
    return r;
}

/* A new number for each database of a range that has keys. What one without keys once had is
 * compacted away like any deletes. */
static status new_numbers(lsm *e, uint32_t from, uint32_t to, uint32_t *dbs, uint32_t *pdbs,
                          size_t *n) {
    *n = 0;
    CHECK(from < to && to <= e->ndbs);
    for (uint32_t i = from; i < to; i++) {
        uint64_t id;
        if (e->map[i]->totals.keys == 0) continue;
        CHECK(e->map[i] != e->system);
        TRY(meta_take_id(&e->meta, MANIFEST_IDS_PDB, &id));
        dbs[*n] = i;
        pdbs[(*n)++] = (uint32_t)id;
    }
    CHECK(*n <= to - from);
    return STATUS_OK;
}

/* engine_flush: one record, however many there are. */
engine_result lsm_flush_dbs(engine *base, int32_t db) {
    lsm *e = lsm_of(base);
    CHECK(e->batch.open && db < (int32_t)e->ndbs);
    uint32_t from = db < 0 ? 0 : (uint32_t)db, to = db < 0 ? e->ndbs : from + 1;
    uint32_t *both = mem_alloc(2 * sizeof *both * (to - from)), *pdbs = both + (to - from);
    size_t n;
    status s = new_numbers(e, from, to, both, pdbs, &n);
    engine_result r = status_ok(s) ? ENGINE_OK : lsm_error(e, s);
    if (r == ENGINE_OK && n > 0) r = remap(e, RECORD_FLUSH, n, both, pdbs);
    mem_free(both);
    return r;
}

/* engine_swap: only the mapping changes; no key is touched. */
engine_result lsm_swap(engine *base, uint32_t a, uint32_t b) {
    lsm *e = lsm_of(base);
    CHECK(e->batch.open && a < e->ndbs && b < e->ndbs);
    if (a == b) return ENGINE_OK;
    const uint32_t dbs[2] = {a, b}, pdbs[2] = {e->map[b]->number, e->map[a]->number};
    return remap(e, RECORD_SWAP, 2, dbs, pdbs);
}

/* The logical database has its former one back; the new one goes with lsm_dbs_settle. */
void lsm_dbs_undo(lsm *e, const undo *u) {
    CHECK(u->kind == UNDO_MAP && e->map[u->map.logical] == u->map.now);
    e->map[u->map.logical] = u->db;
}

/* For pdbs_prune: those that were there before the batch. */
static bool is_older(const lsm *e, const lpdb *d) {
    for (uint32_t i = 0; i < e->batch.n; i++)
        if (e->batch.undo[i].kind == UNDO_MAP && e->batch.undo[i].map.now == d) return false;
    return true;
}

/* What a batch mapped and then undid was made in it: what is unmapped never is mapped again. */
void lsm_dbs_settle(lsm *e, bool committed) {
    CHECK(e->batch.open && e->batch.orders);
    mark(e);
    if (!committed) pdbs_prune(e, is_older);
}

/* ---- the manifest's copy ----------------------------------------------------------------------
 */

/* A copy of the mapping; the caller's. */
static manifest_map *mapping(const lsm *e) {
    CHECK(e->ndbs > 0);
    manifest_map *map = mem_alloc(e->ndbs * sizeof *map);
    for (uint32_t i = 0; i < e->ndbs; i++)
        map[i] = (manifest_map){i, e->map[i]->number};
    return map;
}

/* Notes that the edit that is being collected has the mapping as of `at`. */
static void mapping_flies(lsm *e, log_pos at) {
    CHECK(at > 0 && at >= e->map_flying);
    e->map_flying = at;
    e->map_gen = e->meta.gen;
    if (e->map_wanted <= at) e->map_wanted = 0;
}

/* All of it: it is small, and whole it needs no history. */
void lsm_dbs_edit_map(lsm *e, log_pos at) {
    manifest_map *map = mapping(e);
    CHECK(!e->batch.open && e->map_wanted <= at);
    edit_map(&e->meta.edit, at, map, e->ndbs);
    mem_free(map);
    mapping_flies(e, at);
}

/* For switch.c. A mapping that no edit has is wanted with the memtable's records. */
void lsm_dbs_freeze(const lsm *e, memtable *m) {
    CHECK(m == e->active && m->end > 0 && !m->counts && !m->map);
    m->counts = mem_alloc((e->npdbs + 1) * sizeof *m->counts);
    for (uint32_t i = 0; i < e->npdbs; i++) {
        const lpdb *d = e->pdbs[i];
        if (!d->mapped || d->totals.keys == 0) continue;
        m->counts[m->ncounts++] = (manifest_count){
            .pdb = d->number, .keys = d->totals.keys, .expires = d->totals.expires};
    }
    if (!e->map_wanted) return;
    m->map = mapping(e);
    m->nmap = e->ndbs;
}

/* The mapping is left out if an edit has a later one. */
void lsm_dbs_flushed(lsm *e, const memtable *m) {
    CHECK(m->counts && m->end > 0 && m->end <= chain_durable(&e->log)); /* L7 */
    edit_flushed(&e->meta.edit, m->end, m->counts, m->ncounts);
    if (!m->map || m->end <= e->map_flying) return;
    edit_map(&e->meta.edit, m->end, m->map, m->nmap);
    mapping_flies(e, m->end);
}

/* For pdbs_prune: those that a crash could bring back. One from dead_below on is among them: its
 * number says so now, but the manifest's next mapping may be of a position at which it was mapped,
 * with a dead_below behind it. */
static bool may_return(const lsm *e, const lpdb *d) {
    const manifest_state *m = meta_state(&e->meta);
    if (d->number >= e->dead_below) return true;
    for (size_t i = 0; i < m->nmap; i++)
        if (m->map[i].pdb == d->number) return true;
    return false;
}

/* Only of a position that is durable: a mapping must not be newer than the data (L7). */
void lsm_dbs_checkpoint(lsm *e) {
    CHECK(!e->batch.open);
    if (e->map_gen && meta_is_durable(&e->meta, e->map_gen)) {
        e->map_gen = 0;
        e->dead_below = manifest_top(e);
        pdbs_prune(e, may_return);
    }
    log_pos at = e->map_wanted;
    if (!at || e->map_gen || chain_durable(&e->log) < at || chain_is_dead(&e->log)) return;
    lsm_dbs_edit_map(e, at);
    meta_commit(&e->meta);
}
