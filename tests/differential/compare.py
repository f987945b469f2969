"""Sends the same commands to Stave and to redis-server and compares the replies, byte for byte.

What can't be equal is made so by rules that are written down here, each with its reason."""

import random
import re

from tests.differential import dumps
from tests.differential import geos
from tests.differential import hashes
from tests.differential import sets
from tests.differential import streams
from tests.differential import transactions
from tests.differential import zset
from tests.differential.generate import Generator
from tests.support import resp

BATCH = 50

# Replies that are each server's own: the time, its state, its texts of help.
OWN = re.compile(rb"(TIME|INFO|LOLWUT( VERSION)?|COMMAND( COUNT| LIST| DOCS)?|SLOWLOG (GET|LEN)|LATENCY (DOCTOR|LATEST|"
                 rb"HISTOGRAM)|CLIENT (ID|LIST|INFO)|(OBJECT|MEMORY|CLIENT|CONFIG|COMMAND|XINFO|XGROUP) HELP)$")


SCANS = {b"SCAN": 2, b"SSCAN": 3, b"HSCAN": 3, b"ZSCAN": 3}  # where COUNT is


def scanned(first, name, parsed):
    """The order is that of a hash table, and so is what comes when not everything fits in one call."""
    at = SCANS[first]
    if name[at - 1] != b"0" or name[at:at + 2] not in ([b"COUNT", b"1000"], [b"COUNT", b"10000"]):
        return type(parsed), len(parsed)
    if first in (b"HSCAN", b"ZSCAN"):
        second = parsed[1][1::2] if first == b"HSCAN" else zset.number(parsed[1][1::2])
        return [parsed[0], sorted(zip(parsed[1][::2], second))]
    return [parsed[0], sorted(parsed[1])]


def canonical(name, raw, parsed):
    """A form of the reply in which equal answers are equal."""
    first = name[0].upper()
    if isinstance(parsed, resp.Error):
        return raw
    if first in SCANS:
        return scanned(first, name, parsed)
    if zset.canonical(name, raw, parsed) is not None:
        return zset.canonical(name, raw, parsed)
    if first == b"KEYS":  # order is the hash table's own
        return sorted(parsed)
    if first == b"DUMP":  # any encoding will do: what restores from it is compared
        return type(parsed)
    if first.startswith(b"H") and hashes.canonical(name, raw, parsed):
        return hashes.canonical(name, raw, parsed)
    if first == b"CONFIG" and len(name) != 3:  # several names: in the order of a hash table
        return type(parsed)
    if OWN.match(b" ".join(name[:2]).upper()):
        return type(parsed)
    if first[:1] == b"S" and sets.canonical(name, parsed) is not None:
        return sets.canonical(name, parsed)
    if first[:1] == b"X":
        form = streams.canonical(name, parsed)
        return raw if form is NotImplemented else form
    return raw


def same_moment(args, left, right):
    """Times are taken when each server runs the command: some seconds apart at the most."""
    unit = {b"TTL": 1, b"EXPIRETIME": 1, b"PTTL": 1000, b"PEXPIRETIME": 1000}.get(args[0].upper())
    if not unit or not isinstance(left, int) or not isinstance(right, int):
        return False
    return left > 0 and right > 0 and abs(left - right) <= 20 * unit


def newer(args, left, right):
    """True where 7.2 answers otherwise than the reference's 7.0, as it should."""
    words = [w.upper() for w in args[:3]]
    if words[0][:1] == b"X":
        return streams.newer(args, left, right)
    if words[:2] == [b"COMMAND", b"GETKEYS"]:  # 7.0 wants two words after it
        return len(args) == 3
    if words[0] in (b"BITCOUNT", b"BITPOS"):  # 7.2 looks at the arguments before it looks for the key
        return isinstance(left, resp.Error) and (right in (0, -1) or str(right).startswith("WRONGTYPE"))
    if words[:2] == [b"OBJECT", b"ENCODING"]:  # 7.0 has no lists in one listpack, and no sets
        if (left, right) in ((b"listpack", b"quicklist"), (b"listpack", b"hashtable")):
            return True
        if (left, right) == (b"listpack", b"skiplist") and not args[2].startswith(b"z:"):
            return True  # SORT makes a skiplist of a sorted set there; keys of zset.py are never sorted
    if words[0] in (b"SORT", b"SORT_RO"):  # the reference looks at an errno of some number it read long before
        return isinstance(left, list) and isinstance(right, resp.Error) and "into double" in str(right)
    if words[:2] == [b"PFDEBUG", b"DECODE"]:  # the reference reads half an opcode at the end with what lies behind
        return isinstance(left, bytes) and isinstance(right, bytes) and right.startswith(left)
    return zset.newer(words, args, left, right)


