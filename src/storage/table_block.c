/* table_block: building, verifying and searching a block of sorted keys.
 *
 *     | n | restarts | every | prefix length | heads ... | offsets ... | prefix | entry entry entry
 * ... u64 each    u32 each entry: varint shared, varint unshared, varint cell length, unshared
 * bytes of key, cell
 *
 * What all keys of a block begin with is there once, as the prefix: in a table of many keys it is
 * most of what neighbours share. The rest of a key is written without what it shares with the key
 * before; every so many entries (16 in data, 1 in an index) comes a restart, which shares nothing.
 *
 * A search halves among the restarts by their heads, which are the first eight bytes behind the
 * prefix as a number: a few words side by side, no key is touched. Then it walks at most 16 entries
 * without putting any key together, by what is known of the one before: with m bytes of the wanted
 * key matched by an entry that is smaller than it,
 *
 *     shared > m    the next entry differs in the same byte: smaller too
 *     shared < m    it is greater already where the former still matched: the end
 *     shared = m    only now are bytes compared
 *
 * This needs `shared` to be all that two neighbours share, which block_valid makes sure of. It goes
 * over a block once, when it was read from the disk; what follows trusts the bytes. */
#include "storage/table_block.h"

#include "base/log.h"
#include "base/mem.h"

enum { AT_COUNT = 0, AT_RESTARTS = 4, AT_EVERY = 8, AT_PREFIX = 12 };

/* How many bytes a and b, of which both have n, have in common at the beginning. */
static inline size_t common(const char *a, const char *b, size_t n) {
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t x = load_u64(a + i) ^ load_u64(b + i);
        if (x) return i + (size_t)__builtin_ctzll(x) / 8;
    }
    uint64_t x = load_upto8(a + i, n - i) ^ load_upto8(b + i, n - i);
    return x ? i + (size_t)__builtin_ctzll(x) / 8 : n;
}

/* The first eight bytes as a number whose order is that of the bytes; zeros behind a shorter key.
 */
static inline uint64_t head_of(const char *p, size_t n) {
    return __builtin_bswap64(load_upto8(p, n < 8 ? n : 8));
}

/* ---- building -------------------------------------------------------------------------------- */

/* Where the first key begins: at the beginning. */
slice block_first_key(const block_builder *b) {
    CHECK(b->v && b->bytes.len >= b->v[0].key);
    CHECK(b->n > 0);
    return slice_of(b->bytes.data, b->v[0].key);
}

/* Kept by block_add. */
slice block_last_key(const block_builder *b) {
    CHECK(b->last_at + b->v[b->n - 1].key <= b->bytes.len);
    CHECK(b->n > 0);
    return slice_of(b->bytes.data + b->last_at, b->v[b->n - 1].key);
}

/* What the entry shares with the one before. */
static uint32_t shared_with_last(const block_builder *b, slice key) {
    CHECK(key.len == 0 || key.data);
    CHECK(key.len <= UINT32_MAX);
    if (b->n == 0) return 0;
    slice last = block_last_key(b);
    return (uint32_t)common(last.data, key.data, last.len < key.len ? last.len : key.len);
}

/* An entry that shares so much, and its part of the restarts; what the prefix will save is not
 * known yet. */
static size_t cost(const block_builder *b, size_t shared, size_t key, size_t cell) {
    bool restart = b->n % b->every == 0;
    CHECK(shared <= key);
    return key - (restart ? 0 : shared) + cell + 3 + (restart ? 12 : 0);
}

/* Without adding it. */
size_t block_cost(const block_builder *b, slice key, slice cell) {
    CHECK(cell.len > 0);
    CHECK(b->every > 0);
    return cost(b, shared_with_last(b, key), key.len, cell.len);
}

