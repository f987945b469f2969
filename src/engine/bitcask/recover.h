/* recover: what happens between the manifest and the first command. */
#ifndef STAVE_ENGINE_BITCASK_RECOVER_H
#define STAVE_ENGINE_BITCASK_RECOVER_H

#include "base/status.h"

#include <stdint.h>

typedef struct bitcask bitcask;

/* Loads the store and opens its log. REQUIRES: store_open. */
status recover(bitcask *e, uint32_t databases);

#endif
