/* fetch: see fetch.h.
 *
 *     blocks: place ──> block ── holds ──> hold ──> hold          hold: this reader has, or waits
 *                         │                 │         │                 for, this block
 *     reader.holds ───────┼───────────────> hold ──> hold (of another block)
 *                         └── aio_read while it is under way; then its bytes
 *
 * A read goes through the page cache or past it (O_DIRECT), as fetch_pages thinks best. Past it
 * goes only what will never be written again and is durable, alone (what is asked for beside
 * something else lies in the same pages), and fits into a slot of fetch_room: whole units around
 * what is wanted, `skip` bytes before it. Those are not looked for in memory first: a try that
 * fails is a system call, and makes the page that the read shall go past.
 *
 * Invariants:
 *   1. A block is under way, there or failed. It is in `blocks` from its beginning until it has
 *      ended and no reader holds it.
 *   2. reader.waits counts its holds of blocks that are under way; reader.bytes its blocks' bytes.
 *   3. reader.ready is called once each time waits falls to 0 by a read's end.
 *   4. A file that was to be closed is, once no block of it is under way, and by a worker: if it
 *      was unlinked meanwhile, it is the close that gives its room back (64 MiB: some 20 ms).
 *   5. A block that is awaited (fetch_await) has no bytes and no file: fetch_done ends it.
 *   6. Blocks whose readers have gone are used again: a read of a few KiB allocates nothing.
 *   7. A block that passes is under way, or has failed. No reader holds it when it has come.
 *
 * A read that failed is not told here: who finds its block reads again by itself, and knows what to
 * say. The bytes are the disk's: CRCs and keys are the engine's to look at, each time. */
#include "engine/fetch.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/slow.h"
#include "engine/engine_ops.h"
#include "engine/fetch_pages.h"
#include "engine/fetch_room.h"
#include "engine/log/settings.h"

#define AHEAD_BYTES (256u << 10) /* of the first elements asked for behind one that is pending */
#define AHEAD_EACH  3u           /* more, for each byte that the reader has */
#define BUDGET_PART 16           /* of it for all that is held */
#define TABLE_FIRST 64           /* lists of the table of blocks; a power of two */
#define SPARE_MOST  256          /* blocks that wait to be used again */
#define SKIP_FEW    16 /* reads of a command that has run before, which may go past the page cache */
#define NEAR        (64u << 10) /* bytes between places that are read side by side */
#define GOLDEN      0x9e3779b97f4a7c15u

typedef struct block block;
typedef struct fetch_hold fetch_hold;

/* What a reader has of a block. */
struct fetch_hold {
    engine_reader *reader;
    block *block;
    fetch_hold *of_reader;   /* the next one of the same reader */
    fetch_hold *of_before;   /* the one before */
    fetch_hold *next, *prev; /* of the same block */
};

typedef enum block_state { UNDER_WAY, THERE, FAILED } block_state;

struct block {
    aio_read read;
    fetcher *owner;
    uint64_t place, asked_us;
    fetch_hold *holds, first; /* most blocks have one holder */
    block *next;              /* in its list of the table, or of spare ones */
    block_state state;
    size_t n, skip; /* what was wanted, and where it begins in what is read */
    char *bytes;
    bool in_room; /* they are a slot of it */
    bool passes;  /* they go when they have come */
};

/* A file that is to be closed when its last read has ended. */
typedef struct closing {
    aio_job job;
    fetcher *owner;
    vfs_file *file;
    size_t reads; /* 0: the job is at it */
    struct closing *next;
} closing;

struct fetcher {
    engine *engine;
    const io_env *env;
    block **table; /* of all blocks, by place */
    size_t lists, count;
    block *spare;
    size_t spares;
    fetch_room room;
    fetch_pages pages;
    uint64_t last; /* place that was asked for */
    closing *closings;
    uint64_t most;    /* bytes held by all */
    uint64_t passing; /* bytes under way of blocks that pass */
    block *passer;    /* the one of them that was begun last, if it is under way */
    bool asked;       /* since the last kick */
    buf now;          /* what memory had */
    fetch_stats stats;
};

