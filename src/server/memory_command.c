/* MEMORY DOCTOR, MALLOC-STATS, PURGE, STATS: the use of memory, as numbers and as advice.
 *
 * STATS has the fields of redis-server 7.2 in its order, and a few of our own; all come from the
 * account that INFO memory shows. DOCTOR looks at the same account with redis-server's thresholds
 * where it asks the same question, and at what only matters here. */
#include "server/memory.h"

#include "base/num.h"
#include "server/config.h"
#include "session/reply.h"

#include <stdio.h>

#define MB (1ull << 20)

/* ---- STATS -------------------------------------------------------------------------------------
 */

/* Fields are counted as they are written, as a map's length comes before it. */
typedef struct fields {
    buf out;
    int64_t n;
    int proto;
} fields;

/* A number. */
static void put_int(fields *f, const char *name, uint64_t v) {
    resp_bulk(&f->out, slice_cstr(name));
    resp_int(&f->out, (int64_t)v);
    f->n++;
}

/* A difference, which may be below zero. */
static void put_diff(fields *f, const char *name, uint64_t a, uint64_t b) {
    put_int(f, name, a - b);
}

static void put_double(fields *f, const char *name, double v) {
    resp_bulk(&f->out, slice_cstr(name));
    resp_double(&f->out, f->proto, v);
    f->n++;
}

/* Of each database with keys: it has no table of its own, but a share of the index. */
static void put_databases(fields *f, keyspace *ks, const memory_account *a) {
    for (int db = 0; db < ks_databases(ks); db++) {
        char name[32];
        engine_db_stats st;
        engine_db_stats_of(ks_engine(ks), (uint32_t)db, &st);
        if (st.keys == 0) continue;
        snprintf(name, sizeof name, "db.%d", db);
        resp_bulk(&f->out, slice_cstr(name));
        resp_map(&f->out, f->proto, 3);
        f->n++;
        fields inner = {.proto = f->proto};
        put_int(&inner, "overhead.hashtable.main", 0);
        put_int(&inner, "overhead.hashtable.expires", 0);
        put_int(&inner, "index.bytes",
                (uint64_t)((double)a->index * (double)st.keys / (double)a->keys));
        buf_append_slice(&f->out, buf_slice(&inner.out));
        buf_free(&inner.out);
    }
}

static command_result memory_stats(client *c) {
    memory_account a;
    memory_take_account(&a);
    const mem_allocator_stats *s = &a.allocator;
    uint64_t held = s->resident + a.mapped;
    fields f = {.proto = c->proto};
    put_int(&f, "peak.allocated", a.peak);
    put_int(&f, "total.allocated", a.used);
    put_int(&f, "startup.allocated", a.startup);
    put_int(&f, "replication.backlog", 0);
    put_int(&f, "clients.slaves", 0);
    put_int(&f, "clients.normal", a.clients);
    put_int(&f, "cluster.links", 0);
    put_int(&f, "aof.buffer", a.buffers);
    put_int(&f, "lua.caches", a.lua);
    put_int(&f, "functions.caches", a.functions);
    put_int(&f, "lua.states", a.states);
    put_int(&f, "engine.caches", a.caches);
    put_int(&f, "engine.index", a.index);
    put_int(&f, "freed.bytes", a.freed);
    put_int(&f, "other.bytes", a.other);
    put_databases(&f, c->ks, &a);
    put_int(&f, "overhead.total", a.overhead);
    put_int(&f, "keys.count", a.keys);
    put_int(&f, "keys.bytes-per-key", a.keys ? a.net / a.keys : 0);
    put_int(&f, "dataset.bytes", a.dataset);
    put_double(&f, "dataset.percentage", 100 * memory_ratio(a.dataset, a.net));
    put_double(&f, "peak.percentage", 100 * memory_ratio(a.used, a.peak));
    put_int(&f, "allocator.allocated", s->allocated);
    put_int(&f, "allocator.active", s->active);
    put_int(&f, "allocator.resident", s->resident);
    put_double(&f, "allocator-fragmentation.ratio", memory_ratio(s->active, s->allocated));
    put_diff(&f, "allocator-fragmentation.bytes", s->active, s->allocated);
    put_double(&f, "allocator-rss.ratio", memory_ratio(s->resident, s->active));
    put_diff(&f, "allocator-rss.bytes", s->resident, s->active);
    put_double(&f, "rss-overhead.ratio", memory_ratio(a.rss, held));
    put_diff(&f, "rss-overhead.bytes", a.rss, held);
    put_double(&f, "fragmentation", memory_ratio(a.rss, a.used));
    put_diff(&f, "fragmentation.bytes", a.rss, a.used);
    reply_map(c, f.n);
    buf_append_slice(&c->out, buf_slice(&f.out));
    buf_free(&f.out);
    client_depends_on_end(c);
    return CMD_DONE;
}

/* ---- DOCTOR ------------------------------------------------------------------------------------
 */

