/* hint_write: a hint file, from entries in order.
 *
 * Entries gather in a block's body, which goes out as one record when it is HINT_BLOCK long, or
 * when the next entry belongs to another kind of block or another pdb. Tokens and collection ids
 * are stored as differences from the entry before, which sorting makes small. The order is checked
 * entry by entry: a reader relies on it to fill an index page by page.
 *
 * The filters' size follows from the number of keys, which is known only at the end; until then
 * their hashes are kept, eight bytes a key. */
#include "storage/hint_format.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

/* Bytes of an entry beyond its key, value and body, at most. */
#define ENTRY_OVERHEAD 80

_Static_assert(HINT_BLOCK + RECORD_KEY_MAX + HINT_INLINE_MAX + ENTRY_OVERHEAD < RECORD_BODY_MAX,
               "a block with one more entry is a record");

struct hint_writer {
    outfile out;
    hash_key key;
    hint_info info;
    unsigned block; /* hint_block being filled; 0: none */
    uint32_t count; /* entries in it */
    buf body;
    uint32_t pdb;
    uint64_t delta_from; /* the token or collection id of the entry before, in this block */
    /* the entry before, for the order; kept across blocks */
    unsigned last_block;
    uint64_t last[3]; /* pdb, token, 0; or pdb, collection, map + 1 */
    buf last_key;
    uint64_t last_coll; /* the last one in the filter */
    filter_builder keys, elems;
    status failed;
};

/* An older hint of that name is replaced: it was damaged, or of a crash. */
status hint_create(vfs *v, const char *path, uint64_t store_id, hash_key key, const hint_info *info,
                   hint_writer **out) {
    CHECK(info->segment_length >= FILE_HEADER);
    *out = NULL;
    CHECK(info->segment > 0);
    hint_writer *w = mem_zalloc(sizeof *w);
    file_header h = {.kind = FILE_HINT, .store_id = store_id, .number = info->segment};
    status st = outfile_create(&w->out, v, path, &h, true);
    if (!status_ok(st)) {
        mem_free(w);
        return st;
    }
    w->key = key;
    w->info = *info;
    memset(w->info.entries, 0, sizeof w->info.entries);
    *out = w;
    return STATUS_OK;
}

/* Puts a block as a record. */
static status put_block(hint_writer *w, unsigned block, slice body, uint32_t *at) {
    CHECK(body.len <= RECORD_BODY_MAX);
    record r = {.kind = RECORD_HINT, .type = (uint8_t)block, .body = body};
    CHECK(block >= HINT_ORDER && block <= HINT_FOOTER);
    return outfile_put(&w->out, &r, at);
}

/* Ends the block being filled. */
static status close_block(hint_writer *w) {
    if (w->block == 0) return STATUS_OK;
    CHECK(w->count > 0 && w->body.len >= 4);
    put_u32(w->body.data, w->count);
    unsigned block = w->block;
    w->block = 0;
    return put_block(w, block, buf_slice(&w->body), NULL);
}

/* Begins a block: its count, and the pdb of its entries. */
static void open_block(hint_writer *w, unsigned block, uint32_t pdb) {
    CHECK(block >= HINT_ORDER && block <= HINT_MAP);
    CHECK(w->block == 0);
    w->block = block;
    w->count = 0;
    w->pdb = pdb;
    w->delta_from = 0;
    buf_clear(&w->body);
    char *start = buf_reserve(&w->body, 4 + VARINT_MAX), *p = put_u32(start, 0);
    if (block != HINT_ORDER) p = put_varint(p, pdb);
    w->body.len = (size_t)(p - start);
}

/* Aborts unless e comes behind the entry before. */
static void check_order(hint_writer *w, const hint_entry *e, unsigned block) {
    CHECK(block >= HINT_ORDER && block <= HINT_MAP);
    bool has_sub = e->kind == RECORD_MAP_PUT || e->kind == RECORD_MAP_DEL;
    uint64_t now[3] = {e->pdb, block == HINT_MAIN ? e->token : e->coll, has_sub ? e->map + 1u : 0};
    int c = 0;
    CHECK(block >= w->last_block);
    if (block == w->last_block && block != HINT_ORDER) {
        for (int i = 0; i < 3 && c == 0; i++)
            c = (now[i] > w->last[i]) - (now[i] < w->last[i]);
        if (c == 0) c = slice_cmp(e->key, buf_slice(&w->last_key));
        CHECK(c > 0);
    }
    w->last_block = block;
    memcpy(w->last, now, sizeof now);
    buf_clear(&w->last_key);
    buf_append_slice(&w->last_key, e->key);
}

/* Aborts if e is nothing that a hint can hold. */
static void check_entry(const hint_entry *e) {
    CHECK((e->flags & ~hint_flags_of(e->kind)) == 0);
    CHECK(e->offset >= FILE_HEADER && e->size >= RECORD_HEADER && e->size <= RECORD_MAX);
    CHECK(e->key.len <= RECORD_KEY_MAX && e->map < RECORD_MAP_MAX && !(e->token >> TOKEN_BITS));
    CHECK(!(e->flags & HINT_INLINE) || e->value.len <= HINT_INLINE_MAX);
    CHECK(!(e->flags & RECORD_EXPIRE) || e->expire > 0);
    CHECK(e->body.len <= RECORD_BODY_MAX - HINT_BLOCK - ENTRY_OVERHEAD);
}

