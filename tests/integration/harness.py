"""What the Python programs of this folder share: running their tests, waiting, and looking at a
server from outside."""

import contextlib
import ctypes
import functools
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import zlib

from tests.support import resp
from tests.support.servers import (ENGINE, SMALL, STAVE, TOP, Stave,  # noqa: F401 (for those who
                                   by_engine, free_port)  # import this)

PATIENCE = 60  # seconds; nothing that a test waits for takes so long, even on a busy machine


class Skip(Exception):
    """Raised by a test that this machine cannot run, with the reason."""


def only(engine):
    """Marks a test of what one engine alone does: on another it is not there."""
    def mark(test):
        test.engine = engine
        return test
    return mark


def scripts(test):
    """Marks a test that needs scripts: a server that was built without (make LUA=no) skips it."""
    test.scripts = True
    return test


@functools.lru_cache(maxsize=None)
def has_scripts():
    """Does this server run scripts?"""
    with Stave().start() as s:
        return not isinstance(s.connect().ask("EVAL", "return 1", 0), resp.Error)


def main(namespace, all_scripts=False):
    """Runs the functions named test_... in the order they are written, those whose name contains
    sys.argv[1] if it is given; prints `N passed, N failed`; the exit status. all_scripts: each of them
    needs scripts."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are ended too
    passed = failed = 0
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, test in list(namespace.items()):
        if not name.startswith("test_") or wanted not in name or getattr(test, "engine", ENGINE) != ENGINE:
            continue
        try:
            if (all_scripts or getattr(test, "scripts", False)) and not has_scripts():
                raise Skip("this build has no scripts")
            test()
            passed += 1
        except Skip as why:
            print("SKIPPED: %s: %s" % (name, why), flush=True)
            passed += 1
        except Exception:
            failed += 1
            print("FAILED: %s\n%s" % (name, traceback.format_exc()), flush=True)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


def expect(found, wanted, what=""):
    assert found == wanted, "%sfound %.1000r, wanted %.1000r" % (what and what + ": ", found, wanted)


def expect_error(found, start):
    """An error reply that begins with `start`."""
    assert isinstance(found, resp.Error) and str(found).startswith(start), \
        "found %.1000r, wanted an error %s" % (found, start)


def wait_until(holds, what, seconds=PATIENCE, pause=0.02):
    """Calls holds() until it is true; what it said then."""
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < end, "%s: not within %d s" % (what, seconds)
        time.sleep(pause)


def info(c, field):
    """A field of INFO: a number if it is one, else text; None if there is none."""
    text = c.call("INFO", "everything").decode()
    found = re.search(r"(?m)^%s:(.*?)\r?$" % re.escape(field), text)
    if not found:
        return None
    try:
        return int(found.group(1))
    except ValueError:
        return found.group(1)


def rss(pid):
    """Bytes of memory that the process has."""
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def files_of(directory):
    """Every file below it, with size and checksum: to see that nothing changed. LOCK, which tells who
    tried last, is not data."""
    found = {}
    for top, folders, names in os.walk(directory):
        for n in folders:
            found[os.path.join(top, n)] = None
        for n in names:
            path = os.path.join(top, n)
            with open(path, "rb") as f:
                found[path] = (os.path.getsize(path), zlib.crc32(f.read()))
    found.pop(os.path.join(directory, "LOCK"), None)
    return found


def with_engine(args):
    """The arguments as text, and the engine that is tested unless they name one or run none."""
    words = [str(a) for a in args]
    named = {"--engine", "--help", "-h", "--version", "-v"}.intersection(words)
    return words if named else words + ["--engine", ENGINE]


def run_once(*args, stdin=None, seconds=PATIENCE, env=None):
    """Runs the server with these arguments until it ends by itself: (status, output, errors)."""
    p = subprocess.run([STAVE] + with_engine(args), input=stdin or "", capture_output=True,
                       text=True, timeout=seconds, env=env)
    return p.returncode, p.stdout, p.stderr


def raw(port, host="127.0.0.1"):
    """A plain socket to the server."""
    s = socket.create_connection((host, port), PATIENCE)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def is_closed(s):
    """True once the other end has closed the plain socket; what it sent before is dropped."""
    try:
        while s.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


class Process:
    """A server started with these arguments (and --engine); for `with`, which ends it by SIGKILL."""

    def __init__(self, *args, stdin=None, before=None):
        self.args, self.stdin, self.before = with_engine(args), stdin, before
        self.output = ""

    def __enter__(self):
        self.process = subprocess.Popen([STAVE] + self.args, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        preexec_fn=self.before)
        self.process.stdin.write(self.stdin or "")
        self.process.stdin.close()
        self.process.stdin = None  # communicate() shall not look at it
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def connect(self, port=None, unix=None):
        """A connection, as soon as the server accepts one."""
        def attempt():
            assert self.process.poll() is None, "the server ended:\n" + self.process.stdout.read()
            try:
                return resp.Connection("127.0.0.1", port, timeout=PATIENCE, unix=unix)
            except OSError:
                return None
        c = wait_until(attempt, "a server at %s" % (unix or port))
        wait_until(lambda: not str(c.ask("PING")).startswith("LOADING"), "the end of loading")
        return c

    def end(self, signo=signal.SIGTERM):
        """Sends a signal and waits; (status, all that it wrote)."""
        self.process.send_signal(signo)
        return self.ended()

    def ended(self):
        """Waits for its end; (status, all that it wrote)."""
        text = self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode, text


def in_child(test, name=None):
    """Runs it in a forked child, so that what it does to its process ends with it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            test()
            status = 0
        except Skip as why:
            print("SKIPPED: %s: %s" % (name or test.__name__, why))
            status = 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    expect(os.waitpid(pid, 0)[1], 0, name or test.__name__)


def private_mounts():
    """Gives the process mounts of its own, which end with it; without root's rights, as the root of a
    user namespace, if the system lets it."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid, new_ns, new_user = os.getuid(), os.getgid(), 0x00020000, 0x10000000
    if libc.unshare(new_ns) != 0:
        if libc.unshare(new_ns | new_user) != 0:
            raise Skip("mounts: " + os.strerror(ctypes.get_errno()))
        for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % uid), ("gid_map", "0 %d 1" % gid)):
            with open("/proc/self/" + name, "w") as f:
                f.write(text)
    if libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) != 0:  # MS_REC | MS_PRIVATE
        raise Skip("mounts: " + os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def tmpfs(size):
    """The path of a file system of its own, of so many bytes; in a process that has private_mounts()."""
    libc = ctypes.CDLL(None, use_errno=True)
    path = tempfile.mkdtemp(prefix="stave-test-")
    if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, b"size=%d" % size) != 0:
        os.rmdir(path)
        raise Skip("tmpfs: " + os.strerror(ctypes.get_errno()))
    try:
        yield path
    finally:
        libc.umount2(path.encode(), 2)  # MNT_DETACH: whoever still has a file there keeps it
        os.rmdir(path)
