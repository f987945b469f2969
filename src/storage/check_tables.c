/* check_tables: the tables that a manifest lists: each by itself, then how they lie to each other:
 * those of a level but level 0 don't overlap. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "storage/check_int.h"
#include "storage/table_check.h"

/* table_check's listener. */
static void tell(void *ctx, const char *text) {
    CHECK(text[0]);
    check_problem(ctx, "%s", text);
}

/* One table; a damaged one is remembered for a repair. */
static status check_table(checker *c, const manifest_table *m) {
    CHECK(m->number > 0);
    check_result *r = c->res;
    table_rules rules = {.listed = m, .problem = tell, .ctx = c};
    table_found found;
    char path[FILE_PATH_MAX];
    c->said = 0;
    TRY(file_path(path, c->dir, FILE_TABLE, m->number));
    TRY(table_check(c->v, path, r->state.store_id, &rules, &found));
    r->tables += !found.unreadable;
    r->entries += found.entries;
    r->bytes += found.unreadable ? 0 : m->length;
    if (!found.unreadable && !found.lost) return STATUS_OK;
    r->bad_tables = mem_realloc(r->bad_tables, (r->nbad_tables + 1) * sizeof *r->bad_tables);
    r->bad_tables[r->nbad_tables++] = m->number;
    CHECK(r->nbad_tables <= r->state.tables.n);
    return STATUS_OK;
}

/* By level, then by where they begin. */
static int by_place(const void *a, const void *b) {
    const manifest_table *x = *(const manifest_table *const *)a,
                         *y = *(const manifest_table *const *)b;
    if (x->level != y->level) return x->level < y->level ? -1 : 1;
    return slice_cmp(x->smallest, y->smallest);
}

/* Neighbours in that order; one that reaches far is compared with all that it reaches. */
static void check_levels(checker *c) {
    const manifest_tables *all = &c->res->state.tables;
    const manifest_table **v = mem_zalloc((all->n + 1) * sizeof *v), *far = NULL;
    size_t n = 0;
    for (const manifest_table *t = manifest_tables_after(all, 0); t;
         t = manifest_tables_after(all, t->number))
        v[n++] = t;
    CHECK(n == all->n);
    qsort(v, n, sizeof *v, by_place);
    c->said = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i]->level == 0) continue;
        bool same = far && far->level == v[i]->level;
        if (same && slice_cmp(v[i]->smallest, far->limit) < 0)
            check_problem(c, "tables %u and %u of level %u overlap", far->number, v[i]->number,
                          v[i]->level);
        if (!same || slice_cmp(v[i]->limit, far->limit) > 0) far = v[i];
    }
    mem_free(v);
}

/* Also what the manifest says of the log. */
status check_tables(checker *c) {
    const manifest_state *s = &c->res->state;
    CHECK(c->res->tables == 0);
    c->said = 0;
    if (s->flushed && log_pos_file(s->flushed) >= s->ids[MANIFEST_IDS_FILE])
        check_problem(c, "MANIFEST: what was flushed ends in file %u, which was not reserved",
                      log_pos_file(s->flushed));
    for (const manifest_table *t = manifest_tables_after(&s->tables, 0); t;
         t = manifest_tables_after(&s->tables, t->number))
        TRY(check_table(c, t));
    check_levels(c);
    return STATUS_OK;
}
