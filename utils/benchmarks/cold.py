"""The section of reads that miss memory: random GETs by 1 to 256 clients from a page cache that is dropped all the
time, beside fio on the same files, and beside the server whose reads hold its thread."""

import contextlib
import glob
import json
import os
import re
import subprocess
import time

from .common import Pieces, Plot, Stave, Table, benchmark, load, ratio, started
from tests.support.servers import repeatedly

SIZE = 500  # so that eight records lie in one page: few GETs cost two
CACHE_MIB = 20
CLIENTS = (1, 4, 16, 64, 256)
ENOUGH = {1: 4000, 4: 12000, 16: 40000, 64: 100000, 256: 100000}
METHODS = ("io_uring", "threads")


def segments(server):
    c = server.connect()
    folder = c.call("CONFIG", "GET", "dir")[1].decode()
    c.close()
    return sorted(glob.glob(os.path.join(folder, "*.seg")))


@contextlib.contextmanager
def no_page_cache(files):
    """Drops what the system keeps of these files, again and again."""
    fds = [os.open(f, os.O_RDONLY) for f in files]
    for fd in fds:
        os.fsync(fd)

    def drop():
        for fd in fds:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    try:
        with repeatedly(drop, 0.03):
            yield
    finally:
        for fd in fds:
            os.close(fd)


def fio(files, engine, depth, seconds):
    """Random reads of 4 KiB past the page cache: reads a second."""
    out = subprocess.run(
        ["fio", "--name=cold", "--readonly", "--rw=randread", "--bs=4k", "--direct=1", "--ioengine=" + engine,
         "--iodepth=%d" % depth, "--time_based", "--runtime=%d" % seconds, "--output-format=json",
         "--filename=" + ":".join(files)], check=True, capture_output=True, text=True).stdout
    return json.loads(out[out.index("{"):])["jobs"][0]["read"]["iops"]


def engine_figures(server):
    c = server.connect()
    text = c.call("INFO", "engine").decode()
    c.close()
    return {k: int(v) for k, v in re.findall(r"^(cold_\w+):(\d+)\r$", text, re.M)}


def one_run(server, files, clients, cold, keys, n):
    """GETs a second, CPU of each, what INFO says of the reads."""
    c = server.connect()
    c.call("CONFIG", "SET", "cold-reads", "yes" if cold else "no")
    c.call("CONFIG", "RESETSTAT")
    c.close()
    with no_page_cache(files):
        time.sleep(0.1)
        rate, cpu, _ = benchmark(server, None, n, clients=clients, keys=keys, command=["GET", "key:__rand_int__"])
    return rate, cpu, engine_figures(server)


def cold_clients(o):
    keys = (100000 if o.quick else 400000)
    seconds = 1 if o.quick else 3
    t = Table("Reads that miss memory: random GETs of %d bytes, %d MB of data, value-cache-size %dmb, page cache dropped"
              % (SIZE, keys * SIZE >> 20, CACHE_MIB * keys // 400000),
              ["clients", "io_uring/s", "threads/s", "blocking/s", "x blocking", "fio/s", "of fio", "CPU us",
               "read us", "blocked"])
    servers = {}
    for method in METHODS:
        servers[method] = started(Stave({
            "engine": "bitcask", "io-method": method, "compression": "no",
            "value-cache-size": "%dmb" % (CACHE_MIB * keys // 400000)}))
        load(servers[method], SIZE, keys, value=Pieces(SIZE))
    time.sleep(3)  # an fsync has covered all: what was written is read from the disk from now on
    files = {m: segments(s) for m, s in servers.items()}
    full = [f for f in files[METHODS[0]] if os.path.getsize(f) > 1 << 20]
    plot = Plot("Cold reads by clients", "clients", "GETs a second", log_x=True, log_y=True,
                note="fio: 4 KiB random reads of the same files, depth as many as clients")
    curves = {name: [] for name in ("io_uring", "threads", "blocking", "fio")}
    at64 = None
    for clients in CLIENTS:
        n = ENOUGH[clients] // (10 if o.quick else 1)
        disk = max(fio(full, e, clients, seconds) for e in ("io_uring", "libaio"))
        got = {m: one_run(s, files[m], clients, True, keys, n) for m, s in servers.items()}
        slow = one_run(servers["io_uring"], files["io_uring"], clients, False, keys, max(n // 6, 400))
        rate, cpu, figures = got["io_uring"]
        t.add(clients, "%.0f" % rate, "%.0f" % got["threads"][0], "%.0f" % slow[0], ratio(rate, slow[0]), "%.0f" % disk,
              "%.0f %%" % (100 * rate / disk), "%.1f" % cpu, figures["cold_usec"] // max(1, figures["cold_reads"]),
              figures["cold_blocking"])
        for name, y in (("io_uring", rate), ("threads", got["threads"][0]), ("blocking", slow[0]), ("fio", disk)):
            curves[name].append((clients, y))
        if clients == 64:
            at64 = (100 * rate / disk, rate / slow[0])
    for s in servers.values():
        s.close()
    t.tell("At 64 clients: %.0f %% of what fio reads at depth 64, %.1f times the server whose reads hold its thread" % at64)
    for name, points in curves.items():
        plot.add(name, points)
    return [t, plot]
