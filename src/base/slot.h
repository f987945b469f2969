/* slot: the cluster slot of a key. */
#ifndef STAVE_BASE_SLOT_H
#define STAVE_BASE_SLOT_H

#include "base/slice.h"

#define SLOTS_ALL 16384

/* CRC16 (XMODEM) of the key, or of what stands between its first '{' and the '}' after that if that
 * is not empty, modulo SLOTS_ALL: as in the Redis cluster specification. */
uint16_t key_slot(slice key);

#endif
