"""Scripts: random ones, of a few commands that are called, caught and returned, and of values that are made
into replies; and many fixed ones, of errors and of what a script may not do."""

CALLED = ["GET", "SET", "INCR", "APPEND", "STRLEN", "GETRANGE", "SETRANGE", "LPUSH", "RPUSH", "LRANGE", "LLEN", "LPOP",
          "HSET", "HGET", "HMGET", "HDEL", "HLEN", "SADD", "SCARD", "SISMEMBER", "ZADD", "ZSCORE", "ZRANGE", "ZCARD",
          "EXISTS", "DEL", "TYPE", "SELECT", "PING", "ECHO", "SETBIT", "GETBIT", "INCRBYFLOAT", "GETSET", "MGET",
          "NOSUCH", "MULTI", "SUBSCRIBE", "CONFIG"]


def lua_string(s):
    """Bytes, or what becomes them, as a literal."""
    s = s if isinstance(s, bytes) else str(s).encode()
    return b"'" + b"".join(bytes([c]) if 48 <= c < 58 or 65 <= c < 91 or 97 <= c < 123 else b"\\%03d" % c
                           for c in s) + b"'"


def arguments(g):
    """Of a command: keys, values, numbers, sometimes what can't be one."""
    out = [lua_string(g.key())] if g.r.random() < 0.9 else []
    for _ in range(g.r.choice([0, 1, 1, 2, 2, 3])):
        x = g.r.random()
        if x < 0.5:
            out.append(lua_string(g.value()))
        elif x < 0.9:
            out.append(g.r.choice([b"0", b"1", b"-1", b"3", b"0.1", b"1e15", b"1e17", b"-1.5", b"2^53", b"1e300", b"#ARGV",
                                   b"KEYS[1]", b"ARGV[1]", b"ARGV[2]"]))
        else:
            out.append(g.r.choice([b"{}", b"nil", b"true", b"print"]))
    return out


def call(g):
    name = g.r.choice(CALLED)
    how = g.r.choice([b"call", b"call", b"pcall"])
    return b"redis.%s(%s)" % (how, b",".join([lua_string(g.case(name))] + arguments(g)))


def value(g, depth=0):
    """A Lua expression."""
    x = g.r.random()
    if depth < 3 and x < 0.3:
        return b"{%s}" % b",".join(value(g, depth + 1) for _ in range(g.r.randrange(4)))
    if x < 0.5:
        return call(g)
    if x < 0.6:
        return lua_string(g.value())
    return g.r.choice([b"1", b"-1.9", b"3.7", b"1e30", b"true", b"false", b"nil", b"{ok='fine'}", b"{err='ERR bad'}",
                       b"{err='-ERR bad'}", b"redis.error_reply('x y')", b"redis.error_reply('-x y')",
                       b"redis.status_reply('fine')", b"{double=1.5}", b"{map={a=1}}", b"{set={a=true}}",
                       b"{big_number='123'}", b"{verbatim_string={string='abc',format='txt'}}", b"KEYS", b"ARGV",
                       b"redis.sha1hex('a')", b"function() end", b"tostring(1e15)", b"0/0 == 0/0", b"#KEYS"])


def statement(g):
    x = g.r.random()
    if x < 0.5:
        return call(g)
    if x < 0.6:
        return b"local ok, e = pcall(function() return %s end) if not ok then return e end" % value(g)
    if x < 0.65:
        return b"redis.setresp(3)"
    if x < 0.7:
        return b"if %s then return %s end" % (value(g), value(g))
    if x < 0.72:
        return b"error(%s)" % g.r.choice([b"'boom'", b"{err='MY boom'}", b"redis.pcall('nosuch')", b"12"])
    return b"local v%d = %s" % (g.r.randrange(9), value(g))


def script(g):
    lines = [statement(g) for _ in range(g.r.choice([0, 1, 1, 2, 4]))]
    if g.r.random() < 0.95:
        lines.append(b"return " + value(g))
    first = g.r.choice([b""] * 12 + [b"#!lua\n", b"#!lua flags=no-writes\n", b"#!lua flags=allow-oom,allow-stale\n",
                                      b"#!lua flags=nope\n", b"#!python\n"])
    return first + b"\n".join(lines)


def with_keys(g):
    keys = g.keys_list(0, 3)
    return [len(keys)] + keys + [g.value() for _ in range(g.r.randrange(3))]


