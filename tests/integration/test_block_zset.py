#!/usr/bin/python3
"""Sorted sets that are waited for: BZPOPMIN, BZPOPMAX, BZMPOP: by whatever a set is made, in the order in
which clients came, and what is no reason to wake anybody."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, expect_error, info, wait_until  # noqa: E402
from tests.integration.test_block_list import is_quiet, room  # noqa: E402


def test_served_at_once():
    def body(r):
        r.c.call("ZADD", "k", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e", 6, "f")
        expect(r.c.call("BZPOPMIN", "none", "k", 0), [b"k", b"a", b"1"])
        expect(r.c.call("BZPOPMAX", "k", "none", 0), [b"k", b"f", b"6"])
        expect(r.c.call("BZMPOP", 0, 2, "none", "k", "MIN"), [b"k", [[b"b", b"2"]]])
        expect(r.c.call("BZMPOP", 0, 1, "k", "MAX", "COUNT", 9), [b"k", [[b"e", b"5"], [b"d", b"4"], [b"c", b"3"]]])
        expect(r.c.call("EXISTS", "k"), 0)
    room(body)


def test_doubles_of_resp3():
    def body(r):
        r.c.call("ZADD", "k", "1.5", "a", 2, "b")
        expect(r.c.call("BZPOPMIN", "k", 0), [b"k", b"a", 1.5])
        w = r.wait("BZMPOP", 0, 1, "j", "MAX")
        r.c.call("ZADD", "j", "0.1", "x")
        expect(w.reply(), [b"j", [[b"x", 0.1]]])
    room(body, 3)


def test_served_by_whatever_makes_a_set():
    """Every command that can leave a sorted set behind where none was."""
    def body(r):
        c = r.c
        c.call("ZADD", "from", 1, "a", 2, "b")
        c.call("SADD", "set", "a", "c")
        for command in (["ZADD", "k", 1, "a"], ["ZADD", "k", "INCR", 1, "a"], ["ZINCRBY", "k", 1, "a"],
                        ["ZRANGESTORE", "k", "from", 0, 0], ["ZUNIONSTORE", "k", 2, "from", "none", "AGGREGATE", "MIN"],
                        ["ZINTERSTORE", "k", 2, "from", "set", "WEIGHTS", 1, 0], ["ZDIFFSTORE", "k", 2, "from", "none"],
                        ["COPY", "from", "k"], ["RENAME", "one", "k"]):
            c.call("ZADD", "one", 1, "a")
            w = r.wait("BZPOPMIN", "k", 0)
            c.call(*command)
            expect(w.reply(), [b"k", b"a", b"1"])
            r.none_waits()
            c.call("DEL", "k", "one")
        dump = c.call("DUMP", "from")
        w = r.wait("BZPOPMAX", "k", 0)
        c.call("RESTORE", "k", 0, dump)
        expect(w.reply(), [b"k", b"b", b"2"])
    room(body)


def test_first_come_first_served():
    def body(r):
        waiters = [r.wait("BZPOPMIN" if i % 2 else "BZPOPMAX", "k", 0) for i in range(5)]
        expect(r.c.call("ZADD", "k", 1, "a", 2, "b", 3, "c"), 3)
        expect([w.reply() for w in waiters[:3]], [[b"k", b"c", b"3"], [b"k", b"a", b"1"], [b"k", b"b", b"2"]])
        expect([is_quiet(w) for w in waiters[3:]], [True, True])
        expect(r.c.call("EXISTS", "k"), 0)
        r.c.call("ZADD", "k", 4, "d", 5, "e", 6, "f")
        expect([w.reply() for w in waiters[3:]], [[b"k", b"d", b"4"], [b"k", b"f", b"6"]])
        expect(r.c.call("ZRANGE", "k", 0, -1), [b"e"])
    room(body)


def test_several_keys_and_counts():
    def body(r):
        a = r.wait("BZMPOP", 0, 3, "x", "y", "z", "MIN", "COUNT", 2)
        b = r.wait("BZPOPMAX", "z", "y", 0)
        r.c.call("ZADD", "y", 1, "a", 2, "b", 3, "c")
        expect(a.reply(), [b"y", [[b"a", b"1"], [b"b", b"2"]]])
        expect(b.reply(), [b"y", b"c", b"3"])
        r.none_waits()
    room(body)


def test_what_wakes_nobody():
    """Other types, sets that come and go within a command, other databases."""
    def body(r):
        w = r.wait("BZPOPMIN", "k", 0)
        r.c.call("SET", "k", "x")
        expect_error(r.c.ask("ZADD", "k", 1, "a"), "WRONGTYPE")
        r.c.call("DEL", "k")
        r.c.call("SADD", "k", "a")
        r.c.call("DEL", "k")
        r.c.call("ZADD", "k", "XX", 1, "a")
        r.c.call("ZINTERSTORE", "k", 2, "k", "none")
        other = r.server.connect()
        other.call("SELECT", 1)
        other.call("ZADD", "k", 1, "a")
        expect(is_quiet(w), True)
        r.c.call("ZADD", "k", 2, "b")
        expect(w.reply(), [b"k", b"b", b"2"])
    room(body)


def test_time_is_up():
    for proto, null in ((2, b"*-1\r\n"), (3, b"_\r\n")):
        with Stave().start() as s:
            c = s.connect(proto)
            for command in (["BZPOPMIN", "k", "j", "0.05"], ["BZPOPMAX", "k", "0.05"], ["BZMPOP", "0.05", 1, "k", "MIN"]):
                start = time.monotonic()
                c.send(*command)
                expect(c.raw_reply(), (null, None))
                assert 0.045 <= time.monotonic() - start < 60, command
            expect(info(c, "blocked_clients"), 0)


def test_unblocked_by_others():
    def body(r):
        w = r.wait("BZPOPMIN", "k", 0)
        expect(r.c.call("CLIENT", "UNBLOCK", w.id), 1)
        expect(w.raw_reply(), (b"*-1\r\n", None))
        w = r.wait("BZMPOP", 0, 1, "k", "MAX")
        expect(r.c.call("CLIENT", "UNBLOCK", w.id, "ERROR"), 1)
        expect_error(w.reply(), "UNBLOCKED")
        gone = r.wait("BZPOPMIN", "k", 0)
        stays = r.wait("BZPOPMIN", "k", 0)
        gone.close()
        wait_until(lambda: info(r.c, "blocked_clients") == 1, "one to go")
        r.c.call("ZADD", "k", 1, "a")
        expect(stays.reply(), [b"k", b"a", b"1"])
    room(body)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
