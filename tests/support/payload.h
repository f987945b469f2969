/* payload: the end of RDB payloads that tests make. */
#ifndef STAVE_TESTS_SUPPORT_PAYLOAD_H
#define STAVE_TESTS_SUPPORT_PAYLOAD_H

#include "base/codec.h"
#include "base/crc64.h"

/* A good checksum as the last 8 bytes. */
static inline void payload_sign(char *p, size_t len) {
    put_u64(p + len - 8, crc64(0, p, len - 8));
}

#endif
