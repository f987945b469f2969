/* run: one script that runs for a client: its limits, its commands, its reply. EVAL and FCALL share
 * it.
 *
 * One script runs at a time. While it takes longer than busy-reply-threshold the server answers
 * other clients (-BUSY) from within it; run_kill, called by one of these, ends it. */
#ifndef STAVE_SCRIPT_RUN_H
#define STAVE_SCRIPT_RUN_H

#include "script/vm.h"
#include "session/client.h"

/* What a script says of itself: `#!lua flags=...`, or register_function's flags. */
enum script_flags {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_ALLOW_CROSS_SLOT = 1 << 4,
    SCRIPT_COMPAT = 1 << 5, /* it has no shebang: says nothing */
};
/* By bit, as users write them ("no-writes"), ended by NULL. */
extern const char *const script_flag_names[];
/* Adds the flag of that name; false if there is none. */
bool script_flag(slice name, unsigned *flags);

/* What is to be run; the function is on v's stack, on top. */
typedef struct run_request {
    vm *v;
    const char *name; /* what messages and FUNCTION STATS call it: a script's SHA1, a function */
    bool function;    /* FCALL: it gets keys and arguments as two tables, not as KEYS and ARGV */
    bool read_only;   /* EVAL_RO and the like */
    unsigned flags;   /* enum script_flags */
    int nkeys;        /* c->argv[3 ..]: keys, then arguments */
} run_request;

/* How many keys c's command has (argv[2]); false after having replied with an error. */
bool run_numkeys(client *c, int *nkeys);
/* Runs it as (part of) c's running command and replies. The function is gone from the stack. The
 * command returns what this returns. */
command_result run_script(client *c, const run_request *q);

/* What runs now, for FUNCTION STATS and SCRIPT KILL; NULL: nothing. */
typedef struct run_state {
    const char *name;
    bool function;
    bool wrote; /* can't be killed any more */
    const client *c;
    int argc; /* of the command as it was given */
    const slice *argv;
    uint64_t started_us; /* monotonic */
} run_state;
const run_state *run_current(void);
/* SCRIPT KILL (function false), FUNCTION KILL: replies to c. */
command_result run_kill(client *c, bool function);

#endif
