/* logwrite: the tail of a log in memory.
 *
 * The tail is a row of chunks, in log order, without gaps inside a file:
 *
 *     chunks[0]            chunks[1]        chunks[2]
 *     file 7 @ 9000        file 7 @ 262000  file 8 @ 64
 *     |rrrrrrrrrrrrrrrr|   |rrrrrr|         |Brrrrrrrr...   |
 *          ^ durable            ^ written       ^ committed
 *
 * A record lies within one chunk, so that it can be read, sealed and checked in place; what remains
 * of a chunk when a record does not fit stays unused. A record larger than a chunk gets one of its
 * own. Appending only encodes; committing walks over the batch once and seals: by then each place
 * is final and it is known which record is the last. Hence a batch can be moved to the next file
 * before it is committed by changing the places of its chunks, and only the bytes that share a
 * chunk with committed ones are copied.
 *
 * Numbered invariants (checked in logwrite_commit and logwrite_set_durable):
 *  T1. durable <= whole <= written <= committed <= end.
 *  T2. The open batch is what lies between committed and end.
 *  T3. The last chunk is of the current file, and ends at end.
 *  T4. A chunk's bytes neither move nor change once committed, until they are forgotten.
 *  T5. whole, and so durable, is the end of a batch. */
#include "storage/logwrite.h"

#include "base/log.h"
#include "base/mem_later.h"
#include "storage/file_header.h"

#define SPARE_MAX 64 /* chunks kept for reuse: 16 MiB */
#define PAGE      4096u
#define LONG_TAIL 16 /* chunks: the next will be filled, too */

typedef struct chunk {
    char *data;
    vfs_file *file;
    uint32_t number, offset; /* of data[0] */
    uint32_t len, cap;
    uint32_t whole; /* where the last batch that ends in it does; 0: none does */
} chunk;

struct logwrite {
    uint64_t store_id;
    logwrite_file file;
    chunk *chunks;
    size_t n, room;
    log_pos committed, written, whole, durable;
    bool open;         /* in a batch */
    uint32_t records;  /* of the batch */
    bool mark_due;     /* the next record carries `mark` */
    bool mark_taken;   /* a record of the batch does */
    log_pos mark;      /* what the newest mark says, or will */
    log_pos marked;    /* the newest mark given to a record, of an aborted batch too */
    log_pos asked_end; /* end of the last batch that wants a mark beyond it: not an IDLE one */
    uint64_t memory;
    uint32_t common; /* size of most chunks */
    const logwrite_heir *heir;
    char *spare[SPARE_MAX];
    size_t spares;
};

uint32_t logwrite_chunk = LOGWRITE_CHUNK;

/* ---- chunks ---------------------------------------------------------------------------------- */

/* Position of the chunk's first byte. */
static inline log_pos chunk_start(const chunk *c) {
    return log_pos_of(c->number, c->offset);
}

/* Position behind its last. */
static inline log_pos chunk_end(const chunk *c) {
    return log_pos_of(c->number, c->offset + c->len);
}

/* There is one from logwrite_start on. */
static inline chunk *last_chunk(const logwrite *w) {
    CHECK(w->n > 0);
    return &w->chunks[w->n - 1];
}

/* Memory for at least `need` bytes; sets *cap. */
static char *take_memory(logwrite *w, uint32_t need, uint32_t *cap) {
    CHECK(w->spares <= SPARE_MAX);
    *cap = w->common;
    if (need <= w->common && w->spares > 0) return w->spare[--w->spares];
    if (need > w->common) *cap = (need + PAGE - 1) / PAGE * PAGE;
    CHECK(*cap >= need);
    w->memory += *cap;
    return mem_map(*cap);
}

/* Gives a chunk of committed records to the heir, if there is one that wants it. */
static bool bequeath(logwrite *w, chunk *c) {
    CHECK(c->len <= c->cap);
    if (!w->heir || c->len == 0) return false;
    CHECK(c->data && w->memory >= c->cap);
    if (!w->heir->takes(w->heir->ctx, chunk_start(c), chunk_end(c), c->data, c->cap)) return false;
    w->memory -= c->cap;
    c->data = NULL;
    return true;
}

/* Gives a chunk's memory back: to the spares if it is of the common size. An aborted batch's goes
 * at once, as the batch may run again right away and would have it twice. */
