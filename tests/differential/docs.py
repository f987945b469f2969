"""COMMAND DOCS and COMMAND GETKEYS, beside the reference's.

Of the docs, all is compared but what is said in words (summary, complexity, history's sentences; versions of
history count), arguments' names and display_text, which 7.2 made anew."""

import re

# Where 7.2, or what came after it, differs: whole arguments or fields, by the path that is printed.
DIFFERENT = {
    "acl|log.history": "7.2: entry ids and times",
    "bitop.arguments[0]": "7.2: a choice of words, not a string",
    "client|kill.arguments": "7.2: SKIPME is a choice, old form not marked",
    "client|kill.history": "7.4: MAXAGE",
    "client|list.arguments": "7.2: ID takes the ids themselves",
    "command|getkeys.arguments": "7.2: has some",
    "command|getkeysandflags.arguments": "7.2: has some",
    "config|get.arguments": "7.2: parameter itself is repeated",
    "debug.arguments": "7.0: none",
    "geohash.arguments[1]": "7.2: members are optional",
    "geopos.arguments[1]": "7.2: members are optional",
    "georadius.arguments": "7.2: STORE and STOREDIST are alternatives, COUNT a block",
    "georadius_ro.history": "7.2: upper case units",
    "georadiusbymember.arguments": "7.2: as of GEORADIUS",
    "georadiusbymember.history": "7.2: ANY",
    "georadiusbymember_ro.history": "7.2: ANY, upper case units",
    "hscan.arguments": "7.4: NOVALUES",
    "hscan.history": "7.4: NOVALUES",
    "migrate.arguments[2]": "7.2: the empty string's token is two quotes",
    "migrate.arguments[7]": "7.2: AUTH and AUTH2 are not optional within their choice",
    "pfmerge.arguments[1]": "7.2: sources are optional",
    "psubscribe.arguments[0].type": "7.2: patterns are no block of one",
    "psubscribe.arguments[0].arguments": "7.2: as above",
    "quit.deprecated_since": "7.2: deprecated", "quit.doc_flags": "7.2", "quit.replaced_by": "7.2",
    "xinfo|consumers.history": "7.2: inactive",
    "xinfo|stream.arguments[1]": "7.2: FULL is a word in a block",
    "xinfo|stream.history": "7.2: active-time",
    "zrank.arguments": "7.2: WITHSCORE", "zrank.history": "7.2: WITHSCORE",
    "zrevrank.arguments": "7.2: WITHSCORE", "zrevrank.history": "7.2: WITHSCORE",
}

WORDS = ("summary", "complexity", "display_text", "subcommands")

