#!/usr/bin/python3
"""Keys of every type, packed and apart, through what may happen to a server's data: an orderly end, an end
by SIGKILL, DEBUG RELOAD, stave-convert to the other engine and back, with stave-check on each directory.
What a client reads must be the same before and after, by every way of reading it: so what an engine makes
anew at a start (orders, fields by expire time) is right at once."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import ENGINE, PATIENCE, Stave, expect, info, only, wait_until  # noqa: E402
from tests.support.servers import TOP  # noqa: E402

FAR = 4000000000000  # ms: no field that has it expires in a test
LONG = b"long" * 100000  # in pieces


def tool(name, *args):
    p = subprocess.run([os.path.join(TOP, "utils", name), *args], capture_output=True, text=True,
                       timeout=PATIENCE)
    expect(p.returncode, 0, p.stdout + p.stderr)


def many(c, n, *command):
    """A command with so many more arguments, which `command`'s last, a function, makes of numbers."""
    words = [w for i in range(n) for w in command[-1](i)]
    for at in range(0, len(words), 1000):
        c.call(*command[:-1], *words[at:at + 1000])


def fill(c):
    """Each type in both forms, and as the changes that are kept apart leave it."""
    for form, n in (("few", 7), ("many", 500)):
        many(c, n, "HSET", "h:" + form, lambda i: ("f%d" % i, "v%d" % i))
        many(c, n, "SADD", "s:" + form, lambda i: ("m%d" % i,))
        many(c, n, "ZADD", "z:" + form, lambda i: (i * 7 % n - 3.5, "m%d" % i))
        many(c, n, "RPUSH", "l:" + form, lambda i: ("v%d" % i,))
        for i in range(n):
            c.call("XADD", "x:" + form, "%d-1" % (i + 1), "f", "v%d" % i)
        c.call("HSET", "h:" + form, "f1", "again")
        many(c, n, "HSET", "ht:" + form, lambda i: ("f%d" % i, "v%d" % i))
        for i in range(0, n, 2):
            c.call("HPEXPIREAT", "ht:" + form, FAR + i % 5, "FIELDS", 1, "f%d" % i)
        c.call("HPEXPIREAT", "ht:" + form, FAR - 1, "FIELDS", 1, "f2")
        c.call("HPERSIST", "ht:" + form, "FIELDS", 1, "f4")
        many(c, n // 3, "ZREM", "z:" + form, lambda i: ("m%d" % (i * 3),))
        c.call("ZINCRBY", "z:" + form, 1000, "m1")
        c.call("LINSERT", "l:" + form, "BEFORE", "v3", "between")
        c.call("LMOVE", "l:" + form, "l:" + form, "LEFT", "RIGHT")
        c.call("XDEL", "x:" + form, "%d-1" % n, "2-1")
        c.call("XGROUP", "CREATE", "x:" + form, "g", "0")
        c.call("XREADGROUP", "GROUP", "g", "one", "COUNT", 4, "STREAMS", "x:" + form, ">")
        c.call("XACK", "x:" + form, "g", "1-1")
        c.call("XCLAIM", "x:" + form, "g", "two", 0, "3-1")
        c.call("COPY", "ht:" + form, "ht:copy:" + form)
        c.call("RENAME", "ht:copy:" + form, "ht:renamed:" + form)
        c.call("PEXPIREAT", "ht:renamed:" + form, FAR + 77)
        c.call("ZUNIONSTORE", "z:stored:" + form, 2, "z:" + form, "s:" + form)
        c.call("SORT", "s:" + form, "ALPHA", "STORE", "l:sorted:" + form)
        c.call("RESTORE", "z:restored:" + form, 0, c.call("DUMP", "z:" + form))
        c.call("RESTORE", "ht:moved:" + form, 0, c.call("DUMP", "h:" + form))
        c.call("HSETEX", "ht:moved:" + form, "PXAT", FAR + 1, "FIELDS", 1, "f0", "v")
        c.call("MOVE", "ht:moved:" + form, 9)
    c.call("RPUSH", "l:long", "a", LONG, "b")
    c.call("HSET", "h:long", "f", LONG, "g", "v")
    c.call("PFADD", "p", *["e%d" % i for i in range(1000)])
    c.call("SETRANGE", "str:chunks", 100000, "end")
    c.call("SET", "str", "value", "PXAT", FAR)


def of_key(c, key):
    """All that can be read of one key, by every way there is."""
    kind = c.call("TYPE", key)
    out = [kind, c.call("PEXPIRETIME", key), c.call("OBJECT", "ENCODING", key)]
    if kind == "string":
        return out + [c.call("GET", key)]
    if kind == "list":
        return out + [c.call("LLEN", key), c.call("LRANGE", key, 0, -1), c.call("LINDEX", key, 5)]
    if kind == "set":
        return out + [c.call("SCARD", key), sorted(c.call("SMEMBERS", key))]
    if kind == "hash":
        flat = c.call("HGETALL", key)
        fields = sorted(flat[::2])
        return out + [c.call("HLEN", key), sorted(zip(flat[::2], flat[1::2])), c.call("HMGET", key, *fields),
                      c.call("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)]
    if kind == "zset":
        flat = c.call("ZRANGE", key, 0, -1, "WITHSCORES")
        members, scores = flat[::2], flat[1::2]
        expect([float(x) for x in scores], sorted(float(x) for x in scores), key)
        expect(c.call("ZMSCORE", key, *members), scores, "order and names of " + key.decode())
        expect([c.call("ZRANK", key, m) for m in members[:30]], list(range(len(members[:30]))))
        return out + [c.call("ZCARD", key), flat, c.call("ZCOUNT", key, -2, 50)]
    expect(kind, "stream")
    full = c.call("XINFO", "STREAM", key, "FULL", "COUNT", 0)
    return out + [c.call("XLEN", key), c.call("XRANGE", key, "-", "+"), full,
                  c.call("XPENDING", key, "g")]


def seen(c):
    found = {}
    for db in (0, 9):
        c.call("SELECT", db)
        for key in sorted(c.call("KEYS", "*")):
            found[db, key] = of_key(c, key)
    c.call("SELECT", 0)
    found["digest"] = c.call("DEBUG", "DIGEST")
    return found


def same(c, before, when):
    after = seen(c)
    expect(sorted(map(str, after)), sorted(map(str, before)), when)
    for key, want in before.items():
        expect(after[key], want, "%s, %r" % (when, key))


def go_on(c):
    """Changes after a start find what they must: fields that expire go, orders are kept."""
    for form in ("few", "many"):
        expect(c.call("HPEXPIRE", "ht:" + form, 1, "FIELDS", 2, "f2", "f6"), [1, 1])
        n = 5 if form == "few" else 498
        wait_until(lambda: c.call("HLEN", "ht:" + form) == n, "two fields to expire")
        expect(c.call("HMGET", "ht:" + form, "f2", "f3"), [None, b"v3"])
        expect(c.call("ZADD", "z:" + form, "CH", 2000, "m2"), 1)
        expect(c.call("ZREVRANGE", "z:" + form, 0, 0), [b"m2"])
        n = 7 if form == "few" else 500
        expect(c.call("XADD", "x:" + form, "%d-*" % n, "f", "v"), b"%d-2" % n)


def test_ends_and_reload():
    with Stave({"appendfsync": "always"}).start() as s:
        c = s.connect()
        fill(c)
        before = seen(c)
        expect(len(before), 28)
        for _ in range(2):
            s.kill()
            # a child that wrote a hint ends with the server: what it had written is no hint
            tool("stave-check", "--repair=hints", s.data_directory())
            same(s.start().connect(), before, "after SIGKILL")
        s.stop()
        tool("stave-check", s.data_directory())
        c = s.start().connect()
        same(c, before, "after an orderly end")
        expect(c.call("DEBUG", "RELOAD"), "OK")
        same(c, before, "after DEBUG RELOAD")
        go_on(c)
        before = seen(c)
        s.kill()
        same(s.start().connect(), before, "after changes")


def test_convert():
    """There and back. Right after a conversion what is derived is as good as ever."""
    other = "lsm" if ENGINE == "bitcask" else "bitcask"
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top, Stave().start() as s:
        c = s.connect()
        fill(c)
        before = seen(c)
        s.stop()
        data, there, back = s.data_directory(), top + "/there", top + "/back"
        tool("stave-convert", data, there, "--engine", other)
        tool("stave-check", there)
        tool("stave-convert", there, back, "--engine", ENGINE)
        tool("stave-check", back)
        for engine, directory in ((other, there), (ENGINE, back)):
            with Stave({"engine": engine, "dir": directory}).start() as t:
                c = t.connect()
                same(c, before, "converted to " + engine)
                go_on(c)
                after = seen(c)
                t.kill()
                tool("stave-check", directory)
                same(t.start().connect(), after, "converted to %s, changed, killed" % engine)


def right_behind(c, number, n):
    """The first that is asked of sorted set `number` and of the hash: each kind of command, while a set's
    order is being made. Members m0 .. have their number for a score."""
    z = "large:%d" % number
    if number == 0:
        expect(c.call("ZRANK", z, "m%d" % (n - 1)), n - 1)
    elif number == 1:
        expect(c.call("ZADD", z, "CH", -1, "m5", n, "new"), 2)
        expect(c.call("ZRANGE", z, 0, 1), [b"m5", b"m0"])
        expect(c.call("ZADD", z, "CH", 5, "m5"), 1)
        expect(c.call("ZREM", z, "new"), 1)
    elif number == 2:
        c.send("MULTI")
        c.send("ZPOPMIN", z)
        c.send("ZRANGE", z, -1, -1, "WITHSCORES")
        c.send("ZADD", z, 0, "m0")
        c.send("EXEC")
        expect([c.reply() for _ in range(4)], ["OK"] + ["QUEUED"] * 3)
        expect(c.reply(), [[b"m0", b"0"], [b"m%d" % (n - 1), b"%d" % (n - 1)], 1])
    elif number == 3:
        expect(c.call("ZRANGESTORE", "stored", z, 10, n - 11), n - 20)
        expect(c.call("DEL", "stored"), 1)
    elif number == 4:
        expect(c.call("COPY", z, "moved"), 1)
        expect(c.call("MOVE", "moved", 1), 1)
        expect(c.call("SELECT", 1), "OK")
        expect(c.call("ZCOUNT", "moved", 1, "+inf"), n - 1)
        expect(c.call("FLUSHDB"), "OK")
        expect(c.call("SELECT", 0), "OK")
    else:
        expect(c.call("HEXPIRETIME", "large:h", "FIELDS", 1, "f1"), [FAR // 1000])
        expect(c.call("HDEL", "large:h", "f1"), 1)
        expect(c.call("HSET", "large:h", "f1", "v"), 1)
        expect(c.call("HPEXPIREAT", "large:h", FAR, "FIELDS", 1, "f1"), [1])


@only("bitcask")
def test_right_behind_a_start():
    """Many clients at once go on where orders are not made again."""
    n = 20000
    with Stave({"appendfsync": "always"}).start() as s:
        c = s.connect()
        for number in range(5):
            many(c, n, "ZADD", "large:%d" % number, lambda i: (i, "m%d" % i))
        many(c, n, "HSET", "large:h", lambda i: ("f%d" % i, "v%d" % i))
        for at in range(0, n, 1000):
            c.call("HPEXPIREAT", "large:h", FAR, "FIELDS", 1000, *["f%d" % i for i in range(at, at + 1000)])
        for end in (s.kill, s.stop):
            for first in range(6):
                end()
                c = s.start().connect()
                with concurrent.futures.ThreadPoolExecutor(6) as pool:
                    for done in [pool.submit(right_behind, s.connect(), (first + i) % 6, n) for i in range(6)]:
                        done.result()
                expect([c.call("ZCARD", "large:%d" % number) for number in range(5)], [n] * 5)
                expect(c.call("ZLEXCOUNT", "large:0", "-", "+"), n)
                if first == 0:
                    wait_until(lambda: info(c, "derive_pending") == 0, "all orders to be made")
                    expect(c.call("DEBUG", "RELOAD"), "OK")
        s.kill()
        c = s.start().connect()
        expect(c.call("FLUSHALL"), "OK")
        wait_until(lambda: info(c, "derive_pending") == 0, "none to be left")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
