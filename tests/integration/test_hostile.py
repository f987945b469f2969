#!/usr/bin/python3
"""Arguments and payloads that nobody sends by accident: names longer than elements can be, asked of large
collections; numbers at their ends; streams whose groups, counts and times are at theirs. The server
answers, and stays."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, expect_error  # noqa: E402
from tests.support import rdb  # noqa: E402

ENDS = (-1 << 63, 1 - (1 << 63), -1, 0, 1, (1 << 63) - 1)
SOME = (-1 << 63, 1 - (1 << 63), -1 << 40, -3, 0, 1, (1 << 63) - 1)  # for what is answered with so many elements


def fill(c):
    """One large collection of each type."""
    numbers = range(300)
    c.call("RPUSH", "l", *numbers)
    c.call("SADD", "s", *("m%d" % i for i in numbers))
    c.call("HSET", "h", *(x for i in numbers for x in ("f%d" % i, i)))
    c.call("ZADD", "z", *(x for i in numbers for x in (i, "m%d" % i)))
    c.call("ZADD", "y", *(x for i in numbers for x in (0, "m%d" % i)))
    for i in range(1, 4):
        c.call("XADD", "x", "%d-1" % i, "a", "b")
    c.call("XGROUP", "CREATE", "x", "g", "0")
    c.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")


def test_long_names():
    with Stave().start() as s:
        c = s.connect()
        fill(c)
        for n in (64001, 64997, 65001, 200000):
            b = b"n" * n
            for absent in (["ZSCORE", "z", b], ["ZRANK", "z", b], ["ZREVRANK", "z", b], ["HGET", "h", b],
                           ["LPOS", "l", b]):
                expect(c.call(*absent), None)
            for nothing in (["ZREM", "z", b], ["SREM", "s", b], ["SISMEMBER", "s", b], ["HDEL", "h", b],
                            ["HEXISTS", "h", b], ["LREM", "l", 0, b], ["XGROUP", "DESTROY", "x", b],
                            ["XGROUP", "DELCONSUMER", "x", "g", b], ["XACK", "x", b, "1-1"],
                            ["ZLEXCOUNT", "y", b"[" + b, "+"]):
                expect(c.call(*nothing), 0)
            for refused in (["ZADD", "z", 1, b], ["ZINCRBY", "z", 1, b], ["SADD", "s", b], ["HSET", "h", b, 1],
                            ["HINCRBY", "h", b, 1], ["XGROUP", "CREATE", "x", b, 0],
                            ["XREADGROUP", "GROUP", "g", b, "STREAMS", "x", ">"],
                            ["XCLAIM", "x", "g", b, 0, "1-1"]):
                expect_error(c.ask(*refused), "ERR ")
            expect(c.call("ZRANGEBYLEX", "y", b"(" + b, "+"), [])
            expect(c.call("ZREVRANGEBYLEX", "y", "+", b"[" + b), [])
            expect(c.call("ZLEXCOUNT", "y", "-", b"(" + b), 300)
            expect(c.call("ZREMRANGEBYLEX", "y", b"[" + b, b"[" + b), 0)
        expect(c.call("ZCARD", "z"), 300)


def test_numbers_at_their_ends():
    with Stave().start() as s:
        c = s.connect()
        fill(c)
        for n in ENDS:
            for m in ENDS:
                c.ask("LRANGE", "l", n, m)
                c.ask("ZRANGE", "z", n, m)
                c.ask("ZRANGE", "z", n, m, "REV", "WITHSCORES")
                c.ask("ZRANGEBYSCORE", "z", "-inf", "+inf", "LIMIT", n, m)
                c.ask("ZRANGE", "z", "+", "-", "BYLEX", "REV", "LIMIT", n, m)
                c.ask("SORT", "l", "LIMIT", n, m)
                c.ask("LPOS", "l", 5, "RANK", n, "MAXLEN", m, "COUNT", m)
                c.ask("SINTERCARD", n, "s", "LIMIT", m)
                c.ask("XCLAIM", "x", "g", "d", n, "1-1", "IDLE", m, "RETRYCOUNT", n)
                c.ask("XCLAIM", "x", "g", "d", 0, "1-1", "TIME", m)
                c.ask("XAUTOCLAIM", "x", "g", "e", n, "0", "COUNT", m)
                c.ask("XPENDING", "x", "g", "IDLE", n, "-", "+", m)
                c.ask("XSETID", "x", "9-9", "ENTRIESADDED", n)
                c.ask("XGROUP", "SETID", "x", "g", "0", "ENTRIESREAD", m)
                c.ask("XREADGROUP", "GROUP", "g", "c", "COUNT", n, "STREAMS", "x", ">")
                c.ask("XINFO", "STREAM", "x", "FULL", "COUNT", n)
                c.ask("XADD", "x", "MAXLEN", "~", n, "LIMIT", m, "*", "a", "b")
                c.ask("LTRIM", "none", n, m)
            c.ask("LINDEX", "l", n)
            c.ask("LSET", "l", n, "x")
            c.ask("LREM", "l", n, "none")
            c.ask("HINCRBY", "h", "f1", n)
            c.ask("HEXPIRE", "h", n, "FIELDS", 1, "none")
            c.ask("HSCAN", "h", n, "COUNT", n)
            c.ask("SSCAN", "s", n, "COUNT", n)
        for n in SOME:
            for command in (["SRANDMEMBER", "s"], ["ZRANDMEMBER", "z"], ["HRANDFIELD", "h"]):
                if n >= -3:
                    expect(len(c.call(*command, n)), min(abs(n), 300))
                else:
                    wanted = "ERR value is out of range" if n == -1 << 63 else "ERR the reply is longer"
                    expect_error(c.ask(*command, n), wanted)
        for pop in (["LPOP", "l"], ["SPOP", "s"], ["ZPOPMIN", "z"]):
            c.ask(*pop, (1 << 63) - 1)
        expect(c.call("EXISTS", "l", "s", "z"), 0)
        expect(c.call("PING"), "PONG")


# ---- RESTORE -------------------------------------------------------------------------------------

def stream_id(ms, seq):
    return struct.pack(">QQ", ms, seq)


def a_stream(last=(0, 0), added=0, groups=()):
    """Without entries."""
    p = b"\0\0" + b"".join(map(rdb.length, (*last, 0, 0, 0, 0, added)))
    return rdb.payload(19, p + rdb.length(len(groups)) + b"".join(groups))


def a_group(name, pending=(), consumer=b"c", last=(0, 0), read=0, seen=1):
    """All that is pending is the consumer's."""
    p = rdb.string(name) + b"".join(map(rdb.length, (*last, read, len(pending))))
    for i, when, count in pending:
        p += stream_id(*i) + struct.pack("<Q", when) + rdb.length(count)
    p += b"\1" + rdb.string(consumer) + struct.pack("<Q", seen) + rdb.length(len(pending))
    return p + b"".join(stream_id(*i) for i, _, _ in pending)


