#!/usr/bin/python3
"""Functions on the real server: the errors of FUNCTION LOAD and the replies of FCALL beside the reference's,
payloads of DUMP both ways, and that what was loaded is there after a restart, a kill -9 and a flush of all
databases."""

import os
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import Stave, expect, expect_error, info, wait_until  # noqa: E402
from tests.support import rdb, resp  # noqa: E402
from tests.support.servers import TOP, Reference  # noqa: E402

HEAD = "#!lua name=l\n"
F = "redis.register_function('f', function() return 1 end)"
TABLE = "redis.register_function{function_name='a', callback=function() end, %s}"

# What is loaded beside a library `l` with a function f, replacing it or not.
TEXTS = [
    "", "x", "#!lua", "#!lua\n", "#!lua name=\n" + F, "#!lua name=l", "#!\n" + F, "#!lua name=a name=b\n" + F,
    "#!lua foo=bar name=x\n" + F, "#!foo name=x\n" + F, "#!LUA name=l\n" + F, "#!lua name=a-b\n" + F,
    "#!lua name='a\n" + F, '#!lua "name=q"\n' + F, "#!lua name=m\n" + F, "#!lua name=m\n" + F.replace("'f'", "'F'"),
    HEAD, HEAD + "return", HEAD + "x=1", HEAD + "x=", HEAD + "\n\nx==1", HEAD + "redis.call('ping')",
    HEAD + "redis.pcall('ping')", HEAD + "redis.setresp(3)", HEAD + "redis.sha1hex('x')", HEAD + "redis.foo()",
    HEAD + "foo()", HEAD + "error('boom')", HEAD + "math.random()", HEAD + "redis.x=1", HEAD + F + F,
    HEAD + F + " " + F, HEAD + "local a = {} a.b.c = 1", HEAD + "redis.register_function()",
    HEAD + "redis.register_function(1,2,3)", HEAD + "redis.register_function('a')",
    HEAD + "redis.register_function({},function() end)", HEAD + "redis.register_function('a',1)",
    HEAD + "redis.register_function(1,function() end)", HEAD + "redis.register_function('a b',function() end)",
    HEAD + "redis.register_function('',function() end)", HEAD + "redis.register_function{}",
    HEAD + "redis.register_function{function_name='a'}", HEAD + "redis.register_function{callback=function() end}",
    HEAD + "redis.register_function{function_name='a',callback=1}",
    HEAD + "redis.register_function{function_name={}}", HEAD + "redis.register_function{[{}]=1}",
    HEAD + TABLE % "flags=1", HEAD + TABLE % "flags={'x'}", HEAD + TABLE % "flags={{}}", HEAD + TABLE % "foo=1",
    HEAD + TABLE % "description={}", HEAD + TABLE % "description='d'",
    HEAD + TABLE % "flags={'no-writes','allow-oom','allow-stale','no-cluster','allow-cross-slot-keys'}",
    HEAD + "redis.log(redis.LOG_NOTICE,'loaded') " + F,
]

# What a function does, with two keys and an argument; its flags.
BODIES = [
    ("return k", ""), ("return {k, a, #k, #a}", ""), ("return KEYS", ""), ("return {ok='fine'}", ""),
    ("return redis.call('set', k[1], a[1])", ""), ("return redis.call('get', k[1])", "'no-writes'"),
    ("return redis.call('set', k[1], a[1])", "'no-writes'"), ("return redis.pcall('set', k[1])", ""),
    ("return redis.call('nothing')", ""), ("x = 1", ""), ("return x", ""), ("error('boo')", ""),
    ("error({err='boo'})", ""), ("return redis.error_reply('My error')", ""), ("redis.x = 1", ""),
    ("redis.register_function('g', function() end)", ""), ("return redis.call('fcall', 'f', 0)", ""),
    ("return redis.call('function', 'list')", ""), ("return redis.call('eval', 'return 1', 0)", ""),
    ("return math.pi", ""), ("return {1, 2, nil, 4}", ""), ("return false", ""), ("return true", ""),
    ("return redis.debug", ""), ("return redis.breakpoint", ""), ("local t = {} return t.a.b", ""),
]

