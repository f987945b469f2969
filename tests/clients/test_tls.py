"""Clients over TLS: redis-cli, redis-benchmark, python3-redis; and what each says when it is not let in."""

import contextlib
import re
import subprocess
import tempfile

import redis

from tests.clients.common import Skip, expect
from tests.support import tls
from tests.support.servers import Stave, free_port


@contextlib.contextmanager
def serving(server, **more):
    """Another server of the kind that is tested, with TLS: it, its certificates, its port."""
    if isinstance(server, Stave) and not tls.is_built(server.program):
        raise Skip("this server has no TLS")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="stave-test-") as top:
        certs = tls.Certificates(top)
        with type(server)(certs.options(port, **more)).start() as other:
            yield other, certs, port


def run(program, port, certs, *args, name="client", data=None):
    """(what it printed, what it complained of)"""
    p = subprocess.run([program, "-p", str(port)] + certs.cli(name) + [str(a) for a in args], input=data,
                       capture_output=True, text=True, timeout=120)
    return p.stdout.strip(), p.stderr.strip()


def test_tls_cli(server):
    with serving(server) as (s, certs, port):
        def cli(*args, **how):
            return run("redis-cli", port, certs, *args, **how)[0]
        expect(cli("SET", "k", "v"), "OK")
        expect(cli("-3", "HELLO").split("\n")[0], "server redis")
        expect(cli(data="\n".join("SET key:%d %s" % (i, "x" * 100) for i in range(2000))).count("OK"), 2000)
        expect(len(cli("--scan", "--pattern", "key:*").split()), 2000)
        expect(cli("--pipe", data="".join("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n%04d\r\n" % i for i in range(5000)))
               .split("\n")[-1], "errors: 0, replies: 5000")
        expect(cli("GET", "k"), "4999")
        assert "Biggest string found" in cli("--bigkeys")
        expect(s.connect().call("DBSIZE"), 2001)


def test_tls_cli_not_let_in(server):
    with serving(server) as (s, certs, port):
        for name in (None, "stranger"):
            out, errors = run("redis-cli", port, certs, "PING", name=name)
            assert "PONG" not in out, out
        plain = subprocess.run(["redis-cli", "-p", str(port), "PING"], capture_output=True, text=True, timeout=60)
        assert "PONG" not in plain.stdout
        expect(run("redis-cli", port, certs, "PING")[0], "PONG")


def test_tls_benchmark(server):
    with serving(server, tls_auth_clients="no") as (s, certs, port):
        for pipeline in (1, 16):
            out, errors = run("redis-benchmark", port, certs, "-q", "-n", 1000, "-P", pipeline, "-d", 200, "-t",
                              "set,get,lrange_600,mset", name=None)
            assert "rror" not in out + errors, out + errors
            tests = re.findall(r"(?m)^(\w+).*: (?:[0-9.]+|inf) requests per second", out.replace("\r", "\n"))
            expect(tests, ["SET", "GET", "LPUSH", "LRANGE_600", "MSET"])


def test_tls_python(server):
    with serving(server) as (s, certs, port):
        how = {"host": "127.0.0.1", "port": port, "ssl": True, "ssl_ca_certs": certs.path("ca.crt"),
               "ssl_check_hostname": False}
        r = redis.Redis(ssl_certfile=certs.path("client.crt"), ssl_keyfile=certs.path("client.key"), **how)
        expect((r.set("k", b"v" * 3000000), r.strlen("k"), len(r.get("k"))), (True, 3000000, 3000000))
        p = r.pipeline(transaction=True)
        for i in range(1000):
            p.rpush("list", "element %d" % i)
        expect(p.execute(), list(range(1, 1001)))
        expect(len(r.lrange("list", 0, -1)), 1000)
        listener = r.pubsub()
        listener.subscribe("news")
        expect(listener.get_message(timeout=10)["type"], "subscribe")
        r.publish("news", "today")
        expect(listener.get_message(timeout=10)["data"], b"today")
        try:
            redis.Redis(**how).ping()
            assert False, "without a certificate"
        except redis.ConnectionError:
            pass
        s.connect().call("CONFIG", "SET", "tls-auth-clients", "optional", "requirepass", "word")
        expect(redis.Redis(password="word", **how).get("k")[:3], b"vvv")
