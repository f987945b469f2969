/* engine-bench: what a storage engine costs by itself, without server, clients or protocol.
 *
 * It does to an engine what the reactor does: each operation is a turn of its own unless told
 * otherwise, ends when the engine has released its record, and waits first if the engine asks for
 * that (engine_pace). Every quarter of a millisecond come the finished jobs of workers and children
 * and a slice of background work, ten times a second the cron.
 *
 * Workloads are named after those of RocksDB's db_bench and work on the same data: keys of 16 bytes
 * (a number, big-endian, then '0's), values whose second half repeats the first, so that they
 * shrink to about a half; absent keys are one byte longer than those that are there and lie between
 * them. Latency is from the end of an operation to the end of the next, so that nothing is left
 * out. */
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/histogram.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/engine.h"
#include "engine/lsm/lsm.h"

#define KEY_BYTES   16
#define POOL        (1u << 20)   /* bytes that values are pieces of */
#define PIECE       100          /* each such piece of the pool shrinks to a half */
#define TURN_NS     250000ull    /* between looks at what else there is to do */
#define CRON_NS     100000000ull /* as hz 10 */
#define BUSY_US     200          /* background work while operations wait for it, and else */
#define IDLE_US     1000         /* (server/cron.c) */
#define OVERHEAD    256          /* bytes a write may cost beyond key and value */
#define PATIENCE_NS (600 * 1000000000ull) /* a wait that is longer is a defect */

static const char usage[] =
    "usage: engine-bench [OPTIONS] DIR WORKLOAD...\n"
    "\n"
    "DIR is created if it is not there, and kept: a later run can go on with it.\n"
    "\n"
    "Workloads, in the order given, each as often as it is given:\n"
    "  fillseq       puts all keys in order       readrandom   reads keys at random\n"
    "  fillrandom    puts as many at random       readmissing  looks for keys that are not there\n"
    "  overwrite     the same, once more          seekrandom   a scan of one entry from a random "
    "key\n"
    "  deleterandom  deletes keys at random       memory       bytes of memory a key\n"
    "  waitquiet     until nothing is running or pending\n"
    "  compact       compacts or merges everything, and waits until that is done\n"
    "  reopen        closes the engine and opens it again\n"
    "\n"
    "Options:\n"
    "  --engine E      bitcask (default) or lsm\n"
    "  --keys N        keys there are (1000000)\n"
    "  --reads N       operations of readrandom, readmissing, seekrandom, deleterandom (keys)\n"
    "  --value-size N  bytes (100)\n"
    "  --turn N        operations in a turn of the reactor (1)\n"
    "  --cache-size N  of the engine's cache of values or blocks\n"
    "  --maxmemory N   what the engine may take in all\n"
    "  --settle N      seconds without any work that count as quiet (5)\n"
    "  --seed N        of what is random (1)\n"
    "  --json          a JSON object for each workload, instead of a line of a table\n"
    "  --SETTING V     a setting of the engine's, as stave-server has it\n";

static const engine_class *const classes[] = {&bitcask_class, &lsm_class, NULL};

static struct options {
    const char *dir;
    const engine_class *class;
    int64_t keys, reads, value_size, turn, settle, seed, maxmemory;
    bool json;
} opt = {
    .class = &bitcask_class,
    .keys = 1000000,
    .reads = -1,
    .value_size = PIECE,
    .turn = 1,
    .settle = 5,
    .seed = 1,
};

/* What one workload did and cost. Times are nanoseconds. */
typedef struct result {
    uint64_t ops, found, wall, cpu, max;
    uint64_t children;          /* CPU time of children that ended */
    uint64_t written, os_bytes; /* by the engine's metrics; by the kernel, children included */
    uint64_t stalls, stalled;   /* engine_pace */
    histogram latency;
} result;

static engine *e;
static io_env env;
static stave_clock wall;
static rng sampling, keys_rng;
static char pool[POOL];
static size_t pool_at;
static int64_t in_turn; /* operations of the turn that is not ended yet */
static uint64_t next_turn, next_cron;
static bool more_background;
static result now_running;

static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("engine-bench: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static void must(status s, const char *what) {
    if (!status_ok(s)) die("%s: %s", what, s.msg);
}

/* ---- what the reactor does ---------------------------------------------------------------------
 */

