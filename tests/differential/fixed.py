"""Comparisons that are not random: raw protocol streams, errors of arity, COMMAND INFO, DOCS and GETKEYS,
HELLO."""

import re
import socket

from tests.differential import docs, infos, tracking
from tests.differential.generate import FAMILIES, TABLE
from tests.support import resp

BIG = b"x" * 200000  # beyond the 64 KiB of an inline request, wherever the reads end

# Bytes as a client might send them; both servers must answer alike and close, or not, alike.
STREAMS = [
    b"PING\r\n", b"PING\n", b"  PING  hello \r\n", b"\r\n\r\nPING\r\n", b"ECHO \"a b\\x41\\n\"\r\n",
    b"ECHO 'it\\'s'\r\n", b"ECHO \"unbalanced\r\nPING\r\n", b"ECHO 'a'b\r\n", b"SET a \"\"\r\nGET a\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", b"*0\r\nPING\r\n", b"*-1\r\nPING\r\n", b"*-10\r\nPING\r\n",
    b"*abc\r\nPING\r\n", b"*1048577\r\n", b"*2147483648\r\n", b"*9223372036854775808\r\n", b"*\r\nPING\r\n",
    b"*1 \r\n$4\r\nPING\r\n", b"*+1\r\n$4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n",
    b"*1\r\n+PING\r\n", b"*1\r\nPING\r\n", b"*1\r\n$abc\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$-5\r\nPING\r\n",
    b"*1\r\n$536870913\r\n", b"*1\r\n$99999999999999999999\r\n", b"*1\r\n$4\r\nPINGxx",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", b"*1\r\n$0\r\n\r\n", b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*" + b"1" * 70000, b"*1\r\n$" + b"1" * 70000, BIG, b"ECHO " + BIG + b"\r\n",
    b"GET\r\nGET a b c\r\n", b"NOSUCH a b c\r\n", b"nosuch\r\n", b"CONFIG\r\nCONFIG NOPE\r\n",
    b"CONFIG GET\r\nCLIENT\r\nCLIENT NOPE x\r\nOBJECT\r\nMEMORY\r\nSLOWLOG\r\nLATENCY\r\n",
    b"COMMAND NOPE\r\nCOMMAND DOCS nope\r\nCOMMAND INFO nope\r\nCOMMAND GETKEYS\r\n",
    b"NOSUCH " + b"y" * 300 + b" b\r\n", b"NOSUCH \"a\\r\\nb\"\r\n",
    b"HELLO 4\r\n", b"HELLO x\r\n", b"HELLO 3 NOPE\r\n", b"HELLO 2 SETNAME\r\n",
    b"HELLO 3 AUTH a\r\n", b"HELLO 3 AUTH default x\r\nPING\r\n", b"HELLO 3 SETNAME \"a b\"\r\n",
    b"QUIT\r\nPING\r\n", b"QUIT a b\r\n", b"RESET\r\n", b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
    b"CLIENT REPLY SKIP\r\nPING\r\nECHO a\r\n", b"AUTH x\r\n", b"AUTH\r\n", b"SELECT\r\nSELECT 99\r\nSELECT -1\r\nSELECT 2147483647\r\nSELECT 2147483648\r\nSELECT -9999999999\r\n",
    b"HELLO 3\r\nRESET\r\nGET nosuchkey\r\n"[9:], b"MSET a\r\nMSET a 1 b\r\n", b"SET a 1 EX\r\nSET a 1 EX 0\r\n",
    b"SET a 1 EX 9223372036854775807\r\nSET a 1 PX -1\r\nSETEX a 0 b\r\nPSETEX a -1 b\r\nGETEX a EX 0\r\n",
    b"SET a 1\r\nEXPIRE a 9223372036854775807\r\nPEXPIRE a 9223372036854775807\r\nEXPIREAT a x\r\n",
    b"SET n 9223372036854775807\r\nINCR n\r\nDECRBY n -9223372036854775808\r\nINCRBY n x\r\n",
    b"SET s abc\r\nSETRANGE s 536870912 x\r\nSETRANGE s -1 x\r\nSETBIT s 4294967296 1\r\nGETBIT s -1\r\n",
    b"SET s abc\r\nBITCOUNT s 0\r\nBITPOS s 1 0 -1 NOPE\r\nBITFIELD s GET u64 0\r\nBITFIELD s NOPE\r\n",
    b"BITFIELD s OVERFLOW FAIL INCRBY u2 0 5 OVERFLOW NOPE\r\nBITFIELD_RO s SET u2 0 1\r\n",
    b"LCS a\r\nLCS a b LEN IDX\r\nLCS a b NOPE\r\nCOPY a a\r\nRENAME nokey b\r\nRENAMENX nokey b\r\n",
    b"MOVE nokey 1\r\nSET mk 1\r\nMOVE mk 0\r\nMOVE mk 99\r\nSWAPDB 0 99\r\nSWAPDB a b\r\nDEL mk\r\n",
    b"SCAN x\r\nSCAN 0 COUNT 0\r\nSCAN 0 NOPE\r\nSCAN 0 MATCH\r\nSCAN -1\r\nSCAN 18446744073709551616\r\n",
    b"OBJECT FREQ nokey\r\nSET ok 1\r\nOBJECT FREQ ok\r\nOBJECT IDLETIME nokey\r\nOBJECT ENCODING nokey\r\n",
    b"CLIENT ID x\r\nCLIENT KILL\r\nCLIENT KILL a b c\r\nCLIENT LIST TYPE nope\r\nCLIENT LIST ID x\r\n",
    b"CLIENT SETNAME \"a b\"\r\nCLIENT PAUSE x\r\nCLIENT UNBLOCK 1 x\r\nCLIENT NO-EVICT x\r\n",
    b"DEBUG NOPE\r\nDEBUG\r\nFLUSHALL x\r\nFLUSHDB SYNC ASYNC\r\nSHUTDOWN x\r\nSHUTDOWN ABORT\r\n",
    b"INFO a b\r\nLATENCY HISTORY\r\nLATENCY GRAPH nope\r\nLATENCY HISTORY nope\r\nSLOWLOG GET x\r\nSLOWLOG GET -2\r\n",
    b"SET k v NX XX\r\nSET k v GET\r\nSET k w NX GET\r\nSET k v EX 10 PX 10\r\nSET k v KEEPTTL EX 1\r\n",
    b"RPUSH l a b\r\nLPOP l -1\r\nLPOP l 1 2\r\nLMPOP 0 l LEFT\r\nLMPOP 1 l LEFT COUNT 0\r\nLSET l 9 x\r\nLSET nokey 0 x\r\n",
    b"RPUSH l a\r\nLPOS l a RANK 0\r\nLPOS l a COUNT -1\r\nLPOS l a MAXLEN -1\r\nLINSERT l x a b\r\nLMOVE l l x LEFT\r\n",
    b"BLPOP l x\r\nBLPOP l -1\r\nBLMPOP x 1 l LEFT\r\nBLMPOP 0.1 0 l LEFT\r\nBLMOVE a b LEFT x 1\r\nBRPOPLPUSH a b -1\r\n",
    b"HSET h\r\nHSET h a\r\nHSET h a 1 b\r\nHMSET h a 1 b\r\nHSET h a x\r\nHINCRBY h a 1\r\nHINCRBYFLOAT h a 1\r\n",
    b"HSET h n 9223372036854775807\r\nHINCRBY h n 1\r\nHINCRBY h n x\r\nHINCRBYFLOAT h n x\r\nHINCRBYFLOAT h n inf\r\n",
    b"HSET h a 1 b 2 c 3\r\nHGETALL h\r\nHKEYS h\r\nHVALS h\r\nHSET h a 4\r\nHDEL h b\r\nHSET h b 5\r\nHGETALL h\r\n",
    b"HELLO 3\r\nHGETALL none\r\nHRANDFIELD none 3 WITHVALUES\r\nHSET h a 1\r\nHGETALL h\r\nHRANDFIELD h 1 WITHVALUES\r\n"
    b"HRANDFIELD h -2 WITHVALUES\r\nHSCAN h 0\r\n"[9:],
    b"SET s 1\r\nHSET s a 1\r\nHGET s a\r\nHSCAN s 0\r\nHSCAN s x\r\nHINCRBYFLOAT s a x\r\nHRANDFIELD s x\r\n",
    b"GETEX k EX 1 PERSIST\r\nGETEX k NOPE\r\nEXPIRE k 10 NX XX\r\nEXPIRE k 10 GT LT\r\nEXPIRE k 10 NOPE\r\n",
    b"XADD s 1-1 a 1\r\nXGROUP CREATE s g 0\r\nXREADGROUP GROUP g c STREAMS s >\r\nXTRIM s MAXLEN = 0\r\n"
    b"XREADGROUP GROUP g c STREAMS s 0\r\nXAUTOCLAIM s g d 0 - COUNT 9223372036854775807\r\n"
    b"XAUTOCLAIM s g d 0 - COUNT 1152921504606846975\r\nXAUTOCLAIM s g d 0 - COUNT 0\r\nXPENDING s g\r\n",
    b"XADD s MAXLEN 9223372036854775807 1-1 a 1\r\nXADD s MAXLEN ~ 0 LIMIT 9223372036854775807 2-1 a 1\r\n"
    b"XRANGE s - + COUNT 9223372036854775807\r\nXREAD COUNT 9223372036854775807 STREAMS s 0\r\nXLEN s\r\n"
    b"XREAD BLOCK 1 STREAMS s $\r\nXINFO STREAM s FULL COUNT 0 x\r\n"
    b"XGROUP CREATE s g $ ENTRIESREAD 9223372036854775807\r\nXADD s 3 a 1\r\nXREADGROUP GROUP g c NOACK STREAMS s >\r\n"
    b"XINFO GROUPS s\r\nXCLAIM s g c 0 3 FORCE RETRYCOUNT 9223372036854775807 IDLE -9223372036854775808\r\n",
]

