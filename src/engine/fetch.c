/* fetch: see fetch.h.
 *
 *     blocks: place ──> block ── holds ──> hold ──> hold          hold: this reader has, or waits
 *                         │                 │         │                 for, this block
 *     reader.holds ───────┼───────────────> hold ──> hold (of another block)
 *                         └── aio_read while it is under way; then its bytes
 *
 * Invariants:
 *   1. A block is under way, there or failed. It is in `blocks` from its beginning until it has
 *      ended and no reader holds it.
 *   2. reader.waits counts its holds of blocks that are under way; reader.bytes its blocks' bytes.
 *   3. reader.ready is called once each time waits falls to 0 by a read's end.
 *   4. A file that was to be closed is, once no block of it is under way, and by a worker: if it
 *      was unlinked meanwhile, it is the close that gives its room back (64 MiB: some 20 ms).
 *   5. A block that is awaited (fetch_await) has no bytes and no file: fetch_done ends it.
 *
 * A read that failed is not told here: who finds its block reads again by itself, and knows what to
 * say. The bytes are the disk's: CRCs and keys are the engine's to look at, each time. */
#include "engine/fetch.h"

#include "base/codec.h"
#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slow.h"
#include "engine/engine_ops.h"
#include "engine/log/settings.h"

#define AHEAD_BYTES (256u << 10) /* of the first elements asked for behind one that is pending */
#define AHEAD_EACH  3u           /* more, for each byte that the reader has */
#define PLACE_BYTES 8
#define BUDGET_PART 16 /* of it for all that is held */

typedef struct block block;
typedef struct fetch_hold fetch_hold;

/* What a reader has of a block. */
struct fetch_hold {
    engine_reader *reader;
    block *block;
    fetch_hold *of_reader;   /* the next one of the same reader */
    fetch_hold *next, *prev; /* of the same block */
};

typedef enum block_state { UNDER_WAY, THERE, FAILED } block_state;

struct block {
    aio_read read;
    fetcher *owner;
    uint64_t place, asked_us;
    fetch_hold *holds;
    block_state state;
    char bytes[];
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
    dict *blocks;
    closing *closings;
    uint64_t most; /* bytes held by all */
    bool asked;    /* since the last kick */
    buf now;       /* what memory had */
    fetch_stats stats;
};

fetcher *fetch_new(engine *e, const io_env *env) {
    CHECK(e && env);
    fetcher *f = mem_zalloc(sizeof *f);
    f->engine = e;
    f->env = env;
    f->most = FETCH_BYTES;
    f->blocks = dict_new(false);
    return f;
}

/* For statistics alone. */
static uint64_t now_us(const fetcher *f) {
    clock_refresh(f->env->clock);
    return f->env->clock->mono_us;
}

/* ---- blocks and who holds them ------------------------------------------------------------------
 */

/* The block at a place, or NULL. */
static block *find(const fetcher *f, uint64_t place) {
    char key[PLACE_BYTES];
    if (dict_count(f->blocks) == 0) return NULL;
    put_u64(key, place);
    block *b = dict_get(f->blocks, slice_of(key, sizeof key));
    CHECK(!b || (b->owner == f && b->place == place));
    return b;
}

/* It has ended, and nobody holds it. */
static void drop(fetcher *f, block *b) {
    char key[PLACE_BYTES];
    CHECK(b->state != UNDER_WAY && !b->holds);
    put_u64(key, b->place);
    CHECK(dict_del(f->blocks, slice_of(key, sizeof key)) == b);
    CHECK(f->stats.held_bytes >= b->read.n);
    f->stats.held_bytes -= b->read.n;
    mem_free(b);
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
    fetch_hold *h = mem_alloc(sizeof *h);
    *h = (fetch_hold){.reader = r, .block = b, .of_reader = r->holds, .next = b->holds};
    if (b->holds) b->holds->prev = h;
    b->holds = h;
    r->holds = h;
    r->bytes += b->read.n;
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
    if (!b->holds && b->state != UNDER_WAY) drop(b->owner, b);
    mem_free(h);
}

