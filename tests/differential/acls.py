"""Users: random rules to both servers, then what each says of the user, and what he may run.

Where 7.2 differs from the reference's 7.0 it is made equal here:
  commands     7.2 shows the rules as they were given, 7.0 makes the shortest that give the same bits: only
               what the user may run is compared
  flags        7.2 has sanitize-payload from the beginning
  keys         %RW~* is shown as it was given: as ~* it could not be given again (src/acl/README.md)
  DRYRUN       7.2 names the user
  not drawn    %~x and % (7.0 fails at the user's next description), a parenthesis within a selector"""

import random

from tests.differential import compare
from tests.support import resp

CATEGORIES = ("read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow blocking "
              "dangerous connection transaction scripting keyspace all nope").split()
COMMANDS = ("get set del mget rename config config|get config|set client client|list client|kill select publish "
            "subscribe psubscribe sort copy xadd zunionstore acl acl|whoami ping auth nope config|nope select|0 select|Ab "
            "get|x config|get|x eval debug debug|object").split()
PATTERNS = "* a b* ab [ab]? a\\* ? \"q o) *b".split() + [""]
LINES = """get a|set b 1|mget a b ab|del ab|rename a b|copy a b|config get x|config set x y|client list|client kill x
select 0|select ab|select 1|publish a x|subscribe a b|psubscribe b*|psubscribe a|sort a by x*|sort a get #|ping|auth x
xadd a * b c|zunionstore a 2 b ab|acl whoami|eval x 1 a|eval x 0|debug object a|lpush b 1|exists a|object encoding b
bitop and a b ab|xreadgroup group g c streams a b > >|georadius a 1 2 3 m store b|set a b get|getex a|type b|spublish a x
ssubscribe b|pfcount a b|migrate h 1 a 0 1|migrate h 1 "" 0 1 keys a b|lmpop 2 a b left|sintercard 1 a|memory usage a
touch b|watch a|unlink b|xgroup create a g $|lmove a b left right|geosearchstore a b fromlonlat 1 1 byradius 1 m"""
FLAGS = ["on", "off", "ON", "nopass", "resetpass", ">x", ">y", "<x", "<z", "reset", "sanitize-payload",
         "skip-sanitize-payload", "clearselectors", "#abc", "!" + "0" * 64, "#" + "a" * 64, "", "nope", ")"]
WORDS = ["allkeys", "resetkeys", "allchannels", "resetchannels", "allcommands", "nocommands", "AllKeys"]


def permission(r):
    """One rule of a selector."""
    kind = r.randrange(12)
    if kind < 4:
        return r.choice("+++-") + r.choice(COMMANDS)
    if kind < 7:
        return r.choice("++-") + "@" + r.choice(CATEGORIES)
    if kind < 9:
        return r.choice(["~", "~", "%R~", "%W~", "%rw~", "%WR~", "%RR~", "%X~", "%R"]) + r.choice(PATTERNS)
    if kind < 10:
        return "&" + r.choice(PATTERNS)
    return r.choice(WORDS)


def rules(r):
    out = []
    for _ in range(r.randint(0, 8)):
        draw = r.random()
        if draw < 0.2:
            out.append(r.choice(FLAGS))
        elif draw < 0.3:
            inner = [permission(r) for _ in range(r.randint(0, 4))]
            inner = [w for w in inner if not set(w) & set("\"')")]
            text = "(" + " ".join(inner) + ")"
            out += [text] if r.random() < 0.6 else text.split(" ")
        else:
            out.append(permission(r))
    return out + (["(+get", "~x"] if r.random() < 0.03 else [])


def described(flat):
    """GETUSER's answer, without what 7.2 tells in another way."""
    if flat is None:
        return None
    told = dict(zip(flat[::2], flat[1::2]))
    told.pop(b"commands")
    told[b"flags"] = [f for f in told[b"flags"] if f != b"sanitize-payload"]
    told[b"keys"] = told[b"keys"].replace(b"%RW~*", b"~*")
    told[b"selectors"] = [[s[3].replace(b"%RW~*", b"~*"), s[5]] for s in told[b"selectors"]]
    return told


def said(reply):
    """A refusal's words."""
    text = reply if isinstance(reply, bytes) else str(reply).encode()
    return text.replace(b"This user has", b"User u has")


def run_seed(seed, stave, reference, count):
    r = random.Random(seed)
    a, b = stave.connect(), reference.connect()

    def both(*args):
        x, y = a.ask(*args), b.ask(*args)
        if isinstance(x, resp.Error) or isinstance(y, resp.Error) or x in ("OK", b"OK"):
            if said(x) != said(y):
                raise compare.Mismatch("%r\n  stave:     %r\n  reference: %r" % (args, x, y))
        return x, y

    try:
        for _ in range(count):
            given = rules(r)
            both("ACL", "SETUSER", "u", *given)
            x, y = both("ACL", "GETUSER", "u")
            if described(x) != described(y):
                raise compare.Mismatch("GETUSER after %r\n  stave:     %r\n  reference: %r" % (given, x, y))
            if x is None:
                continue
            for line in r.sample(LINES.replace("\n", "|").split("|"), 12):
                words = [w if w != '""' else "" for w in line.split()]
                p, q = a.ask("ACL", "DRYRUN", "u", *words), b.ask("ACL", "DRYRUN", "u", *words)
                if said(p) != said(q):
                    raise compare.Mismatch("%s after %r\n  stave:     %r\n  reference: %r\n  %r\n  %r" % (
                        line, given, p, q, x, y))
            if r.random() < 0.1:
                both("ACL", "DELUSER", "u")
        both("ACL", "DELUSER", "u")
    finally:
        a.ask("ACL", "DELUSER", "u")
        b.ask("ACL", "DELUSER", "u")
        a.close()
        b.close()
