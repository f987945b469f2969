/* function_set: see function_set.h. What a library's functions refer to in Lua is given back by
 * function_unref when the last set that has the library goes. */
#include "script/function_set.h"

#include "base/dict.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/function_load.h"

struct libset {
    library **libs;
    size_t n, functions, bytes;
    dict *by_name; /* functions, case ignored */
};

/* ---- libraries ---------------------------------------------------------------------------------
 */

/* As a string; the caller's. */
static char *copy_name(slice name) {
    char *p = mem_alloc(name.len + 1);
    if (name.len) memcpy(p, name.data, name.len);
    p[name.len] = 0;
    return p;
}

/* Its text is copied: a library outlives the command that brought it. */
library *library_new(slice name, slice code) {
    library *lib = mem_zalloc(sizeof *lib);
    lib->holders = 1;
    lib->name = copy_name(name);
    buf_append_slice(&lib->code, code);
    lib->bytes = sizeof *lib + name.len + code.len;
    return lib;
}

/* The last holder's release frees it, with what its functions refer to in Lua. */
void library_release(library *lib) {
    CHECK(lib->holders > 0);
    if (--lib->holders > 0) return;
    for (size_t i = 0; i < lib->n; i++) {
        function *f = lib->functions[i];
        function_unref(f->ref);
        mem_free(f->name);
        buf_free(&f->description);
        mem_free(f);
    }
    mem_free(lib->functions);
    mem_free(lib->name);
    buf_free(&lib->code);
    mem_free(lib);
}

/* Names of one library differ by letters' case too, as in Redis. */
function *library_add(library *lib, slice name, int ref) {
    for (size_t i = 0; i < lib->n; i++)
        if (slice_eq(slice_cstr(lib->functions[i]->name), name)) return NULL;
    function *f = mem_zalloc(sizeof *f);
    *f = (function){.lib = lib, .name = copy_name(name), .ref = ref};
    lib->functions = mem_realloc(lib->functions, (lib->n + 1) * sizeof *lib->functions);
    lib->functions[lib->n++] = f;
    lib->bytes += sizeof *f + sizeof f + name.len;
    return f;
}

/* Not empty, and no byte but letters, digits and underscores. */
bool library_name_is_valid(slice name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool good =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!good) return false;
    }
    return name.len > 0;
}

/* ---- sets --------------------------------------------------------------------------------------
 */

/* Empty. */
libset *libset_new(void) {
    libset *s = mem_zalloc(sizeof *s);
    s->by_name = dict_new(true);
    return s;
}

/* What is in a set fits into another one. */
libset *libset_copy(const libset *s) {
    libset *copy = libset_new();
    for (size_t i = 0; i < s->n; i++) {
        const function *taken = libset_add(copy, s->libs[i]);
        CHECK(!taken);
    }
    return copy;
}

/* Libraries that no other set holds go with it. */
void libset_free(libset *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n; i++)
        library_release(s->libs[i]);
    mem_free(s->libs);
    dict_free(s->by_name, NULL);
    mem_free(s);
}

/* Of libraries, those without functions too. */
size_t libset_count(const libset *s) {
    return s->n;
}

/* As libraries have them: a name that two spell alike counts twice. */
size_t libset_functions(const libset *s) {
    return s->functions;
}

/* What Lua has of them is not in it. */
size_t libset_bytes(const libset *s) {
    return sizeof *s + s->bytes;
}

/* By rank. */
library *libset_at(const libset *s, size_t i) {
    CHECK(i < s->n);
    return s->libs[i];
}

/* There are few: one after the other. */
library *libset_find(const libset *s, slice name) {
    for (size_t i = 0; i < s->n; i++)
        if (slice_eq(slice_cstr(s->libs[i]->name), name)) return s->libs[i];
    return NULL;
}

/* By the table, which ignores case. */
function *libset_function(const libset *s, slice name) {
    return dict_get(s->by_name, name);
}

/* Of two functions of one library whose names differ in letters' case, only one is known by it. */
void libset_remove(libset *s, const library *lib) {
    size_t at = 0;
    while (s->libs[at] != lib)
        CHECK(++at < s->n);
    for (size_t i = 0; i < lib->n; i++)
        (void)dict_del(s->by_name, slice_cstr(lib->functions[i]->name));
    s->functions -= lib->n;
    s->bytes -= lib->bytes;
    s->n--;
    memmove(s->libs + at, s->libs + at + 1, (s->n - at) * sizeof *s->libs);
    library_release((library *)(uintptr_t)lib);
}

/* All are looked for before one is put. */
const function *libset_add(libset *s, library *lib) {
    CHECK(!libset_find(s, slice_cstr(lib->name)));
    for (size_t i = 0; i < lib->n; i++)
        if (libset_function(s, slice_cstr(lib->functions[i]->name))) return lib->functions[i];
    for (size_t i = 0; i < lib->n; i++) {
        slice name = slice_cstr(lib->functions[i]->name);
        if (!libset_function(s, name)) (void)dict_set(s->by_name, name, lib->functions[i]);
    }
    s->libs = mem_realloc(s->libs, (s->n + 1) * sizeof *s->libs);
    s->libs[s->n++] = lib;
    s->functions += lib->n;
    s->bytes += lib->bytes;
    lib->holders++;
    return NULL;
}
