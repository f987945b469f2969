/* cache: values in segments, found by a table, evicted by SIEVE.
 *
 *   oldest                                                              newest
 *   [seg] <-> [seg] <-> [kept] <-> [victim   ^   ] <-> [seg] <-> [seg] <-> [fill  >>     ]
 *                         >>                hand                            new values
 *
 *   segment   item, item, item ...                      64 KiB to 2 MiB, by the limit
 *   item      0  u64  pos     log position
 *             8  u32  state   length of the value (low 22 bits), LEFT, LIVES, DEAD, READ
 *            12  the value, then up to a multiple of 8
 *
 * SIEVE needs values in the order in which they came, a mark on each that is set by a read, and a
 * hand. Here the order is the order in memory. The hand reads through a segment item by item: one
 * that is marked loses the mark and is copied to the segment `kept`, which stands just before the
 * victim, so survivors keep their place in the order; the others are dropped. A segment that was
 * read through is free; but one that is nearly full of large survivors stays where it is. An item
 * that is known to be worth more than its neighbours comes with up to fifteen lives: so often the
 * hand lets it be without a read since. So memory never fragments, and a value costs 12 bytes, half
 * of 8 for rounding and 13 to 26 in the table, without malloc. A copy is paid for by the read that
 * marked.
 *
 * Pace: while memory is nearly used up, each value that comes in moves the hand on until about as
 * many bytes were dropped, within a budget. Should that not suffice (most of the cache is marked),
 * and the last free segment is needed, the hand drops marked values too: bounded work first.
 * A value is copied in before anything is dropped, so it may come from the cache itself.
 *
 * Values are read at random, so where an address lies must be looked up for nearly each. Segments
 * of 2 MiB, which all but small caches have, are put on large pages once they are full: by a
 * worker, as a fault that finds no large page free would hold the thread (cache_enlarge_begin).
 *
 * Invariants:
 *  C1. free segments + segments that may still be mapped >= 2 whenever `fill` can't take the
 *      largest item: one to fill next, one for what the hand keeps.
 *  C2. Every item that is not DEAD is in the table with its reference, and nothing else is.
 *  C3. A segment has another era each time it is filled anew, and none while it is not in use: a
 *      hint of the same era names the head of an item, which is still there if it is not DEAD and
 *      the hand has not passed it. */
#include "storage/cache.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/cache_table.h"

#define SEGMENT_MIN  (64u << 10)
#define SEGMENT_MAX  (2u << 20)
#define SEGMENTS_MIN 8u     /* fewer are no cache: below that, nothing is kept */
#define SEGMENTS_MAX 16383u /* what references can name */
#define VALUE_MAX    (256u << 10)
#define ITEM_HEAD    12u /* bytes before the value */
#define ITEM_LEN     ((1u << 22) - 1)
#define ITEM_LEFT    22 /* four bits: lives since the last read */
#define ITEM_LIVES   26 /* four bits: lives after a read */
#define ITEM_DEAD    (1u << 30)
#define ITEM_READ    (1u << 31)
#define HURRY_AFTER  1024u       /* items spared in a row when the last free segment is needed */
#define LOOK_AHEAD   1024u       /* bytes of items */
#define LINE         64u         /* of the processor's cache */
#define NEAR_MAX     2048u       /* bytes of a value that are brought near */
#define LOOKED_MAX   1024u       /* segments looked at for small pages by one call */
#define STAY_ITEMS   512u        /* a segment that stays where it is has no more */
#define PACE_ITEMS   64u         /* items looked at for one that comes in */
#define PACE_BYTES   (64u << 10) /* and bytes copied, beside four times its own */

_Static_assert(VALUE_MAX <= SEGMENT_MAX / 4 && VALUE_MAX <= ITEM_LEN, "an item's length fits");
_Static_assert(SEGMENT_MAX == MEM_LARGE, "the largest may lie on a large page");

typedef struct segment {
    char *mem;  /* NULL: not mapped */
    bool large; /* mem was put on a large page, or could not be */
    uint32_t used, items;
    uint32_t era;        /* 0: in no order (C3) */
    uint32_t prev, next; /* by age; or next in the list of free or unmapped ones */
} segment;

/* Memory that is to be unmapped, a piece at a time. */
typedef struct doomed {
    char *mem;
    size_t bytes;
    struct doomed *next;
} doomed;

