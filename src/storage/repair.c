/* repair: two manifests and some renames.
 *
 *   1. what the new manifest will call sealed is fsynced (an open segment's bytes may never have
 *      been); replacements are announced as pending in a manifest of their own, written, fsynced
 *   2. the manifest is replaced by one with the new list, in which the dropped files are pending
 *   3. they are renamed to NAME.damaged, and the directory is fsynced
 *   4. the manifest is replaced by one that has forgotten them
 *
 * A crash before 2 leaves the store as it was, with a file or two pending that nobody reads; one
 * between 2 and 4 leaves the new store, in which the next start deletes what 3 would have renamed.
 * A repair that failed can be run again: it finds what is there. The log's positions do not go
 * back: file numbers are never used again, so whatever is written next is later than all that was
 * lost. */
#include "storage/repair.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"
#include "storage/outfile.h"
#include "storage/repair_table.h"
#include "storage/salvage.h"

#define PIECE (1u << 20) /* bytes written at a time */

typedef struct repair {
    vfs *v;
    const char *dir;
    const check_result *found;
    const lines *say;
    manifest_state state; /* as it will be */
    uint32_t rewrites;    /* number of the newest manifest */
    uint32_t *dropped;    /* files that go */
    size_t ndropped;
} repair;

/* ---- what it would do ------------------------------------------------------------------------ */

/* True if a cut leaves nothing of the damaged file itself. */
static bool cut_drops_file(const check_damage *d) {
    CHECK(d->bad >= d->end);
    CHECK(d->end >= FILE_HEADER);
    return d->missing || d->header || d->end == FILE_HEADER;
}

