/* meta: the queue of edits, one under way at a time (W9).
 *
 *   meta.edit ──meta_kick──> meta.flying ──a worker writes and fsyncs──> durable
 *       ^                         │
 *       └──── no space: put back ─┘
 *
 * Ids are given from blocks that the manifest has reserved: a crash loses the rest of a block, and
 * no id is ever given twice. */
#include "engine/log/meta.h"

#include "base/log.h"
#include <stdio.h>
#include <string.h>

/* Ids reserved ahead, by manifest_ids: taken rarely (databases) or often (collections). File
 * numbers are reserved by the edit that names the file. */
static const uint64_t id_ahead[MANIFEST_IDS] = {
    [MANIFEST_IDS_PDB] = 1024, [MANIFEST_IDS_COLL] = 1 << 20};

/* Generations begin at 1, so that 0 is always durable. */
void meta_init(meta_queue *m, const io_env *env, const char *dir) {
    CHECK(env && dir);
    *m = (meta_queue){.env = env, .fs = env->fs, .dir = dir, .gen = 1, .failure = STATUS_OK};
}

/* What is not durable is lost, as at a crash. */
void meta_free(meta_queue *m) {
    CHECK(!m->busy || !m->m || manifest_busy(m->m));
    manifest_close(m->m);
    edit_free(&m->edit);
    edit_free(&m->flying);
    if (m->lock) m->fs->ops->unlock(m->lock);
    m->m = NULL;
    m->lock = NULL;
}

/* Of the ids that may be in use none is given again. */
void meta_take(meta_queue *m) {
    const manifest_state *s = meta_state(m);
    m->store_id = s->store_id;
    for (int i = 0; i < MANIFEST_IDS; i++)
        m->ids[i] = (id_block){s->ids[i], s->ids[i], s->ids[i]};
    CHECK(m->store_id != 0 && m->ids[MANIFEST_IDS_FILE].next > 0);
}

/* Messages live in a ring that the next ones overwrite, so it is copied. */
void meta_stop(meta_queue *m, status why) {
    CHECK(!status_ok(why));
    if (!status_ok(m->failure)) return;
    snprintf(m->failure_msg, sizeof m->failure_msg, "%s", why.msg);
    m->failure = (status){ST_FAILED, m->failure_msg};
}

/* No file can be had any more, so the log ends too. */
static void meta_fail(meta_queue *m, status why) {
    CHECK(!m->busy);
    meta_stop(m, why);
    if (m->failed) m->failed(m->ctx, why);
}

/* On a worker. */
static void meta_run(aio_job *job) {
    meta_queue *m = AIO_OWNER(job, meta_queue, job);
    CHECK(m->busy);
    job->result = manifest_write(m->m);
}

/* The edit under way is durable: what was asked for with it holds. */
static void meta_durable(meta_queue *m) {
    CHECK(!m->busy && m->gen > m->done);
    CHECK(m->done < m->gen - 1);
    m->done = m->gen - 1;
    for (int i = 0; i < MANIFEST_IDS; i++) {
        if (meta_state(m)->ids[i] > m->ids[i].reserved) m->ids[i].reserved = meta_state(m)->ids[i];
        if (m->ids[i].asked < m->ids[i].reserved) m->ids[i].asked = m->ids[i].reserved;
    }
    if (m->durable) m->durable(m->ctx);
}

/* The edit that collects becomes the one that flies, or the other way round. */
static void swap_edits(meta_queue *m) {
    CHECK(!m->busy);
    buf swap = m->edit.ops;
    m->edit.ops = m->flying.ops;
    m->flying.ops = swap;
}

/* The disk was full: the edit goes back in front of what was collected meanwhile, and counts as
 * part of that generation. */
static void meta_put_back(meta_queue *m) {
    CHECK(!m->busy && m->flying.ops.len > 0);
    buf_append_slice(&m->flying.ops, buf_slice(&m->edit.ops));
    swap_edits(m);
    m->full = true;
    m->no_space++;
}