struct cache {
    uint64_t limit;
    uint32_t seg_size; /* 0: nothing is kept */
    unsigned shift;    /* references: segment << shift | offset / 8 */
    cache_table table;
    segment *segs;    /* numbers begin at 1 */
    uint32_t numbers; /* entries in segs */
    uint32_t mapped, oldest, fill;
    uint32_t free, free_count, unmapped;
    uint32_t hand, at; /* the victim and how far it is read; 0: begin with the oldest */
    uint32_t ahead;    /* in the victim: how far the table's buckets are on their way to the CPU */
    uint32_t kept;     /* 0: none yet */
    uint32_t eras;     /* given so far */
    bool (*is_dead)(void *ctx, uint64_t pos);
    void *dead_ctx;
    int64_t debt; /* bytes that came in beyond those dropped */
    uint64_t value_bytes;
    uint64_t hits, misses, evictions;
    doomed *doomed;
    uint64_t doomed_bytes;
    bool enlarging;  /* nothing is unmapped */
    uint32_t looked; /* the last segment that was looked at for small pages */
};

/* ---- items ---------------------------------------------------------------------------------- */

/* The log position that the item is found under. */
static inline uint64_t item_pos(const char *p) {
    uint64_t pos;
    memcpy(&pos, p, sizeof pos);
    return pos;
}
/* The length, with the marks DEAD and READ. */
static inline uint32_t item_state(const char *p) {
    uint32_t state;
    memcpy(&state, p + 8, sizeof state);
    return state;
}
/* Writes the head and leaves the value behind it alone. */
static inline void item_set(char *p, uint64_t pos, uint32_t state) {
    memcpy(p, &pos, sizeof pos);
    memcpy(p + 8, &state, sizeof state);
}
/* What an item takes, rounded so that the next one's head is aligned. */
static inline uint32_t item_bytes(uint32_t len) {
    return (ITEM_HEAD + len + 7) & ~7u;
}
/* The state of an item that was just read, or put: it has all its lives. */
static inline uint32_t item_fresh(uint32_t state) {
    uint32_t lives = state >> ITEM_LIVES & CACHE_LIVES_MAX;
    return (state & ~((uint32_t)CACHE_LIVES_MAX << ITEM_LEFT)) | lives << ITEM_LEFT;
}
/* What the hand leaves of it: without the mark, or with a life less; ITEM_DEAD: nothing. */
static inline uint32_t item_judged(uint32_t state) {
    if (state & ITEM_READ) return state & ~ITEM_READ;
    return state >> ITEM_LEFT & CACHE_LIVES_MAX ? state - (1u << ITEM_LEFT) : ITEM_DEAD;
}
/* Where a reference leads; wrong after its segment was retired, so the table has none by
 * then (C2). */
static inline char *item_at(const cache *c, uint32_t ref) {
    CHECK(ref >> c->shift < c->numbers);
    return c->segs[ref >> c->shift].mem + (size_t)(ref & ((1u << c->shift) - 1)) * 8;
}
/* Items begin at multiples of 8, so 32 bits name one in as much memory as segments may take. */
static inline uint32_t ref_of(const cache *c, uint32_t seg, uint32_t offset) {
    return seg << c->shift | offset / 8;
}

/* The reference of the item at pos; 0 if there is none. */
static uint32_t find(const cache *c, uint64_t pos) {
    uint32_t hash = cache_hash(pos);
    const cache_bucket *b = cache_table_bucket(&c->table, hash);
    __builtin_prefetch(b->ref); /* beside the hashes, not behind them */
    for (unsigned m = cache_bucket_match(b, hash); m; m &= m - 1) {
        uint32_t ref = b->ref[__builtin_ctz(m)];
        if (ref && item_pos(item_at(c, ref)) == pos) return ref;
    }
    return 0;
}

/* ---- segments ------------------------------------------------------------------------------- */

/* The size of segments that suits a limit: a power of two; 0 if it is too small to keep
 * anything. */
static uint32_t segment_size_for(uint64_t limit) {
    uint32_t size = SEGMENT_MAX;
    while (size > SEGMENT_MIN && limit / 32 < size)
        size /= 2;
    return limit / size < SEGMENTS_MIN ? 0 : size;
}

