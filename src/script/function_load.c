/* function_load: see function_load.h.
 *
 * While a library's text runs it sees one global, `redis`, in which there is little else than
 * register_function; what it registers later sees the globals that scripts have, without that. Both
 * are seen through the same table, as a function's globals are those of the chunk that made it, so
 * the state is told to show the other one for the time of loading.
 *
 * A text that fails has its functions unreferenced again, and what it left goes with the next
 * collection: it could reach nothing that stays. */
#include "script/function_load.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "resp/reader.h"
#include "script/api.h"
#include "script/run.h"
#include "script/sandbox.h"

#define CHUNK "@user_function"
#define NAMES                                                                                      \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one " \
    "character long"

static vm *state;
static int load_globals;    /* reference of what a library sees while it is loaded */
static library *loading;    /* NULL: none is */
static uint64_t loading_to; /* monotonic us; 0: however long it takes */

/* ---- the first line -----------------------------------------------------------------------------
 */

/* In letters of any case. */
static bool starts_with(slice s, const char *word) {
    size_t n = strlen(word);
    return s.len >= n && slice_ieq(slice_of(s.data, n), word);
}

/* The words behind the engine's name. */
static bool take_words(const slice *words, int n, buf *name, buf *error) {
    bool named = false;
    for (int i = 1; i < n; i++) {
        if (!starts_with(words[i], "name=")) {
            buf_printf(error, "Invalid metadata value given: %.*s", (int)words[i].len,
                       words[i].data);
            return false;
        }
        if (named) {
            buf_printf(error, "Invalid metadata value, name argument was given multiple times");
            return false;
        }
        named = true;
        buf_append_slice(name, slice_skip(words[i], strlen("name=")));
    }
    if (!named) buf_printf(error, "Library name was not given");
    return named;
}

/* Redis looks at the name before it looks at the engine. */
static bool take_header(const slice *words, int n, buf *name, buf *error) {
    if (n <= 0) {
        buf_printf(error, "Invalid library metadata");
        return false;
    }
    if (!take_words(words, n, name, error)) return false;
    if (!library_name_is_valid(buf_slice(name))) {
        buf_printf(error, NAMES);
        return false;
    }
    slice language = slice_skip(words[0], 2);
    if (slice_ieq(language, "lua")) return true;
    buf_printf(error, "Engine '%.*s' not found", (int)language.len, language.data);
    return false;
}

/* Redis' order of errors: no header, no end of it, its words, the name, the language. */
bool function_header(slice code, buf *name, buf *error) {
    if (code.len < 2 || memcmp(code.data, "#!", 2) != 0) {
        buf_printf(error, "Missing library metadata");
        return false;
    }
    const char *end = memchr(code.data, '\n', code.len);
    slice *words = NULL;
    int n = end ? resp_split_line(slice_of(code.data, (size_t)(end - code.data)), &words) : -1;
    bool good = take_header(words, n, name, error);
    mem_free(words);
    return good;
}

/* ---- register_function --------------------------------------------------------------------------
 */

/* What it is called with; slices are of strings that Lua holds. */
typedef struct registration {
    slice name, description;
    bool named, described;
    int callback; /* its place on the stack; 0: not given */
    unsigned flags;
} registration;

/* A string, or a number, which becomes one. */
static bool take_string(lua_State *L, int at, slice *out) {
    size_t n;
    if (!lua_isstring(L, at)) return false;
    const char *p = lua_tolstring(L, at, &n);
    *out = slice_of(p, n);
    return true;
}

/* The table of flags on the stack. */
static bool take_flags(lua_State *L, unsigned *flags) {
    slice name;
    *flags = 0;
    for (int i = 1;; i++) {
        lua_rawgeti(L, -1, i);
        bool end = lua_isnil(L, -1);
        bool good = end || (take_string(L, -1, &name) && script_flag(name, flags));
        lua_pop(L, 1);
        if (end || !good) return good;
    }
}

