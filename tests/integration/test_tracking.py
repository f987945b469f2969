#!/usr/bin/python3
"""Client-side caching on the real server: expiry, eviction, flushes, transactions, redirection to a subscriber,
the bound of the table, a log that is synced for each turn; and caches against the truth."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, by_engine, expect, info, only, wait_until  # noqa: E402
from tests.support.resp import Push  # noqa: E402

GONE = b"invalidate"


def tracker(server, *options):
    c = server.connect(3)
    expect(c.call("CLIENT", "TRACKING", "ON", *options), "OK")
    return c


def told(c):
    """The keys of a RESP3 client's messages until it has an answer to PING; None for all keys."""
    out = []
    c.send("PING")
    while True:
        r = c.reply()
        if not isinstance(r, Push):
            return out
        expect(r[0], GONE)
        out += [None] if r[1] is None else r[1]


def test_changes():
    with Stave() as server:
        w, c = server.connect(), tracker(server)
        for made, change in ((["SET", "k", "1"], ["APPEND", "k", "2"]),
                             (["HSET", "k", "f", "1"], ["HDEL", "k", "f"]),
                             (["RPUSH", "k", "a"], ["LPOP", "k"]),
                             (["SET", "k", "1"], ["RENAME", "k", "other"]),
                             (["SET", "other", "1"], ["RENAME", "other", "k"]),
                             (["SET", "k", "1"], ["MOVE", "k", 1]),
                             (["SET", "other", "1"], ["COPY", "other", "k", "REPLACE"]),
                             (["SET", "k", "1"], ["EXPIRE", "k", 1000]),
                             (["SET", "other", "1"], ["SORT", "other", "STORE", "k"])):
            w.call("FLUSHALL")
            told(c)
            w.ask(*made)
            c.call("EXISTS", "k")
            w.ask(*change)
            expect(told(c), [b"k"] if change[0] != "SORT" else [], str(change))
        payload = (w.call("SET", "p", "v"), w.call("DUMP", "p"))[1]
        c.call("GET", "q")
        w.call("RESTORE", "q", 0, payload)
        expect(told(c), [b"q"])
        c.call("GET", "q")
        w.call("FLUSHDB")
        expect(told(c), [None])
        w.call("SET", "q", 1)
        expect(told(c), [])


def message(c):
    """The next one, which nobody asks for."""
    r = c.reply()
    assert isinstance(r, Push), r
    return r


def test_time_alone():
    with Stave() as server:
        w, c = server.connect(), tracker(server, "NOLOOP")
        w.call("PSETEX", "k", 1000, "v")
        c.call("GET", "k")
        expect(message(c), [GONE, [b"k"]])
        w.call("HSET", "h", "f", "1", "g", "2")
        if isinstance(w.ask("HPEXPIRE", "h", 1000, "FIELDS", 1, "f"), list):
            c.call("HGETALL", "h")
            expect(message(c), [GONE, [b"h"]])


@only("bitcask")
def test_eviction():
    with Stave({"maxmemory-policy": "allkeys-random"}) as server:
        w, c = server.connect(), tracker(server)
        for i in range(200):
            w.call("SET", "k%d" % i, "x" * 1000)
            c.call("GET", "k%d" % i)
        w.call("CONFIG", "SET", "maxmemory", 1)
        wait_until(lambda: (w.ask("SET", "other", "1"), info(w, "evicted_keys"))[1] > 10, "keys to be evicted")
        gone = set(told(c))
        w.call("CONFIG", "SET", "maxmemory", 0)
        for i in range(200):
            key = b"k%d" % i
            expect(w.call("EXISTS", key), 0 if key in gone else 1, str(key))


def test_redirect():
    with Stave() as server:
        w, c, ear = server.connect(), server.connect(), server.connect()
        to = ear.call("CLIENT", "ID")
        ear.call("SUBSCRIBE", "__redis__:invalidate")
        c.call("CLIENT", "TRACKING", "ON", "REDIRECT", to)
        line = c.call("CLIENT", "INFO").decode()
        assert "flags=t " in line and "redir=%d " % to in line, line
        c.call("GET", "k")
        w.call("SET", "k", 1)
        expect(ear.reply(), [b"message", b"__redis__:invalidate", [b"k"]])
        w.call("FLUSHALL")
        expect(ear.reply(), [b"message", b"__redis__:invalidate", None])
        c.call("GET", "k")
        ear.close()
        wait_until(lambda: info(w, "connected_clients") == 2, "the subscriber to be gone")
        c.call("HELLO", "3")
        w.call("SET", "k", 1)
        expect(message(c), [b"tracking-redir-broken", to])
        assert b"flags=tR " in c.call("CLIENT", "INFO")
        expect(c.call("CLIENT", "TRACKINGINFO")[b"flags"], [b"on", b"broken_redirect"])


