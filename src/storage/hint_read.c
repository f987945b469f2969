/* hint_read: a hint file, checked as a whole before its first entry is given.
 *
 * A hint that turns out to be damaged when half of it has been applied would leave an index that is
 * half of one thing and half of another. So the file is read twice: once for the CRC of every
 * block, the order of the blocks and the footer, then for the entries; the second time it comes
 * from the page cache. What then still could be wrong with an entry (bytes that pass their CRC and
 * make no sense) is refused like damage. */
#include "storage/hint_format.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/logscan.h"

/* Read at once when entries are given: of many hints together. Two blocks. */
#define ENTRIES_PIECE (2 * HINT_BLOCK)

struct hint_reader {
    vfs_file *file;
    char *path;
    uint64_t store_id;
    hint_info info;
    hint_filters_at at;
    uint32_t size; /* of the file */
    logscan *scan;
    /* the block being read */
    unsigned block;
    uint32_t left; /* entries */
    slice rest;
    uint32_t pdb;
    uint64_t delta_from;
};

/* Whatever is wrong with a hint has one consequence. */
static status damaged(const char *path, const char *what) {
    CHECK(what[0] != '\0');
    return status_make(ST_CORRUPT, "%s: %s", path, what);
}

/* Compares what the footer says with what is asked for. */
static status check_info(const char *path, const hint_info *info, uint32_t segment,
                         uint32_t segment_length) {
    CHECK(path);
    CHECK(segment > 0);
    if (info->segment != segment) return damaged(path, "a hint for another segment");
    if (segment_length && info->segment_length != segment_length)
        return damaged(path, "a hint for another length of its segment");
    return STATUS_OK;
}

/* Goes through all blocks. */
static status check_blocks(logscan *s, const char *path, hint_info *info, hint_filters_at *at) {
    CHECK(s && path);
    logscan_item item;
    bool got;
    unsigned last = 0;
    uint64_t counted = 0, said = 0;
    while (true) {
        TRY(logscan_next(s, &item, &got));
        if (!got) break;
        const record *r = &item.rec;
        if (r->kind != RECORD_HINT || r->flags || r->type < HINT_ORDER || r->type > HINT_FOOTER)
            return damaged(path, "not a block of a hint");
        if (r->type < last || last == HINT_FOOTER) return damaged(path, "blocks out of order");
        last = r->type;
        if (last <= HINT_MAP) {
            if (r->body.len < 4) return damaged(path, "a block without a count");
            counted += load_u32(r->body.data);
        }
        if (last == HINT_FOOTER && !hint_footer_decode(r->body, info, at))
            return damaged(path, "a malformed footer");
    }
    logscan_stop stop = logscan_stopped(s);
    if (stop.why != RECORD_OK || stop.end != stop.bad)
        return damaged(path, record_result_text(stop.why));
    if (last != HINT_FOOTER) return damaged(path, "no footer");
    for (int i = 0; i < 16; i++)
        said += info->entries[i];
    CHECK(stop.end > FILE_HEADER);
    return said == counted ? STATUS_OK : damaged(path, "the footer's counts are wrong");
}

/* Checks the open file; r->scan is at its first block afterwards. */
static status check_file(hint_reader *r, uint32_t segment, uint32_t segment_length) {
    CHECK(r->file);
    log_file f = {.file = r->file, .path = r->path, .kind = FILE_HINT, .number = segment};
    logscan *first;
    TRY(logscan_open(&f, r->store_id, &first));
    status st = check_blocks(first, r->path, &r->info, &r->at);
    r->size = logscan_offset(first);
    CHECK(r->size >= FILE_HEADER);
    logscan_close(first);
    TRY(st);
    TRY(check_info(r->path, &r->info, segment, segment_length));
    CHECK(!r->scan);
    return logscan_open_piece(&f, r->store_id, ENTRIES_PIECE, &r->scan);
}

/* Reads the whole file once before it says ok. */
status hint_open(vfs *v, const char *path, uint64_t store_id, uint32_t segment,
                 uint32_t segment_length, hint_reader **out) {
    CHECK(segment > 0);
    vfs_file *file;
    *out = NULL;
    TRY(vfs_open(v, path, VFS_READ, &file));
    CHECK(file);
    hint_reader *r = mem_zalloc(sizeof *r);
    r->file = file;
    r->path = mem_strdup(path);
    r->store_id = store_id;
    status st = check_file(r, segment, segment_length);
    if (!status_ok(st)) {
        hint_close(r);
        return st;
    }
    *out = r;
    return STATUS_OK;
}

