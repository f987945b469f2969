"""What all sections of utils/bench share: tables, CPU time, redis-benchmark, loading."""

import atexit
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.support.servers import Reference, Stave, TOP, reference_program  # noqa: E402

ENGINE_BENCH = os.path.join(TOP, "utils", "engine-bench")
KEYS = 1000000
REDIS_EVERYSEC = {"appendonly": "yes", "appendfsync": "everysec"}
REDIS_ALWAYS = {"appendonly": "yes", "appendfsync": "always"}


class Table:
    """Rows of results, printed as they come and kept for the Markdown summary."""

    def __init__(self, title, head):
        self.title, self.head, self.rows = title, head, []
        print("\n%s\n%s" % (title, "  ".join("%-18s" % h if i == 0 else "%12s" % h
                                               for i, h in enumerate(head))), flush=True)

    def add(self, *cells):
        self.rows.append([str(c) for c in cells])
        print("  ".join("%-18s" % c if i == 0 else "%12s" % c for i, c in enumerate(self.rows[-1])),
              flush=True)

    def markdown(self):
        lines = ["", "### " + self.title, "", "| " + " | ".join(self.head) + " |",
                 "|" + "---|" * len(self.head)]
        return lines + ["| " + " | ".join(r) + " |" for r in self.rows]


class Plot:
    """Curves, or bars, for the page; sections give them beside their tables.

    kind "lines": points are (x, y) numbers. kind "bars": points are (label, y), the same labels in each
    series. reference: a value to draw a line at (1 in a plot of ratios). note: a sentence below."""

    def __init__(self, title, x, y, kind="lines", log_x=False, log_y=False, reference=None, note=""):
        self.title, self.x, self.y, self.kind, self.note = title, x, y, kind, note
        self.log_x, self.log_y, self.reference, self.series = log_x, log_y, reference, []

    def add(self, name, points):
        self.series.append([name, [list(p) for p in points]])


def cpu_seconds(pid):
    """CPU time of a process, all its threads, and its children that have ended, in seconds."""
    own = time.clock_gettime((~pid << 3) | 2)  # its CPU-time clock, as clock_getcpuclockid(3) makes it
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return own + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def plainly(server):
    """How redis-benchmark reaches a server."""
    return ["-p", str(server.port)]


def benchmark(server, test, n, clients=50, pipeline=1, size=3, keys=KEYS, command=(), by=plainly):
    """One run of redis-benchmark, of a test it has or of a command: commands per second, CPU
    microseconds per command, its output."""
    before = cpu_seconds(server.process.pid)
    started = time.time()
    out = subprocess.run(
        ["redis-benchmark"] + by(server) + ["-n", str(n), "-c", str(clients), "-P", str(pipeline),
         "-d", str(size), "-r", str(keys), "--precision", "3"] + (list(command) or ["-t", test]),
        check=True, capture_output=True, text=True).stdout
    elapsed = time.time() - started
    used = cpu_seconds(server.process.pid) - before
    rate = re.search(r"throughput summary: ([0-9.]+) requests per second", out)
    return float(rate.group(1)) if rate else n / elapsed, used * 1e6 / n, out


def started(server):
    """The server, serving; it is closed when this program ends, whatever ends it."""
    atexit.register(server.close)
    return server.start()


def info(server, field):
    c = server.connect()
    text = c.call("INFO", "everything").decode()
    c.close()
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
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read()).group(1)
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read()).group(1)) / 2**20
    version = subprocess.run([reference_program(), "--version"], capture_output=True, text=True).stdout
    return "%d x %s, %.0f GiB, Linux %s; %s" % (os.cpu_count(), model, memory, os.uname().release,
                                                  version.strip().split(" sha")[0])
