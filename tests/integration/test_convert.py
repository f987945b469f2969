#!/usr/bin/python3
"""stave-convert on directories that the real server has written, and the server on what it makes: from
the engine that is tested to each that there is."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import ENGINE, PATIENCE, Stave, expect, run_once, wait_until  # noqa: E402
from tests.support.servers import TOP  # noqa: E402

CONVERT = os.path.join(TOP, "utils", "stave-convert")
CHECK = os.path.join(TOP, "utils", "stave-check")
KEYS = 20000


def convert(*args, seconds=PATIENCE):
    """(exit status, output, errors)"""
    p = subprocess.run([CONVERT, *[str(a) for a in args]], capture_output=True, text=True, timeout=seconds)
    return p.returncode, p.stdout, p.stderr


def engines():
    """Those that this build has: an unknown one is wrong usage."""
    return [e for e in ("bitcask", "lsm") if convert("/nowhere", "/nowhere/new", "--engine", e)[0] != 2]


def contents(directory):
    """Every file, with its bytes' hash, its size and when it was written; LOCK too."""
    found = {}
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        with open(path, "rb") as f:
            found[name] = (hashlib.sha256(f.read()).hexdigest(), os.stat(path).st_mtime_ns)
    return found


def fill(c, keys=KEYS):
    for db in (0, 9):
        c.call("SELECT", db)
        for at in range(0, keys, 500):
            for i in range(at, at + 500):
                c.send("SET", "key:%d" % i, b"v\0" * (i % 200), *(["EX", 100000 + i] if i % 3 == 0 else []))
            for i in range(at, at + 500):
                expect(c.reply(), "OK")
        for i in range(0, keys, 7):
            c.send("DEL", "key:%d" % i)
        for i in range(0, keys, 7):
            expect(c.reply(), 1)
    expect(c.call("SETRANGE", "long", 3000000, "end"), 3000003)
    expect(c.call("SETBIT", "bits", 80000000, 1), 0)
    c.call("SELECT", 0)


def scan(c, cursor, found, limit):
    """Goes on with a SCAN until it ends or has found so many; the cursor."""
    while True:
        cursor, keys = c.call("SCAN", cursor, "COUNT", 500)
        found.update(keys)
        cursor = int(cursor)
        if cursor == 0 or len(found) >= limit:
            return cursor


def seen(c):
    """What clients can tell apart."""
    values = [c.call("DEBUG", "DIGEST")]
    for db in (0, 9):
        c.call("SELECT", db)
        values += [c.call("DBSIZE"), c.call("GET", "key:199"), c.call("EXPIRETIME", "key:3"),
                   c.call("EXPIRETIME", "key:1"), c.call("STRLEN", "long"), c.call("BITCOUNT", "bits")]
    c.call("SELECT", 0)
    return values


