#!/usr/bin/python3
"""Lists that are waited for: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH: who is served, in which order,
with what, and what ends the waiting."""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, expect_error, info, wait_until  # noqa: E402

QUIET = 0.15  # for how long nothing is to come


class Room:
    """A server with one client that is asked and any number that wait."""

    def __init__(self, server, proto=2):
        self.server, self.proto = server, proto
        self.c = server.connect(proto)
        self.waiting = []
        self.n = 0

    def wait(self, *command, proto=None):
        """A new client that has sent the command and is blocked in it."""
        c = self.server.connect(proto or self.proto)
        c.id = c.call("CLIENT", "ID")
        self.n = info(self.c, "blocked_clients")
        c.send(*command)
        wait_until(lambda: info(self.c, "blocked_clients") == self.n + 1, "%r to wait" % (command,))
        return c

    def none_waits(self):
        wait_until(lambda: info(self.c, "blocked_clients") == 0, "nobody to wait")


def is_quiet(c):
    """Nothing comes for a while."""
    c.socket.settimeout(QUIET)
    try:
        return not c.socket.recv(1, socket.MSG_PEEK)
    except (TimeoutError, socket.timeout):
        return True
    finally:
        c.socket.settimeout(harness.PATIENCE)


def room(test, proto=2):
    with Stave().start() as s:
        test(Room(s, proto))


def test_served_at_once():
    def body(r):
        r.c.call("RPUSH", "k", "a", "b", "c", "d", "e", "f")
        expect(r.c.call("BLPOP", "none", "k", 0), [b"k", b"a"])
        expect(r.c.call("BRPOP", "k", 0), [b"k", b"f"])
        expect(r.c.call("BLMPOP", 0, 2, "none", "k", "RIGHT", "COUNT", 2), [b"k", [b"e", b"d"]])
        expect(r.c.call("BLMOVE", "k", "to", "LEFT", "RIGHT", 0), b"b")
        expect(r.c.call("BRPOPLPUSH", "k", "to", 0), b"c")
        expect(r.c.call("LRANGE", "to", 0, -1), [b"c", b"b"])
        expect(r.c.call("EXISTS", "k"), 0)
    room(body)
    room(body, 3)


def test_served_by_each_push():
    def body(r):
        for push, want in ((["LPUSH", "k", "a", "b"], b"b"), (["RPUSH", "k", "a", "b"], b"a"),
                           (["LMOVE", "other", "k", "LEFT", "LEFT"], b"o"),
                           (["RPOPLPUSH", "other", "k"], b"o")):
            r.c.call("RPUSH", "other", "o")
            w = r.wait("BLPOP", "k", 0)
            r.c.call(*push)
            expect(w.reply(), [b"k", want])
            r.none_waits()
            r.c.call("DEL", "k", "other")
        for command, want in ((["BRPOP", "k", 0], [b"k", b"c"]),
                              (["BLMPOP", 0, 2, "j", "k", "LEFT", "COUNT", 2], [b"k", [b"a", b"b"]]),
                              (["BLMOVE", "k", "to", "RIGHT", "LEFT", 0], b"c"),
                              (["BRPOPLPUSH", "k", "to", 0], b"c")):
            w = r.wait(*command)
            expect(r.c.call("RPUSH", "k", "a", "b", "c"), 3)  # of what it pushed, nobody has taken any
            expect(w.reply(), want)
            r.c.call("DEL", "k")
        expect(r.c.call("LRANGE", "to", 0, -1), [b"c", b"c"])
    room(body)
    room(body, 3)


def test_first_come_first_served():
    def body(r):
        waiters = [r.wait("BLPOP", "k", 0) for _ in range(5)]
        r.c.call("RPUSH", "k", "1", "2", "3")
        expect([w.reply() for w in waiters[:3]], [[b"k", b"1"], [b"k", b"2"], [b"k", b"3"]])
        expect([is_quiet(w) for w in waiters[3:]], [True, True])
        r.c.call("LPUSH", "k", "4", "5", "6")
        expect([w.reply() for w in waiters[3:]], [[b"k", b"6"], [b"k", b"5"]])
        expect(r.c.call("LRANGE", "k", 0, -1), [b"4"])
    room(body)


