#!/usr/bin/python3
"""What the lsm engine does by itself while data comes and goes: flushes, compactions, counts that stay
exact, keys that stay gone. Not run on another engine."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import SMALL, Stave, expect, info, wait_until  # noqa: E402
from tests.support import resp  # noqa: E402

TINY = dict(SMALL, **{"memtable-size": "64kb", "table-size": "64kb", "level0-files": 2, "level-size-ratio": 4})
KEYS = 3000
BATCH = 500


def quiet(c):
    """Waits until no child works and none has a reason to."""
    wait_until(lambda: info(c, "flush_in_progress") == 0 and info(c, "compactions_in_progress") == 0 and
               info(c, "pending_compaction_bytes") == 0, "the end of compactions")


def send(c, commands):
    """In pipelines; all replies."""
    found = []
    for at in range(0, len(commands), BATCH):
        part = commands[at:at + BATCH]
        c.send_raw(b"".join(resp.encode(x) for x in part))
        found += [c.reply() for _ in part]
    return found


class Model:
    """What the server has: changed as it is."""

    def __init__(self, seed):
        self.random, self.keys = random.Random(seed), {}

    def commands(self, n):
        """n random ones, and what each should answer."""
        made, answers = [], []
        for _ in range(n):
            k, kind = "key:%d" % self.random.randrange(KEYS), self.random.random()
            if kind < 0.5:
                self.keys[k] = b"%d" % self.random.randrange(10**9) * self.random.randrange(1, 40)
                made.append(["SET", k, self.keys[k]])
                answers.append("OK")
            elif kind < 0.6:
                self.keys[k] = b"mortal"
                made.append(["SET", k, "mortal", "EX", 100000])
                answers.append("OK")
            elif kind < 0.95:
                made.append(["DEL", k])
                answers.append(int(self.keys.pop(k, None) is not None))
            else:
                made.append(["GET", k])
                answers.append(self.keys.get(k))
        return made, answers

    def compare(self, c, when):
        expect(c.call("DBSIZE"), len(self.keys), when)
        names = ["key:%d" % i for i in range(KEYS)]
        expect(c.call("MGET", *names), [self.keys.get(k) for k in names], when)
        shown, cursor = [], b"0"
        while True:
            cursor, some = c.call("SCAN", cursor, "COUNT", 100)
            shown += some
            if cursor == b"0":
                break
        expect(sorted(shown), sorted(k.encode() for k in self.keys), when)


def test_counts_are_exact():
    """Overwritten, deleted, killed, compacted: DBSIZE, SCAN and every key are what they should be."""
    m = Model(int(os.environ.get("STAVE_SEED", random.randrange(1 << 30))))
    with Stave(TINY).start() as s:
        for life in range(4):
            c = s.connect()
            m.compare(c, "life %d" % life)
            commands, answers = m.commands(8000)
            expect(send(c, commands), answers)
            if life == 1:
                expect(c.call("BGREWRITEAOF"), "Background append only file rewriting started")
                m.compare(c, "while it compacts")
            if life == 2:
                quiet(c)
            m.compare(c, "life %d, its end" % life)
            wait_until(lambda: info(c, "flushes") > 3 and info(c, "compactions") > 0, "a compaction")
            if life == 3:
                expect(s.stop(), 0)
            else:
                s.kill()
            s.start()
        m.compare(s.connect(), "after a clean end")


def test_levels_in_info():
    """Data comes to rest below level 0, and INFO says where it is and what that has cost."""
    with Stave(TINY).start() as s:
        c = s.connect()
        for n in range(3):
            send(c, [["SET", "key:%d" % i, os.urandom(200)] for i in range(10000)])
        quiet(c)
        wait_until(lambda: float(info(c, "space_amplification")) <= 1.15, "upper levels going down, as nobody writes")
        text = c.call("INFO", "engine").decode()
        levels = [line for line in text.split("\r\n") if line.startswith("level")]
        assert any(line.startswith("level6:") for line in levels), text
        assert info(c, "table_bytes") > 1 << 20, text
        assert 1 <= float(info(c, "write_amplification")) < 40, text
        assert 1 <= float(info(c, "space_amplification")) <= 1.15, text
        for i in range(1000):
            expect(c.call("GET", "nosuch:%d" % i), None)
        negatives, wrong = info(c, "bloom_negatives"), info(c, "bloom_false_positives")
        assert negatives > 500 and wrong < negatives * 0.03, (negatives, wrong)
        assert info(c, "table_reads") < info(c, "reads") * 1.5, text


def test_expired_keys_stay_gone():
    """Keys that fell due below newer tables: gone once, counted once, not there after compactions and a
    kill, and their names can be used again."""
    with Stave(TINY).start() as s:
        c = s.connect()
        send(c, [["SET", "key:%d" % i, "old" * 50] for i in range(KEYS)])
        send(c, [["PEXPIRE", "key:%d" % i, 1 + i % 300] for i in range(0, KEYS, 2)])
        wait_until(lambda: c.call("DBSIZE") == KEYS // 2, "all that is due to go")
        expect(info(c, "expired_keys"), KEYS // 2)
        for _ in range(2):
            quiet(c)
            expect(c.call("EXISTS", *["key:%d" % i for i in range(0, KEYS, 2)]), 0)
            expect(c.call("DBSIZE"), KEYS // 2)
            s.kill()
            c = s.start().connect()
        expect(info(c, "expired_keys"), 0)
        send(c, [["SET", "key:%d" % i, "new"] for i in range(0, KEYS, 4)])
        expect(c.call("TTL", "key:4"), -1)
        expect(c.call("DBSIZE"), KEYS // 2 + KEYS // 4)


def test_flushed_databases_stay_empty():
    with Stave(TINY).start() as s:
        for round in range(3):
            c = s.connect()
            send(c, [["SET", "key:%d" % i, "%d" % round * 100] for i in range(KEYS)])
            expect(c.call("SWAPDB", 0, 5), "OK")
            expect(c.call("DBSIZE"), 0 if round == 0 else 1)
            expect(c.call("FLUSHDB"), "OK")
            expect(c.call("SWAPDB", 5, 0), "OK")
            expect((c.call("DBSIZE"), c.call("GET", "key:7")), (KEYS, b"%d" % round * 100))
            c.call("COPY", "key:1", "kept", "DB", 5)
            s.kill()
            s.start()
        c = s.connect()
        expect(c.call("FLUSHALL"), "OK")
        s.kill()
        c = s.start().connect()
        expect((c.call("DBSIZE"), c.call("EXISTS", "key:1"), c.call("SCAN", 0)), (0, 0, [b"0", []]))


def test_writers_wait_smoothly():
    """Many writers on a memtable that is always full: some may wait, none for long, none is refused, and
    INFO says why."""
    with Stave(dict(TINY, **{"compaction-rate-limit": "4mb"})).start() as s:
        c = s.connect()
        noise = os.urandom(1 << 20)
        for n in range(20):
            expect(set(send(c, [["SET", "key:%d:%d" % (n, i), noise[i % 9999:][:400]] for i in range(1000)])),
                   {"OK"})
        assert info(c, "stall_reason") in ("none", "memtables", "level0", "pending-compaction"), \
            info(c, "stall_reason")
        assert info(c, "stall_usec") >= 0
        expect(c.call("DBSIZE"), 20000)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
