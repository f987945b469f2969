/* elements_int: what the files of elements share. */
#ifndef STAVE_TYPES_ELEMENTS_INT_H
#define STAVE_TYPES_ELEMENTS_INT_H

#include "base/log.h"
#include "base/mem.h"
#include "keyspace/keyenc.h"
#include "types/elements.h"
#include "types/pack.h"

/* Does map 0 have a prefix of hash when it is apart? */
static inline bool el_hashed(const elements *el, unsigned map) {
    return map == 0 && el->type->order != EL_BY_SUBKEY;
}
static inline slice el_pack(const elements *el) {
    return slice_of(el->bytes, el->len);
}
static inline engine *el_engine(const elements *el) {
    return ks_engine(el->ks);
}
static inline void el_saw(elements *el, log_pos pos) {
    if (pos > el->pos) el->pos = pos;
}

/* Room for a subkey that is short, as nearly all are; a longer one is in el->joined. */
typedef struct el_key {
    char small[128];
} el_key;
/* `head` (n bytes), then the subkey: until the next one is joined. */
slice el_join(elements *el, el_key *k, const char *head, size_t n, slice sub);
/* The subkey as the engine has it. */
slice el_engine_key(elements *el, el_key *k, unsigned map, slice sub);

/* The packed element of that number. REQUIRES: index < count. */
void el_packed_at(elements *el, uint32_t index, pack_item *out);
/* Where a derived subkey stands to another: as slice_cmp(head ‖ member, other). */
int el_derived_cmp(const char head[KEYENC_HEAD], slice member, slice other);
/* An element that is apart, as the engine gave it; sub: its own subkey, without prefix. */
engine_result el_apart_item(elements *el, unsigned map, slice sub, const map_iter *it,
                            el_item *out);
/* The iterator where the engine's has just come to, with that result. */
engine_result el_settle(el_iter *out, engine_result r);

/* elements_long.c: of the value of the element `sub` of map 0. */
engine_result el_long_load(elements *el, slice sub, el_item *out);
engine_result el_long_put(elements *el, slice sub, slice value);
engine_result el_long_del(elements *el, slice sub);

#endif
