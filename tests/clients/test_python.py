"""python3-redis: strings, keys, errors, connections."""

import os
import tempfile

import redis

from tests.clients.common import expect
from tests.support.servers import Stave


def client(server, **how):
    return redis.Redis(host="127.0.0.1", port=server.port, **how)


def test_python_strings(server):
    r = client(server)
    assert r.set("k", "v") and r.get("k") == b"v"
    expect(r.set("k", "w", nx=True), None)
    expect(r.set("k", "w", get=True), b"v")
    expect(r.mset({"a": 1, "b": 2}), True)
    expect(r.mget("a", "b", "nope"), [b"1", b"2", None])
    expect(r.incrbyfloat("f", 1.5), 1.5)
    expect(r.getrange("k", 0, 0), b"w")
    expect(r.getdel("k"), b"w")
    expect(r.setbit("bits", 7, 1), 0)
    expect(r.bitcount("bits"), 1)
    expect(r.bitfield("bits").set("u8", "#0", 200).get("u8", "#0").execute(), [1, 200])


def test_python_keys(server):
    r = client(server)
    r.set("k", "v", ex=100)
    assert 0 < r.ttl("k") <= 100
    assert r.persist("k") and r.ttl("k") == -1
    assert r.rename("k", "k2") and r.copy("k2", "k3")
    expect(sorted(r.scan_iter("k*")), [b"k2", b"k3"])
    expect(r.type("k2"), b"string")
    expect(r.object("encoding", "k2"), b"embstr")
    expect(r.delete("k2", "k3"), 2)


def test_python_pipeline(server):
    p = client(server).pipeline(transaction=False)
    for i in range(1000):
        p.set("p%d" % i, i).get("p%d" % i)
    out = p.execute()
    expect(out[1::2], [b"%d" % i for i in range(1000)])


def test_python_server(server):
    r = client(server, client_name="tester")
    info = r.info()
    expect(info["redis_version"], "7.2.4")
    for field in ("used_memory", "connected_clients", "total_commands_processed", "uptime_in_seconds",
                  "keyspace_hits", "role", "aof_enabled", "stave_version"):
        assert field in info, field
    assert any(c["name"] == "tester" for c in r.client_list())
    expect(r.config_get("appendfsync"), {"appendfsync": "everysec"})
    assert r.config_set("maxmemory-policy", "allkeys-lru")
    assert r.config_set("maxmemory-policy", "noeviction")
    assert isinstance(r.time(), tuple) and r.ping() and r.echo("x") == b"x"
    assert "get" in r.command() and r.dbsize() >= 0
    expect(r.slowlog_len() >= 0, True)


def test_python_errors(server):
    r = client(server)
    r.set("k", "v")
    for wrong in (lambda: r.incr("k"), lambda: r.execute_command("NOPE"),
                  lambda: r.execute_command("GET"), lambda: r.set("k", "v", ex=-1)):
        try:
            wrong()
            raise AssertionError("no error")
        except redis.ResponseError:
            pass


def test_python_databases(server):
    a, b = client(server, db=0), client(server, db=3)
    a.set("x", 1)
    b.set("x", 2)
    a.swapdb(0, 3)
    expect((a.get("x"), b.get("x")), (b"2", b"1"))
    b.flushdb()
    expect((a.get("x"), b.get("x")), (b"2", None))


def test_password_and_unix_socket(server):
    path = os.path.join(tempfile.mkdtemp(prefix="stave-test-"), "s.sock")
    with Stave({"requirepass": "secret", "unixsocket": path, "unixsocketperm": "700"}).start() as s:
        for make in (lambda **k: redis.Redis(host="127.0.0.1", port=s.port, **k), lambda **k: redis.Redis(
                unix_socket_path=path, **k)):
            assert make(password="secret").set("a", "b")
            for bad in ({}, {"password": "wrong"}):
                try:
                    make(**bad).get("a")
                    raise AssertionError("let in without the password")
                except (redis.AuthenticationError, redis.ResponseError):
                    pass