static void give_memory(logwrite *w, chunk *c, bool at_once) {
    CHECK(w->spares <= SPARE_MAX);
    CHECK(c->len <= c->cap);
    CHECK(c->data && w->memory >= c->cap);
    if (c->cap == w->common && w->spares < SPARE_MAX) {
        w->spare[w->spares++] = c->data;
    } else {
        w->memory -= c->cap;
        (at_once ? mem_unmap : mem_unmap_later)(c->data, c->cap);
    }
    c->data = NULL;
}

/* Inserts an empty chunk at index i, for bytes at `offset` of the current file. */
static chunk *insert_chunk(logwrite *w, size_t i, uint32_t offset, uint32_t need) {
    CHECK(need > 0 && offset >= FILE_HEADER);
    CHECK(i <= w->n);
    if (w->n == w->room) {
        w->room = w->room ? w->room * 2 : 8;
        w->chunks = mem_realloc(w->chunks, w->room * sizeof *w->chunks);
    }
    chunk *c = &w->chunks[i];
    memmove(c + 1, c, (w->n - i) * sizeof *c);
    w->n++;
    *c = (chunk){.file = w->file.file, .number = w->file.number, .offset = offset};
    uint64_t before = w->memory;
    c->data = take_memory(w, need, &c->cap);
    CHECK(c->cap >= need);
    if (w->n > LONG_TAIL && w->memory > before) mem_touch(c->data, c->cap);
    return c;
}

/* The index of the last chunk that begins at or before pos; n if there is none. */
static size_t find_chunk(const logwrite *w, log_pos pos) {
    CHECK(w->n <= w->room);
    size_t lo = 0, hi = w->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (chunk_start(&w->chunks[mid]) <= pos)
            lo = mid + 1;
        else
            hi = mid;
    }
    CHECK(lo <= w->n);
    return lo ? lo - 1 : w->n;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Nothing can be appended before logwrite_start. */
logwrite *logwrite_new(uint64_t store_id) {
    logwrite *w = mem_zalloc(sizeof *w);
    w->store_id = store_id;
    w->common = logwrite_chunk;
    return w;
}

/* Asked from the next forgetting on. */
void logwrite_set_heir(logwrite *w, const logwrite_heir *heir) {
    CHECK(!heir || heir->takes);
    w->heir = heir;
}

/* Nothing happens for NULL. */
void logwrite_free(logwrite *w) {
    CHECK(!w || w->n <= w->room);
    if (!w) return;
    for (size_t i = 0; i < w->n; i++)
        mem_unmap(w->chunks[i].data, w->chunks[i].cap);
    for (size_t i = 0; i < w->spares; i++)
        mem_unmap(w->spare[i], w->common);
    mem_free(w->chunks);
    mem_free(w);
}

/* Encodes and seals a record that is a batch by itself at the end of the last chunk. */
static void put_whole(logwrite *w, record *r) {
    CHECK(!w->open);
    chunk *c = last_chunk(w);
    CHECK(c->cap - c->len >= RECORD_OVERHEAD_MAX);
    char *p = c->data + c->len;
    record_encode(p, r);
    record_seal(p, r->size, false, (record_place){w->store_id, c->number, c->offset + c->len});
    c->whole = c->len += r->size;
    w->committed = chunk_end(c);
}

/* Puts a chunk for the beginning of file f at index i, with its BEGIN record. */
static void begin_file(logwrite *w, const logwrite_file *f, size_t i, uint32_t need,
                       log_pos before) {
    CHECK(i <= w->n);
    CHECK(f->file && f->number > log_pos_file(before));
    CHECK(f->limit >= FILE_HEADER + RECORD_OVERHEAD_MAX);
    w->file = *f;
    chunk *c = insert_chunk(w, i, FILE_HEADER, need + RECORD_OVERHEAD_MAX);
    record r = {.kind = RECORD_BEGIN, .prev = before};
    record_encode(c->data, &r);
    record_seal(c->data, r.size, false, (record_place){w->store_id, c->number, c->offset});
    c->whole = c->len = r.size;
    w->committed = chunk_end(c);
}

