#!/usr/bin/python3
"""Scripts on the real server: one that does not end and what others get meanwhile, its end by SCRIPT KILL and by
SHUTDOWN NOSAVE; atomicity across a crash; memory; what MONITOR, SLOWLOG and INFO tell; redis-cli."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import PATIENCE, Stave, expect, expect_error, info, wait_until  # noqa: E402

BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


def answer(c, *command):
    """A reply that may be an error."""
    try:
        return c.call(*command) if command else c.reply()
    except Exception as e:  # resp.Error
        return e


def busy(server, script, *args):
    """A client whose script has made the server busy, and one that was told so."""
    c, other = server.connect(), server.connect()
    other.call("CONFIG", "SET", "busy-reply-threshold", 50)
    c.send("EVAL", script, *(args or (0,)))
    wait_until(lambda: str(answer(other, "PING")) == BUSY, "the server to be busy")
    return c, other


def test_kill():
    endless = ["while true do end", "while true do pcall(function() while true do end end) end",
               "while true do redis.call('get', 'x') end", "while true do redis.pcall('nosuch') end",
               "while true do redis.call('publish', 'c', 'm') end",
               "local function f() while true do end end "
               "while true do coroutine.resume(coroutine.create(function() pcall(f) end)) end"]
    with Stave() as server:
        for script in endless:
            c, other = busy(server, script)
            expect(str(answer(other, "GET", "x")), BUSY)
            expect(str(answer(other, "EVAL", "return 1", 0)), BUSY)
            expect(str(answer(other, "EXEC")), "EXECABORT Transaction discarded because of: " + BUSY)
            expect(other.call("MULTI"), "OK")
            expect(str(answer(other, "SET", "x", 1)), BUSY)
            expect(other.call("DISCARD"), "OK")
            expect_error(answer(other, "SHUTDOWN"), "BUSY")
            late = server.connect()  # connections are taken too
            expect(str(answer(late, "PING")), BUSY)
            late.close()
            expect(other.call("SCRIPT", "KILL"), "OK")
            sha = hashlib.sha1(script.encode()).hexdigest()
            expect(str(answer(c)), "ERR Script killed by user with SCRIPT KILL. script: %s, on @user_script:1." % sha)
            expect(other.call("PING"), "PONG")
            expect(c.call("PING"), "PONG")
            expect_error(answer(other, "SCRIPT", "KILL"), "NOTBUSY")


def test_transaction_meanwhile():
    """What may come while a script runs may be queued meanwhile, also when there is no memory left."""
    with Stave() as server:
        setter = server.connect()
        setter.call("CONFIG", "SET", "maxmemory", 1)
        c, other = busy(server, "while true do end")
        expect(other.call("MULTI"), "OK")
        expect(other.call("HELLO"), "QUEUED")
        expect(str(answer(other, "PING")), BUSY)
        expect(other.call("DISCARD"), "OK")
        expect(other.call("SCRIPT", "KILL"), "OK")
        expect_error(answer(c), "ERR Script killed")
        expect(other.call("CONFIG", "SET", "maxmemory", 0), "OK")


def test_pipelines_meanwhile():
    """What a client sends behind its script waits; what others send is answered in order."""
    with Stave() as server:
        c, other = server.connect(), server.connect()
        other.call("CONFIG", "SET", "busy-reply-threshold", 50)
        c.send("SET", "before", 1)
        c.send("EVAL", "while true do end", 0)
        c.send("SET", "after", 1)
        wait_until(lambda: str(answer(other, "PING")) == BUSY, "the server to be busy")
        for i in range(2000):
            other.send("SET", "x", i)
        for _ in range(2000):
            expect(str(answer(other)), BUSY)
        c.send("GET", "after")
        expect(other.call("SCRIPT", "KILL"), "OK")
        expect(c.reply(), "OK")
        expect_error(answer(c), "ERR Script killed")
        expect([c.reply(), c.reply()], ["OK", b"1"])


def test_client_that_goes():
    """The script goes on, and its end is not the server's."""
    with Stave() as server:
        c, other = busy(server, "local t = redis.call('time')[1] + 2 for i = 1, 3e8 do end return 1")
        c.close()
        wait_until(lambda: str(answer(other, "PING")) != BUSY, "the script's end")
        assert server.alive()


