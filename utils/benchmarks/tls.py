"""The section that puts Stave's TLS beside redis-server's own, with the same certificate."""

import socket
import statistics
import tempfile
import time

from tests.support.servers import free_port
from tests.support.tls import Certificates

from .common import (KEYS, REDIS_EVERYSEC, Reference, Stave, Table, cpu_seconds, load, measure, ratio, started)
from .server import STAVE_THROUGHPUT


def pair(o, certs):
    """Both servers, each with its .tls port."""
    servers = []
    for make, args in ((Stave, dict({"engine": o.engine, "appendfsync": "everysec"}, **STAVE_THROUGHPUT[o.engine])),
                       (Reference, REDIS_EVERYSEC)):
        port = free_port()
        servers.append(started(make(dict(args, **certs.options(port)))))
        servers[-1].tls = port
    return servers


def handshakes(o, servers, certs, n):
    """A client that comes, says PING and goes: medians of connections a second and CPU of each."""
    rates, cpus = [[] for _ in servers], [[] for _ in servers]
    context = certs.context()
    for _ in range(o.repeat):
        for i, s in enumerate(servers):
            before, begun = cpu_seconds(s.process.pid), time.time()
            for _ in range(n):
                with context.wrap_socket(socket.create_connection(("127.0.0.1", s.tls))) as c:
                    c.sendall(b"PING\r\n")
                    c.recv(100)
            rates[i].append(n / (time.time() - begun))
            cpus[i].append((cpu_seconds(s.process.pid) - before) * 1e6 / n)
    return [statistics.median(r) for r in rates], [statistics.median(c) for c in cpus]


def tls(o):
    t = Table("TLS: CPU and throughput, everysec, -c 50, %d random keys" % KEYS,
              ["workload", "CPU us", "redis us", "CPU ratio", "req/s", "redis req/s", "ratio"])

    def add(what, rates, cpus):
        t.add(what, "%.2f" % cpus[0], "%.2f" % cpus[1], ratio(*cpus), "%.0f" % rates[0], "%.0f" % rates[1],
              ratio(*rates))

    with tempfile.TemporaryDirectory(prefix="stave-bench-") as top:
        certs = Certificates(top)
        for size, keys, pipelines in ((3, KEYS, (1, 16)), (100, KEYS, (1, 16)), (10000, 10000, (1, 16))):
            servers = pair(o, certs)
            for s in servers:
                load(s, size, keys)
                time.sleep(3)  # what follows from loading is not the row's
            for pipeline in pipelines:
                n = (100000 if pipeline == 1 else 500000) // (10 if size > 1000 else 1) // (4 if o.quick else 1)
                for test in ("set", "get"):
                    add("%s %dB -P %d" % (test.upper(), size, pipeline), *measure(
                        o, servers, test=test, n=n, pipeline=pipeline, size=size, keys=keys,
                        by=lambda s: ["-p", str(s.tls)] + certs.cli()))
            if size == 3:
                add("connection", *handshakes(o, servers, certs, 100 if o.quick else 400))
            for s in servers:
                s.close()
    return t
