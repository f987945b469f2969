"""Client-side caching: the same random commands to both servers, by a client that tracks and by another
one, and what the first is told after each."""

import random

from tests.differential.compare import Mismatch, as_bytes, show
from tests.differential.generate import Generator
from tests.support.resp import Push

MODES = ([], [], ["NOLOOP"], ["BCAST"], ["BCAST", "NOLOOP"], ["BCAST", "PREFIX", "key:1", "PREFIX", "key:2"],
         ["OPTOUT"])
# What picks at random, changes the settings or the connection, or makes keys that are gone in a moment; and
# what XINFO alone shows of a stream, which is a change of it here and none there.
LEFT_OUT = (b"XGROUP", b"XSETID", b"SPOP", b"CONFIG", b"DEBUG", b"CLIENT", b"RESET", b"QUIT", b"RESTORE", b"SELECT", b"HELLO")
# Which keys they have if they are not well-formed, or whether they are, is not the same in 7.0.
WRITERS = (b"XREAD", b"ZRANK", b"ZREVRANK")


class Pair:
    """A server, a client of it that tracks, and another one."""

    def __init__(self, server, mode):
        self.reader, self.writer = server.connect(3), server.connect(2)
        self.writer.call("FLUSHALL")
        self.reader.call("CLIENT", "TRACKING", "ON", *mode)

    def told(self, args, by_reader):
        """What the reader gets besides replies until all is quiet."""
        out = []
        if by_reader:
            self.ask(args, out)
        else:
            self.writer.ask(*args)
        self.ask(["PING"], out)
        return out

    def ask(self, args, out):
        """By the reader; messages that come before the reply are put to out."""
        self.reader.send(*args)
        while True:
            reply = self.reader.reply()
            if not isinstance(reply, Push):
                return reply
            out.append(reply)

    def close(self):
        for c in (self.reader, self.writer):
            c.close()


def run_seed(seed, stave, reference, count, family=None):
    """Raises Mismatch at the first command after which other things are told."""
    r = random.Random(seed)
    mode = r.choice(MODES)
    pairs = [Pair(stave, mode), Pair(reference, mode)]
    g = Generator(r, focus=family)
    try:
        for i in range(count):
            args = as_bytes(g.command())
            if args[0].upper() in LEFT_OUT:
                continue
            by_reader = args[0].upper() not in WRITERS and r.random() < 0.5
            left, right = [p.told(args, by_reader) for p in pairs]
            if left != right:
                raise Mismatch("seed %d: CLIENT TRACKING ON %s: %s by the %s\n  stave:     %r\n  reference: %r" % (
                    seed, " ".join(mode), show(args), "reader" if by_reader else "writer", left[:20], right[:20]))
    finally:
        for p in pairs:
            p.close()
