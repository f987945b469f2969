/* merge_apply: the parent's side of a merge once the child has ended well.
 *
 * The file of moves is read twice: first all of it is checked, so that what is damaged is found
 * before anything has changed; then each move is applied if the entry, or element, still points at
 * the very place that the record was copied from (B5). What was changed or deleted meanwhile points
 * elsewhere, and the copy is dead at once. */
#include "base/codec.h"
#include "engine/bitcask/coll.h"
#include "engine/bitcask/jobs.h"
#include "engine/bitcask/merge.h"

#define SLICE_MOVES 64

/* Reads the next block of moves into r->block; *more is false at the end. */
static status next_block(moves_reader *r, const char *path, bool *more) {
    CHECK(r->file && r->at <= r->size);
    char head[MOVES_HEAD];
    *more = r->at < r->size;
    if (!*more) return STATUS_OK;
    TRY(vfs_pread_all(r->file, path, head, sizeof head, r->at));
    uint32_t len = load_u32(head);
    if (len == 0 || len > MOVES_MAX) return status_make(ST_CORRUPT, "%s: a block of %u", path, len);
    buf_clear(&r->block);
    char *p = buf_reserve(&r->block, len);
    TRY(vfs_pread_all(r->file, path, p, len, r->at + MOVES_HEAD));
    if (crc32c(0, p, len) != load_u32(head + 4))
        return status_make(ST_CORRUPT, "%s: damaged at offset %llu", path,
                           (unsigned long long)r->at);
    r->block.len = len;
    r->rest = buf_slice(&r->block);
    r->at += MOVES_HEAD + len;
    return STATUS_OK;
}

/* The result, cut up: lengths of the outputs, and where each one's deletes are told. */
static status parse_result(merge_job *j, slice in, uint32_t *used) {
    CHECK(j->hiding.len == 0);
    uint64_t n, length, pairs, number, bytes;
    slice all = in;
    if (!get_varint(&in, &n) || n > j->nouts) goto bad;
    for (uint32_t i = 0; i < n; i++) {
        if (!get_varint(&in, &length) || length <= FILE_HEADER || length > UINT32_MAX) goto bad;
        j->outs[i]->log.end = (uint32_t)length;
        if (!get_varint(&in, &pairs)) goto bad;
        while (pairs-- > 0)
            if (!get_varint(&in, &number) || !get_varint(&in, &bytes)) goto bad;
    }
    if (!get_varint(&in, &j->read) || !get_varint(&in, &j->written) || in.len) goto bad;
    *used = (uint32_t)n;
    buf_append_slice(&j->hiding, all);
    return STATUS_OK;
bad:
    return status_make(ST_CORRUPT, "the merge's result can't be read");
}

/* Opens the outputs; names that were not used go back. */
status merge_take(merge_job *j, slice result) {
    CHECK(j->moves.file == NULL);
    bitcask *e = j->e;
    char path[FILE_PATH_MAX];
    uint32_t used = 0;
    TRY(parse_result(j, result, &used));
    for (uint32_t i = 0; i < used; i++) {
        TRY(bc_path(e, FILE_SEGMENT, j->outs[i]->log.number, path));
        TRY(vfs_open(e->fs, path, VFS_READ, &j->outs[i]->log.file));
    }
    TRY(vfs_open(e->fs, j->path, VFS_READ, &j->moves.file));
    TRY(j->moves.file->ops->size(j->moves.file, &j->moves.size));
    /* names that were taken in vain: the manifest forgets them */
    for (; j->nouts > used; j->nouts--)
        seg_give_up(e, j->outs[j->nouts - 1]);
    j->step = MERGE_VERIFYING;
    return STATUS_OK;
}