/* How many segments the limit allows, beside the table. */
static uint32_t max_segments(const cache *c) {
    CHECK(c->seg_size > 0);
    uint64_t table = cache_table_bytes(&c->table);
    uint64_t n = c->limit > table ? (c->limit - table) / c->seg_size : 0;
    if (n < SEGMENTS_MIN / 2) n = SEGMENTS_MIN / 2;
    return n < SEGMENTS_MAX ? (uint32_t)n : SEGMENTS_MAX;
}

/* Segments that can be taken without dropping anything. */
static uint32_t available(const cache *c) {
    CHECK(c->free_count <= c->mapped);
    uint32_t max = max_segments(c);
    return c->free_count + (max > c->mapped ? max - c->mapped : 0);
}

/* Queues memory for unmapping. */
static void doom(cache *c, void *mem, size_t bytes) {
    CHECK(mem && bytes > 0);
    doomed *d = mem_alloc(sizeof *d);
    *d = (doomed){mem, bytes, c->doomed};
    c->doomed = d;
    c->doomed_bytes += bytes;
}

/* Unmaps at most a segment's worth of what is queued. */
static void unmap_some(cache *c) {
    doomed *d = c->doomed;
    if (!d || c->enlarging) return;
    size_t n = d->bytes < SEGMENT_MAX ? d->bytes : SEGMENT_MAX;
    d->bytes -= n;
    c->doomed_bytes -= n;
    mem_unmap(d->mem + d->bytes, n);
    if (d->bytes) return;
    c->doomed = d->next;
    mem_free(d);
}

/* An empty segment, in no list. REQUIRES: available() > 0. */
static uint32_t take_segment(cache *c) {
    CHECK(c->seg_size > 0);
    CHECK(c->numbers <= SEGMENTS_MAX);
    uint32_t n = c->free;
    if (n) {
        c->free = c->segs[n].next;
        c->free_count--;
    } else {
        n = c->unmapped;
        if (n) {
            c->unmapped = c->segs[n].next;
        } else {
            n = c->numbers++;
            c->segs = mem_realloc(c->segs, c->numbers * sizeof *c->segs);
        }
        c->segs[n] = (segment){.mem = mem_map(c->seg_size)};
        c->mapped++;
    }
    if (++c->eras == 0) c->eras = 1;
    c->segs[n] = (segment){.mem = c->segs[n].mem, .large = c->segs[n].large, .era = c->eras};
    return n;
}

/* Puts a segment in the order before `next`, or last if that is 0. */
static void link_before(cache *c, uint32_t n, uint32_t next) {
    CHECK(n > 0 && n < c->numbers && next < c->numbers);
    uint32_t prev = next ? c->segs[next].prev : c->fill;
    c->segs[n].prev = prev;
    c->segs[n].next = next;
    if (next) c->segs[next].prev = n;
    if (prev)
        c->segs[prev].next = n;
    else
        c->oldest = n;
}

/* Takes a segment without items out of the order and frees it. */
static void retire(cache *c, uint32_t n) {
    CHECK(n > 0 && n < c->numbers);
    segment *s = &c->segs[n];
    CHECK(s->items == 0 && n != c->fill);
    if (s->prev)
        c->segs[s->prev].next = s->next;
    else
        c->oldest = s->next;
    if (s->next) c->segs[s->next].prev = s->prev;
    s->era = 0;
    s->next = c->free;
    c->free = n;
    c->free_count++;
}

/* Unmaps a free segment if there are more than the limit allows. */
static void give_back(cache *c) {
    CHECK(c->free_count <= c->mapped);
    if (c->free_count == 0 || c->mapped <= max_segments(c) || c->enlarging) return;
    uint32_t n = c->free;
    c->free = c->segs[n].next;
    c->free_count--;
    c->mapped--;
    mem_unmap(c->segs[n].mem, c->seg_size);
    c->segs[n] = (segment){.next = c->unmapped};
    c->unmapped = n;
}

/* Room for an item at the end of a segment that has it. */
static char *append(cache *c, uint32_t seg, uint32_t bytes, uint32_t *ref) {
    segment *s = &c->segs[seg];
    CHECK(s->used + bytes <= c->seg_size);
    *ref = ref_of(c, seg, s->used);
    char *p = s->mem + s->used;
    s->used += bytes;
    s->items++;
    return p;
}

/* ---- the hand ------------------------------------------------------------------------------- */