/* Length first. */
static char *put_varbytes(char *p, slice s) {
    CHECK(s.len == 0 || s.data);
    p = put_varint(p, s.len);
    if (s.len) memcpy(p, s.data, s.len);
    return p + s.len;
}

/* The fields behind kind, flags and the order's own. */
static char *put_tail(char *p, const hint_entry *e) {
    CHECK(e->kind != RECORD_DROP);
    p = put_varbytes(p, e->key);
    if (e->flags & RECORD_EXPIRE) p = put_u64(p, (uint64_t)e->expire);
    if (e->flags & RECORD_COLL) p = put_varint(p, e->coll);
    if (e->flags & HINT_INLINE) p = put_varbytes(p, e->value);
    return p;
}

/* Appends e to the block. README.md draws the three forms. */
static void put_entry(hint_writer *w, const hint_entry *e) {
    CHECK(w->block == hint_block_of(e->kind));
    size_t need = ENTRY_OVERHEAD + e->key.len + e->body.len;
    if (e->flags & HINT_INLINE) need += e->value.len;
    char *start = buf_reserve(&w->body, need), *p = start;
    *p++ = (char)e->kind;
    if (w->block != HINT_ORDER) {
        uint64_t id = w->block == HINT_MAIN ? e->token : e->coll;
        CHECK(id >= w->delta_from);
        *p++ = (char)e->flags;
        p = put_varint(p, id - w->delta_from);
        w->delta_from = id;
    }
    p = put_varint(put_varint(p, e->offset), e->size);
    if (w->block == HINT_ORDER) {
        p = put_varbytes(p, e->body);
    } else if (w->block == HINT_MAIN) {
        *p++ = (char)e->type;
        p = put_tail(p, e);
    } else if (e->kind != RECORD_DROP) {
        *p++ = (char)e->map;
        p = put_tail(p, e);
    }
    w->body.len += (size_t)(p - start);
    CHECK((size_t)(p - start) <= need);
    w->count++;
}

/* What the filters shall answer for. */
static void collect(hint_writer *w, const hint_entry *e) {
    if (w->block == HINT_MAIN) filter_collect(&w->keys, hint_hash_main(e->pdb, e->token));
    if (w->block != HINT_MAP) return;
    CHECK(e->coll > 0);
    if (e->coll != w->last_coll) filter_collect(&w->elems, hint_hash_coll(e->coll));
    w->last_coll = e->coll;
    if (e->kind != RECORD_DROP)
        filter_collect(&w->elems, hint_hash_elem(w->key, e->coll, e->map, e->key));
}

/* Closes the block that is full, or that e does not belong to, first. */
status hint_add(hint_writer *w, const hint_entry *e) {
    CHECK(w->out.file);
    unsigned block = hint_block_of(e->kind);
    CHECK(block != 0);
    check_entry(e);
    check_order(w, e, block);
    bool other = block != w->block || (block != HINT_ORDER && e->pdb != w->pdb);
    if (other || w->body.len >= HINT_BLOCK) TRY(close_block(w));
    if (w->block == 0) open_block(w, block, e->pdb);
    put_entry(w, e);
    collect(w, e);
    w->info.entries[e->kind]++;
    return STATUS_OK;
}

/* Puts a filter as blocks; *at is where the first is, *bytes how many bytes of bits there are. */
static status put_filter(hint_writer *w, unsigned block, filter_builder *b, uint32_t *at,
                         uint32_t *bytes) {
    CHECK(w->block == 0);
    buf bits = {0};
    status st = STATUS_OK;
    filter_finish(b, &bits);
    CHECK(bits.len <= UINT32_MAX);
    *at = outfile_length(&w->out);
    *bytes = (uint32_t)bits.len;
    slice rest = buf_slice(&bits);
    while (rest.len && status_ok(st)) {
        size_t n = rest.len < HINT_FILTER_PIECE ? rest.len : HINT_FILTER_PIECE;
        st = put_block(w, block, slice_of(rest.data, n), NULL);
        rest = slice_skip(rest, n);
    }
    buf_free(&bits);
    return st;
}

/* Everything behind the entries. */
static status put_end(hint_writer *w) {
    CHECK(w->out.file);
    hint_filters_at at;
    char footer[HINT_FOOTER_SIZE];
    TRY(close_block(w));
    TRY(put_filter(w, HINT_KEYS, &w->keys, &at.keys_at, &at.keys_bytes));
    TRY(put_filter(w, HINT_ELEMS, &w->elems, &at.elems_at, &at.elems_bytes));
    hint_footer_encode(footer, &w->info, &at);
    CHECK(w->block == 0);
    return put_block(w, HINT_FOOTER, slice_of(footer, sizeof footer), NULL);
}

/* The writer is gone afterwards; a file that could not be finished is the caller's to unlink. */
status hint_finish(hint_writer *w, uint64_t *bytes) {
    CHECK(w->out.file);
    status st = put_end(w);
    if (bytes) *bytes = outfile_length(&w->out);
    if (status_ok(st)) st = outfile_finish(&w->out);
    hint_abandon(w);
    return st;
}

/* Nothing happens for NULL. */
void hint_abandon(hint_writer *w) {
    if (!w) return;
    outfile_abandon(&w->out);
    filter_builder_free(&w->keys);
    filter_builder_free(&w->elems);
    buf_free(&w->body);
    buf_free(&w->last_key);
    mem_free(w);
}
