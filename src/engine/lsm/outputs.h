/* outputs: the tables that a flush or a compaction writes, one after the other, and the result by
 * which its parent knows them. In a child, over its vfs; nothing else is touched. */
#ifndef STAVE_ENGINE_LSM_OUTPUTS_H
#define STAVE_ENGINE_LSM_OUTPUTS_H

#include "engine/lsm/keys.h"
#include "storage/manifest_tables.h"
#include "storage/table.h"

/* What the parent has decided before the fork. */
typedef struct output_spec {
    const struct lsm *e; /* directory, store, hash */
    table_options options;
    uint64_t limit;          /* bytes at which a table is ended */
    const uint32_t *numbers; /* of the tables; once they are used up, the last one is not ended */
    uint32_t n;
    uint8_t level;
} output_spec;

typedef struct outputs {
    const output_spec *spec;
    vfs *v;
    table_writer *w;
    uint32_t used;   /* numbers; the last one's table is open if w is */
    bool cut_wanted; /* before the next key that allows it */
    bool last_drop;
    buf smallest, last, limit;
    buf result; /* of each table: a varint length and manifest_table_encode's bytes */
    uint64_t written;
} outputs;

void outputs_init(outputs *o, const output_spec *spec, vfs *v);
/* Keys ascend; both are copied. */
status outputs_put(outputs *o, slice key, slice cell);
/* Bytes of the table being written. */
uint64_t outputs_bytes(const outputs *o);
/* The table that is being written should end here, whatever its size. */
void outputs_cut(outputs *o);
/* Ends the last table, and makes all their names durable. */
status outputs_end(outputs *o);
/* A table that is not ended is left as it is. */
void outputs_free(outputs *o);

/* The next table of a result; false at its end, or if it is malformed (then *in is not empty). */
bool outputs_next(slice *in, manifest_table *out);

#endif
