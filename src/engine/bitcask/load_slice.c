/* load_slice: the main entries of many hints, merged a range of tokens at a time, by workers.
 *
 * Each hint has its main entries in the order of the keydir, so merging them gives every key once,
 * the later segment's entry first, with those it replaces right behind it (B3):
 *
 *      hint of segment 4   a1     c1     |  f1
 *      hint of segment 7      b2  c2 -d2 |          ->   a1 b2 c2 -d2 | e9 f9    c1, f1: replaced
 *      hint of segment 9                 |e9  f9
 *                              slice 1     slice 2
 *
 * A token is all of a key that matters for where it goes, so what lies between two tokens can be
 * merged without a look at the rest, by any thread. A slice begins where a block of some hint does,
 * and all entries of one token are in one slice. Of a block that lies across, both slices read what
 * is theirs: so a slice is of several blocks a hint, and not so many that memory would be felt.
 *
 * Smallest first by a tournament: each hint's next entry waits where it lost, so the next smallest
 * is found by one comparison a level.
 *
 *                 first                    lost[1..n-1]: who lost there; the leaves are
 *               lost[1]                    the hints, n .. 2n - 1
 *          lost[2]     lost[3]
 *        hint0 hint1 hint2 hint3
 *
 * An item is made as the keydir has it, so that the thread only copies it to its place:
 *
 *      u64 token, DEL's with the first bit set   u32 bytes   entry (kdent.h)
 *
 * A worker sees the hints, which do not change, and its slice; nothing of the engine. */
#include "engine/bitcask/load_slice.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/bitcask/kdent.h"

#include <stdlib.h>

#define ITEM_HEAD   12
#define ITEM_DEL    ((uint64_t)1 << 63)
#define NONE        UINT64_MAX /* behind every token */
#define HINT_BLOCKS 4u         /* of each hint in a slice, on average */
#define SLICE_MIN   ((uint64_t)8 << 20)
#define SLICE_MAX   ((uint64_t)32 << 20)
_Static_assert(TOKEN_BITS < 63, "a token leaves room for a bit and for NONE");

/* A hint, and the entry that it is at. */
typedef struct source {
    hint_cursor c;
    hint_entry at;
} source;

/* A hint in the tournament, by the token of the entry that it is at; NONE: it has no more. */
typedef struct player {
    uint64_t token;
    uint32_t src;
} player;

struct load_slice {
    aio_job job;
    bool busy;
    slice_range range;
    size_t inline_max;
    const slice_hint *hints;
    uint32_t n;
    source *src; /* by hint */
    player *lost;
    player first;
    /* the result */
    uint64_t entries;
    slice_sum *sums;
    buf items;
    size_t last; /* where in items the last one's entry is */
    uint64_t last_token;
};

/* ---- on a worker: the tournament -------------------------------------------------------------
 */

/* Does a's entry come before b's? Of one key, that of the later segment. */
static inline bool before(const load_slice *s, player a, player b) {
    if (__builtin_expect(a.token != b.token, 1)) return a.token < b.token;
    if (a.token == NONE) return a.src < b.src;
    int c = slice_cmp(s->src[a.src].at.key, s->src[b.src].at.key);
    return c ? c < 0 : a.src > b.src;
}

/* A source has another entry: plays its games again, from its leaf up. */
static inline void replay(load_slice *s, player winner) {
    for (uint32_t at = (winner.src + s->n) / 2; at > 0; at /= 2) {
        if (!before(s, s->lost[at], winner)) continue;
        player loser = winner;
        winner = s->lost[at];
        s->lost[at] = loser;
    }
    CHECK(winner.src < s->n);
    s->first = winner;
}

/* All games, for the first time. */
static void play(load_slice *s, const player *all) {
    player *won = mem_alloc(2 * s->n * sizeof *won);
    CHECK(s->n > 0);
    memcpy(won + s->n, all, s->n * sizeof *won);
    for (uint32_t at = s->n - 1; at > 0; at--) {
        player a = won[2 * at], b = won[2 * at + 1];
        bool left = before(s, a, b);
        won[at] = left ? a : b;
        s->lost[at] = left ? b : a;
    }
    s->first = won[1];
    mem_free(won);
}

