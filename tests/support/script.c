/* script: see script.h. */
#include "support/script.h"

#include "support/session_kit.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

static void on_event(void *ctx, unsigned klass, const char *name, uint32_t db, slice key) {
    buf *told = ctx;
    assert_true(klass != 0);
    buf_printf(told, "%s@%u:%.*s ", name, db, (int)key.len, key.data);
}

static void run(const step *steps, unsigned pending) {
    kit k;
    fake_end *end;
    buf told = {0}, line = {0}, report = {0};
    kit_start(&k);
    ks_hook_add(k.ks, &(ks_hooks){.event = on_event, .ctx = &told});
    kit_client(&k, &end);
    k.knobs->pending_permille = pending;
    for (; steps->line; steps++) {
        buf_clear(&line);
        buf_clear(&told);
        buf_printf(&line, "%s\r\n", steps->line);
        buf_append_char(&line, 0);
        const char *reply = kit_ask(&k, end, line.data);
        buf_append_char(&told, 0);
        if (strcmp(reply, steps->reply) || strcmp(told.data, steps->events))
            print_error("%s (pending %u)\n  reply:  %s  wanted: %s  events: %s\n  wanted: %s\n",
                        steps->line, pending, reply, steps->reply, told.data, steps->events);
        assert_string_equal(reply, steps->reply);
        assert_string_equal(told.data, steps->events);
    }
    assert_true(status_ok(engine_check(k.engine, &report)) && report.len == 0);
    buf_free(&told);
    buf_free(&line);
    buf_free(&report);
    kit_stop(&k);
}

void script_run(const step *steps, const command *const *tables) {
    bool first = command_count() == 0;
    for (; first && *tables; tables++)
        commands_register(*tables);
    run(steps, 0);
    run(steps, 300);
}
