/* Whether a payload may be loaded: its footer, its structure, no duplicates, nothing that is longer
 * than this server takes. What can be wrong is found before anything is changed, so that a refused
 * payload leaves nothing, in a transaction either, at the price of decoding twice.
 *
 * Duplicates (members, fields, groups, consumers of a group) are found by 64-bit hashes under a key
 * that is made at the first use, in a table of at most half of its places: 16 to 32 bytes an
 * element, of which the payload has two or more. That two of 10 million differ and have one hash is
 * as likely as one in 300,000; such a payload would be refused. */
#include "base/codec.h"
#include "base/crc64.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "rdb/rdb.h"
#include "types/stream_group.h"

#define PLACES_MIN 64

/* What was seen so far. */
typedef struct check {
    uint64_t *places; /* hashes, 0: free */
    size_t size, used;
    uint64_t groups;
    rdb_fault fault;
} check;

static hash_key secret;

/* The hash of a name; `within` tells apart what may have the same ones. Never 0. */
static uint64_t hash_of(uint64_t within, slice name) {
    if (!secret.k0 && !secret.k1) rand_bytes(&secret, sizeof secret);
    hash_key key = {secret.k0, secret.k1 ^ within};
    uint64_t h = siphash13(key, name.data, name.len);
    return h ? h : 1;
}

/* Puts h in its place; false if it is there. */
static bool place(uint64_t *places, size_t size, uint64_t h) {
    size_t i = (size_t)h & (size - 1);
    for (; places[i]; i = (i + 1) & (size - 1))
        if (places[i] == h) return false;
    places[i] = h;
    return true;
}

/* Twice as many places. */
static void grow(check *k) {
    size_t size = k->size ? k->size * 2 : PLACES_MIN;
    uint64_t *places = mem_zalloc(size * sizeof *places);
    for (size_t i = 0; i < k->size; i++)
        if (k->places[i]) CHECK(place(places, size, k->places[i]));
    mem_free(k->places);
    k->places = places;
    k->size = size;
}

/* ENGINE_ABSENT if it was seen before. */
static engine_result once(check *k, uint64_t within, slice name) {
    if (k->used * 2 >= k->size) grow(k);
    k->used++;
    return place(k->places, k->size, hash_of(within, name)) ? ENGINE_OK : ENGINE_ABSENT;
}

/* ENGINE_ABSENT, with the fault, if it is too long for a subkey. */
static engine_result short_enough(check *k, slice sub, size_t max) {
    if (sub.len <= max) return ENGINE_OK;
    k->fault = RDB_TOO_LONG;
    return ENGINE_ABSENT;
}

/* The sink of the first decoding. */
static engine_result look(void *ctx, const rdb_item *item) {
    check *k = ctx;
    uint64_t within = 0;
    size_t max = EL_SUB_MAX;
    switch (item->kind) {
    case RDB_ITEM_MEMBER:
    case RDB_ITEM_SCORED:
    case RDB_ITEM_FIELD: break;
    case RDB_ITEM_GROUP:
        k->groups++;
        max = STREAM_NAME_MAX;
        break;
    case RDB_ITEM_CONSUMER:
        within = k->groups;
        max = STREAM_NAME_MAX;
        break;
    case RDB_ITEM_ENTRY:
        if (stream_entry_size(item->parts, item->nparts) <= EL_VALUE_MAX) return ENGINE_OK;
        k->fault = RDB_TOO_LONG;
        return ENGINE_ABSENT;
    default: return ENGINE_OK;
    }
    engine_result r = short_enough(k, item->a, max);
    return r == ENGINE_OK ? once(k, within, item->a) : r;
}

bool rdb_footer_is_good(slice payload) {
    if (payload.len < RDB_FOOTER) return false;
    const char *p = payload.data + payload.len - RDB_FOOTER;
    if (load_u16(p) > RDB_VERSION_MAX) return false;
    return crc64(0, payload.data, payload.len - 8) == load_u64(p + 2);
}

/* The table of what was seen goes with the call. */
rdb_fault rdb_check(slice payload) {
    check k = {.fault = RDB_MALFORMED};
    if (!rdb_footer_is_good(payload)) return RDB_BAD_FOOTER;
    engine_result r = rdb_decode(rdb_body(payload), look, &k);
    mem_free(k.places);
    return r == ENGINE_OK ? RDB_FINE : k.fault;
}