fetcher *fetch_new(engine *e, const io_env *env) {
    CHECK(e && env);
    fetcher *f = mem_zalloc(sizeof *f);
    f->engine = e;
    f->env = env;
    f->most = FETCH_BYTES;
    f->lists = TABLE_FIRST;
    f->table = mem_zalloc(f->lists * sizeof *f->table);
    pages_start(&f->pages);
    return f;
}

/* For statistics alone. */
static uint64_t now_us(const fetcher *f) {
    clock_refresh(f->env->clock);
    return f->env->clock->mono_us;
}

/* ---- blocks and who holds them ------------------------------------------------------------------
 */

/* Where the list of a place begins. */
static block **list_of(const fetcher *f, uint64_t place) {
    return &f->table[(place * GOLDEN >> 32) & (f->lists - 1)];
}

/* The block at a place, or NULL. */
static block *find(const fetcher *f, uint64_t place) {
    block *b = *list_of(f, place);
    while (b && b->place != place)
        b = b->next;
    CHECK(!b || b->owner == f);
    return b;
}

/* The block behind b, or the first one: in no order. NULL: there is none. */
static block *next_block(const fetcher *f, const block *b) {
    if (b && b->next) return b->next;
    size_t i = b ? (size_t)(list_of(f, b->place) - f->table) + 1 : 0;
    while (i < f->lists && !f->table[i])
        i++;
    return i < f->lists ? f->table[i] : NULL;
}

/* Twice as many lists. */
static void grow(fetcher *f) {
    block **old = f->table;
    size_t n = f->lists;
    CHECK(n > 0 && (n & (n - 1)) == 0);
    f->lists = 2 * n;
    f->table = mem_zalloc(f->lists * sizeof *f->table);
    for (size_t i = 0; i < n; i++) {
        for (block *b = old[i], *next; b; b = next) {
            next = b->next;
            block **at = list_of(f, b->place);
            b->next = *at;
            *at = b;
        }
    }
    mem_free(old);
}

/* Its bytes go back to where they came from. */
static void free_bytes(fetcher *f, block *b) {
    CHECK(!b->in_room || b->bytes);
    if (b->in_room)
        room_give(&f->room, b->bytes);
    else
        mem_free(b->bytes);
    b->bytes = NULL;
}

/* It has ended, and nobody holds it. */
static void drop(fetcher *f, block *b) {
    block **at = list_of(f, b->place);
    CHECK(b->state != UNDER_WAY && !b->holds);
    while (*at != b) {
        CHECK(*at);
        at = &(*at)->next;
    }
    *at = b->next;
    CHECK(f->stats.held_bytes >= b->read.n && f->count > 0);
    f->count--;
    f->stats.held_bytes -= b->read.n;
    free_bytes(f, b);
    if (f->spares == SPARE_MOST) {
        mem_free(b);
        return;
    }
    b->next = f->spare;
    f->spare = b;
    f->spares++;
}

/* Does r hold it? Both lists are walked at once, as one of them is short: a thousand readers of one
 * block hold little else, and who holds thousands of blocks shares few. */
static bool is_held(const block *b, const engine_reader *r) {
    const fetch_hold *h = b->holds, *own = r->holds;
    for (; h && own; h = h->next, own = own->of_reader)
        if (h->reader == r || own->block == b) return true;
    return false;
}

/* r holds it from now on. False: it did already. */
static bool hold(block *b, engine_reader *r) {
    CHECK(r && r->ready);
    if (is_held(b, r)) return false;
    fetch_hold *h = b->first.block ? mem_alloc(sizeof *h) : &b->first;
    *h = (fetch_hold){.reader = r, .block = b, .of_reader = r->holds, .next = b->holds};
    if (b->holds) b->holds->prev = h;
    if (r->holds) r->holds->of_before = h;
    b->holds = h;
    r->holds = h;
    r->bytes += b->read.n;
    if (!b->passes) r->held += b->read.n;
    r->blocks++;
    r->waits += b->state == UNDER_WAY;
    return true;
}

