/* storebuild: see the header. Hints are made by comparing all records with all: a few dozen. */
#include "support/storebuild.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "storage/compress.h"
#include "storage/hint.h"
#include "storage/logscan.h"
#include "storage/logwrite.h"
#include "storage/manifest.h"

#define LIMIT    65536
#define HINT_MAX 400

typedef struct builder {
    vfs *v;
    const char *dir;
    manifest *m;
    manifest_edit e;
    logwrite *w;
    vfs_file *file[8];
} builder;

/* For what can't fail here. */
static void must(status s) {
    if (!status_ok(s)) log_panic(__FILE__, __LINE__, "%s", s.msg);
}

hash_key storebuild_key(void) {
    return (hash_key){0x1111, 0x2222};
}

static void path_of(builder *b, char out[FILE_PATH_MAX], unsigned kind, uint32_t number) {
    must(file_path(out, b->dir, kind, number));
}

static void commit_edit(builder *b) {
    must(manifest_commit(b->m, &b->e));
    edit_free(&b->e);
}

/* Creates log segment `number`, live from now on. */
static logwrite_file add_segment(builder *b, uint32_t number, uint32_t before) {
    char p[FILE_HEADER], path[FILE_PATH_MAX];
    file_header h = {
        .kind = FILE_SEGMENT, .store_id = STOREBUILD_ID, .number = number, .before = before};
    path_of(b, path, FILE_SEGMENT, number);
    edit_pending(&b->e, number);
    commit_edit(b);
    must(vfs_open(b->v, path, VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCL, &b->file[number]));
    file_header_encode(p, &h);
    must(vfs_pwrite(b->file[number], p, sizeof p, 0));
    must(b->file[number]->ops->allocate(b->file[number], 0, LIMIT));
    must(b->file[number]->ops->fsync(b->file[number]));
    must(b->v->ops->sync_dir(b->v, b->dir));
    edit_append(&b->e, number);
    commit_edit(b);
    return (logwrite_file){b->file[number], number, LIMIT};
}

static void sync_log(builder *b) {
    must(logwrite_flush(b->w, UINT64_MAX, NULL));
    logwrite_set_durable(b->w, logwrite_written(b->w));
}

/* Seals the current segment and goes on in a new one. */
static void next_segment(builder *b, uint32_t from, uint32_t to) {
    logwrite_moved moved;
    logwrite_file f = add_segment(b, to, from);
    sync_log(b);
    logwrite_next(b->w, &f, &moved);
    edit_seal(&b->e, from, log_pos_offset(moved.old_end));
    commit_edit(b);
    sync_log(b);
}

/* A PUT of key kN; long values are compressed. */
static void put(builder *b, int n, size_t len) {
    char key[16], value[5000];
    buf scratch = {0};
    slice packed;
    int k = snprintf(key, sizeof key, "k%d", n);
    memset(value, 'a' + n % 26, sizeof value);
    CHECK(len <= sizeof value);
    record r = {.kind = RECORD_PUT,
                .flags = RECORD_NEW,
                .type = (uint8_t)(n % 16),
                .pdb = (uint32_t)n % 3,
                .key = slice_of(key, (size_t)k),
                .value = slice_of(value, len)};
    if (n % 4 == 0) {
        r.flags |= RECORD_EXPIRE;
        r.expire = 1700000000000 + n;
    }
    if (compress_value(r.value, &scratch, &packed)) {
        r.flags |= RECORD_LZ4;
        r.plain_len = len;
        r.value = packed;
    }
    logwrite_append(b->w, &r, NULL);
    buf_free(&scratch);
}

static void element(builder *b, unsigned kind, uint64_t coll, int n) {
    char sub[16];
    int k = snprintf(sub, sizeof sub, "f%d", n);
    record r = {.kind = (uint8_t)kind,
                .pdb = 1,
                .coll = coll,
                .map = (uint8_t)(n % 2),
                .key = slice_of(sub, (size_t)k)};
    if (kind == RECORD_MAP_PUT) r.value = SLICE("element");
    logwrite_append(b->w, &r, NULL);
}

static void segment_1(builder *b) {
    for (int n = 0; n < 12; n++) {
        logwrite_begin(b->w);
        put(b, n, n % 5 == 0 ? 600 : (size_t)n * 3);
        logwrite_commit(b->w);
        if (n % 5 == 4) sync_log(b);
    }
    logwrite_begin(b->w);
    record owner = {
        .kind = RECORD_PUT, .flags = RECORD_COLL, .pdb = 1, .coll = 9, .key = SLICE("h")};
    logwrite_append(b->w, &owner, NULL);
    for (int n = 0; n < 6; n++)
        element(b, RECORD_MAP_PUT, 9, n);
    logwrite_commit(b->w);
}

