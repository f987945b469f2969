/* memory: the account of what memory is used for, and INFO's section of it.
 *
 * There is one account, so that INFO memory and MEMORY STATS say the same. What others count (the
 * engine's parts, clients) is asked of them; what features have that is told in INFO only (scripts)
 * is read from their own lines there. */
#include "server/memory.h"

#include "base/mem_later.h"
#include "base/num.h"
#include "server/admin.h"
#include "server/config.h"

#include <unistd.h>

static server *srv;
static uint64_t startup; /* in use when everything was made and no data was there */

/* Both parts are functions of the moment, so they are taken together. */
void memory_take_account(memory_account *out) {
    memory_account a = {0};
    engine_memory(srv->engine, &a.index, &a.caches, &a.buffers);
    a.used = mem_used();
    a.peak = mem_used_peak();
    if (a.peak < a.used) a.peak = a.used;
    a.rss = mem_rss();
    a.mapped = mem_mapped();
    a.startup = startup;
    a.freed = mem_later_held();
    a.clients = session_client_memory(srv->session);
    buf others = {0};
    info_collect("Memory", memory_sections(srv), &others);
    a.lua = info_number(&others, "used_memory_scripts_eval");
    a.functions = info_number(&others, "used_memory_functions");
    a.states = info_number(&others, "used_memory_vm_total");
    buf_free(&others);
    mem_allocator(&a.allocator);
    a.overhead =
        a.startup + a.caches + a.buffers + a.freed + a.clients + a.lua + a.functions + a.states;
    a.dataset = a.used > a.overhead ? a.used - a.overhead : 0;
    a.other = a.dataset > a.index ? a.dataset - a.index : 0;
    a.net = a.used > a.startup ? a.used - a.startup : 0;
    for (int db = 0; db < ks_databases(srv->ks); db++) {
        engine_db_stats st;
        engine_db_stats_of(srv->engine, (uint32_t)db, &st);
        a.keys += st.keys;
    }
    *out = a;
}

/* "name:12.34%" */
static void emit_share(buf *out, const char *name, uint64_t part, uint64_t of) {
    buf_printf(out, "%s:%.2f%%\r\n", name, 100 * memory_ratio(part, of));
}

/* What was asked of the system and what of it is in use; in redis-server's terms, pages that are
 * mapped beside the allocator standing with what the allocator holds. */
static void emit_allocator(buf *out, const memory_account *a) {
    const mem_allocator_stats *s = &a->allocator;
    uint64_t held = s->resident + a->mapped;
    metric_f2(out, "allocator_frag_ratio", memory_ratio(s->active, s->allocated));
    metric_i64(out, "allocator_frag_bytes", (int64_t)(s->active - s->allocated));
    metric_f2(out, "allocator_rss_ratio", memory_ratio(s->resident, s->active));
    metric_i64(out, "allocator_rss_bytes", (int64_t)(s->resident - s->active));
    metric_f2(out, "rss_overhead_ratio", memory_ratio(a->rss, held));
    metric_i64(out, "rss_overhead_bytes", (int64_t)(a->rss - held));
    metric_f2(out, "mem_fragmentation_ratio", memory_ratio(a->rss, a->used));
    metric_i64(out, "mem_fragmentation_bytes", (int64_t)(a->rss - a->used));
}

/* In redis-server's order. */
static void emit_memory(buf *out, void *ctx) {
    (void)ctx;
    memory_account a;
    memory_take_account(&a);
    int64_t maxmemory = 0;
    (void)num_parse_i64(slice_cstr(config_value("maxmemory")), &maxmemory);
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    metric_bytes_human(out, "used_memory", a.used);
    metric_bytes_human(out, "used_memory_rss", a.rss);
    metric_bytes_human(out, "used_memory_peak", a.peak);
    emit_share(out, "used_memory_peak_perc", a.used, a.peak);
    metric_u64(out, "used_memory_overhead", a.overhead);
    metric_u64(out, "used_memory_startup", a.startup);
    metric_u64(out, "used_memory_dataset", a.dataset);
    emit_share(out, "used_memory_dataset_perc", a.dataset, a.net);
    metric_u64(out, "used_memory_index", a.index);
    metric_u64(out, "used_memory_caches", a.caches);
    metric_u64(out, "used_memory_buffers", a.buffers);
    metric_u64(out, "used_memory_freed", a.freed);
    metric_u64(out, "used_memory_other", a.other);
    metric_u64(out, "allocator_allocated", a.allocator.allocated);
    metric_u64(out, "allocator_active", a.allocator.active);
    metric_u64(out, "allocator_resident", a.allocator.resident);
    metric_bytes_human(out, "total_system_memory", total);
    metric_bytes_human(out, "maxmemory", (uint64_t)maxmemory);
    metric_str(out, "maxmemory_policy", config_value("maxmemory-policy"));
    emit_allocator(out, &a);
    metric_u64(out, "mem_not_counted_for_evict", a.freed);
    metric_u64(out, "mem_clients_normal", a.clients);
    metric_u64(out, "mem_aof_buffer", a.buffers);
    metric_str(out, "mem_allocator", mem_allocator_name());
}

const metric_section *memory_sections(server *s) {
    (void)s;
    static const metric_section t[] = {{"Memory", emit_memory}, {0}};
    return t;
}

/* MEMORY's first row is of the module keys. */
status memory_start(server *s) {
    static const char *const help[] = {
        "DOCTOR",       "    What is wrong with the use of memory, and what may help.",
        "MALLOC-STATS", "    The allocator's own report.",
        "PURGE",        "    Have the allocator give free pages back to the system.",
        "STATS",        "    What memory is used for.",
        NULL,
    };
    srv = s;
    commands_extend("memory", memory_commands, help);
    startup = mem_used();
    return STATUS_OK;
}
