/* entries: get, put, delete, move, scan: the paths that every command takes.
 *
 * A put appends the record first, which may fail, and then changes the keydir, which can't: so an
 * operation that fails has changed nothing (B1). The entry that was replaced stays allocated until
 * the batch ends, for the undo list.
 *
 * What an operation touches, and what becomes of it:
 *
 *              at once                                    at commit            at abort
 *   record     encoded at the log's end                   sealed               cut off
 *   keydir     the new entry in the old one's place       old one freed        old one back
 *   expiry     the pairs of both                                               pairs of both again
 *   owners     of both collections                        none left: dropped   counted back
 *   bytes                                                 live, hiding, dead
 *   cache      the new value, under its place                                  forgotten */
#include "engine/bitcask/entries.h"
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/ops.h"

/* The key's entry, or ARENA_NONE. */
static inline arena_ref find(const bitcask *e, const pdb *d, slice key) {
    if (!d->keys) return ARENA_NONE;
    const ahead_key *k = ahead_known(e, key);
    if (!k) return keydir_find(d->keys, keydir_token(&e->shared, key), key);
    arena_ref r = keydir_find_at(d->keys, &k->spot, key);
    return r != ARENA_NONE ? r : keydir_find(d->keys, k->token, key);
}

/* Fills out from k, whose reference is r. */
static void fill_entry(const bitcask *e, arena_ref r, const kdent *k, entry *out) {
    CHECK(k->segment < e->nslots);
    *out = (entry){.type = k->type,
                   .hint = k->hint,
                   .access = k->access,
                   .expire = k->expire,
                   .coll = k->coll,
                   .value = k->value,
                   .pos = value_depends(e, k->segment, k->offset, k->size),
                   .ref = r};
}