/* Forgets the item at p, whose slot is gone or going. */
static void bury(cache *c, uint32_t seg, char *p) {
    CHECK(seg > 0 && seg < c->numbers);
    uint32_t len = item_state(p) & ITEM_LEN;
    CHECK(c->segs[seg].items > 0 && c->value_bytes >= len);
    item_set(p, item_pos(p), len | ITEM_DEAD);
    c->segs[seg].items--;
    c->value_bytes -= len;
}

/* A segment before the hand in which `bytes` fit; 0 if there is none to be had. */
static uint32_t keep_room(cache *c, uint32_t bytes) {
    CHECK(c->hand > 0 && bytes >= ITEM_HEAD);
    if (c->kept && c->segs[c->kept].used + bytes <= c->seg_size) return c->kept;
    if (available(c) == 0) return 0;
    c->kept = take_segment(c);
    link_before(c, c->kept, c->hand);
    return c->kept;
}

/* What the hand makes of the state of the item at p, which is not DEAD yet. */
static uint32_t verdict(const cache *c, const char *p) {
    uint32_t judged = item_judged(item_state(p));
    CHECK(!(item_state(p) & ITEM_DEAD));
    if (judged != ITEM_DEAD && c->is_dead && c->is_dead(c->dead_ctx, item_pos(p))) return ITEM_DEAD;
    return judged;
}

/* The hand decides on the item under it. Returns the bytes that it copied. */
static uint32_t judge(cache *c, bool spare) {
    CHECK(c->hand > 0 && c->at < c->segs[c->hand].used);
    char *p = c->segs[c->hand].mem + c->at;
    uint32_t state = item_state(p), bytes = item_bytes(state & ITEM_LEN), copied = 0;
    if (!(state & ITEM_DEAD)) {
        uint32_t hash = cache_hash(item_pos(p)), ref = ref_of(c, c->hand, c->at), to;
        uint32_t judged = verdict(c, p);
        uint32_t room = spare && judged != ITEM_DEAD ? keep_room(c, bytes) : 0;
        if (room) {
            char *q = append(c, room, bytes, &to);
            p = c->segs[c->hand].mem + c->at;
            memcpy(q, p, bytes);
            item_set(q, item_pos(p), judged);
            cache_table_replace(&c->table, hash, ref, to);
            c->segs[c->hand].items--;
            copied = bytes;
        } else {
            cache_table_remove(&c->table, hash, ref);
            bury(c, c->hand, p);
            c->evictions++;
        }
    }
    c->at += bytes;
    c->debt -= bytes - copied;
    return copied;
}

/* Starts fetching the table's bucket of the items that the hand is about to reach: a judgement is
 * little else but that cache miss. */
static void look_ahead(cache *c, const segment *s) {
    CHECK(c->at <= s->used);
    if (c->ahead < c->at) c->ahead = c->at;
    while (c->ahead < s->used && c->ahead - c->at < LOOK_AHEAD) {
        const char *p = s->mem + c->ahead;
        const cache_bucket *b = cache_table_bucket(&c->table, cache_hash(item_pos(p)));
        __builtin_prefetch(b->hash);
        __builtin_prefetch(b->ref);
        c->ahead += item_bytes(item_state(p) & ITEM_LEN);
    }
}

/* Would nearly all of the segment survive? Then copying it would gain next to nothing. Only asked
 * where there are few items, as all of them are looked at at once. */
static bool may_stay(const cache *c, const segment *s) {
    CHECK(s->used <= c->seg_size);
    uint32_t left = 0, bytes;
    if (s->items > STAY_ITEMS || s->used < c->seg_size - c->seg_size / 4) return false;
    for (uint32_t at = 0; at < s->used; at += bytes) {
        uint32_t state = item_state(s->mem + at);
        bytes = item_bytes(state & ITEM_LEN);
        if (!(state & ITEM_DEAD) && verdict(c, s->mem + at) != ITEM_DEAD) left += bytes;
    }
    CHECK(left <= s->used);
    return left >= s->used - s->used / 8;
}

