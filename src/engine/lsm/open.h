/* open: an engine's beginning. */
#ifndef STAVE_ENGINE_LSM_OPEN_H
#define STAVE_ENGINE_LSM_OPEN_H

#include "engine/model.h"

/* lsm_class.open */
status lsm_open(const engine_options *opt, engine **out);

#endif
