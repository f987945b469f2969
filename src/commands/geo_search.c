/* GEOSEARCH, GEOSEARCHSTORE, and GEORADIUS and GEORADIUSBYMEMBER, which they replace.
 *
 *     GEOSEARCH          key                      <from> <by> [options]
 *     GEOSEARCHSTORE     destination key          <from> <by> [options] [STOREDIST]
 *     GEORADIUS          key lon lat radius unit  [options] [STORE key] [STOREDIST key]
 *     GEORADIUSBYMEMBER  key member  radius unit  [options] [STORE key] [STOREDIST key]
 *
 * The key's type is judged before any argument, a member that is the centre is looked up where it
 * stands, and options come in any order: so which error is told first is redis-server's. */
#include "base/num.h"
#include "commands/geo_family.h"

typedef struct search_args {
    bool radius_form; /* GEORADIUS and its like */
    bool may_store;   /* STORE and STOREDIST with keys are options */
    bool store_form;  /* GEOSEARCHSTORE */
    elements from;
    geo_shape shape;
    bool has_centre_member, has_centre, has_radius, has_box;
    geo_order order;
    int64_t count;
    bool any, with_distance, with_score, with_place;
    int store_at; /* the argument that is the destination; 0: none */
    bool store_distance;
} search_args;

/* ---- parts -------------------------------------------------------------------------------------
 */

/* A number that is not negative, and the unit behind it; or two such numbers. */
static command_result read_radius(client *c, int at, search_args *a) {
    if (!num_parse_double(c->argv[at], &a->shape.radius))
        return reply_error(c, "ERR need numeric radius");
    if (a->shape.radius < 0) return reply_error(c, "ERR radius cannot be negative");
    a->shape.box = false;
    return geo_arg_unit(c, at + 1, &a->shape.unit) ? CMD_DONE : CMD_REFUSED;
}

/* Width, height and unit, with redis-server's errors in its order. */
static command_result read_box(client *c, int at, search_args *a) {
    if (!num_parse_double(c->argv[at], &a->shape.width))
        return reply_error(c, "ERR need numeric width");
    if (!num_parse_double(c->argv[at + 1], &a->shape.height))
        return reply_error(c, "ERR need numeric height");
    if (a->shape.width < 0 || a->shape.height < 0)
        return reply_error(c, "ERR height or width cannot be negative");
    a->shape.box = true;
    return geo_arg_unit(c, at + 2, &a->shape.unit) ? CMD_DONE : CMD_REFUSED;
}

/* The place of a member as the centre; of an absent key any member will do, as nothing is near. */
static command_result read_member(client *c, int at, search_args *a) {
    double score;
    if (!a->from.exists) return CMD_DONE;
    engine_result r = zset_score(&a->from, c->argv[at], &score);
    if (r == ENGINE_ABSENT) return reply_error(c, "ERR could not decode requested zset member");
    if (r != ENGINE_OK) return reply_engine(c, r);
    a->shape.centre = geo_place(score);
    return CMD_DONE;
}

/* ---- options -----------------------------------------------------------------------------------
 */

/* A word that stands alone; false: it is none. */
static bool read_word(client *c, int i, search_args *a) {
    if (arg_is(c, i, "withdist"))
        a->with_distance = true;
    else if (arg_is(c, i, "withhash"))
        a->with_score = true;
    else if (arg_is(c, i, "withcoord"))
        a->with_place = true;
    else if (arg_is(c, i, "any"))
        a->any = true;
    else if (arg_is(c, i, "asc"))
        a->order = GEO_NEAREST;
    else if (arg_is(c, i, "desc"))
        a->order = GEO_FARTHEST;
    else
        return false;
    return true;
}

/* GEOSEARCH's centre and shape; *used: how many arguments follow the word, -1: it is none. */
static command_result read_where(client *c, int i, search_args *a, int *used) {
    int rest = c->argc - i - 1;
    *used = -1;
    if (a->radius_form) return CMD_DONE;
    if (arg_is(c, i, "frommember") && rest >= 1 && !a->has_centre) {
        a->has_centre_member = true;
        *used = 1;
        return read_member(c, i + 1, a);
    }
    if (arg_is(c, i, "fromlonlat") && rest >= 2 && !a->has_centre_member) {
        a->has_centre = true;
        *used = 2;
        return geo_arg_point(c, i + 1, &a->shape.centre) ? CMD_DONE : CMD_REFUSED;
    }
    if (arg_is(c, i, "byradius") && rest >= 2 && !a->has_box) {
        a->has_radius = true;
        *used = 2;
        return read_radius(c, i + 1, a);
    }
    if (arg_is(c, i, "bybox") && rest >= 3 && !a->has_radius) {
        a->has_box = true;
        *used = 3;
        return read_box(c, i + 1, a);
    }
    return CMD_DONE;
}

/* STORE and STOREDIST; how many arguments follow the word, -1: it is none. */
static int read_store(client *c, int i, search_args *a) {
    bool distance = arg_is(c, i, "storedist");
    if (a->store_form && distance) {
        a->store_distance = true;
        return 0;
    }
    if (!a->may_store || i + 1 == c->argc || (!distance && !arg_is(c, i, "store"))) return -1;
    a->store_at = i + 1;
    a->store_distance = distance;
    return 1;
}

/* All of them from argument i on. */
static command_result read_options(client *c, int i, search_args *a) {
    for (; i < c->argc; i++) {
        int used;
        if (read_word(c, i, a)) continue;
        if (arg_is(c, i, "count") && i + 1 < c->argc) {
            if (!arg_i64(c, ++i, &a->count)) return CMD_REFUSED;
            if (a->count <= 0) return reply_error(c, "ERR COUNT must be > 0");
            continue;
        }
        STEP_TRY(read_where(c, i, a, &used));
        if (used < 0) used = read_store(c, i, a);
        if (used < 0) return reply_syntax_error(c);
        i += used;
    }
    return CMD_DONE;
}