OTHERS = [
    "FUNCTION", "FUNCTION FOO", "FUNCTION LOAD", "FUNCTION LOAD REPLACE", "FUNCTION LOAD foo code",
    "FUNCTION DELETE nothing", "FUNCTION DELETE", "FUNCTION FLUSH x", "FUNCTION FLUSH sync x", "FUNCTION KILL",
    "FUNCTION KILL x", "FUNCTION STATS", "FUNCTION STATS x", "FUNCTION LIST", "FUNCTION LIST WITHCODE",
    "FUNCTION LIST LIBRARYNAME", "FUNCTION LIST LIBRARYNAME L*", "FUNCTION LIST LIBRARYNAME x* WITHCODE",
    "FUNCTION LIST foo", "FUNCTION LIST WITHCODE WITHCODE", "FUNCTION DUMP", "FUNCTION DUMP x",
    "FUNCTION RESTORE", "FUNCTION RESTORE x", "FUNCTION RESTORE x y", "FUNCTION RESTORE x FLUSH z", "FCALL f",
    "FCALL f x", "FCALL f -1", "FCALL f 1", "FCALL f 99999999999999999999", "FCALL nothing 0", "FCALL F 0",
    "FCALL_RO f 0", "FUNCTION FLUSH ASYNC", "FUNCTION LIST", "FUNCTION DUMP", "FCALL f 0",
]


def library(name, body="return 1", options=""):
    return "#!lua name=%s\nredis.register_function{function_name='%s', callback=function(k, a) %s end%s}" % (
        name, name, body, options)


def libraries(c):
    """Names of libraries, in order; what FUNCTION STATS counts."""
    stats = c.call("FUNCTION", "STATS")[3][1]
    names = sorted(lib[1].decode() for lib in c.call("FUNCTION", "LIST"))
    expect(stats[1], len(names))
    return names


def test_beside_the_reference():
    with Stave().start() as s, Reference().start() as r:
        for proto in (2, 3):
            mine, theirs = s.connect(proto), r.connect(proto)

            def both(*args):
                expect(mine.ask(*args), theirs.ask(*args), repr(args))
            for options in ((), ("REPLACE",)):
                for text in TEXTS:
                    both("FUNCTION", "FLUSH")
                    both("FUNCTION", "LOAD", HEAD + F)
                    both("FUNCTION", "LOAD", *options, text)
                    both("FUNCTION", "LIST", "LIBRARYNAME", "l", "WITHCODE")
                    both("FUNCTION", "STATS")
            for body, flags in BODIES:
                if "error_reply" in body:
                    continue  # EVAL's matter
                both("FUNCTION", "FLUSH")
                both("FUNCTION", "LOAD", library("f", body, ", flags={%s}" % flags))
                both("FCALL", "f", 2, "k", "l", "v")
                both("FCALL_RO", "f", 2, "k", "l", "v")
            both("FUNCTION", "LOAD", "REPLACE", HEAD + F.replace("'f'", "'g'"))
            both("FUNCTION", "FLUSH")
            both("FUNCTION", "LOAD", HEAD + F)
            for line in OTHERS:
                both(*line.split())


def test_load_takes_too_long():
    with Stave().start() as s:
        c, other = s.connect(), s.connect()
        began = time.time()
        expect_error(c.ask("FUNCTION", "LOAD", HEAD + "while true do end"),
                     "ERR Error registering functions: ERR FUNCTION LOAD timeout")
        assert 0.4 < time.time() - began < 60
        expect(other.call("PING"), "PONG")
        expect(libraries(c), [])


