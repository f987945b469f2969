/* table_check: a table from front to end.
 *
 * Reading verifies each block in itself (checksums, structure, order of its keys). What is left is
 * how they fit together: each block's keys lie between its separator and the next, properties and
 * the manifest count what is there, and the filter knows every key. A block that can't be read is
 * one problem; the check goes on behind it, and says between which keys it lay. */
#include "storage/table_check.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "storage/lines.h"
#include "storage/table_int.h"

#define SHOWN 48 /* bytes of a key */

typedef struct walk {
    table *t;
    const table_rules *rules;
    table_found *out;
    const char *path;
    buf separator;   /* of the block being read */
    buf last;        /* the last key read */
    bool any;        /* there is a last key */
    table_part part; /* the partition being read; lies in part_body */
    buf part_body, block;
    block_iter in;
    buf text;
} walk;

/* Counts a problem and tells it. */
__attribute__((format(printf, 2, 3))) static void problem(walk *w, const char *fmt, ...) {
    char text[512];
    va_list ap;
    w->out->problems++;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    CHECK(n > 0);
    if (w->rules->problem) w->rules->problem(w->rules->ctx, text);
}

/* A key for people, valid until the next call. */
static const char *shown(walk *w, slice key) {
    CHECK(w->text.len <= w->text.cap);
    CHECK(key.len == 0 || key.data);
    buf_clear(&w->text);
    lines_quote(&w->text, key, SHOWN);
    buf_append_char(&w->text, '\0');
    return w->text.data;
}

/* One entry, behind all before it. */
static void check_entry(walk *w, uint32_t at) {
    slice key = buf_slice(&w->in.key), cell = w->in.cell;
    table_found *f = w->out;
    unsigned tag = (unsigned char)cell.data[0];
    CHECK(cell.len > 0);
    f->entries++;
    f->tombstones += tag == TABLE_TOMBSTONE;
    f->hidden += table_hidden_by(cell);
    f->plain_bytes += key.len + cell.len;
    if (tag >= TABLE_TAGS) problem(w, "%s: block at %u: a cell of no kind", w->path, at);
    uint64_t hash = w->rules->filter_hash ? w->rules->filter_hash(w->rules->ctx, key) : 0;
    if (hash && w->part.probes && !filter_may_hold_of(w->part.filter, w->part.probes, hash))
        problem(w, "%s: block at %u: the filter denies the key %s", w->path, at, shown(w, key));
}

/* The block's entries lie behind those before it and not before its separator. */
static void check_block(walk *w, table_extent e) {
    CHECK(w->block.len > 0);
    CHECK(e.at >= FILE_HEADER);
    w->out->blocks++;
    block_iter_set(&w->in, buf_slice(&w->block));
    block_iter_first(&w->in);
    if (slice_cmp(buf_slice(&w->in.key), buf_slice(&w->separator)) < 0)
        problem(w, "%s: block at %u: begins before its separator", w->path, e.at);
    if (w->any && slice_cmp(buf_slice(&w->last), buf_slice(&w->separator)) >= 0)
        problem(w, "%s: block at %u: what is before it reaches beyond its separator", w->path,
                e.at);
    while (w->in.at) {
        check_entry(w, e.at);
        w->any = true;
        buf_clear(&w->last);
        buf_append_slice(&w->last, buf_slice(&w->in.key));
        block_iter_next(&w->in);
    }
}

/* Reads a block; one that is damaged is counted, and *got says so. */
static status read_block(walk *w, table_extent e, unsigned type, buf *to, bool *got) {
    CHECK(type == TABLE_DATA || type == TABLE_PART);
    CHECK(e.size > 0);
    buf_clear(to);
    status st = table_fetch(w->t, e, type, to);
    *got = status_ok(st);
    if (st.code != ST_CORRUPT) return st;
    w->out->lost++;
    problem(w, "%s", st.msg);
    problem(w, "%s: keys from %s on, up to the next block's, can't be read", w->path,
            shown(w, buf_slice(&w->separator)));
    return STATUS_OK;
}

/* Separator of block i of the partition. */
static table_extent enter(walk *w, size_t i) {
    CHECK(w->part.index.len > 0);
    slice prefix, rest, cell;
    CHECK(i < block_count(w->part.index));
    block_index_entry(w->part.index, i, &prefix, &rest, &cell);
    buf_clear(&w->separator);
    buf_append_slice(&w->separator, prefix);
    buf_append_slice(&w->separator, rest);
    return table_extent_of(cell);
}

