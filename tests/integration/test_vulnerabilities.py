#!/usr/bin/python3
"""The known holes of servers of this protocol, a test a class, with the numbers under which they were told. Each
asks for the exact answer; then the server still serves others, and has not taken memory that it does not need."""

import os
import socket
import stat
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tests.integration import harness  # noqa: E402
from tests.integration.harness import (Process, Stave, expect, expect_error, free_port, info, is_closed, raw,  # noqa: E402
                                       rss, wait_until)
from tests.support import rdb, resp  # noqa: E402

MIB = 1 << 20
MOST, LEAST = (1 << 63) - 1, -1 << 63
RANGE = "ERR value is not an integer or out of range"


class Hostile(Stave):
    """A server whose memory may grow by `mib`, and that must be there at the end."""

    def __init__(self, args=None, mib=64):
        super().__init__(args)
        self.mib = mib

    def __enter__(self):
        self.start()
        self.c = self.connect()
        self.before = rss(self.process.pid)
        return self

    def __exit__(self, kind, *rest):
        try:
            if kind is None:
                found = self.connect().ask("PING")
                assert found == "PONG" or str(found).startswith("NOAUTH"), found
                grown = rss(self.process.pid) - self.before
                assert grown < self.mib * MIB, "memory has grown by %d MiB" % (grown // MIB)
        finally:
            self.close()


def answers(c, table):
    """Rows of (command line as words, the answer): an error by its whole text."""
    for line, wanted in table:
        words = line.split() if isinstance(line, str) else line
        found = c.ask(*words)
        found = str(found) if isinstance(found, resp.Error) else found
        expect(found, wanted, repr(line)[:200])


# ---- numbers -------------------------------------------------------------------------------------

def test_string_offsets():
    """CVE-2022-35977, CVE-2019-10192's cousins: SETRANGE, SETBIT and GETRANGE beyond what lengths can hold."""
    too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    bit = "ERR bit offset is not an integer or out of range"
    with Hostile() as s:
        s.c.call("SET", "s", "hello")
        answers(s.c, [
            ("SETRANGE a 536870912 x", too_long), ("SETRANGE a 4294967295 xyz", too_long),
            ("SETRANGE a %d x" % MOST, too_long), ("SETRANGE a -1 x", "ERR offset is out of range"),
            ("SETRANGE a %d x" % (MOST + 1), RANGE), ("SETRANGE a %d" % MOST + " " + "x" * 100, too_long),
            ("SETBIT a 4294967296 1", bit), ("SETBIT a -1 1", bit), ("SETBIT a %d 1" % MOST, bit),
            ("EXISTS a", 0),
            ("GETRANGE s %d %d" % (LEAST, MOST), b"hello"), ("GETRANGE s %d %d" % (MOST, LEAST), b""),
            ("GETRANGE s %d %d" % (LEAST, LEAST), b"h"), ("SUBSTR s 2147483648 4294967296", b""),
            ("APPEND s x", 6),
        ])


def test_bitfield():
    """CVE-2021-32761: offsets whose bytes do not fit, widths that are none, sums that wrap."""
    bit = "ERR bit offset is not an integer or out of range"
    kind = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
    with Hostile() as s:
        answers(s.c, [
            ("BITFIELD a SET u8 18446744073709551615 1", bit), ("BITFIELD a SET u8 #%d 1" % MOST, bit),
            ("BITFIELD a SET u8 #536870912 1", bit), ("BITFIELD a GET i64 -1", bit),
            ("BITFIELD a GET u64 0", kind), ("BITFIELD a GET i65 0", kind), ("BITFIELD a GET i0 0", kind),
            ("BITFIELD a GET u-1 0", kind), ("BITFIELD a GET u8 4294967288", [0]), ("EXISTS a", 0),
            ("BITFIELD a SET i64 0 %d" % MOST, [0]),
            ("BITFIELD a INCRBY i64 0 %d" % MOST, [-2]),
            ("BITFIELD a SET i64 0 %d OVERFLOW SAT INCRBY i64 0 %d" % (LEAST, LEAST), [-2, LEAST]),
            ("BITFIELD a OVERFLOW FAIL INCRBY i64 0 -1", [None]),
            ("BITFIELD a SET u63 0 %d OVERFLOW SAT INCRBY u63 0 %d" % (MOST, MOST), [1 << 62, MOST]),
            ("BITCOUNT a %d %d" % (LEAST, MOST), 63), ("BITPOS a 0 %d %d BIT" % (LEAST, MOST), 63),
        ])


def test_lpos():
    """RANK, whose opposite is taken; COUNT and MAXLEN at their ends."""
    with Hostile() as s:
        s.c.call("RPUSH", "l", "a", "b", "a")
        answers(s.c, [
            ("LPOS l a RANK %d" % LEAST, "ERR value is out of range, value must between %d and %d" % (-MOST, MOST)),
            ("LPOS l a RANK %d" % -MOST, None), ("LPOS l a RANK %d" % MOST, None),
            ("LPOS l a COUNT %d" % MOST, [0, 2]), ("LPOS l a RANK -1 COUNT %d MAXLEN %d" % (MOST, MOST), [2, 0]),
            ("LPOS l a COUNT -1", "ERR COUNT can't be negative"), ("LPOS l a MAXLEN -1", "ERR MAXLEN can't be negative"),
        ])


def test_random_counts():
    """CVE-2023-22458, CVE-2023-25155: counts whose opposite, or double, does not fit."""
    between = "ERR value is out of range, value must between %d and %d" % (-MOST, MOST)
    longer = "ERR the reply is longer than 1073741824 bytes"
    with Hostile() as s:
        s.c.call("HSET", "h", "a", 1)
        s.c.call("SADD", "s", "a")
        s.c.call("ZADD", "z", 1, "a")
        for command, key, values in (("HRANDFIELD", "h", "WITHVALUES"), ("ZRANDMEMBER", "z", "WITHSCORES"),
                                     ("SRANDMEMBER", "s", None)):
            head = "%s %s " % (command, key)
            answers(s.c, [(head + str(LEAST), between), (head + str(-MOST), longer), (head + str(MOST), [b"a"]),
                          (head + str(MOST + 1), RANGE), (head + "-3", [b"a"] * 3)])
            if values:
                for n in (LEAST // 2 - 1, LEAST // 2, MOST):
                    answers(s.c, [(head + "%d %s" % (n, values), "ERR value is out of range")])
                expect(len(s.c.call(command, key, -5, values)), 10)


@harness.scripts
def test_numbers_of_keys():
    """SINTERCARD, LMPOP and the others that are told how many keys follow."""
    greater = "ERR Number of keys can't be greater than number of args"
    with Hostile() as s:
        for n in (2, 1 << 32 | 1, MOST):
            answers(s.c, [
                ("SINTERCARD %d s" % n, greater), ("ZINTERCARD %d z" % n, "ERR syntax error"),
                ("LMPOP %d l LEFT" % n, "ERR syntax error"), ("BLMPOP 0 %d l LEFT" % n, "ERR syntax error"),
                ("ZMPOP %d z MIN" % n, "ERR syntax error"), ("ZUNION %d z" % n, "ERR syntax error"),
                ("ZDIFFSTORE d %d z" % n, "ERR syntax error"), (["EVAL", "return 1", n, "k"], greater),
            ])
        for n in (0, -1, LEAST):
            answers(s.c, [("SINTERCARD %d s" % n, "ERR numkeys should be greater than 0"),
                          ("LMPOP %d l LEFT" % n, "ERR numkeys should be greater than 0"),
                          ("ZUNION %d z" % n, "ERR at least 1 input key is needed for 'zunion' command")])
        answers(s.c, [(["EVAL", "return 1", -1], "ERR Number of keys can't be negative"),
                      ("LMPOP 1 l LEFT COUNT 0", "ERR count should be greater than 0"),
                      ("SINTERCARD 1 s LIMIT -1", "ERR LIMIT can't be negative")])


def test_streams():
    """CVE-2022-31144, CVE-2022-35951: XAUTOCLAIM's COUNT; ids and limits at their ends."""
    last = "%d-%d" % ((1 << 64) - 1, (1 << 64) - 1)
    count = "ERR COUNT must be > 0"
    bad_id = "ERR Invalid stream ID specified as stream command argument"
    with Hostile() as s:
        s.c.call("XADD", "x", "1-1", "a", "b")
        s.c.call("XGROUP", "CREATE", "x", "g", 0)
        s.c.call("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")
        answers(s.c, [("XAUTOCLAIM x g c 0 0 COUNT %d" % n, count) for n in (0, -1, LEAST, 1 << 60, MOST)])
        answers(s.c, [
            ("XAUTOCLAIM x g c 0 0 COUNT %d" % (MOST + 1), count),
            ("XAUTOCLAIM x g c 0 %s COUNT 1" % last, [b"0-0", [], []]),
            ("XAUTOCLAIM x g c 0 (%s" % last, "ERR invalid start ID for the interval"),
            ("XAUTOCLAIM x g d 0 0 COUNT 1 JUSTID", [b"0-0", [b"1-1"], []]),
            ("XADD x 18446744073709551616-0 a b", bad_id), ("XADD x MINID ~ 18446744073709551616 * a b", bad_id),
            ("XADD x MAXLEN -1 * a b", "ERR The MAXLEN argument must be >= 0."),
            ("XADD x MAXLEN ~ 1 LIMIT -1 * a b", "ERR The LIMIT argument must be >= 0."),
            ("XTRIM x MAXLEN %d" % MOST, 0), ("XTRIM x MAXLEN %d" % (MOST + 1), RANGE),
            ("XRANGE x - + COUNT %d" % MOST, [[b"1-1", [b"a", b"b"]]]), ("XRANGE x - + COUNT -1", None),
            ("XRANGE x (%s +" % last, "ERR invalid start ID for the interval"),
            ("XREVRANGE x (0-0 -", "ERR invalid end ID for the interval"),
            ("XADD x %s a b" % last, last.encode()),
            ("XADD x * a b", "ERR The stream has exhausted the last possible ID, unable to add more items"),
            ("XREAD STREAMS x %s" % last, None),
            ("XSETID x %s ENTRIESADDED -1" % last, "ERR entries_added must be positive"),
        ])


def test_sorted_counted_and_scanned():
    """CVE-2022-35977: SORT's LIMIT; the counts of the scans; times that do not fit."""
    with Hostile() as s:
        s.c.call("RPUSH", "l", 3, 1, 2)
        s.c.call("SET", "s", "x")
        invalid = "ERR invalid expire time in '%s' command"
        answers(s.c, [
            ("SORT l LIMIT 0 %d" % MOST, [b"1", b"2", b"3"]), ("SORT l LIMIT %d %d" % (MOST, MOST), []),
            ("SORT l LIMIT %d %d" % (LEAST, LEAST), [b"1", b"2", b"3"]),
            ("SORT l LIMIT 1 %d DESC" % MOST, [b"2", b"1"]),
            ("SORT l BY nosort GET # LIMIT 2 %d" % MOST, [b"2"]),
            ("SCAN 0 COUNT 0", "ERR syntax error"), ("SCAN 0 COUNT -1", "ERR syntax error"),
            ("SCAN 0 COUNT %d" % (MOST + 1), RANGE), ("SCAN 18446744073709551616", "ERR invalid cursor"),
            ("SCAN -1 COUNT 10", [b"0", []]),
            ("EXPIRE s %d" % MOST, invalid % "expire"), ("EXPIRE s %d" % LEAST, invalid % "expire"),
            ("PEXPIRE s %d" % MOST, invalid % "pexpire"), ("EXPIREAT s %d" % MOST, invalid % "expireat"),
            ("SET s v EX %d" % MOST, invalid % "set"), ("SET s v PX %d" % MOST, invalid % "set"),
            ("GETEX s EX %d" % MOST, invalid % "getex"), ("SETEX s %d v" % MOST, invalid % "setex"),
            ("GET s", b"x"), ("TTL s", -1),
            ("LTRIM l %d %d" % (LEAST, MOST), "OK"), ("LLEN l", 3), ("LINDEX l %d" % LEAST, None),
            ("LSET l %d x" % MOST, "ERR index out of range"),
        ])
        keys = s.c.call("SCAN", 0, "COUNT", MOST)
        expect((keys[0], sorted(keys[1])), (b"0", [b"l", b"s"]))


def test_float_increments():
    """CVE-2023-28856: HINCRBYFLOAT that is refused leaves nothing behind, and what is there stays a number."""
    with Hostile() as s:
        answers(s.c, [
            ("HINCRBYFLOAT h f nan", "ERR value is not a valid float"), ("EXISTS h", 0),
            ("HINCRBYFLOAT h f inf", "ERR value is NaN or Infinity"), ("EXISTS h", 0),
            ("HINCRBYFLOAT h f x", "ERR value is not a valid float"), ("EXISTS h", 0),
            ("INCRBYFLOAT f inf", "ERR increment would produce NaN or Infinity"),
            ("INCRBYFLOAT f nan", "ERR value is not a valid float"), ("EXISTS f", 0),
            ("HSET h f x", 1), ("HINCRBYFLOAT h f 1", "ERR hash value is not a float"), ("HGET h f", b"x"),
        ])
        answers(s.c, [("SET n %d" % MOST, "OK"), ("INCRBY n 1", "ERR increment or decrement would overflow"),
                      ("DECRBY n %d" % LEAST, "ERR decrement would overflow"),
                      ("HSET h n %d" % MOST, 1), ("HINCRBY h n 1", "ERR increment or decrement would overflow")])


def test_same_key_twice():
    """CVE-2023-28425: MSETNX with a key twice; LMOVE, SMOVE, RENAME, COPY and SINTERSTORE onto themselves."""
    with Hostile() as s:
        answers(s.c, [
            ("MSETNX m 1 m 2", 1), ("GET m", b"2"), ("MSETNX m 3 n 4", 0), ("EXISTS n", 0),
            ("RPUSH l 1 2 3", 3), ("LMOVE l l LEFT RIGHT", b"1"), ("LRANGE l 0 -1", [b"2", b"3", b"1"]),
            ("BLMOVE l l RIGHT LEFT 0", b"1"), ("RPOPLPUSH l l", b"3"), ("LRANGE l 0 -1", [b"3", b"1", b"2"]),
            ("RPUSH one x", 1), ("LMOVE one one LEFT LEFT", b"x"), ("LRANGE one 0 -1", [b"x"]),
            ("SADD s a", 1), ("SMOVE s s a", 1), ("SINTERSTORE s s s", 1), ("SMEMBERS s", [b"a"]),
            ("ZADD z 1 a", 1), ("ZUNIONSTORE z 2 z z", 1), ("ZSCORE z a", b"2"),
            ("RENAME m m", "OK"), ("RENAMENX m m", 0),
            ("COPY m m", "ERR source and destination objects are the same"),
            ("BLPOP l l l 0", [b"l", b"3"]), ("DEL m m m", 1), ("SUNION s s", [b"a"]),
        ])


# ---- patterns and text ---------------------------------------------------------------------------

@harness.scripts
def test_patterns():
    """CVE-2022-36021, CVE-2022-3647: many stars take no more than pattern times text; CVE-2024-31228: a long
    pattern is no deep recursion."""
    text, stars, long = "a" * 200, "a*" * 100 + "b", "*a" * 50000
    with Hostile() as s:
        c = s.c
        c.call("SET", text, "v")
        c.call("HSET", "h", text, "v")
        c.call("SADD", "s", text)
        c.call("ZADD", "z", 1, text)
        start = time.monotonic()
        for pattern in (stars, long, "[" * 10000, "\\" * 9999, "?*" * 5000):
            answers(c, [
                (["KEYS", pattern], []), (["SCAN", 0, "MATCH", pattern, "COUNT", 10], [b"0", []]),
                (["HSCAN", "h", 0, "MATCH", pattern], [b"0", []]), (["SSCAN", "s", 0, "MATCH", pattern], [b"0", []]),
                (["ZSCAN", "z", 0, "MATCH", pattern], [b"0", []]), (["CONFIG", "GET", pattern], []),
                (["COMMAND", "LIST", "FILTERBY", "PATTERN", pattern], []),
                (["PUBSUB", "CHANNELS", pattern], []),
                (["FUNCTION", "LIST", "LIBRARYNAME", pattern], []),
            ])
        other = s.connect()
        expect(other.call("PSUBSCRIBE", stars), [b"psubscribe", stars.encode(), 1])
        expect(c.call("PUBLISH", text, "m"), 0)
        took = time.monotonic() - start
        assert took < 60, "%.1f s" % took


def test_lcs():
    """CVE-2021-29477, CVE-2021-32625: the table of LCS is as large as one string times the other."""
    with Hostile(mib=200) as s:
        s.c.call("SET", "a", "x" * 100000)
        s.c.call("SET", "b", "y" * 100000)
        s.c.call("SET", "short", "xyz")
        found = s.c.ask("LCS", "a", "b")
        expect_error(found, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
        expect(s.c.call("LCS", "a", "short", "LEN"), 1)


@harness.scripts
def test_text_in_answers():
    """What a client says does not end the line of an error, nor of a list: names, commands, users, scripts."""
    with Hostile() as s:
        names = "ERR Client names cannot contain spaces, newlines or special characters."
        answers(s.c, [
            (["CLIENT", "SETNAME", "a\r\nb"], names), (["CLIENT", "SETNAME", "a b"], names),
            (["CLIENT", "SETINFO", "lib-name", "a\nb"],
             "ERR lib-name cannot contain spaces, newlines or special characters."),
            (["HELLO", "3", "SETNAME", "a\nb"], names),
            (["a\r\n+OK\r\n"], "ERR unknown command 'a  +OK  ', with args beginning with: "),
            (["GET", "a\r\n", "b\r\n"], "ERR wrong number of arguments for 'get' command"),
            (["CONFIG", "a\r\nb"], "ERR unknown subcommand 'a  b'. Try CONFIG HELP."),
            (["EVAL", "return redis.error_reply('a\\r\\n+b')", 0], "ERR a  +b"),
            (["EVAL", "return redis.status_reply('a\\r\\n+b')", 0], "a  +b"),
            (["EVAL", "error('a\\r\\n+b')", 0],
             "ERR user_script:1: a  +b script: d6d2cf8d0d2d7bf92b93fd9c4b4d5e5b5ed5b6bf, on @user_script:1."),
        ][:9])
        found = str(s.c.ask("EVAL", "error('a\\r\\n+b')", 0))
        assert found.startswith("ERR user_script:1: a  +b script: "), found
        listed = s.c.call("CLIENT", "LIST").decode()
        expect(listed.count("\n"), 1)
        expect(s.c.call("PING"), "PONG")


# ---- scripts -------------------------------------------------------------------------------------

def script(c, text, *args):
    """What a script answers; of an error, its text without where it was."""
    found = c.ask("EVAL", text, 0, *args)
    return str(found).split(" script: ")[0] if isinstance(found, resp.Error) else found


def scripts(c, table):
    for text, wanted in table:
        expect(script(c, text), wanted, text[:300])


@harness.scripts
def test_lua_unpack():
    """CVE-2025-46817, CVE-2020-14147's like: a range whose length wraps, results that no stack holds."""
    many = "ERR user_script:1: too many results to unpack"
    with Hostile() as s:
        scripts(s.c, [
            ("return {unpack({1,2,3}, -2, 2^31-1)}", many), ("return {unpack({1}, -2^31, 2^31-1)}", many),
            ("return {unpack({1}, 0, 2^31-1)}", many), ("return {unpack({1}, 1, 8000)}", many), ("return #{unpack({1}, 2^31-1, 2^31-1)}", 0),
            ("return {unpack({1,2,3}, 2, 3)}", [2, 3]), ("return {unpack({1,2,3}, 3, 2)}", []),
            ("return #{string.byte(string.rep('x', 7000), 1, -1)}", 7000),
            ("return redis.call(unpack({'ECHO', 'x'}))", b"x"),
        ])
        expect_error(s.c.ask("EVAL", "return {string.byte(string.rep('x', 100000), 1, -1)}", 0), "ERR ")


@harness.scripts
def test_lua_libraries():
    """CVE-2018-11218, CVE-2018-11219, CVE-2020-14147 (cmsgpack, struct), CVE-2022-24834 (cjson), CVE-2024-31449
    (bit.tohex): see also tests/unit/script."""
    with Hostile(mib=600) as s:
        scripts(s.c, [
            ("return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "ERR user_script:1: Missing bytes in input."),
            ("return cmsgpack.unpack(string.rep('\\145', 100000))", "ERR user_script:1: stack overflow (too many return "
             "values at once; use unpack_one or unpack_limit instead.)"),
            ("return struct.pack('I2147483647', 1)",
             "ERR user_script:1: integral size 2147483647 is larger than limit of 32"),
            ("return struct.pack('c4294967296', '')", "ERR user_script:1: integral size overflow"),
            ("return {struct.unpack('i', 'abcd', 2^62)}",
             "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)"),
            ("return bit.tohex(65535, -2147483648)", b"0000FFFF"),
            ("local t = {} t[1] = t return cjson.encode(t)",
             "ERR user_script:1: Cannot serialise, excessive nesting (1001)"),
            ("return cjson.decode(string.rep('[', 1001))",
             "ERR user_script:1: Found too many nested data structures (1001) at character 1001"),
        ])
        for text in ("local x = string.rep('\\1', 2^26) return #cjson.encode({x, x, x, x})",
                     "local t = string.rep('x', 2^24) for i = 1, 9 do t = {t, t, t, t, t} end return #cjson.encode(t)",
                     "local t = string.rep('x', 2^24) for i = 1, 9 do t = {t, t, t, t, t} end return #cmsgpack.pack(t)",
                     "return string.rep('x', 2^30)", "local t = {} while true do t[#t + 1] = {} end"):
            found = script(s.c, text)
            assert "not enough memory" in str(found), (text, found)
        scripts(s.c, [("return 1", 1)])


@harness.scripts
def test_lua_sandbox():
    """CVE-2022-0543 (package), CVE-2015-4335 (bytecode), CVE-2022-24735, CVE-2025-46818 (tables and metatables that
    others use), CVE-2024-46981 (finalizers), CVE-2022-24736, CVE-2021-32626."""
    readonly = "ERR user_script:1: Attempt to modify a readonly table"
    with Hostile() as s:
        c = s.c
        for name in ("package", "require", "io", "debug", "dofile", "loadfile", "newproxy", "module", "getfenv",
                     "setfenv", "print"):
            expect(script(c, "return %s" % name),
                   "ERR user_script:1: Script attempted to access nonexistent global variable '%s'" % name)
        for name in ("execute", "exit", "getenv", "remove", "rename", "tmpname", "setlocale", "time"):
            expect(script(c, "return type(os.%s)" % name), b"nil", name)
        expect(script(c, "return tostring((loadstring(string.dump(function() end))))"), b"nil")
        scripts(c, [
            ("x = 1", "ERR user_script:1: Attempt to modify a readonly table"),
            ("redis.call = nil", readonly), ("string.rep = nil", readonly), ("table.insert(math, 1)",
                                                                             "ERR Attempt to modify a readonly table"),
            ("rawset(redis, 'call', 1)", "ERR Attempt to modify a readonly table"),
            ("setmetatable(_G, {})", "ERR Attempt to modify a readonly table"),
            ("_G.x = 1", readonly), ("getmetatable('').__index = 1", readonly),
            ("getmetatable('').__index.rep = 1", readonly), ("cjson.encode = 1", readonly),
            ("bit.band = 1", readonly), ("struct.x = 1", readonly), ("cmsgpack.pack = 1", readonly),
        ])
        for text in ("\27Lua", "return loadstring('\27LuaQ')()", "return load(function() return '\27Lua' end)()"):
            expect_error(c.ask("EVAL", text, 0), "ERR ")
        for text in ("local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x",
                     "local function f() return f() + 1 end return f()",
                     "return loadstring(string.rep('(', 10000) .. '1' .. string.rep(')', 10000))()",
                     "return loadstring('return ' .. string.rep('{', 1000000))()",
                     "local s = 'x' for i = 1, 1000 do s = '(' .. s .. ')' end return (string.gsub('x', s, ''))",
                     "return string.format('%99999d', 1)",
                     "local c = coroutine.wrap(function() error({}) end) c()",
                     "local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() return true end) error('x')",
                     "return redis.call(redis)", "return redis.call()", "return redis.call('EVAL', 'return 1', 0)",
                     "return redis.call({})", "redis.log()", "return redis.sha1hex()", "redis.setresp(9)",
                     "return cjson.decode(cjson)", "error()", "error(nil)", "error({err = {}})",
                     "return redis.error_reply(redis)"):
            c.ask("EVAL", text, 0)
            expect(c.call("PING"), "PONG", text)
        scripts(c, [("return type(redis.call)", b"function"), ("return ('x'):rep(3)", b"xxx")])


@harness.scripts
def test_lua_use_after_free():
    """CVE-2025-49844: the collector runs while a chunk is compiled; CVE-2025-46819: a bracket's level is counted."""
    with Hostile(mib=300) as s:
        for i in range(60):
            script(s.c, "collectgarbage('setpause', 0) local t = {} for i = 1, 200 do t[i] = loadstring('return \"' .. "
                   "string.rep('x', i * 50) .. '\"', string.rep('n', i * 30)) end return #t[%d]()" % (i + 1))
        found = script(s.c, "return loadstring('return [' .. string.rep('=', 2^20) .. '[x')")
        assert found is None or isinstance(found, (str, bytes)), found
        scripts(s.c, [("return 1", 1)])


# ---- values that are not what they should be -----------------------------------------------------

def test_hyperloglogs():
    """CVE-2019-10192, CVE-2019-10193, CVE-2025-32023: registers that do not add up to 16384."""
    invalid = "INVALIDOBJ Corrupted HLL object detected"
    head = b"HYLL\1\0\0\0" + b"\0" * 7 + b"\x80"  # the count must be computed
    with Hostile() as s:
        for body in (b"", b"\x7f\xff" * 3, b"\x7f\xff" * 100000, b"\xff" * 20000, b"\x80" * 5, b"\0" * 70000,
                     b"\x7f"):
            s.c.call("SET", "k", head + body)
            expect(str(s.c.ask("PFCOUNT", "k")), invalid, body[:10])
            expect(str(s.c.ask("PFMERGE", "d", "k")), invalid, body[:10])
            s.c.ask("PFADD", "k", *range(100))
            s.c.ask("PFDEBUG", "GETREG", "k")
        for value in (b"HYLL", b"HYLL\0" + b"\0" * 11, b"HYLL\0" + b"\0" * 20000, b"HYLL\2" + b"\0" * 20):
            s.c.call("SET", "k", value)
            expect_error(s.c.ask("PFCOUNT", "k"), "WRONGTYPE Key is not a valid HyperLogLog string value.")


def test_keys_of_a_command_line():
    """CVE-2023-36824: COMMAND GETKEYS of lines whose keys cannot be found."""
    with Hostile() as s:
        for line in ("EVAL x %d" % MOST, "EVAL x 1"):  # no error, as in Redis, and no key
            expect(s.c.ask("COMMAND", "GETKEYS", *line.split()), [])
            expect(s.c.ask("COMMAND", "GETKEYSANDFLAGS", *line.split()), [])
        for line in ("ZUNIONSTORE d %d k" % MOST, "LMPOP -1 k LEFT",
                     "XREAD STREAMS", "XREADGROUP GROUP a b STREAMS", "MSET a", "SINTERCARD 2147483648 k", "BLMPOP 0 99999999999 k LEFT"):
            words = line.split()
            expect_error(s.c.ask("COMMAND", "GETKEYS", *words), "ERR ")
            expect_error(s.c.ask("COMMAND", "GETKEYSANDFLAGS", *words), "ERR ")
        answers(s.c, [("COMMAND GETKEYS MSET a 1 b 2", [b"a", b"b"]),
                      ("COMMAND GETKEYS MIGRATE h 1 k 0 1 KEYS", [b"k"]), ("COMMAND GETKEYS SORT k BY", [b"k"])])


def test_access_rules():
    """CVE-2024-31227, CVE-2024-51741, CVE-2023-41053: rules that are cut short or mean nothing; a user without keys
    sees none of them."""
    with Hostile() as s:
        if s.c.ask("COMMAND", "INFO", "acl")[0] is None:
            raise harness.Skip("no ACL")
        for rule in ("%", "%~", "%R", "%RW", "%X~k", "%~x", "%RR", "(", ")", "()", "(+get", "(%R)", "(%R~a (b))", "((+get))",
                     "+", "-", "+@", "-@nope", "+get|", "+|", "+nope|x", "+config|get|x", "#", "#abc", "!x", "&&" * 3000,
                     "~" * 5000, "(" * 5000, "%R~" * 5000, "\\", "\0", "+" + "x" * 100000):
            s.c.ask("ACL", "SETUSER", "u", rule)
            found = s.c.ask("ACL", "LIST")
            assert isinstance(found, list), (rule, found)
            s.c.ask("ACL", "DRYRUN", "u", "GET", "k")
            s.c.ask("ACL", "DELUSER", "u")
        expect(s.c.ask("ACL", "SETUSER", "v", "on", "nopass", "+@all", "~mine*"), "OK")
        s.c.call("RPUSH", "mine", 1)
        s.c.call("SET", "other_1", "secret")
        v = s.connect()
        expect(v.call("AUTH", "v", "x"), "OK")
        for line in ("SORT_RO mine BY nosort GET other_*", "SORT mine GET other_*", "GET other_1", "COPY other_1 mine2"):
            assert isinstance(v.ask(*line.split()), resp.Error), line


def test_evicted_while_served():
    """CVE-2026-23479: a client that waits for a key is closed for its memory in the moment it is served."""
    with Hostile(mib=200) as s:
        for _ in range(5):
            s.c.call("CONFIG", "SET", "maxmemory-clients", 0)
            waiting = []
            for _ in range(20):
                one = s.connect()
                one.send("BLMPOP", 0, 2, "k", "x" * 500000, "LEFT")
                waiting.append(one)
            wait_until(lambda: info(s.c, "blocked_clients") == 20, "all wait")
            s.c.send_raw(resp.encode(["MULTI"]) + resp.encode(["CONFIG", "SET", "maxmemory-clients", 1 << 20]) +
                         resp.encode(["RPUSH", "k"] + ["v" * 200000] * 30) + resp.encode(["EXEC"]))
            try:
                for _ in range(4):
                    s.c._reply() if hasattr(s.c, "_reply") else s.c.raw_reply()
            except (EOFError, OSError):
                pass
            for one in waiting:
                one.close()
            s.c = s.connect()
            s.c.ask("CONFIG", "SET", "maxmemory-clients", 0)
            s.c.ask("DEL", "k")


# ---- before a password ---------------------------------------------------------------------------

def test_before_a_password():
    """CVE-2021-32675: counts and lengths that are announced before AUTH. CVE-2025-21605: a client that never
    reads what it is refused, however often it asks."""
    with Hostile({"requirepass": "secret"}) as s:
        for bytes_, wanted in ((b"*1000000\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
                               (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
                               (b"*1\r\n$1000000\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
                               (b"*1\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
                               (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
                               (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n")):
            with raw(s.port) as one:
                one.sendall(bytes_)
                found = b""
                while True:
                    try:
                        piece = one.recv(1000)
                    except ConnectionError:
                        break
                    if not piece:
                        break
                    found += piece
                expect(found, wanted, bytes_)
        with raw(s.port) as one:
            one.setblocking(False)
            sent, flood, end = 0, b"GET k\r\n" * 5000, time.monotonic() + 3
            try:
                while time.monotonic() < end and sent < 200 * MIB:
                    try:
                        sent += one.send(flood)
                    except BlockingIOError:
                        time.sleep(0.01)
            except ConnectionError:
                pass
            grown = rss(s.process.pid) - s.before
            assert grown < 32 * MIB, "memory has grown by %d MiB" % (grown // MIB)


def test_announced_lengths():
    """CVE-2021-21309, CVE-2021-41099: a limit of lengths at its end, and lengths beyond: nothing is taken before
    it comes."""
    too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    bit = "ERR bit offset is not an integer or out of range"
    many = []
    with Hostile() as s:
        answers(s.c, [("CONFIG SET proto-max-bulk-len %d" % MOST, "OK")])
        for head in (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\nx" % MOST, b"*2147483647\r\n$1\r\nx\r\n$536870912\r\n",
                     b"*1\r\n$536870912\r\n"):
            for _ in range(10):
                one = raw(s.port)
                one.sendall(head)
                many.append(one)
        answers(s.c, [("PING", "PONG"), ("SETRANGE k %d x" % (MOST - 1), too_long), ("SETBIT k %d 1" % MOST, bit),
                      ("EXISTS k", 0), ("MEMORY USAGE k", None)])
        for one in many:
            one.close()


def test_other_protocols():
    """CVE-2016-10517: a browser's request is the last that is read, and nothing of its body runs."""
    with Hostile() as s:
        for request in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nSET k v\r\n\r\n",
                        b"host: x\r\nSET k v\r\n"):
            with raw(s.port) as one:
                one.sendall(request)
                is_closed(one)
        expect(s.c.call("EXISTS", "k"), 0)


def test_protected_mode_needs_no_peer():
    """Without a password nobody from another machine is served; the loopback is."""
    with Hostile({"protected-mode": "yes"}) as s:
        expect(s.c.call("CONFIG", "GET", "protected-mode"), [b"protected-mode", b"yes"])
        expect_error(s.c.ask("CONFIG", "SET", "enable-debug-command", "yes"), "ERR CONFIG SET failed")
        expect_error(s.c.ask("CONFIG", "SET", "dir", "/"), "ERR CONFIG SET failed")


def test_unix_socket():
    """CVE-2023-45145: the socket has its mode before anybody can see it."""
    with Stave().start() as s:
        path = os.path.join(s.directory, "one.sock")
        with Process("--port", 0, "--unixsocket", path, "--unixsocketperm", "700", "--dir",
                     os.path.join(s.directory, "other"), before=lambda: os.umask(0) and None) as p:
            c = p.connect(unix=path)
            expect(c.call("PING"), "PONG")
            expect(stat.S_IMODE(os.stat(path).st_mode), 0o700)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
