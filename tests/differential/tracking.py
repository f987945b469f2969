"""Client-side caching. Scripts of several clients: all that each of them gets, after each step. And the same
random commands to both servers, by a client that tracks and by another one, and what the first is told."""

import random
import time

from tests.differential.compare import Mismatch, as_bytes, show
from tests.differential.generate import Generator
from tests.support.resp import Push

# A step is a client's name and its command; {b} is the id of client b; a name with "!" ends that client. What 7.2
# answers otherwise than the reference is not here.
SCRIPTS = (
    """a CLIENT TRACKINGINFO; a CLIENT GETREDIR; a CLIENT CACHING YES; a CLIENT TRACKING OFF; a CLIENT TRACKING x
       a CLIENT TRACKING ON FOO; a CLIENT TRACKING ON REDIRECT; a CLIENT TRACKING ON PREFIX
       a CLIENT TRACKING ON PREFIX a; a CLIENT TRACKING ON BCAST OPTIN; a CLIENT TRACKING ON OPTIN OPTOUT
       a CLIENT TRACKING ON REDIRECT x; a CLIENT TRACKING ON REDIRECT 0; a CLIENT TRACKING ON REDIRECT -1
       a CLIENT TRACKING ON REDIRECT 999999999; a CLIENT TRACKING OFF REDIRECT 999999999
       a CLIENT TRACKING ON REDIRECT {b} REDIRECT {b}; a CLIENT TRACKING ON REDIRECT {b} FOO; a CLIENT TRACKINGINFO""",
    """a CLIENT TRACKING ON; a CLIENT TRACKING ON BCAST; a CLIENT TRACKING ON OPTIN; a CLIENT TRACKING ON OPTOUT
       a CLIENT TRACKINGINFO; a CLIENT CACHING NO; a CLIENT CACHING YES; a CLIENT CACHING x; a CLIENT TRACKINGINFO
       a CLIENT TRACKING ON NOLOOP; a CLIENT TRACKINGINFO; a CLIENT TRACKING OFF; a CLIENT TRACKINGINFO
       a CLIENT TRACKING ON OPTOUT NOLOOP; a CLIENT CACHING YES; a CLIENT CACHING NO; a CLIENT TRACKINGINFO; a RESET
       a CLIENT TRACKINGINFO; a CLIENT TRACKING ON BCAST; a CLIENT TRACKING ON; a CLIENT CACHING YES""",
    """a CLIENT TRACKING ON BCAST PREFIX a PREFIX ab; a CLIENT TRACKING ON BCAST PREFIX foo PREFIX bar
       a CLIENT TRACKING ON BCAST PREFIX fo; a CLIENT TRACKING ON BCAST PREFIX foo; a CLIENT TRACKING ON BCAST PREFIX z
       a CLIENT TRACKINGINFO; a CLIENT TRACKING ON BCAST; a CLIENT TRACKINGINFO; a CLIENT TRACKING ON BCAST PREFIX fo
       a CLIENT TRACKING ON BCAST; a HELLO 3; a CLIENT TRACKINGINFO; w MSET foo1 1 bar1 1 z 1 y 1; a DEL bar1
       a CLIENT TRACKING OFF; w SET foo1 1""",
    """a HELLO 3; a CLIENT TRACKING ON; a GET k; w SET k 1; w SET k 2; a GET k; a SET k 3; a MGET k l m; w FLUSHDB
       w SET l 1; a GET l; w SWAPDB 0 1; w SWAPDB 0 1; w RENAME l k; a LPUSH list a; a GET list; w LPUSH list b
       a GET l; a CLIENT TRACKING OFF; w SET l 1; a GET k; a CLIENT TRACKING ON; w SET k 1; w SET l 2""",
    """a HELLO 3; a CLIENT TRACKING ON; a MULTI; a GET k; a SET k 1; a SET l 1; a EXEC; a MULTI; a SET k 1; a GET k
       a EXEC; w SET k 1; a MULTI; a GET k; a FLUSHALL; a GET l; a EXEC; w MSET k 1 l 1; a GET k; a MULTI; a SET k 1
       a DISCARD""",
    """a HELLO 3; a CLIENT TRACKING ON NOLOOP; a GET k; a SET k 1; a GET k; w SET k 1; a FLUSHALL; a CLIENT TRACKING OFF
       a CLIENT TRACKING ON BCAST NOLOOP; a SET k 1; w SET k 1; a DEL k; w SET l 1""",
    """a HELLO 3; a CLIENT TRACKING ON OPTIN; a GET a; a CLIENT CACHING YES; a GET b; a GET c; w MSET a 1 b 1 c 1
       a CLIENT CACHING YES; a CLIENT ID; a GET b; w SET b 1; a CLIENT CACHING YES; a NOPE; a GET b; w SET b 1
       a CLIENT CACHING YES; a MULTI; a GET a; a GET b; a EXEC; a GET c; w MSET a 1 b 1 c 1""",
    """a HELLO 3; a CLIENT TRACKING ON; a EVAL return(redis.call('get',KEYS[1])) 1 k; w SET k 1; a EVAL_RO return(1) 1 k
       w SET k 1; a EVAL_RO return(redis.call('get',KEYS[1])) 1 k; w SET k 1
       a EVAL return{{redis.call('get',KEYS[1]),redis.call('set',KEYS[1],2)}} 1 k; w SET k 1
       a EVAL return{{redis.call('set',KEYS[1],2),redis.call('get',KEYS[1])}} 1 k; w SET k 1
       a EVAL return(redis.pcall('lrange',KEYS[1],0,1)) 1 k; w SET k 1
       a EVAL return(redis.call('lrange',KEYS[1],0,1)[1]) 1 k; w SET k 1; a CLIENT TRACKING OFF
       a CLIENT TRACKING ON OPTIN; a CLIENT CACHING YES; a EVAL return(redis.call('mget',KEYS[1],KEYS[2])) 2 k l
       w MSET k 1 l 2""",
    """a CLIENT TRACKING ON REDIRECT {b}; a GET k; w SET k 1; b SUBSCRIBE __redis__:invalidate; a GET k; a SET k 1
       w FLUSHALL; a GET k; a CLIENT TRACKING ON REDIRECT {b} NOLOOP; a SET k 1; w SET k 1; a GET k; !b; w PING
       a HELLO 3; w SET k 2; a CLIENT TRACKINGINFO; a CLIENT TRACKING ON; a CLIENT TRACKINGINFO""",
    """a CLIENT TRACKING ON BCAST REDIRECT {b}; b HELLO 3; w SET k 1; a SET k 1; w MSET a 1 b 1; a CLIENT GETREDIR
       !b; w PING; w SET k 1; a HELLO 3; w SET k 1; a CLIENT TRACKINGINFO""",
)

