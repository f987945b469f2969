/* command: what a command is: a row of a table that its module registers. */
#ifndef STAVE_SESSION_COMMAND_H
#define STAVE_SESSION_COMMAND_H

#include "base/buf.h"
#include "base/histogram.h"
#include "base/slice.h"

typedef struct client client;

typedef enum command_result {
    CMD_DONE,    /* replied: commit */
    CMD_AGAIN,   /* a read is pending: abort without a trace, run again when the engine is ready */
    CMD_FAILED,  /* the engine failed: abort, reply with its error */
    CMD_REFUSED, /* replied with an error and nothing may stay of what was changed: abort */
} command_result;

typedef command_result (*command_fn)(client *c);

/* Flags as COMMAND INFO names them. */
enum command_flags {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7, /* allowed while loading */
    CMD_STALE = 1 << 8,
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_ASKING = 1 << 11,
    CMD_FAST = 1 << 12,
    CMD_NO_AUTH = 1 << 13,
    CMD_MAY_REPLICATE = 1 << 14,
    CMD_NO_MANDATORY_KEYS = 1 << 15,
    CMD_PROTECTED = 1 << 16, /* DEBUG: see enable-debug-command */
    CMD_NO_ASYNC_LOADING = 1 << 17,
    CMD_NO_MULTI = 1 << 18,
    CMD_ALLOW_BUSY = 1 << 19,
    CMD_MOVABLE_KEYS = 1 << 20,
    /* Runs commands that the client gave before (EXEC): gates look at these too. Not shown. */
    CMD_CARRIES = 1 << 21,
    /* Runs a script, which may run anything: waits for the engine's pace as a write. Not shown. */
    CMD_RUNS_SCRIPT = 1 << 22,
};

/* ACL categories, as bits; the order is that of ACL CAT. */
enum command_category {
    CAT_KEYSPACE = 1 << 0,
    CAT_READ = 1 << 1,
    CAT_WRITE = 1 << 2,
    CAT_SET = 1 << 3,
    CAT_SORTEDSET = 1 << 4,
    CAT_LIST = 1 << 5,
    CAT_HASH = 1 << 6,
    CAT_STRING = 1 << 7,
    CAT_BITMAP = 1 << 8,
    CAT_HYPERLOGLOG = 1 << 9,
    CAT_GEO = 1 << 10,
    CAT_STREAM = 1 << 11,
    CAT_PUBSUB = 1 << 12,
    CAT_ADMIN = 1 << 13,
    CAT_FAST = 1 << 14,
    CAT_SLOW = 1 << 15,
    CAT_BLOCKING = 1 << 16,
    CAT_DANGEROUS = 1 << 17,
    CAT_CONNECTION = 1 << 18,
    CAT_TRANSACTION = 1 << 19,
    CAT_SCRIPTING = 1 << 20,
};

/* Where keys are among the arguments (key specifications of Redis 7). */
enum key_flags {
    KEY_RO = 1 << 0,
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4,
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,
    KEY_INCOMPLETE = 1 << 9,
    KEY_VARIABLE_FLAGS = 1 << 10,
};
typedef struct key_spec {
    unsigned flags;      /* 0: no (more) specification */
    int16_t begin;       /* index of the first key (after the keyword, if there is one) */
    const char *keyword; /* NULL, or the word that is searched for from `begin` on */
    int16_t last; /* range: last key relative to first; -1: to the last argument, -2: one less */
    int16_t step;
    int16_t limit; /* range: 0, or last = -1 takes 1/limit of what remains */
    bool counted;  /* instead of a range: argv[first] is numkeys, keys follow it */
    const char *notes;
} key_spec;

/* Pub/sub channels among the arguments, of those that send to channels or begin to listen. */
enum channel_use {
    CHANNELS_NONE,
    CHANNEL_FIRST,    /* argv[1] is a channel */
    CHANNELS_ALL,     /* so are all that follow */
    CHANNEL_PATTERNS, /* argv[1] and all that follow are patterns */
};

