/* convert: between RESP and Lua.
 *
 * What a command has replied is parsed where it stands, in the client's output; it was written by
 * the server itself, so a malformed one is a bug and not an input. What a script returns is its
 * own: tables may hold themselves, or each other many times over, so depth and length of what is
 * made of them are bounded.
 *
 *     RESP            Lua                              back
 *     :1              1                                cut to an integer
 *     $ string        string                           the same
 *     + status        {ok = text}                      the same
 *     - error         {err = text}                     the same
 *     * array         {1, 2, ..}                       up to the first nil
 *     nil             false (RESP2), nil (RESP3)       null
 *     # boolean       true, false                      1, null (RESP2), the same (RESP3)
 *     , double        {double = 1.5}                   the same
 *     % map, ~ set    {map = {..}}, {set = {..}}       the same
 *     ( big number    {big_number = text}              the same
 *     = verbatim      {verbatim_string = {format =     the same
 *                       "txt", string = text}}
 *
 * RESP3's kinds are seen by a script that has called redis.setresp(3); another one's commands are
 * answered in RESP2, where maps and sets are arrays and the like are strings. */
#include "script/convert.h"
#include "script/vm.h"

#include "base/log.h"
#include "base/num.h"
#include "session/reply.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#define DEPTH_MAX   1900         /* Lua's stack is full at 8000 places; four a level */
#define REPLY_MAX   (512u << 20) /* bytes that a script may answer */
#define TABLE_BYTES 56           /* the least that Lua takes for one */
#define SHARED_MAX  100000       /* tables in a reply beyond those that there can be */
#define VALUE_BYTES 16           /* the least that Lua takes for a value in a table */
#define VALUES_MAX  16777216     /* values in a reply's tables, beyond those that there can be */
#define TOO_DEEP    "ERR reached lua stack limit"
#define TOO_LONG    "ERR the script's reply is too long"

/* ---- to Lua ------------------------------------------------------------------------------------
 */

/* The end of the line at p, its CR. */
static const char *line_end(const char *p, const char *end) {
    const char *at = memchr(p, '\r', (size_t)(end - p));
    CHECK(at && at + 1 < end);
    return at;
}

/* The number of a header. */
static int64_t number_at(const char *p, const char *cr) {
    int64_t v = 0;
    bool minus = *p == '-';
    for (p += minus; p < cr; p++)
        v = (int64_t)((uint64_t)v * 10 + (uint64_t)(*p - '0'));
    return minus ? (int64_t)(0 - (uint64_t)v) : v;
}

/* {name = the string}. */
static void push_field(lua_State *L, const char *name, const char *p, const char *cr) {
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, p, (size_t)(cr - p));
    lua_setfield(L, -2, name);
}

/* {element, ...}: n values from p on. A nil leaves a hole, at which scripts see the end. The table
 * is made as large as the reply says, up to a million places; beyond that it grows. */
static const char *push_array(lua_State *L, const char *p, const char *end, int64_t n) {
    lua_createtable(L, n < 1 << 20 ? (int)n : 1 << 20, 0);
    for (int64_t i = 1; i <= n; i++) {
        p = convert_to_lua(L, p, end);
        lua_rawseti(L, -2, (int)i);
    }
    return p;
}

/* {map = {key = value}}, {set = {member = true}}. A key that Lua can't have (nil) is left out. */
static const char *push_pairs(lua_State *L, const char *p, const char *end, int64_t n, bool map) {
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, n < 1 << 20 ? (int)n : 1 << 20);
    for (int64_t i = 0; i < n; i++) {
        p = convert_to_lua(L, p, end);
        if (map)
            p = convert_to_lua(L, p, end);
        else
            lua_pushboolean(L, 1);
        /* Lua's tables take no nil for a key; the value goes with it. */
        if (lua_isnil(L, -2))
            lua_pop(L, 2);
        else
            lua_rawset(L, -3);
    }
    lua_setfield(L, -2, map ? "map" : "set");
    return p;
}

/* "=15\r\ntxt:Some string": n bytes at p. */
static void push_verbatim(lua_State *L, const char *p, size_t n) {
    CHECK(n >= 4);
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, p, 3);
    lua_setfield(L, -2, "format");
    lua_pushlstring(L, p + 4, n - 4);
    lua_setfield(L, -2, "string");
    lua_setfield(L, -2, "verbatim_string");
}

