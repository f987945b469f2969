/* migrate: MIGRATE: keys go to another server, without holding up this one. */
#ifndef STAVE_MIGRATE_MIGRATE_H
#define STAVE_MIGRATE_MIGRATE_H

#include "session/session.h"

extern const command migrate_commands[];

/* Before the first command. */
void migrate_start(session *s);
/* Other servers are reached over TLS (tls-cluster) from now on, or are not any more. */
void migrate_use_tls(bool on);
/* Adds to Stats: migrate_cached_sockets. */
const metric_section *migrate_metrics(void);

#endif
