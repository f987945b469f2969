/* recover: from the manifest and the files to the state that was promised.
 *
 *   1. what the manifest has as pending is unlinked; a file of ours that it does not know is a
 *      refusal; .tmp files go
 *   2. the segments are loaded in order: by hint if there is a good one, else by reading; where the
 *      log ends is decided by log_replay, and damage to what was acknowledged is a refusal
 *   3. the open end of the log is fsynced and sealed where it was cut, what lies behind it retired,
 *      the mapping of databases as it now stands recorded, all in the manifest edit that also
 *      begins a new segment
 *
 * Until 3 nothing but step 1's unlinking has changed a file. */
#include "engine/bitcask/recover.h"

#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/load.h"
#include "engine/bitcask/seglog.h"
#include <stdio.h>

#define LIMIT_MIN (256u << 10)

/* A crash in the middle of any of this is met by the next start in the same way: unlinking is
 * repeated, loading changes nothing, and the edit of step 3 is there or is not.
 *
 * What may lie behind the log's end, and what becomes of it:
 *
 *   zeros                   as allocated: the file is cut there when it is sealed
 *   part of a batch         never acknowledged: cut off
 *   a segment made ahead    without records: retired
 *   segments that follow a torn one   retired too: history has no hole
 *   outputs of a merge      pending in the manifest: unlinked in step 1
 *   hints of live segments  kept; whether one is good is found when it is read */

/* ---- 1. the directory ---------------------------------------------------------------------------
 */

typedef struct listing {
    bitcask *e;
    const manifest_state *state; /* NULL: there is no manifest */
    buf remove;                  /* names, each ending in NUL */
    char foreign[FILE_NAME_MAX + 8];
} listing;

/* What a name in the directory means for the start. */
static void list_one(void *ctx, const char *name) {
    CHECK(ctx && name[0]);
    listing *l = ctx;
    unsigned kind;
    uint32_t number;
    file_name_class c = file_name_parse(name, &kind, &number);
    if (c == FILE_NAME_FOREIGN || (c == FILE_NAME_OURS && kind == FILE_MANIFEST)) return;
    /* without a manifest nothing is known, and anything of ours is a store that lost it */
    bool pending = l->state && manifest_state_is_pending(l->state, number);
    bool live = l->state && manifest_state_find(l->state, number) >= 0;
    bool known = pending || live;
    if (c == FILE_NAME_TMP || (pending && kind == FILE_HINT))
        buf_append(&l->remove, name, strlen(name) + 1);
    else if (!known || (kind != FILE_SEGMENT && kind != FILE_HINT))
        snprintf(l->foreign, sizeof l->foreign, "%s", name);
}

/* Unlinks the names listed for that. */
static status remove_listed(bitcask *e, const buf *names) {
    CHECK(names->len == 0 || names->data[names->len - 1] == 0);
    char path[FILE_PATH_MAX];
    for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
        int n = snprintf(path, sizeof path, "%s/%s", e->dir, names->data + at);
        if (n < 0 || n >= (int)sizeof path) return status_make(ST_LIMIT, "%s: too long", e->dir);
        status s = e->fs->ops->unlink(e->fs, path);
        if (!status_ok(s) && s.code != ST_NOT_FOUND) return s;
    }
    return STATUS_OK;
}

/* Nothing is removed before every name has been looked at. */
status recover_directory(bitcask *e) {
    listing l = {.e = e, .state = e->meta.m ? manifest_get(e->meta.m) : NULL};
    status s = e->fs->ops->list(e->fs, e->dir, list_one, &l);
    if (status_ok(s) && l.foreign[0])
        s = l.state ? status_make(ST_CORRUPT,
                                  "%s/%s: the manifest does not know this file; it was put here, "
                                  "or the manifest is an old one",
                                  e->dir, l.foreign)
                    : status_make(ST_CORRUPT, "%s/%s: there is no MANIFEST beside it", e->dir,
                                  l.foreign);
    if (status_ok(s)) s = remove_listed(e, &l.remove);
    buf_free(&l.remove);
    return s;
}

