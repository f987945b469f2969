/* recover: what happens between the manifest and the first command. */
#ifndef STAVE_ENGINE_BITCASK_RECOVER_H
#define STAVE_ENGINE_BITCASK_RECOVER_H

#include "base/status.h"

#include <stdint.h>

typedef struct bitcask bitcask;

/* Looks at every name in the directory: deletes .tmp files of ours, refuses what the manifest (if
 * there is one) does not know. */
status recover_directory(bitcask *e);
/* Loads the store and opens its log. REQUIRES: a manifest. */
status recover(bitcask *e, uint32_t databases);

#endif
