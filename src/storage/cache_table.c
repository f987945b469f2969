/* cache_table: the value cache's hash table; see the header for its form.
 *
 * It begins to grow when five slots in eight are used, ten of a bucket's sixteen: then one item in
 * two hundred finds its bucket full, and once it has grown, hardly any. (Buckets of eight lost one
 * in seventy at the same memory.) A bucket that splits goes to two neighbours, as the next lower
 * bit of the hash says, so growing needs no look at the items.
 */
#include "storage/cache_table.h"

#include <sys/mman.h>

#include "base/log.h"
#include "base/mem.h"

#define FIRST_BITS 5
#define LAST_BITS  27
#define HUGE_PAGE  (2u << 20)
#define AT_ONCE    4 /* buckets moved by one call */

/* Of one half of memory; while the table grows it has two. */
uint64_t cache_table_bytes_of(unsigned bits) {
    CHECK(bits >= FIRST_BITS - 1 && bits <= LAST_BITS + 1);
    return ((uint64_t)1 << bits) * sizeof(cache_bucket);
}

/* Empty buckets. The whole table is in use at random at any time and no child inherits it, so huge
 * pages have no drawback. */
static cache_bucket *buckets_new(unsigned bits) {
    CHECK(bits >= FIRST_BITS && bits <= LAST_BITS);
    void *p = mem_map(cache_table_bytes_of(bits));
    if (cache_table_bytes_of(bits) >= HUGE_PAGE)
        (void)madvise(p, cache_table_bytes_of(bits), MADV_HUGEPAGE);
    return p;
}

/* Small: a cache that nobody uses costs one page. */
void cache_table_init(cache_table *t) {
    _Static_assert(FIRST_BITS < LAST_BITS, "it grows");
    *t = (cache_table){.bits = FIRST_BITS};
    t->buckets = buckets_new(t->bits);
}

/* Both halves while it grows, though the old one is ever less in use. */
uint64_t cache_table_bytes(const cache_table *t) {
    CHECK(t->bits >= FIRST_BITS);
    return cache_table_bytes_of(t->bits) + (t->old ? cache_table_bytes_of(t->bits - 1) : 0);
}

/* The slot of an item, which must be there. */
static uint32_t *slot_of(cache_bucket *b, uint32_t hash, uint32_t ref) {
    CHECK(ref != 0);
    for (unsigned m = cache_bucket_match(b, hash); m; m &= m - 1)
        if (b->ref[__builtin_ctz(m)] == ref) return &b->ref[__builtin_ctz(m)];
    log_panic(__FILE__, __LINE__, "value cache: item %u is not in the table", ref);
}

/* Puts an item in a bucket; false if it is full. */
static bool bucket_add(cache_bucket *b, uint32_t hash, uint32_t ref) {
    CHECK(ref != 0);
    for (int i = 0; i < CACHE_BUCKET; i++) {
        if (b->ref[i]) continue;
        b->ref[i] = ref;
        b->hash[i] = hash;
        return true;
    }
    return false;
}

/* Looks at one bucket only: there is no second place for an item. */
bool cache_table_add(cache_table *t, uint32_t hash, uint32_t ref) {
    CHECK(ref != 0);
    if (!bucket_add(cache_table_bucket(t, hash), hash, ref)) return false;
    t->items++;
    return true;
}

/* Clears the hash too, so that a search for another one need not look at the reference. */
void cache_table_remove(cache_table *t, uint32_t hash, uint32_t ref) {
    CHECK(t->items > 0 && ref != 0);
    cache_bucket *b = cache_table_bucket(t, hash);
    uint32_t *slot = slot_of(b, hash, ref);
    *slot = 0;
    b->hash[slot - b->ref] = 0;
    t->items--;
}

/* The hand copied the item: same position, same hash, another place. */
void cache_table_replace(cache_table *t, uint32_t hash, uint32_t ref, uint32_t new_ref) {
    CHECK(ref != 0 && new_ref != 0);
    *slot_of(cache_table_bucket(t, hash), hash, ref) = new_ref;
}

/* Asked at each insert. Once it grows it goes on until it is through, however few the
 * items become. */
bool cache_table_crowded(const cache_table *t) {
    CHECK(t->bits <= LAST_BITS);
    return t->old ||
           (t->items > (((uint64_t)1 << t->bits) * CACHE_BUCKET / 8 * 5) && t->bits < LAST_BITS);
}

/* A bucket of the new half gets nothing before the old one that it comes from is moved, so what is
 * moved always fits. */
void cache_table_grow(cache_table *t, void **done, size_t *bytes) {
    CHECK(t->bits >= FIRST_BITS && t->moved <= (uint64_t)1 << t->bits);
    *done = NULL;
    *bytes = 0;
    if (!t->old) {
        CHECK(t->bits < LAST_BITS);
        t->old = t->buckets;
        t->bits++;
        t->moved = 0;
        t->buckets = buckets_new(t->bits);
    }
    uint64_t buckets = (uint64_t)1 << (t->bits - 1);
    for (int n = 0; n < AT_ONCE && t->moved < buckets; n++) {
        const cache_bucket *from = &t->old[t->moved++];
        for (int i = 0; i < CACHE_BUCKET; i++) {
            if (!from->ref[i]) continue;
            cache_bucket *to = cache_table_bucket(t, from->hash[i]);
            bool fits = bucket_add(to, from->hash[i], from->ref[i]);
            CHECK(fits);
        }
    }
    if (t->moved < buckets) return;
    *done = t->old;
    *bytes = cache_table_bytes_of(t->bits - 1);
    t->old = NULL;
}
