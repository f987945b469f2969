/* descriptors: as many file descriptors as maxclients needs. */
#ifndef STAVE_SESSION_DESCRIPTORS_H
#define STAVE_SESSION_DESCRIPTORS_H

#include "base/status.h"

#include <stdint.h>

/* Raises RLIMIT_NOFILE for that many clients besides the files of the server itself. *can: how many
 * there may be; ST_LIMIT if that is fewer. */
status descriptors_reserve(int64_t clients, int64_t *can);
/* At start: reserves for maxclients, or lowers that, with a word in the log. */
void descriptors_start(void);

#endif