static void segment_2(builder *b) {
    logwrite_begin(b->w);
    for (int n = 3; n < 9; n++)
        put(b, n, 20);
    element(b, RECORD_MAP_PUT, 9, 1);
    element(b, RECORD_MAP_PUT, 12, 1);
    logwrite_commit(b->w);
}

static void segment_3(builder *b) {
    uint32_t db[2] = {0, 1}, pdb[2] = {4, 5};
    buf body = {0};
    record del = {.kind = RECORD_DEL, .pdb = 2, .key = SLICE("k2"), .flags = RECORD_HIDES};
    record drop = {.kind = RECORD_DROP, .pdb = 1, .coll = 12};
    record_put_pairs(&body, 2, db, pdb);
    record flush = {.kind = RECORD_FLUSH, .body = buf_slice(&body)};
    logwrite_begin(b->w);
    logwrite_append(b->w, &del, NULL);
    logwrite_commit(b->w);
    logwrite_begin(b->w);
    element(b, RECORD_MAP_DEL, 9, 2);
    logwrite_append(b->w, &drop, NULL);
    logwrite_append(b->w, &flush, NULL);
    logwrite_commit(b->w);
    buf_free(&body);
}

/* The merge of segment 2: its records without their framing, in segment 5. */
static void merge_2(builder *b) {
    char from[FILE_PATH_MAX], to[FILE_PATH_MAX];
    logscan *s;
    logscan_item item;
    bool got;
    outfile o;
    uint32_t length = manifest_get(b->m)->files[1].length;
    file_header h = {.kind = FILE_SEGMENT, .store_id = STOREBUILD_ID, .number = 5};
    path_of(b, from, FILE_SEGMENT, 2);
    path_of(b, to, FILE_SEGMENT, 5);
    edit_pending(&b->e, 5);
    commit_edit(b);
    log_file f = {b->file[2], from, FILE_SEGMENT, 2, length};
    must(outfile_create(&o, b->v, to, &h, false));
    must(logscan_open(&f, STOREBUILD_ID, &s));
    for (must(logscan_next(s, &item, &got)); got; must(logscan_next(s, &item, &got))) {
        if (item.rec.kind == RECORD_BEGIN) continue;
        item.rec.flags &= RECORD_ENTRY_FLAGS;
        must(outfile_put(&o, &item.rec, NULL));
    }
    logscan_close(s);
    length = outfile_length(&o);
    must(outfile_finish(&o));
    edit_replace(&b->e, 2, 2, &(manifest_file){5, length, true}, 1);
    commit_edit(b);
    must(b->v->ops->unlink(b->v, from));
    edit_gone(&b->e, 2);
    commit_edit(b);
}

/* ---- hints ----------------------------------------------------------------------------------- */

static int order_of(const hint_entry *e) {
    if (e->kind == RECORD_FLUSH || e->kind == RECORD_SWAP) return 1;
    return e->kind == RECORD_PUT || e->kind == RECORD_DEL ? 2 : 3;
}

static int compare(const void *x, const void *y) {
    const hint_entry *a = x, *b = y;
    int c = order_of(a) - order_of(b);
    if (c) return c;
    if (order_of(a) == 1) return (a->offset > b->offset) - (a->offset < b->offset);
    if (a->pdb != b->pdb) return a->pdb < b->pdb ? -1 : 1;
    uint64_t p = order_of(a) == 2 ? a->token : a->coll, q = order_of(a) == 2 ? b->token : b->coll;
    if (p != q) return p < q ? -1 : 1;
    if ((a->kind == RECORD_DROP) != (b->kind == RECORD_DROP))
        return a->kind == RECORD_DROP ? -1 : 1;
    if (a->map != b->map) return a->map - b->map;
    return slice_cmp(a->key, b->key);
}