/* Takes the hold out of its block's list, and frees it. */
static void let_go(fetch_hold *h) {
    block *b = h->block;
    CHECK(h->prev ? h->prev->next == h : b->holds == h);
    if (h->prev)
        h->prev->next = h->next;
    else
        b->holds = h->next;
    if (h->next) h->next->prev = h->prev;
    if (h == &b->first)
        h->block = NULL;
    else
        mem_free(h);
    if (!b->holds && b->state != UNDER_WAY) drop(b->owner, b);
}

/* Whatever it held. */
void fetch_end(fetcher *f, engine_reader *r) {
    CHECK(f && r);
    for (fetch_hold *h = r->holds, *next; h; h = next) {
        CHECK(h->reader == r && h->block->owner == f);
        next = h->of_reader;
        let_go(h);
    }
    *r = (engine_reader){.ready = r->ready, .by_pages = r->by_pages};
}

/* ---- files to be closed -------------------------------------------------------------------------
 */

/* On a worker. */
static void close_run(aio_job *job) {
    closing *c = AIO_OWNER(job, closing, job);
    CHECK(c->file && c->reads == 0);
    status s = c->file->ops->close(c->file);
    (void)s; /* it was only read */
    c->file = NULL;
}

/* Takes it out of the list. */
static void close_done(aio_job *job) {
    closing *c = AIO_OWNER(job, closing, job);
    closing **at = &c->owner->closings;
    while (*at != c) {
        CHECK(*at);
        at = &(*at)->next;
    }
    *at = c->next;
    CHECK(!c->file);
    mem_free(c);
}

/* The lane is that of unlinking, which so comes behind the close. */
static void close_start(closing *c) {
    CHECK(c->file && c->reads == 0);
    c->job = (aio_job){.run = close_run, .done = close_done};
    aio_submit(c->owner->env->aio, AIO_HOUSEKEEP, &c->job);
}

/* A read of the file has ended. */
static void file_read(fetcher *f, const vfs_file *file) {
    closing *c = f->closings;
    while (c && (c->reads == 0 || c->file != file)) /* a worker's, whose address may be another's */
        c = c->next;
    if (!c) return;
    CHECK(c->reads > 0);
    if (--c->reads == 0) close_start(c);
}

/* How many reads of the file are under way. One walk over what there is: files are few, and go
 * seldom. */
static size_t reads_of(const fetcher *f, const vfs_file *file) {
    size_t reads = 0;
    CHECK(f && file);
    if (f->stats.in_flight == 0) return 0;
    for (const block *b = next_block(f, NULL); b; b = next_block(f, b))
        reads += b->state == UNDER_WAY && b->read.file == file;
    CHECK(reads <= f->stats.in_flight);
    return reads;
}

/* The file is the list's. */
static closing *take(fetcher *f, vfs_file *file, size_t reads) {
    closing *c = mem_zalloc(sizeof *c);
    *c = (closing){.owner = f, .file = file, .reads = reads, .next = f->closings};
    f->closings = c;
    return c;
}

bool fetch_keeps(fetcher *f, vfs_file *file) {
    size_t reads = reads_of(f, file);
    if (reads == 0) return false;
    take(f, file, reads);
    return true;
}

void fetch_close(fetcher *f, vfs_file *file) {
    closing *c = take(f, file, reads_of(f, file));
    if (c->reads == 0) close_start(c);
}

/* ---- reads --------------------------------------------------------------------------------------
 */

/* Counts a read that has ended. */
static void count_read(fetcher *f, const block *b) {
    uint64_t us = now_us(f) - b->asked_us;
    CHECK(f->stats.in_flight > 0);
    f->stats.in_flight--;
    f->stats.reads++;
    f->stats.read_bytes += b->read.got;
    f->stats.failed += b->state == FAILED;
    f->stats.usec += us;
    if (us > f->stats.usec_max) f->stats.usec_max = us;
    if (slow_from_us) slow_took("cold-read", us);
}

/* A reader's round has ended: did it bring enough to be worth the run that follows? */
static void end_round(engine_reader *r) {
    CHECK(r->waits == 0 && r->bytes >= r->bytes_before);
    r->rounds++;
    r->lean += r->bytes - r->bytes_before <= r->bytes_before / READER_PART;
    r->vain += r->held == r->held_before;
    r->bytes_before = r->bytes;
    r->held_before = r->held;
}