/* strtod knows inf and nan as the protocol writes them. */
static void push_double(lua_State *L, const char *p) {
    lua_createtable(L, 0, 1);
    lua_pushnumber(L, strtod(p, NULL));
    lua_setfield(L, -2, "double");
}

/* A flat switch: one case a type. */
const char *convert_to_lua(lua_State *L, const char *p, const char *end) {
    luaL_checkstack(L, 4, "too deep a reply");
    CHECK(p < end);
    char type = *p++;
    const char *cr = line_end(p, end), *next = cr + 2;
    int64_t n;
    switch (type) {
    case ':': lua_pushnumber(L, (lua_Number)number_at(p, cr)); return next;
    case '+': push_field(L, "ok", p, cr); return next;
    case '-': push_field(L, "err", p, cr); return next;
    case '(': push_field(L, "big_number", p, cr); return next;
    case '_': lua_pushnil(L); return next;
    case '#': lua_pushboolean(L, *p == 't'); return next;
    case ',': push_double(L, p); return next;
    case '|': /* an attribute is about what follows it, which is what scripts get */
        n = 2 * number_at(p, cr);
        for (int64_t i = 0; i < n; i++) {
            next = convert_to_lua(L, next, end);
            lua_pop(L, 1);
        }
        return convert_to_lua(L, next, end);
    default:
        n = number_at(p, cr);
        if (n < 0) {
            lua_pushboolean(L, 0);
            return next;
        }
    }
    switch (type) {
    case '$': lua_pushlstring(L, next, (size_t)n); return next + n + 2;
    case '=': push_verbatim(L, next, (size_t)n); return next + n + 2;
    case '%':
    case '~': return push_pairs(L, next, end, n, type == '%');
    default: CHECK(type == '*' || type == '>'); return push_array(L, next, end, n);
    }
}

/* ---- to a reply --------------------------------------------------------------------------------
 */

/* One script's reply, being made. */
typedef struct making {
    lua_State *L;
    client *c;
    int proto; /* the script's */
    int depth;
    size_t tables, values; /* how many more may be made into replies */
    bool over;             /* it is too long; what is left of it is not looked at */
} making;

/* A table's elements are values again. */
static void put_value(making *m);

/* Pushes the field of the table on the stack, as it is; false, and nothing, if it is not of that
 * type. */
static bool take_field(making *m, const char *name, int type) {
    lua_pushstring(m->L, name);
    lua_rawget(m->L, -2);
    if (lua_type(m->L, -1) == type) return true;
    lua_pop(m->L, 1);
    return false;
}

/* The string on the stack. */
static slice text_of(lua_State *L) {
    size_t n;
    const char *p = lua_tolstring(L, -1, &n);
    return slice_of(p, n);
}

/* A line of the reply can't hold line ends; they become spaces, as in an error. */
static void put_status(making *m, slice s) {
    buf *out = &m->c->out;
    size_t at = out->len;
    resp_error(out, s);
    out->data[at] = '+';
}

/* A big number is a line too, in RESP3. */
static void put_digits(making *m, slice s) {
    buf *out = &m->c->out;
    size_t at = out->len;
    resp_big_number(out, m->c->proto, s);
    char *digits = memchr(out->data + at, m->c->proto == 3 ? '(' : '\n', out->len - at);
    CHECK(digits);
    for (size_t i = 1; i <= s.len; i++)
        if (digits[i] == '\r' || digits[i] == '\n') digits[i] = ' ';
}

/* One value more has been seen in a table; false: it is one too many. Counted before any of them is
 * put, as each takes time even where it takes no bytes. */
static bool take_value(making *m) {
    if (m->values == 0) m->over = true;
    if (m->over) return false;
    m->values--;
    return true;
}

/* The pairs of the table on the stack: all, or their keys alone. It can't change while it is
 * walked: no script runs. */
static void put_pairs(making *m, bool map) {
    lua_State *L = m->L;
    int64_t n = 0;
    for (lua_pushnil(L); lua_next(L, -2); n++) {
        lua_pop(L, 1);
        if (take_value(m)) continue;
        lua_pop(L, 1);
        return;
    }
    if (map)
        reply_map(m->c, n);
    else
        resp_set(&m->c->out, m->c->proto, n);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        put_value(m);
        if (map)
            put_value(m);
        else
            lua_pop(L, 1);
        if (!m->over) continue;
        lua_pop(L, 1);
        return;
    }
}