/* Completions of workers and children, for up to timeout_ms if there are none yet; true if there
 * were any. */
static bool events(int timeout_ms) {
    struct pollfd fds[] = {{aio_fd(env.aio), POLLIN, 0}, {child_fork_fd(env.children), POLLIN, 0}};
    int n = poll(fds, 2, timeout_ms);
    clock_refresh(&wall);
    if (n <= 0) return false;
    if (fds[0].revents) env.aio->ops->poll(env.aio);
    if (fds[1].revents) env.children->ops->poll(env.children);
    return true;
}

/* The rest of a turn: timers and a slice of background work. */
static void housekeep(uint64_t now, uint64_t budget_us) {
    if (now >= next_cron) {
        next_cron = now + CRON_NS;
        engine_cron(e);
    }
    more_background = engine_background(e, budget_us);
}

/* One turn without operations, that waits for events if there is nothing else to do. */
static bool idle_turn(void) {
    uint64_t now = clock_mono_ns();
    uint64_t ms = next_cron > now ? (next_cron - now + 999999) / 1000000 : 0;
    bool any = events(more_background ? 0 : (int)ms);
    housekeep(clock_mono_ns(), IDLE_US);
    return any || more_background;
}

/* Turns go on while something is waited for; for ever is too long. */
static void wait_more(uint64_t since, const char *what) {
    if (clock_mono_ns() - since > PATIENCE_NS) die("%s takes too long", what);
    (void)idle_turn();
}

/* All records so far go to the log, and are as safe as appendfsync wants them when this returns. */
static void end_turn(void) {
    in_turn = 0;
    engine_turn_end(e);
    uint64_t since = clock_mono_ns();
    while (engine_released(e) < engine_log_end(e)) {
        must(engine_failed(e), "the log");
        wait_more(since, "the log's write");
    }
}

/* Behind each operation: the turn's end when it is full, and every so often the rest. */
static void operation_end(uint64_t *last) {
    if (++in_turn >= opt.turn) end_turn();
    uint64_t now = clock_mono_ns();
    if (now >= next_turn) {
        (void)events(0);
        housekeep(now, BUSY_US);
        now = clock_mono_ns();
        next_turn = now + TURN_NS;
    }
    uint64_t took = now - *last;
    histogram_record(&now_running.latency, took);
    if (took > now_running.max) now_running.max = took;
    *last = now;
}

/* Before a write: the pace that the engine asks for, and room in the log. */
static void before_write(size_t bytes) {
    uint64_t us = engine_pace(e, bytes), t0;
    if (us) {
        t0 = clock_mono_ns();
        while (clock_mono_ns() - t0 < us * 1000) {
            uint64_t left = us - (clock_mono_ns() - t0) / 1000;
            (void)events((int)(left / 1000));
            housekeep(clock_mono_ns(), BUSY_US);
        }
        now_running.stalls++;
        now_running.stalled += clock_mono_ns() - t0;
    }
    t0 = clock_mono_ns();
    while (!status_ok(engine_room(e, bytes)))
        wait_more(t0, "room in the log");
}

/* ---- operations --------------------------------------------------------------------------------
 */

static slice key_of(char *out, uint64_t i, size_t len) {
    memset(out, '0', len);
    for (int b = 7; b >= 0; b--, i >>= 8)
        out[b] = (char)(i & 255);
    return slice_of(out, len);
}

static slice next_value(void) {
    size_t n = (size_t)opt.value_size;
    if (pool_at + n > POOL) pool_at = 0;
    slice v = slice_of(pool + pool_at, n);
    pool_at += n;
    return v;
}

/* True if it is there. A read whose bytes are on their way is made again when they may be there. */
static bool answered(engine_result r, uint64_t *since, bool *again) {
    *again = r == ENGINE_PENDING;
    if (r == ENGINE_ERROR) die("%s", engine_error(e).msg);
    if (*again) {
        if (!*since) *since = clock_mono_ns();
        wait_more(*since, "a read");
    }
    return r == ENGINE_OK;
}

static bool put(uint64_t i) {
    char key[KEY_BYTES];
    entry ent = {.value = next_value()};
    uint64_t since = 0;
    bool again, done;
    before_write(KEY_BYTES + ent.value.len + OVERHEAD);
    do {
        engine_begin(e);
        engine_result r = engine_put(e, 0, key_of(key, i, KEY_BYTES), &ent);
        r == ENGINE_OK ? engine_commit(e) : engine_abort(e);
        done = answered(r, &since, &again);
    } while (again);
    return done;
}

