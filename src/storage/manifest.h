/* manifest: the file MANIFEST, the only truth about which files make up the store.
 *
 * A file header (its number counts rewrites) and RECORD_MANIFEST records. Each edit is fsynced
 * before the next is appended and carries the end of the former as its mark; when it is durable an
 * IDLE record with the mark follows, so that damage to the last edit too is told from a torn one.
 * Space is allocated ahead, so that a full disk refuses an edit before a byte of it is written. A
 * manifest that has grown, or whose end was torn, is rewritten with the next edit: MANIFEST.tmp,
 * fsync, rename, fsync of the directory.
 *
 * An edit is made in three steps, so that the slow one can run on a worker:
 *
 *   manifest_prepare   on the thread: checks the edit against the state, encodes it
 *   manifest_write     anywhere: writes and fsyncs
 *   manifest_finish    on the thread: the new state becomes the state, or the old one stays
 *
 * or in one: manifest_commit. One edit is under way at a time; meanwhile collect the next. */
#ifndef STAVE_STORAGE_MANIFEST_H
#define STAVE_STORAGE_MANIFEST_H

#include "io/vfs.h"
#include "storage/manifest_state.h"

typedef struct manifest manifest;

/* Bytes allocated at a time, and the size below which a manifest is not rewritten. 64 KiB; only a
 * simulation has a reason to change it: so that both happen often. */
extern uint32_t manifest_ahead;

/* What loading found besides the state. */
typedef struct manifest_report {
    uint32_t number;   /* of rewrites */
    uint32_t length;   /* end of the last good record */
    uint32_t edit_end; /* end of the last edit */
    uint32_t marked;   /* all before it was durable when it was read: the greatest mark */
    uint64_t edits;    /* records of edits */
    bool torn;         /* there were bytes behind `length`; they were cut off */
} manifest_report;

/* Makes DIR/MANIFEST with the edit, which begins with edit_create; durable when it returns. */
status manifest_create(vfs *v, const char *dir, const manifest_edit *first, manifest **out);
/* ST_NOT_FOUND: there is none. ST_CORRUPT: damage before a later valid mark, or not a manifest.
 * ST_INVALID: a newer format. A torn last edit is cut (see manifest_about). What it says is durable
 * when it returns. */
status manifest_open(vfs *v, const char *dir, manifest **out);
void manifest_close(manifest *m);
/* Reads the state without writing a thing; path is the manifest's. For stave-check. On ST_CORRUPT
 * state and report are what was read before the damage. */
status manifest_load(vfs *v, const char *path, manifest_state *state, manifest_report *report);
/* Replaces DIR/MANIFEST by one that says just `state`, numbered `number`. For stave-check. */
status manifest_rewrite(vfs *v, const char *dir, const manifest_state *state, uint32_t number);

/* The state as of the last edit that is durable. Valid until the next finish. */
const manifest_state *manifest_get(const manifest *m);
const manifest_report *manifest_about(const manifest *m);

/* ST_INVALID if the edit is impossible (a bug of the caller's). The edit is copied. REQUIRES: no
 * edit under way. */
status manifest_prepare(manifest *m, const manifest_edit *e);
/* ST_NO_SPACE: nothing happened, try again later. Anything else: final, see manifest_failed. */
status manifest_write(manifest *m);
/* After manifest_write: takes its result into account. */
void manifest_finish(manifest *m);
bool manifest_busy(const manifest *m); /* between prepare and finish */
status manifest_commit(manifest *m, const manifest_edit *e);
/* Ok, or why the manifest takes no more edits. */
status manifest_failed(const manifest *m);

#endif
