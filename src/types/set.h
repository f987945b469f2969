/* set: different members, without values: map 0 member -> nothing.
 *
 * entry.hint has the encoding that redis-server 7.2 would have chosen (enum set_encoding). It
 * depends on what has been added since the key was made, in which order, and on the settings then.
 * The members of an intset are walked in their numeric order, as there.
 *
 * Functions pass on what is not ENGINE_OK, and elements.h's rules hold: el_end after changes. */
#ifndef STAVE_TYPES_SET_H
#define STAVE_TYPES_SET_H

#include "types/elements.h"

/* On disk: never renumber. */
enum set_encoding {
    SET_NEW = 0, /* nothing was added */
    SET_INTSET = 1,
    SET_LISTPACK = 2,
    SET_HASHTABLE = 3,
};

extern const el_type set_type;
/* What OBJECT ENCODING says; for classes.c. */
engine_result set_encoding(elements *el, const char **name);

/* Is it written as redis-server writes an integer of 64 bits? */
bool set_is_integer(slice member);
/* How redis-server chooses: the encoding that a new member makes of one, where the set has `count`
 * members without it. */
unsigned set_encoding_with(unsigned encoding, uint64_t count, slice member);

/* About n members are going to be added, `first` before the others: large sets are given their last
 * encoding at once. Without it set_add expects one. */
void set_expect(elements *el, slice first, uint64_t n);
engine_result set_add(elements *el, slice member, bool *added);
/* As set_add, of one that is not there. */
engine_result set_add_new(elements *el, slice member);
/* All members are integers: an intset, unless they are too many. */
void set_all_integers(elements *el);
engine_result set_has(elements *el, slice member, bool *has);

/* Is shown a member, which lives until the next call on the engine; ENGINE_ABSENT: no more are
 * wanted, which is no failure. */
typedef engine_result (*set_each)(void *ctx, slice member);
/* All members. each must not change the set. */
engine_result set_walk(elements *el, set_each each, void *ctx);
/* All members of several intsets, once each, in numeric order: what set_walk does of one. */
engine_result set_walk_integers(elements *const *sets, unsigned n, set_each each, void *ctx);
/* Are they intsets, or absent, and so few that their union is one? */
bool set_all_intsets(elements *const *sets, unsigned n);
/* n different members at random, or all: shown, then removed. */
engine_result set_pop(elements *el, uint64_t n, set_each each, void *ctx);

#endif
