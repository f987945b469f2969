"""Random commands for the differential test: every command that both servers have, with arguments
that are mostly right and often at an edge: wrong numbers of them, extreme numbers, empty and binary
strings, options in any order, options that exclude each other.

A command's row, of which words in lower case only tell it from others, is a function from a Generator to a
list of arguments. How replies are compared: compare.py."""

from tests.differential import dumps
from tests.differential import geos
from tests.differential import hashes
from tests.differential import hlls
from tests.differential import lists
from tests.differential import lualibs
from tests.differential import mixed
from tests.differential import scripts
from tests.differential import sets
from tests.differential import streams
from tests.differential import zset

# Families of commands that have a file of their own.
FAMILIES = [dumps, geos, hashes, hlls, lists, lualibs, mixed, scripts, sets, streams, zset]

INT_EDGES = [0, 1, -1, 2, 7, 8, 9, 63, 64, 100, 255, 256, 1000, 4096, 65535, 65536, 2**31 - 1, 2**31,
             -2**31, 2**32, 2**63 - 1, -2**63, 2**63, -2**63 - 1, 2**64, 10**20]
WORDS = [b"", b"a", b"b", b"hello", b"hello world", b"\x00\xff\x7f", b"0", b"1", b"-1", b"12345",
         b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"3.14", b"1e10",
         b" 1", b"1 ", b"01", b"+1", b"-0", b"0x10", b"nan", b"inf", b"-inf", b"1.0", b"1e400",
         b"1" * 44, b"x" * 44, b"x" * 45, b"foobar", b"abcdefghij" * 3, b"\r\n", b"*", b"?", b"[a-"]


class Generator:
    def __init__(self, random, nkeys=12, focus=None):
        self.r = random
        chosen = random.choice(FAMILIES + [None])  # most commands are of one family, or of all
        self.focus = focus or chosen
        self.keys = [b"key:%d" % i for i in range(nkeys)] + [b"", b"k\x00\xff", b"other"] + lists.KEYS[:2]

    # ---- arguments --------------------------------------------------------------------------
    def key(self):
        return self.r.choice(self.keys)

    def value(self):
        x = self.r.random()
        if x < 0.6:
            return self.r.choice(WORDS)
        if x < 0.8:
            return b"%d" % self.r.randint(-1000, 1000)
        if x < 0.97:
            return bytes(self.r.randrange(256) for _ in range(self.r.randrange(60)))
        return self.r.choice([b"v", b"ab", b"\x00\x01"]) * self.r.randrange(20000)

    def integer(self):
        x = self.r.random()
        if x < 0.55:
            return self.r.randint(-20, 120)
        if x < 0.9:
            return self.r.choice(INT_EDGES)
        return self.r.choice(WORDS)

    def small(self, low=-20, high=120):
        return self.r.randint(low, high) if self.r.random() < 0.93 else self.integer()

    def offset(self):
        """A bit or byte offset that does not make huge strings."""
        x = self.r.random()
        if x < 0.85:
            return self.r.randint(0, 400)
        if x < 0.97:
            return self.r.randint(0, 20000)
        return self.r.choice([-1, 2**32, 4294967295 * 8, 2**63 - 1, b"x", b"", 536870912 * 8])

    def float(self):
        x = self.r.random()
        if x < 0.5:
            return repr(round(self.r.uniform(-100, 100), self.r.randrange(6)))
        return self.r.choice(["0", "1", "-1", "1e3", "3.0e-5", "5e-324", "1e308", "inf", "-inf", "nan",
                              "abc", "", " 1", "1 ", "0x1p3", "1e5000", "9007199254740993", "-0",
                              ".5", "5.", "1e", "+1"])

    def far(self):
        """A time to live that does not run out during a test, or none at all. Hardly ever the same one
        twice: which of two equal ones ends later (GT, LT) is a matter of milliseconds."""
        some = self.r.randrange(30000, 10**7)
        return self.r.choice([some, some, some, 10**15 + some, 2**62 + some, -1, 0, 2**63 - 1, b"abc"])

    def far_at(self, unit, past=True):
        """A moment. One in the past makes SET leave a key that redis-server counts until it is next
        looked at, and that is never there here: only where both delete at once."""
        x = self.r.random()
        if x < 0.7:
            return 2000000000 * unit + self.r.randrange(1000)
        return self.r.choice([0, 1 if past else 0, -1, 2**63 - 1, 2**62, b"x", 9999999999999 * unit])

    def pick(self, *options, p=0.35):
        """Each of the options (lists) with probability p, in any order."""
        chosen = [o for o in options if self.r.random() < p]
        self.r.shuffle(chosen)
        return [a for o in chosen for a in o]

    def case(self, word):
        return self.r.choice([word, word.lower(), word.capitalize()])

    def keys_list(self, low=1, high=4):
        return [self.key() for _ in range(self.r.randint(low, high))]

    # ---- commands -------------------------------------------------------------------------------
    def expiry(self):
        return self.r.choice([
            ["EX", self.far()], ["PX", self.far()], ["EXAT", self.far_at(1, False)],
            ["PXAT", self.far_at(1000, False)], ["KEEPTTL"], ["PERSIST"], ["EX"], ["EX", "10", "PX", "10"]])

    def bitfield_op(self):
        kind = self.r.choice("uuuiii") + str(self.r.choice([1, 2, 3, 5, 7, 8, 13, 16, 31, 32, 33, 63,
                                                            64, 0, 65]))
        offset = self.r.choice(["", "#"]) + str(self.r.randint(0, 130))
        if self.r.random() < 0.03:
            offset = str(self.offset())
        op = self.r.random()
        if op < 0.3:
            return ["GET", kind, offset]
        if op < 0.55:
            # Not the least number: how far it is below the minimum overflows in the reference, which then
            # saturates it to the maximum.
            value = self.integer()
            return ["SET", kind, offset, -2**62 if value in (-2**63, b"%d" % -2**63) else value]
        if op < 0.85:
            return ["INCRBY", kind, offset, self.integer()]
        return ["OVERFLOW", self.r.choice(["WRAP", "SAT", "FAIL", "wrap", "other"])]

    def command(self):
        name = self.r.choice(self.focus.NAMES if self.focus and self.r.random() < 0.8 else NAMES)
        args = TABLE[name](self)
        x = self.r.random()
        if x < 0.015 and args and name not in WHOLE:
            args = args[:self.r.randrange(len(args))]
        elif name in LAST_IS_TIME:
            pass
        elif x < 0.03:
            args = args + [self.value()]
        elif x < 0.035:
            args = args + [self.r.choice(["NX", "XX", "GET", "LIMIT", "COUNT", "0"])]
        words = [w for w in name.split() if w.isupper()]
        return [self.case(w) if i == 0 else w for i, w in enumerate(words + args)]


