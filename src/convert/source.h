/* source: what can be known of FROM before it is opened. */
#ifndef STAVE_CONVERT_SOURCE_H
#define STAVE_CONVERT_SOURCE_H

#include "convert/convert.h"

typedef struct source {
    const convert_engine *engine;
    uint32_t databases; /* logical ones that the store has */
    bool cluster;
    hash_key hash;
} source;

/* Reads DIR/MANIFEST and changes nothing. name: of the engine, also of one that is not known here.
 * ST_INVALID: not a store, or an engine that is not known. */
status source_look(vfs *v, const char *dir, source *out, char name[16]);
/* ST_INVALID: a directory named `to` would be inside of `from`, or could not be made at all. */
status source_must_be_outside(const char *from, const char *to);

#endif
