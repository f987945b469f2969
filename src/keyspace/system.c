/* The system's records: what features above keep for themselves, beside the databases.
 *
 * They lie in ENGINE_DB_SYSTEM, which no client can select and no flush empties, as entries like
 * any other, so they are in the same log and in the same batches. A value may be larger than an
 * entry's, so it is cut into pieces, each an entry of its own:
 *
 *   key     name, u32 number of the piece
 *   value   piece 0: u32 how many pieces there are, then bytes; others: bytes
 *
 * All pieces of a value but its last are full. A record that becomes shorter loses the pieces that
 * it has no more in the same batch, so what is read is never a mixture. What a repair has left
 * without a piece counts as not there, with a warning. */
#include "keyspace/internal.h"

#include "base/codec.h"
#include "base/log.h"

#define PIECE_BYTES (256u << 10) /* of a value, in an entry */
#define HEAD_BYTES  4u           /* before those of piece 0 */
#define NUMBER      4u           /* bytes of a piece's number in its key */

/* The key of a piece, in out. */
static slice piece_key(buf *out, slice name, uint32_t piece) {
    CHECK(name.len > 0 && name.len <= KS_SYSTEM_NAME_MAX);
    buf_clear(out);
    buf_append_slice(out, name);
    put_u32(buf_reserve(out, NUMBER), piece);
    out->len += NUMBER;
    return buf_slice(out);
}

/* ENGINE_ABSENT, and a word about it. */
static engine_result broken(slice name) {
    log_warning("The system record %.*s is not whole: it counts as lost", (int)name.len, name.data);
    return ENGINE_ABSENT;
}

/* Reads piece 0, and how many there are. */
static engine_result read_first(keyspace *ks, buf *key, slice name, entry *first, uint32_t *n) {
    *n = 0;
    engine_result r = engine_get(ks->engine, ENGINE_DB_SYSTEM, piece_key(key, name, 0), first);
    if (r != ENGINE_OK) return r;
    if (first->value.len >= HEAD_BYTES) *n = load_u32(first->value.data);
    return *n ? ENGINE_OK : broken(name);
}

engine_result ks_system_get(keyspace *ks, slice name, buf *value) {
    buf key = {0};
    entry ent;
    uint32_t n;
    size_t before = value->len;
    engine_result r = read_first(ks, &key, name, &ent, &n);
    if (r == ENGINE_OK) buf_append_slice(value, slice_skip(ent.value, HEAD_BYTES));
    for (uint32_t i = 1; r == ENGINE_OK && i < n; i++) {
        r = engine_get(ks->engine, ENGINE_DB_SYSTEM, piece_key(&key, name, i), &ent);
        if (r == ENGINE_OK) buf_append_slice(value, ent.value);
        if (r == ENGINE_ABSENT) r = broken(name);
    }
    if (r != ENGINE_OK) value->len = before;
    buf_free(&key);
    return r;
}

/* Deletes the pieces [from, n) of a record, as far as there are any. */
static engine_result del_pieces(keyspace *ks, buf *key, slice name, uint32_t from, uint32_t n) {
    for (uint32_t i = from; i < n; i++) {
        engine_result r = engine_del(ks->engine, ENGINE_DB_SYSTEM, piece_key(key, name, i));
        if (r != ENGINE_OK) return r == ENGINE_ABSENT ? ENGINE_OK : r;
    }
    return ENGINE_OK;
}

/* The first piece's bytes go behind how many there are. */
static engine_result put_piece(keyspace *ks, buf *key, slice name, uint32_t i, uint32_t n,
                               slice bytes) {
    buf first = {0};
    entry ent = {.type = KEY_STRING, .value = bytes};
    if (i == 0) {
        put_u32(buf_reserve(&first, HEAD_BYTES + bytes.len), n);
        first.len = HEAD_BYTES;
        buf_append_slice(&first, bytes);
        ent.value = buf_slice(&first);
    }
    engine_result r = engine_put(ks->engine, ENGINE_DB_SYSTEM, piece_key(key, name, i), &ent);
    buf_free(&first);
    return r;
}

engine_result ks_system_put(keyspace *ks, slice name, slice value) {
    buf key = {0};
    entry old;
    uint32_t had, n = value.len ? (uint32_t)((value.len - 1) / PIECE_BYTES + 1) : 1;
    CHECK(ks->depth > 0 && value.len / PIECE_BYTES < UINT32_MAX);
    engine_result r = read_first(ks, &key, name, &old, &had);
    if (r == ENGINE_OK) r = del_pieces(ks, &key, name, n, had);
    if (r == ENGINE_ABSENT) r = ENGINE_OK;
    for (uint32_t i = 0; r == ENGINE_OK && i < n; i++) {
        size_t len = value.len < PIECE_BYTES ? value.len : PIECE_BYTES;
        r = put_piece(ks, &key, name, i, n, slice_of(value.data, len));
        value = slice_skip(value, len);
    }
    buf_free(&key);
    return r;
}

engine_result ks_system_del(keyspace *ks, slice name) {
    buf key = {0};
    entry old;
    uint32_t had;
    CHECK(ks->depth > 0);
    engine_result r = read_first(ks, &key, name, &old, &had);
    if (r == ENGINE_OK) r = del_pieces(ks, &key, name, 0, had);
    buf_free(&key);
    return r;
}

/* Shows the first pieces of a scan under their records' names. */
typedef struct name_filter {
    void (*each)(void *ctx, slice name);
    void *ctx;
} name_filter;

static void name_each(void *ctx, slice key, const entry *meta) {
    const name_filter *f = ctx;
    (void)meta;
    CHECK(key.len > NUMBER);
    slice name = slice_of(key.data, key.len - NUMBER);
    if (load_u32(key.data + name.len) == 0) f->each(f->ctx, name);
}

engine_result ks_system_scan(keyspace *ks, uint64_t from, uint64_t *next,
                             void (*each)(void *ctx, slice name), void *ctx) {
    name_filter f = {each, ctx};
    return engine_scan(ks->engine, ENGINE_DB_SYSTEM, from, 64, next, name_each, &f);
}