/* The BEGIN record is committed, and not yet written. */
void logwrite_start(logwrite *w, const logwrite_file *f, log_pos before) {
    CHECK(f->file);
    CHECK(w->n == 0 && !w->open);
    begin_file(w, f, 0, 0, before);
    w->written = w->whole = w->durable = log_pos_of(f->number, FILE_HEADER);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Costs three stores: most batches have one record. */
void logwrite_begin(logwrite *w) {
    CHECK(w->committed == logwrite_end(w));
    CHECK(!w->open && w->n > 0);
    w->open = true;
    w->records = 0;
    w->mark_taken = false;
}

/* Only encodes: what depends on the place and on what follows is left to the commit. */
log_pos logwrite_append(logwrite *w, record *r, char **value) {
    CHECK(w->committed <= chunk_end(last_chunk(w)));
    CHECK(w->open);
    chunk *c = last_chunk(w);
    size_t need = RECORD_OVERHEAD_MAX + r->key.len + r->value.len + r->body.len;
    CHECK(need <= RECORD_MAX + RECORD_OVERHEAD_MAX);
    if (__builtin_expect(c->cap - c->len < need, 0))
        c = insert_chunk(w, w->n, c->offset + c->len, (uint32_t)need);
    if (w->mark_due) {
        w->marked = r->mark = w->mark;
        r->flags |= RECORD_MARK;
        w->mark_due = false;
        w->mark_taken = true;
    }
    log_pos at = chunk_end(c);
    c->len += record_encode(c->data + c->len, r);
    CHECK((uint64_t)c->offset + c->len <= w->file.limit && c->len <= c->cap);
    if (value) *value = c->data + c->len - r->value.len;
    w->records++;
    return at;
}

/* A record of its own, since a record's size must not change once its place is known. */
void logwrite_origin(logwrite *w, const char origin[RECORD_ORIGIN_LEN]) {
    CHECK(origin);
    record r = {
        .kind = RECORD_IDLE, .flags = RECORD_ORIGIN, .origin = slice_of(origin, RECORD_ORIGIN_LEN)};
    CHECK(w->open);
    logwrite_append(w, &r, NULL);
}

/* Seals the batch's records, one by one, from the first chunk that has some. */
static void seal_batch(logwrite *w) {
    CHECK(w->records > 1);
    log_pos end = logwrite_end(w);
    for (size_t i = find_chunk(w, w->committed); i < w->n; i++) {
        chunk *c = &w->chunks[i];
        uint32_t at = chunk_start(c) < w->committed ? log_pos_offset(w->committed) - c->offset : 0;
        while (at < c->len) {
            uint32_t size = record_encoded_size(c->data + at);
            record_place place = {w->store_id, c->number, c->offset + at};
            CHECK(size <= c->len - at);
            at += size;
            record_seal(c->data + at - size, size, log_pos_of(c->number, c->offset + at) < end,
                        place);
        }
    }
}

/* One CRC pass over the batch; from here on its bytes do not change (T4). */
void logwrite_commit(logwrite *w) {
    CHECK(w->n > 0);
    CHECK(w->open);
    w->open = false;
    if (w->records == 0) return;
    chunk *c = last_chunk(w);
    if (w->records == 1) { /* by far the commonest, and always in the last chunk */
        uint32_t offset = log_pos_offset(w->committed), at = offset - c->offset;
        record_seal(c->data + at, c->len - at, false,
                    (record_place){w->store_id, c->number, offset});
    } else {
        seal_batch(w);
    }
    c->whole = c->len;
    w->committed = chunk_end(c);
    w->asked_end = w->committed;
    CHECK(w->durable <= w->written && w->written <= w->committed);
}

/* Cuts the tail at committed. */
static void truncate_batch(logwrite *w) {
    CHECK(w->n > 0);
    while (w->n > 1 && chunk_start(last_chunk(w)) >= w->committed)
        give_memory(w, &w->chunks[--w->n], true);
    chunk *c = last_chunk(w);
    CHECK(c->number == log_pos_file(w->committed) && chunk_end(c) >= w->committed);
    c->len = log_pos_offset(w->committed) - c->offset;
}

/* A mark that one of the records carried is due again. */
void logwrite_abort(logwrite *w) {
    CHECK(w->n > 0);
    CHECK(w->open);
    w->open = false;
    if (w->records == 0) return;
    truncate_batch(w);
    if (!w->mark_taken) return;
    CHECK(!w->mark_due);
    w->mark_due = true;
}

/* Against the limit of the current file. */
uint32_t logwrite_left(const logwrite *w) {
    CHECK(w->file.file);
    uint32_t end = log_pos_offset(logwrite_end(w));
    CHECK(end <= w->file.limit);
    return w->file.limit - end;
}

/* The caller has allocated the room. */
void logwrite_extend(logwrite *w, uint32_t limit) {
    CHECK(limit > FILE_HEADER);
    CHECK(w->n > 0 && limit >= w->file.limit);
    w->file.limit = limit;
}

/* The batch lies in one file (T2, T3). */
uint32_t logwrite_batch_bytes(const logwrite *w) {
    CHECK(w->n > 0);
    log_pos end = logwrite_end(w);
    CHECK(log_pos_file(end) == log_pos_file(w->committed));
    return (uint32_t)(end - w->committed);
}

/* Gives the chunks from index i on, all of the open batch, their places in the current file. */
static void rebase(logwrite *w, size_t i) {
    CHECK(w->file.file);
    CHECK(i > 0);
    for (; i < w->n; i++) {
        w->chunks[i].file = w->file.file;
        w->chunks[i].number = w->file.number;
        w->chunks[i].offset = w->chunks[i - 1].offset + w->chunks[i - 1].len;
    }
}

/* Only the batch's bytes in a chunk shared with committed ones are copied. */
void logwrite_next(logwrite *w, const logwrite_file *f, logwrite_moved *out) {
    CHECK(f->file);
    uint32_t moving = logwrite_batch_bytes(w), shared = 0, copy = 0;
    log_pos from = w->committed;
    CHECK(f->number > w->file.number);
    CHECK((uint64_t)FILE_HEADER + RECORD_OVERHEAD_MAX + moving <= f->limit);
    size_t i = find_chunk(w, from);
    CHECK(i < w->n);
    if (chunk_start(&w->chunks[i]) < from) { /* committed bytes in front, the batch's behind */
        shared = log_pos_offset(from) - w->chunks[i].offset;
        copy = w->chunks[i++].len - shared;
    }
    begin_file(w, f, i, copy, from);
    *out = (logwrite_moved){.old_end = from, .from = from, .to = w->committed};
    if (shared) {
        chunk *c = &w->chunks[i], *old = c - 1;
        memcpy(c->data + c->len, old->data + shared, copy);
        c->len += copy;
        old->len = shared;
    }
    rebase(w, i + 1);
    CHECK(logwrite_batch_bytes(w) == moving);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A record lies within one chunk, so what is found is all of it. */
bool logwrite_read(const logwrite *w, log_pos pos, slice *out) {
    CHECK(pos > 0);
    *out = SLICE_EMPTY;
    size_t i = find_chunk(w, pos);
    if (i == w->n || pos >= chunk_end(&w->chunks[i])) return false;
    const chunk *c = &w->chunks[i];
    CHECK(c->number == log_pos_file(pos));
    uint32_t at = log_pos_offset(pos) - c->offset;
    *out = slice_of(c->data + at, c->len - at);
    return true;
}

/* Behind the last byte appended. */
log_pos logwrite_end(const logwrite *w) {
    CHECK(w->n > 0);
    return chunk_end(last_chunk(w));
}

/* Behind the last whole batch. */
log_pos logwrite_committed(const logwrite *w) {
    CHECK(w->committed >= w->written);
    return w->committed;
}

/* What the file system has taken. */
log_pos logwrite_written(const logwrite *w) {
    CHECK(w->written >= w->durable);
    return w->written;
}

/* The last batch that is written as a whole ends here. */
log_pos logwrite_whole(const logwrite *w) {
    CHECK(w->whole <= w->written && w->whole >= w->durable);
    return w->whole;
}

/* What an fsync has covered. */
log_pos logwrite_durable(const logwrite *w) {
    CHECK(w->durable <= w->written);
    return w->durable;
}

/* From here on logwrite_read answers. */
log_pos logwrite_kept(const logwrite *w) {
    CHECK(w->n > 0);
    return chunk_start(&w->chunks[0]);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Stops at the first chunk of another file, so that it is one call of pwritev. */
bool logwrite_gather(logwrite *w, size_t most, logwrite_out *out) {
    CHECK(w->n > 0 && w->written <= w->committed);
    CHECK(most > 0);
    *out = (logwrite_out){.whole = w->whole};
    if (w->written >= w->committed) return false;
    size_t i = find_chunk(w, w->written);
    if (i == w->n) /* written is in a former file, of which nothing is left */
        i = 0;
    else if (chunk_end(&w->chunks[i]) <= w->written)
        i++;
    CHECK(i < w->n);
    const chunk *c = &w->chunks[i];
    uint32_t skip = chunk_start(c) < w->written ? log_pos_offset(w->written) - c->offset : 0;
    out->file = c->file;
    out->number = c->number;
    out->offset = c->offset + skip;
    bool first = true;
    for (; i < w->n && out->n < LOGWRITE_IOV && (first || out->bytes < most); i++, skip = 0) {
        c = &w->chunks[i];
        if (c->number != out->number || chunk_start(c) >= w->committed) break;
        uint32_t len =
            chunk_end(c) <= w->committed ? c->len : log_pos_offset(w->committed) - c->offset;
        if (len == skip) continue;
        out->iov[out->n++] = (struct iovec){c->data + skip, len - skip};
        out->bytes += len - skip;
        log_pos whole = c->whole ? log_pos_of(c->number, c->offset + c->whole) : 0;
        if (whole > out->whole) out->whole = whole;
        first = false;
    }
    CHECK(out->n > 0 && out->bytes <= UINT32_MAX - out->offset);
    out->end = log_pos_of(out->number, out->offset + (uint32_t)out->bytes);
    return true;
}

/* Written moves to what was gathered. */
void logwrite_wrote(logwrite *w, const logwrite_out *out) {
    CHECK(log_pos_file(out->end) == out->number);
    CHECK(out->end > w->written && out->end <= w->committed);
    CHECK(out->whole <= out->end && (out->end < w->committed || out->whole == out->end)); /* T5 */
    w->written = out->end;
    w->whole = out->whole;
}

/* One call a file, mostly one in all. */
status logwrite_flush(logwrite *w, uint64_t most, uint64_t *bytes) {
    CHECK(w->n > 0);
    CHECK(most > 0);
    logwrite_out out;
    uint64_t done = 0;
    if (bytes) *bytes = 0;
    while (done < most && logwrite_gather(w, most - done, &out)) {
        TRY(vfs_pwritev(out.file, out.iov, out.n, out.offset));
        logwrite_wrote(w, &out);
        done += out.bytes;
        if (bytes) *bytes = done;
    }
    CHECK(done >= most || w->written == w->committed);
    return STATUS_OK;
}

/* Whole chunks go; the memory of the last is used again when all of it is gone, unless the heir has
 * it. */
void logwrite_forget(logwrite *w, log_pos pos) {
    CHECK(pos <= w->written);
    size_t gone = 0;
    while (gone + 1 < w->n && chunk_end(&w->chunks[gone]) <= pos) {
        if (!bequeath(w, &w->chunks[gone])) give_memory(w, &w->chunks[gone], false);
        gone++;
    }
    if (gone) {
        w->n -= gone;
        memmove(w->chunks, w->chunks + gone, w->n * sizeof *w->chunks);
    }
    chunk *c = w->chunks;
    if (w->n == 1 && chunk_end(c) == pos) { /* nothing is left: the same memory again */
        if (bequeath(w, c)) c->data = take_memory(w, 1, &c->cap);
        c->offset += c->len;
        c->len = c->whole = 0;
    }
    CHECK(w->n > 0);
}

/* A mark becomes due if there is data that the newest mark does not cover. */
void logwrite_set_durable(logwrite *w, log_pos pos) {
    CHECK(w->marked <= w->committed);
    CHECK(pos <= w->whole && !w->open);
    if (pos <= w->durable) return;
    w->durable = pos;
    if (w->marked < w->asked_end) {
        w->mark = pos;
        w->mark_due = true;
    }
    logwrite_forget(w, pos);
}

/* The mark of an IDLE record asks for no other: asked_end stays. */
bool logwrite_idle(logwrite *w) {
    CHECK(w->n > 0);
    CHECK(!w->open);
    if (!w->mark_due || logwrite_left(w) < RECORD_OVERHEAD_MAX) return false;
    chunk *c = last_chunk(w);
    if (c->cap - c->len < RECORD_OVERHEAD_MAX)
        insert_chunk(w, w->n, c->offset + c->len, RECORD_OVERHEAD_MAX);
    record r = {.kind = RECORD_IDLE, .flags = RECORD_MARK, .mark = w->mark};
    put_whole(w, &r);
    w->marked = w->mark;
    w->mark_due = false;
    return true;
}

/* All chunks, in use or spare. */
uint64_t logwrite_memory(const logwrite *w) {
    CHECK(w->spares <= SPARE_MAX);
    CHECK(w->memory >= w->spares * (uint64_t)w->common);
    return w->memory;
}
