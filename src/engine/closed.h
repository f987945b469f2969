/* closed: the engine of a server that has none just now. */
#ifndef STAVE_ENGINE_CLOSED_H
#define STAVE_ENGINE_CLOSED_H

#include "engine/engine.h"

/* One static object: empty, refusing every read of data and every change. */
engine *engine_closed(void);

#endif
