/* load: records and hints become entries again.
 *
 * Segments are loaded in their order, so that the later wins, and a delete takes out what came
 * before (B3). Nothing here looks at a clock. Bytes are accounted for as by live changes, only
 * without a batch: what loading an entry replaces dies at once. */
#include "engine/bitcask/load_int.h"

#include "engine/bitcask/coll.h"
#include "engine/bitcask/entries.h"

#define LOOK_BYTES (128u << 10) /* bytes between two looks at the clock, */
#define TELL_US    4000         /* and time between two calls of host.loading */

/* A database that is heard of for the first time is younger than the manifest's mapping. */
pdb *load_live_pdb(load_ctx *l, uint32_t number) {
    CHECK(l->e->map);
    pdb *d = pdb_find(l->e, number);
    CHECK(!d || !d->dropped);
    if (d || number < l->known) return d;
    return pdb_new(l->e, number);
}

/* An entry that the keydir no longer has is gone for good. */
static void forget(bitcask *e, pdb *d, uint64_t token, arena_ref old) {
    CHECK(d->keys && old != ARENA_NONE);
    kdent k;
    kdent_decode(keydir_at(&e->shared, old), &k);
    seg_live_sub(e, d, k.segment, k.size);
    entry_unlinked(e, d, token, old);
    keydir_free_entry(d->keys, old);
}

/* The value only as the setting has it now, which may have become smaller since the record was
 * written. */
kdent loaded_entry(const segment *s, const loaded *x) {
    CHECK(x->kind == RECORD_PUT);
    bool has_value = x->has_value && value_is_inline(x->value);
    return (kdent){.segment = s->slot,
                   .type = x->type & 15,
                   .hint = x->type >> 4,
                   .offset = x->offset,
                   .size = x->size,
                   .has_value = has_value,
                   .expire = x->expire,
                   .coll = x->coll,
                   .key = x->key,
                   .value = has_value ? x->value : SLICE_EMPTY};
}

/* What it replaces dies at once. */
void load_main(bitcask *e, pdb *d, const segment *s, const loaded *x) {
    CHECK(x->kind == RECORD_PUT || x->kind == RECORD_DEL);
    CHECK(x->size >= RECORD_HEADER && x->offset >= FILE_HEADER);
    arena_ref old;
    if (x->kind == RECORD_DEL) {
        /* counted as hiding even if nothing was there: what it hides may be in a segment whose
         * record a later one has replaced already */
        seg_hiding_add(e, d, s->slot, x->size);
        old = d->keys ? keydir_remove(d->keys, x->token, x->key) : ARENA_NONE;
        if (old != ARENA_NONE) forget(e, d, x->token, old);
        return;
    }
    kdent k = loaded_entry(s, x);
    arena_ref now = keydir_put(pdb_keys(e, d), x->token, &k, &old);
    seg_live_add(e, d, s->slot, x->size);
    if (old != ARENA_NONE) forget(e, d, x->token, old);
    entry_linked(e, d, x->token, now);
}

/* A MAP_PUT or MAP_DEL. Its collection is made if this is the first that is heard of it: the owner
 * may come later in the log, or in another segment, or never. */
static void load_element(bitcask *e, pdb *d, const segment *s, const loaded *x) {
    CHECK(x->kind == RECORD_MAP_PUT || x->kind == RECORD_MAP_DEL);
    CHECK(x->coll != 0 && x->map < ENGINE_MAPS);
    if (coll_is_derived(e, x->map)) return; /* of a time when nobody derived */
    char bytes[CELL_MAX(1024)];
    slice was = SLICE_EMPTY, key = coll_key(e, x->map, x->key);
    coll *c = coll_make(d, x->coll);
    bool had = btree_get(c->tree, key, &was);
    CHECK(!had || c->counts[x->map] > 0);
    if (had) {
        cell old;
        cell_decode(was, &old);
        seg_live_sub(e, d, old.slot, old.size);
    }
    if (x->kind == RECORD_MAP_DEL) {
        seg_hiding_add(e, d, s->slot, x->size);
        if (had) btree_del(c->tree, key);
        c->counts[x->map] -= had;
        return;
    }
    bool has_value = x->has_value && value_is_inline(x->value);
    cell now = {.slot = s->slot,
                .has_value = has_value,
                .offset = x->offset,
                .size = x->size,
                .expire = x->expire,
                .value = has_value ? x->value : SLICE_EMPTY};
    CHECK(now.value.len <= 1024);
    c->cold |= x->map == 0 && !has_value;
    btree_put(c->tree, key, slice_of(bytes, cell_encode(bytes, &now)));
    c->counts[x->map] += !had;
    seg_live_add(e, d, s->slot, x->size);
}

