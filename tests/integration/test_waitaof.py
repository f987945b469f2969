#!/usr/bin/python3
"""WAIT and WAITAOF: what they promise holds against SIGKILL and a lost page cache alike as far as a process can
see it: the log's durable position has reached the client's writes."""

import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration.harness import (PATIENCE, Process, expect, expect_error, free_port, info, main,  # noqa: E402
                                       wait_until)


def with_server(test, *args):
    """test(connect) on a server of its own, with these arguments."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as d:
        port = free_port()
        with Process("--port", port, "--dir", d, *args) as p:
            test(p, lambda: p.connect(port))


def durable(c):
    return info(c, "log_durable") >= info(c, "log_end")


def test_answers_soon_at_every_policy():
    def run(p, connect):
        c = connect()
        for policy in ("everysec", "no", "always"):
            expect(c.call("CONFIG", "SET", "appendfsync", policy), "OK")
            took = []
            for i in range(20):
                c.call("SET", "k%d" % i, "v")
                start = time.monotonic()
                expect(c.call("WAITAOF", 1, 0, 0), [1, 0])
                took.append(time.monotonic() - start)
            took.sort()
            assert took[10] < 0.5, "%s: half of the waits took over %.3f s" % (policy, took[10])
        c.call("SET", "last", "v")
        expect(c.call("WAITAOF", 1, 0, 0), [1, 0])
        assert durable(c)
    with_server(run)


def test_nothing_is_lost():
    """Killed right behind the answer: everything that was written before is there."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as d:
        port = free_port()
        for life in range(3):
            with Process("--port", port, "--dir", d, "--appendfsync", "everysec") as p:
                c = p.connect(port)
                for before in range(life):
                    expect(c.call("GET", "life%d" % before), b"x" * 1000)
                    expect(c.call("LLEN", "list%d" % before), 200)
                for i in range(200):
                    c.call("RPUSH", "list%d" % life, "e%d" % i)
                c.call("SET", "life%d" % life, "x" * 1000)
                expect(c.call("WAITAOF", 1, 0, 0), [1, 0])
                p.end(signal.SIGKILL)


def test_many_share_an_fsync():
    def run(p, connect):
        clients = [connect() for _ in range(50)]
        before = info(clients[0], "fsyncs")
        for round_ in range(5):
            for i, c in enumerate(clients):
                c.send("SET", "k%d" % i, "v")
                c.send("WAITAOF", 1, 0, 0)
            for c in clients:
                expect(c.reply(), "OK")
                expect(c.reply(), [1, 0])
        assert info(clients[0], "fsyncs") - before < 150, "an fsync for each client"
    with_server(run)


def test_time_limits_and_unblock():
    def run(p, connect):
        c, other = connect(), connect()
        start = time.monotonic()
        expect(c.call("WAIT", 1, 100), 0)
        assert time.monotonic() - start >= 0.099
        expect(c.call("WAIT", 0, 0), 0)
        c.call("SET", "a", 1)
        start = time.monotonic()
        expect(c.call("WAITAOF", 1, 1, 100), [1, 0])
        assert time.monotonic() - start >= 0.099
        ident = c.call("CLIENT", "ID")
        for command, reason, answer in ((("WAIT", 1, 0), "TIMEOUT", 0), (("WAITAOF", 1, 2, 0), "TIMEOUT", [1, 0]),
                                        (("WAIT", 1, 0), "ERROR", None)):
            c.send(*command)
            wait_until(lambda: info(other, "blocked_clients") == 1, "a blocked client")
            expect(other.call("CLIENT", "UNBLOCK", ident, reason), 1)
            if answer is None:
                expect_error(c.reply(), "UNBLOCKED client unblocked via CLIENT UNBLOCK")
            else:
                expect(c.reply(), answer)
        expect(info(other, "blocked_clients"), 0)
        c.send("WAIT", 1, 0)
        wait_until(lambda: info(other, "blocked_clients") == 1, "a blocked client")
        c.close()
        wait_until(lambda: info(other, "blocked_clients") == 0, "its end")
    with_server(run)


def test_transactions():
    def run(p, connect):
        c = connect()
        c.call("CONFIG", "SET", "appendfsync", "always")
        expect(c.call("MULTI"), "OK")
        for command in (("WAITAOF", 1, 0, 0), ("SET", "a", 1), ("WAITAOF", 1, 0, 0), ("WAIT", 5, 0)):
            expect(c.call(*command), "QUEUED")
        expect(c.call("EXEC"), [[1, 0], "OK", [0, 0], 0])
        expect(c.call("WAITAOF", 1, 0, 0), [1, 0])
    with_server(run)


if __name__ == "__main__":
    sys.exit(main(globals()))
