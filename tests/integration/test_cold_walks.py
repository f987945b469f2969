#!/usr/bin/python3
"""Commands that go over much of what memory does not have: whatever they read comes beside the thread, so nobody else
waits. Each is run with the data's files out of the page cache and the engine's caches small; it must answer as it does
when all is warm, and no read may hold the thread. With both ways of reading beside it."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import ENGINE, Stave, expect, info, wait_until  # noqa: E402
from tests.integration.test_cold import METHODS, forget  # noqa: E402

N = 4000
CACHES = {"bitcask": {"value-cache-size": "1mb", "inline-value-max": 0},
          "lsm": {"block-cache-size": "1mb", "memtable-size": "1mb", "table-size": "1mb"}}[ENGINE]
COLD = dict(CACHES, compression="no", appendfsync="everysec")


def value(i):
    return b"%d/" % (i * 0x9e3779b1 % (1 << 32)) * 30


def member(i):
    return b"%d/" % i + b"m" * 200


def pipeline(c, commands):
    commands = list(commands)
    for at in range(0, len(commands), 100):
        for command in commands[at:at + 100]:
            c.send(*command)
        for _ in commands[at:at + 100]:
            c.reply()


def fill(c):
    """Some megabytes of each type; x, y: what writes may change."""
    fields = [x for i in range(N) for x in ("f%d" % i, value(i))]
    scores = [x for i in range(N) for x in (i, member(i))]
    pipeline(c, (("SET", "k%d" % i, value(i)) for i in range(N)))
    pipeline(c, (("SET", "w%d" % i, "%08d" % (i * 7919 % 10007) + "x" * 300) for i in range(N)))
    for at in range(0, 2 * N, 80):
        c.call("HSET", "h", *fields[at:at + 80])
        c.call("ZADD", "z", *scores[at:at + 80])
        c.call("ZADD", "z2", *scores[at:at + 80])
    for at in range(0, N, 40):
        c.call("RPUSH", "l", *[value(i) for i in range(at, at + 40)])
        c.call("RPUSH", "ids", *range(at, at + 40))
        c.call("SADD", "s", *[member(i) for i in range(at, at + 40)])
        c.call("SADD", "s2", *[member(i) for i in range(at + 20, at + 60)])
        c.call("GEOADD", "geo", *[x for i in range(at, at + 40) for x in (i / 100 - 20, i / 50 - 40, member(i))])
    pipeline(c, (("XADD", "x", "%d-1" % (i + 1), "f", value(i)) for i in range(N)))
    c.call("SET", "big", os.urandom(4 << 20))


READS = [
    ("MGET", *["k%d" % i for i in range(0, N, 2)]), ("HGETALL", "h"), ("HKEYS", "h"), ("HVALS", "h"),
    ("HMGET", "h", *["f%d" % i for i in range(0, N, 7)]), ("LRANGE", "l", 0, -1), ("LPOS", "l", "nothing"),
    ("LINDEX", "l", N // 3), ("SMEMBERS", "s"), ("SINTER", "s", "s2"), ("SUNION", "s", "s2"), ("SDIFF", "s", "s2"),
    ("SINTERCARD", 2, "s", "s2"), ("ZRANGE", "z", 0, -1, "WITHSCORES"), ("ZRANGE", "z", 0, -1, "REV"),
    ("ZRANGEBYSCORE", "z", 100, N), ("ZRANK", "z", member(N // 2)), ("ZCOUNT", "z", 100, N // 2),
    ("ZINTER", 2, "z", "z2"), ("ZUNION", 2, "z", "s"), ("ZDIFF", 2, "z", "s2"), ("XRANGE", "x", "-", "+"),
    ("XREVRANGE", "x", "+", "-"), ("XREAD", "STREAMS", "x", 0), ("XINFO", "STREAM", "x", "FULL", "COUNT", 0),
    ("SORT", "ids", "BY", "w*", "ALPHA", "GET", "k*"), ("SORT", "l", "ALPHA", "LIMIT", 0, 5), ("KEYS", "*"),
    ("SCAN", 0, "COUNT", N), ("GET", "big"), ("GETRANGE", "big", 1 << 20, 3 << 20), ("BITCOUNT", "big"), ("DUMP", "h"),
    ("GEOSEARCH", "geo", "FROMLONLAT", 0, 0, "BYRADIUS", 900, "km", "ASC"), ("MEMORY", "USAGE", "h", "SAMPLES", 0),
]
PICKS = [("RANDOMKEY",), ("HRANDFIELD", "h", 200, "WITHVALUES"), ("SRANDMEMBER", "s", -200), ("ZRANDMEMBER", "z", 200)]
WRITES = [
    ("COPY", "h", "h3"), ("COPY", "z", "z3"), ("COPY", "l", "l3"), ("COPY", "x", "x3"), ("COPY", "big", "big3"),
    ("RENAME", "h3", "h4"), ("MOVE", "z3", 1), ("SUNIONSTORE", "to", "s", "s2"), ("SINTERSTORE", "to", "s", "s2"),
    ("ZUNIONSTORE", "to", 2, "z", "z2"), ("ZRANGESTORE", "to", "z", 0, -1), ("SORT", "l", "ALPHA", "STORE", "to"),
    ("ZPOPMIN", "z2", 100), ("ZREMRANGEBYRANK", "z2", 100, N // 2), ("SPOP", "s2", 100), ("LREM", "l3", 0, "nothing"),
    ("LINSERT", "l3", "BEFORE", "nothing", "x"), ("LTRIM", "l3", 100, -100), ("XTRIM", "x3", "MAXLEN", N // 2),
    ("SETRANGE", "big3", 2 << 20, "abc"), ("DEL", *["k%d" % i for i in range(0, N, 2)]), ("DEL", "l3", "x3", "h4"),
    ("UNLINK", "big3"),
]


class Cold:
    """A server with all of that; `with`. What it has read so far, and how."""

    def __init__(self, **settings):
        self.server = Stave(dict(COLD, **settings))

    def __enter__(self):
        self.server.start()
        self.c = self.server.connect(timeout=100)
        fill(self.c)
        self.warm = [self.c.call(*command) for command in READS]
        self.c.call("WAITAOF", 1, 0, 10000)
        self.server.stop()
        self.server.start()
        self.c, self.other = self.server.connect(timeout=100), self.server.connect()
        if ENGINE == "lsm":
            wait_until(lambda: info(self.c, "flush_in_progress") == 0 and info(self.c, "compactions_in_progress") == 0,
                       "quiet")
        return self

    def __exit__(self, *exc):
        self.server.close()

    def call(self, *command):
        """Cold; fails if a read held the thread."""
        forget(self.server)
        before = info(self.other, "cold_blocking")
        answer = self.c.call(*command)
        expect(info(self.other, "cold_blocking") - before, 0, "reads that hold the thread: %r" % (command[:4],))
        return answer


def test_each_command():
    for method in METHODS:
        with Cold(**{"io-method": method}) as cold:
            for command, wanted in zip(READS, cold.warm):
                assert cold.call(*command) == wanted, "%r answers otherwise when it is cold" % (command[:4],)
            for command in PICKS + WRITES:
                cold.call(*command)
            reads = info(cold.c, "cold_reads")
            assert reads > 1000, "%d reads: this file system has all in memory" % reads
            expect(info(cold.c, "cold_held_bytes"), 0)


def test_transactions_and_scripts():
    with Cold() as cold:
        walks = [("HGETALL", "h"), ("LRANGE", "l", 0, -1), ("SMEMBERS", "s"), ("XRANGE", "x", "-", "+")]
        alone = [cold.c.call(*walk) for walk in walks]
        cold.c.call("MULTI")
        for walk in walks:
            cold.c.call(*walk)
        assert cold.call("EXEC") == alone, "EXEC answers otherwise when it is cold"
        if not harness.has_scripts():
            return
        assert cold.call("EVAL", "return redis.call('HGETALL', KEYS[1])", 1, "h") == alone[0]
        chain = "local sum = 0 for i = 1, 60 do sum = sum + #redis.call('GET', 'k' .. i) end return sum"
        expect(cold.call("EVAL", chain, 0), sum(len(value(i)) for i in range(1, 61)))


def test_more_than_may_be_held():
    """Under a small maxmemory a part of what one command reads may be held; the rest passes. Several at once share."""
    limit = 16 << 20
    with Cold(**{"maxmemory": limit, "maxmemory-policy": "noeviction"}) as cold:
        most, over = [0], threading.Event()

        def watch():
            c = cold.server.connect(timeout=100)
            while not over.is_set():
                most[0] = max(most[0], info(c, "cold_held_bytes"))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            assert cold.call("HGETALL", "h") == cold.warm[1]
            assert cold.call("GET", "big") == cold.warm[READS.index(("GET", "big"))]
            forget(cold.server)
            clients = [cold.server.connect(timeout=100) for _ in range(6)]
            for i, c in enumerate(clients):
                c.send("HVALS" if i % 2 else "HGETALL", "h")
            for i, c in enumerate(clients):
                assert c.reply() == cold.warm[3 if i % 2 else 1], "six walks at once"
        finally:
            over.set()
            watcher.join()
        assert most[0] <= limit // 16 * 5 // 4 + (1 << 20), "%d bytes held" % most[0]
        wait_until(lambda: info(cold.c, "cold_held_bytes") == 0, "what was read to be let go")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
