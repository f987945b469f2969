/* OBJECT and MEMORY: what is known of a key besides its value.
 *
 * Programs read these to understand a server, so the answers are those which Redis would give for
 * the same value where it has one (encodings, idle time), and honest estimates where the data is
 * kept in another way (MEMORY USAGE). Both have a table of subcommands at the end. */
#include "commands/keys_family.h"
#include "types/classes.h"

#define SAMPLES_DEFAULT 5
/* Bytes that an entry costs beside its key and value: about what the index and a record need. */
#define ENTRY_COST   48
#define ELEMENT_COST 40

/* ---- OBJECT ------------------------------------------------------------------------------------
 */

/* The entry, or null as the reply. Quiet: asking is no use of the key. */
static command_result look(client *c, unsigned flags, entry *ent, bool *found) {
    STEP_TRY(data_lookup(c, c->argv[2], flags | KS_NO_TOUCH | KS_NO_NOTIFY, ent, found));
    if (*found) {
        client_depends(c, ent->pos);
    } else {
        client_depends_on_end(c);
        reply_null(c);
    }
    return CMD_DONE;
}

/* The encoding that Redis would use: programs choose by it what they do. */
static command_result object_encoding(client *c) {
    entry ent;
    bool found;
    string s;
    STEP_TRY(look(c, 0, &ent, &found));
    if (!found) return CMD_DONE;
    const type_class *class = type_class_of(ent.type);
    if (class) {
        elements el;
        const char *name;
        ENGINE_TRY(c, el_of_entry(c->ks, c->db, c->argv[2], &ent, class->el, &el));
        ENGINE_TRY(c, class->encoding(&el, &name));
        reply_cstr(c, name);
        return CMD_DONE;
    }
    ENGINE_TRY(c, string_of_entry(c->ks, c->db, c->argv[2], &ent, &s));
    reply_cstr(c, s.wrong_type ? "unknown" : string_encoding(&s));
    return CMD_DONE;
}

/* Values are not shared. */
static command_result object_refcount(client *c) {
    entry ent;
    bool found;
    STEP_TRY(look(c, KS_META, &ent, &found));
    if (found) reply_int(c, 1);
    return CMD_DONE;
}

#define SWITCHING                                                                                  \
    "Please note that when switching between policies at runtime LRU and LFU data will take some " \
    "time to adjust."

/* Seconds since the last use, by the 24 bits that the entry has for it; with an LFU policy these
 * bits mean something else, and saying so is Redis' answer. */
static command_result object_idletime(client *c) {
    entry ent;
    bool found;
    STEP_TRY(look(c, KS_META, &ent, &found));
    if (!found) return CMD_DONE;
    if (ks_policy_is_lfu(c->ks))
        return reply_error(c,
                           "ERR An LFU maxmemory policy is selected, idle time not tracked. "
                           "%s",
                           SWITCHING);
    reply_int(c, ks_idle_seconds(c->ks, &ent));
    return CMD_DONE;
}

static command_result object_freq(client *c) {
    entry ent;
    bool found;
    STEP_TRY(look(c, KS_META, &ent, &found));
    if (!found) return CMD_DONE;
    if (!ks_policy_is_lfu(c->ks))
        return reply_error(c,
                           "ERR An LFU maxmemory policy is not selected, access frequency not "
                           "tracked. %s",
                           SWITCHING);
    reply_int(c, ks_frequency(c->ks, &ent));
    return CMD_DONE;
}

static command_result object_help(client *c) {
    static const char *const lines[] = {
        "ENCODING <key>",
        "    How the value is kept: int, embstr or raw for a string.",
        "FREQ <key>",
        "    The logarithmic counter of its uses, 0 to 255, under an LFU policy.",
        "IDLETIME <key>",
        "    For how many seconds it was not used, unless the policy is LFU.",
        "REFCOUNT <key>",
        "    How many references to its value there are, which is one.",
        NULL,
    };
    return reply_help(c, lines);
}

/* ---- MEMORY ------------------------------------------------------------------------------------
 */

