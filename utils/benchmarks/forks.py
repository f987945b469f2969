"""What clients wait while a forked child rewrites the data: Stave's merges beside redis-server's
BGREWRITEAOF, on the same keys, values and load.

Keys are long (1000 bytes), so that an index of 2 GB takes two million of them, and a minute to load. Values are of
32 bytes: with bitcask they are in the index, so that no wait is one for the disk's answer to a GET. The load is
steady: every four milliseconds 20 commands in one piece, half SETs and half GETs of random keys. Beside it a
prober sends one command every two milliseconds, by the clock and not when the last was answered, and its wait counts
from when it was due: a pause of 50 ms is 25 late commands and not one. Phases: the load alone; then with a
rewrite of everything under way. redis-server's fork takes memory twice in the worst case."""

import gc
import multiprocessing
import os
import random
import socket
import time

from .common import REDIS_EVERYSEC, Plot, Reference, Stave, Table, await_ok, info, started

NAME, VALUE = 1000, 32
PIECE, EVERY = 20, 0.004
PROBE = 0.002
STEP = 0.1  # seconds of which the worst is shown
WANTED = (50, 99, 99.9)


def name_of(i):
    return b"key:%012d:" % i + b"x" * (NAME - 17)


def put(i, value):
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (NAME, name_of(i), len(value), value)


def get(i):
    return b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (NAME, name_of(i))


def fill(server, keys):
    c = server.connect(timeout=600)
    value = os.urandom(VALUE)
    unread, step = 0, 1000
    for at in range(0, keys, step):
        n = min(step, keys - at)
        c.send_raw(b"".join(put(i, value) for i in range(at, at + n)))
        await_ok(c, unread)
        unread = n
    await_ok(c, unread)
    c.close()


def connected(server):
    s = socket.create_connection(("127.0.0.1", server.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def take(s, n):
    while n:
        got = s.recv(min(n, 1 << 16))
        if not got or got[:1] == b"-":
            raise RuntimeError("a command failed: %r" % got[:200])
        n -= len(got)


ANSWERED = {True: len(b"+OK\r\n"), False: len(b"$%d\r\n\r\n" % VALUE) + VALUE}


def steadily(server, keys, stop):
    """The load: its pace is kept over any pause, by what was missed being sent behind it."""
    r, s, value = random.Random(1), connected(server), os.urandom(VALUE)
    half = PIECE // 2
    due = time.monotonic()
    while not stop.is_set():
        s.sendall(b"".join(put(r.randrange(keys), value) + get(r.randrange(keys)) for _ in range(half)))
        take(s, half * (ANSWERED[True] + ANSWERED[False]))
        due += EVERY
        time.sleep(max(0, due - time.monotonic()))


def probe(server, keys, stop, found):
    """(when it was due, how long it took), of SETs and GETs by turns."""
    gc.disable()
    try:
        os.nice(-10)  # it is the server that is measured, not who else wants this machine
    except OSError:
        pass
    r, s, value, out = random.Random(2), connected(server), os.urandom(VALUE), []
    due, write = time.monotonic(), False
    while not stop.is_set():
        time.sleep(max(0, due - time.monotonic()))
        i, write = r.randrange(keys), not write
        s.sendall(put(i, value) if write else get(i))
        take(s, ANSWERED[write])
        out.append((due, time.monotonic() - due))
        due += PROBE
    found.put(out)


def at_work(server):
    return any(info(server, field) not in (None, "0") for field in
               ("aof_rewrite_in_progress", "merge_in_progress", "compactions_in_progress"))


class Job:
    """A rewrite of everything, from when it was asked for; what its fork and copy-on-write were."""

    def __init__(self, server):
        self.began, self.most = time.monotonic(), 0
        self.forks = int(info(server, "total_forks"))
        c = server.connect(timeout=60)
        c.call("BGREWRITEAOF")
        c.close()
        while int(info(server, "total_forks")) == self.forks and time.monotonic() < self.began + 60:
            time.sleep(0.2)
        self.fork_us = int(info(server, "latest_fork_usec"))
        self.rate = info(server, "fork_usec_per_gb")
        while at_work(server):
            self.most = max(self.most, int(info(server, "current_cow_peak") or 0))
            time.sleep(0.3)
        self.copied = max(self.most, int(info(server, "aof_last_cow_size") or 0))
        self.ended = time.monotonic()


def measured(server, keys, alone):
    """Waits of the load alone for so many seconds, then of a rewrite from its beginning to its end."""
    context = multiprocessing.get_context("fork")
    stop, found = context.Event(), context.Queue()
    works = [context.Process(target=steadily, args=(server, keys, stop)),
             context.Process(target=probe, args=(server, keys, stop, found))]
    for w in works:
        w.start()
    time.sleep(3)
    begun = time.monotonic()
    time.sleep(alone)
    job = Job(server)
    time.sleep(2)
    stop.set()
    waits = found.get(timeout=60)
    for w in works:
        w.join()
    quiet = [w for t, w in waits if begun <= t < job.began]
    during = [w for t, w in waits if job.began <= t < job.ended]
    return quiet, during, [(t - begun, w) for t, w in waits if t >= begun], job


def percentiles(waits):
    waits = sorted(waits)
    return ["%.2f" % (1e3 * waits[min(len(waits) - 1, int(len(waits) * w / 100))]) for w in WANTED] + [
        "%.1f" % (1e3 * waits[-1])]


def maxima(waits):
    """The worst of each tenth of a second."""
    worst = {}
    for t, w in waits:
        at = int(t / STEP)
        worst[at] = max(worst.get(at, 0), w)
    return [(at * STEP, 1e3 * w) for at, w in sorted(worst.items())]


def forks(o):
    """One server at a time, as two of them and a rewrite would want more memory than there may be."""
    keys = o.keys if o.keys_given else 20000 if o.quick else 2000000
    stave = {"engine": o.engine, "appendfsync": "everysec"}
    if o.engine == "bitcask":
        stave["merge-window"] = "never"
    sides = [("Stave, %s" % o.engine, lambda: Stave(stave))]
    sides.append(("redis-server", lambda: Reference(dict(REDIS_EVERYSEC, **{"auto-aof-rewrite-percentage": 0, "save": ""}))))
    if o.engine == "bitcask":
        sides.append(("Stave, index in the fork", lambda: Stave(dict(stave, **{"fork-index-max": "32gb"}))))
    t = Table("Wait in ms beside a load of %d commands a second, %d keys of %d bytes" % (PIECE / EVERY, keys, NAME),
              ["server", "phase"] + ["p%g" % w for w in WANTED] + ["max", "seconds", "fork ms", "us a GB", "copied MB"])
    p = Plot("The longest wait in each %g s: a rewrite begins at %d s" % (STEP, 5 if o.quick else 20), "seconds", "ms", log_y=True)
    for name, make in sides:
        s = started(make())
        fill(s, keys)
        time.sleep(2 if o.quick else 15)  # hints, and what the loading left to be written
        alone = 5 if o.quick else 20
        quiet, during, waits, job = measured(s, keys, alone)
        t.add(name, "load alone", *percentiles(quiet), "%.0f" % alone, "-", "-", "-")
        t.add(name, "rewriting", *percentiles(during), "%.1f" % (job.ended - job.began), "%.1f" % (job.fork_us / 1e3),
              job.rate or "-", "%.0f" % (job.copied / 2**20))
        p.add(name, maxima(waits))
        s.close()
    t.tell("Of the load alone, and from the call of BGREWRITEAOF to the end of what it began. us a GB: of what that child got.")
    return [t, p]