/* More than `share` of it, and so much that it matters. */
static bool is_large(uint64_t a, uint64_t b, double share) {
    return a > b && memory_ratio(a, b) > share && a - b > 10 * MB;
}

/* One remark a line; how many there are. */
static int examine(client *c, const memory_account *a, buf *out) {
    const mem_allocator_stats *s = &a->allocator;
    size_t clients = session_client_count(c->session);
    int64_t v = 0;
    uint64_t limit = num_parse_i64(slice_cstr(config_value("maxmemory")), &v) ? (uint64_t)v : 0;
    const struct {
        bool holds;
        const char *remark;
    } remarks[] = {
        {memory_ratio(a->peak, a->used) > 1.5,
         "Peak memory: at its peak the server used over 1.5 times what it uses now. What the "
         "system shows for the process may still be that of the peak, and the fragmentation ratio "
         "is no sign of trouble then. MEMORY PURGE gives pages back."},
        {is_large(a->rss, a->used, 1.4),
         "High total RSS: the process has over 1.4 times the memory that it uses. After a peak "
         "this passes; if not, the remarks below tell which part it is."},
        {is_large(s->active, s->allocated, 1.1),
         "High allocator fragmentation: pages are partly used, which comes from values of many "
         "sizes that come and go. A restart packs them; there is no active defragmentation."},
        {is_large(s->resident, s->active, 1.1),
         "High allocator RSS overhead: the allocator keeps free pages. MEMORY PURGE makes it give "
         "them back."},
        {is_large(a->rss, s->resident + a->mapped, 1.1),
         "High process RSS overhead: memory that neither the allocator nor a cache has. Children "
         "that merge share pages with the server, libraries count too; see RSS while none runs."},
        {clients > 0 && a->clients / clients > 200 << 10,
         "Big client buffers: clients have over 200 KiB each. CLIENT LIST shows whose tot-mem is "
         "large; one that reads too slowly, or sends huge pipelines, is the usual cause. See "
         "maxmemory-clients and client-output-buffer-limit."},
        {limit > 0 && a->used > limit - limit / 20 && engine_evicts(ks_engine(c->ks)),
         "Close to maxmemory: over 95 % of it is used. Unless maxmemory-policy evicts keys, writes "
         "will be refused; the engine lsm keeps its keys on disk."},
    };
    int n = 0;
    for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++)
        if (remarks[i].holds) buf_printf(out, "%s * %s\n\n", n++ ? "" : "\n", remarks[i].remark);
    return n;
}

static command_result memory_doctor(client *c) {
    memory_account a;
    memory_take_account(&a);
    buf found = {0}, out = {0};
    if (a.used < 5 * MB)
        buf_printf(&out, "Hello. This server is empty, or nearly so: there is nothing to examine. "
                         "Come back when it has some data.\n");
    else if (examine(c, &a, &found) == 0)
        buf_printf(&out, "Hello. I have looked at everything I know of, and memory is fine.\n");
    else
        buf_printf(&out, "Hello. This is what I have found:\n%.*s", (int)found.len, found.data);
    resp_verbatim(&c->out, c->proto, buf_slice(&out), "txt");
    buf_free(&found);
    buf_free(&out);
    return CMD_DONE;
}

/* ---- the allocator -----------------------------------------------------------------------------
 */

/* A piece of its report. */
static void collect(void *ctx, const char *text) {
    buf_append_slice(ctx, slice_cstr(text));
}

static command_result memory_malloc_stats(client *c) {
    buf out = {0};
    mem_report(collect, &out);
    resp_verbatim(&c->out, c->proto, buf_slice(&out), "txt");
    buf_free(&out);
    return CMD_DONE;
}

static command_result memory_purge(client *c) {
    mem_purge();
    reply_ok(c);
    return CMD_DONE;
}

/* ---- table -------------------------------------------------------------------------------------
 */

static const char *const report_tips[] = {"nondeterministic_output", "request_policy:all_shards",
                                          "response_policy:special", NULL};
static const char *const purge_tips[] = {"request_policy:all_shards",
                                         "response_policy:all_succeeded", NULL};

#define ROW(name_, run_, complexity_, tips_, summary_)                                             \
    {                                                                                              \
        .name = name_, .run = run_, .arity = 2, .group = "server", .since = "4.0.0",               \
        .complexity = complexity_, .summary = summary_, .tips = tips_                              \
    }
#define BY_HEAP "Depends on how much memory is allocated"

const command memory_commands[] = {
    ROW("doctor", memory_doctor, "O(1)", report_tips, "Advises on the use of memory."),
    ROW("malloc-stats", memory_malloc_stats, BY_HEAP, report_tips,
        "Shows the allocator's own report."),
    ROW("purge", memory_purge, BY_HEAP, purge_tips,
        "Has the allocator give free memory back to the system."),
    ROW("stats", memory_stats, "O(N) where N is the number of clients and databases", report_tips,
        "Shows what memory is used for."),
    {0},
};
