"""The torture's writer of collections: a hash with a counter, a queue that is moved to another list, sets, a
sorted set, a stream with a group, fields that expire. It notes the commands it has sent and plays them on a
model; after a restart what the server holds must be what the model holds after some of them, from the last
acknowledged on. So a command that changes two keys, or many elements, was done whole or not at all."""

from tests.torture.model_writer import NEAR_MS, ModelWriter

SOME = 400      # elements of a key: it is cut when there are more; packed ones have 128 at most
KINDS = ("hash", "queue", "done", "set", "other", "zset", "stream", "mortal")


class Model:
    """What the keys hold; one method for each command. A key without elements is not there, but a stream."""

    def __init__(self):
        self.hash, self.queue, self.done, self.zset, self.mortal = {}, [], [], {}, {}
        self.set, self.other = set(), set()
        self.stream = self.group = None  # entries and, of the group, what is pending: {id: fields}

    def apply(self, op):
        getattr(self, op[0])(*op[1:])

    def hset(self, *pairs):
        self.hash.update(zip(pairs[::2], pairs[1::2]))

    def hincrby(self):
        self.hash[b"counter"] = b"%d" % (int(self.hash.get(b"counter", 0)) + 1)

    def hdel(self, *fields):
        for f in fields:
            self.hash.pop(f, None)

    def rpush(self, *values):
        self.queue.extend(values)

    def lpush(self, *values):
        for v in values:
            self.queue.insert(0, v)

    def linsert(self, pivot, value):
        if pivot in self.queue:
            self.queue.insert(self.queue.index(pivot), value)

    def lrem(self, value):
        if value in self.queue:
            self.queue.remove(value)

    def lpop(self, n):
        del self.queue[:n]

    def lmove(self):
        if self.queue:
            self.done.append(self.queue.pop(0))

    def back(self):
        if self.done:
            self.queue.append(self.done.pop())

    def ltrim(self):
        del self.done[:-5]

    def rename(self):
        if self.queue:
            self.done, self.queue = self.queue, []

    def sadd(self, *members):
        self.set.update(members)

    def srem(self, *members):
        self.set.difference_update(members)

    def smove(self, member):
        if member in self.set:
            self.set.remove(member)
            self.other.add(member)

    def sunionstore(self):
        self.other = self.set | self.other

    def sdiffstore(self):
        self.set = self.set - self.other

    def zadd(self, *pairs):
        self.zset.update(zip(pairs[1::2], map(float, pairs[::2])))

    def zincrby(self, by, member):
        self.zset[member] = self.zset.get(member, 0.0) + by

    def zrem(self, *members):
        for m in members:
            self.zset.pop(m, None)

    def zpopmin(self, n):
        for m in self.ordered()[:n]:
            del self.zset[m[0]]

    def ordered(self):
        return sorted(self.zset.items(), key=lambda x: (x[1], x[0]))

    def xgroup(self):
        self.stream, self.group = {}, (0, {})

    def xadd(self, number, *fields):
        if self.stream is None:
            self.stream = {}
        self.stream[number] = list(fields)

    def xtrim(self, n):
        for number in sorted(self.stream or {})[:-n]:
            del self.stream[number]

    def xdel(self, number):
        (self.stream or {}).pop(number, None)

    def xreadgroup(self, n):
        last, pending = self.group
        for number in sorted(x for x in self.stream if x > last)[:n]:
            pending[number] = 1
            last = number
        self.group = (last, pending)

    def xack(self, *numbers):
        for number in numbers:
            self.group[1].pop(number, None)

    def hsetex(self, field, value):
        self.mortal[field] = (value, True)

    def hset_mortal(self, field, value):
        self.mortal[field] = (value, False)

    def delete(self, kind):
        setattr(self, kind, None if kind == "stream" else type(getattr(self, kind))())
        if kind == "stream":
            self.group = None

    def settle(self, found):
        """What has expired by now is as good as never written."""
        self.mortal = {f: (v, False) for f, v in found["mortal"].items()}

    def differs(self, found):
        """The first key whose contents are others, with both."""
        wanted = {k: getattr(self, k) for k in KINDS}
        wanted["zset"] = self.ordered()
        wanted["stream"] = (self.stream, self.group and sorted(self.group[1]))
        for kind in KINDS:
            if kind != "mortal" and wanted[kind] != found[kind]:
                return kind, wanted[kind], found[kind]
        for field, (value, mortal) in self.mortal.items():
            if found["mortal"].get(field, value if mortal else None) != value:
                return "mortal", self.mortal, found["mortal"]
        return None if set(found["mortal"]) <= set(self.mortal) else ("mortal", self.mortal, found["mortal"])


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def number_of(stream_id):
    return int(stream_id.split(b"-")[0])


