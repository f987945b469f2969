/* cache: text -> digest -> compiled function.
 *
 * What EVAL brings is used once or a million times; nobody can tell. So the 500 latest of these are
 * kept (as Redis 7.4 does), while what SCRIPT LOAD brought stays. An EVAL that repeats the last
 * one's text, as most do, needs no digest.
 *
 *     by_sha ──> script {sha, text, flags, function} ──> the registry of the Lua state
 *                  │
 *                  └─ link: evals ──> oldest ──> ... ──> latest      (not the loaded ones)
 *
 * A script can't go while it runs: nothing is compiled, and so nothing forgotten, from within one,
 * as the commands that would are CMD_NOSCRIPT and refused while the server is busy. */
#include "script/cache.h"

#include "base/dict.h"
#include "base/mem.h"
#include "script/run.h"
#include "session/reply.h"

#include <ctype.h>

/* All scripts there are. `evals` holds those that may go, the next to go first. */
static struct {
    vm *v;
    dict *by_sha;
    list_node evals;
    size_t nevals, bytes;
    script *latest; /* the one that EVAL ran last; NULL */
    uint64_t evicted;
} cache;

/* Made when the first script comes: a server that runs none has no Lua state. */
vm *cache_vm(void) {
    if (cache.v) return cache.v;
    cache.v = vm_new();
    cache.by_sha = dict_new(false);
    list_init(&cache.evals);
    return cache.v;
}

/* ---- the first line ----------------------------------------------------------------------------
 */

/* The next word of s up to `by`, which s is moved behind. */
static slice next_word(slice *s, char by) {
    const char *end = memchr(s->data, by, s->len);
    slice word = slice_of(s->data, end ? (size_t)(end - s->data) : s->len);
    *s = slice_skip(*s, word.len + (end != NULL));
    return word;
}

/* "no-writes,allow-oom"; false after having replied. */
static bool parse_flags(client *c, slice list, unsigned *flags) {
    bool more = list.len;
    while (more) {
        more = memchr(list.data, ',', list.len) != NULL;
        slice name = next_word(&list, ',');
        if (script_flag(name, flags)) continue;
        (void)reply_error(c, "ERR Unexpected flag in script shebang: %.*s", (int)name.len,
                          name.data);
        return false;
    }
    return true;
}

/* "#!lua flags=a,b" and a newline: *code is what follows the line but for the newline, so that
 * lines count from there. A script without it says nothing of itself. */
static bool parse_shebang(client *c, slice body, slice *code, unsigned *flags) {
    *code = body;
    *flags = SCRIPT_COMPAT;
    if (body.len < 2 || memcmp(body.data, "#!", 2) != 0) return true;
    *flags = 0;
    const char *end = memchr(body.data, '\n', body.len);
    if (!end) {
        (void)reply_error(c, "ERR Invalid script shebang");
        return false;
    }
    slice line = slice_of(body.data, (size_t)(end - body.data));
    *code = slice_skip(body, line.len);
    slice language = next_word(&line, ' ');
    if (!slice_eq(language, SLICE("#!lua"))) {
        (void)reply_error(c, "ERR Unexpected engine in script shebang: %.*s", (int)language.len,
                          language.data);
        return false;
    }
    while (line.len) {
        slice word = next_word(&line, ' ');
        if (!word.len) continue;
        if (word.len >= 6 && memcmp(word.data, "flags=", 6) == 0) {
            if (!parse_flags(c, slice_skip(word, 6), flags)) return false;
            continue;
        }
        (void)reply_error(c, "ERR Unknown lua shebang option: %.*s", (int)word.len, word.data);
        return false;
    }
    return true;
}

/* ---- scripts -----------------------------------------------------------------------------------
 */

/* As Redis counts a script: its text with what belongs to it, and the digest as a key. */
static size_t bytes_of(const script *s) {
    return mem_size(s) + SHA1_HEX_LEN;
}

/* It is out of every list. */
static void forget(script *s) {
    luaL_unref(cache.v->L, LUA_REGISTRYINDEX, s->function);
    (void)dict_del(cache.by_sha, slice_of(s->sha, SHA1_HEX_LEN));
    list_remove(&s->link);
    cache.bytes -= bytes_of(s);
    if (cache.latest == s) cache.latest = NULL;
    mem_free(s);
}

/* It becomes the last to go. */
static void use(script *s) {
    if (s->loaded) return;
    list_remove(&s->link);
    list_append(&cache.evals, &s->link);
}

/* Digests are written in small letters, but may be asked for in any. What is found counts as used.
 */