def test_several_keys():
    """Whoever waits for several keep the places at all; and of several at once, the order of the
    arguments counts."""
    def body(r):
        a = r.wait("BLPOP", "x", "y", "z", 0)
        b = r.wait("BLPOP", "z", "x", 0)
        c = r.wait("BRPOP", "z", 0)
        r.c.call("RPUSH", "z", "1")
        expect(a.reply(), [b"z", b"1"])
        r.c.call("RPUSH", "y", "2")
        expect([is_quiet(w) for w in (b, c)], [True, True])
        r.c.call("RPUSH", "x", "3")
        expect(b.reply(), [b"x", b"3"])
        r.c.call("RPUSH", "z", "4", "5")
        expect(c.reply(), [b"z", b"5"])
        d = r.wait("BLPOP", "p", "q", 0)
        other = r.server.connect()
        other.call("SELECT", 1)
        other.call("RPUSH", "q", "1")
        other.call("RPUSH", "p", "2")
        other.call("SWAPDB", 0, 1)
        expect(d.reply(), [b"p", b"2"])
        e = r.wait("BLPOP", "k", "k", "k", 0)
        r.c.call("RPUSH", "k", "1", "2")
        expect(e.reply(), [b"k", b"1"])
        expect(r.c.call("LRANGE", "k", 0, -1), [b"2"])
        r.none_waits()
    room(body)


def test_time_is_up():
    for proto, null in ((2, b"*-1\r\n"), (3, b"_\r\n")):
        with Stave().start() as s:
            c = s.connect(proto)
            for command in (["BLPOP", "k", "j", "0.05"], ["BRPOP", "k", "0.05"], ["BLMPOP", "0.05", 1, "k", "LEFT"],
                            ["BLMOVE", "k", "j", "LEFT", "LEFT", ".05"], ["BRPOPLPUSH", "k", "j", "5e-2"]):
                start = time.monotonic()
                c.send(*command)
                expect(c.raw_reply(), (null, None))
                assert 0.045 <= time.monotonic() - start < 60, command
            expect(c.call("EXISTS", "k", "j"), 0)
            expect(info(c, "blocked_clients"), 0)


def test_time_limits_that_are_none():
    with Stave().start() as s:
        c = s.connect()
        for limit, error in (("x", "is not a float or out of range"), ("", "is not a float or out of range"),
                             ("nan", "is not a float or out of range"), ("1 ", "is not a float or out of range"),
                             ("-1", "is negative"), ("-0.5", "is negative"), ("-inf", "is negative"),
                             ("1e30", "is out of range"), ("inf", "is out of range"),
                             ("9223372036854775807", "is out of range")):
            for command in (["BLPOP", "k", limit], ["BRPOP", "k", limit], ["BLMPOP", limit, 1, "k", "LEFT"],
                            ["BLMOVE", "k", "j", "LEFT", "LEFT", limit], ["BRPOPLPUSH", "k", "j", limit]):
                expect_error(c.ask(*command), "ERR timeout " + error)
        r = Room(s)
        w = r.wait("BLPOP", "k", "1000000000")
        v = r.wait("BLPOP", "k", "-0")
        c.call("RPUSH", "k", "a", "b")
        expect([w.reply(), v.reply()], [[b"k", b"a"], [b"k", b"b"]])


