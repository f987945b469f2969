/* supply: see supply.h. A block's place is its table_pos: numbers of files are never used again, so
 * what is read for one is never taken for another, however long it is held. */
#include "engine/lsm/supply.h"

#include "engine/lsm/lsm_int.h"

/* table_source.get: a block's record as it is in the file, its checksums not looked at. */
static table_supply get(table_source *base, vfs_file *file, log_pos pos, size_t n, slice *raw) {
    const supply *s = (const supply *)(const void *)base;
    fetch_want want = {
        .place = pos, .file = file, .offset = log_pos_offset(pos), .n = n, .settled = true};
    switch (fetch_get(s->fetch, &want, raw)) {
    case FETCH_HAVE: CHECK(raw->len == n); return TABLE_HERE;
    case FETCH_PENDING: return TABLE_NOT_NOW;
    default: return TABLE_READ;
    }
}

/* table_source.close: what may take long by a worker, as long as there is somebody to wait for it.
 */
static void close_file(table_source *base, vfs_file *file, bool last) {
    const supply *s = (const supply *)(const void *)base;
    CHECK(file != NULL);
    if (last && !s->ending) {
        fetch_close(s->fetch, file);
    } else if (!fetch_keeps(s->fetch, file)) {
        status closed = file->ops->close(file);
        (void)closed; /* it was only read */
    }
}

/* table_source.worth */
static size_t worth(const table_source *base) {
    const supply *s = (const supply *)(const void *)base;
    CHECK(s->engine != NULL);
    return (size_t)engine_ask_least(s->engine);
}

/* See supply.h. */
void supply_end(lsm *e) {
    CHECK(e->shelf.source == &e->supply.base);
    e->supply.ending = true;
}

/* Tables are shelved when they are opened. */
void supply_new(lsm *e) {
    CHECK(!e->shelf.source && e->env);
    e->supply = (supply){
        .base = {get, close_file, worth}, .fetch = fetch_new(&e->base, e->env), .engine = &e->base};
    e->shelf.source = &e->supply.base;
}

/* Readers that are still there are told nothing: their engine has gone. */
void supply_free(lsm *e) {
    CHECK(e->shelf.open == 0);
    CHECK(e->shelf.source && e->supply.fetch);
    e->shelf.source = NULL;
    fetch_free(e->supply.fetch);
}

/* What was read for it goes; the caches have what of it they took. */
void lsm_reader_end(engine *base, engine_reader *r) {
    CHECK(r && r->ready);
    fetch_end(lsm_of(base)->supply.fetch, r);
}
