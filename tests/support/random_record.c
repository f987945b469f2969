/* random_record: see the header. Values with RECORD_LZ4 are noise: nobody decompresses them. */
#include "support/random_record.h"

static void fill(rng *r, buf *b, size_t n) {
    buf_clear(b);
    char *p = buf_reserve(b, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)rng_next(r);
    b->len = n;
}

/* Mostly short, sometimes anything up to `longest`. */
static size_t length(rng *r, size_t longest) {
    size_t most = rng_below(r, 8) ? 24 : longest;
    return rng_below(r, (most < longest ? most : longest) + 1);
}

/* Ids of all magnitudes. */
static uint64_t id(rng *r, unsigned bits) {
    return rng_next(r) >> (64 - 1 - rng_below(r, bits));
}

void random_record(rng *r, size_t longest, random_bytes *mem, record *out) {
    static const uint8_t kinds[] = {RECORD_PUT,   RECORD_PUT,  RECORD_DEL,     RECORD_MAP_PUT,
                                    RECORD_DROP,  RECORD_SWAP, RECORD_IDLE,    RECORD_MAP_DEL,
                                    RECORD_FLUSH, RECORD_HINT, RECORD_MANIFEST};
    *out = (record){.kind = kinds[rng_below(r, sizeof kinds)]};
    uint16_t flags = (uint16_t)rng_next(r);
    bool put = out->kind == RECORD_PUT || out->kind == RECORD_MAP_PUT;
    bool map = out->kind == RECORD_MAP_PUT || out->kind == RECORD_MAP_DEL;
    bool keyed = put || map || out->kind == RECORD_DEL;
    uint16_t allowed = keyed ? RECORD_NEW | RECORD_HIDES : 0;
    if (put) allowed |= RECORD_LZ4 | RECORD_EXPIRE;
    if (out->kind == RECORD_PUT) allowed |= RECORD_COLL;
    out->flags = flags & allowed;
    if (rng_below(r, 4) == 0) out->flags |= flags & (RECORD_MARK | RECORD_ORIGIN);
    out->type = (uint8_t)rng_next(r);
    if (out->flags & RECORD_MARK) out->mark = rng_next(r);
    for (size_t i = 0; i < sizeof mem->origin; i++)
        mem->origin[i] = (char)rng_next(r);
    if (out->flags & RECORD_ORIGIN) out->origin = slice_of(mem->origin, sizeof mem->origin);
    if (keyed || out->kind == RECORD_DROP) out->pdb = (uint32_t)id(r, 32);
    if (map || out->kind == RECORD_DROP || (out->flags & RECORD_COLL)) out->coll = id(r, 63) + 1;
    if (map) out->map = (uint8_t)rng_below(r, RECORD_MAP_MAX);
    if (keyed) {
        fill(r, &mem->key, length(r, longest));
        out->key = buf_slice(&mem->key);
    }
    if (out->flags & RECORD_EXPIRE) out->expire = (int64_t)(id(r, 62) + 1);
    if (put) {
        fill(r, &mem->value, length(r, longest) + (out->flags & RECORD_LZ4 ? 1 : 0));
        out->value = buf_slice(&mem->value);
        out->plain_len = out->flags & RECORD_LZ4 ? id(r, 20) : out->value.len;
    }
    if (out->kind == RECORD_HINT || out->kind == RECORD_MANIFEST) {
        fill(r, &mem->body, length(r, longest));
        out->body = buf_slice(&mem->body);
    } else if (out->kind == RECORD_FLUSH || out->kind == RECORD_SWAP) {
        uint32_t db[9], pdb[9], n = out->kind == RECORD_SWAP ? 2 : 1 + (uint32_t)rng_below(r, 9);
        for (uint32_t i = 0; i < n; i++) {
            db[i] = (uint32_t)rng_below(r, RECORD_DBS_MAX);
            pdb[i] = (uint32_t)id(r, 32);
        }
        buf_clear(&mem->body);
        record_put_pairs(&mem->body, n, db, pdb);
        out->body = buf_slice(&mem->body);
    }
}

void random_bytes_free(random_bytes *mem) {
    buf_free(&mem->key);
    buf_free(&mem->value);
    buf_free(&mem->body);
}

bool record_same(const record *a, const record *b) {
    bool body_given = a->kind == RECORD_HINT || a->kind == RECORD_MANIFEST ||
                      a->kind == RECORD_FLUSH || a->kind == RECORD_SWAP;
    return a->kind == b->kind && a->type == b->type &&
           (a->flags | RECORD_CONTINUES) == (b->flags | RECORD_CONTINUES) && a->pdb == b->pdb &&
           a->coll == b->coll && a->map == b->map && slice_eq(a->key, b->key) &&
           a->expire == b->expire && slice_eq(a->value, b->value) && a->plain_len == b->plain_len &&
           a->mark == b->mark && slice_eq(a->origin, b->origin) &&
           (!body_given || slice_eq(a->body, b->body)) && a->prev == b->prev;
}