def test_chains():
    """What one waiter moves serves the next, and so on."""
    def body(r):
        last = r.wait("BLPOP", "k9", 0)
        middle = [r.wait("BLMOVE", "k%d" % i, "k%d" % (i + 1), "LEFT", "RIGHT", 0) for i in range(8, -1, -1)]
        r.c.call("RPUSH", "k0", "v")
        expect([m.reply() for m in middle], [b"v"] * 9)
        expect(last.reply(), [b"k9", b"v"])
        expect(r.c.call("DBSIZE"), 0)
        one = r.wait("BRPOPLPUSH", "a", "b", 0)
        two = r.wait("BRPOPLPUSH", "b", "a", 0)
        r.c.call("RPUSH", "a", "v")
        expect([one.reply(), two.reply()], [b"v", b"v"])
        expect(r.c.call("LRANGE", "a", 0, -1), [b"v"])
        r.c.call("DEL", "a")
        same = r.wait("BLMOVE", "a", "a", "LEFT", "RIGHT", 0)
        r.c.call("RPUSH", "a", "1", "2")
        expect(same.reply(), b"1")
        expect(r.c.call("LRANGE", "a", 0, -1), [b"2", b"1"])
    room(body)


def test_wrong_types():
    def body(r):
        r.c.call("SET", "s", "v")
        for command in (["BLPOP", "none", "s", 0], ["BLMOVE", "s", "k", "LEFT", "LEFT", 0],
                        ["BLMPOP", 0, 1, "s", "LEFT"]):
            expect_error(r.c.ask(*command), "WRONGTYPE")
        w = r.wait("BLPOP", "k", 0)
        r.c.call("SET", "k", "a string")
        assert is_quiet(w)
        r.c.call("DEL", "k")
        r.c.call("RPUSH", "k", "a list")
        expect(w.reply(), [b"k", b"a list"])
        # A destination of another type is an error when there is something to move, and nothing has moved.
        w = r.wait("BLMOVE", "k", "s", "LEFT", "LEFT", 0)
        v = r.wait("BLPOP", "k", 0)
        r.c.call("RPUSH", "k", "1")
        expect_error(w.reply(), "WRONGTYPE")
        expect(v.reply(), [b"k", b"1"])
    room(body)


def test_what_makes_keys_ready():
    """RENAME, COPY, MOVE, SWAPDB, as RPUSH does; DEL and EXPIRE before anybody saw it do not."""
    def body(r):
        other = r.server.connect()
        other.call("SELECT", 1)
        for make in (lambda: r.c.call("RENAME", "from", "k"), lambda: r.c.call("RENAMENX", "from", "k"),
                     lambda: r.c.call("COPY", "from", "k"),
                     lambda: (other.call("RPUSH", "k", "v"), other.call("MOVE", "k", 0))):
            r.c.call("DEL", "from")
            r.c.call("RPUSH", "from", "v")
            w = r.wait("BLPOP", "k", 0)
            make()
            expect(w.reply(), [b"k", b"v"])
        other.call("RPUSH", "k", "swapped")
        w = r.wait("BLPOP", "k", 0)
        r.c.call("SWAPDB", 0, 1)
        expect(w.reply(), [b"k", b"swapped"])
        w = r.wait("BLPOP", "k", 0)
        r.c.send_raw(b"RPUSH j 1\r\nDEL j\r\nFLUSHALL\r\n")
        expect([r.c.reply() for _ in range(3)], [1, 1, "OK"])
        assert is_quiet(w)
        r.c.call("RPUSH", "k", "at last")
        expect(w.reply(), [b"k", b"at last"])
    room(body)


def test_other_databases():
    def body(r):
        other = r.server.connect()
        other.call("SELECT", 1)
        w = r.wait("BLPOP", "k", 0)
        other.call("RPUSH", "k", "v")
        assert is_quiet(w)
        expect(other.call("LPOP", "k"), b"v")
        r.c.call("RPUSH", "k", "w")
        expect(w.reply(), [b"k", b"w"])
    room(body)