# Commands that both have: their rows in COMMAND INFO must agree.
COMMANDS = """get set getset getdel getex setnx setex psetex mget mset msetnx append strlen incr decr incrby
decrby hset hsetnx hmset hget hmget hgetall hkeys hvals hlen hexists hstrlen hdel hincrby hincrbyfloat
hrandfield hscan incrbyfloat getrange substr setrange lcs setbit getbit bitcount bitpos bitop bitfield bitfield_ro pfadd
pfcount pfmerge pfdebug pfselftest geoadd geopos geodist geohash geosearch geosearchstore georadius
georadius_ro georadiusbymember georadiusbymember_ro del
unlink exists type touch keys scan randomkey rename renamenx copy move dbsize select swapdb flushdb flushall
expire pexpire expireat pexpireat ttl pttl expiretime pexpiretime persist object object|encoding
object|idletime object|freq object|refcount object|help memory|usage ping echo quit reset auth hello client
client|id client|getname client|setname client|list client|info client|kill client|pause client|unpause
client|reply client|no-evict client|unblock client|help client|tracking client|caching client|trackinginfo client|getredir command command|count command|list command|info
command|docs command|getkeys command|getkeysandflags config config|get config|set config|rewrite
config|resetstat config|help info time lastsave shutdown debug slowlog slowlog|get slowlog|len slowlog|reset
slowlog|help latency latency|history latency|latest latency|reset latency|doctor latency|graph
latency|histogram latency|help monitor lolwut bgrewriteaof""".split()
COMMANDS += """lpush rpush lpushx rpushx linsert lset llen lindex lrange lpos lpop rpop lmpop ltrim lrem lmove
rpoplpush blpop brpop blmpop blmove brpoplpush""".split()
COMMANDS += """xadd xlen xrange xrevrange xread xdel xtrim xsetid xinfo|stream xinfo|groups xinfo|consumers
xgroup|create xgroup|setid xgroup|destroy xgroup|createconsumer xgroup|delconsumer xreadgroup xack xpending
xclaim xautoclaim migrate debug""".split()

