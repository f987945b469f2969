/* bitcask_int: what the files of this engine share. */
#ifndef STAVE_ENGINE_BITCASK_BITCASK_INT_H
#define STAVE_ENGINE_BITCASK_BITCASK_INT_H

#include "engine/bitcask/bitcask.h"

extern const setting bitcask_setting_table[];
/* Is that hour of the day one in which merges may start? */
bool bitcask_in_window(int hour);

#endif
