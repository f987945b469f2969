/* Commands that show members of a set without naming them: SMEMBERS, SSCAN, SRANDMEMBER, SPOP.
 *
 * Replies are written while the members are read. An intset comes in numeric order, and a scan of a
 * set that redis-server keeps compactly gives all of it at once, as there. */
#include "commands/scan_options.h"
#include "commands/set_family.h"
#include "types/sample.h"

engine_result set_reply_member(void *ctx, slice member) {
    set_reply *out = ctx;
    out->n++;
    reply_bulk(out->c, member);
    return ENGINE_OK;
}

/* All members, with their number before them. */
static command_result reply_all(client *c, elements *el, bool as_set) {
    set_reply out = {.c = c};
    int64_t n = (int64_t)el_count(el, 0);
    if (as_set) {
        resp_set(&c->out, c->proto, n);
    } else {
        reply_array(c, n);
    }
    ENGINE_TRY(c, set_walk(el, set_reply_member, &out));
    client_depends_on_end(c);
    return CMD_DONE;
}

command_result cmd_smembers(client *c) {
    elements el;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, 0, &el));
    return reply_all(c, &el, true);
}

/* ---- scanning ----------------------------------------------------------------------------------
 */

typedef struct scan {
    set_reply out;
    scan_options options;
} scan;

/* One of a slice of the walk, if MATCH lets it through. */
static engine_result scan_member(void *ctx, slice member) {
    scan *s = ctx;
    return scan_wants(&s->options, member) ? set_reply_member(&s->out, member) : ENGINE_OK;
}

static void scan_item(void *ctx, const el_item *item) {
    (void)scan_member(ctx, item->sub);
}

command_result cmd_sscan(client *c) {
    elements el;
    uint64_t cursor, next = 0;
    scan s = {.out = {.c = c}};
    if (!scan_cursor(c, 2, &cursor)) return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, 0, &el));
    if (!el.exists) return scan_reply_empty(c);
    if (!scan_options_parse(c, 3, 0, &s.options)) return CMD_REFUSED;
    size_t at = c->out.len;
    if (el_hint(&el) == SET_HASHTABLE) {
        ENGINE_TRY(c, el_scan(&el, cursor, s.options.count, &next, scan_item, &s));
    } else {
        ENGINE_TRY(c, set_walk(&el, scan_member, &s));
    }
    return scan_reply(c, at, &next, s.out.n);
}

/* ---- random members ----------------------------------------------------------------------------
 */

/* A sample_each. */
static bool pick_member(void *ctx, const el_item *item) {
    set_reply *out = ctx;
    (void)set_reply_member(out, item->sub);
    return data_reply_may_grow(out->c);
}

/* One member, or null. */
static command_result one_random(client *c) {
    elements el;
    el_iter it;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, 0, &el));
    engine_result r = el_random(&el, &it);
    if (r == ENGINE_ABSENT) {
        reply_null(c);
        client_depends_on_end(c);
        return CMD_DONE;
    }
    ENGINE_TRY(c, r);
    data_depends_elements(c, &el);
    reply_bulk(c, it.item.sub);
    return CMD_DONE;
}

/* count > 0: different ones; < 0: any, that many. */
command_result cmd_srandmember(client *c) {
    elements el;
    int64_t count;
    if (c->argc == 2) return one_random(c);
    if (c->argc > 3) return reply_syntax_error(c);
    if (!data_arg_count(c, 2, &count)) return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, 0, &el));
    client_depends_on_end(c);
    uint64_t all = el_count(&el, 0), n = (uint64_t)(count < 0 ? -count : count);
    if (count > 0 && n >= all) return reply_all(c, &el, false);
    if (all == 0) n = 0;
    if (!data_reply_fits(n)) return data_reply_too_long(c);
    set_reply out = {.c = c};
    reply_array(c, (int64_t)n);
    ENGINE_TRY(c, count < 0 ? sample_any(&el, n, pick_member, &out)
                            : sample_distinct(&el, n, pick_member, &out));
    return out.n == n ? CMD_DONE : data_reply_too_long(c);
}

/* What follows a pop of n > 0 members. */
static command_result popped(client *c, uint64_t n, bool deleted) {
    data_changed(c, KS_SET, "spop", c->argv[1]);
    if (deleted) ks_notify(c->ks, KS_GENERIC, "del", c->db, c->argv[1]);
    ks_dirty(c->ks, (int64_t)n - 1);
    return CMD_DONE;
}

/* Without a count: one bulk, or null. */
static command_result pop_one(client *c) {
    elements el;
    set_reply out = {.c = c};
    STEP_TRY(data_elements(c, c->argv[1], &set_type, KS_WRITE, &el));
    if (!el.exists) {
        reply_null(c);
        client_depends_on_end(c);
        return CMD_DONE;
    }
    ENGINE_TRY(c, set_pop(&el, 1, set_reply_member, &out));
    ENGINE_TRY(c, el_end(&el));
    return popped(c, 1, el.deleted);
}

/* All of a set are shown and the key is deleted, which costs nothing more. */
command_result cmd_spop(client *c) {
    elements el;
    int64_t count;
    set_reply out = {.c = c};
    if (c->argc == 2) return pop_one(c);
    if (c->argc > 3) return reply_syntax_error(c);
    if (!arg_i64_range(c, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return CMD_REFUSED;
    STEP_TRY(data_elements(c, c->argv[1], &set_type, KS_WRITE, &el));
    uint64_t all = el_count(&el, 0), n = (uint64_t)count < all ? (uint64_t)count : all;
    if (n == all) {
        STEP_TRY(reply_all(c, &el, true));
        if (n == 0) return CMD_DONE;
        ENGINE_TRY(c, ks_del(c->ks, c->db, c->argv[1]));
        return popped(c, n, true);
    }
    resp_set(&c->out, c->proto, (int64_t)n);
    if (n == 0) {
        client_depends_on_end(c);
        return CMD_DONE;
    }
    ENGINE_TRY(c, set_pop(&el, n, set_reply_member, &out));
    ENGINE_TRY(c, el_end(&el));
    return popped(c, n, false);
}
