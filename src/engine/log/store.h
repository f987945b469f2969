/* store: a data directory: taking its lock, reading or making its manifest, and seeing that all
 * that lies in it is known. */
#ifndef STAVE_ENGINE_LOG_STORE_H
#define STAVE_ENGINE_LOG_STORE_H

#include "engine/log/meta.h"
#include "engine/model.h"

/* What an engine says of its stores. */
typedef struct store_kind {
    const char *engine; /* its name in the manifest */
    /* Is a file of that kind and number, which is not pending, one that the manifest means? */
    bool (*is_live)(const manifest_state *state, unsigned kind, uint32_t number);
} store_kind;

/* Opens or creates opt->dir: lock, manifest, the check that it is of this engine and this mode, the
 * listing (.tmp files and what is pending are unlinked, a file that the manifest does not know is a
 * refusal). Fills m, which meta_init has seen. ST_BUSY, ST_INVALID, ST_CORRUPT: as engine_class.
 * On failure m is to be freed all the same. */
status store_open(meta_queue *m, const store_kind *kind, const engine_options *opt);

#endif
