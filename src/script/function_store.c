/* function_store: see function_store.h.
 *
 * A library is one system record of the keyspace: "function:NAME" -> its text. Records and the set
 * in memory change in one batch; if that is aborted, because a read was pending or EXEC failed, the
 * set before it is the set again. Until then the batch's own commands see what it has changed. */
#include "script/function_store.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/function_load.h"

#define PREFIX "function:"

static libset *now;

/* Never NULL: before the engine is open there is an empty one. */
const libset *functions_now(void) {
    if (!now) now = libset_new();
    return now;
}

/* ---- changing ----------------------------------------------------------------------------------
 */

/* The record's name, in out. */
static slice record_name(buf *out, const library *lib) {
    buf_clear(out);
    buf_printf(out, PREFIX "%s", lib->name);
    return buf_slice(out);
}

/* What a batch has replaced. */
typedef struct change {
    keyspace *ks;
    libset *before;
} change;

/* The batch has ended. Libraries that came with it can be shown when it is durable. */
static void ended(void *ctx, bool committed) {
    change *c = ctx;
    if (committed) {
        for (size_t i = 0; i < libset_count(now); i++) {
            library *lib = libset_at(now, i);
            if (!lib->pos) lib->pos = engine_log_end(ks_engine(c->ks));
        }
        libset_free(c->before);
    } else {
        libset_free(now);
        now = c->before;
    }
    mem_free(c);
}

/* Makes the records what `next` says. */
static engine_result put_records(keyspace *ks, const libset *next) {
    buf name = {0};
    engine_result r = ENGINE_OK;
    for (size_t i = 0; r <= ENGINE_ABSENT && i < libset_count(now); i++) {
        const library *lib = libset_at(now, i);
        if (!libset_find(next, slice_cstr(lib->name)))
            r = ks_system_del(ks, record_name(&name, lib));
    }
    for (size_t i = 0; r <= ENGINE_ABSENT && i < libset_count(next); i++) {
        const library *lib = libset_at(next, i);
        if (libset_find(now, slice_cstr(lib->name)) != lib)
            r = ks_system_put(ks, record_name(&name, lib), buf_slice(&lib->code));
    }
    buf_free(&name);
    return r == ENGINE_ABSENT ? ENGINE_OK : r;
}

/* Records first, as these may be refused; then the set, which can't be. */
engine_result functions_change(keyspace *ks, libset *next) {
    CHECK(functions_now() && ks_in_batch(ks));
    engine_result r = put_records(ks, next);
    if (r != ENGINE_OK) {
        libset_free(next);
        return r;
    }
    change *c = mem_alloc(sizeof *c);
    *c = (change){.ks = ks, .before = now};
    now = next;
    ks_at_end(ks, ended, c);
    return ENGINE_OK;
}

/* ---- a start ------------------------------------------------------------------------------------
 */

/* Names of records, each with its length before it. */
static void note_name(void *ctx, slice name) {
    buf *names = ctx;
    size_t prefix = strlen(PREFIX);
    if (name.len <= prefix || memcmp(name.data, PREFIX, prefix) != 0) return;
    put_u32(buf_reserve(names, 4), (uint32_t)name.len);
    names->len += 4;
    buf_append_slice(names, name);
}

/* Nobody else is served meanwhile, so a read that is pending is waited for. */
static bool waits(keyspace *ks, engine_result r) {
    if (r == ENGINE_PENDING) (void)engine_background(ks_engine(ks), 1000);
    return r == ENGINE_PENDING;
}

/* All of them, before any is read: a scan's visitor may not ask the engine. */
static status scan_names(keyspace *ks, buf *names) {
    uint64_t next = 0;
    do {
        uint64_t from = next;
        engine_result r;
        do
            r = ks_system_scan(ks, from, &next, note_name, names);
        while (waits(ks, r));
        if (r == ENGINE_ERROR) return engine_error(ks_engine(ks));
    } while (next);
    return STATUS_OK;
}

/* Puts a library to the set, as it is or without its functions. */
static void take_library(libset *set, slice name, slice code) {
    buf said = {0}, error = {0};
    library *lib = NULL;
    if (function_header(code, &said, &error)) lib = function_load(name, code, false, &error);
    const function *taken = lib ? libset_add(set, lib) : NULL;
    if (taken) buf_printf(&error, "Function %s already exists", taken->name);
    if (error.len) {
        log_warning("The library '%.*s' can't be loaded, and has no functions: %.*s", (int)name.len,
                    name.data, (int)error.len, error.data);
        if (lib) library_release(lib);
        lib = library_new(name, code);
        (void)libset_add(set, lib);
    }
    library_release(lib);
    buf_free(&said);
    buf_free(&error);
}

/* One record. */
static status read_library(keyspace *ks, libset *set, slice record) {
    buf code = {0};
    engine_result r;
    do
        r = ks_system_get(ks, record, &code);
    while (waits(ks, r));
    if (r == ENGINE_OK) take_library(set, slice_skip(record, strlen(PREFIX)), buf_slice(&code));
    buf_free(&code);
    return r == ENGINE_ERROR ? engine_error(ks_engine(ks)) : STATUS_OK;
}

/* The set there is stays if the records can't be read. */
status functions_open(keyspace *ks) {
    buf names = {0};
    libset *set = libset_new();
    slice record;
    uint32_t n;
    CHECK(!ks_in_batch(ks));
    status st = scan_names(ks, &names);
    slice rest = buf_slice(&names);
    while (status_ok(st) && get_u32(&rest, &n) && get_bytes(&rest, n, &record))
        st = read_library(ks, set, record);
    buf_free(&names);
    if (status_ok(st)) {
        libset_free(now);
        now = set;
    } else {
        libset_free(set);
    }
    return st;
}

/* The set first, as its libraries refer to the state. */
void functions_close(void) {
    libset_free(now);
    now = NULL;
    function_vm_free();
}
