"""Sorted sets in the differential test: what is sent, and what can't be equal and why."""

from tests.support import resp

COMMANDS = """zadd zincrby zrem zremrangebyrank zremrangebyscore zremrangebylex zcard zscore zmscore zrank zrevrank
zcount zlexcount zrandmember zscan zrange zrangestore zrevrange zrangebyscore zrevrangebyscore zrangebylex
zrevrangebylex zpopmin zpopmax zmpop bzpopmin bzpopmax bzmpop zunion zinter zdiff zunionstore zinterstore
zdiffstore zintercard""".split()

# 7.2: WITHSCORE; commands that wait are allowed in scripts, where they don't.
INFO_EXCEPTIONS = {("zrank", "arity"), ("zrevrank", "arity"), ("bzpopmin", "flags"), ("bzpopmax", "flags")}

STREAMS = [
    b"ZADD k\r\nZADD k 1 a 2\r\nZADD k NX XX 1 a\r\nZADD k NX GT 1 a\r\nZADD k GT LT 1 a\r\nZADD k INCR 1 a 2 b\r\n",
    b"ZADD k nan a\r\nZADD k x a\r\nZADD k inf i\r\nZADD k INCR -inf i\r\nZINCRBY k -inf i\r\nZINCRBY k x i\r\n",
    b"ZADD k 1 a 2 b\r\nZRANGE k 0 -1 LIMIT 1 2\r\nZRANGE k [a [b BYLEX WITHSCORES\r\nZRANGE k 0 1 BYSCORE REV REV\r\n"
    b"ZRANGEBYSCORE k 0 1 REV\r\nZRANGEBYLEX k - + WITHSCORES\r\nZRANGEBYSCORE k \"\" (3\r\nZCOUNT k \" 1\" 0x2\r\n",
    b"ZADD k 3 a 2 b 1 c 0 d\r\nZRANGEBYLEX k [b +\r\nZRANGEBYLEX k - [c\r\nZREVRANGEBYLEX k [c -\r\nZLEXCOUNT k (a (d\r\n"
    b"ZREMRANGEBYLEX k [b [c\r\nZRANGE k 0 -1\r\n",
    b"ZADD k 1 a\r\nZPOPMIN k 0\r\nZPOPMIN k -1\r\nZPOPMIN k 1 1\r\nZPOPMIN none 0\r\nSET s x\r\nZPOPMIN s 0\r\n",
    b"ZMPOP 0 k MIN\r\nZMPOP x k MIN\r\nZMPOP 1 k NOPE\r\nZMPOP 5 k MIN\r\nZMPOP 1 k MIN COUNT 0\r\nZMPOP 1 k MIN COUNT\r\n"
    b"ZMPOP 1 k MIN COUNT 1 COUNT 1\r\nBZMPOP x 1 k MIN\r\nBZMPOP -1 1 k MIN\r\nBZPOPMIN k x\r\nBZPOPMAX k -1\r\n"
    b"BZPOPMIN none 0.01\r\nBZMPOP 0.01 2 none none2 MAX\r\n",
    b"HELLO 3\r\nZADD k 1 a 2.5 b\r\nZRANGE k 0 -1 WITHSCORES\r\nZPOPMIN k\r\nZPOPMIN k 1\r\nZADD k 1 a 2.5 b 5 c 6 d\r\n"
    b"ZMPOP 1 k MIN\r\nBZPOPMIN k 1\r\nBZPOPMIN none 0.01\r\nZMPOP 1 none MIN\r\nZUNION 1 k WITHSCORES\r\nZSCAN k 0\r\n"
    b"ZRANDMEMBER k -1\r\nZMSCORE k c none\r\nZADD k INCR 1 c\r\nZADD k XX INCR 1 none\r\nZRANK k c\r\nZRANK k x\r\n"[9:],
    b"ZUNION 0 k\r\nZUNION x k\r\nZUNION 2 k\r\nZUNION 1 k WEIGHTS x\r\nZUNION 1 k WEIGHTS\r\nZUNION 1 k AGGREGATE x\r\n"
    b"ZDIFF 1 k WEIGHTS 1\r\nZUNIONSTORE d 1 k WITHSCORES\r\nZINTERCARD 1 k LIMIT -1\r\nZINTERCARD 1 k LIMIT\r\n",
    b"ZADD a inf x 1 y\r\nZADD b -inf x 2 y\r\nZUNION 2 a b WITHSCORES\r\nZINTER 2 a b WEIGHTS 0 1 WITHSCORES\r\n"
    b"ZINTER 2 a b WEIGHTS 0 0 AGGREGATE MIN WITHSCORES\r\nZUNIONSTORE a 2 a b AGGREGATE MAX\r\nZRANGE a 0 -1 WITHSCORES\r\n",
    b"ZRANDMEMBER k 1 2\r\nZRANDMEMBER k x\r\nZRANDMEMBER k -9223372036854775808\r\nZRANDMEMBER none 5\r\n"
    b"ZRANDMEMBER k -9223372036854775807 WITHSCORES\r\nZSCAN k x\r\nZSCAN none x\r\nZSCAN k 0 COUNT 0\r\n",
]