/* The next entry of hint i in the range; *out: what it plays with. */
static inline status step(load_slice *s, uint32_t i, player *out) {
    source *x = &s->src[i];
    bool got;
    CHECK(i < s->n);
    uint64_t token = x->at.token;
    do {
        TRY(hint_cursor_next(&x->c, &x->at, &got));
    } while (got && x->at.token < s->range.from);
    *out = (player){got && x->at.token < s->range.to ? x->at.token : NONE, i};
    CHECK(!got || x->at.pdb == s->range.pdb);
    if (!got || x->at.token >= token) return STATUS_OK;
    return status_make(ST_CORRUPT, "a hint's entries are out of order");
}

/* ---- on a worker: items ----------------------------------------------------------------------
 */

/* The entry as the keydir will have it: with its value if that is small enough by now, and if it
 * is not compressed, as an entry has no room for a plain length. */
static kdent entry_of_hint(const load_slice *s, const hint_entry *h, uint16_t slot) {
    bool has_value =
        (h->flags & HINT_INLINE) && !(h->flags & RECORD_LZ4) && h->value.len <= s->inline_max;
    return (kdent){.segment = slot,
                   .type = h->type & 15,
                   .hint = h->type >> 4,
                   .offset = h->offset,
                   .size = h->size,
                   .has_value = has_value,
                   .expire = h->expire,
                   .coll = h->coll,
                   .key = h->key,
                   .value = has_value ? h->value : SLICE_EMPTY};
}

/* Is it of the key of the last item? */
static inline bool is_replaced(const load_slice *s, const hint_entry *h) {
    CHECK(s->last <= s->items.len);
    return s->items.len && h->token == s->last_token &&
           slice_eq(kdent_key(s->items.data + s->last), h->key);
}

/* Makes an item of the entry that is first, unless it is replaced by the one before. */
static void give(load_slice *s, uint32_t i) {
    const hint_entry *h = &s->src[i].at;
    CHECK(h->token >= s->last_token || !s->items.len);
    bool is_del = h->kind == RECORD_DEL;
    s->entries++;
    if (is_replaced(s, h)) {
        if (is_del) s->sums[i].hiding += h->size;
        return;
    }
    CHECK(is_del || h->kind == RECORD_PUT);
    kdent k = entry_of_hint(s, h, s->hints[i].slot);
    size_t n = kdent_bytes(&k);
    char *p = buf_reserve(&s->items, ITEM_HEAD + n);
    p = put_u32(put_u64(p, h->token | (is_del ? ITEM_DEL : 0)), (uint32_t)n);
    char *end = kdent_encode(p, &k);
    CHECK(end == p + n);
    s->last = s->items.len + ITEM_HEAD;
    s->last_token = h->token;
    s->items.len += ITEM_HEAD + n;
    if (!is_del) s->sums[i].live += h->size;
}

/* All of the range. */
static status merge(load_slice *s) {
    player *all = mem_alloc(s->n * sizeof *all), next;
    status st = STATUS_OK;
    CHECK(s->busy && s->range.from < s->range.to);
    buf_reserve(&s->items, s->range.bytes + s->range.bytes / 2); /* as much as there will be */
    for (uint32_t i = 0; i < s->n && status_ok(st); i++) {
        const slice_range *r = &s->range;
        hint_cursor_seek(&s->src[i].c, s->hints[i].r, r->pdb, r->from, r->to);
        s->src[i].at = (hint_entry){0};
        st = step(s, i, &all[i]);
    }
    if (status_ok(st)) play(s, all);
    mem_free(all);
    while (status_ok(st) && s->first.token != NONE) {
        uint32_t i = s->first.src;
        give(s, i);
        st = step(s, i, &next);
        if (status_ok(st)) replay(s, next);
    }
    return st;
}

static void run(aio_job *job) {
    job->result = merge(AIO_OWNER(job, load_slice, job));
}

/* ---- on the thread ---------------------------------------------------------------------------
 */

static void done(aio_job *job) {
    load_slice *s = AIO_OWNER(job, load_slice, job);
    CHECK(s->busy);
    s->busy = false;
}

load_slice *load_slice_new(const slice_hint *hints, uint32_t n) {
    CHECK(n > 0);
    load_slice *s = mem_zalloc(sizeof *s);
    s->hints = hints;
    s->n = n;
    s->src = mem_zalloc(n * sizeof *s->src);
    s->lost = mem_zalloc(n * sizeof *s->lost);
    s->sums = mem_zalloc(n * sizeof *s->sums);
    return s;
}

