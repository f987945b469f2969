/* hint_read: a hint file, checked as a whole before its first entry is given.
 *
 * A hint that turns out to be damaged when half of it has been applied would leave an index that is
 * half of one thing and half of another. So the file is read twice: once for the CRC of every
 * block, the order of the blocks and the footer, then for the entries (hint_entries.c); the second
 * time it comes from the page cache. The first reading notes where each block of entries lies, so
 * that the second can begin at any of them. What then still could be wrong with an entry (bytes
 * that pass their CRC and make no sense) is refused like damage. */
#include "storage/hint_read.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/logscan.h"

/* Whatever is wrong with a hint has one consequence. */
status hint_damaged(const char *path, const char *what) {
    CHECK(path);
    CHECK(what[0] != '\0');
    return status_make(ST_CORRUPT, "%s: %s", path, what);
}

/* Compares what the footer says with what is asked for. */
static status check_info(const char *path, const hint_info *info, uint32_t segment,
                         uint32_t segment_length) {
    CHECK(path);
    CHECK(segment > 0);
    if (info->segment != segment) return hint_damaged(path, "a hint for another segment");
    if (segment_length && info->segment_length != segment_length)
        return hint_damaged(path, "a hint for another length of its segment");
    return STATUS_OK;
}

/* Notes where a block of entries lies and with what it begins. Those of main entries do not go
 * back: who looks for one would not find it. */
static bool note_piece(hint_reader *r, const logscan_item *item) {
    hint_piece p = {.offset = item->offset, .size = item->rec.size, .block = item->rec.type};
    CHECK(p.block >= HINT_ORDER && p.block <= HINT_MAP);
    CHECK(p.offset >= FILE_HEADER && r->n <= r->cap);
    if (p.block == HINT_MAIN) {
        slice in = slice_skip(item->rec.body, 4);
        const hint_piece *last = r->n ? &r->pieces[r->n - 1] : NULL;
        /* kind and flags are before the token, which is whole as the block's first */
        if (!get_varint32(&in, &p.pdb) || in.len < 2) return false;
        in = slice_skip(in, 2);
        if (!get_varint(&in, &p.token) || p.token >> TOKEN_BITS) return false;
        if (last && last->block == HINT_MAIN &&
            (last->pdb > p.pdb || (last->pdb == p.pdb && last->token > p.token)))
            return false;
    }
    if (r->n == r->cap) r->pieces = mem_more(r->pieces, &r->cap, 16, sizeof *r->pieces);
    r->pieces[r->n++] = p;
    return true;
}

/* Goes through all blocks; *counted: how many entries they say they have. */
static status check_blocks(hint_reader *h, logscan *s, uint64_t *counted, unsigned *last) {
    logscan_item item;
    bool got;
    const char *path = h->path;
    CHECK(s && h->n == 0);
    *counted = *last = 0;
    while (true) {
        TRY(logscan_next(s, &item, &got));
        if (!got) return STATUS_OK;
        const record *r = &item.rec;
        if (r->kind != RECORD_HINT || r->flags || r->type < HINT_ORDER || r->type > HINT_FOOTER)
            return hint_damaged(path, "not a block of a hint");
        if (r->type < *last || *last == HINT_FOOTER)
            return hint_damaged(path, "blocks out of order");
        *last = r->type;
        if (r->type <= HINT_MAP) {
            if (r->body.len < 4) return hint_damaged(path, "a block without a count");
            *counted += load_u32(r->body.data);
            if (!note_piece(h, &item)) return hint_damaged(path, "a malformed block");
        }
        if (r->type == HINT_FOOTER && !hint_footer_decode(r->body, &h->info, &h->at))
            return hint_damaged(path, "a malformed footer");
    }
}

/* Was that all of the file, and what its footer says? */
static status check_end(const hint_reader *r, const logscan *s, uint64_t counted, unsigned last) {
    uint64_t said = 0;
    CHECK(r->n <= r->cap);
    logscan_stop stop = logscan_stopped(s);
    if (stop.why != RECORD_OK || stop.end != stop.bad)
        return hint_damaged(r->path, record_result_text(stop.why));
    if (last != HINT_FOOTER) return hint_damaged(r->path, "no footer");
    for (int i = 0; i < 16; i++)
        said += r->info.entries[i];
    CHECK(stop.end > FILE_HEADER);
    return said == counted ? STATUS_OK : hint_damaged(r->path, "the footer's counts are wrong");
}

/* Checks the open file. */
static status check_file(hint_reader *r, uint32_t segment, uint32_t segment_length) {
    CHECK(r->file);
    log_file f = {.file = r->file, .path = r->path, .kind = FILE_HINT, .number = segment};
    logscan *s;
    uint64_t counted;
    unsigned last;
    TRY(logscan_open(&f, r->store_id, &s));
    status st = check_blocks(r, s, &counted, &last);
    if (status_ok(st)) st = check_end(r, s, counted, last);
    r->size = logscan_offset(s);
    CHECK(r->size >= FILE_HEADER);
    logscan_close(s);
    TRY(st);
    TRY(check_info(r->path, &r->info, segment, segment_length));
    r->all = (hint_cursor){.r = r, .end = r->n};
    return STATUS_OK;
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

/* The last byte is the footer's. */
uint32_t hint_size(const hint_reader *r) {
    CHECK(r->size > FILE_HEADER);
    return r->size;
}

/* Also of a reader that was never whole. */
void hint_close(hint_reader *r) {
    CHECK(!r || r->path);
    if (!r) return;
    CHECK(r->file);
    status ignored = r->file->ops->close(r->file); /* it was only read */
    (void)ignored;
    hint_cursor_free(&r->all);
    mem_free(r->pieces);
    mem_free(r->path);
    mem_free(r);
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
            st = hint_damaged(r->path, "a damaged filter");
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
        return hint_damaged(r->path, "no place for a footer");
    uint32_t at = (uint32_t)(size - sizeof raw);
    TRY(vfs_pread_all(r->file, r->path, raw, sizeof raw, at));
    if (record_read(raw, sizeof raw, (record_place){r->store_id, segment, at}, &rec) != RECORD_OK ||
        rec.kind != RECORD_HINT || rec.type != HINT_FOOTER ||
        !hint_footer_decode(rec.body, &r->info, &r->at))
        return hint_damaged(r->path, "a damaged footer");
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
