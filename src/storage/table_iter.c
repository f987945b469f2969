/* table_iter: walking a table in either direction.
 *
 * An iterator has copies of the partition's index and of the data block in which it stands, and a
 * block_iter over the latter. To a neighbouring entry is a step in the block; at its end the index
 * says where the next block is, at the partition's end the top index says where the next partition
 * is. Any failure ends the iteration: it stands nowhere, and its status says why.
 *
 * Reading ahead: data blocks come out of a window of the file that is read in one piece, beginning
 * with the block that is asked for. That suits reading from front to end, as a compaction does. */
#include "storage/table_int.h"

#include "base/log.h"
#include "base/mem.h"

#define ASK_EACH 3u    /* blocks asked for ahead, for each that was walked through */
#define ASK_MOST 4096u /* at a time */
/* From so many blocks on, what has to be waited for is read in windows of so many bytes at most. */
#define WINDOW_RUN  8u
#define WINDOW_MOST (256u << 10)

struct table_iter {
    table *t;
    cache *c;
    unsigned fill, filled; /* data blocks that may be put in the cache, and were since the seek */
    uint32_t run;          /* data blocks entered since then */
    size_t part;           /* the partition whose index is there */
    buf index;             /* empty: none */
    uint32_t block;        /* of the partition's, whose bytes are there */
    buf data;              /* empty: none */
    block_iter in;
    size_t ahead; /* bytes of a window; 0: none is used */
    buf window;
    uint32_t window_at;
    slice from, to; /* the caller's: nothing outside is asked for ahead */
    status st;
    char *msg; /* of st, if it is not ok */
};

/* Stands nowhere until the first seek. */
table_iter *table_iter_new(table *t, cache *c, unsigned fill) {
    CHECK(t->path);
    table_iter *i = mem_zalloc(sizeof *i);
    i->t = t;
    i->c = c;
    i->fill = c ? fill : 0;
    i->st = STATUS_OK;
    return i;
}

/* The window is allocated with the first read. */
table_iter *table_iter_new_ahead(table *t, size_t ahead) {
    CHECK(t->path);
    CHECK(ahead > 0);
    table_iter *i = table_iter_new(t, NULL, 0);
    i->ahead = ahead;
    return i;
}

/* Nothing happens for NULL. */
void table_iter_free(table_iter *i) {
    if (!i) return;
    CHECK(i->t);
    block_iter_free(&i->in);
    buf_free(&i->index);
    buf_free(&i->data);
    buf_free(&i->window);
    mem_free(i->msg);
    mem_free(i);
}

