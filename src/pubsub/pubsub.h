/* pubsub: channels, patterns, shard channels, and the keyspace events that are published. */
#ifndef STAVE_PUBSUB_PUBSUB_H
#define STAVE_PUBSUB_PUBSUB_H

#include "base/metric.h"
#include "base/setting.h"
#include "session/session.h"

extern const command pubsub_commands[];
extern const setting pubsub_settings[]; /* notify-keyspace-events */
const metric_section *pubsub_metrics(void);
/* Calls each for all that c listens to. */
void pubsub_each(const client *c, void (*each)(void *ctx, slice name, bool is_pattern), void *ctx);
/* Once, at boot, after the session was made. */
void pubsub_start(session *s);

#endif
