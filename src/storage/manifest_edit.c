/* manifest_edit: putting operations together, for an edit or for a whole state, and printing them.
 * manifest_state.h has the encoding.
 *
 * Encoding checks what it is given only where a mistake would make bytes that can't be read;
 * whether an edit is possible in a state is for manifest_state_apply to say, before it is written.
 */
#include "base/codec.h"
#include "base/log.h"
#include "storage/file_header.h"
#include "storage/lines.h"
#include "storage/manifest_state.h"

#define PRINTED_MAX 64 /* bytes of a bound */

static const char *const op_names[] = {
    [MANIFEST_CREATE] = "create",   [MANIFEST_PENDING] = "pending",
    [MANIFEST_APPEND] = "append",   [MANIFEST_SEAL] = "seal",
    [MANIFEST_REPLACE] = "replace", [MANIFEST_RETIRE] = "retire",
    [MANIFEST_GONE] = "gone",       [MANIFEST_RESERVE] = "reserve",
    [MANIFEST_MAP] = "map",         [MANIFEST_FILE] = "file",
    [MANIFEST_DURABLE] = "durable", [MANIFEST_TABLE_ADD] = "table",
    [MANIFEST_TABLE_DROP] = "drop", [MANIFEST_TABLE_LEVEL] = "level",
    [MANIFEST_FLUSHED] = "flushed",
};
static const char *const id_names[MANIFEST_IDS] = {"file", "pdb", "collection", "unused"};

/* Appends one operation. */
static void put_op(buf *out, enum manifest_op op, const char *payload, size_t n) {
    CHECK(op > 0 && op <= MANIFEST_FLUSHED);
    CHECK(n <= RECORD_BODY_MAX - 16);
    char *p = buf_reserve(out, 1 + VARINT_MAX + n), *start = p;
    *p++ = (char)op;
    p = put_varint(p, n);
    CHECK((size_t)(p - start) <= 1 + VARINT_MAX);
    if (n) memcpy(p, payload, n);
    out->len += (size_t)(p - start) + n;
}

/* An operation whose payload is a few varints. */
static void put_numbers(buf *out, enum manifest_op op, const uint64_t *v, int n) {
    CHECK(op > 0);
    char text[4 * VARINT_MAX], *p = text;
    CHECK(n > 0 && n <= 4);
    for (int i = 0; i < n; i++)
        p = put_varint(p, v[i]);
    CHECK((size_t)(p - text) <= sizeof text);
    put_op(out, op, text, (size_t)(p - text));
}

/* Fixed numbers, as ids and keys are random. */
void edit_create(manifest_edit *e, const char *engine, uint64_t store_id, hash_key key,
                 bool cluster) {
    CHECK(engine && e);
    char payload[1 + MANIFEST_ENGINE_MAX + 25], *p = payload;
    size_t n = strlen(engine);
    CHECK(n > 0 && n <= MANIFEST_ENGINE_MAX);
    *p++ = (char)n;
    memcpy(p, engine, n);
    p = put_u64(put_u64(put_u64(p + n, store_id), key.k0), key.k1);
    *p++ = cluster;
    CHECK((size_t)(p - payload) <= sizeof payload);
    put_op(&e->ops, MANIFEST_CREATE, payload, (size_t)(p - payload));
}

/* See manifest_state.h for what each operation means. */
void edit_pending(manifest_edit *e, uint32_t file) {
    CHECK(file > 0);
    put_numbers(&e->ops, MANIFEST_PENDING, (uint64_t[]){file}, 1);
}

/* The file becomes live. */
void edit_append(manifest_edit *e, uint32_t file) {
    CHECK(file > 0);
    put_numbers(&e->ops, MANIFEST_APPEND, (uint64_t[]){file}, 1);
}

/* The file is complete. */
void edit_seal(manifest_edit *e, uint32_t file, uint32_t length) {
    CHECK(file > 0 && length > 0);
    put_numbers(&e->ops, MANIFEST_SEAL, (uint64_t[]){file, length}, 2);
}

