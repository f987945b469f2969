/* table_write: a table from front to end.
 *
 * Three builders are filled at once: entries of the data block, separators of the partition's
 * index, separators of the top index. A data block that is closed gives the index an entry, a
 * partition that is closed gives the top index one. Blocks are closed before they would exceed
 * their size, so an entry that is larger than a block is one of its own.
 *
 * A separator is as short as it can be: the shortest beginning of a block's first key that is still
 * greater than the last key of the block before. Keys that begin with a hash differ early, so it is
 * a few bytes. A table's first separator is its first key. */
#include "storage/table_format.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/compress.h"
#include "storage/outfile.h"

#define HIDDEN_MAX ((uint64_t)1 << 40) /* keys that one drop counts for */

struct table_writer {
    outfile out;
    table_options o;
    block_builder data, index, top;
    filter_builder filter; /* of the partition */
    buf separator;         /* of the data block being filled */
    buf part_separator;    /* of the partition being filled */
    uint32_t part_begins;  /* its first data block */
    buf first, last;       /* keys of the table so far */
    buf tops;              /* TOP bodies that are closed, one behind the other */
    uint32_t *top_ends;    /* where in tops each ends */
    size_t ntops;
    table_props props;
    buf block, packed; /* scratch */
};

/* Only our own header; the file is new. */
status table_create(vfs *v, const char *path, const file_header *h, const table_options *o,
                    table_writer **out) {
    CHECK(h->kind == FILE_TABLE && h->number > 0);
    CHECK(o->block_size >= TABLE_BLOCK_MIN && o->block_size <= TABLE_BLOCK_MAX);
    CHECK(o->bloom_bits <= FILTER_BITS_MAX);
    *out = NULL;
    table_writer *w = mem_zalloc(sizeof *w);
    status st = outfile_create(&w->out, v, path, h, false);
    if (!status_ok(st)) {
        mem_free(w);
        return st;
    }
    w->o = *o;
    w->data.every = BLOCK_EVERY;
    w->index.every = w->top.every = 1;
    w->part_begins = FILE_HEADER;
    w->props = (table_props){
        .block_size = o->block_size, .bloom_bits = (uint8_t)o->bloom_bits, .lz4 = o->lz4};
    *out = w;
    return STATUS_OK;
}

/* Writes a block's record, compressed if it is told to be and worth it. */
static status put_block(table_writer *w, unsigned type, slice body, bool lz4, table_extent *e) {
    CHECK(body.len > 0 && body.len <= RECORD_BODY_MAX);
    record r = {.kind = RECORD_BLOCK, .type = (uint8_t)type, .body = body};
    if (lz4 && compress_block(body, &w->packed, &r.body)) r.flags = RECORD_LZ4;
    if (!(r.flags & RECORD_LZ4)) r.body = body;
    TRY(outfile_put(&w->out, &r, &e->at));
    e->size = r.size;
    return STATUS_OK;
}

/* ---- closing --------------------------------------------------------------------------------- */

/* Ends the data block: the index gets where it is. */
static status close_data(table_writer *w) {
    if (w->data.n == 0) return STATUS_OK;
    table_extent e;
    char cell[TABLE_EXTENT_CELL];
    buf_clear(&w->block);
    block_build(&w->data, &w->block);
    CHECK(w->block.len <= RECORD_BODY_MAX);
    TRY(put_block(w, TABLE_DATA, buf_slice(&w->block), w->o.lz4, &e));
    if (w->index.n == 0) {
        w->part_begins = e.at;
        buf_clear(&w->part_separator);
        buf_append_slice(&w->part_separator, buf_slice(&w->separator));
    }
    table_extent_put(cell, e);
    block_add(&w->index, buf_slice(&w->separator), slice_of(cell, sizeof cell));
    w->props.blocks++;
    return STATUS_OK;
}

/* Puts the TOP body that was gathered behind those before it. */
static void close_top(table_writer *w) {
    if (w->top.n == 0) return;
    block_build(&w->top, &w->tops);
    CHECK(w->tops.len <= UINT32_MAX);
    w->top_ends = mem_realloc(w->top_ends, (w->ntops + 1) * sizeof *w->top_ends);
    w->top_ends[w->ntops++] = (uint32_t)w->tops.len;
    CHECK(w->top.n == 0);
}

/* Ends the partition: the top index gets where it is, and where its data begins. */
static status close_part(table_writer *w) {
    TRY(close_data(w));
    if (w->index.n == 0) return STATUS_OK;
    table_extent e;
    char cell[TABLE_TOP_CELL];
    buf_clear(&w->block);
    char *head = buf_reserve(&w->block, TABLE_PART_HEAD);
    memset(head, 0, TABLE_PART_HEAD);
    w->block.len = TABLE_PART_HEAD;
    if (w->o.bloom_bits) {
        w->props.filter_keys += w->filter.n;
        filter_finish_of(&w->filter, w->o.bloom_bits, &w->block);
        put_u32(w->block.data, (uint32_t)(w->block.len - TABLE_PART_HEAD));
        w->block.data[4] = (char)filter_probes(w->o.bloom_bits);
    }
    block_build(&w->index, &w->block);
    TRY(put_block(w, TABLE_PART, buf_slice(&w->block), false, &e));
    put_u32(table_extent_put(cell, e), w->part_begins);
    slice key = buf_slice(&w->part_separator), where = slice_of(cell, sizeof cell);
    if (w->top.n && w->top.size + block_cost(&w->top, key, where) > TABLE_TOP_SIZE) close_top(w);
    block_add(&w->top, key, where);
    w->props.partitions++;
    CHECK(w->props.partitions <= w->props.blocks);
    return STATUS_OK;
}

