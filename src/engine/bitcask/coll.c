/* coll: the collections of a database: a table of them by id, and each one's ordered elements.
 *
 * A collection is one counted B+tree from (map number, subkey) to a *cell*, that says where the
 * element's record is:
 *
 *   0  u16  segment  slot
 *   2  u32  offset   of the record
 *   6  u8   flags    1: has an expire time, 2: the value follows, 12: (bytes of size - 1) * 4
 *   7  1, 2 or 4 bytes: size of the record
 *      i64  expire   with flag 1
 *      the value     with flag 2
 *
 * Elements of a derived map have no cells (derive.c).
 *
 * A collection lives as long as a main entry owns it. It needs no record of its own to be dropped:
 * once no entry names its id, after a start too, its elements are garbage (B10). What a dropped one
 * has in each segment is found out by walking over it, in slices, so such bytes count as live a
 * little longer. */
#include "engine/bitcask/coll.h"
#include "engine/bitcask/bitcask_int.h"

#define SLICE_PAIRS 256

enum cell_flags { CELL_EXPIRE = 1, CELL_VALUE = 2, CELL_SIZE_SHIFT = 2 };
#define CELL_FLAGS 6 /* where they are */

/* How many bytes the size has. */
static size_t cell_width(const char *cell_bytes) {
    return 1 + (((uint8_t)cell_bytes[CELL_FLAGS] >> CELL_SIZE_SHIFT) & 3u);
}

/* Changes the size where it is; REQUIRES: it is no larger than before. */
static void set_size(char *cell_bytes, uint32_t size) {
    size_t width = cell_width(cell_bytes);
    CHECK(width == 4 || size >> (8 * width) == 0);
    for (size_t i = 0; i < width; i++)
        cell_bytes[CELL_FLAGS + 1 + i] = (char)(size >> (8 * i));
}

size_t cell_encode(char *p, const cell *c) {
    CHECK(c->expire >= 0 && c->size >= RECORD_HEADER);
    char *at = put_u16(p, c->slot);
    at = put_u32(at, c->offset);
    size_t width = c->size < 1u << 8 ? 1 : c->size < 1u << 16 ? 2 : 4;
    *at++ = (char)((c->expire ? CELL_EXPIRE : 0) | (c->has_value ? CELL_VALUE : 0) |
                   (width - 1) << CELL_SIZE_SHIFT);
    set_size(p, c->size);
    at += width;
    if (c->expire) at = put_u64(at, (uint64_t)c->expire);
    if (c->has_value && c->value.len) memcpy(at, c->value.data, c->value.len);
    at += c->has_value ? c->value.len : 0;
    CHECK((size_t)(at - p) <= CELL_MAX(c->value.len));
    return (size_t)(at - p);
}

/* The value is a slice into the cell. */
void cell_decode(slice b, cell *out) {
    CHECK(b.len > CELL_FLAGS + 1);
    uint8_t flags = (uint8_t)b.data[CELL_FLAGS];
    size_t behind = CELL_FLAGS + 1 + cell_width(b.data); /* the size */
    size_t head = behind + (flags & CELL_EXPIRE ? 8 : 0);
    CHECK(b.len >= head);
    *out = (cell){.slot = load_u16(b.data),
                  .has_value = (flags & CELL_VALUE) != 0,
                  .offset = load_u32(b.data + 2),
                  .expire = flags & CELL_EXPIRE ? (int64_t)load_u64(b.data + behind) : 0};
    for (size_t i = CELL_FLAGS + 1; i < behind; i++)
        out->size |= (uint32_t)(uint8_t)b.data[i] << (8 * (i - CELL_FLAGS - 1));
    CHECK(out->has_value || b.len == head);
    out->value = slice_skip(b, head);
}

value_want coll_want(const coll *c, slice key, const cell *x) {
    CHECK(key.len > 0 && c->id != 0);
    return (value_want){.kind = RECORD_MAP_PUT,
                        .map = (uint8_t)key.data[0],
                        .slot = x->slot,
                        .pdb = c->db->number,
                        .offset = x->offset,
                        .size = x->size,
                        .coll = c->id,
                        .key = slice_skip(key, 1)};
}

