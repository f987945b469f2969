/* space: the disk, in three parts:
 *
 *   |  tables, files of the log   |  the log's next file, twice  |   kept: flushes, a job    |
 *                                     writes are refused      ───┘     as long as they need it
 *
 * What is kept is what it takes to get from any state to one with less on the disk (S1): memtables
 * can be flushed, so that their log goes; then a compaction can be made. The least that a
 * compaction is sure to need is the oldest table of level 0 with the base level, or a table of
 * another level with those that it meets: picks that need more are not made when there is less
 * (compact_pick.h). As memtables, tables and the base level are small parts of a small disk, that
 * is a small part of it, too.
 *
 * Others may fill the disk nevertheless: then jobs wait, or are tried now and then. */
#include "engine/lsm/space.h"
#include "engine/lsm/jobs.h"

#define SLACK_PART 8  /* of what is free: not for jobs, but the log, the manifest, others */
#define BELOW      12 /* tables that a job takes with one of a level: see compact_child.c */

/* Bytes of memtables; of what they become, no less. */
static uint64_t in_memtables(const lsm *e) {
    uint64_t bytes = 0;
    CHECK(e->active != NULL);
    for (const memtable *m = e->active; m; m = m->older)
        bytes += memtable_bytes(m);
    return bytes;
}

/* What cannot be asked is no reason to hold anything back. */
void space_look(lsm *e) {
    uint64_t own = version_bytes(e->current);
    status s = e->fs->ops->free_space(e->fs, e->dir, &e->disk_free);
    for (uint32_t i = 0; i < e->nlogs; i++) {
        const logfile *f = e->logs[i];
        own += f->state == LOGFILE_SEALED ? f->end : f->limit;
    }
    if (!status_ok(s)) e->disk_free = UINT64_MAX;
    e->disk_all = e->disk_free > UINT64_MAX - own ? UINT64_MAX : e->disk_free + own;
    CHECK(e->disk_all >= own);
}

/* Nothing is known before the first look. */
uint64_t space_part(const lsm *e, uint64_t size, unsigned parts, uint64_t least) {
    uint64_t most = e->disk_all / parts;
    CHECK(parts > 0 && size > 0);
    if (e->disk_all == 0 || size <= most) return size;
    if (most < least) most = least;
    return size < most ? size : most;
}

/* The most that the least compaction writes. */
static uint64_t least_job(const lsm *e) {
    const version *v = e->current;
    pick_conf c = compact_conf(e);
    uint64_t top = lsm_memtable_size(e), base = c.base_bytes, run = BELOW * c.table_size;
    CHECK(top > 0 && run > 0);
    for (uint32_t i = 0; i < v->level[0].n; i++)
        if (v->level[0].tables[i]->length > top) top = v->level[0].tables[i]->length;
    uint64_t job = top + base > run ? top + base : run;
    uint64_t all = version_bytes(v) + in_memtables(e); /* an empty store needs nothing */
    return job < all ? job : all;
}

/* What the active file of the log has room for will be in memtables, too. */
uint64_t space_keep(void *ctx) {
    const lsm *e = ctx;
    CHECK(e->jobs && e->log.tail);
    return in_memtables(e) + logwrite_left(e->log.tail) + least_job(e);
}

/* When it can't have another file, the log has said so. */
bool space_is_tight(const lsm *e) {
    uint64_t files = 2 * (uint64_t)log_conf.segment_size;
    CHECK(files > 0);
    if (e->log.no_space || e->log.on_reserve) return true;
    return e->disk_free != UINT64_MAX && e->disk_free < files + space_keep((lsm *)(uintptr_t)e);
}

/* What a job that runs has yet to write, at most. */
static uint64_t yet_to_write(const lsm_job *j, uint64_t bytes) {
    CHECK(j->e != NULL);
    if (j->step > JOB_RUNNING) return 0;
    if (j->total == 0 || j->read >= j->total) return j->total == 0 ? bytes : 0;
    return bytes - (uint64_t)((double)bytes * ((double)j->read / (double)j->total));
}

/* What is free, less what jobs that run will take. */
static uint64_t left(const lsm *e) {
    const struct lsm_jobs *js = e->jobs;
    uint64_t taken = 0;
    CHECK(js->ncompact <= COMPACTIONS_MAX);
    for (uint32_t i = 0; i < js->ncompact; i++)
        if (!js->compact[i]->pick.move)
            taken += yet_to_write(&js->compact[i]->job, js->compact[i]->pick.bytes);
    if (js->flush) taken += yet_to_write(&js->flush->job, memtable_bytes(js->flush->m));
    return e->disk_free > taken ? e->disk_free - taken : 0;
}

/* The rest stays for what the log and the manifest write meanwhile. */
bool space_has_flush(const lsm *e, const memtable *m) {
    uint64_t room = left(e);
    CHECK(m != e->active);
    return memtable_bytes(m) < room - room / SLACK_PART;
}

/* Likewise. */
uint64_t space_of_job(const lsm *e) {
    uint64_t room = left(e);
    CHECK(room <= e->disk_free);
    return room - room / SLACK_PART + 1;
}
