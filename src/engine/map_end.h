/* map_end: where a map begins and ends: one of engine.h's calls, apart from the others as an engine
 * may leave it out. */
#ifndef STAVE_ENGINE_MAP_END_H
#define STAVE_ENGINE_MAP_END_H

#include "engine/engine.h"

/* The subkey of the first element, or of the last; its value is not read. */
static inline engine_result engine_map_end(engine *e, engine_coll *c, unsigned map, bool last,
                                           slice *sub) {
    if (e->ops->map_end) return e->ops->map_end(e, c, map, last, sub);
    map_iter it;
    engine_result r = e->ops->map_seek(e, c, map, SLICE_EMPTY, last, &it);
    *sub = it.subkey;
    return r;
}

#endif
