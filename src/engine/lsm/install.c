/* install: what flushes and compactions have in common: names for outputs, the fork, the result,
 * the one edit that makes it count, and the next version.
 *
 *   names ──> PENDING, durable ──> child writes, fsyncs, names durable ──> tables opened here
 *         ──> one edit: TABLE_ADD outputs, TABLE_DROP inputs ──> durable ──> next version in use,
 *             files of the inputs to engine/log/retire
 *
 * Reads see the next version when the edit is durable and not before, so a crash never shows less
 * than was shown. What read the version before goes on reading its tables: their descriptors are
 * open as long as somebody has a reference. Names that a job did not use stay PENDING and are the
 * next job's; at an end they are left to the next start, which forgets them. */
#include "base/codec.h"
#include "base/mem.h"
#include "base/slow.h"
#include "engine/lsm/jobs.h"

#include <stdlib.h>

#define NAMES_AHEAD 16              /* taken in one edit beyond what is needed */
#define PLENTY      (1024ull << 20) /* bytes of free disk, beside a quarter of what there is */
#define DEAD_US     1000000         /* how often dead tables are looked for */

/* For INFO. */
const char *job_step_name(job_step s) {
    static const char *const names[] = {"naming", "running", "settling", "installing"};
    CHECK((size_t)s < sizeof names / sizeof *names);
    return names[s];
}

/* Is a table of that level compressed? Above the deepest level it will soon be written again, and
 * is a tenth of all: there compressing costs more time than all else of a job. It does save room,
 * so all is compressed unless the disk has plenty. */
static bool is_packed(const lsm *e, unsigned level) {
    uint64_t bytes, plenty = PLENTY + version_bytes(e->current) / 4;
    CHECK(level < LSM_LEVELS);
    if (log_conf.compression != LOG_LZ4) return false;
    if (level == LSM_LEVELS - 1 || (level > 0 && !e->current->level[level + 1].n)) return true;
    status s = e->fs->ops->free_space(e->fs, e->dir, &bytes);
    return !status_ok(s) || bytes < plenty;
}

/* How tables are written: settings as they are now. */
output_spec job_spec(lsm *e, unsigned level, uint64_t limit) {
    CHECK(limit > 0);
    return (output_spec){.e = e,
                         .options = {.block_size = (uint32_t)lsm_conf.block_size,
                                     .bloom_bits = (unsigned)lsm_conf.bloom_bits,
                                     .lz4 = is_packed(e, level)},
                         .level = level,
                         .limit = limit};
}

/* Not started. */
void job_init(lsm_job *j, lsm *e, const char *name) {
    CHECK(e->jobs != NULL);
    *j = (lsm_job){.e = e, .step = JOB_NAMING, .began_us = lsm_now_us(e)};
    j->child.name = name;
}

/* ---- names ------------------------------------------------------------------------------------
 */

/* Has at least n spare names asked for. */
static void ask_names(lsm *e, uint32_t n) {
    struct lsm_jobs *js = e->jobs;
    CHECK(js->spare.len % sizeof(uint32_t) == 0);
    if (js->spare.len >= n * sizeof(uint32_t)) return;
    uint32_t more = n - (uint32_t)(js->spare.len / sizeof(uint32_t)) + NAMES_AHEAD;
    for (uint32_t i = 0; i < more; i++) {
        uint32_t number = meta_next_file(&e->meta);
        meta_name_file(&e->meta, number);
        buf_append(&js->spare, &number, sizeof number);
    }
    CHECK(js->spare.len >= n * sizeof(uint32_t));
    js->spare_gen = meta_commit(&e->meta);
}

/* The oldest spare ones, so that numbers grow. */
void job_take_names(lsm_job *j, uint32_t n) {
    struct lsm_jobs *js = j->e->jobs;
    CHECK(n > 0 && !j->names);
    ask_names(j->e, n);
    j->names = mem_dup(js->spare.data, n * sizeof *j->names);
    j->nnames = n;
    buf_consume(&js->spare, n * sizeof *j->names);
    j->gen = js->spare_gen;
    j->step = JOB_NAMING;
}

/* Names that no file was made for. */
static void give_back(lsm_job *j, uint32_t used) {
    CHECK(used <= j->nnames);
    buf_append(&j->e->jobs->spare, j->names + used, (j->nnames - used) * sizeof *j->names);
    j->nnames = used;
}

/* ---- the child --------------------------------------------------------------------------------
 */

/* Is j still a job? It is not looked into. */
static bool is_alive(const lsm *e, const lsm_job *j) {
    const struct lsm_jobs *js = e->jobs;
    CHECK(js->ncompact <= COMPACTIONS_MAX);
    if (js->flush && &js->flush->job == j) return true;
    for (uint32_t i = 0; i < js->ncompact; i++)
        if (&js->compact[i]->job == j) return true;
    return false;
}

