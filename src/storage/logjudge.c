/* logjudge: where a log ends, and whether what lies behind was promised (logscan.h; DESIGN
 * section 4).
 *
 * A position p is where no record could be read. Three things prove that p had been durable, and
 * hence that acknowledged data is damaged:
 *
 *   J1. the file is sealed in the manifest at a length beyond its last whole batch;
 *   J2. a later file is sealed;
 *   J3. a record header, whole by its own CRC, somewhere behind p, carries a mark beyond p. It
 *       need not belong to a whole record or batch: that it was written at all says that the fsync
 *       it speaks of had returned.
 *
 * Headers are looked for at every byte (record_find), since nothing says where records begin once
 * one is lost.
 *
 * Without proof the tail is torn: what was written after the last fsync may be lost in part, in any
 * order. Then a later file may have records although the former lost its last ones. So each file
 * begins with a BEGIN record that says where the log left the former, and a file that does not
 * begin where the former ends is behind the end of the log. */
#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"
#include "storage/logscan.h"

/* A search for J3 in one file. */
typedef struct search {
    const log_file *f;
    uint64_t store_id;
    log_pos beyond;    /* a mark must be greater */
    log_pos mark;      /* the mark found, or 0 */
    uint32_t at;       /* where its record lies */
    uint32_t data_end; /* behind the last byte that is not zero, or where the search began */
} search;

/* Looks for a header that begins in p[0 .. starts), with n bytes to read; p[0] is at `offset`. */
static void search_piece(search *s, const char *p, size_t starts, size_t n, uint32_t offset) {
    record_place base = {s->store_id, s->f->number, offset};
    record r;
    CHECK(starts <= n && !s->mark);
    for (size_t i = 0; (i = record_find(p, i, starts, n, base, &r)) < starts; i++) {
        if (r.mark <= s->beyond) continue;
        s->mark = r.mark;
        s->at = offset + (uint32_t)i;
        return;
    }
}

/* Searches the file from offset `from` on, piece by piece; pieces overlap by a header. */
static status search_file(search *s, uint32_t from) {
    CHECK(s->f->file);
    status st = STATUS_OK;
    uint64_t at = from, size;
    size_t n = 0, piece;
    s->data_end = from;
    CHECK(from >= FILE_HEADER);
    TRY(s->f->file->ops->size(s->f->file, &size));
    piece = size < LOGSCAN_PIECE ? RECORD_HEADER_MAX + (size_t)size : LOGSCAN_PIECE;
    char *p = mem_alloc(piece);
    do {
        st = vfs_pread(s->f->file, p, piece, at, &n);
        if (!status_ok(st) || n == 0 || at + n > UINT32_MAX) break;
        bool last = n < piece;
        search_piece(s, p, last ? n : n - RECORD_HEADER_MAX, n, (uint32_t)at);
        size_t end = n;
        while (end > 0 && p[end - 1] == 0)
            end--;
        if (end > 0) s->data_end = (uint32_t)(at + end);
        at += n - RECORD_HEADER_MAX;
    } while (n == piece && !s->mark);
    mem_free(p);
    return st;
}

/* J1 and J2: true, with the mark set, if a sealed length says that more was durable than the
 * whole batches up to `end` of the first file. */
static bool sealed_beyond(const log_file *files, size_t n, uint32_t end, log_verdict *out) {
    CHECK(n > 0 && end >= FILE_HEADER);
    for (size_t i = 0; i < n; i++) {
        if (files[i].length == 0) continue;
        CHECK(files[i].length >= FILE_HEADER);
        if (i == 0 && files[i].length <= end) continue;
        out->mark = log_pos_of(files[i].number, files[i].length);
        return true;
    }
    return false;
}

/* J1 and J2 cost nothing and are asked first. */
status logscan_judge(uint64_t store_id, const log_file *files, size_t n, const logscan_stop *stop,
                     log_verdict *out) {
    CHECK(files[0].file);
    CHECK(n > 0 && stop->end <= stop->bad && stop->end >= FILE_HEADER);
    *out = (log_verdict){.kind = LOG_DAMAGED, .cut = stop->end, .bad = stop->bad, .why = stop->why};
    if (sealed_beyond(files, n, stop->end, out)) return STATUS_OK;
    for (size_t i = 0; i < n; i++) {
        search s = {
            .f = &files[i], .store_id = store_id, .beyond = log_pos_of(files[0].number, stop->bad)};
        uint32_t from = i == 0 ? stop->end : FILE_HEADER;
        TRY(search_file(&s, from));
        if (s.mark) {
            out->mark = s.mark;
            out->mark_at = log_pos_of(files[i].number, s.at);
            return STATUS_OK;
        }
        out->dropped += s.data_end - from;
    }
    out->kind = out->dropped ? LOG_TORN : LOG_CLEAN;
    return STATUS_OK;
}

/* What log_replay knows on its way. */
typedef struct replay {
    uint64_t store_id;
    log_replay_fn each;
    void *ctx;
    log_pos expect;    /* where the next file's BEGIN must say that the log was; 0: unknown */
    log_pos sealed;    /* where the former file is sealed, if it is */
    bool follows;      /* the file continues the log */
    bool records;      /* the file has some */
    logscan_stop stop; /* how its scan ended */
} replay;

/* True if the first record of a file says that it comes right behind what was read. */
static bool continues_log(const replay *r, const logscan_item *first) {
    CHECK(first->offset >= FILE_HEADER);
    bool begin = first->rec.kind == RECORD_BEGIN && first->offset == FILE_HEADER;
    if (r->expect) return begin && first->rec.prev == r->expect;
    /* behind a sealed file: if it names that very file, the length must agree */
    return !begin || log_pos_file(first->rec.prev) != log_pos_file(r->sealed) ||
           first->rec.prev == r->sealed;
}