def test_payloads():
    """What one server dumps the other restores."""
    with Stave().start() as s, Reference().start() as r:
        mine, theirs = s.connect(), r.connect()
        for a, b in ((mine, theirs), (theirs, mine)):
            for c in (a, b):
                c.call("FUNCTION", "FLUSH")
            for name in ("one", "two", "long"):
                a.call("FUNCTION", "LOAD", library(name, "return '%s'" % (name * 10)) + "\n--" + "x" * (name == "long") * 9000)
            b.call("FUNCTION", "LOAD", library("two", "return 'kept'"))
            payload = a.call("FUNCTION", "DUMP")
            expect_error(b.ask("FUNCTION", "RESTORE", payload), "ERR Library two already exists")
            expect(libraries(b), ["two"])
            expect(b.call("FCALL", "two", 0), b"kept")
            expect(b.call("FUNCTION", "RESTORE", payload, "REPLACE"), "OK")
            expect(libraries(b), ["long", "one", "two"])
            expect(b.call("FCALL", "two", 0), b"two" * 10)
            b.call("FUNCTION", "FLUSH")
            b.call("FUNCTION", "LOAD", "#!lua name=other\nredis.register_function('two', function() end)")
            expect_error(b.ask("FUNCTION", "RESTORE", payload), "ERR Function two already exists")
            expect_error(b.ask("FUNCTION", "RESTORE", payload, "REPLACE"), "ERR Function two already exists")
            expect(libraries(b), ["other"])
            expect(b.call("FUNCTION", "RESTORE", payload, "FLUSH"), "OK")
            expect(libraries(b), ["long", "one", "two"])
            for n in (0, 5, len(payload) - 1):
                expect_error(b.ask("FUNCTION", "RESTORE", payload[:n]), "ERR DUMP payload version or checksum")
            expect_error(b.ask("FUNCTION", "RESTORE", a.ask("DUMP", "k") or b"x" * 20), "ERR DUMP payload")


def test_strange_payloads():
    """What has a good footer and is no libraries, or is libraries that can't be."""
    def put(code):
        return b"\xf5" + rdb.length(len(code)) + code

    def with_footer(body, version=10):
        body += struct.pack("<H", version)
        return body + struct.pack("<Q", rdb.crc64(body))
    one = (HEAD + F).encode()
    bodies = [b"", put(one), put(one) + put(one), put(one) + put(one.replace(b"=l", b"=m")),
              put(one) + put(one.replace(b"=l", b"=m").replace(b"'f'", b"'F'")), b"\x00\x01x", b"\xff", put(b"x"),
              put(b"#!lua name=z\n"), put(b"#!lua name=z\nx = 1"), b"\xf5\xc0\x01", b"\xf5\xc3\x05\x05aaaaa",
              put(one) + b"\x00\x01x"]
    with Stave().start() as s, Reference().start() as r:
        mine, theirs = s.connect(), r.connect()
        for body in bodies:
            for policy in ((), ("FLUSH",), ("REPLACE",), ("APPEND",)):
                for c in (mine, theirs):
                    c.call("FUNCTION", "FLUSH")
                    c.call("FUNCTION", "LOAD", library("stays"))
                for line in (["FUNCTION", "RESTORE", with_footer(body), *policy], ["FUNCTION", "STATS"]):
                    expect(mine.ask(*line), theirs.ask(*line), repr(line))
        expect_error(mine.ask("FUNCTION", "RESTORE", with_footer(b"", 99)), "ERR DUMP payload version")
        expect_error(mine.ask("FUNCTION", "RESTORE", with_footer(b"\xf6\x01x")), "ERR Pre-GA function format")


def test_lives():
    """What was replied to is there after a kill -9, an orderly end, DEBUG RELOAD, FLUSHALL and another number
    of databases; a library's locals are not."""
    s = Stave().start()
    try:
        c = s.connect()
        count = "local n = 0 redis.register_function('n', function() n = n + 1 return n end)"
        c.call("FUNCTION", "LOAD", "#!lua name=n\n" + count)
        c.call("FUNCTION", "LOAD", library("big", "return #'%s'" % ("x" * 100000)) + "--" + "y" * 600000)
        c.call("FUNCTION", "LOAD", library("gone"))
        c.call("FUNCTION", "DELETE", "gone")
        c.call("FUNCTION", "LOAD", library("new", "return 'old'"))
        c.call("FUNCTION", "LOAD", "REPLACE", library("new", "return 'new'"))
        expect([c.call("FCALL", "n", 0) for _ in range(3)], [1, 2, 3])
        for life in range(5):
            expect(libraries(c), ["big", "n", "new"], "life %d" % life)
            expect(c.call("FCALL", "new", 0), b"new")
            expect(c.call("FCALL", "big", 0), 100000)
            expect(info(c, "number_of_libraries"), 3)
            expect(info(c, "number_of_functions"), 3)
            assert info(c, "used_memory_functions") > 700000 and info(c, "used_memory_vm_functions") > 0
            c.call("SET", "k", "v")
            c.call("FLUSHALL")
            expect(c.call("DBSIZE"), 0)
            expect(c.call("RANDOMKEY"), None)
            expect(c.call("SCAN", 0), [b"0", []])
            if life == 1:
                c.call("DEBUG", "RELOAD")
                expect(c.call("FCALL", "n", 0), 1)
                continue
            if life % 2:
                s.stop()
                s.args["databases"] = 1 if life == 3 else 16
            else:
                s.kill()
            s.start()
            c = s.connect()
            expect(c.call("FCALL", "n", 0), 1)
        c.call("FUNCTION", "FLUSH")
        s.kill()
        s.start()
        expect(libraries(s.connect()), [])
        s.stop()
        check = subprocess.run([os.path.join(TOP, "utils", "stave-check"), s.data_directory()],
                               capture_output=True, text=True)
        expect(check.returncode, 0, check.stdout)
    finally:
        s.close()


