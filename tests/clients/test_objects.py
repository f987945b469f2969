"""What is asked of keys of every type beside their values: DEBUG, MEMORY, OBJECT; and that all of it is the
same after the data was read anew from disk."""

import re
import time

from tests.clients.common import TYPES, cli, expect, fill

ENCODINGS = {"small:string": "embstr", "small:list": "listpack", "small:set": "listpack", "small:zset": "listpack",
             "small:hash": "listpack", "small:stream": "stream", "large:string": "raw", "large:list": "listpack",
             "large:set": "hashtable", "large:zset": "skiplist", "large:hash": "listpack",
             "large:stream": "stream"}


def digest(c, key):
    return c.call("DEBUG", "DIGEST-VALUE", key)[0]


def told(c, key):
    """What the server says of a key."""
    found = [c.call("OBJECT", "ENCODING", key), c.call("OBJECT", "REFCOUNT", key), c.call("PEXPIRETIME", key),
             c.call("MEMORY", "USAGE", key, "SAMPLES", 0), digest(c, key), c.call("DUMP", key)]
    return found + [re.findall(r"encoding:\S+ serializedlength:\d+", c.call("DEBUG", "OBJECT", key))]


def test_encodings(server):
    c = server.connect()
    keys = fill(c)
    expect({k: c.call("OBJECT", "ENCODING", k).decode() for k in keys}, ENCODINGS)
    for k in keys:
        text = c.call("DEBUG", "OBJECT", k)
        assert re.match(r"Value at:0x[0-9a-f]+ refcount:1 encoding:%s serializedlength:\d+ lru:\d+ "
                        r"lru_seconds_idle:\d+$" % ENCODINGS[k], text), text
        expect(c.call("OBJECT", "IDLETIME", k) <= 60, True)
    expect(c.call("OBJECT", "ENCODING", "nope"), None)
    expect(str(c.ask("DEBUG", "OBJECT", "nope")), "ERR no such key")


def test_reload_keeps(server):
    c = server.connect()
    keys = fill(c)
    for k in list(keys)[::2]:
        c.call("PEXPIREAT", k, 4102444800000)
    c.call("HPEXPIREAT", "large:hash", 4102444800000, "FIELDS", 1, "field:0001")
    c.call("HPEXPIREAT", "small:hash", 4102444800000, "FIELDS", 1, "field:0001")
    before = {k: told(c, k) for k in keys}, c.call("DEBUG", "DIGEST"), c.call("DBSIZE")
    expect(c.call("DEBUG", "RELOAD"), "OK")
    expect(({k: told(c, k) for k in keys}, c.call("DEBUG", "DIGEST"), c.call("DBSIZE")), before)
    assert c.call("DEBUG", "DIGEST") != "0" * 40
    c.call("FLUSHALL")
    expect(c.call("DEBUG", "DIGEST"), "0" * 40)


def test_digest_of_contents(server):
    """Values are equal, or not, whatever way they came to be."""
    c = server.connect()
    many = " ".join("x%d" % i for i in range(300))
    z = "z" * 10000
    equal = [
        ("RPUSH a 1 2 3", "LPUSH b 3 2 1"),
        ("RPUSH a 1 2", "RPUSH b 1 x 2", "LREM b 0 x"),
        ("SADD a 1 2 3", "SADD b 3 2 1"),
        ("SADD a 1 2 3", "SADD b 3 2 1 " + many, "SREM b " + many),
        ("ZADD a 1 x 2 y", "ZADD b 2 y 5 x", "ZADD b 1 x"),
        ("HSET a f v g w", "HSET b g w f v"),
        ("HSET a f v", "HSET b f v g w", "HPEXPIREAT b 1 FIELDS 1 g"),
        ("SET a " + z + z, "SETRANGE b 10000 " + z, "SETRANGE b 0 " + z),
        ("SET a xy", "APPEND b x", "APPEND b y"),
        ("XADD a 1-1 f v", "XADD b 1-1 f v"),
        ("XADD a 1-1 f v", "XGROUP CREATE a g 0", "XREADGROUP GROUP g c STREAMS a >", "COPY a b"),
        ("SET a x", "SET b x EX 1000"),
    ]
    different = [
        ("RPUSH a 1 2 3", "LPUSH b 3 1 2"),
        ("RPUSH a 1 1", "RPUSH b 1"),
        ("RPUSH a 1", "SET b 1"),
        ("SADD a 1 2", "SADD b 1 2 3"),
        ("SADD a x", "HSET b x x"),
        ("ZADD a 1 x 2 y", "ZADD b 1.5 x 2 y"),
        ("HSET a f v g w", "HSET b f w g v"),
        ("HSET a f v", "HSET b f v", "HPEXPIREAT b 4102444800000 FIELDS 1 f"),
        ("XADD a 1-1 f v", "XADD b 1-2 f v"),
        ("XADD a 1-1 f v", "XADD b 1-1 f v", "XGROUP CREATE b g 0"),
        ("XADD a 1-1 f v", "XGROUP CREATE a g 0", "COPY a b", "XGROUP CREATECONSUMER b g c"),
        ("XADD a 1-1 f v", "XGROUP CREATE a g 0", "COPY a b", "XREADGROUP GROUP g c STREAMS b >",
         "XGROUP SETID b g 0", "XGROUP CREATECONSUMER a g c"),
        ("SET a x", "SET b X"),
    ]
    for commands in equal + different:
        c.call("FLUSHALL")
        for command in commands:
            c.call(*command.split())
        assert (digest(c, "a") == digest(c, "b")) == (commands in equal), commands
        assert digest(c, "a") != b"0" * 40, commands


