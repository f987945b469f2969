/* jobs: what children do for this engine: flushes and compactions, and what they have in common.
 *
 *   NAMING      names for the outputs are taken in the manifest (PENDING)
 *   RUNNING     a child writes them
 *   SETTLING    a flush: waits for its turn and for the log to be durable up to its end
 *   INSTALLING  one edit of the manifest: outputs come, inputs go. Once it is durable the next
 *               version is used, and the inputs are unlinked
 *
 * Up to SETTLING a job can be given up: its outputs are unlinked. */
#ifndef STAVE_ENGINE_LSM_JOBS_H
#define STAVE_ENGINE_LSM_JOBS_H

#include "engine/lsm/compact_pick.h"
#include "engine/lsm/lsm_int.h"
#include "engine/lsm/outputs.h"
#include "engine/lsm/pace.h"

#define COMPACTIONS_MAX 16

typedef enum job_step { JOB_NAMING, JOB_RUNNING, JOB_SETTLING, JOB_INSTALLING } job_step;
const char *job_step_name(job_step s);

/* A part of each job. */
typedef struct lsm_job {
    child_job child;
    lsm *e;
    job_step step;
    bool cancelled;  /* its child was told to end */
    uint32_t *names; /* PENDING, once `gen` is durable; later: those of the outputs */
    uint32_t nnames;
    table_ref **outs;
    uint32_t nouts;
    table_ref **whole; /* tables that the child found wholly hidden; busy from SETTLING on */
    uint32_t nwhole;
    uint64_t gen; /* of the edit waited for */
    output_spec spec;
    uint64_t rate; /* bytes a second; 0: no limit */
    uint64_t read, written, total, began_us;
} lsm_job;

typedef struct flush_job {
    lsm_job job;
    memtable *m;
    const version *v; /* as of the fork */
} flush_job;

typedef struct compaction {
    lsm_job job;
    pick pick;
    const version *v; /* as of the fork */
} compaction;

struct lsm_jobs {
    flush_job *flush;                     /* NULL: none */
    compaction *compact[COMPACTIONS_MAX]; /* the first `ncompact` */
    uint32_t ncompact;
    uint64_t flush_after_us, compact_after_us; /* none is started before: after a failure */
    status_code flush_failed;                  /* why the last flush did; ST_OK: it did not */
    char flush_error[STATUS_MSG_MAX];
    bool undecided;   /* at an end: the edit of a flush waits for room in the manifest, and may come
                         to   be yet. Its memtable must not be flushed once more */
    uint64_t room_us; /* a flush has waited for room since then; 0: none does */
    uint64_t hurry_us;  /* when a memtable was last frozen for its tombstones' sake */
    bool careful;       /* a compaction has found less room than was counted on */
    buf spare;          /* u32 each: names that nobody uses, PENDING once */
    uint64_t spare_gen; /* this edit is durable */
    lsm_job drop;       /* of dead tables; e is NULL: none */
    pick_asked asked;
    bool asked_flush; /* engine_compact: the memtable that was active has yet to be flushed */
    uint64_t asked_memtable;
    uint64_t dead_seen_us; /* when dead tables were last looked for */
    bool closing;
    pace pace;
    uint64_t memtables_room;      /* bytes that the cache leaves to memtables (sizes.c) */
    uint64_t relief, relieved_us; /* bytes of the cache given up for want of memory (sizes.c) */
};

/* ---- common steps (install.c)
 * --------------------------------------------------------------------- */

void job_init(lsm_job *j, lsm *e, const char *name);
/* Takes n names, from the spare ones or in an edit; then step is NAMING and gen is set. */
void job_take_names(lsm_job *j, uint32_t n);
/* Forks. Not ok: nothing has happened. */
status job_start(lsm_job *j);
/* The child's result: opens the outputs at `level`, with that recency; names that were not used
 * are spare again. */
status job_take_result(lsm_job *j, slice result, unsigned level, uint64_t recency);
/* Its outputs, if any, go; REQUIRES: no child, before INSTALLING. Frees what j holds, not j. */
void job_give_up(lsm_job *j);
void job_free(lsm_job *j);
/* Adds to the edit: outputs come, the tables that are wholly hidden go. */
void job_edit(lsm_job *j);
/* Adds to the edit: a table goes. */
void job_edit_drop(lsm *e, const table_ref *t);
/* The edit is durable: makes the next version. in: tables that go besides the hidden ones. */
void job_install(lsm_job *j, table_ref **in, uint32_t n);
/* Appends the head of a child's result. */
void job_result(const lsm_job *j, const outputs *o, uint64_t read, slice whole, buf *out);
/* Unlinks, by an edit, the tables that hold nothing but dead databases. */
void job_drop_dead(lsm *e);
void job_drop_advance(lsm *e);
/* Holds t nothing but dead databases? */
bool table_is_dead(const lsm *e, const table_ref *t);
/* How a child writes tables of that level. */
output_spec job_spec(lsm *e, unsigned level, uint64_t limit);

/* ---- flush.c ------------------------------------------------------------------------------------
 */

void flush_cron(lsm *e);
void flush_advance(lsm *e);
status flush_room(const lsm *e); /* may memtables grow? Else why not */
void flush_end(lsm *e);
void flush_free(lsm *e); /* memory alone */
/* Has the active memtable flushed, if nobody writes and it hides much of what is in tables. */
void quiet_cron(lsm *e);
bool quiet_is(lsm *e);
status flush_child_run(child_job *job, vfs *v, buf *out);

/* ---- compact.c, compact_child.c -------------------------------------------------------------- */

void compact_cron(lsm *e);
void compact_advance(lsm *e);
void compact_end(lsm *e);
void compact_free(lsm *e);
status compact_child_run(child_job *job, vfs *v, buf *out);
pick_conf compact_conf(const lsm *e);

/* ---- pace.c, sizes.c ------------------------------------------------------------------------- */

#define BUDGET_MEMTABLES 3 /* there may be so many, if memory is limited */
void pace_cron(lsm *e);
void sizes_cron(lsm *e);
/* Memory of open tables. */
uint64_t lsm_tables_ram(const lsm *e);

#endif
