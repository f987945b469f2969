/* check_segment: every record of every live segment, in log order.
 *
 * Sealed segments must be whole, each for itself, so that all damage is found, not only the first.
 * The open ones at the end of the log are read as a start would read them, torn tail or damage.
 * Behind damage, what can still be read is counted: that is what a repair could keep.
 *
 * What a checksum can't know is compared too: that marks do not speak of the future, that each file
 * begins where the former ends, that no id is used that the manifest has not reserved (it could be
 * given out again), and that compressed values come out as long as they say. */
#include "storage/check_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/compress.h"
#include "storage/file_header.h"
#include "storage/salvage.h"

/* ---- records --------------------------------------------------------------------------------- */

/* The file being read. */
static const manifest_file *current(const checker *c) {
    CHECK(c->file < c->res->state.nfiles);
    return &c->res->state.files[c->file];
}

/* A log's file begins with BEGIN and has marks; the output of a merge has neither. */
static void check_marks(checker *c, const record *r, uint32_t offset) {
    CHECK(offset >= FILE_HEADER);
    const manifest_file *f = current(c);
    if (f->merged) {
        bool data = r->kind >= RECORD_PUT && r->kind <= RECORD_DROP;
        if (r->flags & RECORD_FRAME_FLAGS || !data)
            check_problem(c, "segment %u at %u: a %s record of a log in a merge's output",
                          f->number, offset, record_kind_name(r->kind));
        return;
    }
    if ((offset == FILE_HEADER) != (r->kind == RECORD_BEGIN))
        check_problem(c, "segment %u at %u: a %s record where %s be", f->number, offset,
                      record_kind_name(r->kind),
                      r->kind == RECORD_BEGIN ? "no BEGIN can" : "BEGIN must");
    if (!(r->flags & RECORD_MARK)) return;
    if (r->mark > log_pos_of(f->number, offset))
        check_problem(c, "segment %u at %u: its mark is beyond itself", f->number, offset);
    if (r->mark < c->mark)
        check_problem(c, "segment %u at %u: its mark goes backward", f->number, offset);
    c->mark = r->mark;
}

/* Where the log was, if that file is still there as it was. */
static void check_begin(checker *c, const record *r) {
    CHECK(r->kind == RECORD_BEGIN);
    const manifest_state *s = &c->res->state;
    ptrdiff_t i = manifest_state_find(s, log_pos_file(r->prev));
    if (i < 0 || s->files[i].merged) return;
    CHECK((size_t)i < s->nfiles);
    if ((size_t)i + 1 != c->file)
        check_problem(c, "segment %u: begun behind segment %u, which is not in front of it",
                      current(c)->number, s->files[i].number);
    if (s->files[i].length && s->files[i].length != log_pos_offset(r->prev))
        check_problem(c, "segment %u: begun behind offset %u of segment %u, which is sealed at %u",
                      current(c)->number, log_pos_offset(r->prev), s->files[i].number,
                      s->files[i].length);
}

/* Ids must have been reserved before they were used. */
static void check_ids(checker *c, const record *r, uint32_t offset) {
    CHECK(c->res->state.ids[MANIFEST_IDS_FILE] > current(c)->number);
    const uint64_t *ids = c->res->state.ids;
    bool map = r->kind == RECORD_MAP_PUT || r->kind == RECORD_MAP_DEL || r->kind == RECORD_DROP;
    if (r->pdb >= ids[MANIFEST_IDS_PDB] && (map || r->kind == RECORD_PUT || r->kind == RECORD_DEL))
        check_problem(c, "segment %u at %u: pdb %u was not reserved", current(c)->number, offset,
                      r->pdb);
    if ((map || (r->flags & RECORD_COLL)) && r->coll >= ids[MANIFEST_IDS_COLL])
        check_problem(c, "segment %u at %u: collection %llu was not reserved", current(c)->number,
                      offset, (unsigned long long)r->coll);
}

/* A value must come out of its compression as long as it says. */
static void check_value(checker *c, const record *r, uint32_t offset) {
    CHECK(r->value.len <= RECORD_VALUE_MAX);
    if (!(r->flags & RECORD_LZ4)) return;
    buf_clear(&c->scratch);
    status st = compress_undo(r->value, r->plain_len, RECORD_VALUE_MAX, &c->scratch);
    CHECK(c->scratch.len <= RECORD_VALUE_MAX);
    if (!status_ok(st))
        check_problem(c, "segment %u at %u: %s", current(c)->number, offset, st.msg);
}

