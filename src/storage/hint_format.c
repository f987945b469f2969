/* hint_format: the footer of a hint file, which entry goes where, and the filters' hashes.
 *
 *     0        8         16                      144         176
 *     |segment |records  |16 counts by kind      |4 x u64    |where and how long: keys, elements|
 *     |length  |         |                       |engine's   |
 *
 * The footer has a fixed size and comes last, so that a reader that wants only the filters finds it
 * from the file's end. Counts are by record kind, with room for kinds to come. */
#include "storage/hint_format.h"

#include "base/codec.h"
#include "base/log.h"

enum { AT_RECORDS = 8, AT_ENTRIES = 16, AT_USER = 144, AT_FILTERS = 176 };

_Static_assert(AT_FILTERS + 16 == HINT_FOOTER_SIZE, "the footer's fields fill it");
_Static_assert(RECORD_KINDS <= 16, "the footer counts up to 16 kinds");

/* Field by field, in the order of README.md. */
void hint_footer_encode(char out[HINT_FOOTER_SIZE], const hint_info *info,
                        const hint_filters_at *at) {
    CHECK(info->segment > 0);
    char *p = put_u32(put_u32(out, info->segment), info->segment_length);
    p = put_u64(p, info->records);
    for (int i = 0; i < 16; i++)
        p = put_u64(p, info->entries[i]);
    for (int i = 0; i < 4; i++)
        p = put_u64(p, info->user[i]);
    CHECK(p == out + AT_FILTERS);
    p = put_u32(put_u32(p, at->keys_at), at->keys_bytes);
    p = put_u32(put_u32(p, at->elems_at), at->elems_bytes);
    CHECK(p == out + HINT_FOOTER_SIZE);
}

/* Fixed size: the footer is found from the file's end. */
bool hint_footer_decode(slice body, hint_info *info, hint_filters_at *at) {
    CHECK(body.len == 0 || body.data);
    *info = (hint_info){0};
    *at = (hint_filters_at){0};
    if (body.len != HINT_FOOTER_SIZE) return false;
    const char *p = body.data, *filters = body.data + AT_FILTERS;
    info->segment = load_u32(p);
    info->segment_length = load_u32(p + 4);
    info->records = load_u64(p + AT_RECORDS);
    for (int i = 0; i < 16; i++)
        info->entries[i] = load_u64(p + AT_ENTRIES + 8 * i);
    for (int i = 0; i < 4; i++)
        info->user[i] = load_u64(p + AT_USER + 8 * i);
    at->keys_at = load_u32(filters);
    at->keys_bytes = load_u32(filters + 4);
    at->elems_at = load_u32(filters + 8);
    at->elems_bytes = load_u32(filters + 12);
    return at->keys_bytes % FILTER_BLOCK == 0 && at->elems_bytes % FILTER_BLOCK == 0;
}

/* IDLE and BEGIN records are in no hint. */
unsigned hint_block_of(unsigned kind) {
    CHECK(kind <= UINT8_MAX);
    switch (kind) {
    case RECORD_FLUSH:
    case RECORD_SWAP: return HINT_ORDER;
    case RECORD_PUT:
    case RECORD_DEL: return HINT_MAIN;
    case RECORD_DROP:
    case RECORD_MAP_PUT:
    case RECORD_MAP_DEL: return HINT_MAP;
    default: return 0;
    }
}

/* As for records (record.c), and HINT_INLINE for what has a value. */
unsigned hint_flags_of(unsigned kind) {
    CHECK(kind <= UINT8_MAX);
    unsigned keyed = RECORD_NEW | RECORD_HIDES;
    unsigned valued = keyed | RECORD_LZ4 | RECORD_EXPIRE | HINT_INLINE;
    switch (kind) {
    case RECORD_PUT: return valued | RECORD_COLL;
    case RECORD_MAP_PUT: return valued;
    case RECORD_DEL:
    case RECORD_MAP_DEL: return keyed;
    default: return 0;
    }
}

/* The three differ in their constants, so that a pdb's token is no collection's id. */
uint64_t hint_hash_main(uint32_t pdb, uint64_t token) {
    CHECK(token >> TOKEN_BITS == 0);
    return token + (uint64_t)pdb * 0x9e3779b97f4a7c15u;
}

/* Ids follow each other; the filter mixes. */
uint64_t hint_hash_coll(uint64_t coll) {
    return coll * 0xd6e8feb86659fd93u + 0x632be59bd9b4e019u;
}

/* The store's key, changed by collection and map: nobody outside can make elements collide. */
uint64_t hint_hash_elem(hash_key key, uint64_t coll, unsigned map, slice subkey) {
    CHECK(map < RECORD_MAP_MAX);
    key.k0 ^= coll * 0xa0761d6478bd642fu;
    key.k1 += map;
    return siphash13(key, subkey.data, subkey.len);
}
