#!/usr/bin/python3
"""Hashes on the real server: times of fields that outlive it, fields that expire by themselves and
with nobody looking, many of them, and while nothing may be deleted."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import SMALL, Stave, expect, expect_error, info, wait_until  # noqa: E402


def put(c, key, n, value=b"v"):
    """Fields f0 .. of that many."""
    for at in range(0, n, 1000):
        c.call("HSET", key, *[x for i in range(at, min(n, at + 1000)) for x in ("f%d" % i, value)])


def names(low, high):
    return ["f%d" % i for i in range(low, high)]


def test_times_outlive_the_server():
    """A small hash and a large one: some fields for ever, some for long, some that come due while the
    server is down. After kill -9, and after a clean end."""
    with Stave(dict(SMALL, appendfsync="always")).start() as s:
        for end in (s.kill, s.stop):
            c = s.connect()
            c.call("FLUSHALL")
            for key, n in ((b"small", 10), (b"large", 3000)):
                put(c, key, n)
                third = n // 3
                expect(c.call("HPEXPIREAT", key, 2000000000123, "FIELDS", third, *names(0, third)), [1] * third)
                c.call("EXPIREAT", key, 2100000000)
            c.call("HSET", "brief", "a", 1)
            before = {k: sorted(c.call("HKEYS", k)) for k in (b"small", b"large")}
            due = int(time.time() * 1000) + 1500
            for key, n in ((b"small", 10), (b"large", 3000)):
                third = n // 3
                expect(c.call("HPEXPIREAT", key, due, "FIELDS", third, *names(third, 2 * third)), [1] * third)
            c.call("HPEXPIREAT", "brief", due, "FIELDS", 1, "a")
            end()
            in_time = time.time() * 1000 < due  # as it is but on a very busy machine
            time.sleep(1.6)
            s.start()
            c = s.connect()
            expect(c.call("EXISTS", "brief"), 0)
            for key, n in ((b"small", 10), (b"large", 3000)):
                third = n // 3
                wait_until(lambda: c.call("HLEN", key) == n - third, "the fields to expire")
                gone = {x.encode() for x in names(third, 2 * third)}
                expect(sorted(c.call("HKEYS", key)), [x for x in before[key] if x not in gone])
                expect(c.call("HPEXPIRETIME", key, "FIELDS", 4, "f0", "f%d" % (third - 1), "f%d" % third,
                              "f%d" % (n - 1)), [2000000000123, 2000000000123, -2, -1])
                expect(c.call("EXPIRETIME", key), 2100000000)
                expect(c.call("HGET", key, "f%d" % (n - 1)), b"v")
            if in_time:
                wait_until(lambda: info(c, "expired_subkeys") == 1 + 3 + 1000, "all fields to be deleted")


def test_fields_expire_by_themselves():
    """10,000 fields with nobody looking at them, of many small hashes and of one large one."""
    with Stave(SMALL).start() as s:
        c = s.connect()
        for i in range(1000):
            c.send("HSET", "h%d" % i, *[x for j in range(6) for x in ("f%d" % j, "v")])
            c.send("HPEXPIRE", "h%d" % i, 100 + i % 50, "FIELDS", 5, *names(0, 5))
        for _ in range(1000):
            expect(c.reply(), 6)
            expect(c.reply(), [1] * 5)
        put(c, "large", 5001)
        expect(c.call("HPEXPIRE", "large", 100, "FIELDS", 5000, *names(0, 5000)), [1] * 5000)
        wait_until(lambda: info(c, "expired_subkeys") == 10000, "10,000 fields")
        expect(c.call("HKEYS", "large"), [b"f5000"])
        expect(c.call("HGETALL", "h77"), [b"f5", b"v"])
        expect(c.call("DBSIZE"), 1001)
        c.call("HPEXPIRE", "large", 1, "FIELDS", 1, "f5000")
        wait_until(lambda: c.call("DBSIZE") == 1000, "the key to go with its last field")
        expect(info(c, "expired_keys"), 0)


def test_due_fields_are_not_seen():
    """While no cycle runs, and while clients are paused, nothing that is due is shown."""
    with Stave(SMALL).start() as s:
        c, other = s.connect(), s.connect()
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        put(c, "h", 2000)
        expect(c.call("HPEXPIRE", "h", 50, "FIELDS", 1990, *names(0, 1990)), [1] * 1990)
        other.call("CLIENT", "PAUSE", 60000, "WRITE")
        time.sleep(0.06)
        left = sorted(x.encode() for x in names(1990, 2000))
        expect(c.call("HLEN", "h"), 10)
        expect(sorted(c.call("HKEYS", "h")), left)
        expect(c.call("HMGET", "h", "f0", "f1999"), [None, b"v"])
        expect(c.call("HEXISTS", "h", "f5"), 0)
        expect(sorted(c.call("HRANDFIELD", "h", 100)), left)
        assert set(c.call("HRANDFIELD", "h", -50)) <= set(left)
        assert c.call("HRANDFIELD", "h") in left
        found, cursor = [], b"0"
        while True:
            cursor, some = c.call("HSCAN", "h", cursor, "COUNT", 100)
            found += some[::2]
            if cursor == b"0":
                break
        expect(sorted(found), left)
        expect(info(c, "expired_subkeys"), 0)
        other.call("CLIENT", "UNPAUSE")
        expect(c.call("HLEN", "h"), 10)
        assert 0 < info(c, "expired_subkeys") < 1990
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        wait_until(lambda: info(c, "expired_subkeys") == 1990, "the rest")


def test_a_scan_of_keys_sees_the_key_alone():
    """A key whose fields are due stays for SCAN and KEYS; one whose own time has come does not."""
    with Stave(SMALL).start() as s:
        c = s.connect()
        c.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        for key, life in ((b"stays", 100000), (b"goes", 40)):
            c.call("HSET", key, "a", 1, "b", 2)
            c.call("HPEXPIRE", key, 30, "FIELDS", 1, "a")
            c.call("PEXPIRE", key, life)
        time.sleep(0.05)
        expect(c.call("SCAN", 0, "COUNT", 100), [b"0", [b"stays"]])
        expect(c.call("RANDOMKEY"), b"stays")
        assert 0 < c.call("PTTL", "stays") <= 100000
        expect(c.call("TYPE", "goes"), "none")
        expect(c.call("HGETALL", "stays"), [b"b", b"2"])


def test_errors():
    with Stave(SMALL).start() as s:
        c = s.connect()
        c.call("SET", "s", 1)
        for args, error in (
                (["HEXPIRE", "h", "1", "FIELD", "1", "a"],
                 "ERR Mandatory argument FIELDS is missing or not at the right position"),
                (["HEXPIRE", "h", "1", "FIELDS", "2", "a"],
                 "ERR The `numfields` parameter must match the number of arguments"),
                (["HEXPIRE", "h", "1", "FIELDS", "0", "a"], "ERR Parameter `numFields` should be greater than 0"),
                (["HEXPIRE", "h", "-1", "FIELDS", "1", "a"], "ERR invalid expire time, must be >= 0"),
                (["HEXPIRE", "h", 2**60, "FIELDS", "1", "a"], "ERR invalid expire time in 'hexpire' command"),
                (["HTTL", "h", "FIELDS", "0", "a"], "ERR Number of fields must be a positive integer"),
                (["HGETEX", "s", "FIELDS", "1", "a"], "WRONGTYPE "),
                (["HSETEX", "h", "X", "FIELDS", "1", "a", "b"], "ERR unknown argument: X"),
                (["HSET", "h", "f" * 70000, "v"], "ERR element is longer than 64000 bytes")):
            expect_error(c.ask(*args), error)
        expect(c.call("EXISTS", "h"), 0)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
