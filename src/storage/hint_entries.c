/* hint_entries: the entries of an open hint, block by block.
 *
 *     pieces   |order|main|main|main|main|map|map|        as hint_open has noted them
 *                          ^next     ^end
 *     bytes              |####....|                       the block before `next`, its rest
 *
 * A cursor holds one block at a time and nothing of the reader's changes, so many threads may each
 * go through a part of one hint. Each block's CRCs are checked again as it is read. */
#include "storage/hint_read.h"

#include "base/codec.h"
#include "base/log.h"

const hint_piece *hint_pieces(const hint_reader *r, uint32_t *n) {
    CHECK(r->n <= r->cap && r->size > FILE_HEADER);
    CHECK(r->n == 0 || r->pieces);
    *n = r->n;
    return r->pieces;
}

/* The first main piece that does not come before (pdb, token), or the first behind all of them. */
static uint32_t find(const hint_reader *r, uint32_t pdb, uint64_t token) {
    uint32_t low = 0, high = r->n;
    CHECK(r->size > FILE_HEADER);
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const hint_piece *p = &r->pieces[mid];
        bool before = p->block < HINT_MAIN;
        if (p->block == HINT_MAIN) before = p->pdb < pdb || (p->pdb == pdb && p->token < token);
        if (before)
            low = mid + 1;
        else
            high = mid;
    }
    CHECK(low == r->n || r->pieces[low].block >= HINT_MAIN);
    return low;
}

/* The piece before the first that begins at `from` or later may have such entries too. */
void hint_cursor_seek(hint_cursor *c, const hint_reader *r, uint32_t pdb, uint64_t from,
                      uint64_t to) {
    CHECK(from < to);
    CHECK(r->all.end == r->n);
    uint32_t at = find(r, pdb, from);
    const hint_piece *p = &r->pieces[at ? at - 1 : 0];
    bool one_before = at > 0 && p->block == HINT_MAIN && p->pdb == pdb;
    c->r = r;
    c->next = at - one_before;
    c->end = find(r, pdb, to);
    c->left = 0;
    CHECK(c->next <= c->end);
}

void hint_skip_main(hint_reader *r) {
    CHECK(r->all.end == r->n);
    CHECK(r->n == 0 || r->pieces);
    while (r->all.next < r->n && r->pieces[r->all.next].block <= HINT_MAIN)
        r->all.next++;
    r->all.left = 0;
}

unsigned hint_block_next(const hint_reader *r) {
    CHECK(r->all.end == r->n);
    CHECK(r->all.next <= r->n);
    if (r->all.left) return r->all.block;
    return r->all.next < r->n ? r->pieces[r->all.next].block : 0;
}

/* Behind the block that is being read. */
uint32_t hint_offset(const hint_reader *r) {
    CHECK(r->size > FILE_HEADER);
    CHECK(r->all.next <= r->n);
    const hint_piece *p = &r->pieces[r->all.next ? r->all.next - 1 : 0];
    return r->all.next ? p->offset + p->size : FILE_HEADER;
}

void hint_cursor_free(hint_cursor *c) {
    CHECK(c->next <= c->end);
    buf_free(&c->bytes);
    *c = (hint_cursor){0};
}

/* ---- decoding --------------------------------------------------------------------------------
 */

/* One byte off the front. */
static inline bool get_byte(slice *in, uint8_t *out) {
    CHECK(in->len == 0 || in->data);
    if (in->len == 0) return false;
    *out = (uint8_t)in->data[0];
    *in = slice_skip(*in, 1);
    return true;
}

