#!/usr/bin/python3
"""Transactions on the real server: what spoils a WATCH, what ends a MULTI, who is woken by an EXEC and
when, and that after a kill -9 a transaction is there whole or not at all."""

import itertools
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (Stave, expect, expect_error, info, is_closed, only, raw, rss,  # noqa: E402
                                       wait_until)
from tests.integration.test_disk import fill, small_disk  # noqa: E402
from tests.support import resp  # noqa: E402
from tests.support.servers import SMALL  # noqa: E402

ABORTED = "EXECABORT Transaction discarded because of previous errors."
OOM = "OOM command not allowed when used memory > 'maxmemory'."
NO_MULTI = "ERR EXEC without MULTI"


def words(*lines):
    return [line.split() for line in lines]


def run(c, *lines):
    """Each line is a command; the last one's reply."""
    for line in words(*lines):
        reply = c.ask(*line)
    return reply


def together(c, *lines):
    """All in one write: the replies."""
    c.send_raw(b"".join(resp.encode(w) for w in words(*lines)))
    return [c.reply() for _ in lines]


def runs(c):
    """Whether a transaction goes through now; what was watched is watched no more."""
    c.call("MULTI")
    c.call("PING")
    reply = c.call("EXEC")
    assert reply in (None, ["PONG"]), reply
    return reply is not None


def blocked(server, admin, *command):
    c = server.connect()
    before = info(admin, "blocked_clients")
    c.send(*command)
    wait_until(lambda: info(admin, "blocked_clients") == before + 1, "%r to wait" % (command,))
    return c


# ---- watched keys and time ----------------------------------------------------------------------

def test_watch_and_expiry():
    """A key that comes due while it is watched has changed, whoever looks, or nobody; one that was due
    before it was watched has not, whatever becomes of it."""
    touches = (None, "GET k", "EXISTS k", "TTL k", "DEL k", "EXPIRE k 10")
    with Stave().start() as s:
        c, other = s.connect(), s.connect()
        for active, touch in itertools.product((0, 1), touches):
            what = "active %d, %s" % (active, touch)
            for life in (40, 400, 4000):  # on a busy machine it may be due before it is watched: again
                run(other, "DEBUG SET-ACTIVE-EXPIRE %d" % active, "FLUSHALL")
                made = time.monotonic()
                run(other, "SET k v PX %d" % life)
                expect(c.call("WATCH", "k"), "OK", what)
                if (time.monotonic() - made) * 1000 < life - 5:
                    break
                run(c, "UNWATCH")
            time.sleep((life + 20) / 1000)
            if touch:
                run(other, touch)
            expect(runs(c), False, what)
        for touch in touches:
            run(other, "DEBUG SET-ACTIVE-EXPIRE 0", "FLUSHALL", "SET k v PX 1")
            time.sleep(0.01)
            run(c, "WATCH k")
            if touch:
                run(other, touch)
            expect(runs(c), True, "due before, %s" % touch)
        run(other, "SET k v PX 1")
        time.sleep(0.01)
        run(c, "WATCH k")
        run(other, "DEBUG SET-ACTIVE-EXPIRE 1")
        wait_until(lambda: other.call("DBSIZE") == 0, "the key to be deleted")
        expect(runs(c), True, "due before, deleted by the cycle")
        run(other, "DEBUG SET-ACTIVE-EXPIRE 0", "SET k v PX 1")
        time.sleep(0.01)
        run(c, "WATCH k")
        run(other, "SET k v")
        expect(runs(c), False, "due before, and anew")
        run(other, "DEBUG SET-ACTIVE-EXPIRE 1", "SET k v EX 100")
        run(c, "WATCH k")
        expect(runs(c), True, "not due")
        for change in ("EXPIRE k 50", "PERSIST k", "SET k w KEEPTTL", "GETEX k EX 3"):
            run(c, "WATCH k")
            run(other, change)
            expect(runs(c), False, change)


def test_watched_hash_field():
    with Stave().start() as s:
        c, other = s.connect(), s.connect()
        run(other, "HSET h a 1 b 2", "HPEXPIRE h 1000 FIELDS 1 a")
        run(c, "WATCH h")
        wait_until(lambda: info(other, "expired_subkeys") == 1, "the field's end")
        expect(runs(c), False)


