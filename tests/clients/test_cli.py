"""redis-cli in its modes."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import tempfile
import termios
import time

from tests.clients.common import TYPES, cli, expect, fill


def test_cli_plain(server):
    expect(cli(server, "SET", "a", "1"), "OK")
    expect(cli(server, "GET", "a"), "1")
    expect(cli(server, "INCRBY", "a", "41"), "42")
    expect(cli(server, "--no-raw", "GET", "nope"), "(nil)")
    expect(cli(server, "-3", "--json", "CONFIG", "GET", "databases"), '{"databases":"16"}')


def test_cli_script_on_stdin(server):
    expect(cli(server, data="SET x 1\nAPPEND x 23\nGET x\n").split(), ["OK", "3", "123"])


def test_cli_scan(server):
    c = server.connect()
    for i in range(300):
        c.call("SET", "scan:%d" % i, i)
    found = cli(server, "--scan", "--pattern", "scan:*").split()
    expect(sorted(found), sorted("scan:%d" % i for i in range(300)))


def test_cli_bigkeys(server):
    c = server.connect()
    c.call("SET", "biggest", "x" * 5000)
    out = cli(server, "--bigkeys")
    assert "biggest" in out and "5000 bytes" in out, out


def test_cli_bigkeys_of_types(server):
    fill(server.connect())
    out = cli(server, "--bigkeys")
    for t, unit in zip(TYPES, ("3000 bytes", "300 items", "300 members", "300 members", "300 fields", "300 entries")):
        assert re.search("Biggest +%s found '\"large:%s\"' has %s" % (t, t, unit), out), out
    assert "Sampled 12 keys" in out and "2 lists with 303 items" in out, out


def test_cli_memkeys_of_types(server):
    fill(server.connect())
    out = cli(server, "--memkeys")
    for t in TYPES:
        assert re.search("Biggest +%s found '\"large:%s\"' has [1-9][0-9]+ bytes" % (t, t), out), out


def test_cli_hotkeys_error(server):
    fill(server.connect())
    out = cli(server, "--hotkeys", errors=True)
    assert "Error: ERR An LFU maxmemory policy is not selected, access frequency not tracked." in out, out


def test_cli_resp3(server):
    def ask(*args):
        return cli(server, "-3", "--no-raw", *args)
    ask("HSET", "h", "f", "v", "g", "w")
    expect(ask("HGETALL", "h"), '1# "f" => "v"\n2# "g" => "w"')
    ask("SADD", "s", "a")
    expect(ask("SMEMBERS", "s"), '1~ "a"')
    ask("ZADD", "z", "1.5", "m", "0.1", "n", "inf", "o")
    expect(ask("ZSCORE", "z", "m"), "(double) 1.5")
    expect(ask("ZRANGE", "z", "0", "-1", "WITHSCORES"),
           '1) 1) "n"\n   2) (double) 0.1\n2) 1) "m"\n   2) (double) 1.5\n3) 1) "o"\n   2) (double) inf')
    expect(ask("ZPOPMIN", "z"), '1) "n"\n2) (double) 0.1')
    expect(ask("HGET", "h", "nope"), "(nil)")
    ask("XADD", "x", "1-1", "f", "v")
    expect(ask("XREAD", "STREAMS", "x", "0"), '1# "x" => \n   1) 1) "1-1"\n      2) 1) "f"\n         2) "v"')
    expect(cli(server, "-3", "--json", "HGETALL", "h"), '{"f":"v","g":"w"}')
    expect(cli(server, "-2", "--json", "ZSCORE", "z", "m"), '"1.5"')
    expect(cli(server, "-3", "--json", "ZMSCORE", "z", "m", "nope"), "[1.5,null]")


def test_cli_eval(server):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        f.write("redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2])\nreturn {redis.call('GET', KEYS[1]), #KEYS, #ARGV}\n")
        f.flush()
        expect(cli(server, "--eval", f.name, "k", ",", "a", "b").split("\n"), ["ab", "1", "2"])


def listen(server, wanted, act, *args, typed=None, again=b""):
    """What redis-cli prints until `wanted` is there; act() is called again and again meanwhile, and `again`
    typed."""
    p = subprocess.Popen(["redis-cli", "-p", str(server.port)] + list(args), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    shown, end = "", time.time() + 60
    if typed:
        p.stdin.write(typed)
        p.stdin.flush()
    while wanted not in shown and time.time() < end:
        act()
        if again:
            p.stdin.write(again)
            p.stdin.flush()
        if select.select([p.stdout], [], [], 0.05)[0]:
            shown += os.read(p.stdout.fileno(), 65536).decode(errors="replace")
    p.kill()
    p.wait()
    return shown


def test_cli_listens(server):
    c = server.connect()
    for proto in ("-2", "-3"):
        for command in ("SUBSCRIBE", "PSUBSCRIBE"):
            out = listen(server, "hello", lambda: c.call("PUBLISH", "news", "hello"), proto, command, "news")
            assert command.lower() in out and "hello" in out, out
    out = listen(server, '"SET" "seen" "1"', lambda: c.call("SET", "seen", 1), "MONITOR")
    assert '[0 127.0.0.1:' in out and '"SET" "seen" "1"' in out, out


def test_cli_shows_pushes(server):
    c = server.connect()
    out = listen(server, "invalidate", lambda: c.call("SET", "k", "new"), "-3", "--show-pushes", "yes",
                 typed=b"CLIENT TRACKING ON\n", again=b"GET k\nPING\n")  # it hears of nothing but by a reply
    assert "invalidate" in out, out


def test_cli_memkeys(server):
    c = server.connect()
    c.call("SET", "biggest", "x" * 5000)
    assert "biggest" in cli(server, "--memkeys"), cli(server, "--memkeys")


def test_cli_stat_and_latency(server):
    fill(server.connect())
    for args, word in ((["--stat", "-i", "0.1"], "keys"), (["--latency-dist", "-i", "1"], "-"),
                       (["--latency", "-i", "1"], "")):
        ours, its = pty.openpty()  # on a pipe it would keep its output to itself
        p = subprocess.Popen(["redis-cli", "-p", str(server.port)] + args, stdout=its, stderr=its)
        out, end = "", time.time() + 60
        while not (out and word in out) and time.time() < end:
            if select.select([ours], [], [], 0.1)[0]:
                out += os.read(ours, 65536).decode(errors="replace")
        p.terminate()
        p.wait()
        os.close(ours)
        os.close(its)
        assert word in out and "rror" not in out, out[:300]


def test_cli_hints_and_help(server):
    assert "since" in cli(server, "COMMAND", "DOCS", "SET"), "COMMAND DOCS"
    assert int(cli(server, "COMMAND", "COUNT")) > 150
    for typed, hint in (("zadd ", "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]"),
                        ("hsetex k ", "[FNX|FXX]"), ("xread ", "[COUNT count] [BLOCK milliseconds] STREAMS")):
        shown = hints(server, typed, hint)
        assert hint in shown, shown


def hints(server, typed, wanted):
    """What a terminal shows when this is typed: the prompt, the words, and the hint for what may follow."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    p = subprocess.Popen(["redis-cli", "-p", str(server.port)], stdin=its, stdout=its, stderr=its,
                         env=dict(os.environ, TERM="xterm", HOME="/nonexistent"))
    shown, end = "", time.time() + 60
    while time.time() < end and wanted not in shown:
        if "> " in shown and typed:  # what comes before the prompt is thrown away
            os.write(ours, typed.encode())
            typed = ""
        if select.select([ours], [], [], 0.1)[0]:
            shown += re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", os.read(ours, 65536).decode(errors="replace"))
    p.terminate()
    p.wait()
    os.close(ours)
    os.close(its)
    return shown
