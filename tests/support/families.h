/* families: every family of commands, and the features that streams of commands go through, in one
 * session: strings to streams, transactions, messages, tracking, users, logs of what was slow, and
 * scripts and functions where they are built. */
#ifndef STAVE_TESTS_FAMILIES_H
#define STAVE_TESTS_FAMILIES_H

#include "session/session.h"

/* All commands, and what is set for them by default, once a process. */
void families_register(void);
/* Gates and watches, in the order of server/modules.c. */
void families_start(session *s);
/* What a feature keeps over a session's end is forgotten. */
void families_stop(void);

#endif
