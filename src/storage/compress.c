/* compress: values, and blocks of tables, through LZ4's block format.
 *
 * A compressed value costs time at each read, so it is kept only when it saves an eighth: the
 * output buffer is made that much smaller, and LZ4 gives up by itself when it does not fit. The
 * plain length comes from the disk, so before memory is asked for it is compared with what the
 * compressed bytes could hold: LZ4 expands at most 255 times. */
#include "storage/compress.h"

#include <lz4.h>

#include "base/codec.h"
#include "base/log.h"
#include "storage/record.h"

#define EXPANDS_MAX 255 /* bytes that one byte of LZ4 stands for, at most */

_Static_assert(RECORD_BODY_MAX < LZ4_MAX_INPUT_SIZE, "a value, or a block, is one LZ4 block");

/* Appends what plain compresses to; false if that saves less than an eighth: the output buffer is
 * that much smaller than the input, so LZ4 fails by itself where it is not worth it. */
static bool pack(slice plain, buf *scratch) {
    CHECK(plain.len == 0 || plain.data);
    if (plain.len < COMPRESS_MIN) return false;
    size_t most = plain.len - plain.len / 8;
    char *to = buf_reserve(scratch, most);
    int n = LZ4_compress_default(plain.data, to, (int)plain.len, (int)most);
    if (n <= 0) return false;
    CHECK((size_t)n <= most);
    scratch->len += (size_t)n;
    return true;
}

/* The plain length goes to the record, apart. */
bool compress_value(slice plain, buf *scratch, slice *out) {
    CHECK(plain.len <= RECORD_VALUE_MAX);
    *out = SLICE_EMPTY;
    buf_clear(scratch);
    if (!pack(plain, scratch)) return false;
    CHECK(scratch->len < plain.len);
    *out = buf_slice(scratch);
    return true;
}

/* A table's record is all block: the plain length comes first. */
bool compress_block(slice plain, buf *scratch, slice *out) {
    CHECK(plain.len <= RECORD_BODY_MAX);
    *out = SLICE_EMPTY;
    buf_clear(scratch);
    char *p = buf_reserve(scratch, VARINT_MAX);
    scratch->len = (size_t)(put_varint(p, plain.len) - p);
    if (!pack(plain, scratch)) return false;
    CHECK(scratch->len < plain.len + VARINT_MAX);
    *out = buf_slice(scratch);
    return true;
}

/* Memory is asked for only after the lengths have been compared. */
static status undo(slice packed, uint64_t plain_len, uint64_t max, buf *out) {
    CHECK(packed.len == 0 || packed.data);
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

/* Of a record's value, whose plain length the record has. */
status compress_undo(slice packed, uint64_t plain_len, uint64_t max, buf *out) {
    CHECK(max <= RECORD_VALUE_MAX);
    return undo(packed, plain_len, max, out);
}

/* Of a block, which has its own. */
status compress_block_undo(slice packed, buf *out) {
    CHECK(packed.len <= RECORD_BODY_MAX);
    uint64_t plain_len;
    if (!get_varint(&packed, &plain_len))
        return status_make(ST_CORRUPT, "a compressed block without a length");
    return undo(packed, plain_len, RECORD_BODY_MAX, out);
}
