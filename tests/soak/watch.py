"""What the soak looks at from outside: memory all along and whether it is flat, INFO's sums, the server's log."""

import re
import statistics
import threading
import time

from tests.integration.harness import info, rss
from tests.support.servers import children_of

EVERY = 0.25           # seconds between samples
MB = 1 << 20
GROWS_PERCENT, GROWS_MB = 10, 24  # more than both, from the calm stretch's first quarter to its last, is not flat

# What used_memory consists of, and how much may be of no known part.
PARTS = ("used_memory_startup", "used_memory_index", "used_memory_caches", "used_memory_buffers", "used_memory_freed",
         "mem_clients_normal", "used_memory_scripts_eval", "used_memory_functions", "used_memory_vm_total",
         "used_memory_other")
OTHER_MB = 4

# Warnings that belong to what the soak does (a hint that a killed child left unfinished is one); those of a full
# disk only when it was filled.
EXPECTED = re.compile(r"Received SIGTERM|ready to exit|was told to end|Reading segment \d+ instead")
OF_FULL_DISK = re.compile(r"No space left on device|ENOSPC")


def private_bytes(pid):
    """What a process does not share with another, which for a fork is what was copied on write."""
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return 1024 * sum(int(n) for n in re.findall(r"Private_\w+:\s+(\d+)", f.read()))


class Watch(threading.Thread):
    """Samples (seconds, bytes resident, bytes that children have for themselves), as long as the server lives."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.running = server, True
        self.samples, self.calm_from = [], None
        self.began = time.monotonic()

    def run(self):
        while self.running:
            try:
                pid = self.server.process.pid
                resident = rss(pid)
                of_children = sum(private_bytes(p) for p in children_of(pid))
                if resident:
                    self.samples.append((time.monotonic() - self.began, resident, of_children))
            except (OSError, AttributeError, IndexError):
                pass  # it is just ended, or was
            time.sleep(EVERY)

    def calm(self):
        """From now on nothing is done on purpose that changes how much memory it needs."""
        self.calm_from = len(self.samples)

    def flatness(self):
        """Of the calm stretch, without its first fifth in which caches fill: (is it flat, what is to be said)."""
        samples = self.samples[self.calm_from or 0:]
        samples = samples[len(samples) // 5:]
        if len(samples) < 40:
            return True, "too few samples to tell"
        half = len(samples) // 2
        first, second = slope(samples[:half]), slope(samples[half:])
        quarter = len(samples) // 4
        before = statistics.median(s[1] for s in samples[:quarter])
        after = statistics.median(s[1] for s in samples[-quarter:])
        grown = after - before
        flat = grown < GROWS_MB * MB or grown < before * GROWS_PERCENT / 100
        return flat, "RSS %.1f -> %.1f MiB in %.0f s; slope of the first half %+.2f, of the second %+.2f MiB a minute" % (
            before / MB, after / MB, samples[-1][0] - samples[0][0], first, second)

    def most(self):
        return max((s[1] for s in self.samples), default=0), max((s[2] for s in self.samples), default=0)


def slope(samples):
    """MiB a minute, by least squares."""
    n = len(samples)
    x, y = [s[0] / 60 for s in samples], [s[1] / MB for s in samples]
    mx, my = sum(x) / n, sum(y) / n
    across = sum((a - mx) ** 2 for a in x)
    return sum((a - mx) * (b - my) for a, b in zip(x, y)) / across if across else 0.0


def wrong_sums(c):
    """What in INFO does not add up: None if all does."""
    text = c.call("INFO", "memory").decode()
    v = {k: int(n) for k, n in re.findall(r"(?m)^(\w+):(\d+)\r?$", text)}
    if v["used_memory_overhead"] + v["used_memory_dataset"] != v["used_memory"]:
        return "overhead %(used_memory_overhead)d + dataset %(used_memory_dataset)d is not used_memory %(used_memory)d" % v
    parts = sum(v[p] for p in PARTS)
    if not 0 <= parts - v["used_memory"] <= v["used_memory_startup"]:  # what was there at the start may be in a part
        return "the parts are %d, used_memory %d: %s" % (parts, v["used_memory"], {p: v[p] for p in PARTS})
    if v["used_memory_other"] > OTHER_MB * MB:
        return "%(used_memory_other)d bytes of used_memory are of no part that is known" % v
    if v["used_memory"] > v["used_memory_peak"]:
        return "used_memory is above its peak"
    keyspace = sum(int(n) for n in re.findall(r"keys=(\d+)", c.call("INFO", "keyspace").decode()))
    stats = dict(zip(*[iter(c.call("MEMORY", "STATS"))] * 2))
    if stats[b"keys.count"] < keyspace * 0.9:
        return "MEMORY STATS counts %d keys, INFO %d" % (stats[b"keys.count"], keyspace)
    return None


def wrong_in_log(path, disk_was_full):
    """Lines of the server's log that say something went wrong that was not done on purpose."""
    wrong = []
    with open(path, errors="replace") as f:
        for line in f:
            if not re.search(r"\.\d{3} # ", line) and re.match(r"\d+:\w \d", line):
                continue
            if not EXPECTED.search(line) and not (disk_was_full and OF_FULL_DISK.search(line)):
                wrong.append(line.rstrip())
    return wrong


def work_done(c):
    """Merges, or flushes and compactions, so far."""
    return sum(info(c, name) or 0 for name in ("merges", "flushes", "compactions"))