/* Counts a record and verifies what its checksums can't. */
static void check_record(checker *c, const record *r, uint32_t offset) {
    CHECK(r->size >= RECORD_HEADER && r->size <= RECORD_MAX);
    CHECK(r->kind < RECORD_KINDS);
    c->res->records++;
    c->res->kinds[r->kind]++;
    c->res->bytes += r->size;
    if (r->kind == RECORD_MANIFEST || r->kind == RECORD_HINT || r->kind == RECORD_BLOCK)
        check_problem(c, "segment %u at %u: a %s record", current(c)->number, offset,
                      record_kind_name(r->kind));
    check_marks(c, r, offset);
    if (r->kind == RECORD_BEGIN) check_begin(c, r);
    check_ids(c, r, offset);
    check_value(c, r, offset);
    if (c->collect) check_collect(c, r, offset);
    c->res->ends[c->file] = offset + r->size;
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Counts what can still be read behind damage. */
static status count_readable(const checker *c, vfs_file *f, check_damage *d) {
    CHECK(d->readable == 0 && d->lost == 0);
    const manifest_file *m = &c->res->state.files[d->file];
    salvage *s;
    salvage_item item;
    bool got;
    TRY(salvage_open(f, c->res->state.store_id, m->number, d->bad,
                     m->length ? m->length : UINT32_MAX, &s));
    status st = salvage_next(s, &item, &got);
    while (status_ok(st) && got) {
        d->readable++;
        d->lost += item.gap;
        st = salvage_next(s, &item, &got);
    }
    d->lost += item.gap;
    CHECK(d->bad >= FILE_HEADER);
    salvage_close(s);
    return st;
}

/* Adds damage; f is NULL if the file is missing. */
static status add_damage(checker *c, check_damage d, vfs_file *f) {
    CHECK(d.end >= FILE_HEADER && d.bad >= d.end);
    check_result *r = c->res;
    CHECK(d.file < r->state.nfiles);
    d.missing = !f;
    if (f) TRY(count_readable(c, f, &d));
    r->damage = mem_realloc(r->damage, (r->ndamage + 1) * sizeof *r->damage);
    size_t i = r->ndamage++;
    for (; i > 0 && r->damage[i - 1].file > d.file; i--)
        r->damage[i] = r->damage[i - 1];
    r->damage[i] = d;
    r->ends[d.file] = d.end;
    return STATUS_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* A segment that is open for reading. */
typedef struct opened {
    log_file f; /* f.file is NULL if it is missing */
    bool bad;   /* its header is */
    char path[FILE_PATH_MAX];
} opened;

/* Nothing happens if it is not open. */
static void close_file(opened *o) {
    CHECK(o->f.number > 0 || !o->f.file);
    if (!o->f.file) return;
    status closed = o->f.file->ops->close(o->f.file); /* it was only read */
    (void)closed;
    o->f.file = NULL;
}

/* Opens segment i and compares its header. What is wrong is added as damage. */
static status open_segment(checker *c, size_t i, opened *o) {
    CHECK(i < c->res->state.nfiles);
    const manifest_file *m = &c->res->state.files[i];
    check_damage d = {.file = i, .end = FILE_HEADER, .bad = FILE_HEADER, .header = true};
    unsigned kind = check_log_kind(&c->res->state);
    *o = (opened){.f = {.kind = (uint8_t)kind, .number = m->number, .length = m->length}};
    TRY(file_path(o->path, c->dir, kind, m->number));
    o->f.path = o->path;
    c->file = i;
    c->said = 0;
    c->res->ends[i] = FILE_HEADER;
    status st = vfs_open(c->v, o->path, VFS_READ, &o->f.file);
    if (st.code == ST_NOT_FOUND) {
        check_problem(c, "%s: missing", o->path);
        return add_damage(c, d, NULL);
    }
    TRY(st);
    st = file_header_expect(o->f.file, o->path, kind, c->res->state.store_id, m->number, NULL);
    CHECK(st.code != ST_BUSY);
    if (status_ok(st)) {
        c->res->segments++;
        return STATUS_OK;
    }
    o->bad = true;
    if (st.code == ST_CORRUPT) {
        check_problem(c, "%s", st.msg);
        st = add_damage(c, d, o->f.file);
    }
    if (!status_ok(st)) close_file(o);
    return st;
}

/* True if there is a hint for segment i: then its items are collected. */
static status start_collecting(checker *c, const manifest_file *m) {
    CHECK(m->number > 0);
    char path[FILE_PATH_MAX];
    vfs_file *f;
    c->nitems = 0;
    TRY(file_path(path, c->dir, FILE_HINT, m->number));
    status st = vfs_open(c->v, path, VFS_READ, &f);
    c->collect = status_ok(st);
    if (st.code == ST_NOT_FOUND) return STATUS_OK;
    TRY(st);
    return f->ops->close(f);
}

/* Reads a sealed segment that is open. */
static status read_sealed(checker *c, opened *o) {
    CHECK(o->f.length == current(c)->length);
    logscan *s;
    logscan_item item;
    bool got;
    const manifest_file *m = current(c);
    CHECK(m->length > 0);
    TRY(start_collecting(c, m));
    TRY(logscan_open(&o->f, c->res->state.store_id, &s));
    status st = logscan_next(s, &item, &got);
    while (status_ok(st) && got) {
        check_record(c, &item.rec, item.offset);
        st = logscan_next(s, &item, &got);
    }
    if (status_ok(st)) {
        logscan_stop stop = logscan_stopped(s);
        status whole = logscan_must_be_whole(s);
        if (status_ok(whole)) {
            st = c->collect ? check_hint(c, m) : STATUS_OK;
        } else {
            check_problem(c, "%s", whole.msg);
            check_damage d = {.file = c->file, .end = stop.end, .bad = stop.bad};
            st = add_damage(c, d, o->f.file);
        }
    }
    logscan_close(s);
    c->collect = false;
    return st;
}

/* log_replay's reader. */
static status replay_one(void *ctx, const log_file *f, const logscan_item *item) {
    CHECK(f->length == 0);
    checker *c = ctx;
    ptrdiff_t i = manifest_state_find(&c->res->state, f->number);
    CHECK(i >= 0);
    c->file = (size_t)i;
    check_record(c, &item->rec, item->offset);
    return STATUS_OK;
}

/* Says where the log ends; damage is added. */
static status take_verdict(checker *c, const log_file *files, size_t first, const log_verdict *v) {
    CHECK(v->cut >= FILE_HEADER && v->bad >= v->cut);
    const log_file *f = &files[v->file];
    check_damage d = {.file = first + v->file, .end = v->cut, .bad = v->bad};
    CHECK(d.file < c->res->state.nfiles);
    c->res->ends[d.file] = v->cut;
    switch (v->kind) {
    case LOG_CLEAN:
        lines_say(c->say, "the log ends at segment %u, offset %u", f->number, v->cut);
        return STATUS_OK;
    case LOG_TORN:
        c->res->torn = true;
        lines_say(
            c->say,
            "the log has a torn end at segment %u, offset %u (%s): %llu bytes that were never "
            "promised; the next start cuts them",
            f->number, v->bad, record_result_text(v->why), (unsigned long long)v->dropped);
        return STATUS_OK;
    default: check_problem(c, "%s", log_verdict_status(v, files).msg);
    }
    return add_damage(c, d, f->file);
}

/* What a start would decide about the open segments, which begin with files[first]; and, behind
 * damage, what it would decide if that were not. The last may have a bad header: its marks are
 * looked for, its records are not read. */
static status read_open(checker *c, opened *open, size_t first, size_t n) {
    CHECK(n > 0);
    log_file *files = mem_alloc(n * sizeof *files);
    status st = STATUS_OK;
    size_t good = open[n - 1].bad ? n - 1 : n;
    for (size_t k = 0; k < n; k++)
        files[k] = open[k].f;
    for (size_t from = 0; from < good && status_ok(st);) {
        log_verdict v;
        c->said = 0;
        st = log_replay(c->res->state.store_id, files + from, n - from, 0, replay_one, c, &v);
        if (st.code == ST_CORRUPT && good < n) { /* it came as far as the bad header */
            st = STATUS_OK;
            break;
        }
        if (!status_ok(st)) break;
        log_verdict_known(&v, files + from, n - from, manifest_state_durable(&c->res->state));
        st = take_verdict(c, files + from, first + from, &v);
        if (v.kind != LOG_DAMAGED) break;
        from += v.file + 1;
    }
    mem_free(files);
    return st;
}

/* The open segments, up to the first that can't be read at all. */
static status check_open(checker *c, size_t first) {
    CHECK(first < c->res->state.nfiles);
    CHECK(c->res->state.files[first].length == 0);
    size_t n = c->res->state.nfiles - first, there = 0;
    opened *open = mem_zalloc((n + 1) * sizeof *open);
    status st = STATUS_OK;
    while (there < n && status_ok(st)) {
        st = open_segment(c, first + there, &open[there]);
        if (!open[there].f.file) break;
        if (open[there++].bad) break;
    }
    if (status_ok(st) && there) st = read_open(c, open, first, there);
    for (size_t k = 0; k < there; k++)
        close_file(&open[k]);
    mem_free(open);
    return st;
}

/* First the sealed ones, each for itself, then the open ones together. */
status check_segments(checker *c) {
    CHECK(c->res->segments == 0);
    const manifest_state *s = &c->res->state;
    size_t i = 0;
    for (; i < s->nfiles && s->files[i].length; i++) {
        opened o;
        TRY(open_segment(c, i, &o));
        status st = o.f.file && !o.bad ? read_sealed(c, &o) : STATUS_OK;
        close_file(&o);
        TRY(st);
    }
    CHECK(i <= s->nfiles);
    return i < s->nfiles ? check_open(c, i) : STATUS_OK;
}
