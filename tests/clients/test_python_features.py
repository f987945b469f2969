"""python3-redis on transactions, messages, scripts, functions, users, locks and introspection."""

import threading
import time

import redis

from tests.clients.common import expect
from tests.clients.test_python_types import client, refused


def test_transactions(server):
    r = client(server)
    with r.pipeline() as p:
        expect(p.set("a", 1).incr("a").get("a").execute(), [True, 2, b"2"])
    with r.pipeline() as p:
        p.watch("a")
        r.set("a", 5)
        p.multi()
        p.set("a", 6)
        try:
            p.execute()
            raise AssertionError("WATCH has not seen the change")
        except redis.WatchError:
            pass
    expect(r.get("a"), b"5")

    def add(p):
        n = int(p.get("n") or 0)
        p.multi()
        p.set("n", n + 1)
    threads = [threading.Thread(target=lambda: [r.transaction(add, "n") for _ in range(25)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(r.get("n"), b"100")


def heard(p, n):
    """The next n messages."""
    out, end = [], time.time() + 60
    while len(out) < n and time.time() < end:
        m = p.get_message(timeout=1)
        if m:
            out.append((m["type"], m["pattern"], m["channel"], m["data"]))
    return out


def test_messages(server):
    r = client(server)
    p = r.pubsub()
    p.subscribe("news")
    p.psubscribe("n*")
    expect(heard(p, 2), [("subscribe", None, b"news", 1), ("psubscribe", None, b"n*", 2)])
    expect(r.publish("news", "hello"), 2)
    expect(heard(p, 2), [("message", None, b"news", b"hello"), ("pmessage", b"n*", b"news", b"hello")])
    expect((r.pubsub_channels(), r.pubsub_numsub("news"), r.pubsub_numpat()), ([b"news"], [(b"news", 1)], 1))
    p.ping("are you there")
    expect(heard(p, 1), [("pong", None, None, b"are you there")])
    p.close()


def test_keyspace_events(server):
    r = client(server)
    r.config_set("notify-keyspace-events", "KEA")
    p = r.pubsub(ignore_subscribe_messages=True)
    p.psubscribe("__keyevent@0__:*")
    p.get_message(timeout=60)
    r.set("k", 1, px=20)
    expect(heard(p, 3), [("pmessage", b"__keyevent@0__:*", b"__keyevent@0__:" + e, b"k")
                         for e in (b"set", b"expire", b"expired")])
    p.close()
    r.config_set("notify-keyspace-events", "")


def test_scripts(server):
    r = client(server)
    script = r.register_script("""
        local sum = 0
        for _, key in ipairs(KEYS) do sum = sum + tonumber(redis.call('GET', key) or 0) end
        return sum * ARGV[1]""")
    r.mset({"a": 2, "b": 3})
    expect(script(keys=["a", "b"], args=[10]), 50)
    r.script_flush()
    expect(script(keys=["a", "b", "nope"], args=[1]), 5)  # NOSCRIPT, then SCRIPT LOAD
    expect(r.script_exists(script.sha, "0" * 40), [True, False])
    expect(r.eval("return {1, 'two', {3, {4}}, redis.status_reply('FINE')}", 0), [1, b"two", [3, [4]], b"FINE"])
    refused("@user_script:1", lambda: r.eval("return redis.call('LPUSH', KEYS[1], 1)", 1, "a"))
    refused("WRONGTYPE", lambda: r.eval("return redis.call('LPUSH', KEYS[1], 1)", 1, "a"))
    with r.pipeline() as p:
        expect(script(keys=["a"], args=[2], client=p) and p.set("a", 7).execute(), [4, True])
    text = r.eval("return cjson.encode({list = {1, 2, 3}, text = ARGV[1]})", 0, "x\u00e9")
    assert text in ('{"list":[1,2,3],"text":"x\u00e9"}'.encode(), '{"text":"x\u00e9","list":[1,2,3]}'.encode()), text


def test_functions(server):
    r = client(server)
    code = "#!lua name=lib\nredis.register_function('twice', function(keys, args) return 2 * args[1] end)"
    expect(r.function_load(code, replace=True), b"lib")
    expect(r.fcall("twice", 0, 21), 42)
    payload = r.function_dump()
    expect(r.function_delete("lib"), True)
    refused("Function not found", lambda: r.fcall("twice", 0, 21))
    expect(r.function_restore(payload), True)
    expect(r.fcall("twice", 0, 4), 8)
    expect(r.function_flush(), True)


def test_locks(server):
    r = client(server)
    lock = r.lock("lock", timeout=20)
    expect((lock.acquire(), lock.locked(), lock.owned()), (True, True, True))
    expect(r.lock("lock", timeout=20).acquire(blocking=False), False)
    expect(lock.extend(30), True)
    assert r.pttl("lock") > 40000, r.pttl("lock")
    lock.release()
    expect(r.exists("lock"), 0)
    inside = []

    def enter():
        with r.lock("lock", timeout=20, sleep=0.001):
            inside.append(len(inside))
            n = len(inside)
            time.sleep(0.002)
            assert len(inside) == n, "two at once"
    threads = [threading.Thread(target=enter) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(inside, list(range(8)))


def test_users(server):
    r = client(server)
    expect(r.acl_setuser("app", enabled=True, passwords=["+secret"], keys=["app:*"], commands=["+@all", "-@dangerous"]),
           True)
    a = client(server, username="app", password="secret")
    expect(a.acl_whoami(), "app")
    expect((a.set("app:x", 1), a.get("app:x")), (True, b"1"))
    refused("permissions", lambda: a.get("other"))
    refused("permissions", lambda: a.flushall())
    expect([(e["reason"], e["object"]) for e in r.acl_log()][:2], [("command", "flushall"), ("key", "other")])
    expect(r.acl_getuser("app")["enabled"], True)
    expect(sorted(r.acl_users()), ["app", "default"])
    r.acl_log_reset()
    expect(r.acl_deluser("app"), 1)


def test_introspection(server):
    r = client(server)
    r.set("k", "v" * 100)
    assert r.memory_usage("k") > 100 and r.memory_stats()["keys.count"] == 1
    assert r.memory_purge() and isinstance(r.memory_malloc_stats(), bytes)
    expect(r.wait(0, 10), 0)
    r.config_set("slowlog-log-slower-than", 0)
    r.slowlog_reset()
    r.get("k")
    expect([e["command"] for e in r.slowlog_get()][:1], [b"GET k"])
    r.config_set("slowlog-log-slower-than", 10000)
    expect(r.command_getkeys("EVAL", "return 1", 2, "a", "b", "c"), ["a", "b"])
    assert r.client_id() > 0 and r.client_tracking_on() and r.client_tracking_off()
    for section in ("server", "clients", "memory", "persistence", "stats", "replication", "cpu", "keyspace"):
        assert r.info(section), section
