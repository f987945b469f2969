/* table_format: the fixed parts of a table file: properties, partitions, and what a block's record
 * must be.
 *
 * PROPS comes last and has a fixed size, so that it is found from the file's length, which the
 * manifest has. It says where the TOP blocks begin, they say where the partitions are, and those
 * where the data blocks are. Places are given twice, as the parts lie one behind the other without
 * a gap: so a table can also be read from front to end, and what says where a block is can be
 * verified. */
#include "storage/table_format.h"

#include "base/log.h"
#include "storage/compress.h"

/* Field by field, in the order of README.md. */
void table_props_encode(char out[TABLE_PROPS_SIZE], const table_props *t) {
    CHECK(t->top_at >= FILE_HEADER && t->partitions <= t->blocks);
    char *p = put_u32(put_u32(out, t->top_at), t->blocks);
    p = put_u32(put_u32(p, t->partitions), t->block_size);
    *p++ = (char)t->bloom_bits;
    *p++ = (char)t->lz4;
    memset(p, 0, 6);
    p = put_u64(put_u64(put_u64(p + 6, t->entries), t->tombstones), t->hidden);
    p = put_u64(put_u64(p, t->plain_bytes), t->filter_keys);
    CHECK(p == out + TABLE_PROPS_SIZE);
}

/* Numbers that contradict each other are refused, whatever the checksums say. */
bool table_props_decode(slice body, uint32_t length, table_props *t) {
    CHECK(body.len == 0 || body.data);
    *t = (table_props){0};
    if (body.len != TABLE_PROPS_SIZE || length < TABLE_LENGTH_MIN) return false;
    const char *p = body.data;
    t->top_at = load_u32(p);
    t->blocks = load_u32(p + 4);
    t->partitions = load_u32(p + 8);
    t->block_size = load_u32(p + 12);
    t->bloom_bits = (uint8_t)p[16];
    t->lz4 = (uint8_t)p[17];
    t->entries = load_u64(p + 24);
    t->tombstones = load_u64(p + 32);
    t->hidden = load_u64(p + 40);
    t->plain_bytes = load_u64(p + 48);
    t->filter_keys = load_u64(p + 56);
    bool zeros = (load_u64(p + 16) >> 16) == 0;
    bool empty = t->top_at == TABLE_PROPS_AT(length);
    return zeros && t->top_at >= FILE_HEADER && t->top_at <= TABLE_PROPS_AT(length) &&
           t->partitions <= t->blocks && t->blocks <= t->entries && t->lz4 <= 1 &&
           t->bloom_bits <= FILTER_BITS_MAX && t->filter_keys <= t->entries &&
           t->tombstones <= t->entries && (t->hidden == 0 || t->tombstones < t->entries) &&
           empty == (t->partitions == 0) && empty == (t->blocks == 0) && empty == (t->entries == 0);
}

/* Blocks lie without a gap, and end where the partition begins. */
bool table_part_valid(slice body, uint32_t at, buf *scratch) {
    CHECK(at >= FILE_HEADER && (body.len == 0 || body.data));
    if (body.len < TABLE_PART_HEAD) return false;
    uint32_t filter = load_u32(body.data);
    uint64_t head = load_u64(body.data);
    unsigned probes = (unsigned char)body.data[4];
    if (head >> 40 || filter % FILTER_BLOCK || filter > body.len - TABLE_PART_HEAD ||
        probes > FILTER_PROBES_MAX || (filter && !probes))
        return false;
    slice index = table_part_of(body).index, prefix, rest, cell;
    if (!block_valid(index, 1, TABLE_KEY_MAX, scratch)) return false;
    uint64_t end = 0;
    for (uint32_t i = 0; i < block_count(index); i++) {
        block_index_entry(index, i, &prefix, &rest, &cell);
        if (cell.len != TABLE_EXTENT_CELL) return false;
        table_extent e = table_extent_of(cell);
        if (e.at < FILE_HEADER || e.size <= RECORD_HEADER || (i > 0 && e.at != end)) return false;
        end = (uint64_t)e.at + e.size;
    }
    CHECK(end > 0);
    return end == at;
}

/* The record's own checks first, then what this file needs of it. */
status table_decode(const char *path, uint64_t store_id, uint32_t number, table_extent e,
                    unsigned type, const char *raw, buf *out) {
    CHECK(out->len == 0 && e.size >= RECORD_HEADER);
    record r;
    record_result got = record_read(raw, e.size, (record_place){store_id, number, e.at}, &r);
    if (got != RECORD_OK)
        return status_make(ST_CORRUPT, "%s: the block at offset %u is damaged: %s", path, e.at,
                           record_result_text(got));
    if (r.kind != RECORD_BLOCK || r.type != type || r.size != e.size ||
        (r.flags & RECORD_FRAME_FLAGS) || ((r.flags & RECORD_LZ4) && type != TABLE_DATA))
        return status_make(ST_CORRUPT, "%s: not the block that should be at offset %u", path, e.at);
    if (!(r.flags & RECORD_LZ4)) {
        buf_append_slice(out, r.body);
        return STATUS_OK;
    }
    status st = compress_block_undo(r.body, out);
    CHECK(out->len <= RECORD_BODY_MAX);
    if (status_ok(st)) return st;
    return status_make(ST_CORRUPT, "%s: the block at offset %u: %s", path, e.at, st.msg);
}