/* It has ended. No reader's `ready` comes back here, so the list stays as it is. */
static void tell(fetcher *f, block *b) {
    CHECK(b->state != UNDER_WAY);
    if (!b->holds) {
        drop(f, b);
        return;
    }
    for (fetch_hold *h = b->holds; h; h = h->next) {
        engine_reader *r = h->reader;
        CHECK(r->waits > 0);
        if (--r->waits > 0) continue;
        end_round(r);
        f->stats.rounds++;
        r->ready(r);
    }
}

/* It passed: the page cache has it. Who waited for it has been told, and holds it no longer. */
static void pass(block *b) {
    CHECK(b->passes && b->state == THERE);
    for (fetch_hold *h = b->holds, *next; h; h = next) {
        next = h->next;
        if (h->of_reader) h->of_reader->of_before = h->of_before;
        if (h->of_before)
            h->of_before->of_reader = h->of_reader;
        else
            h->reader->holds = h->of_reader;
        let_go(h); /* with the last one goes the block */
    }
}

/* One that passes has ended. If it failed it is held as others are, so that it is not asked for
 * again and again. */
static void has_passed(fetcher *f, block *b) {
    CHECK(b->passes && f->passing >= b->read.n);
    f->passing -= b->read.n;
    if (f->passer == b) f->passer = NULL;
    if (b->state == THERE) return;
    b->passes = false;
    for (fetch_hold *h = b->holds; h; h = h->next)
        h->reader->held += b->read.n;
}

/* aio_read.done. */
static void read_done(aio_read *read) {
    block *b = AIO_OWNER(read, block, read);
    fetcher *f = b->owner;
    CHECK(b->state == UNDER_WAY);
    b->state = status_ok(read->result) && read->got >= b->skip + b->n ? THERE : FAILED;
    count_read(f, b);
    file_read(f, read->file);
    if (b->passes) has_passed(f, b);
    bool passes = b->passes && b->holds;
    tell(f, b);
    if (passes) pass(b);
}

/* A block of that place, under way. */
static block *new_block(fetcher *f, uint64_t place) {
    block *b = f->spare;
    CHECK(!b || (f->spares > 0 && !b->bytes));
    if (b) {
        f->spare = b->next;
        f->spares--;
    } else {
        b = mem_alloc(sizeof *b);
    }
    if (++f->count > f->lists) grow(f);
    block **at = list_of(f, place);
    uint64_t now = f->asked ? f->env->clock->mono_us : now_us(f); /* once for a turn's */
    *b = (block){.owner = f, .place = place, .asked_us = now, .next = *at, .state = UNDER_WAY};
    *at = b;
    return b;
}

/* Whole units, as many as it takes; false: they are too many, or there is no slot for them. */
static bool place_past(fetcher *f, const fetch_want *w, unsigned unit, block *b) {
    uint64_t from = w->offset & ~(uint64_t)(unit - 1);
    size_t skip = (size_t)(w->offset - from);
    CHECK(unit <= ROOM_ALIGN && w->settled);
    if (w->n > ROOM_SLOT - skip) return false;
    b->bytes = room_take(&f->room);
    if (!b->bytes) return false;
    CHECK(from + skip == w->offset && skip < unit);
    b->in_room = true;
    b->skip = skip;
    b->read.unit = unit;
    b->read.n = (skip + w->n + unit - 1) & ~(size_t)(unit - 1);
    b->read.offset = from;
    f->stats.direct++;
    return true;
}

/* A read for r, which begins with the next kick; past the page cache if unit says how. */
static void begin(fetcher *f, const fetch_want *w, engine_reader *r, unsigned unit, bool passes) {
    block *b = new_block(f, w->place);
    CHECK(!passes || !unit);
    b->passes = passes;
    if (passes) {
        f->passing += w->n;
        f->passer = b;
    }
    b->read = (aio_read){.done = read_done, .file = w->file, .n = w->n, .offset = w->offset};
    b->n = w->n;
    if (!unit || !place_past(f, w, unit, b)) b->bytes = mem_alloc(w->n);
    b->read.p = b->bytes;
    f->stats.in_flight++;
    f->stats.held_bytes += b->read.n;
    CHECK(hold(b, r));
    f->asked = true;
    f->env->aio->ops->read(f->env->aio, &b->read);
}

