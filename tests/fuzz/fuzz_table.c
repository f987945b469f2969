/* fuzz_table: any bytes as a block, as a table file, and as changes to the bodies of a good table's
 * blocks, whose checksums are made right again. Nothing that comes out is trusted by anything but
 * its lengths; what is accepted is in order, and found where it is. */
#include "base/log.h"
#include "storage/dump.h"
#include "storage/repair_table.h"
#include "storage/table_check.h"
#include "storage/table_format.h"
#include "support/fuzz.h"
#include "support/memfs.h"

#define STORE  9u
#define NUMBER 3u
#define PATH   "d/0000000003.sst"

static void printable(void *ctx, const char *text) {
    (void)ctx;
    for (; *text; text++)
        CHECK(*text >= ' ' && *text < 127);
}

static const lines listener = {printable, NULL};

/* A block that is accepted: walked both ways, each entry is found. */
static void check_block(slice in) {
    buf scratch = {0}, copy = {0};
    slice cell;
    if (!block_valid(in, BLOCK_EVERY, TABLE_KEY_MAX, &scratch)) {
        buf_free(&scratch);
        return;
    }
    block_iter i = {0}, j = {0};
    uint32_t n = 0;
    block_iter_set(&i, in);
    block_iter_set(&j, in);
    for (block_iter_first(&i); i.at; block_iter_next(&i), n++) {
        CHECK(n == 0 || slice_cmp(buf_slice(&copy), buf_slice(&i.key)) < 0);
        CHECK(block_find(in, buf_slice(&i.key), &cell) && slice_eq(cell, i.cell));
        CHECK(block_iter_seek(&j, buf_slice(&i.key)) && j.at == i.at);
        buf_append_char(&i.key, '\0');
        CHECK(!block_iter_seek(&j, buf_slice(&i.key)) || j.at != i.at);
        i.key.len--;
        buf_clear(&copy);
        buf_append_slice(&copy, buf_slice(&i.key));
    }
    CHECK(n == block_count(in));
    for (block_iter_last(&i); i.at; block_iter_prev(&i))
        n--;
    CHECK(n == 0);
    block_iter_free(&i);
    block_iter_free(&j);
    buf_free(&scratch);
    buf_free(&copy);
}

/* Everything that reads tables, on this file. */
static void check_file(memfs *fs, uint32_t length) {
    vfs *v = memfs_vfs(fs);
    table *t;
    table_hit hit;
    bool damaged;
    manifest_table m = {.number = NUMBER,
                        .length = length,
                        .entries = 1,
                        .smallest = SLICE(""),
                        .limit = SLICE("z")};
    table_rules rules = {.listed = &m};
    table_found found;
    table_summary sum;
    status st = table_check(v, PATH, STORE, &rules, &found);
    CHECK(status_ok(st));
    st = dump_file(v, PATH, &listener, &damaged);
    if (status_ok(st)) {
        st = repair_table(v, "d", STORE, &m, NUMBER + 1, &listener, &sum);
        CHECK(status_ok(st));
        buf_free(&sum.first);
        buf_free(&sum.last);
    }
    st = table_open(v, PATH, STORE, NUMBER, length, &t);
    if (!status_ok(st)) return;
    cache *c = cache_new(1u << 20);
    table_iter *i = table_iter_new(t, c, 3);
    uint64_t n = 0;
    for (table_iter_seek_first(i); table_iter_valid(i) && n < 10000; table_iter_next(i), n++) {
        st = table_get(t, c, table_iter_key(i), 7, &hit);
        CHECK(!hit.found || hit.cell.len > 0);
    }
    for (table_iter_seek_last(i); table_iter_valid(i) && n > 0; table_iter_prev(i))
        n--;
    table_iter_seek(i, SLICE("k2"));
    table_iter_seek_before(i, SLICE("k2"));
    table_iter_free(i);
    cache_check(c);
    table_close(t);
    cache_free(c);
}

/* A table of a few blocks and partitions' worth of entries. */
static uint32_t build(memfs *fs) {
    file_header h = {.kind = FILE_TABLE, .store_id = STORE, .number = NUMBER};
    table_options o = {.block_size = TABLE_BLOCK_MIN, .bloom_bits = 10};
    table_writer *w;
    table_summary sum;
    status st = table_create(memfs_vfs(fs), PATH, &h, &o, &w);
    for (char k = 0; k < 60 && status_ok(st); k++) {
        char key[] = {'k', (char)('0' + k / 10), (char)('0' + k % 10)}, cell[] = {k % 3, 'a', 'b'};
        st = table_add(w, slice_of(key, sizeof key), slice_of(cell, sizeof cell), 7u + (unsigned)k);
    }
    CHECK(status_ok(st));
    st = table_finish(w, &sum);
    CHECK(status_ok(st));
    buf_free(&sum.first);
    buf_free(&sum.last);
    return sum.length;
}

/* Pairs of a place and a byte are put into the bodies; then every record is sealed again. */
static void check_patched(slice in) {
    memfs *fs = memfs_new();
    uint32_t length = build(fs);
    buf *b = memfs_bytes(fs, PATH);
    buf bodies = {0}; /* by byte: is it of a body? */
    memset(buf_reserve(&bodies, length), 0, length);
    for (uint32_t at = FILE_HEADER; at < length;) {
        uint32_t size = record_encoded_size(b->data + at);
        memset(bodies.data + at + RECORD_HEADER, 1, size - RECORD_HEADER);
        at += size;
    }
    for (; in.len >= 3; in = slice_skip(in, 3)) {
        uint32_t at = load_u16(in.data) % length;
        if (bodies.data[at]) b->data[at] = in.data[2];
    }
    for (uint32_t at = FILE_HEADER; at < length;) {
        uint32_t size = record_encoded_size(b->data + at);
        record_seal(b->data + at, size, false, (record_place){STORE, NUMBER, at});
        at += size;
    }
    check_file(fs, length);
    buf_free(&bodies);
    memfs_free(fs);
}

/* Any bytes behind a good header. */
static void check_noise(slice in) {
    memfs *fs = memfs_new();
    buf file = {0};
    file_header h = {.kind = FILE_TABLE, .store_id = STORE, .number = NUMBER};
    file_header_encode(buf_reserve(&file, FILE_HEADER), &h);
    file.len = FILE_HEADER;
    buf_append_slice(&file, in);
    memfs_put(fs, PATH, buf_slice(&file));
    check_file(fs, (uint32_t)file.len);
    buf_free(&file);
    memfs_free(fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > RECORD_BODY_MAX) return 0;
    slice in = slice_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0: check_block(in); break;
    case 1: check_noise(in); break;
    default: check_patched(in);
    }
    return 0;
}
