/* logscan: records of whole batches, in order, from one file.
 *
 *      window (LOGSCAN_PIECE, or one record if that is larger)
 *        |-------------------------------|
 *   ...rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr...
 *          ^pos: next to give   ^good: end of the last batch known to be whole
 *
 * When pos reaches good, the next batch is checked from its first record to its last, CRCs
 * included, before any of it is given. A batch of one record, the commonest, is given straight from
 * that check; records of a longer one are taken apart again, without their CRCs, and read again
 * only if the batch is longer than the window. */
#include "storage/logscan.h"

#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"

struct logscan {
    log_file f;
    uint64_t store_id;
    uint32_t limit; /* where the file's bytes end, or its sealed length */
    uint32_t pos, good;
    bool inside; /* pos is not at the first record of its batch */
    bool done;
    logscan_stop stop;
    char *window;
    size_t cap;
    uint32_t at; /* file offset of window[0] */
    size_t len;
};

/* The window is no larger than the file. */
status logscan_open_piece(const log_file *f, uint64_t store_id, size_t piece, logscan **out) {
    CHECK(f->file && f->path && piece > RECORD_HEADER_MAX);
    *out = NULL;
    uint64_t size;
    TRY(file_header_expect(f->file, f->path, f->kind, store_id, f->number, NULL));
    TRY(f->file->ops->size(f->file, &size));
    if (size > UINT32_MAX) size = UINT32_MAX;
    logscan *s = mem_zalloc(sizeof *s);
    s->f = *f;
    s->store_id = store_id;
    s->limit = f->length && f->length < size ? f->length : (uint32_t)size;
    s->pos = s->good = s->at = FILE_HEADER;
    s->cap = size < piece ? RECORD_HEADER_MAX + (size_t)size : piece;
    s->window = mem_alloc(s->cap);
    CHECK(s->limit >= FILE_HEADER || f->length);
    f->file->ops->advise(f->file, 0, s->limit, VFS_IN_ORDER);
    *out = s;
    return STATUS_OK;
}

/* For files that are read from their beginning to their end. */
status logscan_open(const log_file *f, uint64_t store_id, logscan **out) {
    CHECK(LOGSCAN_PIECE > RECORD_HEADER_MAX);
    return logscan_open_piece(f, store_id, LOGSCAN_PIECE, out);
}

/* Nothing happens for NULL. */
void logscan_close(logscan *s) {
    CHECK(!s || s->window);
    if (!s) return;
    mem_free(s->window);
    mem_free(s);
}

/* Makes the window hold `need` bytes from offset, or all there are. *n is how many it holds. */
static status fill(logscan *s, uint32_t offset, size_t need, const char **p, size_t *n) {
    CHECK(offset >= FILE_HEADER && need <= RECORD_MAX);
    size_t there = offset < s->limit ? s->limit - offset : 0;
    if (need > there) need = there;
    if (offset < s->at || offset - s->at + need > s->len) {
        size_t kept = offset >= s->at && offset - s->at < s->len ? s->len - (offset - s->at) : 0;
        if (kept) memmove(s->window, s->window + (offset - s->at), kept);
        if (need > s->cap) {
            s->cap = need;
            s->window = mem_realloc(s->window, s->cap);
        }
        size_t want = there < s->cap ? there : s->cap, got = 0;
        s->at = offset;
        s->len = kept;
        TRY(vfs_pread(s->f.file, s->window + kept, want - kept, (uint64_t)offset + kept, &got));
        s->len += got;
        CHECK(s->len <= s->cap);
    }
    *p = s->window + (offset - s->at);
    *n = s->len - (offset - s->at);
    CHECK(*n <= there);
    return STATUS_OK;
}

/* True if fewer zeros than a header has are left of the file: a log that fills its file so far ends
 * there like any other. */
static bool short_zeros(const char *p, size_t n) {
    CHECK(p);
    CHECK(n > 0);
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return n < RECORD_HEADER;
}

/* The record at offset, with or without its CRCs. *result is RECORD_OK with *at_end at the end. */
static status read_at(logscan *s, uint32_t offset, bool check, record *rec, record_result *result,
                      bool *at_end) {
    CHECK(offset >= s->pos);
    const char *p;
    size_t n;
    record_place place = {s->store_id, s->f.number, offset};
    TRY(fill(s, offset, RECORD_HEADER_MAX, &p, &n));
    *at_end = n == 0;
    *result = RECORD_OK;
    if (n == 0) return STATUS_OK;
    *result = check ? record_read(p, n, place, rec) : record_parse(p, n, rec);
    if (*result == RECORD_SHORT && short_zeros(p, n)) *result = RECORD_ZERO;
    if (*result != RECORD_SHORT || rec->size == 0) return STATUS_OK;
    CHECK(rec->size <= RECORD_MAX);
    TRY(fill(s, offset, rec->size, &p, &n));
    *result = check ? record_read(p, n, place, rec) : record_parse(p, n, rec);
    return STATUS_OK;
}

/* Checks the batch that begins at pos; good is its end then. Its only record, if it has but one, is
 * *rec. */
static status check_batch(logscan *s, record *rec) {
    uint32_t at = s->pos;
    record_result result;
    bool at_end;
    CHECK(s->pos == s->good && !s->done);
    do {
        TRY(read_at(s, at, true, rec, &result, &at_end));
        if (result != RECORD_OK || at_end) {
            s->stop = (logscan_stop){s->pos, at, result, s->f.length != 0};
            s->done = true;
            return STATUS_OK;
        }
        at += rec->size;
    } while (rec->flags & RECORD_CONTINUES);
    s->good = at;
    CHECK(s->good > s->pos && s->good <= s->limit);
    return STATUS_OK;
}

/* A record that is a batch by itself comes straight from its check. */
status logscan_next(logscan *s, logscan_item *out, bool *got) {
    CHECK(s->pos <= s->good);
    record_result result = RECORD_OK;
    bool at_end = false, first = !s->inside;
    *got = false;
    if (s->done) return STATUS_OK;
    if (s->pos == s->good) {
        TRY(check_batch(s, &out->rec));
        if (s->done) return STATUS_OK;
        if (s->pos + out->rec.size == s->good) goto give;
    }
    TRY(read_at(s, s->pos, false, &out->rec, &result, &at_end));
    if (result != RECORD_OK || at_end)
        return status_make(ST_CORRUPT, "%s: changed while it was read, at offset %u", s->f.path,
                           s->pos);
give:
    out->offset = s->pos;
    out->first = first;
    s->pos += out->rec.size;
    s->inside = (out->rec.flags & RECORD_CONTINUES) != 0;
    CHECK(s->pos <= s->good && (s->inside || s->pos == s->good || !first));
    *got = true;
    return STATUS_OK;
}

/* Where and why, once logscan_next has said that there is no more. */
logscan_stop logscan_stopped(const logscan *s) {
    CHECK(s->stop.end <= s->stop.bad);
    CHECK(s->done);
    return s->stop;
}

/* Records before this have been given. */
uint32_t logscan_offset(const logscan *s) {
    CHECK(s->pos >= FILE_HEADER);
    return s->pos;
}

/* The message is for an operator. */
status logscan_must_be_whole(const logscan *s) {
    CHECK(s->stop.end <= s->stop.bad);
    CHECK(s->done);
    if (s->f.length && s->stop.why == RECORD_OK && s->stop.bad == s->stop.end &&
        s->stop.end == s->f.length)
        return STATUS_OK;
    return status_make(ST_CORRUPT, "%s: damaged at offset %u (%s), though it is sealed at %u bytes",
                       s->f.path, s->stop.bad, record_result_text(s->stop.why), s->f.length);
}
