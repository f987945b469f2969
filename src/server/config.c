/* Settings of all modules, found by name.
 *
 * The registry is an array of pointers into the modules' tables, in order of registration, and a
 * dict from names and aliases to them. CONFIG SET is all or nothing: every value is parsed, then
 * every apply function called in turn, one that several settings share once; at the first failure
 * all settings get their old values back, and the apply functions are called again. */
#include "server/config.h"

#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"
#include "resp/reader.h"

#define MAX_SETTINGS 512
#define MAX_PAIRS    256

typedef struct registered {
    const setting *s;
    char *initial; /* the default as CONFIG GET shows it */
    bool given;    /* a file or the command line has named it */
} registered;

static registered all[MAX_SETTINGS];
static size_t count;
static dict *by_name;

/* Registers one name for a setting. Two settings of one name are a bug. */
static void add_name(const char *name, registered *r) {
    void *old = dict_set(by_name, slice_cstr(name), r);
    CHECK(old == NULL);
}

/* Freed with mem_free: a buf's memory is what mem_alloc gives. */
/* The value as shown, as a C string of the caller's. */
static char *shown(const setting *s) {
    buf b = {0};
    setting_show(s, &b);
    buf_append_char(&b, '\0');
    return b.data;
}

/* Defaults are set here, once, so a setting has its value from boot on, file or not. */
void config_register(const setting *table) {
    if (!by_name) by_name = dict_new(true);
    setting_defaults(table);
    for (const setting *s = table; s->name; s++) {
        CHECK(count < MAX_SETTINGS);
        registered *r = &all[count++];
        *r = (registered){.s = s, .initial = shown(s)};
        add_name(s->name, r);
        if (s->alias) add_name(s->alias, r);
    }
}

/* Names are compared without regard to case, as redis.conf is. */
static registered *find(slice name) {
    return by_name ? dict_get(by_name, name) : NULL;
}

/* NULL for a name that no module has. */
const setting *config_find(slice name) {
    registered *r = find(name);
    return r ? r->s : NULL;
}

/* In order of registration, which is that of the sections of redis-compat.conf. */
const setting *config_next(size_t *pos) {
    return *pos < count ? all[(*pos)++].s : NULL;
}

/* By what it shows, as a setting's parsed value has no one type. */
bool config_is_default(const setting *s) {
    registered *r = find(slice_cstr(s->name));
    char *now = shown(s);
    bool same = strcmp(now, r->initial) == 0;
    mem_free(now);
    return same;
}

/* Reads the file that an include line names. */
static status include_file(slice name) {
    char *path = mem_zalloc(name.len + 1);
    memcpy(path, name.data, name.len);
    status st = config_read_file(path);
    mem_free(path);
    return st;
}

/* From a file or the command line, where `include` is a word like any other. Each line of a setting
 * that may have many (save, client-output-buffer-limit) adds to the ones before. */
status config_assign(slice name, int argc, const slice *argv) {
    registered *r = find(name);
    if (!r) {
        if (slice_ieq(name, "include") && argc == 1) return include_file(argv[0]);
        return status_make(ST_INVALID, "Bad directive or wrong number of arguments");
    }
    if (argc < 1) return status_make(ST_INVALID, "wrong number of arguments");
    /* The user's first line replaces the default; those after it add. */
    if ((r->s->flags & SETTING_MANY_LINES) && !r->given && r->s->set) TRY(r->s->set(r->s, 0, NULL));
    r->given = true;
    return setting_parse(r->s, argc, argv);
}

/* Words are split as Redis does it, quotes and escapes included. */
status config_line(slice line) {
    while (line.len && (line.data[0] == ' ' || line.data[0] == '\t'))
        line = slice_skip(line, 1);
    while (line.len && strchr(" \t\r\n", line.data[line.len - 1]))
        line.len--;
    if (line.len == 0 || line.data[0] == '#') return STATUS_OK;
    slice *words = NULL;
    int n = resp_split_line(line, &words);
    if (n < 0) return status_make(ST_INVALID, "Unbalanced quotes in configuration line");
    status st = n == 0 ? STATUS_OK : config_assign(words[0], n - 1, words + 1);
    mem_free(words);
    return st;
}

/* ---- CONFIG SET
 * ----------------------------------------------------------------------------------*/

typedef struct change {
    const setting *s;
    slice name, value;
    buf old; /* the value before, as shown */
} change;

