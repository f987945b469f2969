/* aio: what every implementation shares: how a job is run, and reads and syncs made into jobs.
 *
 *     read, sync ──aio_*_as_job──> job ──run (anywhere)──> job.result ──aio_*_ended──> done
 *
 * An implementation that does a read or a sync by itself fills job.result and calls the last step
 * alone. Statistics are the reactor's thread's: they count at the two ends. */
#include "io/aio.h"

#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

/* A message in the worker's ring would be lost with the next ones. */
void aio_run_job(aio_job *job) {
    job->result = STATUS_OK;
    job->run(job);
    if (!status_ok(job->result)) aio_fail_job(job, job->result);
}

void aio_fail_job(aio_job *job, status s) {
    CHECK(!status_ok(s));
    if (s.msg != job->result_msg) snprintf(job->result_msg, sizeof(job->result_msg), "%s", s.msg);
    job->result = (status){s.code, job->result_msg};
}

/* A refusal of io_uring is worth a line only to whom has asked for it, or wonders. */
status aio_new(aio_method method, aio **out) {
    *out = NULL;
    status s = method == AIO_THREADS ? STATUS_OK : aio_uring_new(out);
    if (!status_ok(s) && method == AIO_URING) return s;
    if (!*out) {
        if (!status_ok(s)) log_notice("io_uring is not to be had: %s", s.msg);
        TRY(aio_threads_new(out));
    }
    return STATUS_OK;
}

/* A signal ends the waiting early, which costs nothing. */
int aio_await(aio *a, uint32_t us) {
    struct pollfd p = {.fd = aio_fd(a), .events = POLLIN};
    if (p.fd < 0) return 0;
    struct timespec most = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    (void)ppoll(&p, 1, &most, NULL);
    return a->ops->poll(a);
}

/* On a worker. */
static void read_run(aio_job *job) {
    aio_read *r = AIO_OWNER(job, aio_read, job);
    job->result = vfs_pread(r->file, r->p, r->n, r->offset, &r->got);
}

static void read_done(aio_job *job) {
    aio_read *r = AIO_OWNER(job, aio_read, job);
    aio_read_ended(r->by, r);
}

void aio_read_as_job(aio *a, aio_read *r) {
    CHECK(r->done && r->file && r->p && r->n > 0);
    r->by = a;
    r->got = 0;
    r->job.run = read_run;
    r->job.done = read_done;
    r->job.next = NULL;
    r->job.result = STATUS_OK;
    if (++a->stats.reading > a->stats.reading_most) a->stats.reading_most = a->stats.reading;
}

void aio_read_ended(aio *a, aio_read *r) {
    CHECK(a->stats.reading > 0 && r->got <= r->n);
    a->stats.reading--;
    a->stats.reads++;
    a->stats.read_bytes += r->got;
    r->result = r->job.result;
    a->stats.read_failures += !status_ok(r->result);
    r->done(r);
}

/* On a worker. What was synced before, by other means, is not synced again. */
static void sync_run(aio_job *job) {
    aio_sync *s = AIO_OWNER(job, aio_sync, job);
    for (; s->at < s->n; s->at++) {
        job->result = s->files[s->at]->ops->fdatasync(s->files[s->at]);
        if (!status_ok(job->result)) return;
    }
}

static void sync_done(aio_job *job) {
    aio_sync *s = AIO_OWNER(job, aio_sync, job);
    aio_sync_ended(s->by, s);
}

void aio_sync_as_job(aio *a, aio_sync *s) {
    CHECK(s->done && s->files && s->n > 0);
    s->by = a;
    s->at = 0;
    s->job.run = sync_run;
    s->job.done = sync_done;
    s->job.next = NULL;
    s->job.result = STATUS_OK;
    a->stats.syncing++;
}

void aio_sync_ended(aio *a, aio_sync *s) {
    CHECK(a->stats.syncing > 0);
    a->stats.syncing--;
    a->stats.syncs++;
    s->result = s->job.result;
    s->done(s);
}