/* Reads one file: r->follows is false, and nothing was given, if it does not continue the log. */
static status replay_file(replay *r, const log_file *f) {
    CHECK(f->file && r->each);
    logscan *s;
    logscan_item item;
    bool got;
    TRY(logscan_open(f, r->store_id, &s));
    status st = logscan_next(s, &item, &got);
    r->records = got;
    r->follows = status_ok(st) && (got ? continues_log(r, &item) : r->expect == 0);
    while (r->follows && got && status_ok(st)) {
        st = r->each(r->ctx, f, &item);
        if (status_ok(st)) st = logscan_next(s, &item, &got);
    }
    if (status_ok(st) && r->follows) r->stop = logscan_stopped(s);
    CHECK(!status_ok(st) || !r->follows || r->stop.end >= FILE_HEADER);
    logscan_close(s);
    return st;
}

/* Nothing could be read at a file's first record. */
static const logscan_stop begin_of_file = {FILE_HEADER, FILE_HEADER, RECORD_BAD_HEAD, false};

/* The log stopped in files[i] as r->stop says. */
static status judge_from(const replay *r, const log_file *files, size_t n, size_t i,
                         log_verdict *out) {
    CHECK(r->stop.end >= FILE_HEADER);
    CHECK(i < n);
    TRY(logscan_judge(r->store_id, files + i, n - i, &r->stop, out));
    out->file = i;
    return STATUS_OK;
}

/* files[i] has records, but was begun at another place than where the manifest has the log: either
 * the one or the other is not what was written. */
static void not_next(const replay *r, size_t i, log_verdict *out) {
    CHECK(!r->follows && r->records);
    *out = (log_verdict){.kind = LOG_DAMAGED,
                         .file = i,
                         .cut = FILE_HEADER,
                         .bad = FILE_HEADER,
                         .why = RECORD_BAD_HEAD,
                         .mark = r->expect ? r->expect : r->sealed};
    CHECK(out->mark > 0);
}

/* A file is read only when it is known to continue the log; the verdict comes from where that
 * ends. */
status log_replay(uint64_t store_id, const log_file *files, size_t n, log_pos before,
                  log_replay_fn each, void *ctx, log_verdict *out) {
    CHECK(each && out);
    replay r = {.store_id = store_id, .each = each, .ctx = ctx, .expect = before};
    CHECK(n > 0);
    *out = (log_verdict){.kind = LOG_CLEAN};
    for (size_t i = 0; i < n; i++) {
        bool sealed = files[i].length != 0, last = i + 1 == n;
        TRY(replay_file(&r, &files[i]));
        if (!r.follows) {
            bool after_open = i > 0 && r.expect; /* r.stop is the former file's */
            if (!after_open) r.stop = begin_of_file;
            if (r.records && !after_open)
                not_next(&r, i, out);
            else
                TRY(judge_from(&r, files, n, after_open ? i - 1 : i, out));
            return STATUS_OK;
        }
        bool whole = r.stop.end == r.stop.bad &&
                     (sealed ? r.stop.end == files[i].length && r.stop.why == RECORD_OK
                             : r.stop.why == RECORD_OK || r.stop.why == RECORD_ZERO);
        if (!whole || (last && !sealed)) {
            return judge_from(&r, files, n, i, out);
        }
        out->file = i;
        out->cut = out->bad = r.stop.end;
        r.sealed = sealed ? log_pos_of(files[i].number, files[i].length) : 0;
        r.expect = sealed ? 0 : log_pos_of(files[i].number, r.stop.end);
    }
    return STATUS_OK;
}

void log_verdict_known(log_verdict *v, const log_file *files, size_t n, log_pos durable) {
    CHECK(v->file < n);
    if (v->kind == LOG_DAMAGED || log_pos_offset(durable) <= FILE_HEADER) return;
    size_t i = 0;
    while (i < n && files[i].number != log_pos_file(durable))
        i++;
    /* A file that is no more, or is sealed, was durable as a whole. */
    if (i == n || files[i].length || i < v->file) return;
    if (i == v->file && v->cut >= log_pos_offset(durable)) return;
    v->kind = LOG_DAMAGED;
    v->mark = durable;
    v->mark_at = 0;
}

/* One sentence: where, what, why it is known, what to do. */
status log_verdict_status(const log_verdict *v, const log_file *files) {
    CHECK(v->cut <= v->bad);
    if (v->kind != LOG_DAMAGED) return STATUS_OK;
    const log_file *f = &files[v->file];
    CHECK(v->mark > 0);
    if (v->mark_at == 0)
        return status_make(ST_CORRUPT,
                           "%s: acknowledged data is damaged at offset %u (%s): the manifest says "
                           "that all before file %u offset %u was durable; run stave-check on the "
                           "directory",
                           f->path, v->bad, record_result_text(v->why), log_pos_file(v->mark),
                           log_pos_offset(v->mark));
    return status_make(ST_CORRUPT,
                       "%s: acknowledged data is damaged at offset %u (%s): the record in file %u "
                       "at %u says that all before file %u offset %u was durable; run stave-check "
                       "on the directory",
                       f->path, v->bad, record_result_text(v->why), log_pos_file(v->mark_at),
                       log_pos_offset(v->mark_at), log_pos_file(v->mark), log_pos_offset(v->mark));
}
