"""Servers for tests: Stave and the reference redis-server, on free loopback ports, each with a
temporary directory of its own; stopped by pid. Standard library only."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import resp

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STAVE = os.environ.get("STAVE_SERVER", os.path.join(TOP, "src", "stave-server"))
ENGINE = os.environ.get("STAVE_ENGINE", "bitcask")  # the one that is tested


def by_engine(**given):
    """Of what is given for each engine by its name, that for the one that is tested."""
    return given[ENGINE]


taken = []  # by this process, until it ends


def free_port():
    """A port that nobody listens on just now, below those that connections take for their own end.
    A name of its own says to tests that run beside this one that it is taken (kit.c does the same)."""
    while True:
        port = random.randrange(10000, 32000)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind("\0stave-test-port-%d" % port)
            with socket.socket() as s:
                s.bind(("", port))
        except OSError:
            name.close()
            continue
        taken.append(name)
        return port


# For servers that shall have most of their data in segments, or in tables of several levels, soon.
SMALL = by_engine(
    bitcask={"segment-size": "1mb"},
    lsm={"segment-size": "1mb", "memtable-size": "256kb", "table-size": "256kb", "block-cache-size": "1mb"})


def children_of(pid):
    """Pids of a process' children: other programs' as well as its own forks."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


@contextlib.contextmanager
def repeatedly(do, every):
    """Calls do() beside the body of the `with`, again and again, so many seconds apart."""
    stop = threading.Event()

    def work():
        while not stop.wait(every):
            do()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Server:
    """One server process; `args` are options without their dashes: {"appendfsync": "always"}."""

    name = "server"

    def __init__(self, program, args=None, directory=None):
        self.program = program
        self.args = dict(args or {})
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="stave-test-")
        self.port = free_port()
        self.process = None
        self.log_path = os.path.join(self.directory, "server.log")

    def command_line(self):
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.data_directory()}
        options.update(self.args)
        line = [self.program]
        for name, value in options.items():
            line.append("--" + name)
            line += [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]
        return line

    def data_directory(self):
        path = os.path.join(self.directory, "data")
        os.makedirs(path, exist_ok=True)
        return path

    def start(self, wait=30):
        """Starts it and waits until it answers PING."""
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command_line(), stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL)
        log.close()
        end = time.time() + wait
        while time.time() < end:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended with %d:\n%s" % (
                    self.name, self.process.returncode, self.log_tail()))
            try:
                c = self.connect()
                answer = c.ask("PING")
                c.close()
                if answer == "PONG" or str(answer).startswith("NOAUTH"):
                    return self
            except (OSError, EOFError):
                pass
            time.sleep(0.02)
        raise RuntimeError("%s did not answer within %d s:\n%s" % (self.name, wait, self.log_tail()))

    def connect(self, proto=2, timeout=60):
        return resp.Connection("127.0.0.1", self.port, proto, timeout)

    def log_tail(self, lines=30):
        try:
            with open(self.log_path, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9: as if the process had crashed."""
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, wait=60):
        """An orderly end by SIGTERM; its exit code."""
        if self.alive():
            self.process.terminate()
        try:
            return self.process.wait(wait)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError("%s did not stop within %d s" % (self.name, wait))

    def close(self):
        """Ends it in any state and removes its directory."""
        if self.process is not None and self.alive():
            self.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start() if self.process is None else self

    def __exit__(self, *exc):
        self.close()


class Stave(Server):
    name = "stave-server"

    def __init__(self, args=None, directory=None):
        options = {"enable-debug-command": "yes", "engine": ENGINE}
        options.update(args or {})
        super().__init__(STAVE, options, directory)


class Reference(Server):
    """The system's redis-server, under the name by which that program knows itself."""
    name = "redis-server"

    def __init__(self, args=None, directory=None):
        options = {"enable-debug-command": "yes", "save": "", "daemonize": "no"}
        options.update(args or {})
        super().__init__(reference_program(), options, directory)


def reference_program():
    """Debian's redis-tools has the server's binary as redis-check-rdb: it serves if called by its
    other name, so no package is needed that would start a system service."""
    link = os.path.join(TOP, "build", "reference", "redis-server")
    if not os.path.exists(link):
        os.makedirs(os.path.dirname(link), exist_ok=True)
        target = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        if not target:
            raise RuntimeError("no reference redis-server: install redis-tools")
        try:
            os.symlink(os.path.realpath(target), link)
        except FileExistsError:
            pass
    return link
