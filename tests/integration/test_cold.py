#!/usr/bin/python3
"""Reads that memory does not have: the client waits, the thread does not; what a command wants goes to the disk
together; and whatever happens to the key, the client or the server meanwhile, answers are right. The system is made
to forget the files (POSIX_FADV_DONTNEED) again and again, and the engine's caches are small."""

import contextlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.support import resp  # noqa: E402
from tests.support.servers import repeatedly  # noqa: E402
from tests.integration.harness import ENGINE, SMALL, Stave, expect, info, scripts, wait_until  # noqa: E402

CACHES = {"bitcask": {"value-cache-size": "64kb", "inline-value-max": 0}, "lsm": dict(SMALL)}[ENGINE]
COLD = dict(CACHES, compression="no", appendfsync="everysec")
METHODS = ("io_uring", "threads")


def value(key, size=600):
    """What every key holds: it tells whose it is."""
    word = b"%s/" % (key if isinstance(key, bytes) else str(key).encode())
    return (word * (size // len(word) + 1))[:size]


def forget(server):
    """Nothing of the data's files is in the page cache after this, but what is being written."""
    folder = server.data_directory()
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            fd = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def fill(server, n, size=600, prefix="k"):
    """n keys, on the disk and in no cache."""
    c = server.connect()
    for i in range(n):
        c.send("SET", "%s%d" % (prefix, i), value("%s%d" % (prefix, i), size))
        if i % 200 == 199:
            [c.reply() for _ in range(200)]
    [c.reply() for _ in range(n % 200)]
    settle(server, c)
    return c


def settle(server, c):
    """All that was written is durable, so that no buffer keeps it; then other values take the caches' room."""
    for i in range(300):
        c.call("SET", "filler%d" % (i % 40), os.urandom(3000))
    c.call("WAITAOF", 1, 0, 10000)
    forget(server)


@contextlib.contextmanager
def counting(c):
    """What INFO's counters of cold reads grow by meanwhile."""
    names = ("cold_reads", "cold_rounds", "cold_blocking", "commands_parked")
    before = {n: info(c, n) for n in names}
    grown = {}
    yield grown
    grown.update({n: info(c, n) - before[n] for n in names})


def forgetting(server):
    """As forget(), all the time."""
    return repeatedly(lambda: forget(server), 0.01)


def few(grown, rounds, what, held=0):
    """It waited, in so many rounds at most, and that many reads at most held the thread. (The LSM engine's block cache
    may have it.)"""
    least = 1 if ENGINE == "bitcask" else 0
    assert least <= grown["cold_rounds"] <= rounds and grown["cold_blocking"] <= held, "%s: %r" % (what, grown)


def test_one_value():
    for method in METHODS:
        with Stave(dict(COLD, **{"io-method": method})) as server:
            c = fill(server, 500)
            with counting(c) as grown:
                for i in range(0, 500, 50):
                    forget(server)
                    expect(c.call("GET", "k%d" % i), value("k%d" % i), method)
            assert grown["cold_reads"] >= 5 and grown["commands_parked"] >= 5, (method, grown)
            expect(grown["cold_blocking"], 0)
            c.call("CONFIG", "SET", "cold-reads", "no")
            forget(server)
            with counting(c) as grown:
                for i in range(1, 500, 50):
                    forget(server)
                    expect(c.call("GET", "k%d" % i), value("k%d" % i), method)
            expect(grown["cold_rounds"], 0)
            assert grown["cold_blocking"] >= 5, grown


def test_many_keys_together():
    rounds = 4 if ENGINE == "bitcask" else 8  # partitions, blocks, and those of values that lie apart
    with Stave(COLD) as server:
        c = fill(server, 400)
        keys = ["k%d" % i for i in range(0, 400, 4)]
        values = [value(k) for k in keys]
        forget(server)
        with counting(c) as grown:
            expect(c.call("MGET", *keys), values)
        few(grown, rounds, "MGET")
        if ENGINE == "bitcask":
            assert grown["cold_reads"] >= 50, grown
        forget(server)
        with counting(c) as grown:
            c.call("MULTI")
            for k in keys:
                c.call("GET", k)
            expect(c.call("EXEC"), values)
        few(grown, rounds, "EXEC")
        forget(server)
        with counting(c) as grown:
            c.send_raw(b"".join(resp.encode(("GET", k)) for k in keys))
            expect([c.reply() for _ in keys], values)
        if ENGINE == "bitcask":
            few(grown, 8, "a pipeline")
        for i in range(4):
            c.call("SADD", "set%d" % i, *[value("m%d" % j, 200) for j in range(i, 40)])
        settle(server, c)
        with counting(c) as grown:
            expect(len(c.call("SINTER", "set0", "set1", "set2", "set3")), 37)
        few(grown, rounds, "SINTER")


@scripts
def test_scripts():
    with Stave(COLD) as server:
        c = fill(server, 200)
        keys = ["k%d" % i for i in range(0, 200, 2)]
        code = "local r = {} for i, k in ipairs(KEYS) do r[i] = redis.call('GET', k) end return r"
        forget(server)
        with counting(c) as grown:
            expect(c.call("EVAL", code, len(keys), *keys), [value(k) for k in keys])
        few(grown, 4, "EVAL")


def test_transactions_act_once():
    """A transaction that has to wait answers as one that does not, also where a command changes what no batch takes
    back."""
    with Stave(COLD) as server:
        c = fill(server, 200)
        asks = [[("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "other")],
                [("CONFIG", "GET", "hz"), ("CONFIG", "SET", "hz", 20)],
                [("PUBSUB", "NUMSUB", "ch"), ("SUBSCRIBE", "ch")],
                [("CLIENT", "UNBLOCK", "ID")],
                [("CLIENT", "KILL", "ID", "ID")]]
        for commands in asks:
            answers = []
            for how in ("no", "yes"):
                c.call("CONFIG", "SET", "cold-reads", how)
                c.call("CONFIG", "SET", "hz", 10)
                blocked, own = server.connect(), server.connect(proto=3)
                number = blocked.call("CLIENT", "ID")
                blocked.send("BLPOP", "nothing", 0)
                wait_until(lambda: info(c, "blocked_clients") == 1, "a client to wait")
                own.call("CLIENT", "SETNAME", "first")
                own.call("MULTI")
                for command in commands + [("GET", "k%d" % i) for i in range(100, 200)]:
                    own.call(*[command[0]] + [number if x == "ID" and i == len(command) - 2 else x
                                              for i, x in enumerate(command[1:])])
                forget(server)
                own.send("EXEC")
                answers.append(own.reply())
                own.close()
                blocked.close()
                wait_until(lambda: info(c, "blocked_clients") == 0, "it to go")
            expect(answers[1], answers[0], commands[-1])
            expect(answers[0][-1], value("k199"))
        c.call("CONFIG", "SET", "cold-reads", "yes")


@scripts
def test_transactions_find_no_new_scripts():
    """What EVAL brings is not known before it, however often its transaction runs."""
    with Stave(COLD) as server:
        c = fill(server, 200)
        sha = c.call("SCRIPT", "LOAD", "return 1")
        for flush in (True, False):
            c.call("MULTI")
            c.call("EVALSHA", sha, 0)
            c.call(*(("SCRIPT", "FLUSH") if flush else ("EVAL", "return 1", 0)))
            for i in range(100):
                c.call("GET", "k%d" % i)
            forget(server)
            c.send("EXEC")
            found = c.reply()
            if flush:
                expect(found[0], 1)
            else:
                assert "NOSCRIPT" in str(found[0]), found[0]
            expect(found[-1], value("k99"))
        expect(c.call("EVALSHA", sha, 0), 1)


def test_collections():
    with Stave(COLD) as server:
        c = server.connect()
        n = 1500
        for i in range(0, n, 50):
            c.call("HSET", "h", *[x for j in range(i, i + 50) for x in ("f%d" % j, value("f%d" % j, 300))])
            c.call("RPUSH", "l", *[value("e%d" % j, 300) for j in range(i, i + 50)])
        for i in range(100):
            c.call("RPUSH", "ids", i)
            c.call("SET", "w%d" % i, "%05d" % (1000 - i) + "x" * 300)
            c.call("SET", "o%d" % i, value("o%d" % i))
        asks = [("HGETALL", "h"), ("HMGET", "h", *["f%d" % i for i in range(0, n, 20)]), ("LRANGE", "l", 0, -1),
                ("LRANGE", "l", 700, 760), ("HVALS", "h"), ("LINDEX", "l", 800),
                ("SORT", "ids", "BY", "w*", "ALPHA", "GET", "o*")]
        warm = [c.call(*a) for a in asks]
        settle(server, c)
        for a, wanted in zip(asks, warm):
            forget(server)
            with counting(c) as grown:
                assert c.call(*a) == wanted, "%r answers otherwise when it is cold" % (a[:2],)
            if ENGINE == "bitcask":  # which knows where each element is
                few(grown, 8, a[:2])


def test_large_value():
    with Stave(COLD) as server:
        c = server.connect()
        large = os.urandom(10 << 20)
        c.call("SET", "large", large)
        settle(server, c)
        with counting(c) as grown:
            assert c.call("GET", "large") == large
        # a walk over seven partitions of a table may use up its rounds; the rest is read in windows
        few(grown, 8, "GET", held=0 if ENGINE == "bitcask" else grown["cold_reads"] // 4)
        forget(server)
        expect(c.call("GETRANGE", "large", 5 << 20, (5 << 20) + 9), large[5 << 20:(5 << 20) + 10])
        wait_until(lambda: info(c, "cold_held_bytes") == 0, "what was read for it to be let go")


def test_blocked():
    """A client that waits for a key is served by a run that must wait for the disk."""
    with Stave(COLD) as server:
        c = server.connect()
        c.call("RPUSH", "to", *[value("t%d" % i, 50) for i in range(20)])
        settle(server, c)
        waiters = [server.connect() for _ in range(3)]
        for i, w in enumerate(waiters):
            w.send("BLMOVE", "from", "to", "LEFT", "RIGHT", 0)
            wait_until(lambda: info(c, "blocked_clients") == i + 1, "a client to wait")
        settle(server, c)
        for i, w in enumerate(waiters):
            forget(server)
            c.call("RPUSH", "from", "x%d" % i)
            expect(w.reply(), b"x%d" % i)
        expect(c.call("LLEN", "to"), 23)


def hammer(server, keys, seconds, also=()):
    """Many clients read, while others write, delete and kill: whatever comes back is that key's own value, or
    nothing. Returns how many answers were seen."""
    stop, seen, wrong = threading.Event(), [0], []

    def reader(seed):
        rng = random.Random(seed)
        c = None
        while not stop.is_set():
            try:
                c = c or server.connect(timeout=20)
                for _ in range(4):
                    some = ["k%d" % rng.randrange(keys) for _ in range(rng.choice((1, 1, 5)))]
                    c.send("MGET", *some)
                    for k, v in zip(some, c.reply()):
                        if v is not None and v != value(k):
                            wrong.append((k, v[:40]))
                        seen[0] += 1
            except (OSError, EOFError, ConnectionError):
                c = None
            except Exception as e:  # an error that is a reply: LOADING, or a server that ends
                if "LOADING" not in str(e) and not stop.is_set() and "timed out" in str(e):
                    wrong.append(("-", e))
                c = None

    threads = [threading.Thread(target=reader, args=(i,)) for i in range(24)]
    for t in threads:
        t.start()
    admin = server.connect()
    rng = random.Random(7)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            k = "k%d" % rng.randrange(keys)
            what = rng.randrange(8)
            if what == 0:
                admin.call("DEL", k)
            elif what == 1:
                ids = [line.split()[0].split(b"=")[1] for line in admin.call("CLIENT", "LIST").splitlines()
                       if b"name=mine" not in line]
                admin.ask("CLIENT", "KILL", "ID", rng.choice(ids), "SKIPME", "yes")
            elif what == 2 and also:
                admin.ask(*rng.choice(also))
            else:
                admin.call("SET", k, value(k))
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not wrong, wrong[:3]
    return seen[0]


def test_meanwhile():
    """Keys change, clients are killed, all is flushed, merged and loaded anew while reads are under way."""
    for method in METHODS:
        with Stave(dict(COLD, **{"io-method": method, "enable-debug-command": "yes"})) as server:
            c = fill(server, 2000)
            c.call("CLIENT", "SETNAME", "mine")
            with counting(c) as grown, forgetting(server):
                seen = hammer(server, 2000, 4)
                c.call("DEBUG", "RELOAD")
                seen += hammer(server, 2000, 2, [("BGREWRITEAOF",), ("FLUSHALL",)])
            assert seen > 100 and grown["commands_parked"] > 10, (seen, grown)
            wait_until(lambda: info(c, "cold_in_flight") == 0 and info(c, "cold_held_bytes") == 0,
                       "all reads to end")
            print("MEASURED: %s: %d answers, %r" % (method, seen, grown))


def test_shutdown():
    """The server ends while clients wait for the disk; nothing is lost."""
    with Stave(COLD) as server:
        fill(server, 1000)
        clients = [server.connect() for _ in range(50)]
        forget(server)
        for i, c in enumerate(clients):
            c.send("MGET", *["k%d" % j for j in range(i, 1000, 50)])
        server.stop()
        server.start()
        c = server.connect()
        expect(c.call("MGET", *["k%d" % i for i in range(1000)]), [value("k%d" % i) for i in range(1000)])


def test_others_go_on():
    """What PING takes while many clients read from the disk: with reads beside the thread, and with those that hold
    it."""
    with Stave(COLD) as server:
        c = fill(server, 3000)
        took = {}
        for how in ("yes", "no"):
            c.call("CONFIG", "SET", "cold-reads", how)
            stop = threading.Event()

            def read(seed):
                rng, r = random.Random(seed), server.connect()
                while not stop.is_set():
                    k = "k%d" % rng.randrange(3000)
                    expect(r.call("GET", k), value(k))

            with forgetting(server), counting(c) as grown:
                threads = [threading.Thread(target=read, args=(i,)) for i in range(16)]
                [t.start() for t in threads]
                times = []
                for _ in range(300):
                    begun = time.monotonic()
                    c.call("PING")
                    times.append(time.monotonic() - begun)
                stop.set()
                [t.join() for t in threads]
            times.sort()
            took[how] = "median %.0f us, p99 %.0f us" % (times[150] * 1e6, times[297] * 1e6)
            held = grown["cold_blocking"]
            assert (held == 0) if how == "yes" else (held > 0), (how, grown)
        print("MEASURED: PING beside the thread: %s; holding it: %s" % (took["yes"], took["no"]))


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
