/* Hashes over elements: a field is an element of map 0, its expire time is the element's.
 *
 * Fields with a time are in the derived map too, soonest first. Two things follow from it: how many
 * fields are due is a rank there, so that counting never walks over those that live; and what is to
 * be deleted next is its beginning.
 *
 * The key's wake-up (el_set_wake) is at most the earliest time of a field that is not due yet. It
 * is lowered by hash_put, and never raised but by hash_wake: that a field was deleted, or got a
 * later time, is not worth a put of the main entry, and a wake-up that finds nothing only sets the
 * next. */
#include "types/hash.h"

#include "keyspace/keyenc.h"
#include "types/limits.h"

const el_type hash_type = {.type = KEY_HASH, .order = EL_AS_PUT};

/* ---- reading ------------------------------------------------------------------------------------
 */

engine_result hash_get(elements *el, slice field, hash_field *out) {
    *out = (hash_field){0};
    engine_result r = el_get(el, 0, field, &out->item);
    out->stored = r == ENGINE_OK;
    return r == ENGINE_OK && hash_is_due(el, out->item.expire) ? ENGINE_ABSENT : r;
}

/* The expire time in a derived subkey. */
static int64_t time_of(const el_iter *it) {
    return (int64_t)load_be64(it->item.sub.data);
}

/* How many fields are due. The walk ends at the first that is not, and where the engine counts it
 * ends before it begins. */
