/* manifest_state: the state that a manifest's edits add up to.
 *
 * An operation is applied only if it is possible: numbers that were reserved, files in the state
 * that the operation leads out of, runs that are contiguous. So a manifest whose bytes pass their
 * checksums but make no sense (another program wrote it, or ours has a bug) is refused rather than
 * followed.
 *
 * Numbered invariants (what apply keeps):
 *  M1. A number is in one of `files`, `pending` and `tables`, once, or in none; it is below the
 *      reserved file ids.
 *  M2. `pending` and `map` ascend.
 *  M3. Sealed files come before open ones; what came by REPLACE is sealed. */
#include "storage/manifest_state.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/file_header.h"

#define LENGTH_MIN FILE_HEADER

/* The state is empty afterwards. */
void manifest_state_free(manifest_state *s) {
    CHECK(s->nfiles == 0 || s->files);
    CHECK(s->npending == 0 || s->pending);
    mem_free(s->files);
    mem_free(s->pending);
    mem_free(s->map);
    mem_free(s->counts);
    manifest_tables_free(&s->tables);
    *s = (manifest_state){0};
}

/* The copy owns its lists. */
void manifest_state_copy(manifest_state *to, const manifest_state *from) {
    CHECK(to != from);
    CHECK(from->npending <= MANIFEST_FILES_MAX);
    *to = *from;
    CHECK(from->nfiles <= MANIFEST_FILES_MAX && from->nmap <= RECORD_DBS_MAX);
    to->files = mem_dup(from->files, from->nfiles * sizeof *from->files);
    to->pending = mem_dup(from->pending, from->npending * sizeof *from->pending);
    to->map = mem_dup(from->map, from->nmap * sizeof *from->map);
    to->counts = mem_dup(from->counts, from->ncounts * sizeof *from->counts);
    manifest_tables_copy(&to->tables, &from->tables);
}

/* True if n things of `size` bytes are the same. */
static bool same(const void *a, size_t na, const void *b, size_t nb, size_t size) {
    CHECK(size > 0);
    CHECK(na == 0 || a);
    return na == nb && (na == 0 || memcmp(a, b, na * size) == 0);
}

/* Files one by one: a manifest_file has padding. */
static bool same_files(const manifest_state *a, const manifest_state *b) {
    CHECK(a->nfiles == 0 || a->files);
    if (a->nfiles != b->nfiles) return false;
    for (size_t i = 0; i < a->nfiles; i++) {
        const manifest_file *x = &a->files[i], *y = &b->files[i];
        if (x->number != y->number || x->length != y->length || x->merged != y->merged)
            return false;
    }
    return true;
}

/* Counts one by one: a manifest_count has padding. */
static bool same_counts(const manifest_state *a, const manifest_state *b) {
    CHECK(a->ncounts == 0 || a->counts);
    if (a->ncounts != b->ncounts || a->flushed != b->flushed) return false;
    for (size_t i = 0; i < a->ncounts; i++) {
        const manifest_count *x = &a->counts[i], *y = &b->counts[i];
        if (x->pdb != y->pdb || x->keys != y->keys || x->expires != y->expires) return false;
    }
    return true;
}

/* All but `highest`, which is a bound and no fact. */
bool manifest_state_eq(const manifest_state *a, const manifest_state *b) {
    CHECK(a->nmap <= RECORD_DBS_MAX && b->nmap <= RECORD_DBS_MAX);
    return strcmp(a->engine, b->engine) == 0 && a->store_id == b->store_id &&
           a->key.k0 == b->key.k0 && a->key.k1 == b->key.k1 && a->cluster == b->cluster &&
           same_files(a, b) &&
           same(a->pending, a->npending, b->pending, b->npending, sizeof *a->pending) &&
           same(a->ids, MANIFEST_IDS, b->ids, MANIFEST_IDS, sizeof *a->ids) &&
           same(a->map, a->nmap, b->map, b->nmap, sizeof *a->map) && a->map_at == b->map_at &&
           a->durable == b->durable && same_counts(a, b) &&
           manifest_tables_eq(&a->tables, &b->tables);
}

/* A mapping is recorded only once what it is as of is durable, and so are tables. */
log_pos manifest_state_durable(const manifest_state *s) {
    CHECK(s->engine[0]);
    log_pos at = s->durable > s->map_at ? s->durable : s->map_at;
    return at > s->flushed ? at : s->flushed;
}