/* Places on the stack where named arguments are kept: a number that became a string is held by
 * nothing else. */
enum { CALLBACK_AT = 2, NAME_AT, DESCRIPTION_AT };

/* The string on the stack, kept at `at` too. */
static bool keep_string(lua_State *L, int at, slice *out) {
    if (!take_string(L, -1, out)) return false;
    lua_pushvalue(L, -1);
    lua_replace(L, at);
    return true;
}

/* One named argument, whose value is on the stack. NULL, or what is wrong. */
static const char *take_named(lua_State *L, slice key, registration *r) {
    if (slice_ieq(key, "function_name")) {
        r->named = keep_string(L, NAME_AT, &r->name);
        if (!r->named)
            return "function_name argument given to redis.register_function must be a "
                   "string";
    } else if (slice_ieq(key, "description")) {
        r->described = keep_string(L, DESCRIPTION_AT, &r->description);
        if (!r->described)
            return "description argument given to redis.register_function must be "
                   "a string";
    } else if (slice_ieq(key, "callback")) {
        if (!lua_isfunction(L, -1))
            return "callback argument given to redis.register_function "
                   "must be a function";
        lua_pushvalue(L, -1);
        lua_replace(L, CALLBACK_AT);
        r->callback = CALLBACK_AT;
    } else if (slice_ieq(key, "flags")) {
        if (!lua_istable(L, -1))
            return "flags argument to redis.register_function must be a "
                   "table representing function flags";
        if (!take_flags(L, &r->flags)) return "unknown flag given";
    } else {
        return "unknown argument given to redis.register_function";
    }
    return NULL;
}

/* register_function{function_name = .., callback = .., flags = {..}, description = ..} */
static const char *take_table(lua_State *L, registration *r) {
    if (!lua_istable(L, 1))
        return "calling redis.register_function with a single argument is only applicable to Lua "
               "table (representing named arguments).";
    lua_settop(L, DESCRIPTION_AT);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        slice key;
        lua_pushvalue(L, -2); /* as it would change, if it is a number */
        if (!take_string(L, -1, &key))
            return "named argument key given to redis.register_function is not a string";
        lua_pushvalue(L, -2);
        const char *wrong = take_named(L, key, r);
        if (wrong) return wrong;
        lua_pop(L, 3);
    }
    if (!r->named) return "redis.register_function must get a function name argument";
    if (!r->callback) return "redis.register_function must get a callback argument";
    return NULL;
}

/* register_function(name, callback) */
static const char *take_pair(lua_State *L, registration *r) {
    if (!take_string(L, 1, &r->name))
        return "first argument to redis.register_function must be a string";
    if (!lua_isfunction(L, 2))
        return "second argument to redis.register_function must be a function";
    r->callback = 2;
    return NULL;
}

/* Nothing that Lua could raise an error in comes behind the reference. */
static const char *add_function(lua_State *L, const registration *r) {
    if (!library_name_is_valid(r->name)) return NAMES;
    lua_pushvalue(L, r->callback);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    function *f = library_add(loading, r->name, ref);
    if (!f) {
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
        return "Function already exists in the library";
    }
    f->flags = r->flags;
    f->described = r->described;
    buf_append_slice(&f->description, r->description);
    loading->bytes += r->description.len;
    return NULL;
}

/* A function that kept it can't call it later. */
static int register_function(lua_State *L) {
    registration r = {0};
    int n = lua_gettop(L);
    const char *wrong = NULL;
    if (!loading)
        wrong = "redis.register_function can only be called on FUNCTION LOAD command";
    else if (n < 1 || n > 2)
        wrong = "wrong number of arguments to redis.register_function";
    if (!wrong) wrong = n == 1 ? take_table(L, &r) : take_pair(L, &r);
    if (!wrong) wrong = add_function(L, &r);
    return wrong ? api_error(L, "%s", wrong) : 0;
}

/* ---- the state ---------------------------------------------------------------------------------
 */

