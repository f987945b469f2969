/* check_hint: a hint says of its segment what the segment says, all of it, and nothing else.
 *
 * While the segment is read, each record that names a key leaves an item: a hash of the key, of
 * what the hint repeats, and of the value. The items of one key, sorted by place, end with the one
 * that the hint must have; then the hint's entries, made into the same items, are compared with
 * those. Hashes of 64 bits under the store's key: two keys of a segment that share one are one
 * chance in millions, and would be reported, not missed. */
#include "storage/check_int.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"
#include "storage/hint.h"

/* Continues a hash with a number. */
static uint64_t add_number(uint64_t h, uint64_t v) {
    return siphash13((hash_key){h, 0}, &v, sizeof v);
}

/* Continues a hash with bytes. */
static uint64_t add_bytes(uint64_t h, slice s) {
    CHECK(s.len == 0 || s.data);
    return siphash13((hash_key){h, 1}, s.data, s.len);
}

/* ORDER entries are told by their place, the others by their key. */
static check_item make_item(const hint_entry *e) {
    CHECK(e->map < RECORD_MAP_MAX);
    CHECK(e->size >= RECORD_HEADER);
    unsigned group = e->kind == RECORD_FLUSH || e->kind == RECORD_SWAP ? 1
                     : e->kind == RECORD_PUT || e->kind == RECORD_DEL  ? 2
                     : e->kind == RECORD_DROP                          ? 3
                                                                       : 4;
    check_item it = {.kind = e->kind, .offset = e->offset};
    it.key = add_number(add_number(group, e->pdb), group == 1 ? e->offset : e->map);
    if (group >= 3) {
        it.coll = e->coll;
        it.key = add_number(it.key, e->coll);
    }
    it.key = add_bytes(it.key, e->key);
    it.content = add_number(add_number(e->kind, e->size), e->flags & RECORD_ENTRY_FLAGS);
    it.content = add_number(add_number(it.content, e->type), (uint64_t)e->expire);
    it.content = add_bytes(add_number(it.content, e->coll), e->body);
    it.value = add_bytes(0, e->value);
    CHECK(it.offset >= FILE_HEADER);
    return it;
}

/* Appends an item. */
static void keep(checker *c, check_item it) {
    if (c->nitems == c->room) {
        c->room = c->room ? c->room * 2 : 1024;
        c->items = mem_realloc(c->items, c->room * sizeof *c->items);
    }
    CHECK(c->nitems < c->room);
    c->items[c->nitems++] = it;
}

/* IDLE and BEGIN records say nothing that a hint repeats. */
void check_collect(checker *c, const record *r, uint32_t offset) {
    CHECK(offset >= FILE_HEADER);
    if (r->kind == RECORD_IDLE || r->kind == RECORD_BEGIN) return;
    bool order = r->kind == RECORD_FLUSH || r->kind == RECORD_SWAP;
    bool main = r->kind == RECORD_PUT || r->kind == RECORD_DEL;
    CHECK(c->collect);
    hint_entry e = {.kind = r->kind,
                    .flags = (uint8_t)(r->flags & RECORD_ENTRY_FLAGS),
                    .type = main ? r->type : 0,
                    .map = r->map,
                    .pdb = r->pdb,
                    .offset = offset,
                    .size = r->size,
                    .coll = r->coll,
                    .expire = r->expire,
                    .key = r->key,
                    .value = r->value};
    if (order) e.body = r->body;
    keep(c, make_item(&e));
}

/* By key, and of one key by place. */
static int compare(const void *a, const void *b) {
    const check_item *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Of each key only the last. */
static size_t keep_last(check_item *items, size_t n) {
    CHECK(n == 0 || items);
    size_t out = 0;
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || items[i].key != items[i + 1].key) items[out++] = items[i];
    CHECK(out <= n);
    return out;
}

/* A hint of segment m, being compared. */
typedef struct comparing {
    checker *c;
    const manifest_file *m;
    slice keys, elems; /* filters */
    bool *seen;        /* by item */
    uint64_t wrong;
} comparing;

/* Counts what is wrong with the hint; the first is said. */
static void wrong(comparing *k, uint32_t offset, const char *what) {
    CHECK(what[0] != '\0');
    if (k->wrong++ == 0)
        check_problem(k->c, "hint of segment %u: the record at %u: %s", k->m->number, offset, what);
    CHECK(k->wrong > 0);
}

/* True if the collection was dropped in this segment: its elements need not be in the hint. */
static bool dropped(const checker *c, uint64_t coll) {
    CHECK(coll > 0);
    for (size_t i = 0; i < c->nitems; i++)
        if (c->items[i].kind == RECORD_DROP && c->items[i].coll == coll) return true;
    return false;
}