/* A partition: its own place and key first. */
static status check_part(walk *w, size_t i) {
    bool got;
    CHECK(i < w->t->props.partitions);
    table_partition_key(w->t, i, &w->separator);
    TRY(read_block(w, table_part_extent(w->t, i), TABLE_PART, &w->part_body, &got));
    if (!got) return STATUS_OK;
    w->part = table_part_of(buf_slice(&w->part_body));
    uint32_t at = table_partition_at(w->t, i);
    buf key = {0};
    table_partition_key(w->t, i, &key);
    for (size_t b = 0; b < block_count(w->part.index); b++) {
        table_extent e = enter(w, b);
        if (b == 0 && (e.at != at || !slice_eq(buf_slice(&key), buf_slice(&w->separator))))
            problem(w, "%s: partition %zu is not where, or what, the index says", w->path, i);
        status st = read_block(w, e, TABLE_DATA, &w->block, &got);
        if (status_ok(st) && got) check_block(w, e);
        if (status_ok(st)) continue;
        buf_free(&key);
        return st;
    }
    buf_free(&key);
    return STATUS_OK;
}

/* True if both agree; a problem if not. */
static void compare(walk *w, const char *what, uint64_t there, uint64_t said) {
    CHECK(what[0]);
    if (there != said)
        problem(w, "%s: %llu %s, not %llu", w->path, (unsigned long long)there, what,
                (unsigned long long)said);
}

/* Once all was read: the counts that the file and the manifest have. */
static void check_counts(walk *w) {
    const table_props *p = &w->t->props;
    const manifest_table *m = w->rules->listed;
    const table_found *f = w->out;
    CHECK(f->lost == 0);
    compare(w, "blocks", f->blocks, p->blocks);
    compare(w, "entries", f->entries, p->entries);
    compare(w, "tombstones", f->tombstones, p->tombstones);
    compare(w, "what drops hide", f->hidden, p->hidden);
    compare(w, "plain bytes", f->plain_bytes, p->plain_bytes);
    compare(w, "entries, by the manifest,", f->entries, m->entries);
    compare(w, "tombstones, by the manifest,", f->tombstones, m->tombstones);
    compare(w, "what drops hide, by the manifest,", f->hidden, m->hidden);
    compare(w, "plain bytes, by the manifest,", f->plain_bytes, m->plain_bytes);
}

/* What was read lies within what the manifest says. */
static void check_bounds(walk *w) {
    const manifest_table *m = w->rules->listed;
    CHECK(slice_cmp(m->smallest, m->limit) < 0);
    if (w->t->props.partitions == 0) return;
    buf first = {0};
    table_partition_key(w->t, 0, &first); /* the first separator is the first key */
    if (slice_cmp(buf_slice(&first), m->smallest) < 0)
        problem(w, "%s: the key %s lies before the manifest's bounds", w->path,
                shown(w, buf_slice(&first)));
    if (w->any && slice_cmp(buf_slice(&w->last), m->limit) >= 0)
        problem(w, "%s: the key %s lies behind the manifest's bounds", w->path,
                shown(w, buf_slice(&w->last)));
    buf_free(&first);
}

/* An error of the disk ends it; damage does not. */
status table_check(vfs *v, const char *path, uint64_t store_id, const table_rules *rules,
                   table_found *out) {
    CHECK(rules->listed && path[0]);
    walk w = {.rules = rules, .out = out, .path = path};
    *out = (table_found){0};
    status st = table_open(v, path, store_id, rules->listed->number, rules->listed->length, &w.t);
    if (st.code == ST_NOT_FOUND || st.code == ST_CORRUPT) {
        out->missing = st.code == ST_NOT_FOUND;
        out->unreadable = true;
        if (out->missing)
            problem(&w, "%s: missing", path);
        else
            problem(&w, "%s", st.msg);
        return STATUS_OK;
    }
    TRY(st);
    for (size_t i = 0; i < w.t->props.partitions && status_ok(st); i++)
        st = check_part(&w, i);
    if (status_ok(st)) check_bounds(&w);
    if (status_ok(st) && out->lost == 0) check_counts(&w);
    block_iter_free(&w.in);
    buf *const bufs[] = {&w.separator, &w.last, &w.part_body, &w.block, &w.text};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_free(bufs[i]);
    table_close(w.t);
    CHECK(out->lost <= out->problems);
    return st;
}
