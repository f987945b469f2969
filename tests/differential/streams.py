"""Random commands for streams, and their replies in a form in which equal answers are equal.

IDs are given, or are the next ones after a moment far in the future, so that both servers make the
same. Idle times are either nearly nothing or at least a thousand seconds: nothing in between is asked
about.

7.2 makes the consumer of XREADGROUP, XCLAIM and XAUTOCLAIM in any case, 7.0 only when there is something
for it: consumers for whom nothing is pending are left out of every reply."""

from tests.support import resp

KEYS = [b"stream:0", b"stream:1", b"stream:2"]
GROUPS = [b"g", b"g", b"g2", b"group"]
CONSUMERS = [b"alice", b"bob", b"carol"]
FAR = 9999999999999  # beyond the clock: XADD * goes on from there, one by one
OLD = 10**6          # ms: older than a run may last


def key(g):
    return g.r.choice(KEYS) if g.r.random() < 0.95 else g.key()


def group(g):
    return g.r.choice(GROUPS) if g.r.random() < 0.97 else g.value()


def consumer(g):
    return g.r.choice(CONSUMERS) if g.r.random() < 0.97 else g.value()


def an_id(g):
    """Of an entry that may be there."""
    x = g.r.random()
    if x < 0.8:
        return "%d-%d" % (g.r.randint(1, 60), g.r.randrange(3))
    if x < 0.9:
        return "%d" % g.r.randint(0, 60)
    if x < 0.93:
        return "%d-%d" % (FAR, g.r.randrange(4))
    return g.r.choice(["0-0", "0", "0-1", "1-", "-", "+", "-1", "a", "", "1-2-3", "18446744073709551615",
                       "18446744073709551615-18446744073709551615", "18446744073709551616", "1-*", "*",
                       "01-2", "1-01", "+1", "1--1", " 1", "1-+2", "$", ">", "(5", "1-18446744073709551615"])


def new_id(g):
    x = g.r.random()
    if x < 0.55:
        return "%d-*" % g.r.randint(1, 60)
    other = an_id(g)
    return other if x < 0.97 and other != "*" and other[:4] != "1844" else "%d-1" % FAR


def bound(g):
    x = g.r.random()
    if x < 0.3:
        return g.r.choice(["-", "+"])
    return ("(" if x < 0.5 else "") + str(an_id(g))


def trim(g):
    approx = g.r.choice([[], [], ["="], ["~"], ["~"]])
    limit = ["LIMIT", g.small(0, 20)] if g.r.random() < (0.5 if approx == ["~"] else 0.03) else []
    if g.r.random() < 0.6:
        return ["MAXLEN"] + approx + [g.small(0, 15)] + limit
    # With ~, redis-server also looks at the IDs of a node's deleted entries, which are not known here.
    return ["MINID"] + (approx if approx != ["~"] else ["="]) + [an_id(g)] + limit


def count(g):
    return ["COUNT", g.small(-1, 12)]


def fields(g):
    n = 1 + g.r.randrange(3)
    names = g.r.choice([[b"f1", b"f2", b"f3"], [b"f1", b"f2", b"f3"], [b"a", b"1", g.value()[:50]]])
    return [a for i in range(n) for a in (names[i], g.value()[:100])]


def xadd(g):
    options = g.pick(["NOMKSTREAM"], p=0.1) + (trim(g) if g.r.random() < 0.25 else [])
    return [key(g)] + options + [new_id(g)] + fields(g)


def streams(g, ids):
    n = 1 if g.r.random() < 0.7 else 2
    return ["STREAMS"] + [key(g) for _ in range(n)] + [ids(g) for _ in range(n)]


def xreadgroup(g):
    def ids(g):
        return ">" if g.r.random() < 0.7 else g.r.choice(["0", "0", an_id(g)])
    return ["GROUP", group(g), consumer(g)] + g.pick(count(g), ["NOACK"], p=0.25) + streams(g, ids)


