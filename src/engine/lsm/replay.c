/* replay: a record of the log becomes what the change it tells of was.
 *
 * Records before the manifest's `flushed` position are in tables, and only what they say of the
 * mapping may be news. Of the others the flags say what was there before: whether the key was new,
 * had an expire time, had its value apart. So totals, counts and due pairs come out as they were
 * (L3), and tables are asked for nothing but that time, and for counts of collections: a start
 * takes the time of putting so much into a memtable.
 *
 * The log is checksummed, so what does not fit is a defect of this program or of another: it is
 * reported as damage, and nothing is made of it. */
#include "engine/lsm/lsm_int.h"

/* What a record that can't be is. */
static status misfit(const lsm *e, const record *r, log_pos pos, const char *what) {
    CHECK(what);
    return status_make(ST_CORRUPT, "%s: log file %u, offset %u: %s: %s", e->dir, log_pos_file(pos),
                       log_pos_offset(pos), record_kind_name(r->kind), what);
}

/* Fills in what was there before; e->key has the MAIN key. Only the expire time has to be looked
 * up, but where there was none, and the active memtable has the key, what is there must fit. */
static status look_back(lsm *e, const record *r, log_pos pos, lkey k, main_change *c) {
    found f;
    main_cell was = {0};
    bool expired = (r->flags & RECORD_HAD_EXPIRE) != 0;
    c->had = !(r->flags & RECORD_NEW);
    c->was_apart = (r->flags & RECORD_HAD_APART) != 0;
    if ((c->had && c->d->totals.keys == 0) || (expired && c->d->totals.expires == 0))
        return misfit(e, r, pos, "there is no such key");
    engine_result there = lsm_look(e, k, !expired, c->spot, &f);
    if (there == ENGINE_ERROR) return e->error;
    if (!c->spot->found && !expired) return STATUS_OK;
    if ((there == ENGINE_OK) != c->had) return misfit(e, r, pos, "the key is there, or is not");
    if (!c->had) return STATUS_OK;
    if (!cell_get_main(f.cell, &was)) return misfit(e, r, pos, "the former entry is malformed");
    if ((was.expire != 0) != expired || was.apart != c->was_apart)
        return misfit(e, r, pos, "the former entry is another one");
    c->was = was.expire;
    return STATUS_OK;
}

/* A PUT or DEL. What became of a collection has a record of its own. */
static status replay_main(lsm *e, lpdb *d, const record *r, log_pos pos) {
    btree_spot spot;
    main_cell now = {0};
    slice value = SLICE_EMPTY;
    main_change c = {.d = d,
                     .h = lkey_hash(e, r->key),
                     .key = r->key,
                     .spot = &spot,
                     .has = r->kind == RECORD_PUT,
                     .now = &now};
    lkey k = lkey_main(&e->key, d->number, c.h, r->key);
    CHECK(r->kind == RECORD_PUT || r->kind == RECORD_DEL);
    TRY(look_back(e, r, pos, k, &c));
    if (!c.had && !c.has) return misfit(e, r, pos, "nothing is deleted");
    if (c.has) {
        TRY(pack_undo(r, &e->packed, &value));
        now = (main_cell){.type = r->type & 15,
                          .hint = r->type >> 4,
                          .expire = r->expire,
                          .coll = r->coll,
                          .apart = value.len > LSM_INLINE_MAX,
                          .value_len = value.len,
                          .value = value};
        cell_put_main(lsm_cell_value(&e->cell), &now);
        if (now.apart) cell_put_val(lsm_cell_value(&e->value), value);
    }
    lsm_entry_change(e, &c, pos + r->size);
    return STATUS_OK;
}

/* A MAP_PUT or MAP_DEL. What was below need not be looked for: nothing depends on what it was. */
static status replay_element(lsm *e, lpdb *d, const record *r, log_pos pos) {
    btree_spot spot;
    found f;
    slice value;
    coll_counts *counts;
    bool had = !(r->flags & RECORD_NEW), has = r->kind == RECORD_MAP_PUT;
    CHECK(r->kind == RECORD_MAP_PUT || r->kind == RECORD_MAP_DEL);
    if (r->coll == 0 || r->map >= ENGINE_MAPS) return misfit(e, r, pos, "no such map");
    if (lsm_counts_take(e, d, r->coll, &counts) != ENGINE_OK) return e->error;
    if (had && counts->n[r->map] == 0) return misfit(e, r, pos, "the map is empty");
    lkey k = lkey_sub(&e->key, d->number, r->coll, r->map, r->key);
    engine_result there = lsm_look(e, k, true, &spot, &f);
    if (spot.found && (there == ENGINE_OK) != had)
        return misfit(e, r, pos, "the element is there, or is not");
    if (!had && !has) return misfit(e, r, pos, "nothing is deleted");
    if (has) {
        TRY(pack_undo(r, &e->packed, &value));
        cell_put_sub(lsm_cell_value(&e->cell), r->expire, value);
        lsm_cell_put_at(e, &spot, k.bytes, pos + r->size, &e->cell, had);
    } else {
        lsm_cell_del_at(e, &spot, k.bytes, pos + r->size);
    }
    if (has != had) lsm_counts_add(e, counts, r->map, has ? 1 : -1, pos + r->size);
    return STATUS_OK;
}

/* The end of a collection that had elements. */
static status replay_drop(lsm *e, lpdb *d, const record *r, log_pos pos) {
    const coll_counts *counts;
    uint64_t n = 0;
    CHECK(r->kind == RECORD_DROP);
    if (r->coll == 0) return misfit(e, r, pos, "no such collection");
    if (lsm_counts(e, d, r->coll, &counts) != ENGINE_OK) return e->error;
    for (int i = 0; i < ENGINE_MAPS; i++)
        n += counts->n[i];
    if (n == 0) return misfit(e, r, pos, "the collection is empty");
    lsm_coll_drop(e, d, r->coll, pos + r->size);
    return STATUS_OK;
}

/* By kind; records of dead databases are passed over. */
static status replay_one(lsm *e, const record *r, log_pos pos) {
    CHECK(r->size >= RECORD_HEADER);
    if (r->kind == RECORD_FLUSH || r->kind == RECORD_SWAP) return lsm_dbs_replay(e, r, pos);
    if (r->kind == RECORD_IDLE || r->kind == RECORD_BEGIN || pos < e->flushed) return STATUS_OK;
    lpdb *d = lsm_pdb_find(e, r->pdb);
    if (!d && r->pdb < e->dead_below) return STATUS_OK;
    if (!d) return misfit(e, r, pos, "no such database");
    e->stats.recovery_records++;
    switch (r->kind) {
    case RECORD_PUT:
    case RECORD_DEL: return replay_main(e, d, r, pos);
    case RECORD_MAP_PUT:
    case RECORD_MAP_DEL: return replay_element(e, d, r, pos);
    case RECORD_DROP: return replay_drop(e, d, r, pos);
    default: return misfit(e, r, pos, "does not belong in a log");
    }
}

/* A batch of the log is one here too, so that memtables are frozen where they could have been. */
status lsm_replay(lsm *e, const record *r, log_pos pos) {
    CHECK(e->active && pos > 0);
    if (!e->batch.open) {
        e->batch.open = true;
        e->batch.number++;
    }
    TRY(replay_one(e, r, pos));
    if (r->flags & RECORD_CONTINUES) return STATUS_OK;
    lsm_batch_end(e);
    if (memtable_bytes(e->active) >= lsm_memtable_size(e)) lsm_freeze(e, pos + r->size);
    return STATUS_OK;
}
