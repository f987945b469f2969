/* ends: where the maps that were used lately begin and end, as far as is known. */
#ifndef STAVE_ENGINE_LSM_ENDS_H
#define STAVE_ENGINE_LSM_ENDS_H

#include "engine/model.h"

#define ENDS 64 /* maps that are remembered at a time */
#define END_KEY_MAX                                                                                \
    128 /* bytes of a subkey: the end of a map at a longer one is not remembered                   \
         */

/* One map: no element's subkey is less than `low`, none is greater than `high`. */
typedef struct map_end {
    uint64_t coll; /* 0: nobody's */
    uint8_t map;
    bool has[2];    /* low, high */
    bool gone[2];   /* the element that was there has been deleted */
    uint8_t len[2]; /* of what is remembered */
    char key[2][END_KEY_MAX];
} map_end;

typedef struct map_ends {
    map_end at[ENDS];
} map_ends;

/* A seek from *from (backward: down from there, from the last if empty): where it may as well
 * begin. True if what it finds is the first element of the map, or the last: then, if there is
 * one, ends_found is to be told. *from stays as it is or lies in m. */
bool ends_seek(const map_ends *m, uint64_t coll, unsigned map, bool backward, slice *from);
void ends_found(map_ends *m, uint64_t coll, unsigned map, bool backward, slice subkey);
/* Is it known that there is no element at that subkey, as the map ends before it? */
bool ends_beyond(const map_ends *m, uint64_t coll, unsigned map, slice subkey);
/* There is an element more. */
void ends_put(map_ends *m, uint64_t coll, unsigned map, slice subkey);
/* There is an element less. */
void ends_del(map_ends *m, uint64_t coll, unsigned map, slice subkey);
/* Is that end known, and was nothing deleted there? Then that is the first element, or the last. */
bool ends_there(const map_ends *m, uint64_t coll, unsigned map, bool high);
/* Elements may be there again that were not: nothing is known. */
void ends_forget(map_ends *m);

#endif