/* Judges all of the segment under the hand at once; what survives stays where it is. */
static void stay(cache *c, segment *s) {
    CHECK(c->hand > 0 && c->at == 0);
    for (uint32_t at = 0; at < s->used;) {
        char *p = s->mem + at;
        uint32_t state = item_state(p), judged = state & ITEM_DEAD ? ITEM_DEAD : verdict(c, p);
        if (!(state & ITEM_DEAD) && judged == ITEM_DEAD) {
            cache_table_remove(&c->table, cache_hash(item_pos(p)), ref_of(c, c->hand, at));
            bury(c, c->hand, p);
            c->evictions++;
        } else if (!(state & ITEM_DEAD)) {
            item_set(p, item_pos(p), judged);
        }
        at += item_bytes(state & ITEM_LEN);
        CHECK(at <= s->used);
    }
}

/* The hand goes to the segment behind the one that it is done with. */
static void go_on(cache *c, uint32_t next) {
    CHECK(next > 0);
    c->hand = next == c->fill ? 0 : next;
    c->at = c->ahead = 0;
}

/* Moves the hand over one item, or off a segment that is read through. False: there is only the
 * segment that is being filled. */
static bool step(cache *c, bool spare, uint32_t *copied) {
    CHECK(c->hand < c->numbers);
    *copied = 0;
    if (!c->hand) {
        c->kept = 0;
        c->at = c->ahead = 0;
        if (c->oldest == c->fill) return false;
        c->hand = c->oldest;
    }
    segment *s = &c->segs[c->hand];
    if (c->at == 0 && spare && may_stay(c, s)) {
        stay(c, s);
        go_on(c, s->next);
        return true;
    }
    if (c->at < s->used) {
        look_ahead(c, s);
        *copied = judge(c, spare);
        return true;
    }
    uint32_t next = s->next;
    retire(c, c->hand);
    go_on(c, next);
    return true;
}

