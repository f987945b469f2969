#!/usr/bin/python3
"""Where a server listens and whom it lets in: addresses, unix socket, moving ports, passwords,
protected mode, maxclients, timeout."""

import ctypes
import fcntl
import os
import resource
import socket
import stat
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (Process, Skip, Stave, expect, expect_error,  # noqa: E402
                                       free_port, info, is_closed, raw, wait_until)
from tests.support import resp  # noqa: E402


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def answers(host, port):
    try:
        c = resp.Connection(host, port, timeout=harness.PATIENCE)
    except OSError:
        return False
    expect(c.call("PING"), "PONG")
    c.close()
    return True


def test_several_addresses():
    with Stave({"bind": ["127.0.0.1", "127.0.0.2", "-203.0.113.9"]}).start() as s:
        expect([answers(h, s.port) for h in ("127.0.0.1", "127.0.0.2", "127.0.0.3")],
               [True, True, False])
        expect(s.connect().call("CONFIG", "GET", "bind"), [b"bind", b"127.0.0.1 127.0.0.2 -203.0.113.9"])


def test_all_addresses():
    with Stave({"bind": "*"}).start() as s:
        expect([answers(h, s.port) for h in ("127.0.0.1", "127.0.0.7")], [True, True])


def test_ipv6():
    if not has_ipv6():
        raise Skip("this machine has no ::1")
    with Stave({"bind": ["127.0.0.1", "::1"]}).start() as s:
        expect([answers("127.0.0.1", s.port), answers("::1", s.port)], [True, True])
        c = resp.Connection("::1", s.port)
        line = c.call("CLIENT", "INFO").decode()
        assert "addr=[::1]:" in line and "laddr=[::1]:%d" % s.port in line, line
    with Stave({"bind": "* -::*"}).start() as s:
        expect([answers("127.0.0.1", s.port), answers("::1", s.port)], [True, True])


def test_unix_socket():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        path = top + "/s.sock"
        with Stave({"unixsocket": path, "unixsocketperm": "700"}).start() as s:
            expect(stat.S_IMODE(os.stat(path).st_mode), 0o700)
            c = resp.Connection(None, None, unix=path)
            expect(c.call("SET", "k", "v"), "OK")
            expect(s.connect().call("GET", "k"), b"v")
            line = c.call("CLIENT", "INFO").decode()
            assert " flags=U " in line and "addr=%s:0" % path in line, line
            expect(harness.run_once("--port", 0, "--unixsocket", path, "--dir", top + "/data")[0], 1)
            expect(c.call("PING"), "PONG")
            s.kill()  # leaves the socket's file behind
            expect(os.path.exists(path), True)
            s.start()
            expect(resp.Connection(None, None, unix=path).call("GET", "k"), b"v")
            s.stop()
            expect(os.path.exists(path), False)


def test_no_tcp():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        with Process("--port", 0, "--unixsocket", top + "/s", "--dir", top + "/data") as p:
            c = p.connect(unix=top + "/s")
            expect(info(c, "tcp_port"), 0)
            port = free_port()
            expect(c.call("CONFIG", "SET", "bind", "127.0.0.1", "port", port), "OK")
            expect(answers("127.0.0.1", port), True)
            expect(p.end()[0], 0)


def test_port_moves():
    with Stave().start() as s:
        c = s.connect()
        new = free_port()
        expect(c.call("CONFIG", "SET", "port", new), "OK")
        expect([answers("127.0.0.1", p) for p in (s.port, new)], [False, True])
        expect((c.call("PING"), info(c, "tcp_port")), ("PONG", new))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            expect_error(c.ask("CONFIG", "SET", "port", port),
                         "ERR CONFIG SET failed (possibly related to argument 'port') - ")
        expect(c.call("CONFIG", "GET", "port"), [b"port", b"%d" % new])
        expect(answers("127.0.0.1", new), True)
        expect(c.call("CONFIG", "SET", "port", 0), "OK")
        expect(answers("127.0.0.1", new), False)
        expect(c.call("CONFIG", "SET", "port", new), "OK")
        expect(answers("127.0.0.1", new), True)


def test_bind_moves():
    with Stave().start() as s:
        c = s.connect()
        expect(c.call("CONFIG", "SET", "bind", "127.0.0.2 127.0.0.3"), "OK")
        expect([answers("127.0.0.%d" % i, s.port) for i in (1, 2, 3)], [False, True, True])
        expect_error(c.ask("CONFIG", "SET", "bind", "203.0.113.77"), "ERR CONFIG SET failed")
        expect(c.call("CONFIG", "GET", "bind"), [b"bind", b"127.0.0.2 127.0.0.3"])
        expect([answers("127.0.0.%d" % i, s.port) for i in (1, 2, 3)], [False, True, True])
        expect(c.call("CONFIG", "SET", "bind", "127.0.0.1"), "OK")
        expect(answers("127.0.0.1", s.port), True)


