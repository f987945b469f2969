/* env: what an engine needs from outside, in one place, so that a simulation can be all of it. */
#ifndef STAVE_IO_ENV_H
#define STAVE_IO_ENV_H

#include "base/clock.h"
#include "base/rand.h"
#include "io/aio.h"
#include "io/child.h"
#include "io/vfs.h"

typedef struct io_env {
    vfs *fs;
    aio *aio;
    child_host *children;
    stave_clock *clock;
    rng *rng; /* for sampling; seeded by the owner */
    /* Kernel randomness for ids and the hash key (rand_bytes); the simulation's is seeded. */
    void (*random_bytes)(void *p, size_t n, void *ctx);
    void *random_ctx;
} io_env;

#endif