/* The outputs' `merged` is not looked at: it is what this operation means. */
void edit_replace(manifest_edit *e, uint32_t first, uint32_t last, const manifest_file *outputs,
                  size_t n) {
    CHECK(first > 0 && last > 0);
    buf payload = {0};
    char *p = buf_reserve(&payload, (3 + 2 * n) * VARINT_MAX), *start = p;
    CHECK(n <= MANIFEST_FILES_MAX);
    p = put_varint(put_varint(put_varint(p, first), last), n);
    for (size_t i = 0; i < n; i++)
        p = put_varint(put_varint(p, outputs[i].number), outputs[i].length);
    CHECK((size_t)(p - start) <= (3 + 2 * n) * VARINT_MAX);
    put_op(&e->ops, MANIFEST_REPLACE, start, (size_t)(p - start));
    buf_free(&payload);
}

/* The file is no longer data. */
void edit_retire(manifest_edit *e, uint32_t file) {
    CHECK(file > 0);
    put_numbers(&e->ops, MANIFEST_RETIRE, (uint64_t[]){file}, 1);
}

/* The file is no longer there. */
void edit_gone(manifest_edit *e, uint32_t file) {
    CHECK(file > 0);
    put_numbers(&e->ops, MANIFEST_GONE, (uint64_t[]){file}, 1);
}

/* Ids up to next may be used once this is durable. */
void edit_reserve(manifest_edit *e, enum manifest_ids which, uint64_t next) {
    CHECK(next > 0);
    char payload[1 + VARINT_MAX];
    CHECK(which < MANIFEST_IDS);
    payload[0] = (char)which;
    put_op(&e->ops, MANIFEST_RESERVE, payload, (size_t)(put_varint(payload + 1, next) - payload));
}

/* The whole mapping, not what changed in it. */
void edit_map(manifest_edit *e, log_pos at, const manifest_map *map, size_t n) {
    CHECK(n == 0 || map);
    buf payload = {0};
    char *p = buf_reserve(&payload, 8 + (1 + 2 * n) * VARINT_MAX), *start = p;
    CHECK(n <= RECORD_DBS_MAX);
    p = put_varint(put_u64(p, at), n);
    for (size_t i = 0; i < n; i++)
        p = put_varint(put_varint(p, map[i].db), map[i].pdb);
    CHECK((size_t)(p - start) <= 8 + (1 + 2 * n) * VARINT_MAX);
    put_op(&e->ops, MANIFEST_MAP, start, (size_t)(p - start));
    buf_free(&payload);
}

/* A position never goes back: see apply_durable. */
void edit_durable(manifest_edit *e, log_pos at) {
    char payload[8];
    CHECK(at > 0);
    put_op(&e->ops, MANIFEST_DURABLE, payload, (size_t)(put_u64(payload, at) - payload));
}

/* A file that was written and fsynced becomes a table. */
void edit_table_add(manifest_edit *e, const manifest_table *t) {
    CHECK(t->length > FILE_HEADER && slice_cmp(t->smallest, t->limit) < 0);
    buf payload = {0};
    manifest_table_encode(t, &payload);
    CHECK(payload.len <= RECORD_BODY_MAX - 16);
    put_op(&e->ops, MANIFEST_TABLE_ADD, payload.data, payload.len);
    buf_free(&payload);
}

/* The table is no longer data. */
void edit_table_drop(manifest_edit *e, uint32_t file) {
    CHECK(file > 0);
    put_numbers(&e->ops, MANIFEST_TABLE_DROP, (uint64_t[]){file}, 1);
}

/* A table moves without being written anew. */
void edit_table_level(manifest_edit *e, uint32_t file, unsigned level) {
    CHECK(file > 0 && level < MANIFEST_LEVELS);
    char payload[VARINT_MAX + 1], *p = put_varint(payload, file);
    *p++ = (char)level;
    put_op(&e->ops, MANIFEST_TABLE_LEVEL, payload, (size_t)(p - payload));
}