/* Up to the first nil. */
static void put_array(making *m) {
    lua_State *L = m->L;
    int n = 0;
    for (;; n++) {
        lua_rawgeti(L, -1, n + 1);
        bool end = lua_isnil(L, -1);
        lua_pop(L, 1);
        if (end) break;
        if (!take_value(m)) return;
    }
    reply_array(m->c, n);
    for (int i = 1; i <= n && !m->over; i++) {
        lua_rawgeti(L, -1, i);
        put_value(m);
    }
}

/* A table says what it is by a field of that name. */
static void put_table(making *m) {
    lua_State *L = m->L;
    client *c = m->c;
    if (take_field(m, "err", LUA_TSTRING)) {
        (void)reply_error_text(c, text_of(L));
    } else if (take_field(m, "ok", LUA_TSTRING)) {
        put_status(m, text_of(L));
    } else if (take_field(m, "double", LUA_TNUMBER)) {
        reply_double(c, lua_tonumber(L, -1));
    } else if (take_field(m, "map", LUA_TTABLE)) {
        put_pairs(m, true);
    } else if (take_field(m, "set", LUA_TTABLE)) {
        put_pairs(m, false);
    } else if (take_field(m, "big_number", LUA_TSTRING)) {
        put_digits(m, text_of(L));
    } else if (take_field(m, "verbatim_string", LUA_TTABLE)) {
        char format[3] = {'t', 'x', 't'};
        if (take_field(m, "format", LUA_TSTRING)) {
            slice s = text_of(L);
            for (size_t i = 0; i < 3; i++)
                format[i] = i < s.len ? s.data[i] : ' ';
            lua_pop(L, 1);
        }
        if (take_field(m, "string", LUA_TSTRING)) {
            resp_verbatim(&c->out, c->proto, text_of(L), format);
            lua_pop(L, 1);
        } else {
            reply_null(c);
        }
    } else {
        put_array(m);
        return;
    }
    lua_pop(L, 1);
}

/* The number of a reply: cut towards zero, the least of all for what no integer is. */
static int64_t integer_of(lua_Number v) {
    if (!(v > -9223372036854775808.0 && v < 9223372036854775808.0)) return INT64_MIN;
    return (int64_t)v;
}

/* The value on the stack, which is taken. */
static void put_value(making *m) {
    lua_State *L = m->L;
    client *c = m->c;
    if (m->depth >= DEPTH_MAX || !lua_checkstack(L, 8)) {
        (void)reply_error_text(c, SLICE(TOO_DEEP));
        lua_pop(L, 1);
        return;
    }
    /* Strings are bounded by their bytes; empty tables, which have none to speak of, by their
     * number. */
    bool table = lua_istable(L, -1);
    if (c->out.len - c->out_from > REPLY_MAX || (table && m->tables == 0)) m->over = true;
    if (m->over) {
        lua_pop(L, 1);
        return;
    }
    m->tables -= table;
    m->depth++;
    /* Functions, threads and userdata have no reply: null, as nil. */
    switch (lua_type(L, -1)) {
    case LUA_TSTRING: reply_bulk(c, text_of(L)); break;
    case LUA_TNUMBER: reply_int(c, integer_of(lua_tonumber(L, -1))); break;
    /* RESP2 has no booleans: true is 1, false is null. In RESP3 the script must have asked for
     * them. */
    case LUA_TBOOLEAN:
        if (m->proto < 3 && !lua_toboolean(L, -1))
            reply_null(c);
        else if (m->proto < 3)
            reply_int(c, 1);
        else
            resp_bool(&c->out, c->proto, lua_toboolean(L, -1));
        break;
    case LUA_TTABLE: put_table(m); break;
    default: reply_null(c);
    }
    m->depth--;
    lua_pop(L, 1);
}

/* A reply that grew too long is replaced by an error: what a script built of shared tables may be
 * longer by far than what it holds. */
void convert_to_reply(lua_State *L, client *c, int proto) {
    size_t from = c->out.len;
    making m = {.L = L, .c = c, .proto = proto};
    m.tables = SHARED_MAX + vm_of(L)->used / TABLE_BYTES;
    m.values = VALUES_MAX + vm_of(L)->used / VALUE_BYTES;
    put_value(&m);
    if (!m.over && c->out.len - from <= REPLY_MAX) return;
    c->out.len = from;
    (void)reply_error_text(c, SLICE(TOO_LONG));
}
