/* toylog: an engine of one log file over engine_mem, for testing the simulator itself.
 *
 * It keeps everything in RAM, writes each batch as one record, and replays the file at the next
 * open. It is right, unless toy_bug says otherwise: then it has one of the classic faults, which
 * the simulator must find. */
#ifndef STAVE_TESTS_SIM_TOYLOG_H
#define STAVE_TESTS_SIM_TOYLOG_H

#include "engine/engine.h"

typedef enum toy_fault {
    TOY_RIGHT,
    TOY_TOLD_EARLY,    /* always: replies are released before the fsync */
    TOY_NO_FSYNC,      /* says durable without having synced */
    TOY_NO_DIR_SYNC,   /* the new file's name is never synced */
    TOY_RETRIED_FSYNC, /* a failed fsync is tried again, and believed */
    TOY_NO_CRC,        /* a torn record is applied */
    TOY_SPLIT_BATCH,   /* each change of a batch is a record of its own */
    TOY_LOST_DELETE,   /* deletes are not logged */
    TOY_LOST_EXPIRE,   /* expire times are not logged */
    TOY_KEEPS_ABORTED, /* an abort leaves its records in the log */
    TOY_NO_CUT,        /* a torn tail is skipped at an open, but stays in the file */
    TOY_UNSYNCED_OPEN, /* what was read at an open is called durable without a sync */
    TOY_TRUSTS_CACHE,  /* what was read at an open is synced, but not written again */
    TOY_TWO_SYNCS,     /* a sync while a worker syncs: the worker's error goes unheard */
    TOY_FLUSH_ONE,     /* flush of all databases flushes the first */
    TOY_FAULTS,
} toy_fault;

extern toy_fault toy_bug;
extern int toy_appendfsync;
extern const engine_class toy_class;
const char *toy_fault_name(toy_fault f);

#endif
