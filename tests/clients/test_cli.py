"""redis-cli in its modes."""

import os
import pty
import subprocess
import time

from tests.clients.common import cli, expect


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


def test_cli_memkeys(server):
    c = server.connect()
    c.call("SET", "biggest", "x" * 5000)
    assert "biggest" in cli(server, "--memkeys"), cli(server, "--memkeys")


def test_cli_stat_and_latency(server):
    for args, word in ((["--stat", "-i", "0.1"], "keys"), (["--latency-dist", "-i", "1"], "-"),
                       (["--latency", "-i", "1"], "")):
        ours, its = pty.openpty()  # on a pipe it would keep its output to itself
        p = subprocess.Popen(["redis-cli", "-p", str(server.port)] + args, stdout=its, stderr=its)
        time.sleep(1.5)
        p.terminate()
        p.wait()
        out = os.read(ours, 65536).decode(errors="replace")
        os.close(ours)
        os.close(its)
        assert word in out and "rror" not in out, out[:300]


def test_cli_hints_and_help(server):
    assert "since" in cli(server, "COMMAND", "DOCS", "SET"), "COMMAND DOCS"
    assert int(cli(server, "COMMAND", "COUNT")) > 60
