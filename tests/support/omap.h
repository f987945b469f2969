/* omap: an ordered map from byte strings to pointers, for reference models in tests.
 *
 * A treap whose priorities are a hash of the key, so its shape depends on its keys alone; every
 * node counts what lies below it, so rank and select cost its height. It shares no code with
 * base/btree, so that a model built on it cannot agree with an engine by having the same bug. */
#ifndef STAVE_TESTS_SUPPORT_OMAP_H
#define STAVE_TESTS_SUPPORT_OMAP_H

#include "base/slice.h"

typedef struct omap omap;

omap *omap_new(void);
/* free_value may be NULL. */
void omap_free(omap *m, void (*free_value)(void *));
uint64_t omap_count(const omap *m);
void *omap_get(const omap *m, slice key); /* NULL if absent */
/* The key is copied. Returns the value that was replaced, or NULL. REQUIRES: value != NULL. */
void *omap_set(omap *m, slice key, void *value);
void *omap_del(omap *m, slice key); /* the value that was there, or NULL */
/* Keys < key. */
uint64_t omap_rank(const omap *m, slice key);
/* The pair with that many before it; false if there is none. The key lives until it is deleted.
 * Either of key and value may be NULL. */
bool omap_at(const omap *m, uint64_t rank, slice *key, void **value);

#endif
