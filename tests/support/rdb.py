"""RDB payloads built by hand: every encoding that redis-server ever made, for tests that RESTORE them.

Written from the descriptions of the formats and apart from src/rdb, so that each finds the other's
mistakes. `samples()` has one or more of each type, with the commands that make the same value."""

import struct

POLYNOMIAL = 0x95ac9329ac4bc9b5


def _table():
    table = []
    for b in range(256):
        for _ in range(8):
            b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
        table.append(b)
    return table


TABLE = _table()


def crc64(data):
    c = 0
    for b in data:
        c = TABLE[(c ^ b) & 255] ^ c >> 8
    return c


def payload(kind, body, version=10):
    """A whole payload: type, contents, footer."""
    p = bytes([kind]) + body + struct.pack("<H", version)
    return p + struct.pack("<Q", crc64(p))


def text(v):
    return v if isinstance(v, bytes) else str(v).encode()


def length(n):
    if n < 64:
        return bytes([n])
    if n < 1 << 14:
        return struct.pack(">H", 0x4000 | n)
    return b"\x80" + struct.pack(">I", n) if n < 1 << 32 else b"\x81" + struct.pack(">Q", n)


def string(v):
    v = text(v)
    return length(len(v)) + v


def number(v):
    """A string that is a number, in its short form."""
    for form, kind, limit in ((0, "<b", 7), (1, "<h", 15), (2, "<i", 31)):
        if -1 << limit <= v < 1 << limit:
            return bytes([0xc0 | form]) + struct.pack(kind, v)
    raise ValueError(v)


def ziplist(items):
    """Elements: numbers, or bytes."""
    out, tail, before = b"", 10, 0
    for v in items:
        e = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        if isinstance(v, int):
            if 0 <= v <= 12:
                e += bytes([0xf1 + v])
            elif -128 <= v < 128:
                e += b"\xfe" + struct.pack("<b", v)
            elif -1 << 15 <= v < 1 << 15:
                e += b"\xc0" + struct.pack("<h", v)
            elif -1 << 23 <= v < 1 << 23:
                e += b"\xf0" + struct.pack("<i", v)[:3]
            elif -1 << 31 <= v < 1 << 31:
                e += b"\xd0" + struct.pack("<i", v)
            else:
                e += b"\xe0" + struct.pack("<q", v)
        else:
            n = len(v)
            e += (bytes([n]) if n < 64 else struct.pack(">H", 0x4000 | n) if n < 1 << 14
                  else b"\x80" + struct.pack(">I", n)) + v
        tail = 10 + len(out)
        out += e
        before = len(e)
    return struct.pack("<IIH", 11 + len(out), tail, len(items)) + out + b"\xff"


def listpack(items):
    out = b""
    for v in items:
        if isinstance(v, int):
            if 0 <= v < 128:
                e = bytes([v])
            elif -4096 <= v < 4096:
                e = struct.pack(">H", 0xc000 | v & 0x1fff)
            else:
                for tag, size in ((0xf1, 2), (0xf2, 3), (0xf3, 4), (0xf4, 8)):
                    if -1 << size * 8 - 1 <= v < 1 << size * 8 - 1:
                        e = bytes([tag]) + struct.pack("<q", v)[:size]
                        break
        else:
            n = len(v)
            e = (bytes([0x80 | n]) if n < 64 else struct.pack(">H", 0xe000 | n) if n < 4096
                 else b"\xf0" + struct.pack("<I", n)) + v
        back, n = [], len(e)
        size = 1 if n < 128 else 2 if n < 16383 else 3 if n < 2097151 else 4
        for i in range(size):
            back.insert(0, n & 127 | (128 if i < size - 1 else 0))
            n >>= 7
        out += e + bytes(back)
    return struct.pack("<IH", 7 + len(out), min(len(items), 65535)) + out + b"\xff"


def intset(numbers, width):
    kind = {2: "h", 4: "i", 8: "q"}[width]
    return struct.pack("<II%d%s" % (len(numbers), kind), width, len(numbers), *sorted(numbers))


