"""DUMP and RESTORE in the differential test: payloads made by hand, in every encoding that the reference
knows; and, at the end of a run, each value from the one server to the other."""

from tests.support import rdb

# Not what came after 7.0; no streams, as what the nodes of one are made of shows in how it is trimmed; nor a
# sorted set that is not sorted, which the reference believes.
LEFT_OUT = ("stream", "set_listpack", "zset_ziplist")
PAYLOADS = [p for name, p, _ in rdb.samples() if not name.startswith(LEFT_OUT) and "expires" not in name]


def payload(g):
    whole = g.r.choice(PAYLOADS)
    x = g.r.random()
    if x < 0.9:
        return whole
    at = g.r.randrange(len(whole))
    return whole[:at] if x < 0.95 else whole[:at] + bytes([whole[at] ^ 1 << g.r.randrange(8)]) + whole[at + 1:]


def restore(g):
    """Not the longest times to live: the sum with the present overflows there, and is refused here."""
    ttl, absolute = g.r.choice([(0, []), (0, []), (g.r.randrange(30000, 10**7), []), (2**62, []),
                                (g.far_at(1000), ["ABSTTL"]), (b"x", []), (-1, [])])
    return [g.key(), ttl, payload(g)] + absolute + g.pick(["REPLACE"], p=0.6) + g.pick(
        ["IDLETIME", g.integer()], ["FREQ", g.small(-2, 260)], ["x"], p=0.05)


ROWS = {
    "RESTORE": restore,
    "DUMP": lambda g: [g.key()],
}
OFTEN = {"RESTORE"}
COMMANDS = ["restore", "dump"]


def cross(a, b, key, to):
    """Each server's value of `key` goes to `to` on the other; what they said that is not OK, or None."""
    left, right = a.ask("DUMP", key), b.ask("DUMP", key)
    said = a.ask("RESTORE", to, 0, right, "REPLACE"), b.ask("RESTORE", to, 0, left, "REPLACE")
    return None if said == ("OK", "OK") else said
