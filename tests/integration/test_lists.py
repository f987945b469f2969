#!/usr/bin/python3
"""Lists on the real engines: long ones, lists of long values, and what a start finds of them."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import SMALL, Stave, expect, rss  # noqa: E402

MB = 1 << 20


def fill(c, key, numbers):
    for i in range(0, len(numbers), 1000):
        c.send("RPUSH", key, *numbers[i:i + 1000])
        c.reply()


def test_long_list():
    """Against Python's list, across a start; cut at both ends, changed in the middle."""
    with Stave(SMALL).start() as s:
        c = s.connect()
        want = [b"%d" % i for i in range(60000)]
        fill(c, "k", want)

        def same():
            expect(c.call("LLEN", "k"), len(want))
            for i in (0, 1, len(want) // 3, len(want) // 2, len(want) - 2, -1, -2, -len(want)):
                expect(c.call("LINDEX", "k", i), want[i])
            at = len(want) // 2
            expect(c.call("LRANGE", "k", at, at + 200), want[at:at + 201])
            expect(c.call("LRANGE", "k", -3, -1), want[-3:])

        same()
        expect(c.call("LTRIM", "k", 10000, -10001), "OK")
        want = want[10000:-10000]
        same()
        s.stop()
        s.start()
        c = s.connect()
        same()
        for i in range(30):  # more than there is room for between two
            expect(c.call("LINSERT", "k", "BEFORE", want[300 + i], "x%d" % i), len(want) + 1)
            want.insert(300 + i, b"x%d" % i)
        expect(c.call("LREM", "k", -1, want[-50]), 1)
        del want[-50]
        same()
        expect(c.call("LTRIM", "k", 100, 20000), "OK")
        want = want[100:20001]
        same()
        s.kill()
        s.start()
        c = s.connect()
        same()
        expect(c.call("LRANGE", "k", 0, -1), want)
        expect(c.call("LTRIM", "k", 1, 0), "OK")
        expect(c.call("EXISTS", "k"), 0)


def test_queue():
    """Pushed at one end, popped at the other: what was popped is not walked over."""
    with Stave(SMALL).start() as s:
        c = s.connect()
        head = tail = 0
        rng = random.Random(5)
        for _ in range(400):
            n = rng.randrange(1, 200)
            c.call("LPUSH", "q", *range(tail, tail + n))
            tail += n
            n = min(rng.randrange(1, 200), tail - head)
            expect(c.call("RPOP", "q", n), [b"%d" % i for i in range(head, head + n)])
            head += n
        expect(c.call("LLEN", "q"), tail - head)


def test_long_values():
    """Values in pieces: every command, and memory that does not grow with the values looked at."""
    with Stave(SMALL).start() as s:
        c = s.connect()
        values = [bytes([65 + i]) * (3 * MB + i % 2) for i in range(8)] + [b"", b"short"]
        for v in values:
            c.call("RPUSH", "k", v)
        expect(c.call("LRANGE", "k", 0, -1), values)
        expect(c.call("LINDEX", "k", 3), values[3])
        before = rss(s.process.pid)
        for i, v in enumerate(values):
            expect(c.call("LPOS", "k", v), i)
            expect(c.call("LPOS", "k", v[:-1] + b"?"), None)
        assert rss(s.process.pid) - before < 64 * MB
        expect(c.call("LMOVE", "k", "k", "LEFT", "RIGHT"), values[0])
        values.append(values.pop(0))
        expect(c.call("LSET", "k", 0, "now short"), "OK")
        values[0] = b"now short"
        expect(c.call("LSET", "k", 8, values[2]), "OK")
        values[8] = values[2]
        expect(c.call("LINSERT", "k", "AFTER", values[4], values[5]), 11)
        values.insert(5, values[5])
        expect(c.call("LREM", "k", 0, values[5]), 2)
        values = [v for v in values if v != values[5]]
        expect(c.call("OBJECT", "ENCODING", "k"), b"quicklist")
        s.kill()
        s.start()
        c = s.connect()
        expect(c.call("LRANGE", "k", 0, -1), values)
        expect(c.call("COPY", "k", "j"), 1)
        expect(c.call("LMPOP", 1, "k", "RIGHT", "COUNT", 3), [b"k", values[:-4:-1]])
        expect(c.call("RPOP", "k", 100), values[-4::-1])
        expect(c.call("EXISTS", "k"), 0)
        expect(c.call("LRANGE", "j", 0, -1), values)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
