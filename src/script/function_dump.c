/* FUNCTION DUMP and FUNCTION RESTORE: all libraries as bytes that redis-server 7 takes and gives.
 *
 * RESTORE loads all that it is given into a set of its own first. Only when that is whole, and fits
 * beside what is to stay, is it made the set there is. */
#include "rdb/rdb.h"
#include "script/function.h"
#include "script/function_load.h"
#include "script/function_store.h"
#include "session/reply.h"

/* The footer alone if there is no library. */
command_result function_dump(client *c) {
    buf out = {0};
    const libset *now = functions_now();
    for (size_t i = 0; i < libset_count(now); i++)
        rdb_put_library(&out, buf_slice(&libset_at(now, i)->code));
    rdb_put_footer(&out, 0, RDB_VERSION_WRITTEN);
    client_depends_on_end(c);
    reply_bulk(c, buf_slice(&out));
    buf_free(&out);
    return CMD_DONE;
}

/* ---- RESTORE ------------------------------------------------------------------------------------
 */

enum policy { POLICY_FLUSH, POLICY_APPEND, POLICY_REPLACE };

/* One library; false: the message is in *error. */
static bool restore_library(libset *set, slice code, buf *error) {
    buf name = {0};
    library *lib = NULL;
    if (function_header(code, &name, error)) {
        if (libset_find(set, buf_slice(&name)))
            buf_printf(error, "Library '%.*s' already exists", (int)name.len, name.data);
        else
            lib = function_load(buf_slice(&name), code, true, error);
    }
    buf_free(&name);
    const function *taken = lib ? libset_add(set, lib) : NULL;
    if (taken) buf_printf(error, "Function %s already exists", taken->name);
    if (lib) library_release(lib);
    return error->len == 0;
}

/* All of a payload's body into the empty set. */
static bool restore_all(libset *set, slice body, buf *error) {
    buf room = {0};
    slice code;
    bool good = true;
    while (good && body.len > 0) {
        good = false;
        switch (rdb_take_library(&body, &room, &code)) {
        case RDB_LIBRARY_TAKEN: good = restore_library(set, code, error); break;
        case RDB_LIBRARY_OLD: buf_printf(error, "Pre-GA function format not supported"); break;
        case RDB_LIBRARY_NONE: buf_printf(error, "given type is not a function"); break;
        case RDB_LIBRARY_BAD: buf_printf(error, "Failed loading library payload"); break;
        }
    }
    buf_free(&room);
    return good;
}

/* Puts the libraries of one set to another. Those of one name are replaced, or an error. */
static bool join(libset *to, const libset *from, bool replace, buf *error) {
    for (size_t i = 0; i < libset_count(from); i++) {
        const char *name = libset_at(from, i)->name;
        const library *old = libset_find(to, slice_cstr(name));
        if (old && !replace) {
            buf_printf(error, "Library %s already exists", name);
            return false;
        }
        if (old) libset_remove(to, old);
    }
    for (size_t i = 0; i < libset_count(from); i++) {
        const function *taken = libset_add(to, libset_at(from, i));
        if (!taken) continue;
        buf_printf(error, "Function %s already exists", taken->name);
        return false;
    }
    return true;
}

/* False after having replied. */
static bool parse_policy(client *c, enum policy *out) {
    *out = POLICY_APPEND;
    if (c->argc == 3 || arg_is(c, 3, "append")) return true;
    *out = POLICY_REPLACE;
    if (arg_is(c, 3, "replace")) return true;
    *out = POLICY_FLUSH;
    if (arg_is(c, 3, "flush")) return true;
    (void)reply_error(c, "ERR Wrong restore policy given, value should be either FLUSH, APPEND or "
                         "REPLACE.");
    return false;
}

/* What is wrong is found before anything is changed. */
command_result function_restore(client *c) {
    enum policy policy;
    if (c->argc > 4) return reply_sub_syntax(c);
    if (!parse_policy(c, &policy)) return CMD_REFUSED;
    if (!rdb_footer_is_good(c->argv[2]))
        return reply_error(c, "ERR DUMP payload version or checksum are wrong");
    buf error = {0};
    libset *set = libset_new();
    libset *next = policy == POLICY_FLUSH ? libset_new() : libset_copy(functions_now());
    bool good = restore_all(set, rdb_body(c->argv[2]), &error) &&
                join(next, set, policy == POLICY_REPLACE, &error);
    libset_free(set);
    command_result result = CMD_DONE;
    if (good) {
        engine_result r = functions_change(c->ks, next);
        if (r != ENGINE_OK) result = reply_engine(c, r);
    } else {
        libset_free(next);
        result = reply_error(c, "ERR %.*s", (int)error.len, error.data);
    }
    buf_free(&error);
    if (result != CMD_DONE) return result;
    ks_dirty(c->ks, 1);
    client_depends_on_end(c);
    reply_ok(c);
    return CMD_DONE;
}