void load_slice_free(load_slice *s) {
    if (!s) return;
    CHECK(!s->busy);
    for (uint32_t i = 0; i < s->n; i++)
        hint_cursor_free(&s->src[i].c);
    buf_free(&s->items);
    mem_free(s->sums);
    mem_free(s->lost);
    mem_free(s->src);
    mem_free(s);
}

/* Its buffers are used again. */
void load_slice_start(load_slice *s, aio *a, const slice_range *range, size_t inline_max) {
    CHECK(!s->busy);
    s->busy = true;
    s->range = *range;
    s->inline_max = inline_max;
    s->entries = s->last = 0;
    memset(s->sums, 0, s->n * sizeof *s->sums);
    buf_clear(&s->items);
    s->job = (aio_job){.run = run, .done = done};
    aio_submit(a, AIO_POOL, &s->job);
}

bool load_slice_is_ready(const load_slice *s) {
    return !s->busy;
}

status load_slice_result(const load_slice *s) {
    CHECK(!s->busy);
    return s->job.result;
}

const slice_range *load_slice_range(const load_slice *s) {
    CHECK(s->range.from < s->range.to);
    return &s->range;
}

uint64_t load_slice_entries(const load_slice *s) {
    CHECK(!s->busy);
    return s->entries;
}

const slice_sum *load_slice_sums(const load_slice *s) {
    CHECK(!s->busy);
    return s->sums;
}

bool load_slice_next(const load_slice *s, size_t *at, slice_item *out) {
    CHECK(!s->busy && *at <= s->items.len);
    if (*at == s->items.len) return false;
    const char *p = s->items.data + *at;
    uint64_t token = load_u64(p);
    *out = (slice_item){(token & ITEM_DEL) != 0, token & ~ITEM_DEL,
                        slice_of(p + ITEM_HEAD, load_u32(p + 8))};
    *at += ITEM_HEAD + out->entry.len;
    return true;
}

/* ---- where slices begin ----------------------------------------------------------------------
 */

/* By pdb and token. */
static int compare(const void *pa, const void *pb) {
    const hint_piece *a = pa, *b = pb;
    if (a->pdb != b->pdb) return a->pdb < b->pdb ? -1 : 1;
    return (a->token > b->token) - (a->token < b->token);
}

/* The main blocks of all hints, in the order in which they begin. */
static hint_piece *all_pieces(const slice_hint *hints, uint32_t n, uint32_t *count) {
    hint_piece *all = NULL;
    uint32_t cap = 0, have = 0, pieces;
    CHECK(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        const hint_piece *p = hint_pieces(hints[i].r, &pieces);
        for (uint32_t k = 0; k < pieces; k++) {
            if (p[k].block != HINT_MAIN) continue;
            if (have == cap) all = mem_more(all, &cap, 64, sizeof *all);
            all[have++] = p[k];
        }
    }
    if (have) qsort(all, have, sizeof *all, compare);
    *count = have;
    return all;
}

uint64_t load_slice_bytes;

/* Bytes of hints that are enough for a slice of n of them. */
static uint64_t enough_of(uint32_t n) {
    uint64_t bytes = (uint64_t)n * HINT_BLOCKS * HINT_BLOCK;
    CHECK(n > 0);
    if (load_slice_bytes) return load_slice_bytes;
    return bytes < SLICE_MIN ? SLICE_MIN : bytes > SLICE_MAX ? SLICE_MAX : bytes;
}

/* A slice begins with each pdb, and wherever the one before has enough. */
slice_range *load_slice_plan(const slice_hint *hints, uint32_t n, uint32_t *ranges) {
    uint64_t enough = enough_of(n);
    uint32_t count, cap = 0;
    hint_piece *all = all_pieces(hints, n, &count);
    slice_range *list = NULL, *last = NULL;
    *ranges = 0;
    for (uint32_t i = 0; i < count; i++) {
        const hint_piece *p = &all[i];
        bool other = !last || last->pdb != p->pdb;
        if (other || (last->bytes >= enough && p->token > last->from)) {
            if (!other) last->to = p->token;
            if (*ranges == cap) list = mem_more(list, &cap, 16, sizeof *list);
            last = &list[(*ranges)++];
            *last = (slice_range){.pdb = p->pdb, .from = p->token, .to = NONE};
        }
        last->bytes += p->size;
    }
    CHECK(!last || last->to == NONE);
    mem_free(all);
    return list;
}
