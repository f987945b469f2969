/* What a batch causes besides its changes: kept in one growing list while the batch is open, told
 * to the hooks when it has committed, dropped when it is aborted.
 *
 * Keys are copied one after another into held_keys: they are arguments of a command, or a buffer
 * that is used again, and a batch may outlive both. Nothing is kept when nobody listens to it. */
#include "base/log.h"
#include "base/mem.h"
#include "keyspace/internal.h"

#define HELD_KEEP      256 /* entries and bytes of keys kept between batches */
#define HELD_KEYS_KEEP 16384

/* What a hook has functions for, as bits of held_kind. */
static unsigned wants_of(const ks_hooks *h) {
    return (h->changed ? HELD_CHANGED : 0u) | (h->event ? HELD_EVENT : 0u) |
           (h->flushed ? HELD_FLUSHED : 0u) | (h->swapped ? HELD_SWAPPED : 0u);
}

int ks_hook_add(keyspace *ks, const ks_hooks *hooks) {
    CHECK(!ks->telling);
    int number = (int)ks->nhooks++;
    ks->hooks = mem_realloc(ks->hooks, ks->nhooks * sizeof *ks->hooks);
    ks->hooks[number] = (armed_hook){.hook = *hooks};
    ks_hook_arm(ks, number, true);
    return number;
}

void ks_hook_arm(keyspace *ks, int number, bool armed) {
    CHECK(!ks->telling && number >= 0 && (size_t)number < ks->nhooks);
    ks->hooks[number].armed = armed;
    ks->wanted = 0;
    for (size_t i = 0; i < ks->nhooks; i++)
        if (ks->hooks[i].armed) ks->wanted |= wants_of(&ks->hooks[i].hook);
}

/* Room for one more; all zero. */
static held *held_new(keyspace *ks) {
    CHECK(ks->depth > 0 && !ks->telling);
    if (ks->nheld == ks->held_cap) {
        ks->held_cap = ks->held_cap ? 2 * ks->held_cap : 16;
        ks->held = mem_realloc(ks->held, ks->held_cap * sizeof *ks->held);
    }
    held *h = &ks->held[ks->nheld++];
    *h = (held){0};
    return h;
}

/* Keeps something about a key. */
void held_add(keyspace *ks, unsigned kind, unsigned klass, const char *name, uint32_t db,
              slice key) {
    if (!(kind & ks->wanted)) return;
    held *h = held_new(ks);
    h->kind = kind;
    h->klass = klass;
    h->name = name;
    h->db = db;
    h->key_at = ks->held_keys.len;
    h->key_len = key.len;
    buf_append_slice(&ks->held_keys, key);
}

void ks_after_commit(keyspace *ks, void (*fn)(void *ctx, slice bytes), void *ctx, slice bytes) {
    held *h = held_new(ks);
    h->kind = HELD_CALL;
    h->call = fn;
    h->ctx = ctx;
    h->key_at = ks->held_keys.len;
    h->key_len = bytes.len;
    buf_append_slice(&ks->held_keys, bytes);
}

void ks_at_end(keyspace *ks, void (*fn)(void *ctx, bool committed), void *ctx) {
    CHECK(ks->depth > 0 && !ks->telling);
    batch_end end = {fn, ctx};
    buf_append(&ks->ends, &end, sizeof end);
}

void batch_ended(keyspace *ks, bool committed) {
    size_t n = ks->ends.len / sizeof(batch_end);
    for (size_t i = 0; i < n; i++) {
        batch_end end;
        memcpy(&end, ks->ends.data + (committed ? i : n - 1 - i) * sizeof end, sizeof end);
        end.fn(end.ctx, committed);
    }
    buf_clear(&ks->ends);
}

/* Keeps that databases were flushed or swapped. */
void held_add_dbs(keyspace *ks, unsigned kind, uint32_t a, uint32_t b) {
    if (!(kind & ks->wanted)) return;
    held *h = held_new(ks);
    h->kind = kind;
    h->db = a;
    h->other_db = b;
}

/* Tells one hook one thing. */
static void tell(const ks_hooks *hook, const held *h, slice key) {
    if ((h->kind & HELD_CHANGED) && hook->changed) hook->changed(hook->ctx, h->db, key);
    if ((h->kind & HELD_EVENT) && hook->event)
        hook->event(hook->ctx, h->klass, h->name, h->db, key);
    if (h->kind == HELD_FLUSHED && hook->flushed) hook->flushed(hook->ctx, (int32_t)h->db);
    if (h->kind == HELD_SWAPPED && hook->swapped) hook->swapped(hook->ctx, h->db, h->other_db);
}

bool ks_told_of_itself(const keyspace *ks) {
    return ks->telling_itself;
}

/* After the commit: tells all hooks all that was kept, in order. */
void held_tell(keyspace *ks) {
    if (ks->nheld == 0) return;
    ks->telling = true;
    for (size_t i = 0; i < ks->nheld; i++) {
        const held *h = &ks->held[i];
        slice key = h->key_len ? slice_of(ks->held_keys.data + h->key_at, h->key_len) : SLICE_EMPTY;
        ks->telling_itself = h->kind & HELD_ITSELF;
        if (h->kind == HELD_CALL) h->call(h->ctx, key);
        for (size_t j = 0; j < ks->nhooks; j++)
            if (ks->hooks[j].armed) tell(&ks->hooks[j].hook, h, key);
    }
    ks->telling = ks->telling_itself = false;
    held_forget(ks);
}

/* Empties the list, and gives memory back after a large batch. */
void held_forget(keyspace *ks) {
    ks->nheld = 0;
    buf_clear(&ks->held_keys);
    if (ks->held_keys.cap > HELD_KEYS_KEEP) buf_free(&ks->held_keys);
    if (ks->held_cap > HELD_KEEP) {
        mem_free(ks->held);
        ks->held = NULL;
        ks->held_cap = 0;
    }
}

/* The bytes of keys stay where they are, for all of them. */
void held_only_misses(keyspace *ks) {
    size_t n = 0;
    for (size_t i = 0; i < ks->nheld; i++)
        if (ks->held[i].kind == HELD_EVENT && ks->held[i].klass == KS_MISS)
            ks->held[n++] = ks->held[i];
    ks->nheld = n;
}

void held_free(keyspace *ks) {
    mem_free(ks->held);
    mem_free(ks->hooks);
    buf_free(&ks->held_keys);
    buf_free(&ks->ends);
}

/* ---- what commands say -------------------------------------------------------------------------
 */

void ks_changed(keyspace *ks, unsigned klass, const char *event, uint32_t db, slice key) {
    ks->stats.dirty++;
    held_add(ks, HELD_CHANGED | HELD_EVENT, klass, event, db, key);
}

void ks_touched(keyspace *ks, uint32_t db, slice key) {
    ks->stats.dirty++;
    held_add(ks, HELD_CHANGED, 0, NULL, db, key);
}

void ks_notify(keyspace *ks, unsigned klass, const char *event, uint32_t db, slice key) {
    held_add(ks, HELD_EVENT, klass, event, db, key);
}

void ks_dirty(keyspace *ks, int64_t n) {
    ks->stats.dirty += (uint64_t)n;
}
