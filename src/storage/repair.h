/* repair: making a damaged data directory one that a server accepts, at a price that is said first.
 *
 * Nothing is destroyed: files that are dropped or replaced are renamed to NAME.damaged, which a
 * server ignores. The manifest is replaced atomically, twice: a crash in between leaves a directory
 * that the old or the new manifest describes, and at worst files pending in it that the next start
 * deletes. */
#ifndef STAVE_STORAGE_REPAIR_H
#define STAVE_STORAGE_REPAIR_H

#include "storage/check.h"

typedef enum repair_mode {
    REPAIR_HINTS, /* put damaged hints aside: drops no data */
    REPAIR_CUT,   /* the log ends in front of the first damage: all of the past up to there, whole,
                     and nothing behind */
    REPAIR_SKIP,  /* keep every record that can be read: the newest data, with holes. Batches may
                     come out in part, an older value may show where the newer is lost, and a key
                     may be back whose delete is lost */
} repair_mode;

/* Says what each mode would do about what a check found. */
void repair_explain(const check_result *found, const lines *say);
/* Does it, saying each step. `found` is of the same directory, unchanged since. ST_INVALID: this
 * can't be repaired, and nothing was changed. Damaged hints are put aside in every mode. */
status repair_directory(vfs *v, const char *dir, const check_result *found, repair_mode mode,
                        const lines *say);

#endif
