/* wait: WAIT and WAITAOF: a client waits until what it wrote is safe. */
#ifndef STAVE_WAIT_WAIT_H
#define STAVE_WAIT_WAIT_H

#include "session/session.h"

extern const command wait_commands[];
/* Once, at boot, after the session was made. */
void wait_start(session *s);

#endif
