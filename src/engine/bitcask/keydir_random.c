/* keydir_random: picking an entry such that each has the same chance, without a count in any node.
 *
 * Within a range of tokens in which keys are evenly spread, take a random place x, the page around
 * it, and a random one of `room` slots: of 2.5 times as many as that page's part of the range
 * should have entries. A page of w tokens is met with a chance that grows as w, its room grows as
 * w, so every entry has the same chance: and two tries in five find one. (2.5, as the warp and
 * chance make pages up to that much fuller than the average.)
 *
 * Without cluster mode the range is everything. In cluster mode slots may be filled very unevenly,
 * so the slot is chosen first, by the number of its entries, then the entry in its range. The
 * counts are in a Fenwick tree (Fenwick 1994): node i holds the sum of the i & -i slots that end
 * with slot i - 1, so adding, summing and finding a rank are 14 steps each. */
#include "engine/bitcask/keydir_page.h"

/* ---- entries by cluster slot ------------------------------------------------------------------
 */

/* Called for each entry that comes or goes (K3), so that a slot's count is never a walk. */
void keydir_slots_add(keydir *k, unsigned slot, int sign) {
    CHECK(slot < SLOTS && (sign == 1 || sign == -1));
    for (unsigned i = slot + 1; i <= SLOTS; i += i & -i)
        k->slots[i] += (uint32_t)sign;
}

/* Entries in the slots before that one. */
static uint64_t slots_before(const keydir *k, unsigned slot) {
    CHECK(slot <= SLOTS);
    uint64_t sum = 0;
    for (unsigned i = slot; i > 0; i -= i & -i)
        sum += k->slots[i];
    return sum;
}

/* The difference of two sums. */
uint64_t keydir_slot_count(const keydir *k, unsigned slot) {
    CHECK(k->slots && slot < SLOTS);
    return slots_before(k, slot + 1) - slots_before(k, slot);
}

/* The slot of the entry that has `rank` others in slots before its own or in it. */
static unsigned slot_of_rank(const keydir *k, uint64_t rank) {
    unsigned slot = 0;
    for (unsigned step = SLOTS; step > 0; step /= 2) {
        if (slot + step > SLOTS || k->slots[slot + step] > rank) continue;
        slot += step;
        rank -= k->slots[slot];
    }
    CHECK(slot < SLOTS);
    return slot;
}

/* ---- picking ----------------------------------------------------------------------------------
 */

/* An entry of the n whose x are in first .. last, or ARENA_NONE if this try found none. */
static arena_ref try_range(const keydir *k, rng *r, uint64_t first, uint64_t last, uint64_t n) {
    CHECK(n > 0 && first < last);
    uint64_t width = last - first, end; /* widths here are one less than what they measure */
    uint64_t x = first + (width == UINT64_MAX ? rng_next(r) : rng_below(r, width + 1));
    arena_ref at = keydir_page_around(k, x, &end);
    if (!at) return ARENA_NONE;
    const page *p = keydir_object(k, at);
    uint64_t low = prefix_of(x, p->depth), high = end - 1;
    unsigned from = low < first ? page_seek(k, p, first) : 0;
    unsigned to = high > last ? page_seek(k, p, last + 1) : p->count;
    if (low < first) low = first;
    if (high > last) high = last;
    unsigned __int128 share = (unsigned __int128)(5 * n / 2 + 1) * ((high - low) >> 1);
    uint64_t room = (uint64_t)(share / ((width >> 1) + 1)) + 1;
    CHECK(from <= to);
    uint64_t i = from + rng_below(r, room > to - from ? room : to - from);
    return i < to ? slot_ref(p, (unsigned)i) : ARENA_NONE;
}

/* Two tries in five succeed, whatever the keys; only the range and the count that a try is made
 * with differ between the modes. */
arena_ref keydir_random(const keydir *k, rng *r) {
    if (k->count == 0) return ARENA_NONE;
    uint64_t first = 0, last = UINT64_MAX, n = k->count, token = 0;
    if (k->slots) {
        unsigned slot = slot_of_rank(k, rng_below(r, k->count));
        n = keydir_slot_count(k, slot);
        token = (uint64_t)slot << TOKEN_HASH_BITS;
        first = keydir_warp(k, token);
        last = keydir_warp(k, token | (((uint64_t)1 << TOKEN_HASH_BITS) - 1));
    }
    CHECK(n > 0 && n <= k->count);
    for (int tries = 0; tries < 100; tries++) {
        arena_ref found = try_range(k, r, first, last, n);
        if (found) return found;
    }
    /* Chance has it so once in 10^22, or the tests' tokens, of which few bits count. */
    keydir_iter it;
    keydir_seek(k, token, &it);
    return keydir_next(&it, NULL);
}
