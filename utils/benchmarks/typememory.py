"""The section on the memory of elements."""

import random

from utils.benchmarks.common import REDIS_EVERYSEC, Table, info, ratio, rss_kib
from utils.benchmarks.server import pair

# What is measured: name, elements a key, command, its arguments of element i of all.
SHAPES = [
    ("hash of 10", 10, b"HSET", lambda i, r: (b"field:%d" % (i % 10), b"value:%014d" % i)),
    ("set of 100", 100, b"SADD", lambda i, r: (b"member:%09d" % i,)),
    ("sorted set of 1000", 1000, b"ZADD", lambda i, r: (b"%d" % r.randrange(10**9), b"member:%09d" % i)),
    ("list of 10000", 10000, b"RPUSH", lambda i, r: (b"value:%014d" % i,)),
    ("... of 100 bytes", 10000, b"RPUSH", lambda i, r: (b"value:%094d" % i,)),
]
ELEMENTS = 1000000
AT_ONCE = 100  # elements a command; as many commands are sent before their replies are read


def encode(args):
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)


def fill(server, shape, elements):
    """Keys of that shape with so many elements in all, in an order without a pattern for sorted sets."""
    name, per_key, command, element = shape
    r = random.Random(name)
    c = server.connect(timeout=600)
    step = min(AT_ONCE, per_key)
    unread = 0
    chunk = []
    for at in range(0, elements, step):
        args = [command, b"key:%09d" % (at // per_key)]
        for i in range(at, at + step):
            args.extend(element(i, r))
        chunk.append(encode(args))
        if len(chunk) == AT_ONCE:
            c.send_raw(b"".join(chunk))
            read_integers(c, unread)
            unread, chunk = len(chunk), []
    c.send_raw(b"".join(chunk))
    read_integers(c, unread + len(chunk))
    c.close()


def read_integers(c, n):
    """n replies that are integers."""
    for _ in range(n):
        got = c.reply()
        if not isinstance(got, int):
            raise RuntimeError("%r" % got)


def memory_types(o):
    """Bytes of memory per element: all that the server says it uses, and of it what the index takes, which
    is what remains when values are on the disk alone."""
    elements = ELEMENTS // 10 if o.quick else ELEMENTS
    t = Table("Memory of %s per element, bytes, %d elements in all" % (o.engine, elements),
              ["key", "index", "used_memory", "of it caches", "redis", "used ratio", "index ratio", "RSS", "redis RSS"])
    for shape in SHAPES:
        servers = pair(o, REDIS_EVERYSEC)
        fields = ("used_memory", "used_memory_index", "used_memory_caches")
        before = [[int(info(s, f) or 0) for f in fields] + [rss_kib(s.process.pid) * 1024] for s in servers]
        for s in servers:
            fill(s, shape, elements)
        after = [[int(info(s, f) or 0) for f in fields] + [rss_kib(s.process.pid) * 1024] for s in servers]
        used = [[(y - x) / elements for x, y in zip(b, a)] for b, a in zip(before, after)]
        stave, redis = used
        t.add(shape[0], *("%.1f" % v for v in (stave[1], stave[0], stave[2], redis[0])),
              ratio(stave[0], redis[0]), ratio(stave[1], redis[0]), "%.1f" % stave[3], "%.1f" % redis[3])
        for s in servers:
            s.close()
    return t
