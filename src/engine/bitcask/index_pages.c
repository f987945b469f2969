/* index_pages: the index on large pages: for lookups as it grows, and anew before a fork; and not
 * for children that do not need it.
 *
 * A lookup in a million keys and more misses not the caches alone: where an address lies is looked
 * up too, and in pages of 4 KiB there is no room to remember that. So when the index has grown by
 * half, or a merge's child is gone, a worker puts it on large pages.
 * (Server CPU, redis-benchmark -P 64, a million keys of 3 bytes: GET 0.89 -> 0.44 us a command, SET
 * 1.63 -> 0.72 us, the least of five runs each in turn on a busy virtual machine.)
 *
 * A fork holds the thread while the kernel copies the page table: some 29 ms for each gigabyte in
 * pages of 4 KiB, one or two in pages of 2 MiB. Pages cannot stay large: while a child lives,
 * the first write to each has the kernel map it in pages of 4 KiB, of which it copies the one that
 * is written to (kernels before 5.8 copied 2 MiB). So they are made large again by a worker, piece
 * by piece, right before a merge's child is forked: then no child lives that shares them, and
 * between here and the fork nothing makes them small. One piece a cron: the worker shares the
 * machine with the thread, and the merge can wait.
 *
 * What it costs: the worker copies the index once (half a second of its CPU a gigabyte, more the
 * first time), the thread waits for some tens of microseconds when it touches what is just being
 * moved, and the first write to each 2 MiB while the child lives takes about 0.1 ms more. What was
 * one pause for every client comes to be a thousand small ones, each for one.
 *
 * The making of hints reads segments alone: its child does not get the index at all. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/jobs.h"

#define LEAST_BYTES ((uint64_t)64 << 20) /* a smaller index is forked in a millisecond or two */
#define GROWN_BYTES ((uint64_t)4 << 20)  /* in a smaller one lookups are quick anyway */
#define GROWTH      ((uint64_t)1 << 63)  /* in the number of a round that is no merge's */
#define PIECE_BYTES ((size_t)32 << 20)   /* at once */

/* On the worker. */
static void run(aio_job *job) {
    index_pages *p = AIO_OWNER(job, index_pages, job);
    CHECK(p->busy);
    CHECK(p->bytes > 0 && p->bytes <= PIECE_BYTES);
    p->refused = !mem_enlarge(p->piece, p->bytes);
}

/* A piece is done, or can't be. */
static void done(aio_job *job) {
    index_pages *p = AIO_OWNER(job, index_pages, job);
    CHECK(p->busy);
    p->busy = false;
    arena_enlarge_end(AIO_OWNER(p, bitcask, pages)->shared.arena);
    if (p->refused)
        log_notice("This system has no way to put the index on large pages by itself");
    else
        p->enlarged += p->bytes;
}

/* The next piece of the round goes to a worker; false if there is none left. */
static bool next_piece(bitcask *e, uint64_t round) {
    index_pages *p = &e->pages;
    arena *a = e->shared.arena;
    CHECK(!p->busy && !p->refused);
    if (p->round != round) {
        p->round = round;
        p->at = p->enlarged = 0;
    }
    arena_enlarge_begin(a);
    p->busy = arena_enlarge_next(a, &p->at, PIECE_BYTES, &p->piece, &p->bytes);
    if (p->busy) {
        p->job = (aio_job){.run = run, .done = done};
        aio_submit(e->env->aio, AIO_HOUSEKEEP, &p->job);
    } else {
        arena_enlarge_end(a);
    }
    return p->busy;
}

/* The child will have made pages small when it is gone: then it is done again for lookups. */
bool index_pages_ready(bitcask *e, uint64_t round) {
    index_pages *p = &e->pages;
    CHECK(!e->log.open);
    CHECK(round > 0 && !(round & GROWTH));
    if (p->busy) return false;
    p->again = 0;
    bool small = arena_bytes(e->shared.arena) < LEAST_BYTES;
    return p->refused || !bitcask_conf.index_huge_pages || small || !next_piece(e, round);
}

/* Not while there is a job: its child shares the pages, or will. */
void index_pages_cron(bitcask *e) {
    index_pages *p = &e->pages;
    uint64_t bytes = arena_bytes(e->shared.arena);
    CHECK(!e->log.open);
    if (p->busy || p->refused || !bitcask_conf.index_huge_pages || e->merge || e->hints) return;
    if (!p->growing) {
        if (bytes < GROWN_BYTES || bytes < p->again) return;
        p->growing = GROWTH | ++p->grown;
    }
    if (next_piece(e, p->growing)) return;
    p->growing = 0;
    p->again = bytes + bytes / 2;
}
