/* dump: what the bytes say.
 *
 *     segment 12 of store 1122334455667788, format 1, made behind file 11
 *             64  BEGIN      24  log was at 11:5000
 *             88  PUT        33  pdb 3 "name" expire 1700000000000 value "Ada"  NEW
 *            121  MAP_PUT    31  pdb 3 coll 300 map 1 "f" value "1"  NEW CONTINUES mark 12:121
 *
 * Records come from salvage, so that what lies behind damage is shown as well, with a line for the
 * gap. A manifest's records are followed by their operations, a hint's blocks by the entries. */
#include "storage/dump.h"

#include "base/codec.h"
#include "base/log.h"
#include "storage/dump_table.h"
#include "storage/file_header.h"
#include "storage/hint.h"
#include "storage/manifest_state.h"
#include "storage/salvage.h"

#define SHOWN 60 /* bytes of a key or value */

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {{RECORD_NEW, "NEW"},
                  {RECORD_HIDES, "HIDES"},
                  {RECORD_HAD_EXPIRE, "HAD_EXPIRE"},
                  {RECORD_HAD_APART, "HAD_APART"},
                  {RECORD_CONTINUES, "CONTINUES"}};

/* The pairs of a FLUSH or SWAP. */
static void put_pairs(slice body, buf *out) {
    CHECK(body.len > 0);
    slice rest = record_pairs(body);
    uint32_t db, pdb;
    while (record_next_pair(&rest, &db, &pdb))
        buf_printf(out, " db %u is pdb %u", db, pdb);
}

/* The value, or how it is stored. */
static void put_value(const record *r, buf *out) {
    if (r->kind != RECORD_PUT && r->kind != RECORD_MAP_PUT) return;
    if (r->flags & RECORD_LZ4) {
        buf_printf(out, " value of %llu bytes, LZ4 in %zu", (unsigned long long)r->plain_len,
                   r->value.len);
    } else if (r->plain_len || r->value.data) {
        buf_append(out, " value ", 7);
        lines_quote(out, r->value, SHOWN);
    }
    CHECK(out->len <= out->cap);
}

/* pdb, collection, key, value. */
static void put_entry(const record *r, buf *out) {
    CHECK(r->map < RECORD_MAP_MAX);
    bool map = r->kind == RECORD_MAP_PUT || r->kind == RECORD_MAP_DEL;
    buf_printf(out, " pdb %u", r->pdb);
    if (r->type) buf_printf(out, " type %u/%u", r->type & 15u, r->type >> 4u);
    if (map || r->kind == RECORD_DROP || (r->flags & RECORD_COLL))
        buf_printf(out, " coll %llu", (unsigned long long)r->coll);
    if (r->kind == RECORD_DROP) return;
    if (map) buf_printf(out, " map %u", r->map);
    buf_append_char(out, ' ');
    lines_quote(out, r->key, SHOWN);
    if (r->flags & RECORD_EXPIRE) buf_printf(out, " expire %lld", (long long)r->expire);
    put_value(r, out);
}

/* What the header adds. */
static void put_flags(const record *r, buf *out) {
    CHECK(!(r->flags & RECORD_ORIGIN) || r->origin.len == RECORD_ORIGIN_LEN);
    CHECK(r->kind > 0);
    buf_append_char(out, ' ');
    for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
        if (r->flags & flag_names[i].flag) buf_printf(out, " %s", flag_names[i].name);
    if (r->flags & RECORD_MARK)
        buf_printf(out, " mark %u:%u", log_pos_file(r->mark), log_pos_offset(r->mark));
    if (r->flags & RECORD_ORIGIN)
        buf_printf(out, " origin offset %llu", (unsigned long long)load_u64(r->origin.data + 20));
    while (out->len && out->data[out->len - 1] == ' ')
        out->len--;
}

/* Columns first, so that a page of records can be read from top to bottom. */
void dump_record(const record *r, uint32_t offset, buf *out) {
    CHECK(r->kind < RECORD_KINDS);
    buf_printf(out, "%10u  %-8s %7u ", offset, record_kind_name(r->kind), r->size);
    CHECK(r->size >= RECORD_HEADER);
    switch (r->kind) {
    case RECORD_IDLE: break;
    case RECORD_BEGIN:
        buf_printf(out, " log was at %u:%u", log_pos_file(r->prev), log_pos_offset(r->prev));
        break;
    case RECORD_FLUSH:
    case RECORD_SWAP: put_pairs(r->body, out); break;
    case RECORD_MANIFEST: buf_printf(out, " edit"); break;
    case RECORD_HINT: buf_printf(out, " block %u", r->type); break;
    case RECORD_BLOCK:
        buf_printf(out, " %s%s", dump_block_name(r->type), r->flags & RECORD_LZ4 ? ", LZ4" : "");
        break;
    default: put_entry(r, out);
    }
    put_flags(r, out);
}