/* As engine_meta gives it, and the value if it is inline. */
void entry_of(const bitcask *e, arena_ref r, entry *out) {
    CHECK(r != ARENA_NONE);
    kdent k;
    kdent_decode(keydir_at(&e->shared, r), &k);
    fill_entry(e, r, &k, out);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* engine_get: an inline value costs nothing more than engine_meta; any other is read by place, and
 * key and database are compared again in the record (B4). */
engine_result bc_get(engine *base, uint32_t db, slice key, entry *out) {
    bitcask *e = bitcask_of(base);
    const pdb *d = bc_db(e, db);
    arena_ref r = find(e, d, key);
    kdent k;
    if (r == ARENA_NONE) return ENGINE_ABSENT;
    kdent_decode(keydir_at(&e->shared, r), &k);
    fill_entry(e, r, &k, out);
    if (k.has_value) return ENGINE_OK;
    value_want w = {.kind = RECORD_PUT,
                    .slot = k.segment,
                    .pdb = d->number,
                    .offset = k.offset,
                    .size = k.size,
                    .key = key};
    return value_read(e, &w, &out->value);
}

/* engine_meta: what the keydir says, so no read of the disk. The value is left out even if it is
 * there, so that callers can't come to rely on it. */
engine_result bc_meta(engine *base, uint32_t db, slice key, entry *out) {
    bitcask *e = bitcask_of(base);
    arena_ref r = find(e, bc_db(e, db), key);
    if (r == ARENA_NONE) return ENGINE_ABSENT;
    entry_of(e, r, out);
    out->value = SLICE_EMPTY;
    return ENGINE_OK;
}

/* engine_set_access: in place and not logged, so it is gone with the process. The reference is that
 * of a read since the last change, so it is not freed yet (K4). */
void bc_set_access(engine *base, const entry *ent, uint32_t access) {
    bitcask *e = bitcask_of(base);
    CHECK(ent->ref != ARENA_NONE && ent->ref <= UINT32_MAX);
    kdent_set_access(keydir_at(&e->shared, (arena_ref)ent->ref), access);
}

/* engine_token: the key's place in the order of scans. */
uint64_t bc_token(engine *base, slice key) {
    return keydir_token(&bitcask_of(base)->shared, key);
}

/* A scan on its way through the keydir. */
typedef struct scan_ctx {
    bitcask *e;
    void (*each)(void *ctx, slice key, const entry *meta);
    void *ctx;
} scan_ctx;

/* From the keydir's walk to the caller's function. */
static void scan_one(void *ctx, arena_ref r) {
    scan_ctx *s = ctx;
    kdent k;
    entry meta;
    kdent_decode(keydir_at(&s->e->shared, r), &k);
    fill_entry(s->e, r, &k, &meta);
    meta.value = SLICE_EMPTY;
    s->each(s->ctx, k.key, &meta);
}

/* engine_scan: tokens do not depend on what else is there, so a key that stays is seen once however
 * many come and go between two calls. */
engine_result bc_scan(engine *base, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                      void (*each)(void *ctx, slice key, const entry *meta), void *ctx) {
    bitcask *e = bitcask_of(base);
    const pdb *d = bc_db(e, db);
    scan_ctx s = {e, each, ctx};
    *next = 0;
    if (d->keys && from < (1ULL << TOKEN_BITS))
        *next = keydir_scan(d->keys, from, want, scan_one, &s);
    CHECK(*next == 0 || *next > from);
    return ENGINE_OK;
}

/* engine_db_stats_of: counts that the keydir has anyway (K3). */
void bc_db_stats(engine *base, uint32_t db, engine_db_stats *out) {
    const pdb *d = bc_db(bitcask_of(base), db);
    *out = (engine_db_stats){0};
    if (!d->keys) return;
    out->keys = keydir_count(d->keys);
    CHECK(keydir_expires(d->keys) <= keydir_count(d->keys));
    out->expires = keydir_expires(d->keys);
}

/* ---- changing ---------------------------------------------------------------------------------
 */

/* Most entries neither expire nor own a collection: one look at the flags says so. */
void entry_linked(bitcask *e, pdb *d, uint64_t token, arena_ref r) {
    const char *p = keydir_at(&e->shared, r);
    if (!(p[10] & (KDENT_EXPIRE48 | KDENT_EXPIRE64 | KDENT_COLL))) return;
    CHECK(!d->dropped);
    kdent k;
    kdent_decode(p, &k);
    if (k.expire) due_add(d, token, k.expire);
    if (!k.coll) return;
    coll *c = coll_make(d, k.coll);
    c->owners++;
    c->type = k.type;
}

/* The keydir has forgotten r already, so that due_del finds only others. */
void entry_unlinked(bitcask *e, pdb *d, uint64_t token, arena_ref r) {
    const char *p = keydir_at(&e->shared, r);
    if (!(p[10] & (KDENT_EXPIRE48 | KDENT_EXPIRE64 | KDENT_COLL))) return;
    CHECK(!d->dropped);
    kdent k;
    kdent_decode(p, &k);
    if (k.expire) due_del(e, d, token, k.expire);
    if (!k.coll) return;
    coll *c = coll_find(d, k.coll);
    CHECK(c && c->owners > 0);
    c->owners--;
}

/* Remembers a change of a main entry; the keydir has it already. */
static void entry_changed(bitcask *e, pdb *d, uint64_t token, const record *r, log_pos at,
                          arena_ref old, arena_ref now) {
    CHECK(old != ARENA_NONE || now != ARENA_NONE);
    CHECK(r->size >= RECORD_HEADER && log_pos_file(at) == seg_active(e)->log.number);
    undo *u = batch_undo(e);
    u->kind = UNDO_ENTRY;
    u->size = r->size;
    u->offset = log_pos_offset(at);
    u->db = d;
    u->entry.old = old;
    u->entry.now = now;
    if (old != ARENA_NONE) entry_unlinked(e, d, token, old);
    if (now != ARENA_NONE) entry_linked(e, d, token, now);
}

/* Puts ent into d. */
static engine_result put(bitcask *e, pdb *d, slice key, const entry *ent) {
    log_pos at;
    arena_ref old, now;
    CHECK(e->log.open && key.len <= ENGINE_KEY_MAX && ent->value.len <= ENGINE_VALUE_MAX);
    CHECK(ent->type < ENGINE_TYPES && ent->hint < 16 && ent->expire >= 0);
    record r = pack_entry(d->number, key, ent);
    value_pack(e, ent->value, &r);
    status s = chain_append(&e->log, &r, &at);
    if (!status_ok(s)) return bc_error(e, s);
    bool is_inline = value_is_inline(ent->value);
    if (!is_inline) cache_prefetch(e->values, at, 0, 0); /* for value_written, below */
    const ahead_key *known = ahead_known(e, key);
    uint64_t token = known ? known->token : keydir_token(&e->shared, key);
    kdent k = {.segment = seg_active(e)->slot,
               .type = ent->type,
               .hint = ent->hint,
               .offset = log_pos_offset(at),
               .access = ent->access,
               .size = r.size,
               .has_value = is_inline,
               .expire = ent->expire,
               .coll = ent->coll,
               .key = key,
               .value = is_inline ? ent->value : SLICE_EMPTY};
    now = keydir_put_at(pdb_keys(e, d), token, known ? &known->spot : NULL, &k, &old);
    entry_changed(e, d, token, &r, at, old, now);
    value_written(e, at, ent->value, is_inline);
    return ENGINE_OK;
}

/* engine_put: see put(), which moves use too. */
engine_result bc_put(engine *base, uint32_t db, slice key, const entry *ent) {
    bitcask *e = bitcask_of(base);
    return put(e, bc_db(e, db), key, ent);
}

/* engine_del: a key that is not there leaves no record: its delete would hide nothing, and merges
 * would have to judge it. */
engine_result bc_del(engine *base, uint32_t db, slice key) {
    bitcask *e = bitcask_of(base);
    pdb *d = bc_db(e, db);
    log_pos at;
    CHECK(e->log.open);
    if (!d->keys) return ENGINE_ABSENT;
    uint64_t token = keydir_token(&e->shared, key);
    if (keydir_find(d->keys, token, key) == ARENA_NONE) return ENGINE_ABSENT;
    record r = {.kind = RECORD_DEL, .pdb = d->number, .key = key};
    status s = chain_append(&e->log, &r, &at);
    if (!status_ok(s)) return bc_error(e, s);
    arena_ref old = keydir_remove(d->keys, token, key);
    CHECK(old != ARENA_NONE);
    entry_changed(e, d, token, &r, at, old, ARENA_NONE);
    return ENGINE_OK;
}

/* engine_move: the value is written again under its new name. A collection keeps its id within a
 * database, having two owners for a moment; to another database it is copied. */
engine_result bc_move(engine *base, uint32_t db, slice key, uint32_t to_db, slice to_key) {
    bitcask *e = bitcask_of(base);
    entry ent;
    pdb *d = bc_db(e, db), *to = bc_db(e, to_db);
    CHECK(e->log.open);
    if (d == to && slice_eq(key, to_key)) return bc_meta(base, db, key, &ent);
    engine_result r = bc_get(base, db, key, &ent);
    if (r != ENGINE_OK) return r;
    buf value = {0};
    buf_append_slice(&value, ent.value); /* copying a collection reads others */
    ent.value = buf_slice(&value);
    if (ent.coll && d != to) r = coll_copy(e, coll_find(d, ent.coll), to, &ent.coll);
    if (r == ENGINE_OK) r = put(e, to, to_key, &ent);
    if (r == ENGINE_OK) r = bc_del(base, db, key);
    buf_free(&value);
    return r;
}
