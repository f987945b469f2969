/* table_read: opening a table, and looking up a key.
 *
 *     top index (memory) -> partition: its filter, then its index -> data block
 *
 * A lookup that the filter answers reads one cached item. Blocks are read with their exact place
 * and size; what the record's checksums and the block's structure do not vouch for is never used,
 * so a search of bytes in the cache needs no checks.
 *
 * Nothing of a block outlives the next put into the cache, so a lookup takes from a partition what
 * it needs (where the data block is) before it asks for the data block. */
#include "storage/table_int.h"

#include "base/log.h"
#include "base/mem.h"

#define DENSE_ENTRIES 64 /* of a data block that is worth keeping */

/* ---- the top index --------------------------------------------------------------------------- */

/* Which TOP block has the partition. Mostly there is one. */
static const struct table_top *top_of(const table *t, size_t i) {
    CHECK(i < t->props.partitions);
    size_t k = t->ntops - 1;
    while (t->tops[k].first > i)
        k--;
    return &t->tops[k];
}

/* The last of those that begin at or below the key. */
ptrdiff_t table_part_for(const table *t, slice key) {
    CHECK(t->ntops > 0 || t->props.partitions == 0);
    for (size_t k = t->ntops; k-- > 0;) {
        ptrdiff_t i = block_last_at_most(t->tops[k].block, key);
        if (i >= 0) return (ptrdiff_t)t->tops[k].first + i;
    }
    return -1;
}

/* The cell of partition i in the top index. */
static slice top_cell(const table *t, size_t i) {
    CHECK(t->ntops > 0);
    const struct table_top *top = top_of(t, i);
    slice prefix, rest, cell;
    block_index_entry(top->block, i - top->first, &prefix, &rest, &cell);
    CHECK(cell.len == TABLE_TOP_CELL);
    return cell;
}

/* Of the partition's own record. */
table_extent table_part_extent(const table *t, size_t i) {
    CHECK(i < t->props.partitions);
    return table_extent_of(top_cell(t, i));
}

/* What the properties say. */
size_t table_partitions(const table *t) {
    CHECK(t->path);
    return t->props.partitions;
}

/* Of its first data block. */
uint32_t table_partition_at(const table *t, size_t i) {
    CHECK(i < t->props.partitions);
    return load_u32(top_cell(t, i).data + TABLE_EXTENT_CELL);
}

/* About: the beginning of the key's partition. */
uint32_t table_offset_of(const table *t, slice key) {
    CHECK(key.len == 0 || key.data);
    ptrdiff_t i = table_part_for(t, key);
    CHECK(i < (ptrdiff_t)t->props.partitions);
    return i < 0 ? FILE_HEADER : table_partition_at(t, (size_t)i);
}

