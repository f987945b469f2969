"""Random calls of the libraries of scripts: cjson, cmsgpack, struct, bit. What they give comes back as text that
the script makes of it.

Keys of tables are short strings, of which both servers' Lua has the same order, and numbers below 2^31 (an
index beyond is an accident there). None is given nil: where it comes again, its place depends on whether the
collector has run in between."""

TEXT = b"""local function text(v, depth)
  if type(v) == 'number' then return string.format('%.17g', v) end
  if type(v) == 'string' then return string.format('%q', v) end
  if v == cjson.null then return 'null' end
  if type(v) ~= 'table' then return type(v) .. tostring(type(v) == 'boolean' and v) end
  if depth > 30 then return '...' end
  local out = {}
  for k, x in pairs(v) do out[#out + 1] = text(k, depth + 1) .. '=' .. text(x, depth + 1) end
  table.sort(out)
  return '{' .. table.concat(out, ',') .. '}'
end
local function go(f, ...) return text({pcall(f, ...)}, 0) end
"""

BITS = ["tobit", "bnot", "bswap", "tohex", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror"]
HEADS = bytes(range(0x90, 0x94)) + bytes(range(0x80, 0x84)) + b"\xa1\xa3\xc0\xc2\xc3\xca\xcb\xcc\xcd\xce\xcf\xd0\xd1" \
    b"\xd2\xd3\xd9\xda\xdb\xdc\xdd\xde\xdf\xff"
JSON = [b"", b"[1,2,3]", b'{"a":1,"b":[true,false,null]}', b"[[[]]]", b'"\\u00e9\\ud83d\\ude00\\n"', b"1e5", b"-0x1F",
        b"[1.5e-3 , 2]", b'{"k":{"x":"y"}}', b"nan", b"-inf", b"[0123]", b'"ab\\tc"', b"[infinity]"]
SETTINGS = ["encode_sparse_array, true, 2, 4", "encode_sparse_array, 'off', 1, 1", "encode_invalid_numbers, 'null'",
            "encode_invalid_numbers, true", "decode_invalid_numbers, false", "encode_number_precision, 5",
            "encode_max_depth, 3", "decode_max_depth, 2", "encode_keep_buffer, false", "encode_max_depth, 0",
            "decode_max_depth", "encode_number_precision, 15"]


def quoted(data):
    return b'"' + b"".join(b"\\%03d" % x for x in data) + b'"'


def some_bytes(r, n, chars):
    return bytes(r.randrange(256) if r.random() < 0.3 else r.choice(chars) for _ in range(n))


def number(r, odd=True):
    p = r.randrange(70)
    return str(r.choice([
        r.randint(-300, 300), r.randint(-2**40, 2**40), "2^%d" % p, "-2^%d" % p, "2^%d-1" % min(p, 60),
        "-2^%d-1" % min(p, 60), r.uniform(-1000, 1000), r.uniform(-1, 1) * 10**r.randint(-300, 300), 0.5, "-0.0",
        r.choice(["1/0", "-1/0", "0/0"]) if odd and r.random() < 0.2 else 7])).encode()


def text_value(r):
    n = r.choice([0, 1, 2, 5, 31, 32, 33, 255, 256, 70000 if r.random() < 0.01 else 3])
    return quoted(some_bytes(r, n, b'abz"\\/\n\0')) if n < 300 else b'string.rep("x", %d)' % n


def key(r):
    return r.choice([b"%d" % r.randint(0, 12), b"%d" % r.randint(1, 4), b"%d" % r.randint(-2**31, 2**31 - 1),
                     quoted(some_bytes(r, r.randrange(20), b"abc")), b'"%d"' % r.randint(1, 5), b"0.5"])


def value(r, depth=0):
    kind = r.randrange(10 if depth < 4 else 5)
    if kind < 2:
        return r.choice([b"true", b"false", b"cjson.null", b"nil", b"tostring" if r.random() < 0.05 else b"1"])
    if kind < 4:
        return number(r, r.random() < 0.05)
    if kind == 4:
        return text_value(r)
    if kind < 8:
        return b"{" + b",".join(value(r, depth + 1) for _ in range(r.choice([0, 1, 2, 3, 15, 16, 17]))) + b"}"
    pairs = [(key(r), value(r, depth + 1)) for _ in range(r.choice([1, 2, 3, 16]))]
    return b"{" + b",".join(b"[%s]=%s" % (k, b"false" if v == b"nil" else v) for k, v in pairs) + b"}"


def json(r):
    s = bytearray(r.choice(JSON))
    for _ in range(r.randrange(4)):
        at = r.randrange(len(s) + 1)
        s[at:at + r.randrange(2)] = some_bytes(r, r.randrange(2), b'[]{}:,"\\u0123dDcCefxnaif+-. \t\n\0')
    return quoted(s)


def packed(r):
    return quoted(some_bytes(r, r.randrange(30), HEADS + b"\0\1\2"))


def layout(r):
    return "".join(r.choice(["b", "B", "h", "H", "l", "L", "T", "i", "I", "i%d" % r.randrange(35), "I%d" % r.randrange(35),
                             "x", "f", "d", "s", "c%d" % r.randrange(6), "c0", "<", ">", "!", " ",
                             "!%d" % r.choice([1, 2, 4, 8, 16, 3, 0]), "$" if r.random() < 0.1 else "x"])
                   for _ in range(r.randrange(6))).encode()


def call(r):
    """One call, as arguments of go()."""
    words = b"".join(b"," + (number(r) if r.random() < 0.75 else text_value(r)) for _ in range(r.randrange(7)))
    bits = r.choice(BITS)
    count = b"%d" % r.randint(-10, 10) if bits == "tohex" else number(r)
    return r.choice([
        lambda: b"cjson.encode, " + value(r),
        lambda: b"cmsgpack.pack, " + value(r),
        lambda: b"function(v) return cmsgpack.unpack(cmsgpack.pack(v)) end, " + value(r),
        lambda: b"function(v) return cjson.decode(cjson.encode(v)) end, " + value(r),
        lambda: b"cjson.decode, " + json(r),
        lambda: b"cmsgpack.unpack, " + packed(r),
        lambda: b"cmsgpack.unpack_one, %s, %d" % (packed(r), r.randint(-1, 8)),
        lambda: b"cmsgpack.unpack_limit, %s, %d, %d" % (packed(r), r.randint(-1, 4), r.randint(-1, 8)),
        lambda: b'struct.size, "%s"' % layout(r),
        lambda: b'struct.pack, "%s"%s' % (layout(r), words),
        lambda: b'struct.unpack, "%s", %s, %d' % (layout(r), quoted(some_bytes(r, r.randrange(60), b"\0\1\2\3\xff")),
                                                  r.choice([1, 1, 2, 0, -3, 2**62, r.randint(1, 70)])),
        lambda: b"bit.%s, %s, %s" % (bits.encode(), number(r), count),
        lambda: b"function() local c = cjson.new() return go(c.%s) .. go(c.encode, %s) .. go(c.decode, %s) end" % (
            r.choice(SETTINGS).encode(), value(r), json(r)),
    ])()


ROWS = {"EVAL  ": lambda g: [TEXT + b"return go(" + call(g.r) + b")", "0"]}
OFTEN = set()
