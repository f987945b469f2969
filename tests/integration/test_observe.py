#!/usr/bin/python3
"""What operators look at, on the real server: LATENCY's events and reports, MEMORY's."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration.harness import Process, expect, expect_error, free_port, info, main, wait_until  # noqa: E402


def with_server(test, *args):
    with tempfile.TemporaryDirectory(prefix="stave-test-") as d:
        port = free_port()
        with Process("--port", port, "--dir", d, "--enable-debug-command", "yes", *args) as p:
            c = p.connect(port)
            test(c, lambda: p.connect(port))
            c.close()


def latest(c):
    return {e[0].decode(): e[1:] for e in c.call("LATENCY", "LATEST")}


def test_latency_events():
    def run(c, connect):
        c.call("DEBUG", "SLEEP", "0.02")
        expect(c.call("LATENCY", "LATEST"), [], "nothing is noted while the threshold is 0")
        assert b"monitor" in c.call("LATENCY", "DOCTOR")
        c.call("CONFIG", "SET", "latency-monitor-threshold", 10)
        c.call("DEBUG", "SLEEP", "0.02")
        c.call("DEBUG", "SLEEP", "0.005")
        found = latest(c)
        second, ms, most = found.pop("command")
        assert 20 <= ms < 10000 and most == ms, (ms, most)
        assert found.keys() <= {"aof-write", "aof-write-alone", "fsync", "expire-cycle"}, found
        expect(c.call("LATENCY", "HISTORY", "command"), [[second, ms]])
        expect(c.call("LATENCY", "HISTORY", "nosuch"), [])
        assert c.call("LATENCY", "GRAPH", "command").startswith(b"command - high %d ms, low %d ms" % (ms, ms))
        expect_error(c.ask("LATENCY", "GRAPH", "nosuch"), "ERR No samples available for event 'nosuch'")
        assert b"SLOWLOG" in c.call("LATENCY", "DOCTOR")
        expect(c.call("LATENCY", "RESET", "nosuch"), 0)
        expect(c.call("LATENCY", "RESET", "command"), 1)
        assert "command" not in latest(c)
        # the engine's paths
        c.call("CONFIG", "SET", "latency-monitor-threshold", 1)
        c.call("SET", "a", "b")
        c.call("DEBUG", "RELOAD")
        assert latest(c)["recovery"][1] >= 1
        c.call("CONFIG", "SET", "latency-monitor-threshold", 0)
        c.call("LATENCY", "RESET")
        c.call("DEBUG", "SLEEP", "0.02")
        expect(c.call("LATENCY", "LATEST"), [])
    with_server(run)


def test_unblocking_is_an_event():
    """A blocked command that does long work when it is woken is told apart from the one that woke it."""
    def run(c, connect):
        c.call("CONFIG", "SET", "latency-monitor-threshold", 1)
        waiting = [connect() for _ in range(300)]
        for w in waiting:
            w.send("BLMPOP", 0, 1, "q", "LEFT", "COUNT", 1000)
        while info(c, "blocked_clients") < len(waiting):
            pass
        c.call("MULTI")
        for i in range(300):
            c.call("RPUSH", "q", *["x" * 200] * 1000)
        c.call("EXEC")
        for w in waiting:
            expect(len(w.reply()[1]), 1000)
        assert "command-unblocking" in latest(c), latest(c)
    with_server(run)


def test_memory_adds_up():
    """MEMORY STATS is one account, and INFO memory shows the same."""
    def run(c, connect):
        for i in range(2000):
            c.send("SET", "k%d" % i, "v" * 100)
        for i in range(2000):
            c.reply()
        c.call("SELECT", 3)
        c.call("SET", "k", "v")
        flat = c.call("MEMORY", "STATS")
        m = dict(zip(flat[::2], flat[1::2]))
        parts = sum(m[n] for n in (b"startup.allocated", b"clients.normal", b"aof.buffer", b"engine.caches",
                                   b"freed.bytes", b"lua.caches", b"lua.states", b"functions.caches",
                                   b"replication.backlog", b"clients.slaves"))
        expect(m[b"overhead.total"], parts)
        expect(m[b"dataset.bytes"], m[b"total.allocated"] - m[b"overhead.total"])
        expect(m[b"dataset.bytes"], m[b"engine.index"] + m[b"other.bytes"])
        assert m[b"other.bytes"] < 1 << 20, m
        expect(m[b"keys.count"], 2001)
        assert m[b"keys.bytes-per-key"] == (m[b"total.allocated"] - m[b"startup.allocated"]) // 2001
        assert b"db.0" in m and b"db.3" in m and b"db.1" not in m
        expect(m[b"startup.allocated"], info(c, "used_memory_startup"))
        near = info(c, "used_memory_overhead")
        assert abs(near - m[b"overhead.total"]) < 1 << 20, (near, m)
        expect(c.call("MEMORY", "PURGE"), "OK")
        assert c.call("MEMORY", "DOCTOR").startswith(b"Hello")
        assert b"jemalloc" in c.call("MEMORY", "MALLOC-STATS") or b"not supported" in c.call("MEMORY", "MALLOC-STATS")
        c.send("SET", "large", "v" * (64 << 20))
        c.send("DEL", "large")
        c.send("MEMORY", "STATS")  # what the first two took may not have gone yet
        expect([c.reply(), c.reply()], ["OK", 1])
        flat = c.reply()
        m = dict(zip(flat[::2], flat[1::2]))
        assert m[b"other.bytes"] < 1 << 20, m
    with_server(run)


def test_client_kill_maxage():
    def run(c, connect):
        old = connect()
        old.call("PING")
        for bad, error in (("x", "ERR maxage is not an integer or out of range"),
                           ("0", "ERR maxage should be greater than 0")):
            expect_error(c.ask("CLIENT", "KILL", "MAXAGE", bad), error)
        expect(c.call("CLIENT", "KILL", "MAXAGE", 1000), 0)
        wait_until(lambda: c.call("CLIENT", "KILL", "MAXAGE", 1) == 1, "a client of one second")
        young = connect()
        expect(c.call("CLIENT", "KILL", "MAXAGE", 100), 0)
        expect(young.call("PING"), "PONG")
    with_server(run)


def test_debug_of_test_suites():
    """What other suites' helpers call: keys in bulk, a look at encodings, ends that lose nothing."""
    def run(c, connect):
        c.call("SET", "p:1", "mine")
        expect(c.call("DEBUG", "POPULATE", 5000, "p", 20), "OK")
        expect(c.call("DBSIZE"), 5000)
        expect(c.call("GET", "p:1"), b"mine")
        expect(c.call("GET", "p:4999"), b"value:4999" + b"\0" * 10)
        expect_error(c.ask("DEBUG", "POPULATE", "x"), "ERR value is out of range, must be positive")
        c.call("RPUSH", "l", *["x" * 100] * 1000)
        c.call("HSET", "h", "f", "v")
        assert c.call("DEBUG", "LISTPACK", "h").startswith("Listpack")
        assert c.call("DEBUG", "QUICKLIST", "l").startswith("Quicklist")
        expect_error(c.ask("DEBUG", "QUICKLIST", "h"), "ERR Not a quicklist encoded object.")
        expect_error(c.ask("DEBUG", "LISTPACK", "nosuch"), "ERR no such key")
        assert "key_sds_len:3" in c.call("DEBUG", "SDSLEN", "p:1")
        assert b"number of elements: 5002" in c.call("DEBUG", "HTSTATS", 0)
    with_server(run)


def test_debug_panic_loses_nothing():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as d:
        port = free_port()
        for i, end in enumerate(("PANIC", "SEGFAULT", "ASSERT")):
            with Process("--port", port, "--dir", d, "--enable-debug-command", "yes") as p:
                c = p.connect(port)
                expect(c.call("INCR", "n"), i + 1)
                c.send("DEBUG", end)
                status, text = p.ended()
                assert status < 0, (end, status)
                assert (end if end != "SEGFAULT" else "signal") in text, text[-2000:]


def test_monitor_shows_the_end_of_a_transaction():
    """MULTI was shown: so is the EXEC that is refused, though nothing ran."""
    def run(c, connect):
        m = connect()
        m.call("MONITOR")
        for command in (("MULTI",), ("SET", "a", "1"), ("EXEC", "now"), ("PING",)):
            c.ask(*command)
        seen = [m.reply().split("] ")[1] for _ in range(3)]
        expect(seen, ['"MULTI"', '"EXEC" "now"', '"PING"'])
    with_server(run)


if __name__ == "__main__":
    sys.exit(main(globals()))