/* Prefix and rest lie apart in the block, so they are put together. */
void table_partition_key(const table *t, size_t i, buf *out) {
    CHECK(t->ntops > 0 && i < t->props.partitions);
    const struct table_top *top = top_of(t, i);
    slice prefix, rest, cell;
    block_index_entry(top->block, i - top->first, &prefix, &rest, &cell);
    buf_clear(out);
    buf_append_slice(out, prefix);
    buf_append_slice(out, rest);
    CHECK(out->len <= TABLE_KEY_MAX);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The header was verified when the table was opened. */
status table_wake(table *t) {
    CHECK(t->path);
    if (t->file) {
        table_shelf_touch(t);
        return STATUS_OK;
    }
    TRY(vfs_open(t->v, t->path, VFS_READ, &t->file));
    table_shelf_in(t);
    return STATUS_OK;
}

/* What a block of each type must be in itself. */
static bool valid(const table *t, table_extent e, unsigned type, slice body) {
    CHECK(type >= TABLE_DATA && type <= TABLE_TOP);
    buf scratch = {0};
    bool good = type == TABLE_PART ? table_part_valid(body, e.at, &scratch)
                                   : block_valid(body, type == TABLE_DATA ? BLOCK_EVERY : 1,
                                                 TABLE_KEY_MAX, &scratch);
    CHECK(e.at < t->length);
    buf_free(&scratch);
    return good;
}

/* Can a record be there? What an index says is not believed. */
static bool may_be_at(const table *t, table_extent e) {
    CHECK(t->length >= TABLE_LENGTH_MIN);
    return e.at >= FILE_HEADER && e.size > RECORD_HEADER && e.size <= RECORD_MAX &&
           (uint64_t)e.at + e.size <= TABLE_PROPS_AT(t->length);
}

/* As table_int.h says. */
status table_supplied(table *t, table_extent e, const char **raw) {
    table_source *s = t->shelf ? t->shelf->source : NULL;
    slice bytes;
    CHECK(!*raw && may_be_at(t, e));
    TRY(table_wake(t));
    if (!s) return STATUS_OK;
    switch (s->get(s, t->file, table_pos(t->number, e.at), e.size, &bytes)) {
    case TABLE_NOT_NOW: return (status){ST_BUSY, "not in memory"};
    case TABLE_HERE:
        CHECK(bytes.len == e.size);
        *raw = bytes.data;
        t->stats.bytes_read += e.size;
        break;
    default: CHECK(*raw == NULL);
    }
    return STATUS_OK;
}

/* Its bytes are not looked at before who needs them comes. */
void table_ask(table *t, const cache *c, table_extent e) {
    slice body;
    const char *raw = NULL;
    CHECK(t->path);
    if (!t->shelf || !t->shelf->source || !may_be_at(t, e)) return;
    if (c && cache_peek(c, table_pos(t->number, e.at), &body)) return;
    status ignored = table_supplied(t, e, &raw);
    (void)ignored;
}

/* What is there but does not pass its checks is left to who needs it. */
bool table_part_at_hand(table *t, cache *c, size_t i, buf *index) {
    table_extent e = table_part_extent(t, i);
    uint64_t pos = table_pos(t->number, e.at);
    slice body;
    const char *raw = NULL;
    CHECK(i < t->props.partitions);
    CHECK(index != NULL);
    buf_clear(index);
    if (!t->shelf || !t->shelf->source || !may_be_at(t, e)) return false;
    if (c && cache_peek(c, pos, &body)) {
        buf_append_slice(index, table_part_of(body).index);
        return true;
    }
    if (!status_ok(table_supplied(t, e, &raw)) || !raw) return false;
    if (!status_ok(table_read(t, e, TABLE_PART, raw, index))) {
        buf_clear(index);
        return false;
    }
    if (c) (void)table_keep(c, pos, TABLE_PART, buf_slice(index), &body);
    buf_consume(index, index->len - table_part_of(buf_slice(index)).index.len);
    return true;
}

/* One read of exactly the record. */
status table_read(table *t, table_extent e, unsigned type, const char *raw, buf *out) {
    CHECK(out->len == 0);
    if (!may_be_at(t, e))
        return status_make(ST_CORRUPT, "%s: no block can be at offset %u", t->path, e.at);
    char *own = NULL;
    status st = STATUS_OK;
    if (!raw) {
        TRY(table_wake(t));
        own = mem_alloc(e.size);
        st = vfs_pread_all(t->file, t->path, own, e.size, e.at);
        t->stats.bytes_read += e.size;
    }
    if (status_ok(st))
        st = table_decode(t->path, t->store_id, t->number, e, type, raw ? raw : own, out);
    mem_free(own);
    t->stats.blocks_read++;
    TRY(st);
    CHECK(out->len <= RECORD_BODY_MAX);
    if (valid(t, e, type, buf_slice(out))) return STATUS_OK;
    return status_make(ST_CORRUPT, "%s: the block at offset %u makes no sense", t->path, e.at);
}

/* Of the source, or by a read. */
status table_fetch(table *t, table_extent e, unsigned type, buf *out) {
    const char *raw = NULL;
    CHECK(out->len == 0 && type <= TABLE_PROPS);
    if (may_be_at(t, e)) TRY(table_supplied(t, e, &raw));
    return table_read(t, e, type, raw, out);
}

/* What a block is worth, in lives, grows with the number of keys that it leads to: when data is
 * much larger than the cache, partitions should stay, and blocks of many short entries rather than
 * those of a few long ones. */
bool table_keep(cache *c, uint64_t pos, unsigned type, slice body, slice *out) {
    CHECK(body.len > 0);
    bool dense = type == TABLE_DATA && block_count(body) >= DENSE_ENTRIES;
    unsigned lives = type == TABLE_PART ? CACHE_LIVES_MAX : dense ? CACHE_LIVES_MAX / 2 : 0;
    char *place = cache_reserve(c, pos, body.len, lives);
    if (!place) return false;
    memcpy(place, body.data, body.len);
    *out = slice_of(place, body.len);
    return true;
}

/* Reads a block that the cache does not have, and puts it there; if the cache does not take it, it
 * is in t->plain. */
static status load_new(table *t, cache *c, table_extent e, unsigned type, slice *out) {
    CHECK(e.size > 0);
    uint64_t pos = table_pos(t->number, e.at);
    buf plain = {0};
    status st = table_fetch(t, e, type, &plain);
    if (status_ok(st) && c && table_keep(c, pos, type, buf_slice(&plain), out)) {
        buf_free(&plain);
        return STATUS_OK;
    }
    buf_free(&t->plain);
    t->plain = plain;
    *out = buf_slice(&plain);
    CHECK(!status_ok(st) || out->len > 0);
    return st;
}

/* A data block. */
static status load_data(table *t, cache *c, table_extent e, slice *out) {
    CHECK(e.at >= FILE_HEADER);
    if (c && cache_get(c, table_pos(t->number, e.at), out)) return STATUS_OK;
    return load_new(t, c, e, TABLE_DATA, out);
}

/* The hint of a partition, for this cache. */
static part_hint *hint_of(table *t, const cache *c, size_t i) {
    CHECK(i < t->props.partitions);
    if (t->hinted != c) {
        mem_free(t->hints);
        t->hints = mem_zalloc(t->props.partitions * sizeof *t->hints);
        t->hinted = c;
    }
    return &t->hints[i];
}

/* A partition. */
static status load_part(table *t, cache *c, size_t i, slice *out) {
    table_extent e = table_part_extent(t, i);
    if (!c) return load_new(t, c, e, TABLE_PART, out);
    part_hint *h = hint_of(t, c, i);
    if (!cache_get_hinted(c, table_pos(t->number, e.at), &h->at, out))
        TRY(load_new(t, c, e, TABLE_PART, out));
    CHECK(out->len >= TABLE_PART_HEAD);
    h->filter = load_u32(out->data);
    return STATUS_OK;
}

/* ---- looking up ------------------------------------------------------------------------------ */

/* Asks the partition: *e is where the data block is; false: the key is not in the table. */
static bool ask_partition(table *t, slice body, slice key, uint64_t hash, table_extent *e,
                          table_hit *hit) {
    CHECK(body.len >= TABLE_PART_HEAD);
    table_part part = table_part_of(body);
    CHECK(part.index.len > 0);
    if (hash && part.probes) {
        hit->filtered = !filter_may_hold_of(part.filter, part.probes, hash);
        t->stats.filtered += hit->filtered;
        if (hit->filtered) return false;
        hit->false_positive = true; /* unless it is found */
    }
    ptrdiff_t i = block_last_at_most(part.index, key);
    slice prefix, rest, cell;
    if (i < 0) return false;
    block_index_entry(part.index, (size_t)i, &prefix, &rest, &cell);
    *e = table_extent_of(cell);
    return true;
}

/* Most lookups end with a partition's filter: its line is asked for beside the item's head. */
ptrdiff_t table_place(table *t, const cache *c, slice key, uint64_t filter_hash) {
    CHECK(key.len == 0 || key.data);
    ptrdiff_t i = table_part_for(t, key);
    if (i < 0 || !c || !filter_hash) return i;
    part_hint *h = hint_of(t, c, (size_t)i);
    if (h->filter)
        cache_hint_prefetch(c, &h->at, TABLE_PART_HEAD + filter_line(h->filter, filter_hash));
    return i;
}

/* Both halves, for who has nothing else to do between them (the LSM has: it asks other tables). */
status table_get(table *t, cache *c, slice key, uint64_t filter_hash, table_hit *out) {
    CHECK(t->number > 0);
    ptrdiff_t i = table_place(t, c, key, filter_hash);
    if (i >= 0) return table_get_at(t, c, (size_t)i, key, filter_hash, out);
    *out = (table_hit){0};
    t->stats.gets++;
    return STATUS_OK;
}

/* Two items of the cache, or one if the filter says no. */
status table_get_at(table *t, cache *c, size_t part, slice key, uint64_t filter_hash,
                    table_hit *out) {
    slice body;
    table_extent e;
    CHECK(part < t->props.partitions);
    *out = (table_hit){0};
    t->stats.gets++;
    if (t->plain.cap) buf_free(&t->plain);
    TRY(load_part(t, c, part, &body));
    if (ask_partition(t, body, key, filter_hash, &e, out)) {
        TRY(load_data(t, c, e, &body));
        out->found = block_find(body, key, &out->cell);
        if (out->found) out->false_positive = false;
    }
    t->stats.false_positives += out->false_positive;
    CHECK(!out->found || (out->cell.len > 0 && !out->filtered));
    return STATUS_OK;
}

/* No data block is read. */
status table_may_hold(table *t, cache *c, slice key, uint64_t filter_hash, bool *may) {
    CHECK(t->number > 0);
    CHECK(key.len == 0 || key.data);
    ptrdiff_t i = table_part_for(t, key);
    slice body;
    *may = i >= 0;
    if (i < 0 || !filter_hash || !t->props.bloom_bits) return STATUS_OK;
    TRY(load_part(t, c, (size_t)i, &body));
    table_part part = table_part_of(body);
    CHECK(part.index.len > 0);
    if (part.probes) *may = filter_may_hold_of(part.filter, part.probes, filter_hash);
    return STATUS_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Takes the TOP blocks apart: they lie one behind the other from top_at to PROPS. */
static status load_top(table *t) {
    CHECK(t->props.top_at <= TABLE_PROPS_AT(t->length));
    CHECK(t->ntops == 0);
    uint32_t at = t->props.top_at, end = TABLE_PROPS_AT(t->length);
    size_t n = end - at, parts = 0;
    char *raw = mem_alloc(n + 1);
    status st = vfs_pread_all(t->file, t->path, raw, n, at);
    while (status_ok(st) && at < end) {
        const char *p = raw + (at - t->props.top_at);
        record head;
        buf body = {0};
        record_result got =
            record_read_head(p, end - at, (record_place){t->store_id, t->number, at}, &head);
        table_extent e = {at, head.size};
        if (got == RECORD_OK && head.size <= end - at && head.size > RECORD_HEADER)
            st = table_read(t, e, TABLE_TOP, p, &body);
        else
            st = status_make(ST_CORRUPT, "%s: the index at offset %u is damaged", t->path, at);
        if (status_ok(st)) {
            t->tops = mem_realloc(t->tops, (t->ntops + 1) * sizeof *t->tops);
            t->tops[t->ntops++] = (struct table_top){slice_of(NULL, body.len), parts};
            parts += block_count(buf_slice(&body));
            buf_reserve_exact(&t->top, body.len);
            buf_append_slice(&t->top, buf_slice(&body));
            at += e.size;
        }
        buf_free(&body);
    }
    mem_free(raw);
    TRY(st);
    if (parts != t->props.partitions)
        return status_make(ST_CORRUPT, "%s: the index has not all partitions", t->path);
    size_t from = 0;
    for (size_t k = 0; k < t->ntops; from += t->tops[k++].block.len)
        t->tops[k].block.data = t->top.data + from;
    CHECK(from == t->top.len);
    return STATUS_OK;
}

/* Partitions lie one behind the other, each behind its data, up to the top index; their keys ascend
 * from TOP block to TOP block. */
static status check_top(const table *t) {
    CHECK(t->props.partitions == 0 || t->ntops > 0);
    uint64_t end = FILE_HEADER;
    buf before = {0}, key = {0};
    bool good = true;
    slice prefix, rest, cell;
    for (size_t k = 0, i = 0; k < t->ntops && good; k++) {
        for (; good && i < t->tops[k].first + block_count(t->tops[k].block); i++) {
            block_index_entry(t->tops[k].block, i - t->tops[k].first, &prefix, &rest, &cell);
            if (cell.len != TABLE_TOP_CELL) good = false;
            if (!good) break;
            table_extent e = table_extent_of(cell);
            good = load_u32(cell.data + TABLE_EXTENT_CELL) == end && e.at > end &&
                   e.size > RECORD_HEADER + TABLE_PART_HEAD && e.size <= RECORD_MAX;
            end = (uint64_t)e.at + e.size;
        }
        if (!good) break;
        table_partition_key(t, t->tops[k].first, &key);
        good = k == 0 || slice_cmp(buf_slice(&before), buf_slice(&key)) < 0;
        table_partition_key(t, i - 1, &before);
    }
    buf_free(&before);
    buf_free(&key);
    if (good && end == t->props.top_at) return STATUS_OK;
    return status_make(ST_CORRUPT, "%s: the index makes no sense", t->path);
}

/* Header, properties, top index. */
static status load_table(table *t) {
    CHECK(t->file && t->length >= TABLE_LENGTH_MIN);
    char raw[RECORD_HEADER + TABLE_PROPS_SIZE];
    buf body = {0};
    uint64_t size;
    TRY(file_header_expect(t->file, t->path, FILE_TABLE, t->store_id, t->number, NULL));
    TRY(t->file->ops->size(t->file, &size));
    if (size != t->length)
        return status_make(ST_CORRUPT, "%s: has %llu bytes, not %u", t->path,
                           (unsigned long long)size, t->length);
    table_extent e = {TABLE_PROPS_AT(t->length), sizeof raw};
    TRY(vfs_pread_all(t->file, t->path, raw, sizeof raw, e.at));
    status st = table_decode(t->path, t->store_id, t->number, e, TABLE_PROPS, raw, &body);
    if (status_ok(st) && !table_props_decode(buf_slice(&body), t->length, &t->props))
        st = status_make(ST_CORRUPT, "%s: its properties make no sense", t->path);
    buf_free(&body);
    TRY(st);
    const table_props *p = &t->props;
    t->about = (table_summary){.length = t->length,
                               .blocks = p->blocks,
                               .partitions = p->partitions,
                               .entries = p->entries,
                               .tombstones = p->tombstones,
                               .hidden = p->hidden,
                               .plain_bytes = p->plain_bytes};
    TRY(load_top(t));
    return check_top(t);
}

/* The path is kept, for table_park. */
status table_open(vfs *v, const char *path, uint64_t store_id, uint32_t number, uint32_t length,
                  table **out) {
    CHECK(path && path[0] && number > 0);
    *out = NULL;
    if (length < TABLE_LENGTH_MIN)
        return status_make(ST_CORRUPT, "%s: no table has %u bytes", path, length);
    table *t = mem_zalloc(sizeof *t);
    t->v = v;
    t->path = mem_strdup(path);
    t->store_id = store_id;
    t->number = number;
    t->length = length;
    status st = table_wake(t);
    if (status_ok(st)) st = load_table(t);
    if (status_ok(st)) {
        t->stats = (table_stats){0};
        *out = t;
    } else {
        table_close(t);
    }
    return st;
}

/* It was only read: a close that fails loses nothing. Reads that are under way beside the thread
 * keep the file to their end, and what they bring is found by its place. */
static void close_file(table *t, bool last) {
    CHECK(t->path);
    if (!t->file) return;
    table_source *s = t->shelf ? t->shelf->source : NULL;
    table_shelf_out(t);
    CHECK(!s || s->close);
    if (s) {
        s->close(s, t->file, last);
    } else {
        status ignored = t->file->ops->close(t->file);
        (void)ignored;
    }
    t->file = NULL;
}

/* It is opened again by the next read. */
void table_park(table *t) {
    CHECK(t->path);
    close_file(t, false);
    CHECK(!t->file);
}

/* Nothing happens for NULL. */
void table_close(table *t) {
    if (!t) return;
    close_file(t, true);
    CHECK(!t->file);
    buf_free(&t->top);
    buf_free(&t->plain);
    mem_free(t->hints);
    mem_free(t->tops);
    mem_free(t->path);
    mem_free(t);
}

/* ---- about it -------------------------------------------------------------------------------- */

/* True after table_park and until the next read. */
bool table_parked(const table *t) {
    CHECK(t->path);
    return !t->file;
}

/* As in the manifest. */
uint32_t table_number(const table *t) {
    CHECK(t->number > 0);
    return t->number;
}

/* From the properties. */
const table_summary *table_about(const table *t) {
    CHECK(t->about.length == t->length);
    return &t->about;
}

/* Since table_open. */
void table_stats_of(const table *t, table_stats *out) {
    CHECK(t->stats.filtered <= t->stats.gets);
    *out = t->stats;
}

/* The file's own memory is the system's. */
uint64_t table_ram(const table *t) {
    CHECK(t->top.len <= t->top.cap || t->ntops == 0);
    return sizeof *t + strlen(t->path) + 1 + t->top.cap + t->plain.cap +
           t->ntops * sizeof *t->tops + (t->hints ? t->props.partitions * sizeof *t->hints : 0);
}
