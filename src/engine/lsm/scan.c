/* scan: a database's entries by token. A cursor is a token, so nothing is kept between calls.
 *
 * All keys of a token come in one call, and a call does a bounded amount of work: it ends before a
 * new token when enough entries were visited, or when so many tombstones were passed over that they
 * would have cost as much. The token to go on from may then be that of a deleted key. */
#include "base/log.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/ops.h"

/* Cells that a call passes over for each entry that is wanted, and at least. */
#define PASS_EACH  8
#define PASS_LEAST 1024

/* engine_scan: the walk shows tombstones, so that it can end there. */
engine_result lsm_scan(engine *base, uint32_t db, uint64_t from, size_t want, uint64_t *next,
                       void (*each)(void *ctx, slice key, const entry *meta), void *ctx) {
    lsm *e = lsm_of(base);
    *next = 0;
    if (from >= 1ULL << TOKEN_BITS) return ENGINE_OK; /* a cursor that nobody was given */
    uint32_t pdb = lsm_db(e, db)->number;
    slice first = lkey_token_start(&e->key, pdb, from);
    slice end = lkey_kind_start(&e->key2, pdb, LKEY_MAIN + 1);
    walk *w = walk_new(e, first, end, WALK_SCAN | WALK_ALL);
    uint64_t token = UINT64_MAX;
    size_t visited = 0, passed = 0, most = PASS_LEAST + want * PASS_EACH;
    bool fine = true;
    for (bool more = walk_first(w); more && fine; more = walk_next(w)) {
        lkey_parts parts;
        entry meta;
        fine = lkey_parse(walk_key(w), &parts) && parts.kind == LKEY_MAIN;
        if (!fine) break;
        if (parts.place >> 11 != token && token != UINT64_MAX &&
            (visited >= want || passed >= most)) {
            *next = parts.place >> 11;
            CHECK(*next > from);
            break;
        }
        token = parts.place >> 11;
        passed++;
        if (walk_cell(w).data[0] != CELL_PRESENT) continue;
        fine = lsm_entry_of(walk_cell(w), walk_pos(w), &meta);
        if (fine) each(ctx, parts.key, &meta);
        visited++;
    }
    status s =
        fine ? walk_status(w) : status_make(ST_CORRUPT, "an entry's key or cell is malformed");
    walk_free(e, w);
    return status_ok(s) ? ENGINE_OK : lsm_unread(e, s);
}
