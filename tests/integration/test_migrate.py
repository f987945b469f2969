#!/usr/bin/python3
"""MIGRATE between two servers, and to and from the reference redis-server: keys of every type arrive and
go, nobody waits for it but who asked, what changes meanwhile stays, and what a dead or slow target
does is told as redis-server tells it."""

import contextlib
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, expect_error, free_port, info, wait_until  # noqa: E402
from tests.integration.test_dump import value  # noqa: E402
from tests.support.servers import Reference  # noqa: E402

HOST = "127.0.0.1"


def fill(c):
    """A key of each type; their names."""
    c.call("SET", "string", "x" * 1000)
    c.call("SET", "large", os.urandom(300000))
    c.call("RPUSH", "list", *range(300))
    c.call("SADD", "set", *("m%d" % i for i in range(200)))
    c.call("SADD", "intset", *range(20))
    c.call("ZADD", "zset", *range(600))
    c.call("HSET", "hash", *range(600))
    c.call("XADD", "stream", "1-1", "a", "b")
    c.call("XGROUP", "CREATE", "stream", "g", "0")
    return ["string", "large", "list", "set", "intset", "zset", "hash", "stream"]


def move_all(a, b, port):
    names = fill(a)
    wanted = [value(a, n) for n in names]
    a.call("PEXPIRE", "hash", 100000)
    expect(a.call("MIGRATE", HOST, port, "string", 0, 5000, "COPY"), "OK")
    expect(a.call("EXISTS", "string"), 1)
    expect_error(a.ask("MIGRATE", HOST, port, "string", 0, 5000),
                 "ERR Target instance replied with error: BUSYKEY Target key name already exists.")
    expect(a.call("MIGRATE", HOST, port, "", 0, 5000, "REPLACE", "KEYS", *names, "nokey"), "OK")
    expect(a.call("DBSIZE"), 0)
    expect([value(b, n) for n in names], wanted)
    assert 90000 < b.call("PTTL", "hash") <= 100000
    expect(b.call("PTTL", "list"), -1)
    expect(a.call("MIGRATE", HOST, port, "nokey", 0, 5000), "NOKEY")


def test_between_two():
    with Stave().start() as s, Stave().start() as t:
        move_all(s.connect(), t.connect(), t.port)
        s.stop()
        t.stop()


def test_waitaof_behind():
    """What MIGRATE deletes here is its client's change: WAITAOF waits until that is durable."""
    with Stave({"appendfsync": "no"}).start() as s, Stave().start() as t:
        a, other = s.connect(), s.connect()
        other.call("MSET", "a", 1, "b", 2)
        expect(a.call("MIGRATE", HOST, t.port, "", 0, 5000, "KEYS", "a", "b"), "OK")
        expect(a.call("WAITAOF", 1, 0, 0), [1, 0])
        fields = dict(line.split(":", 1) for line in a.call("INFO").decode().splitlines() if ":" in line)
        assert int(fields["log_durable"]) >= int(fields["log_end"]), fields
        s.stop()
        t.stop()


def test_to_and_from_reference():
    with Stave().start() as s, Reference() as ref:
        a, b = s.connect(), ref.connect()
        move_all(a, b, ref.port)
        b.call("FLUSHALL")
        move_all(b, a, s.port)
        s.stop()


def test_events_and_database():
    with Stave({"notify-keyspace-events": ""}).start() as s, Stave().start() as t:
        a, b = s.connect(), t.connect()
        a.call("MSET", "a", 1, "b", 2, "c", 3)
        expect(a.call("MIGRATE", HOST, t.port, "a", 3, 1000), "OK")
        expect(a.call("MIGRATE", HOST, t.port, "b", 0, 1000), "OK")  # the same connection, another database
        expect(info(a, "migrate_cached_sockets"), 1)
        b.call("SELECT", 3)
        expect(b.call("KEYS", "*"), [b"a"])
        b.call("SELECT", 0)
        expect(b.call("KEYS", "*"), [b"b"])
        expect_error(a.ask("MIGRATE", HOST, t.port, "c", 999, 1000),
                     "ERR Target instance replied with error: ERR DB index is out of range")
        expect(a.call("EXISTS", "c"), 1)
        # What a wrong database said is not taken for where it is.
        expect(a.call("MIGRATE", HOST, t.port, "c", 0, 1000, "REPLACE"), "OK")
        expect(b.call("EXISTS", "c"), 1)
        # The target starts again: the connection that was kept is dead, and that is not told.
        t.stop()
        t.start()
        a.call("SET", "d", 1)
        expect(a.call("MIGRATE", HOST, t.port, "d", 0, 1000), "OK")
        s.stop()
        t.stop()


@contextlib.contextmanager
def once_each():
    """A target that answers one request on each connection, when two have come to it, and ends it at the
    next; the port."""
    two = threading.Barrier(2)

    def serve(peer, early):
        with peer:
            peer.recv(1 << 16)
            if early:
                two.wait(30)
            peer.sendall(b"+OK\r\n+OK\r\n")
            peer.recv(1 << 16)

    def accept(listener):
        for i in range(3):
            threading.Thread(target=serve, args=(listener.accept()[0], i < 2), daemon=True).start()
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def test_several_dead_connections():
    """However many were kept, and are dead: the second attempt is made with a new one."""
    with Stave().start() as s, once_each() as port:
        a, b = s.connect(), s.connect()
        a.call("MSET", "a", 1, "b", 1, "c", 1)
        a.send("MIGRATE", HOST, port, "a", 0, 10000)
        b.send("MIGRATE", HOST, port, "b", 0, 10000)
        expect([a.reply(), b.reply(), info(a, "migrate_cached_sockets")], ["OK", "OK", 2])
        expect(a.call("MIGRATE", HOST, port, "c", 0, 10000), "OK")


