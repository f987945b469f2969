/* merge_child: the child's side of a merge: what is kept.
 *
 * The run is read from its beginning to its end. Memory is as it was at the fork, but for a large
 * index, which stays with the parent: then marks say which records had an entry (merge_marks.c).
 *
 *   PUT, MAP_PUT    kept if the entry (element) points at this very record; a move is noted
 *   DEL, MAP_DEL    dropped if the run begins with the oldest segment (nothing older to hide), if
 *                   the key (element) has an entry now (that newer record hides as much), or if the
 *                   filters of all older segments say that the key is not there; else kept, the
 *                   last one of each key (B6)
 *   all of a pdb that no logical one has, all of a collection that nobody owns, FLUSH and SWAP
 *   (the manifest covers them, or the run would not have been chosen), IDLE, BEGIN: dropped
 *
 * "Newer hides as much" needs the newer record to be safe: the parent installs the outputs only
 * when the log is durable beyond the fork (B7). Without the index a newer record is seen only where
 * it is in the run and live: more deletes are kept, until one merge has both. Kept deletes come
 * after all else in the outputs: no key has both. An older segment without a good hint counts as
 * having every key.
 *
 * The result:  varint outputs, then for each: varint length, varint n, n x (varint pdb, varint
 * bytes of its deletes);  varint bytes read, varint bytes written. */
#include "base/codec.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/hint_make.h"
#include "engine/bitcask/merge.h"
#include "storage/hint.h"
#include "storage/logscan.h"
#include "storage/outfile.h"

#define FILTERS_MAX    ((uint64_t)256 << 20) /* bytes of filters held; more: no answer */
#define THROTTLE_BYTES (256u << 10)

/* Both filters of an older segment. */
typedef struct old_filter {
    buf keys, elems;
    bool good;
} old_filter;

typedef struct worker {
    const merge_job *j;
    const bitcask *e;
    vfs *v;
    buf *result;
    outfile out;
    uint32_t nout; /* outputs begun; the last is open if out.file is */
    buf hiding;    /* of the open output: (u32 pdb, u64 bytes) pairs */
    vfs_file *moves;
    uint64_t moves_at;
    buf block;
    dict *hides; /* kind and body of each delete to keep */
    buf name;    /* a key of hides, or of a collection's tree */
    bool oldest;
    uint32_t nolder;
    old_filter *older; /* read when first needed; NULL until then */
    uint64_t read, written, told;
} worker;

/* ---- what older segments may hold ---------------------------------------------------------------
 */

/* Reads the filters of all segments before the run. */
static void read_filters(worker *w) {
    CHECK(w->nolder > 0 && !w->older);
    CHECK(w->nolder < w->e->norder);
    uint64_t held = 0;
    w->older = mem_zalloc(w->nolder * sizeof *w->older);
    for (uint32_t i = 0; i < w->nolder; i++) {
        const segment *s = w->e->order[i];
        old_filter *f = &w->older[i];
        char path[FILE_PATH_MAX];
        hint_info info;
        if (held > FILTERS_MAX) break;
        status st = bc_path(w->e, FILE_HINT, s->log.number, path);
        if (status_ok(st))
            st = hint_read_filters(w->v, path, w->e->meta.store_id, s->log.number, s->log.end,
                                   &info, &f->keys, &f->elems);
        f->good = status_ok(st);
        held += f->keys.cap + f->elems.cap;
    }
}

/* May a segment before the run hold that key (or element)? */
static bool may_be_older(worker *w, bool element, uint64_t hash) {
    /* DEAD segments that are not retired yet count as well: a crash would bring them back */
    if (w->oldest) return false;
    if (!w->older) read_filters(w);
    for (uint32_t i = 0; i < w->nolder; i++) {
        const old_filter *f = &w->older[i];
        if (!f->good || filter_may_hold(buf_slice(element ? &f->elems : &f->keys), hash))
            return true;
    }
    return false;
}

