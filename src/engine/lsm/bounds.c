/* bounds: smallest <= key < limit, exact where they can be.
 *
 *   key        pdb | kind | place | user's key          up to 1 MiB
 *   smallest   the key; if it is long, its 13 bytes before the user's key
 *   limit      the key and a zero byte; if it is long, the successor of those 13 bytes
 *   drop       limit is the successor of the drop's key: it covers what it hides, so that a
 *              compaction of its table takes along everything that it must still hide
 *
 * Two tables of a level stay apart with cut bounds too, as keys on both sides of a cut have
 * different tokens, so different places: the successor of one is at most the other. Only keys of
 * entries are that long: subkeys are bounded. */
#include "engine/lsm/bounds.h"
#include "base/log.h"
#include "engine/lsm/keys.h"

/* The part of a long key that bounds are made of. */
static slice head_of(slice key) {
    CHECK(key.len > BOUND_WHOLE_MAX);
    return slice_of(key.data, LKEY_MAIN_HEAD);
}

/* The key itself, nearly always. */
void bound_smallest(buf *out, slice key) {
    CHECK(key.len > 0);
    buf_clear(out);
    buf_append_slice(out, key.len > BOUND_WHOLE_MAX ? head_of(key) : key);
    CHECK(slice_cmp(buf_slice(out), key) <= 0);
}

/* Trailing ff bytes go, then the last byte is one more. */
void bound_after_prefix(buf *out, slice prefix) {
    size_t n = prefix.len;
    while (n > 0 && (unsigned char)prefix.data[n - 1] == 0xff)
        n--;
    CHECK(n > 0);
    buf_clear(out);
    buf_append(out, prefix.data, n);
    out->data[n - 1] = (char)((unsigned char)out->data[n - 1] + 1);
}

/* The least that is greater than key, or a bit more. */
void bound_limit(buf *out, slice key, bool drop) {
    CHECK(key.len > 0);
    if (drop || key.len > BOUND_WHOLE_MAX) {
        bound_after_prefix(out, drop ? key : head_of(key));
        return;
    }
    buf_clear(out);
    buf_append_slice(out, key);
    buf_append_char(out, 0);
    CHECK(slice_cmp(buf_slice(out), key) > 0);
}

/* What is no key of this engine, as tests may have it, can be cut anywhere. */
bool bound_may_cut(slice key, slice next) {
    lkey_parts a, b;
    CHECK(slice_cmp(key, next) < 0);
    if (!lkey_parse(key, &a) || !lkey_parse(next, &b)) return true;
    if (a.pdb != b.pdb || a.kind != b.kind) return true;
    if (a.kind != LKEY_MAIN && a.kind != LKEY_VAL) return true;
    return lkey_token((lsm_hash){a.place, 0}) != lkey_token((lsm_hash){b.place, 0});
}