/* Unlinks what the manifest has as pending, and tells it so. */
static status drop_pending(bitcask *e) {
    CHECK(!e->log && e->norder == 0);
    const manifest_state *m = manifest_get(e->meta.m);
    char path[FILE_PATH_MAX];
    if (m->npending == 0) return STATUS_OK;
    for (size_t i = 0; i < m->npending; i++) {
        TRY(bc_path(e, FILE_SEGMENT, m->pending[i], path));
        status s = e->fs->ops->unlink(e->fs, path);
        if (!status_ok(s) && s.code != ST_NOT_FOUND) return s;
        edit_gone(&e->meta.edit, m->pending[i]);
    }
    TRY(e->fs->ops->sync_dir(e->fs, e->dir));
    return meta_wait(e, meta_commit(e));
}

/* ---- 2. loading ---------------------------------------------------------------------------------
 */

typedef struct recovery {
    load_ctx load;
    bitcask *e;
    log_file *files; /* one per segment of the order */
    char **paths;
    uint32_t nfiles;
    uint32_t from; /* rank of the first file of the replay under way */
    uint32_t last; /* rank of the file in which the log ends */
    log_pos mark;  /* the greatest one read: all before it is durable */
} recovery;

/* Opens the live files, as segments in order. For writing too: the open end is to be made durable,
 * and cut. */
static status open_files(recovery *r) {
    CHECK(r->e->norder == 0 && !r->files);
    bitcask *e = r->e;
    const manifest_state *m = manifest_get(e->meta.m);
    r->files = mem_zalloc((m->nfiles + 1) * sizeof *r->files);
    r->paths = mem_zalloc((m->nfiles + 1) * sizeof *r->paths);
    for (size_t i = 0; i < m->nfiles; i++) {
        char path[FILE_PATH_MAX];
        segment *s = seg_new(e, m->files[i].number);
        if (!s) return status_make(ST_LIMIT, "%s: more than %u segments", e->dir, SEG_NO_SLOT);
        s->state = SEG_SEALED;
        s->merged = m->files[i].merged;
        s->end = m->files[i].length;
        s->logged = s->end != 0;
        seg_append(e, s);
        TRY(bc_path(e, FILE_SEGMENT, s->number, path));
        r->paths[i] = mem_strdup(path);
        r->nfiles++;
        status st = vfs_open(e->fs, r->paths[i], VFS_READ | VFS_WRITE, &s->file);
        if (st.code == ST_NOT_FOUND)
            return status_make(ST_CORRUPT, "%s: the manifest names this file, and it is missing",
                               r->paths[i]);
        TRY(st);
        r->files[i] = (log_file){s->file, r->paths[i], FILE_SEGMENT, s->number, s->end};
        r->load.total += s->end ? s->end : (uint64_t)bitcask_conf.segment_size;
    }
    return STATUS_OK;
}

/* Notes where the file's records end and the greatest mark, then loads. */
static status replay_one(void *ctx, const log_file *f, const logscan_item *item) {
    recovery *r = ctx;
    segment *s = r->e->order[f - r->files];
    CHECK(s->number == f->number);
    if (f->length == 0) s->end = item->offset + item->rec.size;
    if ((item->rec.flags & RECORD_MARK) && item->rec.mark > r->mark) r->mark = item->rec.mark;
    return load_record(&r->load, s, item);
}

/* Reads the files at ranks [from, to); the log must be whole there, or end in the last ones. */
static status replay(recovery *r, uint32_t from, uint32_t to, log_verdict *v) {
    CHECK(from < to && to <= r->e->norder);
    r->from = from;
    TRY(log_replay(r->e->store_id, r->files + from, to - from, 0, replay_one, r, v));
    log_verdict_known(v, r->files + from, to - from,
                      manifest_state_durable(manifest_get(r->e->meta.m)));
    TRY(log_verdict_status(v, r->files + from));
    r->e->stats.recovery_logs += v->file + 1;
    v->file += from;
    return STATUS_OK;
}

/* Loads all segments. A hint that is not there is nothing special; one that is bad is told, as it
 * says something about the disk. */
