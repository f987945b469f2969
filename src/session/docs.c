/* docs: the argument tree of COMMAND DOCS, parsed from a command's syntax string.
 *
 * The notation is described at command.syntax (command.h):
 *
 *   alternatives := sequence ('|' sequence)*
 *   sequence     := item+
 *   item         := ['@' name ':'] ( '[' alternatives ']' | '<' alternatives '>' | value ) ['...']
 *                   ['^' version]
 *   value        := word [':' type] ['#' digit]
 *
 * A token takes what follows it, up to the next token or optional part: one thing gets it as its
 * own token, several become a block that has it. Sequences of one thing are that thing. A string
 * that does not parse is a mistake in a table, so it aborts; a test parses all tables. */
#include "base/log.h"
#include "resp/writer.h"
#include "session/command.h"

#include <ctype.h>

#define NODES_MAX 96

enum node_kind { NODE_VALUE, NODE_TOKEN, NODE_ONEOF, NODE_BLOCK };

typedef struct node {
    enum node_kind kind;
    slice name, type; /* as written; empty: made of the parts, or looked up */
    slice label;      /* given with @ */
    slice token, since;
    bool optional, multiple, multiple_token;
    int spec;        /* the key specification it belongs to, from 1 on, where that is said; or 0 */
    int child, next; /* 0: none */
} node;

typedef struct parser {
    const char *text, *p;
    node nodes[NODES_MAX];
    int count; /* node 0 is never used */
} parser;

/* ---- parsing -----------------------------------------------------------------------------------
 */

/* A mistake in a command table. */
static void bad(const parser *ps) {
    log_panic(__FILE__, __LINE__, "command syntax '%s' at '%s'", ps->text, ps->p);
}

/* Its index; 0 is none. */
static int new_node(parser *ps, enum node_kind kind) {
    if (ps->count + 1 >= NODES_MAX) bad(ps);
    ps->nodes[++ps->count] = (node){.kind = kind};
    return ps->count;
}

/* Spaces separate, and mean nothing else. */
static void skip_spaces(parser *ps) {
    while (*ps->p == ' ')
        ps->p++;
}

/* At a mark of the notation, or the end. */
static bool ends_word(const char *p) {
    return !*p || strchr(" |[]<>:#^", *p) || strncmp(p, "...", 3) == 0;
}

/* The bytes up to the end of a word. */
static slice word(parser *ps) {
    const char *from = ps->p;
    while (!ends_word(ps->p))
        ps->p++;
    if (ps->p == from) bad(ps);
    return slice_of(from, (size_t)(ps->p - from));
}

/* Tokens are in upper case, or have no letters at all. */
static bool is_token(slice w) {
    for (size_t i = 0; i < w.len; i++)
        if (islower((unsigned char)w.data[i])) return false;
    return true;
}

