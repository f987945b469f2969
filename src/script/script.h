/* script: scripts on the system's Lua 5.1: EVAL, EVALSHA, SCRIPT, FUNCTION, FCALL. What the server
 * sees. */
#ifndef STAVE_SCRIPT_SCRIPT_H
#define STAVE_SCRIPT_SCRIPT_H

#include "base/metric.h"
#include "base/setting.h"
#include "session/session.h"

extern const command script_commands[];
extern const command function_commands[];
extern const setting script_settings[]; /* busy-reply-threshold, script-memory-limit, ... */
const metric_section *script_metrics(void);
/* Once, at boot, after the session was made, and after those that watch commands are: they hear of
 * EVAL before they hear of what it ran. */
void script_start(session *s);
/* When the engine has been opened, before commands on data are served: the functions that it keeps
 * are loaded. */
status script_opened(keyspace *ks);
/* At the end, and in tests between sessions: every script is forgotten. */
void script_stop(void);

#endif
