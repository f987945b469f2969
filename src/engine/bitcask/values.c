/* values: reading values from where they are, and readying them for the log.
 *
 * A value that is not inline is looked for in the value cache, then in the log's tail, then read
 * from its segment: one read at a known place, whose record must have the right CRCs, key and kind.
 * Anything else is an error for the client, never other bytes (B4). That read is made beside the
 * thread (engine/fetch.h) if whoever reads can wait and the page cache does not have it: then the
 * value is PENDING, and the next run finds the record's bytes here.
 *
 * What is read from a segment goes into the cache, under the place it was read from. What is read
 * from the tail does too, unless a batch is open: its places may yet come to mean other records. */
#include "base/log.h"
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/entries.h"

#define BATCH_PART 16 /* of the value cache, for one batch */

/* As the setting is now; entries made under another one stay as they are. */
bool value_is_inline(slice plain) {
    CHECK(bitcask_conf.inline_value_max >= 0);
    return plain.len <= (size_t)bitcask_conf.inline_value_max;
}

/* A merge's output was fsynced before anything pointed at it. */
log_pos value_depends(const bitcask *e, uint16_t slot, uint32_t offset, uint32_t size) {
    CHECK(slot < e->nslots && e->slots[slot]);
    const segment *s = e->slots[slot];
    return s->merged ? 0 : seg_pos(s, offset) + size;
}

/* An inline value is in the entry too, as it is, and the record had better be so as well. */
void value_pack(bitcask *e, slice plain, record *r) {
    pack_value(plain, value_is_inline(plain), &e->packed, &e->stats.packed, r);
}

/* Puts a value into the cache, unless its batch has brought enough, or what was fetched for its
 * command: a value of many pieces, or a walk over a large collection, shall not drive everything
 * else out; nor what its next run would find. */
static void remember(bitcask *e, log_pos pos, slice plain) {
    uint64_t enough = (uint64_t)bitcask_conf.value_cache_size / BATCH_PART;
    CHECK(plain.len <= ENGINE_VALUE_MAX && pos > 0);
    if (e->base.reader && e->base.reader->bytes > enough) return;
    if (e->log.open && e->batch.cached > enough) return;
    e->batch.cached += e->log.open ? plain.len : 0;
    cache_put(e->values, pos, plain);
}

/* Values just written are likely to be read, and are here already. */
void value_written(bitcask *e, log_pos pos, slice plain, bool is_inline) {
    if (!is_inline) remember(e, pos, plain);
}

/* Is it the record that the index means? */
static bool is_wanted(const value_want *w, const record *r) {
    return r->kind == w->kind && r->pdb == w->pdb && r->size == w->size &&
           slice_eq(r->key, w->key) &&
           (w->kind == RECORD_PUT || (r->coll == w->coll && r->map == w->map));
}

/* The record in these bytes of a segment. */
static status check_record(bitcask *e, const value_want *w, slice bytes, record *r) {
    uint32_t number = e->slots[w->slot]->log.number;
    char path[FILE_PATH_MAX];
    record_place place = {e->meta.store_id, number, w->offset};
    CHECK(bytes.len == w->size);
    e->stats.reads++;
    e->stats.read_bytes += w->size;
    record_result result = record_read(bytes.data, w->size, place, r);
    if (result == RECORD_OK && is_wanted(w, r)) return STATUS_OK;
    if (result == RECORD_OK) result = RECORD_BAD_HEAD;
    TRY(bc_path(e, FILE_SEGMENT, number, path));
    return status_make(ST_CORRUPT, "%s: damaged at offset %u (%s)", path, w->offset,
                       record_result_text(result));
}

/* The record from its segment, however long that takes. */
static status read_segment(bitcask *e, const value_want *w, record *r) {
    const segment *s = e->slots[w->slot];
    char path[FILE_PATH_MAX];
    CHECK(s->log.file && w->offset >= FILE_HEADER);
    CHECK(w->size >= RECORD_HEADER && w->size <= RECORD_MAX);
    TRY(bc_path(e, FILE_SEGMENT, s->log.number, path));
    buf_clear(&e->raw);
    char *p = buf_reserve(&e->raw, w->size);
    TRY(vfs_pread_all(s->log.file, path, p, w->size, w->offset));
    return check_record(e, w, slice_of(p, w->size), r);
}

/* Its bytes as the fetcher has them. A segment is read a value at a time, so what lies behind one
 * is of no use to anybody. */
static fetch_result fetch_segment(bitcask *e, const value_want *w, slice *bytes) {
    segment *s = e->slots[w->slot];
    CHECK(s->log.file && w->offset >= FILE_HEADER && w->size <= RECORD_MAX);
    if (!s->advised) s->log.file->ops->advise(s->log.file, 0, 0, VFS_AT_RANDOM);
    s->advised = true;
    log_pos pos = seg_pos(s, w->offset);
    fetch_want fw = {.place = pos,
                     .file = s->log.file,
                     .offset = w->offset,
                     .n = w->size,
                     .settled = s->merged || pos + w->size <= logwrite_durable(e->log.tail)};
    return fetch_get(e->fetch, &fw, bytes);
}

/* The record in the log's tail, if it is still there. */
static bool read_tail(bitcask *e, const value_want *w, record *r) {
    slice bytes;
    if (!logwrite_read(e->log.tail, seg_pos(e->slots[w->slot], w->offset), &bytes)) return false;
    CHECK(bytes.len >= w->size);
    record_result result = record_parse(bytes.data, bytes.len, r);
    CHECK(result == RECORD_OK && is_wanted(w, r));
    e->stats.tail_reads++;
    return true;
}

/* For engine_check, which must not be told what the cache remembers. */
status value_record(bitcask *e, const value_want *w, record *r) {
    return read_tail(e, w, r) ? STATUS_OK : read_segment(e, w, r);
}

/* Only what the next run would wait for. */
void value_ahead(bitcask *e, const value_want *w) {
    slice bytes;
    log_pos pos = seg_pos(e->slots[w->slot], w->offset);
    CHECK(fetch_is_pending(e->fetch));
    if (cache_peek(e->values, pos, &bytes) || logwrite_read(e->log.tail, pos, &bytes)) return;
    (void)fetch_segment(e, w, &bytes);
}

/* Cache, tail, segment: in order of what they cost. */
engine_result value_read(bitcask *e, const value_want *w, slice *out) {
    CHECK(w->slot < e->nslots && e->slots[w->slot]);
    log_pos pos = seg_pos(e->slots[w->slot], w->offset);
    record r;
    status s = STATUS_OK;
    if (cache_get(e->values, pos, out)) return ENGINE_OK;
    bool in_tail = read_tail(e, w, &r);
    if (!in_tail) {
        slice bytes;
        fetch_result f = fetch_segment(e, w, &bytes);
        if (f == FETCH_PENDING) return ENGINE_PENDING;
        s = f == FETCH_HAVE ? check_record(e, w, bytes, &r) : read_segment(e, w, &r);
    }
    if (status_ok(s)) s = pack_undo(&r, &e->plain, out);
    if (!status_ok(s)) return bc_error(e, s);
    /* places in the open batch may yet change their meaning */
    if (!in_tail || !e->log.open) remember(e, pos, *out);
    return ENGINE_OK;
}
