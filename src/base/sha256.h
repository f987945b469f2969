/* sha256: the secure hash of FIPS 180-4, for passwords and digests; not for data. */
#ifndef STAVE_BASE_SHA256_H
#define STAVE_BASE_SHA256_H

#include "base/slice.h"

#define SHA256_BYTES 32
#define SHA256_HEX   64

void sha256(const void *p, size_t n, unsigned char out[SHA256_BYTES]);
/* The same in lower-case hexadecimal digits, without a NUL. */
void sha256_hex(const void *p, size_t n, char out[SHA256_HEX]);
/* n bytes, in a time that does not depend on what they are. */
bool bytes_same(const void *a, const void *b, size_t n);

#endif
