/* sim: one run of the simulator: an engine on a model disk beside a model of its data.
 *
 * sim.c makes the world (disk, workers, children, clock) and keeps the trace; simlife.c opens and
 * ends the engine, again and again; simturn.c is what a server's thread would do; simcmd.c the
 * commands, done to the engine and to the model alike; simverify.c compares the two. Everything is
 * chosen by generators seeded from the run's seed, so the same seed does the same. */
#ifndef STAVE_TESTS_SIM_SIM_H
#define STAVE_TESTS_SIM_SIM_H

#include "sim/simaio.h"
#include "sim/simchild.h"
#include "sim/simfs.h"
#include "support/engine_mem.h"
#include "support/omap.h"

#include <setjmp.h>

#define SIM_DIR        "/sim"
#define SIM_DBS        4
#define SIM_ALL_DBS    (SIM_DBS + 1) /* the system's is the last */
#define SIM_MAPS       4             /* that are used: 0, 1, 2, and the derived one */
#define SIM_LOW_ROOM   (2200 << 10)  /* bytes: two of the largest segments */
#define SIM_LEAST_ROOM (600 << 10)   /* with so much beside two segments, writes go on */
#define SIM_RECENT     80            /* lines of trace that are kept for a failure's report */
#define SIM_LINE       200
#define SIM_MESSAGE    400
/* Bytes on the disk of an engine without data: a few segments of at most 256 KiB, and small files.
 */
#define SIM_EMPTY_MAX (4u << 20)

typedef struct sim sim;

/* An engine under test. */
typedef struct sim_engine {
    const char *name;
    const engine_class *class;
    /* Chooses settings by sim_set, before each open; live: those that may change while it runs. */
    void (*configure)(sim *s, bool live);
    /* Frees it without touching files; NULL: engine_close is used. */
    void (*abandon)(engine *e);
    /* It takes room before it needs it, and gives it back: a full disk does not make its log fail.
     */
    bool minds_room;
    bool tells;        /* it calls host.released */
    bool keeps_access; /* engine_set_access always has an effect that lasts */
    bool collects;     /* when all has been deleted, one by one, its room comes back by itself */
} sim_engine;

const sim_engine *sim_engine_named(const char *name);

/* What goes wrong in this run, besides stops. */
typedef enum sim_profile {
    SIM_CLEAN,     /* nothing */
    SIM_ONE_ERROR, /* some call, and perhaps the next few, fail, once a round */
    SIM_ERRORS,    /* any call may fail, by chance */
    SIM_FULL,      /* the disk is small */
    SIM_NO_SPACE,  /* any call that takes room may fail, by chance */
    SIM_FLIPS,     /* bits flip on the disk */
    SIM_PROFILES,
} sim_profile;

/* A disk that lies, to see that the simulator sees it: no engine can be right on it. */
typedef enum sim_lie { SIM_NO_LIE, SIM_LIE_SYNC_DIR, SIM_LIE_FDATASYNC, SIM_LIE_FSYNC } sim_lie;

/* How the commands of this run look; chosen once. */
typedef struct sim_style {
    sim_profile profile;
    unsigned keys;       /* names to choose from, per database */
    unsigned long_keys;  /* permille of names that are long */
    unsigned value_max;  /* bytes of most values */
    unsigned big_values; /* permille of values that are much larger */
    unsigned colls;      /* permille of writes that go to collections */
    unsigned elems;      /* subkeys to choose from */
    unsigned batch_max;  /* changes of a batch */
    unsigned aborts;     /* permille of batches */
    unsigned flushes;    /* permille of changes that flush or swap */
    unsigned expires;    /* permille of puts with an expire time */
    unsigned deletes;    /* permille of changes */
    unsigned merges;     /* permille of turns that ask for a merge or compaction */
    unsigned ticks;      /* permille of calls in which a worker or child gets a turn */
    unsigned rounds, turns;
} sim_style;

/* The style as one argument of the command line, and back; false if it is none. */
#define SIM_STYLE_TEXT 256
void sim_style_show(const sim_style *y, char out[SIM_STYLE_TEXT]);
bool sim_style_parse(sim_style *y, const char *text);