def test_due_inside():
    """Time stands while EXEC runs: what was there at its start is there at its end."""
    with Stave().start() as s:
        c = s.connect()
        run(c, "DEBUG SET-ACTIVE-EXPIRE 0", "MULTI", "SET k v PX 5", "GET k", "DEBUG SLEEP 0.05", "GET k")
        expect(c.call("EXEC"), ["OK", b"v", "OK", b"v"])
        expect(c.call("GET", "k"), None)


# ---- flushes and swaps --------------------------------------------------------------------------

def test_watch_and_flush():
    flushes = {"FLUSHALL": True, "FLUSHDB": True, "FLUSHDB ASYNC": True, "FLUSHALL SYNC": True}
    with Stave().start() as s:
        c, other = s.connect(), s.connect()
        for flush, there, company in itertools.product(flushes, (False, True), (False, True)):
            run(other, "SELECT 0", "FLUSHALL")
            if there:
                run(other, "SET k v")
            if company:
                run(other, "SET l v")
            run(c, "WATCH k")
            run(other, flush)
            expect(runs(c), not there, "%s, key %d, others %d" % (flush, there, company))
            run(other, "SET k v")
            run(c, "WATCH k")
            run(other, "SELECT 1", "FLUSHDB")
            expect(runs(c), True, "another database's flush")
        run(other, "SELECT 0", "FLUSHALL")
        run(c, "WATCH k")
        run(other, "FLUSHALL", "SET k v", "FLUSHALL")
        expect(runs(c), False, "it was there between two flushes")
        run(other, "SET k v")
        run(c, "WATCH k", "FLUSHDB")
        expect(runs(c), False, "its own flush")
        run(other, "SET k v")
        run(c, "WATCH k", "MULTI", "FLUSHDB", "GET k")
        expect(c.call("EXEC"), ["OK", None])


# What is at the key in the watched database and in the other one -> does EXEC still run after a swap?
# A key that is due is as good as none, as long as it was due when it was watched.
SWAPS = {("none", "none"): True, ("none", "due"): True, ("none", "live"): False,
         ("due", "none"): True, ("due", "due"): True, ("due", "live"): False,
         ("live", "none"): False, ("live", "due"): False, ("live", "live"): False}
MAKE = {"none": (), "due": ("SET k v PX 1",), "live": ("SET k v",)}


def test_watch_and_swap():
    with Stave().start() as s:
        c, other = s.connect(), s.connect()
        run(other, "DEBUG SET-ACTIVE-EXPIRE 0")
        for (here, there), holds in SWAPS.items():
            for swap, touched in (("SWAPDB 0 1", True), ("SWAPDB 1 0", True), ("SWAPDB 1 2", False), ("SWAPDB 0 0", False)):
                run(other, "FLUSHALL", "SELECT 0", *MAKE[here])
                run(other, "SELECT 1", *MAKE[there])
                time.sleep(0.005)
                run(c, "WATCH k")
                run(other, swap)
                expect(runs(c), holds or not touched, "%s, %s here, %s there" % (swap, here, there))
        # the watch stays with the number of the database
        run(other, "FLUSHALL")
        for db, holds in ((0, False), (1, True)):
            run(c, "WATCH k")
            run(other, "SWAPDB 0 1", "SELECT %d" % db, "SET k v")
            expect(runs(c), holds, "a change in %d after a swap" % db)
            run(other, "FLUSHALL")
        run(other, "SELECT 1", "SET k v", "SELECT 0")
        run(c, "WATCH k", "MULTI", "SWAPDB 0 1", "GET k")
        expect(c.call("EXEC"), ["OK", b"v"])


# ---- those that an EXEC wakes -------------------------------------------------------------------

