/* hint_make: from a segment to its hint.
 *
 * One pass over the segment collects an item for every record that names a key; they are sorted by
 * what the hint is sorted by and then by place, so that of equal ones the last is the key's last
 * record in the segment, which is all that a start needs. Memory is that of the keys, not of the
 * values: some 70 bytes and the key for each record.
 *
 * Orders (FLUSH, SWAP) keep their place in the log and come first; they are few. Values that are
 * small enough to be inline go along, so that a start has them too; compressed ones do not, as an
 * entry has no room for their plain length. */
#include "engine/bitcask/hint_make.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/child.h"
#include "storage/hint.h"
#include "storage/logscan.h"

#include <stdlib.h>

#define THROTTLE_BYTES (256u << 10)

/* One record, as far as a hint can need it; its key and value lie in hint_work.bytes. */
typedef struct hint_item {
    uint8_t kind, type, flags, map;
    uint32_t pdb, offset, size, key_len, value_len;
    uint64_t id; /* token or collection: the first to sort by after group and pdb */
    uint64_t coll;
    int64_t expire;
    size_t at; /* of the key in bytes; the value follows */
} hint_item;

typedef struct hint_work {
    const hint_source *src;
    hint_item *items;
    size_t n, cap;
    buf bytes;
    uint64_t records;
} hint_work;

/* Which part of the hint it goes to. */
static int group_of(unsigned kind) {
    if (kind == RECORD_FLUSH || kind == RECORD_SWAP) return 0;
    return kind == RECORD_PUT || kind == RECORD_DEL ? 1 : 2;
}

/* Collects one record. */
static void collect(hint_work *w, const record *r, uint32_t offset) {
    CHECK(offset >= FILE_HEADER && r->size >= RECORD_HEADER);
    if (r->kind == RECORD_IDLE || r->kind == RECORD_BEGIN) return;
    int group = group_of(r->kind);
    slice key = group == 0 ? r->body : r->key;
    bool has_value = (r->kind == RECORD_PUT || r->kind == RECORD_MAP_PUT) &&
                     !(r->flags & RECORD_LZ4) && r->value.len <= w->src->inline_max;
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 1024;
        w->items = mem_realloc(w->items, w->cap * sizeof *w->items);
    }
    CHECK(w->n < w->cap);
    hint_item *it = &w->items[w->n++];
    *it = (hint_item){.kind = r->kind,
                      .type = r->type,
                      .flags = (uint8_t)(r->flags & RECORD_ENTRY_FLAGS),
                      .map = r->map,
                      .pdb = r->pdb,
                      .offset = offset,
                      .size = r->size,
                      .key_len = (uint32_t)key.len,
                      .coll = r->coll,
                      .expire = r->expire,
                      .at = w->bytes.len};
    if (group == 1) it->id = keydir_token(w->src->shared, r->key);
    if (group == 2) it->id = r->coll;
    buf_append_slice(&w->bytes, key);
    if (!has_value) return;
    CHECK(group != 0);
    it->flags |= HINT_INLINE;
    it->value_len = (uint32_t)r->value.len;
    buf_append_slice(&w->bytes, r->value);
}

/* The key's bytes; the value's, if there are any, follow. */
static slice item_key(const hint_work *w, const hint_item *it) {
    CHECK(it->at + it->key_len + it->value_len <= w->bytes.len);
    return slice_of(w->bytes.data + it->at, it->key_len);
}

/* Order of the hint, without the place. */
static int compare_keys(const hint_work *w, const hint_item *a, const hint_item *b) {
    int ga = group_of(a->kind), gb = group_of(b->kind);
    if (ga != gb) return ga - gb;
    if (ga == 0) return 0;
    if (a->pdb != b->pdb) return a->pdb < b->pdb ? -1 : 1;
    if (a->id != b->id) return a->id < b->id ? -1 : 1;
    if (ga == 2 && a->map != b->map) return a->map - b->map;
    return slice_cmp(item_key(w, a), item_key(w, b));
}

