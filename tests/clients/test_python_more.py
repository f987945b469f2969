"""python3-redis on streams, commands that block, DUMP and RESTORE, pipelines."""

import threading
import time

import redis

from tests.clients.common import TYPES, expect, fill, wait_blocked
from tests.clients.test_python_types import client, refused


# ---- streams ----------------------------------------------------------------------------------------

def test_stream(server):
    r = client(server)
    for n in (5, 1000):
        r.flushall()
        ids = [r.xadd("x", {"n": i, "square": i * i}, id="%d-1" % (i + 1)) for i in range(n)]
        expect(ids, [b"%d-1" % (i + 1) for i in range(n)])
        entries = [(ids[i], {b"n": b"%d" % i, b"square": b"%d" % (i * i)}) for i in range(n)]
        expect(r.xlen("x"), n)
        expect(r.xrange("x"), entries)
        expect(r.xrevrange("x", count=3), entries[:-4:-1])
        expect(r.xrange("x", min="2", max="(4-1"), entries[1:3])
        expect(r.xread({"x": "3-1"}, count=1), [[b"x", [entries[3]]]])
        expect(r.xread({"x": ids[-1]}), [])
        expect(r.xdel("x", "2-1", "99999-1"), 1)
        info = r.xinfo_stream("x")
        expect((info["length"], info["last-generated-id"], info["entries-added"]), (n - 1, ids[-1], n))
        expect((info["first-entry"], info["last-entry"]), (entries[0], entries[-1]))
        expect(info["max-deleted-entry-id"], b"2-1")
        expect(r.xtrim("x", maxlen=2, approximate=False), n - 3)
        expect(r.xrange("x"), entries[-2:])
        expect(r.xtrim("x", minid=ids[-1], approximate=False), 1)
        r.xadd("x", {"a": 1}, id="%d-*" % (n + 1), maxlen=1, approximate=False)
        expect(r.xrange("x"), [(b"%d-0" % (n + 1), {b"a": b"1"})])
        refused("equal or smaller", lambda: r.xadd("x", {"a": 1}, id="1-1"))
        expect(r.xadd("nope", {"a": 1}, nomkstream=True), None)
    made = r.xadd("auto", {"a": 1})
    assert abs(int(made.split(b"-")[0]) - time.time() * 1000) < 60000, made


def test_stream_groups(server):
    r = client(server)
    expect(r.xgroup_create("x", "g", id="0", mkstream=True), True)
    ids = [r.xadd("x", {"n": i}) for i in range(6)]
    got = r.xreadgroup("g", "alice", {"x": ">"}, count=4)
    expect(got, [[b"x", [(i, {b"n": b"%d" % n}) for n, i in enumerate(ids[:4])]]])
    expect(r.xreadgroup("g", "bob", {"x": ">"}), [[b"x", [(ids[4], {b"n": b"4"}), (ids[5], {b"n": b"5"})]]])
    expect(r.xreadgroup("g", "bob", {"x": ">"}), [])
    expect(r.xack("x", "g", ids[0], ids[4], "1-1"), 2)
    expect(r.xpending("x", "g"), {"pending": 4, "min": ids[1], "max": ids[5], "consumers": [
        {"name": b"alice", "pending": 3}, {"name": b"bob", "pending": 1}]})
    rows = r.xpending_range("x", "g", min="-", max="+", count=10, consumername="alice")
    expect([(x["message_id"], x["consumer"], x["times_delivered"]) for x in rows],
           [(i, b"alice", 1) for i in ids[1:4]])
    expect(r.xreadgroup("g", "alice", {"x": "0"}), [[b"x", [(ids[n], {b"n": b"%d" % n}) for n in (1, 2, 3)]]])
    expect(r.xclaim("x", "g", "bob", min_idle_time=0, message_ids=[ids[1]]), [(ids[1], {b"n": b"1"})])
    expect(r.xclaim("x", "g", "bob", min_idle_time=0, message_ids=[ids[2]], justid=True), [ids[2]])
    expect(r.xautoclaim("x", "g", "carol", min_idle_time=0, start_id="0-0", count=1, justid=True), [ids[1]])
    expect([(g["name"], g["consumers"], g["pending"], g["last-delivered-id"], g["entries-read"], g["lag"])
            for g in r.xinfo_groups("x")], [(b"g", 3, 4, ids[5], 6, 0)])
    expect([(c["name"], c["pending"]) for c in r.xinfo_consumers("x", "g")],
           [(b"alice", 1), (b"bob", 2), (b"carol", 1)])
    expect(r.xgroup_delconsumer("x", "g", "bob"), 2)
    expect(r.xgroup_createconsumer("x", "g", "dave"), 1)
    expect(r.xgroup_setid("x", "g", ids[4]), True)
    expect(r.xreadgroup("g", "dave", {"x": ">"}, noack=True), [[b"x", [(ids[5], {b"n": b"5"})]]])
    refused("BUSYGROUP", lambda: r.xgroup_create("x", "g"))
    refused("NOGROUP", lambda: r.xreadgroup("other", "c", {"x": ">"}))
    expect((r.xgroup_destroy("x", "g"), r.xgroup_destroy("x", "g")), (1, 0))


