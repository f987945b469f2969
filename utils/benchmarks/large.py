"""The section about values of 64 and 512 MB: the memory that a server needs while one comes and goes,
and what another client waits meanwhile."""

import os
import re
import socket
import subprocess
import sys
import time

from .common import REDIS_EVERYSEC, Reference, Stave, Table, started

MB = 1 << 20
PIECE = os.urandom(MB)  # no compression makes it smaller

# A client in a process of its own, so that what sends the value does not hold it: PING after PING. For each
# line that it reads it tells the longest wait since the last, and the most CPU time that the server used
# within one: that is no longer because the machine is busy.
PINGER = r"""
import select, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
clock = (~int(sys.argv[2]) << 3) | 2
worst = held = 0
while True:
    begun, used = time.monotonic(), time.clock_gettime(clock)
    s.sendall(b"PING\r\n")
    s.recv(100)
    worst, held = max(worst, time.monotonic() - begun), max(held, time.clock_gettime(clock) - used)
    if select.select([sys.stdin], [], [], 0.001)[0]:
        if not sys.stdin.readline():
            break
        print("%.1f %.1f" % (worst * 1e3, held * 1e3), flush=True)
        worst = held = 0
"""


class Pinger:
    def __init__(self, server):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PINGER, str(server.port), str(server.process.pid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def lap(self):
        """Milliseconds since the last: the longest wait, and the most CPU time within one."""
        self.process.stdin.write("\n")
        return [float(x) for x in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def status(server, field):
    with open("/proc/%d/status" % server.process.pid) as f:
        return int(re.search(field + r":\s+(\d+)", f.read()).group(1)) / 1024


def ask(s, args, size):
    """Sends a command, with `size` bytes as its last argument unless that is 0, and reads the reply."""
    words = [str(a).encode() for a in args]
    head = b"*%d\r\n" % (len(words) + (size > 0)) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
    s.sendall(head + (b"$%d\r\n" % size if size else b""))
    for _ in range(size // MB):
        s.sendall(PIECE)
    if size:
        s.sendall(b"\r\n")
    line = b""
    while not line.endswith(b"\n"):
        line += s.recv(1)
    if line[:1] == b"-":
        raise RuntimeError("%s: %r" % (args[0], line))
    left = int(line[1:]) + 2 if line[:1] == b"$" else 0
    piece = bytearray(MB)
    while left > 0:
        left -= s.recv_into(piece, min(left, MB))


def measured(server, pinger, s, args, size):
    """MiB of memory at most beyond what it had before, the longest PING, the CPU time held."""
    before = status(server, "VmRSS")
    with open("/proc/%d/clear_refs" % server.process.pid, "w") as f:
        f.write("5")
    pinger.lap()
    ask(s, args, size)
    time.sleep(0.5)  # what is done behind the reply counts too
    return [max(0, status(server, "VmHWM") - before)] + pinger.lap()


def large(o):
    t = Table("Large values, everysec: memory beyond what the quiet server had, longest PING of another client",
              ["command", "peak MiB", "redis MiB", "PING ms", "redis ms", "CPU held ms", "redis ms held"])
    servers = [started(Stave({"engine": o.engine, "appendfsync": "everysec"})), started(Reference(REDIS_EVERYSEC))]
    pingers = [Pinger(s) for s in servers]
    sockets = [socket.create_connection(("127.0.0.1", s.port)) for s in servers]
    for mb in (8, 64) if o.quick else (64, 512):
        for what, args, size in (("SET", ("SET", "k"), mb * MB), ("GET", ("GET", "k"), 0),
                                 ("SET over", ("SET", "k"), mb * MB), ("COPY", ("COPY", "k", "k2"), 0),
                                 ("DEL", ("DEL", "k", "k2"), 0)):
            a, b = [measured(*server, args, size) for server in zip(servers, pingers, sockets)]
            t.add("%s %d MB" % (what, mb), *["%.0f" % x for pair in zip(a, b) for x in pair])
    for p in pingers:
        p.close()
    for s in servers:
        s.close()
    return t