/* ---- outputs ------------------------------------------------------------------------------------
 */

/* Ends the open output: its line of the result, and its hint. */
static status end_output(worker *w) {
    CHECK(w->out.file && w->nout > 0);
    char number[2 * VARINT_MAX];
    uint32_t length = outfile_length(&w->out);
    const segment *s = w->j->outs[w->nout - 1];
    CHECK(length > FILE_HEADER && w->hiding.len % 12 == 0);
    TRY(outfile_finish(&w->out));
    char *p = put_varint(number, length);
    p = put_varint(p, w->hiding.len / 12);
    buf_append(w->result, number, (size_t)(p - number));
    for (size_t i = 0; i < w->hiding.len; i += 12) {
        p = put_varint(number, load_u32(w->hiding.data + i));
        p = put_varint(p, load_u64(w->hiding.data + i + 4));
        buf_append(w->result, number, (size_t)(p - number));
    }
    buf_clear(&w->hiding);
    hint_source h = {.fs = w->v,
                     .dir = w->e->dir,
                     .store_id = w->e->meta.store_id,
                     .shared = &w->e->shared,
                     .inline_max = (size_t)bitcask_conf.inline_value_max,
                     .rate = w->j->rate};
    return hint_make(&h, s->log.number, length);
}

/* Begins the next output. */
static status begin_output(worker *w) {
    char path[FILE_PATH_MAX];
    CHECK(w->nout < w->j->nouts && !w->out.file && w->hiding.len == 0);
    const segment *s = w->j->outs[w->nout++];
    file_header h = {
        .kind = FILE_SEGMENT, .store_id = w->e->meta.store_id, .number = s->log.number};
    TRY(bc_path(w->e, FILE_SEGMENT, s->log.number, path));
    return outfile_create(&w->out, w->v, path, &h, true);
}

/* Copies r to the output; *slot, *offset: its new place. */
static status put_record(worker *w, record *r, uint16_t *slot, uint32_t *offset) {
    CHECK(w->j->limit > FILE_HEADER);
    /* limits are soft by one record, so that any record fits somewhere */
    if (w->out.file && outfile_length(&w->out) >= w->j->limit) TRY(end_output(w));
    if (!w->out.file) TRY(begin_output(w));
    /* what frames a record in the log means nothing in an output: batches and marks are of the past
     */
    r->flags &= RECORD_ENTRY_FLAGS;
    r->mark = 0;
    r->origin = SLICE_EMPTY;
    TRY(outfile_put(&w->out, r, offset));
    CHECK(*offset >= FILE_HEADER && *offset + r->size == outfile_length(&w->out));
    w->written += r->size;
    *slot = w->j->outs[w->nout - 1]->slot;
    return STATUS_OK;
}

/* ---- moves --------------------------------------------------------------------------------------
 */

/* Some 20 bytes for a key, and the subkey for an element. */
void move_encode(buf *out, const move *m) {
    CHECK(m->sub.len <= ENGINE_SUBKEY_MAX && m->map < ENGINE_MAPS);
    char head[48], *p = head;
    *p++ = (char)m->element;
    p = put_u16(p, m->from_slot);
    p = put_u32(p, m->from_offset);
    p = put_u16(p, m->to_slot);
    p = put_u32(p, m->to_offset);
    p = put_varint(p, m->size);
    p = put_varint(p, m->pdb);
    p = put_varint(p, m->id);
    if (m->element) {
        *p++ = (char)m->map;
        p = put_varint(p, m->sub.len);
    }
    CHECK((size_t)(p - head) <= sizeof head);
    buf_append(out, head, (size_t)(p - head));
    buf_append_slice(out, m->sub);
}

