/* Derived subkeys. A start that has lost them makes them again with these functions, so what they
 * make of given bytes never changes. */
#include "keyspace/keyenc.h"

#include "base/log.h"
#include "keyspace/keyspace.h"

bool keyenc_derive_head(uint8_t type, slice value, int64_t expire, char head[KEYENC_HEAD]) {
    if (type == KEY_ZSET) {
        CHECK(value.len == KEYENC_SCORE);
        memcpy(head, value.data, KEYENC_SCORE);
        return true;
    }
    if (type != KEY_HASH || expire == ENGINE_NO_EXPIRE) return false;
    put_be64(head, (uint64_t)expire);
    return true;
}

bool keyenc_derive(uint8_t type, slice subkey, slice value, int64_t expire, buf *out) {
    char head[KEYENC_HEAD];
    if (type != KEY_ZSET && type != KEY_HASH) return false;
    CHECK(subkey.len >= KEYENC_PREFIX);
    if (!keyenc_derive_head(type, value, expire, head)) return false;
    buf_append(out, head, sizeof head);
    buf_append_slice(out, slice_skip(subkey, KEYENC_PREFIX));
    return true;
}

const engine_derive keyenc_derived = {
    .types = 1u << KEY_ZSET | 1u << KEY_HASH,
    .by_value = 1u << KEY_ZSET,
    .subkey = keyenc_derive,
};
