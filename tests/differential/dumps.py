"""DUMP and RESTORE in the differential test: rows as generate.py has them. Payloads are made by hand
(tests/support/rdb.py); those that the reference's 7.0 cannot read are left out, and streams, whose
nodes it keeps as they come and Stave makes anew."""

from tests.support import rdb

PAYLOADS = [p for name, p, _ in rdb.samples() if p[-10] <= 10 and not name.startswith("stream")]


def payload(g):
    p = g.r.choice(PAYLOADS)
    if g.r.random() < 0.1:  # what no checksum lets through
        i = g.r.randrange(len(p))
        p = p[:i] + bytes([p[i] ^ 1 << g.r.randrange(8)]) + p[i + 1:]
    return p[:g.r.randrange(len(p))] if g.r.random() < 0.02 else p


def ttl(g):
    return g.r.choice([0, 0, 0, 0, 100000, 5000000, -1, "x", ""])


ROWS = {
    "DUMP": lambda g: [g.key()],
    "RESTORE": lambda g: [g.key(), ttl(g), payload(g)] + g.pick(
        ["REPLACE"], ["ABSTTL"], ["FREQ", g.r.choice([256, -1, "x", 5])], ["IDLETIME", g.r.choice([-1, "x", 0])],
        p=0.3),
    "RESTORE ": lambda g: [g.key(), 0, payload(g), "REPLACE"],
}
OFTEN = {"RESTORE "}


def canonical(parsed):
    """Payloads of equal values need not be equal: there is one, or there is none."""
    return type(parsed)
