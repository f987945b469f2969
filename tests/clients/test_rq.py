"""python3-rq: job queues of transactions, sorted sets and pub/sub, with workers that fork."""

import datetime
import multiprocessing
import time

from tests.clients import rq_jobs
from tests.clients.common import Skip, expect

try:
    import redis
    import rq
    from rq.job import Retry
except ImportError:
    redis = None


def connection(server):
    if redis is None:
        raise Skip("python3-rq is not installed")
    return redis.Redis(port=server.port)


def work(port, name, scheduler):
    """One worker's life: until all queues are empty."""
    c = redis.Redis(port=port)
    rq.Worker([rq.Queue("q", connection=c)], connection=c, name=name, log_job_description=False).work(
        burst=True, with_scheduler=scheduler, logging_level="CRITICAL")


def run_workers(server, n=1, scheduler=False):
    workers = [multiprocessing.Process(target=work, args=(server.port, "w%d" % i, scheduler)) for i in range(n)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(60)
        expect(w.exitcode, 0)


def test_rq_jobs(server):
    c = connection(server)
    q = rq.Queue("q", connection=c)
    jobs = [q.enqueue(rq_jobs.add, i, 1) for i in range(20)]
    expect(len(q), 20)
    run_workers(server)
    expect([j.result for j in jobs], [i + 1 for i in range(20)])
    expect((len(q), q.finished_job_registry.count, q.failed_job_registry.count), (0, 20, 0))


def test_rq_several_workers(server):
    c = connection(server)
    q = rq.Queue("q", connection=c)
    for i in range(20):
        q.enqueue(rq_jobs.append, server.port, "job%d" % i)
    run_workers(server, 3)
    expect(sorted(c.lrange("out", 0, -1)), sorted(b"job%d" % i for i in range(20)))  # each once


def test_rq_order_and_failures(server):
    c = connection(server)
    q = rq.Queue("q", connection=c)
    bad = q.enqueue(rq_jobs.fail, retry=Retry(max=1))
    after = q.enqueue(rq_jobs.add, 1, 2, depends_on=q.enqueue(rq_jobs.add, 3, 4))
    never = q.enqueue(rq_jobs.add, 5, 6, depends_on=bad)
    expect((after.get_status(), never.get_status()), ("deferred", "deferred"))
    run_workers(server)
    run_workers(server)  # what the first enqueued at its end
    expect((after.result, bad.get_status(), never.get_status()), (3, "failed", "deferred"))
    assert "as asked" in bad.latest_result().exc_string, bad.latest_result().exc_string
    expect(q.failed_job_registry.count, 1)


def test_rq_schedule(server):
    c = connection(server)
    q = rq.Queue("q", connection=c)
    job = q.enqueue_in(datetime.timedelta(milliseconds=200), rq_jobs.add, 20, 3)
    expect(q.scheduled_job_registry.count, 1)
    time.sleep(0.3)
    end = time.time() + 30
    while job.result is None and time.time() < end:
        run_workers(server, scheduler=True)
    expect(job.result, 23)


def test_rq_stop(server):
    """A job is cancelled before it ran, and a queue emptied: by scripts."""
    c = connection(server)
    q = rq.Queue("q", connection=c)
    jobs = [q.enqueue(rq_jobs.add, i, 1) for i in range(5)]
    jobs[0].cancel()
    expect((jobs[0].get_status(refresh=True), len(q)), ("canceled", 4))
    expect(q.empty(), 4)
    expect((len(q), q.enqueue(rq_jobs.add, 1, 1).get_position()), (0, 0))