/* Reads the piece `next`. */
static status read_block(hint_cursor *c) {
    const hint_reader *r = c->r;
    const hint_piece *p = &r->pieces[c->next++];
    record rec;
    uint32_t count;
    CHECK(c->left == 0 && c->next <= r->n);
    CHECK(p->size > RECORD_HEADER && p->size <= RECORD_MAX);
    buf_clear(&c->bytes);
    char *raw = buf_reserve(&c->bytes, p->size);
    TRY(vfs_pread_all(r->file, r->path, raw, p->size, p->offset));
    record_place place = {r->store_id, r->info.segment, p->offset};
    if (record_read(raw, p->size, place, &rec) != RECORD_OK || rec.kind != RECORD_HINT ||
        rec.type != p->block)
        return hint_damaged(r->path, "changed while it was read");
    c->block = p->block;
    c->rest = rec.body;
    c->delta_from = 0;
    bool good = get_u32(&c->rest, &count) && count > 0 && count <= c->rest.len;
    if (good && c->block != HINT_ORDER) good = get_varint32(&c->rest, &c->pdb);
    if (!good) return hint_damaged(r->path, "a malformed block");
    c->left = count;
    return STATUS_OK;
}

/* Kind, flags, token or collection, place. */
static inline bool get_place(hint_cursor *c, slice *in, hint_entry *e) {
    uint64_t delta = 0;
    CHECK(c->left > 0);
    if (!get_byte(in, &e->kind) || hint_block_of(e->kind) != c->block) return false;
    if (c->block != HINT_ORDER) {
        if (!get_byte(in, &e->flags) || (e->flags & ~hint_flags_of(e->kind))) return false;
        if (!get_varint(in, &delta) || delta > UINT64_MAX - c->delta_from) return false;
        e->pdb = c->pdb;
    }
    if (!get_varint32(in, &e->offset) || !get_varint32(in, &e->size)) return false;
    c->delta_from += delta;
    if (c->block == HINT_MAIN) e->token = c->delta_from;
    if (c->block == HINT_MAP) e->coll = c->delta_from;
    if (e->token >> TOKEN_BITS) return false;
    uint64_t end = (uint64_t)e->offset + e->size;
    CHECK(c->r->info.segment_length > 0);
    return e->offset >= FILE_HEADER && e->size >= RECORD_HEADER && e->size <= RECORD_MAX &&
           end <= c->r->info.segment_length;
}

/* What comes behind the place. */
static inline bool get_tail(const hint_cursor *c, slice *in, hint_entry *e) {
    CHECK(e->kind > 0 && e->kind < RECORD_KINDS);
    CHECK(c->block >= HINT_ORDER && c->block <= HINT_MAP);
    uint64_t expire;
    if (c->block == HINT_ORDER)
        return get_varbytes(in, &e->body) && record_pairs_valid(e->kind, e->body);
    if (e->kind == RECORD_DROP) return true;
    if (!get_byte(in, c->block == HINT_MAIN ? &e->type : &e->map)) return false;
    if (!get_varbytes(in, &e->key) || e->key.len > RECORD_KEY_MAX) return false;
    if (e->flags & RECORD_EXPIRE) {
        if (!get_u64(in, &expire) || expire == 0 || expire > INT64_MAX) return false;
        e->expire = (int64_t)expire;
    }
    if (e->flags & RECORD_COLL) {
        if (!get_varint(in, &e->coll) || e->coll == 0) return false;
    }
    if (e->flags & HINT_INLINE) {
        if (!get_varbytes(in, &e->value) || e->value.len > HINT_INLINE_MAX) return false;
    }
    return e->map < RECORD_MAP_MAX;
}

/* Blocks are entered one by one. */
status hint_cursor_next(hint_cursor *c, hint_entry *out, bool *got) {
    CHECK(c->next <= c->end || c->left > 0);
    *out = (hint_entry){0};
    *got = false;
    if (c->left == 0) {
        if (c->next >= c->end) return STATUS_OK;
        TRY(read_block(c));
    }
    if (!get_place(c, &c->rest, out) || !get_tail(c, &c->rest, out))
        return hint_damaged(c->r->path, "a malformed entry");
    c->left--;
    if (c->left == 0 && c->rest.len)
        return hint_damaged(c->r->path, "bytes behind a block's entries");
    CHECK(out->kind > 0 && out->offset >= FILE_HEADER);
    CHECK(out->map < RECORD_MAP_MAX);
    *got = true;
    return STATUS_OK;
}

status hint_next(hint_reader *r, hint_entry *out, bool *got) {
    CHECK(r->size > FILE_HEADER);
    return hint_cursor_next(&r->all, out, got);
}
