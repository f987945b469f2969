/* keep: what goes on living, and what is left out (README, "What a job leaves out").
 *
 *   present     kept, unless its database is dead
 *   tombstone   kept if an older table may hold the key: by its range and by its filter
 *   drop        kept if an older table's range meets the collection's; either way nothing behind it
 *               with its prefix is, as ids are never used again: all of it is older than the drop
 *
 * "Older" are the tables of deeper levels, and for a flush all tables, as of the fork. Outputs of
 * jobs that run beside this one hold nothing that their inputs, which are among these, do not hold;
 * what was flushed after the fork is newer. So the answer is right whenever it is used (README). */
#include "engine/lsm/keep.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/bounds.h"
#include "engine/lsm/lsm_int.h"

#define BLOCKS_BYTES (8u << 20) /* of partitions, which hold the filters */
#define WHOLE_MAX    65536      /* tables named as wholly hidden, at most */

/* Nothing is older yet. */
void keeper_init(keeper *k, const struct lsm *e, vfs *v) {
    CHECK(e && v);
    *k = (keeper){.e = e, .v = v};
    k->blocks = cache_new(BLOCKS_BYTES);
}

/* The arrays are the version's, and outlive the job. */
void keeper_older(keeper *k, table_ref *const *tables, uint32_t n) {
    if (n == 0) return;
    CHECK(tables && !k->known);
    k->older = mem_realloc(k->older, (k->nolder + 1) * sizeof *k->older);
    k->older[k->nolder++] = (older_run){.tables = tables, .n = n};
}

/* Tables of level 0 overlap, so each is a run of its own. */
void keeper_older_levels(keeper *k, const version *v, int level) {
    CHECK(level >= -1 && level < LSM_LEVELS);
    for (uint32_t i = 0; level < 0 && i < v->level[0].n; i++)
        keeper_older(k, &v->level[0].tables[i], 1);
    for (unsigned l = level < 0 ? 1 : (unsigned)level + 1; l < LSM_LEVELS; l++)
        keeper_older(k, v->level[l].tables, v->level[l].n);
}

/* Closes the table that the run stands at. */
static void run_close(older_run *r) {
    CHECK(r->at <= r->n);
    table_close(r->open);
    r->open = NULL;
    r->failed = false;
}

/* Goes on to the first table whose limit is > key. */
static void run_advance(older_run *r, slice key) {
    if (r->at < r->n && slice_cmp(r->tables[r->at]->limit, key) > 0) return;
    run_close(r);
    r->at += tables_find(r->tables + r->at, r->n - r->at, key);
    CHECK(r->at <= r->n);
}

/* Opens the run's table. One that was replaced meanwhile may be gone: then there is no answer. */
static void run_open(keeper *k, older_run *r) {
    char path[FILE_PATH_MAX];
    const table_ref *t = r->tables[r->at];
    CHECK(r->at < r->n);
    if (r->open || r->failed) return;
    status s = file_path(path, k->e->dir, FILE_TABLE, t->number);
    if (status_ok(s))
        s = table_open(k->v, path, k->e->store_id, t->number, (uint32_t)t->length, &r->open);
    if (!status_ok(s)) r->open = NULL;
    r->failed = !status_ok(s);
}

/* Might an older table hold the key? */
static bool older_may_hold(keeper *k, slice key) {
    uint64_t filter = lkey_filter(k->e, key);
    for (uint32_t i = 0; i < k->nolder; i++) {
        older_run *r = &k->older[i];
        bool may = true;
        run_advance(r, key);
        if (r->at == r->n || slice_cmp(r->tables[r->at]->smallest, key) > 0) continue;
        if (filter == 0) return true;
        run_open(k, r);
        if (r->failed) return true;
        status s = table_may_hold(r->open, k->blocks, key, filter, &may);
        if (!status_ok(s) || may) return true; /* damage is found by those who need the data */
    }
    return false;
}

/* Might one hold a key of [from, to)? Notes those that hold nothing else. */
static bool older_overlaps(keeper *k, slice from, slice to) {
    bool may = false;
    CHECK(slice_cmp(from, to) < 0);
    for (uint32_t i = 0; i < k->nolder; i++) {
        older_run *r = &k->older[i];
        run_advance(r, from);
        for (uint32_t j = r->at; j < r->n && slice_cmp(r->tables[j]->smallest, to) < 0; j++) {
            const table_ref *t = r->tables[j];
            may = true;
            bool whole = slice_cmp(from, t->smallest) <= 0 && slice_cmp(t->limit, to) <= 0;
            if (!whole || k->nwhole >= WHOLE_MAX) continue;
            buf_append(&k->whole, &t->number, sizeof t->number);
            k->nwhole++;
        }
    }
    return may;
}

/* Is the key's database dead? Asked once for a database. */
static bool in_dead_pdb(keeper *k, slice key) {
    lkey_parts p;
    CHECK(key.len > sizeof k->head);
    if (k->known && !memcmp(k->head, key.data, sizeof k->head)) return k->dead;
    memcpy(k->head, key.data, sizeof k->head);
    k->known = true;
    k->dead = lkey_parse(key, &p) && lsm_pdb_is_dead(k->e, p.pdb);
    return k->dead;
}

/* One key after the other, ascending. */
keep_answer keeper_ask(keeper *k, slice key, slice cell) {
    keep_answer a = {.put = true};
    CHECK(cell.len > 0);
    if (in_dead_pdb(k, key)) {
        bound_after_prefix(&k->skip_to, slice_of(key.data, sizeof k->head));
        a = (keep_answer){.put = false, .skip = true};
    } else if (cell.data[0] == CELL_TOMBSTONE) {
        a.put = older_may_hold(k, key);
    } else if (cell.data[0] == CELL_DROP) {
        bound_after_prefix(&k->skip_to, key);
        a.put = older_overlaps(k, key, buf_slice(&k->skip_to));
        a.skip = true;
    }
    CHECK(!a.skip || slice_cmp(buf_slice(&k->skip_to), key) > 0); /* jobs only go forward */
    return a;
}

/* Also what stands open. */
void keeper_free(keeper *k) {
    for (uint32_t i = 0; i < k->nolder; i++)
        run_close(&k->older[i]);
    mem_free(k->older);
    if (k->blocks) cache_free(k->blocks);
    buf_free(&k->skip_to);
    buf_free(&k->whole);
    k->nolder = 0;
}