COMMANDS += """multi exec discard watch unwatch subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe
publish spublish pubsub|channels pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub pubsub|help
wait memory|doctor memory|malloc-stats memory|purge memory|stats memory|help dump restore sort sort_ro copy move""".split()

COMMANDS += """fcall fcall_ro function function|load function|delete function|flush function|list function|stats
function|kill function|dump function|restore function|help""".split()

# Where 7.2 differs from the reference's 7.0: (command, field).
INFO_EXCEPTIONS = {
    ("msetnx", "tips"), ("scan", "tips"), ("randomkey", "tips"), ("config|rewrite", "tips"),
    ("config|resetstat", "tips"), ("latency|reset", "tips"), ("command|getkeys", "arity"),
    ("command|getkeysandflags", "arity"), ("xautoclaim", "specs"),
    # Commands that wait are allowed in scripts, where they don't.
    ("wait", "flags"), ("wait", "categories"), ("blpop", "flags"), ("brpop", "flags"), ("blmove", "flags"), ("brpoplpush", "flags"),
}


for family in FAMILIES:
    STREAMS += getattr(family, "STREAMS", [])
    COMMANDS += getattr(family, "COMMANDS", [])
    INFO_EXCEPTIONS |= getattr(family, "INFO_EXCEPTIONS", set())


def exchange(server, data):
    """Sends the bytes, ends the sending side, and returns all that comes back."""
    s = socket.create_connection(("127.0.0.1", server.port), 20)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # closed by the server while we were still sending: what it said counts
    out = b""
    try:
        while True:
            more = s.recv(1 << 16)
            if not more:
                break
            out += more
    except ConnectionResetError:
        pass
    s.close()
    # A client's id and the version are each server's own.
    return re.sub(rb"(\$2\r\nid\r\n):\d+", rb"\1:1", re.sub(rb"\$\d+\r\n7\.\d\.\d+", b"$5\r\n7.x", out))