static status load_all(recovery *r) {
    CHECK(!r->e->active);
    bitcask *e = r->e;
    log_verdict v;
    uint32_t n = e->norder, i = 0;
    /* sealed ones, by hint if there is a good one */
    for (; i < n && e->order[i]->end != 0; i++) {
        status s = load_hint(&r->load, e->order[i]);
        if (status_ok(s)) {
            e->stats.recovery_hints++;
            continue;
        }
        if (s.code != ST_NOT_FOUND && s.code != ST_CORRUPT && s.code != ST_INVALID) return s;
        if (s.code != ST_NOT_FOUND)
            log_warning("Reading segment %u instead: %s", e->order[i]->number, s.msg);
        TRY(replay(r, i, i + 1, &v));
    }
    r->last = n;
    if (i == n) return STATUS_OK;
    /* the open ones, together: where one ends is told by how the next one begins */
    TRY(replay(r, i, n, &v));
    r->last = (uint32_t)v.file;
    e->order[r->last]->end = v.cut;
    e->stats.recovery_cut = v.dropped;
    if (v.kind == LOG_TORN)
        log_notice("%s: the log ends at offset %u; %llu bytes behind it were never acknowledged",
                   r->paths[r->last], v.cut, (unsigned long long)v.dropped);
    return STATUS_OK;
}

/* ---- 3. a new beginning -------------------------------------------------------------------------
 */

/* Makes what was read of s durable. An fsync alone might not: if one had failed before, the system
 * may hold bytes that it takes for written and that are not on the disk. So what no mark vouches
 * for is written again, as it is. */
static status make_durable(recovery *r, segment *s) {
    CHECK(s->end > FILE_HEADER && !s->logged);
    char *piece = mem_alloc(LOGSCAN_PIECE);
    status st = STATUS_OK;
    uint32_t at = FILE_HEADER;
    if (log_pos_file(r->mark) == s->number && log_pos_offset(r->mark) > at)
        at = log_pos_offset(r->mark);
    if (log_pos_file(r->mark) > s->number) at = s->end;
    while (at < s->end && status_ok(st)) {
        size_t n = s->end - at < LOGSCAN_PIECE ? s->end - at : LOGSCAN_PIECE, got = 0;
        st = vfs_pread(s->file, piece, n, at, &got);
        if (status_ok(st) && got < n)
            st = status_make(ST_IO, "segment %u became shorter", s->number);
        if (status_ok(st)) st = vfs_pwrite(s->file, piece, n, at);
        at += (uint32_t)n;
    }
    mem_free(piece);
    return status_ok(st) ? s->file->ops->fdatasync(s->file) : st;
}

/* Seals what is open and used; retires what is open and not. */
static status close_end(recovery *r) {
    CHECK(r->e->meta.edit.ops.len == 0 || r->e->meta.gen > 0);
    bitcask *e = r->e;
    uint32_t kept = e->norder;
    for (uint32_t i = 0; i < e->norder; i++) {
        segment *s = e->order[i];
        if (s->logged) continue;
        if (i > r->last || s->end <= FILE_HEADER) {
            edit_retire(&e->meta.edit, s->number);
            seg_retire(e, s, e->meta.gen);
            if (kept > i) kept = i;
            continue;
        }
        CHECK(kept == e->norder);
        TRY(make_durable(r, s));
        edit_seal(&e->meta.edit, s->number, s->end);
        s->logged = true;
    }
    e->norder = kept;
    return STATUS_OK;
}

/* Where the log was left: the end of its last file, if that is known. */
static log_pos left_at(const recovery *r) {
    CHECK(r->last <= r->e->norder);
    const bitcask *e = r->e;
    uint32_t i = r->last < e->norder ? r->last + 1 : e->norder;
    while (i-- > 0) {
        const segment *s = e->order[i];
        if (s->merged) return 0;
        if (s->end > FILE_HEADER) return seg_pos(s, s->end);
    }
    return 0;
}

/* Makes the file of the new active segment, smaller if the disk is nearly full. */
static status make_active(bitcask *e, segment *s, uint32_t before) {
    CHECK(!s->file && s->number > before);
    file_header h = {
        .kind = FILE_SEGMENT, .store_id = e->store_id, .number = s->number, .before = before};
    s->limit = (uint32_t)bitcask_conf.segment_size;
    status st = seg_make_file(e->fs, e->dir, &h, s->limit, &s->file);
    while (st.code == ST_NO_SPACE && s->limit > LIMIT_MIN) {
        char path[FILE_PATH_MAX];
        TRY(bc_path(e, FILE_SEGMENT, s->number, path));
        TRY(e->fs->ops->unlink(e->fs, path));
        s->limit /= 4;
        st = seg_make_file(e->fs, e->dir, &h, s->limit, &s->file);
    }
    return st;
}

