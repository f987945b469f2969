/* index_pages: the index on large pages, for lookups, as it grows; and before a fork that takes it
 * along.
 *
 * A lookup in a million keys and more misses not the caches alone: where an address lies is looked
 * up too, and in pages of 4 KiB there is no room to remember that.
 * (Server CPU, redis-benchmark -P 64, a million keys of 3 bytes: GET 0.89 -> 0.44 us a command, SET
 * 1.63 -> 0.72 us, the least of five runs each in turn on a busy virtual machine.)
 *
 * There are two ways onto a large page, the first the better:
 *
 *   ahead     what the index is about to grow into is faulted in by a worker, some MiB in advance.
 *             Nothing is there that would have to be moved, and no lock is held that the thread's
 *             own faults need
 *   collapse  what has come to lie on small pages is moved by a worker (MADV_COLLAPSE): where the
 *             index outran the first way, began small, was loaded at a start, or has had holes.
 *             The kernel holds all of the process' faults up meanwhile: for a millisecond each
 *             2 MiB, and for many where the worker loses its processor in the middle. So it is the
 *             exception, 4 MiB a cron
 *
 * Large pages stay so, as children do not get a large index (merge_marks.c). If one does get it,
 * which is where the marks would be large beside it, the fork copies the page table: 29 ms a
 * gigabyte in pages of 4 KiB, one or two in pages of 2 MiB. So it is put on large pages before,
 * piece by piece; the first write to each while the child lives has the kernel map it small again,
 * and it is done anew when the child is gone. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/jobs.h"

#define LEAST_BYTES ((uint64_t)64 << 20) /* a smaller index is forked in a millisecond or two */
#define GROWN_BYTES ((uint64_t)4 << 20)  /* in a smaller one lookups are quick anyway */
#define GROWTH      ((uint64_t)1 << 63)  /* in the number of a round that is no merge's */
#define PIECE_BYTES ((size_t)4 << 20)    /* at once */
#define AHEAD_FROM  ((uint64_t)16 << 20) /* of a smaller index nothing is made ahead */
#define AHEAD_LEAST ((size_t)4 << 20)    /* how far ahead of what is in use, if it grows at all */
#define AHEAD_MOST  ((size_t)16 << 20)
#define AHEAD_CRONS 4 /* at the pace of the last cron, for so many */

/* On the worker. */
static void run(aio_job *job) {
    index_pages *p = AIO_OWNER(job, index_pages, job);
    CHECK(p->busy);
    CHECK(p->bytes > 0);
    if (p->ahead)
        p->refused_ahead = !mem_make_large(p->piece, p->bytes);
    else
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
    else if (p->ahead && !p->refused_ahead)
        p->made_ahead += p->bytes;
}

/* The worker gets what was found, if anything was; true then. Between begin and end. */
static bool hand_over(bitcask *e, bool found, bool beyond) {
    index_pages *p = &e->pages;
    CHECK(!p->busy);
    p->busy = found;
    p->ahead = beyond;
    p->job = (aio_job){.run = run, .done = done};
    if (found)
        aio_submit(e->env->aio, AIO_HOUSEKEEP, &p->job);
    else
        arena_enlarge_end(e->shared.arena);
    return found;
}

/* What the index grows into, if it grows: true if a worker makes some of that. */
static bool make_ahead(bitcask *e) {
    index_pages *p = &e->pages;
    arena *a = e->shared.arena;
    CHECK(!p->busy && !e->log.open);
    uint64_t left = arena_left(a), grew = p->left > left ? p->left - left : 0;
    p->left = left;
    if (p->refused_ahead || grew == 0 || arena_bytes(a) < AHEAD_FROM) return false;
    size_t most = AHEAD_LEAST + (grew < AHEAD_MOST ? (size_t)grew * AHEAD_CRONS : AHEAD_MOST);
    if (most > AHEAD_MOST) most = AHEAD_MOST;
    CHECK(most >= AHEAD_LEAST);
    if (e->budget && mem_used() + 2 * most > e->budget) return false;
    arena_enlarge_begin(a);
    return hand_over(e, arena_ahead_next(a, most, &p->piece, &p->bytes), true);
}

/* The next piece of the round goes to a worker; false if there is none left. */
static bool next_piece(bitcask *e, uint64_t round) {
    index_pages *p = &e->pages;
    arena *a = e->shared.arena;
    CHECK(!p->busy && !p->refused);
    if (p->round != round) {
        p->round = round;
        p->at = 0;
    }
    arena_enlarge_begin(a);
    return hand_over(e, arena_enlarge_next(a, &p->at, PIECE_BYTES, &p->piece, &p->bytes), false);
}

/* True is said right before the fork. The child will have made pages small when it is gone: then it
 * is done again for lookups. */
bool index_pages_ready(bitcask *e, uint64_t round) {
    index_pages *p = &e->pages;
    CHECK(!e->log.open);
    CHECK(round > 0 && !(round & GROWTH));
    if (p->busy) return false;
    p->again = 0;
    bool small = arena_bytes(e->shared.arena) < LEAST_BYTES;
    if (!p->refused && bitcask_conf.index_huge_pages && !small && next_piece(e, round))
        return false;
    arena_shared(e->shared.arena);
    return true;
}

/* Nothing is moved while there is a job: its child may share the pages, or will. */
void index_pages_cron(bitcask *e) {
    index_pages *p = &e->pages;
    uint64_t bytes = arena_bytes(e->shared.arena);
    CHECK(!e->log.open);
    if (p->busy || p->refused || !bitcask_conf.index_huge_pages) return;
    if (make_ahead(e) || e->merge || e->hints) return;
    if (!p->growing) {
        if (bytes < GROWN_BYTES || bytes < p->again) return;
        p->growing = GROWTH | ++p->grown;
    }
    if (next_piece(e, p->growing)) return;
    p->growing = 0;
    p->again = bytes + bytes / 2;
}

/* Whether pages are large, and why not. */
const char *index_pages_state(const bitcask *e) {
    bool none = e->pages.refused && e->pages.refused_ahead;
    return !bitcask_conf.index_huge_pages ? "no" : none ? "small" : "large";
}
