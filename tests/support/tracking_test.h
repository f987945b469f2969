/* tracking_test: what the tests of tracking begin with: a session in which clients can track,
 * and a few commands more: a flush, commands within one. */
#ifndef STAVE_TESTS_TRACKING_TEST_H
#define STAVE_TESTS_TRACKING_TEST_H

#include "support/session_kit.h"
#include "support/unit.h"

#include "session/inside.h"
#include "session/reply.h"
#include "tracking/tracking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kit k;

static command_result run_flush(client *who) {
    engine_result r = ks_flush(who->ks, -1);
    if (r != ENGINE_OK) return reply_engine(who, r);
    reply_ok(who);
    return CMD_DONE;
}

/* wrong key: reads it, and does not like what it finds. */
static command_result run_wrong(client *who) {
    return reply_wrong_type(who);
}

/* do NAME:ARG:..;NAME:..: runs these within itself, as EXEC does. */
static command_result run_do(client *who) {
    slice left = who->argv[1];
    size_t n = 1;
    for (size_t i = 0; i < left.len; i++)
        n += left.data[i] == ';';
    reply_array(who, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        slice argv[8];
        int argc = 0;
        for (bool more = true; more;) {
            size_t len = 0;
            while (len < left.len && !strchr(":;", left.data[len]))
                len++;
            more = len < left.len && left.data[len] == ':';
            argv[argc++] = slice_of(left.data, len);
            left = slice_skip(left, len < left.len ? len + 1 : len);
        }
        inside_command in = {.argc = argc, .argv = argv};
        in.row = command_find(argv, argc, NULL);
        assert_non_null(in.row);
        command_result r = inside_run(who, &in);
        if (r != CMD_DONE && r != CMD_REFUSED) return r;
    }
    return CMD_DONE;
}

/* The one sub-command of CLIENT that is not tracking's. */
static command_result run_id(client *who) {
    reply_int(who, (int64_t)who->id);
    return CMD_DONE;
}

#define ONE_KEY .keys = {{.flags = KEY_RO | KEY_ACCESS, .begin = 1}}
static const command client_subs[] = {{.name = "id", .run = run_id, .arity = 2}, {0}};
static const command own_commands[] = {
    {.name = "client", .arity = -2, .subcommands = client_subs},
    {.name = "flush", .run = run_flush, .arity = 1, .flags = CMD_WRITE},
    {.name = "wrong", .run = run_wrong, .arity = 2, .flags = CMD_READONLY, ONE_KEY},
    {.name = "spublish", .run = run_id, .arity = 2, .flags = CMD_READONLY | CMD_PUBSUB, ONE_KEY},
    {.name = "eval_ro",
     .run = run_id,
     .arity = 2,
     .flags = CMD_READONLY,
     .categories = CAT_SCRIPTING,
     ONE_KEY},
    {.name = "do", .run = run_do, .arity = 2, .flags = CMD_CARRIES},
    {0},
};

/* CONFIG SET tracking-table-max-keys. */
static void set_max_keys(const char *n) {
    slice word = slice_cstr(n);
    status st = setting_parse(&tracking_settings[0], 1, &word);
    assert_true(status_ok(st));
}

static int setup(void **state) {
    static bool registered;
    (void)state;
    if (!registered) {
        commands_register(kit_commands);
        commands_register(own_commands);
        tracking_register();
        registered = true;
    }
    setting_defaults(tracking_settings);
    kit_start(&k);
    tracking_start(k.session);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    kit_stop(&k);
    return 0;
}

/* A line of INFO that is not there fails. */
static uint64_t info(const char *field) {
    buf b = {0};
    for (const metric_section *m = tracking_metrics(); m->name; m++)
        m->emit(&b, m->ctx);
    buf_append_char(&b, 0);
    const char *at = strstr(b.data, field);
    assert_non_null(at);
    uint64_t v = strtoull(at + strlen(field) + 1, NULL, 10);
    buf_free(&b);
    return v;
}

#endif