/* On the thread. */
static void meta_done(aio_job *job) {
    meta_queue *m = AIO_OWNER(job, meta_queue, job);
    CHECK(m->busy && m->flying.ops.len > 0);
    manifest_finish(m->m);
    m->busy = false;
    if (status_ok(job->result)) {
        buf_clear(&m->flying.ops);
        meta_durable(m);
        meta_kick(m);
    } else if (job->result.code == ST_NO_SPACE) {
        meta_put_back(m);
        buf_clear(&m->flying.ops);
    } else {
        meta_fail(m, job->result);
    }
}

/* The edit goes on collecting while one is under way; both have the same generation then. */
uint64_t meta_commit(meta_queue *m) {
    uint64_t gen = m->gen;
    CHECK(m->edit.ops.len > 0);
    meta_kick(m);
    return gen;
}

/* One edit at a time (W9). */
void meta_kick(meta_queue *m) {
    if (m->busy || m->full || m->edit.ops.len == 0 || !status_ok(m->failure)) return;
    status s = manifest_prepare(m->m, &m->edit);
    if (s.code == ST_NO_SPACE || s.code == ST_LIMIT) {
        m->full = true;
        return;
    }
    if (!status_ok(s)) {
        meta_fail(m, s);
        return;
    }
    CHECK(m->flying.ops.len == 0);
    swap_edits(m);
    m->gen++;
    m->busy = true;
    m->job.run = meta_run;
    m->job.done = meta_done;
    aio_submit(m->env->aio, AIO_HOUSEKEEP, &m->job);
    CHECK(m->gen > m->done + 1);
}

/* There may be space by now. */
void meta_cron(meta_queue *m) {
    if (!m->full) return;
    CHECK(!m->busy && m->edit.ops.len > 0);
    m->full = false;
    meta_kick(m);
}

/* For starts and ends, and when ids ran out faster than they were reserved. */
status meta_wait(meta_queue *m, uint64_t gen) {
    CHECK(gen <= m->gen);
    m->full = false;
    meta_kick(m);
    while (m->done < gen) {
        if (!status_ok(m->failure)) return m->failure;
        if (m->full) return status_make(ST_NO_SPACE, "No space left on device for the manifest");
        CHECK(m->busy);
        m->env->aio->ops->drain(m->env->aio);
    }
    return STATUS_OK;
}

/* ---- ids --------------------------------------------------------------------------------------
 */

/* Reserved by the very edit that names the file, so that none is lost to a crash. */
void meta_name_file(meta_queue *m, uint32_t number) {
    id_block *b = &m->ids[MANIFEST_IDS_FILE];
    CHECK(number == b->next && number > 0 && number < UINT32_MAX);
    b->next++;
    edit_reserve(&m->edit, MANIFEST_IDS_FILE, b->next);
    edit_pending(&m->edit, number);
}

/* A block is asked for when half of the last one is used. */
void meta_reserve_ahead(meta_queue *m) {
    for (int i = 0; i < MANIFEST_IDS; i++) {
        id_block *b = &m->ids[i];
        if (id_ahead[i] == 0 || b->next + id_ahead[i] / 2 <= b->asked) continue;
        b->asked = b->next + id_ahead[i];
        edit_reserve(&m->edit, (enum manifest_ids)i, b->asked);
    }
}

/* Blocks only if the reserve is used up. */
status meta_take_id(meta_queue *m, enum manifest_ids which, uint64_t *id) {
    id_block *b = &m->ids[which];
    CHECK(id_ahead[which] > 0);
    if (b->next >= b->reserved) {
        meta_reserve_ahead(m);
        uint64_t gen = m->edit.ops.len ? meta_commit(m) : m->gen - 1;
        TRY(meta_wait(m, gen));
        CHECK(b->next < b->reserved);
    }
    CHECK(b->next > 0 && b->next < b->reserved);
    *id = b->next++;
    if (b->next + id_ahead[which] / 4 > b->asked) {
        meta_reserve_ahead(m);
        meta_commit(m);
    }
    return STATUS_OK;
}
