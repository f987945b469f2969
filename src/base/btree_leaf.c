/* Leaves of the B+tree: packed pairs in one block of bytes. See btree_node.h for the picture.
 *
 * Cells are kept without gaps: removing one moves those below it up and adjusts the offsets, some
 * tens of additions and a move of a kilobyte at most. That is cheaper than it looks, and a leaf's
 * bytes are then all either in use or free in one piece. */
#include "base/btree_node.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

/* A pair kept outside of its leaf. */
typedef struct big_pair {
    uint32_t key_len, value_len;
    char bytes[];
} big_pair;

typedef struct cell {
    slice key, value;
    big_pair *big; /* NULL if the cell holds the pair itself */
    uint32_t size; /* bytes of the cell */
} cell;

/* ---- cells -------------------------------------------------------------------------------------
 */

/* The varint at *p, which is well-formed: it was written here. */
static inline uint64_t take_varint(const char **p) {
    const unsigned char *q = (const unsigned char *)*p;
    if (*q < 0x80) {
        (*p)++;
        return *q;
    }
    slice rest = slice_of(*p, VARINT_MAX);
    uint64_t v = 0;
    CHECK(get_varint(&rest, &v));
    *p = rest.data;
    return v;
}

/* Takes the cell at p apart. */
static inline void cell_at(const char *p, cell *c) {
    const char *start = p;
    uint64_t head = take_varint(&p), value_len = take_varint(&p);
    c->big = NULL;
    if (head & 1) {
        memcpy(&c->big, p, sizeof c->big);
        c->key = slice_of(c->big->bytes, c->big->key_len);
        c->value = slice_of(c->big->bytes + c->big->key_len, c->big->value_len);
        c->size = (uint32_t)(p + sizeof c->big - start);
        return;
    }
    c->key = slice_of(p, head >> 1);
    c->value = slice_of(p + c->key.len, value_len);
    c->size = (uint32_t)(c->value.data + value_len - start);
}

static inline void cell_of(const leaf *l, uint32_t i, cell *c) {
    cell_at((const char *)l + l->at[i], c);
}

static size_t plain_size(slice key, slice value) {
    return varint_size((uint64_t)key.len * 2) + varint_size(value.len) + key.len + value.len;
}

static bool is_big(slice key, slice value) {
    return plain_size(key, value) > CELL_MAX;
}

static size_t cell_size(slice key, slice value) {
    if (!is_big(key, value)) return plain_size(key, value);
    return varint_size((uint64_t)key.len * 2 + 1) + varint_size(value.len) + sizeof(big_pair *);
}

/* Writes a cell to p, putting a large pair aside. */
static void cell_write(btree *t, char *p, slice key, slice value) {
    bool big = is_big(key, value);
    p = put_varint(p, (uint64_t)key.len * 2 + big);
    p = put_varint(p, value.len);
    if (!big) {
        if (key.len) memcpy(p, key.data, key.len);
        if (value.len) memcpy(p + key.len, value.data, value.len);
        return;
    }
    size_t bytes = sizeof(big_pair) + key.len + value.len;
    big_pair *b = mem_alloc(bytes);
    t->bytes += bytes;
    b->key_len = (uint32_t)key.len;
    b->value_len = (uint32_t)value.len;
    memcpy(b->bytes, key.data, key.len);
    if (value.len) memcpy(b->bytes + key.len, value.data, value.len);
    memcpy(p, &b, sizeof b);
}

static void big_free(btree *t, big_pair *b) {
    if (!b) return;
    t->bytes -= sizeof *b + b->key_len + b->value_len;
    mem_free(b);
}

/* ---- leaves ------------------------------------------------------------------------------------
 */

leaf *leaf_new(btree *t, size_t cap) {
    leaf *l = mem_alloc(cap);
    *l = (leaf){.cap = (uint16_t)cap, .low = (uint16_t)cap};
    t->bytes += cap;
    return l;
}

void leaf_free(btree *t, leaf *l) {
    for (uint32_t i = 0; i < l->n; i++) {
        cell c;
        cell_of(l, i, &c);
        big_free(t, c.big);
    }
    t->bytes -= l->cap;
    mem_free(l);
}

void leaf_pair(const leaf *l, uint32_t i, slice *key, slice *value) {
    cell c;
    CHECK(i < l->n);
    cell_of(l, i, &c);
    if (key) *key = c.key;
    if (value) *value = c.value;
}