/* Only copies: how an entry is written depends on what all keys share. */
void block_add(block_builder *b, slice key, slice cell) {
    CHECK(cell.len > 0 && b->every > 0);
    uint32_t shared = shared_with_last(b, key);
    if (b->n) {
        slice last = block_last_key(b);
        bool above = shared == last.len ? key.len > last.len
                                        : shared < key.len && (unsigned char)key.data[shared] >
                                                                  (unsigned char)last.data[shared];
        CHECK(above);
    }
    if (b->n == b->room) {
        b->room = b->room ? b->room * 2 : 64;
        b->v = mem_realloc(b->v, b->room * sizeof *b->v);
    }
    b->size += cost(b, shared, key.len, cell.len);
    b->v[b->n++] = (struct block_pending){(uint32_t)key.len, (uint32_t)cell.len, shared};
    b->last_at = b->bytes.len;
    char *p = buf_reserve(&b->bytes, key.len + cell.len);
    if (key.len) memcpy(p, key.data, key.len);
    memcpy(p + key.len, cell.data, cell.len);
    b->bytes.len += key.len + cell.len;
}

/* The fixed fields, the offsets and heads still to be filled, and the prefix. */
static void build_head(const block_builder *b, uint32_t restarts, slice prefix, buf *out) {
    CHECK(prefix.len <= UINT32_MAX && b->n >= restarts);
    CHECK(restarts > 0);
    size_t bytes = BLOCK_HEAD + (size_t)restarts * 12 + prefix.len;
    char *p = buf_reserve(out, bytes);
    put_u32(put_u32(put_u32(put_u32(p, b->n), restarts), b->every), (uint32_t)prefix.len);
    if (prefix.len) memcpy(p + bytes - prefix.len, prefix.data, prefix.len);
    out->len += bytes;
    CHECK(out->len <= out->cap);
}

/* The prefix is what the first and the last key share, as the others lie between them. */
void block_build(block_builder *b, buf *out) {
    CHECK(b->n > 0 && b->every > 0);
    slice first = block_first_key(b), last = block_last_key(b);
    size_t start = out->len;
    size_t prefix = common(first.data, last.data, first.len < last.len ? first.len : last.len);
    uint32_t restarts = (b->n + b->every - 1) / b->every;
    build_head(b, restarts, slice_of(first.data, prefix), out);
    const char *from = b->bytes.data;
    for (uint32_t i = 0; i < b->n; i++) {
        struct block_pending e = b->v[i];
        size_t shared = i % b->every ? e.shared : prefix;
        CHECK(shared >= prefix && e.key >= shared);
        if (i % b->every == 0) {
            char *head = out->data + start + BLOCK_HEAD;
            put_u64(head + (size_t)8 * (i / b->every), head_of(from + prefix, e.key - prefix));
            put_u32(head + (size_t)8 * restarts + (size_t)4 * (i / b->every),
                    (uint32_t)(out->len - start));
        }
        char *to = buf_reserve(out, 3 * VARINT_MAX + e.key - shared + e.cell), *p = to;
        p = put_varint(put_varint(put_varint(p, shared - prefix), e.key - shared), e.cell);
        memcpy(p, from + shared, e.key - shared + e.cell); /* the cell lies behind the key */
        out->len += (size_t)(p - to) + e.key - shared + e.cell;
        from += e.key + e.cell;
    }
    b->n = 0;
    b->size = 0;
    buf_clear(&b->bytes);
}

/* The builder is empty afterwards, and may be used again. */
void block_builder_free(block_builder *b) {
    CHECK(b->bytes.len <= b->bytes.cap);
    CHECK(b->n <= b->room);
    mem_free(b->v);
    buf_free(&b->bytes);
    *b = (block_builder){.every = b->every};
}

/* ---- the parts of a block -------------------------------------------------------------------- */

/* A block taken apart. */
typedef struct parts {
    const char *heads, *offsets, *prefix, *end;
    uint32_t n, restarts, prefix_len;
} parts;

