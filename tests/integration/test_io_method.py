#!/usr/bin/python3
"""How files are read and synced beside the thread: each method serves, is told in INFO, and loses nothing to SIGKILL;
with `appendfsync always` many clients share an fsync."""

import os
import signal
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration.harness import Process, expect, expect_error, free_port, info, main  # noqa: E402


def field(c, name):
    """A field of INFO that is a word."""
    for line in c.call("INFO").decode().split("\r\n"):
        if line.startswith(name + ":"):
            return line.split(":", 1)[1]
    raise AssertionError("INFO has no %s" % name)


def methods():
    """Those that this build has on this machine."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as d:
        port = free_port()
        with Process("--port", port, "--dir", d) as p:
            return ["threads"] + ["io_uring"] * (field(p.connect(port), "io_method") == "io_uring")


def test_each_method_serves_and_loses_nothing():
    for method in methods():
        with tempfile.TemporaryDirectory(prefix="stave-test-") as d:
            for life in range(3):
                port = free_port()
                with Process("--port", port, "--dir", d, "--io-method", method, "--appendfsync", "always") as p:
                    c = p.connect(port)
                    expect(field(c, "io_method"), method)
                    expect(c.call("CONFIG", "GET", "io-method"), [b"io-method", method.encode()])
                    expect_error(c.ask("CONFIG", "SET", "io-method", "auto"), "ERR CONFIG SET failed")
                    for i in range(100 * life):
                        expect(c.call("GET", "k%d" % i), b"v%d" % i)
                    for i in range(100 * life, 100 * (life + 1)):
                        expect(c.call("SET", "k%d" % i, "v%d" % i), "OK")
                    p.end(signal.SIGKILL)


def test_default_is_one_of_them():
    assert methods()


if __name__ == "__main__":
    sys.exit(main(globals()))
