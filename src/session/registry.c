/* registry: all commands, found by name.
 *
 * Rows are made once, at boot, from the tables that modules register; they never move or go away.
 * The index is an open-addressing table over top-level rows. A name is hashed by a word made of its
 * first and last four bytes in lower case, and its length: no copy, no loop over the name, and few
 * names share it. */
#include "base/log.h"
#include "base/mem.h"
#include "session/keyspec.h"

#define INDEX_BITS 10 /* 1024 places for at most ROWS_MAX commands */
#define ROWS_MAX   512

static command_row *top[ROWS_MAX]; /* in order of registration */
static size_t ntop;
static int next_id;
static command_row *index_[1 << INDEX_BITS];

const char *const command_flag_names[] = {"write",         "readonly",
                                          "denyoom",       "admin",
                                          "pubsub",        "noscript",
                                          "blocking",      "loading",
                                          "stale",         "skip_monitor",
                                          "skip_slowlog",  "asking",
                                          "fast",          "no_auth",
                                          "may_replicate", "no_mandatory_keys",
                                          "protected",     "no_async_loading",
                                          "no_multi",      "allow_busy",
                                          "movablekeys",   NULL};

const char *const command_category_names[] = {
    "keyspace", "read",        "write",      "set",         "sortedset", "list",  "hash", "string",
    "bitmap",   "hyperloglog", "geo",        "stream",      "pubsub",    "admin", "fast", "slow",
    "blocking", "dangerous",   "connection", "transaction", "scripting", NULL};

const char *const key_flag_names[] = {
    "RO",     "RW",     "OW",      "RM",         "access",         "update",
    "insert", "delete", "not_key", "incomplete", "variable_flags", NULL};

/* The bits that differ between upper and lower case, set: equal for names that are equal but for
 * case (and for a few that are not, which the comparison of whole names sorts out). */
static inline uint32_t place_of(slice name) {
    uint32_t head = 0, tail = 0;
    if (name.len >= 4) {
        memcpy(&head, name.data, 4);
        memcpy(&tail, name.data + name.len - 4, 4);
    } else {
        for (size_t i = 0; i < name.len; i++)
            head = head << 8 | (uint8_t)name.data[i];
    }
    uint64_t word = ((uint64_t)tail << 32 | head) | 0x2020202020202020ull;
    word = (word ^ name.len) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(word >> (64 - INDEX_BITS));
}

/* Is `name` this row's own name (lower case), but for case? */
static inline bool same_name(slice name, const command_row *row) {
    if (name.len != row->name_len) return false;
    const char *own = row->def->name;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c | 0x20);
        if (c != own[i]) return false;
    }
    return true;
}

/* Along the run of places that begins at the name's own. */
static command_row *find_top(slice name) {
    uint32_t at = place_of(name);
    while (index_[at]) {
        if (same_name(name, index_[at])) return index_[at];
        at = (at + 1) & ((1 << INDEX_BITS) - 1);
    }
    return NULL;
}

/* What follows from flags: categories as ACL CAT lists them, and the flag that says that keys are
 * not where the specifications say. */
static void derive(command_row *row) {
    const command *def = row->def;
    uint32_t f = def->flags, cat = def->categories;
    if (f & CMD_WRITE) cat |= CAT_WRITE;
    if ((f & CMD_READONLY) && !(cat & CAT_SCRIPTING)) cat |= CAT_READ;
    if (f & CMD_ADMIN) cat |= CAT_ADMIN | CAT_DANGEROUS;
    if (f & CMD_PUBSUB) cat |= CAT_PUBSUB;
    if (f & CMD_FAST) cat |= CAT_FAST;
    if (f & CMD_BLOCKING) cat |= CAT_BLOCKING;
    if (!(cat & CAT_FAST)) cat |= CAT_SLOW;
    bool movable = def->getkeys && !def->keys[0].flags;
    for (int i = 0; i < 4 && def->keys[i].flags; i++)
        if (key_spec_is_movable(&def->keys[i])) movable = true;
    row->flags = f | (movable ? CMD_MOVABLE_KEYS : 0);
    row->categories = cat;
}

/* Rows for the sub-commands of a table, behind those that there are. */
static void fill_subs(command_row *row, const command *table);

