"""The set commands and SORT of the differential test: rows as generate.py has them.

What is popped at random would make the two servers' data differ: so SPOP takes all, or nothing."""

from tests.support import resp

FEW = [b"a", b"b", b"c", b"", b"1", b"2", b"3", b"-1", b"10", b"1.5", b"01", b"-0", b"x" * 64, b"x" * 65,
       b"9223372036854775807", b"9223372036854775808", b"\xff\x00", b" 7", b"1e3", b"inf", b"nan", b"0x10"]


def member(g):
    x = g.r.random()
    if x < 0.45:
        return g.r.choice(FEW)
    if x < 0.9:
        return b"%d" % g.r.randrange(40)
    return b"%d" % g.r.randrange(700) if x < 0.97 else g.value()[:100]


def members(g, most):
    return [member(g) for _ in range(g.r.randint(1, most))]


def many(g):
    """Members, sometimes so many that the encoding changes; never more than 512 in one command, as 7.2
    chooses by how many arguments there are, the same ones included."""
    x = g.r.random()
    if x < 0.85:
        return members(g, 6)
    if x < 0.95:
        first = g.r.randrange(300)
        return [b"%d" % i for i in range(first, first + g.r.randint(50, 400))]
    return [b"m%d" % g.r.randrange(500) for _ in range(g.r.randint(50, 200))]


def pattern(g):
    return g.r.choice([b"key:*", b"key:*", b"*", b"key:*->f1", b"key:*->a", b"nokey*", b"#", b"key:*->", b"x", b"",
                       b"*->*", b"key:**", b"->*"])


def limit(g):
    return ["LIMIT", g.r.choice([0, 0, 1, 2, 5, -1, 1000, 2**63 - 1, -2**63, b"x"]),
            g.r.choice([0, 1, 2, 3, 10, 10, -1, -5, 2**63 - 1, -2**63, b"x"])]


def sort(g):
    out = g.pick(["BY", pattern(g)], limit(g), ["GET", pattern(g)], ["GET", "#"], [g.r.choice(["ASC", "DESC"])],
                 p=0.35)
    if g.r.random() < 0.6:
        out.insert(0, "ALPHA")
    return out + g.pick(["GET"], ["BY"], ["LIMIT", "1"], ["nope"], p=0.01)


def sort_store(g):
    """Always ALPHA, and never BY: BY leaves what compares alike in the order of a hash table, numbers may be
    refused by the reference for what it read before (compare.newer), and a list would keep the difference."""
    out = ["ALPHA"] + g.pick(limit(g), ["GET", pattern(g)], ["DESC"], p=0.35)
    return [g.key()] + out + ["STORE", g.key()]


COMMANDS = """sadd srem sismember smismember smembers scard srandmember spop smove sinter sunion sdiff sinterstore
sunionstore sdiffstore sintercard sscan sort sort_ro""".split()

ROWS = {
    "SADD": lambda g: [g.key()] + many(g),
    "SREM": lambda g: [g.key()] + (members(g, 8) if g.r.random() < 0.9 else many(g)),
    "SISMEMBER": lambda g: [g.key(), member(g)],
    "SMISMEMBER": lambda g: [g.key()] + members(g, 5),
    "SCARD": lambda g: [g.key()],
    "SMEMBERS": lambda g: [g.key()],
    "SMOVE": lambda g: [g.key(), g.key(), member(g)],
    "SPOP": lambda g: [g.key(), g.r.choice([0, 5000, 5000, 2**63 - 1, -1, b"x", b""])],
    "SRANDMEMBER": lambda g: [g.key()] + g.r.choice([[], [g.r.randint(-50, 200)], [0], [2**63 - 1], [-2**63], [b"x"]]),
    "SINTER": lambda g: g.keys_list(),
    "SUNION": lambda g: g.keys_list(),
    "SDIFF": lambda g: g.keys_list(),
    "SINTERSTORE": lambda g: [g.key()] + g.keys_list(),
    "SUNIONSTORE": lambda g: [g.key()] + g.keys_list(),
    "SDIFFSTORE": lambda g: [g.key()] + g.keys_list(),
    "SINTERCARD": lambda g: [g.r.choice([1, 2, 2, 2, 3, 0, -1, b"x"])] + g.keys_list(1, 3) +
    g.pick(["LIMIT", g.small(-2, 20)], p=0.4),
    "SSCAN": lambda g: [g.key(), g.r.choice([0, 0, 0, b"x"]), "COUNT", g.r.choice([10000, 10000, 10000, 0, -1, b"x"])] +
    g.pick(["MATCH", g.r.choice([b"*", b"1*", b"[a-c]", b""])], p=0.3),
    "SORT": lambda g: [g.key()] + sort(g),
    "SORT ": lambda g: [g.key(), g.r.choice(["ALPHA", "DESC", "ASC"])] + g.pick(limit(g), ["GET", "#"], p=0.3),
    "SORT store": sort_store,
    "SORT_RO": lambda g: [g.key()] + sort(g) + g.pick(["STORE", g.key()], p=0.05),
    "COMMAND GETKEYS ": lambda g: g.r.choice([
        ["SORT", "k", "BY", "a", "GET", "store", "STORE", "d", "STORE", "e"], ["SORT", "k"],
        ["SORT_RO", "k", "GET", "x"], ["SORT", "k", "LIMIT", "STORE", "2", "STORE", "x"],
        ["SINTERCARD", "2", "a", "b"], ["SMOVE", "a", "b", "c"], ["SDIFFSTORE", "d", "a", "b"]]),
}
# Not to be cut short: without a count the member that goes is any, and a scan is not a whole one.
WHOLE = {"SPOP", "SSCAN"}
OFTEN = {"SADD", "SREM", "SORT"}

SETS = (b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"SPOP")


def canonical(name, parsed):
    """Members come in the order of a hash table, unless they are integers. None: as the bytes are."""
    first = name[0].upper()
    if isinstance(parsed, resp.Error) or parsed is None:
        return None
    if first in SETS and isinstance(parsed, (list, set, frozenset)):
        return sorted(parsed), type(parsed)
    if first == b"SRANDMEMBER":
        return type(parsed), isinstance(parsed, list) and len(parsed)
    if first in (b"SORT", b"SORT_RO") and isinstance(parsed, list):
        words = [w.upper() for w in name]
        # What compares alike comes in any order; texts do if they are the same up to a NUL (strcoll).
        nul = b"ALPHA" in words and (b"GET" in words or any(not x or b"\0" in x for x in parsed))
        if b"BY" in words or nul:
            if b"LIMIT" in words:  # which of them come out
                return type(parsed), len(parsed)
            return sorted((x is None, x or b"") for x in parsed), type(parsed)
    return None
