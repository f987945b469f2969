/* repair_table: entries out of every data block that is whole, wherever it lies in the file.
 *
 * Blocks are found as records are (salvage), so the indexes are not needed. What is written has no
 * filter, as only the engine knows its hashes: a lookup costs a block more until the table is
 * compacted the next time. What is lost lies between the last key in front of a gap and the first
 * behind it; for those keys what older tables have shows again, deleted keys included. */
#include "storage/repair_table.h"

#include "base/log.h"
#include "storage/compress.h"
#include "storage/salvage.h"
#include "storage/table_format.h"

#define SHOWN      60 /* bytes of a key */
#define BLOCK_SIZE 4096

typedef struct rebuild {
    const manifest_table *from;
    table_writer *w;
    buf last; /* the key written last */
    buf plain, scratch, text;
    bool gap; /* something is lost behind it */
    const lines *say;
} rebuild;

/* Says between which keys entries are lost; next is empty at the end of the table. */
static void say_gap(rebuild *r, slice next) {
    slice from = table_count(r->w) ? buf_slice(&r->last) : r->from->smallest;
    buf_clear(&r->text);
    lines_quote(&r->text, from, SHOWN);
    buf_printf(&r->text, " and ");
    lines_quote(&r->text, next.len ? next : r->from->limit, SHOWN);
    buf_append_char(&r->text, '\0');
    CHECK(r->gap);
    lines_say(r->say, "table %u: lost between the keys %s: older values show there",
              r->from->number, r->text.data);
    r->gap = false;
}

/* Writes an entry, if it can be one of this table. */
static status keep(rebuild *r, slice key, slice cell) {
    bool fits = slice_cmp(key, r->from->smallest) >= 0 && slice_cmp(key, r->from->limit) < 0;
    bool later = table_count(r->w) == 0 || slice_cmp(key, buf_slice(&r->last)) > 0;
    CHECK(cell.len > 0);
    if (!fits || !later || cell.len > TABLE_CELL_MAX || (unsigned char)cell.data[0] >= TABLE_TAGS) {
        r->gap = true;
        return STATUS_OK;
    }
    if (r->gap) say_gap(r, key);
    buf_clear(&r->last);
    buf_append_slice(&r->last, key);
    return table_add(r->w, key, cell, 0);
}

/* A record of the damaged table. */
static status take(rebuild *r, const record *rec) {
    slice body = rec->body;
    if (rec->kind != RECORD_BLOCK || rec->type != TABLE_DATA) return STATUS_OK;
    buf_clear(&r->plain);
    if (rec->flags & RECORD_LZ4) {
        status st = compress_block_undo(rec->body, &r->plain);
        body = status_ok(st) ? buf_slice(&r->plain) : SLICE_EMPTY;
    }
    if (!block_valid(body, BLOCK_EVERY, TABLE_KEY_MAX, &r->scratch)) {
        r->gap = true;
        return STATUS_OK;
    }
    block_iter i = {0};
    status st = STATUS_OK;
    block_iter_set(&i, body);
    for (block_iter_first(&i); i.at && status_ok(st); block_iter_next(&i))
        st = keep(r, buf_slice(&i.key), i.cell);
    block_iter_free(&i);
    CHECK(body.len > 0);
    return st;
}

/* Every record that can be read. */
static status take_all(rebuild *r, vfs_file *f, uint64_t store_id) {
    salvage *s;
    salvage_item item;
    bool got;
    CHECK(r->w);
    TRY(salvage_open(f, store_id, r->from->number, FILE_HEADER, r->from->length, &s));
    status st = salvage_next(s, &item, &got);
    while (status_ok(st) && got) {
        r->gap |= item.gap > 0;
        st = take(r, &item.rec);
        if (status_ok(st)) st = salvage_next(s, &item, &got);
    }
    if (status_ok(st)) r->gap |= item.gap > 0;
    salvage_close(s);
    return st;
}

/* What a former repair that was interrupted left is in the way of a new file. */
static status make_room(vfs *v, const char *path) {
    CHECK(path[0]);
    status st = v->ops->unlink(v, path);
    return st.code == ST_NOT_FOUND ? STATUS_OK : st;
}

/* The old file stays as it is. */
status repair_table(vfs *v, const char *dir, uint64_t store_id, const manifest_table *from,
                    uint32_t number, const lines *say, table_summary *out) {
    CHECK(number != from->number && number > 0);
    char path[FILE_PATH_MAX], to[FILE_PATH_MAX];
    vfs_file *f;
    rebuild r = {.from = from, .say = say};
    file_header h = {.kind = FILE_TABLE, .store_id = store_id, .number = number};
    table_options o = {.block_size = BLOCK_SIZE, .lz4 = true};
    *out = (table_summary){0};
    TRY(file_path(path, dir, FILE_TABLE, from->number));
    TRY(file_path(to, dir, FILE_TABLE, number));
    TRY(make_room(v, to));
    TRY(vfs_open(v, path, VFS_READ, &f));
    status st = table_create(v, to, &h, &o, &r.w);
    if (status_ok(st)) {
        st = take_all(&r, f, store_id);
        if (status_ok(st) && r.gap) say_gap(&r, SLICE_EMPTY);
        if (status_ok(st))
            st = table_finish(r.w, out);
        else
            table_abandon(r.w);
    }
    status closed = f->ops->close(f); /* it was only read */
    (void)closed;
    buf_free(&r.last);
    buf_free(&r.plain);
    buf_free(&r.scratch);
    buf_free(&r.text);
    if (status_ok(st))
        lines_say(say, "table %u: %llu of %llu entries kept, as table %u", from->number,
                  (unsigned long long)out->entries, (unsigned long long)from->entries, number);
    CHECK(!status_ok(st) || out->length > 0);
    return st;
}
