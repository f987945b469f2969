/* gates: the gates that the session itself has: password, memory, disk, pause. */
#ifndef STAVE_SESSION_GATES_H
#define STAVE_SESSION_GATES_H

#include "session/session.h"

/* Adds them. */
void gates_start(session *s);

#endif
