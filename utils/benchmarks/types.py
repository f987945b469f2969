"""Sections about types with elements: redis-benchmark's workloads beside redis-server, and what a
command costs on a thousand, a hundred thousand and ten million elements."""

import threading
import time

from .common import REDIS_EVERYSEC, Stave, Table, benchmark, measure, ratio, started
from .server import STAVE_THROUGHPUT, pair

RANGE = 1000000  # of random members and fields


def flush(server):
    c = server.connect(timeout=60)
    c.ask("FLUSHALL")
    c.close()


def ask(server, *words):
    c = server.connect(timeout=600)
    got = c.call(*words)
    c.close()
    return got


# name, the command, and the command that fills beforehand (as often as the first one runs); without
# one the key begins empty
WORKLOADS = [
    ("LPUSH", "lpush mylist xxx", None),
    ("RPUSH", "rpush mylist xxx", None),
    ("LPOP", "lpop mylist", "rpush mylist xxx"),
    ("RPOP", "rpop mylist", "rpush mylist xxx"),
    ("SADD", "sadd myset element:__rand_int__", None),
    ("HSET", "hset myhash element:__rand_int__ xxx", None),
    ("SPOP", "spop myset", "sadd myset element:__rand_int__"),
    ("ZADD", "zadd myzset __rand_int__ element:__rand_int__", None),
    ("ZPOPMIN", "zpopmin myzset", "zadd myzset __rand_int__ element:__rand_int__"),
    ("LRANGE_100", "lrange mylist 0 99", "rpush mylist xxx"),
    ("LRANGE_300", "lrange mylist 0 299", "rpush mylist xxx"),
    ("LRANGE_500", "lrange mylist 0 499", "rpush mylist xxx"),
    ("LRANGE_600", "lrange mylist 0 599", "rpush mylist xxx"),
]


def types(o):
    t = Table("redis-benchmark on lists, sets, hashes, sorted sets: everysec, -c 50, %d random members" % RANGE,
              ["workload", "CPU us", "redis us", "CPU ratio", "req/s", "redis req/s", "ratio"])
    servers = pair(o, REDIS_EVERYSEC, STAVE_THROUGHPUT[o.engine])
    for pipeline in (1, 16):
        for name, command, fill in WORKLOADS:
            lrange = name.startswith("LRANGE")
            n = (100000 if pipeline == 1 else 20000 if lrange else 500000) // (10 if o.quick else 1)

            def prepare(server):
                flush(server)
                if fill:
                    benchmark(server, None, n, pipeline=64, keys=RANGE, command=fill.split())
                time.sleep(0.5)

            rates, cpus = measure(o, servers, before=prepare, test=None, n=n, pipeline=pipeline, keys=RANGE,
                                  command=command.split())
            t.add("%s -P %d" % (name, pipeline), "%.2f" % cpus[0], "%.2f" % cpus[1], ratio(*cpus),
                  "%.0f" % rates[0], "%.0f" % rates[1], ratio(*rates))
    for s in servers:
        s.close()
    return t


# ---- growth ------------------------------------------------------------------------------------------------

BATCH = 200


def words(*w):
    return b"*%d\r\n" % len(w) + b"".join(b"$%d\r\n%s\r\n" % (len(x), x) for x in w)


def fill_key(server, kind, n):
    """A key named `kind` with n elements element:000000000000 and on; scores are their numbers."""
    c = server.connect(timeout=600)
    unread = 0
    head = {"hash": [b"HSET", b"hash"], "set": [b"SADD", b"set"], "zset": [b"ZADD", b"zset"],
            "list": [b"RPUSH", b"list"]}[kind]
    for at in range(0, n, 20000):
        raw = []
        for first in range(at, min(at + 20000, n), BATCH):
            w = list(head)
            for i in range(first, min(first + BATCH, n)):
                member = b"element:%012d" % i
                w += {"hash": [member, b"v"], "set": [member], "zset": [b"%d" % i, member],
                      "list": [member]}[kind]
            raw.append(words(*w))
        c.send_raw(b"".join(raw))
        for _ in range(unread):
            c.reply()
        unread = len(raw)
    for _ in range(unread):
        c.reply()
    c.close()


