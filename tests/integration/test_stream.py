#!/usr/bin/python3
"""Streams on the real server: clients that wait for entries, groups, restarts, and what dropping a
large group costs."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, expect_error, info, wait_until  # noqa: E402

PENDING = 20000  # entries of the group that is dropped


def waiting(c, n):
    """Waits until n clients wait in a command."""
    wait_until(lambda: info(c, "blocked_clients") == n, "%d waiting clients" % n)


def entry(i, *pairs):
    return [b"%d-0" % i, list(pairs)]


def add(c, i, key="s"):
    c.call("XADD", key, "%d-0" % i, "f", i)


def value(i):
    return entry(i, b"f", b"%d" % i)


def test_read_waits():
    with Stave().start() as s:
        c, a, b, late = [s.connect() for _ in range(4)]
        add(c, 1)
        a.send("XREAD", "BLOCK", 0, "STREAMS", "s", "other", "$", "$")
        b.send("XREAD", "BLOCK", 0, "COUNT", 1, "STREAMS", "s", "1-0")
        waiting(c, 2)
        c.call("SET", "x", 1)
        c.call("XADD", "third", "1-0", "a", "b")
        waiting(c, 2)
        add(c, 2)
        for waiter in (a, b):
            expect(waiter.reply(), [[b"s", [value(2)]]])
        a.send("XREAD", "BLOCK", 0, "STREAMS", "other", "$")
        waiting(c, 1)
        add(c, 3)
        c.call("XADD", "other", "7-1", "x", "y")
        expect(a.reply(), [[b"other", [[b"7-1", [b"x", b"y"]]]]])
        expect(late.call("XREAD", "STREAMS", "s", "$"), None)
        expect(late.call("XREAD", "STREAMS", "s", "+"), [[b"s", [value(3)]]])


def test_dollar_stays():
    """`$` is what it was when the client came, whatever wakes it in between."""
    with Stave().start() as s:
        c, a = s.connect(), s.connect()
        add(c, 5)
        a.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        waiting(c, 1)
        c.call("XGROUP", "CREATE", "s", "g", 0)  # changes the stream, but has nothing for it
        c.call("XDEL", "s", "5-0")
        waiting(c, 1)
        add(c, 6)
        expect(a.reply(), [[b"s", [value(6)]]])


def test_timeouts():
    with Stave().start() as s:
        c, a = s.connect(), s.connect()
        before = time.monotonic()
        expect(a.call("XREAD", "BLOCK", 50, "STREAMS", "s", "$"), None)
        assert time.monotonic() - before >= 0.045
        c.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        expect(a.call("XREADGROUP", "GROUP", "g", "me", "BLOCK", 20, "STREAMS", "s", ">"), None)
        number = a.call("CLIENT", "ID")
        a.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        waiting(c, 1)
        expect(c.call("CLIENT", "UNBLOCK", number), 1)
        expect(a.reply(), None)
        a.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        waiting(c, 1)
        expect(c.call("CLIENT", "UNBLOCK", number, "ERROR"), 1)
        expect_error(a.reply(), "UNBLOCKED")


def test_group_waits_in_order():
    """Of two consumers that wait, the first gets the entry; the other goes on waiting."""
    with Stave().start() as s:
        c, a, b = s.connect(), s.connect(), s.connect()
        c.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        a.send("XREADGROUP", "GROUP", "g", "a", "BLOCK", 0, "STREAMS", "s", ">")
        waiting(c, 1)
        b.send("XREADGROUP", "GROUP", "g", "b", "BLOCK", 0, "STREAMS", "s", ">")
        waiting(c, 2)
        expect(sorted(x[1] for x in c.call("XINFO", "CONSUMERS", "s", "g")), [b"a", b"b"])
        add(c, 1)
        expect(a.reply(), [[b"s", [value(1)]]])
        waiting(c, 1)
        add(c, 2)
        expect(b.reply(), [[b"s", [value(2)]]])
        expect(c.call("XPENDING", "s", "g"), [2, b"1-0", b"2-0", [[b"a", b"1"], [b"b", b"1"]]])
        consumers = c.call("XINFO", "CONSUMERS", "s", "g")
        assert all(x[7] >= 0 for x in consumers), consumers  # inactive


def test_group_goes_while_waiting():
    with Stave().start() as s:
        c, a = s.connect(), s.connect()
        for end, error in ((("DEL", "s"), "NOGROUP"), (("XGROUP", "DESTROY", "s", "g"), "NOGROUP"),
                           (("SET", "s", "x"), "WRONGTYPE"), (("FLUSHALL",), "NOGROUP")):
            c.call("DEL", "s")
            c.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
            a.send("XREADGROUP", "GROUP", "g", "me", "BLOCK", 0, "STREAMS", "s", ">")
            waiting(c, 1)
            c.call(*end)
            expect_error(a.reply(), error)
        # XREAD does not mind.
        a.send("XREAD", "BLOCK", 0, "STREAMS", "s", "0")
        waiting(c, 1)
        c.call("SET", "s", "x")
        c.call("DEL", "s")
        waiting(c, 1)
        add(c, 9)
        expect(a.reply(), [[b"s", [value(9)]]])


def everything(c):
    """All that can be seen of the stream, but how long ago things were."""
    full = c.call("XINFO", "STREAM", "s", "FULL", "COUNT", 0)
    return full, c.call("XPENDING", "s", "g"), c.call("XRANGE", "s", "-", "+")


def test_restart_keeps_all():
    s = Stave().start()
    try:
        c = s.connect()
        for i in range(1, 401):
            c.call("XADD", "s", "%d-0" % i, "f", i, "long", "x" * (i * 7 % 300))
        c.call("XADD", "s", "401-0", "big", b"y" * 700000)
        c.call("XGROUP", "CREATE", "s", "g", "0")
        c.call("XGROUP", "CREATE", "s", "h", "$", "ENTRIESREAD", 3)
        c.call("XREADGROUP", "GROUP", "g", "a", "COUNT", 100, "STREAMS", "s", ">")
        c.call("XREADGROUP", "GROUP", "g", "b", "COUNT", 50, "STREAMS", "s", ">")
        c.call("XACK", "s", "g", *["%d-0" % i for i in range(1, 90)])
        c.call("XCLAIM", "s", "g", "c", 0, "95-0", "120-0", "RETRYCOUNT", 7)
        c.call("XTRIM", "s", "MAXLEN", 300)
        c.call("XDEL", "s", "200-0", "401-0")
        c.call("XGROUP", "DELCONSUMER", "s", "g", "b")
        c.call("XADD", "empty", "3-3", "a", "b")
        c.call("XDEL", "empty", "3-3")
        before, empty = everything(c), c.call("XINFO", "STREAM", "empty")
        c.call("COPY", "s", "twin")
        for end in (s.stop, s.kill):
            end()
            s.start()
            c = s.connect()
            expect(everything(c), before)
            expect(c.call("XINFO", "STREAM", "empty"), empty)
            expect(c.call("TYPE", "s"), "stream")
            expect(c.call("OBJECT", "ENCODING", "s"), b"stream")
            expect(c.call("XLEN", "twin"), 298)
            expect(c.call("XPENDING", "twin", "g"), before[1])
            expect_error(c.ask("XADD", "empty", "3-3", "a", "b"), "ERR The ID specified in XADD is equal")
    finally:
        s.close()


def test_dropping_a_large_group():
    """It is gone at once, a new one of its name is empty, and what it left goes little by little."""
    with Stave().start() as s:
        c = s.connect()
        for at in range(0, PENDING, 1000):
            for i in range(at + 1, at + 1001):
                c.send("XADD", "s", "%d-0" % i, "f", "v")
            for _ in range(1000):
                c.reply()
        c.call("XGROUP", "CREATE", "s", "g", 0)
        c.call("XGROUP", "CREATE", "s", "other", 0)
        c.call("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
        c.call("XREADGROUP", "GROUP", "other", "a", "COUNT", 10, "STREAMS", "s", ">")
        full = c.call("MEMORY", "USAGE", "s", "SAMPLES", 0)
        before = time.monotonic()
        expect(c.call("XGROUP", "DESTROY", "s", "g"), 1)
        print("MEASURED: dropping a group with %d pending entries: %.1f ms" % (
            PENDING, (time.monotonic() - before) * 1000))
        expect(len(c.call("XINFO", "GROUPS", "s")), 1)
        c.call("XGROUP", "CREATE", "s", "g", "$")
        expect(c.call("XPENDING", "s", "g"), [0, None, None, None])
        for i in range(200):
            c.call("XADD", "s", "%d-0" % (PENDING + 1 + i), "f", "v")
        left = c.call("MEMORY", "USAGE", "s", "SAMPLES", 0)
        assert left < full / 2, (full, left)
        expect(c.call("XPENDING", "s", "other")[0], 10)
        expect(c.call("XGROUP", "DELCONSUMER", "s", "other", "a"), 10)
        expect(c.call("XPENDING", "s", "other"), [0, None, None, None])


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