static bool del(uint64_t i) {
    char key[KEY_BYTES];
    uint64_t since = 0;
    bool again, done;
    before_write(0);
    do {
        engine_begin(e);
        engine_result r = engine_del(e, 0, key_of(key, i, KEY_BYTES));
        r == ENGINE_OK ? engine_commit(e) : engine_abort(e);
        done = answered(r, &since, &again);
    } while (again);
    return done;
}

static bool get_key(slice key) {
    entry ent;
    uint64_t since = 0;
    bool again, found;
    do
        found = answered(engine_get(e, 0, key, &ent), &since, &again);
    while (again);
    if (found && ent.value.len != (size_t)opt.value_size) die("a value of the wrong length");
    return found;
}

static bool get(uint64_t i) {
    char key[KEY_BYTES];
    return get_key(key_of(key, i, KEY_BYTES));
}

static bool get_missing(uint64_t i) {
    char key[KEY_BYTES + 1];
    if (get_key(key_of(key, i, KEY_BYTES + 1))) die("a key that was never written is there");
    return false;
}

/* What a scan was looking for, and whether it came. */
typedef struct visit {
    slice wanted;
    bool found;
} visit;

static void visit_entry(void *ctx, slice key, const entry *meta) {
    visit *v = ctx;
    (void)meta;
    v->found |= slice_eq(key, v->wanted);
}

/* To where the key is or would be, in the order that the engine keeps, and the entry there. It
 * makes an iterator over everything, positions it, reads one entry and steps to the next, to see
 * that it has another token: what db_bench's seekrandom does, and a step. */
static bool seek(uint64_t i) {
    char key[KEY_BYTES];
    visit v = {.wanted = key_of(key, i, KEY_BYTES)};
    uint64_t since = 0, next, token = engine_token(e, v.wanted);
    bool again;
    do
        (void)answered(engine_scan(e, 0, token, 1, &next, visit_entry, &v), &since, &again);
    while (again);
    return v.found;
}

/* ---- workloads that are no loop of operations --------------------------------------------------
 */

/* Until for --settle seconds nothing has run, nothing came and the log is released. The time that
 * it reports is that up to the last work. */
static void wait_quiet(void) {
    uint64_t t0 = clock_mono_ns(), last = t0;
    uint64_t settle = (uint64_t)opt.settle * 1000000000;
    end_turn();
    for (uint64_t now = last; now - last < settle; now = clock_mono_ns()) {
        bool busy = idle_turn() || child_fork_alive(env.children) > 0;
        if (busy) last = clock_mono_ns();
        if (now - t0 > 6 * PATIENCE_NS) die("it does not become quiet");
    }
    now_running.wall = last - t0;
}

static void compact_all(void) {
    uint64_t since = clock_mono_ns();
    for (;;) {
        status s = engine_compact(e);
        if (s.code != ST_BUSY) {
            must(s, "compact");
            break;
        }
        wait_more(since, "a compaction that was running");
    }
    wait_quiet();
}

static void open_engine(void) {
    engine_options o = {.dir = opt.dir, .env = &env, .databases = 16};
    clock_refresh(&wall);
    must(opt.class->open(&o, &e), "open");
    engine_budget(e, (uint64_t)opt.maxmemory);
    next_cron = clock_mono_ns();
}

static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void reopen(void) {
    uint64_t t0 = clock_mono_ns();
    engine_close(e);
    uint64_t t1 = clock_mono_ns(), c1 = cpu_ns();
    open_engine();
    if (!opt.json)
        printf("%-13s closed in %.1f ms, open in %.1f ms, of which %.1f ms CPU\n", "reopen",
               (double)(t1 - t0) / 1e6, (double)(clock_mono_ns() - t1) / 1e6,
               (double)(cpu_ns() - c1) / 1e6);
}