/* Is it in memory? A failure is told by the read that follows. */
static bool try_now(fetcher *f, const fetch_want *w, slice *out) {
    size_t got = 0;
    buf_clear(&f->now);
    char *p = buf_reserve(&f->now, w->n);
    if (!status_ok(vfs_pread_now(w->file, p, w->n, w->offset, &got)) || got != w->n) return false;
    *out = slice_of(p, w->n);
    return true;
}

/* The caller will read, and the thread wait. */
static fetch_result blocks(fetcher *f) {
    f->stats.blocking++;
    return FETCH_BLOCK;
}

/* Has it had its rounds? What passes, and is not found, would be read for ever. */
static bool is_tired(const engine_reader *r) {
    return r->lean >= READER_LEAN || r->vain >= READER_VAIN;
}

/* May that reader wait once more? */
static bool can_wait(const engine_reader *r) {
    return r && log_conf.cold_reads && !is_tired(r);
}

/* Another, or this one in an earlier run, has asked for it. */
static fetch_result get_block(fetcher *f, block *b, engine_reader *r, slice *out) {
    if (b->state == FAILED) return blocks(f);
    if (b->state == UNDER_WAY && (!r || is_tired(r))) return blocks(f);
    if (r && hold(b, r)) f->stats.shared += b->state == UNDER_WAY;
    if (b->state == UNDER_WAY) return FETCH_PENDING;
    *out = slice_of(b->bytes + b->skip, b->n);
    return FETCH_HAVE;
}

void fetch_budget(fetcher *f, uint64_t bytes) {
    uint64_t part = bytes / BUDGET_PART;
    f->most = bytes && part < FETCH_BYTES ? part : FETCH_BYTES;
}

/* May r hold that much more? */
static bool fits(const fetcher *f, const engine_reader *r, size_t n) {
    CHECK(f->stats.held_bytes >= f->passing && r->bytes >= r->held);
    uint64_t held = f->stats.held_bytes - f->passing;
    return r->held + n <= READER_BYTES && (held == 0 || held + n <= f->most);
}

/* May that much more be under way to pass? */
static bool may_pass(const fetcher *f, size_t n) {
    CHECK(n > 0 && (f->passing > 0 || !f->passer));
    return f->passing == 0 || f->passing + n <= f->most / PASS_PART;
}

/* There is no room for what r wants. If it waits for nothing that was asked for before, it waits
 * for another's read, which then makes some. */
static bool wait_for_room(const fetcher *f, engine_reader *r) {
    return r->waits > 0 || (f->passer && hold(f->passer, r));
}

/* How a read is made. */
typedef struct way {
    bool tried;    /* memory first */
    bool counts;   /* what that finds, in the sample */
    unsigned unit; /* past the page cache; 0: by it */
} way;

/* What lies beside what was asked for last may share its page, whatever others find. */
static way way_of(fetcher *f, const fetch_want *w, bool may_wait) {
    bool near = w->place - f->last + NEAR < 2 * (uint64_t)NEAR;
    bool sampled = pages_sampled(w->place) && !near;
    bool past = f->pages.past && !near && !sampled;
    f->last = w->place;
    way by = {.tried = true, .counts = sampled};
    if (log_conf.direct_reads != LOG_DIRECT_AUTO) past = log_conf.direct_reads == LOG_DIRECT_ALWAYS;
    if (!past || !w->settled || !may_wait || f->engine->reader->by_pages) return by;
    by.unit = aio_direct(f->env->aio, w->file);
    by.tried = false;
    CHECK((by.unit & (by.unit - 1)) == 0);
    return by;
}

/* What memory had in a run, or what passed, is not r's: in the next run it must be looked for there
 * again, or each would have to wait for one thing more. */
static bool may_skip_pages(const engine_reader *r) {
    CHECK(r && r->blocks >= r->waits);
    return r->rounds == 0 || r->blocks < SKIP_FEW;
}

