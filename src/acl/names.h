/* names: texts in the order in which they came, each with a small number: patterns, passwords,
 * rules. */
#ifndef STAVE_ACL_NAMES_H
#define STAVE_ACL_NAMES_H

#include "base/dict.h"

/* NULL is the empty one; made with the first name. */
typedef dict *names;

/* The number of a name; 0: it is not there. */
static inline unsigned names_get(names n, slice name) {
    return n ? (unsigned)(uintptr_t)dict_get(n, name) : 0;
}
/* One that is there keeps its place. REQUIRES: number > 0. */
static inline void names_set(names *n, slice name, unsigned number) {
    if (!*n) *n = dict_new(false);
    (void)dict_set(*n, name, (void *)(uintptr_t)number);
}
/* False: it was not there. */
static inline bool names_del(names *n, slice name) {
    return *n && dict_del(*n, name);
}
/* How many there are. */
static inline size_t names_count(names n) {
    return n ? dict_count(n) : 0;
}
/* Empty again; what the numbers stand for is the caller's. */
static inline void names_clear(names *n) {
    dict_free(*n, NULL);
    *n = NULL;
}
/* A walk: *pos from 0. The names must not change meanwhile. */
static inline bool names_next(names n, size_t *pos, slice *name, unsigned *number) {
    void *value;
    if (!n || !dict_next(n, pos, name, &value)) return false;
    *number = (unsigned)(uintptr_t)value;
    return true;
}
/* REQUIRES: *to is empty. */
static inline void names_copy(names *to, names from) {
    slice name;
    unsigned number;
    for (size_t pos = 0; names_next(from, &pos, &name, &number);)
        names_set(to, name, number);
}

#endif
