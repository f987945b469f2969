/* walk: everything that the engine has in a range of keys, in order: a merge (merge.c) of all
 * memtables and tables, without what is deleted.
 *
 *   active | frozen ... | L0 table | L0 table ... | level 1 | level 2 ...      newest first
 *
 * A walk holds a reference of the version and of each memtable that it stands in, so flushes and
 * compactions may be installed while it lives: it goes on showing what was there before, which is
 * the same keys and cells. Only a change of the active memtable makes it invalid.
 *
 * Making one costs an allocation for each source. As most walks are short, some are kept when they
 * are freed, with their iterators and buffers, for the next that asks while nothing has come or
 * gone. Those would keep files and memtables alive for nobody: lsm_walks_forget lets them go. */
#include "base/log.h"
#include "base/mem.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/merge.h"

#define WALKS_KEPT 16
/* Data blocks after a seek that go to the cache. */
#define WALK_FILL      8
#define WALK_FILL_SCAN 1

struct walk {
    lsm *e;
    merger *m;
    version *v;
    memtable **mems; /* newest first */
    uint32_t nmems;
    unsigned flags;
};

struct walk_pool {
    walk *kept[WALKS_KEPT];
    unsigned n;
};

/* ---- making and keeping -----------------------------------------------------------------------
 */

/* Of all that there is now. */
static walk *make(lsm *e, unsigned flags) {
    walk *w = mem_zalloc(sizeof *w);
    w->e = e;
    merger_read how = {.blocks = e->blocks, .fill = flags & WALK_SCAN ? WALK_FILL_SCAN : WALK_FILL};
    w->m = merger_new(&how);
    w->v = version_keep(e->current);
    for (memtable *x = e->active; x; x = x->older)
        w->nmems++;
    w->mems = mem_alloc(w->nmems * sizeof(memtable *));
    uint32_t n = 0;
    for (memtable *x = e->active; x; x = x->older) {
        x->readers++;
        w->mems[n++] = x;
        merger_add_tree(w->m, x->tree);
    }
    for (uint32_t i = 0; i < w->v->level[0].n; i++)
        merger_add_tables(w->m, &w->v->level[0].tables[i], 1);
    for (unsigned l = 1; l < LSM_LEVELS; l++)
        if (w->v->level[l].n) merger_add_tables(w->m, w->v->level[l].tables, w->v->level[l].n);
    CHECK(n == w->nmems);
    return w;
}

/* Iterators go before the tables that they are of. */
static void destroy(walk *w) {
    merger_free(w->m);
    for (uint32_t i = 0; i < w->nmems; i++) {
        CHECK(w->mems[i]->readers > 0);
        w->mems[i]->readers--;
    }
    version_release(w->v);
    mem_free(w->mems);
    mem_free(w);
}

uint64_t walk_memory(const walk *w) {
    return merger_memory(w->m);
}

/* The same version, and the same memtables in the same order. */
bool walk_current(const lsm *e, const walk *w) {
    uint32_t i = 0;
    if (w->v != e->current) return false;
    for (const memtable *x = e->active; x; x = x->older, i++)
        if (i == w->nmems || w->mems[i] != x) return false;
    return i == w->nmems;
}

/* One that was kept, if it still shows what there is and reads tables as this one shall. */
static walk *take_kept(lsm *e, unsigned flags) {
    struct walk_pool *p = e->walks;
    if (!p || p->n == 0) return NULL;
    if (!walk_current(e, p->kept[p->n - 1])) {
        lsm_walks_forget(e);
        return NULL;
    }
    for (unsigned i = p->n; i > 0; i--) {
        walk *w = p->kept[i - 1];
        if ((w->flags ^ flags) & WALK_SCAN) continue;
        p->kept[i - 1] = p->kept[--p->n];
        return w;
    }
    return NULL;
}

/* The kept one used last is taken first: its buffers are near. */
walk *walk_new(lsm *e, slice from, slice to, unsigned flags) {
    CHECK(e->active && e->current);
    walk *w = take_kept(e, flags);
    if (!w) w = make(e, flags);
    w->flags = flags;
    merger_bounds(w->m, from, to);
    return w;
}

/* Kept, if there is room and it is of use. */
void walk_free(lsm *e, walk *w) {
    if (!w) return;
    if (!e->walks) e->walks = mem_zalloc(sizeof *e->walks);
    struct walk_pool *p = e->walks;
    if (p->n < WALKS_KEPT && walk_current(e, w))
        p->kept[p->n++] = w;
    else
        destroy(w);
}

/* Those of iterators become kept ones, or are destroyed at once; those in use elsewhere let go of
 * what they hold when they are freed. */
void lsm_walks_forget(lsm *e) {
    lsm_iters_rest(e);
    for (struct walk_pool *p = e->walks; p && p->n > 0;)
        destroy(p->kept[--p->n]);
}

/* Those in use elsewhere are few, and short. */
uint64_t lsm_walks_memory(const lsm *e) {
    uint64_t bytes = lsm_iters_memory(e);
    for (unsigned i = 0; e->walks && i < e->walks->n; i++)
        bytes += walk_memory(e->walks->kept[i]);
    return bytes;
}

/* REQUIRES: none in use. */
void lsm_walks_end(lsm *e) {
    lsm_walks_forget(e);
    lsm_iters_end(e);
    CHECK(!e->walks || e->walks->n == 0);
    mem_free(e->walks);
    e->walks = NULL;
}

/* ---- moving -----------------------------------------------------------------------------------
 */

/* Goes on, in the direction it has, to something that is there. What a table made us pass over is
 * counted there: many such are a reason to compact it. */
static bool show(walk *w, bool valid, bool backward) {
    while (valid) {
        slice cell = merger_cell(w->m);
        CHECK(cell.len > 0);
        if (cell_is_there(cell)) return true;
        table_ref *t = merger_table(w->m);
        if (t) t->skipped++;
        if (w->flags & WALK_ALL) return true;
        valid = backward ? merger_prev(w->m) : merger_next(w->m);
    }
    return false;
}

/* As lookup.h says. */
bool walk_seek(walk *w, slice key) {
    return show(w, merger_seek(w->m, key), false);
}

/* As lookup.h says. */
bool walk_seek_before(walk *w, slice key) {
    return show(w, merger_seek_before(w->m, key), true);
}

/* At the lower bound. */
bool walk_first(walk *w) {
    return show(w, merger_first(w->m), false);
}

/* At the upper bound. */
bool walk_last(walk *w) {
    return show(w, merger_last(w->m), true);
}

/* Forward. */
bool walk_next(walk *w) {
    return show(w, merger_next(w->m), false);
}

/* Backward. */
bool walk_prev(walk *w) {
    return show(w, merger_prev(w->m), true);
}

/* A frozen memtable never changes, so this is about the active one. */
bool walk_stale(const walk *w) {
    return merger_stale(w->m);
}

/* It may then stand on a tombstone, or nowhere, if key is gone: then seek. */
bool walk_renew(walk *w, slice key) {
    return merger_renew(w->m, key) && cell_is_there(merger_cell(w->m));
}

/* ---- where it stands --------------------------------------------------------------------------
 */

bool walk_valid(const walk *w) {
    return merger_valid(w->m);
}

slice walk_key(const walk *w) {
    return merger_key(w->m);
}

slice walk_cell(const walk *w) {
    return lsm_cell(w->e, merger_cell(w->m), merger_pos(w->m));
}

log_pos walk_pos(const walk *w) {
    return merger_pos(w->m);
}

status walk_status(const walk *w) {
    return merger_status(w->m);
}