/* What the simulator did, over all runs of a process: to see that it reaches what it should. */
typedef struct sim_totals {
    uint64_t seeds, rounds, turns, batches, aborts, crashes, kills, closes, stops_in_open;
    uint64_t children, failed_calls, refused, flips, pendings, errors, lost_batches, calls;
    uint64_t deletes_refused; /* for want of room */
    uint64_t flushes, compactions, moves, waits, disturbed;
    uint64_t full, rooms; /* rounds on a small disk; of them, that saw room come back by deletes */
    uint64_t depth;       /* the deepest level that had a table */
} sim_totals;

struct sim {
    uint64_t seed;
    const sim_engine *kind;
    sim_style style;
    const sim_style *fixed; /* instead of the one that the seed would choose; NULL: none */
    sim_lie lie;
    rng chance; /* of commands */
    rng pace;   /* of ticks and time */
    rng outer;  /* of the env's rng and random bytes */
    rng sampling;

    simfs *fs;
    simaio *workers;
    simchild *children;
    simchild_knobs child_knobs;
    stave_clock clock;
    uint64_t now_us;
    uint64_t low_us; /* when there was little room, last */
    io_env env;
    bool ready;        /* a read that was PENDING is there */
    bool failure_told; /* host.released was called when the log had failed */
    bool look_again;   /* host.released was called since the last look */
    bool cluster;      /* tokens begin with a slot */
    bool in_batch;     /* of changes */
    uint64_t budget;   /* as the engine was last told; 0: no limit */
    engine_host host;
    engine_reader reader; /* of what the simulator reads by itself */
    int appendfsync;

    engine *e;     /* NULL between two lives */
    engine *model; /* engine_mem with history */
    /* By number of batch (0 .. count of the model's batches): where the log ended. */
    log_pos *ends, *model_ends;
    size_t ends_cap;
    uint64_t token_probe;      /* of one name: the same in all lives */
    uint64_t forgotten;        /* batches that can't be undone any more */
    uint64_t told;             /* batches whose replies may have been sent */
    uint64_t safe;             /* batches that survive a power cut */
    log_pos released, durable; /* as last seen */
    bool failed;               /* engine_failed was seen */
    bool flipped;              /* some bit was flipped in this run */
    uint64_t failed_before;    /* simfs_counts.failed when the engine was opened */
    uint64_t syncs_before;     /* failed_syncs, likewise */
    uint64_t retries;          /* after_failed_sync, until the log had failed */
    uint64_t no_room_before;
    uint64_t next_cron_us;
    omap *watched; /* keys that a scan in progress must still show: see simcmd.c */
    uint64_t cursor;
    uint32_t cursor_db;

    struct simtypes *types; /* commands are a client's: NULL: they are not, or nothing is open */

    bool verbose;
    uint64_t trace_hash;
    uint64_t lines;
    char recent[SIM_RECENT][SIM_LINE];
    jmp_buf out; /* where sim_fail goes */
    char message[SIM_MESSAGE];
};

extern sim_totals sim_total;
/* Of the process: whole commands on keys of every type (simtypes.h), not the engine's own calls. */
extern bool sim_typed;

/* salt: 0, or another run with the same world and style. Runs a seed; false if it failed:
 * s->message says how. Free with sim_free. */
sim *sim_new(uint64_t seed, uint64_t salt, const sim_engine *kind, bool verbose);
bool sim_run(sim *s);
void sim_free(sim *s);
/* The last lines of the trace, oldest first. */
void sim_print_recent(const sim *s);

/* ---- for the simulator's own files ---------------------------------------------------------- */