def test_exec_wakes():
    with Stave().start() as s:
        admin = s.connect()
        a = blocked(s, admin, "BLPOP", "q", 0)
        b = blocked(s, admin, "BLPOP", "q", 0)
        # nobody comes between its commands: the list is built whole before anyone is served
        expect(run(admin, "MULTI", "RPUSH q 1", "LPUSH q 0", "RPUSH q 2 3", "LLEN q", "EXEC"), [1, 2, 4, 4])
        expect([a.reply(), b.reply()], [[b"q", b"0"], [b"q", b"1"]])
        expect(admin.call("LRANGE", "q", 0, -1), [b"2", b"3"])
        run(admin, "DEL q")
        # what was there in between wakes nobody
        a.send("BLPOP", "q", 0)
        wait_until(lambda: info(admin, "blocked_clients") == 1, "it to wait")
        for gone in ("DEL q", "LPOP q", "SET q text", "RENAME q q2", "FLUSHDB", "SWAPDB 0 1"):
            run(admin, "MULTI", "RPUSH q x", gone, "EXEC")
            expect(info(admin, "blocked_clients"), 1, gone)
            run(admin, "FLUSHALL")
        # two keys: its command runs again, so the one that it names first is served first
        c = blocked(s, admin, "BLPOP", "one", "two", 0)
        expect(run(admin, "MULTI", "RPUSH two 2", "RPUSH one 1", "EXEC"), [1, 1])
        expect(c.reply(), [b"one", b"1"])
        run(admin, "RPUSH q end")
        expect(a.reply(), [b"q", b"end"])
        # all types, in one go
        waiting = [blocked(s, admin, *w) for w in words("BLMOVE src dst LEFT RIGHT 0", "BZPOPMIN z 0",
                                                         "XREAD BLOCK 0 STREAMS st 0", "BLPOP dst 0")]
        run(admin, "MULTI", "XADD st 1-1 f v", "ZADD z 1 m", "RPUSH src x", "EXEC")
        expect([w.reply() for w in waiting],
               [b"x", [b"z", b"m", b"1"], [[b"st", [[b"1-1", [b"f", b"v"]]]]], [b"dst", b"x"]])
        expect(info(admin, "blocked_clients"), 0)


def test_wake_ups_and_watches():
    """Who was woken has changed the key, as anybody else would have; before the next command runs."""
    with Stave().start() as s:
        admin, c = s.connect(), s.connect()
        a = blocked(s, admin, "BLMOVE", "src", "dst", "LEFT", "LEFT", 0)
        run(c, "WATCH dst")
        run(admin, "RPUSH src x")
        expect(a.reply(), b"x")
        expect(runs(c), False)
        a.send("BLPOP", "q", 0)
        wait_until(lambda: info(admin, "blocked_clients") == 1, "it to wait")
        expect(together(c, "RPUSH q 1", "WATCH q", "MULTI", "EXISTS q", "EXEC"),
               [1, "OK", "OK", "QUEUED", [0]])
        expect(a.reply(), [b"q", b"1"])
        # a watch on what a wake-up pops: the push has changed it, and so has the pop
        a.send("BLPOP", "q", 0)
        wait_until(lambda: info(admin, "blocked_clients") == 1, "it to wait")
        run(c, "WATCH q")
        run(admin, "MULTI", "RPUSH q 1", "EXEC")
        expect(a.reply(), [b"q", b"1"])
        expect((admin.call("EXISTS", "q"), runs(c)), (0, False))


def test_blocking_inside():
    """Nothing waits inside of EXEC."""
    lines = ("BLPOP q 0", "BRPOP q 0", "BLMOVE q r LEFT LEFT 0", "BRPOPLPUSH q r 0", "BZPOPMIN z 0", "BZPOPMAX z 0",
             "BLMPOP 0 1 q LEFT", "BZMPOP 0 1 q MIN", "XREAD BLOCK 0 STREAMS st $")
    with Stave().start() as s:
        c, admin = s.connect(), s.connect()
        expect(run(c, "MULTI", *lines, "EXEC"), [None] * len(lines))
        c3 = s.connect(3)
        expect(run(c3, "MULTI", *lines, "EXEC"), [None] * len(lines))
        expect(run(c, "MULTI", "RPUSH q a b", "BLPOP q 0", "BLMOVE q r LEFT LEFT 0", "BLPOP q 0", "EXEC"),
               [2, [b"q", b"a"], b"b", None])
        run(c, "XGROUP CREATE st g 0 MKSTREAM")
        expect(run(c, "MULTI", "XREADGROUP GROUP g c BLOCK 0 STREAMS st >", "EXEC"), [None])
        expect(info(admin, "blocked_clients"), 0)


# ---- ends, errors -------------------------------------------------------------------------------

