/* aio over io_uring: reads and syncs are the kernel's to do, beside the thread; jobs are run by the
 * threads of the aio_threads that this one contains.
 *
 *   read -> asked, kick -> begun --pump--> ring --poll--> done
 *   sync ------------------------> ring, file by file --> done
 *   submit --------------------------> threads, whose poll is called by ours
 *
 * What the ring cannot do goes to the threads too: files that are not the system's, and reads that
 * the kernel would not take up (EAGAIN: it is short of something). A sync that failed is never done
 * again, by anybody.
 *
 * Invariants:
 *   1. `flying` counts what has a place in the ring: at most DEPTH, so that no completion is ever
 *      without one. What is begun and not flying waits in `begun`.
 *   2. A completion is taken out of the ring before `done` is called, so that a `done` may poll and
 *      drain.
 *   3. An entry that the kernel did not take stays in the submission queue, and a `nudge` comes
 *      back to it: nothing waits for a completion that nobody has asked for.
 *
 * Completions are worked off when this thread asks for them (DEFER_TASKRUN: all of a turn
 * together), or is in the kernel anyway (COOP_TASKRUN), where the kernel knows that: no interrupt
 * of it. A fork does not copy the ring's memory; the child closes its descriptor with all that is
 * no file, and what flies goes on in the parent. The descriptor to poll is an epoll that holds the
 * ring's event and the threads'. */
#include "base/log.h"
#include "base/mem.h"
#include "io/aio.h"

#include <errno.h>
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES   256u       /* of the submission queue: what one system call hands over */
#define DEPTH     4096u      /* completions that have a place */
#define SPARE     16u        /* of them, places that reads leave to syncs */
#define READ_MOST (1u << 30) /* bytes that one entry reads */
#define NUDGE_NS  1000000L   /* until an entry that was refused is offered again */

/* The low bit of an entry's user data tells a sync from a read. */
#define SYNC_TAG 1u

typedef struct aio_uring {
    aio base;
    pid_t pid;
    struct io_uring ring;
    aio *threads;
    int epoll;                   /* holds the next, and the threads' */
    int event;                   /* the ring signals it: an eventfd */
    aio_job *asked, **asked_end; /* reads before their kick */
    aio_job *begun, **begun_end; /* and behind it, without a place */
    unsigned flying;
    aio_job nudge;
    bool nudging;
} aio_uring;

/* The implementation behind a, in the process that made it. */
static aio_uring *uring_of(aio *a) {
    aio_uring *u = (aio_uring *)a;
    CHECK(u->pid == getpid());
    return u;
}

/* ---- handing over
 * ----------------------------------------------------------------------------*/

static void pump(aio_uring *u);

/* On a worker: the pause before an entry is offered again. */
static void nudge_run(aio_job *job) {
    (void)job;
    (void)nanosleep(&(struct timespec){.tv_nsec = NUDGE_NS}, NULL);
}

static void nudge_done(aio_job *job) {
    aio_uring *u = AIO_OWNER(job, aio_uring, nudge);
    u->nudging = false;
    pump(u);
}

/* Hands over what is in the submission queue; what is refused is for the nudge (invariant 3). */
static void hand_over(aio_uring *u) {
    while (io_uring_sq_ready(&u->ring)) {
        int r = io_uring_submit(&u->ring);
        if (r > 0 || r == -EINTR) continue;
        CHECK(r == 0 || r == -EAGAIN || r == -EBUSY || r == -ENOMEM);
        if (u->nudging) return;
        u->nudging = true;
        u->nudge.run = nudge_run;
        u->nudge.done = nudge_done;
        aio_submit(u->threads, AIO_HOUSEKEEP, &u->nudge);
        return;
    }
}

/* A free entry, or NULL: all places are taken, or the kernel takes nothing just now. */
static struct io_uring_sqe *entry(aio_uring *u) {
    if (u->flying == DEPTH) return NULL;
    struct io_uring_sqe *e = io_uring_get_sqe(&u->ring);
    if (!e) {
        hand_over(u);
        e = io_uring_get_sqe(&u->ring);
    }
    if (e) u->flying++;
    return e;
}

/* The read's rest. False: there is no place. */
static bool enter_read(aio_uring *u, aio_read *r) {
    struct io_uring_sqe *e = u->flying < DEPTH - SPARE ? entry(u) : NULL;
    if (!e) return false;
    size_t left = r->n - r->got;
    unsigned n = left < READ_MOST ? (unsigned)left : READ_MOST;
    int fd = vfs_posix_fd(r->file), past;
    if (r->unit && vfs_posix_direct(r->file, &past) == r->unit) fd = past;
    io_uring_prep_read(e, fd, (char *)r->p + r->got, n, r->offset + r->got);
    io_uring_sqe_set_data64(e, (uintptr_t)r);
    return true;
}

/* The sync's next file, at once. Without a place, and with files that are not the system's, it is
 * the threads'. */
