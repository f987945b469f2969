/* tracking: client-side caching: clients are told when what they have read, or what begins with a
 * prefix, has changed (CLIENT TRACKING). */
#ifndef STAVE_TRACKING_TRACKING_H
#define STAVE_TRACKING_TRACKING_H

#include "base/metric.h"
#include "base/setting.h"
#include "session/session.h"

extern const setting tracking_settings[]; /* tracking-table-max-keys */
const metric_section *tracking_metrics(void);
/* Adds its rows to CLIENT: once, at boot, after that is registered. */
void tracking_register(void);
/* Once, at boot, after the session was made. */
void tracking_start(session *s);

#endif