/* For qsort_r: equal keys in order of place, the last one counts. */
static int compare(const void *pa, const void *pb, void *ctx) {
    const hint_item *a = pa, *b = pb;
    int c = compare_keys(ctx, a, b);
    return c ? c : (a->offset > b->offset) - (a->offset < b->offset);
}

/* Reads the whole segment. */
static status scan(hint_work *w, const log_file *f) {
    CHECK(w->n == 0 && f->length > 0);
    logscan *s;
    logscan_item item;
    bool got = true;
    uint32_t told = 0;
    TRY(logscan_open(f, w->src->store_id, &s));
    status st = logscan_next(s, &item, &got);
    while (status_ok(st) && got) {
        w->records++;
        collect(w, &item.rec, item.offset);
        CHECK(item.offset >= told);
        if (item.offset - told > THROTTLE_BYTES) {
            child_throttle(item.offset - told, w->src->rate);
            told = item.offset;
        }
        st = logscan_next(s, &item, &got);
    }
    if (status_ok(st)) st = logscan_must_be_whole(s);
    logscan_close(s);
    return st;
}

/* Is item i the last record of its key? */
static bool is_last(const hint_work *w, size_t i) {
    CHECK(i < w->n);
    if (i + 1 == w->n || group_of(w->items[i].kind) == 0) return true;
    return compare_keys(w, &w->items[i], &w->items[i + 1]) != 0;
}

/* Gives the sorted items to the writer. */
static status put_items(const hint_work *w, hint_writer *out) {
    for (size_t i = 0; i < w->n; i++) {
        const hint_item *it = &w->items[i];
        if (!is_last(w, i)) continue;
        hint_entry e = {.kind = it->kind,
                        .flags = it->flags,
                        .type = it->type,
                        .map = it->map,
                        .pdb = it->pdb,
                        .offset = it->offset,
                        .size = it->size,
                        .coll = it->coll,
                        .expire = it->expire};
        slice key = item_key(w, it);
        if (group_of(it->kind) == 0)
            e.body = key;
        else
            e.key = key;
        if (group_of(it->kind) == 1) e.token = it->id;
        if (it->flags & HINT_INLINE) e.value = slice_of(key.data + key.len, it->value_len);
        TRY(hint_add(out, &e));
    }
    CHECK(w->n <= w->records);
    return STATUS_OK;
}

/* Sorts and writes what was collected. */
static status write_hint(hint_work *w, uint32_t number, uint32_t length) {
    CHECK(length > FILE_HEADER && number > 0);
    char path[FILE_PATH_MAX];
    hint_writer *out;
    uint64_t bytes;
    hint_info info = {.segment = number, .segment_length = length, .records = w->records};
    CHECK(w->n <= w->records);
    TRY(file_path(path, w->src->dir, FILE_HINT, number));
    if (w->n) qsort_r(w->items, w->n, sizeof *w->items, compare, w);
    TRY(hint_create(w->src->fs, path, w->src->store_id, w->src->shared->hash, &info, &out));
    status s = put_items(w, out);
    if (status_ok(s)) return hint_finish(out, &bytes);
    hint_abandon(out);
    return s;
}

/* Opens, reads, sorts, writes. */
status hint_make(const hint_source *h, uint32_t number, uint32_t length) {
    char path[FILE_PATH_MAX];
    vfs_file *file;
    hint_work w = {.src = h};
    CHECK(length > FILE_HEADER);
    TRY(file_path(path, h->dir, FILE_SEGMENT, number));
    TRY(vfs_open(h->fs, path, VFS_READ, &file));
    log_file f = {file, path, FILE_SEGMENT, number, length};
    status s = scan(&w, &f);
    status closed = file->ops->close(file);
    (void)closed;                          /* it was only read */
    CHECK(!status_ok(s) || w.records > 0); /* it is longer than its header, and whole */
    if (status_ok(s)) s = write_hint(&w, number, length);
    mem_free(w.items);
    buf_free(&w.bytes);
    return s;
}