/* Takes the words of a value; what has many lines in a file gets all of them in one. */
static status parse_words(const setting *s, slice value) {
    slice *words = NULL;
    int n = resp_split_line(value, &words);
    if (n < 0) return status_make(ST_INVALID, "Unbalanced quotes");
    slice empty = SLICE_EMPTY;
    status st = STATUS_OK;
    if (s->flags & SETTING_MANY_LINES) st = s->set(s, 0, NULL);
    if (status_ok(st)) st = n == 0 ? setting_parse(s, 1, &empty) : setting_parse(s, n, words);
    mem_free(words);
    return st;
}

/* Splits a value into words for settings whose lines have several, else takes it as one word. If it
 * is refused, the setting is as it was. */
static status parse_value(const setting *s, slice value) {
    if (!(s->flags & (SETTING_MULTI_ARG | SETTING_MANY_LINES))) return setting_parse(s, 1, &value);
    buf before = {0};
    setting_show(s, &before);
    status st = parse_words(s, value);
    if (!status_ok(st)) {
        status again = parse_words(s, buf_slice(&before));
        CHECK(status_ok(again));
    }
    buf_free(&before);
    return st;
}

/* Makes the i-th change so, unless one before it has the same function, which did it for both. */
static status apply_one(const change *changes, int i) {
    const setting *s = changes[i].s;
    if (!s->apply) return STATUS_OK;
    for (int j = 0; j < i; j++)
        if (changes[j].s->apply == s->apply) return STATUS_OK;
    return s->apply(s);
}

/* Puts back the values of the first n changes, all of them before the first is made so. They were
 * valid before, so failing is a bug. */
static void restore(change *changes, int n) {
    for (int i = 0; i < n; i++) {
        status st = parse_value(changes[i].s, buf_slice(&changes[i].old));
        CHECK(status_ok(st));
    }
    for (int i = 0; i < n; i++) {
        status st = apply_one(changes, i);
        if (!status_ok(st)) log_warning("Restoring '%s' failed: %s", changes[i].s->name, st.msg);
    }
}

/* The reply for a pair that could not be set. */
static status set_failed(const change *c, const char *why) {
    return status_make(ST_INVALID,
                       "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                       (int)c->name.len, c->name.data, why);
}

/* Finds the settings and refuses what can't be: unknown, fixed, named twice. */
static status find_all(int npairs, const slice *argv, change *out) {
    for (int i = 0; i < npairs; i++) {
        slice name = argv[2 * i];
        out[i] = (change){.s = config_find(name), .name = name, .value = argv[2 * i + 1]};
        if (!out[i].s || (out[i].s->flags & SETTING_FILE_ONLY)) {
            return status_make(ST_INVALID,
                               "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                               (int)name.len, name.data);
        }
        if (out[i].s->flags & SETTING_FIXED) {
            return set_failed(&out[i], "can't set immutable config");
        }
        for (int j = 0; j < i; j++) {
            if (out[j].s == out[i].s) return set_failed(&out[i], "duplicate parameter");
        }
    }
    return STATUS_OK;
}

/* Parses all values, then applies all; undoes everything at the first failure. */
static status set_all(int npairs, change *changes) {
    for (int i = 0; i < npairs; i++) {
        setting_show(changes[i].s, &changes[i].old);
        status st = parse_value(changes[i].s, changes[i].value);
        if (status_ok(st)) continue;
        st = set_failed(&changes[i], st.msg);
        restore(changes, i);
        return st;
    }
    for (int i = 0; i < npairs; i++) {
        status st = apply_one(changes, i);
        if (status_ok(st)) continue;
        st = set_failed(&changes[i], st.msg);
        restore(changes, npairs);
        return st;
    }
    return STATUS_OK;
}

/* A bound on pairs, as their old values are held all at once. */
status config_set_live(int npairs, const slice *argv) {
    if (npairs > MAX_PAIRS) return status_make(ST_LIMIT, "ERR too many settings in one CONFIG SET");
    change *changes = mem_zalloc(sizeof *changes * (size_t)npairs);
    status st = find_all(npairs, argv, changes);
    if (status_ok(st)) st = set_all(npairs, changes);
    for (int i = 0; i < npairs; i++)
        buf_free(&changes[i].old);
    mem_free(changes);
    return st;
}

/* Shown as CONFIG GET shows it. */
const char *config_value(const char *name) {
    static buf b;
    buf_clear(&b);
    const setting *s = config_find(slice_cstr(name));
    if (s) setting_show(s, &b);
    buf_append_char(&b, '\0');
    return b.data;
}
