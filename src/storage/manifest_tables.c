/* manifest_tables: a list of tables that copies share.
 *
 *     list A   [chunk] [chunk] [chunk]            chunk: up to 128 tables, by number
 *                 |       |       |
 *     list B   [  |  ] [  |  ] [other]            B's last edit changed a table of the third
 *
 * A chunk and a table each count who refers to them: lists refer to chunks, chunks to tables. A
 * list that changes a chunk which it shares makes its own one first, with the same tables. So a
 * copy of 20,000 tables costs 160 counts, and an edit as many as it touches chunks. Counts are
 * plain numbers: lists belong to one thread.
 *
 * Invariants: no chunk is empty; numbers ascend within a chunk and from chunk to chunk; two
 * neighbours that were touched do not fit into half a chunk. */
#include "storage/manifest_tables.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"

#define CHUNK 128

/* A table, with its bounds' bytes behind it. */
typedef struct held {
    uint32_t refs;
    manifest_table t;
    char bounds[];
} held;

struct manifest_chunk {
    uint32_t refs, n;
    held *v[CHUNK];
};

/* ---- counting -------------------------------------------------------------------------------- */

static void release_table(held *h) {
    CHECK(h->refs > 0);
    if (--h->refs == 0) mem_free(h);
}

/* With the last reference its tables lose one each. */
static void release_chunk(manifest_chunk *c) {
    CHECK(c->refs > 0 && c->n <= CHUNK);
    if (--c->refs > 0) return;
    for (uint32_t i = 0; i < c->n; i++)
        release_table(c->v[i]);
    mem_free(c);
}

/* The list's own chunk i, which it may change. */
static manifest_chunk *own(manifest_tables *t, size_t i) {
    CHECK(i < t->nchunks);
    manifest_chunk *c = t->chunks[i];
    if (c->refs == 1) return c;
    manifest_chunk *mine = mem_dup(c, sizeof *c);
    mine->refs = 1;
    for (uint32_t k = 0; k < mine->n; k++)
        mine->v[k]->refs++;
    c->refs--;
    t->chunks[i] = mine;
    CHECK(c->refs > 0);
    return mine;
}

/* The list is empty afterwards. */
void manifest_tables_free(manifest_tables *t) {
    CHECK(t->nchunks == 0 || t->chunks);
    for (size_t i = 0; i < t->nchunks; i++)
        release_chunk(t->chunks[i]);
    mem_free(t->chunks);
    *t = (manifest_tables){0};
}

/* Shares every chunk. */
void manifest_tables_copy(manifest_tables *to, const manifest_tables *from) {
    CHECK(to != from);
    CHECK(from->nchunks <= from->n);
    *to = *from;
    to->chunks = mem_dup(from->chunks, from->nchunks * sizeof *from->chunks);
    for (size_t i = 0; i < to->nchunks; i++)
        to->chunks[i]->refs++;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The chunk in which the number is or would be: the last one that begins at or below it, else the
 * first. */
static size_t chunk_of(const manifest_tables *t, uint32_t number) {
    CHECK(t->nchunks > 0);
    size_t lo = 0, hi = t->nchunks;
    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;
        if (t->chunks[mid]->v[0]->t.number <= number)
            lo = mid;
        else
            hi = mid;
    }
    CHECK(t->chunks[lo]->n > 0);
    return lo;
}

