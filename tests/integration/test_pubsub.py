#!/usr/bin/python3
"""Channels, patterns, shard channels and keyspace events on the real server: who hears what, in which
order, and what becomes of those who don't listen."""

import os
import random
import selectors
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (Stave, expect, expect_error, info, is_closed, only, raw, rss,  # noqa: E402
                                       wait_until)
from tests.support import resp  # noqa: E402

MB = 1 << 20
ONLY = ("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        "context")


def replies(c, n):
    return [c.reply() for _ in range(n)]


def together(c, *commands):
    """All in one write."""
    c.send_raw(b"".join(resp.encode(x.split() if isinstance(x, str) else x) for x in commands))


def hush(c):
    """Nothing has come but what was read: the answer to PING is the next."""
    answer = c.ask("PING")
    assert answer in ("PONG", [b"pong", b""]), answer


# ---- subscriptions ------------------------------------------------------------------------------

def test_counts_and_names():
    with Stave().start() as s:
        c, admin = s.connect(), s.connect()
        together(c, "SUBSCRIBE a b a", "PSUBSCRIBE a* *", "SSUBSCRIBE a s")
        expect(replies(c, 7), [[b"subscribe", b"a", 1], [b"subscribe", b"b", 2], [b"subscribe", b"a", 2],
                               [b"psubscribe", b"a*", 3], [b"psubscribe", b"*", 4],
                               [b"ssubscribe", b"a", 1], [b"ssubscribe", b"s", 2]])
        assert b" sub=2 psub=2 ssub=2 " in admin.call("CLIENT", "LIST")
        assert b"flags=P " in admin.call("CLIENT", "LIST")
        expect(sorted(admin.call("PUBSUB", "CHANNELS")), [b"a", b"b"])
        expect(admin.call("PUBSUB", "CHANNELS", "[b]"), [b"b"])
        expect(admin.call("PUBSUB", "NUMSUB", "a", "b", "none", "s"), [b"a", 1, b"b", 1, b"none", 0, b"s", 0])
        expect(admin.call("PUBSUB", "NUMSUB"), [])
        expect(admin.call("PUBSUB", "NUMPAT"), 2)
        expect(sorted(admin.call("PUBSUB", "SHARDCHANNELS")), [b"a", b"s"])
        expect(admin.call("PUBSUB", "SHARDCHANNELS", "s*"), [b"s"])
        expect(admin.call("PUBSUB", "SHARDNUMSUB", "a", "b"), [b"a", 1, b"b", 0])
        expect([info(admin, "pubsub_channels"), info(admin, "pubsub_patterns"), info(admin, "pubsubshard_channels")],
               [2, 2, 2])
        expect(admin.call("PUBLISH", "a", "x"), 3)
        expect(replies(c, 3), [[b"message", b"a", b"x"], [b"pmessage", b"a*", b"a", b"x"],
                               [b"pmessage", b"*", b"a", b"x"]])
        expect(admin.call("SPUBLISH", "a", "y"), 1)
        expect(c.reply(), [b"smessage", b"a", b"y"])
        expect([admin.call("PUBLISH", "s", "z"), admin.call("SPUBLISH", "b", "z")], [1, 0])
        expect(c.reply(), [b"pmessage", b"*", b"s", b"z"])
        together(c, "UNSUBSCRIBE b none", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "SUNSUBSCRIBE", "UNSUBSCRIBE", "UNSUBSCRIBE x")
        expect(replies(c, 2), [[b"unsubscribe", b"b", 3], [b"unsubscribe", b"none", 3]])
        expect(replies(c, 2), [[b"punsubscribe", b"a*", 2], [b"punsubscribe", b"*", 1]])
        expect(replies(c, 2), [[b"sunsubscribe", b"a", 1], [b"sunsubscribe", b"s", 0]])
        expect(replies(c, 3), [[b"sunsubscribe", None, 0], [b"unsubscribe", b"a", 0], [b"unsubscribe", b"x", 0]])
        expect(c.ask("GET", "a"), None)
        expect([admin.call("PUBSUB", "CHANNELS"), admin.call("PUBSUB", "NUMPAT"), admin.call("PUBSUB", "SHARDCHANNELS")],
               [[], 0, []])
        for line in ("PUBSUB NOSUCH", "PUBSUB NUMPAT x", "PUBLISH a", "SUBSCRIBE", "PUBSUB CHANNELS a b"):
            expect_error(admin.ask(*line.split()), "ERR ")
        assert isinstance(admin.ask("PUBSUB", "HELP"), list)


def test_odd_names():
    with Stave().start() as s:
        c, admin = s.connect(), s.connect()
        names = [b"", b"\0\r\n\xff", b"x" * MB, b"*", b"[", b"\\"]
        c.send("SUBSCRIBE", *names)
        expect([r[1] for r in replies(c, len(names))], names)
        for n in names:
            expect(admin.call("PUBLISH", n, n), 1)
            expect(c.reply(), [b"message", n, n])
        c.send("PSUBSCRIBE", "h[ae]llo", "h\\*", "", "h[^e]llo")
        replies(c, 4)
        expect([admin.call("PUBLISH", x, 1) for x in ("hallo", "hello", "hillo", "h*", "hx", "")], [2, 1, 1, 1, 0, 2])


def test_ends():
    """However a subscriber ends, nothing of it is left."""
    with Stave().start() as s:
        admin = s.connect()
        for end in ("QUIT", "RESET", "close", "kill", "type", "half"):
            c = s.connect()
            together(c, "CLIENT ID", "SUBSCRIBE a", "PSUBSCRIBE a", "SSUBSCRIBE a")
            number = replies(c, 4)[0]
            expect(admin.call("PUBLISH", "a", 1), 2)
            replies(c, 2)
            if end in ("QUIT", "RESET"):
                expect(c.ask(end), {"QUIT": "OK"}.get(end, end))
            elif end == "close":
                c.close()
            elif end == "half":
                c.socket.shutdown(1)
            else:
                expect(admin.call("CLIENT", "KILL", *(["ID", number] if end == "kill" else ["TYPE", "pubsub"])), 1)
            wait_until(lambda: admin.call("PUBLISH", "a", 1) == 0, end)
            expect([admin.call("PUBSUB", "CHANNELS"), admin.call("PUBSUB", "NUMPAT"), admin.call("SPUBLISH", "a", 1)],
                   [[], 0, 0], end)
            if end == "RESET":
                expect(c.ask("GET", "a"), None)
            elif end != "close":
                expect(is_closed(c.socket), True)


ALLOWED = {"PING": [b"pong", b""], "PING hi": [b"pong", b"hi"]}
REFUSED = ("GET a", "SET a 1", "MULTI", "DISCARD", "PUBLISH x 1", "SPUBLISH x 1", "PUBSUB|CHANNELS", "CLIENT|ID", "HELLO 3",
           "INFO", "SELECT 1", "AUTH x", "COMMAND", "COMMAND|COUNT", "MONITOR", "WATCH a", "SHUTDOWN")


def test_mode_of_resp2():
    with Stave().start() as s:
        for how in ("SUBSCRIBE x", "PSUBSCRIBE x", "SSUBSCRIBE x"):
            c = s.connect()
            c.ask(*how.split())
            for line, answer in ALLOWED.items():
                expect(c.ask(*line.split()), answer)
            for line in REFUSED:
                expect(c.ask(*line.replace("|", " ").split()), resp.Error(ONLY % line.split()[0].lower()), line)
            expect(c.ask("EXEC"), resp.Error("EXECABORT Transaction discarded because of: " + (ONLY % "exec")[4:]))
            expect_error(c.ask("NOSUCH"), "ERR unknown command")
            expect_error(c.ask("GET"), "ERR wrong number of arguments for 'get' command")
            expect_error(c.ask("PING", "a", "b"), "ERR wrong number of arguments for 'ping' command")
            expect(c.ask("RESET"), "RESET")
            expect(c.ask("PING"), "PONG")


def test_resp3():
    """Answers of SUBSCRIBE and messages are pushes; all commands run, and messages stand behind replies."""
    with Stave().start() as s:
        c, admin = s.connect(3), s.connect()
        c.send("SUBSCRIBE", "x")
        r = c.reply()
        expect((type(r), r), (resp.Push, [b"subscribe", b"x", 1]))
        expect([c.ask("PING"), c.ask("PING", "hi"), c.ask("SET", "a", 1), c.ask("GET", "a")], ["PONG", b"hi", "OK", b"1"])
        together(c, "PUBLISH x 1", "PUBLISH x 2", "GET a", "PUBLISH x 3")
        expect(replies(c, 7), [1, [b"message", b"x", b"1"], 1, [b"message", b"x", b"2"], b"1", 1, [b"message", b"x", b"3"]])
        together(c, "MULTI", "PUBLISH x 1", "GET a", "PUBLISH x 2", "EXEC", "GET a")
        expect(replies(c, 8), ["OK", "QUEUED", "QUEUED", "QUEUED", [1, b"1", 1], [b"message", b"x", b"1"],
                               [b"message", b"x", b"2"], b"1"])
        together(c, "CLIENT REPLY OFF", "GET a")
        admin.call("PUBLISH", "x", "loud")
        expect(c.reply(), [b"message", b"x", b"loud"])
        together(c, "PUBLISH x own", "CLIENT REPLY ON")
        expect(replies(c, 2), [[b"message", b"x", b"own"], "OK"])
        c.send("UNSUBSCRIBE")
        r = c.reply()
        expect((type(r), r), (resp.Push, [b"unsubscribe", b"x", 0]))
        together(c, "SUBSCRIBE x", "HELLO 2", "GET a", "UNSUBSCRIBE", "GET a")
        c.reply()
        c.reply()
        expect(replies(c, 3), [resp.Error(ONLY % "get"), [b"unsubscribe", b"x", 0], b"1"])


# ---- order --------------------------------------------------------------------------------------

def message(channel, text):
    return resp.encode(["message", channel, text])


def test_thousand_subscribers():
    """Everybody gets everything, in the order in which it was sent."""
    listeners, messages = 1000, 300
    with Stave().start() as s:
        c = s.connect()
        sockets = [raw(s.port) for _ in range(listeners)]
        for each in sockets:
            each.sendall(b"SUBSCRIBE all\r\n")
        wait_until(lambda: c.call("PUBSUB", "NUMSUB", "all")[1] == listeners, "all to subscribe")
        wanted = resp.encode(["subscribe", "all"]).replace(b"*2", b"*3") + b":1\r\n"
        wanted += b"".join(message("all", i) for i in range(messages))
        left = {each: wanted for each in sockets}
        start = time.time()
        together(c, *(["PUBLISH", "all", i] for i in range(messages)))
        with selectors.DefaultSelector() as ready:
            for each in sockets:
                ready.register(each, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select(harness.PATIENCE):
                    got = key.fileobj.recv(1 << 16)
                    assert got and left[key.fileobj].startswith(got), got[:100]
                    left[key.fileobj] = left[key.fileobj][len(got):]
                    if not left[key.fileobj]:
                        ready.unregister(key.fileobj)
        print("MEASURED: %d messages to %d subscribers: %.0f ms" % (messages, listeners, (time.time() - start) * 1000))
        expect(replies(c, messages), [listeners] * messages)


def test_order_of_many_publishers():
    """Each publisher's messages come in its order, and all subscribers hear the same order."""
    with Stave().start() as s:
        ears = [s.connect() for _ in range(5)]
        for e in ears:
            e.call("SUBSCRIBE", "x")
        publishers = [s.connect() for _ in range(8)]
        for i in range(200):
            for n, p in enumerate(publishers):
                p.send("PUBLISH", "x", "%d %d" % (n, i))
        heard = [[m[2] for m in replies(e, 1600)] for e in ears]
        assert all(h == heard[0] for h in heard)
        for n in range(8):
            mine = [int(m.split()[1]) for m in heard[0] if int(m.split()[0]) == n]
            expect(mine, list(range(200)))


def test_message_tells_what_is_there():
    """What was done before a message was sent is there for whoever gets it; with every policy."""
    for policy in ("always", "everysec"):
        with Stave({"appendfsync": policy}).start() as s:
            ear, reader, c = s.connect(), s.connect(), s.connect()
            ear.call("SUBSCRIBE", "x")
            for i in range(200):
                together(c, ["SET", "k", i], ["PUBLISH", "x", i])
                value = ear.reply()[2]
                expect(int(reader.call("GET", "k")), int(value))
                expect(replies(c, 2), ["OK", 1])


def test_message_survives_a_kill():
    """At `always`, what a message tells of is on the disk when it comes."""
    with Stave({"appendfsync": "always", "notify-keyspace-events": "Elg"}).start() as s:
        ear, c = s.connect(), s.connect()
        ear.call("PSUBSCRIBE", "__keyevent@0__:*")

        def load():
            try:
                for i in range(1000000):
                    together(c, *(["RPUSH", "l:%d" % (i % 50), i] for _ in range(20)))
                    replies(c, 20)
            except (OSError, EOFError):
                pass
        worker = threading.Thread(target=load, daemon=True)
        worker.start()
        heard = {}
        end = time.monotonic() + 0.7
        try:
            while True:
                key = ear.reply()[3]
                heard[key] = heard.get(key, 0) + 1
                if time.monotonic() > end and sum(heard.values()) > 100:
                    s.process.kill()
        except (OSError, EOFError):
            pass
        s.kill()
        worker.join(30)
        c = s.start().connect()
        assert sum(heard.values()) > 100
        for key, n in heard.items():
            assert c.call("LLEN", key) >= n, (key, n)
        expect(c.call("PUBSUB", "NUMPAT"), 0)
        print("MEASURED: %d events heard before the kill" % sum(heard.values()))


# ---- who does not listen ------------------------------------------------------------------------

def test_slow_subscriber():
    """It is closed at its class' limit; the server's memory stays, and those who listen miss nothing."""
    with Stave({"client-output-buffer-limit": ["pubsub", "8mb", "0", "0"]}).start() as s:
        c, fast = s.connect(), s.connect()
        slow = [raw(s.port) for _ in range(4)]
        for each in slow:
            each.sendall(b"SUBSCRIBE x\r\n")
        fast.call("SUBSCRIBE", "x")
        wait_until(lambda: c.call("PUBSUB", "NUMSUB", "x")[1] == 5, "all to subscribe")
        before, most = rss(s.process.pid), 0
        text = b"m" * 100000
        for i in range(1000):
            c.call("PUBLISH", "x", b"%d " % i + text)
            expect(int(fast.reply()[2].split()[0]), i)
            most = max(most, rss(s.process.pid))
        expect(info(c, "client_output_buffer_limit_disconnections"), 4)
        expect(c.call("PUBSUB", "NUMSUB", "x"), [b"x", 1])
        for each in slow:
            expect(is_closed(each), True)
        assert most - before < 100 * MB, most - before
        print("MEASURED: 4 subscribers that read nothing cost %d MiB at most" % ((most - before) // MB))


def test_soft_limit():
    with Stave({"client-output-buffer-limit": ["pubsub", "0", "1mb", "1"]}).start() as s:
        c, slow = s.connect(), raw(s.port)
        slow.sendall(b"SUBSCRIBE x\r\n")
        wait_until(lambda: c.call("PUBSUB", "NUMSUB", "x")[1] == 1, "it to subscribe")
        for _ in range(200):
            c.call("PUBLISH", "x", b"m" * 100000)
        expect(c.call("PUBSUB", "NUMSUB", "x"), [b"x", 1])
        wait_until(lambda: c.call("PUBSUB", "NUMSUB", "x")[1] == 0, "its end")


def test_its_own_messages():
    """Who publishes to itself and does not read is bounded too."""
    with Stave({"client-output-buffer-limit": ["pubsub", "4mb", "0", "0"]}).start() as s:
        admin, c = s.connect(), s.connect(3)
        c.call("SUBSCRIBE", "x")
        try:
            for _ in range(10000):
                c.send("PUBLISH", "x", b"m" * 10000)
        except OSError:
            pass
        expect(is_closed(c.socket), True)
        expect(info(admin, "client_output_buffer_limit_disconnections"), 1)


def test_memory_of_subscriptions():
    """They are the client's memory, and go with it."""
    with Stave({"maxmemory-clients": "20mb"}).start() as s:
        admin, c = s.connect(), s.connect()
        admin.call("CLIENT", "NO-EVICT", "on")
        try:
            for i in range(1000):
                c.send("SUBSCRIBE", *("%d:%d:" % (i, j) + "x" * 200 for j in range(1000)))
                replies(c, 1000)
        except (OSError, EOFError):
            pass
        wait_until(lambda: info(admin, "pubsub_channels") == 0, "its end")
        expect(info(admin, "evicted_clients"), 1)


# ---- keyspace events ----------------------------------------------------------------------------

# A command, and what is told of it: class, event, key. In this order, from an empty database.
STORY = (
    ("SET s 1", "n new s", "$ set s"),
    ("SET s 1 EX 100", "$ set s", "g expire s"),
    ("APPEND s 2", "$ append s"),
    ("INCR s", "$ incrby s"),
    ("INCRBYFLOAT s 1.5", "$ incrbyfloat s"),
    ("SETRANGE s 1 x", "$ setrange s"),
    ("SETBIT s 1 1", "$ setbit s"),
    ("GETSET s x", "$ set s"),
    ("GETEX s PERSIST",),
    ("GETEX s EX 10", "g expire s"),
    ("MSET m1 a m2 b", "n new m1", "$ set m1", "n new m2", "$ set m2"),
    ("GET none", "m keymiss none"),
    ("MGET m1 none m2", "m keymiss none"),
    ("EXISTS none", "m keymiss none"),
    ("GETDEL m1", "g del m1"),
    ("PERSIST s", "g persist s"),
    ("EXPIRE s 100", "g expire s"),
    ("PFADD hll a", "n new hll", "$ pfadd hll"),
    ("RENAME s t", "n new t", "g rename_from s", "g rename_to t"),
    ("COPY t u", "n new u", "g copy_to u"),
    ("MOVE u 1", "g move_from u"),
    ("LPUSH l a b", "n new l", "l lpush l"),
    ("RPUSH l c", "l rpush l"),
    ("LINSERT l BEFORE a x", "l linsert l"),
    ("LSET l 0 y", "l lset l"),
    ("LREM l 1 y", "l lrem l"),
    ("LMOVE l l2 LEFT RIGHT", "n new l2", "l rpush l2", "l lpop l"),
    ("LTRIM l 0 0", "l ltrim l"),
    ("RPOP l", "l rpop l", "g del l"),
    ("SORT l2 ALPHA STORE l3", "n new l3", "l sortstore l3"),
    ("SADD set a b", "n new set", "s sadd set"),
    ("SREM set a", "s srem set"),
    ("SMOVE set set2 b", "s srem set", "g del set", "n new set2", "s sadd set2"),
    ("SUNIONSTORE set3 set2", "n new set3", "s sunionstore set3"),
    ("SPOP set3", "s spop set3", "g del set3"),
    ("SINTERSTORE set2 set3", "m keymiss set3", "g del set2"),
    ("ZADD z 1 a 2 b 3 c", "n new z", "z zadd z"),
    ("ZINCRBY z 1 a", "z zincr z"),
    ("ZREM z a", "z zrem z"),
    ("ZPOPMIN z", "z zpopmin z"),
    ("ZRANGESTORE z2 z 0 -1", "n new z2", "z zrangestore z2"),
    ("ZREMRANGEBYSCORE z -inf inf", "z zremrangebyscore z", "g del z"),
    ("HSET h a 1 b 2", "n new h", "h hset h"),
    ("HINCRBY h a 1", "h hincrby h"),
    ("HINCRBYFLOAT h a 1.5", "h hincrbyfloat h"),
    ("HDEL h a b", "h hdel h", "g del h"),
    ("XADD x 1-1 a b", "n new x", "t xadd x"),
    ("XADD x MAXLEN 1 2-1 a b", "t xadd x", "t xtrim x"),
    ("XGROUP CREATE x g 0", "t xgroup-create x"),
    ("XGROUP CREATECONSUMER x g c", "t xgroup-createconsumer x"),
    ("XGROUP DELCONSUMER x g c", "t xgroup-delconsumer x"),
    ("XGROUP SETID x g 0", "t xgroup-setid x"),
    ("XGROUP DESTROY x g", "t xgroup-destroy x"),
    ("XSETID x 9-9", "t xsetid x"),
    ("XTRIM x MAXLEN 0", "t xtrim x"),
    ("XDEL x 1-1",),
    ("DEL x t", "g del x", "g del t"),
    ("EXPIRE l2 -1", "g del l2"),
    ("FLUSHDB",),
)
CLASSES = "g$lshztnm"


def told(ear, admin):
    """What was told since the last time, as "event key"."""
    admin.call("PUBLISH", "mark", "x")
    out = []
    while True:
        m = ear.reply()
        if m[0] == b"message":
            return out
        out.append("%s %s" % (m[2].split(b":", 1)[1].decode(), m[3].decode()))


def test_events_of_every_class():
    """With one class alone in the setting, its events and no other's; with all, all, in order."""
    with Stave().start() as s:
        c, ear, admin = s.connect(), s.connect(), s.connect()
        ear.call("PSUBSCRIBE", "__key*@0__:*")
        ear.call("SUBSCRIBE", "mark")
        for letters in [*CLASSES, "xe", "A", "Anm"]:
            wanted = CLASSES.replace("n", "").replace("m", "") if letters == "A" else letters.replace("A", CLASSES)
            c.call("CONFIG", "SET", "notify-keyspace-events", "E" + letters)
            c.call("FLUSHALL")
            for line, *events in STORY:
                c.call(*line.split())
                expect(told(ear, admin), [e[2:] for e in events if e[0] in wanted], "E%s: %s" % (letters, line))
        c.call("CONFIG", "SET", "notify-keyspace-events", "Kls")
        c.call("RPUSH", "l", "x")
        expect(ear.reply(), [b"pmessage", b"__key*@0__:*", b"__keyspace@0__:l", b"rpush"])
        for nothing in ("KE", "A", "", "gl", "K"):
            c.call("CONFIG", "SET", "notify-keyspace-events", nothing)
            c.call("SET", "a", "1")
            expect(told(ear, admin), [])


def test_databases_and_both_ways():
    with Stave({"notify-keyspace-events": "AKE"}).start() as s:
        c, ear = s.connect(), s.connect()
        ear.call("SUBSCRIBE", "__keyspace@5__:a b")
        ear.call("SUBSCRIBE", "__keyevent@5__:set")
        ear.call("PSUBSCRIBE", "__keyspace@?__:*")
        c.call("SELECT", 5)
        c.call("SET", "a b", 1)
        expect(replies(ear, 3), [[b"message", b"__keyspace@5__:a b", b"set"],
                                 [b"pmessage", b"__keyspace@?__:*", b"__keyspace@5__:a b", b"set"],
                                 [b"message", b"__keyevent@5__:set", b"a b"]])
        c.call("SELECT", 0)
        c.call("SET", "a b", 1)
        expect(ear.reply()[2], b"__keyspace@0__:a b")
        c.call("MOVE", "a b", 7)
        expect([m[2:] for m in replies(ear, 2)], [[b"__keyspace@0__:a b", b"move_from"], [b"__keyspace@7__:a b", b"move_to"]])
        hush(ear)


def test_setting():
    with Stave({"notify-keyspace-events": "$lK"}).start() as s:
        c = s.connect()
        for given, shown in (("KEA", "AKE"), ("A", "A"), ("", ""), ("Kg$lshzxet", "g$lshzxetK"), ("Knm", "nKm"), ("KEd", "dKE"),
                             ("EEE", "E"), ("KEAnm", "AnKEm")):
            expect(c.call("CONFIG", "SET", "notify-keyspace-events", given), "OK")
            expect(c.call("CONFIG", "GET", "notify-keyspace-events")[1].decode(), shown)
        expect_error(c.ask("CONFIG", "SET", "notify-keyspace-events", "KEq"), "ERR CONFIG SET failed")
        expect(c.call("CONFIG", "GET", "notify-keyspace-events")[1], b"AnKEm")


def listen_for(ear, n, seconds=harness.PATIENCE):
    """Keys of n events, and when each came."""
    out = {}
    for _ in range(n):
        key = ear.reply()[3]
        assert key not in out, "%r twice" % key
        out[key] = time.time()
    return out


def test_expired():
    """One event a key, when its time has come and not before, though nobody looks; and if somebody does."""
    seed = int(os.environ.get("STAVE_SEED", time.time()))
    print("seed %d" % seed)
    r = random.Random(seed)
    with Stave({"notify-keyspace-events": "Ex"}).start() as s:
        c, ear, admin = s.connect(), s.connect(), s.connect()
        ear.call("PSUBSCRIBE", "__keyevent@*")
        for looked_at in (False, True):
            due = {b"k%d" % i: int(time.time() * 1000) + r.randint(1500, 2200) for i in range(1000)}
            together(c, *(["SET", k, "v", "PXAT", at] for k, at in due.items()))
            replies(c, len(due))
            done = threading.Event()

            def look():
                while not done.is_set():
                    admin.call("GET", r.choice(list(due)))
            looker = threading.Thread(target=look, daemon=True)
            if looked_at:
                looker.start()
            came = listen_for(ear, len(due))
            done.set()
            if looked_at:
                looker.join()
            late = [came[k] * 1000 - due[k] for k in due]
            assert min(late) > -2, min(late)
            assert sorted(late)[len(late) // 2] < 10000, sorted(late)
            print("MEASURED: expired, %s: %.0f ms late at most" % ("looked at" if looked_at else "untouched", max(late)))
        expect(ear.ask("PING"), [b"pong", b""])
        # who is deleted or lives on before its time tells nothing of it
        for end in ("DEL k", "PERSIST k", "SET k x", "RENAME k l", "FLUSHALL"):
            c.call("FLUSHALL")
            together(c, ["SET", "k", "v", "PX", 60], end.split())
            replies(c, 2)
            time.sleep(0.1)
            if end.startswith("RENAME"):
                expect(ear.reply()[3], b"l")
            expect(ear.ask("PING"), [b"pong", b""], end)
        # one that is due already when its time is set is deleted, which is no expiry
        c.call("SET", "k", "v")
        c.call("PEXPIREAT", "k", 1)
        expect(ear.ask("PING"), [b"pong", b""])


def test_expired_after_a_kill():
    with Stave({"notify-keyspace-events": "Ex", "appendfsync": "always"}).start() as s:
        for ahead in (2000, 20000):  # a start may take long on a busy machine
            c = s.connect()
            at = int(time.time() * 1000) + ahead
            together(c, *(["SET", "k%d" % i, "v", "PXAT", at + i] for i in range(500)))
            replies(c, 500)
            s.kill()
            ear = s.start().connect()
            ear.call("PSUBSCRIBE", "__keyevent@*")
            if time.time() * 1000 < at:
                break
            hush(ear)
            ear.close()
        came = listen_for(ear, 500)
        expect(sorted(came), sorted(b"k%d" % i for i in range(500)))
        hush(ear)
        expect(s.connect().call("DBSIZE"), 0)


def test_hexpired():
    with Stave({"notify-keyspace-events": "Ehg"}).start() as s:
        c, ear, admin = s.connect(), s.connect(), s.connect()
        c.call("HSET", "h", "a", 1, "b", 2, "c", 3)
        ear.call("PSUBSCRIBE", "__keyevent@*")
        c.call("HPEXPIRE", "h", 50, "FIELDS", 1, "a")
        expect([ear.reply()[2:] for _ in range(2)], [[b"__keyevent@0__:hexpire", b"h"], [b"__keyevent@0__:hexpired", b"h"]])
        expect(c.call("HKEYS", "h"), [b"b", b"c"])
        c.call("HPEXPIRE", "h", 50, "FIELDS", 2, "b", "c")
        expect([ear.reply()[2] for _ in range(3)],
               [b"__keyevent@0__:hexpire", b"__keyevent@0__:hexpired", b"__keyevent@0__:del"])
        expect(admin.call("EXISTS", "h"), 0)
        hush(ear)


@only("bitcask")
def test_evicted():
    """One event for each key that was evicted, and it is gone."""
    with Stave({"notify-keyspace-events": "Ee", "maxmemory-policy": "allkeys-lru", "value-cache-size": "64kb"}).start() as s:
        c, ear, admin = s.connect(), s.connect(), s.connect()
        ear.call("PSUBSCRIBE", "__keyevent@*")
        c.call("CONFIG", "SET", "maxmemory", info(c, "used_memory") + MB)
        gone = {}
        for i in range(60):  # the ear is emptied at once: what it is owed takes memory too
            together(c, *(["SET", "some:key:%d:%d" % (i, j), "value" * 5] for j in range(1000)))
            expect(replies(c, 1000), ["OK"] * 1000)
            n = info(c, "evicted_keys")
            for _ in range(n - len(gone)):
                gone.update(listen_for(ear, 1))
        expect(len(gone), n)
        assert 1000 < n < 60000, n
        c.call("CONFIG", "SET", "maxmemory", 0)
        hush(ear)
        expect(c.call("DBSIZE"), 60000 - n)
        expect(admin.call("EXISTS", *gone), 0)


def test_own_events():
    """To who causes them they come behind the reply, also those of a wake-up, to each in one order."""
    with Stave({"notify-keyspace-events": "Elg"}).start() as s:
        c, waits = s.connect(3), s.connect()
        c.call("PSUBSCRIBE", "__keyevent@0__:*")
        waits.send("BLMOVE", "src", "dst", "LEFT", "RIGHT", 0)
        wait_until(lambda: info(c, "blocked_clients") == 1, "it to wait")
        together(c, "RPUSH src x", "LLEN dst")
        expect([x if isinstance(x, int) else x[2].split(b":")[1] for x in replies(c, 6)],
               [1, b"rpush", b"rpush", b"lpop", b"del", 1])
        expect(waits.reply(), b"x")


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
