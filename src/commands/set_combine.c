/* SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.
 *
 * All keys are opened, and all types checked, before anything is shown: a wrong type is an error
 * even where an absent key has decided the result. Results are streamed (types/set_algebra.h) into
 * the reply, into a new set that takes the destination's place at the end, or into a count. */
#include "commands/set_family.h"
#include "types/set_algebra.h"

typedef engine_result (*combine)(elements *const *sets, unsigned n, set_each each, void *ctx);
typedef engine_result (*combine_store)(elements *const *sets, unsigned n, elements *to);

/* Opens n sets whose keys are the arguments from `at` on; all are asked for, and the type of one is
 * judged when none before it is pending: what a refusal has missed until then is told. */
static command_result open_sets(client *c, int at, int n, elements ***out) {
    command_result worst = CMD_DONE;
    unsigned flags = c->flags & CLIENT_NO_TOUCH ? KS_NO_TOUCH : 0;
    elements *all = ks_alloc(c->ks, (size_t)n * sizeof *all);
    *out = ks_alloc(c->ks, (size_t)n * sizeof **out);
    for (int i = 0; i < n; i++) {
        engine_result r = el_open(c->ks, c->db, c->argv[at + i], &set_type, flags, &all[i]);
        if (r == ENGINE_ERROR) return reply_engine(c, r);
        if (r == ENGINE_PENDING) {
            worst = reply_engine(c, r);
        } else if (worst == CMD_DONE && all[i].wrong_type) {
            return reply_wrong_type(c);
        }
        (*out)[i] = &all[i];
    }
    client_depends_on_end(c);
    return worst;
}

/* Into the reply: how many there are is known last. */
static command_result show(client *c, combine run) {
    elements **sets;
    set_reply out = {.c = c};
    buf head = {0};
    STEP_TRY(open_sets(c, 1, c->argc - 1, &sets));
    size_t at = c->out.len;
    ENGINE_TRY(c, run(sets, (unsigned)c->argc - 1, set_reply_member, &out));
    resp_set(&head, c->proto, (int64_t)out.n);
    data_insert(c, at, buf_slice(&head));
    buf_free(&head);
    return CMD_DONE;
}

command_result cmd_sinter(client *c) {
    return show(c, set_inter);
}
command_result cmd_sunion(client *c) {
    return show(c, set_union);
}
command_result cmd_sdiff(client *c) {
    return show(c, set_diff);
}

/* Into a key. What it held is gone even if the result is empty, and then so is the key. */
static command_result store(client *c, combine_store run, const char *event) {
    elements **sets, to;
    STEP_TRY(data_check_key(c, c->argv[1]));
    STEP_TRY(open_sets(c, 2, c->argc - 2, &sets));
    el_create(c->ks, c->db, c->argv[1], &set_type, &to);
    ENGINE_TRY(c, run(sets, (unsigned)c->argc - 2, &to));
    ENGINE_TRY(c, el_end(&to));
    uint64_t n = el_count(&to, 0);
    if (n > 0) data_changed(c, KS_SET, event, c->argv[1]);
    if (to.deleted) data_changed(c, KS_GENERIC, "del", c->argv[1]);
    reply_int(c, (int64_t)n);
    return CMD_DONE;
}

command_result cmd_sinterstore(client *c) {
    return store(c, set_inter_store, "sinterstore");
}
command_result cmd_sunionstore(client *c) {
    return store(c, set_union_store, "sunionstore");
}
command_result cmd_sdiffstore(client *c) {
    return store(c, set_diff_store, "sdiffstore");
}

/* ---- counting ----------------------------------------------------------------------------------
 */

typedef struct counting {
    uint64_t n, limit;
} counting;

/* Ends the walk at the limit. */
static engine_result count_member(void *ctx, slice member) {
    counting *k = ctx;
    (void)member;
    return ++k->n == k->limit ? ENGINE_ABSENT : ENGINE_OK;
}

/* SINTERCARD numkeys key ... [LIMIT limit]; 0 is no limit. */
command_result cmd_sintercard(client *c) {
    int64_t numkeys, limit = 0;
    counting k = {0};
    elements **sets;
    if (!arg_i64_range(c, 1, 1, INT64_MAX, &numkeys, "ERR numkeys should be greater than 0"))
        return CMD_REFUSED;
    if (numkeys > c->argc - 2)
        return reply_error(c, "ERR Number of keys can't be greater than number of args");
    for (int i = 2 + (int)numkeys; i < c->argc; i += 2) {
        if (!arg_is(c, i, "limit") || i + 1 == c->argc) return reply_syntax_error(c);
        if (!arg_i64_range(c, i + 1, 0, INT64_MAX, &limit, "ERR LIMIT can't be negative"))
            return CMD_REFUSED;
    }
    STEP_TRY(open_sets(c, 2, (int)numkeys, &sets));
    k.limit = (uint64_t)limit;
    ENGINE_TRY(c, set_inter(sets, (unsigned)numkeys, count_member, &k));
    reply_int(c, (int64_t)k.n);
    return CMD_DONE;
}