def zipmap(pairs):
    """Every value but the first has free bytes behind it."""
    out = bytes([min(len(pairs), 254)])
    for i, (f, v) in enumerate(pairs):
        free = min(i, 3)
        for s, tail in ((f, b""), (v, bytes([free]))):
            out += (bytes([len(s)]) if len(s) < 254 else b"\xfe" + struct.pack("<I", len(s))) + tail + s
        out += b"\0" * free
    return out + b"\xff"


def double_text(v):
    special = {"inf": 254, "-inf": 255}
    return bytes([special[v]]) if v in special else bytes([len(v)]) + v.encode()


def stream_id(ms, seq):
    return struct.pack(">QQ", ms, seq)


def ms_time(ms):
    return struct.pack("<Q", ms)


def stream_node(ms, seq, fields, entries):
    """Entries: (ms, seq, pairs, deleted); those with the node's fields are written without them."""
    live = sum(not e[3] for e in entries)
    items = [live, len(entries) - live, len(fields)] + list(fields) + [0]
    for ems, eseq, pairs, deleted in entries:
        same = [p[0] for p in pairs] == list(fields)
        entry = [(1 if deleted else 0) | (2 if same else 0), ems - ms, eseq - seq]
        if same:
            entry += [p[1] for p in pairs]
        else:
            entry.append(len(pairs))
            for p in pairs:
                entry += p
        items += entry + [len(entry)]
    return string(stream_id(ms, seq)) + string(listpack(items))


def stream(version, seen):
    """A stream of three entries (one deleted among them), two groups, and what is pending."""
    node = stream_node(1000, 1, [b"f", b"g"], [
        (1000, 1, [(b"f", 1), (b"g", b"two")], False),
        (1000, 2, [(b"f", 3), (b"g", 4)], True),
        (2000, 0, [(b"other", -5000)], False)])
    second = stream_node(3000, 7, [b"x"], [(3000, 7, [(b"x", b"y" * 100)], False)])
    body = length(2) + node + second + length(3) + length(3000) + length(7)
    if version >= 2:
        body += length(1000) + length(1) + length(1000) + length(2) + length(4)
    body += length(2)
    pending = stream_id(1000, 1) + ms_time(seen) + length(3) + stream_id(2000, 0) + ms_time(seen) + length(1)
    body += string("group") + length(2000) + length(0) + (length(3) if version >= 2 else b"")
    body += length(2) + pending + length(2)
    for name, ids in (("alice", [(1000, 1)]), ("bob", [(2000, 0)])):
        body += string(name) + ms_time(seen) + (ms_time(seen) if version >= 3 else b"")
        body += length(len(ids)) + b"".join(stream_id(*i) for i in ids)
    body += string("idle") + length(0) + length(0) + (length(0) if version >= 2 else b"")
    return body + length(0) + length(0)


