"""What all sections of utils/bench share: tables, CPU time, redis-benchmark, loading."""

import argparse
import atexit
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.support import resp  # noqa: E402
from tests.support.servers import Reference, Stave, TOP, reference_program  # noqa: E402

ENGINE_BENCH = os.path.join(TOP, "utils", "engine-bench")
KEYS = 1000000
REDIS_EVERYSEC = {"appendonly": "yes", "appendfsync": "everysec"}
REDIS_ALWAYS = {"appendonly": "yes", "appendfsync": "always"}


class Table:
    """Rows of results, printed as they come and kept for the Markdown summary."""

    def __init__(self, title, head):
        self.title, self.head, self.rows, self.told = title, head, [], []
        print("\n%s\n%s" % (title, "  ".join("%-18s" % h if i == 0 else "%12s" % h
                                               for i, h in enumerate(head))), flush=True)

    def add(self, *cells):
        self.rows.append([str(c) for c in cells])
        print("  ".join("%-18s" % c if i == 0 else "%12s" % c for i, c in enumerate(self.rows[-1])),
              flush=True)

    def tell(self, words):
        """A sentence for the summary: what a reader should take with him."""
        self.told.append(words)
        print("-> " + words, flush=True)


class Plot:
    """Curves, or bars, for the page; sections give them beside their tables.

    kind "lines": points are (x, y) numbers, ticks (optional) are (x, words). kind "bars": points are (label, y),
    the same labels in each series. reference: a value to draw a line at (1 in a plot of ratios). note: a
    sentence below."""

    def __init__(self, title, x, y, kind="lines", log_x=False, log_y=False, reference=None, note="", ticks=None):
        self.title, self.x, self.y, self.kind, self.note = title, x, y, kind, note
        self.log_x, self.log_y, self.reference, self.ticks, self.series = log_x, log_y, reference, ticks, []

    def add(self, name, points):
        self.series.append([name, [list(p) for p in points]])