/* After `bytes` came in: drops about as much once memory is nearly used up, and sees to C1. */
static void make_way(cache *c, uint32_t bytes) {
    CHECK(c->fill > 0 && bytes <= c->seg_size);
    uint32_t copied, budget = PACE_BYTES + 4 * bytes;
    bool over = c->mapped > max_segments(c);
    if (over || available(c) < 4) {
        c->debt += over ? 2 * (int64_t)bytes : bytes;
        if (c->debt > c->seg_size) c->debt = c->seg_size;
        for (uint32_t n = 0; n < PACE_ITEMS && c->debt > 0; n++) {
            if (!step(c, true, &copied) || copied > budget) break;
            budget -= copied;
        }
        if (c->debt < -(int64_t)c->seg_size) c->debt = -(int64_t)c->seg_size;
    }
    bool low = c->seg_size - c->segs[c->fill].used < c->seg_size / 4;
    for (uint32_t n = 0; low && available(c) < 2; n++) {
        bool more = step(c, n < HURRY_AFTER, &copied);
        CHECK(more);
    }
    if (c->free_count > 2) give_back(c);
    unmap_some(c);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Sets up an empty cache for c->limit. */
static void begin(cache *c) {
    c->seg_size = segment_size_for(c->limit);
    c->shift = (unsigned)__builtin_ctz(c->seg_size ? c->seg_size : SEGMENT_MIN) - 3;
    c->numbers = 1;
    c->segs = mem_zalloc(sizeof *c->segs);
    c->mapped = c->oldest = c->fill = c->free = c->free_count = c->unmapped = 0;
    c->hand = c->at = c->ahead = c->kept = 0;
    c->debt = 0;
    c->looked = 0;
    c->value_bytes = 0;
    cache_table_init(&c->table);
}

/* Forgets everything; the memory is queued for unmapping. */
static void end(cache *c) {
    CHECK(c->numbers > 0);
    for (uint32_t i = 1; i < c->numbers; i++)
        if (c->segs[i].mem) doom(c, c->segs[i].mem, c->seg_size);
    doom(c, c->table.buckets, cache_table_bytes_of(c->table.bits));
    if (c->table.old) doom(c, c->table.old, cache_table_bytes_of(c->table.bits - 1));
    mem_free(c->segs);
}

/* Only the table is mapped; segments come one by one with the values that fill them. */
cache *cache_new(uint64_t limit) {
    cache *c = mem_zalloc(sizeof *c);
    c->limit = limit;
    begin(c);
    return c;
}

/* At once, whatever is still queued for unmapping included. */
void cache_free(cache *c) {
    c->enlarging = false; /* who did it is gone, or never ran: a simulated crash */
    end(c);
    while (c->doomed)
        unmap_some(c);
    mem_free(c);
}

/* Kept until the cache is freed. */
void cache_set_dead(cache *c, bool (*is_dead)(void *ctx, uint64_t pos), void *ctx) {
    c->is_dead = is_dead;
    c->dead_ctx = ctx;
}

/* Does the size of segments still suit the limit? A limit that goes up and down a little must not
 * empty the cache each time. */
static bool may_keep_size(const cache *c) {
    uint32_t best = segment_size_for(c->limit), size = c->seg_size;
    if (best == size) return true;
    if (best == 0 || size == 0 || c->limit / size < SEGMENTS_MIN) return false;
    return best <= 4 * size && size <= 4 * best;
}

/* Cron calls it every time, mostly with the limit that there is. Unless the size of segments
 * changes, and with it what references mean, only counts do; a table that is too large can't
 * shrink, so then too all begins anew. */
void cache_set_limit(cache *c, uint64_t limit) {
    CHECK(c->numbers > 0);
    c->limit = limit;
    if (may_keep_size(c) && cache_table_bytes(&c->table) <= limit / 4) return;
    end(c);
    begin(c);
}

/* The hand works as it does for values that come in, until a free segment can be given back. For
 * the background, which calls until nothing is left to do. */
bool cache_trim(cache *c) {
    CHECK(c->numbers > 0);
    uint32_t copied;
    if (c->enlarging) return false;
    unmap_some(c);
    if (!c->seg_size) return c->doomed != NULL;
    if (c->mapped > max_segments(c) && c->mapped > SEGMENTS_MIN / 2) {
        for (uint32_t n = 0; c->free_count < 3 && step(c, n < HURRY_AFTER, &copied); n++)
            continue;
        give_back(c);
    }
    return c->doomed || c->mapped > max_segments(c);
}

/* An item takes a quarter of a segment at most: what make_way() counts on for C1. */
size_t cache_value_max(const cache *c) {
    CHECK(c->seg_size % 8 == 0);
    uint32_t most = c->seg_size / 4 < VALUE_MAX ? c->seg_size / 4 : VALUE_MAX;
    return c->seg_size ? most - 8 - ITEM_HEAD : 0;
}

/* Is it full, and were its pages never made large? What is in use as a whole costs no more memory
 * on a large page. */
static bool is_small(const cache *c, uint32_t n) {
    const segment *s = &c->segs[n];
    CHECK(n > 0 && n < c->numbers);
    return s->mem && !s->large && n != c->fill && n != c->kept &&
           s->used >= c->seg_size - c->seg_size / 8;
}

/* Each segment is given once, as long as it is mapped. */
int cache_enlarge_begin(cache *c, void **mem, int most) {
    int found = 0;
    CHECK(!c->enlarging && most > 0);
    if (c->seg_size < SEGMENT_MAX) return 0;
    for (uint32_t n = 0; n < LOOKED_MAX && n + 1 < c->numbers && found < most; n++) {
        c->looked = c->looked + 1 < c->numbers ? c->looked + 1 : 1;
        if (!is_small(c, c->looked)) continue;
        c->segs[c->looked].large = true;
        mem[found++] = c->segs[c->looked].mem;
    }
    c->enlarging = found > 0;
    return found;
}

/* What should have been unmapped meanwhile goes by cache_trim, and as values come in. */
void cache_enlarge_end(cache *c) {
    CHECK(c->enlarging);
    c->enlarging = false;
}

/* ---- use ------------------------------------------------------------------------------------ */

/* Goes by hashes alone, the item not being read yet: a wrong one costs a useless fetch. */
void cache_prefetch(const cache *c, uint64_t pos, unsigned step, size_t bytes) {
    if (!c->seg_size) return;
    if (step == 0) {
        const cache_bucket *b = cache_table_bucket(&c->table, cache_hash(pos));
        __builtin_prefetch(b->hash);
        __builtin_prefetch(b->ref);
        return;
    }
    uint32_t hash = cache_hash(pos);
    const cache_bucket *b = cache_table_bucket(&c->table, hash);
    unsigned m = cache_bucket_match(b, hash);
    uint32_t ref = m ? b->ref[__builtin_ctz(m)] : 0;
    if (!ref) return;
    const char *p = item_at(c, ref);
    if (bytes > NEAR_MAX) bytes = NEAR_MAX;
    for (size_t at = 0; at < ITEM_HEAD + bytes; at += LINE)
        __builtin_prefetch(p + at);
    __builtin_prefetch(p + ITEM_HEAD + bytes); /* it begins anywhere in a line */
}

/* The value of an item that is read. Says so to the hand; the mark is written only if it is not
 * there, so a value that is read often is not a line that is written often. */
static slice read_item(cache *c, char *p) {
    uint32_t state = item_state(p);
    CHECK(!(state & ITEM_DEAD));
    if (!(state & ITEM_READ)) item_set(p, item_pos(p), item_fresh(state) | ITEM_READ);
    c->hits++;
    return slice_of(p + ITEM_HEAD, state & ITEM_LEN);
}

/* One bucket of the table, and the item. */
bool cache_get(cache *c, uint64_t pos, slice *value) {
    CHECK(c->numbers > 0);
    uint32_t ref = find(c, pos);
    *value = SLICE_EMPTY;
    if (ref)
        *value = read_item(c, item_at(c, ref));
    else
        c->misses++;
    return ref != 0;
}

/* Does the hint name the head of an item that was not moved (C3)? */
static inline bool hint_holds(const cache *c, const cache_hint *h) {
    uint32_t n = h->ref >> c->shift;
    if (!h->era || n >= c->numbers || c->segs[n].era != h->era) return false;
    return n != c->hand || (h->ref & ((1u << c->shift) - 1)) * 8 >= c->at;
}

/* The item alone, mostly. */
bool cache_get_hinted(cache *c, uint64_t pos, cache_hint *h, slice *value) {
    CHECK(c->numbers > 0);
    if (hint_holds(c, h)) {
        char *p = item_at(c, h->ref);
        if (item_pos(p) == pos && !(item_state(p) & ITEM_DEAD)) {
            *value = read_item(c, p);
            return true;
        }
    }
    uint32_t ref = find(c, pos);
    *h = (cache_hint){0};
    *value = SLICE_EMPTY;
    if (ref) {
        *value = read_item(c, item_at(c, ref));
        *h = (cache_hint){ref, c->segs[ref >> c->shift].era};
    } else {
        c->misses++;
    }
    return ref != 0;
}

/* Nothing is read, so nothing can be wrong. */
void cache_hint_prefetch(const cache *c, const cache_hint *h, size_t at) {
    if (!hint_holds(c, h)) return;
    const char *p = item_at(c, h->ref);
    __builtin_prefetch(p);
    __builtin_prefetch(p + ITEM_HEAD + at);
}

/* A look that leaves no trace. */
bool cache_peek(const cache *c, uint64_t pos, slice *value) {
    uint32_t ref = c->seg_size ? find(c, pos) : 0;
    *value = SLICE_EMPTY;
    if (!ref) return false;
    const char *p = item_at(c, ref);
    *value = slice_of(p + ITEM_HEAD, item_state(p) & ITEM_LEN);
    return true;
}

/* Makes one slot of a full bucket empty: that of an item that was not read, if there is one. */
static void thin_bucket(cache *c, uint32_t hash) {
    CHECK(c->table.items >= CACHE_BUCKET);
    const cache_bucket *b = cache_table_bucket(&c->table, hash);
    int victim = 0;
    for (int i = CACHE_BUCKET - 1; i >= 0; i--)
        if (!(item_state(item_at(c, b->ref[i])) & ITEM_READ)) victim = i;
    uint32_t ref = b->ref[victim];
    cache_table_remove(&c->table, b->hash[victim], ref);
    bury(c, ref >> c->shift, item_at(c, ref));
    c->evictions++;
}

/* Enters an item in the table, which grows meanwhile if it should and may. */
static void enter(cache *c, uint64_t pos, uint32_t ref) {
    CHECK(ref != 0);
    uint32_t hash = cache_hash(pos);
    bool may = c->table.old || cache_table_bytes_of(c->table.bits + 1) <= c->limit / 4;
    if (may && cache_table_crowded(&c->table)) {
        void *done;
        size_t bytes;
        cache_table_grow(&c->table, &done, &bytes);
        if (done) doom(c, done, bytes);
    }
    while (!cache_table_add(&c->table, hash, ref))
        thin_bucket(c, hash);
}

/* An item at the young end, in the table; NULL if it is too long. */
static char *place(cache *c, uint64_t pos, size_t len, unsigned lives) {
    CHECK(lives <= CACHE_LIVES_MAX);
    if (len > cache_value_max(c) || !c->seg_size) return NULL;
    uint32_t bytes = item_bytes((uint32_t)len), ref;
    if (!c->fill || c->segs[c->fill].used + bytes > c->seg_size) {
        uint32_t n = take_segment(c);
        link_before(c, n, 0);
        c->fill = n;
    }
    char *p = append(c, c->fill, bytes, &ref);
    item_set(p, pos, item_fresh((uint32_t)len | lives << ITEM_LIVES));
    c->value_bytes += len;
    enter(c, pos, ref);
    return p + ITEM_HEAD;
}

/* The hand never enters the segment that is being filled, so room can be made before the bytes are
 * there. */
char *cache_reserve(cache *c, uint64_t pos, size_t len, unsigned lives) {
    CHECK(len <= SIZE_MAX / 2);
    char *p = place(c, pos, len, lives);
    if (p) make_way(c, item_bytes((uint32_t)len));
    return p;
}

/* Copies before it makes way, as the value may lie in a segment that the hand is about to free. */
void cache_put(cache *c, uint64_t pos, slice value) {
    CHECK(value.len == 0 || value.data);
    char *p = place(c, pos, value.len, 0);
    if (!p) return;
    if (value.len) memcpy(p, value.data, value.len);
    make_way(c, item_bytes((uint32_t)value.len));
}

/* Positions of an aborted batch are going to be written again, with other values. */
void cache_drop(cache *c, uint64_t pos) {
    uint32_t ref = find(c, pos);
    if (!ref) return;
    cache_table_remove(&c->table, cache_hash(pos), ref);
    bury(c, ref >> c->shift, item_at(c, ref));
}

/* A merge copied the record: the item stays where it is, as old and as much read as before, under
 * another position. */
void cache_move(cache *c, uint64_t from, uint64_t to) {
    CHECK(from != to);
    uint32_t ref = find(c, from);
    if (!ref) return;
    cache_table_remove(&c->table, cache_hash(from), ref);
    char *p = item_at(c, ref);
    item_set(p, to, item_state(p));
    enter(c, to, ref);
}

/* ---- statistics and the check -----------------------------------------------------------------
 */

/* Memory still queued for unmapping counts: the process has it. */
void cache_stats_of(const cache *c, cache_stats *out) {
    *out = (cache_stats){
        .hits = c->hits,
        .misses = c->misses,
        .evictions = c->evictions,
        .items = c->table.items,
        .value_bytes = c->value_bytes,
        .bytes = (uint64_t)c->mapped * c->seg_size + cache_table_bytes(&c->table) + c->doomed_bytes,
        .limit = c->limit,
    };
}

/* Checks the items of a segment; adds to the totals. */
static void check_segment(const cache *c, uint32_t n, uint64_t *items, uint64_t *bytes) {
    CHECK(n > 0 && n < c->numbers);
    const segment *s = &c->segs[n];
    uint32_t live = 0;
    for (uint32_t at = 0; at < s->used;) {
        const char *p = s->mem + at;
        uint32_t state = item_state(p);
        /* What the hand has passed was moved, or is dead. */
        if (!(state & ITEM_DEAD) && !(n == c->hand && at < c->at)) {
            CHECK(find(c, item_pos(p)) == ref_of(c, n, at)); /* C2 */
            *bytes += state & ITEM_LEN;
            live++;
        }
        at += item_bytes(state & ITEM_LEN);
        CHECK(at <= s->used);
    }
    CHECK(live == s->items);
    *items += live;
}

/* Walks the segments in their order; what they have in use, and what the counters and the table
 * say, must be one (C2). */
void cache_check(const cache *c) {
    uint64_t items = 0, bytes = 0;
    uint32_t segments = 0, prev = 0, free = 0;
    for (uint32_t n = c->oldest; n; prev = n, n = c->segs[n].next) {
        CHECK(c->segs[n].prev == prev && c->segs[n].used <= c->seg_size);
        check_segment(c, n, &items, &bytes);
        segments++;
    }
    CHECK(prev == c->fill);
    for (uint32_t n = c->free; n; n = c->segs[n].next)
        free++;
    CHECK(free == c->free_count && segments + free == c->mapped);
    CHECK(items == c->table.items && bytes == c->value_bytes);
}