SETS = [b"set:0", b"set:1"]
LEX = [b"lex:0", b"lex:1"]  # all scores are equal there: elsewhere ranges by bytes are unspecified


def key(g):
    return b"z:%d" % g.r.randrange(6) if g.r.random() < 0.93 else g.key()


def any_key(g):
    return g.r.choice(LEX) if g.r.random() < 0.1 else key(g)


def member(g):
    x = g.r.random()
    if x < 0.7:
        return b"m%d" % g.r.randrange(14)
    return b"n%d" % g.r.randrange(400) if x < 0.92 else g.value()[:100]


def score(g):
    x = g.r.random()
    if x < 0.5:
        return g.r.randint(-10, 10)
    if x < 0.8:
        return repr(round(g.r.uniform(-100, 100), g.r.randrange(17)))
    return g.r.choice(["inf", "-inf", "1e300", "-1e300", "5e-324", "1e17", "0.1", "3e-5", 2**60, "0"]) if x < 0.98 \
        else g.float()


def many(g):
    x = g.r.random()
    return g.r.randint(1, 4) if x < 0.93 else g.r.randint(90, 150) if x < 0.99 else 400


def pairs(g):
    return [a for _ in range(many(g)) for a in (score(g), member(g))]


def end(g):
    """Of a range by score."""
    return g.r.choice(["", "", "("]) + str(score(g)) if g.r.random() < 0.95 else g.r.choice(
        ["-inf", "+inf", "(", "", " 1", "nan", "(nan", "((1", b"\x00", "1 "])


def lex_end(g):
    if g.r.random() < 0.3:
        return g.r.choice(["-", "+", "+x", "-inf", "", "a", "[", "("])
    return g.r.choice([b"[", b"("]) + member(g)


def limit(g):
    return ["LIMIT", g.small(-2, 20), g.small(-2, 20)]


def source(g):
    return g.r.choice(SETS) if g.r.random() < 0.15 else any_key(g)


def sources(g):
    n = g.r.randint(1, 4)
    count = n if g.r.random() < 0.97 else g.r.choice([0, -1, n + 1, n - 1, "x", 2**63 - 1])
    return [count] + [source(g) for _ in range(n)]


def combining(g, store, weights=True):
    args = sources(g)
    n = len(args) - 1
    options = [] if store else [["WITHSCORES"]]
    if weights:
        options += [["WEIGHTS"] + [g.r.choice([1, 2, 0, -1, "0.5", "inf", "1e200", score(g)]) for _ in range(n)],
                    ["AGGREGATE", g.r.choice(["SUM", "MIN", "MAX", "min", "x"])]]
    return args + g.pick(*options, p=0.5)


def zrange(g):
    by = g.r.choice([[], [], ["BYSCORE"], ["BYLEX"]])
    way = g.pick(["REV"], p=0.4)
    if by == ["BYLEX"]:
        ends = [g.r.choice(LEX), lex_end(g), lex_end(g)]
    elif by:
        ends = [key(g), end(g), end(g)]
    else:
        ends = [key(g), g.small(), g.small()]
    return ends, [by, way, limit(g) if by and g.r.random() < 0.4 else []]


def any_range(g):
    ends, options = zrange(g)
    return ends + g.pick(*options, ["WITHSCORES"] if options[0] != ["BYLEX"] else [], p=0.97)


def range_store(g):
    ends, options = zrange(g)
    return [key(g) if ends[0] not in LEX else g.r.choice(LEX)] + ends + g.pick(*options, p=0.97)


def scores_range(g):
    return [key(g), end(g), end(g)] + g.pick(["WITHSCORES"], limit(g), p=0.4)


def lex_range(g):
    return [g.r.choice(LEX), lex_end(g), lex_end(g)] + g.pick(limit(g), p=0.4)


def mpop(g):
    return sources(g) + [g.r.choice(["MIN", "MAX", "min", "x"])] + g.pick(["COUNT", g.small(0, 20)], p=0.5)


def add(g):
    options = g.pick(["NX"], p=0.1) + g.pick(["XX"], ["GT"], ["LT"], ["CH"], p=0.12)
    return [key(g)] + (options + ["INCR", score(g), member(g)] if g.r.random() < 0.15 else options + pairs(g))


