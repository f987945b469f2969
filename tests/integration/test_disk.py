#!/usr/bin/python3
"""A full disk: writes are refused, reads and deletes go on, and writes go on by themselves as soon as
there is room. On a small file system in memory, in mounts of the test's own."""

import contextlib
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, by_engine, expect, expect_error, info, wait_until  # noqa: E402

MB = 1 << 20
DISK = 24 * MB
VALUE = 10000

noise = random.Random(1)


@contextlib.contextmanager
def small_disk(**settings):
    """A server whose data is on a disk of its own: (server, the disk's directory)."""
    harness.private_mounts()
    with harness.tmpfs(DISK) as disk:
        # Segments are small, so the engine has to look after the next one more often than usual.
        args = {"dir": disk + "/data", "segment-size": "1mb", "hz": 500}
        args.update(by_engine(bitcask={"value-cache-size": "1mb"},
                              lsm={"memtable-size": "1mb", "table-size": "1mb"}))
        args.update(settings)
        with Stave(args) as s:
            yield s, disk


def value(i):
    return noise.randbytes(VALUE - 8) + b"%08d" % i


def fill(c, start=0):
    """Writes until not even a small value is taken, which is "filler"'s: (the number of the first key
    that was refused, and why)."""
    for i in range(start, 100000):
        r = c.ask("SET", "k:%d" % i, value(i))
        if r != "OK":
            break
    while c.ask("SET", "filler", "x") == "OK":
        pass
    return i, r


def check(c, keys):
    """All of these are there, and whole."""
    for i in keys:
        v = c.call("GET", "k:%d" % i)
        assert v is not None and len(v) == VALUE and v.endswith(b"%08d" % i), "k:%d" % i


def full_disk(policy):
    with small_disk(appendfsync=policy) as (s, _):
        c = s.connect()
        n, why = fill(c)
        expect_error(why, "MISCONF")
        assert "No space left on device" in str(why), why
        # With lsm what is being flushed is there twice, and on a busy machine that lasts.
        assert n * VALUE > DISK / 3, "%d values of %d on %d" % (n, VALUE, DISK)
        for command in (["SET", "a", "b"], ["APPEND", "n", "x"], ["MSET", "a", "b", "c", "d"]):
            r = c.ask(*command)  # some room may have come back meanwhile
            assert not isinstance(r, harness.resp.Error) or str(r).startswith("MISCONF"), r
        expect(c.call("DEL", "a", "n", "c") <= 3, True)
        check(c, range(0, n, 10))
        names = n + c.call("EXISTS", "filler")
        expect((c.call("GET", "nosuch"), c.call("DBSIZE"), c.call("EXISTS", "k:1")), (None, names, 1))
        expect(c.call("SCAN", 0, "COUNT", 1000000)[0], b"0")
        expect(info(c, "aof_last_write_status"), "ok")
        gone = range(0, n, 2)
        for i in gone:
            expect(c.call("DEL", "k:%d" % i), 1)
        wait_until(lambda: c.ask("SET", "again", "x") == "OK", "room after deletes")
        check(c, range(1, n, 2))
        m = n + n // 4  # more than there was room for: the rest comes as merges go on
        for i in range(n, m):
            wait_until(lambda: c.ask("SET", "k:%d" % i, value(i)) == "OK", "room for k:%d" % i)
        s.kill()
        c = s.start().connect()
        expect(c.call("DBSIZE"), names - len(gone) + (m - n) + 1)
        check(c, list(range(1, n, 2)) + list(range(n, m)))
        expect(c.call("FLUSHALL"), "OK")
        wait_until(lambda: c.ask("SET", "after", "x") == "OK", "room after a flush")
        third = DISK // VALUE // 3
        wait_until(lambda: all(c.ask("SET", "k:%d" % i, value(i)) == "OK" for i in range(third)),
                   "much room after a flush")
        expect(s.stop(), 0)


def test_always():
    harness.in_child(lambda: full_disk("always"), "test_always")


def test_everysec():
    harness.in_child(lambda: full_disk("everysec"), "test_everysec")


def test_no():
    harness.in_child(lambda: full_disk("no"), "test_no")


def others_fill_it():
    """Somebody else's file takes the room, and gives it back."""
    with small_disk() as (s, disk):
        c = s.connect()
        expect(c.call("SET", "early", "x"), "OK")
        ballast = os.path.join(disk, "ballast")
        size = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 4 * MB
        with open(ballast, "wb") as f:
            f.write(b"b" * size)
        n, why = fill(c)
        expect_error(why, "MISCONF")
        check(c, range(n))
        os.unlink(ballast)
        wait_until(lambda: c.ask("SET", "k:%d" % n, value(n)) == "OK", "room after the file went")
        check(c, range(n))
        m, why = fill(c, n + 1)
        assert m > 2 * n, (n, m)
        expect(c.call("GET", "early"), b"x")


def test_others_fill_it():
    harness.in_child(others_fill_it, "test_others_fill_it")


def take_all(path):
    """A file that leaves not a byte to others."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, b"b" * 4096)
    except OSError:
        os.close(fd)


WORK = ("merge_in_progress", "hint_in_progress", "flush_in_progress", "compactions_in_progress")


def rest(c):
    """Nothing is under way on the disk, and nothing begins: a kill leaves nothing that a start could
    clear away."""
    quiet = 0
    while quiet < 20:
        quiet = 0 if any(info(c, work) for work in WORK) else quiet + 1
        time.sleep(0.1)


def start_on_a_full_disk():
    """A start needs a little room for the log: without it, it says so and changes nothing; with it,
    all is there."""
    with small_disk() as (s, disk):
        c = s.connect()
        n, _ = fill(c)
        rest(c)
        s.kill()
        ballast = os.path.join(disk, "ballast")
        take_all(ballast)
        status, _, err = harness.run_once(*s.command_line()[1:])
        expect((status, len(err.strip().split("\n"))), (1, 1), err)
        assert "No space left on device" in err, err
        os.unlink(ballast)
        c = s.start().connect()
        check(c, range(n))
        expect(c.call("DBSIZE"), n + c.call("EXISTS", "filler"))
        expect(c.call("DEL", "k:0"), 1)
        expect(s.stop(), 0)


def test_start_on_a_full_disk():
    harness.in_child(start_on_a_full_disk, "test_start_on_a_full_disk")


def too_large_for_the_disk():
    """One value that can't fit is refused, and nothing else suffers."""
    with small_disk() as (s, _):
        c = s.connect()
        expect_error(c.ask("SET", "huge", noise.randbytes(DISK + MB)), "MISCONF")
        expect(c.call("GET", "huge"), None)
        wait_until(lambda: c.ask("SET", "small", "x") == "OK", "room for a small one")
        expect(c.call("GET", "small"), b"x")


def test_too_large_for_the_disk():
    harness.in_child(too_large_for_the_disk, "test_too_large_for_the_disk")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
