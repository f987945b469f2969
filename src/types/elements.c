/* A key's elements: opening them, and what stays of them in the main entry.
 *
 * The main entry's value is
 *
 *   u8       form: 1 apart, 2 header, 4 wakes
 *   i64 i64  the key's own expire time, the time of the wake-up    (wakes; see KS_WAKES)
 *   varint   length of the header, then the header                 (header)
 *   varint   how many elements, then they, as pack.h says           (not apart)
 *
 * Packed elements are read and changed in a copy that lives as long as the batch, so that commands
 * may have any number of keys open, and a change of several elements is one put. */
#include "types/elements_int.h"

enum el_form { FORM_APART = 1, FORM_HEADER = 2, FORM_WAKES = 4, FORM_ALL = 7 };

#define WAKES_BYTES 16

/* ---- opening ------------------------------------------------------------------------------------
 */

/* Takes a piece of the main entry's value; malformed bytes passed their CRC, so they are a fault of
 * this program. */
static slice take_bytes(slice *in, size_t n) {
    slice out;
    CHECK(get_bytes(in, n, &out));
    return out;
}

/* From the entry's own bytes, which were written here. */
static uint64_t take_number(slice *in) {
    uint64_t n;
    CHECK(get_varint(in, &n));
    return n;
}

/* The copy has room for changes if there will be any. */
static void own_bytes(elements *el, slice packed, bool write) {
    el->len = packed.len;
    el->cap = write && packed.len < EL_PACKED_BYTES ? EL_PACKED_BYTES : packed.len;
    el->own = write;
    el->bytes =
        el->packed_room ? room_for(el->ks, el->packed_room, el->cap) : ks_alloc(el->ks, el->cap);
    if (packed.len) memcpy(el->bytes, packed.data, packed.len);
}

/* Decodes the main entry's value into out. */
static engine_result decode(elements *out, const entry *ent, bool write) {
    slice in = ent->value;
    unsigned form = (unsigned char)take_bytes(&in, 1).data[0];
    CHECK(form <= FORM_ALL && !(form & FORM_APART) == (ent->coll == 0));
    CHECK(!(form & FORM_WAKES) == !(ent->hint & KS_WAKES));
    if (form & FORM_WAKES) out->wake = (int64_t)load_u64(take_bytes(&in, WAKES_BYTES).data + 8);
    if (form & FORM_HEADER) out->header = el_keep(out, take_bytes(&in, take_number(&in)));
    if (form & FORM_APART) {
        CHECK(in.len == 0);
        return engine_coll_open(el_engine(out), out->db, out->key, &out->ent, &out->apart);
    }
    out->packed = true;
    uint64_t count = take_number(&in);
    CHECK(count <= in.len);
    out->count = (uint32_t)count;
    own_bytes(out, in, write);
    return ENGINE_OK;
}

/* As el_of_entry; write: they will be changed. */
static engine_result open_entry(elements *out, const entry *ent, bool write) {
    out->exists = out->stored = true;
    out->ent = *ent;
    out->ent.value = SLICE_EMPTY;
    out->pos = ent->pos;
    out->wrong_type = ent->type != out->type->type;
    return out->wrong_type ? ENGINE_OK : decode(out, ent, write);
}

engine_result el_of_entry(keyspace *ks, uint32_t db, slice key, const entry *ent,
                          const el_type *type, elements *out) {
    *out = (elements){.ks = ks, .db = db, .key = key, .type = type};
    return open_entry(out, ent, true);
}

/* Without a key there are none, packed. */
static void open_empty(elements *out) {
    out->packed = true;
    out->ent.type = out->type->type;
}

engine_result el_open(keyspace *ks, uint32_t db, slice key, const el_type *type, unsigned flags,
                      elements *out) {
    return el_look(ks, db, key, type, flags, NULL, out);
}

