/* INFO: sections in the order that Redis shows them, each filled by the modules that have something
 * to say under its name.
 *
 * This file knows the order of headings that dashboards expect, and no field: fields come from the
 * metric tables of the session, the keyspace, the engine, features and info_server.c. A heading
 * that is not in the list comes after those that are. */
#include "server/admin.h"

#include "base/num.h"
#include "session/reply.h"

#define SECTIONS_MAX 64

static const char *const order[] = {
    "Server",  "Clients",      "Memory",     "Persistence",  "Stats",   "Replication", "CPU",
    "Modules", "Commandstats", "Errorstats", "Latencystats", "Cluster", "Engine",      "Keyspace",
};
#define ORDERED (sizeof order / sizeof *order)

static server *srv;

/* Calls each(section, ctx) for every section of every module, the engine's included. */
static void each_section(void (*each)(const metric_section *m, void *ctx), void *ctx) {
    for (const module *const *m = modules; *m; m++) {
        const metric_section *t = (*m)->metrics ? (*m)->metrics(srv) : NULL;
        for (; t && t->name; t++)
            each(t, ctx);
    }
    if (srv->loading) return;
    for (const metric_section *t = srv->klass->metrics(srv->engine); t->name; t++)
        each(t, ctx);
}

/* What one INFO call collects: which names are wanted, and which sections there are. */
typedef struct collector {
    const metric_section *found[SECTIONS_MAX];
    size_t count;
} collector;

static void collect(const metric_section *m, void *ctx) {
    collector *c = ctx;
    if (c->count < SECTIONS_MAX) c->found[c->count++] = m;
}

/* True if a section was asked for, by name or by one of the words for many. */
static bool wanted(const metric_section *m, int n, const slice *names) {
    if (n == 0) return !m->not_default;
    for (int i = 0; i < n; i++) {
        if (slice_ieq(names[i], m->name) || slice_ieq(names[i], "all") ||
            slice_ieq(names[i], "everything") ||
            (slice_ieq(names[i], "default") && !m->not_default)) {
            return true;
        }
    }
    return false;
}

/* One heading with all that goes under it. */
static void emit_heading(const collector *c, const char *name, int n, const slice *names,
                         buf *out) {
    bool begun = false;
    buf fields = {0};
    for (size_t i = 0; i < c->count; i++) {
        const metric_section *m = c->found[i];
        if (strcmp(m->name, name) != 0 || !wanted(m, n, names)) continue;
        begun = true;
        m->emit(&fields, m->ctx);
    }
    if (begun) {
        buf_printf(out, "%s# %s\r\n", out->len ? "\r\n" : "", name);
        buf_append_slice(out, buf_slice(&fields));
        info_add_absent(name, &fields, out);
    }
    buf_free(&fields);
}

void info_text(int nsections, const slice *names, buf *out) {
    collector c = {.count = 0};
    each_section(collect, &c);
    for (size_t i = 0; i < ORDERED; i++)
        emit_heading(&c, order[i], nsections, names, out);
    for (size_t i = 0; i < c.count; i++) { /* headings that are not in the list, once each */
        bool known = false;
        for (size_t j = 0; j < ORDERED && !known; j++)
            known = strcmp(order[j], c.found[i]->name) == 0;
        for (size_t j = 0; j < i && !known; j++)
            known = strcmp(c.found[j]->name, c.found[i]->name) == 0;
        if (!known) emit_heading(&c, c.found[i]->name, nsections, names, out);
    }
}

/* Where the field's line is in text that was emitted; SLICE_EMPTY: nowhere. Its value. */
static slice field_in(const buf *text, const char *field) {
    size_t n = strlen(field);
    for (size_t at = 0; at + n < text->len;) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->len - at);
        size_t len = end ? (size_t)(end - line) : text->len - at;
        if (len > n && line[n] == ':' && memcmp(line, field, n) == 0)
            return slice_of(line + n + 1, len - n - 1 - (end && end[-1] == '\r'));
        at += len + 1;
    }
    return SLICE_EMPTY;
}

bool info_has(const buf *text, const char *field) {
    return field_in(text, field).data != NULL;
}

uint64_t info_number(const buf *text, const char *field) {
    int64_t v = 0;
    if (!num_parse_i64(field_in(text, field), &v) || v < 0) v = 0;
    return (uint64_t)v;
}

void info_collect(const char *section, const metric_section *but, buf *out) {
    collector c = {.count = 0};
    each_section(collect, &c);
    for (size_t i = 0; i < c.count; i++)
        if (strcmp(c.found[i]->name, section) == 0 && (!but || c.found[i]->emit != but->emit))
            c.found[i]->emit(out, c.found[i]->ctx);
}

static void reset_one(const metric_section *m, void *ctx) {
    (void)ctx;
    if (m->reset) m->reset(m->ctx);
}

void info_reset(void) {
    each_section(reset_one, NULL);
}

static command_result cmd_info(client *c) {
    buf text = {0};
    info_text(c->argc - 1, c->argv + 1, &text);
    resp_verbatim(&c->out, c->proto, buf_slice(&text), "txt");
    buf_free(&text);
    /* Its counts wait for the log like any; but when that has failed, this is where to read it. */
    if (status_ok(engine_failed(srv->engine))) client_depends_on_end(c);
    return CMD_DONE;
}

status info_start(server *s) {
    srv = s;
    return STATUS_OK;
}

static const char *const tips[] = {"nondeterministic_output", "request_policy:all_shards",
                                   "response_policy:special", NULL};

const command info_commands[] = {
    {"info", cmd_info, -1, CMD_LOADING | CMD_STALE, CAT_DANGEROUS, "server", "1.0.0", "O(1)",
     "Shows the server's state and counters, by section.", "[section...]", .tips = tips,
     .history = "7.0.0: Added support for taking multiple section arguments."},
    {0},
};