/* The index in the chunk of the first table whose number is not below. */
static uint32_t index_of(const manifest_chunk *c, uint32_t number) {
    CHECK(c->n > 0 && c->n <= CHUNK);
    uint32_t lo = 0, hi = c->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (c->v[mid]->t.number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* By halving, twice. */
const manifest_table *manifest_tables_find(const manifest_tables *t, uint32_t number) {
    CHECK(t->n == 0 || t->nchunks > 0);
    if (t->n == 0) return NULL;
    const manifest_chunk *c = t->chunks[chunk_of(t, number)];
    uint32_t i = index_of(c, number);
    return i < c->n && c->v[i]->t.number == number ? &c->v[i]->t : NULL;
}

/* In this chunk or at the beginning of the next. */
const manifest_table *manifest_tables_after(const manifest_tables *t, uint32_t number) {
    CHECK(t->n == 0 || t->nchunks > 0);
    if (t->n == 0 || number == UINT32_MAX) return NULL;
    size_t at = chunk_of(t, number + 1);
    const manifest_chunk *c = t->chunks[at];
    uint32_t i = index_of(c, number + 1);
    if (i < c->n) return &c->v[i]->t;
    return at + 1 < t->nchunks ? &t->chunks[at + 1]->v[0]->t : NULL;
}

/* Everything but where the bounds lie. */
static bool same_table(const manifest_table *a, const manifest_table *b) {
    CHECK(a->number > 0 && b->number > 0);
    return a->number == b->number && a->length == b->length && a->level == b->level &&
           a->recency == b->recency && a->entries == b->entries && a->tombstones == b->tombstones &&
           a->hidden == b->hidden && a->plain_bytes == b->plain_bytes &&
           slice_eq(a->smallest, b->smallest) && slice_eq(a->limit, b->limit);
}

/* Table by table, however they are cut into chunks. */
bool manifest_tables_eq(const manifest_tables *a, const manifest_tables *b) {
    CHECK(a->nchunks <= a->n && b->nchunks <= b->n);
    if (a->n != b->n) return false;
    const manifest_table *x = manifest_tables_after(a, 0), *y = manifest_tables_after(b, 0);
    for (; x && y; x = manifest_tables_after(a, x->number), y = manifest_tables_after(b, y->number))
        if (x != y && !same_table(x, y)) return false;
    return !x && !y;
}

/* ---- changing -------------------------------------------------------------------------------- */

/* Makes room for an empty chunk in front of chunk i. */
static manifest_chunk *new_chunk(manifest_tables *t, size_t i) {
    CHECK(i <= t->nchunks);
    t->chunks = mem_realloc(t->chunks, (t->nchunks + 1) * sizeof *t->chunks);
    memmove(t->chunks + i + 1, t->chunks + i, (t->nchunks - i) * sizeof *t->chunks);
    t->nchunks++;
    t->chunks[i] = mem_zalloc(sizeof **t->chunks);
    t->chunks[i]->refs = 1;
    return t->chunks[i];
}

/* The list's own chunk with room for the number. A full one is halved, but for the last one:
 * numbers grow, so what follows it begins a new one. */
static manifest_chunk *room_for(manifest_tables *t, uint32_t number) {
    CHECK(number > 0);
    if (t->nchunks == 0) return new_chunk(t, 0);
    size_t at = chunk_of(t, number);
    manifest_chunk *c = own(t, at);
    if (c->n < CHUNK) return c;
    if (at + 1 == t->nchunks && c->v[c->n - 1]->t.number < number) return new_chunk(t, t->nchunks);
    manifest_chunk *right = new_chunk(t, at + 1);
    c = t->chunks[at];
    right->n = CHUNK / 2;
    c->n -= right->n;
    memcpy(right->v, c->v + c->n, right->n * sizeof *right->v);
    CHECK(c->n > 0);
    return number > right->v[0]->t.number ? right : c;
}

/* The copy is one allocation. */
static held *hold(const manifest_table *t) {
    CHECK(t->smallest.len <= MANIFEST_BOUND_MAX && t->limit.len <= MANIFEST_BOUND_MAX);
    held *h = mem_zalloc(sizeof *h + t->smallest.len + t->limit.len);
    h->refs = 1;
    h->t = *t;
    if (t->smallest.len) memcpy(h->bounds, t->smallest.data, t->smallest.len);
    if (t->limit.len) memcpy(h->bounds + t->smallest.len, t->limit.data, t->limit.len);
    h->t.smallest.data = h->bounds;
    h->t.limit.data = h->bounds + t->smallest.len;
    return h;
}

/* Behind those with lower numbers. */
void manifest_tables_put(manifest_tables *t, const manifest_table *table) {
    CHECK(table->number > 0 && !manifest_tables_find(t, table->number));
    manifest_chunk *c = room_for(t, table->number);
    uint32_t i = c->n ? index_of(c, table->number) : 0;
    CHECK(c->refs == 1 && c->n < CHUNK);
    memmove(c->v + i + 1, c->v + i, (c->n - i) * sizeof *c->v);
    c->v[i] = hold(table);
    c->n++;
    t->n++;
}

/* Takes chunk i, empty or moved elsewhere, off the list. */
static void drop_chunk(manifest_tables *t, size_t i) {
    CHECK(i < t->nchunks && t->chunks[i]->refs == 1);
    CHECK(t->chunks[i]->n == 0);
    release_chunk(t->chunks[i]);
    t->nchunks--;
    memmove(t->chunks + i, t->chunks + i + 1, (t->nchunks - i) * sizeof *t->chunks);
}

/* Moves the tables of chunk i + 1 to chunk i if both fit into half a one. */
static void join(manifest_tables *t, size_t i) {
    CHECK(i < t->nchunks);
    if (i + 1 >= t->nchunks || t->chunks[i]->n + t->chunks[i + 1]->n > CHUNK / 2) return;
    manifest_chunk *to = own(t, i), *from = own(t, i + 1);
    memcpy(to->v + to->n, from->v, from->n * sizeof *from->v);
    to->n += from->n;
    from->n = 0;
    CHECK(to->n <= CHUNK);
    drop_chunk(t, i + 1);
}

/* What is left of a chunk may join a neighbour. */
void manifest_tables_remove(manifest_tables *t, uint32_t number) {
    CHECK(t->n > 0);
    size_t at = chunk_of(t, number);
    manifest_chunk *c = own(t, at);
    uint32_t i = index_of(c, number);
    CHECK(i < c->n && c->v[i]->t.number == number);
    release_table(c->v[i]);
    c->n--;
    memmove(c->v + i, c->v + i + 1, (c->n - i) * sizeof *c->v);
    t->n--;
    if (c->n == 0) {
        drop_chunk(t, at);
        return;
    }
    join(t, at);
    if (at > 0) join(t, at - 1);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Numbers, then bounds. */
void manifest_table_encode(const manifest_table *t, buf *out) {
    CHECK(t->number > 0 && t->level < MANIFEST_LEVELS);
    CHECK(t->smallest.len <= MANIFEST_BOUND_MAX && t->limit.len <= MANIFEST_BOUND_MAX);
    const uint64_t fields[] = {t->number,  t->level,      t->recency, t->length,
                               t->entries, t->tombstones, t->hidden,  t->plain_bytes};
    char *start = buf_reserve(out, 10 * VARINT_MAX + t->smallest.len + t->limit.len), *p = start;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        p = put_varint(p, fields[i]);
    p = put_varint(p, t->smallest.len);
    if (t->smallest.len) memcpy(p, t->smallest.data, t->smallest.len);
    p = put_varint(p + t->smallest.len, t->limit.len);
    if (t->limit.len) memcpy(p, t->limit.data, t->limit.len);
    out->len += (size_t)(p + t->limit.len - start);
    CHECK(out->len <= out->cap);
}

/* Also refuses counts and bounds that can't be those of a table. */
bool manifest_table_decode(slice in, manifest_table *out) {
    CHECK(in.len == 0 || in.data);
    manifest_table t = {0};
    if (!get_varint32(&in, &t.number) || !get_varint32(&in, &t.level) ||
        !get_varint(&in, &t.recency) || !get_varint32(&in, &t.length) ||
        !get_varint(&in, &t.entries) || !get_varint(&in, &t.tombstones) ||
        !get_varint(&in, &t.hidden) || !get_varint(&in, &t.plain_bytes) ||
        !get_varbytes(&in, &t.smallest) || !get_varbytes(&in, &t.limit) || in.len)
        return false;
    *out = t;
    return t.number > 0 && t.level < MANIFEST_LEVELS && t.length > FILE_HEADER && t.entries > 0 &&
           t.tombstones <= t.entries && (t.hidden == 0 || t.tombstones < t.entries) &&
           t.smallest.len <= MANIFEST_BOUND_MAX && t.limit.len <= MANIFEST_BOUND_MAX &&
           slice_cmp(t.smallest, t.limit) < 0;
}