def run_streams(stave, reference):
    ok = bad = 0
    for data in STREAMS:
        left, right = [exchange(s, b"FLUSHALL\r\n" + data) for s in (stave, reference)]
        if left == right:
            ok += 1
            continue
        bad += 1
        print("FAILED: stream %r\n  stave:     %r\n  reference: %r" % (data[:300], left[:600], right[:600]))
    return ok, bad


def run_arity(stave, reference):
    """Every command without and with far too many arguments."""
    ok = bad = 0
    a, b = stave.connect(), reference.connect()
    skip = {"shutdown", "monitor", "lolwut", "info", "time", "lastsave", "bgrewriteaof", "quit", "reset",
            "flushall", "flushdb", "randomkey", "command", "hello", "ping", "client|id", "client|list",
            "client|info", "config|rewrite", "latency|doctor", "memory|usage", "command|count", "command|list",
            "command|docs", "command|info", "object|help", "client|help", "command|help", "config|help",
            "slowlog|help", "latency|help", "slowlog|get", "slowlog|len", "latency|latest", "latency|histogram"}
    for name in COMMANDS:
        if name in skip:
            continue
        for extra in ([], ["x"] * 30):
            args = name.split("|") + extra
            left, right = a.ask(*args), b.ask(*args)
            if left == right or not isinstance(right, resp.Error):
                ok += 1
            else:
                bad += 1
                print("FAILED: %r\n  stave:     %r\n  reference: %r" % (args, left, right))
    a.close()
    b.close()
    return ok, bad


def run_command_info(stave, reference):
    ok = bad = 0
    a, b = stave.connect(), reference.connect()
    for name in COMMANDS:
        left, right = a.ask("COMMAND", "INFO", name), b.ask("COMMAND", "INFO", name)
        if isinstance(left, resp.Error) or left == [None] or right == [None]:
            differ = left != right and [("missing", left, right)] or []
        else:
            differ = []
            for i, field in enumerate("name arity flags first last step categories tips specs".split()):
                x, y = left[0][i], right[0][i]
                if field in ("flags", "categories"):
                    x, y = sorted(x), sorted(y)
                if x != y and (name, field) not in INFO_EXCEPTIONS:
                    differ.append((field, x, y))
        if not differ:
            ok += 1
            continue
        bad += 1
        print("FAILED: COMMAND INFO %s" % name)
        for field, x, y in differ:
            print("  %s: stave %r\n     reference %r" % (field, x, y))
    a.close()
    b.close()
    return ok, bad


def run_command_docs(stave, reference):
    return docs.run_docs(stave, reference, COMMANDS)


# Not drawn: what has no random arguments, or has tests of its own.
NOT_DRAWN = set("""randomkey migrate object|idletime pfselftest object xinfo xgroup restore-asking""".split())
CATEGORIES = "string bitmap hash list set sortedset stream geo hyperloglog keyspace".split()


def run_rows(stave, reference):
    """Whatever data command the reference has is here, and is one of those that are drawn."""
    bad = []
    drawn = {"|".join(w for w in name.split() if w.isupper()).lower() for name in TABLE}
    a, b = [c.connect() for c in (stave, reference)]
    here, there = [{n for category in CATEGORIES for n in c.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", category)}
                   for c in (a, b)]
    for name in sorted(there):
        text = name.decode()
        if name not in here or text not in drawn and text not in NOT_DRAWN:
            bad.append(text)
            print("FAILED: %s: %s" % (text, "not drawn" if name in here else "unknown"))
    a.close()
    b.close()
    return len(there) - len(bad), len(bad)


def run_hello(stave, reference):
    ok = bad = 0
    for proto in (2, 3):
        left, right = [exchange(s, b"HELLO %d\r\nGET nokey\r\nCONFIG GET timeout\r\nCOMMAND INFO get\r\n" %
                                proto) for s in (stave, reference)]
        if left == right:
            ok += 1
        else:
            bad += 1
            print("FAILED: HELLO %d\n  stave:     %r\n  reference: %r" % (proto, left, right))
    return ok, bad


def run(stave, reference):
    ok = bad = 0
    for part in (run_streams, run_arity, run_command_info, run_command_docs, docs.run_getkeys, run_rows, run_hello,
                 infos.run, tracking.run_scripts):
        for s in (stave, reference):
            c = s.connect()
            c.call("FLUSHALL")
            c.close()
        x, y = part(stave, reference)
        ok, bad = ok + x, bad + y
    return ok, bad