engine_result el_look(keyspace *ks, uint32_t db, slice key, const el_type *type, unsigned flags,
                      el_room *room, elements *out) {
    entry ent;
    CHECK(!(flags & KS_META) && !(room && flags & KS_WRITE));
    *out = (elements){.ks = ks, .db = db, .key = key, .type = type, .packed_room = room};
    engine_result r = ks_get(ks, db, key, flags, &ent);
    if (r == ENGINE_OK) return open_entry(out, &ent, (flags & KS_WRITE) != 0);
    open_empty(out);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

void el_create(keyspace *ks, uint32_t db, slice key, const el_type *type, elements *out) {
    *out = (elements){.ks = ks, .db = db, .key = key, .type = type, .replaces = true};
    open_empty(out);
}

/* ---- the main entry -----------------------------------------------------------------------------
 */

slice el_keep(elements *el, slice s) {
    if (s.len == 0) return s;
    char *copy = ks_alloc(el->ks, s.len);
    memcpy(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

/* As if they were packed and none: what was apart goes when the entry no longer names it. */
void el_clear(elements *el) {
    CHECK(!el->wrong_type && (el->packed || el->ent.coll == el->apart.id));
    el->packed = el->entry_changed = true;
    el->own = false;
    el->count = 0;
    el->len = el->cap = 0;
    el->bytes = NULL;
    el->places = NULL;
}

void el_make(elements *el) {
    CHECK(el->type->lives_empty && !el->wrong_type);
    el->entry_changed |= !el->exists;
    el->exists = true;
}

void el_set_hint(elements *el, unsigned hint) {
    CHECK(hint < KS_WAKES);
    if (el_hint(el) == hint) return;
    el->ent.hint = (uint8_t)((el->ent.hint & KS_WAKES) | hint);
    el->entry_changed = true;
}

void el_set_header(elements *el, slice header) {
    if (slice_eq(el->header, header)) return;
    el->header = el_keep(el, header);
    el->entry_changed = true;
}

void el_set_wake(elements *el, int64_t when) {
    CHECK(when >= 0);
    if (el->wake == when) return;
    el->wake = when;
    el->ent.hint = (uint8_t)(el_hint(el) | (when ? KS_WAKES : 0));
    el->entry_changed = true;
}

/* Encodes the main entry's value. */
static slice encode(elements *el) {
    size_t max = 1 + WAKES_BYTES + 2 * VARINT_MAX + el->header.len + el->len;
    char *start = ks_alloc(el->ks, max), *p = start + 1;
    unsigned form = el->packed ? 0 : FORM_APART;
    if (el->wake) {
        form |= FORM_WAKES;
        p = put_u64(put_u64(p, (uint64_t)el->ent.expire), (uint64_t)el->wake);
    }
    if (el->header.len) {
        form |= FORM_HEADER;
        p = put_varint(p, el->header.len);
        memcpy(p, el->header.data, el->header.len);
        p += el->header.len;
    }
    if (el->packed) {
        p = put_varint(p, el->count);
        if (el->len) memcpy(p, el->bytes, el->len);
        p += el->len;
    }
    start[0] = (char)form;
    CHECK((size_t)(p - start) <= max);
    return slice_of(start, (size_t)(p - start));
}

/* Puts the main entry. */
static engine_result put_entry(elements *el) {
    entry ent = el->ent;
    ent.type = el->type->type;
    ent.coll = el->packed ? 0 : el->apart.id;
    ent.value = encode(el);
    engine_result r = ks_put(el->ks, el->db, el->key, &ent);
    el->stored = r == ENGINE_OK;
    el->entry_changed = el->replaces = false;
    el->ent.coll = ent.coll;
    return r;
}

/* No elements are left, so the key goes, if it is there; a collection that no entry has yet is
 * given one first, to go with it. These are then as of a key that is not there. */
static engine_result delete_entry(elements *el) {
    engine_result r = ENGINE_OK;
    bool was = el->stored || el->replaces;
    if (!el->packed && el->ent.coll != el->apart.id) {
        r = put_entry(el);
        if (r != ENGINE_OK) return r;
    }
    if (el->stored || el->replaces) r = ks_del(el->ks, el->db, el->key);
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return r;
    log_pos pos = el->pos;
    *el = (elements){.ks = el->ks, .db = el->db, .key = el->key, .type = el->type, .pos = pos};
    open_empty(el);
    el->deleted = was && r == ENGINE_OK;
    return ENGINE_OK;
}

engine_result el_end(elements *el) {
    CHECK(!el->wrong_type);
    if (el_count(el, 0) == 0 && !(el->type->lives_empty && el->exists)) return delete_entry(el);
    return el->entry_changed || el->replaces ? put_entry(el) : ENGINE_OK;
}
