/* Commands that read or set fields and say what becomes of them, all in one: the commands of Redis
 * 8.0 and Valkey 9, in Redis' words.
 *
 * HGETEX wants its option at one place, HSETEX takes its options in any order before FIELDS: so the
 * one refuses an unknown word by saying that FIELDS is missing, the other names it. */
#include "commands/hash_family.h"

#include "base/num.h"

enum time_option {
    TIME_EX = 1,
    TIME_PX = 2,
    TIME_EXAT = 4,
    TIME_PXAT = 8,
    TIME_GIVEN = 15,
    TIME_PERSIST = 16,
    TIME_KEEP = 32,
    FIELDS_NX = 64,
    FIELDS_XX = 128,
};
#define TIMES (TIME_GIVEN | TIME_KEEP)

/* A word that says how long fields are to live. */
static unsigned time_word(const client *c, int i) {
    if (arg_is(c, i, "ex")) return TIME_EX;
    if (arg_is(c, i, "px")) return TIME_PX;
    if (arg_is(c, i, "exat")) return TIME_EXAT;
    return arg_is(c, i, "pxat") ? TIME_PXAT : 0;
}

/* Its argument. */
static bool parse_time(client *c, int i, unsigned option, int64_t *when) {
    return hash_parse_time(c, i, option & (TIME_EX | TIME_EXAT), option & (TIME_EX | TIME_PX),
                           when);
}

/* ---- HGETDEL, HGETEX ---------------------------------------------------------------------------
 */

/* The values, each of which is deleted when it was told. */
command_result cmd_hgetdel(client *c) {
    elements el;
    field_args f;
    int64_t gone = 0;
    STEP_TRY(hash_open_fields(c, KS_WRITE, &el, &f));
    for (int i = f.first; i < f.end; i++) {
        hash_field was;
        bool found;
        STEP_TRY(hash_find(c, &el, &f, i, &was, &found));
        STEP_TRY(hash_reply_value(c, &el, &was, found));
        if (!found) continue;
        ENGINE_TRY(c, hash_del(&el, c->argv[i], &was));
        gone++;
    }
    return gone ? hash_end(c, &el, "hdel", gone) : CMD_DONE;
}

/* What HGETEX does to a field that it has told; `changed` is set if it was anything. */
static command_result change_time(client *c, elements *el, slice field, const hash_field *was,
                                  unsigned option, int64_t when, bool *gone, bool *changed) {
    int did;
    if (option == TIME_PERSIST) {
        if (was->item.expire == ENGINE_NO_EXPIRE) return CMD_DONE;
        ENGINE_TRY(c, hash_set_expire(el, field, was, ENGINE_NO_EXPIRE));
    } else {
        STEP_TRY(hash_set_time(c, el, field, was, when, &did));
        *gone |= did == HASH_GONE;
    }
    *changed = true;
    return CMD_DONE;
}

/* The values, and another time for all that are there, or none. */
command_result cmd_hgetex(client *c) {
    elements el;
    field_args f;
    int64_t when = 0, changes = 0;
    bool gone = false;
    STEP_TRY(hash_open(c, KS_WRITE, &el));
    unsigned option = arg_is(c, 2, "persist") ? TIME_PERSIST : time_word(c, 2);
    if (option & TIME_GIVEN && !parse_time(c, 3, option, &when)) return CMD_REFUSED;
    int at = option & TIME_GIVEN ? 4 : option ? 3 : 2;
    if (!hash_parse_fields(c, at, HASH_BAD_COUNT, &f)) return CMD_REFUSED;
    reply_array(c, f.end - f.first);
    for (int i = f.first; i < f.end; i++) {
        hash_field was;
        bool found, changed = false;
        STEP_TRY(hash_find(c, &el, &f, i, &was, &found));
        STEP_TRY(hash_reply_value(c, &el, &was, found));
        if (found && option)
            STEP_TRY(change_time(c, &el, c->argv[i], &was, option, when, &gone, &changed));
        changes += changed;
    }
    if (changes == 0) return CMD_DONE;
    const char *event = option == TIME_PERSIST ? "hpersist" : gone ? "hdel" : "hexpire";
    return hash_end(c, &el, event, changes);
}

/* ---- HSETEX ------------------------------------------------------------------------------------
 */

/* What HSETEX is asked for. */
typedef struct setex_request {
    unsigned options;
    int64_t when; /* of TIME_GIVEN */
    field_args f;
} setex_request;

