"""Random commands on HyperLogLogs: a few keys of their own, whose bytes are compared with GET, and now and
then a key of another kind."""


def key(g):
    return g.key() if g.r.random() < 0.1 else b"hll:%d" % g.r.randrange(5)


def elements(g):
    """Sometimes so many that the value becomes dense."""
    top = 10 ** g.r.randrange(1, 7)
    n = g.r.choice([0, 1, 1, 2, 3, 5, 30, 300, 1000])
    return [g.value() if g.r.random() < 0.05 else str(g.r.randrange(top)) for _ in range(n)]


ROWS = {
    "PFADD": lambda g: [key(g)] + elements(g),
    "PFCOUNT": lambda g: [key(g) for _ in range(g.r.choice([1, 1, 1, 2, 4]))],
    "PFMERGE": lambda g: [key(g) for _ in range(g.r.choice([1, 2, 2, 3, 5]))],
    "PFDEBUG": lambda g: [g.r.choice(["ENCODING", "DECODE", "GETREG", "TODENSE", "nope"]), key(g)],
    "GET  ": lambda g: [key(g)],
    "DEL  ": lambda g: [key(g)],
}
OFTEN = {"PFADD"}
