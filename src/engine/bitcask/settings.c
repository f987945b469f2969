/* settings: what a user may configure of this engine, as a table; see base/setting.h.
 *
 * The engine reads bitcask_conf where it needs a value, so that a change is live at once; what
 * costs work to change (the value cache's size) is compared with the setting by the engine's cron.
 */
#include "base/mem.h"
#include "base/num.h"
#include "engine/bitcask/bitcask_int.h"

#define MIB (1 << 20)

bitcask_settings bitcask_conf;

/* Two hours 0 .. 23 around a dash. False if s is not that. */
static bool parse_hours(const char *s, int *from, int *to) {
    const char *dash = strchr(s, '-');
    int64_t a, b;
    if (!dash || !num_parse_i64(slice_of(s, (size_t)(dash - s)), &a)) return false;
    if (!num_parse_i64(slice_cstr(dash + 1), &b)) return false;
    if (a < 0 || a > 23 || b < 0 || b > 23) return false;
    *from = (int)a;
    *to = (int)b;
    return true;
}

/* merge-window is checked as it is read, so that a file with a wrong one does not start a server.
 */
static status set_window(const setting *s, int argc, const slice *argv) {
    (void)s;
    if (argc != 1) return status_make(ST_INVALID, "wrong number of arguments");
    char text[8] = ""; /* the longest is "always" */
    if (argv[0].len < sizeof text) memcpy(text, argv[0].data, argv[0].len);
    int from, to;
    bool empty = argv[0].len == 0;
    if (!empty && strcmp(text, "always") && strcmp(text, "never") && !parse_hours(text, &from, &to))
        return status_make(ST_INVALID, "argument must be 'always', 'never' or hours such as 1-5");
    mem_free(bitcask_conf.merge_window);
    bitcask_conf.merge_window = mem_strdup(empty ? "always" : text);
    return STATUS_OK;
}

/* As CONFIG GET shows it. */
static void get_window(const setting *s, buf *out) {
    (void)s;
    buf_append_slice(out, slice_cstr(bitcask_conf.merge_window));
}

/* Hours may go over midnight: 22-3. */
bool bitcask_in_window(int hour) {
    const char *w = bitcask_conf.merge_window;
    int from, to;
    if (!strcmp(w, "always")) return true;
    if (!parse_hours(w, &from, &to)) return false;
    return from <= to ? hour >= from && hour <= to : hour >= from || hour <= to;
}

/* In the order in which they are explained in redis-compat.conf. Sizes are bytes; all but
 * segment-size take effect at once. */
const setting bitcask_setting_table[] = {
    /* Values in memory, tables included. Beyond it the system's page cache does what it can. */
    {.name = "value-cache-size",
     .kind = SETTING_MEMORY,
     .target = &bitcask_conf.value_cache_size,
     .default_value = "256mb",
     .min = 0,
     .max = INT64_MAX},
    /* Such values are in the keydir's entry too, and are read without a look elsewhere. */
    {.name = "inline-value-max",
     .kind = SETTING_INT,
     .target = &bitcask_conf.inline_value_max,
     .default_value = "32",
     .min = 0,
     .max = 1024},
    /* A run of segments is merged when so much of it is garbage. */
    {.name = "merge-garbage-percent",
     .kind = SETTING_INT,
     .target = &bitcask_conf.merge_garbage,
     .default_value = "50",
     .min = 1,
     .max = 100},
    /* Hours of local time in which merges start by themselves. */
    {.name = "merge-window",
     .kind = SETTING_CUSTOM,
     .default_value = "always",
     .set = set_window,
     .get = get_window},
    /* Bytes a second, read and written together; 0: as fast as it goes. */
    {.name = "merge-rate-limit",
     .kind = SETTING_MEMORY,
     .target = &bitcask_conf.merge_rate_limit,
     .default_value = "0",
     .min = 0,
     .max = INT64_MAX},
    /* An index up to this goes with the fork of a merge's child. Of a larger one it gets marks. */
    {.name = "fork-index-max",
     .kind = SETTING_MEMORY,
     .target = &bitcask_conf.fork_index_max,
     .default_value = "16mb",
     .min = 0,
     .max = INT64_MAX},
    /* A worker puts the index on large pages, for lookups, and before it goes with a fork. */
    {.name = "index-huge-pages",
     .kind = SETTING_BOOL,
     .target = &bitcask_conf.index_huge_pages,
     .default_value = "yes"},
    {0},
};
