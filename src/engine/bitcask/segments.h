/* segments: the log's files, their order, and whose bytes they hold.
 *
 * A segment is named in three ways: its file number (on disk, never reused), its slot (16 bits, in
 * every keydir entry; reused once nothing refers to it) and its rank in the total order.
 *
 *   PREPARING ──> READY ──> ACTIVE ──> SEALED   (engine/log/chain.h; merge outputs and what
 * recovery │       finds begin as SEALED) seg_consider_all
 *                                        v
 *   unlinked <─engine/log/retire─ seg_retire_dead ─ DEAD
 *
 * `frozen` marks the run of a job under way: such a segment may become DEAD, but is not retired. */
#ifndef STAVE_ENGINE_BITCASK_SEGMENTS_H
#define STAVE_ENGINE_BITCASK_SEGMENTS_H

#include "engine/log/chain.h"

#define SEG_SLOTS   65536
#define SEG_NO_SLOT 65535 /* never given */

/* A state beside those of logfile_state: nothing in it is needed, once the log is durable beyond
 * dead_at. */
#define SEG_DEAD LOGFILE_STATES

/* Bytes of records in a segment: live + hiding + dead = end - FILE_HEADER. */
typedef struct segment {
    logfile log; /* first: its number, state, file, where it ends */
    uint16_t slot;
    bool merged;     /* came out of a merge: its number says nothing about its place in the order */
    bool frozen;     /* a job reads it */
    bool hinted;     /* has a hint file */
    bool advised;    /* its file: that it is read at random places */
    uint64_t live;   /* bytes of records that an entry or element points at */
    uint64_t hiding; /* bytes of deletes that may hide older records */
    uint64_t proven; /* hiding bytes that a merge has looked at and kept */
    uint64_t order;  /* bytes of FLUSH and SWAP records that the manifest does not cover yet */
    log_pos order_last; /* the last of these */
    log_pos dead_at;    /* SEG_DEAD: the log's end when it became so */
    uint64_t *marks;    /* of a merge's run: which records are live (merge_marks.c) */
} segment;

/* The segment that the log knows as f. */
static inline segment *seg_of(logfile *f) {
    return (segment *)f;
}

/* What one physical database has in one segment. */
typedef struct seg_share {
    uint64_t live, hiding;
} seg_share;

typedef struct bitcask bitcask;
struct pdb;

/* ---- the table and the order (segments.c) ------------------------------------------------------
 */

/* A segment with a slot, in no order yet; NULL if all slots are taken. */
segment *seg_new(bitcask *e, uint32_t number);
/* Frees it; its file is closed if it is open. */
void seg_free(bitcask *e, segment *s);
static inline log_pos seg_pos(const segment *s, uint32_t offset) {
    return logfile_pos(&s->log, offset);
}
/* Last in the order. */
void seg_append(bitcask *e, segment *s);
/* Takes n outputs into the place of the run order[at .. at + len). */
void seg_replace(bitcask *e, uint32_t at, uint32_t len, segment **with, uint32_t n);
/* Rank in the order; norder if it has none. */
uint32_t seg_rank(const bitcask *e, const segment *s);

/* ---- accounting (account.c) ---------------------------------------------------------------------
 */

void seg_live_add(bitcask *e, struct pdb *d, uint16_t slot, uint32_t size);
void seg_live_sub(bitcask *e, struct pdb *d, uint16_t slot, uint32_t size);
void seg_hiding_add(bitcask *e, struct pdb *d, uint16_t slot, uint32_t size);
/* The pdb is dead: all that it has, everywhere, is. */
void seg_drop_shares(bitcask *e, struct pdb *d);
/* FLUSH and SWAP records before `at` are covered by the manifest. */
void seg_orders_covered(bitcask *e, log_pos at);
/* Bytes of no use to anybody. */
static inline uint64_t seg_dead_bytes(const segment *s, uint32_t end) {
    return end - FILE_HEADER - s->live - s->hiding - s->order;
}
/* Its slot is about to be given to another. REQUIRES: nothing in it is live. */
void seg_forget_shares(bitcask *e, const segment *s);
/* Marks those that have become dead. */
void seg_consider_all(bitcask *e);

/* ---- for the log (segments.c, retire.c) ---------------------------------------------------------
 */

/* What the log asks of this engine. */
extern const chain_calls seg_chain_calls;
/* The segment goes once that edit, which makes it pending, is durable. Frees s. */
void seg_retire(bitcask *e, segment *s, uint64_t gen);
/* Retires what is dead, if that is safe by now; true if something was. */
bool seg_retire_dead(bitcask *e);
/* A segment that was never more than a pending name, which is unlinked. Frees s. */
void seg_give_up(bitcask *e, segment *s);
/* A clean end: all is written and fsynced, the active segment sealed, hints made. */
status seg_close(bitcask *e);

#endif