/* In a round that is given up anyway, what its bounds do not allow is left to the next. */
fetch_result fetch_get(fetcher *f, const fetch_want *w, slice *out) {
    engine_reader *r = f->engine->reader;
    CHECK(w->file && w->n > 0);
    *out = SLICE_EMPTY;
    block *b = find(f, w->place);
    if (b && b->n == w->n) return get_block(f, b, r, out);
    CHECK(!b);
    bool waits = can_wait(r), may = waits && fits(f, r, w->n);
    way by = way_of(f, w, may && may_skip_pages(r));
    if (by.tried) {
        bool there = try_now(f, w, out);
        if (by.counts) pages_saw(&f->pages, there);
        if (there) return FETCH_HAVE;
    }
    if (!waits) return blocks(f);
    if (may)
        begin(f, w, r, by.unit, false);
    else if (may_pass(f, w->n))
        begin(f, w, r, 0, true);
    else if (!wait_for_room(f, r))
        return blocks(f);
    return FETCH_PENDING;
}

/* A block without bytes, which no read ends. */
bool fetch_await(fetcher *f, uint64_t place) {
    engine_reader *r = f->engine->reader;
    if (!can_wait(r)) return false;
    block *b = find(f, place);
    if (!b) b = new_block(f, place);
    CHECK(b->n == 0 && !b->read.file);
    if (b->state != UNDER_WAY) return false;
    (void)hold(b, r);
    return true;
}

void fetch_done(fetcher *f, uint64_t place) {
    block *b = find(f, place);
    if (!b || b->state != UNDER_WAY) return;
    CHECK(b->n == 0 && !b->read.file);
    b->state = THERE;
    tell(f, b);
}

bool fetch_is_pending(const fetcher *f) {
    return f->engine->reader && f->engine->reader->waits > 0;
}

uint64_t fetch_ahead(const fetcher *f) {
    if (!fetch_is_pending(f)) return 0;
    return AHEAD_BYTES + AHEAD_EACH * f->engine->reader->bytes;
}

void fetch_kick(fetcher *f) {
    if (!f->asked) return;
    f->asked = false;
    aio_kick(f->env->aio);
}

/* ---- the end, INFO ------------------------------------------------------------------------------
 */

void fetch_free(fetcher *f) {
    for (block *b = next_block(f, NULL), *after; b; b = after) {
        after = next_block(f, b);
        for (fetch_hold *h = b->holds, *next; h; h = next) {
            next = h->next;
            *h->reader = (engine_reader){.ready = h->reader->ready};
            if (h != &b->first) mem_free(h);
        }
        free_bytes(f, b);
        mem_free(b);
    }
    for (block *b = f->spare, *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    mem_free(f->table);
    room_free(&f->room);
    for (closing *c = f->closings, *next; c; c = next) {
        next = c->next;
        if (c->file) close_run(&c->job);
        mem_free(c);
    }
    buf_free(&f->now);
    mem_free(f);
}

const fetch_stats *fetch_stats_of(const fetcher *f) {
    return &f->stats;
}

/* A slot that is taken counts as what it holds. */
uint64_t fetch_memory(const fetcher *f) {
    size_t slots = (size_t)f->room.nchunks * ROOM_CHUNK;
    CHECK(f->room.taken <= slots);
    return f->stats.held_bytes + (slots - f->room.taken) * ROOM_SLOT + f->now.cap;
}

void fetch_emit(const fetcher *f, buf *out) {
    const fetch_stats *s = &f->stats;
    metric_u64(out, "cold_reads", s->reads);
    metric_u64(out, "cold_read_bytes", s->read_bytes);
    metric_u64(out, "cold_direct", s->direct);
    metric_u64(out, "cold_rounds", s->rounds);
    metric_u64(out, "cold_shared", s->shared);
    metric_u64(out, "cold_blocking", s->blocking);
    metric_u64(out, "cold_failed", s->failed);
    metric_u64(out, "cold_in_flight", s->in_flight);
    metric_u64(out, "cold_held_bytes", s->held_bytes);
    metric_u64(out, "cold_usec", s->usec);
    metric_u64(out, "cold_usec_max", s->usec_max);
}

void fetch_reset_stats(fetcher *f) {
    f->stats = (fetch_stats){.in_flight = f->stats.in_flight, .held_bytes = f->stats.held_bytes};
}
