/* side: see side.h. An engine is driven here as the server's reactor would drive it: the end of a
 * turn, the completions of workers and children, a slice of background work, the cron ten times a
 * second. */
#include "convert/side.h"

#include "base/slot.h"
#include "convert/inline_host.h"
#include "keyspace/keyenc.h"

#include <time.h>

#define CRON_US       100000
#define BACKGROUND_US 1000
#define NAP_US        1000

/* For ids; the hash key is given. */
static void kernel_random(void *p, size_t n, void *ctx) {
    (void)ctx;
    rand_bytes(p, n);
}

/* Threads and children are started when an engine wants them. */
status side_init(side *s, const convert_engine *which, vfs *v, bool alone) {
    uint64_t seed;
    rand_bytes(&seed, sizeof seed);
    rng_seed(&s->rng, seed);
    s->engine = which;
    s->env = (io_env){.fs = v, .clock = &s->clock, .rng = &s->rng, .random_bytes = kernel_random};
    if (alone)
        s->env.children = inline_host_new(v);
    else
        TRY(child_fork_new(NULL, &s->env.children));
    return aio_threads_new(&s->env.aio);
}

/* Keys of a cluster have slots, by the one function that there is for it. */
status side_open(side *s, const char *dir, uint32_t databases, bool cluster, const hash_key *hash) {
    engine_options o = {.dir = dir,
                        .env = &s->env,
                        .databases = (int)databases,
                        .cluster = cluster,
                        .slot_of = cluster ? key_slot : NULL,
                        .hash = hash,
                        .derive = &keyenc_derived};
    clock_refresh(&s->clock);
    return s->engine->klass->open(&o, &s->e);
}

/* Blocks until all is durable. */
void side_close(side *s) {
    engine_close(s->e);
    s->e = NULL;
}

/* Children first, as their ends may give work to the workers. */
void side_free(side *s) {
    if (s->env.children) s->env.children->ops->close(s->env.children);
    if (s->env.aio) s->env.aio->ops->drain(s->env.aio);
    if (s->e) s->engine->abandon(s->e);
    if (s->env.aio) s->env.aio->ops->close(s->env.aio);
    *s = (side){0};
}

/* In the order of a reactor's turn (session_flush, the server's cron). */
status side_work(side *s) {
    engine_turn_end(s->e);
    s->env.aio->ops->poll(s->env.aio);
    s->env.children->ops->poll(s->env.children);
    (void)engine_background(s->e, BACKGROUND_US);
    clock_refresh(&s->clock);
    if (s->clock.mono_us >= s->cron_at) {
        engine_cron(s->e);
        s->cron_at = s->clock.mono_us + CRON_US;
    }
    return engine_failed(s->e);
}

/* Short, so that completions are seen soon. */
void side_nap(uint64_t us) {
    if (us > NAP_US) us = NAP_US;
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

/* No end of a turn, as the engine may be in a batch. */
void side_wait(side *s) {
    s->env.aio->ops->poll(s->env.aio);
    s->env.children->ops->poll(s->env.children);
    (void)engine_background(s->e, BACKGROUND_US);
    side_nap(NAP_US / 10);
}