static inline parts parts_of(slice bytes) {
    const char *p = bytes.data;
    parts b = {.heads = p + BLOCK_HEAD, .end = p + bytes.len};
    b.n = load_u32(p + AT_COUNT);
    b.restarts = load_u32(p + AT_RESTARTS);
    b.prefix_len = load_u32(p + AT_PREFIX);
    b.offsets = b.heads + (size_t)8 * b.restarts;
    b.prefix = b.offsets + (size_t)4 * b.restarts;
    return b;
}

/* Where the entries of restart i begin, or, for the last one's successor, the block ends. */
static inline const char *restart_at(slice bytes, const parts *b, size_t i) {
    return i < b->restarts ? bytes.data + load_u32(b->offsets + 4 * i) : b->end;
}

typedef struct entry {
    uint32_t shared, unshared, cell_len;
    const char *key; /* the unshared bytes; the cell lies behind them */
    const char *next;
} entry;

/* One varint of bytes that are known to be good. */
static inline const char *read_varint(const char *p, uint32_t *v) {
    uint32_t x = (unsigned char)*p++;
    if (x >= 0x80) {
        unsigned shift = 7;
        x &= 0x7f;
        uint32_t c;
        do {
            c = (unsigned char)*p++;
            x |= (c & 0x7f) << shift;
            shift += 7;
        } while (c >= 0x80);
    }
    *v = x;
    return p;
}

/* An entry has four bytes at least, so all three lengths are there to be looked at at once. */
static inline entry read_entry(const char *p) {
    entry e;
    uint32_t w = load_u32(p);
    if (__builtin_expect((w & 0x808080) == 0, 1)) {
        e.shared = w & 0x7f;
        e.unshared = w >> 8 & 0x7f;
        e.cell_len = w >> 16 & 0x7f;
        e.key = p + 3;
    } else {
        p = read_varint(p, &e.shared);
        p = read_varint(p, &e.unshared);
        e.key = read_varint(p, &e.cell_len);
    }
    e.next = e.key + e.unshared + e.cell_len;
    return e;
}

static inline slice cell_of(const entry *e) {
    return slice_of(e->key + e->unshared, e->cell_len);
}

/* ---- searching ------------------------------------------------------------------------------- */

/* How the wanted key lies to the keys of the block: <0 before all, >0 behind all, 0: among them,
 * and *rest is it without the prefix. */
static inline int against_prefix(const parts *b, slice key, slice *rest) {
    size_t n = key.len < b->prefix_len ? key.len : b->prefix_len;
    int c = n ? memcmp(key.data, b->prefix, n) : 0;
    *rest = slice_of(key.data + n, key.len - n);
    return c ? c : key.len < b->prefix_len ? -1 : 0;
}

/* The key of restart i without the prefix. */
static inline slice restart_key(slice bytes, const parts *b, size_t i) {
    entry e = read_entry(restart_at(bytes, b, i));
    return slice_of(e.key, e.unshared);
}

/* Among restarts lo .. whose head is that of `rest`, and which are followed by greater ones: how
 * many restarts from the first on have a key that is not greater. Rarely there is more than one of
 * them, but names with long beginnings make many. */
static size_t count_equal_heads(slice bytes, const parts *b, size_t lo, slice rest) {
    CHECK(lo < b->restarts);
    uint64_t head = load_u64(b->heads + 8 * lo);
    size_t n = b->restarts - lo;
    while (n > 0) {
        size_t half = n / 2, mid = lo + half;
        bool right = load_u64(b->heads + 8 * mid) == head &&
                     slice_cmp(restart_key(bytes, b, mid), rest) <= 0;
        lo = right ? mid + 1 : lo;
        n = right ? n - half - 1 : half;
    }
    return lo;
}

