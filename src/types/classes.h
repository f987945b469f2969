/* classes: the types whose keys hold elements, by number, for whoever handles keys of any type. */
#ifndef STAVE_TYPES_CLASSES_H
#define STAVE_TYPES_CLASSES_H

#include "types/elements.h"

typedef struct type_class {
    const el_type *el;
    /* What OBJECT ENCODING says of such a key. */
    engine_result (*encoding)(elements *el, const char **name);
    ks_wake_fn wake; /* NULL: its keys never have KS_WAKES */
} type_class;

/* Tells the keyspace of the types that want to be woken. Before the first lookup; may be called
 * again. */
void types_start(void);
/* NULL: a string, or no type. */
const type_class *type_class_of(unsigned type);

#endif