def any_set(g):
    return [g.key(), g.value()] + g.pick(["NX"], ["XX"], ["GET"], g.expiry(), p=0.2)


TABLE = {
    "GET": lambda g: [g.key()],
    "SET": any_set,
    "SET ": lambda g: [g.key(), g.value()],
    "GETSET": lambda g: [g.key(), g.value()],
    "GETDEL": lambda g: [g.key()],
    "GETEX": lambda g: [g.key()] + g.pick(g.expiry()),
    "SETNX": lambda g: [g.key(), g.value()],
    "SETEX": lambda g: [g.key(), g.far(), g.value()],
    "PSETEX": lambda g: [g.key(), g.far(), g.value()],
    "MGET": lambda g: g.keys_list(),
    "MSET": lambda g: [a for k in g.keys_list() for a in (k, g.value())],
    "MSETNX": lambda g: [a for k in g.keys_list() for a in (k, g.value())],
    "APPEND": lambda g: [g.key(), g.value()],
    "STRLEN": lambda g: [g.key()],
    "INCR": lambda g: [g.key()],
    "DECR": lambda g: [g.key()],
    "INCRBY": lambda g: [g.key(), g.integer()],
    "DECRBY": lambda g: [g.key(), g.integer()],
    "INCRBYFLOAT": lambda g: [g.key(), g.float()],
    "GETRANGE": lambda g: [g.key(), g.small(), g.small()],
    "SUBSTR": lambda g: [g.key(), g.small(), g.small()],
    "SETRANGE": lambda g: [g.key(), g.offset(), g.value()],
    "LCS": lambda g: [g.key(), g.key()] + g.pick(["LEN"], ["IDX"], ["WITHMATCHLEN"],
                                                 ["MINMATCHLEN", g.small(0, 5)]),
    "SETBIT": lambda g: [g.key(), g.offset(), g.r.choice([0, 1, 0, 1, 2, "x"])],
    "GETBIT": lambda g: [g.key(), g.offset()],
    "BITCOUNT": lambda g: [g.key()] + g.r.choice([
        [], [g.small(), g.small()], [g.small(), g.small(), g.r.choice(["BYTE", "BIT", "bit", "x"])],
        [g.small()]]),
    "BITPOS": lambda g: [g.key(), g.r.choice([0, 1, 0, 1, 2, "x"])] + g.r.choice([
        [], [g.small()], [g.small(), g.small()],
        [g.small(), g.small(), g.r.choice(["BYTE", "BIT", "bit", "x"])]]),
    "BITOP": lambda g: [g.r.choice(["AND", "OR", "XOR", "NOT", "not", "NAND"]), g.key()] +
    g.keys_list(1, 3),
    "BITFIELD": lambda g: [g.key()] + [a for _ in range(g.r.randint(0, 4)) for a in g.bitfield_op()],
    "BITFIELD_RO": lambda g: [g.key()] + [a for _ in range(g.r.randint(0, 3)) for a in
                                          g.bitfield_op()],
    "DEL": lambda g: g.keys_list(),
    "UNLINK": lambda g: g.keys_list(),
    "EXISTS": lambda g: g.keys_list(),
    "TYPE": lambda g: [g.key()],
    "TOUCH": lambda g: g.keys_list(),
    "KEYS": lambda g: [g.r.choice(["*", "key:*", "key:?", "k[a-z]y:[0-3]", "nope", "", "\\*"])],
    "RENAME": lambda g: [g.key(), g.key()],
    "RENAMENX": lambda g: [g.key(), g.key()],
    "COPY": lambda g: [g.key(), g.key()] + g.pick(["DB", g.r.choice([0, 1, 0, 99, -1, "x"])],
                                                  ["REPLACE"]),
    "MOVE": lambda g: [g.key(), g.r.choice([0, 1, 2, 99, "x"])],
    "DBSIZE": lambda g: [],
    "SELECT": lambda g: [g.r.choice([0, 0, 0, 1, 2, 15, 16, -1, "x"])],
    "SWAPDB": lambda g: [g.r.choice([0, 1, 2, 99, "x"]), g.r.choice([0, 1, 2, -1])],
    "EXPIRE": lambda g: [g.key(), g.far()] + g.pick(["NX"], ["XX"], ["GT"], ["LT"], p=0.15),
    "PEXPIRE": lambda g: [g.key(), g.far()] + g.pick(["NX"], ["XX"], ["GT"], ["LT"], p=0.15),
    "EXPIREAT": lambda g: [g.key(), g.far_at(1)] + g.pick(["NX"], ["XX"], ["GT"], ["LT"], p=0.15),
    "PEXPIREAT": lambda g: [g.key(), g.far_at(1000)] + g.pick(["NX"], ["XX"], ["GT"], ["LT"], p=0.15),
    "TTL": lambda g: [g.key()],
    "PTTL": lambda g: [g.key()],
    "EXPIRETIME": lambda g: [g.key()],
    "PEXPIRETIME": lambda g: [g.key()],
    "PERSIST": lambda g: [g.key()],
    "OBJECT ENCODING": lambda g: [g.key()],
    "OBJECT REFCOUNT": lambda g: [b"nokey"],
    "OBJECT FREQ": lambda g: [g.key()],
    "OBJECT HELP": lambda g: [],
    "OBJECT": lambda g: [g.r.choice(["NOPE", "ENCODING", "HELP"])],
    "SCAN": lambda g: [0, "COUNT", g.r.choice([1000, 1000, 1000, 0, -1, "x"])] + g.pick(
        ["MATCH", "key:*"], ["TYPE", g.r.choice(["string", "list", "nope"])]),
    "PING": lambda g: g.r.choice([[], [g.value()]]),
    "ECHO": lambda g: [g.value()],
    "CLIENT GETNAME": lambda g: [],
    "CLIENT SETNAME": lambda g: [g.r.choice(["a", "bob", "", "with space", "x\n"])],
    "CLIENT NO-EVICT": lambda g: [g.r.choice(["ON", "OFF", "x"])],
    "CLIENT KILL": lambda g: g.r.choice([["1.2.3.4:5"], ["ID", "999999"], ["TYPE", "nope"],
                                         ["ADDR", "1.1.1.1:1"], ["USER", "nobody"], ["SKIPME", "x"],
                                         ["ID", "x"], ["ID", "-5"]]),
    "CLIENT UNBLOCK": lambda g: g.r.choice([["999999"], ["999999", "ERROR"], ["999999", "x"], ["x"]]),
    "CLIENT NOPE": lambda g: [],
    "CLIENT PAUSE": lambda g: [g.r.choice([0, "x", -1, 0])] + g.pick(["WRITE"], ["ALL"], ["x"], p=0.3),
    "CLIENT UNPAUSE": lambda g: [],
    "CLIENT REPLY": lambda g: [g.r.choice(["ON", "on", "x"])],
    "AUTH": lambda g: g.r.choice([["x"], ["default", "x"], ["a", "b", "c"], ["nobody", "x"]]),
    "COMMAND COUNT ": lambda g: ["x", "y"],
    "COMMAND GETKEYS": lambda g: g.r.choice([
        ["SET", "a", "b"], ["MSET", "a", "b", "c", "d"], ["GET"], ["NOPE", "a"], ["PING"],
        ["BITOP", "AND", "d", "a", "b"], ["COPY", "a", "b"], ["LCS", "a", "b"], ["DEL", "a", "b", "c"],
        ["OBJECT", "ENCODING", "k"], ["MGET", "a"]]),
    "CONFIG GET": lambda g: [g.r.choice(["maxmemory", "maxmemory-policy", "nope", "appendfsync",
                                         "timeout", "hz", "databases", "maxmemory-samples"])],
    "CONFIG SET": lambda g: g.r.choice([
        ["nope", "1"], ["maxmemory-policy", "nope"], ["maxmemory", "x"], ["timeout", "-1"],
        ["hz", "10"], ["timeout", "0"], ["databases", "5"], ["maxmemory-samples", "0"],
        ["maxmemory-samples", "5", "maxmemory-samples", "6"], ["appendfsync", "maybe"],
        ["maxmemory-policy", "noeviction"], ["slowlog-max-len", "128"]]),
    "SLOWLOG GET": lambda g: [g.r.choice(["-2", "x"])],
    "SLOWLOG LEN ": lambda g: ["x"],
    "LATENCY HISTORY": lambda g: ["command"],
    "LATENCY RESET": lambda g: ["nope"],
    "LATENCY GRAPH": lambda g: ["nope"],
    "MEMORY USAGE": lambda g: [b"no such key"],
    "MEMORY NOPE": lambda g: [],
    "DEBUG PROTOCOL": lambda g: [g.r.choice(["string", "integer", "double", "null", "array", "set", "map",
                                             "verbatim", "bignum", "true", "false"])],
    "DEBUG SET-ACTIVE-EXPIRE": lambda g: [1],
    "FLUSHDB": lambda g: g.pick(["ASYNC"], ["SYNC"], ["x"], p=0.2),
    "FLUSHALL": lambda g: g.pick(["ASYNC"], ["SYNC"], ["x"], p=0.2),
    "NOSUCHCOMMAND": lambda g: [g.value() for _ in range(g.r.randrange(4))],
    "LOLWUT ": lambda g: ["VERSION", "x"],
    "TIME ": lambda g: ["x"],
    "RESET": lambda g: [],
    "QUITE": lambda g: [],
}
# How often each is drawn: data commands often, what empties everything seldom.
SELDOM = {"FLUSHDB", "FLUSHALL", "SWAPDB", "RESET", "SELECT", "MOVE", "CLIENT PAUSE", "AUTH"}
OFTEN = {"SET", "SET ", "GET", "APPEND", "SETRANGE", "SETBIT", "BITFIELD", "INCRBY", "MSET"}
LAST_IS_TIME, WHOLE = set(), set()
for f in FAMILIES:
    f.ROWS = getattr(f, "ROWS", None) or f.TABLE
    TABLE.update(f.ROWS)
    OFTEN |= f.OFTEN
    SELDOM |= getattr(f, "SELDOM", set())
    LAST_IS_TIME |= getattr(f, "LAST_IS_TIME", set())
    WHOLE |= getattr(f, "WHOLE", set())


def drawn(table):
    return [n for n in table for _ in range(1 if n in SELDOM else 12 if n in OFTEN else 4)]


NAMES = drawn(TABLE)
mixed.TABLE = TABLE
mixed.ALL = [n for n in NAMES if n not in mixed.ROWS and n not in WHOLE]
for f in FAMILIES:
    f.NAMES = drawn(f.ROWS)