/* The types that COMMAND DOCS knows, but for those that follow from the shape. */
static bool is_type(slice w) {
    static const char *const types[] = {"string", "integer", "double",
                                        "key",    "pattern", "unix-time"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (slice_eq(w, slice_cstr(types[i]))) return true;
    return false;
}

static int parse_alternatives(parser *ps);

/* A token or a value, with its type and key specification if these are given. */
static int parse_word(parser *ps) {
    slice w = word(ps);
    int n = new_node(ps, is_token(w) ? NODE_TOKEN : NODE_VALUE);
    ps->nodes[n].name = w;
    if (ps->nodes[n].kind == NODE_TOKEN) ps->nodes[n].token = w;
    if (*ps->p == ':' && ps->nodes[n].kind == NODE_VALUE) {
        ps->p++;
        ps->nodes[n].type = word(ps);
        if (!is_type(ps->nodes[n].type)) bad(ps);
    }
    if (*ps->p == '#') {
        ps->p++;
        slice digit = word(ps);
        if (digit.len != 1 || !isdigit((unsigned char)*digit.data)) bad(ps);
        ps->nodes[n].spec = *digit.data - '0' + 1;
    }
    return n;
}

/* A bracket or group, perhaps named. */
static int parse_group(parser *ps, slice name) {
    char close = *ps->p++ == '[' ? ']' : '>';
    int n = parse_alternatives(ps);
    if (*ps->p++ != close) bad(ps);
    ps->nodes[n].optional = ps->nodes[n].optional || close == ']';
    if (name.len) ps->nodes[n].label = name;
    return n;
}

/* A name with @, what it names, whether that repeats, and since when it is there. */
static int parse_item(parser *ps) {
    slice name = SLICE_EMPTY;
    if (*ps->p == '@') {
        ps->p++;
        name = word(ps);
        if (*ps->p++ != ':') bad(ps);
    }
    bool group = *ps->p == '[' || *ps->p == '<';
    int n = group ? parse_group(ps, name) : parse_word(ps);
    if (!group) ps->nodes[n].label = name;
    if (strncmp(ps->p, "...", 3) == 0) {
        ps->p += 3;
        ps->nodes[n].multiple = true;
        ps->nodes[n].multiple_token = ps->nodes[n].token.len > 0;
    }
    if (*ps->p == '^') {
        ps->p++;
        ps->nodes[n].since = word(ps);
    }
    return n;
}

/* Does a token before it take this one? */
static bool takes(const node *n) {
    return n->kind != NODE_TOKEN && !n->optional && !n->token.len;
}

/* Joins a token with what follows it in the list from `n`; returns what stands in its place. A
 * token in brackets of its own takes nothing. */
static int attach(parser *ps, int n) {
    int first = ps->nodes[n].next, last = first;
    if (ps->nodes[n].kind != NODE_TOKEN || ps->nodes[n].multiple || ps->nodes[n].optional ||
        !first || !takes(&ps->nodes[first]))
        return n;
    while (ps->nodes[last].next && takes(&ps->nodes[ps->nodes[last].next]))
        last = ps->nodes[last].next;
    int result = first;
    if (first != last) {
        result = new_node(ps, NODE_BLOCK);
        ps->nodes[result].child = first;
        ps->nodes[result].next = ps->nodes[last].next;
        ps->nodes[last].next = 0;
    }
    ps->nodes[result].token = ps->nodes[n].token;
    if (ps->nodes[n].label.len) ps->nodes[result].label = ps->nodes[n].label;
    if (ps->nodes[n].since.len) ps->nodes[result].since = ps->nodes[n].since;
    return result;
}

/* Items up to the end of the alternative: the first of a list, tokens joined. */
static int parse_list(parser *ps) {
    int first = 0, last = 0;
    for (skip_spaces(ps); *ps->p && !strchr("|]>", *ps->p); skip_spaces(ps)) {
        int n = parse_item(ps);
        if (last)
            ps->nodes[last].next = n;
        else
            first = n;
        last = n;
    }
    if (!first) bad(ps);
    first = attach(ps, first);
    for (int n = first; ps->nodes[n].next; n = ps->nodes[n].next)
        ps->nodes[n].next = attach(ps, ps->nodes[n].next);
    return first;
}

/* One thing as it is, several as a block. */
static int parse_sequence(parser *ps) {
    int first = parse_list(ps);
    if (!ps->nodes[first].next) return first;
    int block = new_node(ps, NODE_BLOCK);
    ps->nodes[block].child = first;
    return block;
}

/* Each alternative is a sequence; a single one is no choice. */
static int parse_alternatives(parser *ps) {
    int first = parse_sequence(ps), last = first;
    if (*ps->p != '|') return first;
    int oneof = new_node(ps, NODE_ONEOF);
    ps->nodes[oneof].child = first;
    while (*ps->p == '|') {
        ps->p++;
        int n = parse_sequence(ps);
        ps->nodes[last].next = n;
        last = n;
    }
    return oneof;
}

/* ---- types and names ----------------------------------------------------------------------------
 */

static const struct {
    const char *names; /* words with a space around each */
    const char *type;
} typed[] = {
    {" key key1 key2 newkey source destination destkey ", "key"},
    {" integer seconds milliseconds count offset start end index index1 index2 increment decrement "
     "db destination-db timeout cursor numkeys len port protover client-id bit min-match-len "
     "numreplicas sampling maxlen entries-read ",
     "integer"},
    {" double score longitude latitude radius width height weight ", "double"},
    {" pattern ", "pattern"},
    {" unix-time unix-time-seconds unix-time-milliseconds ", "unix-time"},
};

/* By the lists above. */
static const char *type_of_name(slice name) {
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++)
        for (const char *p = typed[i].names; (p = strchr(p, ' ')) && p[1]; p++)
            if (strncmp(p + 1, name.data, name.len) == 0 && p[1 + name.len] == ' ')
                return typed[i].type;
    return "string";
}