/* False if the bytes are no move. */
bool move_decode(slice *in, move *out) {
    slice flag, map;
    uint64_t size, number;
    *out = (move){0};
    if (!get_bytes(in, 1, &flag) || !get_u16(in, &out->from_slot) ||
        !get_u32(in, &out->from_offset) || !get_u16(in, &out->to_slot) ||
        !get_u32(in, &out->to_offset) || !get_varint(in, &size) || !get_varint(in, &number) ||
        !get_varint(in, &out->id) || size > RECORD_MAX || number > UINT32_MAX)
        return false;
    out->element = flag.data[0] != 0;
    out->size = (uint32_t)size;
    out->pdb = (uint32_t)number;
    if (!out->element) return true;
    if (!get_bytes(in, 1, &map) || !get_varbytes(in, &out->sub)) return false;
    out->map = (uint8_t)map.data[0];
    return out->map < ENGINE_MAPS;
}

/* Writes the block of moves that is full, or the last one. */
static status flush_moves(worker *w) {
    if (w->block.len <= MOVES_HEAD) return STATUS_OK;
    uint32_t len = (uint32_t)(w->block.len - MOVES_HEAD);
    CHECK(len <= MOVES_MAX);
    put_u32(w->block.data, len);
    put_u32(w->block.data + 4, crc32c(0, w->block.data + MOVES_HEAD, len));
    TRY(vfs_pwrite(w->moves, w->block.data, w->block.len, w->moves_at));
    w->moves_at += w->block.len;
    w->block.len = MOVES_HEAD;
    return STATUS_OK;
}

/* ---- what is kept -------------------------------------------------------------------------------
 */

/* Copies a live record and notes where it went. */
static status keep_live(worker *w, const segment *from, uint32_t offset, record *r, uint64_t id) {
    CHECK(from->frozen && offset >= FILE_HEADER);
    move m = {.element = r->kind == RECORD_MAP_PUT,
              .map = r->map,
              .from_slot = from->slot,
              .pdb = r->pdb,
              .from_offset = offset,
              .id = id};
    if (m.element) m.sub = r->key;
    TRY(put_record(w, r, &m.to_slot, &m.to_offset));
    CHECK(m.to_slot != from->slot && r->size >= RECORD_HEADER);
    m.size = r->size;
    move_encode(&w->block, &m);
    return w->block.len >= MOVES_BLOCK ? flush_moves(w) : STATUS_OK;
}

/* Remembers a delete that must be kept; the last of its key is all that counts, and all are alike.
 */
static void keep_delete(worker *w, const record *r) {
    CHECK(r->kind == RECORD_DEL || r->kind == RECORD_MAP_DEL);
    buf_clear(&w->name);
    buf_append_char(&w->name, (char)r->kind);
    buf_append_slice(&w->name, r->body);
    dict_set(w->hides, buf_slice(&w->name), w);
}

/* A live record of the key hides what the delete before it hid. */
static void forget_delete(worker *w, const record *put) {
    CHECK(put->kind == RECORD_PUT);
    char head[2 * VARINT_MAX];
    char *p = put_varint(put_varint(head, put->pdb), put->key.len);
    buf_clear(&w->name);
    buf_append_char(&w->name, RECORD_DEL);
    buf_append(&w->name, head, (size_t)(p - head));
    buf_append_slice(&w->name, put->key);
    dict_del(w->hides, buf_slice(&w->name));
}

/* The collection of that id if somebody owns it. */
static const coll *owned(const pdb *d, uint64_t id) {
    const coll *c = coll_find(d, id);
    return c && c->owners > 0 ? c : NULL;
}

/* A PUT or DEL of database d. */
static status do_main(worker *w, const pdb *d, const segment *from, uint32_t offset, record *r) {
    CHECK(!d->dropped && from->frozen);
    const bitcask *e = w->e;
    uint64_t token;
    if (r->kind == RECORD_PUT) {
        if (from->marks && !merge_is_marked(from, offset)) return STATUS_OK;
        token = keydir_token(&e->shared, r->key);
        if (!from->marks &&
            (!d->keys || keydir_find_place(d->keys, token, from->slot, offset) == ARENA_NONE))
            return STATUS_OK;
        if (dict_count(w->hides) > 0) forget_delete(w, r);
        return keep_live(w, from, offset, r, token);
    }
    token = keydir_token(&e->shared, r->key);
    /* an entry is never older than the delete: the delete would have removed it */
    bool newer = !from->marks && d->keys && keydir_find(d->keys, token, r->key) != ARENA_NONE;
    if (!newer && may_be_older(w, false, hint_hash_main(d->number, token))) keep_delete(w, r);
    return STATUS_OK;
}

