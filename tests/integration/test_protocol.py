#!/usr/bin/python3
"""The protocol as bytes: RESP3, inline commands, what is malformed, and garbage of every kind."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, info, is_closed, raw, wait_until  # noqa: E402
from tests.support import resp  # noqa: E402


def raw_answer(c, *args):
    c.send(*args)
    return c.raw_reply()[0]


def test_resp3_types():
    with Stave().start() as s:
        c = s.connect(proto=3)
        for args, wanted in (
                (["SET", "k", "v"], b"+OK\r\n"),
                (["GET", "nosuch"], b"_\r\n"),
                (["MGET", "k", "nosuch"], b"*2\r\n$1\r\nv\r\n_\r\n"),
                (["SET", "k", "w", "NX"], b"_\r\n"),
                (["CONFIG", "GET", "hz"], b"%1\r\n$2\r\nhz\r\n$2\r\n10\r\n"),
                (["DEBUG", "PROTOCOL", "double"], b",3.141\r\n"),
                (["DEBUG", "PROTOCOL", "true"], b"#t\r\n"),
                (["DEBUG", "PROTOCOL", "bignum"], b"(1234567999999999999999999999999999999\r\n"),
                (["DEBUG", "PROTOCOL", "verbatim"], b"=29\r\ntxt:This is a verbatim\nstring\r\n"),
                (["DEBUG", "PROTOCOL", "set"], b"~3\r\n:0\r\n:1\r\n:2\r\n"),
                (["DEBUG", "PROTOCOL", "map"], b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"),
                (["DEBUG", "PROTOCOL", "push"], b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"),
                (["LCS", "k", "k", "IDX"], b"%2\r\n$7\r\nmatches\r\n"),
                (["INFO", "cluster"], b"=")):
            found = raw_answer(c, *args)
            assert found.startswith(wanted), "%r: found %r, wanted %r" % (args, found, wanted)
        hello = c.call("HELLO", "3")
        expect((hello[b"proto"], hello[b"version"], hello[b"modules"]), (3, b"7.2.4", []))
        expect(c.call("HELLO", "2")[4:6], [b"proto", 2])
        expect(raw_answer(c, "GET", "nosuch"), b"$-1\r\n")
        c.call("HELLO", "3")
        expect(c.call("RESET"), "RESET")
        expect(raw_answer(c, "GET", "nosuch"), b"$-1\r\n", "RESET goes back to RESP2")


def test_resp3_nested():
    with Stave().start() as s:
        c = s.connect(proto=3)
        docs = c.call("COMMAND", "DOCS")
        expect(len(docs), c.call("COMMAND", "COUNT"))
        expect(docs[b"get"][b"group"], b"string")
        assert len(docs[b"client"][b"subcommands"]) > 12
        for name, doc in docs.items():
            for field in (b"summary", b"since", b"group", b"complexity"):
                assert doc.get(field) is not None, "%r has no %r" % (name, field)
        rows = {r[0]: r for r in c.call("COMMAND")}
        expect(sorted(rows), sorted(docs))
        expect(rows[b"set"][1:6], [-3, ["write", "denyoom"], 1, 1, 1])
        help_lines = [c.call(n, "HELP") for n in ("CLIENT", "CONFIG", "COMMAND", "DEBUG", "LATENCY",
                                                  "MEMORY", "OBJECT", "SLOWLOG")]
        assert all(len(h) > 4 and h[-1].startswith("    Print") for h in help_lines), help_lines


def answer(port, data):
    """All that comes back for these bytes and a PING after them, until that is answered or the
    connection closed."""
    s, found = raw(port), b""
    try:
        s.sendall(data + b"PING\r\n")
        while not found.endswith(b"+PONG\r\n"):
            more = s.recv(1 << 16)
            if not more:
                return found + b"(closed)"
            found += more
        return found[:-len(b"+PONG\r\n")]
    except ConnectionError:
        return found + b"(closed)"
    finally:
        s.close()


def test_inline():
    with Stave().start() as s:
        for data, wanted in (
                (b"ECHO hello\r\n", b"$5\r\nhello\r\n"),
                (b"  ECHO   hello  \n", b"$5\r\nhello\r\n"),
                (b"\r\n\n\r\n", b""),
                (b'ECHO "a b\\x41\\n\\"" \r\n', b'$6\r\na bA\n"\r\n'),
                (b"ECHO 'it\\'s'\r\n", b"$4\r\nit's\r\n"),
                (b"ECHO \"\"\r\n", b"$0\r\n\r\n"),
                (b"NOSUCH a\r\n", b"-ERR unknown command 'NOSUCH', with args beginning with: 'a' \r\n"),
                (b'ECHO "open\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n(closed)"),
                (b'ECHO "a"b\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n(closed)"),
                (b"x" * 70000, b"-ERR Protocol error: too big inline request\r\n(closed)"),
                (b"*0\r\n", b""), (b"*-1\r\n", b""),
                (b"*1\r\n+PING\r\n", b"-ERR Protocol error: expected '$', got '+'\r\n(closed)"),
                (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n(closed)"),
                (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n(closed)"),
                (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n(closed)"),
                (b"*1\r\n$4x\r\nPING\r\n", b"-ERR Protocol error: invalid bulk length\r\n(closed)"),
                (b"*1\r\n$99999999999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n(closed)"),
                (b"*1\r\n" + b"$" * 70000, b"-ERR Protocol error: too big bulk count string\r\n(closed)"),
                (b"*" + b"1" * 70000, b"-ERR Protocol error: too big mbulk count string\r\n(closed)")):
            expect(answer(s.port, data), wanted, repr(data[:60]))


def test_http():
    """A browser that was tricked into posting to the port changes nothing."""
    with Stave().start() as s:
        for request in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET owned 1\r\n",
                        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET owned 1\r\n"):
            k = raw(s.port)
            k.sendall(request)
            expect(is_closed(k), True)
        expect(s.connect().call("GET", "owned"), None)
        assert "POST or Host:" in s.log_tail() or "SECURITY" in s.log_tail(), s.log_tail()


PIECES = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"PING\r\n",
          b"*1\r\n", b"$3\r\n", b"*", b"$", b"\r\n", b"\r", b"\n", b"\0", b"*-1\r\n", b"$-1\r\n", b"*1000000\r\n",
          b"$536870912\r\n", b"*4294967297\r\n", b"\"", b"'", b"\\x", b"HELLO 3\r\n", b"HELLO 3 AUTH\r\n", b":1\r\n",
          b"+OK\r\n", b"%2\r\n", b"~1\r\n", b">1\r\n", b"_\r\n", b"MONITOR\r\n", b"CLIENT REPLY OFF\r\n",
          b"SUBSCRIBE x\r\n", b"QUIT\r\n", b"BITFIELD k GET u64 1\r\n", b"SCAN 999999999999999999999\r\n",
          b"SET \"\" \"\\xff\" EX 0\r\n", b"GETRANGE k -9223372036854775808 9223372036854775807\r\n",
          b"SETRANGE k 9223372036854775807 x\r\n", b"SETBIT k 4294967295999 1\r\n", b"COMMAND DOCS\r\n",
          b"COMMAND GETKEYS BITOP\r\n", b"OBJECT\r\n", b"CONFIG GET [\r\n", b"KEYS [^\r\n", b"LCS k k IDX MINMATCHLEN\r\n"]


def garbage(rng):
    """Valid pieces, pieces that are not, and noise, cut and joined at random."""
    out = []
    for _ in range(rng.randrange(1, 30)):
        kind = rng.random()
        if kind < 0.7:
            out.append(rng.choice(PIECES))
        elif kind < 0.85:
            out.append(bytes(rng.randrange(256) for _ in range(rng.randrange(40))))
        else:
            piece = bytearray(rng.choice(PIECES))
            piece[rng.randrange(len(piece))] = rng.randrange(256)
            out.append(bytes(piece))
    return b"".join(out)


def test_garbage():
    seed = int(os.environ.get("STAVE_SEED") or time.time_ns() % 10**9)
    print("STAVE_SEED=%d" % seed)
    with Stave().start() as s:
        for i in range(600):
            rng = random.Random(seed * 1000 + i)
            k = raw(s.port)
            try:
                data = garbage(rng)
                cut = rng.randrange(len(data) + 1)
                k.sendall(data[:cut])
                k.sendall(data[cut:])
                if rng.random() < 0.5:
                    k.shutdown(1)  # no more will come: it answers what it has, and closes
                    is_closed(k)
            except OSError:
                pass  # closed by the server meanwhile
            k.close()
            assert s.alive(), "seed %d, piece %d: %r\n%s" % (seed, i, data, s.log_tail(60))
        c = s.connect()
        expect(c.call("PING"), "PONG")
        wait_until(lambda: info(c, "connected_clients") == 1, "all to be gone")
        expect(s.stop(), 0)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
