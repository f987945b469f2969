/* DEBUG DIGEST: keys' digests, each of name, type, contents and expire time, combined by XOR, so
 * that the order in which they are met does not matter.
 *
 * A digest is 160 bits of SipHash under three fixed keys: enough to tell two data sets apart in a
 * test, and no more is claimed. It is not the SHA-1 of Redis, and the numbers differ from Redis'.
 */
#include "server/digest.h"

#include "base/codec.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>

#define SCAN_STEP 256

/* Mixes bytes into d: XOR of a hash of them. */
static void mix(digest *d, slice s) {
    for (uint64_t i = 0; i < 3; i++) {
        char word[8];
        put_u64(word, siphash13((hash_key){0x5374617665ull + i, i}, s.data, s.len));
        for (int j = 0; j < 8 && i * 8 + (uint64_t)j < DIGEST_BYTES; j++)
            d->bytes[i * 8 + (uint64_t)j] ^= (unsigned char)word[j];
    }
}

/* Appends a length and the bytes, so that what is put together can't be read in two ways. */
static void append_counted(buf *b, slice s) {
    char n[8];
    put_u64(n, s.len);
    buf_append(b, n, sizeof n);
    buf_append_slice(b, s);
}

/* Mixes every element of every map of a collection. */
static engine_result mix_collection(engine *e, engine_coll *c, digest *d) {
    buf b = {0};
    engine_result r = ENGINE_ABSENT;
    for (unsigned map = 0; map < ENGINE_MAPS && r == ENGINE_ABSENT; map++) {
        map_iter it;
        for (r = engine_map_seek(e, c, map, SLICE_EMPTY, false, &it); r == ENGINE_OK;
             r = engine_map_step(e, &it, false)) {
            buf_clear(&b);
            buf_append_char(&b, (char)map);
            append_counted(&b, it.subkey);
            append_counted(&b, it.value);
            append_counted(&b, slice_of(&it.expire, sizeof it.expire));
            mix(d, buf_slice(&b));
        }
    }
    buf_free(&b);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result digest_value(keyspace *ks, uint32_t db, slice key, digest *out) {
    memset(out, 0, sizeof *out);
    entry ent;
    engine_result r = ks_get(ks, db, key, KS_NO_TOUCH | KS_NO_STATS, &ent);
    if (r != ENGINE_OK) return r;
    buf b = {0};
    buf_append_char(&b, (char)ent.type);
    append_counted(&b, ent.value);
    mix(out, buf_slice(&b));
    buf_free(&b);
    if (!ent.coll) return ENGINE_OK;
    engine_coll c;
    r = engine_coll_open(ks_engine(ks), db, key, &ent, &c);
    return r == ENGINE_OK ? mix_collection(ks_engine(ks), &c, out) : r;
}

/* The names that one step of a scan met. */
typedef struct names {
    buf bytes; /* varint length, key, 8 bytes of expire time, one after another */
} names;

static void note_name(void *ctx, slice key, const entry *meta) {
    names *n = ctx;
    append_counted(&n->bytes, key);
    buf_append(&n->bytes, &meta->expire, sizeof meta->expire);
}

/* Mixes in one key: its value's digest, bound to where it is and when it goes. */
static engine_result mix_key(keyspace *ks, uint32_t db, slice key, slice expire, digest *out) {
    digest value;
    engine_result r = digest_value(ks, db, key, &value);
    if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    buf b = {0};
    append_counted(&b, slice_of(&db, sizeof db));
    append_counted(&b, key);
    append_counted(&b, expire);
    append_counted(&b, slice_of(value.bytes, sizeof value.bytes));
    mix(out, buf_slice(&b));
    buf_free(&b);
    return ENGINE_OK;
}

/* Mixes in all keys of a database. */
static engine_result mix_db(keyspace *ks, uint32_t db, digest *out) {
    names n = {{0}};
    engine_result r = ENGINE_OK;
    uint64_t at = 0;
    do {
        buf_clear(&n.bytes);
        r = engine_scan(ks_engine(ks), db, at, SCAN_STEP, &at, note_name, &n);
        slice left = buf_slice(&n.bytes), key, expire;
        uint64_t len;
        while (r == ENGINE_OK && get_u64(&left, &len) && get_bytes(&left, len, &key) &&
               get_bytes(&left, sizeof(int64_t), &expire))
            r = mix_key(ks, db, key, expire, out);
    } while (r == ENGINE_OK && at != 0);
    buf_free(&n.bytes);
    return r;
}

engine_result digest_all(keyspace *ks, digest *out) {
    memset(out, 0, sizeof *out);
    for (int db = 0; db < ks_databases(ks); db++) {
        engine_db_stats st;
        engine_db_stats_of(ks_engine(ks), (uint32_t)db, &st);
        if (st.keys == 0) continue;
        engine_result r = mix_db(ks, (uint32_t)db, out);
        if (r != ENGINE_OK) return r;
    }
    return ENGINE_OK;
}

void digest_hex(const digest *d, char out[2 * DIGEST_BYTES + 1]) {
    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", d->bytes[i]);
}