static void memory(void) {
    uint64_t index, caches, buffers;
    engine_db_stats st;
    engine_memory(e, &index, &caches, &buffers);
    engine_db_stats_of(e, 0, &st);
    if (opt.json) return;
    printf("%-13s MB: index %.1f, caches %.1f, buffers %.1f, resident %.1f", "memory",
           (double)index / 1e6, (double)caches / 1e6, (double)buffers / 1e6,
           (double)mem_rss() / 1e6);
    if (st.keys && index > KEY_BYTES * st.keys)
        printf("; index: %.1f bytes a key beyond the key",
               (double)index / (double)st.keys - KEY_BYTES);
    printf("\n");
}

/* ---- measuring ---------------------------------------------------------------------------------
 */

static uint64_t children_ns(const struct rusage *u) {
    return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000000 +
           (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1000;
}

/* Sum of the engine's metrics that say how many bytes it has written: to the log, and by merges,
 * flushes and compactions. */
static uint64_t written_bytes(void) {
    buf text = {0};
    uint64_t sum = 0;
    for (const metric_section *m = opt.class->metrics(e); m->name; m++)
        m->emit(&text, m->ctx);
    buf_append_slice(&text, slice_of("", 1));
    for (char *line = text.data, *end; (end = strstr(line, "\r\n")); line = end + 2) {
        char *colon = memchr(line, ':', (size_t)(end - line));
        if (!colon) continue;
        slice name = slice_of(line, (size_t)(colon - line));
        static const char *const names[] = {"written_bytes", "merge_bytes_written", "flush_bytes",
                                            "compaction_bytes_written"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (slice_eq(name, slice_cstr(names[i]))) sum += strtoull(colon + 1, NULL, 10);
    }
    buf_free(&text);
    return sum;
}

/* Bytes of disk by the kinds of files, as their names end. */
typedef struct disk {
    struct {
        char kind[16];
        uint64_t bytes;
    } kinds[16];
    size_t n;
    uint64_t total;
} disk;

static void add_file(void *ctx, const char *name) {
    disk *d = ctx;
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", opt.dir, name);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return; /* it may just have been unlinked */
    const char *dot = strrchr(name, '.');
    size_t i = 0;
    while (i < d->n && strcmp(d->kinds[i].kind, dot ? dot + 1 : name) != 0)
        i++;
    if (i == d->n) {
        if (d->n == sizeof d->kinds / sizeof *d->kinds) return;
        snprintf(d->kinds[d->n++].kind, sizeof d->kinds->kind, "%s", dot ? dot + 1 : name);
    }
    d->kinds[i].bytes += (uint64_t)st.st_blocks * 512;
    d->total += (uint64_t)st.st_blocks * 512;
}

static void print_json(const char *name, const result *r, const disk *d) {
    double n = r->ops ? (double)r->ops : HUGE_VAL; /* per operation: none, none */
    engine_db_stats st;
    engine_db_stats_of(e, 0, &st);
    printf("{\"workload\":\"%s\",\"engine\":\"%s\",\"ops\":%llu,\"found\":%llu,\"seconds\":%.6f,"
           "\"us_op\":%.4f,\"cpu_us_op\":%.4f,\"cpu_seconds\":%.3f,\"children_cpu_seconds\":%.3f,",
           name, opt.class->name, (unsigned long long)r->ops, (unsigned long long)r->found,
           (double)r->wall / 1e9, (double)r->wall / n / 1e3, (double)r->cpu / n / 1e3,
           (double)r->cpu / 1e9, (double)r->children / 1e9);
    printf("\"p50_us\":%.3f,\"p99_us\":%.3f,\"p999_us\":%.3f,\"max_us\":%.3f,",
           (double)histogram_percentile(&r->latency, 50) / 1e3,
           (double)histogram_percentile(&r->latency, 99) / 1e3,
           (double)histogram_percentile(&r->latency, 99.9) / 1e3, (double)r->max / 1e3);
    printf("\"stalls\":%llu,\"stalled_seconds\":%.6f,\"written_bytes\":%llu,"
           "\"kernel_written_bytes\":%llu,\"keys\":%llu,\"rss_bytes\":%llu,\"disk_bytes\":%llu,"
           "\"disk\":{",
           (unsigned long long)r->stalls, (double)r->stalled / 1e9, (unsigned long long)r->written,
           (unsigned long long)r->os_bytes, (unsigned long long)st.keys,
           (unsigned long long)mem_rss(), (unsigned long long)d->total);
    for (size_t i = 0; i < d->n; i++)
        printf("%s\"%s\":%llu", i ? "," : "", d->kinds[i].kind,
               (unsigned long long)d->kinds[i].bytes);
    printf("}}\n");
}

static void print_head(void) {
    printf("%-13s %9s %9s %8s %8s %8s %8s %9s %9s %9s %9s %8s\n", "workload", "ops", "found",
           "us/op", "CPU us/op", "p50 us", "p99 us", "max us", "written M", "disk MB", "child. s",
           "stalls s");
}

static void print_line(const char *name, const result *r, const disk *d) {
    double n = r->ops ? (double)r->ops : 1;
    if (r->ops)
        printf("%-13s %9llu %9llu %8.2f %9.2f %8.2f %8.2f %9.0f", name, (unsigned long long)r->ops,
               (unsigned long long)r->found, (double)r->wall / n / 1e3, (double)r->cpu / n / 1e3,
               (double)histogram_percentile(&r->latency, 50) / 1e3,
               (double)histogram_percentile(&r->latency, 99) / 1e3, (double)r->max / 1e3);
    else
        printf("%-13s %8.2f s %58s", name, (double)r->wall / 1e9, "");
    printf(" %9.1f %9.1f %8.2f %8.3f\n", (double)r->written / 1e6, (double)d->total / 1e6,
           (double)r->children / 1e9, (double)r->stalled / 1e9);
}

/* ---- running -----------------------------------------------------------------------------------
 */

typedef struct workload {
    const char *name;
    bool (*operation)(uint64_t key); /* or */
    void (*whole)(void);
    bool in_order, all; /* each key once, in order; as many as there are keys */
} workload;

static const workload workloads[] = {
    {.name = "fillseq", .operation = put, .in_order = true, .all = true},
    {.name = "fillrandom", .operation = put, .all = true},
    {.name = "overwrite", .operation = put, .all = true},
    {.name = "deleterandom", .operation = del},
    {.name = "readrandom", .operation = get},
    {.name = "readmissing", .operation = get_missing},
    {.name = "seekrandom", .operation = seek},
    {.name = "waitquiet", .whole = wait_quiet},
    {.name = "compact", .whole = compact_all},
    {.name = "memory", .whole = memory},
    {.name = "reopen", .whole = reopen},
    {0},
};

static const workload *find_workload(const char *name) {
    for (const workload *w = workloads; w->name; w++)
        if (strcmp(w->name, name) == 0) return w;
    die("no workload '%s'; --help lists them", name);
    return NULL;
}

static void run_operations(const workload *w) {
    uint64_t n = (uint64_t)(w->all || opt.reads < 0 ? opt.keys : opt.reads), last = clock_mono_ns();
    next_turn = last;
    for (uint64_t i = 0; i < n; i++) {
        now_running.found +=
            w->operation(w->in_order ? i : rng_below(&keys_rng, (uint64_t)opt.keys));
        operation_end(&last);
    }
    end_turn();
    now_running.ops = n;
}

static void run(const workload *w) {
    struct rusage before, after;
    now_running = (result){0};
    uint64_t written = written_bytes(), cpu = cpu_ns(), t0 = clock_mono_ns();
    struct rusage own_before, own_after;
    getrusage(RUSAGE_CHILDREN, &before);
    getrusage(RUSAGE_SELF, &own_before);
    if (w->operation)
        run_operations(w);
    else
        w->whole();
    if (!now_running.wall) now_running.wall = clock_mono_ns() - t0;
    now_running.cpu = cpu_ns() - cpu;
    getrusage(RUSAGE_SELF, &own_after);
    getrusage(RUSAGE_CHILDREN, &after);
    now_running.children = children_ns(&after) - children_ns(&before);
    uint64_t total = written_bytes();
    now_running.written = total >= written ? total - written : 0; /* reopen begins again at 0 */
    now_running.os_bytes = 512 * (uint64_t)(after.ru_oublock - before.ru_oublock +
                                            own_after.ru_oublock - own_before.ru_oublock);
    disk d = {0};
    must(env.fs->ops->list(env.fs, opt.dir, add_file, &d), "list");
    if (opt.json)
        print_json(w->name, &now_running, &d);
    else if (w->whole != memory && w->whole != reopen)
        print_line(w->name, &now_running, &d);
    fflush(stdout);
    histogram_clear(&now_running.latency);
}

/* ---- options -----------------------------------------------------------------------------------
 */

static const engine_class *find_class(const char *name) {
    for (const engine_class *const *c = classes; *c; c++)
        if (strcmp((*c)->name, name) == 0) return *c;
    die("no engine '%s'", name);
    return NULL;
}

/* One option that is the engine's setting. */
static void set_engine(const char *name, const char *value) {
    if (!strcmp(name, "cache-size"))
        name = opt.class == &bitcask_class ? "value-cache-size" : "block-cache-size";
    const setting *s = setting_find(opt.class->settings, slice_cstr(name));
    if (!s) s = setting_find(log_setting_table, slice_cstr(name));
    slice word = slice_cstr(value);
    if (!s) die("no option --%s, and %s has no such setting; see --help", name, opt.class->name);
    must(s->kind == SETTING_CUSTOM ? s->set(s, 1, &word) : setting_parse(s, 1, &word), name);
}

/* One option; those of the engine only in the second pass, when it is known which engine. */
static void set_option(const char *name, const char *value, bool second) {
    static const struct {
        const char *name;
        int64_t *target, least;
    } numbers[] = {
        {"keys", &opt.keys, 1},
        {"reads", &opt.reads, 1},
        {"settle", &opt.settle, 1},
        {"turn", &opt.turn, 1},
        {"value-size", &opt.value_size, 0},
        {"seed", &opt.seed, 0},
        {"maxmemory", &opt.maxmemory, 0},
    };
    if (!strcmp(name, "engine")) {
        opt.class = find_class(value);
        return;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t v;
        if (strcmp(name, numbers[i].name) != 0) continue;
        if (!num_parse_memory(slice_cstr(value), &v) || v > INT64_MAX) die("--%s: a number", name);
        *numbers[i].target = (int64_t)v;
        if (*numbers[i].target < numbers[i].least) die("--%s: too small", name);
        return;
    }
    if (second) set_engine(name, value);
}

/* All options; the place of the first word that is none. */
static int parse_options(int argc, char **argv, bool second) {
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = argv[i] + 2;
        if (!strcmp(name, "help")) {
            fputs(usage, stdout);
            exit(0);
        } else if (!strcmp(name, "json"))
            opt.json = true;
        else if (++i == argc)
            die("--%s wants a value", name);
        else
            set_option(name, argv[i], second);
    }
    return i;
}

/* ---- main --------------------------------------------------------------------------------------
 */

static void random_bytes(void *p, size_t n, void *ctx) {
    (void)ctx;
    rand_bytes(p, n);
}

/* Pieces of which the second half is the first: printable characters. */
static void fill_pool(void) {
    for (size_t at = 0; at < POOL; at++)
        pool[at] =
            at % PIECE < PIECE / 2 ? (char)(' ' + rng_below(&keys_rng, 95)) : pool[at - PIECE / 2];
}

int main(int argc, char **argv) {
    log_set_level(LOG_LEVEL_WARNING); /* standard output is the results' */
    (void)parse_options(argc, argv, false);
    setting_defaults(log_setting_table);
    setting_defaults(opt.class->settings);
    int first = parse_options(argc, argv, true);
    if (argc - first < 2) {
        fputs(usage, stderr);
        return 2;
    }
    opt.dir = argv[first];
    for (int i = first + 1; i < argc; i++)
        (void)find_workload(argv[i]);
    if (opt.value_size > POOL) die("--value-size: at most %u", POOL);
    rng_seed(&sampling, (uint64_t)opt.seed);
    rng_seed(&keys_rng, (uint64_t)opt.seed + 1);
    fill_pool();
    env =
        (io_env){.fs = vfs_posix(), .clock = &wall, .rng = &sampling, .random_bytes = random_bytes};
    must(aio_threads_new(&env.aio), "workers");
    must(child_fork_new(NULL, &env.children), "children");
    uint64_t t0 = clock_mono_ns();
    open_engine();
    if (!opt.json) {
        printf("%s in %s, open in %.1f ms\n", opt.class->name, opt.dir,
               (double)(clock_mono_ns() - t0) / 1e6);
        print_head();
    }
    for (int i = first + 1; i < argc; i++)
        run(find_workload(argv[i]));
    must(engine_sync(e), "sync");
    env.children->ops->close(env.children);
    engine_close(e);
    env.aio->ops->close(env.aio);
    return 0;
}
