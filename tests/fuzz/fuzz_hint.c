/* fuzz_hint: any bytes as a hint file, and any bytes as the body of a block whose checksums, and
 * whose footer, are right. */
#include "base/codec.h"
#include "base/log.h"
#include "storage/hint_format.h"
#include "support/fuzz.h"
#include "support/memfs.h"

#define PATH    "0000000012.hint"
#define STORE   0x1122334455667788u /* as in the README's example */
#define SEGMENT 12
#define LENGTH  173

/* Reads all that is there; every entry must be inside its segment. */
static void check_file(memfs *fs, uint32_t length) {
    hint_reader *r;
    hint_entry e;
    hint_info info;
    buf keys = {0}, elems = {0};
    bool got = true;
    status st = hint_open(memfs_vfs(fs), PATH, STORE, SEGMENT, length, &r);
    if (status_ok(st)) {
        while (got && status_ok(st)) {
            st = hint_next(r, &e, &got);
            if (!status_ok(st) || !got) break;
            CHECK((uint64_t)e.offset + e.size <= length);
            CHECK(e.key.len <= RECORD_KEY_MAX && e.value.len <= HINT_INLINE_MAX);
            CHECK(e.body.len == 0 || record_pairs_valid(e.kind, e.body));
        }
        hint_close(r);
    }
    st = hint_read_filters(memfs_vfs(fs), PATH, STORE, SEGMENT, length, &info, &keys, &elems);
    if (status_ok(st)) {
        (void)filter_may_hold(buf_slice(&keys), 1);
        (void)filter_may_hold(buf_slice(&elems), 1);
    }
    buf_free(&keys);
    buf_free(&elems);
    CHECK(memfs_open_files(fs) == 0);
}

/* Makes a hint of one block with this body. */
static void put_block(memfs *fs, slice in) {
    outfile o;
    char footer[HINT_FOOTER_SIZE];
    file_header h = {.kind = FILE_HINT, .store_id = STORE, .number = SEGMENT};
    hint_info info = {.segment = SEGMENT, .segment_length = UINT32_MAX};
    hint_filters_at at = {0};
    unsigned block = HINT_ORDER + (unsigned char)in.data[0] % HINT_MAP;
    in = slice_skip(in, 1);
    info.entries[RECORD_PUT] = load_u32(in.data); /* the sum is what is checked */
    hint_footer_encode(footer, &info, &at);
    status st = outfile_create(&o, memfs_vfs(fs), PATH, &h, true);
    CHECK(status_ok(st));
    record r = {.kind = RECORD_HINT, .type = (uint8_t)block, .body = in};
    st = outfile_put(&o, &r, NULL);
    CHECK(status_ok(st));
    r = (record){.kind = RECORD_HINT, .type = HINT_FOOTER, .body = slice_of(footer, sizeof footer)};
    st = outfile_put(&o, &r, NULL);
    CHECK(status_ok(st));
    st = outfile_finish(&o);
    CHECK(status_ok(st));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memfs *fs = memfs_new();
    memfs_put(fs, PATH, slice_of(data, size));
    check_file(fs, LENGTH);
    if (size >= 5 && size <= RECORD_BODY_MAX) {
        put_block(fs, slice_of(data, size));
        check_file(fs, UINT32_MAX);
    }
    memfs_free(fs);
    return 0;
}