void sim_say(sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(sim *s, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
/* All settings of the engine and its log to their defaults. */
void sim_set_defaults(sim *s);
/* A setting of the engine by its name, as a line of the configuration would have it. */
void sim_set(sim *s, const char *name, const char *value);
/* appendfsync, which every engine has. */
void sim_set_fsync(sim *s, const char *how);
/* True, with so many chances in a thousand. */
bool sim_permille(sim *s, unsigned chances);
/* A worker or a child gets a turn, perhaps. */
void sim_tick(void *s);

/* What every open of this run has. */
engine_options sim_options(sim *s);

/* simlife.c: all lives of the engine. */
void sim_lives(sim *s);
/* Looks at the positions: what was told, what is safe; fails if they went back or lie. */
void sim_observe(sim *s);
/* The same after what the program did not call for: a completion. Then host.released must have been
 * called if there is something new. */
void sim_observe_completion(sim *s);
/* May a call on the engine fail now, after what was done to the disk since it was opened? */
bool sim_errors_allowed(const sim *s);

/* simturn.c: one turn of the reactor. */
void sim_turn(sim *s);
/* The world goes on between two commands: time passes, workers and children get turns and are seen
 * to have ended, cron and background run. */
void sim_world(sim *s, uint64_t us);
/* Adds what the engine says of its work to sim_total. */
void sim_count_work(const sim *s);

/* simcmd.c: one command: a batch of changes, or reads. */
void sim_command(sim *s);
/* A batch that flushes all databases; then the system's is emptied. */
void sim_flush_all(sim *s);
/* Puts a value that does not pack, under a name of that number. False if there is no room. */
bool sim_fill(sim *s, unsigned i);
/* Batches that delete every key of every database. */
void sim_delete_all(sim *s);
/* Deletes what is due, as the keyspace would. */
void sim_expire(sim *s);
/* Ends a batch on both sides. before: the log's end when it began. */
void sim_commit(sim *s);
void sim_abort(sim *s, log_pos before);
/* A write waits as long as the engine asks, mostly. */
void sim_keep_pace(sim *s, size_t bytes);
/* Is there room, perhaps after the world has gone on? If there is none, something is the cause. */
bool sim_room_comes(sim *s, size_t bytes);
/* Lets the world go on until the engine says that a read can be tried again. */
void sim_await_ready(sim *s);
/* What was read by itself is done with. */
void sim_reader_end(sim *s);
/* The engine's result of a call, compared with the model's of the same call. Returns the engine's:
 * OK or ABSENT as the model; PENDING; ERROR if that may be. Fails otherwise. */
engine_result sim_agree(sim *s, const char *what, slice key, engine_result r, engine_result model);
/* The name of a key, or a subkey, by number; a chosen one. */
void sim_key_name(sim *s, unsigned number, buf *out);
void sim_pick_key(sim *s, buf *out);
/* The number of the i-th map that is used. */
static inline unsigned sim_map(uint64_t i) {
    return i < SIM_MAPS - 1 ? (unsigned)i : ENGINE_DERIVED;
}
/* What is derived: of every third type nothing, of others by value or by expire time. */
extern const engine_derive sim_derived;
void sim_pick_sub(sim *s, buf *out);
uint32_t sim_pick_db(sim *s);
/* The i-th of SIM_ALL_DBS. */
static inline uint32_t sim_db(uint32_t i) {
    return i < SIM_DBS ? i : ENGINE_DB_SYSTEM;
}

/* simread.c: reads, compared with the model's. */
engine_result sim_read_entry(sim *s, uint32_t db, slice key, bool meta, entry *mine, entry *model);
engine_result sim_read(sim *s);
/* What was read at that position may be told only if its batch may. */
void sim_check_position(sim *s, const char *what, slice key, log_pos mine, log_pos model);
/* A key is no more what it was: a scan in progress need not show it. */
void sim_unwatch_key(sim *s, uint32_t db, slice key);
void sim_unwatch(sim *s);

/* simmaps.c: reads of a key's collection, with iterators, if it has one. `sub`: scratch. */
engine_result sim_read_coll(sim *s, uint32_t db, slice key, buf *sub);

/* simverify.c: all of the engine's contents against the model's. */
/* After an open: goes back to the batch at which the engine stands; fails if there is none at or
 * beyond `promised`. False if some of its data can't be read, for damage that was done: then it may
 * be at an earlier batch, which differs in that. */
bool sim_verify_recovered(sim *s, uint64_t promised);
/* Now, with nothing to go back over. */
void sim_verify_now(sim *s);
/* All that the model has under a name, as bytes; none if there is no such key. */
void sim_model_key(sim *s, uint32_t db, slice key, buf *out);
/* All is released: then so is the position of everything that can be read. */
void sim_verify_positions(sim *s);

#endif