def test_passwords():
    with Stave().start() as s, Stave({"requirepass": "secret"}).start() as t:
        a = s.connect()
        a.call("SET", "k", 1)
        expect_error(a.ask("MIGRATE", HOST, t.port, "k", 0, 1000), "ERR Target instance replied with error: NOAUTH")
        expect_error(a.ask("MIGRATE", HOST, t.port, "k", 0, 1000, "AUTH", "wrong"),
                     "ERR Target instance replied with error: WRONGPASS")
        expect(a.call("EXISTS", "k"), 1)
        expect(a.call("MIGRATE", HOST, t.port, "k", 0, 1000, "COPY", "AUTH", "secret"), "OK")
        expect(a.call("MIGRATE", HOST, t.port, "k", 0, 1000, "REPLACE", "AUTH2", "default", "secret"), "OK")
        expect(a.call("EXISTS", "k"), 0)
        s.stop()
        t.stop()


def test_grammar():
    with Stave().start() as s:
        c = s.connect()
        c.call("SET", "k", 1)
        port = free_port()
        writing = "IOERR error or timeout writing to target instance"
        expect_error(c.ask("MIGRATE", HOST, port, "k", 0, 500), writing)
        expect_error(c.ask("MIGRATE", HOST, "x", "k", 0, 500), writing)
        expect_error(c.ask("MIGRATE", "nosuch.invalid", 1, "k", 0, 5000),
                     "IOERR error or timeout connecting to the client")
        expect_error(c.ask("MIGRATE", HOST, port, "k", 0, "x"), "ERR value is not an integer or out of range")
        expect_error(c.ask("MIGRATE", HOST, port, "k", 0, 9, "KEYS", "k"), "ERR When using MIGRATE KEYS option")
        for words in (["FOO"], ["AUTH"], ["AUTH2", "x"]):
            expect_error(c.ask("MIGRATE", HOST, port, "", 0, 9, *words), "ERR syntax error")
        expect(c.call("MIGRATE", HOST, port, "", 0, 9, "KEYS"), "NOKEY")
        expect(c.call("COMMAND", "GETKEYS", "MIGRATE", HOST, 1, "", 0, 9, "KEYS", "a", "b"), [b"a", b"b"])
        expect(c.call("EXISTS", "k"), 1)
        s.stop()


@contextlib.contextmanager
def slow_target(answers):
    """A target that accepts, reads the request, and answers when `answers` says what; the port."""
    listener = socket.create_server((HOST, 0))
    got = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            peer = listener.accept()[0]
            peer.recv(1 << 20)
            got.set()
            peer.sendall(answers())
            peer.recv(1)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], got
    finally:
        listener.close()


def test_nobody_waits():
    """While a target is silent others are served, and what they change stays."""
    with Stave().start() as s:
        c, other = s.connect(), s.connect()
        c.call("MSET", "a", 1, "b", 2, "c", 3)
        go = threading.Event()

        def answers():
            go.wait(30)
            return b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n"
        with slow_target(answers) as (port, got):
            c.send("MIGRATE", HOST, port, "", 0, 20000, "KEYS", "a", "b", "c")
            assert got.wait(30)
            expect(other.call("GET", "a"), b"1")
            expect(other.call("SET", "b", "new"), "OK")
            expect(info(other, "blocked_clients"), 1)
            go.set()
            expect_error(c.reply(), "IOERR a key was changed while it was sent")
        expect(other.call("MGET", "a", "b", "c"), [None, b"new", None])
        s.stop()


def test_timeout():
    with Stave().start() as s:
        c = s.connect()
        c.call("SET", "k", 1)

        def answers():
            time.sleep(30)
            return b""
        with slow_target(answers) as (port, _):
            before = time.monotonic()
            expect_error(c.ask("MIGRATE", HOST, port, "k", 0, 200), "IOERR error or timeout reading to target instance")
            assert time.monotonic() - before < 20
        expect(c.call("GET", "k"), b"1")
        s.stop()


def test_strange_answers():
    """What is no reply, or too many, is the end of the connection, and of nothing else."""
    for text in (b"$3\r\nabc\r\n", b"+OK\r\n+OK\r\n+OK\r\n", b"\r\n", b"x" * 200000):
        with Stave().start() as s:
            c = s.connect()
            c.call("SET", "k", 1)
            with slow_target(lambda: text) as (port, _):
                expect_error(c.ask("MIGRATE", HOST, port, "k", 0, 5000), "IOERR error or timeout")
            expect(info(c, "migrate_cached_sockets"), 0)
            s.stop()


def test_gone_client():
    """A client that goes away does not stop its migration; CLIENT UNBLOCK does."""
    with Stave().start() as s:
        c, other = s.connect(), s.connect()
        go = threading.Event()

        def answers():
            go.wait(30)
            return b"+OK\r\n+OK\r\n"
        other.call("SET", "k", 1)
        with slow_target(answers) as (port, got):
            c.send("MIGRATE", HOST, port, "k", 0, 20000)
            assert got.wait(30)
            c.close()
            wait_until(lambda: info(other, "connected_clients") == 1, "its end")
            go.set()
            wait_until(lambda: other.call("EXISTS", "k") == 0, "the key's going")
        c = s.connect()
        number = c.call("CLIENT", "ID")
        go.clear()
        other.call("SET", "k", 1)
        with slow_target(answers) as (port, got):
            c.send("MIGRATE", HOST, port, "k", 0, 20000)
            assert got.wait(30)
            expect(other.call("CLIENT", "UNBLOCK", number, "ERROR"), 1)
            expect_error(c.reply(), "UNBLOCKED")
            go.set()
            expect(c.call("PING"), "PONG")
        expect(other.call("EXISTS", "k"), 1)
        s.stop()


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
