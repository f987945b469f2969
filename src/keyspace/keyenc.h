/* keyenc: how the types' subkeys are built: the one place where their bytes are decided.
 *
 * Numbers are big-endian, so that memcmp order is theirs. */
#ifndef STAVE_KEYSPACE_KEYENC_H
#define STAVE_KEYSPACE_KEYENC_H

#include "base/codec.h"
#include "engine/engine.h"

#define KEYENC_CHUNK 4
#define KEYENC_PREFIX                                                                              \
    4 /* bytes of hash before a member of a set, a sorted set, a field of a hash */
#define KEYENC_SCORE    8
#define KEYENC_POSITION 8

static inline char *put_be32(char *p, uint32_t v) {
    return put_u32(p, __builtin_bswap32(v));
}
static inline uint32_t load_be32(const char *p) {
    return __builtin_bswap32(load_u32(p));
}

/* A chunk's number in a long string, so that chunks come in order. */
static inline slice keyenc_chunk(char out[KEYENC_CHUNK], uint32_t number) {
    put_be32(out, number);
    return slice_of(out, KEYENC_CHUNK);
}
/* REQUIRES: the length is KEYENC_CHUNK. */
static inline uint32_t keyenc_chunk_number(slice subkey) {
    return load_be32(subkey.data);
}

/* A position in a list, so that elements come in order. */
static inline slice keyenc_position(char out[KEYENC_POSITION], uint64_t position) {
    put_be64(out, position);
    return slice_of(out, KEYENC_POSITION);
}
/* REQUIRES: the length is KEYENC_POSITION. */
static inline uint64_t keyenc_position_of(slice subkey) {
    return load_be64(subkey.data);
}

/* The hash of a member, which goes before it: members come in the order of their hashes, so that a
 * cursor is a place and a random hash finds a random member. */
static inline uint32_t keyenc_prefix(engine *e, slice member) {
    return (uint32_t)engine_token(e, member);
}

/* A score as bytes whose order is the scores' order; -0 is 0. REQUIRES: not NaN. */
static inline slice keyenc_score(char out[KEYENC_SCORE], double score) {
    uint64_t bits;
    score = score == 0 ? 0 : score;
    memcpy(&bits, &score, sizeof bits);
    put_be64(out, bits >> 63 ? ~bits : bits | (uint64_t)1 << 63);
    return slice_of(out, KEYENC_SCORE);
}
/* Of the first KEYENC_SCORE bytes there. */
static inline double keyenc_score_of(const char *p) {
    uint64_t bits = load_be64(p);
    double score;
    bits = bits >> 63 ? bits & ~((uint64_t)1 << 63) : ~bits;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* The derived map of each type (engine_derive):
 *
 *   sorted set   map 0: hash ‖ member -> keyenc_score     derived: those 8 bytes ‖ member
 *   hash         map 0: hash ‖ field -> value, expire     derived: be64 expire time ‖ field
 *
 * So a derived subkey is always KEYENC_HEAD bytes and the bare member. Writes these bytes; false if
 * the element has no derived one. */
#define KEYENC_HEAD 8
bool keyenc_derive_head(uint8_t type, slice value, int64_t expire, char head[KEYENC_HEAD]);
/* The same for an engine: `subkey` is the engine's, with its prefix. */
bool keyenc_derive(uint8_t type, slice subkey, slice value, int64_t expire, buf *out);
extern const engine_derive keyenc_derived;

/* Streams. An entry's ID in the order of time; the numbers that groups and consumers have in their
 * keys, of 48 bits, are never used again in the life of a key. Returns the byte after. */
#define KEYENC_ID     16
#define KEYENC_NUMBER 6
static inline char *keyenc_put_id(char *p, uint64_t ms, uint64_t seq) {
    return put_be64(put_be64(p, ms), seq);
}
static inline char *keyenc_put_number(char *p, uint64_t number) {
    char all[8];
    put_be64(all, number);
    memcpy(p, all + sizeof all - KEYENC_NUMBER, KEYENC_NUMBER);
    return p + KEYENC_NUMBER;
}
/* Of the first KEYENC_NUMBER bytes there. */
static inline uint64_t keyenc_number_of(const char *p) {
    char all[8] = {0};
    memcpy(all + sizeof all - KEYENC_NUMBER, p, KEYENC_NUMBER);
    return load_be64(all);
}

#endif
