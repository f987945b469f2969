#!/usr/bin/python3
"""Children that rewrite the data: what they get of the server's memory, and what is told of their cost."""

import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, by_engine, expect, info, only, rss, wait_until  # noqa: E402

MB = 1 << 20
VALUES, VALUE = 3000, 10000
TOLD = re.compile(r"The (\w+) child \d+ ran for [0-9.]+ s; its fork took [0-9.]+ ms, [0-9.]+ MB were copied on write")
JOB = by_engine(bitcask="merge", lsm="compact")


def children(pid):
    """{name: pid} of the children alive."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        pids = f.read().split()
    found = {}
    for p in pids:
        try:
            with open("/proc/%s/comm" % p) as f:
                found[f.read().strip()] = int(p)
        except OSError:
            pass  # it has ended meanwhile
    return found


def test_a_rewrite():
    """It goes slowly enough to be looked at. Caches, which are most of the server's memory here, are not
    in the child; what both share and one writes to is told while it lives, and at its end."""
    args = {"segment-size": "4mb", "latency-monitor-threshold": 1}
    args.update(by_engine(bitcask={"value-cache-size": "64mb", "merge-rate-limit": "10mb"},
                          lsm={"memtable-size": "1mb", "table-size": "4mb", "block-cache-size": "64mb",
                               "compaction-rate-limit": "10mb"}))
    noise = random.Random(1)
    with Stave(args) as s:
        c = s.connect()
        for i in range(VALUES):
            expect(c.call("SET", "k:%d" % i, noise.randbytes(VALUE)), "OK")
        for i in range(VALUES):
            expect(len(c.call("GET", "k:%d" % i)), VALUE)
        c.call("BGREWRITEAOF")
        name = "stave-" + JOB
        wait_until(lambda: name in children(s.process.pid), "a child")
        wait_until(lambda: info(c, "current_cow_size") > 0, "what is copied on write")
        pid = children(s.process.pid).get(name)
        assert pid, "the child has ended before anybody could look"
        own, whole = rss(pid), rss(s.process.pid)
        assert whole > 30 * MB and own < whole - 20 * MB, "a child of %d bytes, a server of %d" % (own, whole)
        assert info(c, "current_cow_peak") >= info(c, "current_cow_size") > 0
        expect(info(c, "aof_rewrite_in_progress"), 1)
        assert info(c, "latest_fork_usec") > 0
        assert 0 < info(c, "latest_fork_bytes") < info(c, "used_memory")
        expect(info(c, "fork_usec_per_gb"), 0)  # there was never enough to tell
        wait_until(lambda: not children(s.process.pid), "the end of it", seconds=60)
        wait_until(lambda: info(c, "current_cow_size") == 0, "its end told")
        expect((info(c, "current_cow_peak"), info(c, "current_cow_size_age")), (0, 0))
        assert info(c, "aof_last_cow_size") > 0
        with open(s.log_path) as f:
            assert JOB in [m.group(1) for m in TOLD.finditer(f.read())]


@only("bitcask")
def test_what_of_the_index_a_child_gets():
    """A large index stays with the parent, and the merge is as right: the child would crash if it asked
    it anything."""
    keys, name = 30000, "n" * 300
    for most, shared in (("1gb", True), ("0", False)):
        with Stave({"segment-size": "4mb", "merge-window": "never", "fork-index-max": most}) as s:
            c = s.connect()
            c.call("HSET", "h", *[x for i in range(1000) for x in ("f%d" % i, "v" * 50)])
            for i in range(keys):
                c.send("SET", name + str(i), i)
            for i in range(0, keys, 3):
                c.send("DEL" if i % 2 else "SET", name + str(i), *([] if i % 2 else [-i]))
            for _ in range(keys + keys // 3):
                c.reply()
            before = info(c, "merges")
            c.call("BGREWRITEAOF")
            while info(c, "merges") + info(c, "merge_failures") == before:  # what it copies changes meanwhile
                i = random.randrange(0, keys, 3)
                expect(c.call("SET", name + str(i), "new"), "OK")
            expect((info(c, "merges"), info(c, "merge_failures")), (before + 1, 0))
            index = info(c, "arena_bytes")
            assert index > 8 * MB, index
            assert (info(c, "latest_fork_bytes") > index / 2) == shared, (info(c, "latest_fork_bytes"), index)
            sample = [i for i in range(keys) if i % 3]
            expect([c.call("GET", name + str(i)) for i in sample], [b"%d" % i for i in sample])
            s.stop()
            s.start()
            c = s.connect()
            expect([c.call("GET", name + str(i)) for i in sample], [b"%d" % i for i in sample])
            expect(c.call("HLEN", "h"), 1000)
            expect(c.call("HGET", "h", "f7"), b"v" * 50)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