# ---- commands that block ----------------------------------------------------------------------------

class Waiter:
    """A call in a thread of its own, with a connection of its own."""

    def __init__(self, server, call):
        self.result = None

        def run():
            try:
                self.result = call(client(server))
            except redis.RedisError as e:
                self.result = e
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def wait(self):
        self.thread.join(60)
        assert not self.thread.is_alive(), "it still waits"
        return self.result


def test_blocking(server):
    r = client(server)
    for call, wake, wanted in (
            (lambda b: b.blpop(["l", "k"], 20), lambda: r.rpush("k", "v"), (b"k", b"v")),
            (lambda b: b.brpop("l", 20), lambda: r.rpush("l", "a", "b"), (b"l", b"b")),
            (lambda b: b.blmove("l", "out", 20, "LEFT", "RIGHT"), lambda: r.rpush("l", "v"), b"v"),
            (lambda b: b.brpoplpush("l", "out", 20), lambda: r.rpush("l", "v"), b"v"),
            (lambda b: b.blmpop(20, 2, "k", "l", direction="LEFT", count=9), lambda: r.rpush("l", 1, 2),
             [b"l", [b"1", b"2"]]),
            (lambda b: b.bzpopmin(["z", "y"], 20), lambda: r.zadd("y", {"m": 1.5}), (b"y", b"m", 1.5)),
            (lambda b: b.bzpopmax("z", 20), lambda: r.zadd("z", {"m": 1, "n": 2}), (b"z", b"n", 2.0)),
            (lambda b: b.bzmpop(20, 1, ["z"], min=True, count=2), lambda: r.zadd("z", {"m": 1, "n": 2}),
             [b"z", [[b"m", b"1"], [b"n", b"2"]]]),
            (lambda b: b.xread({"x": "$"}, block=20000), lambda: r.xadd("x", {"a": 1}, id="5-5"),
             [[b"x", [(b"5-5", {b"a": b"1"})]]])):
        r.flushall()
        w = Waiter(server, call)
        wait_blocked(server, 1)
        wake()
        expect(w.wait(), wanted)
    r.flushall()
    r.xgroup_create("x", "g", mkstream=True)
    w = Waiter(server, lambda b: b.xreadgroup("g", "c", {"x": ">"}, block=20000))
    wait_blocked(server, 1)
    r.xadd("x", {"a": 1}, id="1-1")
    expect(w.wait(), [[b"x", [(b"1-1", {b"a": b"1"})]]])


def test_blocking_timeouts(server):
    r = client(server)
    start = time.time()
    expect(r.blpop("nope", 0.05), None)
    expect(r.bzpopmin("nope", 0.05), None)
    expect(r.blmove("nope", "x", 0.05), None)
    expect(r.xread({"nope": "$"}, block=50), [])
    assert 0.2 <= time.time() - start < 20


def test_blocking_several(server):
    """Who waits longest is served first; a chain of moves in one turn."""
    r = client(server)
    waiters = []
    for n in range(4):
        waiters.append(Waiter(server, lambda b: b.blpop(["q", "other"], 20)))
        wait_blocked(server, n + 1)
    p = r.pipeline(transaction=False)
    p.rpush("q", 1, 2, 3)
    p.rpush("other", 4)
    p.execute()
    expect([w.wait() for w in waiters], [(b"q", b"1"), (b"q", b"2"), (b"q", b"3"), (b"other", b"4")])
    expect(r.exists("q", "other"), 0)
    last = Waiter(server, lambda b: b.blpop("c", 20))
    wait_blocked(server, 1)
    second = Waiter(server, lambda b: b.blmove("b", "c", 20))
    wait_blocked(server, 2)
    first = Waiter(server, lambda b: b.blmove("a", "b", 20))
    wait_blocked(server, 3)
    r.rpush("a", "v")
    expect((first.wait(), second.wait(), last.wait()), (b"v", b"v", (b"c", b"v")))
    expect(r.dbsize(), 0)


