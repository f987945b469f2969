/* outputs: tables are begun when there is a key for them, and ended when they have reached the
 * limit, or somebody wants it, and the next key allows a cut (bounds.h). A job that has nothing to
 * write makes no file. */
#include "engine/lsm/outputs.h"
#include "base/codec.h"
#include "engine/lsm/bounds.h"
#include "engine/lsm/lsm_int.h"

/* Nothing is created yet. */
void outputs_init(outputs *o, const output_spec *spec, vfs *v) {
    CHECK(spec->n > 0 && spec->limit > 0);
    *o = (outputs){.spec = spec, .v = v};
}

/* Creates the next table, whose first key that is. */
static status begin(outputs *o, slice key) {
    CHECK(!o->w && o->used < o->spec->n && key.len > 0);
    const lsm *e = o->spec->e;
    char path[FILE_PATH_MAX];
    uint32_t number = o->spec->numbers[o->used];
    file_header h = {.kind = FILE_TABLE, .store_id = e->store_id, .number = number};
    TRY(file_path(path, e->dir, FILE_TABLE, number));
    TRY(table_create(o->v, path, &h, &o->spec->options, &o->w));
    o->used++;
    o->cut_wanted = false;
    bound_smallest(&o->smallest, key);
    return STATUS_OK;
}

/* Ends the open table and adds it to the result. */
static status end(outputs *o) {
    table_summary t = {0};
    buf line = {0};
    char len[VARINT_MAX];
    table_writer *w = o->w;
    CHECK(w && o->used > 0);
    o->w = NULL;
    status s = table_finish(w, &t);
    if (status_ok(s)) {
        CHECK(t.entries > 0 && t.length > 0);
        bound_limit(&o->limit, buf_slice(&o->last), o->last_drop);
        manifest_table m = {.number = o->spec->numbers[o->used - 1],
                            .length = t.length,
                            .level = o->spec->level,
                            .entries = t.entries,
                            .tombstones = t.tombstones,
                            .hidden = t.hidden,
                            .plain_bytes = t.plain_bytes,
                            .smallest = buf_slice(&o->smallest),
                            .limit = buf_slice(&o->limit)};
        manifest_table_encode(&m, &line);
        buf_append(&o->result, len, (size_t)(put_varint(len, line.len) - len));
        buf_append_slice(&o->result, buf_slice(&line));
        o->written += t.length;
    }
    buf_free(&line);
    buf_free(&t.first);
    buf_free(&t.last);
    return s;
}

/* The one writer's progress. */
uint64_t outputs_bytes(const outputs *o) {
    return o->w ? table_bytes(o->w) : 0;
}

/* Remembered until a key allows it. */
void outputs_cut(outputs *o) {
    CHECK(o->spec);
    o->cut_wanted = true;
}

/* A cut, if it is time for one, then the pair. */
status outputs_put(outputs *o, slice key, slice cell) {
    CHECK(key.len > 0 && cell.len > 0);
    if (o->w && (o->cut_wanted || table_bytes(o->w) >= o->spec->limit) && o->used < o->spec->n &&
        bound_may_cut(buf_slice(&o->last), key))
        TRY(end(o));
    if (!o->w) TRY(begin(o, key));
    TRY(table_add(o->w, key, cell, lkey_filter(o->spec->e, key)));
    buf_clear(&o->last);
    buf_append_slice(&o->last, key);
    o->last_drop = cell.data[0] == CELL_DROP;
    return STATUS_OK;
}

/* Each file was fsynced when it was ended; their names need the directory's fsync. */
status outputs_end(outputs *o) {
    if (o->w) TRY(end(o));
    CHECK(!o->w);
    if (o->used == 0) return STATUS_OK;
    return o->v->ops->sync_dir(o->v, o->spec->e->dir);
}

/* In a simulation a child is no process of its own, so all is given back. */
void outputs_free(outputs *o) {
    table_abandon(o->w);
    o->w = NULL;
    buf_free(&o->smallest);
    buf_free(&o->last);
    buf_free(&o->limit);
    buf_free(&o->result);
}

/* Each table's bytes must be exactly one description. */
bool outputs_next(slice *in, manifest_table *out) {
    slice line, rest = *in;
    if (rest.len == 0 || !get_varbytes(&rest, &line)) return false;
    if (!manifest_table_decode(line, out)) return false;
    CHECK(out->number > 0);
    *in = rest;
    return true;
}