def test_ends():
    with Stave().start() as s:
        admin, c = s.connect(), s.connect()
        expect(together(c, "MULTI", "SET a 1", "DISCARD", "EXEC", "DISCARD"),
               ["OK", "QUEUED", "OK", resp.Error(NO_MULTI), resp.Error("ERR DISCARD without MULTI")])
        expect(together(c, "WATCH w", "MULTI", "SET a 1", "RESET", "EXEC", "PING"),
               ["OK", "OK", "QUEUED", "RESET", resp.Error(NO_MULTI), "PONG"])
        run(c, "WATCH w")
        run(admin, "SET w 1")
        run(c, "RESET")
        expect(runs(c), True, "RESET forgets a spoilt watch")
        run(c, "WATCH w")
        run(admin, "SET w 2")
        expect(together(c, "UNWATCH", "MULTI", "PING", "EXEC"), ["OK", "OK", "QUEUED", ["PONG"]])
        run(c, "WATCH w")
        run(admin, "SET w 3")
        expect(together(c, "MULTI", "DISCARD", "MULTI", "PING", "EXEC"), ["OK", "OK", "OK", "QUEUED", ["PONG"]])
        for last in (b"*1\r\n$4\r\nQUIT\r\n", b""):
            r = raw(s.port)
            r.sendall(b"WATCH w\r\nMULTI\r\nSET a 1\r\n" + last)
            if last:
                expect(is_closed(r), True)
            else:
                wait_until(lambda: b"multi=1" in admin.call("CLIENT", "LIST"), "it to be queued")
                r.close()
        wait_until(lambda: info(admin, "connected_clients") == 2, "the others to be gone")
        expect(admin.call("EXISTS", "a"), 0)
        run(admin, "SET w 1")  # whose watchers are no more
        line = b"".join(resp.encode(w) for w in words("MULTI", "SET a 1", "INCR a", "EXEC"))
        for i in range(len(line)):  # one byte at a time
            c.send_raw(line[i:i + 1])
        expect([c.reply() for _ in range(4)], ["OK", "QUEUED", "QUEUED", ["OK", 2]])


def test_client_kill():
    with Stave().start() as s:
        admin, c = s.connect(), s.connect()
        c_id = c.call("CLIENT", "ID")
        run(c, "WATCH w", "MULTI", "SET a 1")
        expect(admin.call("CLIENT", "KILL", "ID", c_id), 1)
        expect(is_closed(c.socket), True)
        expect(admin.call("EXISTS", "a"), 0)
        c = s.connect()
        victim = s.connect()
        run(c, "MULTI", "SET a 1", "CLIENT KILL ID %d" % victim.call("CLIENT", "ID"), "SET b 1")
        expect(c.call("EXEC"), ["OK", 1, "OK"])
        expect(is_closed(victim.socket), True)
        # itself: what was asked for is done, and answered
        run(c, "MULTI", "SET a 2", "CLIENT KILL ID %d SKIPME no" % c.call("CLIENT", "ID"), "SET b 2")
        expect(c.call("EXEC"), ["OK", 1, "OK"])
        expect(is_closed(c.socket), True)
        expect(admin.call("MGET", "a", "b"), [b"2", b"2"])
        expect(admin.call("SET", "w", 1), "OK")


def test_errors():
    spoil = {"NOSUCH": "ERR unknown command", "GET": "ERR wrong number", "CLIENT NOSUCH": "ERR unknown subcommand",
             "DEBUG RELOAD": None, "BGREWRITEAOF": None}
    with Stave().start() as s:
        c, admin = s.connect(), s.connect()
        for line, why in spoil.items():
            run(c, "MULTI", "SET a 1")
            reply = run(c, line)
            if why:
                expect_error(reply, why)
                expect(run(c, "SET b 2", "EXEC"), resp.Error(ABORTED), line)
                expect(c.call("EXISTS", "a", "b"), 0)
                expect(c.ask("EXEC"), resp.Error(NO_MULTI))
            else:
                expect(reply, "QUEUED")
                reply = run(c, "SET b 2", "EXEC")
                expect((reply[0], reply[2], str(reply[1])[:4]), ("OK", "OK", "ERR "))
                run(c, "FLUSHALL")
        expect(together(c, "MULTI", "EXEC x", "EXEC")[1:], [
            resp.Error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
            resp.Error(NO_MULTI)])
        # these answer an error and spoil nothing
        expect(together(c, "MULTI", "MULTI", "WATCH a", "SET a 1", "EXEC"), [
            "OK", resp.Error("ERR MULTI calls can not be nested"),
            resp.Error("ERR WATCH inside MULTI is not allowed"), "QUEUED", ["OK"]])
        # errors of commands that ran: each is told, all the rest is done
        run(c, "RPUSH list x", "MULTI", "SET a 5", "INCR list", "LPUSH a y", "INCRBY a 9223372036854775807", "INCR a",
            "SET a", "GETRANGE a x y")
        run(c, "DISCARD")
        expect(run(c, "MULTI", "SET a 5", "INCR list", "LPUSH a y", "GETRANGE a x y", "INCR a", "EXEC"), [
            "OK", resp.Error("WRONGTYPE Operation against a key holding the wrong kind of value"),
            resp.Error("WRONGTYPE Operation against a key holding the wrong kind of value"),
            resp.Error("ERR value is not an integer or out of range"), 6])
        before = info(admin, "total_error_replies")
        run(c, "MULTI", "INCR list", "INCR list", "EXEC")
        expect(info(admin, "total_error_replies") - before, 2)