/* Linear: log files are a few hundred, and new ones have the highest number. */
ptrdiff_t manifest_state_find(const manifest_state *s, uint32_t number) {
    CHECK(s->nfiles <= MANIFEST_FILES_MAX);
    CHECK(s->nfiles == 0 || s->files);
    for (size_t i = 0; number <= s->highest && i < s->nfiles; i++)
        if (s->files[i].number == number) return (ptrdiff_t)i;
    return -1;
}

/* The index at which number is, or would be, in pending. */
static size_t pending_index(const manifest_state *s, uint32_t number) {
    CHECK(s->npending == 0 || s->pending);
    size_t lo = 0, hi = s->npending;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (s->pending[mid] < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    CHECK(lo <= s->npending);
    return lo;
}

/* By halving: the list ascends. */
bool manifest_state_is_pending(const manifest_state *s, uint32_t number) {
    CHECK(s->npending <= MANIFEST_FILES_MAX);
    size_t i = pending_index(s, number);
    return i < s->npending && s->pending[i] == number;
}

/* ---- applying -------------------------------------------------------------------------------- */

/* What is wrong, for the operator's eyes: the edit is refused as a whole. */
static status impossible(const char *what) {
    CHECK(what[0] != '\0');
    return status_make(ST_CORRUPT, "an impossible manifest edit: %s", what);
}

/* Puts a number among the pending ones. */
static status add_pending(manifest_state *s, uint32_t number) {
    CHECK(s->engine[0]);
    size_t i = pending_index(s, number);
    if (number == 0 || number >= s->ids[MANIFEST_IDS_FILE])
        return impossible("a file number that was not reserved");
    if (manifest_state_is_pending(s, number) || manifest_state_find(s, number) >= 0 ||
        manifest_tables_find(&s->tables, number))
        return impossible("a file that is pending twice");
    if (s->npending + s->nfiles + s->tables.n >= MANIFEST_FILES_MAX)
        return impossible("too many files");
    s->pending = mem_realloc(s->pending, (s->npending + 1) * sizeof *s->pending);
    memmove(s->pending + i + 1, s->pending + i, (s->npending - i) * sizeof *s->pending);
    s->pending[i] = number;
    s->npending++;
    return STATUS_OK;
}

/* Takes a number off the pending ones. */
static status drop_pending(manifest_state *s, uint32_t number) {
    CHECK(s->engine[0]);
    size_t i = pending_index(s, number);
    if (i == s->npending || s->pending[i] != number)
        return impossible("a file that is not pending");
    s->npending--;
    memmove(s->pending + i, s->pending + i + 1, (s->npending - i) * sizeof *s->pending);
    return STATUS_OK;
}

/* Keeps the bound that makes looking up a new number quick. */
static void raise_highest(manifest_state *s, uint32_t number) {
    CHECK(number > 0);
    CHECK(number < s->ids[MANIFEST_IDS_FILE]);
    if (number > s->highest) s->highest = number;
}

/* Replaces `cut` files from index i on by `put` new ones, whose slots it returns. */
static manifest_file *splice(manifest_state *s, size_t i, size_t cut, size_t put) {
    CHECK(put <= MANIFEST_FILES_MAX);
    CHECK(i + cut <= s->nfiles);
    if (put > cut) s->files = mem_realloc(s->files, (s->nfiles + put - cut) * sizeof *s->files);
    if (s->nfiles > i + cut)
        memmove(s->files + i + put, s->files + i + cut, (s->nfiles - i - cut) * sizeof *s->files);
    s->nfiles = s->nfiles + put - cut;
    return s->files + i;
}

/* Sets everything that never changes again. */
static status apply_create(manifest_state *s, slice in) {
    slice n, name, flag;
    if (s->engine[0]) return impossible("a second creation");
    CHECK(s->nfiles == 0 && s->npending == 0);
    if (!get_bytes(&in, 1, &n) || !get_bytes(&in, (unsigned char)n.data[0], &name) ||
        name.len == 0 || name.len > MANIFEST_ENGINE_MAX || memchr(name.data, 0, name.len))
        return impossible("the engine's name");
    if (!get_u64(&in, &s->store_id) || !get_u64(&in, &s->key.k0) || !get_u64(&in, &s->key.k1) ||
        !get_bytes(&in, 1, &flag) || in.len || (unsigned char)flag.data[0] > 1)
        return impossible("a malformed creation");
    memcpy(s->engine, name.data, name.len);
    s->cluster = flag.data[0] != 0;
    s->ids[MANIFEST_IDS_FILE] = 1;
    return STATUS_OK;
}

/* New files are open, and last. */
static status apply_append(manifest_state *s, uint32_t number) {
    CHECK(s->engine[0]);
    TRY(drop_pending(s, number));
    CHECK(manifest_state_find(s, number) < 0);
    *splice(s, s->nfiles, 0, 1) = (manifest_file){.number = number};
    raise_highest(s, number);
    return STATUS_OK;
}

/* In log order: what is sealed is durable, and so is all before it. */
static status apply_seal(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    uint32_t number, length;
    if (!get_varint32(&in, &number) || !get_varint32(&in, &length) || in.len || length < LENGTH_MIN)
        return impossible("a malformed seal");
    ptrdiff_t i = manifest_state_find(s, number);
    if (i < 0) return impossible("a seal of a file that is not live");
    if (s->files[i].length) return impossible("a second seal");
    if (i > 0 && s->files[i - 1].length == 0) return impossible("a seal behind an open file");
    s->files[i].length = length;
    return STATUS_OK;
}

/* The outputs of a REPLACE go from pending to slots of their own. */
static status take_outputs(manifest_state *s, slice in, manifest_file *to, size_t n) {
    CHECK(n == 0 || to);
    for (size_t k = 0; k < n; k++) {
        uint32_t number, length;
        if (!get_varint32(&in, &number) || !get_varint32(&in, &length) || length < LENGTH_MIN)
            return impossible("a malformed replacement");
        TRY(drop_pending(s, number));
        raise_highest(s, number);
        to[k] = (manifest_file){.number = number, .length = length, .merged = true};
    }
    return in.len ? impossible("bytes behind a replacement") : STATUS_OK;
}

/* Everything is compared before anything of the list is changed. */
static status apply_replace(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    CHECK(s->ids[MANIFEST_IDS_FILE] > 0);
    uint32_t first, last;
    uint64_t n;
    if (!get_varint32(&in, &first) || !get_varint32(&in, &last) || !get_varint(&in, &n) ||
        n > MANIFEST_FILES_MAX || n > in.len)
        return impossible("a malformed replacement");
    ptrdiff_t a = manifest_state_find(s, first), b = manifest_state_find(s, last);
    if (a < 0 || b < a) return impossible("a replacement of files that are no run");
    size_t cut = (size_t)(b - a) + 1;
    manifest_file *old = mem_dup(s->files + a, cut * sizeof *old);
    manifest_file *outputs = mem_zalloc((size_t)n * sizeof *outputs + 1);
    status st = take_outputs(s, in, outputs, (size_t)n);
    for (size_t k = 0; k < cut && status_ok(st); k++)
        if (old[k].length == 0) st = impossible("a replacement of an open file");
    if (status_ok(st)) {
        manifest_file *to = splice(s, (size_t)a, cut, (size_t)n);
        if (n) memcpy(to, outputs, (size_t)n * sizeof *to);
        for (size_t k = 0; k < cut && status_ok(st); k++)
            st = add_pending(s, old[k].number);
    }
    mem_free(old);
    mem_free(outputs);
    return st;
}

/* Sealed or open, wherever it is in the order. */
static status apply_retire(manifest_state *s, uint32_t number) {
    CHECK(s->engine[0]);
    ptrdiff_t i = manifest_state_find(s, number);
    if (i < 0) return impossible("the end of a file that is not live");
    splice(s, (size_t)i, 1, 0);
    return add_pending(s, number);
}

/* Ids only grow. */
static status apply_reserve(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    CHECK(s->ids[MANIFEST_IDS_FILE] > 0);
    slice which;
    uint64_t next;
    if (!get_bytes(&in, 1, &which) || !get_varint(&in, &next) || in.len ||
        (unsigned char)which.data[0] >= MANIFEST_IDS)
        return impossible("a malformed reservation");
    unsigned w = (unsigned char)which.data[0];
    if (next < s->ids[w]) return impossible("ids that go backward");
    if (w != MANIFEST_IDS_COLL && next > UINT32_MAX) return impossible("ids beyond 32 bits");
    s->ids[w] = next;
    return STATUS_OK;
}

/* The new mapping replaces the old one. */
static status apply_map(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    CHECK(s->nmap <= RECORD_DBS_MAX);
    log_pos at;
    uint64_t n;
    if (!get_u64(&in, &at) || !get_varint(&in, &n) || n > RECORD_DBS_MAX || n > in.len)
        return impossible("a malformed mapping");
    manifest_map *map = mem_zalloc((size_t)n * sizeof *map + 1);
    bool good = at >= s->map_at;
    for (size_t i = 0; i < n && good; i++) {
        good = get_varint32(&in, &map[i].db) && get_varint32(&in, &map[i].pdb) &&
               map[i].db < RECORD_DBS_MAX && map[i].pdb < s->ids[MANIFEST_IDS_PDB] &&
               (i == 0 || map[i].db > map[i - 1].db);
    }
    if (!good || in.len) {
        mem_free(map);
        return impossible("a malformed mapping");
    }
    mem_free(s->map);
    s->map = map;
    s->nmap = (size_t)n;
    s->map_at = at;
    return STATUS_OK;
}

/* What was durable stays so. */
static status apply_durable(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    log_pos at;
    if (!get_u64(&in, &at) || in.len || at < s->durable)
        return impossible("a durable position that goes back");
    s->durable = at;
    return STATUS_OK;
}

/* A file that a rewritten manifest lists: sealed ones first (M3). */
static status apply_file(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    manifest_file f = {0};
    slice merged;
    if (!get_varint32(&in, &f.number) || !get_varint32(&in, &f.length) ||
        !get_bytes(&in, 1, &merged) || in.len || (unsigned char)merged.data[0] > 1 ||
        (f.length && f.length < LENGTH_MIN))
        return impossible("a malformed file");
    f.merged = merged.data[0] != 0;
    if (f.merged && f.length == 0) return impossible("an open merged file");
    if (s->nfiles && f.length && s->files[s->nfiles - 1].length == 0)
        return impossible("a sealed file behind an open one");
    TRY(add_pending(s, f.number)); /* checks that it is new */
    TRY(drop_pending(s, f.number));
    *splice(s, s->nfiles, 0, 1) = f;
    raise_highest(s, f.number);
    return STATUS_OK;
}

/* A file that was written becomes a table; it is new, as no pending file is listed. */
static status apply_table_add(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    manifest_table t;
    if (!manifest_table_decode(in, &t)) return impossible("a malformed table");
    TRY(drop_pending(s, t.number));
    CHECK(!manifest_tables_find(&s->tables, t.number));
    manifest_tables_put(&s->tables, &t);
    return STATUS_OK;
}

/* Its file is to be unlinked. */
static status apply_table_drop(manifest_state *s, uint32_t number) {
    CHECK(s->engine[0]);
    if (!manifest_tables_find(&s->tables, number))
        return impossible("the end of a table that is not there");
    manifest_tables_remove(&s->tables, number);
    return add_pending(s, number);
}

/* Replaces the table by one that differs in its level alone. */
static status apply_table_level(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    uint32_t number;
    slice level;
    if (!get_varint32(&in, &number) || !get_bytes(&in, 1, &level) || in.len ||
        (unsigned char)level.data[0] >= MANIFEST_LEVELS)
        return impossible("a malformed level");
    const manifest_table *is = manifest_tables_find(&s->tables, number);
    if (!is) return impossible("the level of a table that is not there");
    buf bytes = {0};
    manifest_table t = *is;
    t.level = (unsigned char)level.data[0];
    manifest_table_encode(&t, &bytes); /* the bounds go with the table */
    manifest_tables_remove(&s->tables, number);
    CHECK(manifest_table_decode(buf_slice(&bytes), &t));
    manifest_tables_put(&s->tables, &t);
    buf_free(&bytes);
    return STATUS_OK;
}

/* The position never goes back; the counts replace the former ones. */
static status apply_flushed(manifest_state *s, slice in) {
    CHECK(s->engine[0]);
    CHECK(s->ncounts == 0 || s->counts);
    log_pos at;
    uint64_t n;
    if (!get_u64(&in, &at) || at < s->flushed || !get_varint(&in, &n) || n > in.len)
        return impossible("a malformed flushed position");
    manifest_count *counts = mem_zalloc((size_t)n * sizeof *counts + 1);
    bool good = true;
    for (size_t i = 0; i < n && good; i++) {
        manifest_count *c = &counts[i];
        good = get_varint32(&in, &c->pdb) && get_varint(&in, &c->keys) &&
               get_varint(&in, &c->expires) && c->expires <= c->keys &&
               c->pdb < s->ids[MANIFEST_IDS_PDB] && (i == 0 || c->pdb > counts[i - 1].pdb);
    }
    if (!good || in.len) {
        mem_free(counts);
        return impossible("malformed counts");
    }
    mem_free(s->counts);
    s->counts = counts;
    s->ncounts = (size_t)n;
    s->flushed = at;
    return STATUS_OK;
}

/* The operations whose payload is one file number. */
static status apply_number(manifest_state *s, unsigned op, slice in) {
    CHECK(s->engine[0]);
    uint32_t number;
    if (!get_varint32(&in, &number) || in.len) return impossible("a malformed file number");
    switch (op) {
    case MANIFEST_PENDING: return add_pending(s, number);
    case MANIFEST_APPEND: return apply_append(s, number);
    case MANIFEST_RETIRE: return apply_retire(s, number);
    case MANIFEST_TABLE_DROP: return apply_table_drop(s, number);
    default: CHECK(op == MANIFEST_GONE); return drop_pending(s, number);
    }
}

/* One operation. */
static status apply_op(manifest_state *s, unsigned op, slice in) {
    CHECK(op <= UINT8_MAX);
    if (op != MANIFEST_CREATE && !s->engine[0]) return impossible("an edit before the creation");
    switch (op) {
    case MANIFEST_CREATE: return apply_create(s, in);
    case MANIFEST_PENDING:
    case MANIFEST_APPEND:
    case MANIFEST_RETIRE:
    case MANIFEST_TABLE_DROP:
    case MANIFEST_GONE: return apply_number(s, op, in);
    case MANIFEST_SEAL: return apply_seal(s, in);
    case MANIFEST_REPLACE: return apply_replace(s, in);
    case MANIFEST_RESERVE: return apply_reserve(s, in);
    case MANIFEST_MAP: return apply_map(s, in);
    case MANIFEST_FILE: return apply_file(s, in);
    case MANIFEST_DURABLE: return apply_durable(s, in);
    case MANIFEST_TABLE_ADD: return apply_table_add(s, in);
    case MANIFEST_TABLE_LEVEL: return apply_table_level(s, in);
    case MANIFEST_FLUSHED: return apply_flushed(s, in);
    default: return impossible("an unknown operation");
    }
}

/* Takes the next operation off *ops. */
static bool next_op(slice *ops, unsigned *op, slice *payload) {
    CHECK(ops->len == 0 || ops->data);
    slice at = *ops, tag;
    if (!get_bytes(&at, 1, &tag) || !get_varbytes(&at, payload)) return false;
    CHECK(at.len < ops->len);
    *op = (unsigned char)tag.data[0];
    *ops = at;
    return true;
}

/* Stops at the first operation that can't be. */
status manifest_state_apply(manifest_state *s, slice ops) {
    CHECK(ops.len == 0 || ops.data);
    unsigned op;
    slice payload;
    while (ops.len) {
        if (!next_op(&ops, &op, &payload)) return impossible("bytes that are no operation");
        TRY(apply_op(s, op, payload));
    }
    CHECK(s->nfiles + s->npending + s->tables.n <= MANIFEST_FILES_MAX);
    return STATUS_OK;
}

/* Never in the middle of an operation. */
slice manifest_ops_piece(slice *ops, size_t max) {
    CHECK(ops->len > 0 && max > 0);
    slice rest = *ops, payload;
    unsigned op;
    size_t n = 0;
    while (next_op(&rest, &op, &payload)) {
        size_t end = ops->len - rest.len;
        if (n && end > max) break;
        n = end;
    }
    CHECK(n > 0 && n <= RECORD_BODY_MAX);
    slice piece = slice_of(ops->data, n);
    *ops = slice_skip(*ops, n);
    return piece;
}
