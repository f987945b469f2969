/* index_pages: the index on large pages before a fork, and not for children that do not need it.
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

/* The next piece goes to a worker; when there is none left, all is done. */
bool index_pages_ready(bitcask *e, uint64_t round) {
    index_pages *p = &e->pages;
    arena *a = e->shared.arena;
    CHECK(!e->log.open);
    CHECK(round > 0);
    if (p->busy) return false;
    if (p->refused || !bitcask_conf.index_huge_pages || arena_bytes(a) < LEAST_BYTES) return true;
    if (p->round != round) {
        p->round = round;
        p->at = p->enlarged = 0;
    }
    arena_enlarge_begin(a);
    p->busy = arena_enlarge_next(a, &p->at, PIECE_BYTES, &p->piece, &p->bytes);
    if (p->busy) {
        p->job = (aio_job){.run = run, .done = done};
        aio_submit(e->env->aio, AIO_HOUSEKEEP, &p->job);
        return false;
    }
    arena_enlarge_end(a);
    return true;
}
