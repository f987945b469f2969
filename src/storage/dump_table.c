/* dump_table: entries of tables, for people.
 *
 *     pdb 1 MAIN place 3f2a... "name": present "\x00..."
 *     pdb 1 SUB coll 7: drop
 *
 * What keys look like is the LSM engine's affair (engine/lsm/README.md); here they are only shown,
 * and a key that does not look like one of its keys is shown as bytes. */
#include "storage/dump_table.h"

#include "base/log.h"
#include "storage/compress.h"
#include "storage/lines.h"
#include "storage/table_format.h"

#define SHOWN 60 /* bytes of a key or cell */

static const char *const kinds[] = {
    [1] = "MAIN", [2] = "VAL", [3] = "SUB", [4] = "COLL", [5] = "DUE"};
static const char *const tags[TABLE_TAGS] = {"tombstone", "drop", "present"};

/* For the line of the record. */
const char *dump_block_name(unsigned type) {
    static const char *const names[] = {"unknown", "data", "partition", "top index", "properties"};
    CHECK(type <= UINT8_MAX);
    return names[type <= TABLE_PROPS ? type : 0];
}

static uint32_t load_be32(const char *p) {
    return __builtin_bswap32(load_u32(p));
}

/* pdb, kind, and what the kind calls for. */
static void put_key(slice key, buf *out) {
    CHECK(key.len == 0 || key.data);
    unsigned kind = key.len >= 13 ? (unsigned char)key.data[4] : 0;
    if (kind == 0 || kind >= sizeof kinds / sizeof *kinds) {
        buf_printf(out, "key ");
        lines_quote(out, key, SHOWN);
        return;
    }
    unsigned long long id = load_be64(key.data + 5);
    slice rest = slice_skip(key, 13);
    buf_printf(out, "pdb %u %s", load_be32(key.data), kinds[kind]);
    switch (kind) {
    case 1:
    case 2: buf_printf(out, " place %016llx ", id); break;
    case 5: buf_printf(out, " time %lld place ", (long long)id); break;
    default: buf_printf(out, " coll %llu", id);
    }
    if (kind == 3 && rest.len) {
        buf_printf(out, " map %u ", (unsigned char)rest.data[0]);
        rest = slice_skip(rest, 1);
    } else if (kind >= 3 && kind != 5 && rest.len == 0) {
        return;
    }
    lines_quote(out, rest, SHOWN);
}

/* The tag in words, the rest as bytes. */
static void put_cell(slice cell, buf *out) {
    CHECK(cell.len > 0);
    unsigned tag = (unsigned char)cell.data[0];
    buf_printf(out, ": %s", tag < TABLE_TAGS ? tags[tag] : "a cell of no kind");
    if (cell.len == 1) return;
    buf_append_char(out, ' ');
    lines_quote(out, slice_skip(cell, 1), SHOWN);
}

/* A line an entry. */
static void put_entries(slice block, buf *out) {
    CHECK(block_count(block) > 0);
    CHECK(block.len > 0);
    block_iter i = {0};
    block_iter_set(&i, block);
    for (block_iter_first(&i); i.at; block_iter_next(&i)) {
        put_key(buf_slice(&i.key), out);
        put_cell(i.cell, out);
        buf_append_char(out, '\n');
    }
    block_iter_free(&i);
}

/* A line a block of the index. */
static void put_index(slice block, buf *out) {
    slice prefix, rest, cell;
    buf key = {0};
    CHECK(block.len > 0);
    for (uint32_t i = 0; i < block_count(block); i++) {
        block_index_entry(block, i, &prefix, &rest, &cell);
        buf_clear(&key);
        buf_append_slice(&key, prefix);
        buf_append_slice(&key, rest);
        CHECK(key.len == prefix.len + rest.len);
        if (cell.len >= TABLE_EXTENT_CELL) {
            table_extent e = table_extent_of(cell);
            buf_printf(out, "block at %u, %u bytes, from key ", e.at, e.size);
        }
        lines_quote(out, buf_slice(&key), SHOWN);
        buf_append_char(out, '\n');
    }
    buf_free(&key);
}

/* The counts. */
static void put_props(const table_props *p, buf *out) {
    CHECK(p->blocks <= p->entries);
    CHECK(p->partitions <= p->blocks);
    buf_printf(out, "%u blocks of about %u bytes%s, %u partitions, index at %u\n", p->blocks,
               p->block_size, p->lz4 ? ", LZ4" : "", p->partitions, p->top_at);
    buf_printf(out, "%llu entries, %llu tombstones, %llu hidden by drops, %llu plain bytes\n",
               (unsigned long long)p->entries, (unsigned long long)p->tombstones,
               (unsigned long long)p->hidden, (unsigned long long)p->plain_bytes);
    buf_printf(out, "filters of %u bits a key over %llu keys\n", p->bloom_bits,
               (unsigned long long)p->filter_keys);
}

/* By its type; nothing is shown of what is not whole. */
static bool put_block(unsigned type, slice body, uint32_t offset, uint32_t length, buf *out) {
    buf scratch = {0};
    table_props props;
    bool good = false;
    CHECK(offset >= FILE_HEADER);
    switch (type) {
    case TABLE_DATA:
        good = block_valid(body, BLOCK_EVERY, TABLE_KEY_MAX, &scratch);
        if (good) put_entries(body, out);
        break;
    case TABLE_PART:
        good = table_part_valid(body, offset, &scratch);
        if (good) {
            table_part part = table_part_of(body);
            buf_printf(out, "filter of %zu bytes\n", part.filter.len);
            put_index(part.index, out);
        }
        break;
    case TABLE_TOP:
        good = block_valid(body, 1, TABLE_KEY_MAX, &scratch);
        if (good) put_index(body, out);
        break;
    case TABLE_PROPS:
        good = table_props_decode(body, length, &props);
        if (good) put_props(&props, out);
        break;
    default: break;
    }
    buf_free(&scratch);
    return good;
}

/* The record's checksums were right; its body may still be anything. */
void dump_block(const record *r, uint32_t offset, uint32_t length, buf *out) {
    CHECK(r->kind == RECORD_BLOCK);
    buf plain = {0};
    slice body = r->body;
    status st = STATUS_OK;
    if (r->flags & RECORD_LZ4) {
        st = compress_block_undo(r->body, &plain);
        body = buf_slice(&plain);
    }
    if (!status_ok(st))
        buf_printf(out, "%s\n", st.msg);
    else if (!put_block(r->type, body, offset, length, out))
        buf_printf(out, "a block that makes no sense\n");
    CHECK(out->len > 0);
    buf_free(&plain);
}