def operations(kind, n):
    middle = str(n // 2)
    return {
        "hash": [("HGET", "hget hash element:__rand_int__"), ("HSET", "hset hash element:__rand_int__ w"),
                 ("HLEN", "hlen hash"), ("HRANDFIELD", "hrandfield hash")],
        "set": [("SISMEMBER", "sismember set element:__rand_int__"), ("SADD", "sadd set new:__rand_int__"),
                ("SRANDMEMBER", "srandmember set"), ("SPOP", "spop set"),
                ("SINTER 10", "sinter small set")],
        "zset": [("ZSCORE", "zscore zset element:__rand_int__"),
                 ("ZADD", "zadd zset __rand_int__ element:__rand_int__"),
                 ("ZRANK", "zrank zset element:__rand_int__"), ("ZRANGE middle", "zrange zset %s %s" % (middle, middle)),
                 ("ZPOPMIN", "zpopmin zset")],
        "list": [("LINDEX middle", "lindex list " + middle), ("LSET middle", "lset list %s y" % middle),
                 ("LPUSH", "lpush list x"), ("LPOP", "lpop list"), ("RPOP", "rpop list")],
    }[kind]


class Probe(threading.Thread):
    """Asks PING over and over; the longest answer while it ran, in milliseconds."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client, self.worst, self.stop = server.connect(timeout=60), 0.0, False
        self.start()

    def run(self):
        while not self.stop:
            began = time.perf_counter()
            self.client.call("PING")
            self.worst = max(self.worst, time.perf_counter() - began)

    def end(self):
        self.stop = True
        self.join()
        self.client.close()
        return self.worst * 1000


def watched(server, act):
    """The longest PING from the beginning of act until two seconds after it."""
    probe = Probe(server)
    time.sleep(0.2)
    act()
    time.sleep(2)
    return probe.end()


def growth(o):
    """Server CPU per command at three sizes; and what others feel when the key goes."""
    sizes = [1000, 100000] + ([] if o.quick else [10000000])
    cells, lost = {}, {}
    for n in sizes:
        server = started(Stave({"engine": o.engine, "appendfsync": "everysec"}))
        ask(server, "SADD", "small", *["element:%012d" % (i * 97 % n) for i in range(10)])
        for kind in ("hash", "set", "zset", "list"):
            fill_key(server, kind, n)
            time.sleep(1)
            for name, command in operations(kind, n):
                walks = o.engine == "lsm" and name.split()[0] in ("ZRANK", "ZRANGE")
                count = min(n // 4, 32 if walks and n > 100000 else 50000) // 16 * 16  # else redis-benchmark may abort
                cpu = benchmark(server, None, count, clients=1, pipeline=16, keys=n, command=command.split())[1]
                cells.setdefault(name, []).append("%.2f" % cpu)
            how = "DEL" if kind != "zset" else "PEXPIRE 1"
            act = (lambda: ask(server, "DEL", kind)) if kind != "zset" else (lambda: ask(server, "PEXPIRE", kind, 1))
            quiet = watched(server, lambda: None)
            lost.setdefault("%s %s" % (how, kind), []).append("%.2f (quiet %.2f)" % (watched(server, act), quiet))
        server.close()
    heads = ["%d" % n for n in sizes]
    t = Table("CPU microseconds of a command, -c 1 -P 16, by how many elements the key has", ["command"] + heads)
    for name, row in cells.items():
        t.add(name, *row)
    gone = Table("Longest PING of another client (ms) while a key with so many elements goes", ["how"] + heads)
    for name, row in lost.items():
        gone.add(name, *row)
    return [t, gone]
