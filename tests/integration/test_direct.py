#!/usr/bin/python3
"""Reads past the page cache (direct-reads): what they bring is what was written last, however it lies in the page cache
or on the disk; walks, long values and files that come and go; and by itself the server takes to them where the page
cache is of no use, and leaves them where it is."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, by_engine, expect, info  # noqa: E402
from tests.support.servers import repeatedly  # noqa: E402

CACHES = by_engine(bitcask={"value-cache-size": "64kb", "inline-value-max": 0, "segment-size": "1mb"},
                   lsm={"segment-size": "1mb", "memtable-size": "256kb", "table-size": "256kb",
                        "block-cache-size": "64kb"})


def value(i, version, size=600):
    return (b"%d.%d/" % (i, version) * (size // 4 + 1))[:size]


def forget(server):
    """Nothing of the data's files is in the page cache after this, but what is not yet on the disk."""
    folder = server.data_directory()
    for name in os.listdir(folder):
        try:
            fd = os.open(os.path.join(folder, name), os.O_RDONLY)
        except FileNotFoundError:
            continue
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def by_direct(c):
    """Has it made any? Some file systems have no such reads."""
    return info(c, "cold_direct") > 0


def can(c, server):
    """Asks for one: the answer holds for all files of this file system."""
    path = os.path.join(server.data_directory(), "probe")
    open(path, "wb").close()
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    finally:
        os.unlink(path)
    return info(c, "io_method") == "io_uring"


def test_what_was_written_last():
    rng = random.Random(4)
    for fsync in ("always", "everysec", "no"):
        with Stave(dict(CACHES, appendfsync=fsync, compression="no", **{"direct-reads": "always"})) as server:
            c = server.connect()
            versions = [0] * 3000
            for i in range(3000):
                c.send("SET", "k%d" % i, value(i, 0))
            [c.reply() for _ in range(3000)]
            if fsync != "no":
                c.call("WAITAOF", 1, 0, 10000)  # what is not durable is not read past the page cache
            with repeatedly(lambda: forget(server), 0.01):
                for round_ in range(1, 16):
                    for i in rng.sample(range(3000), 60):
                        versions[i] = round_
                        c.send("SET", "k%d" % i, value(i, round_))
                        c.send("GET", "k%d" % i)
                        c.send("GET", "k%d" % ((i + 1500) % 3000))
                        expect(c.reply(), "OK")
                        expect(c.reply(), value(i, round_))
                        other = (i + 1500) % 3000
                        expect(c.reply(), value(other, versions[other]), (fsync, other))
                    if round_ % 6 == 0:
                        c.ask("BGREWRITEAOF")
                keys = rng.sample(range(3000), 300)
                expect(c.call("MGET", *["k%d" % i for i in keys]), [value(i, versions[i]) for i in keys])
            assert fsync == "no" or by_direct(c) or not can(c, server), fsync


def test_walks_and_sizes():
    with Stave(dict(CACHES, compression="no", **{"direct-reads": "always"})) as server:
        c = server.connect()
        sizes = (1, 500, 4000, 8100, 8191, 8192, 9000, 60000, 700000)
        for i, size in enumerate(sizes):
            c.call("SET", "s%d" % i, value(i, 0, size))
        for i in range(2000):
            c.send("RPUSH", "list", value(i, 0, 300))
            c.send("HSET", "hash", "f%d" % i, value(i, 1, 300))
        [c.reply() for _ in range(4000)]
        for i in range(60):
            c.call("SET", "filler%d" % (i % 40), os.urandom(60000))
        c.call("WAITAOF", 1, 0, 10000)
        for _ in range(3):
            forget(server)
            expect([len(c.call("GET", "s%d" % i)) for i in range(len(sizes))], list(sizes))
            expect([c.call("GET", "s%d" % i) for i in range(len(sizes))],
                   [value(i, 0, size) for i, size in enumerate(sizes)])
            forget(server)
            expect(c.call("LRANGE", "list", 0, -1), [value(i, 0, 300) for i in range(2000)])
            forget(server)
            got = c.call("HGETALL", "hash")
            expect(dict(zip(got[::2], got[1::2])), {b"f%d" % i: value(i, 1, 300) for i in range(2000)})


def test_by_itself():
    """Where the page cache never has anything reads go past it."""
    rng = random.Random(5)
    with Stave(dict(CACHES, compression="no")) as server:
        c = server.connect()
        n = 4000
        for i in range(n):
            c.send("SET", "k%d" % i, value(i, 0, 1000))
        [c.reply() for _ in range(n)]
        c.call("WAITAOF", 1, 0, 10000)
        if not can(c, server):
            raise harness.Skip("no reads past the page cache here")

        with repeatedly(lambda: forget(server), 0.002):
            for _ in range(2000):
                keys = [rng.randrange(n) for _ in range(50)]
                expect(c.call("MGET", *["k%d" % i for i in keys]), [value(i, 0, 1000) for i in keys])
                if by_direct(c):
                    break
        assert by_direct(c)


def test_pages_that_go_at_once():
    """Pipelines, whose reads are asked for ahead by the page cache, which loses them before they are used: each is
    read again, and none is forgotten."""
    rng = random.Random(6)
    n = 4000
    with Stave(dict(CACHES, compression="no", **{"direct-reads": "no"})) as server:
        c = server.connect()
        for i in range(n):
            c.send("SET", "k%d" % i, value(i, 0, 1000))
        [c.reply() for _ in range(n)]
        c.call("WAITAOF", 1, 0, 10000)
        with repeatedly(lambda: forget(server), 0.002):
            for _ in range(by_engine(bitcask=600, lsm=100)):
                keys = [rng.randrange(n) for _ in range(100)]
                for i in keys:
                    c.send("GET", "k%d" % i)
                expect([c.reply() for _ in keys], [value(i, 0, 1000) for i in keys])


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