MODES = ([], [], ["NOLOOP"], ["BCAST"], ["BCAST", "NOLOOP"], ["BCAST", "PREFIX", "key:1", "PREFIX", "key:2"],
         ["OPTOUT"])
# What picks at random, changes the settings or the connection, or makes keys that are gone in a moment; and
# what XINFO alone shows of a stream, which is a change of it here and none there.
LEFT_OUT = (b"XGROUP", b"XSETID", b"SPOP", b"CONFIG", b"DEBUG", b"CLIENT", b"RESET", b"QUIT", b"RESTORE",
            b"SELECT", b"HELLO",
            # What a script has read that ends with an error of its own is not remembered here.
            b"EVAL", b"EVALSHA", b"EVAL_RO", b"EVALSHA_RO", b"FCALL", b"FCALL_RO", b"SCRIPT", b"FUNCTION")
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


class Cast:
    """The clients of a script on one server."""

    def __init__(self, server):
        self.clients = {name: server.connect() for name in "abw"}
        self.clients["w"].call("FLUSHALL")
        self.ids = {name: c.call("CLIENT", "ID") for name, c in self.clients.items()}
        self.queueing, self.listening = False, set()

    def neutral(self, reply):
        """With names in the place of ids."""
        if isinstance(reply, (list, Push)):
            return [type(reply).__name__] + [self.neutral(r) for r in reply]
        if isinstance(reply, dict):
            return {k: self.neutral(v) for k, v in reply.items() if k not in (b"version", b"server", b"modules")}
        return {n: i for i, n in self.ids.items()}.get(reply, reply) if type(reply) is int and reply > 2 else reply

    def step(self, text):
        """All that comes of it, for each client."""
        name, _, line = text.strip().partition(" ")
        if name.startswith("!"):
            self.clients.pop(name[1:]).close()
            time.sleep(0.05)  # until the other end has seen it, which nothing tells
            return {}
        out = {n: [] for n in self.clients}
        self.clients[name].send(*line.format(**self.ids).split())
        word = line.split()[0]
        self.queueing = word == "MULTI" or self.queueing and word not in ("EXEC", "DISCARD")
        self.listening.update([name] if word == "SUBSCRIBE" else [])
        for n, c in sorted(self.clients.items(), key=lambda x: x[0] != name):
            if n == name:
                out[n].append(self.neutral(c.reply()))
                if self.queueing:
                    continue  # it would be queued
            # CLIENT, which uses up no CLIENT CACHING, where it is allowed.
            c.send(*["PING", "quiet"] if n in self.listening else ["CLIENT", "ID"])
            while True:
                reply = c.reply()
                if reply in (self.ids[n], [b"pong", b"quiet"]):
                    break
                out[n].append(self.neutral(reply))
        return out


def run_scripts(stave, reference):
    ok = bad = 0
    for script in SCRIPTS:
        casts = [Cast(stave), Cast(reference)]
        for text in [t for line in script.split("\n") for t in line.split(";")]:
            left, right = [c.step(text) for c in casts]
            if left == right:
                ok += 1
                continue
            bad += 1
            print("FAILED: %s\n  stave:     %r\n  reference: %r" % (text.strip(), left, right))
        for cast in casts:
            for c in cast.clients.values():
                c.close()
    return ok, bad
