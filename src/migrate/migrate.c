/* The command: its arguments, and the request that is made of its keys.
 *
 * The keys are read and their payloads made at once, as one command: what is sent is what they held
 * at that moment. A read that is pending throws away what was made, and the command runs again from
 * its start, as any does; nothing has been sent by then. Everything after that is the migration's
 * (migration.h). */
#include "migrate/migrate.h"

#include "base/mem.h"
#include "base/num.h"
#include "commands/data.h"
#include "migrate/migration.h"
#include "rdb/rdb.h"
#include "session/block.h"

#define TIMEOUT_DEFAULT_MS 1000

typedef struct options {
    bool copy, replace;
    int64_t target_db, timeout_ms;
    slice user, password; /* without data: none */
    int first_key, nkeys; /* arguments */
} options;

#define KEYS_AND_KEY                                                                               \
    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"

/* From the sixth argument on; false after having replied. */
static bool parse_words(client *c, options *o) {
    for (int i = 6; i < c->argc; i++) {
        int left = c->argc - i - 1;
        if (arg_is(c, i, "copy")) {
            o->copy = true;
        } else if (arg_is(c, i, "replace")) {
            o->replace = true;
        } else if (arg_is(c, i, "auth") && left >= 1) {
            o->user = SLICE_EMPTY;
            o->password = c->argv[++i];
        } else if (arg_is(c, i, "auth2") && left >= 2) {
            o->user = c->argv[++i];
            o->password = c->argv[++i];
        } else if (arg_is(c, i, "keys")) {
            if (c->argv[3].len != 0) return (void)reply_error(c, KEYS_AND_KEY), false;
            o->first_key = i + 1;
            o->nkeys = left;
            return true;
        } else {
            return (void)reply_syntax_error(c), false;
        }
    }
    return true;
}

/* Words first, then numbers, as redis-server does: that decides which error is told. A time limit
 * of none is a second. False after having replied. */
static bool parse(client *c, options *o) {
    *o = (options){.first_key = 3, .nkeys = 1};
    if (!parse_words(c, o)) return false;
    if (!arg_i64(c, 5, &o->timeout_ms) || !arg_i64(c, 4, &o->target_db)) return false;
    if (o->timeout_ms <= 0) o->timeout_ms = TIMEOUT_DEFAULT_MS;
    return true;
}

/* RESTORE key ttl payload [REPLACE] */
static void put_restore(migration *j, const options *o, slice key, int64_t ttl, slice payload) {
    buf *b = &j->body;
    char text[NUM_I64_TEXT];
    resp_array(b, o->replace ? 5 : 4);
    resp_bulk(b, SLICE("RESTORE"));
    resp_bulk(b, key);
    resp_bulk(b, slice_of(text, num_format_i64(text, ttl)));
    resp_bulk(b, payload);
    if (o->replace) resp_bulk(b, SLICE("REPLACE"));
}

/* A key, if it is there: to the request. */
static command_result add_key(client *c, migration *j, const options *o, slice key) {
    entry ent;
    bool found;
    buf payload = {0};
    STEP_TRY(data_lookup(c, key, 0, &ent, &found));
    if (!found) return CMD_DONE;
    engine_result r = rdb_save(c->ks, c->db, key, &ent, &payload);
    if (r == ENGINE_OK) {
        int64_t left = ent.expire == ENGINE_NO_EXPIRE ? 0 : ent.expire - ks_now(c->ks);
        put_restore(j, o, key, ent.expire != ENGINE_NO_EXPIRE && left < 1 ? 1 : left,
                    buf_slice(&payload));
        j->keys[j->nkeys++].key = key;
    }
    buf_free(&payload);
    return r == ENGINE_OK ? CMD_DONE : reply_engine(c, r);
}

/* Arguments' bytes, where they live as long as the migration. The buffer has room for all. */
static slice keep(migration *j, slice s) {
    slice copy = slice_of(j->names.data + j->names.len, s.len);
    buf_append_slice(&j->names, s);
    return copy;
}

/* What the migration needs of the arguments when they are gone. */
static void keep_arguments(client *c, migration *j, const options *o) {
    size_t room = 1 + o->user.len + o->password.len;
    for (size_t i = 0; i < j->nkeys; i++)
        room += j->keys[i].key.len;
    (void)buf_reserve(&j->names, room);
    for (size_t i = 0; i < j->nkeys; i++)
        j->keys[i].key = keep(j, j->keys[i].key);
    if (o->user.data) j->user = keep(j, o->user);
    if (o->password.data) j->password = keep(j, o->password);
    j->host = mem_zalloc(c->argv[1].len + 1);
    if (c->argv[1].len) memcpy(j->host, c->argv[1].data, c->argv[1].len);
    int64_t port;
    bool good = num_parse_i64(c->argv[2], &port) && port >= 0 && port <= UINT16_MAX;
    j->port = good ? (int)port : 0; /* where nobody listens */
    j->copy = o->copy;
    j->target_db = o->target_db;
    j->timeout_ms = o->timeout_ms;
}

/* MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password]
 * [KEYS key ...]. All keys are asked for, also when one is pending. */
static command_result cmd_migrate(client *c) {
    options o;
    if (!parse(c, &o)) return CMD_REFUSED;
    if (!client_can_block(c))
        return reply_error(c, "ERR MIGRATE cannot wait within a transaction or a script");
    migration *j = migration_new(c);
    command_result worst = CMD_DONE;
    j->keys = mem_zalloc(((size_t)o.nkeys + 1) * sizeof *j->keys);
    for (int i = 0; i < o.nkeys && worst != CMD_FAILED; i++) {
        command_result r = add_key(c, j, &o, c->argv[o.first_key + i]);
        if (r != CMD_DONE) worst = r;
    }
    if (worst != CMD_DONE || j->nkeys == 0) {
        migration_free(j);
        if (worst != CMD_DONE) return worst;
        reply_simple(c, "NOKEY");
        return CMD_DONE;
    }
    keep_arguments(c, j, &o);
    migration_start(j);
    return CMD_DONE;
}

/* ---- for the server -----------------------------------------------------------------------------
 */

/* What can be going on at a time is the business of migration.c. */
void migrate_use_tls(bool on) {
    migrations_use_tls(on);
}

void migrate_start(session *s) {
    migrations_start(s);
}

/* Under the name by which redis-server tells it. */
static void emit(buf *out, void *ctx) {
    (void)ctx;
    metric_u64(out, "migrate_cached_sockets", migrations_idle_links());
}

/* One line of Stats. */
const metric_section *migrate_metrics(void) {
    static const metric_section table[] = {{"Stats", emit, NULL, NULL, 0}, {0}};
    return table;
}

/* The key, or those behind KEYS. What is behind AUTH and AUTH2 is passed over: a password may be
 * "keys". (A wrong grammar is found when the command runs.) */
static int get_keys(const slice *argv, int argc, int *out, unsigned *flags) {
    int first = 3, n = 1;
    for (int i = 6; i < argc; i++) {
        if (slice_ieq(argv[i], "auth")) {
            i++;
        } else if (slice_ieq(argv[i], "auth2")) {
            i += 2;
        } else if (slice_ieq(argv[i], "keys") && argv[3].len == 0) {
            first = i + 1;
            n = argc - first;
            break;
        }
    }
    for (int i = 0; i < n; i++) {
        out[i] = first + i;
        if (flags) flags[i] = KEY_RW | KEY_ACCESS | KEY_DELETE;
    }
    return n;
}

/* The one behind AUTH, the two behind AUTH2. */
static bool secret(const slice *argv, int argc, int i) {
    (void)argc;
    if (i < 7) return false;
    return slice_ieq(argv[i - 1], "auth") || slice_ieq(argv[i - 1], "auth2") ||
           (i > 7 && slice_ieq(argv[i - 2], "auth2"));
}

static const char *const tips_output[] = {"nondeterministic_output", NULL};

const command migrate_commands[] = {
    {.name = "migrate",
     .run = cmd_migrate,
     .secret = secret,
     .arity = -6,
     .flags = CMD_WRITE | CMD_MOVABLE_KEYS,
     .categories = CAT_KEYSPACE | CAT_DANGEROUS,
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(N) where N is the number of elements and bytes of the values; others are "
                   "served while they are sent.",
     .summary = "Moves keys to another server.",
     .syntax = "host port:integer @key-selector:<key|@empty-string:\"\"> destination-db:integer "
               "timeout:integer [COPY^3.0.0] [REPLACE^3.0.0] "
               "@authentication:[@auth:AUTH^4.0.7 password|@auth2:AUTH2^6.0.0 <username "
               "password>] [@keys:KEYS^3.0.6 key...]",
     .keys = {KEY_AT(3, KEY_RW | KEY_ACCESS | KEY_DELETE),
              {.flags = KEY_RW | KEY_ACCESS | KEY_DELETE | KEY_INCOMPLETE,
               .begin = -2,
               .keyword = "KEYS",
               .last = -1,
               .step = 1}},
     .tips = tips_output,
     .getkeys = get_keys,
     .history = "3.0.0: Added the `COPY` and `REPLACE` options.\n3.0.6: Added the `KEYS` "
                "option.\n4.0.7: Added the `AUTH` option.\n6.0.0: Added the `AUTH2` option."},
    {0},
};