/* A leaf's type, or the shape. */
static slice type_of(const node *n) {
    switch (n->kind) {
    case NODE_TOKEN: return SLICE("pure-token");
    case NODE_ONEOF: return SLICE("oneof");
    case NODE_BLOCK: return SLICE("block");
    case NODE_VALUE: break;
    }
    return n->type.len ? n->type : slice_cstr(type_of_name(n->name));
}

/* As given with @, else as written; a token in lower case; for what has parts, their names, joined.
 */
static void append_name(const parser *ps, const node *n, buf *out) {
    slice name = n->label.len ? n->label : n->name;
    for (size_t i = 0; i < name.len; i++)
        buf_append_char(out, (char)tolower((unsigned char)name.data[i]));
    if (name.len) return;
    for (int i = n->child; i; i = ps->nodes[i].next) {
        append_name(ps, &ps->nodes[i], out);
        if (ps->nodes[i].next) buf_append_char(out, '_');
    }
}

/* ---- replying -----------------------------------------------------------------------------------
 */

typedef struct emitter {
    const parser *ps;
    buf *out;
    int proto;
    int keys, specs; /* keys seen so far; specifications that the command has */
} emitter;

/* A field whose value is a string. */
static void emit_pair(emitter *e, const char *field, slice value) {
    resp_bulk(e->out, slice_cstr(field));
    resp_bulk(e->out, value);
}

/* REQUIRES: there are some. */
static void emit_flags(emitter *e, const node *n) {
    resp_bulk(e->out, SLICE("flags"));
    resp_set(e->out, e->proto, n->optional + n->multiple + n->multiple_token);
    if (n->optional) resp_simple(e->out, "optional");
    if (n->multiple) resp_simple(e->out, "multiple");
    if (n->multiple_token) resp_simple(e->out, "multiple_token");
}

static void emit_list(emitter *e, int first);

/* Which key specification a value belongs to: as said, or the next one; -1: it is no key. */
static int spec_of(emitter *e, const node *n) {
    if (n->spec) return n->spec - 1;
    if (!e->specs || !slice_eq(type_of(n), SLICE("key"))) return -1;
    int spec = e->keys < e->specs ? e->keys : e->specs - 1;
    e->keys++;
    return spec;
}

/* Fields in Redis' order; the map's length is known beforehand. A value is displayed by its word,
 * whatever its name. */
static void emit_node(emitter *e, const node *n) {
    slice type = type_of(n);
    bool leaf = n->kind == NODE_VALUE || n->kind == NODE_TOKEN;
    int spec = spec_of(e, n);
    bool flags = n->optional || n->multiple;
    buf name = {0};
    append_name(e->ps, n, &name);
    resp_map(e->out, e->proto,
             2 + leaf + (spec >= 0) + (n->token.len > 0) + (n->since.len > 0) + flags + !leaf);
    emit_pair(e, "name", buf_slice(&name));
    emit_pair(e, "type", type);
    if (leaf) emit_pair(e, "display_text", n->kind == NODE_VALUE ? n->name : buf_slice(&name));
    if (spec >= 0) {
        resp_bulk(e->out, SLICE("key_spec_index"));
        resp_int(e->out, spec);
    }
    if (n->token.len) emit_pair(e, "token", n->token);
    if (n->since.len) emit_pair(e, "since", n->since);
    if (flags) emit_flags(e, n);
    if (!leaf) {
        resp_bulk(e->out, SLICE("arguments"));
        emit_list(e, n->child);
    }
    buf_free(&name);
}

/* The nodes of a list as an array. */
static void emit_list(emitter *e, int first) {
    const node *nodes = e->ps->nodes;
    int64_t count = 0;
    for (int i = first; i; i = nodes[i].next)
        count++;
    resp_array(e->out, count);
    for (int i = first; i; i = nodes[i].next)
        emit_node(e, &nodes[i]);
}

/* Parsed anew for each reply: nobody asks often. */
void command_docs_arguments(const command *def, buf *out, int proto) {
    parser ps = {.text = def->syntax, .p = def->syntax};
    int specs = 0;
    while (specs < 4 && def->keys[specs].flags)
        specs++;
    int first = parse_list(&ps);
    if (*ps.p) bad(&ps);
    emitter e = {&ps, out, proto, 0, specs};
    emit_list(&e, first);
}