/* In the user's words, with numbers: a choice needs to know its price. */
void repair_explain(const check_result *found, const lines *say) {
    CHECK(found->ndamage <= found->state.nfiles);
    const manifest_state *s = &found->state;
    if (found->manifest_damaged)
        lines_say(say, "MANIFEST: either repair writes it anew as of its last good edit, if that "
                       "fits the files that are there");
    if (found->nbad_hints)
        lines_say(say, "--repair=hints puts %zu damaged hints aside and drops nothing",
                  found->nbad_hints);
    if (!found->manifest_damaged && !found->nbad_hints && !found->ndamage && !found->nbad_tables)
        lines_say(say, "--repair has nothing for this");
    if (found->nbad_tables) {
        lines_say(say,
                  "--repair=skip replaces %zu damaged tables by what can be read of them: for the "
                  "keys that are lost, older values may show, deleted keys included",
                  found->nbad_tables);
        lines_say(say, "The numbers of keys and elements stay as they were recorded: convert the "
                       "repaired store (stave-convert) rather than serve from it.");
        lines_say(say, "Files that go are renamed to NAME.damaged. Copy the directory first.");
    }
    if (found->ndamage == 0) return;
    const check_damage *first = &found->damage[0];
    CHECK(first->file < s->nfiles);
    lines_say(say,
              "--repair=cut ends the log at segment %u, offset %u: whole batches in front of that "
              "stay, %llu bytes behind it in that segment and %zu later segments go",
              s->files[first->file].number, first->end,
              (unsigned long long)(s->files[first->file].length > first->end
                                       ? s->files[first->file].length - first->end
                                       : 0),
              s->nfiles - first->file - 1);
    bool lsm = check_log_kind(s) == FILE_LOG;
    for (size_t i = 0; i < found->ndamage && !lsm; i++) {
        const check_damage *d = &found->damage[i];
        uint32_t number = s->files[d->file].number;
        if (d->missing)
            lines_say(say, "--repair=skip forgets segment %u, which is missing", number);
        else
            lines_say(say,
                      "--repair=skip drops %llu bytes of segment %u that can't be read and keeps "
                      "%llu records behind them",
                      (unsigned long long)d->lost, number, (unsigned long long)d->readable);
    }
    if (!lsm)
        lines_say(say, "With skip, batches may be kept in part, an older value may show where the "
                       "newer is lost, and a key may be back whose delete is lost.");
    lines_say(say, "Files that go are renamed to NAME.damaged. Copy the directory first.");
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Puts a number on the ascending list of pending files. */
static void add_pending(manifest_state *s, uint32_t number) {
    CHECK(number > 0);
    size_t i = s->npending;
    s->pending = mem_realloc(s->pending, (s->npending + 1) * sizeof *s->pending);
    for (; i > 0 && s->pending[i - 1] > number; i--)
        s->pending[i] = s->pending[i - 1];
    CHECK(i == 0 || s->pending[i - 1] != number);
    s->pending[i] = number;
    s->npending++;
}

/* Takes a number off that list. */
static void remove_pending(manifest_state *s, uint32_t number) {
    CHECK(number > 0);
    size_t out = 0;
    for (size_t i = 0; i < s->npending; i++)
        if (s->pending[i] != number) s->pending[out++] = s->pending[i];
    CHECK(out + 1 == s->npending);
    s->npending = out;
}

/* The file is no longer data. */
static void drop(repair *r, uint32_t number) {
    CHECK(number > 0);
    CHECK(r->ndropped < r->found->state.nfiles + r->found->nbad_tables);
    r->dropped[r->ndropped++] = number;
    add_pending(&r->state, number);
}

/* Takes the file at index i out of the list. */
static void take_out(repair *r, size_t i) {
    CHECK(i < r->state.nfiles);
    uint32_t number = r->state.files[i].number;
    memmove(r->state.files + i, r->state.files + i + 1,
            (r->state.nfiles - i - 1) * sizeof *r->state.files);
    r->state.nfiles--;
    drop(r, number);
}

/* Each is a rewrite with a number of its own. */
static status write_manifest(repair *r) {
    CHECK(r->state.engine[0]);
    CHECK(r->rewrites < UINT32_MAX);
    return manifest_rewrite(r->v, r->dir, &r->state, ++r->rewrites);
}

/* Writes the file's bytes again, as they are. An fsync alone may not make them durable: if one
 * failed before, the system shows them, takes them for written, and has not written them. */
static status write_again(vfs_file *f, const char *path, uint32_t length) {
    buf piece = {0};
    status st = STATUS_OK;
    CHECK(length >= FILE_HEADER);
    for (uint32_t at = 0, n; at < length && status_ok(st); at += n) {
        n = length - at < PIECE ? length - at : PIECE;
        buf_clear(&piece);
        char *p = buf_reserve(&piece, n);
        st = vfs_pread_all(f, path, p, n, at);
        if (status_ok(st)) st = vfs_pwrite(f, p, n, at);
    }
    buf_free(&piece);
    return st;
}

/* Makes sure that file i is on disk up to where it will be sealed, and seals it there. */
static status seal(repair *r, size_t i, uint32_t length) {
    char path[FILE_PATH_MAX];
    vfs_file *f;
    CHECK(i < r->state.nfiles && length >= FILE_HEADER);
    TRY(file_path(path, r->dir, check_log_kind(&r->state), r->state.files[i].number));
    TRY(vfs_open(r->v, path, VFS_READ | VFS_WRITE, &f));
    status st = r->state.files[i].length ? STATUS_OK : write_again(f, path, length);
    if (status_ok(st)) st = f->ops->fsync(f);
    status closed = f->ops->close(f);
    TRY(st);
    TRY(closed);
    r->state.files[i].length = length;
    lines_say(r->say, "segment %u: sealed at %u", r->state.files[i].number, length);
    return STATUS_OK;
}

/* Renames a file to NAME.damaged; nothing if there is none. */
static status put_aside(repair *r, unsigned kind, uint32_t number) {
    CHECK(kind != FILE_MANIFEST && number > 0);
    char path[FILE_PATH_MAX], to[FILE_PATH_MAX + 16];
    TRY(file_path(path, r->dir, kind, number));
    int n = snprintf(to, sizeof to, "%s.damaged", path);
    CHECK(n > 0 && (size_t)n < sizeof to);
    status st = r->v->ops->rename(r->v, path, to);
    if (st.code == ST_NOT_FOUND) return STATUS_OK;
    if (status_ok(st)) lines_say(r->say, "%s: renamed to %s", path, to);
    return st;
}

/* ---- the modes ------------------------------------------------------------------------------- */

/* Open segments in front of index `to` become sealed: what comes behind them will be. */
static status seal_open_before(repair *r, size_t to) {
    CHECK(r->found->ends);
    CHECK(to <= r->state.nfiles);
    for (size_t i = 0; i < to; i++)
        if (r->state.files[i].length == 0) TRY(seal(r, i, r->found->ends[i]));
    return STATUS_OK;
}

/* Everything behind the first damage goes; what is in front becomes sealed. */
static status cut(repair *r) {
    CHECK(r->found->ndamage > 0);
    const check_damage *d = &r->found->damage[0];
    CHECK(d->file < r->state.nfiles);
    TRY(seal_open_before(r, d->file));
    while (r->state.nfiles > d->file + 1)
        take_out(r, d->file + 1);
    if (cut_drops_file(d)) {
        take_out(r, d->file);
        return STATUS_OK;
    }
    return seal(r, d->file, d->end);
}

/* A logical database is now that physical one. */
static void set_map(manifest_state *s, uint32_t db, uint32_t pdb) {
    size_t i = 0;
    CHECK(s->nmap <= RECORD_DBS_MAX);
    while (i < s->nmap && s->map[i].db < db)
        i++;
    if (i == s->nmap || s->map[i].db != db) {
        s->map = mem_realloc(s->map, (s->nmap + 1) * sizeof *s->map);
        memmove(s->map + i + 1, s->map + i, (s->nmap - i) * sizeof *s->map);
        s->nmap++;
    }
    s->map[i] = (manifest_map){db, pdb};
    CHECK(i == 0 || s->map[i - 1].db < db);
}

/* Takes into the mapping what a FLUSH or SWAP says, if the manifest does not have it yet. */
static status take_order(repair *r, const record *rec, log_pos at) {
    uint32_t db, pdb;
    CHECK(r->state.engine[0]);
    if ((rec->kind != RECORD_FLUSH && rec->kind != RECORD_SWAP) || at < r->found->state.map_at)
        return STATUS_OK;
    slice rest = record_pairs(rec->body);
    while (record_next_pair(&rest, &db, &pdb)) {
        if (pdb >= r->state.ids[MANIFEST_IDS_PDB])
            return status_make(ST_CORRUPT, "a flush to pdb %u, which was not reserved", pdb);
        set_map(&r->state, db, pdb);
    }
    return STATUS_OK;
}

/* The flushes and swaps in segment i of the old list; the mapping is as of its end afterwards. */
static status take_orders(repair *r, size_t i) {
    const manifest_file *m = &r->found->state.files[i];
    char path[FILE_PATH_MAX];
    vfs_file *f;
    salvage *s = NULL;
    salvage_item item;
    bool got;
    log_pos end = 0;
    CHECK(i < r->found->state.nfiles);
    TRY(file_path(path, r->dir, FILE_SEGMENT, m->number));
    status st = vfs_open(r->v, path, VFS_READ, &f);
    if (st.code == ST_NOT_FOUND) return STATUS_OK;
    TRY(st);
    st = salvage_open(f, r->state.store_id, m->number, FILE_HEADER,
                      m->length ? m->length : UINT32_MAX, &s);
    if (status_ok(st)) st = salvage_next(s, &item, &got);
    while (status_ok(st) && got) {
        end = log_pos_of(m->number, item.offset + item.rec.size);
        st = take_order(r, &item.rec, log_pos_of(m->number, item.offset));
        if (status_ok(st)) st = salvage_next(s, &item, &got);
    }
    if (end > r->state.map_at) r->state.map_at = end;
    salvage_close(s);
    status closed = f->ops->close(f); /* it was only read */
    (void)closed;
    return st;
}

/* Replacements lie in the order like a merge's output, where a flush has no position of its own. So
 * the manifest takes over the flushes and swaps up to the last replaced file, as before a merge. */
static status checkpoint(repair *r) {
    size_t last = r->found->damage[r->found->ndamage - 1].file;
    CHECK(last < r->found->state.nfiles);
    for (size_t i = 0; i <= last; i++)
        if (!r->found->state.files[i].merged) TRY(take_orders(r, i));
    return STATUS_OK;
}

/* Writes the readable records of file `from` to the new file; *length is its length, FILE_HEADER if
 * there were none. */
static status copy_readable(repair *r, const manifest_file *from, uint32_t number,
                            uint32_t *length) {
    CHECK(number > 0 && number != from->number);
    char path[FILE_PATH_MAX], new_path[FILE_PATH_MAX];
    vfs_file *f;
    salvage *s = NULL;
    salvage_item item;
    outfile o = {0};
    bool got;
    uint64_t kept = 0;
    file_header h = {.kind = FILE_SEGMENT, .store_id = r->state.store_id, .number = number};
    TRY(file_path(path, r->dir, FILE_SEGMENT, from->number));
    TRY(file_path(new_path, r->dir, FILE_SEGMENT, number));
    TRY(vfs_open(r->v, path, VFS_READ, &f));
    status st = salvage_open(f, r->state.store_id, from->number, FILE_HEADER,
                             from->length ? from->length : UINT32_MAX, &s);
    if (status_ok(st)) st = outfile_create(&o, r->v, new_path, &h, true);
    if (status_ok(st)) st = salvage_next(s, &item, &got);
    while (status_ok(st) && got) {
        bool data = item.rec.kind >= RECORD_PUT && item.rec.kind <= RECORD_DROP;
        item.rec.flags &= RECORD_ENTRY_FLAGS; /* no batches, no marks */
        if (data) st = outfile_put(&o, &item.rec, NULL);
        kept += data;
        if (status_ok(st)) st = salvage_next(s, &item, &got);
    }
    if (status_ok(st)) {
        *length = outfile_length(&o);
        CHECK((kept == 0) == (*length == FILE_HEADER));
        st = outfile_finish(&o);
    }
    outfile_abandon(&o);
    salvage_close(s);
    status closed = f->ops->close(f); /* it was only read */
    (void)closed;
    if (status_ok(st))
        lines_say(r->say, "segment %u: %llu records kept, as segment %u", from->number,
                  (unsigned long long)kept, number);
    return st;
}

/* Announces a replacement for each damaged file that is there: numbers[k], or 0. */
static status announce(repair *r, uint32_t *numbers) {
    const check_result *found = r->found;
    CHECK(found->ndamage > 0);
    for (size_t k = 0; k < found->ndamage; k++) {
        if (found->damage[k].missing) continue;
        uint64_t next = r->state.ids[MANIFEST_IDS_FILE];
        if (next >= UINT32_MAX) return status_make(ST_LIMIT, "no file numbers are left");
        r->state.ids[MANIFEST_IDS_FILE] = next + 1;
        numbers[k] = (uint32_t)next;
        add_pending(&r->state, numbers[k]);
    }
    CHECK(r->state.npending >= found->state.npending);
    return write_manifest(r);
}

/* Replaces the damaged files, last first, so that indexes stay right. */
static status replace(repair *r, const uint32_t *numbers) {
    CHECK(r->ndropped == 0);
    const check_result *found = r->found;
    CHECK(found->ndamage > 0);
    TRY(seal_open_before(r, found->damage[found->ndamage - 1].file));
    for (size_t k = found->ndamage; k-- > 0;) {
        size_t i = found->damage[k].file;
        uint32_t length = FILE_HEADER;
        if (numbers[k]) TRY(copy_readable(r, &found->state.files[i], numbers[k], &length));
        if (length == FILE_HEADER) { /* nothing could be read: the new file is pending, and empty */
            take_out(r, i);
            continue;
        }
        drop(r, r->state.files[i].number);
        remove_pending(&r->state, numbers[k]);
        r->state.files[i] = (manifest_file){numbers[k], length, true};
    }
    return r->v->ops->sync_dir(r->v, r->dir);
}

/* Table `from` is replaced by what was read of it, which is table `number`, pending so far. With
 * nothing read it is dropped, and the number stays pending: the next start unlinks the file. */
static void replace_table(repair *r, const manifest_table *from, uint32_t number,
                          const table_summary *got) {
    CHECK(manifest_tables_find(&r->state.tables, from->number));
    manifest_table t = *from;
    t.number = number;
    t.length = got->length;
    t.entries = got->entries;
    t.tombstones = got->tombstones;
    t.hidden = got->hidden;
    t.plain_bytes = got->plain_bytes;
    manifest_tables_remove(&r->state.tables, from->number);
    drop(r, from->number);
    if (got->entries == 0) return;
    remove_pending(&r->state, number);
    manifest_tables_put(&r->state.tables, &t);
}

/* Every damaged table, one after the other; each keeps its level, age and bounds. */
static status skip_tables(repair *r) {
    const check_result *found = r->found;
    uint64_t first = r->state.ids[MANIFEST_IDS_FILE];
    CHECK(found->nbad_tables > 0);
    if (first + found->nbad_tables > UINT32_MAX)
        return status_make(ST_LIMIT, "no file numbers are left");
    r->state.ids[MANIFEST_IDS_FILE] = first + found->nbad_tables;
    for (size_t k = 0; k < found->nbad_tables; k++)
        add_pending(&r->state, (uint32_t)(first + k));
    TRY(write_manifest(r));
    for (size_t k = 0; k < found->nbad_tables; k++) {
        const manifest_table *from =
            manifest_tables_find(&found->state.tables, found->bad_tables[k]);
        table_summary got;
        CHECK(from);
        status st = repair_table(r->v, r->dir, r->state.store_id, from, (uint32_t)(first + k),
                                 r->say, &got);
        if (st.code == ST_NOT_FOUND)
            lines_say(r->say, "table %u: missing; all of its keys are lost", from->number);
        else
            TRY(st);
        replace_table(r, from, (uint32_t)(first + k), &got);
        buf_free(&got.first);
        buf_free(&got.last);
    }
    return r->v->ops->sync_dir(r->v, r->dir);
}

/* Every damaged file is replaced by what can be read of it. */
static status skip(repair *r) {
    CHECK(r->ndropped == 0);
    if (r->found->nbad_tables) return skip_tables(r);
    uint32_t *numbers = mem_zalloc(r->found->ndamage * sizeof *numbers);
    CHECK(r->found->ndamage > 0);
    status st = checkpoint(r);
    if (status_ok(st)) st = announce(r, numbers);
    if (status_ok(st)) st = replace(r, numbers);
    mem_free(numbers);
    return st;
}

/* Steps 2 to 4. */
static status install(repair *r) {
    CHECK(r->state.engine[0]);
    TRY(write_manifest(r));
    for (size_t i = 0; i < r->ndropped; i++) {
        TRY(put_aside(r, FILE_HINT, r->dropped[i]));
        bool in_table = manifest_tables_find(&r->found->state.tables, r->dropped[i]);
        TRY(put_aside(r, in_table ? FILE_TABLE : check_log_kind(&r->state), r->dropped[i]));
    }
    TRY(r->v->ops->sync_dir(r->v, r->dir));
    for (size_t i = 0; i < r->ndropped; i++)
        remove_pending(&r->state, r->dropped[i]);
    CHECK(r->state.npending >= r->found->state.npending);
    if (r->ndropped) TRY(write_manifest(r));
    lines_say(r->say, "MANIFEST: rewritten as number %u", r->rewrites);
    return STATUS_OK;
}

/* Puts damaged hints aside: also those whose segment is cut, which would be of another length. */
static status repair_hints(repair *r) {
    CHECK(r->ndropped == 0);
    for (size_t i = 0; i < r->found->nbad_hints; i++)
        TRY(put_aside(r, FILE_HINT, r->found->bad_hints[i]));
    for (size_t i = 0; i < r->found->ndamage; i++)
        TRY(put_aside(r, FILE_HINT, r->found->state.files[r->found->damage[i].file].number));
    CHECK(r->found->state.store_id == r->state.store_id);
    return r->v->ops->sync_dir(r->v, r->dir);
}

/* Ok if the mode can do something about what was found. */
static status possible(const check_result *found, repair_mode mode) {
    CHECK(found->state.engine[0]);
    CHECK(mode >= REPAIR_HINTS && mode <= REPAIR_SKIP);
    if (found->manifest_damaged && (found->unknown || found->ndamage))
        return status_make(ST_INVALID, "the manifest is damaged, and as of its last good edit it "
                                       "does not fit the files: take a copy from a backup");
    if (mode == REPAIR_HINTS && (found->ndamage || found->nbad_tables || found->manifest_damaged))
        return status_make(ST_INVALID, "more than hints is damaged");
    if (found->manifest_damaged && found->nbad_tables)
        return status_make(ST_INVALID, "the manifest and tables are damaged: take a copy from a "
                                       "backup");
    bool lsm = check_log_kind(&found->state) == FILE_LOG;
    if (lsm && mode == REPAIR_SKIP && found->ndamage)
        return status_make(ST_INVALID, "the log of this engine can only be cut; then skip what is "
                                       "damaged of its tables");
    if (mode == REPAIR_CUT && found->nbad_tables && !found->ndamage)
        return status_make(ST_INVALID, "no log is damaged; a table can only be skipped through");
    return STATUS_OK;
}

/* Hints first: they cost nothing and stand in nobody's way. */
status repair_directory(vfs *v, const char *dir, const check_result *found, repair_mode mode,
                        const lines *say) {
    CHECK(dir && dir[0]);
    CHECK(found->ends);
    repair r = {.v = v, .dir = dir, .found = found, .say = say};
    TRY(possible(found, mode));
    manifest_state_copy(&r.state, &found->state);
    r.rewrites = found->manifest.number;
    r.dropped = mem_zalloc((found->state.nfiles + found->nbad_tables + 1) * sizeof *r.dropped);
    CHECK(r.rewrites > 0);
    status st = repair_hints(&r);
    if (status_ok(st) && (found->ndamage || (found->nbad_tables && mode == REPAIR_SKIP))) {
        st = mode == REPAIR_CUT ? cut(&r) : skip(&r);
        if (status_ok(st)) st = install(&r);
    } else if (status_ok(st) && found->manifest_damaged) {
        st = write_manifest(&r);
    }
    if (found->unknown)
        lines_say(say, "files that the manifest does not know are left: move them away if they do "
                       "not belong here");
    manifest_state_free(&r.state);
    mem_free(r.dropped);
    return st;
}