/* A MAP_PUT or MAP_DEL of database d. */
static status do_element(worker *w, const pdb *d, const segment *from, uint32_t offset, record *r) {
    CHECK(r->map < ENGINE_MAPS && from->frozen);
    if (coll_is_derived(w->e, r->map)) return STATUS_OK;
    const coll *c = owned(d, r->coll);
    slice value;
    if (!c) return STATUS_OK;
    buf_clear(&w->name);
    buf_append_char(&w->name, (char)r->map);
    buf_append_slice(&w->name, r->key);
    bool there = btree_get(c->tree, buf_slice(&w->name), &value);
    if (r->kind == RECORD_MAP_PUT) {
        cell x = {0};
        if (there) cell_decode(value, &x);
        if (!there || x.slot != from->slot || x.offset != offset) return STATUS_OK;
        return keep_live(w, from, offset, r, r->coll);
    }
    uint64_t hash = hint_hash_elem(w->e->shared.hash, r->coll, r->map, r->key);
    if (!there && may_be_older(w, true, hash)) keep_delete(w, r);
    return STATUS_OK;
}

/* One record of the run. */
static status do_record(worker *w, const segment *from, const logscan_item *item) {
    CHECK(item->offset >= FILE_HEADER);
    record r = item->rec;
    char id[4];
    w->read += r.size;
    put_u32(id, r.pdb);
    const pdb *d = dict_get(w->e->pdbs, slice_of(id, sizeof id));
    switch (r.kind) {
    case RECORD_PUT:
    case RECORD_DEL: return d ? do_main(w, d, from, item->offset, &r) : STATUS_OK;
    case RECORD_MAP_PUT:
    case RECORD_MAP_DEL: return d ? do_element(w, d, from, item->offset, &r) : STATUS_OK;
    default: return STATUS_OK;
    }
}

/* Tells the parent how far it is, and keeps to the rate. */
static void pace(worker *w) {
    uint64_t now = w->read + w->written;
    CHECK(now >= w->told);
    if (now - w->told < THROTTLE_BYTES) return;
    child_throttle(now - w->told, w->j->rate);
    child_progress(w->read, w->j->total);
    w->told = now;
}

/* One segment of the run. */
static status do_segment(worker *w, const segment *s) {
    CHECK(s->frozen && s->log.end > FILE_HEADER);
    char path[FILE_PATH_MAX];
    vfs_file *file;
    logscan *scan = NULL;
    logscan_item item;
    bool got = true;
    TRY(bc_path(w->e, FILE_SEGMENT, s->log.number, path));
    TRY(vfs_open(w->v, path, VFS_READ, &file));
    log_file f = {file, path, FILE_SEGMENT, s->log.number, s->log.end};
    status st = logscan_open(&f, w->e->meta.store_id, &scan);
    if (status_ok(st)) st = logscan_next(scan, &item, &got);
    while (status_ok(st) && got) {
        st = do_record(w, s, &item);
        pace(w);
        if (status_ok(st)) st = logscan_next(scan, &item, &got);
    }
    if (status_ok(st)) st = logscan_must_be_whole(scan);
    logscan_close(scan);
    file->ops->advise(file, 0, s->log.end, VFS_NOT_SOON);
    status closed = file->ops->close(file);
    (void)closed; /* it was only read */
    return st;
}

