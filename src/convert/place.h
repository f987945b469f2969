/* place: where a new store is made, and how it gets its name: all of it at once, when it is
 * complete.
 *
 *     TO.partial/            made here; it exists only while a conversion runs, or after one that
 *                            was killed: the next one removes it
 *     TO.partial/LOCK        held by the conversion
 *     TO.partial/scratch/    what the source's recovery changes (io/vfs_overlay.h)
 *     TO.partial/store/      the new store; renamed to TO at the end */
#ifndef STAVE_CONVERT_PLACE_H
#define STAVE_CONVERT_PLACE_H

#include "base/buf.h"
#include "io/vfs.h"

typedef struct place {
    vfs *v;
    char *to, *partial, *scratch, *store; /* paths */
    vfs_file *lock;
    bool made; /* TO.partial is ours */
} place;

/* Makes the directories. ST_INVALID: TO exists, or there is something else under the other name;
 * ST_BUSY: another conversion is at it. On failure too place_end is to be called. */
status place_begin(place *p, vfs *v, const char *to);
/* The store is complete and closed: it becomes TO, durably. */
status place_finish(place *p);
/* Removes all that is left under TO.partial. */
void place_end(place *p);

/* "a/b///" without the slashes at its end, as a string of the caller's. */
char *place_path(const char *text);

#endif
