"""What the tests of this folder share."""

import subprocess
import time


class Skip(Exception):
    """Raised by a test that this machine cannot run, with the reason."""


def expect(found, wanted):
    assert found == wanted, "found %r, wanted %r" % (found, wanted)


def cli(server, *args, data=None, errors=False):
    """What redis-cli prints, with what it complains of if errors are wanted too."""
    out = subprocess.run(["redis-cli", "-p", str(server.port)] + [str(a) for a in args], input=data,
                         capture_output=True, text=True, timeout=60)
    return (out.stdout + (out.stderr if errors else "")).strip()


def wait_blocked(server, n):
    """Until n clients are blocked."""
    c = server.connect()
    end = time.time() + 60
    while b"blocked_clients:%d\r\n" % n not in c.call("INFO", "clients"):
        assert time.time() < end, "%d clients should be blocked" % n
        time.sleep(0.01)


# Of every type: packed, and more than is ever packed.
TYPES = ("string", "list", "set", "zset", "hash", "stream")


def fill(c, prefix="", n=300):
    """A small and a large key of each type: {name: type}, the names being "small:TYPE" and "large:TYPE"
    after the prefix. c: a connection of tests.support.resp."""
    for size, count in (("small", 3), ("large", n)):
        key = prefix + size + ":"
        c.call("SET", key + "string", "x" * count * 10)
        c.call("RPUSH", key + "list", *["value:%04d" % i for i in range(count)])
        c.call("SADD", key + "set", *["member:%04d" % i for i in range(count)])
        c.call("ZADD", key + "zset", *[x for i in range(count) for x in (i / 4, "member:%04d" % i)])
        c.call("HSET", key + "hash", *[x for i in range(count) for x in ("field:%04d" % i, i)])
        for i in range(1, count + 1):
            c.call("XADD", key + "stream", "%d-1" % i, "field", i)
        c.call("XGROUP", "CREATE", key + "stream", "g", "0")
        c.call("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", key + "stream", ">")
    return {prefix + size + ":" + t: t for size in ("small", "large") for t in TYPES}
