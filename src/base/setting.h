/* setting: how a module declares what a user may configure.
 *
 * Each module owns a table of `setting` ended by {0}; the server collects the tables (nobody else
 * knows them all), reads redis.conf files and the command line into them, and answers CONFIG.
 * Values live in the module's own struct, reached by `target`. */
#ifndef STAVE_BASE_SETTING_H
#define STAVE_BASE_SETTING_H

#include "base/buf.h"
#include "base/status.h"

typedef enum setting_kind {
    SETTING_BOOL,              /* int: yes/no */
    SETTING_INT,               /* int64_t, in [min, max] */
    SETTING_MEMORY,            /* int64_t bytes: 64mb, 1gb; in [min, max] */
    SETTING_PERCENT_OR_MEMORY, /* int64_t: bytes, or negative for a percentage ("10%") */
    SETTING_OCTAL,             /* int64_t, shown in octal: unixsocketperm */
    SETTING_ENUM,              /* int: one of `choices` */
    SETTING_STRING,            /* char *, owned (mem_free); NULL or "" when unset */
    SETTING_CUSTOM,            /* parsed and shown by set / get below */
} setting_kind;

enum setting_flags {
    SETTING_FIXED = 1 << 0,      /* only before start: CONFIG SET refuses */
    SETTING_MULTI_ARG = 1 << 1,  /* the line's words are joined by a space (bind, save, ...) */
    SETTING_SENSITIVE = 1 << 2,  /* never in logs or MONITOR (requirepass) */
    SETTING_HIDDEN = 1 << 3,     /* not in CONFIG GET * */
    SETTING_MANY_LINES = 1 << 4, /* each line of the file adds (client-output-buffer-limit, save) */
    SETTING_FILE_ONLY = 1 << 5,  /* CONFIG GET and SET don't know it; its value is whole lines of a
                                    file, of which CONFIG REWRITE writes each (user) */
};

typedef struct setting_choice {
    const char *name;
    int value;
} setting_choice;

typedef struct setting {
    const char *name;
    const char *alias; /* an older accepted name, or NULL */
    setting_kind kind;
    unsigned flags;
    void *target;                  /* where the value lives, by kind; NULL for SETTING_CUSTOM */
    const char *default_value;     /* in file syntax; applied at boot before any file */
    int64_t min, max;              /* SETTING_INT, SETTING_MEMORY, SETTING_OCTAL, inclusive */
    const setting_choice *choices; /* SETTING_ENUM, ended by {NULL, 0} */
    /* After `target` has its new value, while the server runs: make it so. A failure restores the
     * old value and is the reply. Several settings may have the same function: it is called once
     * for all that change together, with one of them. May be NULL. */
    status (*apply)(const struct setting *s);
    /* SETTING_CUSTOM. set: parse words (argv as a config line gives them, without the name) and
     * store; get: append the current value as CONFIG GET shows it. */
    status (*set)(const struct setting *s, int argc, const slice *argv);
    void (*get)(const struct setting *s, buf *out);
} setting;

/* Parses `value` into target by kind and range. The message is Redis' own ("argument must be 'yes'
 * or 'no'", "argument must be between 1 and 10 inclusive", ...). apply is not called. */
status setting_parse(const setting *s, int argc, const slice *argv);
/* Appends the value as CONFIG GET shows it. */
void setting_show(const setting *s, buf *out);
/* Applies default_value to each of a table. A bad default aborts: it is a bug. */
void setting_defaults(const setting *table);
/* The setting of that name or alias in one table, letters' case ignored; NULL if none. */
const setting *setting_find(const setting *table, slice name);

#endif
