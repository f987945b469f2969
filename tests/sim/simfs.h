/* simfs: a file system in memory that models what a disk may do.
 *
 * Every file has what programs see (its view) and what the disk holds (durable), and between them
 * the list of changes not yet synced. A power cut leaves the durable bytes with some of those
 * changes, chosen sector by sector; names likewise, by the list of directory changes that no
 * sync_dir has covered. A kill leaves the view. Calls fail when asked to. All chance comes from one
 * seed, and each call is numbered, so that a test can stop the machine at any of them.
 *
 * What is modelled:
 *  - A sector (512 bytes) holds, after a power cut, what it held at some moment between its last
 *    sync and the cut: so a write may be lost, torn or overtaken by a later one elsewhere, but
 * never within a sector, as the page cache has one copy. A file's size is chosen likewise.
 *  - fsync and fdatasync cover the file, not its name. sync_dir covers creates, renames and unlinks
 *    of a directory. Changes of one name keep their order; others don't.
 *  - After a failed fsync each unsynced sector is on the disk or is not, nothing counts as dirty
 * any more (a retry succeeds and covers nothing), and the view may go back to what the disk has.
 *  - A failed write has written some of its first bytes.
 *  - An exclusive lock belongs to a handle; it goes with it, with a kill and with a power cut. */
#ifndef STAVE_TESTS_SIM_SIMFS_H
#define STAVE_TESTS_SIM_SIMFS_H

#include "base/buf.h"
#include "base/rand.h"
#include "io/vfs.h"

#define SIMFS_SECTOR 512u

typedef struct simfs simfs;

/* To be set at any time between two calls. */
typedef struct simfs_knobs {
    uint64_t stop_at;        /* the machine stops in the change of that number; 0: never */
    uint64_t fail_at;        /* the call of that number fails ... */
    uint64_t fail_run;       /* ... and that many after it */
    uint64_t fail_sync_at;   /* the sync (of a file or a directory) of that number fails */
    status_code fail_code;   /* ST_IO or ST_NO_SPACE */
    unsigned fail_permille;  /* chance of any call to fail with ST_IO */
    unsigned space_permille; /* chance of a call that takes room to fail with ST_NO_SPACE */
    unsigned cold_permille;  /* chance of a pread_now to find that it would have to wait */
    uint64_t limit;          /* bytes of all files together; 0: none */
    bool quiet_reads;        /* preads never fail by chance */
    /* Lies, to prove that the simulator sees what they break. */
    bool lie_sync_dir, lie_fdatasync, lie_fsync;
} simfs_knobs;

typedef struct simfs_counts {
    uint64_t calls;   /* all */
    uint64_t changes; /* calls that change or sync something: what stop_at counts */
    uint64_t syncs;   /* of them, syncs */
    uint64_t failed;  /* on purpose; not those for want of room under `limit` */
    uint64_t failed_syncs;
    uint64_t after_failed_sync; /* writes and syncs of an open file whose sync had failed */
    uint64_t no_room;           /* refused because of `limit` */
    uint64_t cold;              /* pread_now that would have had to wait */
    uint64_t crashes, kills, flips;
} simfs_counts;

simfs *simfs_new(uint64_t seed);
void simfs_free(simfs *fs);
vfs *simfs_vfs(simfs *fs);
simfs_knobs *simfs_knobs_of(simfs *fs);
const simfs_counts *simfs_counts_of(const simfs *fs);

/* Called before each call of the program (not of what the hook itself calls): where a worker or a
 * child gets its turn. NULL: none. */
void simfs_set_hook(simfs *fs, void (*before)(void *ctx), void *ctx);
/* Told of each call and how it went, in one line. NULL: none. */
void simfs_set_trace(simfs *fs, void (*line)(void *ctx, const char *text), void *ctx);

/* True from the call at which the machine stopped: every call fails, nothing changes. */
bool simfs_stopped(const simfs *fs);
/* The machine stops now. */
void simfs_stop(simfs *fs);
/* The end of what a stopped (or running) program had: handles and locks go. Then the machine runs
 * again. Power cut: what was not synced is lost or not. Kill: files are as the program left them.
 */
void simfs_crash(simfs *fs);
void simfs_kill(simfs *fs);

/* Handles that are open, and bytes in all files. */
size_t simfs_open_handles(const simfs *fs);
uint64_t simfs_used(const simfs *fs);
uint64_t simfs_largest(const simfs *fs); /* bytes of the largest file */

/* Flips one bit of a file picked by chance whose path contains `part` (NULL: any), on the disk and
 * in the view; rarely in the zeros at its end. Says where in `what`. False if there is no byte to
 * flip. */
bool simfs_flip(simfs *fs, const char *part, buf *what);
/* Copies all files as they are seen to a directory of the real file system, for stave-check and
 * hexdump. */
void simfs_export(simfs *fs, const char *dir);
/* "NAME SIZE" for each file, in order of name. */
void simfs_list(const simfs *fs, buf *out);

#endif
