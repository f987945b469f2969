/* metrics: the section "Engine" of INFO.
 *
 * Bytes of segments are those of records, so live + hiding + dead is a little less than the total,
 * which has the files' headers too. Times are microseconds where the name says usec, else
 * milliseconds. log_end and log_durable are positions: file number << 32 | offset. */
#include "engine/bitcask/derive.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/merge.h"
#include "engine/bitcask/ops.h"

/* Bytes of records by what they are, over all segments. */
typedef struct totals {
    uint64_t live, hiding, dead, total;
} totals;

/* One pass over the segments. */
static totals sum(const bitcask *e) {
    totals t = {0};
    for (uint32_t i = 0; i < e->norder; i++) {
        const segment *s = e->order[i];
        uint32_t end = s == seg_active(e) ? log_pos_offset(logwrite_end(e->log.tail)) : s->log.end;
        t.live += s->live;
        t.hiding += s->hiding + s->order;
        t.dead += seg_dead_bytes(s, end);
        t.total += end;
    }
    CHECK(t.live + t.hiding + t.dead <= t.total);
    return t;
}

/* Bytes of the trees of all databases: *due and *colls. */
static void tree_bytes(const bitcask *e, uint64_t *due, uint64_t *colls) {
    size_t pos = 0, at;
    slice key;
    void *value;
    *due = *colls = 0;
    while (dict_next(e->pdbs, &pos, &key, &value)) {
        const pdb *d = value;
        if (d->due) *due += btree_bytes(d->due);
        for (at = 0; d->colls && dict_next(d->colls, &at, &key, &value);)
            *colls += sizeof(coll) + btree_bytes(((const coll *)value)->tree);
    }
    CHECK(pos > 0 || dict_count(e->pdbs) == 0);
}

/* For engine_memory. */
uint64_t bc_tree_bytes(const bitcask *e) {
    uint64_t due, colls;
    tree_bytes(e, &due, &colls);
    return due + colls;
}

/* What is where in the log. */
static void emit_log(const bitcask *e, buf *out) {
    totals t = sum(e);
    buf_printf(out, "store_id:%016llx\r\n", (unsigned long long)e->meta.store_id);
    metric_u64(out, "segments", e->norder);
    metric_u64(out, "segment_bytes_live", t.live);
    metric_u64(out, "segment_bytes_hiding", t.hiding);
    metric_u64(out, "segment_bytes_dead", t.dead);
    metric_u64(out, "segment_bytes_total", t.total);
    metric_u64(out, "segments_unlinked", e->retire.unlinked);
    chain_emit(&e->log, out);
}

/* What is in memory. */
static void emit_memory(const bitcask *e, buf *out) {
    uint64_t due, colls, keydirs = 0;
    size_t pos = 0;
    slice key;
    void *value;
    cache_stats c;
    cache_stats_of(e->values, &c);
    tree_bytes(e, &due, &colls);
    while (dict_next(e->pdbs, &pos, &key, &value))
        if (((const pdb *)value)->keys) keydirs += keydir_bytes(((const pdb *)value)->keys);
    metric_u64(out, "keydir_bytes", keydirs);
    metric_u64(out, "arena_bytes", arena_bytes(e->shared.arena));
    metric_u64(out, "arena_huge_bytes", e->pages.refused ? 0 : arena_large(e->shared.arena));
    metric_u64(out, "arena_ahead_bytes", e->pages.made_ahead);
    metric_str(out, "arena_huge_pages", index_pages_state(e));
    metric_u64(out, "expire_index_bytes", due);
    metric_u64(out, "collections_bytes", colls);
    metric_u64(out, "tail_bytes", logwrite_memory(e->log.tail));
    metric_u64(out, "cache_hits", c.hits);
    metric_u64(out, "cache_misses", c.misses);
    metric_u64(out, "cache_evictions", c.evictions);
    metric_u64(out, "cache_items", c.items);
    metric_u64(out, "cache_bytes", c.bytes);
    metric_u64(out, "cache_huge_bytes", e->value_pages.enlarged); /* since the start */
    metric_u64(out, "segment_reads", e->stats.reads);
    metric_u64(out, "segment_read_bytes", e->stats.read_bytes);
    metric_u64(out, "tail_reads", e->stats.tail_reads);
    fetch_emit(e->fetch, out);
    metric_u64(out, "compressed_bytes_in", e->stats.packed.in);
    metric_u64(out, "compressed_bytes_out", e->stats.packed.out);
}

/* What children do and did. */
static void emit_jobs(const bitcask *e, buf *out) {
    const bitcask_stats *s = &e->stats;
    const merge_job *j = e->merge;
    uint64_t us = j ? bc_now_us((bitcask *)(uintptr_t)e) - j->began_us : 0;
    metric_u64(out, "merge_in_progress", j != NULL);
    metric_str(out, "merge_step", j ? merge_step_name(j->step) : "none");
    metric_u64(out, "merge_segments", j ? j->nrun : 0);
    metric_u64(out, "merge_percent", j && j->total ? j->read * 100 / j->total : 0);
    metric_u64(out, "merge_rate", us ? j->read * 1000000 / us : 0);
    metric_u64(out, "merges", s->merges);
    metric_u64(out, "merge_failures", s->merge_failures);
    metric_u64(out, "merge_bytes_read", s->merge_read);
    metric_u64(out, "merge_bytes_written", s->merge_written);
    metric_u64(out, "last_merge_ms", s->last_merge_ms);
    metric_u64(out, "last_fork_usec", s->last_fork_us);
    metric_u64(out, "hint_in_progress", e->hints != NULL);
    metric_u64(out, "hints", s->hints);
    metric_u64(out, "hint_failures", s->hint_failures);
}

/* What the last start did. */
static void emit_recovery(const bitcask *e, buf *out) {
    bool logs = e->stats.recovery_logs > 0, hints = e->stats.recovery_hints > 0;
    metric_u64(out, "recovery_ms", e->stats.recovery_ms);
    metric_u64(out, "recovery_records", e->stats.recovery_records);
    metric_u64(out, "recovery_derived", e->stats.recovery_derived);
    metric_u64(out, "recovery_derived_ms", e->stats.recovery_derived_ms);
    metric_u64(out, "derive_pending", derive_pending(e));
    metric_str(out, "recovery_source", logs && hints ? "hints,log" : hints ? "hints" : "log");
    metric_u64(out, "recovery_cut_bytes", e->stats.recovery_cut);
}

/* All of the section. */
void bc_emit(buf *out, void *ctx) {
    const bitcask *e = ctx;
    metric_str(out, "engine", bitcask_class.name);
    emit_log(e, out);
    emit_memory(e, out);
    emit_jobs(e, out);
    emit_recovery(e, out);
    CHECK(out->len > 0);
}

/* What counts events; not what describes a state. */
void bc_reset(void *ctx) {
    bitcask *e = ctx;
    bitcask_stats *s = &e->stats;
    CHECK(e->log.tail != NULL);
    chain_reset_stats(&e->log);
    fetch_reset_stats(e->fetch);
    s->reads = s->read_bytes = s->tail_reads = 0;
    s->packed = (pack_stats){0};
}