/* All the counts, not what changed in them. */
void edit_flushed(manifest_edit *e, log_pos at, const manifest_count *counts, size_t n) {
    CHECK(n == 0 || counts);
    buf payload = {0};
    char *p = buf_reserve(&payload, 8 + (1 + 3 * n) * VARINT_MAX), *start = p;
    p = put_varint(put_u64(p, at), n);
    for (size_t i = 0; i < n; i++) {
        CHECK(counts[i].expires <= counts[i].keys && (i == 0 || counts[i].pdb > counts[i - 1].pdb));
        p = put_varint(put_varint(put_varint(p, counts[i].pdb), counts[i].keys), counts[i].expires);
    }
    put_op(&e->ops, MANIFEST_FLUSHED, start, (size_t)(p - start));
    buf_free(&payload);
}

/* The edit is empty afterwards, and may be used again. */
void edit_free(manifest_edit *e) {
    CHECK(e->ops.len <= e->ops.cap);
    buf_free(&e->ops);
}

/* A live file as it is. */
static void put_file(buf *out, const manifest_file *f) {
    CHECK(f->number > 0);
    char payload[2 * VARINT_MAX + 1];
    char *p = put_varint(put_varint(payload, f->number), f->length);
    CHECK(!f->merged || f->length);
    *p++ = f->merged;
    put_op(out, MANIFEST_FILE, payload, (size_t)(p - payload));
}