/* Says each line of `text`, indented. */
static void say_lines(const lines *out, const buf *text) {
    CHECK(text->len == 0 || text->data);
    const char *p = text->data, *end = p + text->len;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        int n = (int)((nl ? nl : end) - p);
        CHECK(n >= 0);
        lines_say(out, "%30s%.*s", "", n, p);
        p += n + 1;
    }
}

/* The entries of a hint, if it is whole. */
static void dump_entries(vfs *v, const char *path, const file_header *h, const lines *out) {
    CHECK(h->kind == FILE_HINT);
    hint_reader *r;
    hint_entry e;
    buf text = {0};
    bool got;
    status st = hint_open(v, path, h->store_id, h->number, 0, &r);
    if (!status_ok(st)) {
        lines_say(out, "-- the hint as a whole is not valid: %s", st.msg);
        return;
    }
    const hint_info *info = hint_about(r);
    lines_say(out, "entries, for segment %u sealed at %u with %llu records:", info->segment,
              info->segment_length, (unsigned long long)info->records);
    while (status_ok(st = hint_next(r, &e, &got)) && got) {
        record as = {.kind = e.kind,
                     .type = e.type,
                     .flags = e.flags & RECORD_ENTRY_FLAGS & (unsigned)~RECORD_LZ4,
                     .pdb = e.pdb,
                     .size = e.size,
                     .coll = e.coll,
                     .map = e.map,
                     .key = e.key,
                     .expire = e.expire,
                     .value = e.value,
                     .body = e.body};
        buf_clear(&text);
        dump_record(&as, e.offset, &text);
        if (e.kind == RECORD_PUT || e.kind == RECORD_DEL)
            buf_printf(&text, " token %llx", (unsigned long long)e.token);
        buf_append_char(&text, '\0');
        lines_say(out, "%s", text.data);
    }
    if (!status_ok(st)) lines_say(out, "-- %s", st.msg);
    CHECK(text.len <= text.cap);
    buf_free(&text);
    hint_close(r);
}

/* All records of the open file, and the gaps between them. */
static status dump_records(vfs_file *f, const file_header *h, const lines *out, bool *damaged) {
    CHECK(f && h->number > 0);
    salvage *s;
    salvage_item item;
    buf text = {0};
    bool got;
    uint32_t end = FILE_HEADER;
    uint64_t length;
    TRY(f->ops->size(f, &length));
    TRY(salvage_open(f, h->store_id, h->number, FILE_HEADER, UINT32_MAX, &s));
    status st = salvage_next(s, &item, &got);
    while (status_ok(st) && got) {
        if (item.gap) lines_say(out, "-- %u bytes at %u are no record", item.gap, end);
        *damaged |= item.gap > 0;
        end = item.offset + item.rec.size;
        buf_clear(&text);
        dump_record(&item.rec, item.offset, &text);
        buf_append_char(&text, '\0');
        lines_say(out, "%s", text.data);
        buf_clear(&text);
        if (item.rec.kind == RECORD_MANIFEST) manifest_ops_print(item.rec.body, &text);
        if (item.rec.kind == RECORD_BLOCK)
            dump_block(&item.rec, item.offset, (uint32_t)length, &text);
        say_lines(out, &text);
        st = salvage_next(s, &item, &got);
    }
    CHECK(end >= FILE_HEADER);
    if (status_ok(st) && item.gap) {
        lines_say(out, "-- %u bytes at %u are no record: a torn end, or damage", item.gap, end);
        *damaged = true;
    }
    salvage_close(s);
    buf_free(&text);
    return st;
}

/* The header decides what is shown; the name of the file does not matter. */
status dump_file(vfs *v, const char *path, const lines *out, bool *damaged) {
    CHECK(path && path[0]);
    vfs_file *f;
    file_header h;
    *damaged = false;
    TRY(vfs_open(v, path, VFS_READ, &f));
    status st = file_header_read(f, path, &h);
    if (status_ok(st)) {
        lines_say(out, "%s %u of store %016llx, format %u", file_kind_name(h.kind), h.number,
                  (unsigned long long)h.store_id, h.version);
        if (h.before) lines_say(out, "made behind file %u", h.before);
        st = dump_records(f, &h, out, damaged);
        if (status_ok(st) && h.kind == FILE_HINT) dump_entries(v, path, &h, out);
    }
    status closed = f->ops->close(f); /* it was only read */
    (void)closed;
    CHECK(!status_ok(st) || h.number > 0);
    return st;
}