/* ---- the table --------------------------------------------------------------------------------
 */

/* One lookup in the database's table. */
coll *coll_find(const pdb *d, uint64_t id) {
    char k[8];
    if (!d->colls) return NULL;
    put_u64(k, id);
    return dict_get(d->colls, slice_of(k, sizeof k));
}

/* Finds it, or makes it empty: while loading, elements may come before their owner. */
coll *coll_make(pdb *d, uint64_t id) {
    char k[8];
    coll *c = coll_find(d, id);
    if (c) return c;
    CHECK(id != 0 && !d->dropped);
    if (!d->colls) d->colls = dict_new(false);
    c = mem_zalloc(sizeof *c);
    c->id = id;
    c->db = d;
    c->tree = btree_new();
    put_u64(k, id);
    void *old = dict_set(d->colls, slice_of(k, sizeof k), c);
    CHECK(old == NULL);
    return c;
}

/* Takes it out of the table. */
static void unhook(coll *c) {
    CHECK(c->db && c->id != 0);
    char k[8];
    put_u64(k, c->id);
    void *was = dict_del(c->db->colls, slice_of(k, sizeof k));
    CHECK(was == c);
}

/* At once, without accounting: only for ends. */
void coll_free(coll *c) {
    CHECK(c->tree);
    btree_free(c->tree);
    mem_free(c);
}

/* Costs the caller a lookup, whatever its size. */
void coll_drop(bitcask *e, coll *c) {
    CHECK(c->owners == 0);
    unhook(c);
    c->next = e->coll_drops;
    e->coll_drops = c;
}

/* Gives the bytes of at most SLICE_PAIRS elements back; true when all are. A database that was
 * dropped meanwhile has given back everything at once. */
static bool walk_some(bitcask *e, coll *c) {
    CHECK(c->owners == 0);
    if (c->walked) return true;
    bool more = c->walking || btree_first(c->tree, &c->walk);
    for (int i = 0; more && i < SLICE_PAIRS; i++) {
        cell x;
        slice bytes = btree_iter_value(&c->walk);
        if (bytes.len) {
            cell_decode(bytes, &x);
            seg_live_sub(e, c->db, x.slot, x.size);
        }
        more = btree_next(&c->walk);
    }
    c->walking = more;
    c->walked = !more;
    return c->walked;
}

/* Their databases' shares are gone, so there is nothing to subtract from. */
void coll_forget(bitcask *e, const pdb *d) {
    for (coll *c = e->coll_drops; c; c = c->next)
        if (c->db == d) c->walked = true;
}

/* First its bytes are given back, then its nodes. */
bool coll_free_some(bitcask *e) {
    coll *c = e->coll_drops;
    if (!c) return false;
    CHECK(c->owners == 0);
    if (walk_some(e, c) && btree_free_some(c->tree, SLICE_PAIRS)) {
        e->coll_drops = c->next;
        mem_free(c);
    }
    return e->coll_drops != NULL;
}

/* Copied, as the subkey may lie in a tree that is about to change. */
slice coll_key(bitcask *e, unsigned map, slice sub) {
    CHECK(map < ENGINE_MAPS && sub.len <= ENGINE_SUBKEY_MAX);
    e->looked = 0;
    buf_clear(&e->sub);
    char *p = buf_reserve(&e->sub, 1 + sub.len);
    p[0] = (char)map;
    if (sub.len) memmove(p + 1, sub.data, sub.len);
    e->sub.len = 1 + sub.len;
    return buf_slice(&e->sub);
}

/* Ids are never used again, so a collection of that id and a tree of that version are the same
 * ones. */
btree_spot *coll_look(bitcask *e, const coll *c, unsigned map, slice sub) {
    slice last = buf_slice(&e->sub);
    CHECK(map < ENGINE_MAPS && c->id != 0);
    if (e->looked == c->id && e->spot.version == btree_version(c->tree) &&
        last.len == 1 + sub.len && (unsigned char)last.data[0] == map &&
        slice_eq(slice_skip(last, 1), sub))
        return &e->spot;
    btree_find(c->tree, coll_key(e, map, sub), &e->spot);
    e->looked = c->id;
    return &e->spot;
}

/* ---- the batch's end ---------------------------------------------------------------------------
 */