def test_memory_usage(server):
    c = server.connect()
    keys = fill(c, n=1000)
    for t in TYPES:
        small, large = [c.call("MEMORY", "USAGE", size + ":" + t) for size in ("small", "large")]
        assert 50 < small < 2000 and large > 50 * small / 3, (t, small, large)
        whole = c.call("MEMORY", "USAGE", "large:" + t, "SAMPLES", 0)
        assert 0.7 < large / whole < 1.4, (t, large, whole)
    expect(c.call("MEMORY", "USAGE", "nope"), None)
    expect(str(c.ask("MEMORY", "USAGE", "large:set", "SAMPLES", "-1")), "ERR syntax error")
    expect(len(keys), c.call("DBSIZE"))


def test_moved_keys(server):
    """COPY, RENAME, MOVE, RANDOMKEY and expire times."""
    c = server.connect()
    keys = fill(c)
    names = {k.encode() for k in keys}
    expect({c.call("RANDOMKEY") for _ in range(400)} <= names, True)
    for k in keys:
        before = digest(c, k)
        c.call("PEXPIRE", k, 100000)
        expect(c.call("COPY", k, k, "DB", 2), 1)
        expect(c.call("COPY", k, "copy"), 1)
        expect(c.call("COPY", k, "copy"), 0)
        assert 0 < c.call("PTTL", "copy") <= 100000
        expect(c.call("RENAMENX", "copy", k), 0)
        expect(c.call("RENAME", "copy", k), "OK")
        expect((digest(c, k), c.call("EXISTS", "copy")), (before, 0))
        expect(c.call("MOVE", k, 2), 0)
        c.call("SELECT", 2)
        expect((digest(c, k), c.call("TYPE", k)), (before, keys[k]))
        c.call("DEL", k)
        c.call("SELECT", 0)
        expect(c.call("MOVE", k, 2), 1)
        c.call("SELECT", 2)
        expect(digest(c, k), before)
        expect(c.call("PEXPIRE", k, 1), 1)
        time.sleep(0.003)
        expect((c.call("EXISTS", k), c.call("TYPE", k), c.call("OBJECT", "ENCODING", k)), (0, "none", None))
        c.call("SELECT", 0)
    expect(c.call("DBSIZE"), 0)


def test_lfu(server):
    """OBJECT FREQ, and --hotkeys, which needs it."""
    c = server.connect()
    keys = fill(c)
    expect("LFU" in cli(server, "OBJECT", "FREQ", "small:set"), True)
    c.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    try:
        for k in keys:
            expect(c.call("OBJECT", "FREQ", k) >= 0, True)
        expect("IDLETIME" in cli(server, "OBJECT", "HELP"), True)
        expect("LFU" in cli(server, "OBJECT", "IDLETIME", "small:set"), True)
        for _ in range(300):
            c.call("LLEN", "large:list")
        assert "large:list" in cli(server, "--hotkeys"), cli(server, "--hotkeys")
    finally:
        c.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