/* Whatever it held. */
void fetch_end(fetcher *f, engine_reader *r) {
    CHECK(f && r);
    for (fetch_hold *h = r->holds, *next; h; h = next) {
        CHECK(h->reader == r && h->block->owner == f);
        next = h->of_reader;
        let_go(h);
    }
    *r = (engine_reader){.ready = r->ready};
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
    size_t pos = 0, reads = 0;
    slice key;
    void *value;
    CHECK(f && file);
    if (f->stats.in_flight == 0) return 0;
    while (dict_next(f->blocks, &pos, &key, &value)) {
        const block *b = value;
        reads += b->state == UNDER_WAY && b->read.file == file;
    }
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
    r->bytes_before = r->bytes;
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

/* aio_read.done. */
static void read_done(aio_read *read) {
    block *b = AIO_OWNER(read, block, read);
    fetcher *f = b->owner;
    CHECK(b->state == UNDER_WAY);
    b->state = status_ok(read->result) && read->got == read->n ? THERE : FAILED;
    count_read(f, b);
    file_read(f, read->file);
    tell(f, b);
}

/* A block of that place, under way. */
static block *new_block(fetcher *f, uint64_t place, size_t n) {
    char key[PLACE_BYTES];
    block *b = mem_alloc(sizeof *b + n);
    *b = (block){.owner = f, .place = place, .asked_us = now_us(f), .state = UNDER_WAY};
    put_u64(key, place);
    CHECK(dict_set(f->blocks, slice_of(key, sizeof key), b) == NULL);
    return b;
}

/* A read for r, which begins with the next kick. */
static void begin(fetcher *f, const fetch_want *w, engine_reader *r) {
    block *b = new_block(f, w->place, w->n);
    b->read = (aio_read){
        .done = read_done, .file = w->file, .p = b->bytes, .n = w->n, .offset = w->offset};
    f->stats.in_flight++;
    f->stats.held_bytes += w->n;
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

/* May that reader wait once more? */
static bool can_wait(const engine_reader *r) {
    return r && log_conf.cold_reads && r->lean < READER_LEAN;
}

/* Another, or this one in an earlier run, has asked for it. */
static fetch_result get_block(fetcher *f, block *b, engine_reader *r, slice *out) {
    if (b->state == FAILED) return blocks(f);
    if (b->state == UNDER_WAY && (!r || r->lean >= READER_LEAN)) return blocks(f);
    if (r && hold(b, r)) f->stats.shared += b->state == UNDER_WAY;
    if (b->state == UNDER_WAY) return FETCH_PENDING;
    *out = slice_of(b->bytes, b->read.n);
    return FETCH_HAVE;
}

void fetch_budget(fetcher *f, uint64_t bytes) {
    uint64_t part = bytes / BUDGET_PART;
    f->most = bytes && part < FETCH_BYTES ? part : FETCH_BYTES;
}

/* May r hold that much more? */
static bool fits(const fetcher *f, const engine_reader *r, size_t n) {
    uint64_t held = f->stats.held_bytes;
    return r->bytes + n <= READER_BYTES && (held == 0 || held + n <= f->most);
}

/* In a round that is given up anyway, what its bounds do not allow is left to the next. */
fetch_result fetch_get(fetcher *f, const fetch_want *w, slice *out) {
    engine_reader *r = f->engine->reader;
    CHECK(w->file && w->n > 0);
    *out = SLICE_EMPTY;
    block *b = find(f, w->place);
    if (b && b->read.n == w->n) return get_block(f, b, r, out);
    CHECK(!b);
    if (try_now(f, w, out)) return FETCH_HAVE;
    if (!can_wait(r)) return blocks(f);
    if (!fits(f, r, w->n)) return r->waits ? FETCH_PENDING : blocks(f);
    begin(f, w, r);
    return FETCH_PENDING;
}

/* A block without bytes, which no read ends. */
bool fetch_await(fetcher *f, uint64_t place) {
    engine_reader *r = f->engine->reader;
    if (!can_wait(r)) return false;
    block *b = find(f, place);
    if (!b) b = new_block(f, place, 0);
    CHECK(b->read.n == 0 && !b->read.file);
    if (b->state != UNDER_WAY) return false;
    (void)hold(b, r);
    return true;
}

void fetch_done(fetcher *f, uint64_t place) {
    block *b = find(f, place);
    if (!b || b->state != UNDER_WAY) return;
    CHECK(b->read.n == 0 && !b->read.file);
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
    size_t pos = 0;
    slice key;
    void *value;
    while (dict_next(f->blocks, &pos, &key, &value)) {
        block *b = value;
        for (fetch_hold *h = b->holds, *next; h; h = next) {
            next = h->next;
            *h->reader = (engine_reader){.ready = h->reader->ready};
            mem_free(h);
        }
        mem_free(b);
    }
    dict_free(f->blocks, NULL);
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

void fetch_emit(const fetcher *f, buf *out) {
    const fetch_stats *s = &f->stats;
    metric_u64(out, "cold_reads", s->reads);
    metric_u64(out, "cold_read_bytes", s->read_bytes);
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
