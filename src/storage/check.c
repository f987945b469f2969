/* check: the manifest, the directory, and the summary; check_segment.c, check_hint.c and
 * check_tables.c do the rest.
 *
 * A damaged manifest does not end the check: what its edits in front of the damage say is compared
 * with the files that are there, which tells whether a cut manifest could still be right. */
#include "storage/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "storage/check_int.h"
#include "storage/file_header.h"

#define SAID_MAX 10 /* problems said of one file */

/* Says only the first few of each file: a segment of noise would fill the screen. */
void check_problem(checker *c, const char *fmt, ...) {
    CHECK(fmt && fmt[0]);
    CHECK(c->said <= c->res->problems);
    char text[1024];
    va_list ap;
    c->res->problems++;
    if (c->said++ == SAID_MAX) lines_say(c->say, "PROBLEM: and more of that file");
    if (c->said > SAID_MAX) return;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    CHECK(n > 0);
    lines_say(c->say, "PROBLEM: %s", text);
}

/* The result is empty afterwards, and may be filled again. */
void check_result_free(check_result *r) {
    CHECK(r->ndamage == 0 || r->damage);
    CHECK(r->nbad_hints == 0 || r->bad_hints);
    CHECK(r->nbad_tables == 0 || r->bad_tables);
    manifest_state_free(&r->state);
    mem_free(r->damage);
    mem_free(r->ends);
    mem_free(r->bad_hints);
    mem_free(r->bad_tables);
    *r = (check_result){0};
}

/* By the engine's name. */
unsigned check_log_kind(const manifest_state *s) {
    CHECK(s->engine[0]);
    return strcmp(s->engine, "lsm") == 0 ? FILE_LOG : FILE_SEGMENT;
}

/* Loads the manifest, or as much of it as there is. */
static status check_manifest(checker *c) {
    CHECK(c->res->problems == 0);
    check_result *r = c->res;
    char path[FILE_PATH_MAX];
    TRY(file_path(path, c->dir, FILE_MANIFEST, 0));
    status st = manifest_load(c->v, path, &r->state, &r->manifest);
    if (st.code == ST_CORRUPT && r->state.engine[0]) {
        r->manifest_damaged = true;
        check_problem(c, "%s", st.msg);
        return STATUS_OK;
    }
    TRY(st);
    CHECK(r->state.engine[0]);
    lines_say(c->say, "store %016llx, engine %s%s, format %d",
              (unsigned long long)r->state.store_id, r->state.engine,
              r->state.cluster ? ", cluster mode" : "", FILE_FORMAT);
    lines_say(c->say, "MANIFEST: rewrite %u, %llu edits, %zu files live, %zu pending%s",
              r->manifest.number, (unsigned long long)r->manifest.edits,
              r->state.nfiles + r->state.tables.n, r->state.npending,
              r->manifest.torn ? "; its torn end is cut at the next edit" : "");
    return STATUS_OK;
}

/* One name of the directory. */
static void check_name(void *ctx, const char *name) {
    CHECK(name[0] != '\0');
    checker *c = ctx;
    const manifest_state *s = &c->res->state;
    unsigned kind;
    uint32_t number;
    file_name_class class = file_name_parse(name, &kind, &number);
    if (class == FILE_NAME_TMP)
        lines_say(c->say, "%s: left by a crash; the next start deletes it", name);
    if (class != FILE_NAME_OURS || kind == FILE_MANIFEST) return;
    CHECK(number > 0);
    bool log = kind == check_log_kind(s) || kind == FILE_HINT, known = log || kind == FILE_TABLE;
    if (log && manifest_state_find(s, number) >= 0) return;
    if (kind == FILE_TABLE && manifest_tables_find(&s->tables, number)) return;
    if (known && manifest_state_is_pending(s, number)) {
        lines_say(c->say, "%s: pending in the manifest; the next start deletes it", name);
        return;
    }
    c->res->unknown++;
    check_problem(c, "%s: the manifest does not know this file; a start refuses it", name);
}

/* The last lines. */
static void say_summary(const checker *c) {
    CHECK(c->res->hints <= c->res->segments);
    const check_result *r = c->res;
    buf text = {0};
    for (unsigned k = 1; k < RECORD_KINDS; k++)
        if (r->kinds[k])
            buf_printf(&text, "%s%s %llu", text.len ? ", " : "", record_kind_name(k),
                       (unsigned long long)r->kinds[k]);
    buf_append_char(&text, '\0');
    lines_say(c->say, "%llu segments, %llu hints, %llu records (%s), %llu bytes",
              (unsigned long long)r->segments, (unsigned long long)r->hints,
              (unsigned long long)r->records, text.data, (unsigned long long)r->bytes);
    CHECK(r->ndamage <= r->problems);
    if (r->state.tables.n)
        lines_say(c->say, "%llu tables, %llu entries", (unsigned long long)r->tables,
                  (unsigned long long)r->entries);
    if (r->problems)
        lines_say(c->say, "%llu problems", (unsigned long long)r->problems);
    else
        lines_say(c->say, "no problems");
    buf_free(&text);
}

/* The result is right for a repair even if it has problems; only a status that is not ok makes
 * it useless. */
status check_directory(vfs *v, const char *dir, const lines *say, check_result *out) {
    CHECK(dir && dir[0]);
    checker c = {.v = v, .dir = dir, .say = say, .res = out};
    *out = (check_result){0};
    TRY(check_manifest(&c));
    c.said = 0;
    TRY(v->ops->list(v, dir, check_name, &c));
    out->ends = mem_zalloc((out->state.nfiles + 1) * sizeof *out->ends);
    status st = check_segments(&c);
    if (status_ok(st)) st = check_tables(&c);
    mem_free(c.items);
    buf_free(&c.scratch);
    TRY(st);
    CHECK(out->ndamage <= out->state.nfiles);
    say_summary(&c);
    return STATUS_OK;
}