/* A row and, for a container, those of its sub-commands. */
static void fill(command_row *row, const command *def, command_row *parent) {
    size_t n = strlen(def->name), p = parent ? strlen(parent->full_name) + 1 : 0;
    row->def = def;
    row->parent = parent;
    row->id = next_id++;
    row->name_len = n;
    row->full_name = mem_alloc(p + n + 1);
    if (parent) {
        memcpy(row->full_name, parent->full_name, p - 1);
        row->full_name[p - 1] = '|';
    }
    memcpy(row->full_name + p, def->name, n + 1);
    derive(row);
    if (def->subcommands) fill_subs(row, def->subcommands);
}

static void fill_subs(command_row *row, const command *table) {
    int n = 0;
    while (table[n].name)
        n++;
    row->subs = mem_realloc(row->subs, (size_t)(row->nsubs + n) * sizeof *row->subs);
    memset(row->subs + row->nsubs, 0, (size_t)n * sizeof *row->subs);
    for (int i = 0; i < n; i++)
        fill(&row->subs[row->nsubs++], &table[i], row);
}

/* Full and double tables are mistakes of the program. */
void commands_register(const command *table) {
    for (; table->name; table++) {
        slice name = slice_cstr(table->name);
        CHECK(ntop < ROWS_MAX);
        if (find_top(name)) log_panic(__FILE__, __LINE__, "command '%s' twice", table->name);
        command_row *row = mem_zalloc(sizeof *row);
        fill(row, table, NULL);
        top[ntop++] = row;
        uint32_t at = place_of(name);
        while (index_[at])
            at = (at + 1) & ((1 << INDEX_BITS) - 1);
        index_[at] = row;
    }
}

/* A walk: containers are small, and their commands rare. */
static command_row *find_sub(const command_row *row, slice name) {
    for (int i = 0; i < row->nsubs; i++)
        if (same_name(name, &row->subs[i])) return &row->subs[i];
    return NULL;
}

/* Sub-commands move in memory: nobody has pointers to them at boot. */
void commands_extend(const char *container, const command *table, const char *const *help) {
    command_row *row = find_top(slice_cstr(container));
    CHECK(row && row->nsubs > 0 && !row->more_help);
    for (const command *def = table; def->name; def++)
        if (find_sub(row, slice_cstr(def->name)))
            log_panic(__FILE__, __LINE__, "command '%s|%s' twice", container, def->name);
    fill_subs(row, table);
    row->more_help = help;
}

/* A container alone is found as itself, so that its arity is what refuses it. */
command_row *command_find(const slice *argv, int argc, command_row **container) {
    if (container) *container = NULL;
    command_row *row = argc > 0 ? find_top(argv[0]) : NULL;
    if (!row || !row->nsubs || argc == 1) return row;
    command_row *sub = find_sub(row, argv[1]);
    if (!sub && container) *container = row;
    return sub;
}

/* Pipelines repeat themselves: one comparison instead of a hash. */
command_row *command_find_near(const slice *argv, int argc, command_row *near,
                               command_row **container) {
    if (near && !near->parent && !near->nsubs && same_name(argv[0], near)) {
        if (container) *container = NULL;
        return near;
    }
    return command_find(argv, argc, container);
}

/* "get", or "config|get". */
command_row *command_by_name(slice full_name) {
    const char *bar = full_name.len ? memchr(full_name.data, '|', full_name.len) : NULL;
    if (!bar) return find_top(full_name);
    size_t n = (size_t)(bar - full_name.data);
    command_row *row = find_top(slice_of(full_name.data, n));
    return row ? find_sub(row, slice_skip(full_name, n + 1)) : NULL;
}

/* In order of registration. */
command_row *command_next(size_t *pos) {
    return *pos < ntop ? top[(*pos)++] : NULL;
}

/* Of containers, one each. */
size_t command_count(void) {
    return ntop;
}

slice command_shown(const command_row *row, const slice *argv, int argc, int i) {
    const command *def = row->def;
    return def->secret && def->secret(argv, argc, i) ? SLICE("(redacted)") : argv[i];
}

/* Ids are dense over commands and sub-commands. */
int command_ids(void) {
    return next_id;
}