def test_shutdown_nosave():
    """Nothing of the unfinished script stays, everything before it does."""
    with Stave() as server:
        server.connect().call("SET", "before", 1)
        c, other = busy(server, "redis.call('set', 'a', 1) while true do redis.call('incr', 'n') end")
        expect_error(answer(other, "SCRIPT", "KILL"), "UNKILLABLE Sorry the script already executed write commands")
        expect_error(answer(other, "SHUTDOWN", "SAVE"), "BUSY")
        other.send("SHUTDOWN", "NOSAVE")
        wait_until(lambda: not server.alive(), "the server's end")
        server.start()
        expect(server.connect().call("MGET", "before", "a", "n"), [b"1", None, None])


def test_atomic_after_kill():
    """A script's keys are all there or none, whenever the process is killed."""
    script = "for i = 1, 20 do redis.call('set', KEYS[1] .. i, ARGV[1]) end redis.call('rpush', 'done', ARGV[1]) return 1"
    with Stave() as server:
        told = 0
        for round_ in range(4):
            c = server.connect()
            stop = threading.Timer(0.2 + 0.1 * round_, server.kill)
            stop.start()
            try:
                while True:
                    c.call("EVAL", script, 1, "k", told + 1)
                    told += 1
            except Exception:
                pass
            stop.join()
            server.start()
            c = server.connect()
            found = set(c.call("MGET", *["k%d" % i for i in range(1, 21)]))
            expect(len(found), 1, "keys of one script")
            last = int(found.pop() or 0)
            assert told <= last <= told + 1, (told, last)
            expect(c.call("LLEN", "done"), last)
            told = last


def test_error_keeps_what_it_did():
    with Stave() as server:
        c = server.connect()
        expect_error(answer(c, "EVAL", "redis.call('set', 'a', 1) redis.call('nosuch')", 0), "ERR Unknown")
        server.kill()
        server.start()
        expect(server.connect().call("GET", "a"), b"1")


def test_limits():
    with Stave() as server:
        c = server.connect()
        c.call("CONFIG", "SET", "script-memory-limit", "8mb")
        for bomb in ("return string.rep('x', 2^30)", "local t = {} while true do t[#t + 1] = {} end",
                     "local s = 'x' while true do s = s .. s end"):
            expect_error(answer(c, "EVAL", bomb, 0), "ERR not enough memory")
            assert info(c, "used_memory_vm_eval") < 8 << 20
        expect(c.call("EVAL", "return (pcall(string.rep, 'x', 2^30))", 0), None)
        expect_error(answer(c, "EVAL", "local a = {} for i = 1, 40 do a = {a, a} end return a", 0), "ERR the script's reply")
        for shared in ("t[1] = t", "t[1] = {map = {[t] = t}}", "for i = 1, 1000 do t[i] = t end"):
            expect_error(answer(c, "EVAL", "local t = {} for i = 1, 100000 do t[i] = true end %s return t" % shared, 0),
                         "ERR the script's reply")
        c.call("CONFIG", "SET", "script-instruction-limit", 1000000)
        for i in range(20):  # what one leaves that was ended is not the next one's want of memory
            expect_error(answer(c, "EVAL", "local t = {} for i = 1, 40 do t[i] = string.rep(i, 2^16) end "
                                "while true do end", 0), "ERR Script used more")
            expect(c.call("EVAL", "return #string.rep('x', 2^20) + %d" % i, 0), 2 ** 20 + i)
        expect_error(answer(c, "EVAL", "while true do pcall(function() while true do end end) end", 0),
                     "ERR Script used more than script-instruction-limit")
        expect(c.call("EVAL", "local n = 0 for i = 1, 1000 do n = n + i end return n", 0), 500500)


def test_maxmemory():
    @harness.only("bitcask")
    def run():
        with Stave() as server:
            c = server.connect()
            c.call("SET", "big", "x" * 100000)
            c.call("CONFIG", "SET", "maxmemory", 1)
            expect_error(answer(c, "EVAL", "return redis.call('set', 'a', 1)", 0), "OOM command not allowed")
            expect(c.call("EVAL", "redis.call('del', 'big') return redis.call('set', 'a', 1)", 0), "OK")
            expect(c.call("EVAL", "return redis.call('get', 'a')", 0), b"1")
            expect_error(answer(c, "EVAL", "#!lua\nreturn 1", 0), "OOM allow-oom flag is not set on the script")
            expect(c.call("EVAL", "#!lua flags=allow-oom\nreturn redis.call('set', 'b', 1)", 0), "OK")
            expect(c.call("EVAL", "#!lua flags=no-writes\nreturn redis.call('get', 'a')", 0), b"1")
    if harness.ENGINE == "bitcask":
        run()


