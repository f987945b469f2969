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
/* Notes that something called `name` (a literal) took that long, if it is at or above
 * latency-monitor-threshold. ctx is ignored: the function is an engine_host.event. */
void latency_event(void *ctx, const char *name, uint64_t us);

extern const command monitor_commands[];
void monitor_start(session *s);
size_t monitor_count(void); /* clients in MONITOR mode now */

#endif