static engine_result count_due(elements *el, uint64_t *out) {
    el_iter it;
    char now[KEYENC_HEAD];
    *out = 0;
    if (!(el_hint(el) & HASH_TIMES)) return ENGINE_OK;
    engine_result r = el_first(el, ENGINE_DERIVED, &it);
    if (r == ENGINE_OK && !hash_is_due(el, time_of(&it))) return ENGINE_OK;
    if (r == ENGINE_OK && !el->packed) {
        put_be64(now, (uint64_t)ks_now(el->ks) + 1);
        return el_rank(el, ENGINE_DERIVED, slice_of(now, sizeof now), out);
    }
    for (; r == ENGINE_OK && hash_is_due(el, time_of(&it)); ++*out)
        r = el_step(&it, false);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

engine_result hash_count(elements *el, uint64_t *out) {
    uint64_t due;
    engine_result r = count_due(el, &due);
    *out = el_count(el, 0) - due;
    return r;
}

/* Goes on from where the iterator is to a field that is not due. */
static engine_result skip_due(el_iter *it, engine_result r) {
    while (r == ENGINE_OK && hash_is_due(it->el, it->item.expire))
        r = el_step(it, false);
    return r;
}

engine_result hash_first(elements *el, el_iter *out) {
    return skip_due(out, el_first(el, 0, out));
}

engine_result hash_next(el_iter *it) {
    return skip_due(it, el_step(it, false));
}

/* ---- changing -----------------------------------------------------------------------------------
 */

/* redis-server gives the compact encoding up for a long field or value, or too many fields, and
 * never takes it up again. */
static bool is_table(elements *el, slice field, slice value) {
    return field.len > (uint64_t)types_limit.hash_value ||
           value.len > (uint64_t)types_limit.hash_value ||
           el_count(el, 0) > (uint64_t)types_limit.hash_entries;
}

engine_result hash_put(elements *el, slice field, slice value, int64_t expire,
                       const hash_field *was) {
    engine_result r = el_put(el, 0, field, value, expire, was->stored ? &was->item : NULL);
    if (r != ENGINE_OK) return r;
    unsigned hint = el_hint(el);
    if (is_table(el, field, value)) hint |= HASH_TABLE;
    if (expire != ENGINE_NO_EXPIRE) {
        hint |= HASH_TIMES;
        if (el->wake == 0 || expire < el->wake) el_set_wake(el, expire);
    }
    el_set_hint(el, hint);
    return ENGINE_OK;
}

engine_result hash_del(elements *el, slice field, const hash_field *was) {
    return el_del(el, 0, field, &was->item);
}

engine_result hash_set_expire(elements *el, slice field, const hash_field *was, int64_t expire) {
    return hash_put(el, field, el_keep(el, was->item.value), expire, was);
}

/* ---- for whoever handles keys of any type -------------------------------------------------------
 */

engine_result hash_encoding(elements *el, const char **name) {
    unsigned hint = el_hint(el);
    *name = hint & HASH_TABLE ? "hashtable" : hint & HASH_TIMES ? "listpackex" : "listpack";
    return ENGINE_OK;
}

/* Some fields that are due, to be deleted when the iterator is no longer needed. */
typedef struct due_fields {
    slice subs[HASH_WAKE_MAX]; /* derived subkeys, in the batch's memory */
    unsigned n;
    int64_t next; /* the earliest time of those that are left; 0: none has one */
} due_fields;

/* The first of them, in order of time. */
static engine_result find_due(elements *el, due_fields *out) {
    el_iter it;
    out->n = 0;
    out->next = 0;
    engine_result r = el_first(el, ENGINE_DERIVED, &it);
    while (r == ENGINE_OK) {
        out->next = time_of(&it);
        if (!hash_is_due(el, out->next) || out->n == HASH_WAKE_MAX) return ENGINE_OK;
        out->subs[out->n++] = el_keep(el, it.item.sub);
        out->next = 0;
        r = el_step(&it, false);
    }
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Deletes a field by its derived subkey, without reading its value unless that may be in pieces. */
static engine_result del_due(elements *el, slice derived) {
    el_item old = {.expire = (int64_t)load_be64(derived.data)};
    bool plain = el->packed || el_count(el, EL_LONG) == 0;
    return el_del(el, 0, slice_skip(derived, KEYENC_HEAD), plain ? &old : EL_UNKNOWN);
}

/* Are all fields due? The last of the derived map tells. */
static engine_result all_due(elements *el, bool *out) {
    el_iter it;
    *out = false;
    if (el_count(el, 0) == 0 || el_count(el, ENGINE_DERIVED) != el_count(el, 0)) return ENGINE_OK;
    engine_result r = el_last(el, ENGINE_DERIVED, &it);
    *out = r == ENGINE_OK && hash_is_due(el, time_of(&it));
    return r;
}

/* Deletes up to HASH_WAKE_MAX fields that are due; *n: how many. */
static engine_result delete_some(elements *el, int64_t again, uint64_t *n) {
    due_fields *due = ks_alloc(el->ks, sizeof *due);
    engine_result r = find_due(el, due);
    for (unsigned i = 0; r == ENGINE_OK && i < due->n; i++)
        r = del_due(el, due->subs[i]);
    *n = due->n;
    if (r != ENGINE_OK) return r;
    bool more = due->next != 0 && hash_is_due(el, due->next);
    el_set_wake(el, more && again ? again : due->next);
    return el_end(el);
}

/* When no field is left, the key goes at once, however many there were: so a key without a field is
 * never found. */
engine_result hash_wake(keyspace *ks, uint32_t db, slice key, int64_t again) {
    elements el;
    unsigned flags = KS_WRITE | KS_NO_TOUCH | KS_NO_NOTIFY | KS_NO_WAKE;
    uint64_t n = 0;
    bool all = false;
    engine_result r = el_open(ks, db, key, &hash_type, flags, &el);
    if (r == ENGINE_OK) r = all_due(&el, &all);
    if (r == ENGINE_OK && all) {
        n = el_count(&el, 0);
        r = ks_del(ks, db, key);
    } else if (r == ENGINE_OK) {
        r = delete_some(&el, again, &n);
    }
    if (r != ENGINE_OK || n == 0) return r;
    ks_expired_elements(ks, KS_HASH, "hexpired", db, key, n);
    if (all) ks_notify(ks, KS_GENERIC, "del", db, key);
    return ENGINE_OK;
}