/* The last restart whose key is not greater than `rest`; -1 if there is none. */
static inline ptrdiff_t find_restart(slice bytes, const parts *b, slice rest) {
    uint64_t head = head_of(rest.data, rest.len);
    size_t lo = 0, n = b->restarts;
    while (n > 0) { /* lo: how many heads are smaller */
        size_t half = n / 2;
        bool right = load_u64(b->heads + 8 * (lo + half)) < head;
        lo = right ? lo + half + 1 : lo;
        n = right ? n - half - 1 : half;
    }
    if (lo < b->restarts && load_u64(b->heads + 8 * lo) == head)
        lo = count_equal_heads(bytes, b, lo, rest);
    return (ptrdiff_t)lo - 1;
}

/* Walks from restart r on to the first entry that is not smaller than `rest`: its place, or where
 * the next restart begins. *e is the entry, if it is in front of that. */
static inline const char *walk(slice bytes, const parts *b, size_t r, slice rest, entry *e,
                               bool *same) {
    const char *p = restart_at(bytes, b, r), *end = restart_at(bytes, b, r + 1);
    size_t matched = 0;
    *same = false;
    for (; p < end; p = e->next) {
        *e = read_entry(p);
        if (e->shared > matched) continue;
        if (e->shared < matched) return p;
        size_t left = rest.len - matched, n = e->unshared < left ? e->unshared : left;
        size_t k = common(e->key, rest.data + matched, n);
        if (k < n) {
            if ((unsigned char)e->key[k] > (unsigned char)rest.data[matched + k]) return p;
        } else if (left <= e->unshared) {
            *same = left == e->unshared;
            return p;
        }
        matched += k;
    }
    return end;
}

/* Starts fetching [p, end), at most `lines` cache lines of it: a block that was not used lately
 * comes from memory, and lines that are asked for together come together. */
static inline void fetch(const char *p, const char *end, int lines) {
    for (; lines > 0 && p < end; p += 64, lines--)
        __builtin_prefetch(p);
}

/* The one search that reads do; nothing is copied. */
bool block_find(slice bytes, slice key, slice *cell) {
    CHECK(key.len == 0 || key.data);
    CHECK(bytes.len > BLOCK_HEAD);
    fetch(bytes.data + 64, bytes.data + bytes.len, 3);
    parts b = parts_of(bytes);
    slice rest;
    entry e;
    bool same;
    if (against_prefix(&b, key, &rest) != 0) return false;
    ptrdiff_t r = find_restart(bytes, &b, rest);
    if (r < 0) return false;
    fetch(restart_at(bytes, &b, (size_t)r), restart_at(bytes, &b, (size_t)r + 1), 12);
    walk(bytes, &b, (size_t)r, rest, &e, &same);
    if (same) *cell = cell_of(&e);
    return same;
}

/* Each entry of an index is a restart. */
ptrdiff_t block_last_at_most(slice bytes, slice key) {
    CHECK(key.len == 0 || key.data);
    CHECK(bytes.len > BLOCK_HEAD && load_u32(bytes.data + AT_EVERY) == 1);
    parts b = parts_of(bytes);
    slice rest;
    int c = against_prefix(&b, key, &rest);
    if (c) return c < 0 ? -1 : (ptrdiff_t)b.n - 1;
    return find_restart(bytes, &b, rest);
}

/* Slices of the block. */
void block_index_entry(slice bytes, size_t i, slice *prefix, slice *rest, slice *cell) {
    CHECK(bytes.len > BLOCK_HEAD && i < block_count(bytes));
    parts b = parts_of(bytes);
    CHECK(b.n == b.restarts);
    entry e = read_entry(restart_at(bytes, &b, i));
    *prefix = slice_of(b.prefix, b.prefix_len);
    *rest = slice_of(e.key, e.unshared);
    *cell = cell_of(&e);
}

/* ---- walking --------------------------------------------------------------------------------- */

/* The key's memory is kept from block to block. */
void block_iter_set(block_iter *i, slice bytes) {
    CHECK(bytes.len <= UINT32_MAX);
    CHECK(bytes.len == 0 || bytes.len > BLOCK_HEAD);
    i->bytes = bytes;
    i->at = i->next = NULL;
    i->restart = 0;
}