class CollectionWriter(ModelWriter):
    def __init__(self, number, seed):
        super().__init__(number, seed * 1000 + 500 + number, Model())

    def key(self, kind):
        return b"c%d:%s" % (self.number, kind.encode())

    def member(self):
        return b"m%d" % self.random.randrange(SOME)

    def operation(self):
        """An operation of the model, and the command that does it."""
        self.count += 1
        make = self.random.choice((self.on_hash, self.on_list, self.on_list, self.on_set, self.on_zset, self.on_stream,
                                   self.on_mortal))
        if self.random.random() < 0.004:
            kind = self.random.choice(KINDS)
            return ("delete", kind), ["DEL", self.key(kind)]
        return make()

    def on_hash(self):
        h, r, v = self.key("hash"), self.random.random(), self.value()
        fields = [b"f%d" % self.random.randrange(SOME) for _ in range(3)]
        if r < 0.4:
            return ("hincrby",), ["HINCRBY", h, "counter", 1]
        if r < 0.8:
            flat = [x for f in fields for x in (f, v)]
            return ("hset", *flat), ["HSET", h] + flat
        return ("hdel", *fields), ["HDEL", h] + fields

    def on_list(self):
        q, d, r, v = self.key("queue"), self.key("done"), self.random.random(), self.value()
        queue = self.now.queue
        if len(queue) > SOME:
            return ("rename",), ["RENAME", q, d]
        if len(self.now.done) > SOME:
            return ("ltrim",), ["LTRIM", d, -5, -1]
        if r < 0.3:
            return ("rpush", v, v + b"'"), ["RPUSH", q, v, v + b"'"]
        if r < 0.4:
            return ("lpush", v, v + b"'"), ["LPUSH", q, v, v + b"'"]
        if r < 0.75 or not queue:
            if self.random.random() < 0.8:
                return ("lmove",), ["LMOVE", q, d, "LEFT", "RIGHT"]
            return ("back",), ["LMOVE", d, q, "RIGHT", "RIGHT"]
        at = self.random.choice(queue)
        if r < 0.85:
            return ("linsert", at, v), ["LINSERT", q, "BEFORE", at, v]
        if r < 0.95:
            return ("lrem", at), ["LREM", q, 1, at]
        return ("lpop", 2), ["LPOP", q, 2]

    def on_set(self):
        s, o, r = self.key("set"), self.key("other"), self.random.random()
        members = [self.member() for _ in range(3)]
        if r < 0.5:
            return ("sadd", *members), ["SADD", s] + members
        if r < 0.7:
            return ("srem", *members), ["SREM", s] + members
        if r < 0.9:
            return ("smove", members[0]), ["SMOVE", s, o, members[0]]
        if r < 0.97:
            return ("sunionstore",), ["SUNIONSTORE", o, s, o]
        return ("sdiffstore",), ["SDIFFSTORE", s, s, o]

    def on_zset(self):
        z, r = self.key("zset"), self.random.random()
        members = [self.member() for _ in range(3)]
        score = self.random.randrange(1000) / 4
        if r < 0.5:
            flat = [x for m in members for x in (score, m)]
            return ("zadd", *flat), ["ZADD", z] + flat
        if r < 0.8:
            return ("zincrby", score, members[0]), ["ZINCRBY", z, score, members[0]]
        if r < 0.9:
            return ("zrem", *members), ["ZREM", z] + members
        return ("zpopmin", 2), ["ZPOPMIN", z, 2]

    def on_stream(self):
        x, r, v = self.key("stream"), self.random.random(), self.value()
        entries, group = self.now.stream, self.now.group
        if entries is None:
            return ("xgroup",), ["XGROUP", "CREATE", x, "g", 0, "MKSTREAM"]
        if len(entries) > SOME:
            return ("xtrim", 100), ["XTRIM", x, "MAXLEN", 100]
        if r < 0.5 or not entries or not group:
            return ("xadd", self.count, b"f", v), ["XADD", x, b"%d-1" % self.count, "f", v]
        if r < 0.6:
            number = self.random.choice(list(entries))
            return ("xdel", number), ["XDEL", x, b"%d-1" % number]
        if r < 0.8 or not group[1]:
            return ("xreadgroup", 3), ["XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", x, ">"]
        numbers = self.random.sample(sorted(group[1]), min(3, len(group[1])))
        return ("xack", *numbers), ["XACK", x, "g"] + [b"%d-1" % n for n in numbers]

    def on_mortal(self):
        h, f, v = self.key("mortal"), b"f%d" % self.random.randrange(40), self.value()
        if self.random.random() < 0.5:
            return ("hsetex", f, v), ["HSETEX", h, "PX", NEAR_MS, "FIELDS", 1, f, v]
        return ("hset_mortal", f, v), ["HSET", h, f, v]

    def read(self, c):
        """What the keys hold. Counts and lookups must agree with walks."""
        found = {"hash": pairs(c.call("HGETALL", self.key("hash"))),
                 "mortal": pairs(c.call("HGETALL", self.key("mortal"))),
                 "queue": c.call("LRANGE", self.key("queue"), 0, -1),
                 "done": c.call("LRANGE", self.key("done"), 0, -1),
                 "set": set(c.call("SMEMBERS", self.key("set"))),
                 "other": set(c.call("SMEMBERS", self.key("other")))}
        for kind, count in (("hash", "HLEN"), ("mortal", "HLEN"), ("queue", "LLEN"), ("done", "LLEN"),
                            ("set", "SCARD"), ("other", "SCARD")):
            assert c.call(count, self.key(kind)) == len(found[kind]), "%s of %s" % (count, kind)
        z = self.key("zset")
        flat = c.call("ZRANGE", z, 0, -1, "WITHSCORES")
        found["zset"] = list(zip(flat[::2], map(float, flat[1::2])))
        assert c.call("ZCARD", z) == len(found["zset"]), "ZCARD"
        if flat:
            assert c.call("ZMSCORE", z, *flat[::2]) == flat[1::2], "ZMSCORE and ZRANGE differ"
            assert c.call("ZRANK", z, flat[-2]) == len(found["zset"]) - 1, "ZRANK"
        return dict(found, stream=self.read_stream(c))

    def read_stream(self, c):
        x = self.key("stream")
        if not c.call("EXISTS", x):
            return None, None
        entries = {number_of(i): fields for i, fields in c.call("XRANGE", x, "-", "+")}
        assert c.call("XLEN", x) == len(entries), "XLEN"
        if not c.call("XINFO", "GROUPS", x):
            return entries, None
        pending = [number_of(p[0]) for p in c.call("XPENDING", x, "g", "-", "+", 100000)]
        assert c.call("XPENDING", x, "g")[0] == len(pending), "XPENDING"
        return entries, pending