def test_password():
    with Stave({"requirepass": "s3cret word"}).start() as s:
        c = s.connect()
        for command in (["GET", "k"], ["CONFIG", "GET", "*"], ["CLIENT", "LIST"], ["SHUTDOWN"]):
            expect_error(c.ask(*command), "NOAUTH Authentication required.")
        expect_error(c.ask("AUTH", "wrong"), "WRONGPASS invalid username-password pair")
        expect_error(c.ask("AUTH", "nobody", "s3cret word"), "WRONGPASS")
        expect_error(c.ask("HELLO", "3"), "NOAUTH HELLO must be called with the client already")
        expect(c.call("AUTH", "s3cret word"), "OK")
        expect(c.call("GET", "k"), None)
        other = s.connect()
        expect(other.call("HELLO", "3", "AUTH", "default", "s3cret word")[b"proto"], 3)
        expect(c.call("CONFIG", "SET", "requirepass", "new"), "OK")
        expect(other.call("GET", "k"), None, "who is in stays in")
        expect_error(s.connect().ask("AUTH", "s3cret word"), "WRONGPASS")
        expect(s.connect().call("AUTH", "default", "new"), "OK")
        expect(c.call("RESET"), "RESET")
        expect_error(c.ask("GET", "k"), "NOAUTH")
        expect(other.call("CONFIG", "SET", "requirepass", ""), "OK")
        expect(s.connect().call("GET", "k"), None)


def unshare_network():
    """Puts the process in a network of its own, with only a loopback device, which has a second address
    that looks like another machine's."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
        raise Skip("unshare: " + os.strerror(ctypes.get_errno()))
    up = struct.pack("16sH22x", b"lo", 0x41)  # IFF_UP, IFF_RUNNING
    address = struct.pack("16sHH4s16x", b"lo:1", socket.AF_INET, 0, socket.inet_aton("10.44.55.66"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            fcntl.ioctl(s, 0x8914, up)       # SIOCSIFFLAGS
            fcntl.ioctl(s, 0x8916, address)  # SIOCSIFADDR
        except OSError as e:
            raise Skip("loopback device: %s" % e)


def protected_mode():
    unshare_network()
    with Stave({"bind": "*"}).start() as s:
        outside = raw(s.port, "10.44.55.66")
        text = outside.recv(4096)
        assert text.startswith(b"-DENIED ") and b"protected-mode no" in text, text
        expect(is_closed(outside), True)
        c = s.connect()
        expect(info(c, "rejected_connections"), 1)
        expect(c.call("CONFIG", "SET", "requirepass", "x"), "OK")
        expect_error(resp.Connection("10.44.55.66", s.port).ask("PING"), "NOAUTH")
        expect(c.call("CONFIG", "SET", "requirepass", "", "protected-mode", "no"), "OK")
        expect(resp.Connection("10.44.55.66", s.port).call("PING"), "PONG")


def test_protected_mode():
    harness.in_child(protected_mode)


def test_maxclients():
    with Stave({"maxclients": 5}).start() as s:
        c = s.connect()
        wait_until(lambda: info(c, "connected_clients") == 1, "the end of those before")
        inside = [c] + [s.connect() for _ in range(4)]
        expect([c.call("PING") for c in inside], ["PONG"] * 5)
        refused = raw(s.port)
        expect(refused.recv(4096), b"-ERR max number of clients reached\r\n")
        expect(is_closed(refused), True)
        expect(info(inside[0], "rejected_connections"), 1)
        inside.pop().close()
        wait_until(lambda: info(inside[0], "connected_clients") == 4, "one that left")
        expect(s.connect().call("PING"), "PONG")
        expect(inside[0].call("CONFIG", "SET", "maxclients", 2), "OK")
        expect([c.call("PING") for c in inside], ["PONG"] * 4, "who is in stays in")


def test_open_files():
    """The limit is raised to what maxclients needs, even when the process began with a low one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        raise Skip("the hard limit of open files is %d" % hard)
    low = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))  # noqa: E731
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port = free_port()
        with Process("--port", port, "--bind", "127.0.0.1", "--dir", top + "/data", "--maxclients",
                     1000, before=low) as p:
            c = p.connect(port)
            expect(c.call("CONFIG", "GET", "maxclients"), [b"maxclients", b"1000"])
            assert resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE)[0] > 1000
            many = [raw(port) for _ in range(300)]
            wait_until(lambda: info(c, "connected_clients") == 301, "all clients")
            for x in many:
                x.close()
            expect_error(c.ask("CONFIG", "SET", "maxclients", 2000000000),
                         "ERR CONFIG SET failed (possibly related to argument 'maxclients')")
            expect(p.end()[0], 0)


def test_timeout():
    with Stave().start() as s:
        idle, watcher = s.connect(), s.connect()
        expect(watcher.call("MONITOR"), "OK")
        expect(s.connect().call("CONFIG", "SET", "timeout", 1), "OK")
        expect(is_closed(idle.socket), True)
        time.sleep(1.5)
        expect(s.connect().call("CONFIG", "SET", "timeout", 0), "OK")
        watcher.send("PING")  # it is watched over, not idle: still there
        assert watcher.reply(), "MONITOR was closed"
        later = s.connect()
        time.sleep(1.5)
        expect(later.call("PING"), "PONG")


def test_tcp_keepalive_and_backlog():
    with Stave({"tcp-keepalive": 0, "tcp-backlog": 1}).start() as s:
        expect([s.connect().call("PING") for _ in range(20)], ["PONG"] * 20)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