/* Covered by the manifest: its mapping knows it, and maybe later ones that undid it. */
status load_order(load_ctx *l, segment *s, uint32_t offset, uint32_t size, slice pairs) {
    CHECK(size > RECORD_HEADER && offset >= FILE_HEADER);
    bitcask *e = l->e;
    uint32_t db, number;
    log_pos at = seg_pos(s, offset);
    if (at < manifest_get(e->meta.m)->map_at) return STATUS_OK;
    if (s->merged)
        return status_make(ST_CORRUPT, "segment %u came out of a merge and has a flush at %u",
                           s->log.number, offset);
    s->order += size;
    s->order_last = at;
    while (record_next_pair(&pairs, &db, &number)) {
        if (db >= ENGINE_DBS_MAX)
            return status_make(ST_CORRUPT, "segment %u: db %u", s->log.number, db);
        if (number == RECORD_PDB_SYSTEM)
            return status_make(ST_CORRUPT, "segment %u: db %u is the system's", s->log.number, db);
        dbs_grow(e, db + 1);
        pdb *d = pdb_find(e, number);
        e->map[db] = d ? d : pdb_new(e, number);
    }
    return STATUS_OK;
}

/* Elements have to have a collection, which is numbered from 1. */
status load_one(load_ctx *l, segment *s, const loaded *x) {
    pdb *d = load_live_pdb(l, x->pdb);
    if (!d) return STATUS_OK;
    if (x->coll == 0 && (x->kind == RECORD_MAP_PUT || x->kind == RECORD_MAP_DEL))
        return status_make(ST_CORRUPT, "segment %u: collection 0 at %u", s->log.number, x->offset);
    switch (x->kind) {
    case RECORD_PUT:
    case RECORD_DEL: load_soon(l, d, s, x); break;
    case RECORD_MAP_PUT:
    case RECORD_MAP_DEL: load_element(l->e, d, s, x); break;
    default:
        return status_make(ST_CORRUPT, "segment %u: a %s record at %u", s->log.number,
                           record_kind_name(x->kind), x->offset);
    }
    l->e->stats.recovery_records++;
    return STATUS_OK;
}

/* From a segment read record by record. */
status load_record(load_ctx *l, segment *s, const logscan_item *item) {
    CHECK(s->slot < l->e->nslots);
    CHECK(item->offset >= FILE_HEADER && s->log.state == LOGFILE_SEALED);
    const record *r = &item->rec;
    load_progress(l, r->size);
    if (r->kind == RECORD_IDLE || r->kind == RECORD_BEGIN) return STATUS_OK;
    if (r->kind == RECORD_FLUSH || r->kind == RECORD_SWAP) {
        return load_order(l, s, item->offset, r->size, record_pairs(r->body));
    }
    loaded x = {.kind = r->kind,
                .type = r->type,
                .map = r->map,
                .pdb = r->pdb,
                .offset = item->offset,
                .size = r->size,
                .coll = r->coll,
                .expire = r->expire,
                .key = r->key,
                .value = r->value,
                .has_value = !(r->flags & RECORD_LZ4)};
    if (r->kind == RECORD_PUT || r->kind == RECORD_DEL)
        x.token = keydir_token(&l->e->shared, r->key);
    return load_one(l, s, &x);
}

