/* check: everything about a data directory that can be verified without a server: the manifest, the
 * files it lists, every record of every segment or log file, marks, ids, compressed values, hints
 * against their segments, every block of every table. Reads only. The directory must not be in use.
 */
#ifndef STAVE_STORAGE_CHECK_H
#define STAVE_STORAGE_CHECK_H

#include "io/vfs.h"
#include "storage/lines.h"
#include "storage/manifest.h"

/* Damage to a segment: acknowledged data that can't be read. */
typedef struct check_damage {
    size_t file;       /* index into state.files */
    uint32_t end;      /* end of the last whole batch in front of it */
    uint32_t bad;      /* first byte that can't be read */
    bool missing;      /* there is no such file */
    bool header;       /* its file header is bad, or another file's */
    uint64_t readable; /* records behind it, in the same file, that can still be read */
    uint64_t lost;     /* bytes behind it that are no record */
} check_damage;

typedef struct check_result {
    manifest_state state;
    manifest_report manifest;
    bool manifest_damaged; /* state is as of the last edit in front of the damage */
    check_damage *damage;  /* in log order */
    size_t ndamage;
    uint32_t *ends; /* by file: where its whole batches end */
    uint32_t *bad_hints;
    size_t nbad_hints;
    uint32_t *bad_tables; /* of which not every block can be read */
    size_t nbad_tables;
    uint64_t problems; /* everything that is wrong, damage included */
    uint64_t unknown;  /* files with names of ours that the manifest does not have */
    bool torn;         /* the log has a torn end: not a problem, the next start cuts it */
    uint64_t segments; /* the log's files */
    uint64_t hints, tables, records, entries, bytes;
    uint64_t kinds[RECORD_KINDS];
} check_result;

/* Says what it finds; problems begin with "PROBLEM". Not ok only if it could not look: no manifest,
 * a newer format, a disk that fails. */
status check_directory(vfs *v, const char *dir, const lines *say, check_result *out);
void check_result_free(check_result *r);
/* file_kind of the log's files in this store: the LSM engine's have a kind of their own. */
unsigned check_log_kind(const manifest_state *s);

#endif
