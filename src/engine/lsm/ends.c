/* ends: a queue's head does not walk over what was popped.
 *
 * What was deleted from the front of a map stays there as tombstones until a compaction, so each
 * look for the first element would pass over all that were there before: popping n elements would
 * cost n * n / 2 steps. So the first element that was found last is remembered, and the next search
 * begins there; likewise the last one. An element put before it moves it; an abort, which may bring
 * elements back, forgets everything, and so does a start (L15). */
#include "engine/lsm/ends.h"

#include "base/log.h"

_Static_assert(END_KEY_MAX <= UINT8_MAX, "a length fits");

/* The one place where that map may be remembered. */
static unsigned slot_of(uint64_t coll, unsigned map) {
    CHECK(coll > 0 && map < ENGINE_MAPS);
    return (unsigned)((coll * ENGINE_MAPS + map) * 0x9e3779b97f4a7c15ULL >> 58) % ENDS;
}

/* What is known of one end; false: nothing. */
static bool known(const map_ends *m, uint64_t coll, unsigned map, bool high, slice *key) {
    const map_end *x = &m->at[slot_of(coll, map)];
    if (x->coll != coll || x->map != map || !x->has[high]) return false;
    *key = slice_of(x->key[high], x->len[high]);
    return true;
}

/* Subkeys are not empty where a backward search may begin: empty means the last. */
bool ends_seek(const map_ends *m, uint64_t coll, unsigned map, bool backward, slice *from) {
    slice end;
    bool at_end = from->len == 0;
    CHECK(from->len <= ENGINE_SUBKEY_MAX);
    if (!known(m, coll, map, backward, &end)) return at_end;
    if (!at_end) at_end = backward ? slice_cmp(*from, end) >= 0 : slice_cmp(*from, end) <= 0;
    if (at_end && end.len > 0) *from = end;
    return at_end;
}

/* Whatever map was remembered here makes room. */
void ends_found(map_ends *m, uint64_t coll, unsigned map, bool backward, slice subkey) {
    map_end *x = &m->at[slot_of(coll, map)];
    if (x->coll != coll || x->map != map) {
        x->coll = coll;
        x->map = (uint8_t)map;
        x->has[0] = x->has[1] = false;
    }
    x->has[backward] = subkey.len <= END_KEY_MAX;
    if (!x->has[backward]) return;
    x->gone[backward] = false;
    x->len[backward] = (uint8_t)subkey.len;
    if (subkey.len) memcpy(x->key[backward], subkey.data, subkey.len);
}

/* It is the first or the last, if it is beyond that one. */
void ends_put(map_ends *m, uint64_t coll, unsigned map, slice subkey) {
    slice end;
    CHECK(subkey.len <= ENGINE_SUBKEY_MAX);
    if (known(m, coll, map, false, &end) && slice_cmp(subkey, end) <= 0)
        ends_found(m, coll, map, false, subkey);
    if (known(m, coll, map, true, &end) && slice_cmp(subkey, end) >= 0)
        ends_found(m, coll, map, true, subkey);
}

/* The end stays where it was, as a bound. */
void ends_del(map_ends *m, uint64_t coll, unsigned map, slice subkey) {
    slice end;
    for (unsigned high = 0; high < 2; high++)
        if (known(m, coll, map, high, &end) && slice_eq(subkey, end))
            m->at[slot_of(coll, map)].gone[high] = true;
}

bool ends_there(const map_ends *m, uint64_t coll, unsigned map, bool high) {
    slice end;
    return known(m, coll, map, high, &end) && !m->at[slot_of(coll, map)].gone[high];
}

/* What is pushed goes there. */
bool ends_beyond(const map_ends *m, uint64_t coll, unsigned map, slice subkey) {
    slice end;
    CHECK(subkey.len <= ENGINE_SUBKEY_MAX);
    return (known(m, coll, map, false, &end) && slice_cmp(subkey, end) < 0) ||
           (known(m, coll, map, true, &end) && slice_cmp(subkey, end) > 0);
}

/* As at the beginning. */
void ends_forget(map_ends *m) {
    for (unsigned i = 0; i < ENDS; i++)
        m->at[i].coll = 0;
}