ROWS = {
    "EVAL": lambda g: [script(g)] + with_keys(g),
    "EVAL_RO": lambda g: [script(g)] + with_keys(g),
    "EVALSHA": lambda g: [g.r.choice([b"0" * 40, b"x", b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
                                      b"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"])] + with_keys(g),
    "SCRIPT LOAD": lambda g: [g.r.choice([b"return 1", script(g)])],
    "SCRIPT EXISTS": lambda g: [b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db", b"0" * 40],
    "SCRIPT FLUSH": lambda g: g.r.choice([[], ["SYNC"], ["ASYNC"], ["x"]]),
}
OFTEN = {"EVAL", "EVAL_RO"}

COMMANDS = """eval eval_ro evalsha evalsha_ro script script|load script|exists script|flush script|kill script|debug
script|help""".split()
INFO_EXCEPTIONS = {("eval", "flags"), ("evalsha", "flags")}

SOURCES = [
    "return nosuch", "x = 1", "string.x = 1", "redis.call = nil", "KEYS = nil", "_G.x = 1", "rawset(_G, 'x', 1)",
    "setmetatable(_G, {})", "setmetatable(string, {})", "getmetatable('').__index = 1", "getmetatable(_G).__index = nil",
    "table.insert(string, 1)", "return redis.call()",
    "return redis.call({})", "return redis.pcall()", "return redis.call('nosuch')", "return redis.call('get')",
    "return redis.call('get', 'a', 'b')", "return redis.call('config', 'nope')", "return redis.call('config')",
    "return redis.call('eval', 'return 1', 0)", "return redis.call('multi')", "return redis.call('subscribe', 'a')",
    "return redis.call('xread', 'block', 0, 'streams', 'nokey', '$')",
    "error('boom')", "error('boom', 0)", "error('boom', 2)", "error({err='boom'})", "error({err='-MY boom'})", "error()",
    "error(nil)", "error(12)", "error({err='a\\nb'})", "local a = nil; return a.b", "return {} + 1", "return #nil",
    "local function f() return f() + 1 end return f()", "return 1 +", "return", "syntax error here", "",
    "return redis.error_reply('a')", "return redis.error_reply('A b')", "return redis.error_reply('-A b')",
    "return redis.error_reply('-A')", "return redis.error_reply('')", "return redis.error_reply()",
    "return redis.error_reply(1)", "return redis.status_reply('')", "return redis.status_reply()",
    "return redis.status_reply('a\\r\\nb')", "return redis.sha1hex('')", "return redis.sha1hex()",
    "return redis.sha1hex('a', 'b')", "return redis.sha1hex(12)", "return redis.log('a', 'b')", "return redis.log(1)",
    "return redis.log(9, 'b')", "return redis.log(-1, 'b')", "return redis.log(0, {}, 'b', 1)", "return redis.setresp(4)",
    "return redis.setresp()", "return redis.replicate_commands()", "return redis.set_repl(99)", "return redis.set_repl()",
    "return redis.set_repl(redis.REPL_ALL)", "return redis.breakpoint()", "return redis.debug('x')",
    "return redis.acl_check_cmd('set', 'x', 'y')", "return redis.acl_check_cmd('nosuch')", "return redis.acl_check_cmd()",
    "return {1, 2, nil, 4}", "return {1.5, -1.5, 1e30, -1e30}", "return {true, false}", "return {a = 1}", "return {{{}}}",
    "return {ok = 1}", "return {err = 1}", "return {ok = 'a', err = 'b'}", "return {double = 'x'}", "return {map = 1}",
    "return {double = 3}", "return {double = 1/0}", "return {map = {a = {1, 2}}}", "return {big_number = '1\\r\\n2'}",
    "return {verbatim_string = {string = 'a', format = 'markdown'}}", "return {verbatim_string = 1}",
    "return print", "return coroutine.create(function() end)", "return function() end",
    "return coroutine.wrap(function() redis.call('nosuch') end)()",
    "return {coroutine.resume(coroutine.create(function() coroutine.yield(1) end))}",
    "local co = coroutine.wrap(function() coroutine.yield(redis.call('ping')) end) return co()",
    "return {pcall(redis.call, 'nosuch')}", "return {pcall(error, 'x')}", "return {xpcall(function() error('x') end, "
    "function(e) return e .. '!' end)}", "return {pcall(function() error({1}) end)}", "return {select('#', unpack({1, 2}))}",
    "return unpack({}, 1, 1e8)", "return {unpack({1, 2, 3}, 2)}", "return {unpack({1, 2, 3}, -1, 1)}",
    "return loadstring('return 7')()", "return {loadstring('return +')}", "return {loadstring('return 7', '=x')}",
    "return load(function() return nil end)", "local t = {'return ', '8'} local i = 0 "
    "return load(function() i = i + 1 return t[i] end)()", "return load('return 1')",
    "return {loadstring(string.char(27) .. 'Lua')}", "return type(string.dump)", "return dofile", "return io", "return debug",
    "return require", "return getfenv", "return setfenv", "return newproxy", "return print('x')", "return module",
    "return loadfile", "return package", "return collectgarbage('nope')", "return type(collectgarbage('count'))",
    "math.randomseed(7) return {math.random(1000), math.random(10, 20), tostring(math.random())}",
    "return math.random(0)", "return math.random(3, 1)", "return math.random(1, 2, 3)", "return ('x'):rep(3)",
    "return string.format('%5.1f|%s|%q', 1.25, 'a', 'b')", "return string.rep('ab', 3)", "return next(_G) ~= nil",
    "local n = 0 for k in pairs(redis) do n = n + 1 end return n > 10", "return rawget(_G, 'redis') == redis",
    "return rawget(_G, 'nosuch')", "return type(_G._G)", "return type(getmetatable(_G))", "return getmetatable(redis)",
    "return tostring(nil) .. tostring(true)", "return tostring(getmetatable('')) ~= nil", "for k, v in ipairs({1, 2}) do redis.call('rpush', 'l', v) end return redis.call('lrange', 'l', 0, -1)",
    "redis.call('set', 'a', 1) redis.call('nosuch')", "return redis.call('get', 'a')", "redis.call('select', 3) redis.call('set', 'x', 1) return redis.call('get', 'x')",
    "return redis.call('hgetall', 'nokey')", "redis.setresp(3) return redis.call('hgetall', 'nokey')",
    "redis.setresp(3) redis.call('hset', 'h', 'f', 'v') return redis.call('hgetall', 'h')",
    "redis.setresp(3) redis.call('zadd', 'z', 1.5, 'm') return redis.call('zscore', 'z', 'm')",
    "redis.setresp(3) return redis.call('zscore', 'z', 'm').double", "redis.setresp(3) return redis.call('get', 'nokey') == nil",
    "return redis.call('get', 'nokey') == false", "return redis.call('set', 'a', '1').ok", "return redis.pcall('incr', 'z').err",
    "redis.setresp(3) return true", "redis.setresp(3) return false", "redis.setresp(3) return {true, false}",
    "redis.setresp(3) return redis.call('sadd', 's', 'a') and redis.call('smembers', 's')",
    "return redis.REDIS_VERSION_NUM > 0x00070000", "return redis.LOG_WARNING", "return redis.REPL_SLAVE == redis.REPL_REPLICA",
    "#!lua\nreturn redis.call('nosuch')", "#!lua flags=no-writes\nreturn redis.call('set', 'a', 1)", "#!lua", "#!lua flags=\nreturn 1",
    "#!lua flags=,no-writes\nreturn 1", "#!lua  flags=no-writes  \nreturn 1", "#!lua name=x\nreturn 1", "#!lua nope\nreturn 1", "#!nope\nreturn 1",
    "#!lua flags=nope\nreturn 1", "#!lua\n\n\nreturn nosuch", "-- a comment\nreturn 1", "return 1 -- end", "return ...",
    "return #{...}", "return arg", "local a = {} a[1] = a return #a", "return string.rep('x', -1)", "goto x",
]


def command(*words):
    parts = [w if isinstance(w, bytes) else str(w).encode("latin-1") for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


# Each by EVAL, and by EVAL_RO.
STREAMS = [command("EVAL", s, 1, "k", "v") + command("EVAL_RO", s, 0) for s in SOURCES]
STREAMS += [
    b"EVAL \"return 1\"\r\nEVAL \"return 1\" x\r\nEVAL \"return 1\" 3 a\r\nEVAL \"return 1\" -1 a\r\nEVAL +++ x\r\n",
    b"EVALSHA x 0\r\nEVALSHA x\r\nEVALSHA x -1\r\nSCRIPT LOAD \"return 1\"\r\nEVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0\r\n",
    b"SCRIPT\r\nSCRIPT NOPE\r\nSCRIPT KILL\r\nSCRIPT KILL x\r\nSCRIPT FLUSH x\r\nSCRIPT FLUSH SYNC ASYNC\r\nSCRIPT EXISTS\r\n"
    b"SCRIPT LOAD\r\nSCRIPT LOAD \"a b\"\r\nSCRIPT HELP\r\nSCRIPT HELP x\r\n",
    b"SELECT 2\r\nEVAL \"redis.call('select', 5) return redis.call('set', 'a', 1)\" 0\r\nGET a\r\nSELECT 5\r\nGET a\r\n",
    b"MULTI\r\nEVAL \"return redis.call('set', KEYS[1], ARGV[1])\" 1 a b\r\nEVAL \"return redis.call('nosuch')\" 0\r\n"
    b"EVAL \"redis.call('incr', 'n') error('x')\" 0\r\nGET a\r\nEXEC\r\nGET n\r\n",
    b"EVAL \"redis.call('incr', 'n') redis.call('incr', 'n') redis.call('lpush', 'n', 1)\" 0\r\nGET n\r\n",
]
