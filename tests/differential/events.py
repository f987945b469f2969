"""Keyspace events: the same random commands to both servers, and what subscribers are told of each."""

import random

from tests.differential.compare import Mismatch, as_bytes, show
from tests.differential.generate import Generator

CLASSES = "KEg$lshzxetn"  # not m: here a command that is refused tells of no key that it missed
# What picks at random, changes the settings or the connection, or makes keys that are gone in a moment.
LEFT_OUT = (b"SPOP", b"CONFIG", b"DEBUG", b"CLIENT", b"RESET", b"QUIT", b"RESTORE")
MADE = b"xgroup-createconsumer"  # 7.2 makes the consumer also where there is nothing to read or to claim


class Ear:
    """A server, a connection that is told of its events, and one that marks where a command's end."""

    def __init__(self, server):
        self.c, self.listener, self.marker = [server.connect(2) for _ in range(3)]
        self.c.call("FLUSHALL")
        self.c.call("CONFIG", "SET", "notify-keyspace-events", CLASSES)
        self.listener.call("PSUBSCRIBE", "__keyspace@*")
        self.listener.call("SUBSCRIBE", "mark")

    def told(self, args, mark):
        self.c.ask(*args)
        self.marker.call("PUBLISH", "mark", mark)
        out = []
        while True:
            message = self.listener.reply()
            if message[0] == b"message":
                return out
            out.append((message[-2], message[-1]))

    def close(self):
        self.c.call("CONFIG", "SET", "notify-keyspace-events", "")
        for c in (self.c, self.listener, self.marker):
            c.close()


def run_seed(seed, stave, reference, count, family=None):
    """Raises Mismatch at the first command of which other things are told."""
    ears = [Ear(stave), Ear(reference)]
    g = Generator(random.Random(seed), focus=family)
    try:
        for i in range(count):
            args = as_bytes(g.command())
            if args[0].upper() in LEFT_OUT:
                continue
            left, right = [e.told(args, "mark %d" % i) for e in ears]
            if left == right:
                continue
            if [x for x in left if x[1] != MADE] == right:
                return  # from here on the servers hold different consumers
            raise Mismatch("seed %d: of %s\n  stave:     %r\n  reference: %r" % (seed, show(args), left[:20], right[:20]))
    finally:
        for e in ears:
            e.close()
