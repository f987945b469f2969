/* fuzz_check: stave-check's parts on any bytes: a data directory whose segment, or hint, or both,
 * are noise behind a good file header, checked, dumped, and repaired both ways. What is repaired is
 * clean. The input is cut in three: records' bodies that get right checksums, a hint, and noise. */
#include "base/codec.h"
#include "base/log.h"
#include "storage/dump.h"
#include "storage/file_header.h"
#include "storage/repair.h"
#include "support/fuzz.h"
#include "support/memfs.h"

#define STORE  9u
#define NUMBER 3u

static void must(status s) {
    if (!status_ok(s)) log_panic(__FILE__, __LINE__, "%s", s.msg);
}

/* Dumps are for terminals. */
static void printable(void *ctx, const char *text) {
    (void)ctx;
    for (; *text; text++)
        CHECK(*text >= ' ' && *text < 127);
}

static const lines listener = {printable, NULL};

static void put_header(buf *out, unsigned kind) {
    file_header h = {.kind = (uint8_t)kind, .store_id = STORE, .number = NUMBER};
    file_header_encode(buf_reserve(out, FILE_HEADER), &h);
    out->len += FILE_HEADER;
}

/* Takes up to n bytes off the front. */
static slice take(slice *in, size_t n) {
    slice out = slice_of(in->data, n < in->len ? n : in->len);
    *in = out.len ? slice_skip(*in, out.len) : *in;
    return out;
}

/* Appends a record with this kind, flags and body; its checksums are right, or else it is noise. */
static void put_record(buf *out, slice in) {
    if (in.len < 3) return;
    size_t n = in.len - 3, start = out->len;
    char *p = buf_reserve(out, RECORD_HEADER + n);
    unsigned flags = load_u16(in.data + 1) & (RECORD_ENTRY_FLAGS | RECORD_CONTINUES);
    memset(p, 0, RECORD_HEADER);
    put_u32(p + 8, (uint32_t)n);
    p[12] = (char)(in.data[0] & 15);
    put_u16(p + 14, (uint16_t)flags);
    memcpy(p + RECORD_HEADER, in.data + 3, n);
    out->len += RECORD_HEADER + n;
    record_seal(p, RECORD_HEADER + (uint32_t)n, flags & RECORD_CONTINUES,
                (record_place){STORE, NUMBER, (uint32_t)start});
}

/* The directory: one sealed segment. Returns its length. */
static uint32_t make(memfs *fs, slice in) {
    buf seg = {0}, hint = {0};
    manifest_state s = {0};
    manifest_edit e = {0};
    put_header(&seg, FILE_SEGMENT);
    put_header(&hint, FILE_HINT);
    if (in.len) buf_append_slice(&hint, take(&in, (unsigned char)in.data[0]));
    while (in.len > 1) {
        size_t n = (unsigned char)in.data[0];
        in = slice_skip(in, 1);
        if (n & 128)
            buf_append_slice(&seg, take(&in, n & 127)); /* noise */
        else
            put_record(&seg, take(&in, n));
    }
    edit_create(&e, "bitcask", STORE, (hash_key){1, 2}, false);
    edit_reserve(&e, MANIFEST_IDS_FILE, NUMBER + 1);
    edit_reserve(&e, MANIFEST_IDS_PDB, 100);
    edit_reserve(&e, MANIFEST_IDS_COLL, 100);
    edit_pending(&e, NUMBER);
    edit_append(&e, NUMBER);
    edit_seal(&e, NUMBER, (uint32_t)seg.len);
    must(manifest_state_apply(&s, buf_slice(&e.ops)));
    must(manifest_rewrite(memfs_vfs(fs), "d", &s, 1));
    memfs_put(fs, "d/0000000003.seg", buf_slice(&seg));
    memfs_put(fs, "d/0000000003.hint", buf_slice(&hint));
    uint32_t length = (uint32_t)seg.len;
    manifest_state_free(&s);
    edit_free(&e);
    buf_free(&seg);
    buf_free(&hint);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int mode = REPAIR_CUT; mode <= REPAIR_SKIP && size < 100000; mode++) {
        memfs *fs = memfs_new();
        vfs *v = memfs_vfs(fs);
        check_result r;
        bool damaged;
        uint32_t length = make(fs, slice_of(data, size));
        CHECK(length >= FILE_HEADER);
        must(dump_file(v, "d/0000000003.seg", &listener, &damaged));
        must(dump_file(v, "d/0000000003.hint", &listener, &damaged));
        must(check_directory(v, "d", &listener, &r));
        repair_explain(&r, &listener);
        status st = repair_directory(v, "d", &r, (repair_mode)mode, &listener);
        check_result_free(&r);
        if (status_ok(st)) {
            must(check_directory(v, "d", &listener, &r));
            CHECK(r.ndamage == 0 && r.nbad_hints == 0 && r.unknown == 0);
            check_result_free(&r);
        }
        CHECK(memfs_open_files(fs) == 0);
        memfs_free(fs);
    }
    return 0;
}