def test_select_and_reply_modes():
    with Stave().start() as s:
        c = s.connect()
        expect(run(c, "MULTI", "SELECT 3", "SET a 1", "SELECT 99", "DBSIZE", "EXEC"),
               ["OK", "OK", resp.Error("ERR DB index is out of range"), 1])
        expect(run(c, "GET a"), b"1")
        expect(run(c, "SELECT 0", "GET a"), None)
        c3 = s.connect()
        expect(run(c3, "MULTI", "HELLO 3", "HSET h f v", "HGETALL h", "EXEC")[2], {b"f": b"v"})
        c.send_raw(b"CLIENT REPLY OFF\r\nMULTI\r\nSET silent 1\r\nEXEC\r\nCLIENT REPLY ON\r\nGET silent\r\n")
        expect([c.reply(), c.reply()], ["OK", b"1"])


# ---- large, limits ------------------------------------------------------------------------------

MANY = 100000


def test_many_commands():
    with Stave({"client-query-buffer-limit": "1gb"}).start() as s:
        c, other = s.connect(), s.connect()
        before = rss(s.process.pid)
        line = b"".join(resp.encode(["SET", "key:%d" % (i % 5000), i]) for i in range(MANY))
        c.send("MULTI")
        sender = threading.Thread(target=c.send_raw, args=(line,))
        sender.start()
        expect([c.reply() for _ in range(MANY + 1)], ["OK"] + ["QUEUED"] * MANY)
        sender.join()
        took = rss(s.process.pid) - before
        assert took < MANY * 400, took
        expect(other.call("DBSIZE"), 0)
        start = time.time()
        expect(c.call("EXEC"), ["OK"] * MANY)
        print("MEASURED: EXEC of %d commands: %.0f ms, %d bytes of memory each" % (
            MANY, (time.time() - start) * 1000, took // MANY))
        expect(other.call("GET", "key:4999"), b"%d" % (MANY - 1))
        s.kill()
        c = s.start().connect()
        expect([c.call("DBSIZE"), c.call("GET", "key:0")], [5000, b"%d" % (MANY - 5000)])


def test_query_limit():
    """Who queues more than a query may have is closed, and nothing is done."""
    with Stave({"client-query-buffer-limit": "1mb"}).start() as s:
        admin, c = s.connect(), s.connect()
        c.call("MULTI")
        try:
            while c.ask("SET", "a", "x" * 10000) == "QUEUED":
                pass
        except (OSError, EOFError):
            pass
        expect(is_closed(c.socket), True)
        expect((info(admin, "client_query_buffer_limit_disconnections"), admin.call("EXISTS", "a")), (1, 0))


@only("bitcask")
def test_memory_limit():
    with Stave().start() as s:
        c, admin = s.connect(), s.connect()
        run(c, "SET old 1")
        run(admin, "CONFIG SET maxmemory 1")
        expect(together(c, "MULTI", "SET a 1", "DEL old", "EXEC")[1], resp.Error(OOM))
        run(admin, "CONFIG SET maxmemory 0")
        run(c, "MULTI", "SET a 1", "DEL old")
        run(admin, "CONFIG SET maxmemory 1")
        expect(run(c, "EXEC"), resp.Error("EXECABORT Transaction discarded because of: " + OOM))
        expect(run(c, "EXEC"), resp.Error(NO_MULTI))
        run(admin, "CONFIG SET maxmemory 0")
        run(c, "MULTI", "DEL old")
        run(admin, "CONFIG SET maxmemory 1")
        expect(run(c, "EXEC"), [1])  # it needs no memory
        run(admin, "CONFIG SET maxmemory 0")


@only("bitcask")
def test_eviction_and_watch():
    """An evicted key has changed; inside of EXEC none is evicted."""
    with Stave({"maxmemory-policy": "allkeys-random"}).start() as s:
        c, admin = s.connect(), s.connect()
        run(admin, "SET k v")
        run(c, "WATCH k")
        run(admin, "CONFIG SET maxmemory 1", "SET other v", "CONFIG SET maxmemory 0")
        assert info(admin, "evicted_keys") >= 1
        expect((admin.call("EXISTS", "k"), runs(c)), (0, False))


def full_disk():
    with small_disk() as (s, _):
        c, early = s.connect(), s.connect()
        run(early, "MULTI", "SET late x", "GET k:1")
        fill(c)
        no_room = "MISCONF Errors writing to the log on disk: No space left on device"
        reply = run(c, "MULTI", "SET late x")
        if reply != "QUEUED":  # a little room may have come back meanwhile
            expect(reply, resp.Error(no_room))
            expect(run(c, "EXEC"), resp.Error(ABORTED))
        else:
            run(c, "DISCARD")
        while c.ask("SET", "filler", "x") == "OK":
            pass
        reply = run(early, "EXEC")
        if isinstance(reply, resp.Error):
            expect(reply, resp.Error("EXECABORT Transaction discarded because of: " + no_room))
            expect(early.ask("EXEC"), resp.Error(NO_MULTI))
            expect(c.call("EXISTS", "late"), 0)
        reply = run(c, "MULTI", "GET k:1", "EXISTS k:2", "DBSIZE", "EXEC")
        expect((len(reply[0]), reply[1]), (10000, 1))
        expect(run(c, "MULTI", "DEL k:1", "UNLINK k:2", "GET k:1", "EXEC"), [1, 1, None])


def test_full_disk():
    harness.in_child(full_disk, "test_full_disk")


# ---- pushes -------------------------------------------------------------------------------------

def test_subscribe_inside():
    with Stave().start() as s:
        admin = s.connect()
        c = s.connect()
        expect(run(c, "MULTI", "SUBSCRIBE x y", "GET a", "PING", "EXEC"), [[b"subscribe", b"x", 1],
                                                                          [b"subscribe", b"y", 2], None])
        expect(c.reply(), [b"pong", b""])  # two answers to one command, as in Redis: one too many for the array
        expect_error(c.ask("GET", "a"), "ERR Can't execute 'get': only")
        expect(admin.call("PUBLISH", "x", 1), 1)
        expect(c.reply(), [b"message", b"x", b"1"])
        expect_error(c.ask("MULTI"), "ERR Can't execute 'multi': only")


def test_events_behind_exec():
    """Who runs EXEC and listens to keyspace events gets them behind its reply, in order, nothing in it; who
    listens elsewhere gets them only when all of it is done, and none of a transaction that did not run."""
    with Stave({"notify-keyspace-events": "KEA"}).start() as s:
        c, ear, admin = s.connect(3), s.connect(), s.connect()
        c.call("PSUBSCRIBE", "__keyevent@0__:*")
        ear.call("PSUBSCRIBE", "__keyevent@0__:*")
        wanted = [(b"set", b"a"), (b"incrby", b"a"), (b"lpush", b"l"), (b"del", b"a")]
        run(c, "MULTI", "SET a 1", "INCR a", "INCR l", "LPUSH l x", "DEL a", "DEL a", "PUBLISH nobody x")
        expect(c.call("EXEC"), ["OK", 2, 1, resp.Error(
            "WRONGTYPE Operation against a key holding the wrong kind of value"), 1, 0, 0])
        wanted[2:3] = [(b"incrby", b"l")]
        for who in (c, ear):
            for event, key in wanted:
                expect(who.reply(), [b"pmessage", b"__keyevent@0__:*", b"__keyevent@0__:" + event, key])
        run(c, "WATCH w")
        run(admin, "SET w 1")
        expect(c.reply()[2], b"__keyevent@0__:set")
        expect(ear.reply()[3], b"w")
        expect(together(c, "MULTI", "SET b 1", "EXEC", "PING"), ["OK", "QUEUED", None, "PONG"])
        run(admin, "SET last 1")
        expect(ear.reply()[3], b"last")


def test_monitor():
    with Stave().start() as s:
        m, c = s.connect(), s.connect()
        m.call("MONITOR")
        run(c, "WATCH w", "MULTI", "SET a 1", "GET a", "EXEC", "MULTI", "SET b 1", "DISCARD")
        heard = [m.reply().split('"')[1] for _ in range(7)]
        expect(heard, ["WATCH", "MULTI", "SET", "GET", "EXEC", "MULTI", "DISCARD"])


# ---- whole or not at all ------------------------------------------------------------------------

ACCOUNTS = 40
TOTAL = 100 * ACCOUNTS


class Teller:
    """Moves money between accounts, each move a transaction over several types; counts what was confirmed."""

    def __init__(self, number):
        self.random = random.Random(number)
        self.number = number
        self.confirmed = self.sent = 0
        self.wrong = None

    def run(self, server):
        try:
            c = server.connect()
            while True:
                self.move(c)
        except (OSError, EOFError):
            pass
        except AssertionError as e:
            self.wrong = e

    def move(self, c):
        """With WATCH, as others move the same accounts; or by commands that need none."""
        r = self.random
        a, b, n = r.randrange(ACCOUNTS), r.randrange(ACCOUNTS), r.randrange(1, 50)
        if r.random() < 0.5:
            c.call("WATCH", "a:%d" % a, "a:%d" % b)
            have = [int(x) for x in c.call("MGET", "a:%d" % a, "a:%d" % b)]
            if a == b:
                return c.call("UNWATCH")
            moves = [["SET", "a:%d" % a, have[0] - n], ["SET", "a:%d" % b, have[1] + n]]
        else:
            moves = [["DECRBY", "a:%d" % a, n], ["INCRBY", "a:%d" % b, n]]
        moves += [["HINCRBY", "hash", a, -n], ["HINCRBY", "hash", b, n], ["ZINCRBY", "zset", -n, a],
                  ["ZINCRBY", "zset", n, b], ["RPUSH", "log:%d" % self.number, self.sent],
                  ["APPEND", "pad:%d" % self.number, "x" * r.randrange(200)]]
        self.sent += 1
        c.send_raw(b"".join(resp.encode(x) for x in [["MULTI"], *moves, ["EXEC"]]))
        replies = [c.reply() for _ in range(len(moves) + 2)]
        if replies[-1] is None:
            self.sent -= 1
            return None
        assert isinstance(replies[-1], list), replies
        self.confirmed += 1
        return None


def sums(c):
    """What the accounts have together, of each kind, and the log's lengths; one look at all of it."""
    c.send_raw(b"".join(resp.encode(x) for x in [
        ["MULTI"], ["MGET"] + ["a:%d" % i for i in range(ACCOUNTS)], ["HVALS", "hash"],
        ["ZRANGE", "zset", 0, -1, "WITHSCORES"], ["EXEC"]]))
    strings, fields, scores = [c.reply() for _ in range(5)][-1]
    return sum(map(int, strings)), sum(map(int, fields)), sum(float(x) for x in scores[1::2])


def test_kill_9():
    """The sum over all accounts holds at every look, and after every kill; what was confirmed is there."""
    seed = int(os.environ.get("STAVE_SEED", time.time()))
    print("seed %d" % seed)
    r = random.Random(seed)
    with Stave({"appendfsync": "always", **SMALL}).start() as s:
        c = s.connect()
        for i in range(ACCOUNTS):
            run(c, "SET a:%d 100" % i, "HSET hash %d 100" % i, "ZADD zset 100 %d" % i)
        tellers = [Teller(seed * 10 + i) for i in range(4)]
        for number in range(5):
            threads = [threading.Thread(target=t.run, args=(s,), daemon=True) for t in tellers]
            for t in threads:
                t.start()
            end = time.monotonic() + r.uniform(0.2, 1.0)
            while time.monotonic() < end:
                expect(sums(c), (TOTAL, TOTAL, TOTAL), "at work")
            s.kill()
            for t in threads:
                t.join(30)
            c = s.start().connect()
            expect(sums(c), (TOTAL, TOTAL, TOTAL), "after kill %d" % number)
            for t in tellers:
                assert not t.wrong, t.wrong
                done = c.call("LLEN", "log:%d" % t.number)
                assert t.confirmed <= done <= t.sent, (t.confirmed, done, t.sent)
                t.confirmed = t.sent = done
        print("MEASURED: %d transactions, 5 kills" % sum(t.confirmed for t in tellers))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