def cpu_seconds(pid):
    """CPU time of a process, all its threads, and its children that have ended, in seconds."""
    own = time.clock_gettime((~pid << 3) | 2)  # its CPU-time clock, as clock_getcpuclockid(3) makes it
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return own + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def children_of(server):
    """CPU seconds of a server's children that have ended; nan if its process is not known."""
    if not server.process:
        return math.nan
    with open("/proc/%d/stat" % server.process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


class Other:
    """A server that somebody else started, named on the command line: NAME=HOST:PORT or, if it runs on this
    machine and its CPU time is wanted, NAME=HOST:PORT:PID. Keys are written to it, and none is removed."""

    def __init__(self, words):
        m = re.fullmatch(r"([^=]+)=(.+?):(\d+)(?::(\d+))?", words)
        if not m:
            raise argparse.ArgumentTypeError("not NAME=HOST:PORT or NAME=HOST:PORT:PID: '%s'" % words)
        self.name, self.host, self.port, pid = m.group(1), m.group(2), int(m.group(3)), m.group(4)
        self.process = types.SimpleNamespace(pid=int(pid)) if pid else None
        try:
            self.connect().close()
        except OSError as e:
            raise argparse.ArgumentTypeError("%s: %s" % (words, e))

    def connect(self, proto=2, timeout=60):
        return resp.Connection(self.host, self.port, proto, timeout)

    def settings(self):
        """What it says of itself and of what it promises."""
        words = ["%s: %s:%d" % (self.name, self.host, self.port)]
        words += ["%s %s" % (f, info(self, f)) for f in ("redis_version", "os", "executable", "config_file")]
        c = self.connect()
        for name in ("save", "appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "io-threads"):
            got = c.ask("CONFIG", "GET", name)
            words += ["%s '%s'" % (name, got[1])] if isinstance(got, list) and len(got) == 2 else []
        c.close()
        return ", ".join(words)


def plainly(server):
    """How redis-benchmark reaches a server."""
    return ["-h", getattr(server, "host", "127.0.0.1"), "-p", str(server.port)]


def cpu_of(server):
    """CPU seconds of a server so far; nan if its process is not known."""
    return cpu_seconds(server.process.pid) if server.process else math.nan


def benchmark(server, test, n, clients=50, pipeline=1, size=3, keys=KEYS, command=(), by=plainly):
    """One run of redis-benchmark, of a test it has or of a command: commands per second, CPU
    microseconds per command, its output."""
    before = cpu_of(server)
    started = time.time()
    out = subprocess.run(
        ["redis-benchmark"] + by(server) + ["-n", str(n), "-c", str(clients), "-P", str(pipeline),
         "-d", str(size), "-r", str(keys), "--precision", "3"] + (list(command) or ["-t", test]),
        check=True, capture_output=True, text=True).stdout
    elapsed = time.time() - started
    used = cpu_of(server) - before
    rate = re.search(r"throughput summary: ([0-9.]+) requests per second", out)
    return float(rate.group(1)) if rate else n / elapsed, used * 1e6 / n, out


def started(server):
    """The server, serving; it is closed when this program ends, whatever ends it."""
    atexit.register(server.close)
    return server.start()


def info_text(server):
    c = server.connect()
    text = c.call("INFO", "everything").decode()
    c.close()
    return text


def info(server, field):
    text = info_text(server)
    found = re.search(r"^%s:(.*)\r$" % field, text, re.M)
    return found.group(1) if found else None


def load(server, size, keys=KEYS, value=None):
    """All keys present: sets by random keys alone would leave a third of them out. value(i): that key's."""
    c = server.connect(timeout=600)
    same = b"x" * size
    step = 5000
    unread = 0
    for at in range(0, keys, step):
        n = min(step, keys - at)
        c.send_raw(b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n" %
                            (i, size, value(i) if value else same) for i in range(at, at + n)))
        await_ok(c, unread)  # those before: the server works while the next are made
        unread = n
    await_ok(c, unread)
    c.close()


def await_ok(c, n):
    """n replies, each +OK."""
    left = len(b"+OK\r\n") * n
    while left:
        got = c.socket.recv(min(left, 1 << 16))
        if not got or b"-" in got:
            raise RuntimeError("SET failed: %r" % got[got.find(b"-"):][:200])
        left -= len(got)


class Pieces:
    """Values that no compression makes smaller, and that differ: pieces of random bytes."""

    def __init__(self, size):
        self.size, self.pool = size, os.urandom(1 << 22)

    def __call__(self, i):
        at = i * 7919 % (len(self.pool) - self.size)
        return self.pool[at:at + self.size]


BACKGROUND = r"^(?:aof_rewrite|merge|hint|flush|compactions)_in_progress:[^0]"


def settle(servers, calm=6):
    """Until all have done what follows from writing: Stave looks for hints to be made every five seconds."""
    quiet = time.monotonic()
    while time.monotonic() - quiet < calm:
        time.sleep(0.5)  # seldom: it is paid for, too
        if any(re.search(BACKGROUND, info_text(s), re.M) for s in servers):
            quiet = time.monotonic()


def measure_writes(o, servers, **how):
    """As measure, for tests that write: the CPU is the mean of all runs, with all that follows from them (rewrites,
    merges, hints), which comes now and then and would else be some other row's."""
    rates = [[] for _ in servers]
    before = [cpu_of(s) for s in servers]
    for _ in range(o.repeat):
        for i, s in enumerate(servers):
            rates[i].append(benchmark(s, **how)[0])
    settle(servers)
    per = 1e6 / how["n"] / o.repeat
    return [statistics.median(r) for r in rates], [(cpu_of(s) - b) * per for s, b in zip(servers, before)]


def ratio(a, b):
    return "%.2f" % (a / b) if b else "-"


def measure(o, servers, before=None, **how):
    """Alternating runs; medians of rate and of CPU per command for each server. before(server): first."""
    rates, cpus = [[] for _ in servers], [[] for _ in servers]
    for _ in range(o.repeat):
        for i, s in enumerate(servers):
            if before:
                before(s)
            rate, cpu, _ = benchmark(s, **how)
            rates[i].append(rate)
            cpus[i].append(cpu)
    return [statistics.median(r) for r in rates], [statistics.median(c) for c in cpus]


def engine_exists(name):
    """Does this build have that engine?"""
    return subprocess.run([ENGINE_BENCH, "--engine", name, "--help"], capture_output=True).returncode == 0


def machine():
    """What this was measured on, in lines."""
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read()).group(1)
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read()).group(1)) / 2**20
    run = lambda *line: subprocess.run(line, capture_output=True, text=True).stdout.strip()  # noqa: E731
    version = run(reference_program(), "--version").split(" sha")[0]
    kind = run("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "-T", tempfile.gettempdir()).replace("\n", "; ")
    return ["%d x %s, %.0f GiB, Linux %s" % (os.cpu_count(), model, memory, os.uname().release),
            "data in %s: %s" % (tempfile.gettempdir(), kind), "%s; %s" % (version, run("redis-benchmark", "--version"))]
