/* dict: a hash table from byte-string keys to pointers, for registries and tables of clients or
 * names; not for data. Open addressing, keys copied. */
#ifndef STAVE_BASE_DICT_H
#define STAVE_BASE_DICT_H

#include "base/slice.h"

typedef struct dict dict;

/* ignore_case: ASCII letters of keys compare alike (command and setting names). Such a table's keys
 * come from the program, not from clients: its hash is fast and not keyed. */
dict *dict_new(bool ignore_case);
void dict_free(dict *d, void (*free_value)(void *));
size_t dict_count(const dict *d);
void *dict_get(const dict *d, slice key); /* NULL if absent */
/* Returns the value that was replaced, or NULL. REQUIRES: value != NULL. */
void *dict_set(dict *d, slice key, void *value);
void *dict_del(dict *d, slice key); /* the value that was there, or NULL */
/* Walks all entries: *pos starts at 0. The table must not change meanwhile. */
bool dict_next(const dict *d, size_t *pos, slice *key, void **value);

#endif
