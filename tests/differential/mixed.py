"""Commands of all families on the same few keys, so that each meets every type, and keys change theirs."""

KEYS = [b"mix:%d" % i for i in range(7)]
OWN = (b"z:", b"lex:", b"set:", b"l:", b"stream:", b"hll:", b"geo:", b"key:")  # what families' keys begin with

# Only on the families' own keys is what these do specified, or the same in both servers: ranges by bytes where
# scores differ; the order of what compares alike; a HyperLogLog that SETRANGE has damaged.
APART = ("ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZLEXCOUNT", "ZREMRANGEBYLEX", "SORT store", "PF", "GEOSEARCH", "GEORADIUS")
TABLE, ALL = {}, []  # every row of every other family, and how often: generate.py fills them in


def moved(g, arg):
    """The argument, or if it is a family's key one that all share."""
    if not isinstance(arg, bytes) or not arg.startswith(OWN) or b"*" in arg:
        return arg
    return g.r.choice(KEYS)


def any_command(g):
    name = g.r.choice(ALL)
    args = TABLE[name](g)
    if not name.startswith(APART) and "BYLEX" not in args:
        args = [moved(g, a) for a in args]
    return [w for w in name.split() if w.isupper()] + args


ROWS = {"any": any_command}
OFTEN = set()
# Not cut short, and nothing put behind it: it might be a time limit, or be nothing at all.
WHOLE = LAST_IS_TIME = {"any"}
