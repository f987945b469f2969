/* script: what the server starts. */
#include "script/script.h"

const command script_commands[] = {
    {0},
};
const setting script_settings[] = {
    {0},
};

/* Adds to Memory. */
const metric_section *script_metrics(void) {
    static const metric_section none[] = {{0}};
    return none;
}

void script_start(session *s) {
    (void)s;
}

void script_stop(void) {}