def test_server_to_server():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        with Stave().start() as s:
            fill(s.connect())
            for n, to in enumerate(engines()):
                c = s.connect()
                before, all_keys, half = seen(c), set(), set()
                scan(c, 0, all_keys, KEYS * 2)
                cursor = scan(c, 0, half, KEYS // 2)
                assert cursor and len(half) < len(all_keys)
                # Once after a crash, once after an orderly end.
                s.kill() if n % 2 == 0 else s.stop()
                files, new = contents(s.data_directory()), "%s/%s" % (top, to)
                status, out, err = convert(s.data_directory(), new, "--engine", to, "--force")
                expect((status, err), (0, ""))
                assert "verified: %d keys, " % (before[1] + before[7]) in out, (out, before)
                expect(contents(s.data_directory()), files)
                expect(sorted(os.listdir(top)), sorted(engines()[:n + 1]))
                checked = subprocess.run([CHECK, new], capture_output=True, text=True, timeout=PATIENCE)
                assert checked.returncode == 0, checked.stdout + checked.stderr
                with Stave({"engine": to, "dir": new}).start() as t:
                    c = t.connect()
                    expect(seen(c), before)
                    # A cursor of the old server goes on in the new one.
                    scan(c, cursor, half, KEYS * 2)
                    expect(half, all_keys)
                    expect(c.call("SET", "new", "key"), "OK")
                    expect(t.stop(), 0)
                s.start()


def test_back_again():
    other = [e for e in engines() if e != ENGINE]
    if not other:
        raise harness.Skip("there is one engine")
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top, Stave().start() as s:
        fill(s.connect(), 2000)
        before = seen(s.connect())
        s.stop()
        expect(convert(s.data_directory(), top + "/there", "--engine", other[0], "-q"), (0, "", ""))
        expect(convert(top + "/there", top + "/back", "--engine", ENGINE, "-q"), (0, "", ""))
        with Stave({"dir": top + "/back"}).start() as t:
            expect(seen(t.connect()), before)


def test_wrong_engine_says_what_to_do():
    other = [e for e in engines() if e != ENGINE]
    if not other:
        raise harness.Skip("there is one engine")
    with Stave().start() as s:
        expect(s.connect().call("SET", "k", "v"), "OK")
        s.stop()
        files = contents(s.data_directory())
        status, _, err = run_once("--port", 0, "--dir", s.data_directory(), "--engine", other[0])
        expect(status, 1)
        for words in ("engine " + ENGINE, "engine " + other[0], "--engine " + ENGINE,
                      "stave-convert %s NEWDIR --engine %s" % (s.data_directory(), other[0])):
            assert words in err, "no %r in %r" % (words, err)
        after = contents(s.data_directory())
        for name in set(files) - {"LOCK"}:  # its manifest was written again, as it was
            expect(after[name][0], files[name][0], name)
        expect(sorted(after), sorted(files))
        # And that is right.
        command = err[err.index("stave-convert"):].split("`")[0].split()
        expect(convert(command[1], s.directory + "/new", *command[3:])[0], 0)


def test_refusals():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top, Stave().start() as s:
        data = s.data_directory()
        expect(s.connect().call("SET", "k", "v"), "OK")
        for status, words, args in (
                (2, "FROM and TO", ["--engine", ENGINE]),
                (2, "which engine", [data, top + "/new"]),
                (2, "no engine", [data, top + "/new", "--engine", "other"]),
                (2, "NAME=VALUE", [data, top + "/new", "--engine", ENGINE, "--set", "segment-size"]),
                (2, "no such setting", [data, top + "/new", "--engine", ENGINE, "--set", "x=1"]),
                (2, "segment-size: ", [data, top + "/new", "--engine", ENGINE, "--set", "segment-size=x"]),
                (2, "yes or no", [data, top + "/new", "--engine", ENGINE, "--cluster", "maybe"]),
                (3, "no MANIFEST", [top, top + "/new", "--engine", ENGINE]),
                (3, "already; --force", [data, top + "/new", "--engine", ENGINE]),
                (3, "exists", [data, top, "--engine", ENGINE, "-f"]),
                (3, "inside of", [data, data + "/new", "--engine", ENGINE, "-f"]),
                (3, "is held by process %d" % s.process.pid, [data, top + "/new", "--engine", ENGINE, "-f"])):
            found, out, err = convert(*args)
            assert found == status and words in err and out == "", (args, found, out, err)
        expect(os.listdir(top), [])
        expect(s.connect().call("GET", "k"), b"v")
        status, out, _ = convert("--help")
        assert status == 0 and "Exit status" in out
        status, out, _ = convert("--version")
        assert status == 0 and out.startswith("stave-convert ")


def started(*args):
    return subprocess.Popen([CONVERT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_interrupted():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top, Stave().start() as s:
        data, new, c = s.data_directory(), top + "/new", s.connect()
        fill(c)
        before = seen(c)
        s.stop()
        files = contents(data)
        args = (data, new, "--engine", ENGINE, "--force", "--progress")
        # By a signal: it removes what it has made.
        p = started(*args)
        wait_until(lambda: os.path.exists(new + ".partial/store/MANIFEST") or p.poll() is not None,
                   "it has begun")
        p.terminate()
        _, err = p.communicate(timeout=PATIENCE)
        if p.returncode:
            assert p.returncode == 1 and "interrupted" in err, (p.returncode, err)
            expect(os.listdir(top), [])
        else:  # it was faster
            os.rename(new, top + "/done")
        expect(contents(data), files)
        # Killed: what is left is not taken for a store, and the next one removes it.
        p = started(*args)
        wait_until(lambda: os.path.exists(new + ".partial/store/MANIFEST") or p.poll() is not None,
                   "it has begun")
        p.send_signal(signal.SIGKILL)
        p.communicate(timeout=PATIENCE)
        if p.returncode:
            expect(os.path.exists(new), False)
            expect(contents(data), files)
            status, _, err = convert(*args)
            expect(status, 0, err)
        expect(os.path.exists(new + ".partial"), False)
        expect(contents(data), files)
        with Stave({"dir": new}).start() as t:
            expect(seen(t.connect()), before)


def test_progress():
    """A slow target: lines come while it goes on."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top, Stave().start() as s:
        fill(s.connect())
        s.stop()
        p = started(s.data_directory(), top + "/new", "--engine", ENGINE, "--force", "--progress")
        # It is stopped now and then, so that it takes some seconds on any machine.
        for _ in range(15):
            time.sleep(0.005)
            if p.poll() is not None:
                break
            p.send_signal(signal.SIGSTOP)
            time.sleep(0.6)
            p.send_signal(signal.SIGCONT)
        out, err = p.communicate(timeout=PATIENCE)
        expect(p.returncode, 0, err)
        assert "verified: " in out, out
        assert " keys (" in err and "MB/s" in err, err


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
