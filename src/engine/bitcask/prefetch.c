/* engine_prefetch: bringing near what the commands of a pipeline are going to ask for.
 *
 * At a million keys and more a lookup is a chain of memory accesses that each miss the processor's
 * caches: page, slot, entry, the value cache's bucket, the value. One command after another, the
 * processor waits for each. Keys that are known some calls ahead are taken along that chain a step
 * at a time, a call or two apart, so that each step finds what the step before it has asked for.
 *
 *   calls ago   0            1      2      4       6        8
 *   step        node, page   page   slot   entry   bucket   value     10: the command itself
 *
 * No step may read what it asks for: the first one knows where something is, not whether it is the
 * page or one more node, and the second looks. (As long as the first one looked, it took a third of
 * a GET's time.)
 *
 * What a step finds is kept for the next one, and for the command: it need not hash its key again
 * nor search for it, only compare keys at the spot where it was (ahead_known, keydir_find_at).
 * Spots know when they are out of date and are found anew then. A wrong guess costs a useless fetch
 * and no more. (Server CPU per GET, redis-benchmark -P 64, a million keys of 100-byte values: 1.49
 * us without, 0.87 us with it; redis-server 1.51 us in the same run.) */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/ops.h"

#define STEPS (KEYDIR_STEPS + 2)
static const unsigned age[STEPS] = {0, 1, 2, 4, 6, 8}; /* in calls, at each step */
_Static_assert(8 < ENGINE_AHEAD, "the last step, before the key is asked for");
_Static_assert(ENGINE_AHEAD < AHEAD_RING, "a key is still in the ring when it is asked for");

/* Where the entry that a token leads to says that its value is, and of what size the record; 0:
 * nowhere but in the entry. */
static log_pos value_place(const bitcask *e, const keydir *keys, ahead_key *k, size_t *bytes) {
    arena_ref r = keydir_guess(keys, k->token, &k->spot);
    *bytes = 0;
    if (r == ARENA_NONE) return 0;
    const char *p = keydir_at(&e->shared, r);
    const segment *s = kdent_is_inline(p) ? NULL : e->slots[kdent_segment(p)];
    if (!s) return 0;
    *bytes = kdent_size(p) - RECORD_HEADER; /* a little more than the value, if that is plain */
    return seg_pos(s, kdent_offset(p));
}

/* Takes one key a step nearer. */
static inline void take_step(const bitcask *e, ahead_key *k, unsigned step) {
    CHECK(step < STEPS && k->wanted);
    if (k->db >= e->ndbs || (step >= KEYDIR_STEPS && !k->value)) return;
    const keydir *keys = e->map[k->db]->keys;
    if (!keys) return;
    if (step < KEYDIR_STEPS) {
        keydir_prefetch(keys, k->token, step, &k->spot);
        return;
    }
    size_t bytes;
    log_pos pos = value_place(e, keys, k, &bytes);
    if (pos) cache_prefetch(e->values, pos, step - KEYDIR_STEPS, bytes);
}

/* A key that may be known again. */
static inline void note(const bitcask *e, ahead_key *now, uint32_t db, slice key, bool value) {
    now->wanted = key.len > 0;
    now->len = key.len <= AHEAD_KEY ? (uint8_t)key.len : 0;
    if (!now->wanted) return;
    now->db = db;
    now->value = value;
    now->token = keydir_token(&e->shared, key);
    now->spot = (keydir_spot){0};
    memcpy(now->key, key.data, now->len);
}

/* Notes the key, then takes each of those that came before it the step that is due at its age. A
 * call without a key only moves the others on. */
void bc_prefetch(engine *base, uint32_t db, slice key, bool value) {
    bitcask *e = bitcask_of(base);
    note(e, &e->ahead.keys[e->ahead.next % AHEAD_RING], db, key, value);
    for (unsigned step = 0; step < STEPS; step++) {
        ahead_key *k = &e->ahead.keys[(e->ahead.next - age[step]) % AHEAD_RING];
        if (k->wanted) take_step(e, k, step);
    }
    e->ahead.next++;
}
