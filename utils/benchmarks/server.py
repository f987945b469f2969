"""Sections that put Stave beside redis-server. Each takes the options and gives a table."""

import re
import resource
import socket
import statistics
import time

from .common import (KEYS, REDIS_ALWAYS, REDIS_EVERYSEC, Plot, Reference, Stave, Table, benchmark, children_of, info,
                     load, measure, measure_writes, ratio, rss_kib, settle, started)

# Values of all sizes fit in both servers' memory in the throughput rows, as redis-server has no other way.
STAVE_THROUGHPUT = {"bitcask": {"value-cache-size": "1gb"}, "lsm": {"block-cache-size": "1gb"}}


def pair(o, redis, stave=None):
    args = {"engine": o.engine, "appendfsync": redis["appendfsync"]}
    args.update(stave or {})
    return started(Stave(args)), started(Reference(redis))


def throughput(o):
    t = Table("CPU and throughput, everysec, -c 50, %d random keys" % KEYS,
              ["workload", "CPU us", "redis us", "CPU ratio", "of it children", "redis", "req/s", "redis req/s", "ratio"] +
              [h for other in o.others for h in (other.name + " req/s", "CPU us")])
    ratios = []
    for size in o.sizes:
        own = pair(o, REDIS_EVERYSEC, STAVE_THROUGHPUT[o.engine])
        servers = list(own) + o.others
        for s in servers:
            load(s, size)
        settle(servers)  # what follows from loading is not a row's
        tests = ("set", "get", "incr") if size == 3 else ("set", "get")
        for pipeline in (1, 16, 64):
            n = (200000 if pipeline == 1 else 1000000) // (4 if o.quick else 1)
            for test in tests:
                how = dict(test=test, n=n, pipeline=pipeline, size=size)
                before = [children_of(s) for s in servers]
                rates, cpus = (measure if test == "get" else measure_writes)(o, servers, **how)
                kids = [(children_of(s) - b) * 1e6 / n / o.repeat for s, b in zip(servers, before)]
                what = "%s %dB -P %d" % (test.upper(), size, pipeline)
                t.add(what, "%.2f" % cpus[0], "%.2f" % cpus[1], ratio(*cpus[:2]), "%.2f" % kids[0],
                      "%.2f" % kids[1], "%.0f" % rates[0], "%.0f" % rates[1], ratio(*rates[:2]),
                      *[w for r, c in zip(rates[2:], cpus[2:]) for w in ("%.0f" % r, "%.2f" % c)])
                ratios.append((what, cpus[0] / cpus[1], [r / rates[1] for r in [rates[0]] + rates[2:]]))
        for s in own:
            s.close()
    return [t] + throughput_plots(o, t, ratios)


def throughput_plots(o, t, ratios):
    """Ratios to redis-server as bars, and what the summary says of them."""
    speed = Plot("Commands a second, as multiples of redis-server's", "", "x redis-server", "bars", reference=1)
    cpu = Plot("Server CPU time a command, as a share of redis-server's", "", "x redis-server", "bars", reference=1,
               note="user and system time of all threads and children; repeats better than throughput on a shared machine")
    for i, name in enumerate(["Stave, " + o.engine] + [other.name for other in o.others]):
        speed.add(name, [(what, rates[i]) for what, _, rates in ratios])
    cpu.add("Stave, " + o.engine, [(what, c) for what, c, _ in ratios])
    for pipeline in ("-P 1", "-P 16", "-P 64"):
        of = [(c, r[0]) for what, c, r in ratios if what.endswith(pipeline) and not what.startswith("INCR")]
        t.tell("%s: SET and GET take %.2f to %.2f of redis-server's CPU time a command, at %.2f to %.2f times its rate" % (
            pipeline, min(of)[0], max(of)[0], min(r for _, r in of), max(r for _, r in of)))
    return [speed, cpu]


def always(o):
    t = Table("SET at appendfsync always, 100-byte values",
              ["clients", "req/s", "redis req/s", "ratio", "CPU us", "redis us"])
    servers = pair(o, REDIS_ALWAYS)
    for clients, n in ((1, 10000), (50, 100000), (200, 100000)):
        rates, cpus = measure(o, servers, test="set", n=n // (4 if o.quick else 1), clients=clients,
                              size=100)
        t.add("-c %d" % clients, "%.0f" % rates[0], "%.0f" % rates[1], ratio(*rates), "%.1f" % cpus[0],
              "%.1f" % cpus[1])
    for s in servers:
        s.close()
    return t


