/* api: the functions of `redis`, but for those that run commands (call.c).
 *
 * What concerns replicas (set_repl, replicate_commands) is taken and has nothing to do: a script's
 * changes are one batch of the log whatever it says. The debugger is not there.
 *
 * Most of these can be called outside of a run too, by the text of a library that is being loaded:
 * run_in() tells, and is NULL then. Each function raises its errors by longjmp, so none of them
 * holds memory that is not Lua's while it may. */
#include "script/api.h"
#include "script/run_int.h"

#include "base/log.h"
#include "base/sha1.h"
#include "session/version.h"

#include <stdarg.h>
#include <stdio.h>

/* The bits that redis.set_repl takes. Their values are Redis', as scripts may have written them
 * down. */
#define REPL_AOF     1
#define REPL_REPLICA 2
#define REPL_ALL     (REPL_AOF | REPL_REPLICA)
#define LOG_KEEP     (1u << 20) /* bytes of a script's messages that wait for its end */

/* {err = "ERR text"} on the stack. */
static void push_error(lua_State *L, const char *text) {
    lua_createtable(L, 0, 1);
    lua_pushfstring(L, "ERR %s", text);
    lua_setfield(L, -2, "err");
}

/* For functions of `redis`: the error is a table, as that of a command is, so that a script that
 * catches it finds the text under `err`. */
int api_error(lua_State *L, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    push_error(L, text);
    return lua_error(L);
}

/* One argument, a string: what error_reply and status_reply take. */
static bool one_string(lua_State *L) {
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING) return true;
    push_error(L, "wrong number or type of arguments");
    return false;
}

/* The first of several words is the code; a dash before it goes. */
static int error_reply(lua_State *L) {
    if (!one_string(L)) return 1;
    size_t n;
    const char *text = lua_tolstring(L, 1, &n);
    lua_createtable(L, 0, 1);
    bool dash = *text == '-';
    if (memchr(text, ' ', n)) {
        lua_pushlstring(L, text + dash, n - dash);
    } else {
        lua_pushliteral(L, "ERR ");
        lua_pushlstring(L, text + dash, n - dash);
        lua_concat(L, 2);
    }
    lua_setfield(L, -2, "err");
    return 1;
}

/* {ok = text}: what the script returns becomes a status. */
static int status_reply(lua_State *L) {
    if (!one_string(L)) return 1;
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
}

/* The digest of its one argument in hexadecimal; of what is no string, that of nothing. */
static int sha1hex(lua_State *L) {
    if (lua_gettop(L) != 1) return api_error(L, "wrong number of arguments");
    size_t n;
    const char *text = lua_tolstring(L, 1, &n);
    char hex[SHA1_HEX_LEN + 1];
    sha1_hex(slice_of(text, text ? n : 0), hex);
    lua_pushstring(L, hex);
    return 1;
}

/* A script's messages are written when it has ended, as it may have to run again; a very talkative
 * one's before. */
static int log_message(lua_State *L) {
    int n = lua_gettop(L);
    if (n < 2) return api_error(L, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1)) return api_error(L, "First argument must be a number (log level).");
    int level = (int)lua_tointeger(L, 1);
    if (level < LOG_LEVEL_DEBUG || level > LOG_LEVEL_WARNING)
        return api_error(L, "Invalid debug level.");
    if (level < (int)log_get_level()) return 0;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (int i = 2; i <= n; i++) {
        if (i > 2) luaL_addchar(&text, ' ');
        lua_pushvalue(L, i);
        if (lua_isstring(L, -1))
            luaL_addvalue(&text);
        else
            lua_pop(L, 1);
    }
    luaL_pushresult(&text);
    run *r = run_in(L);
    if (r && r->log.len < LOG_KEEP) {
        size_t len;
        const char *line = lua_tolstring(L, -1, &len);
        buf_append_char(&r->log, (char)level);
        buf_append(&r->log, line, strnlen(line, len));
        buf_append_char(&r->log, 0);
    } else {
        log_write((log_level)level, "%s", lua_tostring(L, -1));
    }
    return 0;
}