/* Adds to what the open output's deletes take. */
static void note_hiding(worker *w, uint32_t number, uint32_t size) {
    CHECK(w->out.file && w->hiding.len % 12 == 0);
    CHECK(size >= RECORD_HEADER);
    size_t i = 0;
    while (i < w->hiding.len && load_u32(w->hiding.data + i) != number)
        i += 12;
    if (i == w->hiding.len) {
        char pair[12];
        put_u64(put_u32(pair, number), 0);
        buf_append(&w->hiding, pair, sizeof pair);
    }
    put_u64(w->hiding.data + i + 4, load_u64(w->hiding.data + i + 4) + size);
}

/* A delete's fields, from the kind and body that are its name in `hides`. */
static bool delete_of(slice name, record *r) {
    CHECK(name.len > 1);
    slice in = slice_skip(name, 1), map;
    uint64_t number;
    *r = (record){.kind = (uint8_t)name.data[0]};
    if (!get_varint(&in, &number)) return false;
    r->pdb = (uint32_t)number;
    if (r->kind == RECORD_MAP_DEL) {
        if (!get_varint(&in, &r->coll) || !get_bytes(&in, 1, &map)) return false;
        r->map = (uint8_t)map.data[0];
    }
    return get_varbytes(&in, &r->key) && in.len == 0;
}

/* Writes the deletes that are kept. */
static status put_deletes(worker *w) {
    size_t pos = 0;
    slice name;
    void *value;
    while (dict_next(w->hides, &pos, &name, &value)) {
        record r;
        uint16_t slot;
        uint32_t offset;
        bool good = delete_of(name, &r);
        CHECK(good);
        TRY(put_record(w, &r, &slot, &offset));
        note_hiding(w, r.pdb, r.size);
        pace(w);
    }
    return STATUS_OK;
}

/* All of it. */
static status work(worker *w) {
    CHECK(!w->out.file && w->nout == 0);
    for (uint32_t i = 0; i < w->j->nrun; i++)
        TRY(do_segment(w, w->j->run[i]));
    TRY(put_deletes(w));
    if (w->out.file) TRY(end_output(w));
    TRY(flush_moves(w));
    CHECK(!w->out.file && w->nout <= w->j->nouts);
    return w->v->ops->sync_dir(w->v, w->e->dir);
}

/* Frees what the child held: in a simulation it is no process of its own. */
static void clean_up(worker *w) {
    outfile_abandon(&w->out);
    for (uint32_t i = 0; w->older && i < w->nolder; i++) {
        buf_free(&w->older[i].keys);
        buf_free(&w->older[i].elems);
    }
    mem_free(w->older);
    if (w->moves) {
        status closed = w->moves->ops->close(w->moves);
        (void)closed; /* the parent checks what is in it */
    }
    dict_free(w->hides, NULL);
    buf_free(&w->hiding);
    buf_free(&w->block);
    buf_free(&w->name);
}

/* The child's whole life; it writes files and `out`, and changes nothing in memory (B11). */
status merge_child_run(child_job *job, vfs *v, buf *out) {
    const merge_job *j = job->ctx;
    CHECK(j->nrun > 0 && j->nouts > 0);
    buf lines = {0};
    char head[2 * VARINT_MAX];
    worker w = {.j = j, .e = j->e, .v = v, .result = &lines};
    w.nolder = seg_rank(j->e, j->run[0]);
    w.oldest = w.nolder == 0;
    CHECK(w.nolder + j->nrun <= j->e->norder);
    w.hides = dict_new(false);
    buf_append(&w.block, "12345678", MOVES_HEAD);
    status s = vfs_open(v, j->path, VFS_WRITE | VFS_CREATE | VFS_TRUNC, &w.moves);
    if (status_ok(s)) s = work(&w);
    buf_append(out, head, (size_t)(put_varint(head, w.nout) - head));
    buf_append_slice(out, buf_slice(&lines));
    buf_append(out, head, (size_t)(put_varint(put_varint(head, w.read), w.written) - head));
    clean_up(&w);
    buf_free(&lines);
    return s;
}