def memory(o):
    t = Table("Memory, %d keys of 16 bytes with 100-byte values" % KEYS,
              ["what", "stave", "redis", "ratio"])
    servers = pair(o, REDIS_EVERYSEC)
    base = [rss_kib(s.process.pid) for s in servers]
    for s in servers:
        load(s, 100)
    index = int(info(servers[0], "used_memory_index"))
    if o.engine == "bitcask":  # the other one has no index of all keys
        t.add("index B/key - key", "%.1f" % (index / KEYS - 16), "-", "-")
    used = [int(info(s, "used_memory")) for s in servers]
    t.add("used_memory MB", "%.1f" % (used[0] / 1e6), "%.1f" % (used[1] / 1e6), ratio(*used))
    rss = [rss_kib(s.process.pid) for s in servers]
    t.add("RSS MB", "%.1f" % (rss[0] / 1024), "%.1f" % (rss[1] / 1024), ratio(*rss))
    t.add("RSS MB, empty", "%.1f" % (base[0] / 1024), "%.1f" % (base[1] / 1024), ratio(*base))
    caches = int(info(servers[0], "used_memory_caches"))
    t.add("of it caches", "%.1f" % (caches / 1e6), "-", "-")
    bars = Plot("Memory for a key of 16 bytes with a value of 100", "", "bytes a key", "bars")
    per_key = lambda bytes_: bytes_ / KEYS  # noqa: E731
    bars.add("Stave, " + o.engine, [("index", per_key(index)), ("RSS without caches", per_key(
        (rss[0] - base[0]) * 1024 - caches)), ("RSS", per_key((rss[0] - base[0]) * 1024))])
    bars.add("redis-server", [("RSS", per_key((rss[1] - base[1]) * 1024))])
    t.tell("a key of 16 bytes with a value of 100 takes %.0f bytes of RAM in Stave, %.0f of them cache that gives way, "
           "and %.0f in redis-server" % (per_key((rss[0] - base[0]) * 1024), per_key(caches),
                                         per_key((rss[1] - base[1]) * 1024)))
    for s in servers:
        s.close()
    return [t, bars]


def percentile(out, wanted):
    """Latency in milliseconds at a percentile, from redis-benchmark's distribution."""
    best = None
    for share, ms in re.findall(r"^([0-9.]+)% <= ([0-9.]+) milliseconds", out, re.M):
        best = float(ms)
        if float(share) >= wanted:
            break
    return best


def merge(o):
    """GET latency with and without a rewrite of about a gigabyte going on."""
    keys, size = (400000, 512) if o.quick else (2000000, 512)
    t = Table("GET -c 50 latency while about %.1f GB is merged (redis: BGREWRITEAOF)" %
              (keys * size / 1e9),
              ["server", "p50 quiet", "p50 merge", "p99.9 quiet", "p99.9 merge", "ratio", "max merge"])
    for server in pair(o, REDIS_EVERYSEC):
        load(server, size, keys)
        benchmark(server, "set", keys // 2, pipeline=64, size=size, keys=keys)  # garbage to merge
        time.sleep(2)
        quiet, during = [], []
        for _ in range(o.repeat):
            quiet.append(benchmark(server, "get", 200000, keys=keys)[2])
            c = server.connect()
            c.ask("BGREWRITEAOF")
            c.close()
            during.append(benchmark(server, "get", 200000, keys=keys)[2])
            while info(server, "aof_rewrite_in_progress") != "0" or info(
                    server, "merge_in_progress") not in (None, "0"):
                time.sleep(0.1)
        q50, d50, q999, d999 = [statistics.median(percentile(x, p) for x in xs)
                                for p in (50, 99.9) for xs in (quiet, during)]
        worst = max(percentile(x, 100) for x in during)
        t.add(server.name, "%.3f" % q50, "%.3f" % d50, "%.3f" % q999, "%.3f" % d999, ratio(d999, q999),
              "%.2f" % worst)
        server.close()
    return t


def idle(o):
    n = 1000 if o.quick else 10000
    t = Table("%d idle connections" % n, ["server", "RSS bytes each", "used bytes each"])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 3 * n), hard), hard))
    for server in pair(o, REDIS_EVERYSEC):
        c = server.connect()
        c.call("CONFIG", "SET", "maxclients", n + 100)
        before = rss_kib(server.process.pid), int(info(server, "used_memory"))
        idle = []
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", server.port))
            s.sendall(b"PING\r\n")
            s.recv(16)
            idle.append(s)
        time.sleep(3)
        after = rss_kib(server.process.pid), int(info(server, "used_memory"))
        t.add(server.name, "%.0f" % ((after[0] - before[0]) * 1024 / n),
              "%.0f" % ((after[1] - before[1]) / n))
        for s in idle:
            s.close()
        server.close()
    return t
