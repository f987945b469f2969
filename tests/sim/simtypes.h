/* simtypes: a run whose commands are a client's: whole commands on keys of every type, through
 * session, commands, types and keyspace, over the engine and the model together (simtee.h).
 *
 * Each command runs twice: dry, on the model alone, for what it should reply; then on both, as
 * often as reads are pending. Now and then, and after each open, simsound looks at whether what is
 * stored makes sense to the types. */
#ifndef STAVE_TESTS_SIM_SIMTYPES_H
#define STAVE_TESTS_SIM_SIMTYPES_H

#include "keyspace/keyspace.h"
#include "session/session.h"
#include "sim/simtee.h"
#include "sim/simwords.h"

/* What there is as long as an engine is open. */
typedef struct simtypes {
    sim *s;
    simtee tee;
    stave_clock clock; /* stands still during a command */
    rng rng;           /* the keyspace's: a command picks the same each time it runs */
    keyspace *ks;
    reactor *reactor;
    session *session;
    client *client, *other;
    simwords words;
    struct simexec *exec; /* transactions (simexec.c) */
    buf expected, dump, before;
    /* Scripts and functions (simscript.c). */
    simwords inner;         /* a command of a script */
    region kept;            /* what is put back after a dry run */
    buf payload;            /* of FUNCTION DUMP */
    bool functions;         /* they were loaded at the open */
    bool changes_functions; /* most commands that are made are FUNCTION's */
    buf key;                /* of one that is looked at */
} simtypes;

/* Once a process: the commands and settings. */
void simtypes_start(void);
/* After an open, and before the engine goes. */
void simtypes_open(sim *s);
void simtypes_close(sim *s);
void simtypes_command(sim *s);
/* Deletes what is due, wakes what wants to be. */
void simtypes_expire(sim *s);
/* Reads every key as a client would. */
void simtypes_read_all(sim *s);

/* simsystem.c: commands on the keyspace's system records. */
extern const command simsystem_commands[];
/* Has each of the model's records the pieces that it says, and no more? */
void simsystem_sound(sim *s);

/* One command of a client's, w, run dry: its reply is added to t->expected. */
void simtypes_run_dry(simtypes *t, client *c, const simwords *w, uint64_t seed);
/* The same really, as often as it takes. False: the machine has stopped meanwhile. */
bool simtypes_run(simtypes *t, client *c, const simwords *w, uint64_t seed);
/* What it replied against what it should, unless it met an error of the engine; `trouble`: it may
 * have been refused for something that is not its fault. */
void simtypes_compare(simtypes *t, const client *c, const simwords *w, slice should, bool trouble);
/* Is there anything that a command may be refused for? */
bool simtypes_in_trouble(const sim *s);
/* There was room for so many bytes before, which has gone since: then what asks for it inside of
 * another command is refused. */
bool simtypes_room_is_low(const simtypes *t, size_t bytes);
/* There is room for commands of so many bytes, or it is said that there is none. False: the machine
 * has stopped. */
bool simtypes_prepare(simtypes *t, size_t bytes);

/* simexec.c: several commands as one: WATCH, MULTI, ..., EXEC. */
void simexec_command(simtypes *t);
void simexec_free(simtypes *t);

/* simsound.c: is every key of the model what its type may leave behind? */
void simsound_all(simtypes *t);
/* What a command must leave alone, taken before it and looked at after it (XDEL does not take back
 * a stream's last ID, RENAME keeps all of a key). Nothing is to be looked at: NULL. */
typedef struct simsound_before {
    bool stream, moved;
    uint64_t last_ms, last_seq, added, deleted_ms, deleted_seq;
} simsound_before;
void simsound_look(simtypes *t, simsound_before *out);
void simsound_after(simtypes *t, const simsound_before *b, bool done);

#endif