def use(c, key):
    """Every command that looks at what RESTORE has made."""
    for command in (["XINFO", "STREAM", key, "FULL"], ["XINFO", "GROUPS", key], ["XINFO", "CONSUMERS", key, "g"],
                    ["XPENDING", key, "g"], ["XPENDING", key, "g", "-", "+", 9], ["DUMP", key],
                    ["XADD", key, "*", "a", "b"], ["XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"],
                    ["XREADGROUP", "GROUP", "g", "c", "STREAMS", key, "0"], ["DUMP", key],
                    ["XAUTOCLAIM", key, "g", "d", 0, "0"], ["XACK", key, "g", "9-9"], ["XTRIM", key, "MAXLEN", 0],
                    ["XGROUP", "DELCONSUMER", key, "g", "c"], ["XGROUP", "DESTROY", key, "g"], ["DEL", key]):
        c.ask(*command)


def test_streams_at_their_ends():
    top, most = (1 << 64) - 1, (1 << 63) - 1
    with Stave().start() as s:
        c = s.connect()
        for n in (63984, 63985, 64000, 64001):
            for group in (a_group(b"g" * n), a_group(b"g", consumer=b"c" * n)):
                r = c.ask("RESTORE", "k", 0, a_stream(groups=[group]))
                expect(str(r)[:3], "OK" if n == 63984 else "ERR")
                use(c, "k")
        for payload in (a_stream((top, top), most, [a_group(b"g", [((9, 9), most, most)], last=(top, top), read=most)]),
                        a_stream((9, 9), most, [a_group(b"g", [((9, 9), 0, 0)], read=top, seen=top - 4)]),
                        a_stream((9, 9), 0, [a_group(b"g", seen=1 << 63)]),
                        a_stream((9, 9), 5, [a_group(b"", consumer=b"")])):
            expect(c.call("RESTORE", "k", 0, payload), "OK")
            use(c, "k")
        expect(c.call("PING"), "PONG")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
