/* Loading: what the decoder hands over becomes a key, through the types' own functions, so that
 * encodings (OBJECT ENCODING), derived maps and wake-ups are as if commands had made it.
 *
 * The payload has been checked (check.c): what is malformed here is a fault of this program, and an
 * element is never there already. */
#include "rdb/load_int.h"

#include "base/log.h"
#include "types/hash.h"
#include "types/limits.h"
#include "types/list.h"
#include "types/set.h"
#include "types/string.h"
#include "types/zset.h"

/* ---- one item -----------------------------------------------------------------------------------
 */

/* The sink of the second decoding, of all but streams. */
static engine_result take(void *ctx, const rdb_item *x) {
    loader *l = ctx;
    elements *el = &l->el;
    const hash_field none = {.stored = false};
    zset_outcome outcome;
    double now;
    switch (x->kind) {
    case RDB_ITEM_STRING: return string_set(l->ks, l->db, l->key, x->a, l->expire, 0, 0);
    case RDB_ITEM_ELEMENT: return list_push(el, LIST_TAIL, &x->a, 1);
    case RDB_ITEM_MEMBER: return set_add_new(el, x->a);
    case RDB_ITEM_SCORED: return zset_add(el, x->a, x->score, 0, &now, &outcome);
    case RDB_ITEM_FIELD: return hash_put(el, x->a, x->b, x->expire, &none);
    default: CHECK(false); return ENGINE_ERROR;
    }
}

/* ---- encodings ----------------------------------------------------------------------------------
 */

/* Was the collection in a blob, which redis-server keeps as it is, however long its elements are,
 * unless there are too many? */
static bool kept_compact(unsigned type) {
    switch (type) {
    case RDB_ZSET_ZIPLIST:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK:
    case RDB_ZSET_LISTPACK:
    case RDB_HASH_LISTPACK_EXPIRES_RC:
    case RDB_HASH_LISTPACK_EXPIRES: return true;
    default: return false;
    }
}

/* What OBJECT ENCODING says of a hash or a sorted set that was in a blob. */
static void settle_encoding(elements *el, unsigned type) {
    bool hash = rdb_key_type(type) == KEY_HASH;
    int64_t most = hash ? types_limit.hash_entries : types_limit.zset_entries;
    unsigned bit = hash ? HASH_TABLE : (unsigned)ZSET_SKIPLIST;
    if (kept_compact(type) && el_count(el, 0) <= (uint64_t)most)
        el_set_hint(el, el_hint(el) & ~bit);
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

/* The types whose keys hold elements, but streams. */
static const el_type *const classes[ENGINE_TYPES] = {
    [KEY_LIST] = &list_type,
    [KEY_SET] = &set_type,
    [KEY_ZSET] = &zset_type,
    [KEY_HASH] = &hash_type,
};

/* The hint of a set in a listpack goes before its members, which else might begin an intset. */
engine_result rdb_load(keyspace *ks, uint32_t db, slice key, slice payload, int64_t expire) {
    slice body = rdb_body(payload);
    CHECK(body.len > 0);
    unsigned type = (unsigned char)body.data[0];
    int key_type = rdb_key_type(type);
    loader l = {.ks = ks, .db = db, .key = key, .expire = expire};
    CHECK(key_type >= 0);
    if (key_type == KEY_STREAM) return load_stream(&l, body);
    if (key_type == KEY_STRING) return rdb_decode(body, take, &l);
    el_create(ks, db, key, classes[key_type], &l.el);
    if (type == RDB_SET_LISTPACK) el_set_hint(&l.el, SET_LISTPACK);
    engine_result r = rdb_decode(body, take, &l);
    CHECK(r != ENGINE_ABSENT);
    if (r != ENGINE_OK) return r;
    settle_encoding(&l.el, type);
    l.el.ent.expire = expire;
    return el_end(&l.el);
}