/* Its names are durable: a child writes. */
status job_start(lsm_job *j) {
    lsm *e = j->e;
    CHECK(j->step == JOB_NAMING && meta_is_durable(&e->meta, j->gen) && !e->batch.open);
    CHECK(j->nnames > 0 && j->nouts == 0);
    child_host *h = e->env->children;
    j->spec.numbers = j->names;
    j->spec.n = j->nnames;
    j->step = JOB_RUNNING;
    j->began_us = lsm_now_us(e);
    status s = h->ops->start(h, &j->child);
    if (!is_alive(e, j)) return STATUS_OK; /* it has ended at once, badly */
    if (!status_ok(s)) {
        j->step = JOB_NAMING;
        return s;
    }
    e->stats.last_fork_us = j->child.fork_us;
    return STATUS_OK;
}

/* varint read, varint written, varint n and n x u32 numbers of tables that are wholly hidden; then
 * the outputs. */
void job_result(const lsm_job *j, const outputs *o, uint64_t read, slice whole, buf *out) {
    char head[3 * VARINT_MAX], *p = head;
    CHECK(j->step <= JOB_RUNNING && whole.len % sizeof(uint32_t) == 0);
    p = put_varint(p, read);
    p = put_varint(p, o->written);
    p = put_varint(p, whole.len / sizeof(uint32_t));
    buf_append(out, head, (size_t)(p - head));
    buf_append_slice(out, whole);
    buf_append_slice(out, buf_slice(&o->result));
}

/* Is that the name of one of j's outputs? They are used in order. */
static bool is_named(const lsm_job *j, uint32_t number) {
    CHECK(j->nouts <= j->nnames);
    return j->nouts < j->nnames && j->names[j->nouts] == number;
}

/* Opens what the child wrote. */
static status take_outputs(lsm_job *j, slice in, unsigned level, uint64_t recency) {
    lsm *e = j->e;
    manifest_table m;
    CHECK(!j->outs && level < LSM_LEVELS);
    j->outs = mem_alloc(j->nnames * sizeof(table_ref *));
    while (outputs_next(&in, &m)) {
        if (!is_named(j, m.number)) break;
        m.level = level;
        m.recency = recency;
        TRY(table_ref_open(e->fs, e->dir, e->store_id, &m, &j->outs[j->nouts]));
        table_shelve(j->outs[j->nouts++]->t, &e->shelf);
    }
    return in.len ? status_make(ST_CORRUPT, "the result of a job can't be read") : STATUS_OK;
}

/* For qsort and bsearch. */
static int by_number(const void *a, const void *b) {
    uint32_t x = load_u32(a), y = load_u32(b);
    return (x > y) - (x < y);
}

/* Tables that the child found wholly hidden; those that are gone, or another job's, are not taken.
 * There may be thousands, so all tables are looked at once. */
static void take_whole(lsm_job *j, slice numbers) {
    const version *v = j->e->current;
    size_t n = numbers.len / sizeof(uint32_t);
    CHECK(!j->whole);
    if (n == 0) return;
    uint32_t *sorted = mem_dup(numbers.data, numbers.len);
    qsort(sorted, n, sizeof *sorted, by_number);
    j->whole = mem_alloc(n * sizeof(table_ref *));
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        for (uint32_t i = 0; i < v->level[l].n && j->nwhole < n; i++) {
            table_ref *t = v->level[l].tables[i];
            if (t->busy || !bsearch(&t->number, sorted, n, sizeof *sorted, by_number)) continue;
            t->busy = true;
            j->whole[j->nwhole++] = t;
        }
    }
    mem_free(sorted);
}

/* All of a result. */
status job_take_result(lsm_job *j, slice result, unsigned level, uint64_t recency) {
    uint64_t n;
    slice whole;
    CHECK(j->step == JOB_RUNNING);
    j->step = JOB_SETTLING;
    if (!get_varint(&result, &j->read) || !get_varint(&result, &j->written) ||
        !get_varint(&result, &n) || n > result.len / sizeof(uint32_t) ||
        !get_bytes(&result, n * sizeof(uint32_t), &whole))
        return status_make(ST_CORRUPT, "the result of a job can't be read");
    TRY(take_outputs(j, result, level, recency));
    take_whole(j, whole);
    give_back(j, j->nouts);
    return STATUS_OK;
}

/* ---- the end, good or bad
 * ----------------------------------------------------------------------- */

/* Memory, and the claim on tables. */
void job_free(lsm_job *j) {
    CHECK(j->e != NULL);
    for (uint32_t i = 0; i < j->nouts; i++)
        table_ref_release(j->outs[i]);
    for (uint32_t i = 0; i < j->nwhole; i++)
        j->whole[i]->busy = false;
    mem_free(j->outs);
    mem_free(j->names);
    mem_free(j->whole);
    j->outs = NULL;
    j->names = NULL;
    j->whole = NULL;
    j->nouts = j->nnames = j->nwhole = 0;
}

