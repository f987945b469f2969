/* Keys that want to be woken: a type's own time beside the key's expire time.
 *
 * The engine indexes one time an entry: the earlier of the two (KS_WAKES in keyspace.h). When it
 * has come, the value says which of them it was: the key's own, and the key has expired; or the
 * type's, and its function is called, at the first lookup in a batch or by the cycle. So who only
 * has the entry without its value reads it here; of keys that do not wake nothing is read.
 *
 * A type's function works in slices. What is left over after a lookup's slice it hides, and sets
 * the next wake-up to the next millisecond: within one turn, in which time stands still, a key is
 * woken by a lookup once, and so the elements that a command has open do not change under it. */
#include "keyspace/internal.h"

#include "base/codec.h"
#include "base/log.h"

#define OWN_AT  1 /* where the two times are in the value */
#define WAKE_AT 9

static ks_wake_fn wakers[ENGINE_TYPES];

void ks_on_wake(unsigned type, ks_wake_fn fn) {
    CHECK(type < ENGINE_TYPES && (!wakers[type] || wakers[type] == fn));
    wakers[type] = fn;
}

int64_t wake_own(const entry *ent, int64_t *wake) {
    CHECK(ent->value.len >= WAKE_AT + 8);
    *wake = (int64_t)load_u64(ent->value.data + WAKE_AT);
    return (int64_t)load_u64(ent->value.data + OWN_AT);
}

int64_t wake_indexed(const entry *ent) {
    if (!(ent->hint & KS_WAKES)) return ent->expire;
    int64_t wake, own = wake_own(ent, &wake);
    CHECK(own == ent->expire && wake > 0);
    return own != ENGINE_NO_EXPIRE && own < wake ? own : wake;
}

slice wake_with_own(keyspace *ks, slice value, int64_t own) {
    char *copy = ks_alloc(ks, value.len);
    CHECK(value.len >= WAKE_AT);
    memcpy(copy, value.data, value.len);
    put_u64(copy + OWN_AT, (uint64_t)own);
    return slice_of(copy, value.len);
}

engine_result wake_resolve(keyspace *ks, uint32_t db, slice key, entry *ent) {
    int64_t wake;
    if (!(ent->hint & KS_WAKES)) return ENGINE_OK;
    engine_result r = engine_get(ks->engine, db, key, ent);
    if (r == ENGINE_OK) ent->expire = wake_own(ent, &wake);
    ent->value = SLICE_EMPTY;
    return r;
}

engine_result wake_key_due(keyspace *ks, uint32_t db, slice key, entry *meta, bool *due) {
    *due = ks_is_due(ks, meta);
    if (!*due || !(meta->hint & KS_WAKES)) return ENGINE_OK;
    engine_result r = wake_resolve(ks, db, key, meta);
    *due = r == ENGINE_OK && ks_is_due(ks, meta);
    return r;
}

engine_result wake_now(keyspace *ks, uint32_t db, slice key, unsigned type, int64_t again) {
    CHECK(ks->depth > 0 && type < ENGINE_TYPES && wakers[type]);
    return wakers[type](ks, db, key, again);
}

engine_result wake_lookup(keyspace *ks, uint32_t db, slice key, unsigned flags, entry *out) {
    int64_t wake;
    engine_result r = ENGINE_OK;
    if (flags & KS_META) r = engine_get(ks->engine, db, key, out);
    if (r != ENGINE_OK) return r;
    out->expire = wake_own(out, &wake);
    bool sleeps = wake > ks->clock->wall_ms || ks_is_due(ks, out) || flags & KS_NO_WAKE;
    if (!sleeps && ks->depth > 0 && wakers[out->type]) {
        if (ks_deletes_allowed(ks)) r = wake_now(ks, db, key, out->type, ks->clock->wall_ms + 1);
        return r == ENGINE_OK ? lookup_entry(ks, db, key, flags | KS_NO_WAKE, out) : r;
    }
    if (flags & KS_META) out->value = SLICE_EMPTY;
    return ENGINE_OK;
}

void ks_expired_elements(keyspace *ks, unsigned klass, const char *event, uint32_t db, slice key,
                         uint64_t n) {
    ks->stats.expired_elements += n;
    held_add(ks, HELD_CHANGED | HELD_EVENT | HELD_ITSELF, klass, event, db, key);
}
