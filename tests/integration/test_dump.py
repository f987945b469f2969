#!/usr/bin/python3
"""DUMP and RESTORE beside the reference redis-server: payloads of every encoding it ever made restore
here, payloads of random values of every type and size go both ways and give the same values, and what
is damaged is refused and leaves nothing."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, expect_error  # noqa: E402
from tests.support import rdb  # noqa: E402
from tests.support.servers import Reference  # noqa: E402

FAR = 4000000000000  # ms since the epoch, when nobody runs this any more
SEED = int(os.environ.get("STAVE_SEED", 0)) or random.randrange(1 << 30)


def value(c, key):
    """What the key holds, comparable between servers whatever the encoding."""
    kind = c.call("TYPE", key)
    if kind == "string":
        return kind, c.call("GET", key)
    if kind == "list":
        return kind, c.call("LRANGE", key, 0, -1)
    if kind == "set":
        return kind, sorted(c.call("SMEMBERS", key))
    if kind == "zset":
        flat = c.call("ZRANGE", key, 0, -1, "WITHSCORES")
        return kind, list(zip(flat[::2], map(float, flat[1::2])))
    if kind == "hash":
        flat = c.call("HGETALL", key)
        return kind, dict(zip(flat[::2], flat[1::2]))
    if kind == "stream":
        return kind, stream(c, key)
    return kind, None


def stream(c, key):
    """XINFO STREAM FULL without what is of the server and not of the stream."""
    def pairs(flat):
        return {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}
    s = pairs(c.call("XINFO", "STREAM", key, "FULL", "COUNT", 0))
    s.pop(b"radix-tree-keys"), s.pop(b"radix-tree-nodes")
    groups = []
    for g in map(pairs, s[b"groups"]):
        g[b"consumers"] = [pairs(x) for x in g[b"consumers"]]
        for x in g[b"consumers"]:
            x.pop(b"active-time", None)  # 7.2
        g[b"pel-count"] = g[b"pel-count"]
        groups.append(g)
    s[b"groups"] = groups
    return s


def has(c, *command):
    """Does the server know the command?"""
    return not str(c.ask(*command)).startswith("ERR unknown command")


def test_every_encoding():
    """Payloads made by hand; commands must make the same value."""
    with Stave().start() as s:
        c = s.connect()
        for name, payload, commands in rdb.samples(FAR):
            if name.startswith("stream") and not has(c, "XLEN", "x"):
                continue
            c.call("FLUSHALL")
            expect(c.call("RESTORE", "k", 0, payload), "OK", name)
            restored = value(c, "k")
            if commands:
                c.call("FLUSHALL")
                for x in commands:
                    c.call(*x)
                expect(value(c, "k"), restored, name)
            if "expires" in name:
                c.call("FLUSHALL")
                c.call("RESTORE", "k", 0, payload)
                expect(c.call("HPEXPIRETIME", "k", "FIELDS", 2, "a", "b"), [-1, FAR], name)
            # It comes back as it is from what DUMP makes of it, too.
            again = c.call("DUMP", "k")
            expect(c.call("RESTORE", "k", 0, again, "REPLACE"), "OK", name)
            expect(value(c, "k"), restored, name)
        s.stop()


def random_bytes(r, most):
    n = min(int(r.expovariate(1 / 12.0)), most) if r.random() < 0.9 else r.randrange(most)
    kind = r.randrange(4)
    if kind == 0:
        return b"%d" % r.randrange(-1 << r.randrange(1, 63), 1 << r.randrange(1, 63))
    if kind == 1:
        return bytes([r.randrange(97, 123)]) * n
    return bytes(r.randrange(256) for _ in range(n)) if kind == 2 else b"word%d " % r.randrange(1000) * (n // 8)


def fill(r, c, key, streams):
    """A random value of a random type and size class."""
    kind = r.choice(["string", "list", "set", "zset", "hash", "hash", "zset", "intset"] + ["stream"] * 3 * streams)
    n = r.choice([1, 2, 10, 130, 600, 1500])
    most = r.choice([20, 100, 3000 if n < 200 else 100])
    if kind == "string":
        return [c.call("SET", key, random_bytes(r, r.choice([30, 3000, 400000])))]
    if kind == "stream":
        return fill_stream(r, c, key, n)
    for at in range(0, n, 100):
        some = [random_bytes(r, most) for _ in range(min(100, n - at))]
        if kind == "list":
            c.call("RPUSH", key, *some)
        elif kind == "set":
            c.call("SADD", key, *some)
        elif kind == "intset":
            c.call("SADD", key, *(r.randrange(-1 << 40, 1 << 40) >> r.choice([0, 20, 36]) for _ in some))
        elif kind == "zset":
            scores = (r.choice([r.random(), r.randrange(-999, 999), 1e300, "-inf"]) for _ in some)
            c.call("ZADD", key, *(x for m in some for x in (next(scores), m)))
        else:
            c.call("HSET", key, *(x for m in some for x in (m, random_bytes(r, most))))


def fill_stream(r, c, key, n):
    fields = [[b"a", b"b"], [b"x"]]
    for i in range(1, n + 1):
        names = r.choice(fields) if r.random() < 0.9 else [random_bytes(r, 10)]
        c.call("XADD", key, "%d-%d" % (i, r.randrange(3)), *(x for f in names for x in (f, random_bytes(r, 60))))
    c.call("XGROUP", "CREATE", key, "g1", "0")
    c.call("XGROUP", "CREATE", key, "g2", "$")
    c.call("XREADGROUP", "GROUP", "g1", "alice", "COUNT", max(1, n // 3), "STREAMS", key, ">")
    c.call("XREADGROUP", "GROUP", "g1", "bob", "COUNT", 3, "STREAMS", key, ">")
    c.call("XGROUP", "CREATECONSUMER", key, "g2", "nobody")
    ids = [e[0] for e in c.call("XRANGE", key, "-", "+")]
    c.call("XDEL", key, *r.sample(ids, max(1, n // 10)))
    if r.randrange(2):
        c.call("XTRIM", key, "MAXLEN", "~" if r.randrange(2) else "=", n // 2)


def both_ways(stave_options, reference_options, rounds):
    print("STAVE_SEED=%d" % SEED)
    r = random.Random(SEED)
    with Stave(stave_options).start() as s, Reference(reference_options).start() as ref:
        a, b = s.connect(), ref.connect()
        streams = has(a, "XLEN", "k")
        for i in range(rounds):
            for source, target in ((a, b), (b, a)):
                source.call("FLUSHALL"), target.call("FLUSHALL")
                fill(r, source, "k", streams)
                if not source.call("EXISTS", "k"):
                    continue
                payload = source.call("DUMP", "k")
                what = "round %d: %s" % (i, source.call("OBJECT", "ENCODING", "k"))
                expect(target.call("RESTORE", "k", 0, payload), "OK", what)
                expect(value(target, "k"), value(source, "k"), what)
                expect(target.call("RESTORE", "again", 0, target.call("DUMP", "k")), "OK", what)
                expect(value(target, "again"), value(source, "k"), what)
        s.stop()


def test_both_ways():
    both_ways({}, {}, 60)


def test_both_ways_small_limits():
    """Every encoding at small sizes; nodes of few elements, compressed in the reference."""
    small = {"hash-max-listpack-entries": 8, "zset-max-listpack-entries": 8, "set-max-intset-entries": 16,
             "list-max-listpack-size": 5, "stream-node-max-entries": 7}
    both_ways(dict(small, rdbcompression="no"), dict(small, **{"list-compress-depth": 1}), 40)


def test_both_ways_large_nodes():
    """A node may have elements that elsewhere are nodes by themselves."""
    with Stave({"list-max-listpack-size": -5}).start() as s, Reference().start() as ref:
        c, r = s.connect(), ref.connect()
        values = [b"%d" % i * (1 if i % 3 else 9000) for i in range(40)]
        c.call("RPUSH", "k", *values)
        expect(r.call("RESTORE", "k", 0, c.call("DUMP", "k")), "OK")
        expect(r.call("LRANGE", "k", 0, -1), values)
        s.stop()


def test_restart():
    """What was restored is there after a restart."""
    with Stave().start() as s:
        c = s.connect()
        wanted = {}
        for name, payload, _ in rdb.samples(FAR):
            if name.startswith("stream") and not has(c, "XLEN", "x"):
                continue
            c.call("RESTORE", name, 0, payload)
            wanted[name] = value(c, name)
        s.stop()
        s.start()
        c = s.connect()
        for name in wanted:
            expect(value(c, name), wanted[name], name)
        s.stop()


def test_options():
    with Stave({"maxmemory-policy": "allkeys-lru"}).start() as s:
        c = s.connect()
        c.call("SET", "a", "value")
        dump = c.call("DUMP", "a")
        expect(c.call("DUMP", "nokey"), None)
        expect_error(c.ask("RESTORE", "a", 0, dump), "BUSYKEY Target key name already exists.")
        expect(c.call("RESTORE", "a", 0, dump, "REPLACE", "IDLETIME", 500), "OK")
        assert 500 <= c.call("OBJECT", "IDLETIME", "a") < 560
        expect(c.call("RESTORE", "b", 50000, dump), "OK")
        assert 40000 < c.call("PTTL", "b") <= 50000
        expect(c.call("RESTORE", "b", FAR, dump, "REPLACE", "ABSTTL"), "OK")
        expect(c.call("PEXPIRETIME", "b"), FAR)
        expect(c.call("RESTORE", "b", 1000, dump, "REPLACE", "ABSTTL"), "OK")
        expect(c.call("EXISTS", "b"), 0)
        c.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        expect(c.call("RESTORE", "f", 0, dump, "FREQ", 77), "OK")
        expect(c.call("OBJECT", "FREQ", "f"), 77)
        expect(c.call("RESTORE", "t", 30, dump), "OK")
        time.sleep(0.05)
        expect(c.call("GET", "t"), None)
        s.stop()


def test_damaged():
    """With any byte changed a payload is refused by its checksum; with a good checksum behind it, it
    is refused or it is another value, and the server lives."""
    r = random.Random(SEED)
    print("STAVE_SEED=%d" % SEED)
    with Stave().start() as s:
        c = s.connect()
        for name, payload, _ in rdb.samples(FAR):
            for _ in range(40):
                i = r.randrange(len(payload))
                bad = payload[:i] + bytes([payload[i] ^ 1 << r.randrange(8)]) + payload[i + 1:]
                expect_error(c.ask("RESTORE", "k", 0, bad), "ERR DUMP payload version or checksum are wrong")
                body = bad[:-10]
                if r.randrange(3) == 0:
                    body = body[:r.randrange(1, len(body) + 1)]
                found = c.ask("RESTORE", "k", 0, rdb.payload(body[0], body[1:]))
                if found == "OK":
                    value(c, "k")
                    c.call("DEL", "k")
                else:
                    assert str(found) in ("ERR Bad data format", "ERR element is longer than 64000 bytes"), found
                    expect(c.call("DBSIZE"), 0)
        s.stop()


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
