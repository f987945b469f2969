#!/usr/bin/python3
"""Limits that hold: what one client may ask for, how much it may leave unread, and what ten thousand
idle ones cost."""

import os
import resource
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (Skip, Stave, expect, info, is_closed, raw, rss,  # noqa: E402
                                       wait_until)
from tests.support import resp  # noqa: E402

MB = 1 << 20
IDLE = 10000
IDLE_BYTES = 2048         # of used_memory for each idle client; measured: a few hundred
UNREAD = 128 * MB         # what the server keeps for a client that reads nothing
SLACK = 64 * MB           # for buffers that are being filled, and the allocator's


def test_query_buffer():
    with Stave({"client-query-buffer-limit": "1mb"}).start() as s:
        c, greedy = s.connect(), raw(s.port)
        before = rss(s.process.pid)
        try:
            greedy.sendall(b"*2\r\n$4\r\nECHO\r\n$100000000\r\n" + b"x" * 3 * MB)
            expect(is_closed(greedy), True)
        except ConnectionError:
            pass  # closed while it was sending
        expect(info(c, "client_query_buffer_limit_disconnections"), 1)
        assert rss(s.process.pid) < before + SLACK
        expect(c.call("SET", "k", b"x" * (MB - 100)), "OK")


def test_largest_argument():
    with Stave({"proto-max-bulk-len": "1mb"}).start() as s:
        c = s.connect()
        expect(c.call("SET", "k", b"x" * MB), "OK")
        expect(str(c.ask("APPEND", "k", "y")),
               "ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        s2 = raw(s.port)
        s2.sendall(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
        expect(s2.recv(4096), b"-ERR Protocol error: invalid bulk length\r\n")
        expect(is_closed(s2), True)


def announce(port, data, silence=False):
    """The answer to these bytes, all of it up to the end of the connection; if silence is expected, 300 ms of
    it will do."""
    s, answer = raw(port), b""
    s.sendall(data)
    if silence:
        s.settimeout(0.3)
    try:
        while True:
            more = s.recv(4096)
            if not more:
                return answer + b"(closed)"
            answer += more
    except socket.timeout:
        return answer
    finally:
        s.close()


def test_before_authentication():
    """Who has no password yet can't make the server wait for much."""
    with Stave({"requirepass": "x"}).start() as s:
        expect(announce(s.port, b"*11\r\n"),
               b"-ERR Protocol error: unauthenticated multibulk length\r\n(closed)")
        expect(announce(s.port, b"*2\r\n$16385\r\n"),
               b"-ERR Protocol error: unauthenticated bulk length\r\n(closed)")
        expect(announce(s.port, b"*10\r\n$16384\r\n", True), b"")
        before = rss(s.process.pid)
        many = [raw(s.port) for _ in range(500)]
        for m in many:
            m.sendall(b"*10\r\n$16384\r\n" + b"x" * 100)
        c = s.connect()
        expect(c.call("AUTH", "x"), "OK")
        wait_until(lambda: info(c, "total_reads_processed") >= 500, "all to be read")
        assert rss(s.process.pid) < before + 500 * 40000, rss(s.process.pid) - before
        expect(c.call("MGET", *range(20)), [None] * 20)
        expect(c.call("SET", "k", b"x" * MB), "OK")


def test_announced_counts_cost_nothing():
    """A count is a promise of the client's; no memory is taken before its bytes come."""
    with Stave().start() as s:
        before = rss(s.process.pid)
        many = [raw(s.port) for _ in range(200)]
        for m in many:
            m.sendall(b"*1000000\r\n$3\r\nDEL\r\n$5\r\nfirst\r\n")
        c = s.connect()
        wait_until(lambda: info(c, "total_reads_processed") >= 200, "all to be read")
        assert rss(s.process.pid) < before + SLACK, rss(s.process.pid) - before
        big = [raw(s.port) for _ in range(20)]
        for m in big:
            m.sendall(b"*2\r\n$4\r\nECHO\r\n$500000000\r\n" + b"x" * 100)
        wait_until(lambda: info(c, "total_reads_processed") >= 220, "all to be read")
        assert rss(s.process.pid) < before + 2 * SLACK, rss(s.process.pid) - before


def send_many(s, request, n):
    """Sends from a thread, as the other end may stop reading; ends when the socket does."""
    def run():
        try:
            for _ in range(n):
                s.sendall(request)
        except OSError:
            pass
    t = threading.Thread(target=run, daemon=True)
    t.start()
    return t


def test_slow_reader():
    """Who asks for gigabytes and reads nothing is not read from any more; then it gets all of it."""
    with Stave().start() as s:
        c = s.connect()
        value = os.urandom(MB)
        expect(c.call("SET", "big", value), "OK")
        before = rss(s.process.pid)
        slow = s.connect()
        n = 400
        sender = send_many(slow.socket, resp.encode(["GET", "big"]) + resp.encode(["ECHO", "x" * 900]), n)
        wait_until(lambda: info(c, "clients_unsent_output_bytes") > UNREAD - 2 * MB, "it to be stopped")
        for _ in range(50):
            expect(c.call("PING"), "PONG", "the others are served")
            grown = rss(s.process.pid) - before
            assert grown < UNREAD + SLACK, grown
        for i in range(n):
            assert slow.reply() == value, "reply %d" % i
            expect(slow.reply(), b"x" * 900)
        sender.join(harness.PATIENCE)
        wait_until(lambda: info(c, "clients_unsent_output_bytes") == 0, "all to be sent")


def test_output_limit():
    """With a hard limit, a client that leaves more unread is closed."""
    with Stave({"client-output-buffer-limit": "normal 10mb 0 0"}).start() as s:
        c = s.connect()
        expect(c.call("SET", "big", b"x" * MB), "OK")
        slow = s.connect()
        send_many(slow.socket, resp.encode(["GET", "big"]), 200)
        wait_until(lambda: info(c, "client_output_buffer_limit_disconnections") == 1, "its end")
        expect(is_closed(slow.socket), True)
        expect(c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 1"), "OK")
        soft = s.connect()
        send_many(soft.socket, resp.encode(["GET", "big"]), 50)
        wait_until(lambda: info(c, "client_output_buffer_limit_disconnections") == 2, "the soft limit")
        expect(c.call("PING"), "PONG")


def test_slow_monitor():
    """A MONITOR that is not read is closed by the limit of those who are sent things."""
    with Stave().start() as s:
        c, watcher = s.connect(), s.connect()
        expect(watcher.call("MONITOR"), "OK")
        before = rss(s.process.pid)
        for _ in range(100):
            c.call("ECHO", b"x" * MB)
            assert rss(s.process.pid) < before + UNREAD + SLACK
        wait_until(lambda: info(c, "client_output_buffer_limit_disconnections") == 1, "its end")
        expect(info(c, "monitor_clients"), 0)


def test_paced_writes():
    with Stave({"enable-debug-command": "local"}).start() as s:
        c, slow, killed = s.connect(), s.connect(), s.connect()
        expect(c.call("SET", "k", "old"), "OK")
        expect(c.call("DEBUG", "PACE", "3000000"), "OK")
        start = time.monotonic()
        slow.send("SET", "k", "new")
        slow.send("GET", "k")
        name = int(killed.call("CLIENT", "ID"))
        killed.send("SET", "k", "never")
        wait_until(lambda: info(c, "delayed_clients") == 2, "two writers wait")
        for _ in range(5):  # others go on
            expect(c.call("GET", "k"), b"old")
            expect(c.call("DEL", "other"), 0)
        read = time.monotonic() - start
        expect(c.call("CLIENT", "KILL", "ID", name), 1)
        wait_until(lambda: info(c, "delayed_clients") < 2, "the killed one is gone")
        expect(slow.reply(), "OK")
        took = time.monotonic() - start
        expect(slow.reply(), b"new")
        assert read < 2.9 < 2.99 <= took, (read, took)  # it may wait a millisecond less
        expect(info(c, "delayed_clients"), 0)
        expect(info(c, "write_delays"), 2)
        assert info(c, "write_delay_usec") >= 2990000, info(c, "write_delay_usec")
        expect(c.call("DEBUG", "PACE", "0"), "OK")
        expect(c.call("GET", "k"), b"new")
        # A millisecond each, one after another: as many as asked for, and not much slower.
        expect(c.call("DEBUG", "PACE", "1000"), "OK")
        start = time.monotonic()
        for i in range(100):
            c.send("SET", "k", i)
        for i in range(100):
            expect(c.reply(), "OK")
        took = time.monotonic() - start
        assert 0.05 <= took < 60, took
        # And a shutdown does not wait for who waits.
        expect(c.call("DEBUG", "PACE", "10000000"), "OK")
        slow.send("SET", "k", "late")
        wait_until(lambda: info(c, "delayed_clients") == 1, "one writer waits")
        expect(s.stop(), 0)
        expect(s.start().connect().call("GET", "k"), b"99")


def test_idle_connections():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 1000:
        raise Skip("the hard limit of open files is %d" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 1000, hard))
    with Stave({"maxclients": IDLE + 100, "tcp-backlog": 4096}).start() as s:
        c = s.connect()
        used, resident = info(c, "used_memory"), rss(s.process.pid)
        many = []
        for i in range(IDLE):  # from several addresses, so that the machine's ports suffice
            k = socket.socket()
            k.bind(("127.1.0.%d" % (1 + i % 50), 0))
            k.connect(("127.0.0.1", s.port))
            many.append(k)
        wait_until(lambda: info(c, "connected_clients") == IDLE + 1, "all clients")
        each = (info(c, "used_memory") - used) / IDLE
        told = info(c, "mem_clients_normal") / IDLE
        print("MEASURED: %d idle connections: %d bytes of memory each, %d of RSS, INFO tells %d" % (
            IDLE, each, (rss(s.process.pid) - resident) / IDLE, told))
        assert each < IDLE_BYTES, each
        assert (rss(s.process.pid) - resident) / IDLE < 2 * IDLE_BYTES
        for k in many[::100]:
            k.sendall(b"PING\r\n")
            expect(k.recv(100), b"+PONG\r\n")
        expect(c.call("PING"), "PONG")
        for k in many:
            k.close()
        wait_until(lambda: info(c, "connected_clients") == 1, "all to be gone")
        assert info(c, "used_memory") - used < IDLE * 100, "memory of clients that left"


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