/* What does not go together, in the order in which redis-server finds it. */
static command_result check_options(client *c, const search_args *a) {
    int name_len = (int)c->argv[0].len;
    const char *name = c->argv[0].data;
    if (a->store_at && (a->with_distance || a->with_score || a->with_place))
        return reply_error(c,
                           "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                           a->store_form ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    if (!a->radius_form && !a->has_centre && !a->has_centre_member)
        return reply_error(c,
                           "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                           name_len, name);
    if (!a->radius_form && !a->has_radius && !a->has_box)
        return reply_error(c, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                           name_len, name);
    if (a->any && !a->count) return reply_error(c, "ERR the ANY argument requires COUNT argument");
    return a->store_at ? data_check_key(c, c->argv[a->store_at]) : CMD_DONE;
}

/* ---- results -----------------------------------------------------------------------------------
 */

/* Members, each in an array with what else was asked for. */
static command_result reply_hits(client *c, const search_args *a, const geo_hits *hits) {
    int more = a->with_distance + a->with_score + a->with_place;
    client_depends_on_end(c);
    reply_array(c, (int64_t)hits->n);
    for (size_t i = 0; i < hits->n; i++) {
        const geo_hit *h = &hits->items[i];
        if (more) reply_array(c, more + 1);
        reply_bulk(c, h->member);
        if (a->with_distance) geo_reply_distance(c, h->metres / a->shape.unit);
        if (a->with_score) reply_int(c, (int64_t)h->score);
        if (a->with_place) geo_reply_point(c, h->place);
    }
    return CMD_DONE;
}

/* A sorted set of them in place of what the destination holds; it may be the key searched. */
static command_result store_hits(client *c, const search_args *a, const geo_hits *hits) {
    elements to;
    el_create(c->ks, c->db, c->argv[a->store_at], &zset_type, &to);
    for (size_t i = 0; i < hits->n; i++) {
        const geo_hit *h = &hits->items[i];
        double score = a->store_distance ? h->metres / a->shape.unit : h->score;
        ENGINE_TRY(c, zset_put(&to, h->member, score));
    }
    if (hits->n) ks_dirty(c->ks, (int64_t)hits->n - 1);
    return zset_stored(c, &to, a->radius_form ? "georadiusstore" : "geosearchstore");
}

/* Once everything has been read. COUNT asks for the nearest, unless it says ANY. */
static command_result search(client *c, search_args *a) {
    geo_hits hits = {0};
    uint64_t count = (uint64_t)a->count;
    STEP_TRY(check_options(c, a));
    if (count && a->order == GEO_UNORDERED && !a->any) a->order = GEO_NEAREST;
    if (a->from.exists)
        ENGINE_TRY(c, geo_search(&a->from, &a->shape, a->order, count, a->any, &hits));
    return a->store_at ? store_hits(c, a, &hits) : reply_hits(c, a, &hits);
}

/* ---- commands ----------------------------------------------------------------------------------
 */

command_result cmd_geosearch(client *c) {
    search_args a = {0};
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &a.from));
    STEP_TRY(read_options(c, 2, &a));
    return search(c, &a);
}

command_result cmd_geosearchstore(client *c) {
    search_args a = {.store_form = true, .store_at = 1};
    STEP_TRY(data_elements(c, c->argv[2], &zset_type, 0, &a.from));
    STEP_TRY(read_options(c, 3, &a));
    return search(c, &a);
}

/* Of an absent key the radius around a member is not even looked at. */
static command_result radius(client *c, bool by_member, bool may_store) {
    search_args a = {.radius_form = true, .may_store = may_store};
    int options = by_member ? 5 : 6;
    STEP_TRY(data_elements(c, c->argv[1], &zset_type, 0, &a.from));
    if (by_member)
        STEP_TRY(read_member(c, 2, &a));
    else if (!geo_arg_point(c, 2, &a.shape.centre))
        return CMD_REFUSED;
    if (!by_member || a.from.exists) STEP_TRY(read_radius(c, options - 2, &a));
    STEP_TRY(read_options(c, options, &a));
    return search(c, &a);
}

command_result cmd_georadius(client *c) {
    return radius(c, false, true);
}

command_result cmd_georadius_ro(client *c) {
    return radius(c, false, false);
}

command_result cmd_georadiusbymember(client *c) {
    return radius(c, true, true);
}

command_result cmd_georadiusbymember_ro(client *c) {
    return radius(c, true, false);
}

/* The source, and each destination among the options from `at` on: a specification finds the first
 * one only, and the last one counts. */
static int radius_keys(const slice *argv, int argc, int at, int *out, unsigned *flags) {
    int n = 1;
    out[0] = 1;
    if (flags) flags[0] = KEY_RO | KEY_ACCESS;
    for (int i = at; i + 1 < argc; i++) {
        if (!slice_ieq(argv[i], "store") && !slice_ieq(argv[i], "storedist")) continue;
        if (flags) flags[n] = KEY_OW | KEY_UPDATE;
        out[n++] = ++i;
    }
    return n;
}

int geo_radius_keys(const slice *argv, int argc, int *out, unsigned *flags) {
    return radius_keys(argv, argc, 6, out, flags);
}

int geo_member_keys(const slice *argv, int argc, int *out, unsigned *flags) {
    return radius_keys(argv, argc, 5, out, flags);
}
