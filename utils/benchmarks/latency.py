"""What clients wait: percentiles of SET and GET from redis-benchmark's own distribution, in one run."""

import math
import re
import time

from .common import KEYS, REDIS_ALWAYS, REDIS_EVERYSEC, Plot, Table, benchmark, load
from .server import STAVE_THROUGHPUT, pair

WANTED = (50, 90, 99, 99.9, 99.99)
CLIENTS = 50


def distribution(out):
    """(share of all commands in percent, milliseconds), rising, from redis-benchmark's lines."""
    return [(float(share), float(ms))
            for share, ms in re.findall(r"^([0-9.]+)% <= ([0-9.]+) milliseconds", out, re.M)]


def at(points, share):
    """Milliseconds within which that share of all commands was answered."""
    return next((ms for s, ms in points if s >= share), points[-1][1])


def nines(share):
    """50 % at 1/0.5, 99 % at 100, 99.9 % at 1000: a logarithmic axis then gives the tail its room."""
    return 1 / (1 - share / 100)


def latency(o):
    """Runs of all servers take turns, and of each percentile the median run counts."""
    t = Table("Latency in ms, -c %d -P 1, 100-byte values" % CLIENTS,
              ["workload", "server"] + ["p%g" % w for w in WANTED] + ["max"])
    plots = []
    for policy, redis in (("everysec", REDIS_EVERYSEC), ("always", REDIS_ALWAYS)):
        own = pair(o, redis, STAVE_THROUGHPUT[o.engine])
        servers = list(own) + (o.others if policy == "everysec" else [])
        for s in servers:
            load(s, 100)
            time.sleep(2)
        for test in ("set", "get") if policy == "everysec" else ("set",):
            n = (200000 if policy == "everysec" else 50000) // (10 if o.quick else 1)
            runs = [[] for _ in servers]
            for _ in range(o.repeat):
                for i, s in enumerate(servers):
                    runs[i].append(distribution(benchmark(s, test, n, clients=CLIENTS, size=100, keys=KEYS)[2]))
            what = "%s, %s" % (test.upper(), policy)
            plots.append(curves(what, servers, runs, o))
            for s, r in zip(servers, runs):
                middle = [sorted(at(p, w) for p in r)[len(r) // 2] for w in WANTED + (100,)]
                t.add(what, name_of(s, o), *["%.3f" % ms for ms in middle])
        for s in own:
            s.close()
    return [t] + plots


def name_of(server, o):
    return "Stave, " + o.engine if server.name == "stave-server" else server.name


def curves(what, servers, runs, o):
    """Each server's median run, by its 99.9th percentile."""
    p = Plot("Latency of %s, %d clients" % (what, CLIENTS), "share of commands", "ms", log_x=True, log_y=True,
             ticks=[(nines(w), "%g %%" % w) for w in WANTED])
    for s, r in zip(servers, runs):
        points = sorted(r, key=lambda x: at(x, 99.9))[len(r) // 2]
        p.add(name_of(s, o), [(nines(w), at(points, w)) for w in (50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99)
                              if math.isfinite(at(points, w))])
    return p
