#!/usr/bin/python3
"""Large values: what they take while they are written and read, and that others are served meanwhile.
By default 64 MiB; STAVE_LARGE_MB=512 for the largest that Redis allows by default."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration.harness import (Stave, by_engine, expect, info, main, raw, rss,  # noqa: E402
                                       wait_until)

MB = 1 << 20
SIZE = int(os.environ.get("STAVE_LARGE_MB", "64")) * MB
PIECE = os.urandom(MB)
SLACK = 48 * MB  # spare chunks of the tail, a part of the value cache, the index of the chunks


def status(server, field):
    with open("/proc/%d/status" % server.process.pid) as f:
        return int(re.search(field + r":\s+(\d+)", f.read()).group(1)) << 10


class Peak:
    """The most memory that a server had within a block, beyond what it had before."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.before = status(self.server, "VmRSS")
        with open("/proc/%d/clear_refs" % self.server.process.pid, "w") as f:
            f.write("5")
        return self

    def __exit__(self, *_):
        self.more = status(self.server, "VmHWM") - self.before


def send(s, *args):
    """A command whose last argument is SIZE bytes of PIECE, again and again."""
    head = b"*%d\r\n" % (len(args) + 1)
    for a in args:
        a = str(a).encode()
        head += b"$%d\r\n%s\r\n" % (len(a), a)
    s.sendall(head + b"$%d\r\n" % SIZE)
    for _ in range(SIZE // MB):
        s.sendall(PIECE)
    s.sendall(b"\r\n")


def line(s):
    got = b""
    while not got.endswith(b"\n"):
        byte = s.recv(1)
        assert byte, "closed"
        got += byte
    return got.strip()


def take(s, piece=PIECE):
    """Reads a bulk of SIZE bytes and compares it."""
    expect(line(s), b"$%d" % SIZE)
    for i in range(SIZE // MB):
        got = bytearray()
        while len(got) < MB:
            part = s.recv(MB - len(got))
            assert part, "closed"
            got += part
        assert bytes(got) == piece, "MiB %d is not what was written" % i
    expect(line(s), b"")


def test_written_and_read_once_in_memory():
    with Stave() as server:
        s = raw(server.port)
        for round in ("new", "over"):
            with Peak(server) as peak:
                send(s, "SET", "k")
                expect(line(s), b"+OK")
            assert peak.more < SIZE + SLACK, "%s: %d MiB" % (round, peak.more // MB)
        with Peak(server) as peak:
            s.sendall(b"GET k\r\n")
            take(s)
        assert peak.more < SIZE + SLACK, "GET: %d MiB" % (peak.more // MB)
        send(s, "SETEX", "k", 1000)
        expect(line(s), b"+OK")
        send(s, "GETSET", "k")
        take(s)
        s.close()


def test_other_commands_hold_it_once():
    """Whatever takes a large value alone gives its bytes back as they go to the log; whatever shows one
    does not put it together first."""
    with Stave() as server:
        s = raw(server.port)
        for args, reply in ((("APPEND", "a"), b":%d" % SIZE), (("SETRANGE", "b", 0), b":%d" % SIZE),
                            (("MSET", "c", "1", "d"), b"+OK"), (("HSET", "e", "f"), b":1"),
                            (("HSET", "e", "f"), b":0"), (("RPUSH", "g"), b":1")):
            with Peak(server) as peak:
                send(s, *args)
                expect(line(s), reply)
            assert peak.more < SIZE + SLACK, "%s: %d MiB" % (args, peak.more // MB)
        for args in (("GET", "a"), ("GET", "b"), ("GET", "d"), ("HGET", "e", "f"), ("LINDEX", "g", "0")):
            with Peak(server) as peak:
                s.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a.encode()) for a in args))
                take(s)
            assert peak.more < SIZE + SLACK, "%s: %d MiB" % (args, peak.more // MB)
        s.close()


def test_survives_a_kill():
    with Stave() as server:
        s = raw(server.port)
        send(s, "SET", "k")
        expect(line(s), b"+OK")
        server.kill()
        server.start()
        s = raw(server.port)
        s.sendall(b"GET k\r\n")
        take(s)
        s.close()


def test_always_too():
    with Stave({"appendfsync": "always"}) as server:
        s = raw(server.port)
        send(s, "SET", "k")
        expect(line(s), b"+OK")
        server.kill()
        server.start()
        expect(server.connect().call("STRLEN", "k"), SIZE)


def test_slowlog_and_scripts_and_transactions_see_it_whole():
    with Stave({"slowlog-log-slower-than": "0"}) as server:
        c = server.connect(timeout=600)
        value = PIECE * 12
        expect(c.call("SET", "k", value), "OK")
        entry = next(e for e in c.call("SLOWLOG", "GET", "10") if e[3][0] == b"SET")
        assert entry[3][2].startswith(PIECE[:128].split(b"\0")[0][:1]), entry[3][2][:40]
        expect(c.call("MULTI"), "OK")
        c.call("SET", "k", value)
        c.call("SET", "k2", value)
        c.call("GET", "k")
        expect(c.call("EXEC"), ["OK", "OK", value])
        expect(c.call("MSET", "a", value, "b", value), "OK")
        expect(c.call("MGET", "a", "b"), [value, value])
        expect(c.call("GET", "k2"), value)


def test_monitor_shows_it_whole():
    with Stave() as server:
        m, c = raw(server.port), server.connect(timeout=600)
        m.sendall(b"MONITOR\r\n")
        expect(line(m), b"+OK")
        c.call("SET", "k", b"x" * (10 * MB))
        got = bytearray()
        while not got.endswith(b"\n"):
            got += m.recv(MB)
        assert b'"SET" "k" "' + b"x" * (10 * MB) + b'"' in got, got[:200]


def test_announced_but_not_sent():
    with Stave({"proto-max-bulk-len": "2gb"}) as server:
        before = rss(server.process.pid)
        hostile = [raw(server.port) for _ in range(20)]
        for s in hostile:
            s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\nx" % (1 << 30))
        c = server.connect()
        expect(c.call("SET", "small", "1"), "OK")
        assert rss(server.process.pid) - before < 32 * MB
        for s in hostile:
            s.close()


def test_memory_comes_back():
    with Stave(by_engine(bitcask={"value-cache-size": "1mb"}, lsm={"memtable-size": "1mb",
                                                                              "block-cache-size": "1mb"})) as server:
        before = status(server, "RssAnon")
        s = raw(server.port)
        s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % SIZE)
        for _ in range(SIZE // MB - 1):
            s.sendall(PIECE)
        wait_until(lambda: status(server, "RssAnon") - before > SIZE - 8 * MB, "it has been read")
        s.close()  # half a command
        wait_until(lambda: status(server, "RssAnon") - before < 24 * MB, "input is freed")
        s = raw(server.port)
        send(s, "SET", "k")
        expect(line(s), b"+OK")
        s.sendall(b"GET k\r\n" * 2)
        time.sleep(0.5)
        s.close()  # unread output
        c = server.connect()
        c.call("FLUSHALL")
        wait_until(lambda: info(c, "used_memory") < 32 * MB, "all is freed")


if __name__ == "__main__":
    sys.exit(main(globals()))
