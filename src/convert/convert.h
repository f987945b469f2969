/* convert: a store of one engine made from a store of another (or of the same: a copy without
 * garbage), which stays as it is, byte for byte.
 *
 *   1. FROM is opened through an overlay (io/vfs_overlay.h) under its own lock: recovery, which
 *      writes, writes elsewhere.
 *   2. TO is made beside its name (place.h), with the hash key, cluster mode and databases of FROM,
 *      so that SCAN cursors stay good; everything is copied in bounded batches (copy.h).
 *   3. TO is closed, opened again, read from beginning to end, and its tallies (tally.h) compared
 *      with those of what was read from FROM, database by database.
 *   4. It gets its name.
 *
 * Anything that fails removes what was made; FROM is never written to. */
#ifndef STAVE_CONVERT_CONVERT_H
#define STAVE_CONVERT_CONVERT_H

#include "convert/tally.h"
#include "engine/engine.h"

/* An engine, and how it is dropped without writing anything. */
typedef struct convert_engine {
    const engine_class *klass;
    void (*abandon)(engine *e);
} convert_engine;
const convert_engine *convert_engine_named(slice name); /* NULL: there is none */
const char *convert_engine_name(size_t i);              /* from 0; NULL behind the last */

/* Settings of all engines, which are the process': first the defaults, then what differs. */
void convert_settings_default(void);
/* ST_INVALID: there is none of that name, or the value is wrong. */
status convert_set(slice name, slice value);

typedef enum convert_phase { CONVERT_COPYING, CONVERT_VERIFYING } convert_phase;
enum convert_cluster { CONVERT_CLUSTER_AS_IS, CONVERT_CLUSTER_NO, CONVERT_CLUSTER_YES };

typedef struct convert_options {
    vfs *fs; /* where everything is: vfs_posix() but in tests */
    /* How FROM's lock is taken without writing to its file: vfs_posix_lock_as_it_is; NULL: as fs
     * does it. */
    status (*lock)(vfs *v, const char *path, vfs_file **out);
    const char *from, *to;
    const convert_engine *engine; /* of TO */
    enum convert_cluster cluster; /* of TO; another mode is another order of keys: cursors end */
    bool force;                   /* even if TO would be what FROM is */
    /* Sets what TO is to have, by convert_set; called before it is opened. May be NULL. */
    status (*settings)(void *ctx);
    /* Often; sum: what was read in this phase, of `total` keys. May be NULL. */
    void (*progress)(void *ctx, convert_phase phase, const tally_sum *sum, uint64_t total);
    bool (*stopped)(void *ctx); /* asked often; true ends it. May be NULL */
    void *ctx;
} convert_options;

typedef struct convert_report {
    bool began;    /* if not: it was refused, before anything was made */
    char from[16]; /* engine of FROM */
    int databases;
    tally_sum sum;      /* of all databases together, the system's left out */
    uint64_t copied_up; /* bytes of FROM's files that its recovery wanted to change */
} convert_report;

/* ST_INVALID: not a store, the same engine, TO exists. ST_BUSY: in use. ST_NO_SPACE. ST_CORRUPT:
 * FROM is damaged, or TO is not equal to it. ST_FAILED: stopped. */
status convert_store(const convert_options *opt, convert_report *report);

#endif
