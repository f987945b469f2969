/* dict: entries in the order of their insertion, and a table of their numbers hashed by key.
 *
 *     slots    [ - | 2 | - | 0 | 1 | - | - | - ]     number of an entry + 1, 0 = free
 *     entries  [ "get" ][ "set" ][ (removed) ][ .. ]
 *
 * A removed entry keeps its slot, so that probing goes on behind it, unless there is nothing behind
 * it; it stays among the entries until these are full: then the live ones are packed, in a table of
 * twice the size if they are more than half; or until few are left, which are packed in a smaller
 * one. The entries give an order of iteration that does not
 * depend on the hash, whose key is random for each process (names may come from clients): what
 * iterates replays. */
#include "base/dict.h"

#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"

#define SMALLEST 8 /* entries of a new table */
#define FEW_PART 8 /* of the capacity: fewer than that are few */

typedef struct entry {
    char *key;
    void *value; /* NULL: removed */
    uint32_t len, hash;
} entry;

struct dict {
    entry *entries;
    uint32_t *slots; /* 2 x capacity, a power of two */
    uint32_t capacity, used, live;
    bool ignore_case;
};

static hash_key process_key;

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void make_key(void) {
    rand_bytes(&process_key, sizeof process_key);
}

#define EACH(byte) ((byte)*0x0101010101010101u) /* the byte, eight times */

/* Lower case of eight ASCII letters at once; other bytes as they are. A byte below 0x80 has its top
 * bit set by the first sum if it is 'A' or above, by the second if it is above 'Z'. */
static inline uint64_t lower8(uint64_t w) {
    uint64_t low = w & EACH(0x7fu);
    uint64_t letter = (low + EACH(0x80u - 'A')) & ~(low + EACH(0x7fu - 'Z')) & ~w & EACH(0x80u);
    return w | letter >> 2; /* 0x80 -> 0x20 */
}

/* SipHash where clients choose the keys. Tables that ignore case are filled by the program alone,
 * so there a multiplicative hash does, eight folded bytes a step. */
static uint32_t hash_of(const dict *d, slice key) {
    if (!d->ignore_case) return (uint32_t)siphash13(process_key, key.data, key.len);
    uint64_t h = key.len;
    for (size_t i = 0; i < key.len; i += 8) {
        h = (h ^ lower8(load_upto8(key.data + i, key.len - i))) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

/* Byte equality, or equality of the lower-case forms, eight bytes a step. */
static bool same_key(const dict *d, const entry *e, slice key) {
    if (e->len != key.len) return false;
    if (!d->ignore_case) return slice_eq(slice_of(e->key, e->len), key);
    for (size_t i = 0; i < key.len; i += 8) {
        size_t left = key.len - i;
        if (lower8(load_upto8(e->key + i, left)) != lower8(load_upto8(key.data + i, left)))
            return false;
    }
    return true;
}

/* Makes room for `capacity` entries and places those that live, in their order. */
static void rebuild(dict *d, uint32_t capacity) {
    CHECK(capacity >= SMALLEST && capacity <= UINT32_MAX / 4);
    entry *old = d->entries;
    uint32_t n = d->used, mask = 2 * capacity - 1;
    mem_free(d->slots);
    d->slots = mem_zalloc(2 * (size_t)capacity * sizeof *d->slots);
    d->entries = mem_alloc(capacity * sizeof *d->entries);
    d->capacity = capacity;
    d->used = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!old[i].value) continue;
        uint32_t at = old[i].hash & mask;
        while (d->slots[at])
            at = (at + 1) & mask;
        d->entries[d->used++] = old[i];
        d->slots[at] = d->used;
    }
    CHECK(d->used == d->live);
    mem_free(old);
}

/* The live entry of that key, or NULL; *slot is its own, or where a new one goes. */
static entry *find(const dict *d, slice key, uint32_t hash, uint32_t *slot) {
    uint32_t mask = 2 * d->capacity - 1, at = hash & mask;
    for (; d->slots[at]; at = (at + 1) & mask) {
        entry *e = &d->entries[d->slots[at] - 1];
        if (e->hash == hash && e->value && same_key(d, e, key)) {
            *slot = at;
            return e;
        }
    }
    *slot = at;
    return NULL;
}

/* Small: a registry grows once or twice while it is filled. */
dict *dict_new(bool ignore_case) {
    dict *d = mem_zalloc(sizeof *d);
    d->ignore_case = ignore_case;
    rebuild(d, SMALLEST);
    return d;
}

/* The values first, as free_value may look at nothing else of the dict. */
void dict_free(dict *d, void (*free_value)(void *)) {
    if (!d) return;
    for (uint32_t i = 0; i < d->used; i++) {
        if (!d->entries[i].value) continue;
        if (free_value) free_value(d->entries[i].value);
        mem_free(d->entries[i].key);
    }
    mem_free(d->entries);
    mem_free(d->slots);
    mem_free(d);
}

/* Removed entries, which wait to be packed, do not count. */
size_t dict_count(const dict *d) {
    return d->live;
}

/* One probe sequence; a full hash compared before any key. */
void *dict_get(const dict *d, slice key) {
    uint32_t unused;
    entry *e = find(d, key, hash_of(d, key), &unused);
    return e ? e->value : NULL;
}

/* A new key goes behind all others; if there is no room the table is packed or doubled first. */
void *dict_set(dict *d, slice key, void *value) {
    CHECK(value && key.len <= UINT32_MAX);
    uint32_t at, hash = hash_of(d, key);
    entry *e = find(d, key, hash, &at);
    if (e) {
        void *before = e->value;
        e->value = value;
        return before;
    }
    if (d->used == d->capacity) {
        rebuild(d, d->live > d->capacity / 2 ? d->capacity * 2 : d->capacity);
        find(d, key, hash, &at);
    }
    d->entries[d->used++] = (entry){
        .key = mem_dup(key.data, key.len), .value = value, .len = (uint32_t)key.len, .hash = hash};
    d->slots[at] = d->used;
    d->live++;
    return NULL;
}

/* The entry stays as a tombstone, without its key; so does its slot, but at the end of a run of
 * slots: a key that comes and goes, again and again, makes no long run. */
void *dict_del(dict *d, slice key) {
    uint32_t at, mask = 2 * d->capacity - 1;
    entry *e = find(d, key, hash_of(d, key), &at);
    if (!e) return NULL;
    void *before = e->value;
    mem_free(e->key);
    e->key = NULL;
    e->value = NULL;
    d->live--;
    while (!d->slots[(at + 1) & mask] && d->slots[at] && !d->entries[d->slots[at] - 1].value) {
        d->slots[at] = 0;
        at = (at - 1) & mask;
    }
    if (d->capacity > SMALLEST && d->live < d->capacity / FEW_PART) rebuild(d, d->capacity / 2);
    return before;
}

/* *pos is the number of the next entry to look at. */
bool dict_next(const dict *d, size_t *pos, slice *key, void **value) {
    for (; *pos < d->used; (*pos)++) {
        const entry *e = &d->entries[*pos];
        if (!e->value) continue;
        *key = slice_of(e->key, e->len);
        *value = e->value;
        (*pos)++;
        return true;
    }
    return false;
}