/* A filter that denies what is there would let a merge drop the delete that hides it. */
static void check_filters(comparing *k, const hint_entry *e) {
    CHECK(k->keys.len % FILTER_BLOCK == 0 && k->elems.len % FILTER_BLOCK == 0);
    const manifest_state *s = &k->c->res->state;
    bool main = e->kind == RECORD_PUT || e->kind == RECORD_DEL;
    bool element = e->kind == RECORD_MAP_PUT || e->kind == RECORD_MAP_DEL;
    if (main) {
        uint64_t token = token_of(s->key, 0, e->key), hash = ((uint64_t)1 << TOKEN_HASH_BITS) - 1;
        if ((token & hash) != (e->token & hash) || (!s->cluster && token != e->token))
            wrong(k, e->offset, "its token is wrong");
        if (!filter_may_hold(k->keys, hint_hash_main(e->pdb, e->token)))
            wrong(k, e->offset, "the filter denies its key");
    }
    if ((element || e->kind == RECORD_DROP) && !filter_may_hold(k->elems, hint_hash_coll(e->coll)))
        wrong(k, e->offset, "the filter denies its collection");
    if (element && !filter_may_hold(k->elems, hint_hash_elem(s->key, e->coll, e->map, e->key)))
        wrong(k, e->offset, "the filter denies its element");
}

/* Compares one entry with the items. */
static void check_entry(comparing *k, const hint_entry *e) {
    CHECK(e->offset >= FILE_HEADER);
    check_item it = make_item(e);
    check_item *found =
        k->c->nitems ? bsearch(&it, k->c->items, k->c->nitems, sizeof it, compare) : NULL;
    check_filters(k, e);
    if (!found) {
        wrong(k, e->offset, "is not the last of that key in the segment");
        return;
    }
    CHECK(found >= k->c->items && found < k->c->items + k->c->nitems);
    k->seen[found - k->c->items] = true;
    if (found->content != it.content) wrong(k, e->offset, "differs from what the hint says");
    if ((e->flags & HINT_INLINE) && found->value != it.value)
        wrong(k, e->offset, "its value is not the hint's");
}

/* Goes through the hint, which is open. What the segment has and the hint has not is as wrong as
 * the other way round: a start that reads the hint would miss it. */
static status compare_all(comparing *k, hint_reader *r) {
    CHECK(k->m->length > 0);
    hint_entry e;
    bool got;
    status st = hint_next(r, &e, &got);
    while (status_ok(st) && got) {
        check_entry(k, &e);
        st = hint_next(r, &e, &got);
    }
    if (!status_ok(st)) return st;
    for (size_t i = 0; i < k->c->nitems; i++) {
        const check_item *it = &k->c->items[i];
        bool element = it->kind == RECORD_MAP_PUT || it->kind == RECORD_MAP_DEL;
        if (k->seen[i] || (element && dropped(k->c, it->coll))) continue;
        wrong(k, it->offset, "is not in the hint");
    }
    CHECK(k->c->nitems <= k->c->room);
    return STATUS_OK;
}

/* Puts the hint on the list of bad ones. */
static void add_bad(check_result *r, uint32_t number) {
    CHECK(r->nbad_hints < r->state.nfiles);
    r->bad_hints = mem_realloc(r->bad_hints, (r->nbad_hints + 1) * sizeof *r->bad_hints);
    r->bad_hints[r->nbad_hints++] = number;
    CHECK(number > 0);
}

/* A damaged hint, or one that is not of this segment, counts as a problem, but not as damage: a
 * start ignores it. */
status check_hint(checker *c, const manifest_file *f) {
    CHECK(f->length > 0 && c->collect);
    char path[FILE_PATH_MAX];
    hint_reader *r;
    buf keys = {0}, elems = {0};
    TRY(file_path(path, c->dir, FILE_HINT, f->number));
    status st = hint_open(c->v, path, c->res->state.store_id, f->number, f->length, &r);
    uint64_t before = c->res->problems;
    if (status_ok(st)) {
        if (c->nitems) qsort(c->items, c->nitems, sizeof *c->items, compare);
        c->nitems = keep_last(c->items, c->nitems);
        comparing k = {.c = c, .m = f, .seen = mem_zalloc(c->nitems + 1)};
        st = hint_filters(r, &keys, &elems);
        k.keys = buf_slice(&keys);
        k.elems = buf_slice(&elems);
        if (status_ok(st)) st = compare_all(&k, r);
        if (k.wrong > 1)
            lines_say(c->say, "PROBLEM: and %llu more of that hint",
                      (unsigned long long)k.wrong - 1);
        CHECK(k.wrong == 0 || c->res->problems > before);
        mem_free(k.seen);
        hint_close(r);
    }
    buf_free(&keys);
    buf_free(&elems);
    if (st.code == ST_CORRUPT) check_problem(c, "%s; a start reads the segment instead", st.msg);
    if (c->res->problems > before)
        add_bad(c->res, f->number);
    else if (status_ok(st))
        c->res->hints++;
    return st.code == ST_CORRUPT ? STATUS_OK : st;
}
