/* stats: what INFO shows of clients and commands. */
#ifndef STAVE_SESSION_STATS_H
#define STAVE_SESSION_STATS_H

#include "session/session.h"

/* From cron: takes a sample of the rates that "instantaneous_*" fields average. */
void stats_sample(session *s);

#endif
