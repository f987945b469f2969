"""redis-benchmark with its default list of tests: runs whole, every test with a result and no error."""

import re
import subprocess

from tests.clients.common import expect

TESTS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET",
         "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)",
         "LRANGE_300 (first 300 elements)", "LRANGE_500 (first 500 elements)",
         "LRANGE_600 (first 600 elements)", "MSET (10 keys)"]


def benchmark(server, *args, tests=TESTS):
    """Runs it; the names of the tests that had a result must be these. It counts milliseconds: what took
    none has the rate "inf"."""
    out = subprocess.run(["redis-benchmark", "-p", str(server.port), "-n", "2000", "-q"] + list(args),
                         capture_output=True, text=True, timeout=300)
    text = out.stdout.replace("\r", "\n")
    assert out.returncode == 0 and "rror" not in text + out.stderr, text + out.stderr
    expect(re.findall(r"(?m)^(\S.*): (?:[0-9.]+|inf) requests per second, p50=[0-9.]+ msec", text), tests)


def test_default_list(server):
    benchmark(server)


def test_pipelined(server):
    benchmark(server, "-P", "16")


def test_random_keys(server):
    benchmark(server, "-r", "1000")
    c = server.connect()
    assert c.call("DBSIZE") > 100, "keys at random"


def test_random_keys_pipelined(server):
    benchmark(server, "-r", "100000", "-P", "16", "-d", "100")


def test_threads(server):
    benchmark(server, "--threads", "2")


def test_resp3(server):
    benchmark(server, "-3")


def test_given_command(server):
    benchmark(server, "-r", "50", "XADD", "log", "*", "field", "__rand_int__",
              tests=["XADD log * field __rand_int__"])
    expect(server.connect().call("XLEN", "log"), 2000)
