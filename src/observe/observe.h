/* observe: what operators look at: SLOWLOG, LATENCY, MONITOR. Each watches commands through the
 * session's command_watch; nothing below knows of it. */
#ifndef STAVE_OBSERVE_OBSERVE_H
#define STAVE_OBSERVE_OBSERVE_H

#include "base/setting.h"
#include "session/session.h"

extern const command slowlog_commands[];
extern const setting slowlog_settings[];
void slowlog_start(session *s);

extern const command latency_commands[];
extern const setting latency_settings[];
void latency_start(session *s);

extern const command monitor_commands[];
void monitor_start(session *s);
size_t monitor_count(void); /* clients in MONITOR mode now */

#endif