/* The key and old cell that u remembers. */
static slice undo_key(const bitcask *e, const undo *u) {
    CHECK(u->element.at + u->element.key_len <= e->batch.bytes.len);
    return slice_of(e->batch.bytes.data + u->element.at, u->element.key_len);
}

/* The cell that was there before the change u. */
static slice undo_old(const bitcask *e, const undo *u) {
    CHECK(u->kind == UNDO_ELEMENT);
    CHECK(u->element.at + u->element.key_len + u->element.old_len <= e->batch.bytes.len);
    return slice_of(e->batch.bytes.data + u->element.at + u->element.key_len, u->element.old_len);
}

/* Changes are undone from the last to the first, so the cell there is the one u made. */
void coll_undo(bitcask *e, const undo *u) {
    if (u->kind == UNDO_COLL_NEW) {
        CHECK(u->c->owners == 0 && btree_count(u->c->tree) == 0);
        unhook(u->c);
        coll_free(u->c);
        return;
    }
    coll *c = u->element.c;
    slice key = undo_key(e, u);
    unsigned map = (unsigned char)key.data[0];
    CHECK(map < ENGINE_MAPS && c->counts[map] + u->had >= u->has);
    if (u->has && u->size) cache_drop(e->values, seg_pos(seg_active(e), u->offset));
    if (u->had) {
        bool was_new = btree_put(c->tree, key, undo_old(e, u));
        CHECK(was_new == !u->has);
    } else {
        bool was = btree_del(c->tree, key);
        CHECK(was && u->has);
    }
    c->counts[map] = c->counts[map] + u->had - u->has;
}

/* Bytes of the new record are live, or hiding; those of the old one are dead. */
void coll_settle(bitcask *e, const undo *u) {
    if (u->kind == UNDO_COLL_NEW) { /* made, and given to no entry */
        if (u->c->owners == 0 && coll_find(u->c->db, u->c->id) == u->c) coll_drop(e, u->c);
        return;
    }
    CHECK(u->kind == UNDO_ELEMENT);
    if (u->size == 0) return; /* a derived one */
    CHECK(u->size >= RECORD_HEADER);
    pdb *d = u->element.c->db;
    if (u->has)
        seg_live_add(e, d, seg_active(e)->slot, u->size);
    else
        seg_hiding_add(e, d, seg_active(e)->slot, u->size);
    if (!u->had) return;
    cell old;
    cell_decode(undo_old(e, u), &old);
    seg_live_sub(e, d, old.slot, old.size);
}

/* A cell's bytes say another place. */
static void cell_set_place(char *cell_bytes, uint16_t slot, uint32_t offset) {
    CHECK(slot != SEG_NO_SLOT && offset >= FILE_HEADER);
    put_u16(cell_bytes, slot);
    put_u32(cell_bytes + 2, offset);
}

void coll_place(coll *c, slice key, slice cell_bytes, uint16_t slot, uint32_t offset,
                uint32_t size) {
    char *copy = mem_dup(cell_bytes.data, cell_bytes.len);
    cell_set_place(copy, slot, offset);
    set_size(copy, size);
    bool there = btree_update(c->tree, key, slice_of(copy, cell_bytes.len));
    CHECK(there);
    mem_free(copy);
}

/* Both the cell in the tree and, for the undo list, the one that u replaced. */
void coll_moved(bitcask *e, const undo *u, uint16_t from_slot, uint32_t from, uint32_t to) {
    CHECK(u->kind == UNDO_ELEMENT);
    slice key = undo_key(e, u), value, old = undo_old(e, u);
    CHECK(u->offset >= FILE_HEADER && to >= FILE_HEADER);
    cell was;
    if (u->had) {
        cell_decode(old, &was);
        if (was.slot == from_slot && was.offset >= from) /* put by this very batch */
            cell_set_place((char *)(uintptr_t)old.data, seg_active(e)->slot,
                           was.offset - from + to);
    }
    if (!u->has || !btree_get(u->element.c->tree, key, &value)) return;
    cell_decode(value, &was); /* maybe of a later change, which comes next */
    coll_place(u->element.c, key, value, seg_active(e)->slot, u->offset, was.size);
}