/* The hint of sealed segment i of the manifest. */
static void make_hint(builder *b, const manifest_file *m) {
    hint_entry entries[HINT_MAX];
    size_t n = 0;
    char path[FILE_PATH_MAX], to[FILE_PATH_MAX];
    hint_writer *w;
    hint_info info = {.segment = m->number, .segment_length = m->length};
    vfs_file *f;
    path_of(b, path, FILE_SEGMENT, m->number);
    path_of(b, to, FILE_HINT, m->number);
    must(vfs_open(b->v, path, VFS_READ, &f));
    buf all = {0};
    buf_reserve(&all, m->length);
    must(vfs_pread_all(f, path, all.data, m->length, 0));
    must(f->ops->close(f));
    for (uint32_t at = FILE_HEADER; at < m->length; info.records++) {
        record r;
        record_place place = {STOREBUILD_ID, m->number, at};
        CHECK(record_read(all.data + at, m->length - at, place, &r) == RECORD_OK && n < HINT_MAX);
        hint_entry e = {.kind = r.kind,
                        .flags = (uint8_t)r.flags,
                        .pdb = r.pdb,
                        .offset = at,
                        .size = r.size,
                        .coll = r.coll,
                        .map = r.map,
                        .expire = r.expire,
                        .key = r.key};
        at += r.size;
        if (r.kind == RECORD_BEGIN || r.kind == RECORD_IDLE) continue;
        if (order_of(&e) == 1) e.body = r.body;
        if (order_of(&e) == 2) {
            e.type = r.type;
            e.token = token_of(storebuild_key(), 0, r.key);
        }
        if (r.value.len && r.value.len < 30) {
            e.flags |= HINT_INLINE;
            e.value = r.value;
        }
        size_t i = 0; /* the last of a key takes the place of the former */
        while (i < n && compare(&entries[i], &e) != 0)
            i++;
        entries[i] = e;
        n += i == n;
    }
    qsort(entries, n, sizeof *entries, compare);
    must(hint_create(b->v, to, STOREBUILD_ID, storebuild_key(), &info, &w));
    for (size_t i = 0; i < n; i++)
        must(hint_add(w, &entries[i]));
    must(hint_finish(w, NULL));
    buf_free(&all);
}

/* Goes on in segment 7, without sealing segment 4. */
static void open_another(builder *b) {
    logwrite_moved moved;
    logwrite_file f = add_segment(b, 7, 4);
    logwrite_next(b->w, &f, &moved);
    for (int n = 24; n < 27; n++) {
        logwrite_begin(b->w);
        put(b, n, 40);
        logwrite_commit(b->w);
        if (n == 25) sync_log(b);
    }
    must(logwrite_flush(b->w, UINT64_MAX, NULL));
}

/* Both kinds of store. */
static void make_store(vfs *v, const char *dir, bool two_open) {
    builder b = {.v = v, .dir = dir};
    edit_create(&b.e, "bitcask", STOREBUILD_ID, storebuild_key(), false);
    edit_reserve(&b.e, MANIFEST_IDS_FILE, 16);
    edit_reserve(&b.e, MANIFEST_IDS_PDB, 16);
    edit_reserve(&b.e, MANIFEST_IDS_COLL, 100);
    must(manifest_create(v, dir, &b.e, &b.m));
    edit_free(&b.e);
    b.w = logwrite_new(STOREBUILD_ID);
    logwrite_file f = add_segment(&b, 1, 0);
    logwrite_start(b.w, &f, 0);
    segment_1(&b);
    next_segment(&b, 1, 2);
    segment_2(&b);
    next_segment(&b, 2, 3);
    segment_3(&b);
    next_segment(&b, 3, 4);
    merge_2(&b);
    logwrite_begin(b.w);
    put(&b, 20, 30);
    put(&b, 21, 30);
    logwrite_commit(b.w);
    sync_log(&b);
    logwrite_begin(b.w);
    put(&b, 22, 30);
    logwrite_commit(b.w);
    logwrite_begin(b.w);
    put(&b, 23, 30);
    logwrite_commit(b.w);
    must(logwrite_flush(b.w, UINT64_MAX, NULL));
    edit_pending(&b.e, 6);
    commit_edit(&b);
    if (two_open) open_another(&b);
    for (size_t i = 0; i < 3; i++)
        make_hint(&b, &manifest_get(b.m)->files[i]);
    logwrite_free(b.w);
    manifest_close(b.m);
    for (size_t i = 0; i < 8; i++)
        if (b.file[i]) must(b.file[i]->ops->close(b.file[i]));
}

void storebuild(vfs *v, const char *dir) {
    make_store(v, dir, false);
}

void storebuild_two_open(vfs *v, const char *dir) {
    make_store(v, dir, true);
}
