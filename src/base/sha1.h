/* sha1: the digest by which scripts are named (FIPS 180-4). Not for secrets. */
#ifndef STAVE_BASE_SHA1_H
#define STAVE_BASE_SHA1_H

#include "base/slice.h"

#define SHA1_HEX_LEN 40

/* Forty hexadecimal digits in lower case, and a NUL. */
void sha1_hex(slice s, char out[SHA1_HEX_LEN + 1]);

#endif
