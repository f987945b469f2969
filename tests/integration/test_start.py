#!/usr/bin/python3
"""Starts that cannot succeed: each says why in clear words, ends with status 1, and leaves nothing."""

import os
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, by_engine, expect, files_of, free_port, run_once  # noqa: E402


def refuses(*args, says, lines=1, stdin=None):
    """The server ends with 1 and says so, within so many lines; a directory of its own is given to
    it, and stays as it was: not there."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        data = os.path.join(top, "data")
        port = [] if "--port" in args else ["--port", free_port()]
        port += [] if "--bind" in args else ["--bind", "127.0.0.1"]
        status, out, err = run_once(*args, *port, "--dir", data, stdin=stdin)
        expect(status, 1, "status of %r, which said %r" % (args, out + err))
        for word in [says] if isinstance(says, str) else says:
            assert word in err, "%r said %r, not %r" % (args, err, word)
        assert len(err.strip().split("\n")) <= lines, "too many lines: %r" % err
        expect(out, "", "standard output")
        expect(os.listdir(top), [], "what is left of %r" % (args,))


def config(text):
    """A configuration file with this text: its path."""
    f = tempfile.NamedTemporaryFile("w", prefix="stave-test-", suffix=".conf", delete=False)
    f.write(text)
    f.close()
    return f.name


def refuses_file(text, says, lines=4):
    """The same for a configuration file."""
    path = config(text)
    try:
        refuses(path, says=says, lines=lines)
    finally:
        os.unlink(path)


def test_help_and_version():
    for option in ("--help", "-h"):
        status, out, err = run_once(option)
        expect((status, err), (0, ""))
        assert "Usage: stave-server" in out and "--dir" in out, out
    for option in ("--version", "-v"):
        status, out, err = run_once(option)
        expect((status, err), (0, ""))
        assert out.startswith("Stave server v=") and "redis=7.2.4" in out, out


def test_options():
    refuses("--nosuch", "1", says=["nosuch", "Bad directive"])
    refuses("--port", "70000", says=["port", "between 0 and 65535"])
    refuses("--port", "abc", says="port")
    refuses("--port", says="port")
    refuses("--daemonize", "perhaps", says=["daemonize", "yes", "no"])
    refuses("--maxmemory", "1zb", says=["maxmemory", "memory"])
    refuses("--appendfsync", "sometimes", says=["appendfsync", "always", "everysec", "no"])
    refuses("--databases", "0", says="databases")
    refuses("--merge-window", "whenever", says=["merge-window", "always"])
    refuses("--client-output-buffer-limit", "nobody 1 1 1", says="client-output-buffer-limit")
    refuses("--port", "7777", "stray", says="port")


def test_engine_names_choices():
    refuses("--engine", "rocks", says=["rocks", "bitcask", "lsm"])


def test_config_files():
    refuses("/nowhere/stave.conf", says=["/nowhere/stave.conf", "No such file"])
    refuses(tempfile.gettempdir(), says=tempfile.gettempdir())
    refuses_file("port 7000\n# fine\nnosuch 1\n", ["line 3", "nosuch 1", "Bad directive"])
    refuses_file('requirepass "half\n', ["line 1", "Unbalanced quotes"])
    refuses_file("port\n", ["line 1", "wrong number of arguments"])
    refuses_file("port 1 2\n", ["line 1", "wrong number of arguments"])
    refuses_file("hz 9999\n", ["line 1", "hz 9999", "between 1 and 500"])
    refuses_file("appendfsync perhaps\n", ["line 1", "always"])
    refuses_file("include /nowhere/other.conf\n", ["/nowhere/other.conf"])
    refuses_file("\x00\x01\x7fELF\x02garbage\n", "line 1")
    refuses_file("replicaof 127.0.0.1 7000\n", "replicaof")
    refuses("-", says=["standard input", "line 2"], lines=4, stdin="hz 10\nnosuch yes\n")
    path = config("")
    with open(path, "w") as f:
        f.write("include %s\n" % path)
    refuses(path, says="nested", lines=40)
    os.unlink(path)


def test_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refuses("--port", port, "--bind", "127.0.0.1", says=[str(port), "Address already in use"])
        # One free address does not help: all of `bind` or nothing.
        refuses("--port", port, "--bind", "127.0.0.2", "127.0.0.1", says="Address already in use")


def test_addresses():
    refuses("--bind", "203.0.113.77", says="203.0.113.77")
    refuses("--bind", "no such host.", says="Could not create")
    refuses("--bind", *["127.0.0.%d" % i for i in range(1, 19)], says="Too many bind addresses")
    refuses("--bind", "-203.0.113.77", says="no usable bind address")


def test_unix_socket():
    refuses("--unixsocket", "/nowhere/s.sock", says=["/nowhere/s.sock", "No such file"])
    refuses("--unixsocket", "/tmp/" + "x" * 200, says="unix socket")
    refuses("--unixsocketperm", "9", says="unixsocketperm")
    with tempfile.NamedTemporaryFile(prefix="stave-test-") as f:
        f.write(b"not a socket")
        f.flush()
        refuses("--unixsocket", f.name, says=f.name)
        expect(os.path.getsize(f.name), 12, "the file in the way")


def test_log_file():
    refuses("--logfile", "/nowhere/stave.log", says="/nowhere/stave.log")


def test_pid_file():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        sock = os.path.join(top, "s.sock")
        refuses("--pidfile", "/nowhere/stave.pid", "--unixsocket", sock, says="/nowhere/stave.pid")
        expect(os.listdir(top), [], "the socket")


def bad_directory(path, says):
    """The directory is the trouble: it stays as it was, and no socket or pid file is left."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        before = files_of(path) if os.path.isdir(path) else None
        status, out, err = run_once("--port", free_port(), "--bind", "127.0.0.1", "--dir", path,
                                    "--unixsocket", top + "/s.sock", "--pidfile", top + "/pid")
        expect((status, len(err.strip().split("\n"))), (1, 1), err)
        for word in says:
            assert word in err, "%r is not in %r" % (word, err)
        expect(os.listdir(top), [], "what is left")
        if before is not None:
            expect(files_of(path), before, "the directory")


