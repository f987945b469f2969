"""Commands between MULTI and EXEC: some of what is drawn is put there, with a WATCH before it at times."""

# What ends a transaction by itself, or can't be in one here (src/tx/README.md).
# (COMMAND GETKEYS wants two words in 7.0, which then refuses all of it.)
NEVER = (b"RESET", b"QUIT", b"MIGRATE", b"DEBUG", b"BGREWRITEAOF", b"COMMAND")

LONGER = (b"ZRANK", b"ZREVRANK")  # have WITHSCORE in 7.2: 7.0 refuses it, and with it the transaction


def some(g, batch):
    """The batch with some runs of its commands made transactions."""
    out, rest = [], list(batch)
    while rest:
        n = g.r.randint(1, 12)
        run, rest = rest[:n], rest[n:]
        if g.r.random() > 0.2 or any(c[0].upper() in NEVER or c[0].upper() in LONGER and len(c) > 3 for c in run):
            out += run
            continue
        watched = g.key()
        if g.r.random() < 0.3:
            out.append([b"WATCH", watched, b"key:2"])
        if g.r.random() < 0.3:
            out.append(g.r.choice([[b"SET", watched, b"1"], [b"GET", watched], [b"DEL", watched],
                                   [b"FLUSHDB"], [b"SWAPDB", b"0", b"1"], [b"UNWATCH"]]))
        end = g.r.choice([[b"EXEC"]] * 12 + [[b"DISCARD"], [b"EXEC", b"x"]])
        odd = g.r.choice([[]] * 12 + [[[b"MULTI"]], [[b"WATCH", b"a"]], [[b"UNWATCH"]]])
        out += [[b"MULTI"]] + odd + run + [end]
    return out


class Queue:
    """Follows a connection's transactions, to compare what is in the reply of EXEC command by command."""

    def __init__(self):
        self.commands = []

    def see(self, args, reply):
        if args[0].upper() == b"MULTI":
            self.commands = []
        if reply in (b"QUEUED", "QUEUED"):
            self.commands.append(args)

    def alike(self, args, left, right, same):
        """Of replies that are not the same as bytes. same compares two replies, each as (raw, parsed)."""
        if args[0].upper() != b"EXEC" or not isinstance(left, list) or not isinstance(right, list):
            return False
        if not len(left) == len(right) == len(self.commands):
            return False
        return all(same(c, (raw(x), x), (raw(y), y)) for c, x, y in zip(self.commands, left, right))


def raw(reply):
    """What stands for the reply's bytes, which are not told apart in EXEC's."""
    return b"$" + reply if isinstance(reply, bytes) else reply
