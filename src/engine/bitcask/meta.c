/* meta: the manifest from the engine's side.
 *
 * Changes to the manifest are collected in one edit while the one before is being written by a
 * worker (B9). Each edit has a generation; whoever must not go on before his change is durable
 * remembers the generation and looks at meta.done in bc_advance, which runs whenever an edit has
 * become durable. Several changes that belong together are put into the edit before meta_commit is
 * called once: an edit is applied whole or not at all. A full disk puts the edit back, to be tried
 * again by cron; any other failure ends the log, as segments can't be had without a manifest. */
#include "engine/bitcask/bitcask_int.h"
#include "engine/bitcask/seglog.h"

/* Ids reserved ahead, by manifest_ids: taken rarely (databases) or often (collections). */
static const uint64_t id_ahead[MANIFEST_IDS] = {
    [MANIFEST_IDS_PDB] = 1024, [MANIFEST_IDS_COLL] = 1 << 20};

/* On a worker. */
static void meta_run(aio_job *job) {
    meta_queue *m = AIO_OWNER(job, meta_queue, job);
    CHECK(m->busy);
    job->result = manifest_write(m->m);
}

/* The edit under way is durable: what was asked for with it holds. */
static void meta_durable(bitcask *e) {
    CHECK(!e->meta.busy && e->meta.gen > e->meta.done);
    meta_queue *m = &e->meta;
    m->done = m->gen - 1;
    for (int i = 0; i < MANIFEST_IDS; i++) {
        if (manifest_get(m->m)->ids[i] > e->ids[i].reserved)
            e->ids[i].reserved = manifest_get(m->m)->ids[i];
        if (e->ids[i].asked < e->ids[i].reserved) e->ids[i].asked = e->ids[i].reserved;
    }
    bc_advance(e);
}

/* The disk was full: the edit goes back in front of what was collected meanwhile, and counts as
 * part of that generation. */
static void meta_put_back(bitcask *e) {
    CHECK(!e->meta.busy && e->meta.flying.ops.len > 0);
    meta_queue *m = &e->meta;
    buf_append_slice(&m->flying.ops, buf_slice(&m->edit.ops));
    buf swap = m->edit.ops;
    m->edit.ops = m->flying.ops;
    m->flying.ops = swap;
    m->full = true;
    e->stats.no_space++;
}

/* On the thread. */
static void meta_done(aio_job *job) {
    bitcask *e = AIO_OWNER(job, meta_queue, job)->e;
    meta_queue *m = &e->meta;
    CHECK(m->busy);
    manifest_finish(m->m);
    m->busy = false;
    if (status_ok(job->result)) {
        buf_clear(&m->flying.ops);
        meta_durable(e);
        meta_kick(e);
    } else if (job->result.code == ST_NO_SPACE) {
        meta_put_back(e);
        buf_clear(&m->flying.ops);
    } else {
        seglog_fail(e, job->result);
    }
}

/* The edit goes on collecting while one is under way; both have the same generation then. */
uint64_t meta_commit(bitcask *e) {
    uint64_t gen = e->meta.gen;
    CHECK(e->meta.edit.ops.len > 0);
    meta_kick(e);
    return gen;
}

/* One edit at a time (B9). */
void meta_kick(bitcask *e) {
    meta_queue *m = &e->meta;
    if (m->busy || m->full || m->edit.ops.len == 0 || seglog_is_dead(e)) return;
    status s = manifest_prepare(m->m, &m->edit);
    if (s.code == ST_NO_SPACE || s.code == ST_LIMIT) {
        m->full = true;
        return;
    }
    if (!status_ok(s)) {
        seglog_fail(e, s);
        return;
    }
    CHECK(m->flying.ops.len == 0);
    buf swap = m->edit.ops;
    m->edit.ops = m->flying.ops;
    m->flying.ops = swap;
    m->gen++;
    m->busy = true;
    m->job.run = meta_run;
    m->job.done = meta_done;
    aio_submit(e->env->aio, AIO_HOUSEKEEP, &m->job);
}

/* For starts and ends, and when ids ran out faster than they were reserved. */
status meta_wait(bitcask *e, uint64_t gen) {
    CHECK(gen <= e->meta.gen);
    meta_queue *m = &e->meta;
    m->full = false;
    meta_kick(e);
    while (m->done < gen) {
        if (seglog_is_dead(e)) return seglog_failure(e);
        if (m->full) return status_make(ST_NO_SPACE, "No space left on device for the manifest");
        CHECK(m->busy);
        e->env->aio->ops->drain(e->env->aio);
    }
    return STATUS_OK;
}

/* A block is asked for when half of the last one is used. */
void meta_reserve_ahead(bitcask *e) {
    for (int i = 0; i < MANIFEST_IDS; i++) {
        id_block *b = &e->ids[i];
        if (id_ahead[i] == 0 || b->next + id_ahead[i] / 2 <= b->asked) continue;
        b->asked = b->next + id_ahead[i];
        edit_reserve(&e->meta.edit, (enum manifest_ids)i, b->asked);
    }
}

/* Blocks only if the reserve is used up. */
status bc_take_id(bitcask *e, enum manifest_ids which, uint64_t *id) {
    id_block *b = &e->ids[which];
    CHECK(id_ahead[which] > 0);
    if (b->next >= b->reserved) {
        meta_reserve_ahead(e);
        uint64_t gen = e->meta.edit.ops.len ? meta_commit(e) : e->meta.gen - 1;
        TRY(meta_wait(e, gen));
        CHECK(b->next < b->reserved);
    }
    *id = b->next++;
    if (b->next + id_ahead[which] / 4 > b->asked) {
        meta_reserve_ahead(e);
        meta_commit(e);
    }
    return STATUS_OK;
}