GETKEYS = """hset h f v|hget h f|hscan h 0|hrandfield h 3|hmset h a b|lpush l a b|blpop a b 0|brpop a 0
blmove a b left right 0|brpoplpush a b 0|blmpop 0 2 a b left|blmpop 0 3 a b left|lmpop 2 a b left count 3
lmpop x a b|lmpop 0 a left|lmpop 1 a|lmove a b left left|rpoplpush a b|lpos a x|linsert l before a b
sinter a b c|sinterstore d a b|sunion a|sdiffstore d a b c|sintercard 2 a b limit 1|sintercard 5 a b|smove a b m
sscan s 0|spop a 3|zadd z 1 a|zadd z nx ch 1 a|zrange z 0 -1|zrangestore d s 0 -1|zunion 2 a b weights 1 2
zunionstore d 2 a b aggregate max|zinterstore d 1 a|zdiff 2 a b withscores|zdiffstore d 2 a b|zintercard 2 a b
zmpop 1 a min|bzmpop 0 2 a b max|bzpopmin a b 0|zinter 0 a|zunionstore d 100 a b|zunion -1 a
zinter 99999999999999999999 a|geoadd g 1 2 m|geosearch g frommember m byradius 1 m
geosearchstore d s frommember m byradius 1 m|georadius g 1 2 3 m|georadius g 1 2 3 m store d
georadius g 1 2 3 m store d storedist e|georadiusbymember g m 3 m storedist x|georadius_ro g 1 2 3 m
xadd s * a b|xread streams a b 0 0|xread count 2 block 0 streams a 0|xread streams a b 0|xread count 2
xreadgroup group g c streams a b > >|xreadgroup group g c noack count 2 streams a >
xreadgroup group streams c streams a >|xgroup create k g 0|xinfo stream k|xack k g 1-1|xclaim k g c 0 1-1
xpending k g|xtrim k maxlen 3|xsetid k 1-1|xdel k 1-1|xrange k - +|pfadd p a|pfcount a b|pfmerge d a b|pfmerge d
pfdebug getreg k|pfdebug encoding k|sort k|sort k by x* get # get y* store d|sort k store a store b
sort k limit 0 1 store|sort_ro k by x|sort k get store store d|dump k|restore k 0 x|migrate h 1 k 0 100
migrate h 1 "" 0 100 keys a b|migrate h 1 "" 0 100 copy auth x keys a b|copy a b|copy a b db 1|rename a b|move a 1
object encoding k|memory usage k|type k|del a b c|touch a|object freq k|lcs a b|bitop and d a b|mget a b
mset a 1 b 2|getset a b|set a b get|debug object k|expire k 1 nx|keys *|swapdb 0 1
FCALL f 2 a b c|FCALL f 0|FCALL f 9 a|FCALL_RO f x a|EVAL s 9 a|EVAL_RO s -1 a|EVALSHA s 1 a b"""


def as_map(flat):
    """{name: value} of an array of both, names as text."""
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def differences(path, left, right):
    """The paths at which two commands, or arguments, are told differently, with what is there."""
    if path in DIFFERENT:
        return
    left, right = as_map(left), as_map(right)
    for name in sorted(set(left) | set(right)):
        at = "%s.%s" % (path, name)
        x, y = left.get(name), right.get(name)
        if name in WORDS or at in DIFFERENT or ("arguments" in path and name == "name"):
            continue
        if name == "arguments" and x and y and len(x) == len(y):
            for i, (a, b) in enumerate(zip(x, y)):
                yield from differences("%s[%d]" % (at, i), a, b)
            continue
        if name == "history":
            x, y = sorted({h[0] for h in x or []}), sorted({h[0] for h in y or []})
        if name == "flags" and x and y:
            x, y = sorted(x), sorted(y)
        if x != y:
            yield at, x, y


def rows(connection):
    """{name: docs} of all commands and subcommands ("xinfo|stream")."""
    out = {}
    for name, docs in as_map(connection.call("COMMAND", "DOCS")).items():
        out[name] = docs
        out.update(as_map(as_map(docs).get("subcommands", [])))
    return out


def run_docs(stave, reference, commands):
    """Of all commands that both have; `commands` are those that must be there."""
    ok = bad = 0
    a, b = stave.connect(), reference.connect()
    left, right = rows(a), rows(b)
    for name in sorted(set(commands) | (set(left) & set(right))):
        found = list(differences(name, left[name], right[name])) if name in left and name in right else [
            ("is missing", name in left, name in right)]
        ok, bad = ok + (not found), bad + bool(found)
        for at, x, y in found:
            print("FAILED: COMMAND DOCS %s %s\n  stave:     %r\n  reference: %r" % (name, at, x, y))
    a.close()
    b.close()
    return ok, bad


def run_getkeys(stave, reference):
    ok = bad = 0
    a, b = stave.connect(), reference.connect()
    for line in re.split(r"[|\n]", GETKEYS):
        command = [b"" if w == '""' else w for w in line.split()]
        for sub in ("GETKEYS", "GETKEYSANDFLAGS"):
            left, right = a.ask("COMMAND", sub, *command), b.ask("COMMAND", sub, *command)
            same = repr(left) == repr(right)
            ok, bad = ok + same, bad + (not same)
            if not same:
                print("FAILED: COMMAND %s %s\n  stave:     %r\n  reference: %r" % (sub, line, left, right))
    a.close()
    b.close()
    return ok, bad