/* Values that are compressed are not inline: an entry has no room for their plain length. */
status loaded_of_hint(const segment *s, const hint_entry *h, loaded *out) {
    CHECK(h->kind != RECORD_DROP);
    *out = (loaded){.kind = h->kind,
                    .type = h->type,
                    .map = h->map,
                    .pdb = h->pdb,
                    .offset = h->offset,
                    .size = h->size,
                    .token = h->token,
                    .coll = h->coll,
                    .expire = h->expire,
                    .key = h->key,
                    .value = h->value,
                    .has_value = (h->flags & HINT_INLINE) && !(h->flags & RECORD_LZ4)};
    if (h->kind >= RECORD_PUT && h->kind <= RECORD_MAP_DEL) return STATUS_OK;
    return status_make(ST_CORRUPT, "segment %u: its hint has a %s entry out of place",
                       s->log.number, record_kind_name(h->kind));
}

/* ---- how far it is -----------------------------------------------------------------------------
 */

/* Bytes that reading segment s itself takes. */
static uint64_t own_bytes(const segment *s) {
    CHECK(log_conf.segment_size > 0);
    return s->log.end ? s->log.end : (uint64_t)log_conf.segment_size;
}

/* A hint that can't be opened now may be there all the same later: only progress is wrong then. */
void load_weigh(load_ctx *l, const segment *s) {
    char path[FILE_PATH_MAX];
    vfs_file *f;
    uint64_t size = 0;
    CHECK(s->log.number > 0 && s->log.state == LOGFILE_SEALED);
    status st = bc_path(l->e, FILE_HINT, s->log.number, path);
    if (status_ok(st) && s->log.end) {
        st = vfs_open(l->e->fs, path, VFS_READ, &f);
        if (status_ok(st)) {
            st = f->ops->size(f, &size);
            status closed = f->ops->close(f); /* nothing was read */
            (void)closed;
        }
    }
    l->total += status_ok(st) && size ? size + size / LOAD_CHECK_PART : own_bytes(s);
}

void load_instead(load_ctx *l, const segment *s) {
    CHECK(s->log.end > FILE_HEADER);
    l->total += own_bytes(s);
}

/* The clock is not looked at for each of them. */
void load_progress(load_ctx *l, uint64_t bytes) {
    l->done += bytes;
    CHECK(l->looked <= l->done);
    if (l->done - l->looked >= LOOK_BYTES) load_look(l);
}

void load_look(load_ctx *l) {
    CHECK(l->looked <= l->done);
    l->looked = l->done;
    if (!l->e->host.loading) return;
    uint64_t now = bc_now_us(l->e);
    if (now - l->told_us < TELL_US) return;
    l->told_us = now;
    l->e->host.loading(l->e->host.ctx, l->done < l->total ? l->done : l->total, l->total);
}

void load_tell(load_ctx *l) {
    CHECK(l->looked <= l->done);
    if (l->e->host.loading) l->e->host.loading(l->e->host.ctx, l->total, l->total);
}

/* Drops the collections of d that no entry owns. One whose owner was deleted, or put with another
 * one, has no record that says so: that nobody names it any more does (B10). */
static void drop_orphans(bitcask *e, pdb *d) {
    CHECK(d->mapped);
    size_t pos = 0, n = 0;
    slice key;
    void *value;
    if (!d->colls) return;
    coll **orphans = mem_alloc((dict_count(d->colls) + 1) * sizeof *orphans);
    while (dict_next(d->colls, &pos, &key, &value))
        if (((coll *)value)->owners == 0) orphans[n++] = value;
    CHECK(n <= dict_count(d->colls));
    for (size_t i = 0; i < n; i++)
        coll_drop(e, orphans[i]);
    mem_free(orphans);
}

/* Which databases and collections are alive is known only now. */
void load_finish(load_ctx *l) {
    bitcask *e = l->e;
    CHECK(e->ndbs > 0);
    size_t pos = 0, n = 0;
    slice key;
    void *value;
    pdb **dead = mem_alloc((dict_count(e->pdbs) + 1) * sizeof *dead);
    for (uint32_t i = 0; i < e->ndbs; i++)
        e->map[i]->mapped = true;
    while (dict_next(e->pdbs, &pos, &key, &value)) {
        pdb *d = value;
        if (!d->mapped)
            dead[n++] = d;
        else
            drop_orphans(e, d);
    }
    CHECK(n <= dict_count(e->pdbs));
    for (size_t i = 0; i < n; i++)
        pdb_drop(e, dead[i]);
    mem_free(dead);
}
