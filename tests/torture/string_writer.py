"""The torture's writer of strings: SET, DEL, MSET of the whole group of keys, INCR, APPEND, SET with an expire
time far or near, several of these between MULTI and EXEC, by a script or by a function of a library that it
loads and deletes, too. It notes the state after each operation it has sent."""

from tests.support import resp
from tests.torture.model_writer import NEAR_MS, PIPELINE, Writer

KEYS = 12          # of each writer

# Runs the commands in its arguments, each with the number of its words before it. What it has done stays,
# however it ends.
TEXT = """local at = 1
while at <= #args do
  local to = at + tonumber(args[at])
  redis.call(unpack(args, at + 1, to))
  at = to + 1
end
"""
ENDS = ("return 'OK'", "return redis.error_reply('ENDS here')", "error({err = 'ENDS here'})")
LIBRARY = """#!lua name=w%d
redis.register_function('w%d', function(keys, args)
%s end)
redis.register_function{function_name='v%d', callback=function() return '%d' end, flags={'no-writes'}}
"""


class StringWriter(Writer):
    def __init__(self, number, seed, scripts):
        super().__init__(number, seed * 1000 + number)
        self.scripts = scripts  # can the server run any?
        self.keys = [b"w%d:%d" % (number, i) for i in range(KEYS)]
        self.library = b"library w%d" % number
        self.states = [{}]   # after each operation sent since the last check

    def operation(self, state):
        """Random commands that are acknowledged by the reply to the last one (one, or those from MULTI to
        EXEC), and the state that they lead to. A value is (bytes, mortal)."""
        if self.random.random() < 0.8:
            command, new = self.step(state)
            return [command], new
        commands = []
        for _ in range(self.random.randint(1, 6)):
            command, state = self.step(state)
            commands.append(command)
        return [["MULTI"], *commands, ["EXEC"]], state

    def step(self, state):
        """A command, or several by a script or a function; or one that changes the functions."""
        r = self.random
        if not self.scripts or r.random() < 0.75:
            return self.command(state)
        if r.random() < 0.15:
            return self.change_library(state)
        known = self.library in state
        args = []
        for _ in range(r.randint(1, 6)):
            command, state = self.command(state)
            args += [len(command)] + command
        if known and r.random() < 0.5:
            return ["FCALL", "w%d" % self.number, 0] + args, state
        return ["EVAL", "local args = ARGV\n" + TEXT + r.choice(ENDS), 0] + args, state

    def change_library(self, state):
        """Its library is another one, or gone. What it is stands in the state beside the keys."""
        self.count += 1
        new = dict(state)
        if self.library in new and self.random.random() < 0.3:
            del new[self.library]
            return ["FUNCTION", "DELETE", "w%d" % self.number], new
        new[self.library] = (b"%d" % self.count, False)
        text = TEXT + self.random.choice(ENDS)
        if self.random.random() < 0.02:
            text += "\n--" + "p" * 500000
        n = self.number
        return ["FUNCTION", "LOAD", "REPLACE", LIBRARY % (n, n, text + "\n", n, self.count)], new

    def command(self, state):
        r = self.random
        self.count += 1
        new = dict(state)
        k = r.choice(self.keys)
        value = self.value(0.2, 0.98, 2000, 600000)
        kind = r.random()
        if kind < 0.4:
            new[k] = (value, False)
            return ["SET", k, value], new
        if kind < 0.5:
            new[k] = (value, True)
            return ["SET", k, value, "PX", NEAR_MS], new
        if kind < 0.6:
            new[k] = (value, False)
            return ["SET", k, value, "EX", 100000], new
        if kind < 0.75:
            new.pop(k, None)
            return ["DEL", k], new
        if kind < 0.85:
            small = value[:30]
            for key in self.keys:
                new[key] = (small, False)
            return ["MSET"] + [a for key in self.keys for a in (key, small)], new
        if kind < 0.95 and not new.get(k, (b"", False))[1]:
            tail = value[:50]
            new[k] = (new.get(k, (b"", False))[0] + tail, False)
            return ["APPEND", k, tail], new
        c = b"w%d:counter" % self.number
        new[c] = (b"%d" % (int(new.get(c, (b"0", False))[0]) + 1), False)
        return ["INCR", c], new

    def pipeline(self, c):
        """Some operations and their replies. False: an error."""
        wary = self.wary()
        operations = []
        for _ in range(1 if wary else self.random.randint(1, PIPELINE)):
            commands, state = self.operation(self.states[-1])
            operations.append(commands)
            self.states.append(state)
        c.send_raw(b"".join(resp.encode(x) for commands in operations for x in commands))
        for commands in operations:
            replies = [c.reply() for _ in commands]
            replies += replies[-1] if isinstance(replies[-1], list) and len(commands) > 1 else []
            done = self.accepts(commands, replies, wary)
            if done is None:
                return False
            if done:
                self.acknowledged += 1
            else:
                self.states.pop()
        self.states, self.acknowledged = self.states[-1:], 0
        return True

    def read(self, c):
        """What the server holds: all names, and the value of each."""
        names = self.keys + [b"w%d:counter" % self.number]
        found = dict(zip(names, c.call("MGET", *names)))
        version = c.ask("FCALL_RO", "v%d" % self.number, 0) if self.scripts else None
        found[self.library] = None if isinstance(version, resp.Error) else version
        return names + [self.library], found

    def check(self, c):
        """Which state the server is in: the index, or None; then goes on from it."""
        names, found = self.read(c)
        for i in range(self.acknowledged, len(self.states)):
            if matches(found, self.states[i], names):
                self.states = [{k: (v, False) for k, v in found.items() if v is not None}]
                lost = self.acknowledged
                self.acknowledged = 0
                return i - lost
        return None

    def explain(self, c):
        names, found = self.read(c)
        state = self.states[self.acknowledged]
        lines = ["writer %d: %d acknowledged, %d sent" % (self.number, self.acknowledged,
                                                          len(self.states) - 1)]
        for n in names:
            want = state.get(n, (None, False))
            if found[n] != want[0]:
                lines.append("  %r: found %r, last acknowledged state has %r%s" % (
                    n, clip(found[n]), clip(want[0]), " (mortal)" if want[1] else ""))
        return "\n".join(lines)


def clip(v):
    return v if v is None or len(v) < 60 else v[:40] + b"...(%d)" % len(v)


def matches(found, state, names):
    """A mortal key may be gone; every other must be there, and nothing else."""
    for n in names:
        value, mortal = state.get(n, (None, False))
        if found[n] != value and not (mortal and found[n] is None):
            return False
    return True
