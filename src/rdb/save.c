/* Saving: a key's value as a payload that every redis-server 7 loads; one of a hash with fields
 * that expire, 7.4 and later.
 *
 *   string                 as redis-server does
 *   list                   listpacks of the size that list-max-listpack-size says; longer elements
 *                          by themselves
 *   set                    intset, or strings
 *   hash, sorted set       a listpack if redis-server had one (OBJECT ENCODING), else strings; a
 *                          hash with fields that expire as redis-server 7.4 has it
 *   stream                 listpacks, as stream-node-max-bytes and -entries say
 *
 * redis-server loads any of its encodings whatever its own settings are, and makes of it what these
 * say; so the choice here decides how long the payload is, and who can read it, and no more.
 *
 * Elements go to the output as they are read. A compact collection that turns out to be longer than
 * COMPACT_MAX (settings allow anything) is begun again as strings. */
#include "rdb/save_int.h"

#include "base/codec.h"
#include "base/crc64.h"
#include "types/hash.h"
#include "types/list.h"
#include "types/set.h"
#include "types/string.h"
#include "types/zset.h"

#define COMPACT_MAX ((size_t)64 << 20) /* bytes */

/* The end of a walk is no failure. */
static engine_result at_end(engine_result r) {
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* A blob, compressed like any string. */
void save_listpack(buf *out, listpack_writer *w) {
    listpack_end(w);
    raw_put_blob(out, buf_slice(w->out));
}

/* ---- strings ------------------------------------------------------------------------------------
 */

/* One that is in chunks is put together first: LZF wants all of it. */
static engine_result save_string(keyspace *ks, uint32_t db, slice key, const entry *ent, buf *out) {
    string s;
    buf value = {0};
    buf_append_char(out, RDB_STRING);
    engine_result r = string_of_entry(ks, db, key, ent, &s);
    if (r != ENGINE_OK) return r;
    if (!s.chunked) {
        raw_put_string(out, s.ent.value);
        return ENGINE_OK;
    }
    r = string_load(&s, &value);
    if (r == ENGINE_OK) raw_put_string(out, buf_slice(&value));
    buf_free(&value);
    return r;
}

/* ---- sets ---------------------------------------------------------------------------------------
 */

/* As set_walk shows it. */
static engine_result put_member(void *out, slice member) {
    raw_put_string(out, member);
    return ENGINE_OK;
}

/* A member's number to a buf of them. */
static engine_result put_integer(void *out, slice member) {
    int64_t v;
    if (!num_parse_i64(member, &v)) return ENGINE_ERROR;
    buf_append(out, &v, sizeof v);
    return ENGINE_OK;
}

/* At most set-max-intset-entries numbers, so they may all be in memory. */
static engine_result save_intset(elements *el, buf *out) {
    buf numbers = {0}, blob = {0};
    buf_append_char(out, RDB_SET_INTSET);
    engine_result r = set_walk(el, put_integer, &numbers);
    if (r == ENGINE_OK) {
        intset_write(&blob, (void *)numbers.data, numbers.len / sizeof(int64_t));
        raw_put_blob(out, buf_slice(&blob));
    }
    buf_free(&numbers);
    buf_free(&blob);
    return r;
}

/* redis-server 7.0 has no listpacks of sets, so they are written out. */
static engine_result save_set(elements *el, buf *out) {
    if (el_hint(el) == SET_INTSET) return save_intset(el, out);
    buf_append_char(out, RDB_SET);
    raw_put_len(out, el_count(el, 0));
    return set_walk(el, put_member, out);
}

/* ---- sorted sets --------------------------------------------------------------------------------
 */

/* As redis-server writes a score in a listpack: as a number if it is one, else as text. */
static void add_score(listpack_writer *w, double score) {
    char text[NUM_DOUBLE_TEXT];
    listpack_add(w, slice_of(text, num_format_double(text, score)));
}

/* ENGINE_ABSENT: it is too long for a listpack. */
static engine_result compact_zset(elements *el, buf *out, buf *room) {
    listpack_writer w;
    zset_walk walk;
    const zset_range all = ZSET_ALL;
    listpack_begin(&w, room);
    engine_result r = zset_first(el, &all, &walk);
    for (; r == ENGINE_OK; r = zset_next(&walk)) {
        if (listpack_size(&w) > COMPACT_MAX) return ENGINE_ABSENT;
        listpack_add(&w, walk.member);
        add_score(&w, walk.score);
    }
    if (r != ENGINE_ABSENT) return r;
    buf_append_char(out, RDB_ZSET_LISTPACK);
    save_listpack(out, &w);
    return ENGINE_OK;
}

/* In the order of scores, though any would do. */
static engine_result plain_zset(elements *el, buf *out) {
    zset_walk walk;
    const zset_range all = ZSET_ALL;
    buf_append_char(out, RDB_ZSET);
    raw_put_len(out, el_count(el, 0));
    engine_result r = zset_first(el, &all, &walk);
    for (; r == ENGINE_OK; r = zset_next(&walk)) {
        raw_put_string(out, walk.member);
        raw_put_double(out, walk.score);
    }
    return at_end(r);
}

/* Compact if OBJECT ENCODING says so, and it is not too long for that. */
static engine_result save_zset(elements *el, buf *out) {
    if (el_hint(el) & ZSET_SKIPLIST) return plain_zset(el, out);
    buf room = {0};
    engine_result r = compact_zset(el, out, &room);
    buf_free(&room);
    return r == ENGINE_ABSENT ? plain_zset(el, out) : r;
}

/* ---- hashes -------------------------------------------------------------------------------------
 */

/* ENGINE_ABSENT: it is too long for a listpack. */
static engine_result compact_hash(elements *el, buf *out, buf *room) {
    listpack_writer w;
    el_iter it;
    listpack_begin(&w, room);
    engine_result r = hash_first(el, &it);
    for (; r == ENGINE_OK; r = hash_next(&it)) {
        if (listpack_size(&w) > COMPACT_MAX) return ENGINE_ABSENT;
        listpack_add(&w, it.item.sub);
        listpack_add(&w, it.item.value);
    }
    if (r != ENGINE_ABSENT) return r;
    buf_append_char(out, RDB_HASH_LISTPACK);
    save_listpack(out, &w);
    return ENGINE_OK;
}

/* first: the earliest time at which one of its fields expires; 0: none does. */
static engine_result plain_hash(elements *el, buf *out, int64_t first) {
    el_iter it;
    uint64_t count;
    engine_result r = hash_count(el, &count);
    if (r != ENGINE_OK) return r;
    buf_append_char(out, first ? RDB_HASH_EXPIRES : RDB_HASH);
    if (first) raw_put_u64(out, (uint64_t)first);
    raw_put_len(out, count);
    r = hash_first(el, &it);
    for (; r == ENGINE_OK; r = hash_next(&it)) {
        int64_t expire = it.item.expire;
        if (first) raw_put_len(out, expire ? (uint64_t)(expire - first) + 1 : 0);
        raw_put_string(out, it.item.sub);
        raw_put_string(out, it.item.value);
    }
    return at_end(r);
}

/* The earliest time at which one of its fields expires that has not; 0: none does. */
static engine_result first_expire(elements *el, int64_t *first) {
    el_iter it;
    *first = 0;
    if (!(el_hint(el) & HASH_TIMES)) return ENGINE_OK;
    engine_result r = el_first(el, ENGINE_DERIVED, &it);
    for (; r == ENGINE_OK; r = el_step(&it, false)) {
        int64_t when = (int64_t)load_be64(it.item.sub.data);
        if (hash_is_due(el, when)) continue;
        *first = when;
        return ENGINE_OK;
    }
    return at_end(r);
}

/* Compact if OBJECT ENCODING says so, it is not too long for that, and no field expires. */
static engine_result save_hash(elements *el, buf *out) {
    int64_t first;
    engine_result r = first_expire(el, &first);
    if (r != ENGINE_OK) return r;
    if (first || (el_hint(el) & HASH_TABLE)) return plain_hash(el, out, first);
    buf room = {0};
    r = compact_hash(el, out, &room);
    buf_free(&room);
    return r == ENGINE_ABSENT ? plain_hash(el, out, 0) : r;
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

static const struct {
    const el_type *type;
    engine_result (*save)(elements *el, buf *out);
} savers[ENGINE_TYPES] = {
    [KEY_LIST] = {&list_type, save_list},
    [KEY_SET] = {&set_type, save_set},
    [KEY_ZSET] = {&zset_type, save_zset},
    [KEY_HASH] = {&hash_type, save_hash},
};

/* Type and contents. */
static engine_result save_value(keyspace *ks, uint32_t db, slice key, const entry *ent, buf *out) {
    elements el;
    if (ent->type == KEY_STRING) return save_string(ks, db, key, ent, out);
    if (ent->type == KEY_STREAM) return save_stream(ks, db, key, ent, out);
    engine_result r = el_of_entry(ks, db, key, ent, savers[ent->type].type, &el);
    return r == ENGINE_OK ? savers[ent->type].save(&el, out) : r;
}

void rdb_put_footer(buf *out, size_t start, unsigned version) {
    char *p = buf_reserve(out, RDB_FOOTER);
    put_u16(p, (uint16_t)version);
    out->len += 2;
    put_u64(p + 2, crc64(0, out->data + start, out->len - start));
    out->len += 8;
}

/* The version follows from the type: what has fields that expire, 7.0 could not read. */
engine_result rdb_save(keyspace *ks, uint32_t db, slice key, const entry *ent, buf *out) {
    size_t start = out->len;
    engine_result r = save_value(ks, db, key, ent, out);
    if (r != ENGINE_OK) return r;
    bool fields = out->data[start] == RDB_HASH_EXPIRES;
    rdb_put_footer(out, start, fields ? RDB_VERSION_FIELDS : RDB_VERSION_WRITTEN);
    return ENGINE_OK;
}
