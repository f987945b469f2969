"""The section that takes a command's cost apart: CPU in the program and in the kernel, system calls of a
turn, and instructions, beside redis-server with and without its append-only file."""

import glob
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from .common import (KEYS, REDIS_EVERYSEC, Reference, Stave, Table, benchmark, cpu_seconds, load, ratio, started)
from .server import STAVE_THROUGHPUT

REDIS_NO_LOG = {"appendonly": "no"}
PIPELINES = (1, 16, 64)


class Counted:
    """Adds valgrind's instruction counter to a server; it counts when told to."""

    def command_line(self):
        return ["valgrind", "--tool=callgrind", "--instr-atstart=no",
                "--callgrind-out-file=%s/callgrind.%%p" % self.directory] + super().command_line()

    def control(self, *how):
        subprocess.run(["callgrind_control"] + list(how) + [str(self.process.pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def instructions(self, n, **how):
        """Those of the program, without the kernel's, for each of n commands."""
        self.control("--instr=on")
        benchmark(self, n=n // 4, **how)  # what is translated first is not the row's
        self.control("-z")
        benchmark(self, n=n, **how)
        self.control("-d")
        self.control("--instr=off")
        newest = max(glob.glob("%s/callgrind.%d.*" % (self.directory, self.process.pid)), key=os.path.getmtime)
        with open(newest) as f:
            return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1)) / n


class CountedStave(Counted, Stave):
    pass


class CountedReference(Counted, Reference):
    pass


def servers(o, stave=Stave, reference=Reference):
    """Stave, which always has a log; redis-server with one, and without."""
    ours = dict({"engine": o.engine, "appendfsync": "everysec"}, **STAVE_THROUGHPUT[o.engine])
    still = {"auto-aof-rewrite-percentage": 0}  # no rewrite in the middle of a row
    return [started(s) for s in (stave(ours), reference(dict(REDIS_EVERYSEC, **still)), reference(REDIS_NO_LOG))]


def split(pid):
    """User and system seconds of all threads of a process, in the proportion that the kernel has sampled."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]), int(fields[12])


def parts(server, n, **how):
    """CPU microseconds a command in the program, and in the kernel."""
    ticks, before = split(server.process.pid), cpu_seconds(server.process.pid)
    benchmark(server, n=n, **how)
    used = (cpu_seconds(server.process.pid) - before) * 1e6 / n
    user, system = [b - a for a, b in zip(ticks, split(server.process.pid))]
    share = user / (user + system) if user + system else 1
    return used * share, used * (1 - share)


def times(o):
    """Alternating runs, medians."""
    t = Table("CPU us a command, program + kernel, -c 50, %d random keys" % KEYS,
              ["workload", "stave", "redis, log", "redis, none", "ratio, log", "ratio, none"])
    for size in (3, 100):
        three = servers(o)
        for s in three:
            load(s, size)
            time.sleep(3)  # what follows from loading is not the row's
        for pipeline in PIPELINES:
            n = (200000 if pipeline == 1 else 1000000) // (4 if o.quick else 1)
            for test in ("set", "get"):
                runs = [[parts(s, n, test=test, pipeline=pipeline, size=size) for s in three]
                        for _ in range(o.repeat)]
                both = [[statistics.median(run[i][part] for run in runs) for part in (0, 1)] for i in range(3)]
                whole = [statistics.median(sum(run[i]) for run in runs) for i in range(3)]
                t.add("%s %dB -P %d" % (test.upper(), size, pipeline), *["%.2f + %.2f" % tuple(b) for b in both],
                      ratio(whole[0], whole[1]), ratio(whole[0], whole[2]))
        for s in three:
            s.close()
    return t


def calls(server, clients, test, n):
    """System calls of each kind by the serving thread, for each of n commands."""
    with tempfile.NamedTemporaryFile(mode="r", prefix="stave-bench-") as out:
        tracer = subprocess.Popen(["strace", "-c", "-o", out.name, "-p", str(server.process.pid)],
                                  stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()  # that it is attached
        benchmark(server, test, n, clients=clients)
        tracer.send_signal(2)
        tracer.communicate()
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", out.read(), re.M)
    return {name: int(count) / n for count, name in rows if name != "total"}


def turns(o):
    """At -P 1, where they are most of the cost; a call that is made for fewer than 50 commands is left out."""
    t = Table("System calls of 1000 commands at -P 1, everysec", ["workload", "server", "in all", "of them"])
    pair = servers(o)[:2]
    for clients in (1, 50):
        for test in ("set", "get"):
            for s in pair:
                each = calls(s, clients, test, 5000)
                most = sorted((x for x in each.items() if x[1] >= 0.02), key=lambda x: -x[1])
                t.add("%s -c %d" % (test.upper(), clients), s.name, "%.0f" % (1000 * sum(each.values())),
                      "  ".join("%s %.0f" % (name, 1000 * count) for name, count in most))
    for s in pair:
        s.close()
    return t


def counts(o):
    """One run each: what is counted here does not depend on what else the machine does."""
    t = Table("Instructions a command in the program, -c 50, %d random keys" % KEYS,
              ["workload", "stave", "redis, log", "redis, none", "ratio, log"])
    for size in (3, 100):
        three = servers(o, CountedStave, CountedReference)
        for s in three:
            load(s, size)
        for pipeline in PIPELINES:
            n = (10000 if pipeline == 1 else 40000) // (2 if o.quick else 1)
            for test in ("set", "get"):
                each = [s.instructions(n, test=test, pipeline=pipeline, size=size) for s in three]
                t.add("%s %dB -P %d" % (test.upper(), size, pipeline), *["%.0f" % x for x in each],
                      ratio(each[0], each[1]))
        for s in three:
            s.close()
    return t


def cpu(o):
    tables = [times(o)]
    if shutil.which("strace"):
        tables.append(turns(o))
    else:
        print("strace is missing: system calls are not counted", file=sys.stderr)
    if o.instructions and shutil.which("valgrind"):
        tables.append(counts(o))
    elif o.instructions:
        print("valgrind is missing: instructions are not counted", file=sys.stderr)
    return tables
