/* session_kit: a session over the engine in memory, clients over connections that are two buffers,
 * and a few commands; for tests of what lies above the keyspace. */
#ifndef STAVE_TESTS_SUPPORT_SESSION_KIT_H
#define STAVE_TESTS_SUPPORT_SESSION_KIT_H

#include "session/session.h"
#include "support/engine_mem.h"

typedef struct kit {
    stave_clock clock; /* wall_ms is the kit's: it moves only when kit_sleep says so */
    rng rng;
    engine *engine;
    mem_knobs *knobs;
    keyspace *ks;
    reactor *reactor;
    session *session;
    struct fake_end *ends;
} kit;

/* A connection whose other end is the test. It outlives the client: kit_stop frees it. */
typedef struct fake_end {
    conn conn;
    buf in;      /* what the client has not read yet */
    size_t read; /* of in */
    buf out;     /* what the session wrote */
    size_t take; /* how many more bytes it accepts; SIZE_MAX: all */
    bool eof;    /* no more will come */
    bool broken; /* every call fails */
    bool closed; /* by the session */
    unsigned reads, writes;
    size_t largest_read; /* the most that one read asked for */
    struct fake_end *next;
} fake_end;

/* Settings have their defaults; the commands below are registered, unless the test has registered
 * others before. */
void kit_start(kit *k);
void kit_stop(kit *k);
/* A setting of the session's or the keyspace's gets this value (one word). */
void kit_set(const char *name, const char *value);
/* One turn: clients whose end has something are read, in order of id; then the turn ends. */
void kit_turn(kit *k);
/* Time passes, timers included. */
void kit_sleep(kit *k, int64_t ms);

/* A new client from "1.2.3.4:N", which counts as local. Its conn is &(*end)->conn. */
client *kit_client(kit *k, fake_end **end);
/* Frees the last end that kit_client made, before kit_stop would. REQUIRES: it was closed. */
void kit_forget(kit *k, fake_end *end);
/* The end sends text (C string), to be read in the next turn. */
void kit_send(fake_end *end, const char *text);
void kit_send_bytes(fake_end *end, slice bytes);
/* All that was written since the last call, as a C string that lives until the next one. */
const char *kit_received(fake_end *end);
/* Turns, until nothing more happens for this end. */
void kit_quiet(kit *k, fake_end *end);
/* kit_send, kit_quiet, kit_received. */
const char *kit_ask(kit *k, fake_end *end, const char *text);

/* For tests:
 *   ping [text] · get key · set key value · del key · exists key (depends on the log's end)
 *   put key value (as set, but denyoom) · mget key... · setpx key value ms
 *   drop key (as del, told to the hooks) · select db
 *   refuse key value: sets, then answers an error; nothing may stay
 *   block ms · wake id: unblocks with "+woken"
 *   big n: n bytes of 'x' · quit · flags n: sets client flags · box (one two): a container
 *   slow us: takes that long */
extern const command kit_commands[];
/* Registers these, the test's own, and the feature's, the first time that it is called. */
void kit_register_once(const command *own, const command *feature);

#endif
