/* metrics: the section "Engine" of INFO.
 *
 * Bytes of tables and levels are those of files. write_amplification is all that was written (log,
 * flushes, compactions) by what was put, since the start; space_amplification all tables by those
 * of the deepest level. Times are microseconds where the name says usec, else milliseconds. */
#include "engine/lsm/jobs.h"
#include "engine/lsm/ops.h"

#include <stdio.h>

/* a / b, 0 if that is nothing. */
static double ratio(double a, double b) {
    CHECK(a >= 0 && b >= 0);
    return b > 0 ? a / b : 0;
}

/* What waits in memory. */
static void emit_memtables(const lsm *e, buf *out) {
    uint64_t bytes = 0;
    CHECK(e->active != NULL);
    for (const memtable *m = e->active->older; m; m = m->older)
        bytes += memtable_bytes(m);
    metric_u64(out, "memtable_bytes", memtable_bytes(e->active));
    metric_u64(out, "memtable_entries", memtable_entries(e->active));
    metric_u64(out, "memtable_size", lsm_memtable_size(e));
    metric_u64(out, "memtables_frozen", e->nfrozen);
    metric_u64(out, "memtables_frozen_bytes", bytes);
    metric_u64(out, "memtables_logged_bytes", e->logged.bytes);
    metric_u64(out, "memtable_hits", e->stats.memtable_hits);
}

/* A line a level that has tables. */
static void emit_levels(const lsm *e, buf *out) {
    pick_conf c = compact_conf(e);
    const version *v = e->current;
    uint64_t tombstones = 0, entries = 0;
    level_plan p;
    pick_plan(v, &c, &p);
    for (unsigned l = 0; l < LSM_LEVELS; l++) {
        CHECK(v->level[l].tombstones == 0 || v->level[l].entries > 0);
        tombstones += v->level[l].tombstones;
        entries += v->level[l].entries;
        if (v->level[l].n == 0) continue;
        buf_printf(out,
                   "level%u:files=%u,bytes=%llu,entries=%llu,tombstones=%llu,target=%llu,"
                   "score=%.2f\r\n",
                   l, v->level[l].n, (unsigned long long)v->level[l].bytes,
                   (unsigned long long)v->level[l].entries,
                   (unsigned long long)v->level[l].tombstones, (unsigned long long)p.target[l],
                   p.score[l]);
    }
    metric_u64(out, "base_level", p.base);
    metric_u64(out, "tables", version_tables(v));
    metric_u64(out, "table_bytes", version_bytes(v));
    metric_u64(out, "table_entries", entries);
    metric_u64(out, "tombstones", tombstones);
    metric_f2(out, "space_amplification", pick_amplification(v));
    metric_u64(out, "pending_compaction_bytes", pick_pending(v, &c));
}

/* What children do. */
static void emit_running(const lsm *e, buf *out) {
    const struct lsm_jobs *js = e->jobs;
    CHECK(js != NULL);
    const lsm_job *f = js->flush ? &js->flush->job : NULL;
    metric_u64(out, "flush_in_progress", f != NULL);
    metric_str(out, "flush_step", f ? job_step_name(f->step) : "none");
    metric_u64(out, "flush_percent", f && f->total ? f->read * 100 / f->total : 0);
    metric_u64(out, "compactions_in_progress", js->ncompact);
    for (uint32_t i = 0; i < js->ncompact; i++) {
        const compaction *c = js->compact[i];
        uint64_t total = c->job.total ? c->job.total : 1;
        buf_printf(out,
                   "compaction%u:from=%u,to=%u,files=%u,bytes=%llu,reason=%s,step=%s,percent=%llu"
                   "\r\n",
                   i, c->pick.from, c->pick.to, c->pick.n, (unsigned long long)c->pick.bytes,
                   pick_why_name(c->pick.why), job_step_name(c->job.step),
                   (unsigned long long)(c->job.read * 100 / total));
    }
}

/* What they did. */
static void emit_done(const lsm *e, buf *out) {
    const lsm_stats *s = &e->stats;
    double written = (double)(e->log.stats.written_bytes + s->flush_bytes + s->compaction_written);
    CHECK(written >= 0);
    metric_u64(out, "flushes", s->flushes);
    metric_u64(out, "flush_failures", s->flush_failures);
    metric_u64(out, "flush_bytes", s->flush_bytes);
    metric_u64(out, "last_flush_ms", s->last_flush_ms);
    metric_u64(out, "compactions", s->compactions);
    metric_u64(out, "compaction_failures", s->compaction_failures);
    metric_u64(out, "compaction_bytes_read", s->compaction_read);
    metric_u64(out, "compaction_bytes_written", s->compaction_written);
    metric_u64(out, "trivial_moves", s->trivial_moves);
    metric_u64(out, "tables_dropped_whole", s->tables_dropped_whole);
    metric_u64(out, "last_fork_usec", s->last_fork_us);
    metric_u64(out, "user_bytes", s->user_bytes);
    metric_f2(out, "write_amplification", ratio(written, (double)s->user_bytes));
}