/* As the writer gave it, with the entries counted. */
const hint_info *hint_about(const hint_reader *r) {
    CHECK(r->info.segment > 0);
    return &r->info;
}

/* The scan's last byte is that of the footer. */
uint32_t hint_size(const hint_reader *r) {
    CHECK(r->size > FILE_HEADER);
    return r->size;
}

/* Behind the block that is being read. */
uint32_t hint_offset(const hint_reader *r) {
    CHECK(r->scan);
    CHECK(logscan_offset(r->scan) <= r->size);
    return logscan_offset(r->scan);
}

/* Also of a reader that was never whole. */
void hint_close(hint_reader *r) {
    CHECK(!r || r->path);
    if (!r) return;
    logscan_close(r->scan);
    CHECK(r->file);
    status ignored = r->file->ops->close(r->file); /* it was only read */
    (void)ignored;
    mem_free(r->path);
    mem_free(r);
}

/* ---- entries --------------------------------------------------------------------------------- */

/* One byte off the front. */
static bool get_byte(slice *in, uint8_t *out) {
    CHECK(in->len == 0 || in->data);
    slice b;
    if (!get_bytes(in, 1, &b)) return false;
    *out = (uint8_t)b.data[0];
    return true;
}

/* The next block with entries; *got false behind the last. */
static status next_block(hint_reader *r, bool *got) {
    CHECK(r->scan);
    logscan_item item;
    uint32_t count;
    CHECK(r->left == 0);
    TRY(logscan_next(r->scan, &item, got));
    *got = *got && item.rec.type <= HINT_MAP;
    if (!*got) return STATUS_OK;
    r->block = item.rec.type;
    r->rest = item.rec.body;
    r->delta_from = 0;
    bool good = get_u32(&r->rest, &count) && count > 0 && count <= r->rest.len;
    if (good && r->block != HINT_ORDER) good = get_varint32(&r->rest, &r->pdb);
    if (!good) return damaged(r->path, "a malformed block");
    r->left = count;
    return STATUS_OK;
}

/* Kind, flags, token or collection, place. */
static bool get_place(hint_reader *r, slice *in, hint_entry *e) {
    CHECK(r->block >= HINT_ORDER && r->block <= HINT_MAP);
    uint64_t delta = 0;
    if (!get_byte(in, &e->kind) || hint_block_of(e->kind) != r->block) return false;
    if (r->block != HINT_ORDER) {
        if (!get_byte(in, &e->flags) || (e->flags & ~hint_flags_of(e->kind))) return false;
        if (!get_varint(in, &delta) || delta > UINT64_MAX - r->delta_from) return false;
        e->pdb = r->pdb;
    }
    if (!get_varint32(in, &e->offset) || !get_varint32(in, &e->size)) return false;
    r->delta_from += delta;
    if (r->block == HINT_MAIN) e->token = r->delta_from;
    if (r->block == HINT_MAP) e->coll = r->delta_from;
    if (e->token >> TOKEN_BITS) return false;
    uint64_t end = (uint64_t)e->offset + e->size;
    CHECK(r->info.segment_length > 0);
    return e->offset >= FILE_HEADER && e->size >= RECORD_HEADER && e->size <= RECORD_MAX &&
           end <= r->info.segment_length;
}

/* What comes behind the place. */
static bool get_tail(hint_reader *r, slice *in, hint_entry *e) {
    CHECK(e->kind > 0);
    uint64_t expire;
    if (r->block == HINT_ORDER)
        return get_varbytes(in, &e->body) && record_pairs_valid(e->kind, e->body);
    if (e->kind == RECORD_DROP) return true;
    if (!get_byte(in, r->block == HINT_MAIN ? &e->type : &e->map)) return false;
    if (!get_varbytes(in, &e->key) || e->key.len > RECORD_KEY_MAX) return false;
    if (e->flags & RECORD_EXPIRE) {
        if (!get_u64(in, &expire) || expire == 0 || expire > INT64_MAX) return false;
        e->expire = (int64_t)expire;
    }
    if (e->flags & RECORD_COLL) {
        if (!get_varint(in, &e->coll) || e->coll == 0) return false;
    }
    if (e->flags & HINT_INLINE) {
        if (!get_varbytes(in, &e->value) || e->value.len > HINT_INLINE_MAX) return false;
    }
    CHECK(r->block == HINT_MAIN || r->block == HINT_MAP);
    return e->map < RECORD_MAP_MAX;
}