/* Ids first, since files and mappings are compared with them. */
void manifest_state_encode(const manifest_state *s, buf *out) {
    CHECK(s->engine[0]);
    CHECK(s->nfiles <= MANIFEST_FILES_MAX && s->nmap <= RECORD_DBS_MAX);
    manifest_edit e = {.ops = *out};
    edit_create(&e, s->engine, s->store_id, s->key, s->cluster);
    for (int i = 0; i < MANIFEST_IDS; i++)
        if (s->ids[i]) edit_reserve(&e, (enum manifest_ids)i, s->ids[i]);
    for (size_t i = 0; i < s->nfiles; i++)
        put_file(&e.ops, &s->files[i]);
    const manifest_tables *all = &s->tables;
    for (const manifest_table *t = manifest_tables_after(all, 0); t;
         t = manifest_tables_after(all, t->number)) {
        edit_pending(&e, t->number); /* what a table becomes one of */
        edit_table_add(&e, t);
    }
    for (size_t i = 0; i < s->npending; i++)
        edit_pending(&e, s->pending[i]);
    if (s->nmap || s->map_at) edit_map(&e, s->map_at, s->map, s->nmap);
    if (s->durable) edit_durable(&e, s->durable);
    if (s->flushed || s->ncounts) edit_flushed(&e, s->flushed, s->counts, s->ncounts);
    *out = e.ops;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* Prints a payload that is a run of varints; false if it is not. */
static bool print_numbers(slice in, buf *out) {
    CHECK(in.len == 0 || in.data);
    uint64_t v;
    while (in.len) {
        if (!get_varint(&in, &v)) return false;
        buf_printf(out, " %llu", (unsigned long long)v);
    }
    return true;
}

/* The key is printed: who reads the manifest has it anyway. */
static bool print_create(slice in, buf *out) {
    CHECK(in.len == 0 || in.data);
    slice n, name, flag;
    uint64_t id, k0, k1;
    if (!get_bytes(&in, 1, &n) || !get_bytes(&in, (unsigned char)n.data[0], &name) ||
        !get_u64(&in, &id) || !get_u64(&in, &k0) || !get_u64(&in, &k1) || !get_bytes(&in, 1, &flag))
        return false;
    buf_printf(out, " engine %.*s store %016llx hash key %016llx%016llx cluster %s", (int)name.len,
               name.data, (unsigned long long)id, (unsigned long long)k0, (unsigned long long)k1,
               flag.data[0] ? "yes" : "no");
    return in.len == 0;
}

/* The position, then pairs. */
static bool print_map(slice in, buf *out) {
    CHECK(in.len == 0 || in.data);
    log_pos at;
    if (!get_u64(&in, &at)) return false;
    buf_printf(out, " at file %u offset %u:", log_pos_file(at), log_pos_offset(at));
    return print_numbers(in, out);
}

/* A position, then triples. */
static bool print_flushed(slice in, buf *out) {
    CHECK(in.len == 0 || in.data);
    log_pos at;
    uint64_t n, keys, expires;
    uint32_t pdb;
    if (!get_u64(&in, &at) || !get_varint(&in, &n)) return false;
    buf_printf(out, " up to file %u offset %u:", log_pos_file(at), log_pos_offset(at));
    while (in.len) {
        if (!get_varint32(&in, &pdb) || !get_varint(&in, &keys) || !get_varint(&in, &expires))
            return false;
        buf_printf(out, " pdb %u %llu keys %llu expires", pdb, (unsigned long long)keys,
                   (unsigned long long)expires);
    }
    return true;
}

/* A table's fields, its bounds quoted. */
static bool print_table(slice in, buf *out) {
    CHECK(in.len == 0 || in.data);
    manifest_table t;
    if (!manifest_table_decode(in, &t)) return false;
    buf_printf(out, " %u level %u recency %llu length %u entries %llu tombstones %llu hidden %llu",
               t.number, t.level, (unsigned long long)t.recency, t.length,
               (unsigned long long)t.entries, (unsigned long long)t.tombstones,
               (unsigned long long)t.hidden);
    buf_printf(out, " plain %llu from ", (unsigned long long)t.plain_bytes);
    lines_quote(out, t.smallest, PRINTED_MAX);
    buf_printf(out, " below ");
    lines_quote(out, t.limit, PRINTED_MAX);
    return true;
}

/* A position alone. */
static bool print_durable(slice in, buf *out) {
    CHECK(in.len == 0 || in.data);
    log_pos at;
    if (!get_u64(&in, &at) || in.len) return false;
    buf_printf(out, " up to file %u offset %u", log_pos_file(at), log_pos_offset(at));
    return true;
}

/* One operation's payload, in the order of its fields. */
static bool print_payload(unsigned op, slice in, buf *out) {
    CHECK(op > 0);
    slice which;
    switch (op) {
    case MANIFEST_CREATE: return print_create(in, out);
    case MANIFEST_MAP: return print_map(in, out);
    case MANIFEST_DURABLE: return print_durable(in, out);
    case MANIFEST_TABLE_ADD: return print_table(in, out);
    case MANIFEST_FLUSHED: return print_flushed(in, out);
    case MANIFEST_RESERVE:
        if (!get_bytes(&in, 1, &which) || (unsigned char)which.data[0] >= MANIFEST_IDS)
            return false;
        buf_printf(out, " %s ids below", id_names[(unsigned char)which.data[0]]);
        return print_numbers(in, out);
    default: return print_numbers(in, out);
    }
}

/* Never fails: it is for looking at what failed. */
void manifest_ops_print(slice ops, buf *out) {
    CHECK(ops.len == 0 || ops.data);
    slice tag, payload;
    while (ops.len) {
        if (!get_bytes(&ops, 1, &tag) || !get_varbytes(&ops, &payload)) {
            buf_printf(out, "bytes that are no operation\n");
            return;
        }
        unsigned op = (unsigned char)tag.data[0];
        bool known = op > 0 && op < sizeof op_names / sizeof *op_names;
        CHECK(!known || op_names[op]);
        buf_printf(out, "%s", known ? op_names[op] : "unknown");
        if (!known || !print_payload(op, payload, out)) buf_printf(out, " (malformed)");
        buf_append_char(out, '\n');
    }
}