def alike(args, left, right):
    """Are the two replies, each as (raw, parsed), the same, or different as they should be?"""
    if left[0] == right[0]:
        return True
    return canonical(args, *left) == canonical(args, *right) or newer(args, left[1], right[1]) or same_moment(
        args, left[1], right[1]) or geos.same(args, left[1], right[1])


def as_bytes(args):
    return [a if isinstance(a, bytes) else str(a).encode() for a in args]


class Mismatch(Exception):
    pass


def run_seed(seed, stave, reference, count, proto, family=None):
    """Runs `count` commands made from the seed; raises Mismatch with all that is needed to see it."""
    a, b = stave.connect(proto), reference.connect(proto)
    history = []
    try:
        for c in (a, b):
            c.call("FLUSHALL")
        g = Generator(random.Random(seed), focus=family)
        done = 0
        while done < count:
            batch = transactions.some(g, [as_bytes(g.command()) for _ in range(BATCH)])
            queue = transactions.Queue()
            data = b"".join(resp.encode(x) for x in batch)
            a.send_raw(data)
            b.send_raw(data)
            for args in batch:
                history.append(args)
                try:
                    left, right = a.raw_reply(), b.raw_reply()
                except EOFError:
                    raise Mismatch(describe(seed, proto, history, b"connection closed", b""))
                if args[0].upper() == b"RESET" and proto == 3 and len(args) == 1:
                    proto = 2  # RESET goes back to RESP2 on both
                queue.see(args, left[1])
                if not alike(args, left, right) and not queue.alike(args, left[1], right[1], alike):
                    raise Mismatch(describe(seed, proto, history, left[0], right[0]))
            done += BATCH
        final_state(seed, proto, history, a, b)
    finally:
        a.close()
        b.close()


def final_state(seed, proto, history, a, b):
    """Whatever the replies said, the data must be the same in the end."""
    for db in range(3):
        for c in (a, b):
            c.call("SELECT", db)
        keys = sorted(a.call("KEYS", "*"))
        if keys != sorted(b.call("KEYS", "*")):
            raise Mismatch("seed %d: keys of db %d differ at the end" % (seed, db))
        for k in keys:
            same_value(seed, k, a, b)
            said = dumps.cross(a, b, k, b"crossed")
            if said:
                raise Mismatch("seed %d: RESTORE of the other's %r: %r here, %r there" % (seed, k, *said))
            same_value(seed, b"crossed", a, b)


def same_value(seed, k, a, b):
    probes = [["GET", k], ["TYPE", k], ["OBJECT", "ENCODING", k], ["LRANGE", k, 0, -1], ["HGETALL", k],
              ["XRANGE", k, "-", "+"], ["XINFO", "STREAM", k, "FULL"], ["ZRANGE", k, 0, -1, "WITHSCORES"],
              ["SMEMBERS", k]]
    for probe in probes:
        left, right = [canonical(as_bytes(probe), x, x) for x in (a.ask(*probe), b.ask(*probe))]
        if left != right and not newer(as_bytes(probe), left, right):
            raise Mismatch("seed %d: at the end %r gives %r here, %r there" % (seed, probe, left, right))


def describe(seed, proto, history, left, right):
    touched = set(history[-1][1:])
    related = [h for h in history[:-1] if touched & set(h[1:])][-12:]
    lines = ["seed %d (RESP%d), command %d" % (seed, proto, len(history))]
    lines += ["  before: " + show(h) for h in related]
    lines += ["  command:   " + show(history[-1]), "  stave:     %s" % clip(left),
              "  reference: %s" % clip(right)]
    return "\n".join(lines)


def clip(raw):
    return repr(raw if len(raw) < 400 else raw[:200] + b" ... " + raw[-100:])


def show(args):
    text = " ".join(repr(a)[1:] if len(a) < 120 else repr(a[:100])[1:] + "...(%d)" % len(a)
                    for a in args)
    return text if len(text) < 600 else text[:500] + " ... (%d arguments)" % len(args)
