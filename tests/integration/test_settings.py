#!/usr/bin/python3
"""redis-compat.conf, the settings and CONFIG agree; CONFIG REWRITE keeps the user's file."""

import os
import re
import stat
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (Process, Stave, TOP, expect, expect_error,  # noqa: E402
                                       free_port)

CONF = os.path.join(TOP, "redis-compat.conf")
UNITS = {"b": 1, "k": 1000, "kb": 1 << 10, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30}


def conf_lines():
    """(name, words) of each line that sets something; a comment sign before a default is taken off."""
    found = []
    with open(CONF) as f:
        for line in f:
            m = re.match(r"(?:# )?([a-z][a-z0-9_-]+) (.+)$", line.rstrip("\n"))
            if m and not line.startswith("#"):
                found.append((m.group(1), m.group(2).split()))
    return found


def plain(words):
    """A value as CONFIG GET shows it: quotes taken off, sizes in bytes."""
    text = " ".join(words)
    if text.startswith('"'):
        return text.strip('"')
    shown = []
    for w in words:
        m = re.fullmatch(r"(\d+)([kmg]b?|b)", w.lower())
        shown.append(str(int(m.group(1)) * UNITS[m.group(2)]) if m else w)
    return " ".join(shown)


def all_settings(c):
    flat = [x.decode() for x in c.call("CONFIG", "GET", "*")]
    return dict(zip(flat[::2], flat[1::2]))


ALIASES = re.compile(r"slave|ziplist|lua-time")  # older names, which CONFIG GET shows and no new file needs


def test_file_and_settings_agree():
    with Stave().start() as s:
        shown = set(all_settings(s.connect()))
    named = {name for name, _ in conf_lines()}
    expect(sorted(named - shown), [], "in the file, and not a setting")
    expect(sorted(n for n in shown - named if not ALIASES.search(n)), [], "missing in the file")


def test_defaults():
    """What the file shows is what a server without it has."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port = free_port()
        with Process("--port", port, "--bind", "127.0.0.1", "--dir", top + "/data") as p:
            have = all_settings(p.connect(port))
    given = {}
    for name, words in conf_lines():
        given.setdefault(name, []).append(plain(words))
    for name in ("bind", "port", "dir", "engine"):  # the test's own
        given.pop(name)
    for name, values in given.items():
        expect(have[name], " ".join(values), name)


def test_file_starts_a_server():
    """As it is, with all that it says."""
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port = free_port()
        with Process(CONF, "--port", port, "--dir", top + "/data") as p:
            c = p.connect(port)
            expect(c.call("CONFIG", "GET", "bind"), [b"bind", b"127.0.0.1 -::1"])
            expect(p.end()[0], 0)


def test_live_settings():
    """[live] in the file means that CONFIG SET takes the value; anything else is refused."""
    with open(CONF) as f:
        blocks = f.read().split("taken, shown, and without effect")[0].split("\n\n")
    with Stave().start() as s:
        c = s.connect()
        for block in blocks:
            live = "[live]" in block
            for line in re.findall(r"(?m)^[a-z].*$", block):
                name, value = line.split(" ", 1)
                if name in ("bind", "port", "dir"):
                    continue
                answer = c.ask("CONFIG", "SET", name, plain(value.split()))
                if live:
                    expect(answer, "OK", line)
                else:
                    expect_error(answer, "ERR CONFIG SET failed (possibly related to argument '%s') - "
                                 "can't set immutable config" % name)


def test_a_redis_conf():
    """Lines that people bring from elsewhere: old names, quotes, units, several words, repetition."""
    lines = """
        bind 127.0.0.1 -::1
        tcp-backlog 511
        SAVE 900 1
        save 300 10
        appendonly yes
        appendfsync everysec
        maxmemory 1gb
        maxmemory-policy allkeys-lru
        hash-max-ziplist-entries 128
        slave-priority 50
        client-output-buffer-limit normal 0 0 0
        client-output-buffer-limit replica 256mb 64mb 60
        client-output-buffer-limit pubsub 32mb 8mb 60
        requirepass "with \\"quotes\\" and \\x41"
        loglevel verbose
        latency-tracking-info-percentiles 50 99.9
        notify-keyspace-events ""
        rename-command
    """.split("\n")
    lines = [x.strip() for x in lines if "rename" not in x]
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port, path = free_port(), top + "/redis.conf"
        with open(path, "w") as f:
            f.write("\n".join(lines))
        with Process(path, "--port", port, "--dir", top + "/data") as p:
            c = p.connect(port)
            expect(c.call("AUTH", 'with "quotes" and A'), "OK")
            have = all_settings(c)
            for name, value in (("save", "900 1 300 10"), ("maxmemory", str(1 << 30)),
                                ("hash-max-listpack-entries", "128"), ("replica-priority", "50"),
                                ("slave-priority", "50"), ("hash-max-ziplist-entries", "128"),
                                ("latency-tracking-info-percentiles", "50 99.9"),
                                ("client-output-buffer-limit",
                                 "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60")):
                expect(have[name], value, name)
            expect_error(c.ask("CONFIG", "SET", "save", "900"), "ERR CONFIG SET failed")
            expect_error(c.ask("CONFIG", "SET", "client-output-buffer-limit", "normal 1 x 1"), "ERR")
            expect(all_settings(c), have, "after what was refused")
            expect(c.call("CONFIG", "SET", "save", "60 5"), "OK")
            expect(c.call("CONFIG", "GET", "save"), [b"save", b"60 5"])
            expect(c.call("CONFIG", "SET", "save", ""), "OK")
            expect(c.call("CONFIG", "GET", "save"), [b"save", b""])
            expect(p.end()[0], 0)


REWRITE = """# My server. Hands off!
hz 10

