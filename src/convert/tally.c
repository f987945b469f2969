/* tally: see tally.h. What is hashed is in tally->bytes, in the layout of put_entry and
 * put_element; it is nowhere on disk. */
#include "convert/tally.h"

#include "base/codec.h"

static const hash_key hash_a = {0x7461766573746f72, 0x616c6c7961626364};
static const hash_key hash_b = {0x0123456789abcdef, 0xfedcba9876543210};

enum tally_kind { TALLY_ENTRY = 1, TALLY_ELEMENT = 2 };

/* u8 kind, u64, u64, u8, u8, u64 length, bytes, then the second slice to the end. */
static void put_item(buf *out, enum tally_kind kind, uint64_t x, uint64_t y, unsigned p, unsigned q,
                     slice first, slice second) {
    buf_clear(out);
    char *at = buf_reserve(out, 27 + first.len + second.len);
    *at++ = (char)kind;
    at = put_u64(at, x);
    at = put_u64(at, y);
    *at++ = (char)p;
    *at++ = (char)q;
    at = put_u64(at, first.len);
    out->len = 27;
    buf_append_slice(out, first);
    buf_append_slice(out, second);
}

/* Adds the hashes of what put_item has made. */
static void add(tally *t, slice first, slice second) {
    t->sum.a += siphash13(hash_a, t->bytes.data, t->bytes.len);
    t->sum.b += siphash13(hash_b, t->bytes.data, t->bytes.len);
    t->sum.bytes += first.len + second.len;
}

/* An id of a collection is not the same elsewhere: only that there is one counts. */
void tally_entry(tally *t, slice key, const entry *ent) {
    t->key_a = siphash13(hash_a, key.data, key.len);
    t->key_b = siphash13(hash_b, key.data, key.len);
    put_item(&t->bytes, TALLY_ENTRY, (uint64_t)ent->expire, ent->coll != 0, ent->type, ent->hint,
             key, ent->value);
    add(t, key, ent->value);
    t->sum.keys++;
}

/* The key counts by its hashes, so that it is not hashed for each of its elements. */
void tally_element(tally *t, unsigned map, slice sub, slice value, int64_t expire) {
    put_item(&t->bytes, TALLY_ELEMENT, t->key_a, t->key_b, map, 0, sub, value);
    char when[8];
    put_u64(when, (uint64_t)expire);
    buf_append(&t->bytes, when, sizeof when);
    add(t, sub, value);
    t->sum.elements++;
}

/* The counts too, as they say more to whoever reads an error. */
bool tally_eq(const tally_sum *x, const tally_sum *y) {
    return x->keys == y->keys && x->elements == y->elements && x->bytes == y->bytes &&
           x->a == y->a && x->b == y->b;
}

/* The sum stays. */
void tally_free(tally *t) {
    buf_free(&t->bytes);
}
