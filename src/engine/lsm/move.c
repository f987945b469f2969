/* move: an entry gets another name, or goes to another database.
 *
 * Its value is written again under the new name, which drops the collection of what was there.
 * Within a database its own collection stays under its id: for a moment it has two owners, and then
 * the old name goes without dropping it. Another database has other keys for elements, so there it
 * is copied, piece by piece, and dropped here. */
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

/* engine_move: all in the caller's batch. */
engine_result lsm_move(engine *base, uint32_t db, slice key, uint32_t to_db, slice to_key) {
    lsm *e = lsm_of(base);
    lpdb *d = lsm_db(e, db), *to = lsm_db(e, to_db);
    entry ent;
    buf value = {0};
    CHECK(e->batch.open && to_key.len <= ENGINE_KEY_MAX);
    if (d == to && slice_eq(key, to_key)) return lsm_meta(base, db, key, &ent);
    engine_result r = lsm_get(base, db, key, &ent);
    if (r != ENGINE_OK) return r;
    if (ent.coll && d != to) { /* copying reads and writes much else */
        buf_append_slice(&value, ent.value);
        ent.value = buf_slice(&value);
        r = lsm_coll_copy(e, d, ent.coll, to, &ent.coll);
    }
    if (r == ENGINE_OK) r = lsm_entry_put(e, to, to_key, &ent);
    if (r == ENGINE_OK) r = lsm_entry_del(e, d, key, d == to);
    buf_free(&value);
    return r;
}