/* Makes the log's next segment, so far only pending in the manifest. */
static status make_next(bitcask *e, log_pos before, segment **out) {
    CHECK(!e->active && e->ids[MANIFEST_IDS_FILE].next > 0);
    id_block *ids = &e->ids[MANIFEST_IDS_FILE];
    segment *s = seg_new(e, (uint32_t)ids->next);
    if (!s) return status_make(ST_LIMIT, "%s: too many segments", e->dir);
    ids->next++;
    edit_reserve(&e->meta.edit, MANIFEST_IDS_FILE, ids->next);
    edit_pending(&e->meta.edit, s->number);
    meta_reserve_ahead(e);
    TRY(meta_wait(e, meta_commit(e)));
    *out = s;
    return make_active(e, s, log_pos_file(before));
}

/* Gives back what was allocated behind the ends of files that were open, now that their lengths are
 * in the manifest. */
static void cut_sealed(recovery *r) {
    CHECK(r->files);
    for (uint32_t i = 0; i < r->e->norder; i++) {
        segment *s = r->e->order[i];
        if (r->files[i].length) continue;
        status st = s->file->ops->truncate(s->file, s->end);
        if (!status_ok(st)) log_warning("Cutting segment %u: %s", s->number, st.msg);
    }
}

/* The log goes on in s, from the edit on that closes what was before. */
static status begin(recovery *r, segment *s, log_pos before) {
    CHECK(s->file && s->number > log_pos_file(before));
    bitcask *e = r->e;
    TRY(close_end(r));
    edit_append(&e->meta.edit, s->number);
    dbs_edit_map(e, log_pos_of(s->number, FILE_HEADER));
    TRY(meta_wait(e, meta_commit(e)));
    for (uint32_t i = 0; i < e->norder; i++)
        e->order[i]->order = 0;
    cut_sealed(r);
    e->log = logwrite_new(e->store_id);
    logwrite_file f = {s->file, s->number, s->limit};
    logwrite_start(e->log, &f, before);
    s->state = SEG_ACTIVE;
    s->first = log_pos_offset(logwrite_end(e->log));
    seg_append(e, s);
    e->active = e->sync_head = s;
    e->released = logwrite_written(e->log);
    seglog_write(e); /* so that all that is there counts as durable */
    seglog_sync(e);
    seg_consider_all(e);
    return e->failure;
}

/* The mapping as the manifest has it, and a database for each logical one. */
static void load_map(bitcask *e, load_ctx *l) {
    CHECK(e->ndbs == 0);
    const manifest_state *m = manifest_get(e->meta.m);
    for (size_t i = 0; i < m->nmap; i++) {
        dbs_grow(e, m->map[i].db + 1);
        pdb *d = pdb_find(e, m->map[i].pdb);
        e->map[m->map[i].db] = d ? d : pdb_new(e, m->map[i].pdb);
        if (m->map[i].pdb >= l->known) l->known = m->map[i].pdb + 1;
    }
}

/* Logical databases that there were not before get a physical one. */
static status fill_map(bitcask *e, uint32_t databases) {
    CHECK(databases > 0);
    dbs_grow(e, databases);
    for (uint32_t i = 0; i < e->ndbs; i++) {
        uint64_t id;
        if (e->map[i]) continue;
        TRY(bc_take_id(e, MANIFEST_IDS_PDB, &id));
        e->map[i] = pdb_new(e, (uint32_t)id);
    }
    return STATUS_OK;
}

/* Loading, then the new beginning. */
static status recover_files(recovery *r, uint32_t databases) {
    bitcask *e = r->e;
    segment *next = NULL;
    load_map(e, &r->load);
    TRY(open_files(r));
    TRY(load_all(r));
    TRY(fill_map(e, databases));
    load_finish(&r->load);
    log_pos before = left_at(r);
    TRY(make_next(e, before, &next));
    return begin(r, next, before);
}

/* The steps above, in order. */
status recover(bitcask *e, uint32_t databases) {
    recovery r = {.load.e = e, .e = e};
    TRY(drop_pending(e));
    status s = recover_files(&r, databases);
    for (uint32_t i = 0; i < r.nfiles; i++)
        mem_free(r.paths[i]);
    mem_free(r.files);
    mem_free(r.paths);
    return s;
}