/* The end of the options: how many pairs, and they. */
static bool parse_pairs(client *c, int at, field_args *out) {
    int64_t n;
    int rest = c->argc - at - 2;
    if (rest < 2) {
        (void)reply_wrong_args(c);
    } else if (!arg_i64_range(c, at + 1, 1, INT32_MAX, &n, "ERR invalid number of fields")) {
        return false;
    } else if (rest != 2 * n) {
        (void)reply_wrong_args(c);
    } else {
        *out = (field_args){at + 2, c->argc, 2};
        return true;
    }
    return false;
}

/* An option, and its argument if it has one, for which *i goes on. */
static bool parse_option(client *c, int *i, setex_request *q) {
    unsigned bit = time_word(c, *i);
    if (arg_is(c, *i, "keepttl")) bit = TIME_KEEP;
    if (arg_is(c, *i, "fnx")) bit = FIELDS_NX;
    if (arg_is(c, *i, "fxx")) bit = FIELDS_XX;
    unsigned excludes = bit & TIMES ? TIMES : FIELDS_NX | FIELDS_XX;
    bool twice = bit && q->options & excludes;
    q->options |= bit;
    if (!bit) {
        (void)reply_error(c, "ERR unknown argument: %.*s", (int)c->argv[*i].len, c->argv[*i].data);
    } else if (twice) {
        (void)reply_error(c, "ERR Only one of %s arguments can be specified",
                          bit & TIMES ? "EX, PX, EXAT, PXAT or KEEPTTL" : "FXX or FNX");
    } else if (bit & TIME_GIVEN && *i + 1 == c->argc) {
        (void)reply_error(c, "ERR missing expire time");
    } else {
        return !(bit & TIME_GIVEN) || parse_time(c, ++*i, bit, &q->when);
    }
    return false;
}

/* Options up to FIELDS, which ends them. */
static bool parse_setex(client *c, setex_request *q) {
    *q = (setex_request){0};
    for (int i = 2; i < c->argc; i++) {
        if (arg_is(c, i, "fields")) return parse_pairs(c, i, &q->f);
        if (!parse_option(c, &i, q)) return false;
    }
    (void)reply_wrong_args(c);
    return false;
}

/* Do all fields stand as FNX or FXX wants it? */
static command_result check_condition(client *c, elements *el, const setex_request *q,
                                      bool *holds) {
    *holds = true;
    if (!(q->options & (FIELDS_NX | FIELDS_XX))) return CMD_DONE;
    for (int i = q->f.first; *holds && i < q->f.end; i += 2) {
        hash_field was;
        bool found;
        STEP_TRY(hash_find(c, el, &q->f, i, &was, &found));
        *holds = found == ((q->options & FIELDS_XX) != 0);
    }
    return CMD_DONE;
}

/* Sets the fields; with a time that has passed, deletes them. */
static command_result set_fields(client *c, elements *el, const setex_request *q, bool past) {
    for (int i = q->f.first; i < q->f.end; i += 2) {
        hash_field was;
        bool found;
        int64_t expire = q->options & TIME_GIVEN ? q->when : ENGINE_NO_EXPIRE;
        STEP_TRY(hash_find(c, el, &q->f, i, &was, &found));
        if (q->options & TIME_KEEP && found) expire = was.item.expire;
        if (!past) {
            ENGINE_TRY(c, hash_put(el, c->argv[i], c->argv[i + 1], expire, &was));
        } else if (was.stored) {
            ENGINE_TRY(c, hash_del(el, c->argv[i], &was));
        }
    }
    return CMD_DONE;
}

/* 1 if they were set, all or none. */
command_result cmd_hsetex(client *c) {
    elements el;
    setex_request q;
    bool holds;
    if (!parse_setex(c, &q)) return CMD_REFUSED;
    STEP_TRY(hash_check_fields(c, &q.f));
    STEP_TRY(hash_open(c, KS_WRITE, &el));
    STEP_TRY(check_condition(c, &el, &q, &holds));
    client_depends_on_end(c);
    reply_int(c, holds);
    if (!holds) return CMD_DONE;
    bool past = q.options & TIME_GIVEN && q.when <= ks_now(c->ks);
    STEP_TRY(set_fields(c, &el, &q, past));
    ENGINE_TRY(c, el_end(&el));
    data_changed(c, KS_HASH, "hset", el.key);
    ks_dirty(c->ks, (q.f.end - q.f.first) / 2 - 1);
    if (q.options & TIME_GIVEN) ks_notify(c->ks, KS_HASH, past ? "hdel" : "hexpire", c->db, el.key);
    if (el_count(&el, 0) == 0) ks_notify(c->ks, KS_GENERIC, "del", c->db, el.key);
    return CMD_DONE;
}
