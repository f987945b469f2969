#!/usr/bin/python3
"""maxmemory, on bitcask: what is used stays near the limit under each policy, and at the limit, without
one that makes room, writes are refused and the rest goes on. On lsm: it bounds memory, and no key is
evicted and no write refused for it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (SMALL, Stave, expect, expect_error, info, only, rss,  # noqa: E402
                                       wait_until)
from tests.support import resp  # noqa: E402

MB = 1 << 20
ROOM = 3 * MB // 2     # for keys, above what an empty server takes
OVER = 1 * MB          # how far used_memory, but for the log's tail, may be above maxmemory at any time
TAIL = 40 * MB         # how long that tail may be
KEYS = 50000           # more than twice as many as fit
BATCH = 1000
FREES = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
         "volatile-random", "volatile-ttl"]


def batches(mortal):
    """Pipelines of SETs of short values, which stay in the index, so that memory is what runs out."""
    made = []
    for start in range(0, KEYS, BATCH):
        commands = []
        for i in range(start, start + BATCH):
            args = ["SET", "some:key:%08d" % i, "value:%08d:abcdefghijkl" % i]
            commands.append(resp.encode(args + (["PX", 10**9 + i] if mortal else [])))
        made.append(b"".join(commands))
    return made


def limited(policy):
    """A server whose limit leaves ROOM for keys. The value cache is small, so as not to yield it."""
    s = Stave({"value-cache-size": "64kb", "maxmemory-policy": policy}).start()
    c = s.connect()
    c.call("SET", "warm", "x")
    limit = info(c, "used_memory") + ROOM
    expect(c.call("CONFIG", "SET", "maxmemory", limit), "OK")
    return s, c, limit


def write(c, pipelines, limit):
    """Sends them; (how many were OK, the most memory above the limit seen, the other replies)."""
    done, over, others = 0, 0, []
    for p in pipelines:
        c.send_raw(p)
        for _ in range(BATCH):
            r = c.reply()
            if r == "OK":
                done += 1
            else:
                others.append(r)
        over = max(over, above(c, limit))
    return done, over, others


def vacant(c):
    return info(c, "arena_bytes") - info(c, "keydir_bytes")


def above(c, limit):
    """How much is in use above the limit, without the log's tail, which goes with the next fsync."""
    tail = info(c, "tail_bytes")
    assert tail < TAIL, tail
    return info(c, "used_memory") - tail - limit


@only("bitcask")
def test_eviction():
    for policy in FREES:
        s, c, limit = limited(policy)
        with s:
            done, over, others = write(c, batches(policy.startswith("volatile")), limit)
            expect((done, others[:3]), (KEYS, []), policy)
            assert over < OVER, "%s: %d bytes above maxmemory" % (policy, over)
            evicted, left = info(c, "evicted_keys"), c.call("DBSIZE")
            expect(evicted + left, KEYS + 1, policy)
            assert 1000 < left < KEYS * 3 / 4, "%s: %d keys are left" % (policy, left)
            present = [i for i in range(0, KEYS, 50) if c.call("EXISTS", "some:key:%08d" % i)]
            assert len(present) > 10
            if policy == "volatile-ttl":  # those that expire first went first, roughly
                assert sum(present) / len(present) > KEYS * 0.55, present[:20]
            expect(c.call("GET", "some:key:%08d" % present[0])[:15], b"value:%08d:" % present[0])
            if policy.startswith("volatile"):
                expect(c.call("GET", "warm"), b"x", "what has no time is spared")
            s.kill()  # what was evicted stays evicted
            expect(s.start().connect().call("DBSIZE"), left)


def refuses(policy, mortal):
    s, c, limit = limited(policy)
    with s:
        done, over, others = write(c, batches(mortal), limit)
        assert over < OVER, over
        assert 1000 < done < KEYS, done
        expect(set(map(str, others)), {"OOM command not allowed when used memory > 'maxmemory'."})
        expect((info(c, "evicted_keys"), c.call("DBSIZE")), (0, done + 1))
        expect(c.call("GET", "some:key:%08d" % 5)[:15], b"value:%08d:" % 5)
        for command in (["SET", "a", "b"], ["APPEND", "warm", "y"], ["INCR", "n"], ["SETBIT", "b", 1, 1],
                        ["COPY", "warm", "w2"], ["MSET", "a", "b"]):
            expect_error(c.ask(*command), "OOM")
        expect(c.call("EXPIRE", "warm", 1000), 1, "what takes no memory goes on")
        expect(c.call("DEL", *["some:key:%08d" % i for i in range(2000)]), 2000)
        expect(c.call("FLUSHALL"), "OK")
        wait_until(lambda: c.ask("SET", "a", "b") == "OK", "room again")
        done, over, others = write(c, batches(mortal)[:10], limit)
        expect((done, others), (10 * BATCH, []), "after a flush")


@only("bitcask")
def test_noeviction():
    refuses("noeviction", False)


@only("bitcask")
def test_volatile_without_volatile_keys():
    refuses("volatile-lru", False)


