/* fuzz_manifest: any bytes as the file MANIFEST, and any bytes as the operations of edits. A state
 * that comes out encodes to operations that make it again. */
#include "base/log.h"
#include "storage/file_header.h"
#include "storage/manifest.h"
#include "support/fuzz.h"
#include "support/memfs.h"

static void check_state(const manifest_state *s) {
    manifest_state again = {0};
    buf ops = {0};
    manifest_state_encode(s, &ops);
    status st = manifest_state_apply(&again, buf_slice(&ops));
    CHECK(status_ok(st));
    CHECK(manifest_state_eq(s, &again));
    manifest_state_free(&again);
    buf_free(&ops);
}

static void check_file(slice in) {
    memfs *fs = memfs_new();
    manifest_state s;
    manifest_report report;
    memfs_put(fs, "MANIFEST", in);
    status st = manifest_load(memfs_vfs(fs), "MANIFEST", &s, &report);
    if (status_ok(st)) {
        CHECK(report.length <= in.len && report.edit_end <= report.length);
        check_state(&s);
    }
    manifest_state_free(&s);
    memfs_free(fs);
}

/* Behind a creation and some ids, operation by operation. */
static void check_ops(slice in) {
    manifest_state s = {0};
    manifest_edit e = {0};
    buf text = {0};
    edit_create(&e, "bitcask", 1, (hash_key){2, 3}, false);
    edit_reserve(&e, MANIFEST_IDS_FILE, 200);
    edit_reserve(&e, MANIFEST_IDS_PDB, 200);
    status st = manifest_state_apply(&s, buf_slice(&e.ops));
    CHECK(status_ok(st));
    st = manifest_state_apply(&s, in);
    if (status_ok(st)) check_state(&s);
    manifest_ops_print(in, &text);
    CHECK(text.len > 0 || in.len == 0);
    buf_free(&text);
    edit_free(&e);
    manifest_state_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > RECORD_BODY_MAX) return 0;
    check_file(slice_of(data, size));
    check_ops(slice_of(data, size));
    return 0;
}
