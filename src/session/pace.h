/* pace: the gate that lets writes wait a little when the engine asks for it (engine_pace). */
#ifndef STAVE_SESSION_PACE_H
#define STAVE_SESSION_PACE_H

#include "session/session.h"

/* Adds the gate, behind all others. */
void pace_start(session *s);

#endif