/* From here on the script's commands answer in that protocol. The reply of the script itself is in
 * the client's. */
static int setresp(lua_State *L) {
    if (lua_gettop(L) != 1) return api_error(L, "redis.setresp() requires one argument.");
    int version = (int)lua_tointeger(L, 1);
    if (version != 2 && version != 3) return api_error(L, "RESP version must be 2 or 3.");
    run *r = run_in(L);
    if (r) r->proto = version;
    return 0;
}

/* Says what Redis would send to replicas: looked at, and forgotten. */
static int set_repl(lua_State *L) {
    if (lua_gettop(L) != 1) return api_error(L, "redis.set_repl() requires two arguments.");
    if (lua_tointeger(L, 1) & ~(lua_Integer)REPL_ALL)
        return api_error(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                            "REPL_NONE.");
    return 0;
}

/* Was to be called before the first write in older versions: it is always so. */
static int replicate_commands(lua_State *L) {
    lua_pushboolean(L, 1);
    return 1;
}

/* There is no debugger that would stop. */
static int breakpoint(lua_State *L) {
    lua_pushboolean(L, 0);
    return 1;
}

/* Nobody listens. */
static int debug(lua_State *L) {
    (void)L;
    return 0;
}

/* ---- the table ---------------------------------------------------------------------------------
 */

/* What a script calls as redis.NAME. */
static const luaL_Reg functions[] = {
    {"call", call_raising},         {"pcall", call_returning},
    {"acl_check_cmd", call_may},    {"error_reply", error_reply},
    {"status_reply", status_reply}, {"sha1hex", sha1hex},
    {"log", log_message},           {"setresp", setresp},
    {"set_repl", set_repl},         {"replicate_commands", replicate_commands},
    {"breakpoint", breakpoint},     {"debug", debug},
};
/* Numbers under names; the first table is seen by libraries while they are loaded, too. */
static const struct {
    const char *name;
    int value;
} levels[] =
    {
        {"LOG_DEBUG", LOG_LEVEL_DEBUG},
        {"LOG_VERBOSE", LOG_LEVEL_VERBOSE},
        {"LOG_NOTICE", LOG_LEVEL_NOTICE},
        {"LOG_WARNING", LOG_LEVEL_WARNING},
},
  constants[] = {
      {"REPL_NONE", 0},
      {"REPL_AOF", REPL_AOF},
      {"REPL_SLAVE", REPL_REPLICA},
      {"REPL_REPLICA", REPL_REPLICA},
      {"REPL_ALL", REPL_ALL},
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A library may log while it is loaded, and knows the version. */
void api_push_load(lua_State *L) {
    lua_newtable(L);
    lua_pushcfunction(L, log_message);
    lua_setfield(L, -2, "log");
    for (size_t i = 0; i < COUNT(levels); i++) {
        lua_pushinteger(L, levels[i].value);
        lua_setfield(L, -2, levels[i].name);
    }
    int major = 0, minor = 0, patch = 0;
    CHECK(sscanf(COMPAT_REDIS_VERSION, "%d.%d.%d", &major, &minor, &patch) == 3);
    lua_pushliteral(L, COMPAT_REDIS_VERSION);
    lua_setfield(L, -2, "REDIS_VERSION");
    lua_pushinteger(L, major << 16 | minor << 8 | patch);
    lua_setfield(L, -2, "REDIS_VERSION_NUM");
}

/* All of it, for scripts, and for functions when they are called. */
void api_push(lua_State *L) {
    api_push_load(L);
    for (size_t i = 0; i < COUNT(functions); i++) {
        lua_pushcfunction(L, functions[i].func);
        lua_setfield(L, -2, functions[i].name);
    }
    for (size_t i = 0; i < COUNT(constants); i++) {
        lua_pushinteger(L, constants[i].value);
        lua_setfield(L, -2, constants[i].name);
    }
}
