/* glob: Redis' patterns: * ? [abc] [^a] [a-z] \x. */
#ifndef STAVE_BASE_GLOB_H
#define STAVE_BASE_GLOB_H

#include "base/slice.h"

/* Work is bounded by pattern length x text length (a star never restarts an earlier star). */
bool glob_match(slice pattern, slice text, bool ignore_case);

#endif
