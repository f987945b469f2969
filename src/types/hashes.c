/* A set of numbers: open addressing with steps of one, at most half full. Numbers may be small ones
 * in a row as well as hashes: a multiplication (Knuth's) spreads them over all places. */
#include "types/hashes.h"

void hashes_make(keyspace *ks, uint64_t n, hashes *out) {
    uint64_t size = 8;
    while (size < 2 * n)
        size *= 2;
    out->places = ks_alloc(ks, size * sizeof *out->places);
    memset(out->places, 0, size * sizeof *out->places);
    out->mask = size - 1;
}

/* Where the number is, or belongs. */
static uint64_t *place_of(const hashes *h, uint64_t number) {
    uint64_t at = (number * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    while (h->places[at & h->mask] && h->places[at & h->mask] != number)
        at++;
    return &h->places[at & h->mask];
}

bool hashes_add(hashes *h, uint64_t number) {
    number += number == 0;
    uint64_t *place = place_of(h, number);
    if (*place) return false;
    *place = number;
    return true;
}

bool hashes_has(const hashes *h, uint64_t number) {
    return *place_of(h, number + (number == 0)) != 0;
}
