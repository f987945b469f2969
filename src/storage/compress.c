/* compress: values through LZ4's block format.
 *
 * A compressed value costs time at each read, so it is kept only when it saves an eighth: the
 * output buffer is made that much smaller, and LZ4 gives up by itself when it does not fit. The
 * plain length comes from the disk, so before memory is asked for it is compared with what the
 * compressed bytes could hold: LZ4 expands at most 255 times. */
#include "storage/compress.h"

#include <lz4.h>

#include "base/log.h"
#include "storage/record.h"

#define EXPANDS_MAX 255 /* bytes that one byte of LZ4 stands for, at most */

_Static_assert(RECORD_VALUE_MAX < LZ4_MAX_INPUT_SIZE, "a value is one LZ4 block");

/* The output buffer is an eighth smaller than the input: LZ4 fails by itself where it is not
 * worth it. */
bool compress_value(slice plain, buf *scratch, slice *out) {
    CHECK(plain.len == 0 || plain.data);
    *out = SLICE_EMPTY;
    CHECK(plain.len <= RECORD_VALUE_MAX);
    buf_clear(scratch);
    if (plain.len < COMPRESS_MIN) return false;
    size_t most = plain.len - plain.len / 8;
    char *to = buf_reserve(scratch, most);
    int n = LZ4_compress_default(plain.data, to, (int)plain.len, (int)most);
    if (n <= 0) return false;
    CHECK((size_t)n <= most);
    scratch->len = (size_t)n;
    *out = buf_slice(scratch);
    return true;
}

/* Memory is asked for only after the lengths have been compared. */
status compress_undo(slice packed, uint64_t plain_len, uint64_t max, buf *out) {
    CHECK(packed.len == 0 || packed.data);
    CHECK(max <= RECORD_VALUE_MAX);
    if (plain_len > max || packed.len == 0 || packed.len > max ||
        plain_len > (uint64_t)packed.len * EXPANDS_MAX)
        return status_make(ST_CORRUPT, "%zu compressed bytes can't hold %llu", packed.len,
                           (unsigned long long)plain_len);
    char *to = buf_reserve(out, (size_t)plain_len);
    int n = LZ4_decompress_safe(packed.data, to, (int)packed.len, (int)plain_len);
    if (n < 0 || (uint64_t)n != plain_len)
        return status_make(ST_CORRUPT, "%zu compressed bytes do not give %llu", packed.len,
                           (unsigned long long)plain_len);
    out->len += (size_t)n;
    CHECK(out->len <= out->cap);
    return STATUS_OK;
}