def test_what_is_told():
    with Stave() as server:
        c, monitor = server.connect(), server.connect()
        c.call("CONFIG", "SET", "slowlog-log-slower-than", 0)
        monitor.call("MONITOR")
        c.call("EVAL", "redis.call('set', KEYS[1], 'v') redis.pcall('incr', KEYS[1]) return redis.call('time')", 1, "k")
        lines = [str(monitor.reply()) for _ in range(4)]
        for line, wanted in zip(lines, [r'\[0 127.*\] "EVAL" "redis', r'\[0 lua\] "set" "k" "v"', r'\[0 lua\] "incr" "k"',
                                        r'\[0 lua\] "time"']):
            assert re.search(wanted, line), (line, wanted)
        names = [e[3][0].upper() for e in c.call("SLOWLOG", "GET", -1)]
        assert b"EVAL" in names and b"SET" not in names, names
        stats = c.call("INFO", "commandstats").decode()
        for wanted in (r"cmdstat_set:calls=1,.*failed_calls=0", r"cmdstat_incr:calls=1,.*failed_calls=1",
                       r"cmdstat_eval:calls=1,.*failed_calls=0"):
            assert re.search(wanted, stats), wanted
        expect_error(answer(c, "EVAL", "return redis.call('incr', 'k')", 0), "ERR value is not an integer")
        stats = c.call("INFO", "everything").decode()
        assert re.search(r"cmdstat_eval:calls=2,.*failed_calls=1", stats), "EVAL has failed with its command"
        assert re.search(r"errorstat_ERR:count=2\r", stats), "each error is counted once"
        expect(info(c, "number_of_cached_scripts"), 2)


def test_cache():
    with Stave() as server:
        c = server.connect()
        loaded = c.call("SCRIPT", "LOAD", "return 'kept'")
        for i in range(700):
            c.call("EVAL", "return %d" % i, 0)
        expect(info(c, "number_of_cached_scripts"), 501)
        expect(info(c, "evicted_scripts"), 200)
        expect(c.call("EVALSHA", loaded, 0), b"kept")
        old = [hashlib.sha1(b"return %d" % i).hexdigest() for i in (0, 699)]
        expect(c.call("SCRIPT", "EXISTS", loaded, *old), [1, 0, 1])
        c.call("SCRIPT", "FLUSH")
        expect(c.call("SCRIPT", "EXISTS", loaded, *old), [0, 0, 0])
        expect_error(answer(c, "EVALSHA", loaded, 0), "NOSCRIPT")
        c.call("EVAL", "return 1", 0)
        expect(info(c, "number_of_cached_scripts"), 1)


def test_log_and_waits():
    """Messages come once; commands that would wait answer at once; one time."""
    with Stave() as server:
        c = server.connect()
        c.call("EVAL", "redis.log(redis.LOG_WARNING, 'a message', 1, nil, 'of a script')", 0)
        wait_until(lambda: server.log_tail(50).count("a message 1") == 1, "the message")
        expect(c.call("EVAL", "return redis.call('blpop', 'nokey', 0)", 0), None)
        expect(c.call("EVAL", "local a = redis.call('time') for i = 1, 1e6 do end local b = redis.call('time') "
                              "return a[1] == b[1] and a[2] == b[2]", 0), 1)


def test_cold_keys():
    """Scripts whose keys have left memory run until they have all of them, once."""
    with Stave(harness.SMALL) as server:
        c = server.connect()
        for i in range(300):
            c.call("SET", "k%d" % i, "v" * 3000 + str(i))
        server.stop()
        server.start()
        c = server.connect()
        keys = ["k%d" % i for i in range(0, 300, 7)]
        script = ("redis.call('incr', 'runs') local n = 0 for i, k in ipairs(KEYS) do "
                  "n = n + #redis.call('get', k) end return n")
        wanted = sum(3000 + len(k) - 1 for k in keys)
        for run in range(1, 4):
            expect(c.call("EVAL", script, len(keys), *keys), wanted)
            expect(c.call("GET", "runs"), str(run).encode())


def test_redis_cli():
    with Stave() as server, open(os.path.join(server.directory, "s.lua"), "w") as f:
        f.write("return {KEYS[1], ARGV[1], redis.call('set', KEYS[1], ARGV[1])}")
        f.flush()
        out = subprocess.run(["redis-cli", "-p", str(server.port), "--eval", f.name, "k", ",", "v"], capture_output=True,
                             text=True, timeout=PATIENCE).stdout
        expect(out.split(), ["k", "v", "OK"])
        expect_error(answer(server.connect(), "SCRIPT", "DEBUG", "YES"), "ERR the Lua debugger is not supported")


if __name__ == "__main__":
    sys.exit(harness.main(globals(), all_scripts=True))
