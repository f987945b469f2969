"""Random list commands: see generate.py. Most go to a few keys of their own, so that lists grow."""

KEYS = [b"l:%d" % i for i in range(5)]
SIDES = ["LEFT", "RIGHT", "left", "Right"]


def key(g):
    return g.r.choice(KEYS) if g.r.random() < 0.9 else g.key()


def keys(g, low=1, high=3):
    return [key(g) for _ in range(g.r.randint(low, high))]


def value(g):
    """Few different ones, so that they are found again; some that fill a packed list soon."""
    x = g.r.random()
    if x < 0.7:
        return b"v%d" % g.r.randrange(12)
    if x < 0.8:
        return b"%d" % g.r.randint(-300, 300)
    if x < 0.95:
        return g.value() if g.r.random() < 0.5 else b"w" * g.r.randrange(300)
    return g.r.choice([b"", b"x" * 3000, b"-9223372036854775808", b"\x00\xff"])


def values(g):
    return [value(g) for _ in range(g.r.choice([1, 1, 2, 3, 5, 30]))]


def index(g):
    return g.r.randint(-60, 60) if g.r.random() < 0.9 else g.integer()


def side(g):
    return g.r.choice(SIDES) if g.r.random() < 0.97 else "UP"


def count(g):
    return g.r.choice([1, 1, 2, 3, 10, 0, 100]) if g.r.random() < 0.9 else g.integer()


def timeout(g):
    """Never long, and not beyond an int64, where 7.0 and 7.2 find different things wrong."""
    return g.r.choice(["0.001", "0.002", ".001", "1e-3", "-1", "-0.5", "x", "", "nan", " 1"])


def several(g):
    ks = keys(g)
    n = len(ks) if g.r.random() < 0.95 else g.integer()
    return [n] + ks + [side(g)] + g.pick(["COUNT", count(g)], p=0.5) + g.pick(["COUNT", 1], ["x"], p=0.02)


def span(g):
    return [index(g), index(g)] if g.r.random() < 0.6 else [0, -1]


ROWS = {
    "LPUSH": lambda g: [key(g)] + values(g),
    "RPUSH": lambda g: [key(g)] + values(g),
    "LPUSHX": lambda g: [key(g)] + values(g),
    "RPUSHX": lambda g: [key(g)] + values(g),
    "LINSERT": lambda g: [key(g), g.r.choice(["BEFORE", "AFTER", "before", "AFTER", "x"]), value(g), value(g)],
    "LSET": lambda g: [key(g), index(g), value(g)],
    "LLEN": lambda g: [key(g)],
    "LINDEX": lambda g: [key(g), index(g)],
    "LRANGE": lambda g: [key(g)] + span(g),
    "LPOS": lambda g: [key(g), value(g)] + g.pick(
        ["RANK", g.r.choice([1, 2, 3, -1, -2, -3, 0, 100, "x"])], ["COUNT", count(g)], ["MAXLEN", count(g)], p=0.3),
    "LPOP": lambda g: [key(g)] + g.pick([count(g)], p=0.4),
    "RPOP": lambda g: [key(g)] + g.pick([count(g)], p=0.4),
    "LMPOP": several,
    "LTRIM": lambda g: [key(g), g.r.randint(0, 6), g.r.randint(-6, -1)] if g.r.random() < 0.8 else [key(g)] + span(g),
    "LREM": lambda g: [key(g), g.r.choice([0, 1, 2, -1, -2, 100, "x"]), value(g)],
    "LMOVE": lambda g: [key(g), key(g), side(g), side(g)],
    "RPOPLPUSH": lambda g: [key(g), key(g)],
    "BLPOP": lambda g: keys(g) + [timeout(g)],
    "BRPOP": lambda g: keys(g) + [timeout(g)],
    "BLMPOP": lambda g: [timeout(g)] + several(g),
    "BLMOVE": lambda g: [key(g), key(g), side(g), side(g), timeout(g)],
    "BRPOPLPUSH": lambda g: [key(g), key(g), timeout(g)],
    "DEL l": lambda g: keys(g, 1, 1),
    "RENAME l": lambda g: [key(g), key(g)],
    "COPY l": lambda g: [key(g), key(g), "REPLACE"],
    "OBJECT ENCODING l": lambda g: [key(g)],
}
OFTEN = {"LPUSH", "RPUSH", "LINSERT", "LRANGE", "LINDEX"}
SELDOM = {"DEL l", "RENAME l", "BLPOP", "BRPOP", "BLMPOP", "BLMOVE", "BRPOPLPUSH"}
# An argument more would be the time limit.
LAST_IS_TIME = {"BLPOP", "BRPOP"}
