"""python3-redis on hashes, lists, sets, sorted sets, HyperLogLogs, geo and SORT: values, order and types, for
keys that are packed and for such as are not."""

import time

import redis

from tests.clients.common import Skip, expect

SIZES = (5, 1000)  # few enough to be packed, and not


def client(server, **how):
    return redis.Redis(host="127.0.0.1", port=server.port, **how)


def knows(r, command):
    """Skips the test where the server is one that has not got this (the reference)."""
    if command not in r.command():
        raise Skip("no command " + command)


def refused(error, call, *args):
    try:
        call(*args)
    except redis.ResponseError as e:
        assert error in str(e), "%r, wanted %r" % (str(e), error)
    else:
        raise AssertionError("no error, wanted %r" % error)


# ---- hashes -----------------------------------------------------------------------------------------

def test_hash(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        pairs = {b"f%04d" % i: b"v%d" % i for i in range(n)}
        expect(r.hset("h", mapping=pairs), n)
        expect(r.hset("h", "f0000", "new"), 0)
        pairs[b"f0000"] = b"new"
        expect(r.hgetall("h"), pairs)
        expect(list(r.hgetall("h").keys()) == r.hkeys("h"), True)
        expect(list(r.hgetall("h").values()) == r.hvals("h"), True)
        expect(r.hlen("h"), n)
        expect(r.hget("h", "f0003"), b"v3")
        expect(r.hmget("h", ["f0001", "nope", "f0000"]), [b"v1", None, b"new"])
        expect((r.hexists("h", "f0001"), r.hexists("h", "nope")), (True, False))
        expect(r.hstrlen("h", "f0004"), 2)
        expect(dict(r.hscan_iter("h", count=7)), pairs)
        expect(dict(r.hscan_iter("h", match="f000[12]")), {b"f0001": b"v1", b"f0002": b"v2"})
        expect(r.hdel("h", "f0001", "f0002", "nope"), 2)
        expect(r.hlen("h"), n - 2)


def test_hash_numbers(server):
    r = client(server)
    expect(r.hincrby("h", "n", 5), 5)
    expect(r.hincrby("h", "n", -7), -2)
    expect(r.hincrbyfloat("h", "f", 1.5), 1.5)
    expect(r.hincrbyfloat("h", "f", 2e2), 201.5)
    expect(r.hget("h", "f"), b"201.5")
    expect((r.hsetnx("h", "n", 1), r.hsetnx("h", "m", 1)), (0, 1))
    r.hset("h", "text", "abc")
    refused("hash value is not an integer", r.hincrby, "h", "text")
    refused("hash value is not a float", r.hincrbyfloat, "h", "text")
    refused("overflow", lambda: (r.hset("h", "n", 2**63 - 1), r.hincrby("h", "n", 1)))


def test_hash_random(server):
    r = client(server)
    for n in SIZES:
        pairs = {b"f%d" % i: b"v%d" % i for i in range(n)}
        r.hset("h%d" % n, mapping=pairs)
        assert r.hrandfield("h%d" % n) in pairs
        got = r.hrandfield("h%d" % n, 4)
        assert len(set(got)) == 4 and set(got) <= set(pairs), got
        expect(len(r.hrandfield("h%d" % n, -50)), 50)
        got = r.hrandfield("h%d" % n, n + 5, withvalues=True)
        expect(dict(zip(got[::2], got[1::2])), pairs)


def test_hash_field_times(server):
    r = client(server)
    knows(r, "hsetex")
    ask = r.execute_command
    for n in SIZES:
        r.flushall()
        r.hset("h", mapping={"f%d" % i: "v%d" % i for i in range(n)})
        expect(ask("HEXPIRE", "h", 100, "FIELDS", 3, "f0", "f1", "nope"), [1, 1, -2])
        expect(ask("HPEXPIRE", "h", 200000, "NX", "FIELDS", 2, "f0", "f2"), [0, 1])
        ttl = ask("HTTL", "h", "FIELDS", 4, "f0", "f2", "f3", "nope")
        assert 40 <= ttl[0] <= 100 and 140 <= ttl[1] <= 200 and ttl[2:] == [-1, -2], ttl
        due = ask("HPEXPIRETIME", "h", "FIELDS", 1, "f0")[0]
        assert abs(due - time.time() * 1000 - 100000) < 60000, due
        expect(ask("HEXPIRETIME", "h", "FIELDS", 1, "f0"), [(due + 999) // 1000])
        expect(ask("HPERSIST", "h", "FIELDS", 2, "f0", "f3"), [1, -1])
        expect(ask("HGETEX", "h", "PX", 1, "FIELDS", 2, "f1", "nope"), [b"v1", None])
        expect(ask("HGETDEL", "h", "FIELDS", 1, "f3"), [b"v3"])
        expect(ask("HSETEX", "h", "FNX", "EX", 50, "FIELDS", 1, "new", "x"), 1)
        expect(ask("HSETEX", "h", "FNX", "EX", 50, "FIELDS", 1, "new", "y"), 0)
        time.sleep(0.01)
        expect(r.hmget("h", "f0", "f1", "f3", "new"), [b"v0", None, None, b"x"])
        expect(r.hlen("h"), n - 1)
        expect(len(r.hgetall("h")), n - 1)
        expect(sorted(r.hgetall("h")), sorted(r.hkeys("h")))
        expect(dict(r.hscan_iter("h")), r.hgetall("h"))
        expect(ask("HEXPIREAT", "h", 1, "FIELDS", 1, "f0"), [2])
        expect(ask("HPEXPIREAT", "h", 1, "FIELDS", 1, "f0"), [-2])
    r.delete("h")
    r.hset("h", "only", "1")
    ask("HPEXPIRE", "h", 1, "FIELDS", 1, "only")
    time.sleep(0.01)
    expect((r.exists("h"), r.type("h"), r.hlen("h")), (0, b"none", 0))


# ---- lists ------------------------------------------------------------------------------------------

def test_list(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        model = [b"%d" % i for i in range(n)]
        expect(r.rpush("l", *model), n)
        expect(r.lpush("l", "b", "a"), n + 2)
        model = [b"a", b"b"] + model
        expect(r.lrange("l", 0, -1), model)
        expect(r.lrange("l", -3, 100000), model[-3:])
        expect(r.lrange("l", 3, 1), [])
        expect([r.lindex("l", i) for i in (0, 4, -1, n + 2)], [model[0], model[4], model[-1], None])
        expect(r.lset("l", 2, "set"), True)
        expect(r.linsert("l", "before", "set", "pre"), n + 3)
        expect(r.linsert("l", "after", "set", "post"), n + 4)
        expect(r.linsert("l", "after", "nope", "post"), -1)
        model[2:3] = [b"pre", b"set", b"post"]
        expect(r.lrange("l", 0, -1), model)
        r.rpush("l", "b")
        expect(r.lpos("l", "b"), 1)
        expect(r.lpos("l", "b", rank=-1), n + 4)
        expect(r.lpos("l", "b", count=0), [1, n + 4])
        expect(r.lrem("l", 0, "b"), 2)
        model.remove(b"b")
        expect((r.lpop("l"), r.rpop("l")), (model[0], model[-1]))
        expect(r.lpop("l", 2), model[1:3])
        expect(r.rpop("l", 2), model[-2:-4:-1])
        model = model[3:-3]
        expect(r.lrange("l", 0, -1), model)
        expect(r.ltrim("l", 1, -2), True)
        expect(r.lrange("l", 0, -1), model[1:-1])
        expect(r.llen("l"), len(model) - 2)
        r.ltrim("l", 1, 0)
        expect(r.exists("l"), 0)
    expect((r.lpushx("nope", 1), r.rpushx("nope", 1)), (0, 0))
    refused("index out of range", lambda: (r.rpush("l", 1), r.lset("l", 5, "x")))


def test_list_moves(server):
    r = client(server)
    r.rpush("a", 1, 2, 3)
    expect(r.lmove("a", "b", "LEFT", "RIGHT"), b"1")
    expect(r.rpoplpush("a", "b"), b"3")
    expect(r.lmove("a", "a", "LEFT", "LEFT"), b"2")
    expect((r.lrange("a", 0, -1), r.lrange("b", 0, -1)), ([b"2"], [b"3", b"1"]))
    expect(r.lmpop(2, "nope", "b", direction="RIGHT", count=5), [b"b", [b"1", b"3"]])
    expect(r.lmpop(1, "nope", direction="LEFT"), None)
    expect(r.lmove("nope", "x", "LEFT", "LEFT"), None)
    r.lmove("a", "b", "LEFT", "LEFT")
    expect(r.keys("*"), [b"b"])


# ---- sets -------------------------------------------------------------------------------------------

def test_set(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        model = {b"m%d" % i for i in range(n)}
        expect(r.sadd("s", *model), n)
        expect(r.sadd("s", "m1", "new"), 1)
        model.add(b"new")
        expect(r.smembers("s"), model)
        expect(r.scard("s"), n + 1)
        expect((r.sismember("s", "m1"), r.sismember("s", "x")), (True, False))
        expect(r.smismember("s", ["m1", "x", "new"]), [1, 0, 1])
        expect(set(r.sscan_iter("s", count=9)), model)
        expect(set(r.sscan_iter("s", match="ne*")), {b"new"})
        assert r.srandmember("s") in model
        got = r.srandmember("s", 3)
        assert len(set(got)) == 3 and set(got) <= model, got
        expect(len(r.srandmember("s", -40)), 40)
        expect(r.srem("s", "m1", "m2", "x"), 2)
        model -= {b"m1", b"m2"}
        one, more = r.spop("s"), r.spop("s", 2)
        model -= {one, *more}
        expect(len({one, *more}), 3)
        expect(r.smembers("s"), model)
        expect(r.smove("s", "t", "nope"), False)
        moved = min(model)
        expect(r.smove("s", "t", moved), True)
        expect((r.smembers("t"), r.sismember("s", moved)), ({moved}, False))


def test_set_algebra(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        a, b, c = ({b"%d" % i for i in range(0, n, step)} for step in (1, 2, 3))
        for name, members in (("a", a), ("b", b), ("c", c)):
            r.sadd(name, *members)
        expect(r.sinter("a", "b", "c"), a & b & c)
        expect(r.sunion("b", "c", "nope"), b | c)
        expect(r.sdiff("a", "b", "c"), a - b - c)
        expect(r.sinterstore("x", "b", "c"), len(b & c))
        expect(r.smembers("x"), b & c)
        expect(r.sunionstore("x", "b", "c"), len(b | c))
        expect(r.smembers("x"), b | c)
        expect(r.sdiffstore("x", "a", "b"), len(a - b))
        expect(r.smembers("x"), a - b)
        expect(r.sdiffstore("x", "b", "a"), 0)
        expect(r.exists("x"), 0)
        expect(r.sintercard(2, ["a", "c"]), len(a & c))
        expect(r.sintercard(2, ["a", "c"], limit=2), min(2, len(a & c)))


# ---- sorted sets ------------------------------------------------------------------------------------

def test_zset(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        model = [(b"m%04d" % i, i / 2) for i in range(n)]
        expect(r.zadd("z", dict(model)), n)
        expect(r.zrange("z", 0, -1, withscores=True), model)
        expect(r.zrange("z", 0, 2, desc=True), [m for m, _ in model[:-4:-1]])
        expect(r.zrevrange("z", 0, 1, withscores=True), model[:-3:-1])
        expect(r.zrangebyscore("z", 1, "(2", withscores=True), model[2:4])
        expect(r.zrangebyscore("z", "-inf", "+inf", start=1, num=2), [m for m, _ in model[1:3]])
        expect(r.zrevrangebyscore("z", 1.5, 0.5), [b"m0003", b"m0002", b"m0001"])
        expect(r.zrange("z", 1, 2, byscore=True), [b"m0002", b"m0003", b"m0004"])
        expect((r.zrank("z", "m0003"), r.zrevrank("z", "m0003"), r.zrank("z", "x")), (3, n - 4, None))
        expect((r.zscore("z", "m0003"), r.zscore("z", "x")), (1.5, None))
        expect(r.zmscore("z", ["m0001", "x"]), [0.5, None])
        expect((r.zcard("z"), r.zcount("z", "(0", 2)), (n, 4))
        expect(dict(r.zscan_iter("z", count=11)), dict(model))
        expect(dict(r.zscan_iter("z", match="m000[01]")), dict(model[:2]))
        expect(r.zincrby("z", 10000, "m0000"), 10000.0)
        expect(r.zrange("z", -1, -1), [b"m0000"])
        expect(r.zpopmin("z"), [model[1]])
        expect(r.zpopmax("z", 2), [(b"m0000", 10000.0), model[-1]])
        expect(r.zrem("z", "m0002", "x"), 1)
        expect(r.zcard("z"), n - 4)
        expect(r.zrange("z", 0, -1, withscores=True), model[3:-1])
        if n > 10:
            expect(r.zremrangebyrank("z", 0, 1), 2)
            expect(r.zremrangebyscore("z", 3, 4), 3)
            expect(r.zrange("z", 0, 1, withscores=True), [model[5], model[9]])


def test_zset_options(server):
    r = client(server)
    expect(r.zadd("z", {"a": 1, "b": 2}), 2)
    expect(r.zadd("z", {"a": 5, "c": 3}, nx=True), 1)
    expect(r.zadd("z", {"a": 5, "d": 3}, xx=True, ch=True), 1)
    expect(r.zadd("z", {"a": 4}, gt=True, ch=True), 0)
    expect(r.zadd("z", {"a": 4}, lt=True, ch=True), 1)
    expect(r.zadd("z", {"a": 1.5}, incr=True), 5.5)
    expect(r.zadd("z", {"a": 1.5}, incr=True, nx=True), None)
    expect(r.zrange("z", 0, -1, withscores=True), [(b"b", 2.0), (b"c", 3.0), (b"a", 5.5)])
    r.zadd("inf", {"low": float("-inf"), "high": float("inf"), "tiny": 1e-300})
    expect(r.zrange("inf", 0, -1, withscores=True),
           [(b"low", float("-inf")), (b"tiny", 1e-300), (b"high", float("inf"))])
    refused("resulting score is not a number", r.zincrby, "inf", float("-inf"), "high")
    expect(r.zrangestore("copy", "z", 1, 2), 2)
    expect(r.zrange("copy", 0, -1), [b"c", b"a"])


def test_zset_lex(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        model = [b"%04d" % i for i in range(n)]
        r.zadd("z", {m: 0 for m in model})
        expect(r.zrangebylex("z", "[0001", "(0003"), model[1:3])
        expect(r.zrevrangebylex("z", "[0003", "-"), model[3::-1])
        expect(r.zlexcount("z", "-", "+"), n)
        expect(r.zremrangebylex("z", "[0001", "[0002"), 2)
        expect(r.zrange("z", 0, 1), [b"0000", b"0003"])


def test_zset_algebra(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        a = {b"%d" % i: float(i) for i in range(n)}
        b = {b"%d" % i: 10.0 for i in range(0, n, 2)}
        r.zadd("a", a)
        r.zadd("b", b)

        def ordered(d):
            return sorted(d.items(), key=lambda x: (x[1], x[0]))
        both = {m: a[m] + b[m] for m in b}
        expect(r.zinter(["a", "b"], withscores=True), ordered(both))
        expect(r.zunion(["a", "b"], aggregate="MAX", withscores=True),
               ordered({m: max(s, b.get(m, s)) for m, s in a.items()}))
        flat = [x for m, s in ordered({m: s for m, s in a.items() if m not in b}) for x in (m, b"%g" % s)]
        expect(r.zdiff(["a", "b"], withscores=True), flat)
        expect(r.zinterstore("x", {"a": 2, "b": 1}), len(both))
        expect(r.zrange("x", 0, -1, withscores=True), ordered({m: 2 * a[m] + b[m] for m in b}))
        expect(r.zunionstore("x", ["a", "b"], aggregate="MIN"), n)
        expect(r.zdiffstore("x", ["b", "a"]), 0)
        expect(r.zintercard(2, ["a", "b"], limit=2), 2)
        expect(r.zmpop(2, ["nope", "a"], min=True, count=2), [b"a", [[b"0", b"0"], [b"1", b"1"]]])
        assert r.zrandmember("a") in a
        expect(len(set(r.zrandmember("a", 3))), 3)


# ---- HyperLogLogs, geo, SORT ------------------------------------------------------------------------

def test_hll(server):
    r = client(server)
    expect((r.pfadd("p", "a", "b", "c"), r.pfadd("p", "a")), (1, 0))
    expect(r.pfcount("p"), 3)
    r.pfadd("q", *["x%d" % i for i in range(5000)])
    assert abs(r.pfcount("q") - 5000) < 250, r.pfcount("q")
    assert abs(r.pfcount("p", "q") - 5003) < 250
    expect(r.pfmerge("m", "p", "q"), True)
    expect(r.pfcount("m"), r.pfcount("p", "q"))
    r.set("copy", r.get("m"))
    expect(r.pfcount("copy"), r.pfcount("m"))


def test_geo(server):
    r = client(server)
    knows(r, "georadius")
    expect(r.geoadd("g", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"]), 2)
    expect(r.geoadd("g", [13.361389, 38.115556, "Palermo"]), 0)
    expect(r.geodist("g", "Palermo", "Catania", "km"), 166.2742)
    expect(r.geodist("g", "Palermo", "nope"), None)
    expect(r.geohash("g", "Palermo", "Catania", "nope"), ["sqc8b49rny0", "sqdtr74hyu0", None])
    pos = r.geopos("g", "Palermo", "nope")
    assert abs(pos[0][0] - 13.361389) < 1e-5 and abs(pos[0][1] - 38.115556) < 1e-5 and pos[1] is None, pos
    expect(r.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC"),
           [b"Catania", b"Palermo"])
    expect(r.geosearch("g", member="Palermo", width=100, height=100, unit="km"), [b"Palermo"])
    found = r.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="DESC", withdist=True,
                        withhash=True, count=1)
    expect(found, [[b"Palermo", 190.4424, 3479099956230698]])
    expect(r.geosearchstore("near", "g", longitude=15, latitude=37, radius=100, unit="km", storedist=True), 1)
    assert abs(r.zscore("near", "Catania") - 56.4413) < 0.001, r.zscore("near", "Catania")
    expect(r.georadius("g", 15, 37, 100, unit="km", withdist=True), [[b"Catania", 56.4413]])
    expect(r.georadiusbymember("g", "Catania", 10, unit="km"), [b"Catania"])
    expect(r.type("g"), b"zset")


def test_sort(server):
    r = client(server)
    for n in SIZES:
        r.flushall()
        numbers = [(i * 7919) % 100003 for i in range(n)]
        r.rpush("l", *numbers)
        ordered = [b"%d" % i for i in sorted(numbers)]
        expect(r.sort("l"), ordered)
        expect(r.sort("l", desc=True, start=1, num=2), ordered[-2:-4:-1])
        expect(r.sort("l", alpha=True), sorted(ordered))
        expect(r.sort("l", store="out"), n)
        expect((r.type("out"), r.lrange("out", 0, -1)), (b"list", ordered))
        for i in numbers:
            r.set("weight:%d" % i, -i)
            r.hset("data:%d" % i, "name", "n%d" % i)
        got = r.sort("l", by="weight:*", get=["#", "data:*->name", "nope:*"], groups=True)
        expect(got, [(m, b"n" + m, None) for m in reversed(ordered)])
        r.sadd("s", *numbers)
        expect(r.sort("s"), ordered)
        r.zadd("z", {i: 1 for i in numbers})
        expect(r.execute_command("SORT_RO", "z", "LIMIT", 0, 3), ordered[:3])


def test_wrong_types(server):
    r = client(server)
    r.set("string", "x")
    r.rpush("list", "x")
    for call in (r.llen, r.scard, r.zcard, r.hlen, r.xlen, r.lpop, r.spop, r.zpopmin):
        refused("WRONGTYPE", call, "string")
    for call in (r.get, r.strlen, r.scard, r.zcard, r.hgetall, r.xlen, r.incr):
        refused("WRONGTYPE", call, "list")