def samples(now=1700000000000):
    """(name, payload, commands that make the same value of the key `k`)."""
    many = [b"a", b"", b"x" * 63, b"y" * 64, b"z" * 300, b"w" * 5000, 0, 12, 13, 127, 128, -1, -128, -129, 4095,
            4096, -4096, -4097, 32767, -32768, 32768, 8388607, -8388608, 8388608, 2147483647, -2147483648,
            2147483648, 9223372036854775807, -9223372036854775808, b"007", b"1.5", b"q" * 17000]
    pairs = [(b"a", b"1"), (b"b", b"y" * 300), (b"c" * 260, b""), (b"d", b"-5")]
    flat = [x for p in pairs for x in p]
    scores = [(b"a", 1), (b"b", b"1.5"), (b"c", -7), (b"d", b"inf"), (b"e", b"-inf"), (b"f", 100000)]
    zflat = [b"e", b"-inf", b"c", -7, b"a", 1, b"b", b"1.5", b"f", 100000, b"d", b"inf"]
    zadd = [["ZADD", "k"] + [x for m, s in scores for x in (s, m)]]
    rpush, hset = [["RPUSH", "k"] + many], [["HSET", "k"] + flat]
    odd = [1, 2, 70000, -5, 1 << 40]
    lzf = b"\xc3" + length(5) + length(29) + b"\x00a\xe0\x13\x00"
    threes = [x for p in pairs for x in (p[0], p[1], 0 if p[0] != b"b" else now)]
    out = [
        ("string", payload(0, string("hello")), [["SET", "k", "hello"]]),
        ("string_empty", payload(0, string("")), [["SET", "k", ""]]),
        ("string_8", payload(0, number(-7)), [["SET", "k", -7]]),
        ("string_16", payload(0, number(-700)), [["SET", "k", -700]]),
        ("string_32", payload(0, number(70000)), [["SET", "k", 70000]]),
        ("string_lzf", payload(0, lzf), [["SET", "k", "a" * 29]]),
        ("string_long", payload(0, string("m" * 20000)), [["SET", "k", "m" * 20000]]),
        ("list", payload(1, length(len(many)) + b"".join(map(string, many))), rpush),
        ("set", payload(2, length(3) + string("a") + number(5) + string("c")), [["SADD", "k", "a", 5, "c"]]),
        ("zset_text", payload(3, length(6) + b"".join(string(m) + double_text(text(s).decode()) for m, s in scores)),
         zadd),
        ("hash", payload(4, length(4) + b"".join(map(string, flat))), hset),
        ("zset_2", payload(5, length(6) + b"".join(string(m) + struct.pack("<d", float(s)) for m, s in scores)),
         zadd),
        ("zipmap", payload(9, string(zipmap(pairs))), hset),
        ("list_ziplist", payload(10, string(ziplist(many))), rpush),
        ("intset_2", payload(11, string(intset([1, -2, 30000], 2))), [["SADD", "k", 1, -2, 30000]]),
        ("intset_4", payload(11, string(intset([1, -2, 70000], 4))), [["SADD", "k", 1, -2, 70000]]),
        ("intset_8", payload(11, string(intset(odd, 8))), [["SADD", "k"] + odd]),
        ("zset_ziplist", payload(12, string(ziplist(zflat))), zadd),
        ("hash_ziplist", payload(13, string(ziplist(flat))), hset),
        ("quicklist", payload(14, length(3) + string(ziplist(many[:9])) + string(ziplist([])) +
                              string(ziplist(many[9:]))), rpush),
        ("hash_listpack", payload(16, string(listpack(flat))), hset),
        ("zset_listpack", payload(17, string(listpack(zflat))), zadd),
        ("quicklist_2", payload(18, length(3) + length(2) + string(listpack(many[:9])) + length(1) +
                                string(many[9]) + length(2) + string(listpack(many[10:]))), rpush),
        ("set_listpack", payload(20, string(listpack([b"a", 5, b"c"])), 11), [["SADD", "k", "a", 5, "c"]]),
        ("hash_expires_rc", payload(22, length(4) + b"".join(
            length(0 if f != b"b" else now) + string(f) + string(v) for f, v in pairs), 12),
         hset + [["HPEXPIREAT", "k", now, "FIELDS", 1, "b"]]),
        ("hash_listpack_expires_rc", payload(23, string(listpack(threes)), 12),
         hset + [["HPEXPIREAT", "k", now, "FIELDS", 1, "b"]]),
        ("hash_expires", payload(24, ms_time(now) + length(4) + b"".join(
            length(0 if f != b"b" else 1) + string(f) + string(v) for f, v in pairs), 12),
         hset + [["HPEXPIREAT", "k", now, "FIELDS", 1, "b"]]),
        ("hash_listpack_expires", payload(25, ms_time(now) + string(listpack(threes)), 12),
         hset + [["HPEXPIREAT", "k", now, "FIELDS", 1, "b"]]),
    ]
    for kind, version, rdb in ((15, 1, 9), (19, 2, 10), (21, 3, 11)):
        out.append(("stream_%d" % version, payload(kind, stream(version, now - 1000), rdb), None))
    return out
