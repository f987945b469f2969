/* digest: a fingerprint of data, for DEBUG DIGEST; it depends on contents alone, not on the engine,
 * the way they came to be or are stored. */
#ifndef STAVE_SERVER_DIGEST_H
#define STAVE_SERVER_DIGEST_H

#include "keyspace/keyspace.h"

#define DIGEST_BYTES 20

typedef struct digest {
    unsigned char bytes[DIGEST_BYTES];
} digest;

/* Of one key's type and contents (not its name, not its expire time). ENGINE_ABSENT: zeros. */
engine_result digest_value(keyspace *ks, uint32_t db, slice key, digest *out);
/* Of everything: databases, names, types, contents, expire times. Zeros when there is nothing. */
engine_result digest_all(keyspace *ks, digest *out);
/* 40 hexadecimal digits and a NUL. */
void digest_hex(const digest *d, char out[2 * DIGEST_BYTES + 1]);

#endif
