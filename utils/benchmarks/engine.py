"""The storage engine alone beside RocksDB: utils/engine-bench and db_bench, one thread each, on the same
keys, values, sizes and settings, in one run.

Writing: both fill a fresh directory at random, overwrite it three times and wait for quiet, --repeat
times, taking turns at who begins. Reading: --repeat times each, alternating, on what was written last,
each workload twice, of which the second counts. Figures are medians."""

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from .common import ENGINE_BENCH, Table, cpu_seconds, engine_exists, ratio

WRITES = ["fillrandom", "overwrite", "overwrite", "overwrite"]
READS = ["readrandom", "readmissing", "seekrandom"]
TWICE = [w for w in READS for _ in range(2)]
KEY, VALUE = 16, 100
LINE = re.compile(r"^(\w+) +: +([0-9.]+) micros/op [0-9.]+ ops/sec +([0-9.]+) seconds (\d+) operations")


class Side:
    """One of the two: runs workloads in its directory. A run gives a list of results, each a dict of
    workload, us_op, cpu_us_op (children included), p50_us, p99_us, found; and sums up what was written."""

    def __init__(self, top, o):
        self.o = o
        self.directory = os.path.join(top, self.name)
        self.clear()

    def clear(self):
        """An empty directory, nothing written so far."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.written = self.kernel = self.log = self.stalled = self.quiet = self.cpu = 0

    def disk(self):
        """Blocks of the files in the directory: of those that are no log, and all."""
        tables = total = 0
        for name in os.listdir(self.directory):
            size = os.stat(os.path.join(self.directory, name)).st_blocks * 512
            total += size
            tables += size if name.endswith((".sst", ".seg", ".hint")) else 0
        return tables, total


class StaveSide(Side):
    name = "stave"

    def command(self):
        o = self.o
        options = {"engine": o.store, "keys": o.keys, "reads": o.reads, "value-size": VALUE,
                   "cache-size": o.cache << 20, "appendfsync": o.appendfsync, "compression": "lz4"}
        if o.store == "lsm":
            options.update({"block-size": o.block, "bloom-bits": 10, "memtable-size": 64 << 20,
                            "level0-files": 4, "compaction-jobs": o.jobs})
        return [ENGINE_BENCH] + [str(w) for k, v in options.items() for w in ("--" + k, v)]

    def run(self, workloads, seed):
        out = subprocess.run(self.command() + ["--json", "--seed", str(seed), self.directory] + workloads,
                             check=True, stdout=subprocess.PIPE, text=True).stdout
        results = [json.loads(line) for line in out.splitlines()]
        for r in results:
            r["cpu_us_op"] += r["children_cpu_seconds"] * 1e6 / r["ops"] if r["ops"] else 0
            self.written += r["written_bytes"]
            self.cpu += r["cpu_seconds"] + r["children_cpu_seconds"]
            self.kernel += r["kernel_written_bytes"]
            self.stalled += r["stalled_seconds"]
            self.quiet += r["seconds"] if r["workload"] == "waitquiet" else 0
        return [r for r in results if r["ops"]]

    def write(self, seed):
        return self.run(WRITES + ["waitquiet"], seed)

    def read(self, seed):
        return self.run(["waitquiet"] + TWICE, seed)

    def compact(self):
        self.run(["compact"], 1)


class RocksSide(Side):
    name = "rocksdb"

    def command(self):
        o = self.o
        options = {"threads": 1, "num": o.keys, "reads": o.reads, "key_size": KEY, "value_size": VALUE,
                   "compression_ratio": 0.5, "compression_type": "lz4", "cache_size": o.cache << 20,
                   "block_size": o.block, "bloom_bits": 10, "write_buffer_size": 64 << 20,
                   "level0_file_num_compaction_trigger": 4, "level_compaction_dynamic_level_bytes": "true",
                   "max_background_jobs": o.jobs + 1, "disable_wal": "false", "sync": "false",
                   "histogram": "true", "progress_reports": "false"}
        return ["db_bench"] + ["--%s=%s" % x for x in options.items()]

    def run(self, workloads, seed, existing):
        p = subprocess.Popen(self.command() + ["--db=" + self.directory, "--seed=%d" % seed,
                                               "--use_existing_db=%s" % str(existing).lower(),
                                               "--benchmarks=" + ",".join(workloads)],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        results, text, last, cpu = [], "", time.time(), 0.0
        try:
            for line in p.stdout:
                text += line
                now = cpu_seconds(p.pid)
                self.note(line, results, now - cpu)
                if LINE.match(line) or line.startswith("waitforcompaction("):
                    self.quiet += time.time() - last if "finished" in line else 0
                    cpu, last = now, time.time()
        except BaseException:
            p.kill()
            raise
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode:
            raise RuntimeError("db_bench ended with %d:\n%s" % (p.returncode, text))
        self.kernel += used.ru_oublock * 512
        self.cpu += used.ru_utime + used.ru_stime
        return results, text

    @staticmethod
    def note(line, results, cpu):
        """What a line of its output adds to the results."""
        m = LINE.match(line)
        if m:
            found = re.search(r"\((\d+) of \d+ found\)", line)
            results.append({"workload": m.group(1), "us_op": float(m.group(2)), "ops": int(m.group(4)),
                            "cpu_us_op": cpu * 1e6 / int(m.group(4)),
                            "found": int(found.group(1)) if found else None})
        m = re.match(r"Percentiles: P50: ([0-9.]+) .*P99: ([0-9.]+) ", line)
        if m and results:
            results[-1].update({"p50_us": float(m.group(1)), "p99_us": float(m.group(2))})

    def write(self, seed):
        results, text = self.run(WRITES + ["waitforcompaction", "stats"], seed, False)
        number = lambda pattern: float(re.findall(pattern, text)[-1])  # noqa: E731
        self.log = number(r"Cumulative WAL: .* written: ([0-9.]+) GB") * 2**30
        self.written = self.log + number(r"Cumulative compaction: ([0-9.]+) GB write") * 2**30
        h, m, s = re.findall(r"Cumulative stall: (\d+):(\d+):([0-9.]+)", text)[-1]
        self.stalled = int(h) * 3600 + int(m) * 60 + float(s)
        return results

    def read(self, seed):
        return self.run(["waitforcompaction"] + TWICE, seed, True)[0]

    def compact(self):
        self.run(["compact", "waitforcompaction"], 1, True)


def median(results, field):
    return statistics.median(r[field] for r in results)


def add_row(t, what, stave, rocks):
    """One workload: lists of results of both."""
    cells = []
    for field, form in (("us_op", "%.2f"), ("cpu_us_op", "%.2f"), ("p50_us", "%.1f"), ("p99_us", "%.1f")):
        a, b = median(stave, field), median(rocks, field)
        cells += [form % a, form % b] + ([ratio(b, a)] if field == "us_op" else [])
    t.add(what, *cells)


def writing(o, sides, t):
    """Fills and overwrites, into the table; what was written by each, and is on its disk when quiet."""
    per = [[[] for _ in WRITES] for _ in sides]
    totals = [[] for _ in sides]
    for r in range(o.repeat):
        for s in sides[::-1 if r % 2 else 1]:
            s.clear()
            which = sides.index(s)
            for i, result in enumerate(s.write(10 * r + 1)):
                per[which][i].append(result)
            totals[which].append({"written": s.written, "kernel": s.kernel, "stalled": s.stalled,
                                  "quiet": s.quiet, "cpu": s.cpu, "tables": s.disk()[0], "all": s.disk()[1]})
    for i, w in enumerate(WRITES):
        add_row(t, w if i < 1 else "%s %d" % (w, i), per[0][i], per[1][i])
    return [{k: median(x, k) for k in x[0]} for x in totals]


def reading(o, sides, t):
    """Reads, into the table; the share of keys that are there."""
    per = [{w: [] for w in READS} for _ in sides]
    for r in range(o.repeat):
        for s in sides[::-1 if r % 2 else 1]:
            for result in s.read(100 + r)[1::2]:
                per[sides.index(s)][result["workload"]].append(result)
    for w in READS:
        add_row(t, w, per[0][w], per[1][w])
    return [median(x["readrandom"], "found") / x["readrandom"][0]["ops"] for x in per]


def space(o, sides, sums, found):
    t = Table("Space and writing of the same: fillrandom, three times overwrite, quiet",
              ["what", "stave", "RocksDB", "ratio"])

    def add(what, values, form="%.2f", compared=True):
        t.add(what, *[form % v for v in values], ratio(*values) if compared else "-")
    user = len(WRITES) * o.keys * (KEY + VALUE)
    compacted = []
    for s in sides:
        s.compact()
        compacted.append(s.disk()[0])
    add("tables MB", [x["tables"] / 1e6 for x in sums], "%.1f")
    add("compacted MB", [c / 1e6 for c in compacted], "%.1f")
    add("space amplification", [x["tables"] / c for x, c in zip(sums, compacted)])
    add("compacted B/live key", [c / (o.keys * f) for c, f in zip(compacted, found)], "%.1f")
    add("all files MB", [x["all"] / 1e6 for x in sums], "%.1f")
    add("write amplification", [x["written"] / user for x in sums])
    add("by the kernel", [x["kernel"] / user for x in sums])
    add("CPU us/op, to quiet", [x["cpu"] * 1e6 / len(WRITES) / o.keys for x in sums])
    add("seconds to quiet", [x["quiet"] for x in sums], "%.1f", False)
    add("stalled s", [x["stalled"] for x in sums], "%.2f", False)
    return t


def engine(o):
    if not engine_exists(o.store):
        raise RuntimeError("this build has no engine '%s'" % o.store)
    top = tempfile.mkdtemp(prefix="stave-bench-")
    try:
        sides = [StaveSide(top, o), RocksSide(top, o)]
        for s in sides:
            print("%s: %s" % (s.name, " ".join(s.command())))
        t = Table("Engine alone (%s): %d keys of %d + %d bytes, one thread, cache %d MiB; us an operation" %
                  (o.store, o.keys, KEY, VALUE, o.cache),
                  ["workload", "us/op", "RocksDB", "x RocksDB", "CPU us", "RocksDB", "p50 us", "RocksDB", "p99 us",
                   "RocksDB"])
        sums = writing(o, sides, t)
        return [t, space(o, sides, sums, reading(o, sides, t))]
    finally:
        shutil.rmtree(top, ignore_errors=True)
