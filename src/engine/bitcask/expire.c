/* expire: which key is due next.
 *
 * Each physical database has a B+tree of (time, token) pairs without values:
 *
 *   0  be64    expire time, ms since the epoch
 *   8  7 bytes token, big-endian
 *
 * Two keys of one token that expire in the same millisecond share a pair (B9); who removes one
 * looks whether the other still needs it. So the index costs 15 bytes a key that expires, however
 * long the key is. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/entries.h"
#include "engine/bitcask/ops.h"

/* The pair's bytes. */
static slice due_key(char out[DUE_KEY], int64_t when, uint64_t token) {
    char t[8];
    CHECK(when > 0 && token < (1ULL << TOKEN_BITS));
    put_be64(out, (uint64_t)when);
    put_be64(t, token);
    memcpy(out + 8, t + 1, 7);
    return slice_of(out, DUE_KEY);
}

/* The token of a pair. */
static uint64_t due_token(slice pair) {
    CHECK(pair.len == DUE_KEY);
    char t[8] = {0};
    memcpy(t + 1, pair.data + 8, 7);
    return load_be64(t);
}

/* Fine if another key has the pair in the index already (B9). */
void due_add(pdb *d, uint64_t token, int64_t when) {
    char k[DUE_KEY];
    CHECK(!d->dropped);
    if (!d->due) d->due = btree_new();
    btree_put(d->due, due_key(k, when, token), SLICE_EMPTY);
}

/* An entry of that token and, unless `when` is 0, that time; ARENA_NONE if there is none. */
static arena_ref find_due(bitcask *e, const pdb *d, uint64_t token, int64_t when) {
    CHECK(token < (1ULL << TOKEN_BITS));
    keydir_iter it;
    uint64_t t;
    arena_ref r;
    if (!d->keys) return ARENA_NONE;
    keydir_seek(d->keys, token, &it);
    while ((r = keydir_next(&it, &t)) != ARENA_NONE && t == token) {
        kdent k;
        kdent_decode(keydir_at(&e->shared, r), &k);
        if (k.expire && (!when || k.expire == when)) return r;
    }
    return ARENA_NONE;
}

/* Stays if another key still needs it. */
void due_del(bitcask *e, pdb *d, uint64_t token, int64_t when) {
    CHECK(d->due);
    char k[DUE_KEY];
    if (find_due(e, d, token, when) != ARENA_NONE) return;
    bool was = btree_del(d->due, due_key(k, when, token));
    CHECK(was);
}

/* The earliest pair of all databases; false if there is none. */
static bool earliest(bitcask *e, uint32_t *db, slice *pair) {
    bool found = false;
    for (uint32_t i = 0; i < e->ndbs; i++) { /* one look at a leaf each; most have no tree */
        btree_iter it;
        const pdb *d = e->map[i];
        if (!d->due || !btree_first(d->due, &it)) continue;
        slice k = btree_iter_key(&it);
        CHECK(k.len == DUE_KEY);
        if (found && slice_cmp(k, *pair) >= 0) continue;
        found = true;
        *pair = k;
        *db = i;
    }
    return found;
}

/* engine_due: says when the earliest is due even if that is not yet, so that the caller knows how
 * long to leave it alone. The pair may be of several keys: any of them is as due as the others. */
engine_result bc_due(engine *base, int64_t now_ms, uint32_t *db, buf *key, int64_t *when) {
    bitcask *e = bitcask_of(base);
    slice pair;
    *when = 0;
    if (!earliest(e, db, &pair)) return ENGINE_ABSENT;
    *when = (int64_t)load_be64(pair.data);
    CHECK(*when > 0);
    if (*when > now_ms) return ENGINE_ABSENT;
    arena_ref r = find_due(e, e->map[*db], due_token(pair), *when);
    CHECK(r != ARENA_NONE);
    slice k = kdent_key(keydir_at(&e->shared, r));
    buf_clear(key);
    buf_append_slice(key, k);
    return ENGINE_OK;
}

/* engine_random: with_expire picks from the index, so that few among many are found at once. */
engine_result bc_random(engine *base, uint32_t db, bool with_expire, buf *key, entry *meta) {
    bitcask *e = bitcask_of(base);
    const pdb *d = bc_db(e, db);
    arena_ref r = ARENA_NONE;
    if (d->keys && !with_expire) {
        r = keydir_random(d->keys, e->env->rng);
    } else if (d->due && btree_count(d->due) > 0) {
        btree_iter it;
        bool there = btree_select(d->due, rng_below(e->env->rng, btree_count(d->due)), &it);
        CHECK(there);
        slice pair = btree_iter_key(&it);
        r = find_due(e, d, due_token(pair), (int64_t)load_be64(pair.data));
        CHECK(r != ARENA_NONE);
    }
    if (r == ARENA_NONE) return ENGINE_ABSENT;
    slice k = kdent_key(keydir_at(&e->shared, r));
    buf_clear(key);
    buf_append_slice(key, k);
    if (meta) entry_of(e, r, meta);
    return ENGINE_OK;
}
