/* internal: who is subscribed to what, for the files of this folder alone. */
#ifndef STAVE_PUBSUB_INTERNAL_H
#define STAVE_PUBSUB_INTERNAL_H

#include "session/session.h"

enum topic_kind { TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD, TOPIC_KINDS };

/* ---- subscriptions (topics.c) -------------------------------------------------------------------
 */

/* For the session that is served from now on. */
void topics_start(session *s);
/* False if it was subscribed already, or was not. */
bool topics_subscribe(client *c, enum topic_kind kind, slice name);
bool topics_unsubscribe(client *c, enum topic_kind kind, slice name);
/* The name of any one that c is subscribed to, until it is unsubscribed; false: of none. */
bool topics_any(const client *c, enum topic_kind kind, slice *name);
/* How many c is subscribed to, as replies of that kind tell it: channels and patterns are told
 * together. */
int64_t topics_told(const client *c, enum topic_kind kind);
/* How many names of that kind somebody is subscribed to; who is subscribed to this one. */
size_t topics_count(enum topic_kind kind);
size_t topics_subscribers(enum topic_kind kind, slice name);
/* Calls each for every name of that kind. */
void topics_each(enum topic_kind kind, void (*each)(void *ctx, slice name), void *ctx);
/* How many would get a message to this channel (TOPIC_CHANNEL: patterns included; or TOPIC_SHARD),
 * and the sending of it: what its subscribers get depends on `depends`. */
int64_t topics_receivers(enum topic_kind kind, slice channel);
void topics_send(enum topic_kind kind, slice channel, slice message, log_pos depends);

/* ---- keyspace events (events.c) -----------------------------------------------------------------
 */

void events_start(session *s);

#endif
