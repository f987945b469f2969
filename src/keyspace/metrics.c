/* What INFO shows of the keyspace: a part of Stats, and the section Keyspace. */
#include "keyspace/internal.h"

#define TTL_SAMPLES 24

static void emit_stats(buf *out, void *ctx) {
    const ks_stats *st = ks_statistics(ctx);
    metric_u64(out, "expired_keys", st->expired);
    metric_u64(out, "expired_subkeys", st->expired_elements);
    metric_f2(out, "expired_stale_perc", 0);
    metric_u64(out, "expired_time_cap_reached_count", st->expire_cycle_capped);
    metric_u64(out, "expire_cycle_cpu_milliseconds", st->expire_cycle_us / 1000);
    metric_u64(out, "evicted_keys", st->evicted);
    metric_u64(out, "total_eviction_exceeded_time", st->evict_us / 1000);
    metric_u64(out, "current_eviction_exceeded_time", 0);
    metric_u64(out, "keyspace_hits", st->hits);
    metric_u64(out, "keyspace_misses", st->misses);
}

static void reset_stats(void *ctx) {
    ks_reset_statistics(ctx);
}

/* The mean time to live of a database's keys that have one, from samples; ms. */
static int64_t average_ttl(keyspace *ks, uint32_t db) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < TTL_SAMPLES; i++) {
        entry meta;
        if (engine_random(ks->engine, db, true, &ks->picked, &meta) != ENGINE_OK) break;
        if (ks_is_due(ks, &meta) || meta.hint & KS_WAKES) continue;
        sum += (double)(meta.expire - ks_now(ks));
        n++;
    }
    return n ? (int64_t)(sum / n) : 0;
}

static void emit_keyspace(buf *out, void *ctx) {
    keyspace *ks = ctx;
    for (int db = 0; db < ks->databases; db++) {
        engine_db_stats st;
        engine_db_stats_of(ks->engine, (uint32_t)db, &st);
        if (st.keys == 0 && st.expires == 0) continue;
        int64_t ttl = st.avg_ttl_sample;
        if (ttl == 0 && st.expires > 0) ttl = average_ttl(ks, (uint32_t)db);
        buf_printf(out, "db%d:keys=%llu,expires=%llu,avg_ttl=%lld\r\n", db,
                   (unsigned long long)st.keys, (unsigned long long)st.expires, (long long)ttl);
    }
}

const metric_section *keyspace_metrics(keyspace *ks) {
    ks->sections[0] =
        (metric_section){.name = "Stats", .emit = emit_stats, .ctx = ks, .reset = reset_stats};
    ks->sections[1] = (metric_section){.name = "Keyspace", .emit = emit_keyspace, .ctx = ks};
    ks->sections[2] = (metric_section){0};
    return ks->sections;
}
