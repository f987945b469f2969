/* function_set: libraries of functions, and sets of them. No Lua but a reference's number.
 *
 * A set is made once and then only read: a change makes another one, of the same libraries but
 * those that change. So what a batch did to the functions is undone by going back to the set that
 * was before. Libraries are counted: they go when no set has them. */
#ifndef STAVE_SCRIPT_FUNCTION_SET_H
#define STAVE_SCRIPT_FUNCTION_SET_H

#include "base/buf.h"
#include "base/slice.h"
#include "keyspace/keyspace.h"

typedef struct library library;

typedef struct function {
    library *lib;
    char *name;
    buf description;
    bool described;
    unsigned flags; /* enum script_flags */
    int ref;        /* in the registry of the functions' Lua state */
} function;

struct library {
    unsigned holders; /* sets that have it, and whoever made it */
    char *name;
    buf code;     /* all of it, the first line included */
    log_pos pos;  /* what a reply that shows it depends on */
    size_t bytes; /* memory, about */
    function **functions;
    size_t n;
};

/* Without functions; the caller's. */
library *library_new(slice name, slice code);
void library_release(library *lib);
/* NULL if it has one of that name already, to the letter. */
function *library_add(library *lib, slice name, int ref);
/* The functions' names as users may give them, and libraries' too: [A-Za-z0-9_]+ */
bool library_name_is_valid(slice name);

typedef struct libset libset;

libset *libset_new(void);
/* The same libraries. */
libset *libset_copy(const libset *s);
void libset_free(libset *s);
size_t libset_count(const libset *s);     /* of libraries */
size_t libset_functions(const libset *s); /* of all of them */
size_t libset_bytes(const libset *s);     /* memory, about */
/* In the order in which they came. */
library *libset_at(const libset *s, size_t i);
library *libset_find(const libset *s, slice name); /* NULL: none */
/* By name, in letters of any case. */
function *libset_function(const libset *s, slice name);
/* Takes it out. */
void libset_remove(libset *s, const library *lib);
/* NULL, and it is in the set; or a function of its whose name another library's has. REQUIRES:
 * there is no library of that name. */
const function *libset_add(libset *s, library *lib);

#endif