# Why 1 MB: see the wiki.
maxmemory  1mb
maxmemory-policy noeviction
# hz 20 is what we had before
timeout 0
client-output-buffer-limit normal 1mb 0 0
save 900 1
save 300 10
loglevel notice # not a comment
"""


def test_rewrite():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port, path = free_port(), top + "/my.conf"
        with open(path, "w") as f:
            f.write(REWRITE.replace(" # not a comment", "") + "port %d\nbind 127.0.0.1\ndir %s/d\n" % (
                port, top))
        os.chmod(path, 0o640)
        with Process(path) as p:
            c = p.connect(port)
            expect(c.call("CONFIG", "REWRITE"), "OK")
            before = open(path).read()
            expect(c.call("CONFIG", "REWRITE"), "OK")
            expect(open(path).read(), before, "a second time changes nothing")
            expect(c.call("CONFIG", "SET", "hz", 33, "maxmemory", "2mb", "requirepass", 'a "b" \n',
                          "slowlog-max-len", 7), "OK")
            c.call("AUTH", 'a "b" \n')
            expect(c.call("CONFIG", "REWRITE"), "OK")
            wanted = all_settings(c)
            expect(p.end()[0], 0)
        text = open(path).read()
        for line in ("# My server. Hands off!", "# Why 1 MB: see the wiki.", "hz 33",
                     "# hz 20 is what we had before", "maxmemory 2097152", "slowlog-max-len 7"):
            expect(text.split("\n").count(line), 1, line)
        assert text.index("# My server") < text.index("hz 33") < text.index("# Why 1 MB")
        assert "hz 10" not in text, text
        expect(os.listdir(top).count("my.conf"), 1)
        expect(sorted(os.listdir(top)), ["d", "my.conf"], "no temporary file is left")
        expect(stat.S_IMODE(os.stat(path).st_mode), 0o640, "its permissions")
        with Process(path) as p:
            c = p.connect(port)
            expect(c.call("AUTH", 'a "b" \n'), "OK")
            expect(all_settings(c), wanted, "a start with the new file")
            expect(c.call("CONFIG", "GET", "save"), [b"save", b"900 1 300 10"])


def test_rewrite_that_fails():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port, path = free_port(), top + "/conf/my.conf"
        os.mkdir(top + "/conf")
        with open(path, "w") as f:
            f.write("port %d\nbind 127.0.0.1\ndir %s/d\n" % (port, top))
        with Process(path) as p:
            c = p.connect(port)
            os.rename(top + "/conf", top + "/elsewhere")
            expect_error(c.ask("CONFIG", "REWRITE"), "ERR Rewriting config file: ")
            expect(c.call("PING"), "PONG")
            os.rename(top + "/elsewhere", top + "/conf")
            expect(c.call("CONFIG", "REWRITE"), "OK")


def test_included_files():
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        port = free_port()
        with open(top + "/a.conf", "w") as f:
            f.write("hz 20\ninclude %s/b.conf\nslowlog-max-len 5\n" % top)
        with open(top + "/b.conf", "w") as f:
            f.write("hz 30\nslowlog-max-len 6\n")
        with Process(top + "/a.conf", "--port", port, "--bind", "127.0.0.1", "--dir", top + "/d") as p:
            have = all_settings(p.connect(port))
            expect((have["hz"], have["slowlog-max-len"]), ("30", "5"))
        with open(top + "/b.conf", "a") as f:
            f.write("nosuch 1\n")
        status, out, err = harness.run_once(top + "/a.conf", "--dir", top + "/d2")
        expect(status, 1)
        assert top + "/b.conf, at line 3" in err, err


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
