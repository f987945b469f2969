#!/usr/bin/python3
"""The lsm engine with data that is neither in its cache nor in the system's: many clients on cold keys get what they
should, others are not kept waiting, what one command needs goes to the disk together. Not run on another engine."""

import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, info, wait_until  # noqa: E402
from tests.support import resp  # noqa: E402

SETTINGS = {"memtable-size": "1mb", "table-size": "1mb", "block-cache-size": 0, "level0-files": 2, "engine": "lsm"}
KEYS = 30000
CLIENTS = 200


def value(i):
    """Long ones lie apart from their entries; both kinds don't pack."""
    return b"%032x" % (i * 0x9e3779b97f4a7c15f39cc0605cedc835 % (1 << 128)) * (1 if i % 3 else 12)


def fill(c):
    for at in range(0, KEYS, 500):
        c.send_raw(b"".join(resp.encode(["SET", "key:%d" % i, value(i)]) for i in range(at, at + 500)))
        for _ in range(500):
            expect(c.reply(), "OK")
    for i in range(0, 20000, 500):
        c.call("HSET", "hash", *[x for k in range(i, i + 500) for x in ("field:%05d" % k, value(k))])
    for i in range(0, 5000, 500):
        c.call("RPUSH", "list", *[value(k) for k in range(i, i + 500)])
    c.call("ZADD", "zset", *[x for k in range(2000) for x in (k, "member:%d" % k)])


def chill(s):
    """No page of a table is in memory from now on, as far as the system does what it is asked."""
    for name in os.listdir(s.data_directory()):
        if name.endswith(".sst"):
            fd = os.open(os.path.join(s.data_directory(), name), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


class Cold:
    """A server whose data is in tables; `with`."""

    def __enter__(self):
        self.server = Stave(SETTINGS).start()
        c = self.server.connect()
        fill(c)
        self.server.stop()
        self.server.start()
        c = self.server.connect()
        wait_until(lambda: info(c, "flush_in_progress") == 0 and info(c, "compactions_in_progress") == 0, "quiet")
        chill(self.server)
        return self.server

    def __exit__(self, *exc):
        self.server.close()


def test_many_clients_and_one_that_pings():
    with Cold() as s:
        wrong, pings, over = [], [], threading.Event()

        def read(n):
            rng, c = random.Random(n), s.connect()
            for _ in range(20):
                i = rng.randrange(KEYS)
                if rng.random() < 0.2:
                    got = c.call("SET", "key:%d" % i, value(i)) == "OK"
                else:
                    got = c.call("GET", "key:%d" % i) == value(i)
                if not got:
                    wrong.append(i)

        def ping():
            c = s.connect()
            while not over.is_set():
                began = time.monotonic()
                expect(c.call("PING"), "PONG")
                pings.append(time.monotonic() - began)
                time.sleep(0.005)

        readers = [threading.Thread(target=read, args=(n,)) for n in range(CLIENTS)]
        pinger = threading.Thread(target=ping)
        pinger.start()
        for t in readers:
            t.start()
        for t in readers:
            t.join()
        over.set()
        pinger.join()
        expect(wrong, [])
        c = s.connect()
        reads, blocking = info(c, "cold_reads"), info(c, "cold_blocking")
        if not reads:
            raise harness.Skip("this file system has all in memory")
        assert blocking < 10 + reads / 20, "%d of %d reads blocked" % (blocking, reads)
        pings.sort()
        assert pings[len(pings) // 2] < 0.5, "PING takes %f s" % pings[len(pings) // 2]
        expect(info(c, "cold_held_bytes"), 0)


def test_one_command_asks_for_all():
    """MGET, EXEC and EVAL of a hundred keys: a few rounds each, not one a key."""
    with Cold() as s:
        c = s.connect()
        names = ["key:%d" % (i * 293 % KEYS) for i in range(100)]
        wanted = [value(i * 293 % KEYS) for i in range(100)]

        def rounds(what, call):
            chill(s)
            before, blocked = info(c, "cold_rounds"), info(c, "cold_blocking")
            expect(call(), wanted, what)
            assert info(c, "cold_rounds") - before <= 8, "%s: %d rounds" % (what, info(c, "cold_rounds") - before)
            expect(info(c, "cold_blocking"), blocked, what)

        def transaction():
            c.call("MULTI")
            for name in names:
                c.call("GET", name)
            return c.call("EXEC")

        rounds("MGET", lambda: c.call("MGET", *names))
        rounds("EXEC", transaction)
        if harness.has_scripts():
            rounds("EVAL", lambda: c.call("EVAL", "local r = {} for i, k in ipairs(KEYS) do r[i] = redis.call('GET', k)"
                                          " end return r", 100, *names))


def test_walks():
    with Cold() as s:
        c = s.connect()
        got = c.call("HGETALL", "hash")
        expect(dict(zip(got[0::2], got[1::2])), {b"field:%05d" % k: value(k) for k in range(20000)})
        chill(s)
        expect(c.call("LRANGE", "list", 0, -1), [value(k) for k in range(5000)])
        chill(s)
        expect(c.call("ZRANGE", "zset", 100, 1899, "REV"), [b"member:%d" % k for k in range(1899, 99, -1)])
        chill(s)
        shown, cursor = [], b"0"
        while True:
            cursor, some = c.call("SCAN", cursor, "COUNT", 500, "TYPE", "string")
            shown += some
            if cursor == b"0":
                break
        expect(sorted(shown), sorted(b"key:%d" % i for i in range(KEYS)))
        chill(s)
        assert c.call("RANDOMKEY")
        expect(info(c, "cold_held_bytes"), 0)


def test_what_is_due_holds_nobody_up():
    """Cold keys expire when they should, by reads beside the thread."""
    with Stave(SETTINGS).start() as s:
        c = s.connect()
        for at in range(0, 5000, 500):
            c.send_raw(b"".join(resp.encode(["SET", "key:%d" % i, value(i)] + ["PX", 5000 + i] * (i % 2))
                                for i in range(at, at + 500)))
            for _ in range(500):
                expect(c.reply(), "OK")
        s.stop()
        s.start()
        c = s.connect()
        chill(s)
        wait_until(lambda: c.call("DBSIZE") == 2500, "the end of what expires")
        expect(info(c, "cold_blocking"), 0)
        expect(info(c, "cold_held_bytes"), 0)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
