/* fuzz_acl: rules of users, any bytes: a user takes them or is as he was; what is shown of him
 * makes the same user again; what he may do can be asked. Rules are separated by line ends, the
 * first line is a command line to be asked about. */
#include "acl/internal.h"
#include "base/log.h"
#include "base/mem.h"
#include "commands/commands.h"
#include "support/fuzz.h"

#define WORDS_MAX 64

/* The parts between bytes `sep`. */
static int split(slice in, char sep, slice out[WORDS_MAX]) {
    int n = 0;
    while (n < WORDS_MAX) {
        const char *at = in.len ? memchr(in.data, sep, in.len) : NULL;
        size_t len = at ? (size_t)(at - in.data) : in.len;
        out[n++] = slice_of(in.data, len);
        if (!at) break;
        in = slice_skip(in, len + 1);
    }
    return n;
}

static void show(const user *u, buf *out) {
    buf_clear(out);
    user_show(u, out);
}

/* Applies what is shown to a new user, as ACL LOAD does. */
static void check_again(const user *u) {
    buf text = {0}, second = {0};
    show(u, &text);
    user *again = user_new(SLICE("again"));
    slice *words = mem_alloc((text.len + 1) * sizeof *words);
    int n = 0, bad;
    slice left = buf_slice(&text);
    for (;;) {
        const char *at = memchr(left.data, ' ', left.len);
        size_t len = at ? (size_t)(at - left.data) : left.len;
        words[n++] = slice_of(left.data, len);
        if (!at) break;
        left = slice_skip(left, len + 1);
    }
    rule_list rules;
    CHECK(rules_merge(words, n, &rules, &bad));
    for (size_t i = 0; i < rules.n; i++)
        CHECK(user_set(again, rules.at[i]) == RULE_OK);
    show(again, &second);
    CHECK(slice_eq(buf_slice(&text), buf_slice(&second)));
    CHECK(again->nselectors == u->nselectors);
    for (uint32_t i = 0; i < u->nselectors; i++)
        CHECK(memcmp(again->selectors[i]->commands, u->selectors[i]->commands,
                     sizeof u->selectors[i]->commands) == 0);
    rules_free(&rules);
    mem_free(words);
    user_free(again);
    buf_free(&text);
    buf_free(&second);
}

static void ask(const user *u, slice line) {
    slice argv[WORDS_MAX];
    int argc = split(line, ' ', argv), at;
    const command_row *row = command_find(argv, argc, NULL);
    if (!row) return;
    int arity = row->def->arity;
    if (arity > 0 ? argc != arity : argc < -arity) return;
    denial d = check_command(u, row, argc, argv, &at);
    CHECK(at >= 0 && at < argc);
    if (check_reads_all(u, row, argc, argv)) CHECK(d == DENIED_NOT);
    buf text = {0};
    if (d != DENIED_NOT) check_explain(d, u, row, argv[at], true, &text);
    buf_free(&text);
}

static void register_commands(void) {
    log_set_level(LOG_LEVEL_NOTHING);
    commands_register(connection_commands);
    commands_register(string_commands);
    commands_register(zset_commands);
    commands_register(sort_commands);
    commands_register(stream_commands);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice lines[WORDS_MAX];
    rule_list rules;
    int bad;
    if (command_count() == 0) register_commands();
    int n = split(slice_of(data, size), '\n', lines);
    user *u = user_new(SLICE("fuzz"));
    if (rules_merge(lines + 1, n - 1, &rules, &bad)) {
        buf before = {0}, after = {0};
        for (size_t i = 0; i < rules.n; i++) {
            show(u, &before);
            rule_error e = user_set(u, rules.at[i]);
            show(u, &after);
            if (e != RULE_OK) CHECK(slice_eq(buf_slice(&before), buf_slice(&after)));
        }
        buf_free(&before);
        buf_free(&after);
        rules_free(&rules);
    } else {
        CHECK(bad >= 0 && bad < n - 1);
    }
    user_settle(u);
    check_again(u);
    ask(u, lines[0]);
    user_free(u);
    return 0;
}