/* What EVAL alone has. */
static void drop_eval_api(lua_State *L) {
    static const char *const names[] = {"breakpoint", "debug", "replicate_commands"};
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm_of(L)->globals);
    lua_getfield(L, -1, "redis");
    bool shown = sandbox_hidden(L, -1);
    CHECK(shown);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, names[i]);
    }
    lua_pop(L, 3);
}

/* What a library sees while it is loaded. */
static int make_globals(lua_State *L) {
    drop_eval_api(L);
    lua_newtable(L);
    api_push_load(L);
    lua_pushcfunction(L, register_function);
    lua_setfield(L, -2, "register_function");
    sandbox_strict(L);
    lua_setfield(L, -2, "redis");
    sandbox_strict(L);
    sandbox_protect(L);
    bool made = sandbox_hidden(L, -1);
    CHECK(made);
    load_globals = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* Made once, as it costs some 50 KiB. */
vm *function_vm(void) {
    if (state) return state;
    state = vm_new();
    vm_open_limit(state);
    if (lua_cpcall(state->L, make_globals, NULL) != 0)
        log_panic(__FILE__, __LINE__, "Lua: %s", lua_tostring(state->L, -1));
    vm_close_limit(state);
    return state;
}

/* For INFO. */
size_t function_vm_bytes(void) {
    return state ? state->used : 0;
}

/* The collector takes it when it comes by. */
void function_unref(int ref) {
    CHECK(state);
    vm_open_limit(state);
    luaL_unref(state->L, LUA_REGISTRYINDEX, ref);
    vm_close_limit(state);
}

/* All that functions have kept goes with it. */
void function_vm_free(void) {
    if (state) vm_free(state);
    state = NULL;
}

/* ---- loading -----------------------------------------------------------------------------------
 */

/* Between any VM_HOOK_COUNT instructions. */
static void tick(vm *v, lua_State *L) {
    (void)v;
    if (loading_to && clock_mono_us() > loading_to) (void)vm_end(L, VM_LIMIT);
}

/* The error that vm_call has left, as a message. */
static void take_error(vm *v, buf *error) {
    lua_State *L = v->L;
    buf_printf(error, "Error registering functions: ");
    if (v->unwind != VM_RUNS) {
        buf_printf(error, "ERR FUNCTION LOAD timeout");
        return;
    }
    slice text = SLICE("ERR unknown error");
    vm_open_limit(v);
    lua_pushliteral(L, "err");
    lua_rawget(L, -2);
    (void)take_string(L, -1, &text);
    buf_append_slice(error, text);
    lua_pop(L, 2);
    vm_close_limit(v);
}

/* Compiles the text, from its first newline on so that lines keep their numbers, and calls it. */
static bool run_text(vm *v, slice code, buf *error) {
    const char *end = memchr(code.data, '\n', code.len);
    slice text;
    CHECK(end);
    bool good = vm_compile(v, slice_skip(code, (size_t)(end - code.data)), CHUNK);
    if (!good) {
        bool told = take_string(v->L, -1, &text);
        buf_printf(error, "Error compiling function: %.*s", told ? (int)text.len : 0,
                   told ? text.data : "");
        lua_pop(v->L, 1);
        return false;
    }
    v->tick = tick;
    good = vm_call(v, 0, 0);
    v->tick = NULL;
    if (!good) take_error(v, error);
    return good;
}

/* The globals are those of loading for exactly as long as the text runs. */
library *function_load(slice name, slice code, bool timed, buf *error) {
    vm *v = function_vm();
    CHECK(!loading);
    library *lib = loading = library_new(name, code);
    loading_to = timed ? clock_mono_us() + FUNCTION_LOAD_MS * 1000 : 0;
    sandbox_show(v, load_globals);
    bool good = run_text(v, code, error);
    sandbox_show(v, v->globals);
    loading = NULL;
    vm_tidy(v);
    if (good && lib->n == 0) {
        buf_printf(error, "No functions registered");
        good = false;
    }
    if (good) return lib;
    library_release(lib);
    return NULL;
}