typedef struct command {
    const char *name; /* lower case, without the parent's name */
    command_fn run;   /* NULL for a pure container */
    int16_t arity;    /* with the name(s); negative: at least */
    uint32_t flags;
    uint32_t categories; /* besides those that follow from flags (read, write, fast, slow, ...) */
    const char *group;   /* "string", "generic", "connection", "server", "bitmap", ... */
    const char *since;
    const char *complexity;
    const char *summary; /* our own words */
    /* Arguments in the notation of manual pages, from which COMMAND DOCS makes its tree, and
     * redis-cli its hints: "key value [NX|XX] [GET] [EX seconds|PX milliseconds|KEEPTTL]".
     *   word      a value, typed by its name ("seconds" is an integer, "key" a key; docs.c has the
     *             list), or as "word:double" says; types are string, integer, double, key, pattern,
     *             unix-time. Keys belong to the specifications in their order, or as "word#2" says,
     *             counted from 0
     *   WORD      a token (so is anything without letters, as * or ~); with one value right after
     *             it, that value's token
     *   [..]      optional
     *   <..>      a group: alternatives, or several that belong together
     *   a|b       one of; binds less than words that follow each other, within brackets
     *   x...      x, which may be a bracket or group, any number of times; "[GET pattern]..." has
     *             its token each time, "[KEYS key...]" once
     *   x^6.2.0   x (after its "..."), since that version; of a token, what it takes too
     *   @name:    before any of these: its name in the docs, which else is the word, or made of
     *             the parts; before a token, the name of what that takes */
    const char *syntax;
    key_spec keys[4];
    const struct command *subcommands; /* ended by {0}, or NULL */
    const char *const *tips;           /* ended by NULL, or NULL */
    /* Arguments' positions that are keys when `keys` cannot say it, or cannot say their flags
     * (KEY_VARIABLE_FLAGS): writes indices to out, key flags to flags unless that is NULL, and
     * returns how many (at most argc), or -1 for a syntax error. May be NULL; else it has the say.
     */
    int (*getkeys)(const slice *argv, int argc, int *out, unsigned *flags);
    const char *history;                        /* "7.0.0: text" lines, or NULL */
    const char *replaced_by, *deprecated_since; /* NULL, or as COMMAND DOCS tells */
    bool internal;                              /* "syscmd" in COMMAND DOCS */
    enum channel_use channels;                  /* which arguments are channels */
    /* Is argv[i] a secret, so that SLOWLOG and MONITOR show "(redacted)" in its place? NULL: none
     * is. */
    bool (*secret)(const slice *argv, int argc, int i);
} command;

/* The row of a container's HELP, but for its categories. */
#define COMMAND_HELP(fn, of, from)                                                                 \
    .name = "help", .run = (fn), .arity = 2, .flags = CMD_LOADING | CMD_STALE, .group = (of),      \
    .since = (from), .complexity = "O(1)", .summary = "Lists the subcommands."

/* A registered command with its counters. Sub-commands are rows of their own ("config|get"). */
typedef struct command_row {
    const command *def;
    struct command_row *parent;
    struct command_row *subs; /* array, by order of def->subcommands, others' (commands_extend) */
    int nsubs;
    const char *const *more_help; /* lines about those others, or NULL */
    char *full_name;              /* "config|get" */
    size_t name_len;              /* of def->name */
    int id;                       /* dense, from 0: for per-command tables of other modules */
    uint32_t flags, categories;   /* derived ones included */
    uint64_t calls, nsec, rejected, failed;
    histogram latency; /* of nanoseconds */
} command_row;

/* Adds a table ended by {0}. A name registered twice aborts. */
void commands_register(const command *table);
/* Adds the rows of a table to the sub-commands of a container that is registered, and `help`, lines
 * ended by NULL, to its HELP: once for each container, at boot, before any of its rows was found.
 * Aborts if there is no such container, or has such a sub-command. */
void commands_extend(const char *container, const command *table, const char *const *help);
/* By name (and sub-command's name, if the command is a container); NULL if unknown. `*container`,
 * if not NULL, is set when argv[0] is known but its sub-command is not. */
command_row *command_find(const slice *argv, int argc, command_row **container);
/* The same, asking first whether it is `near` again (the client's last command; may be NULL). */
command_row *command_find_near(const slice *argv, int argc, command_row *near,
                               command_row **container);
command_row *command_by_name(slice full_name); /* "get", "config|get" */
/* All top-level rows, in order of registration; *pos from 0. */
command_row *command_next(size_t *pos);
size_t command_count(void); /* top-level ones */
int command_ids(void);      /* all: one more than the greatest id */
/* Key positions of a command line by its specifications; -1: wrong arguments. out has room for
 * argc. flags_out may be NULL. */
int command_keys(const command_row *row, const slice *argv, int argc, int *out,
                 unsigned *flags_out);
/* What may be shown of argument i: "(redacted)" if that is a secret. */
slice command_shown(const command_row *row, const slice *argv, int argc, int i);
/* Flags' and categories' names, for COMMAND INFO and ACL; each ended by NULL, by bit. */
extern const char *const command_flag_names[];
extern const char *const command_category_names[];
extern const char *const key_flag_names[];
/* Appends the COMMAND DOCS argument array of a syntax string, as RESP of `proto`. */
void command_docs_arguments(const command *def, buf *out, int proto);

#endif
