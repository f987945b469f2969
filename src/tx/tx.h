/* tx: MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
#ifndef STAVE_TX_TX_H
#define STAVE_TX_TX_H

#include "session/session.h"

extern const command tx_commands[];
/* Once, at boot, after the session was made and before those that watch commands are, so that they
 * hear of the commands in a transaction before they hear of EXEC. */
void tx_start(session *s);

#endif