static void enter_sync(aio_uring *u, aio_sync *s) {
    int fd = vfs_posix_fd(s->files[s->at]);
    struct io_uring_sqe *e = fd < 0 ? NULL : entry(u);
    if (!e) {
        aio_submit(u->threads, AIO_LOG, &s->job);
        return;
    }
    io_uring_prep_fsync(e, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(e, (uintptr_t)s | SYNC_TAG);
    hand_over(u);
}

/* What was begun gets the places that are free, and all goes down in as few calls as it takes. */
static void pump(aio_uring *u) {
    while (u->begun) {
        aio_read *r = AIO_OWNER(u->begun, aio_read, job);
        aio_job *next = u->begun->next;
        if (vfs_posix_fd(r->file) < 0)
            aio_submit(u->threads, AIO_POOL, &r->job);
        else if (!enter_read(u, r))
            break;
        u->begun = next;
    }
    if (!u->begun) u->begun_end = &u->begun;
    hand_over(u);
}

/* ---- completions
 * -----------------------------------------------------------------------------*/

/* Of a read past the page cache, what is less than a whole unit ends at the file's end. */
static bool is_last(const aio_read *r) {
    return r->got == r->n || (r->unit && r->got % r->unit);
}

/* The read has ended: as it failed, at the file's end, or whole. Less than was asked for is asked
 * for again, before what has not begun. A file that refuses to be read past the page cache (EINVAL:
 * some file systems say so only now) is read through it, now and from now on. */
static void read_came(aio_uring *u, aio_read *r, int res) {
    if (r->unit && res == -EINVAL) {
        vfs_posix_no_direct(r->file);
        r->unit = 0;
        res = -EAGAIN;
    }
    if (res == -EINTR || res == -EAGAIN) {
        aio_submit(u->threads, AIO_POOL, &r->job); /* from its start */
        return;
    }
    if (res < 0)
        aio_fail_job(&r->job, status_errno(-res, "read %s", vfs_posix_path(r->file)));
    else
        r->got += (size_t)res;
    if (res <= 0 || is_last(r)) {
        aio_read_ended(&u->base, r);
        return;
    }
    r->job.next = u->begun;
    if (!u->begun) u->begun_end = &r->job.next;
    u->begun = &r->job;
}

/* One file of the sync has ended. EAGAIN is the ring's: the sync was not begun. */
static void sync_came(aio_uring *u, aio_sync *s, int res) {
    if (res == -EINTR || res == -EAGAIN) {
        aio_submit(u->threads, AIO_LOG, &s->job); /* from this file on */
        return;
    }
    if (res < 0)
        aio_fail_job(&s->job, status_errno(-res, "fdatasync %s", vfs_posix_path(s->files[s->at])));
    else
        s->at++;
    if (res < 0 || s->at == s->n)
        aio_sync_ended(&u->base, s);
    else
        enter_sync(u, s);
}

/* Takes one completion, if there is one. */
static bool take(aio_uring *u) {
    struct io_uring_cqe *c;
    if (!u->flying || io_uring_peek_cqe(&u->ring, &c) != 0) return false;
    uint64_t data = io_uring_cqe_get_data64(c);
    int res = c->res;
    io_uring_cqe_seen(&u->ring, c);
    u->flying--;
    if (data & SYNC_TAG)
        sync_came(u, (aio_sync *)(uintptr_t)(data - SYNC_TAG), res);
    else
        read_came(u, (aio_read *)(uintptr_t)data, res);
    return true;
}

/* ---- the interface
 * ---------------------------------------------------------------------------*/

static void uring_submit(aio *a, aio_job *job) {
    aio *threads = uring_of(a)->threads;
    threads->ops->submit(threads, job);
}

/* Whose process this is, the kick asks: getpid is a system call, and there would be one a read. */
static void uring_read(aio *a, aio_read *r) {
    aio_uring *u = (aio_uring *)a;
    aio_read_as_job(a, r);
    *u->asked_end = &r->job;
    u->asked_end = &r->job.next;
}

/* A read that makes no page of the page cache costs a fifth less. */
static unsigned uring_direct(aio *a, vfs_file *f) {
    int fd;
    (void)a;
    return vfs_posix_direct(f, &fd);
}

static void uring_kick(aio *a) {
    aio_uring *u = uring_of(a);
    if (!u->asked) return;
    a->stats.kicks++;
    *u->begun_end = u->asked;
    u->begun_end = u->asked_end;
    u->asked = NULL;
    u->asked_end = &u->asked;
    pump(u);
}

static void uring_sync(aio *a, aio_sync *s) {
    aio_sync_as_job(a, s);
    enter_sync(uring_of(a), s);
}

/* Has the kernel work left that ends reads? It does so much at a call and tells by no event of the
 * rest, which may be all of what has come: reads whose page has gone again end nothing. */
static bool has_work(const aio_uring *u) {
    return u->flying && (IO_URING_READ_ONCE(*u->ring.sq.kflags) & IORING_SQ_TASKRUN);
}

/* Until there is no completion and no event: the ring signals also those that are worked off here,
 * and none may be missed between the two looks. What a `done` asks for waits for the next kick. */
static int uring_poll(aio *a) {
    aio_uring *u = uring_of(a);
    uint64_t signals;
    int n = 0;
    uring_kick(a);
    do {
        while (take(u))
            n++;
    } while (read(u->event, &signals, sizeof signals) > 0 || has_work(u));
    pump(u);
    return n + u->threads->ops->poll(u->threads);
}

/* The ring first, then the threads, until neither has anything. */
static void uring_drain(aio *a) {
    aio_uring *u = uring_of(a);
    for (;;) {
        uring_poll(a);
        if (u->flying) {
            struct io_uring_cqe *c;
            int r = io_uring_sq_ready(&u->ring) ? -EAGAIN : io_uring_wait_cqe(&u->ring, &c);
            CHECK(r == 0 || r == -EINTR || r == -EAGAIN);
            if (r == -EAGAIN) u->threads->ops->drain(u->threads); /* the nudge */
        } else {
            u->threads->ops->drain(u->threads);
            if (!u->flying && !u->asked && !u->begun) return;
        }
    }
}

static int uring_fd(const aio *a) {
    return ((const aio_uring *)a)->epoll;
}

static void uring_close(aio *a) {
    aio_uring *u = uring_of(a);
    if (u->threads) {
        uring_drain(a);
        u->threads->ops->close(u->threads);
    }
    if (u->epoll >= 0) (void)close(u->epoll);
    io_uring_queue_exit(&u->ring);
    if (u->event >= 0) (void)close(u->event);
    mem_free(u);
}

static const aio_ops uring_ops = {
    .submit = uring_submit,
    .read = uring_read,
    .direct = uring_direct,
    .kick = uring_kick,
    .sync = uring_sync,
    .poll = uring_poll,
    .drain = uring_drain,
    .fd = uring_fd,
    .close = uring_close,
};

/* ---- making one
 * ------------------------------------------------------------------------------*/

/* The best ring that this kernel makes: EINVAL is a flag that it does not know. */
static int make_ring(struct io_uring *ring) {
    static const unsigned wishes[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG,                         /* 6.1 */
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, /* 5.19 */
        0,
    };
    int r = -EINVAL;
    for (size_t i = 0; r == -EINVAL && i < sizeof wishes / sizeof *wishes; i++) {
        struct io_uring_params p = {.flags = wishes[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                    .cq_entries = DEPTH};
        r = io_uring_queue_init_params(ENTRIES, ring, &p);
        if (r == 0 && p.cq_entries < DEPTH) {
            io_uring_queue_exit(ring);
            r = -ENOSPC;
        }
    }
    return r;
}

/* Does it read and sync files (5.6)? */
static bool knows_files(struct io_uring *ring) {
    struct io_uring_probe *p = io_uring_get_probe_ring(ring);
    bool yes = p && io_uring_opcode_supported(p, IORING_OP_READ) &&
               io_uring_opcode_supported(p, IORING_OP_FSYNC);
    io_uring_free_probe(p);
    return yes;
}

/* One descriptor for two. The ring signals an event, which wakes who sleeps whatever flags it was
 * made with; its own descriptor does not with DEFER_TASKRUN. */
static status watch(aio_uring *u) {
    u->epoll = epoll_create1(EPOLL_CLOEXEC);
    u->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (u->epoll < 0 || u->event < 0) return status_errno(errno, "epoll and event of io_uring");
    int r = io_uring_register_eventfd(&u->ring, u->event);
    if (r < 0) return status_errno(-r, "io_uring_register_eventfd");
    int fds[] = {u->event, aio_fd(u->threads)};
    for (int i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN};
        if (epoll_ctl(u->epoll, EPOLL_CTL_ADD, fds[i], &e) < 0)
            return status_errno(errno, "epoll_ctl of io_uring");
    }
    return STATUS_OK;
}

/* Refused by the kernel's age (ENOSYS), a container's filter or kernel.io_uring_disabled (EPERM),
 * or a limit of locked memory (ENOMEM): a message, and nothing is left behind. */
status aio_uring_new(aio **out) {
    *out = NULL;
    aio_uring *u = mem_zalloc(sizeof *u);
    int r = make_ring(&u->ring);
    if (r < 0) {
        mem_free(u);
        return status_errno(-r, "io_uring_setup");
    }
    u->base.ops = &uring_ops;
    u->base.method = "io_uring";
    u->pid = getpid();
    u->epoll = u->event = -1;
    u->asked_end = &u->asked;
    u->begun_end = &u->begun;
    status s = STATUS_OK;
    if (!knows_files(&u->ring))
        s = status_make(ST_NOT_FOUND, "io_uring: this kernel's reads no files");
    r = status_ok(s) ? io_uring_ring_dontfork(&u->ring) : 0;
    if (r < 0) s = status_errno(-r, "io_uring_ring_dontfork");
    if (status_ok(s)) s = aio_threads_new(&u->threads);
    if (status_ok(s)) s = watch(u);
    if (!status_ok(s)) {
        uring_close(&u->base);
        return s;
    }
    *out = &u->base;
    return STATUS_OK;
}
