/* bitcask: opening, closing and the table of functions of the engine. */
#include "engine/bitcask/bitcask_int.h"

/* Opens or creates the store. */
static status bitcask_open(const engine_options *opt, engine **out) {
    *out = NULL;
    return status_make(ST_FAILED, "%s: the engine is being built", opt->dir);
}

void bitcask_abandon(engine *e) {
    (void)e;
}

static const metric_section *bitcask_metrics(engine *e) {
    static const metric_section none[] = {{0}};
    (void)e;
    return none;
}

const engine_class bitcask_class = {
    .name = "bitcask",
    .open = bitcask_open,
    .settings = bitcask_setting_table,
    .metrics = bitcask_metrics,
};
