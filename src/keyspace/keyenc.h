/* keyenc: how the types' subkeys are built: the one place where their bytes are decided. */
#ifndef STAVE_KEYSPACE_KEYENC_H
#define STAVE_KEYSPACE_KEYENC_H

#include "base/codec.h"

#define KEYENC_CHUNK 4

/* A chunk's number in a long string: 4 bytes, big-endian, so that chunks come in order. */
static inline slice keyenc_chunk(char out[KEYENC_CHUNK], uint32_t number) {
    put_u32(out, __builtin_bswap32(number));
    return slice_of(out, KEYENC_CHUNK);
}
/* REQUIRES: the length is KEYENC_CHUNK. */
static inline uint32_t keyenc_chunk_number(slice subkey) {
    return __builtin_bswap32(load_u32(subkey.data));
}

#endif