def test_in_a_transaction():
    """EXEC changes functions with its other changes, and its commands see them."""
    with Stave().start() as s:
        c = s.connect()
        c.call("FUNCTION", "LOAD", library("a"))
        for line in (["MULTI"], ["FUNCTION", "LOAD", library("b", "return redis.call('incr', k[1])")],
                     ["FCALL", "b", 1, "k"], ["FUNCTION", "DELETE", "a"], ["FCALL", "a", 0],
                     ["FUNCTION", "LOAD", library("b")], ["FUNCTION", "LIST", "LIBRARYNAME", "a"]):
            c.call(*line)
        replies = c.call("EXEC")
        expect(replies[:3], [b"b", 1, "OK"])
        expect([str(e) for e in replies[3:5]], ["ERR Function not found", "ERR Library 'b' already exists"])
        expect(replies[5], [])
        s.kill()
        s.start()
        c = s.connect()
        expect(libraries(c), ["b"])
        expect(c.call("FCALL", "b", 1, "k"), 2)


def test_busy():
    """FUNCTION STATS tells what runs, FUNCTION KILL ends it, unless it has written; SCRIPT KILL does not."""
    with Stave({"busy-reply-threshold": 50}).start() as s:
        c, other = s.connect(), s.connect()
        c.call("FUNCTION", "LOAD", library("loop", "while true do end"))
        c.send("FCALL", "loop", 1, "k", "arg")
        wait_until(lambda: str(other.ask("PING")).startswith("BUSY"), "the function to be busy")
        run = other.call("FUNCTION", "STATS")[1]
        expect(run[1], b"loop")
        expect(run[3], [b"FCALL", b"loop", b"1", b"k", b"arg"])
        assert run[5] >= 50
        expect_error(other.ask("SCRIPT", "KILL"), "BUSY")
        expect(other.call("FUNCTION", "KILL"), "OK")
        try:
            reply = c.reply()
        except resp.Error as e:
            reply = e
        expect_error(reply, "ERR Script killed by user with FUNCTION KILL. script: loop, on @user_function:2.")
        wait_until(lambda: other.ask("PING") == "PONG", "the end")
        expect_error(other.ask("FUNCTION", "KILL"), "NOTBUSY")


def test_under_load():
    """Libraries that come and go beside writes; after a kill -9 each that was replied to is as it was."""
    s = Stave().start()
    try:
        known, stop = {}, threading.Event()

        def writes():
            c = s.connect()
            i = 0
            try:
                while not stop.is_set():
                    c.call("SET", "k%d" % (i % 100), "v" * 500)
                    i += 1
            except (OSError, EOFError):
                pass
        beside = threading.Thread(target=writes)
        beside.start()
        c = s.connect()
        for i in range(150):
            name = "lib%d" % (i % 7)
            if i % 5 == 4 and name in known:
                c.call("FUNCTION", "DELETE", name)
                del known[name]
            else:
                c.call("FUNCTION", "LOAD", "REPLACE", library(name, "return %d" % i) + "--" + "z" * (i * 997 % 300000))
                known[name] = i
        s.kill()
        stop.set()
        beside.join()
        s.start()
        c = s.connect()
        expect(libraries(c), sorted(known))
        for name, i in known.items():
            expect(c.call("FCALL", name, 0), i)
    finally:
        s.close()


if __name__ == "__main__":
    sys.exit(harness.main(globals(), all_scripts=True))