@only("bitcask")
def test_limit_lowered():
    """A limit below what is used is reached by evicting, in steps, while clients are served. The
    places that keys leave in the index stay the process', and are filled before it grows again."""
    with Stave({"value-cache-size": "64kb", "maxmemory-policy": "allkeys-random"}).start() as s:
        c = s.connect()
        base = info(c, "used_memory")
        write(c, batches(False), 1 << 40)
        expect(c.call("DBSIZE"), KEYS)
        expect(c.call("CONFIG", "SET", "maxmemory", base + ROOM), "OK")
        wait_until(lambda: [c.call("SET", "some:key:%08d" % i, "v") for i in range(200)] and
                   above(c, base + ROOM) < OVER + vacant(c), "room below the new limit")
        index = info(c, "arena_bytes")
        assert info(c, "evicted_keys") > 1000
        for p in batches(False)[:20]:
            c.send_raw(p)
            expect([c.reply() for _ in range(BATCH)], ["OK"] * BATCH)
        assert info(c, "arena_bytes") < index + OVER, info(c, "arena_bytes") - index


@only("bitcask")
def test_caches_yield_first():
    """A value cache that fills the limit gives way to keys before any key is evicted."""
    with Stave({"value-cache-size": "64mb", "maxmemory-policy": "allkeys-lru"}).start() as s:
        c = s.connect()
        limit = info(c, "used_memory") + 6 * ROOM
        expect(c.call("CONFIG", "SET", "maxmemory", limit), "OK")
        for i in range(400):
            c.call("SET", "large:%d" % i, b"%d" % i * 20000)
            c.call("GET", "large:%d" % i)
        expect(c.call("DBSIZE"), 400)
        expect(info(c, "evicted_keys"), 0)
        assert above(c, limit) < OVER, above(c, limit)


LIMIT = 64 * MB        # a server on lsm with ...
MANY = 200000          # ... so many keys ...
LENGTH = 700           # ... of values so long, which is twice as much
LARGE = 10000


def fill_beyond(c, number):
    """Values that don't compress, in pipelines, all of which are taken. `number`: of the round."""
    noise = os.urandom(1 << 20)
    for start in range(0, MANY, BATCH):
        c.send_raw(b"".join(resp.encode(["SET", "k:%d" % i, b"%d:%d:" % (number, i) +
                                         noise[i % 9999:][:LENGTH]]) for i in range(start, start + BATCH)))
        expect({c.reply() for _ in range(BATCH)}, {"OK"})


@only("bitcask")
def test_caches_leave_room():
    """Many times as much data as memory, and a cache that would take all of it: the process, with its log's
    tail, which is long while values are large, stays below the limit, and no key is evicted."""
    noise = os.urandom(4 * MB)
    with Stave({"maxmemory": LIMIT, "maxmemory-policy": "allkeys-lru"}).start() as s:
        c, most = s.connect(), 0
        for start in range(0, 12000, 100):
            names = [(start + i) % 8000 for i in range(100)]
            c.send_raw(b"".join(resp.encode(["SET", "k:%d" % i, noise[i * 300:][:LARGE]]) for i in names))
            c.send_raw(b"".join(resp.encode(["GET", "k:%d" % i]) for i in names))
            expect([c.reply() for _ in names], ["OK"] * 100)
            expect([len(c.reply()) for _ in names], [LARGE] * 100)
            most = max(most, rss(s.process.pid))
        print("MEASURED: maxmemory 64mb: RSS up to %d MB, caches %d MB at the end" % (
            most / MB, info(c, "used_memory_caches") / MB))
        expect((c.call("DBSIZE"), info(c, "evicted_keys")), (8000, 0))
        assert most < LIMIT + 8 * MB, most


@only("lsm")
def test_lsm_stays_below():
    """Twice as much data as memory, whatever the policy: the process stays below its limit, all keys
    stay there, nothing is refused."""
    for policy in ("noeviction", "allkeys-lru"):
        with Stave({"maxmemory": LIMIT, "maxmemory-policy": policy, "segment-size": "8mb"}).start() as s:
            c, most = s.connect(), 0
            fill_beyond(c, 1)
            most = rss(s.process.pid)
            for i in range(0, MANY, 97):
                expect(c.call("GET", "k:%d" % i)[:len("1:%d:" % i)], b"1:%d:" % i)
                most = max(most, rss(s.process.pid))
            expect((c.call("DBSIZE"), info(c, "evicted_keys")), (MANY, 0), policy)
            print("MEASURED: %d MB of values below maxmemory 64mb: RSS up to %d MB" % (
                MANY * LENGTH / MB, most / MB))
            assert most < LIMIT, most
            s.kill()
            expect(s.start().connect().call("DBSIZE"), MANY)


@only("lsm")
def test_lsm_far_below_what_is_used():
    """A limit that even an empty server is above does no more than make caches small."""
    with Stave(dict(SMALL, **{"maxmemory": "1mb", "maxmemory-policy": "allkeys-random"})).start() as s:
        c = s.connect()
        for p in batches(False)[:20]:
            c.send_raw(p)
            expect({c.reply() for _ in range(BATCH)}, {"OK"})
        expect((c.call("DBSIZE"), info(c, "evicted_keys")), (20 * BATCH, 0))
        expect(c.call("CONFIG", "SET", "maxmemory", "256mb"), "OK")
        expect(c.call("GET", "some:key:%08d" % 7)[:15], b"value:%08d:" % 7)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