/* Whether writes are slowed down. */
static void emit_pace(const lsm *e, buf *out) {
    const pace *p = &e->jobs->pace;
    CHECK(p->reason < PACE_REASONS);
    metric_str(out, "stall_state",
               p->reason == PACE_NONE ? "none"
               : p->pressure >= 1     ? "stopped"
                                      : "delayed");
    metric_str(out, "stall_reason", pace_reason_name(p->reason));
    metric_f2(out, "stall_pressure", p->pressure);
    metric_u64(out, "stall_rate", p->rate);
    metric_u64(out, "stalls", p->stalls);
    metric_u64(out, "stall_usec", p->stall_us);
    metric_u64(out, "stopped_usec", p->stopped_us);
    metric_u64(out, "flush_rate", (uint64_t)p->flush_rate);
    metric_u64(out, "level0_rate", (uint64_t)p->drain_rate);
}

/* What lookups find. */
static void emit_reads(const lsm *e, buf *out) {
    const lsm_stats *s = &e->stats;
    cache_stats c;
    CHECK(e->blocks != NULL);
    cache_stats_of(e->blocks, &c);
    metric_u64(out, "reads", s->reads);
    metric_u64(out, "table_reads", s->table_reads);
    metric_u64(out, "bloom_checks", s->table_reads + s->filter_negative);
    metric_u64(out, "bloom_negatives", s->filter_negative);
    metric_u64(out, "bloom_false_positives", s->filter_false);
    metric_u64(out, "cache_hits", c.hits);
    metric_u64(out, "cache_misses", c.misses);
    metric_u64(out, "cache_evictions", c.evictions);
    metric_u64(out, "cache_items", c.items);
    metric_u64(out, "cache_bytes", c.bytes);
    metric_u64(out, "cache_limit", c.limit);
    metric_u64(out, "cache_huge_bytes", e->block_pages.enlarged); /* since the start */
    metric_u64(out, "filter_index_ram", lsm_tables_ram(e));
    metric_u64(out, "compressed_bytes_in", s->packed.in);
    metric_u64(out, "compressed_bytes_out", s->packed.out);
}

/* What the last start did. */
static void emit_recovery(const lsm *e, buf *out) {
    CHECK(e->nlogs > 0);
    metric_u64(out, "recovery_ms", e->stats.recovery_ms);
    metric_u64(out, "recovery_records", e->stats.recovery_records);
    metric_u64(out, "recovery_cut_bytes", e->stats.recovery_cut);
}

/* All of the section. */
void lsm_emit(buf *out, void *ctx) {
    const lsm *e = ctx;
    metric_str(out, "engine", lsm_class.name);
    buf_printf(out, "store_id:%016llx\r\n", (unsigned long long)e->store_id);
    metric_u64(out, "log_files", e->nlogs);
    chain_emit(&e->log, out);
    metric_u64(out, "log_flushed", e->flushed);
    metric_u64(out, "tail_bytes", logwrite_memory(e->log.tail));
    emit_memtables(e, out);
    emit_levels(e, out);
    emit_running(e, out);
    emit_done(e, out);
    emit_pace(e, out);
    emit_reads(e, out);
    fetch_emit(e->supply.fetch, out);
    emit_recovery(e, out);
    CHECK(out->len > 0);
}

/* What counts events; not what describes a state. Amplification needs all of its parts, so they
 * begin anew together. */
void lsm_reset(void *ctx) {
    lsm *e = ctx;
    lsm_stats *s = &e->stats, kept = *s;
    pace *p = &e->jobs->pace;
    CHECK(e->log.tail != NULL);
    *s = (lsm_stats){.last_flush_ms = kept.last_flush_ms,
                     .last_fork_us = kept.last_fork_us,
                     .recovery_ms = kept.recovery_ms,
                     .recovery_records = kept.recovery_records,
                     .recovery_cut = kept.recovery_cut};
    p->stalls = p->stall_us = p->stopped_us = 0;
    chain_reset_stats(&e->log);
    fetch_reset_stats(e->supply.fetch);
}