ROWS = {
    "ZADD": add,
    "ZADD ": lambda g: [g.r.choice(LEX)] + [a for _ in range(many(g)) for a in ("0", member(g))],
    "ZINCRBY": lambda g: [key(g), score(g), member(g)],
    "ZREM": lambda g: [any_key(g)] + [member(g) for _ in range(many(g))],
    "ZREMRANGEBYRANK": lambda g: [key(g), g.small(-20, 200), g.small(-20, 200)],
    "ZREMRANGEBYSCORE": lambda g: [key(g), end(g), end(g)],
    "ZREMRANGEBYLEX": lambda g: [g.r.choice(LEX), lex_end(g), lex_end(g)],
    "ZCARD": lambda g: [any_key(g)],
    "ZSCORE": lambda g: [any_key(g), member(g)],
    "ZMSCORE": lambda g: [any_key(g)] + [member(g) for _ in range(g.r.randint(1, 5))],
    "ZRANK": lambda g: [any_key(g), member(g)],
    "ZREVRANK": lambda g: [any_key(g), member(g)],
    "ZCOUNT": lambda g: [any_key(g), end(g), end(g)],
    "ZLEXCOUNT": lambda g: [g.r.choice(LEX), lex_end(g), lex_end(g)],
    "ZRANDMEMBER": lambda g: [any_key(g)] + g.r.choice([
        [], [g.small()], [g.small(), "WITHSCORES"], [2**63 - 1, "WITHSCORES"], [-2**63], [2**62], [g.small(), "x"]]),
    "ZSCAN": lambda g: [any_key(g), g.r.choice([0, 0, 0, 0, "x", ""]), "COUNT", g.r.choice([1000, 1000, 1000, 0, "x"])] +
    g.pick(["MATCH", g.r.choice(["m*", "*", "n1*"])], p=0.3),
    "ZRANGE": any_range,
    "ZRANGESTORE": range_store,
    "ZREVRANGE": lambda g: [key(g), g.small(), g.small()] + g.pick(["WITHSCORES"]),
    "ZRANGEBYSCORE": scores_range,
    "ZREVRANGEBYSCORE": scores_range,
    "ZRANGEBYLEX": lex_range,
    "ZREVRANGEBYLEX": lex_range,
    "ZPOPMIN": lambda g: [key(g)] + g.pick([g.small(0, 20)]),
    "ZPOPMAX": lambda g: [key(g)] + g.pick([g.small(0, 20)]),
    "ZMPOP": mpop,
    "BZPOPMIN": lambda g: [key(g) for _ in range(g.r.randint(1, 3))] + ["0.01"],
    "BZPOPMAX": lambda g: [key(g) for _ in range(g.r.randint(1, 3))] + ["0.01"],
    "BZMPOP": lambda g: ["0.01"] + mpop(g),
    "ZUNION": lambda g: combining(g, False),
    "ZINTER": lambda g: combining(g, False),
    "ZDIFF": lambda g: combining(g, False, False),
    "ZUNIONSTORE": lambda g: [key(g)] + combining(g, True),
    "ZINTERSTORE": lambda g: [key(g)] + combining(g, True),
    "ZDIFFSTORE": lambda g: [key(g)] + combining(g, True, False),
    "ZINTERCARD": lambda g: sources(g) + g.pick(["LIMIT", g.small(-1, 20)]),
    "SADD ": lambda g: [g.r.choice(SETS)] + [member(g) for _ in range(many(g))],
    "OBJECT ENCODING ": lambda g: [key(g)],
    "DEL ": lambda g: [key(g)],
}
OFTEN = {"ZADD", "ZADD ", "ZRANGE"}
SELDOM = {"ZDIFFSTORE", "ZINTERSTORE", "DEL ", "SADD ", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "ZREMRANGEBYSCORE"}
LAST_IS_TIME = {"BZPOPMIN", "BZPOPMAX"}


def number(x):
    """A reply's strings in which equal numbers are equal: 7.0 prints doubles with 17 digits, and keeps -0."""
    if isinstance(x, list):
        return [number(y) for y in x]
    text = x.encode() if isinstance(x, str) else x
    if isinstance(text, bytes) and text[:1] in b"-0123456789i":
        try:
            return float(text) + 0.0
        except ValueError:
            return x
    return float(x) + 0.0 if isinstance(x, float) else x


def canonical(args, raw, parsed):
    """None: as any other command."""
    name = args[0].upper()
    if not name.startswith((b"Z", b"BZ")):
        return None
    if name == b"ZRANDMEMBER":
        return type(parsed), isinstance(parsed, list) and len(parsed)
    return raw[:1] if isinstance(raw, bytes) else None, number(parsed)


def newer(words, args, left, right):
    """True where 7.2 answers otherwise than 7.0, as it should."""
    if words[0] in (b"ZRANK", b"ZREVRANK"):  # WITHSCORE
        return len(args) > 3 and isinstance(right, resp.Error)
    if words[:2] == [b"OBJECT", b"ENCODING"] and {left, right} == {b"listpack", b"skiplist"}:
        # A ZADD of more than 128 members, though some are the same, makes a skiplist; there, so does a SORT,
        # which is never of these keys.
        return left == b"skiplist" or not args[2].startswith((b"z:", b"lex:"))
    return False
