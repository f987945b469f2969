"""The hash commands of the differential test: rows as generate.py has them."""

from tests.support import resp


def field(g):
    """Few, so that they meet; sometimes one of many, or a long one."""
    x = g.r.random()
    if x < 0.75:
        return b"f%d" % g.r.randrange(12)
    return b"n%d" % g.r.randrange(700) if x < 0.95 else g.value()[:100]


def fields(g, most):
    return [field(g) for _ in range(g.r.randint(1, most))]


def pairs(g):
    """Fields and values; sometimes so many, or so long, that the hash changes its encoding."""
    x = g.r.random()
    n = g.r.randint(1, 4) if x < 0.93 else g.r.randint(100, 600)
    if x > 0.99:
        return [field(g), g.value()]
    return [a for _ in range(n) for a in (field(g), g.value()[:70])]


def count(g):
    """Never so far below zero that nobody could keep the reply."""
    return g.r.choice([g.r.randint(-20, 120), g.r.randint(-20, 120), 0, 2**62, -2**63, 2**63 - 1, b"x", b""])


ROWS = {
    "HSET": lambda g: [g.key()] + pairs(g),
    "HSET ": lambda g: [g.key()] + pairs(g) + ([field(g)] if g.r.random() < 0.05 else []),
    "HMSET": lambda g: [g.key()] + pairs(g),
    "HSETNX": lambda g: [g.key(), field(g), g.value()[:80]],
    "HGET": lambda g: [g.key(), field(g)],
    "HMGET": lambda g: [g.key()] + fields(g, 6),
    "HGETALL": lambda g: [g.key()],
    "HKEYS": lambda g: [g.key()],
    "HVALS": lambda g: [g.key()],
    "HLEN": lambda g: [g.key()],
    "HEXISTS": lambda g: [g.key(), field(g)],
    "HSTRLEN": lambda g: [g.key(), field(g)],
    "HDEL": lambda g: [g.key()] + fields(g, 8),
    "HINCRBY": lambda g: [g.key(), field(g), g.integer()],
    "HINCRBYFLOAT": lambda g: [g.key(), field(g), g.float()],
    "HRANDFIELD": lambda g: [g.key()] + g.r.choice([[], [count(g)], [count(g), "WITHVALUES"], [count(g), "x"]]),
    "HSCAN": lambda g: [g.key(), g.r.choice([0, 0, 0, 0, "x", ""]), "COUNT",
                        g.r.choice([1000, 1000, 1000, 0, -1, "x"])] + g.pick(
        ["MATCH", g.r.choice(["f*", "*", "", "f[0-3]"])], ["TYPE", "hash"], p=0.2),
}
OFTEN = {"HSET", "HDEL", "HGETALL"}


def canonical(name, raw, parsed):
    """Fields come in the order of a hash table, unless they are few. None: as the bytes are."""
    first = name[0].upper()
    if isinstance(parsed, resp.Error):
        return None
    if first == b"HGETALL":
        both = parsed.items() if isinstance(parsed, dict) else zip(parsed[::2], parsed[1::2])
        return sorted(both), type(parsed)
    if first in (b"HKEYS", b"HVALS"):
        return sorted(parsed), type(parsed)
    if first == b"HRANDFIELD":
        return type(parsed), isinstance(parsed, list) and len(parsed)
    return None