def test_blocking_ends(server):
    """CLIENT UNBLOCK; a key of another type wakes nobody."""
    r = client(server)
    for error, wanted in ((False, None), (True, "UNBLOCKED")):
        w = Waiter(server, lambda b: b.blpop("k", 20))
        wait_blocked(server, 1)
        r.sadd("k", "not a list")
        blocked = [c["id"] for c in r.client_list() if "b" in c["flags"]]  # one that has ended may still be there
        expect(r.client_unblock(blocked[0], error=error), True)
        got = w.wait()
        assert got is None if wanted is None else wanted in str(got), got
        r.delete("k")


# ---- DUMP, SCAN, pipelines --------------------------------------------------------------------------

def test_dump_restore(server):
    r = client(server)
    keys = fill(server.connect())
    with_value = {k: r.execute_command("DUMP", k) for k in keys}
    for k, payload in with_value.items():
        expect(r.restore("copy", 0, payload, replace=True), b"OK")
        expect(r.type("copy"), keys[k].encode())
        expect(read(r, "copy"), read(r, k))
        refused("BUSYKEY", r.restore, "copy", 0, payload)
        r.restore("copy", 50000, payload, replace=True)
        assert 0 < r.pttl("copy") <= 50000
        r.restore("copy", 4102444800000, payload, replace=True, absttl=True, idletime=100)
        expect(r.execute_command("PEXPIRETIME", "copy"), 4102444800000)
        assert r.object("idletime", "copy") >= 100
        refused("checksum", r.restore, "bad", 0, payload[:-1] + bytes([payload[-1] ^ 1]))
    expect(r.dump("nope"), None)


def read(r, key):
    """All that a key holds."""
    kind = r.type(key).decode()
    if kind == "stream":
        return (r.xrange(key), r.xinfo_groups(key), r.xpending_range(key, "g", "-", "+", 10)[0]["message_id"])
    return {"string": lambda: r.get(key), "list": lambda: r.lrange(key, 0, -1),
            "set": lambda: r.smembers(key), "zset": lambda: r.zrange(key, 0, -1, withscores=True),
            "hash": lambda: r.hgetall(key)}[kind]()


def test_scan_types(server):
    r = client(server)
    keys = fill(server.connect(), n=200)
    expect(set(r.scan_iter()), {k.encode() for k in keys})
    for t in TYPES:
        expect(set(r.scan_iter(_type=t.upper())), {b"small:" + t.encode(), b"large:" + t.encode()})
    expect(set(r.scan_iter(match="small:*", _type="zset")), {b"small:zset"})
    expect(len(list(r.scan_iter(count=1))), len(keys))


def test_pipeline_of_types(server):
    r = client(server)
    p = r.pipeline(transaction=False)
    n = 500
    for i in range(n):
        p.hset("h", "f%d" % i, i).rpush("l", i).sadd("s", i).zadd("z", {i: i}).xadd("x", {"i": i}, id=i + 1)
        p.lrange("l", -1, -1).zscore("z", i).hincrby("h", "sum", i).get("l")
    out = p.execute(raise_on_error=False)
    total = 0
    for i in range(n):
        total += i
        row = out[9 * i:9 * i + 9]
        expect(row[:8], [1, i + 1, 1, 1, b"%d-0" % (i + 1), [b"%d" % i], float(i), total])
        assert isinstance(row[8], redis.ResponseError) and "WRONGTYPE" in str(row[8]), row[8]


def test_decoded(server):
    r = client(server, decode_responses=True)
    r.hset("h", mapping={"ключ": "значение", "empty": ""})
    expect(r.hgetall("h"), {"ключ": "значение", "empty": ""})
    raw = client(server)
    raw.rpush("l", b"\x00\xff\r\n", b"")
    expect(raw.lrange("l", 0, -1), [b"\x00\xff\r\n", b""])


def test_expire_every_type(server):
    r = client(server)
    keys = fill(server.connect(), n=200)
    for k in keys:
        expect(r.expire(k, 100), True)
        assert 0 < r.ttl(k) <= 100
        expect(r.persist(k), True)
        before = read(r, k)
        expect(r.copy(k, "copy", replace=True), True)
        expect(read(r, "copy"), before)
        expect(r.rename("copy", "renamed"), True)
        expect((r.exists("copy"), read(r, "renamed")), (0, before))
        expect(r.move("renamed", 1), True)
        other = client(server, db=1)
        expect((r.exists("renamed"), read(other, "renamed")), (0, before))
        expect(other.delete("renamed"), 1)
        expect(r.pexpire(k, 1), True)
        time.sleep(0.005)
        expect((r.exists(k), r.type(k)), (0, b"none"))
        assert r.randomkey() != k.encode()
    expect(r.dbsize(), 0)