/* Deletes of a database that was dropped meanwhile hide nothing. */
void merge_account(merge_job *j) {
    slice in = buf_slice(&j->hiding);
    uint64_t n = 0, length, pairs = 0, number, bytes;
    bool good = get_varint(&in, &n);
    for (uint32_t i = 0; i < n; i++) {
        good = good && get_varint(&in, &length) && get_varint(&in, &pairs);
        for (; pairs > 0; pairs--) {
            good = good && get_varint(&in, &number) && get_varint(&in, &bytes);
            pdb *d = pdb_find(j->e, (uint32_t)number);
            if (d) seg_hiding_add(j->e, d, j->outs[i]->slot, (uint32_t)bytes);
        }
        j->outs[i]->proven = j->outs[i]->hiding;
    }
    CHECK(good);
}

/* Bytes go from the run to the output. */
static void moved(bitcask *e, pdb *d, const move *m, uint32_t old_size) {
    CHECK(m->size >= RECORD_HEADER && m->size <= old_size);
    seg_live_sub(e, d, m->from_slot, old_size);
    seg_live_add(e, d, m->to_slot, m->size);
    cache_move(e->values, seg_pos(e->slots[m->from_slot], m->from_offset),
               seg_pos(e->slots[m->to_slot], m->to_offset));
}

/* Applies a move of a main entry. */
static void move_entry(bitcask *e, pdb *d, const move *m) {
    CHECK(!m->element && !d->dropped);
    kdent k;
    if (!d->keys) return;
    arena_ref r = keydir_find_place(d->keys, m->id, m->from_slot, m->from_offset);
    if (r == ARENA_NONE) return;
    kdent_decode(keydir_at(&e->shared, r), &k);
    /* the copy may be a few bytes shorter: it has no mark and no origin */
    keydir_moved(d->keys, r, m->to_slot, m->to_offset, m->size);
    moved(e, d, m, k.size);
}

/* Applies a move of an element: as above, in the collection's tree. The cell's other fields stay.
 */
static void move_element(bitcask *e, pdb *d, const move *m) {
    CHECK(m->element && !d->dropped);
    coll *c = coll_find(d, m->id);
    slice bytes, key = coll_key(e, m->map, m->sub);
    cell x;
    if (!c || !btree_get(c->tree, key, &bytes)) return;
    cell_decode(bytes, &x);
    if (x.slot != m->from_slot || x.offset != m->from_offset) return;
    uint32_t old_size = x.size;
    coll_place(c, key, bytes, m->to_slot, m->to_offset, m->size);
    moved(e, d, m, old_size);
}

/* Applies some moves of the block at hand. False: it can't be read. */
static bool apply_moves(merge_job *j) {
    CHECK(j->step == MERGE_APPLYING);
    move m;
    for (int i = 0; i < SLICE_MOVES && j->moves.rest.len; i++) {
        if (!move_decode(&j->moves.rest, &m)) return false;
        pdb *d = pdb_find(j->e, m.pdb);
        CHECK(m.to_slot < j->e->nslots && j->e->slots[m.to_slot]);
        if (!d) continue;
        if (m.element)
            move_element(j->e, d, &m);
        else
            move_entry(j->e, d, &m);
    }
    return true;
}

/* The end of a pass over the file. */
static void pass_ended(merge_job *j) {
    CHECK(j->moves.at == j->moves.size);
    j->moves.at = 0;
    if (j->step == MERGE_VERIFYING) {
        j->step = MERGE_APPLYING;
        return;
    }
    j->step = MERGE_SETTLING; /* the file is closed with the job's end */
}

/* One block checked, or some dozens of moves applied. */
bool merge_apply_some(merge_job *j) {
    bool more = true;
    CHECK(j->step == MERGE_VERIFYING || j->step == MERGE_APPLYING);
    if (j->moves.rest.len && j->step == MERGE_APPLYING) {
        bool good = apply_moves(j);
        CHECK(good); /* its block's CRC was right */
        return true;
    }
    status s = next_block(&j->moves, j->path, &more);
    if (!status_ok(s)) {
        log_warning("A merge can't go on: %s", s.msg);
        if (j->step == MERGE_VERIFYING) merge_cancel(j->e);
        return false; /* while applying: tried again, both copies being there */
    }
    if (j->step == MERGE_VERIFYING) j->moves.rest = SLICE_EMPTY;
    if (!more) pass_ended(j);
    return j->step == MERGE_APPLYING || more;
}
