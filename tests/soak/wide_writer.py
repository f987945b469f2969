"""The soak's writer of what the torture has none of: bitmaps, HyperLogLogs, places, collections of thousands of
elements, large values, keys and fields with a deadline that is known, copies, dumps, a database of its own that is
flushed now and then, and a channel on which every message it publishes must arrive."""

import random
import time

from tests.torture.model_writer import ModelWriter

MANY = 3000          # elements of a large collection
TEXT = 20000         # bytes of a string that is written in the middle
BITS = 60000
LARGE = 4 << 20      # a value, now and then
SLACK_MS = 1500      # a deadline so near may be seen either way
LATEST_MS = 120000   # deadlines
MORTALS = 300        # keys that have one

NOISE = random.Random(1).randbytes(LARGE + (1 << 16))  # values are pieces of it: no compression makes them smaller


def noise(piece):
    at, size = piece
    return NOISE[at:at + size]


def geohash_error(a, b):
    return max(abs(float(x) - float(y)) for x, y in zip(a, b))


class Model:
    """What the database holds. Values that are pieces of NOISE are kept as (place, length)."""

    def __init__(self):
        self.flushdb()

    def flushdb(self):
        self.bits, self.text = bytearray(), bytearray()
        self.hll, self.set, self.places, self.hash, self.zset = set(), set(), {}, {}, {}
        self.list = []
        self.large, self.mortal, self.fields = {}, {}, {}

    def apply(self, op):
        getattr(self, op[0])(*op[1:])

    def setbit(self, at, bit):
        self.bits.extend(bytes(max(0, at // 8 + 1 - len(self.bits))))
        if bit:
            self.bits[at // 8] |= 128 >> at % 8
        else:
            self.bits[at // 8] &= ~(128 >> at % 8)

    def setrange(self, at, piece):
        self.text.extend(bytes(max(0, at - len(self.text))))
        self.text[at:at + piece[1]] = noise(piece)

    def pfadd(self, *members):
        self.hll.update(members)

    def geoadd(self, member, x, y):
        self.places[member] = (x, y)

    def sadd(self, *members):
        self.set.update(members)

    def spop_some(self, *members):
        self.set.difference_update(members)

    def hset(self, *pairs):
        self.hash.update(zip(pairs[::2], pairs[1::2]))

    def hdel(self, *fields):
        for f in fields:
            self.hash.pop(f, None)

    def zadd(self, *pairs):
        self.zset.update(zip(pairs[1::2], pairs[::2]))

    def zremrangebyscore(self, low, high):
        self.zset = {m: s for m, s in self.zset.items() if not low <= s <= high}

    def rpush(self, *values):
        self.list.extend(values)

    def lset(self, at, value):
        self.list[at] = value

    def ltrim(self, first):
        del self.list[:first]

    def set_large(self, name, piece):
        self.large[name] = piece

    def copy(self, name, to):
        if name in self.large:
            self.large[to] = self.large[name]

    def remove_large(self, name):
        self.large.pop(name, None)

    def expires(self, name, at):
        self.mortal[name] = at

    def field_expires(self, field, at):
        self.fields[field] = at

    def drop(self, name):
        setattr(self, name, type(getattr(self, name))())

    def publish(self):
        """Nothing is kept of it."""

    def settle(self, found):
        self.mortal = {n: at for n, at in self.mortal.items() if n in found["mortal"]}
        self.fields = {f: at for f, at in self.fields.items() if f in found["fields"]}

    def differs(self, found):
        """The first part whose contents are others, with both."""
        for name in ("bits", "text", "set", "hash", "zset", "list"):
            if getattr(self, name) != found[name]:
                return name, getattr(self, name), found[name]
        for name, piece in self.large.items():
            if found["large"].get(name) != noise(piece):
                return "large", (name, piece), "another one, or none"
        if set(found["large"]) != set(self.large):
            return "large", sorted(self.large), sorted(found["large"])
        if abs(len(self.hll) - found["hll"]) > 20 + len(self.hll) / 20:
            return "hll", len(self.hll), found["hll"]
        if set(self.places) != set(found["places"]) or any(
                geohash_error(self.places[m], p) > 1e-4 for m, p in found["places"].items()):
            return "places", self.places, found["places"]
        for name in ("mortal", "fields"):
            deadlines = getattr(self, name)
            early = {n for n, at in deadlines.items() if at > found["end"] + SLACK_MS} - set(found[name])
            late = {n for n in found[name] if deadlines.get(n, 0) < found["begin"] - SLACK_MS}
            if early or late:
                return name, ("gone too early", sorted(early)), ("not gone, or never written", sorted(late))
        return None


def now_ms():
    return int(time.time() * 1000)


class WideWriter(ModelWriter):
    """Keys lie in a database of its own."""

    def __init__(self, number, seed):
        super().__init__(number, seed * 1000 + 700 + number, Model())
        self.db = number + 1
        self.published = 0

    def connect(self, server):
        c = super().connect(server)
        c.call("SELECT", self.db)
        self.channel = "channel:%d" % self.number
        self.hearer = super().connect(server)
        self.hearer.call("SUBSCRIBE", self.channel)
        self.heard = self.published
        return c

    def pipeline(self, c):
        """Its own, and then the messages of it, in order. One that was sent when the connection broke may be
        heard or not; so hearing begins anew with each connection."""
        if not super().pipeline(c):
            return False
        while self.heard < self.published:
            self.heard += 1
            message = self.hearer.reply()
            if message[2] != b"%d" % self.heard:
                self.errors.append("message %r instead of number %d" % (message, self.heard))
                return False
        return True

    def operation(self):
        self.count += 1
        r = self.random.random()
        if r < 0.0005:
            return ("flushdb",), ["FLUSHDB"]
        if r < 0.003:
            name = self.random.choice(("bits", "text", "hll", "set", "places", "hash", "zset", "list"))
            return ("drop", name), [self.random.choice(("DEL", "UNLINK")), name]
        if r < 0.05:
            self.published += 1
            return ("publish",), ["PUBLISH", self.channel, self.published]
        return self.random.choice((self.on_strings, self.on_large, self.on_members, self.on_hash, self.on_zset,
                                   self.on_list, self.on_mortal, self.on_mortal))()

    def piece(self, size):
        return self.random.randrange(1 << 16), self.random.randrange(1, size)

    def on_strings(self):
        if self.random.random() < 0.5:
            at, bit = self.random.randrange(BITS), self.random.randrange(2)
            return ("setbit", at, bit), ["SETBIT", "bits", at, bit]
        at, piece = self.random.randrange(TEXT), self.piece(300)
        return ("setrange", at, piece), ["SETRANGE", "text", at, noise(piece)]

    def on_large(self):
        name, other = (b"large:%d" % self.random.randrange(8) for _ in range(2))
        r = self.random.random()
        if r < 0.1:
            return ("remove_large", name), ["UNLINK", name]
        if r < 0.3 and name != other:
            return ("copy", name, other), ["COPY", name, other, "REPLACE"]
        piece = self.piece(LARGE if r > 0.98 else 20000 if r > 0.6 else 2000)
        return ("set_large", name, piece), ["SET", name, noise(piece)]

    def on_members(self):
        r = self.random.random()
        members = [b"member:%d" % self.random.randrange(MANY * 3) for _ in range(self.random.randint(1, 10))]
        if r < 0.2:
            return ("pfadd", *members), ["PFADD", "hll"] + members
        if r < 0.4:
            x, y = self.random.uniform(-179, 179), self.random.uniform(-80, 80)
            return ("geoadd", members[0], x, y), ["GEOADD", "places", x, y, members[0]]
        if r < 0.7:
            return ("sadd", *members), ["SADD", "set"] + members
        return ("spop_some", *members), ["SREM", "set"] + members

    def on_hash(self):
        fields = [b"f%d" % self.random.randrange(MANY) for _ in range(self.random.randint(1, 10))]
        if self.random.random() < 0.7:
            flat = [x for f in fields for x in (f, self.value(0.8))]
            return ("hset", *flat), ["HSET", "hash"] + flat
        return ("hdel", *fields), ["HDEL", "hash"] + fields

    def on_zset(self):
        if self.random.random() < 0.1:
            low = self.random.randrange(1000)
            return ("zremrangebyscore", low, low + 50), ["ZREMRANGEBYSCORE", "zset", low, low + 50]
        flat = [x for _ in range(self.random.randint(1, 10))
                for x in (float(self.random.randrange(1000)), b"m%d" % self.random.randrange(MANY))]
        return ("zadd", *flat), ["ZADD", "zset"] + flat

    def on_list(self):
        n = len(self.now.list)
        if n > MANY:
            return ("ltrim", n // 2), ["LTRIM", "list", n // 2, -1]
        if n and self.random.random() < 0.3:
            at, value = self.random.randrange(n), self.value(0.8)
            return ("lset", at, value), ["LSET", "list", at, value]
        values = [self.value(0.8) for _ in range(self.random.randint(1, 10))]
        return ("rpush", *values), ["RPUSH", "list"] + values

    def on_mortal(self):
        """Deadlines near and far; a key without a deadline would be there for ever, so none is."""
        at = now_ms() + 100 + int(self.random.random() ** 4 * LATEST_MS)
        n = self.random.randrange(MORTALS)
        if self.random.random() < 0.5:
            name = b"mortal:%d" % n
            return ("expires", name, at), ["SET", name, self.value(), "PXAT", at]
        field = b"f%d" % n
        return ("field_expires", field, at), ["HSETEX", "fields", "PXAT", at, "FIELDS", 1, field, self.value()]

    def read(self, c):
        """What the database holds, found by walking it: a key that should not be there shows."""
        names = c.call("KEYS", "*")
        flat = {name: c.call("HGETALL", name) for name in ("hash", "fields")}
        pairs = {name: dict(zip(f[::2], f[1::2])) for name, f in flat.items()}
        scored = c.call("ZRANGE", "zset", 0, -1, "WITHSCORES")
        places = c.call("ZRANGE", "places", 0, -1)
        found = {"bits": bytearray(c.call("GET", "bits") or b""), "text": bytearray(c.call("GET", "text") or b""),
                 "set": set(c.call("SMEMBERS", "set")), "hash": pairs["hash"], "hll": c.call("PFCOUNT", "hll"),
                 "zset": {m: float(s) for m, s in zip(scored[::2], scored[1::2])},
                 "list": c.call("LRANGE", "list", 0, -1),
                 "large": {n: c.call("GET", n) for n in names if n.startswith(b"large:")},
                 "places": dict(zip(places, c.call("GEOPOS", "places", *places) if places else []))}
        found["begin"] = now_ms()
        found["fields"] = set(c.call("HKEYS", "fields"))
        found["mortal"] = {n for n in c.call("KEYS", "*") if n.startswith(b"mortal:")}
        found["end"] = now_ms()
        return found
