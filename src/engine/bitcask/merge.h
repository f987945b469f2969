/* merge: copying what is needed of a run of segments into new ones, and dropping the rest.
 *
 *   NAMING     numbers for the outputs are taken in the manifest (PENDING)
 *   MARKING    what of the run is live is marked, in slices, so that the child does without the
 *              index (merge_marks.c); a small index goes with the fork, and this is left out
 *   RUNNING    a child copies (merge_child.c): outputs, their hints, and a file of moves
 *   VERIFYING  the parent checks the file of moves, in slices
 *   APPLYING   it makes entries and elements point to the outputs, in slices (merge_apply.c)
 *   SETTLING   nothing points into the run any more; waits until the log is durable beyond where it
 *              was at the fork (B7)
 *   INSTALLING the manifest puts the outputs into the run's place (REPLACE); once that is durable,
 *              the run is unlinked
 *
 * Up to VERIFYING a merge can be given up: its outputs are unlinked. From APPLYING on it is carried
 * through; a crash gives it up, as the run is still what the manifest names. */
#ifndef STAVE_ENGINE_BITCASK_MERGE_H
#define STAVE_ENGINE_BITCASK_MERGE_H

#include "engine/bitcask/bitcask_int.h"

typedef enum merge_step {
    MERGE_NAMING,
    MERGE_MARKING,
    MERGE_RUNNING,
    MERGE_VERIFYING,
    MERGE_APPLYING,
    MERGE_SETTLING,
    MERGE_INSTALLING,
} merge_step;
const char *merge_step_name(merge_step s);

/* Where the parent is in the file of moves. */
typedef struct moves_reader {
    vfs_file *file;
    uint64_t at, size;
    buf block; /* what is left of the block being applied is `rest` */
    slice rest;
} moves_reader;

struct merge_job {
    child_job child;
    bitcask *e;
    merge_step step;
    bool cancelled; /* its child was told to end */
    segment **run;  /* in order; frozen */
    uint32_t nrun;
    segment **outs; /* SEG_PREPARING until they are installed */
    uint32_t nouts;
    uint32_t limit;   /* an output that has reached it is ended */
    uint64_t rate;    /* bytes a second */
    uint64_t gen;     /* of the manifest edit waited for */
    log_pos fork_end; /* the log's end at the fork */
    uint64_t read, written, total;
    uint64_t began_us;
    uint32_t *pdbs; /* databases whose entries are not marked, the next one last */
    uint32_t npdbs;
    uint64_t mark_from; /* the token to go on from in that one */
    buf hiding;         /* per output: what its deletes take, as the child said (merge_child.c) */
    moves_reader moves;
    char path[FILE_PATH_MAX]; /* of the file of moves */
};

/* A block of the file of moves: u32 length, u32 CRC32C, then moves. */
#define MOVES_BLOCK (64u << 10)
#define MOVES_HEAD  8u
#define MOVES_MAX   (MOVES_BLOCK + ENGINE_SUBKEY_MAX + 64)

/* One record moved. */
typedef struct move {
    bool element;
    uint8_t map;
    uint16_t from_slot, to_slot;
    uint32_t pdb, from_offset, to_offset, size;
    uint64_t id; /* token, or collection */
    slice sub;
} move;
void move_encode(buf *out, const move *m);
bool move_decode(slice *in, move *out);

/* Can the run's live records be marked, and is that better than a fork with the index? */
bool merge_marks_worth(const merge_job *j);
/* NAMING -> MARKING. */
void merge_marks_begin(merge_job *j);
/* A slice of MARKING; true if there is more. */
bool merge_mark_some(merge_job *j);
/* Is the record there marked? REQUIRES: s->marks. */
bool merge_is_marked(const segment *s, uint32_t offset);
void merge_marks_end(merge_job *j);

/* In the child. */
status merge_child_run(child_job *job, vfs *v, buf *out);

/* Starts a merge of the run order[at .. at + len). */
status merge_start(bitcask *e, uint32_t at, uint32_t len);
/* A slice of VERIFYING or APPLYING; true if there is more. */
bool merge_apply_some(merge_job *j);
/* Takes the child's result; not ok if it can't be used. */
status merge_take(merge_job *j, slice result);
/* Hiding bytes of the outputs, as the child said. */
void merge_account(merge_job *j);

#endif