/* It stands nowhere, in no block. */
void block_iter_free(block_iter *i) {
    CHECK(i->key.len <= i->key.cap);
    buf_free(&i->key);
    *i = (block_iter){0};
}

/* Stands on the entry at p, the first bytes of whose key, prefix included, are in i->key. */
static void stand(block_iter *i, const parts *b, const char *p) {
    CHECK(p >= i->bytes.data && p < b->end);
    entry e = read_entry(p);
    i->key.len = (size_t)b->prefix_len + e.shared;
    char *to = buf_reserve(&i->key, e.unshared + 1);
    if (e.unshared) memcpy(to, e.key, e.unshared);
    i->key.len += e.unshared;
    i->at = p;
    i->next = e.next;
    i->cell = cell_of(&e);
    CHECK(e.next <= b->end);
}

/* To the first entry of restart r. */
static void stand_on_restart(block_iter *i, const parts *b, size_t r) {
    CHECK(i->bytes.len > BLOCK_HEAD);
    CHECK(r < b->restarts);
    buf_clear(&i->key);
    buf_append(&i->key, b->prefix, b->prefix_len);
    i->restart = (uint32_t)r;
    stand(i, b, restart_at(i->bytes, b, r));
}

/* A block has one entry at least. */
void block_iter_first(block_iter *i) {
    CHECK(i->bytes.len > BLOCK_HEAD);
    parts b = parts_of(i->bytes);
    stand_on_restart(i, &b, 0);
}

/* From restart r on to the entry in front of `stop`. */
static void stand_before(block_iter *i, const parts *b, size_t r, const char *stop) {
    CHECK(r < b->restarts);
    CHECK(stop <= b->end);
    stand_on_restart(i, b, r);
    while (i->next < stop)
        stand(i, b, i->next);
    CHECK(i->next == stop);
}

/* By way of the last restart. */
void block_iter_last(block_iter *i) {
    CHECK(i->bytes.len > BLOCK_HEAD);
    parts b = parts_of(i->bytes);
    stand_before(i, &b, b.restarts - 1, b.end);
}

/* The key of the entry that is found need not be put together from those before it: what it shares
 * with them it shares with the wanted one. */
bool block_iter_seek(block_iter *i, slice key) {
    CHECK(key.len == 0 || key.data);
    CHECK(i->bytes.len > BLOCK_HEAD);
    parts b = parts_of(i->bytes);
    slice rest;
    entry e;
    bool same = false;
    i->at = NULL;
    int c = against_prefix(&b, key, &rest);
    if (c > 0) return false;
    ptrdiff_t r = c < 0 ? -1 : find_restart(i->bytes, &b, rest);
    if (r < 0) {
        stand_on_restart(i, &b, 0);
        return false;
    }
    const char *p = walk(i->bytes, &b, (size_t)r, rest, &e, &same);
    if (p == b.end) return false;
    if (p == restart_at(i->bytes, &b, (size_t)r + 1)) {
        stand_on_restart(i, &b, (size_t)r + 1);
        return false;
    }
    buf_clear(&i->key);
    char *to = buf_reserve(&i->key, (size_t)b.prefix_len + e.shared + 1);
    if (b.prefix_len) memcpy(to, b.prefix, b.prefix_len);
    if (e.shared) memcpy(to + b.prefix_len, rest.data, e.shared);
    i->restart = (uint32_t)r;
    i->key.len = (size_t)b.prefix_len + e.shared;
    stand(i, &b, p);
    return same;
}

/* What is behind the last entry of a restart is a restart. */
void block_iter_next(block_iter *i) {
    CHECK(i->next > i->at);
    CHECK(i->at);
    parts b = parts_of(i->bytes);
    if (i->next == b.end) {
        i->at = NULL;
        return;
    }
    if (i->next == restart_at(i->bytes, &b, (size_t)i->restart + 1)) i->restart++;
    stand(i, &b, i->next);
}