/* Bytes of one map, from the size of its first elements (samples; 0: all). */
static command_result map_bytes(client *c, engine_coll *coll, unsigned map, int64_t samples,
                                uint64_t *sum) {
    engine *e = ks_engine(c->ks);
    uint64_t count = engine_map_count(e, coll, map), seen = 0, bytes = 0;
    if (count == 0) return CMD_DONE;
    map_iter it;
    engine_result r = engine_map_seek(e, coll, map, SLICE_EMPTY, false, &it);
    while (r == ENGINE_OK) {
        bytes += it.subkey.len + it.value.len + ELEMENT_COST;
        if (++seen == (uint64_t)samples) break;
        r = engine_map_step(e, &it, false);
    }
    if (r != ENGINE_OK && r != ENGINE_ABSENT) return reply_engine(c, r);
    if (seen) *sum += bytes / seen * count + bytes % seen * count / seen;
    return CMD_DONE;
}

/* An estimate of what the key takes in memory and on disk together. */
static command_result memory_usage(client *c) {
    int64_t samples = SAMPLES_DEFAULT;
    entry ent;
    bool found;
    for (int i = 3; i < c->argc; i += 2) {
        if (!arg_is(c, i, "samples") || i + 1 == c->argc) return reply_syntax_error(c);
        if (!arg_i64(c, i + 1, &samples)) return CMD_REFUSED;
        if (samples < 0) return reply_syntax_error(c);
    }
    STEP_TRY(look(c, KS_NO_STATS, &ent, &found));
    if (!found) return CMD_DONE;
    uint64_t sum = ENTRY_COST + c->argv[2].len + ent.value.len;
    if (ent.coll) {
        engine_coll coll;
        ENGINE_TRY(c, engine_coll_open(ks_engine(c->ks), c->db, c->argv[2], &ent, &coll));
        for (unsigned map = 0; map < ENGINE_MAPS; map++)
            STEP_TRY(map_bytes(c, &coll, map, samples, &sum));
    }
    reply_int(c, (int64_t)sum);
    return CMD_DONE;
}

static command_result memory_help(client *c) {
    static const char *const lines[] = {
        "USAGE <key> [SAMPLES <count>]",
        "    About how many bytes <key> and its value take, in memory and on disk. Of a",
        "    value with elements, <count> are looked at (default: 5, 0: all of them).",
        NULL,
    };
    return reply_help(c, lines);
}

/* ---- tables ------------------------------------------------------------------------------------
 */

static const char *const tips_output[] = {"nondeterministic_output", NULL};

/* A question about the key at argument 2. */
#define ASKS(name_, run_, since_, complexity_, summary_)                                           \
    {                                                                                              \
        .name = name_, .run = run_, .arity = 3, .flags = CMD_READONLY, .categories = CAT_KEYSPACE, \
        .group = "generic", .since = since_, .complexity = complexity_, .summary = summary_,       \
        .syntax = "key", .keys = {KEY_AT(2, KEY_RO)}, .tips = tips_output                          \
    }

const command object_subcommands[] = {
    ASKS("encoding", object_encoding, "2.2.3", "O(1)", "Tells how the value of a key is kept."),
    ASKS("freq", object_freq, "4.0.0", "O(1)",
         "Returns the logarithmic counter of a key's uses, under an LFU policy."),
    ASKS("idletime", object_idletime, "2.2.3", "O(1)",
         "Returns for how many seconds a key was not used."),
    ASKS("refcount", object_refcount, "2.2.3", "O(1)",
         "Returns the number of references to a key's value, which is one."),
    {COMMAND_HELP(object_help, "generic", "6.2.0"), .categories = CAT_KEYSPACE},
    {0},
};

const command memory_subcommands[] = {
    {.name = "usage",
     .run = memory_usage,
     .arity = -3,
     .flags = CMD_READONLY,
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(N) where N is the number of samples.",
     .summary = "Estimates how many bytes a key and its value take.",
     .syntax = "key [SAMPLES count]",
     .keys = {KEY_AT(2, KEY_RO)}},
    {COMMAND_HELP(memory_help, "server", "4.0.0")},
    {0},
};
