"""Section memory-limit: does the process stay within maxmemory, whatever is done to it? Every type at once, with
values of 10 bytes to 1 MiB; and many keys with short values, all of which bitcask has in its index."""

import math
import multiprocessing
import random
import re
import threading
import time

from .bigdata import child_memory
from .common import Plot, Stave, Table, resp, rss_kib, started
from tests.support.servers import children_of

POLICIES = {"bitcask": ("allkeys-lru", "allkeys-lfu", "volatile-ttl", "allkeys-random", "noeviction"),
            "lsm": ("noeviction",)}
LIMITS = (100, 300)      # MiB
CLIENTS, WORKERS = 40, 2
SMALLEST, LARGEST = 10, 1 << 20
KEYS = 400000
MANY, BATCH = 1000000, 2000
NOISE = random.Random(7).randbytes(LARGEST * 2)


def value(r):
    """Most are short, some as long as a megabyte: the logarithm of the length is spread evenly, but that a tenth
    of the long ones are made."""
    size = int(SMALLEST * math.exp(r.random() * math.log(LARGEST / SMALLEST)))
    if size > 4000 and r.random() < 0.9:
        size = r.randrange(SMALLEST, 200)
    at = r.randrange(LARGEST)
    return NOISE[at:at + size]


def command(r):
    """One of any type; half of the keys have an expire time."""
    n = r.randrange(KEYS)
    kind = r.random()
    if kind < 0.4:
        return ["SET", "s:%d" % n, value(r)] + (["EX", r.randrange(1, 1000)] if n % 2 else [])
    if kind < 0.6:
        return ["GET", "s:%d" % n]
    if kind < 0.7:
        return ["HSET", "h:%d" % (n // 20), r.randrange(300), value(r)]
    if kind < 0.75:
        return ["RPUSH", "l:%d" % (n // 50), value(r), value(r)]
    if kind < 0.8:
        return ["LPOP", "l:%d" % (n // 50), 3]
    if kind < 0.85:
        return ["SADD", "m:%d" % (n // 1000), n, r.randrange(10 ** 9)]
    if kind < 0.9:
        return ["ZADD", "z:%d" % (n // 1000), r.random(), n]
    if kind < 0.93:
        return ["XADD", "x:%d" % (n // 5000), "MAXLEN", "~", 500, "*", "f", value(r)]
    if kind < 0.96:
        return ["EXPIRE", r.choice("hlmzx") + ":%d" % (n // 50), r.randrange(1, 1000)]
    if kind < 0.98:
        return ["LRANGE", "l:%d" % (n // 50), 0, -1]
    return ["DEL", "s:%d" % n, "h:%d" % (n // 20)]


def load(port, seed, ending, done, refused):
    """Many clients, each with a pipeline, one after the other; replies are read when all have sent."""
    r = random.Random(seed)
    clients = [resp.Connection("127.0.0.1", port, timeout=120) for _ in range(CLIENTS)]
    while not ending.value:
        for c in clients:
            c.unread = r.randint(1, 16)
            c.send_raw(b"".join(resp.encode(command(r)) for _ in range(c.unread)))
        for c in clients:
            for _ in range(c.unread):
                reply = c.reply()
                refused.value += isinstance(reply, resp.Error)
            done.value += c.unread


def load_keys(port, seed, ending, done, refused):
    """Long keys with short values, which stay in the index: twice as many as a limit of 100 MiB has room for,
    written and deleted at random."""
    r = random.Random(seed)
    c = resp.Connection("127.0.0.1", port, timeout=120)
    while not ending.value:
        made = []
        for _ in range(BATCH):
            n, size = r.randrange(MANY), r.randrange(1, 33)
            key = b"%06d" % n + b"k" * (n * 7919 % 400)
            made.append(resp.encode(["DEL", key] if r.random() < 0.2 else ["SET", key, NOISE[size:2 * size]]))
        c.send_raw(b"".join(made))
        refused.value += sum(isinstance(c.reply(), resp.Error) for _ in range(BATCH))
        done.value += BATCH


class Sampler(threading.Thread):
    """Ten times a second: MiB resident of the server; that and what its children have for themselves; and INFO
    once a second, to say what the most consists of."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.pid, self.running, self.connection = server.process.pid, True, server.connect()
        self.began, self.series, self.together, self.parts = time.time(), [], 0, {}
        self.start()

    def run(self):
        most, asked = 0, 0
        while self.running:
            resident = rss_kib(self.pid) / 1024
            own = sum(child_memory(p)[1] for p in children_of(self.pid)) / 1024
            self.together = max(self.together, resident + own)
            self.series.append((round(time.time() - self.began, 2), round(resident, 1)))
            if resident > most + 1 or time.time() > asked + 1:
                text = self.connection.call("INFO", "everything").decode()
                parts = {k: int(v) for k, v in re.findall(r"(?m)^(\w+):(\d+)\r?$", text)}
                asked = time.time()
                if resident > most or not self.parts:
                    self.parts = parts
            most = max(most, resident)
            time.sleep(0.1)

    def stop(self):
        self.running = False
        self.join()
        return max(s[1] for s in self.series)


def one(engine, limit, policy, seconds, load):
    """A server under load for so long: its sampler, operations, refusals, evictions."""
    server = started(Stave({"engine": engine, "maxmemory": "%dmb" % limit, "maxmemory-policy": policy}))
    ending, done, refused = (multiprocessing.Value(t, 0) for t in "iqq")
    workers = [multiprocessing.Process(target=load, args=(server.port, i, ending, done, refused), daemon=True)
               for i in range(WORKERS)]
    for w in workers:
        w.start()
    sampler = Sampler(server)
    time.sleep(seconds)
    ending.value = 1
    for w in workers:
        w.join(60)
    sampler.stop()
    c = server.connect()
    text = c.call("INFO", "stats").decode()
    evicted = int(re.search(r"evicted_keys:(\d+)", text).group(1))
    server.close()
    return sampler, done.value, refused.value, evicted


def memory_limit(o):
    """RSS against maxmemory under everything at once; of the moment with the most, what it consisted of."""
    seconds = 10 if o.quick else 40
    engine = o.engine or "bitcask"
    t = Table("RSS under maxmemory, every type at once, values of 10 bytes to 1 MiB, %d clients, %d s each" % (
        CLIENTS * WORKERS, seconds),
        ["limit, policy", "ops", "refused", "evicted", "used MiB", "most RSS", "over", "and children", "index",
         "caches", "buffers", "allocator's"])
    plots, worst = [], -math.inf
    for limit in LIMITS:
        p = Plot("Memory of the process under maxmemory %d MiB (%s)" % (limit, engine), "seconds", "MiB resident",
                 reference=limit)
        loads = [(policy, policy, load) for policy in POLICIES[engine]]
        if limit == LIMITS[0]:
            loads += [("keys, " + policy, policy, load_keys) for policy in ("noeviction", "allkeys-random")]
        for name, policy, how in loads:
            s, done, refused, evicted = one(engine, limit, policy, seconds, how)
            most, v = max(x[1] for x in s.series), s.parts
            worst = max(worst, most - limit)
            t.add("%d %s" % (limit, name), done, refused, evicted, mib(v["used_memory"]), "%.1f" % most,
                  "%+.1f" % (most - limit), "%.1f" % s.together, mib(v["used_memory_index"]),
                  mib(v["used_memory_caches"]), mib(v["used_memory_buffers"]),
                  mib(v["allocator_resident"] - v["allocator_allocated"]))
            p.add(name, s.series)
        plots.append(p)
    t.tell("%s: at most %.1f MiB above maxmemory." % (engine, worst) if worst > 0 else
           "%s: never above maxmemory; %.1f MiB below at the nearest." % (engine, -worst))
    return [t] + plots


def mib(n):
    return "%.1f" % (n / 2 ** 20)