/* The names are used up: nobody knows how far the files got. */
void job_give_up(lsm_job *j) {
    lsm *e = j->e;
    CHECK(j->step != JOB_INSTALLING);
    if (j->step == JOB_NAMING) give_back(j, 0);
    for (uint32_t i = 0; i < j->nnames; i++)
        retire_push(&e->retire,
                    &(retire_item){.number = j->names[i], .kinds = RETIRE_KIND(FILE_TABLE)});
    job_free(j);
    retire_advance(&e->retire);
}

/* ---- the edit, and what follows from it ---------------------------------------------------------
 */

/* It is pending then, to be unlinked. */
void job_edit_drop(lsm *e, const table_ref *t) {
    CHECK(t->busy);
    edit_table_drop(&e->meta.edit, t->number);
}

/* Collected, to be committed with what else belongs to it. */
void job_edit(lsm_job *j) {
    CHECK(j->step == JOB_SETTLING);
    for (uint32_t i = 0; i < j->nouts; i++) {
        const table_ref *t = j->outs[i];
        CHECK(t->length > 0 && t->entries > 0);
        edit_table_add(&j->e->meta.edit, &(manifest_table){.number = t->number,
                                                           .length = (uint32_t)t->length,
                                                           .level = t->level,
                                                           .recency = t->recency,
                                                           .entries = t->entries,
                                                           .tombstones = t->tombstones,
                                                           .hidden = t->hidden,
                                                           .plain_bytes = t->plain,
                                                           .smallest = t->smallest,
                                                           .limit = t->limit});
    }
    for (uint32_t i = 0; i < j->nwhole; i++)
        job_edit_drop(j->e, j->whole[i]);
}

/* What goes is unlinked once no step of this is left. */
void job_install(lsm_job *j, table_ref **in, uint32_t n) {
    lsm *e = j->e;
    CHECK(j->step == JOB_INSTALLING && meta_is_durable(&e->meta, j->gen));
    uint32_t *drop = mem_alloc((n + j->nwhole + 1) * sizeof *drop), ndrop = 0;
    uint64_t begun = slow_begin();
    for (uint32_t i = 0; i < n; i++)
        drop[ndrop++] = in[i]->number;
    for (uint32_t i = 0; i < j->nwhole; i++)
        drop[ndrop++] = j->whole[i]->number;
    version_change c = {.drop = drop, .ndrop = ndrop, .add = j->outs, .nadd = j->nouts};
    version *old = e->current;
    e->current = version_after(old, &c);
    version_release(old);
    lsm_walks_forget(e);
    e->stats.tables_dropped_whole += j->nwhole;
    j->nouts = j->nwhole = 0; /* the version's now; gone */
    for (uint32_t i = 0; i < ndrop; i++)
        retire_push(
            &e->retire,
            &(retire_item){.number = drop[i], .kinds = RETIRE_KIND(FILE_TABLE), .gen = j->gen});
    mem_free(drop);
    retire_advance(&e->retire);
    slow_end("table-install", begun);
}

/* ---- dead databases -----------------------------------------------------------------------------
 */

/* By its bounds alone: nothing is read. */
bool table_is_dead(const lsm *e, const table_ref *t) {
    CHECK(t->smallest.len >= 4 && t->limit.len > 0);
    if (t->limit.len < 4) return false;
    uint64_t first = __builtin_bswap32(load_u32(t->smallest.data));
    uint64_t last = __builtin_bswap32(load_u32(t->limit.data));
    if (t->limit.len == 4) last--; /* nothing of that one */
    for (uint64_t pdb = first; pdb <= last; pdb++)
        if (!lsm_pdb_is_dead(e, (uint32_t)pdb)) return false;
    return true;
}

/* A job without a child: all dead tables that no other job has, in one edit. */
void job_drop_dead(lsm *e) {
    struct lsm_jobs *js = e->jobs;
    lsm_job *j = &js->drop;
    uint64_t now = lsm_now_us(e);
    if (j->e || now < js->dead_seen_us + DEAD_US) return;
    js->dead_seen_us = now;
    CHECK(j->nwhole == 0);
    uint32_t n = 0;
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        for (uint32_t i = 0; i < e->current->level[l].n; i++) {
            table_ref *t = e->current->level[l].tables[i];
            if (t->busy || !table_is_dead(e, t)) continue;
            if (!j->e) {
                job_init(j, e, "drop");
                j->step = JOB_SETTLING;
                j->whole = mem_alloc(version_tables(e->current) * sizeof(table_ref *));
            }
            t->busy = true;
            j->whole[n++] = t;
        }
    }
    if (!j->e) return;
    CHECK(n > 0 && n <= version_tables(e->current));
    j->nwhole = n;
    job_edit(j);
    j->step = JOB_INSTALLING;
    j->gen = meta_commit(&e->meta);
}

/* Once the edit is durable. */
void job_drop_advance(lsm *e) {
    lsm_job *j = &e->jobs->drop;
    if (!j->e || !meta_is_durable(&e->meta, j->gen)) return;
    CHECK(j->step == JOB_INSTALLING && j->nwhole > 0);
    job_install(j, NULL, 0);
    job_free(j);
    j->e = NULL;
}