/* What a large block took stays for the next one. */
size_t table_iter_memory(const table_iter *i) {
    return i ? i->index.cap + i->data.cap + i->window.cap : 0;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* It stands nowhere. What was read stays: it may be wanted again. */
static void nowhere(table_iter *i) {
    CHECK(i->t);
    i->in.at = NULL;
}

/* Ends the iteration; the message is kept beyond the ring of messages. True if s is ok. */
static bool survives(table_iter *i, status s) {
    if (status_ok(s)) return true;
    nowhere(i);
    i->st = s;
    if (table_not_now(s)) return false; /* often: its message is none to be kept */
    mem_free(i->msg);
    i->msg = mem_strdup(s.msg);
    i->st.msg = i->msg;
    CHECK(!status_ok(i->st));
    return false;
}

/* All of the record at e? */
static bool in_window(const table_iter *i, table_extent e) {
    uint64_t end = (uint64_t)i->window_at + i->window.len;
    CHECK(end <= i->t->length || i->window.len == 0);
    return e.at >= i->window_at && (uint64_t)e.at + e.size <= end;
}

/* The record at e out of the window, which is read anew, of about `ahead` bytes, if it is not in
 * it.
 */
static status from_window(table_iter *i, table_extent e, size_t ahead, const char **raw) {
    CHECK(e.size > 0 && e.at < i->t->props.top_at);
    table *t = i->t;
    if (!in_window(i, e)) {
        uint64_t most = t->props.top_at - e.at; /* e lies in front of that: see load_data */
        size_t n = e.size > ahead ? e.size : ahead;
        if (n > most) n = (size_t)most;
        buf_clear(&i->window);
        char *p = buf_reserve_exact(&i->window, n);
        TRY(table_wake(t));
        TRY(vfs_pread_all(t->file, t->path, p, n, e.at));
        t->stats.bytes_read += n;
        i->window.len = n;
        i->window_at = e.at;
    }
    *raw = i->window.data + (e.at - i->window_at);
    CHECK(e.at - i->window_at + e.size <= i->window.len);
    return STATUS_OK;
}

/* The record of a data block, if it is not to be read by itself: out of the window, or of the
 * table's source. Where that leaves it to us to wait, and a long way was come forward, a window
 * spares as many waits as there are blocks in it. */
static status data_record(table_iter *i, table_extent e, bool backward, const char **raw) {
    CHECK(e.size > 0);
    CHECK(i->window_at <= i->t->length);
    if (i->ahead || in_window(i, e)) return from_window(i, e, i->ahead, raw);
    TRY(table_supplied(i->t, e, raw));
    if (*raw || backward || i->run < WINDOW_RUN) return STATUS_OK;
    size_t ahead = (size_t)i->run * e.size;
    return from_window(i, e, ahead < WINDOW_MOST ? ahead : WINDOW_MOST, raw);
}

/* Makes *to the block at e: from the cache, the window or the file. A partition becomes its index.
 */
static status load(table_iter *i, table_extent e, unsigned type, bool backward, buf *to) {
    table *t = i->t;
    uint64_t pos = table_pos(t->number, e.at);
    slice body;
    CHECK(type == TABLE_DATA || type == TABLE_PART);
    buf_clear(to);
    if ((uint64_t)e.at + e.size > t->props.top_at || e.size > RECORD_MAX ||
        e.size <= RECORD_HEADER || e.at < FILE_HEADER)
        return status_make(ST_CORRUPT, "%s: no block can be at offset %u", t->path, e.at);
    if (i->c && cache_get(i->c, pos, &body)) {
        buf_append_slice(to, type == TABLE_PART ? table_part_of(body).index : body);
        return STATUS_OK;
    }
    const char *raw = NULL;
    TRY(type == TABLE_DATA ? data_record(i, e, backward, &raw) : table_supplied(t, e, &raw));
    status st = table_read(t, e, type, raw, to);
    if (!status_ok(st)) {
        buf_clear(to);
        return st;
    }
    bool put = i->c && (type == TABLE_PART || i->filled < i->fill);
    if (put) (void)table_keep(i->c, pos, type, buf_slice(to), &body);
    if (put && type == TABLE_DATA) i->filled++;
    if (type == TABLE_PART) buf_consume(to, to->len - table_part_of(buf_slice(to)).index.len);
    return STATUS_OK;
}

/* Makes partition p the one whose index is there. */
static bool enter_part(table_iter *i, size_t p) {
    CHECK(i->t->ntops > 0);
    CHECK(p < i->t->props.partitions);
    if (i->index.len && i->part == p) return true;
    block_iter_set(&i->in, SLICE_EMPTY);
    buf_clear(&i->data);
    i->part = p;
    return survives(i, load(i, table_part_extent(i->t, p), TABLE_PART, false, &i->index));
}

/* Where block b of the partition is. */
static table_extent block_extent(const table_iter *i, size_t b) {
    slice prefix, rest, cell;
    CHECK(b < block_count(buf_slice(&i->index)));
    block_index_entry(buf_slice(&i->index), b, &prefix, &rest, &cell);
    return table_extent_of(cell);
}

/* Block b is to be waited for, or another iterator's: who has come through some blocks to it will
 * want what lies behind it as well, the more the more he has come through. */
static void ask_behind(table_iter *i, size_t b, bool backward) {
    const table_source *source = i->t->shelf ? i->t->shelf->source : NULL;
    size_t blocks = (size_t)i->run * ASK_EACH;
    size_t least = source && source->worth ? source->worth(source) : 0;
    if (blocks < least) blocks = least;
    if (blocks > ASK_MOST) blocks = ASK_MOST;
    CHECK(i->index.len > 0);
    CHECK(b < block_count(buf_slice(&i->index)));
    if (blocks == 0) return;
    table_reach r = {.part = i->part,
                     .block = b,
                     .index = buf_slice(&i->index),
                     .backward = backward,
                     .from = i->from,
                     .to = i->to};
    table_ask_reach(i->t, i->c, &r, blocks);
}

/* Makes block b of the partition the one that is walked; it stands nowhere in it. */
static bool enter_block(table_iter *i, size_t b, bool backward) {
    CHECK(i->index.len > 0);
    CHECK(b < block_count(buf_slice(&i->index)));
    if (!i->data.len || i->block != b) {
        block_iter_set(&i->in, SLICE_EMPTY);
        i->block = (uint32_t)b;
        if (!survives(i, load(i, block_extent(i, b), TABLE_DATA, backward, &i->data))) {
            if (table_not_now(i->st)) ask_behind(i, b, backward);
            return false;
        }
    }
    i->run++;
    block_iter_set(&i->in, buf_slice(&i->data));
    return true;
}

/* To the first entry of what follows the block, or nowhere. */
static void first_of_next_block(table_iter *i) {
    CHECK(i->part < i->t->props.partitions);
    CHECK(i->index.len > 0);
    size_t b = (size_t)i->block + 1;
    if (b == block_count(buf_slice(&i->index))) {
        nowhere(i);
        if (i->part + 1 == i->t->props.partitions || !enter_part(i, i->part + 1)) return;
        b = 0;
    }
    if (enter_block(i, b, false)) block_iter_first(&i->in);
}

/* To the last entry of what precedes the block, or nowhere. */
static void last_of_former_block(table_iter *i) {
    CHECK(i->part < i->t->props.partitions);
    CHECK(i->index.len > 0);
    size_t b = i->block;
    if (b == 0) {
        nowhere(i);
        if (i->part == 0 || !enter_part(i, i->part - 1)) return;
        b = block_count(buf_slice(&i->index));
    }
    if (enter_block(i, b - 1, true)) block_iter_last(&i->in);
}

/* ---- moving ---------------------------------------------------------------------------------- */

/* Before each seek: an error is forgotten, and so is what was put in the cache. */
static void begin(table_iter *i) {
    CHECK(i->t);
    nowhere(i);
    i->st = STATUS_OK;
    i->filled = i->run = 0;
    if (!i->ahead) buf_free(&i->window);
}

/* An empty table has no partitions. */
void table_iter_seek_first(table_iter *i) {
    CHECK(i->t);
    begin(i);
    if (i->t->props.partitions && enter_part(i, 0) && enter_block(i, 0, false))
        block_iter_first(&i->in);
}

/* The mirror image. */
void table_iter_seek_last(table_iter *i) {
    CHECK(i->t);
    begin(i);
    size_t n = i->t->props.partitions;
    if (n && enter_part(i, n - 1) && enter_block(i, block_count(buf_slice(&i->index)) - 1, true))
        block_iter_last(&i->in);
}

/* Enters the block in which the key would be, if it is not less than all keys. *same: it is there,
 * and stood upon; else it stands on the first greater one of the block, or nowhere. */
static bool seek_block(table_iter *i, slice key, bool *same) {
    CHECK(key.len == 0 || key.data);
    *same = false;
    begin(i);
    ptrdiff_t p = table_part_for(i->t, key);
    if (p < 0 || !enter_part(i, (size_t)p)) return false;
    ptrdiff_t b = block_last_at_most(buf_slice(&i->index), key);
    if (b < 0) b = 0; /* the index begins with the partition's separator, or it is not our file */
    if (!enter_block(i, (size_t)b, false)) return false;
    *same = block_iter_seek(&i->in, key);
    return true;
}

/* In its block, or at the beginning of the next. */
void table_iter_seek(table_iter *i, slice key) {
    CHECK(key.len == 0 || key.data);
    CHECK(i->t);
    bool same;
    if (seek_block(i, key, &same)) {
        if (!i->in.at) first_of_next_block(i);
    } else if (status_ok(i->st)) {
        table_iter_seek_first(i);
    }
}

/* In its block, or at the end of the one before. */
void table_iter_seek_before(table_iter *i, slice key) {
    CHECK(key.len == 0 || key.data);
    CHECK(i->t);
    bool same;
    if (!seek_block(i, key, &same) || same) return;
    if (i->in.at)
        table_iter_prev(i);
    else
        block_iter_last(&i->in);
}

/* Mostly a step in the block. */
void table_iter_next(table_iter *i) {
    CHECK(status_ok(i->st));
    CHECK(i->in.at);
    block_iter_next(&i->in);
    if (!i->in.at) first_of_next_block(i);
}

/* The mirror image. */
void table_iter_prev(table_iter *i) {
    CHECK(status_ok(i->st));
    CHECK(i->in.at);
    block_iter_prev(&i->in);
    if (!i->in.at) last_of_former_block(i);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* Stands on an entry. */
bool table_iter_valid(const table_iter *i) {
    CHECK(!i->in.at || status_ok(i->st));
    return i->in.at != NULL;
}

/* Valid until the iterator moves. */
slice table_iter_key(const table_iter *i) {
    CHECK(i->data.len > 0);
    CHECK(i->in.at);
    return buf_slice(&i->in.key);
}

/* Likewise. */
slice table_iter_cell(const table_iter *i) {
    CHECK(i->data.len > 0);
    CHECK(i->in.at);
    return i->in.cell;
}

/* Both slices stay the caller's. */
void table_iter_reach(table_iter *i, slice from, slice to) {
    CHECK(i->t);
    CHECK(!from.len || !to.len || slice_cmp(from, to) <= 0);
    i->from = from;
    i->to = to;
}

/* As if the block behind this one had to be waited for. */
void table_iter_ask(table_iter *i, bool backward) {
    CHECK(i->data.len > 0);
    CHECK(i->in.at);
    if (!i->ahead) ask_behind(i, i->block, backward);
}

/* Ok at either end of the table. The message outlives the iterator, as any other's does. */
status table_iter_status(const table_iter *i) {
    CHECK(i->st.msg);
    if (table_not_now(i->st)) return i->st;
    return status_ok(i->st) ? STATUS_OK : status_make(i->st.code, "%s", i->st.msg);
}
