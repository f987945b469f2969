/* fuzz_rdb: RESTORE payloads: the decoder on any bytes, then, with a good checksum put behind them,
 * what rdb_check says of them. What it finds fine must decode again to the same items, must load,
 * and what is then saved must be fine too. */
#include "rdb/rdb.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "support/fuzz.h"
#include "support/payload.h"
#include "support/world.h"

/* What an item is, as a sum; reads all bytes that it has. */
static engine_result add(void *ctx, const rdb_item *item) {
    uint32_t *sum = ctx;
    *sum = crc32c(*sum, &item->kind, sizeof item->kind);
    *sum = crc32c(*sum, item->a.data, item->a.len);
    *sum = crc32c(*sum, item->b.data, item->b.len);
    for (size_t i = 0; i < item->nparts; i++)
        *sum = crc32c(*sum, item->parts[i].data, item->parts[i].len);
    CHECK(item->nparts % 2 == 0 && item->expire >= 0 && item->count >= -1);
    return ENGINE_OK;
}

/* Into a key of a keyspace in memory, and back; then the key goes. */
static void load_and_save(slice payload) {
    static world w;
    entry ent;
    buf saved = {0};
    if (!w.ks) world_open(&w, 1, false);
    w.clock.wall_ms = 0; /* so that no field's time has come */
    ks_begin(w.ks);
    CHECK(rdb_load(w.ks, 0, SLICE("k"), payload, ENGINE_NO_EXPIRE) == ENGINE_OK);
    CHECK(ks_get(w.ks, 0, SLICE("k"), 0, &ent) == ENGINE_OK);
    CHECK(rdb_save(w.ks, 0, SLICE("k"), &ent, &saved) == ENGINE_OK);
    ks_commit(w.ks);
    CHECK(rdb_check(buf_slice(&saved)) == RDB_FINE);
    ks_begin(w.ks);
    CHECK(ks_del(w.ks, 0, SLICE("k")) == ENGINE_OK);
    ks_commit(w.ks);
    buf_free(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint32_t first = 0, second = 0;
    engine_result r = rdb_decode(slice_of(data, size), add, &first);
    CHECK(r == ENGINE_OK || r == ENGINE_ABSENT);
    if (size < RDB_FOOTER) return 0;
    char *p = mem_dup(data, size);
    put_u16(p + size - RDB_FOOTER, RDB_VERSION_WRITTEN);
    payload_sign(p, size);
    slice payload = slice_of(p, size);
    first = 0;
    if (rdb_check(payload) == RDB_FINE) {
        CHECK(rdb_decode(rdb_body(payload), add, &first) == ENGINE_OK);
        CHECK(rdb_decode(rdb_body(payload), add, &second) == ENGINE_OK && first == second);
        load_and_save(payload);
    }
    mem_free(p);
    return 0;
}
