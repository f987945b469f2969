"""What the writers have in common. A writer sends operations in pipelines and reads the replies, until the
connection breaks; then check() finds out how many operations beyond the acknowledged ones were done, and goes
on from there. A ModelWriter plays its operations on a model: `base` is what the server holds for certain,
`now` what it will hold once all that was sent is done."""

import copy
import random

from tests.support import resp

PIPELINE = 16   # operations sent before their replies are read
NEAR_MS = 60    # an expire time that runs out during a round

# Errors of a server that has no room for a write, and has then done nothing of it.
REFUSALS = ("MISCONF ", "OOM ", "EXECABORT ")


class Writer:
    """One connection's worth of operations on keys of its own."""

    def __init__(self, number, seed):
        self.number, self.random = number, random.Random(seed)
        self.acknowledged = 0  # since the last check or the last whole pipeline
        self.done = self.refused = 0
        self.count = 0
        self.errors = []
        self.wary = lambda: False  # may writes be refused now? Then it sends one at a time

    def connect(self, server):
        return server.connect(timeout=60)

    def run(self, server):
        """Until the connection breaks, or a reply is an error."""
        try:
            c = self.connect(server)
            while self.pipeline(c):
                pass
        except (OSError, EOFError):
            pass

    def value(self, small=0.6, middle=0.995, size=200, large=400000):
        """A share of `small` is just a number, most are shorter than size, some than large; each is another."""
        big = self.random.random()
        length = 0 if big < small else self.random.randrange(size if big < middle else large)
        return b"%d:" % self.count + bytes([65 + self.count % 26]) * length

    def accepts(self, commands, replies, wary):
        """True: done. False: refused, when that may be. None: an error that should not be."""
        wrong = [str(x) for x in replies if isinstance(x, resp.Error) and not str(x).startswith("ENDS here")]
        if not wrong:
            self.done += 1
            return True
        if wary and wrong[0].startswith(REFUSALS):
            self.refused += 1
            return False
        self.errors.append("%.300s to %.600r%s" % (wrong[0], commands, ", when writes may be refused" if wary else ""))
        return None


class ModelWriter(Writer):
    """Subclasses give operation(): (what to call on the model, the command); read(c); key(kind). A model has
    apply(op) and differs(found)."""

    def __init__(self, number, seed, model):
        super().__init__(number, seed)
        self.base, self.now = model, copy.deepcopy(model)
        self.sent = []

    def pipeline(self, c):
        """Some operations and their replies. False: an error."""
        wary = self.wary()
        commands = []
        for _ in range(1 if wary else self.random.randint(1, PIPELINE)):
            op, command = self.operation()
            if not wary:
                self.now.apply(op)
            self.sent.append(op)
            commands.append(command)
        c.send_raw(b"".join(resp.encode(x) for x in commands))
        for command in commands:
            done = self.accepts(command, [c.reply()], wary)
            if done is None:
                return False
            if done:
                self.acknowledged += 1
            else:
                self.sent.pop()
        for op in self.sent:
            self.base.apply(op)
            if wary:
                self.now.apply(op)
        self.sent, self.acknowledged = [], 0
        return True

    def check(self, c):
        """How many operations beyond the acknowledged ones are there, or None; then goes on from it."""
        found = self.read(c)
        model, self.wrong = self.base, []
        for op in self.sent[:self.acknowledged]:
            model.apply(op)
        for extra in range(len(self.sent) - self.acknowledged + 1):
            if extra:
                model.apply(self.sent[self.acknowledged + extra - 1])
            wrong = model.differs(found)
            if not wrong:
                model.settle(found)
                self.base, self.now = model, copy.deepcopy(model)
                self.sent, self.acknowledged = [], 0
                return extra
            self.wrong.append(wrong)
        return None

    def explain(self, _):
        kind, wanted, found = self.wrong[0]
        return "%s %d: %d acknowledged, %d sent; after the acknowledged, %s should be\n  %s\nbut is\n  %s\n" \
            "what is wrong after one more each: %s\nand these are: %s" % (
                type(self).__name__, self.number, self.acknowledged, len(self.sent), kind, clip(wanted), clip(found),
                " ".join(w[0] for w in self.wrong), clip(self.sent[self.acknowledged:]))


def clip(v):
    text = repr(v)
    return text if len(text) < 3000 else text[:1500] + "..." + text[-1500:]