def idle(g):
    return g.r.choice([0, 0, OLD // 2, OLD * 2, -1, "x"])


def id_list(g):
    return [an_id(g) for _ in range(1 + g.r.randrange(4))]


def xclaim(g):
    return [key(g), group(g), consumer(g), idle(g)] + id_list(g) + g.pick(
        ["IDLE", g.r.choice([0, OLD, OLD * 3, -1, "x"])], ["TIME", g.r.choice([1000, "x", -5])],
        ["RETRYCOUNT", g.small(-1, 5)], ["FORCE"], ["JUSTID"], ["LASTID", an_id(g)], p=0.2)


def xpending(g):
    if g.r.random() < 0.3:
        return [key(g), group(g)]
    return [key(g), group(g)] + g.pick(["IDLE", idle(g)], p=0.2) + [bound(g), bound(g), g.small(-1, 10)] + (
        [consumer(g)] if g.r.random() < 0.3 else [])


def group_id(g):
    return g.r.choice(["0", "$", an_id(g), an_id(g)])


def last_id(g):
    """Never less than what was deleted: 7.2 refuses that, 7.0 does not."""
    return "%d-%d" % (FAR + 1, g.r.randint(5, 9)) if g.r.random() < 0.9 else g.r.choice(["x", "*", "+", "$", ""])


def entries_read(g):
    return g.pick(["ENTRIESREAD", g.small(-2, 30)], p=0.2)


TABLE = {
    "XADD": xadd,
    "XADD ": lambda g: [key(g)] + g.pick(trim(g), p=0.1) + ["%d-*" % g.r.randint(1, 70)] + fields(g),
    "XLEN": lambda g: [key(g)],
    "XRANGE": lambda g: [key(g), bound(g), bound(g)] + g.pick(count(g)),
    "XRANGE ": lambda g: [key(g), "-", "+"],
    "XREVRANGE": lambda g: [key(g), bound(g), bound(g)] + g.pick(count(g)),
    "XREAD": lambda g: g.pick(count(g), p=0.5) + streams(
        g, lambda g: g.r.choice(["0", "$", ">", an_id(g), an_id(g), an_id(g)])),
    "XREAD ": lambda g: g.r.choice([["BLOCK", "x"], ["BLOCK", -1], ["NOACK"], ["GROUP", "g", "c"], []]) +
    ["STREAMS"] + [key(g)] * g.r.randint(1, 3),
    "XDEL": lambda g: [key(g)] + id_list(g),
    "XTRIM": lambda g: [key(g)] + trim(g),
    "XSETID": lambda g: [key(g), last_id(g)] + g.pick(["ENTRIESADDED", g.small(-1, 60)],
                                                    ["MAXDELETEDID", an_id(g)], p=0.3),
    "XGROUP CREATE": lambda g: [key(g), group(g), group_id(g)] + g.pick(["MKSTREAM"]) + entries_read(g),
    "XGROUP SETID": lambda g: [key(g), group(g), group_id(g)] + entries_read(g),
    "XGROUP DESTROY": lambda g: [key(g), group(g)],
    "XGROUP CREATECONSUMER": lambda g: [key(g), group(g), consumer(g)],
    "XGROUP DELCONSUMER": lambda g: [key(g), group(g), consumer(g)],
    "XGROUP HELP": lambda g: [],
    "XREADGROUP": xreadgroup,
    "XACK": lambda g: [key(g), group(g)] + id_list(g),
    "XPENDING": xpending,
    "XCLAIM": xclaim,
    "XAUTOCLAIM": lambda g: [key(g), group(g), consumer(g), idle(g), bound(g)] + g.pick(
        ["COUNT", g.small(0, 8)], ["JUSTID"]),
    "XINFO STREAM": lambda g: [key(g)] + g.pick(["FULL"], p=0.5) + g.pick(count(g), p=0.3),
    "XINFO STREAM ": lambda g: [key(g), "FULL", "COUNT", 0],
    "XINFO GROUPS": lambda g: [key(g)],
    "XINFO CONSUMERS": lambda g: [key(g), group(g)],
    "XINFO HELP": lambda g: [],
    "DEL ": lambda g: [key(g)],
}
SELDOM = {"DEL ", "XGROUP DESTROY", "XGROUP SETID", "XSETID", "XGROUP HELP", "XINFO HELP"}
OFTEN = {"XADD", "XADD ", "XREADGROUP"}


# ---- replies --------------------------------------------------------------------------------------
def as_map(reply):
    """A map of RESP3, or its flat form."""
    if isinstance(reply, dict):
        return dict(reply)
    return {reply[i]: reply[i + 1] for i in range(0, len(reply), 2)}


def is_old(ms):
    return ms >= OLD // 2


def moment(ms):
    """A time of delivery: about now, or how long ago in half-seconds of a thousand."""
    return round(ms / (OLD // 2))


def full(reply):
    info = as_map(reply)
    info.pop(b"radix-tree-nodes")  # of a tree that is not here
    info.pop(b"radix-tree-keys")
    if b"entries" not in info:
        return info
    groups = []
    for g in info[b"groups"]:
        g = as_map(g)
        g[b"pending"] = [[p[0], p[1], moment(p[2]), p[3]] for p in g[b"pending"]]
        consumers = []
        for c in g[b"consumers"]:
            c = as_map(c)
            if not c[b"pel-count"]:
                continue
            c.pop(b"seen-time")
            c.pop(b"active-time", None)  # not in 7.0
            c[b"pending"] = [[p[0], moment(p[1]), p[2]] for p in c[b"pending"]]
            consumers.append(c)
        g[b"consumers"] = consumers
        groups.append(g)
    info[b"groups"] = groups
    return info


def canonical(args, reply):
    """The reply without what depends on the moment, or on 7.0 or 7.2; NotImplemented: compare bytes."""
    words = [w.upper() for w in args[:2]]
    if words[0] == b"XPENDING" and len(args) > 3:
        return [[p[0], p[1], is_old(p[2]), p[3]] for p in reply]
    if words == [b"XINFO", b"STREAM"]:
        return full(reply)
    if words == [b"XINFO", b"CONSUMERS"]:  # 7.0 has no "inactive"
        return [(as_map(c)[b"name"], as_map(c)[b"pending"]) for c in reply if as_map(c)[b"pending"]]
    if words == [b"XINFO", b"GROUPS"]:
        return [{k: v for k, v in as_map(g).items() if k != b"consumers"} for g in reply]
    if words == [b"XGROUP", b"CREATECONSUMER"]:
        return type(reply)
    return NotImplemented


def newer(args, left, right):
    """True where 7.2 answers otherwise than 7.0, as it should."""
    name, other = args[0].upper(), str(right)
    if not isinstance(right, resp.Error):
        return False
    if name in (b"XREAD", b"XREADGROUP"):  # 7.0 says "XREAD" of both; + is 7.4's
        return other.startswith("ERR Unbalanced XREAD list") and str(left).startswith("ERR Unbalanced '") or (
            b"+" in args and other.startswith("ERR Invalid stream ID"))
    return name == b"XSETID" and isinstance(left, resp.Error)  # it looks at what was deleted first