def test_expiry():
    """A key that waits to be popped from, and is due before: nobody gets anything of it."""
    def body(r):
        r.c.call("RPUSH", "k", "old")
        r.c.call("PEXPIRE", "k", 1)
        wait_until(lambda: r.c.call("EXISTS", "k") == 0, "the end of k")
        w = r.wait("BLPOP", "k", 0)
        assert is_quiet(w)
        r.c.call("RPUSH", "k", "new")
        expect(w.reply(), [b"k", b"new"])
        r.c.call("SET", "k", "v", "PX", 60)
        w = r.wait("BLPOP", "j", 0)
        wait_until(lambda: r.c.call("EXISTS", "k") == 0, "the end of k")
        r.c.call("RPUSH", "j", "v")
        expect(w.reply(), [b"j", b"v"])
    room(body)


def test_unblock():
    def body(r):
        null = b"*-1\r\n" if r.proto == 2 else b"_\r\n"
        for command in (["BLPOP", "k", 0], ["BLMOVE", "k", "j", "LEFT", "LEFT", 0]):
            w = r.wait(*command)
            expect(r.c.call("CLIENT", "UNBLOCK", w.id), 1)
            expect(w.raw_reply(), (null, None))
            w.send(*command)
            wait_until(lambda: info(r.c, "blocked_clients") == 1, "it to wait")
            expect(r.c.call("CLIENT", "UNBLOCK", w.id, "ERROR"), 1)
            expect_error(w.reply(), "UNBLOCKED client unblocked via CLIENT UNBLOCK")
            expect(r.c.call("CLIENT", "UNBLOCK", w.id), 0)
            expect(w.call("PING"), "PONG")
    room(body)
    room(body, 3)


def test_gone():
    """A waiter that goes away, in whatever way, takes nothing with it."""
    def body(r):
        def reset(c):
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        for end in (lambda c: c.close(), reset, lambda c: r.c.call("CLIENT", "KILL", "ID", c.id)):
            first, gone, last = [r.wait("BLPOP", "k", "j", 0) for _ in range(3)]
            end(gone)
            wait_until(lambda: info(r.c, "blocked_clients") == 2, "one to go")
            r.c.call("RPUSH", "k", "1", "2", "3")
            expect([first.reply(), last.reply()], [[b"k", b"1"], [b"k", b"2"]])
            expect(r.c.call("LRANGE", "k", 0, -1), [b"3"])
            r.c.call("DEL", "k")
    room(body)


def test_what_comes_behind():
    """Commands sent behind one that waits run when it has ended, in their order."""
    def body(r):
        w = r.wait("BLPOP", "k", 0)
        w.send("SET", "after", "1")
        w.send("BLPOP", "j", 0)
        w.send("GET", "after")
        assert is_quiet(w)
        expect(r.c.call("EXISTS", "after"), 0)
        r.c.call("RPUSH", "k", "1")
        expect([w.reply(), w.reply()], [[b"k", b"1"], "OK"])
        assert is_quiet(w)
        r.c.call("RPUSH", "j", "2")
        expect([w.reply(), w.reply()], [[b"j", b"2"], b"1"])
    room(body)


def test_one_client_alone():
    """What is pushed before the waiting in one write of the socket is there at once."""
    def body(r):
        r.c.send_raw(b"RPUSH k 1 2\r\nBLPOP k 0\r\nBRPOP k 0\r\nBLPOP k 0.01\r\n")
        expect([r.c.reply() for _ in range(4)], [2, [b"k", b"1"], [b"k", b"2"], None])
    room(body)


def test_survives():
    """What a waiter took and moved is on disk like any change."""
    with Stave({"appendfsync": "always"}).start() as s:
        r = Room(s)
        w = r.wait("BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
        v = r.wait("BLPOP", "c", 0)
        r.c.call("RPUSH", "a", *range(300))
        r.c.call("RPUSH", "c", *range(300))
        expect([w.reply(), v.reply()], [b"0", [b"c", b"0"]])
        s.kill()
        s.start()
        c = s.connect()
        numbers = [b"%d" % i for i in range(1, 300)]
        expect([c.call("LRANGE", k, 0, -1) for k in "abc"], [numbers, [b"0"], numbers])


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