script *cache_find(slice sha) {
    if (sha.len != SHA1_HEX_LEN || !cache.v) return NULL;
    char lower[SHA1_HEX_LEN];
    for (int i = 0; i < SHA1_HEX_LEN; i++)
        lower[i] = (char)tolower((unsigned char)sha.data[i]);
    script *s = dict_get(cache.by_sha, slice_of(lower, SHA1_HEX_LEN));
    if (s) use(s);
    return s;
}

/* A reference to the function, or LUA_NOREF after having replied. */
static int compiled(client *c, slice code) {
    lua_State *L = cache.v->L;
    if (vm_compile(cache.v, code, VM_CHUNK)) {
        vm_open_limit(cache.v);
        int ref = luaL_ref(L, LUA_REGISTRYINDEX);
        vm_close_limit(cache.v);
        return ref;
    }
    const char *why = lua_tostring(L, -1);
    (void)reply_error(c, "ERR Error compiling script (new function): %s", why ? why : "?");
    lua_pop(L, 1);
    return LUA_NOREF;
}

/* A transaction that runs again finds scripts as it found them first: those that came in it go. */
static void transaction_ended(void *ctx, bool committed) {
    (void)ctx;
    if (!cache.v) return;
    for (list_node *n = cache.evals.next, *next; n != &cache.evals; n = next) {
        script *s = LIST_OWNER(n, script, link);
        next = n->next;
        bool goes = s->fresh && !committed;
        s->fresh = false;
        if (!goes) continue;
        cache.nevals--;
        forget(s);
    }
}

/* A script that nobody knew. */
static script *make(client *c, slice body, const char *sha) {
    slice code;
    unsigned flags;
    if (!parse_shebang(c, body, &code, &flags)) return NULL;
    int function = compiled(c, code);
    if (function == LUA_NOREF) return NULL;
    script *s = mem_alloc(sizeof *s + body.len);
    *s = (script){.flags = flags, .function = function, .len = body.len};
    list_init(&s->link);
    memcpy(s->sha, sha, SHA1_HEX_LEN + 1);
    if (body.len) memcpy(s->body, body.data, body.len);
    (void)dict_set(cache.by_sha, slice_of(s->sha, SHA1_HEX_LEN), s);
    cache.bytes += bytes_of(s);
    list_append(&cache.evals, &s->link);
    s->fresh = ks_in_inner_batch(c->ks);
    if (s->fresh) ks_at_end(c->ks, transaction_ended, NULL);
    /* It was appended last, so it is never itself the one that goes. */
    if (++cache.nevals > CACHE_EVALS) {
        cache.nevals--;
        cache.evicted++;
        forget(LIST_OWNER(cache.evals.next, script, link));
    }
    return s;
}

/* The text of the script that ran last is compared before anything is computed: a client that sends
 * the same EVAL again and again pays for a memcmp. Whoever is loaded leaves the list of those that
 * may be forgotten, for good. */
script *cache_add(client *c, slice body, bool loaded) {
    (void)cache_vm();
    script *s = cache.latest;
    if (!s || s->len != body.len || memcmp(s->body, body.data, body.len) != 0) {
        char sha[SHA1_HEX_LEN + 1];
        sha1_hex(body, sha);
        s = dict_get(cache.by_sha, slice_of(sha, SHA1_HEX_LEN));
        if (!s) s = make(c, body, sha);
        if (!s) return NULL;
    }
    if (loaded && !s->loaded) {
        s->loaded = true;
        list_remove(&s->link);
        cache.nevals--;
    }
    use(s);
    cache.latest = s;
    return s;
}

/* The Lua state goes with the scripts: what they set in libraries (cjson's settings) is as at
 * first. The count of those that were evicted is of the server's life. */
void cache_flush(void) {
    if (!cache.v) return;
    size_t pos = 0;
    slice sha;
    void *s;
    while (dict_next(cache.by_sha, &pos, &sha, &s))
        mem_free(s);
    dict_free(cache.by_sha, NULL);
    vm_free(cache.v);
    uint64_t evicted = cache.evicted;
    memset(&cache, 0, sizeof cache);
    cache.evicted = evicted;
}

/* What is in the table of scripts. */
size_t cache_count(void) {
    return cache.v ? dict_count(cache.by_sha) : 0;
}

/* Of texts and digests. What their functions take in Lua is in the state's own count. */
size_t cache_bytes(void) {
    return cache.bytes;
}

/* Since the server's start. */
uint64_t cache_evicted(void) {
    return cache.evicted;
}
