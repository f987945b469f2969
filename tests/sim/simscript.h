/* simscript: scripts and functions in a run of whole commands: EVAL, FCALL, FUNCTION.
 *
 * What a script does is some commands that simwords makes, given to it as arguments. A build
 * without Lua has none of it. */
#ifndef STAVE_TESTS_SIM_SIMSCRIPT_H
#define STAVE_TESTS_SIM_SIMSCRIPT_H

#include "sim/simtypes.h"

#ifdef STAVE_LUA

/* Once a process; after an open, when there is a session; before that goes, and after. */
void simscript_register(void);
void simscript_open(simtypes *t);
void simscript_close(simtypes *t);

/* Now and then: one of these commands into w. False: another is to be made. */
bool simscript_make(simwords *w, sim *s);
/* Before a dry run: the functions that there are; after it they are these again. */
void *simscript_keep(simtypes *t);
void simscript_put_back(simtypes *t, void *kept);
/* A script that says that it was there has left its mark, though it ended by an error. */
void simscript_check_mark(simtypes *t, const simwords *w);
/* Keeps a payload of FUNCTION DUMP for a RESTORE to come. */
void simscript_keep_payload(simtypes *t, slice payload);
/* The functions are those of the records, and run. */
void simscript_sound(simtypes *t);

#else

static inline void simscript_register(void) {}
static inline void simscript_open(simtypes *t) {
    (void)t;
}
static inline void simscript_close(simtypes *t) {
    (void)t;
}
static inline bool simscript_make(simwords *w, sim *s) {
    (void)w;
    (void)s;
    return false;
}
static inline void *simscript_keep(simtypes *t) {
    (void)t;
    return NULL;
}
static inline void simscript_put_back(simtypes *t, void *kept) {
    (void)t;
    (void)kept;
}
static inline void simscript_check_mark(simtypes *t, const simwords *w) {
    (void)t;
    (void)w;
}
static inline void simscript_keep_payload(simtypes *t, slice payload) {
    (void)t;
    (void)payload;
}
static inline void simscript_sound(simtypes *t) {
    (void)t;
}

#endif
#endif
