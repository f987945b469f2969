/* cache: the scripts that EVALSHA knows, compiled. */
#ifndef STAVE_SCRIPT_CACHE_H
#define STAVE_SCRIPT_CACHE_H

#include "script/vm.h"

#define SHA1_HEX_LEN 40

#endif
