/* engines: the engines that can be converted from and to, and the settings of them all. */
#include "convert/convert.h"

#include "engine/bitcask/bitcask.h"
#include "engine/log/settings.h"
#include "engine/lsm/lsm.h"

static const convert_engine engines[] = {
    {&bitcask_class, bitcask_abandon},
    {&lsm_class, lsm_abandon},
};
#define ENGINES (sizeof engines / sizeof *engines)

/* Letters' case does not matter, as in the server's setting. */
const convert_engine *convert_engine_named(slice name) {
    for (size_t i = 0; i < ENGINES; i++)
        if (slice_ieq(name, engines[i].klass->name)) return &engines[i];
    return NULL;
}

/* In order of the table. */
const char *convert_engine_name(size_t i) {
    return i < ENGINES ? engines[i].klass->name : NULL;
}

/* The tables, and NULL behind the last. */
static const setting *table(size_t i) {
    if (i == 0) return log_setting_table;
    return i <= ENGINES ? engines[i - 1].klass->settings : NULL;
}

/* Every table, whichever engines take part. */
void convert_settings_default(void) {
    for (size_t i = 0; table(i); i++)
        setting_defaults(table(i));
}

/* One word; none of these settings takes more. */
status convert_set(slice name, slice value) {
    for (size_t i = 0; table(i); i++) {
        const setting *s = setting_find(table(i), name);
        if (s) return setting_parse(s, 1, &value);
    }
    return status_make(ST_INVALID, "there is no such setting");
}
