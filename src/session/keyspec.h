/* keyspec: what a command's key specifications say of one command line, and of the command. */
#ifndef STAVE_SESSION_KEYSPEC_H
#define STAVE_SESSION_KEYSPEC_H

#include "session/command.h"

/* The positions of Redis before 7 that COMMAND INFO still shows: first key, last key (negative:
 * from the end), step. All 0 when there are none. */
typedef struct key_range {
    int first, last, step;
} key_range;
key_range command_legacy_range(const command *def);
/* Nothing is said of where the keys are, COMMAND INFO shows it as "unknown". */
bool key_spec_is_unknown(const key_spec *s);
/* The keys are not at a fixed place: behind a keyword, counted, or unknown. */
bool key_spec_is_movable(const key_spec *s);

#endif