/* Blocks are entered one by one; behind the last with entries come the filters. */
status hint_next(hint_reader *r, hint_entry *out, bool *got) {
    CHECK(r->scan);
    *out = (hint_entry){0};
    *got = false;
    if (r->left == 0) {
        bool block;
        TRY(next_block(r, &block));
        if (!block) return STATUS_OK;
    }
    if (!get_place(r, &r->rest, out) || !get_tail(r, &r->rest, out))
        return damaged(r->path, "a malformed entry");
    r->left--;
    if (r->left == 0 && r->rest.len) return damaged(r->path, "bytes behind a block's entries");
    CHECK(out->kind > 0);
    *got = true;
    return STATUS_OK;
}

/* ---- filters --------------------------------------------------------------------------------- */

/* Appends `bytes` of bits from blocks that begin at offset `at`. */
static status read_filter(hint_reader *r, unsigned block, uint32_t at, uint32_t bytes, buf *out) {
    CHECK(bytes % FILTER_BLOCK == 0);
    buf raw = {0};
    status st = STATUS_OK;
    CHECK(block == HINT_KEYS || block == HINT_ELEMS);
    while (bytes && status_ok(st)) {
        uint32_t n = bytes < HINT_FILTER_PIECE ? bytes : HINT_FILTER_PIECE;
        record rec;
        buf_clear(&raw);
        buf_reserve(&raw, RECORD_HEADER + n);
        st = vfs_pread_all(r->file, r->path, raw.data, RECORD_HEADER + n, at);
        if (!status_ok(st)) break;
        record_place place = {r->store_id, r->info.segment, at};
        if (record_read(raw.data, RECORD_HEADER + n, place, &rec) != RECORD_OK ||
            rec.kind != RECORD_HINT || rec.type != block || rec.body.len != n)
            st = damaged(r->path, "a damaged filter");
        else
            buf_append_slice(out, rec.body);
        at += RECORD_HEADER + n;
        bytes -= n;
    }
    buf_free(&raw);
    return st;
}

/* Reads by place, without moving the scan of the entries. */
status hint_filters(hint_reader *r, buf *keys, buf *elems) {
    CHECK(keys != elems);
    CHECK(r->info.segment > 0);
    TRY(read_filter(r, HINT_KEYS, r->at.keys_at, r->at.keys_bytes, keys));
    return read_filter(r, HINT_ELEMS, r->at.elems_at, r->at.elems_bytes, elems);
}

/* Reads the footer, which is always as long and always last. */
static status read_footer(hint_reader *r, uint32_t segment) {
    CHECK(r->file);
    char raw[RECORD_HEADER + HINT_FOOTER_SIZE];
    uint64_t size;
    record rec;
    TRY(file_header_expect(r->file, r->path, FILE_HINT, r->store_id, segment, NULL));
    TRY(r->file->ops->size(r->file, &size));
    if (size < FILE_HEADER + sizeof raw || size > UINT32_MAX)
        return damaged(r->path, "no place for a footer");
    uint32_t at = (uint32_t)(size - sizeof raw);
    TRY(vfs_pread_all(r->file, r->path, raw, sizeof raw, at));
    if (record_read(raw, sizeof raw, (record_place){r->store_id, segment, at}, &rec) != RECORD_OK ||
        rec.kind != RECORD_HINT || rec.type != HINT_FOOTER ||
        !hint_footer_decode(rec.body, &r->info, &r->at))
        return damaged(r->path, "a damaged footer");
    CHECK(rec.size == sizeof raw);
    return STATUS_OK;
}

/* Merges ask for the filters of many segments: only the footer and the filters are read. */
status hint_read_filters(vfs *v, const char *path, uint64_t store_id, uint32_t segment,
                         uint32_t segment_length, hint_info *info, buf *keys, buf *elems) {
    CHECK(segment > 0);
    hint_reader r = {.path = mem_strdup(path), .store_id = store_id};
    status st = vfs_open(v, path, VFS_READ, &r.file);
    if (status_ok(st)) {
        st = read_footer(&r, segment);
        if (status_ok(st)) st = check_info(path, &r.info, segment, segment_length);
        if (status_ok(st)) st = hint_filters(&r, keys, elems);
        CHECK(r.file);
        status ignored = r.file->ops->close(r.file); /* it was only read */
        (void)ignored;
    }
    *info = r.info;
    mem_free(r.path);
    return st;
}