def test_transactions():
    with Stave() as server:
        c = tracker(server, "OPTIN")
        expect(c.call("CLIENT", "CACHING", "YES"), "OK")
        for command in (["MULTI"], ["GET", "a"], ["SET", "a", 1], ["GET", "b"], ["SET", "c", 1], ["GET", "c"]):
            c.call(*command)
        expect(c.call("EXEC"), [None, "OK", None, "OK", b"1"])
        expect(told(c), [b"a"])
        c.call("MSET", "a", 2, "b", 2, "c", 2)
        expect(told(c), [b"b", b"c"])
        c.call("GET", "a")
        expect(info(server.connect(), "tracking_total_keys"), 0)


def test_broadcast():
    with Stave() as server:
        w, c = server.connect(), tracker(server, "BCAST", "PREFIX", "a", "PREFIX", "b", "NOLOOP")
        assert b"flags=tB " in c.call("CLIENT", "INFO")
        c.call("MSET", "a1", 1, "b1", 1, "c1", 1)
        expect(told(c), [])
        w.call("MSET", "b2", 1, "a2", 1, "c2", 1, "a1", 1)
        expect([message(c), message(c)], [[GONE, [b"a1", b"a2"]], [GONE, [b"b2"]]])
        expect(info(w, "tracking_total_prefixes"), 2)
        c.call("RESET")
        w.call("SET", "a1", 1)
        expect([info(w, n) for n in ("tracking_total_prefixes", "tracking_clients")], [0, 0])


def test_bound():
    with Stave({"tracking-table-max-keys": 100}) as server:
        w, c = server.connect(), tracker(server)
        for i in range(1000):
            c.send("GET", "k%d" % i)
        heard = []
        for i in range(1000):
            r = c.reply()
            while isinstance(r, Push):
                heard += r[1]
                r = c.reply()
        heard += told(c)
        expect([len(heard), len(set(heard))], [900, 900])
        expect([info(w, n) for n in ("tracking_total_keys", "tracking_total_items")], [100, 100])
        for i in range(1000):
            w.call("SET", "k%d" % i, 1)
        expect(set(told(c)) | set(heard), {b"k%d" % i for i in range(1000)})
        expect(info(w, "tracking_total_keys"), 0)


class Cache:
    """A client that keeps what it reads and drops what it is told of."""

    def __init__(self, server, *options):
        self.c, self.kept, self.asked = tracker(server, *options), {}, []

    def get(self, key):
        self.c.send("GET", key)
        self.asked.append(key)

    def receive(self):
        self.c.send("PING")
        while True:
            r = self.c.reply()
            if isinstance(r, Push):
                for key in list(self.kept) if r[1] is None else r[1]:
                    self.kept.pop(key, None)
            elif self.asked:
                self.kept[self.asked.pop(0)] = r
            else:
                return


def caches(args):
    seed = int(os.environ.get("STAVE_SEED", random.randrange(1 << 30)))
    print("STAVE_SEED=%d" % seed)
    r = random.Random(seed)
    keys = [b"k%d" % i for i in range(20)]
    with Stave(args) as server:
        writers = [server.connect() for _ in range(2)]
        readers = [Cache(server), Cache(server), Cache(server, "BCAST"), Cache(server, "BCAST", "PREFIX", "k")]
        for i in range(300):
            for _ in range(10):
                r.choice(readers).get(r.choice(keys))
                w, key = r.choice(writers), r.choice(keys)
                w.send(*r.choice([["SET", key, "%d" % i], ["APPEND", key, "x"], ["DEL", key], ["FLUSHALL"],
                                  ["SET", key, i, "PX", 5], ["SETEX", key, 100, i]][:r.choice((1, 3, 6))]))
                w.asked = getattr(w, "asked", 0) + 1
            for w in writers:
                while w.asked:
                    w.reply()
                    w.asked -= 1
            if i % 10:
                continue
            wait_until(lambda: settled(writers[0], keys), "all that is due soon to be gone")
            for cache in readers:
                cache.receive()
                for key, value in cache.kept.items():
                    expect(value, writers[0].call("GET", key), "%s in a cache" % key)


def settled(c, keys):
    """None of them has a time that is near."""
    return all(not 0 <= c.call("PTTL", k) < 50 for k in keys)


def test_caches():
    caches({})


def test_caches_always():
    caches({"appendfsync": "always"})


def test_caches_small():
    caches(dict(by_engine(bitcask={}, lsm={"memtable-size": "256kb"}), **{"tracking-table-max-keys": 5}))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