/* Entries have no way back: again from the restart. */
void block_iter_prev(block_iter *i) {
    CHECK(i->bytes.len > BLOCK_HEAD);
    CHECK(i->at);
    parts b = parts_of(i->bytes);
    const char *stop = i->at;
    if (stop == restart_at(i->bytes, &b, i->restart)) {
        i->at = NULL;
        if (i->restart == 0) return;
        i->restart--;
    }
    stand_before(i, &b, i->restart, stop);
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* Reads an entry of which nothing is known but that `rest` is what is left of the block. Nearly all
 * have short lengths, which are there at once. */
static inline bool read_entry_checked(slice *rest, entry *e) {
    CHECK(rest->len == 0 || rest->data);
    slice key, cell;
    if (rest->len >= 4 && (load_u32(rest->data) & 0x808080) == 0) {
        *e = read_entry(rest->data);
        size_t n = (size_t)3 + e->unshared + e->cell_len;
        if (n > rest->len) return false;
        *rest = slice_skip(*rest, n);
        return e->cell_len > 0;
    }
    if (rest->len < 4 || !get_varint32(rest, &e->shared) || !get_varint32(rest, &e->unshared) ||
        !get_varint32(rest, &e->cell_len) || !get_bytes(rest, e->unshared, &key) ||
        !get_bytes(rest, e->cell_len, &cell))
        return false;
    e->key = key.data;
    return e->cell_len > 0;
}

/* Verifies entry i, and that it is greater than the one before, whose key without the prefix is
 * *last; then *last is its own. */
static inline bool entry_valid(const parts *b, uint32_t i, uint32_t every, uint32_t at, slice *rest,
                               buf *last) {
    CHECK(every > 0 && i < b->n);
    entry e;
    if (!read_entry_checked(rest, &e) || e.shared > last->len) return false;
    if (i % every == 0) {
        if (e.shared || load_u32(b->offsets + 4 * (i / every)) != at ||
            load_u64(b->heads + 8 * (i / every)) != head_of(e.key, e.unshared))
            return false;
        if (i > 0 && slice_cmp(slice_of(e.key, e.unshared), buf_slice(last)) <= 0) return false;
    } else if (e.unshared == 0 ||
               (e.shared < last->len &&
                (unsigned char)e.key[0] <= (unsigned char)last->data[e.shared])) {
        return false;
    }
    last->len = e.shared;
    char *to = buf_reserve(last, e.unshared + 8);
    if (e.unshared <= 8 && rest->len + e.cell_len >= 8)
        put_u64(to, load_u64(e.key)); /* the bytes behind are not counted */
    else if (e.unshared)
        memcpy(to, e.key, e.unshared);
    last->len += e.unshared;
    return true;
}

/* The fixed fields first, which say where all else is. */
bool block_valid(slice bytes, uint32_t every, size_t key_max, buf *scratch) {
    CHECK(every > 0 && (bytes.len == 0 || bytes.data));
    if (bytes.len <= BLOCK_HEAD || bytes.len > UINT32_MAX) return false;
    uint64_t n = load_u32(bytes.data + AT_COUNT), restarts = load_u32(bytes.data + AT_RESTARTS);
    uint64_t prefix = load_u32(bytes.data + AT_PREFIX), head = BLOCK_HEAD + restarts * 12 + prefix;
    if (n == 0 || n > bytes.len / 4 || load_u32(bytes.data + AT_EVERY) != every ||
        restarts != (n + every - 1) / every || prefix > key_max || head > bytes.len)
        return false;
    parts b = parts_of(bytes);
    slice rest = slice_skip(bytes, (size_t)head);
    buf_clear(scratch);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)(bytes.len - rest.len);
        if (!entry_valid(&b, i, every, at, &rest, scratch)) return false;
        if (prefix + scratch->len > key_max) return false;
    }
    CHECK(rest.len <= bytes.len);
    return rest.len == 0;
}
