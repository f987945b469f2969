/* table_format: the parts of a table file, in its order; for the table's own files and stave-check.
 *
 *     header | data data ... part | data ... part | ... | top ... | props
 *
 * Each part is a RECORD_BLOCK whose type says which. README.md draws their bodies. */
#ifndef STAVE_STORAGE_TABLE_FORMAT_H
#define STAVE_STORAGE_TABLE_FORMAT_H

#include "storage/filter.h"
#include "storage/table.h"
#include "storage/table_block.h"

/* On disk: never renumber. */
enum table_block_type {
    TABLE_DATA = 1,  /* entries */
    TABLE_PART = 2,  /* the filter and the index of the data blocks before it */
    TABLE_TOP = 3,   /* index of partitions */
    TABLE_PROPS = 4, /* fixed size, last */
};

#define TABLE_PART_BLOCKS      100         /* data blocks of a partition, at most */
#define TABLE_PART_INDEX       (16u << 10) /* bytes of its index after which it is closed */
#define TABLE_PART_FILTER      (16u << 10) /* and of its filter */
#define TABLE_TOP_SIZE         (64u << 10) /* bytes after which another TOP is begun */
#define TABLE_PROPS_SIZE       64
#define TABLE_PROPS_AT(length) ((length) - (RECORD_HEADER + TABLE_PROPS_SIZE))
#define TABLE_LENGTH_MIN       (FILE_HEADER + RECORD_HEADER + TABLE_PROPS_SIZE)

/* Where a block's record is. */
typedef struct table_extent {
    uint32_t at, size;
} table_extent;

/* What PROPS says. */
typedef struct table_props {
    uint32_t top_at; /* the first TOP; with no partitions, PROPS itself */
    uint32_t blocks, partitions;
    uint32_t block_size;
    uint8_t bloom_bits, lz4;
    uint64_t entries, tombstones, hidden, plain_bytes, filter_keys;
} table_props;

void table_props_encode(char out[TABLE_PROPS_SIZE], const table_props *p);
/* False if a field can't be; `length` is the file's. */
bool table_props_decode(slice body, uint32_t length, table_props *out);

/* A partition's body: u32 filter bytes, u8 probes (0: no filter), 3 zero bytes, filter, index. */
#define TABLE_PART_HEAD 8
typedef struct table_part {
    unsigned probes;
    slice filter, index;
} table_part;

/* Of a valid body. */
static inline table_part table_part_of(slice body) {
    uint32_t n = load_u32(body.data);
    return (table_part){(unsigned char)body.data[4], slice_of(body.data + TABLE_PART_HEAD, n),
                        slice_skip(body, TABLE_PART_HEAD + n)};
}
/* Verifies a partition that lies at `at`: its blocks lie one behind the other, up to it. */
bool table_part_valid(slice body, uint32_t at, buf *scratch);

/* The cells of indexes: where a block is; in TOP, where a partition is, and its first data block.
 */
#define TABLE_EXTENT_CELL 8
#define TABLE_TOP_CELL    12
static inline char *table_extent_put(char *p, table_extent e) {
    return put_u32(put_u32(p, e.at), e.size);
}
static inline table_extent table_extent_of(slice cell) {
    return (table_extent){load_u32(cell.data), load_u32(cell.data + 4)};
}

/* The body of the block at e, decompressed if need be, appended to *out, which is empty. `raw` are
 * the e.size bytes of the record. Verifies everything but what a DATA or TOP block has in itself.
 * ST_CORRUPT says what is wrong, with the path. */
status table_decode(const char *path, uint64_t store_id, uint32_t number, table_extent e,
                    unsigned type, const char *raw, buf *out);

#endif
