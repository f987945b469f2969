/* bench_engine: what a storage engine costs by itself, without server or clients.
 *
 *   bench_engine DIR [KEYS [VALUE]]   a million 16-byte keys and 100-byte values unless told
 *
 * Fills DIR, which must not hold a store, and prints nanoseconds for each kind of operation, bytes
 * of memory per key, and how long it takes to open the store again by hints and by reading the log.
 * Times are of one run on whatever else the machine does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/bitcask/bitcask.h"

#define TURN 64 /* operations in a turn of the reactor */

static io_env env;
static stave_clock wall;
static rng sampling;
static const char *dir;
static char value[1 << 20];

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void random_bytes(void *p, size_t n, void *ctx) {
    (void)ctx;
    rand_bytes(p, n);
}

/* Sixteen bytes: the number in hex behind "user:". */
static slice key_of(char *out, uint64_t i) {
    memcpy(out, "user:", 5);
    for (int d = 15; d >= 5; d--, i >>= 4)
        out[d] = "0123456789abcdef"[i & 15];
    return slice_of(out, 16);
}

static engine *open_store(const char *what) {
    engine *e;
    engine_options opt = {.dir = dir, .env = &env, .databases = 16};
    double t = now_ns();
    status s = bitcask_class.open(&opt, &e);
    if (!status_ok(s)) {
        fprintf(stderr, "open: %s\n", s.msg);
        exit(1);
    }
    printf("%-34s %9.1f ms\n", what, (now_ns() - t) / 1e6);
    return e;
}

/* What the reactor does at the end of a turn. */
static void turn(engine *e) {
    static int turns;
    engine_turn_end(e);
    env.aio->ops->poll(env.aio);
    if (++turns % 1000) return;
    clock_refresh(&wall);
    engine_cron(e);
    env.children->ops->poll(env.children);
    engine_background(e, 1000);
}

/* Puts n keys: in order if `ordered`, else picked at random. */
static void puts_of(engine *e, uint64_t n, uint64_t keys, size_t len, bool ordered,
                    const char *what) {
    char key[16];
    double t = now_ns();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t k = ordered ? i : rng_below(&sampling, keys);
        entry ent = {.value = slice_of(value + (k & 1023), len)};
        engine_begin(e);
        if (engine_put(e, 0, key_of(key, k), &ent) != ENGINE_OK) abort();
        engine_commit(e);
        if (i % TURN == TURN - 1) turn(e);
    }
    turn(e);
    printf("%-34s %9.0f ns\n", what, (now_ns() - t) / (double)n);
}

static void gets_of(engine *e, uint64_t n, uint64_t keys, const char *what) {
    char key[16];
    uint64_t bytes = 0;
    double t = now_ns();
    for (uint64_t i = 0; i < n; i++) {
        entry ent;
        if (engine_get(e, 0, key_of(key, rng_below(&sampling, keys)), &ent) != ENGINE_OK) abort();
        bytes += ent.value.len;
    }
    printf("%-34s %9.0f ns   (%llu bytes)\n", what, (now_ns() - t) / (double)n,
           (unsigned long long)bytes);
}

static void dels_of(engine *e, uint64_t from, uint64_t n) {
    char key[16];
    double t = now_ns();
    for (uint64_t i = from; i < from + n; i++) {
        engine_begin(e);
        if (engine_del(e, 0, key_of(key, i)) != ENGINE_OK) abort();
        engine_commit(e);
        if (i % TURN == TURN - 1) turn(e);
    }
    turn(e);
    printf("%-34s %9.0f ns\n", "delete", (now_ns() - t) / (double)n);
}

static void print_memory(engine *e, uint64_t keys) {
    uint64_t index, caches, buffers;
    engine_memory(e, &index, &caches, &buffers);
    printf("%-34s %9.1f bytes a key beyond the key\n", "index", (double)index / (double)keys - 16);
    printf("%-34s %9.1f MB, caches %.1f, buffers %.1f, resident %.1f\n", "index",
           (double)index / 1e6, (double)caches / 1e6, (double)buffers / 1e6,
           (double)mem_rss() / 1e6);
}

static void remove_hint(void *ctx, const char *name) {
    char path[4096];
    size_t n = strlen(name);
    (void)ctx;
    if (n < 5 || strcmp(name + n - 5, ".hint") != 0) return;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!status_ok(env.fs->ops->unlink(env.fs, path))) abort();
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_engine DIR [KEYS [VALUE]]\n");
        return 2;
    }
    dir = argv[1];
    uint64_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    size_t len = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    if (keys == 0 || len > sizeof value - 1024) return 2;
    setting_defaults(bitcask_class.settings);
    clock_refresh(&wall);
    rng_seed(&sampling, 1);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (char)rng_next(&sampling);
    env =
        (io_env){.fs = vfs_posix(), .clock = &wall, .rng = &sampling, .random_bytes = random_bytes};
    if (!status_ok(aio_threads_new(&env.aio)) || !status_ok(child_fork_new(NULL, &env.children)))
        return 1;
    engine *e = open_store("open, nothing there");
    puts_of(e, keys, keys, len, true, "put, new keys");
    print_memory(e, keys);
    gets_of(e, keys, keys, "get, cached");
    puts_of(e, keys, keys, len, false, "put, random existing keys");
    gets_of(e, keys, keys, "get, cached");
    dels_of(e, 1, keys / 10);
    double t = now_ns();
    engine_close(e);
    printf("%-34s %9.1f ms\n", "close", (now_ns() - t) / 1e6);
    e = open_store("open by hints");
    gets_of(e, keys / 10, 1, "get, one key");
    engine_close(e);
    if (!status_ok(env.fs->ops->list(env.fs, dir, remove_hint, NULL))) return 1;
    e = open_store("open by the log");
    engine_close(e);
    env.children->ops->close(env.children);
    env.aio->ops->close(env.aio);
    return 0;
}