uint32_t leaf_find(const leaf *l, slice k, bool *found) {
    uint32_t low = 0, high = l->n;
    *found = false;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        cell c;
        cell_of(l, mid, &c);
        int order = slice_cmp(c.key, k);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

size_t leaf_pair_bytes(slice key, slice value) {
    return cell_size(key, value) + sizeof(uint16_t);
}

size_t leaf_used(const leaf *l) {
    return (size_t)(l->cap - l->low) + l->n * sizeof(uint16_t);
}

/* Neighbours point at where the leaf now is. */
static void relink(leaf *l) {
    if (l->prev) l->prev->next = l;
    if (l->next) l->next->prev = l;
}

/* The same leaf in a block of cap bytes. */
static void resize(btree *t, void **slot, size_t cap) {
    leaf *old = *slot, *l = leaf_new(t, cap);
    size_t cells = (size_t)(old->cap - old->low);
    int shift = (int)cap - (int)old->cap;
    CHECK(leaf_used(old) + sizeof(leaf) <= cap);
    l->prev = old->prev;
    l->next = old->next;
    l->n = old->n;
    l->low = (uint16_t)(cap - cells);
    memcpy((char *)l + l->low, (char *)old + old->low, cells);
    for (uint32_t i = 0; i < l->n; i++)
        l->at[i] = (uint16_t)(old->at[i] + shift);
    relink(l);
    t->bytes -= old->cap;
    mem_free(old);
    *slot = l;
}

bool leaf_insert(btree *t, void **slot, uint32_t i, slice key, slice value) {
    leaf *l = *slot;
    size_t size = cell_size(key, value);
    size_t need = sizeof(leaf) + leaf_used(l) + size + sizeof(uint16_t), cap = l->cap;
    if (need > LEAF_MAX) return false;
    while (cap < need)
        cap *= 2;
    if (cap > l->cap) resize(t, slot, cap);
    l = *slot;
    CHECK(i <= l->n);
    l->low = (uint16_t)(l->low - size);
    cell_write(t, (char *)l + l->low, key, value);
    memmove(&l->at[i + 1], &l->at[i], (l->n - i) * sizeof l->at[0]);
    l->at[i] = l->low;
    l->n++;
    return true;
}

/* Takes cell i out, leaving what it may have put aside. */
static void take_out(leaf *l, uint32_t i, uint32_t size) {
    uint16_t at = l->at[i];
    memmove((char *)l + l->low + size, (char *)l + l->low, (size_t)(at - l->low));
    memmove(&l->at[i], &l->at[i + 1], (size_t)(l->n - i - 1) * sizeof l->at[0]);
    l->n--;
    l->low = (uint16_t)(l->low + size);
    for (uint32_t j = 0; j < l->n; j++)
        if (l->at[j] < at) l->at[j] = (uint16_t)(l->at[j] + size);
}

void leaf_remove(btree *t, leaf *l, uint32_t i) {
    cell c;
    CHECK(i < l->n);
    cell_of(l, i, &c);
    big_free(t, c.big);
    take_out(l, i, c.size);
}

void leaf_set_value(leaf *l, uint32_t i, slice value) {
    cell c;
    cell_of(l, i, &c);
    CHECK(c.value.len == value.len);
    if (value.len) memmove((char *)(uintptr_t)c.value.data, value.data, value.len);
}

void leaf_move_tail(btree *t, leaf *l, uint32_t from, void **to) {
    leaf *dst = *to;
    size_t need = sizeof(leaf) + leaf_used(dst), cap = dst->cap;
    cell c;
    for (uint32_t i = from; i < l->n; i++) {
        cell_of(l, i, &c);
        need += c.size + sizeof(uint16_t);
    }
    while (cap < need)
        cap *= 2;
    CHECK(cap <= LEAF_MAX);
    if (cap > dst->cap) resize(t, to, cap);
    dst = *to;
    for (uint32_t i = from; i < l->n; i++) {
        cell_of(l, i, &c);
        dst->low = (uint16_t)(dst->low - c.size);
        memcpy((char *)dst + dst->low, (char *)l + l->at[i], c.size);
        dst->at[dst->n++] = dst->low;
    }
    while (l->n > from) {
        cell_of(l, l->n - 1u, &c);
        take_out(l, l->n - 1u, c.size);
    }
}

uint32_t leaf_middle(const leaf *l) {
    size_t half = (size_t)(l->cap - l->low) / 2, sum = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        cell c;
        cell_of(l, i, &c);
        sum += c.size;
        if (sum > half) return i ? i : 1;
    }
    return l->n;
}

void leaf_shrink(btree *t, void **slot) {
    const leaf *l = *slot;
    size_t need = sizeof(leaf) + leaf_used(l), cap = l->cap;
    if (need * 4 > cap) return;
    while (cap / 2 >= LEAF_MIN && cap / 2 >= need * 2)
        cap /= 2;
    if (cap < l->cap) resize(t, slot, cap);
}
