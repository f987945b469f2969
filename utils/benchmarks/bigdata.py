"""Sections on data much larger than the memory that a server is given."""

import os
import re
import subprocess
import threading
import time

from .common import (Pieces, Stave, Table, benchmark, cpu_seconds, engine_exists, info, load, measure, ratio,
                     rss_kib, started)
from tests.support.servers import children_of, repeatedly

# A value whose digits differ each time: redis-benchmark writes the same value into every key otherwise.
DIGITS = "__rand_int__"


def set_command(size):
    """SET of a random key to a value of that size, most of it random digits."""
    value = DIGITS * (size // len(DIGITS))
    return ["SET", "key:" + DIGITS, value + "x" * (size - len(value))]


def no_page_cache(servers):
    """The memory that a server is given is all there is: ten times a second the system forgets what it has
    read or written back of the servers' files, so a read that a server does not answer from its own memory
    is one of the disk. A limit of the system's own (a control group) would need its administrator."""
    directories = [s.data_directory() for s in servers]
    return repeatedly(lambda: [forget_files(d) for d in directories], 0.1)


def forget_files(directory):
    for name in os.listdir(directory):
        try:
            f = os.open(os.path.join(directory, name), os.O_RDONLY)
        except FileNotFoundError:
            continue  # unlinked just now
        os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(f)


def wait_quiet(server, settle=5, most=900):
    """Until for some seconds the server has had no child and has written nothing to its log."""
    end, since, before = time.time() + most, time.time(), None
    while time.time() < end and time.time() - since < settle:
        now = info(server, "written_bytes"), children_of(server.process.pid)
        if now != before or now[1]:
            since, before = time.time(), now
        time.sleep(0.2)


def cold(o):
    """Both engines with data ten times the memory given: values that lie beside their keys in the LSM
    engine, and such as do not. Bitcask can't do without its index of all keys in memory: if that does not
    fit, it gets what it needs for it, and its cache, which the table's last row shows."""
    return [cold_of_size(o, o.memory or (16 if o.quick else 128), size) for size in (100, 1000)]


def cold_of_size(o, memory, size):
    keys = 10 * (memory << 20) // (size + 16)
    fits = keys * 48 < memory << 19
    t = Table("SET and GET through the server, %d keys of 16 + %d bytes (%d MiB), memory %d MiB%s" %
              (keys, size, keys * (size + 16) >> 20, memory, "" if fits else "; bitcask: and its index, more than that"),
              ["workload", "%s req/s" % o.store, "bitcask", "ratio", "%s CPU us" % o.store, "bitcask", "CPU ratio"])
    cache = {"value-cache-size": "%dmb" % (memory // 4), "appendfsync": "everysec"}
    limit = {"maxmemory": "%dmb" % memory}
    servers = [started(Stave(dict(cache, engine=o.store, **limit))),
               started(Stave(dict(cache, engine="bitcask", **(limit if fits else {}))))]
    for s in servers:
        load(s, size, keys, Pieces(size))
        wait_quiet(s)
    n = 20000 if o.quick else 200000

    def row(what, count, pipeline, **how):
        rates, cpus = measure(o, servers, n=count, pipeline=pipeline, size=size, keys=keys, **how)
        t.add(what, "%.0f" % rates[0], "%.0f" % rates[1], ratio(*rates), "%.2f" % cpus[0], "%.2f" % cpus[1],
              ratio(*cpus))
    def rows(where, gets):
        for pipeline in (1, 16):
            row("GET -P %d%s" % (pipeline, where), gets, pipeline, test="get")
        for pipeline in (1, 16):
            row("SET -P %d%s" % (pipeline, where), n, pipeline, test="set", command=set_command(size))
            for s in servers:
                wait_quiet(s, 2)
    with no_page_cache(servers):
        rows("", n // 10)
    rows(", page cache", n)
    mib = [rss_kib(s.process.pid) / 1024 for s in servers]
    t.add("RSS MiB", "%.0f" % mib[0], "%.0f" % mib[1], ratio(*mib), "-", "-", "-")
    for s in servers:
        s.close()
    return t


class Sampler(threading.Thread):
    """Resident memory of a server, and of its children together, every few hundredths of a second: the
    most since the last reset."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.pid, self.running = server.process.pid, True
        self.reset()
        self.start()

    def reset(self):
        self.server = self.children = self.private = self.samples = 0

    def most(self):
        """MiB: the server, its largest child, what its children have for themselves."""
        return ["%.1f" % (kib / 1024) for kib in (self.server, self.children, self.private)]

    def run(self):
        while self.running:
            try:
                self.server = max(self.server, rss_kib(self.pid))
                self.samples += 1
            except (OSError, AttributeError):
                return
            sums = [child_memory(c) for c in children_of(self.pid)]
            self.children = max([self.children] + [s[0] for s in sums])
            self.private = max(self.private, sum(s[1] for s in sums))
            time.sleep(0.03)

    def stop(self):
        self.running = False
        self.join()


def child_memory(pid):
    """KiB resident, most of it shared with the server; KiB of it that is the child's own."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            text = f.read()
    except OSError:
        return 0, 0  # it has ended
    kib = dict((k, int(v)) for k, v in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M))
    return kib.get("Rss", 0), kib.get("Private_Dirty", 0) + kib.get("Private_Clean", 0)


def both_ways(server, n, size, keys):
    """Reads and writes at once, by two programs: commands a second and CPU time of both together."""
    before, began = cpu_seconds(server.process.pid), time.time()
    reader = subprocess.Popen(["redis-benchmark", "-p", str(server.port), "-t", "get", "-n", str(n), "-c", "25",
                               "-P", "4", "-r", str(keys), "-q"], stdout=subprocess.DEVNULL)
    benchmark(server, "set", n, clients=25, pipeline=4, size=size, keys=keys, command=set_command(size))
    if reader.wait():
        raise RuntimeError("redis-benchmark failed")
    return 2 * n / (time.time() - began), (cpu_seconds(server.process.pid) - before) * 1e6 / (2 * n)


def volume(o):
    """Very many keys under a small maxmemory."""
    keys, size = o.keys if o.keys_given else (500000 if o.quick else 20000000), 100
    memory = o.memory or (64 if o.quick else 256)
    n = max(keys // 20, 50000)
    t = Table("%d keys of 16 + %d bytes under maxmemory %d MiB (%s)" % (keys, size, memory, o.store),
              ["phase", "req/s", "CPU us", "most RSS MiB", "child RSS", "own of it", "disk MB", "delays", "delay ms",
               "samples"])
    if not engine_exists(o.store):
        raise RuntimeError("this build has no engine '%s'" % o.store)
    server = started(Stave({"engine": o.store, "appendfsync": "everysec", "maxmemory": "%dmb" % memory}))
    sampler, most = Sampler(server), []

    def phase(what, run):
        sampler.reset()
        before = delays(server)
        rate, cpu = run()
        most.append(sampler.server)
        t.add(what, "%.0f" % rate, "%.2f" % cpu, *sampler.most(), "%.0f" % (disk_bytes(server) / 1e6),
              *[b - a for a, b in zip(before, delays(server))], sampler.samples)

    def loading():
        began = time.time()
        load(server, size, keys, Pieces(size))
        return keys / (time.time() - began), cpu_seconds(server.process.pid) * 1e6 / keys

    def quiet():
        wait_quiet(server)
        return 0, 0
    try:
        phase("load", loading)
        phase("GET", lambda: benchmark(server, "get", n, pipeline=4, keys=keys)[:2])
        phase("SET", lambda: benchmark(server, "set", n, pipeline=4, size=size, keys=keys,
                                       command=set_command(size))[:2])
        phase("GET and SET", lambda: both_ways(server, n, size, keys))
        phase("until quiet", quiet)
        t.add("all along", "-", "-", "%.1f" % (max(most) / 1024), *["-"] * 6)
        c = server.connect()
        if c.call("DBSIZE") != keys:
            raise RuntimeError("DBSIZE is %d" % c.call("DBSIZE"))
        c.close()
    finally:
        sampler.stop()
        server.close()
    return t


def delays(server):
    """Writes that were made to wait so far, and for how many milliseconds together."""
    return int(info(server, "write_delays")), int(info(server, "write_delay_usec")) // 1000


def disk_bytes(server):
    """Blocks of its files."""
    directory, total = server.data_directory(), 0
    for name in os.listdir(directory):
        try:
            total += os.stat(os.path.join(directory, name)).st_blocks * 512
        except FileNotFoundError:
            pass  # unlinked just now
    return total
