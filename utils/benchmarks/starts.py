"""How long a start takes: Stave on each engine beside redis-server, which loads an RDB file or a log of
commands.

Every server gets the same keys, with values that differ and no compression makes smaller. Then each is
ended and started --repeat times, all taking turns; figures are medians. Time is from the start of the
process to the end of loading, CPU time that of the process and its threads until then. Files come from
the page cache if they fit in memory, for all alike. What an end was:

  clean end     SIGTERM; of redis-server SAVE, and then kill -9, so that no start pays for another save
  kill -9       a twentieth of the keys was written again just before

The AOF is one of commands (aof-use-rdb-preamble no), not rewritten."""

import statistics
import time

from .common import Pieces, Plot, Reference, Stave, Table, cpu_seconds, info, load, ratio, started

REDIS_RDB = {"save": ""}
REDIS_AOF = {"appendonly": "yes", "appendfsync": "everysec", "aof-use-rdb-preamble": "no",
             "auto-aof-rewrite-percentage": "0"}
PATIENCE = 1200


class Start:
    """One way to end and start a server."""

    def __init__(self, name, server, end):
        self.name, self.server, self.end = name, server, end
        self.wall, self.cpu = [], []

    def measure(self, keys):
        self.end(self.server, keys)
        began = time.time()
        self.server.start(wait=PATIENCE)
        while info(self.server, "loading") != "0":
            time.sleep(0.005)
        self.wall.append(time.time() - began)
        self.cpu.append(cpu_seconds(self.server.process.pid))
        c = self.server.connect()
        found = c.call("DBSIZE")
        c.close()
        if found != keys:
            raise RuntimeError("%s: %d keys after a start, not %d" % (self.name, found, keys))


def clean_end(server, keys):
    server.stop(wait=PATIENCE)


def killed(server, keys):
    server.kill()


def killed_writing(server, keys):
    load(server, 100, keys // 20, Pieces(100))
    server.kill()


def restart(o):
    keys = o.keys if o.keys_given else 200000 if o.quick else 10000000
    rdb, aof = Reference(REDIS_RDB), Reference(REDIS_AOF)
    ways = [Start("redis-server, RDB", rdb, killed), Start("redis-server, AOF", aof, killed)]
    for engine in o.engines:
        s = Stave({"engine": engine})
        ways += [Start("stave %s, clean end" % engine, s, clean_end),
                 Start("stave %s, kill -9" % engine, s, killed_writing)]
    servers = list(dict.fromkeys(w.server for w in ways))
    for s in servers:
        started(s)
        load(s, 100, keys, Pieces(100))
        if s is rdb:
            c = s.connect(timeout=PATIENCE)
            c.call("SAVE")
            c.close()
    for _ in range(o.repeat):
        for w in ways:
            w.measure(keys)
    for s in servers:
        s.close()
    t = Table("Start with %d keys of 16 + 100 bytes: redis-server %s; redis-server %s; stave-server: default "
              "settings" % (keys, options(REDIS_RDB), options(REDIS_AOF)),
              ["start", "seconds", "CPU s", "RDB / it", "AOF / it", "RDB / it, CPU", "AOF / it, CPU"])
    wall = [statistics.median(w.wall) for w in ways]
    cpu = [statistics.median(w.cpu) for w in ways]
    for i, w in enumerate(ways):
        t.add(w.name, "%.2f" % wall[i], "%.2f" % cpu[i], ratio(wall[0], wall[i]), ratio(wall[1], wall[i]),
              ratio(cpu[0], cpu[i]), ratio(cpu[1], cpu[i]))
        if i > 1:
            t.tell("%s: %d keys in %.2f s, %.1f times as fast as redis-server with an RDB, %.1f times with an AOF" % (
                w.name, keys, wall[i], wall[0] / wall[i], wall[1] / wall[i]))
    bars = Plot("Seconds to the first answer with %d keys" % keys, "", "seconds", "bars", log_y=True)
    bars.add("by the clock", [(w.name, s) for w, s in zip(ways, wall)])
    bars.add("CPU", [(w.name, s) for w, s in zip(ways, cpu)])
    return [t, bars]


def options(given):
    return " ".join("--%s %s" % (k, v or '""') for k, v in given.items())
