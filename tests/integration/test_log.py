#!/usr/bin/python3
"""What commands cost the log: a small change of a large value is a small record; dead files go."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import SMALL, Stave, expect, info, only, wait_until  # noqa: E402

MB = 1 << 20
LARGE = 16 * MB
LITTLE = 8 << 10  # bytes of log that one bit may cost: a few KiB


def logged(c, *command):
    """The bytes of log that a command has cost, all of it written."""
    before = info(c, "log_end")
    answer = c.call(*command)
    expect(info(c, "log_end") >> 32, before >> 32, "the log went on to another file: ")
    return info(c, "log_end") - before, answer


def test_a_bit_in_a_large_value():
    with Stave({"segment-size": "256mb", "compression": "no"}).start() as s:
        c = s.connect()
        noise = os.urandom(LARGE)
        bytes_whole, _ = logged(c, "SET", "b", noise)
        assert bytes_whole > LARGE, bytes_whole
        costs = []
        for at in (0, 1, LARGE * 4, LARGE * 4 + 1, LARGE * 8 - 1):
            cost, old = logged(c, "SETBIT", "b", at, 1)
            expect(old, noise[at // 8] >> (7 - at % 8) & 1)
            costs.append(cost)
        for command in (["SETRANGE", "b", 5 * MB, "12 bytes long"], ["APPEND", "b", "tail"],
                        ["BITFIELD", "b", "SET", "u32", LARGE, 7], ["EXPIRE", "b", 1000],
                        ["PERSIST", "b"], ["RENAME", "b", "c"]):
            costs.append(logged(c, *command)[0])
        print("MEASURED: bytes of log for a change of a 16 MiB value: %r" % costs)
        assert max(costs) < LITTLE, costs
        wanted = bytearray(noise + b"tail")
        for at in (0, 1, LARGE * 4, LARGE * 4 + 1, LARGE * 8 - 1):
            wanted[at // 8] |= 128 >> at % 8
        wanted[5 * MB:5 * MB + 13] = b"12 bytes long"
        wanted[LARGE // 8:LARGE // 8 + 4] = b"\0\0\0\7"
        s.kill()
        c = s.start().connect()
        assert c.call("GET", "c") == bytes(wanted), "after a kill"


def test_a_far_bit_of_nothing():
    """What was never written takes no room: a bit 512 MB away is one small record."""
    with Stave().start() as s:
        c = s.connect()
        cost, _ = logged(c, "SETBIT", "far", (512 * MB) * 8 - 1, 1)
        assert cost < LITTLE, cost
        expect(c.call("STRLEN", "far"), 512 * MB)
        expect(c.call("GETRANGE", "far", 512 * MB - 2, -1), b"\0\1")
        expect(c.call("GETBIT", "far", 12345678), 0)
        expect(c.call("BITPOS", "far", 1), 512 * MB * 8 - 1)


def test_reads_cost_nothing():
    with Stave().start() as s:
        c = s.connect()
        c.call("SET", "k", "v")
        for command in (["GET", "k"], ["EXISTS", "k"], ["TTL", "k"], ["SCAN", 0], ["DBSIZE"], ["DEL", "nosuch"],
                        ["EXPIRE", "nosuch", 1], ["SET", "k", "w", "NX"], ["PERSIST", "k"], ["SETNX", "k", "x"]):
            expect(logged(c, *command)[0] < 64, True, "%r: " % command)  # a mark of what is durable may come


def used(s):
    """Bytes that the data takes on the disk."""
    d, total = s.data_directory(), 0
    for name in os.listdir(d):
        try:
            total += os.stat(os.path.join(d, name)).st_blocks * 512
        except FileNotFoundError:  # it has gone meanwhile
            pass
    return total


@only("bitcask")
def test_disk_is_given_back():
    """After FLUSHALL the files are gone, without a merge; overwritten segments go by themselves."""
    with Stave({"segment-size": "1mb", "compression": "no", "merge-window": "never"}).start() as s:
        c = s.connect()
        for i in range(100):
            c.call("SET", "k:%d" % i, os.urandom(100000))
        assert used(s) > 10 * MB, used(s)
        c.call("FLUSHALL")
        wait_until(lambda: used(s) < 4 * MB, "space back after FLUSHALL")
        for i in range(200):
            c.call("SET", "again:%d" % (i % 5), os.urandom(100000))
        wait_until(lambda: used(s) < 5 * MB, "space back after overwriting")
        expect(info(c, "merges"), 0)
        expect(c.call("DBSIZE"), 5)


def empty(s, c, how, i):
    """Key i goes, by one of the ways in which keys go; at the last one all have gone."""
    if how == "DEL":
        expect(c.call("DEL", "k:%d" % i), 1)
    elif how == "expiry":
        expect(c.call("PEXPIRE", "k:%d" % i, 1 + i % 10), 1)
    elif i == 0:
        expect(c.call("FLUSHALL"), "OK")


@only("lsm")
def test_lsm_disk_is_given_back():
    """When all data has gone, however it went, the disk is empty soon: nobody has to ask for that,
    and nothing is there after a kill either."""
    for how in ("FLUSHALL", "DEL", "expiry"):
        with Stave(dict(SMALL, compression="no")).start() as s:
            c = s.connect()
            for i in range(300):
                c.call("SET", "k:%d" % i, os.urandom(50000))
            assert used(s) > 12 * MB, used(s)
            for i in range(300):
                empty(s, c, how, i)
            wait_until(lambda: c.call("DBSIZE") == 0, how)
            wait_until(lambda: used(s) < 4 * MB, "space back after " + how)
            s.kill()
            expect(s.start().connect().call("DBSIZE"), 0)


@only("lsm")
def test_lsm_overwritten_data_is_given_back():
    """Data that is written again and again takes not much more than itself once it is quiet."""
    with Stave(dict(SMALL, compression="no")).start() as s:
        c = s.connect()
        for n in range(4):
            for i in range(200):
                c.call("SET", "k:%d" % (i * 7919 % 200), os.urandom(50000))
        # 10 MB of values; the log keeps a file or two
        wait_until(lambda: used(s) < 10 * MB * 1.15 + 3 * MB, "space of old values back")
        expect(c.call("DBSIZE"), 200)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
