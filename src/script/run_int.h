/* run_int: a script's run, for the files of this folder that take part in it. */
#ifndef STAVE_SCRIPT_RUN_INT_H
#define STAVE_SCRIPT_RUN_INT_H

#include "script/record.h"
#include "script/run.h"

typedef struct run {
    const run_request *q;
    client *c;
    vm *v;
    run_state state;
    bool read_only, allow_oom;
    int proto;          /* of replies to the script: redis.setresp */
    int client_proto;   /* of the reply */
    size_t out_from;    /* where in c->out the script's commands reply */
    command_row *row;   /* of its last command, where the next one is looked for first */
    record *record;     /* of its commands */
    buf log;            /* what it logged, to be written when it has ended */
    uint64_t ticks;     /* of VM_HOOK_COUNT instructions */
    uint64_t served_us; /* when others were last answered */
    uint64_t inside_ns; /* that its commands took since it was last looked at */
    char where[64];     /* in which line it was ended, as messages say it */
    bool busy;          /* it has taken longer than busy-reply-threshold */
    bool kill;          /* somebody wants it to end */
} run;

/* The run in this state; NULL while a library is loaded. */
static inline run *run_in(lua_State *L) {
    return vm_of(L)->ctx;
}

/* redis.call and redis.pcall: raise, or return, the error of a command. */
int call_raising(lua_State *L);
int call_returning(lua_State *L);
/* redis.acl_check_cmd. */
int call_may(lua_State *L);

/* What is to be done from time to time: answers others, if it takes long; ends it, if it must. */
void run_look(run *r, lua_State *L);

/* Others are refused from now on, or no longer. */
void run_arm_busy(session *s, bool armed);
/* What they are told; with SCRIPT or FUNCTION. */
#define RUN_BUSY                                                                                   \
    "BUSY Redis is busy running a script. You can only call %s KILL or SHUTDOWN NOSAVE."

/* No memory for commands that may grow, as of the gate that the script's command has passed. */
bool run_out_of_memory(void);

/* Settings, in script.c. */
typedef struct script_config_t {
    int64_t busy_ms, memory_limit, instruction_limit;
} script_config_t;
extern script_config_t script_config;

#endif