def test_directory():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        a_file = os.path.join(top, "file")
        with open(a_file, "w"):
            pass
        bad_directory(a_file, [a_file])
        bad_directory(a_file + "/data", [a_file + "/data"])
        bad_directory("/proc/nowhere/data", ["/proc/nowhere/data"])


def test_directory_held():
    with Stave().start() as s:
        s.connect().call("SET", "k", "v")
        s.connect().call("CONFIG", "SET", "appendfsync", "always")
        s.connect().call("SET", "k", "w")
        names = sorted(os.listdir(s.data_directory()))
        status, out, err = run_once("--port", free_port(), "--dir", s.data_directory())
        expect(status, 1)
        assert "held by process %d" % s.process.pid in err and s.data_directory() in err, err
        expect(len(err.strip().split("\n")), 1, err)
        expect(sorted(os.listdir(s.data_directory())), names)
        expect(s.connect().call("GET", "k"), b"w")
        s.stop()
        status = s.start().stop()
        expect(status, 0)


def test_directory_of_something_else():
    with Stave().start() as s:
        s.connect().call("SET", "k", "v")
        s.stop()
        manifest = os.path.join(s.data_directory(), "MANIFEST")
        with open(manifest, "r+b") as f:
            good = f.read()
            f.seek(0)
            f.write(b"something else altogether")
        bad_directory(s.data_directory(), ["MANIFEST"])
        with open(manifest, "wb") as f:
            f.write(good)
        stranger = os.path.join(s.data_directory(), "0000000999.seg")
        with open(stranger, "wb") as f:
            f.write(b"who put this here?")
        bad_directory(s.data_directory(), ["0000000999.seg"])
        os.unlink(stranger)
        expect(s.start().connect().call("GET", "k"), b"v")


def test_directory_of_another_engine():
    """It is left alone, and who comes learns of the tool that converts."""
    other = by_engine(bitcask="lsm", lsm="bitcask")
    with Stave().start() as s:
        s.connect().call("SET", "k", "v")
        s.stop()
        before = files_of(s.data_directory())
        status, _, err = run_once("--port", free_port(), "--bind", "127.0.0.1", "--dir",
                                  s.data_directory(), "--engine", other)
        expect((status, len(err.strip().split("\n"))), (1, 1), err)
        for word in ("bitcask", "lsm", "stave-convert", s.data_directory()):
            assert word in err, "%r is not in %r" % (word, err)
        expect(files_of(s.data_directory()), before)
        expect(s.start().connect().call("GET", "k"), b"v")


def test_directory_without_a_manifest():
    with Stave().start() as s:
        s.connect().call("SET", "k", "v")
        s.stop()
        manifest = os.path.join(s.data_directory(), "MANIFEST")
        os.rename(manifest, manifest + ".kept")
        bad_directory(s.data_directory(), [s.data_directory()])
        os.rename(manifest + ".kept", manifest)
        expect(s.start().connect().call("GET", "k"), b"v")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