/* True if the partition should not get another data block. */
static bool part_full(const table_writer *w) {
    CHECK(w->o.bloom_bits <= FILTER_BITS_MAX);
    return w->index.n >= TABLE_PART_BLOCKS || w->index.size >= TABLE_PART_INDEX ||
           w->filter.n * w->o.bloom_bits / 8 >= TABLE_PART_FILTER;
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* The separator of the block that begins with this key: see above. */
static void separate(table_writer *w, slice key) {
    slice last = buf_slice(&w->last);
    size_t n = last.len < key.len ? last.len : key.len, same = 0;
    while (same < n && last.data[same] == key.data[same])
        same++;
    CHECK(w->props.entries == 0 || same < key.len);
    buf_clear(&w->separator);
    buf_append(&w->separator, key.data, w->props.entries ? same + 1 : key.len);
}

/* No more than could ever be: sums must not overflow. */
uint64_t table_hidden_by(slice cell) {
    CHECK(cell.len > 0);
    if ((unsigned char)cell.data[0] != TABLE_DROP) return 0;
    slice rest = slice_skip(cell, 1);
    uint64_t n = 1;
    if (rest.len && (!get_varint(&rest, &n) || n == 0 || n > HIDDEN_MAX)) return 1;
    return n;
}

/* What table_add relies on, and what it counts. */
static void count(table_writer *w, slice key, slice cell) {
    CHECK(key.len <= TABLE_KEY_MAX && cell.len > 0 && cell.len <= TABLE_CELL_MAX);
    unsigned tag = (unsigned char)cell.data[0];
    CHECK(tag < TABLE_TAGS);
    if (w->props.entries == 0) buf_append_slice(&w->first, key);
    w->props.entries++;
    w->props.tombstones += tag == TABLE_TOMBSTONE;
    w->props.hidden += table_hidden_by(cell);
    w->props.plain_bytes += key.len + cell.len;
}

/* Blocks and partitions end in front of the entry that they have no room for. */
status table_add(table_writer *w, slice key, slice cell, uint64_t filter_hash) {
    CHECK(w->out.file);
    CHECK(w->props.entries == 0 || slice_cmp(buf_slice(&w->last), key) < 0);
    if (w->data.n && w->data.size + block_cost(&w->data, key, cell) > w->o.block_size)
        TRY(close_data(w));
    if (w->data.n == 0) {
        if (part_full(w)) TRY(close_part(w));
        separate(w, key);
    }
    count(w, key, cell);
    block_add(&w->data, key, cell);
    if (filter_hash && w->o.bloom_bits) filter_collect(&w->filter, filter_hash);
    buf_clear(&w->last);
    buf_append_slice(&w->last, key);
    return STATUS_OK;
}

/* What waits in the builders counts as it is. */
uint64_t table_bytes(const table_writer *w) {
    CHECK(w->out.file);
    return (uint64_t)outfile_length(&w->out) + w->data.size + w->index.size + w->top.size +
           w->tops.len + w->filter.n * w->o.bloom_bits / 8 + RECORD_HEADER + TABLE_PROPS_SIZE;
}

/* Tombstones and drops among them. */
uint64_t table_count(const table_writer *w) {
    CHECK(w->out.file);
    return w->props.entries;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Everything behind the data. */
static status put_end(table_writer *w) {
    CHECK(w->out.file);
    char props[TABLE_PROPS_SIZE];
    table_extent e;
    TRY(close_part(w));
    close_top(w);
    w->props.top_at = outfile_length(&w->out);
    for (size_t i = 0, from = 0; i < w->ntops; from = w->top_ends[i++]) {
        slice body = slice_of(w->tops.data + from, w->top_ends[i] - from);
        TRY(put_block(w, TABLE_TOP, body, false, &e));
    }
    table_props_encode(props, &w->props);
    CHECK(w->data.n == 0 && w->index.n == 0);
    return put_block(w, TABLE_PROPS, slice_of(props, sizeof props), false, &e);
}

/* The writer is gone afterwards; a file that could not be finished is the caller's to unlink. */
status table_finish(table_writer *w, table_summary *out) {
    CHECK(w->out.file);
    *out = (table_summary){0};
    status st = put_end(w);
    uint32_t length = outfile_length(&w->out);
    if (status_ok(st)) st = outfile_finish(&w->out);
    if (status_ok(st)) {
        const table_props *p = &w->props;
        *out = (table_summary){.length = length,
                               .blocks = p->blocks,
                               .partitions = p->partitions,
                               .entries = p->entries,
                               .tombstones = p->tombstones,
                               .hidden = p->hidden,
                               .plain_bytes = p->plain_bytes,
                               .first = w->first,
                               .last = w->last};
        w->first = w->last = (buf){0};
    }
    CHECK(!status_ok(st) || out->length >= TABLE_LENGTH_MIN);
    table_abandon(w);
    return st;
}

/* Nothing happens for NULL. */
void table_abandon(table_writer *w) {
    if (!w) return;
    CHECK(w->ntops == 0 || w->top_ends);
    outfile_abandon(&w->out);
    block_builder_free(&w->data);
    block_builder_free(&w->index);
    block_builder_free(&w->top);
    filter_builder_free(&w->filter);
    buf *const bufs[] = {&w->separator, &w->part_separator, &w->first, &w->last,
                         &w->tops,      &w->block,          &w->packed};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_free(bufs[i]);
    mem_free(w->top_ends);
    mem_free(w);
}
