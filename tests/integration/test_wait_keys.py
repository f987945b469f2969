#!/usr/bin/python3
"""Clients that wait for keys, as the server tells of them: CLIENT LIST, INFO, SLOWLOG, counters; what other
commands make keys ready, or take them away; pauses."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, info, wait_until  # noqa: E402


def blocked(server, admin, *command):
    """A new client that is blocked in the command."""
    c = server.connect()
    c.id = c.call("CLIENT", "ID")
    before = info(admin, "blocked_clients")
    c.send(*command)
    wait_until(lambda: info(admin, "blocked_clients") == before + 1, "%r to wait" % (command,))
    return c


def answer(c):
    """A reply that may be an error."""
    try:
        return c.reply()
    except Exception as e:  # resp.Error
        return e


def calls(admin, name):
    found = re.search(r"cmdstat_%s:calls=(\d+)" % name, str(admin.call("INFO", "commandstats")))
    return int(found.group(1)) if found else 0


def test_what_is_told():
    with Stave() as server:
        admin = server.connect()
        admin.call("CONFIG", "SET", "slowlog-log-slower-than", 0)
        admin.call("XGROUP", "CREATE", "stream", "g", "$", "MKSTREAM")
        a = blocked(server, admin, "BLPOP", "x", "y", 0)
        b = blocked(server, admin, "BZPOPMIN", "y", 100)
        g = blocked(server, admin, "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "stream", ">")
        expect([info(admin, n) for n in ("total_blocking_keys", "total_blocking_keys_on_nokey",
                                         "clients_in_timeout_table")], [3, 1, 1])
        line = str(admin.call("CLIENT", "LIST", "ID", a.id))
        assert "flags=b " in line and "cmd=blpop " in line, line
        expect(calls(admin, "blpop"), 0)
        admin.call("RPUSH", "y", "v")
        expect(a.reply(), [b"y", b"v"])
        expect(calls(admin, "blpop"), 1)
        slow = [e[3] for e in admin.call("SLOWLOG", "GET", -1) if e[3][0].lower() == b"blpop"]
        expect(slow, [[b"BLPOP", b"x", b"y", b"0"]])
        admin.call("ZADD", "y", 1, "m")
        expect(b.reply(), [b"y", b"m", b"1"])
        admin.call("PEXPIRE", "stream", 20)
        assert "NOGROUP" in str(answer(g)), "the stream's end is an error"
        expect([info(admin, n) for n in ("blocked_clients", "total_blocking_keys")], [0, 0])


def test_made_by_other_commands():
    with Stave() as server:
        admin = server.connect()
        admin.call("RPUSH", "list", 3, 1, 2)
        dump = admin.call("DUMP", "list")
        a = blocked(server, admin, "BLPOP", "a", 0)
        admin.call("RESTORE", "a", 0, dump)
        expect(a.reply(), [b"a", b"3"])
        a = blocked(server, admin, "BLPOP", "b", 0)
        admin.call("SORT", "list", "STORE", "b")
        expect(a.reply(), [b"b", b"1"])
        a = blocked(server, admin, "BZPOPMAX", "c", 0)
        admin.call("GEOADD", "c", 1, 1, "m")
        expect(a.reply()[1], b"m")
        a = blocked(server, admin, "BZPOPMIN", "d", 0)
        admin.call("ZADD", "other", 1, "a", 2, "b")
        admin.call("ZUNIONSTORE", "d", 1, "other")
        expect(a.reply(), [b"d", b"a", b"1"])


def test_paused():
    """A pause holds who would make a key ready, and the waiting client's time limit runs on."""
    with Stave() as server:
        admin, other = server.connect(), server.connect()
        a = blocked(server, admin, "BLPOP", "k", 0)
        b = blocked(server, admin, "BLPOP", "k", 0.2)
        admin.call("CLIENT", "PAUSE", 100000, "WRITE")
        other.send("RPUSH", "k", "v")
        expect(b.reply(), None)
        admin.call("CLIENT", "UNPAUSE")
        expect(a.reply(), [b"k", b"v"])
        expect(other.reply(), 1)


def test_many():
    """A thousand clients at one key: each push serves one of them."""
    with Stave() as server:
        admin = server.connect()
        waiting = []
        for i in range(1000):
            c = server.connect()
            c.send("BLPOP", "k", 0)
            waiting.append(c)
            if i % 50 == 49:
                wait_until(lambda: info(admin, "blocked_clients") == len(waiting), "all to wait")
        start = time.time()
        for i in range(1000):
            admin.call("RPUSH", "k", i)
        print("MEASURED: 1000 pushes to 1000 waiting clients: %.0f ms" % ((time.time() - start) * 1000))
        expect(sorted(int(c.reply()[1]) for c in waiting), list(range(1000)))
        expect(admin.call("EXISTS", "k"), 0)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
