/* fuzz_record: any bytes as a record, and any bytes as the body of a record whose checksums are
 * right. What is read encodes to the very bytes it was read from: there is one encoding. */
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/compress.h"
#include "storage/record.h"
#include "support/fuzz.h"

static const record_place place = {1, 2, 64};

/* What was read lies inside the input and encodes to it again. */
static void check_read(const char *p, size_t n, record *r) {
    bool continues = r->flags & RECORD_CONTINUES;
    CHECK(r->size <= n && r->key.len <= r->size && r->value.len <= r->size);
    buf again = {0};
    CHECK(record_size(r) == r->size);
    record_append(&again, r);
    record_seal(again.data, r->size, continues, place);
    CHECK(again.len == r->size && memcmp(again.data, p, again.len) == 0);
    buf_clear(&again);
    if (r->flags & RECORD_LZ4) {
        status s = compress_undo(r->value, r->plain_len, RECORD_VALUE_MAX, &again);
        CHECK(again.len == (status_ok(s) ? r->plain_len : 0));
    }
    if (r->kind == RECORD_FLUSH || r->kind == RECORD_SWAP) {
        slice rest = record_pairs(r->body);
        uint32_t db, pdb;
        while (record_next_pair(&rest, &db, &pdb))
            CHECK(db < RECORD_DBS_MAX);
        CHECK(rest.len == 0);
    }
    buf_free(&again);
}

/* With checksums made right, so that the fields are reached. */
static void check_body(slice in) {
    if (in.len < 4) return;
    size_t n = in.len - 4;
    char *p = mem_alloc(RECORD_HEADER + n);
    record r;
    put_u32(p + 8, (uint32_t)n);
    memcpy(p + 12, in.data, 4);
    put_u16(p + 14, load_u16(p + 14) & RECORD_ENTRY_FLAGS);
    memcpy(p + RECORD_HEADER, in.data + 4, n);
    if (n <= RECORD_BODY_MAX) {
        record_seal(p, RECORD_HEADER + (uint32_t)n, false, place);
        if (record_read(p, RECORD_HEADER + n, place, &r) == RECORD_OK)
            check_read(p, RECORD_HEADER + n, &r);
    }
    mem_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    record r;
    const char *p = (const char *)data;
    if (record_read(p, size, place, &r) == RECORD_OK) check_read(p, size, &r);
    if (record_parse(p, size, &r) == RECORD_OK) CHECK(r.size <= size);
    check_body(slice_of(data, size));
    return 0;
}
