/* selector: rules, and what they come to.
 *
 *     +get -config|set +@read         commands: a bit each, set and cleared as the rules come
 *     +select|0                       a command that has no bit, with that first argument
 *     ~user:* %R~log:* %W~out:*       keys
 *     &news.*                         channels
 *
 * Beside the bits the rules themselves are kept, in their order, without those that a later one has
 * made void: one of the same command or category, or one of a whole command that comes after one of
 * its sub-commands. Applied to +@all or to -@all, whichever was the last, they give the same bits
 * again: this is what ACL LIST shows (selector_show_commands).
 *
 * No rule costs more than a walk over the commands, whatever came before it. */
#include "acl/selector.h"

#include "base/glob.h"
#include "base/log.h"
#include "base/mem.h"

#include <ctype.h>

int selector_channels_default;

/* ---- life --------------------------------------------------------------------------------------
 */

/* The bitmap has room for all commands, of which there are a few hundred. */
selector *selector_new(void) {
    CHECK(command_ids() < SELECTOR_COMMANDS);
    selector *s = mem_zalloc(sizeof *s);
    s->all_channels = selector_channels_default;
    return s;
}

/* No command has allowed first arguments any more. */
static void forget_first_args(selector *s) {
    for (uint32_t i = 0; i < s->nfirst; i++) {
        names_clear(&s->first[i].args);
        names_clear(&s->first[i].rules);
    }
    s->nfirst = 0;
}

/* With all names. */
void selector_free(selector *s) {
    forget_first_args(s);
    mem_free(s->first);
    names_clear(&s->rules);
    names_clear(&s->keys);
    names_clear(&s->channels);
    mem_free(s);
}

/* What the copy has, it has for itself. */
selector *selector_copy(const selector *s) {
    selector *copy = mem_dup(s, sizeof *s);
    copy->rules = copy->keys = copy->channels = NULL;
    names_copy(&copy->rules, s->rules);
    names_copy(&copy->keys, s->keys);
    names_copy(&copy->channels, s->channels);
    /* Arrays and names are pointers: those of the original are forgotten before they are copied. */
    copy->first = NULL;
    copy->nfirst = copy->first_cap = 0;
    for (uint32_t i = 0; i < s->nfirst; i++) {
        if (copy->nfirst == copy->first_cap)
            copy->first = mem_more(copy->first, &copy->first_cap, 4, sizeof *copy->first);
        first_args *f = &copy->first[copy->nfirst++];
        *f = (first_args){.id = s->first[i].id};
        names_copy(&f->args, s->first[i].args);
        names_copy(&f->rules, s->first[i].rules);
    }
    return copy;
}

/* ---- commands ----------------------------------------------------------------------------------
 */

/* Ids are dense, so a user is 128 bytes of bits. */
static bool bit_of(const selector *s, int id) {
    return s->commands[id / 64] >> (id % 64) & 1;
}

/* Of one command or sub-command alone. */
static void set_bit(selector *s, int id, bool on) {
    if (on) {
        s->commands[id / 64] |= 1ull << (id % 64);
    } else {
        s->commands[id / 64] &= ~(1ull << (id % 64));
        s->all_commands = false;
    }
}

/* NULL: none. */
static first_args *first_of(const selector *s, int id) {
    for (uint32_t i = 0; i < s->nfirst; i++)
        if (s->first[i].id == id) return &s->first[i];
    return NULL;
}

/* A command with its sub-commands. */
static void set_command(selector *s, const command_row *row, bool on) {
    set_bit(s, row->id, on);
    for (int i = 0; i < row->nsubs; i++)
        set_bit(s, row->subs[i].id, on);
    first_args *f = first_of(s, row->id);
    if (f) names_clear(&f->args);
}

/* All there are, and all there will be. */
static void set_all(selector *s, bool on) {
    /* Rules before it have no effect any more, so none is kept. */
    memset(s->commands, on ? 0xff : 0, sizeof s->commands);
    s->all_commands = s->from_all = on;
    names_clear(&s->rules);
    forget_first_args(s);
}

/* A container that is in the category brings its sub-commands. */
static void set_category(selector *s, uint32_t category, bool on) {
    size_t pos = 0;
    for (command_row *row; (row = command_next(&pos)) != NULL;) {
        /* Sub-commands are looked at by themselves too: some are in categories that their container
         * is not in. */
        if (row->categories & category) set_command(s, row, on);
        for (int i = 0; i < row->nsubs; i++)
            if (row->subs[i].categories & category) set_command(s, &row->subs[i], on);
    }
}

/* Letters of ASCII; what is not one stays. */
static slice lower_case(slice text, buf *room) {
    buf_clear(room);
    char *p = buf_reserve(room, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        p[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return slice_of(p, text.len);
}

/* A rule takes the place of those that it makes void, at the end. */
static void keep_rule(selector *s, slice text, bool on) {
    buf room = {0};
    text = lower_case(text, &room);
    (void)names_del(&s->rules, text);
    names_set(&s->rules, text, on ? RULE_ALLOWS : RULE_DENIES);
    buf_free(&room);
}

/* "config|get" is void when "config" comes, "select|0" when "select" does. */
static void drop_rules_below(selector *s, const command_row *row) {
    for (int i = 0; i < row->nsubs; i++)
        (void)names_del(&s->rules, slice_cstr(row->subs[i].full_name));
    first_args *f = first_of(s, row->id);
    if (!f) return;
    slice rule;
    unsigned one;
    for (size_t pos = 0; names_next(f->rules, &pos, &rule, &one);)
        (void)names_del(&s->rules, rule);
    names_clear(&f->args);
    names_clear(&f->rules);
    *f = s->first[--s->nfirst];
}

/* +cmd, -cmd, also of a sub-command. */
static void set_by_name(selector *s, const command_row *row, bool on) {
    set_command(s, row, on);
    drop_rules_below(s, row);
    keep_rule(s, slice_cstr(row->full_name), on);
}

/* +cmd|word: a sub-command, or, as Redis still has it, a first argument. */
static rule_error allow_part(selector *s, slice text, size_t bar) {
    const command_row *row = command_by_name(slice_of(text.data, bar));
    slice word = slice_skip(text, bar + 1);
    if (!row) return RULE_UNKNOWN;
    /* "config|get|x": the part before the last bar is itself a sub-command. */
    if (row->parent) return RULE_OF_SUBCOMMAND;
    if (!word.len) return RULE_SYNTAX;
    if (!name_is_clean(word)) return RULE_SYNTAX;
    if (row->nsubs) {
        row = command_by_name(text);
        if (!row) return RULE_UNKNOWN;
        set_by_name(s, row, true);
        return RULE_OK;
    }
    first_args *f = first_of(s, row->id);
    if (!f) {
        if (s->nfirst == s->first_cap)
            s->first = mem_more(s->first, &s->first_cap, 4, sizeof *s->first);
        f = &s->first[s->nfirst++];
        *f = (first_args){.id = row->id};
    }
    buf room = {0};
    names_set(&f->args, lower_case(word, &room), 1);
    names_set(&f->rules, lower_case(text, &room), 1);
    buf_free(&room);
    keep_rule(s, text, true);
    return RULE_OK;
}

/* What follows the sign of +cmd, -cmd, +@category, -@category. */
static rule_error set_commands(selector *s, slice text, bool on) {
    if (text.len && text.data[0] == '@') {
        /* "all" is none of them: +@all and -@all are words, and were seen before. */
        for (int i = 0; command_category_names[i]; i++) {
            if (!slice_ieq(slice_skip(text, 1), command_category_names[i])) continue;
            set_category(s, 1u << i, on);
            keep_rule(s, text, on);
            return RULE_OK;
        }
        return RULE_UNKNOWN;
    }
    /* The last bar, as a first argument has none in it and a sub-command's name has one. */
    const char *bar = text.len ? memrchr(text.data, '|', text.len) : NULL;
    if (on && bar) return allow_part(s, text, (size_t)(bar - text.data));
    const command_row *row = command_by_name(text);
    if (!row) return RULE_UNKNOWN;
    set_by_name(s, row, on);
    return RULE_OK;
}

/* ---- keys and channels -------------------------------------------------------------------------
 */

/* In the C locale, as redis-server runs. */
bool name_is_clean(slice s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0) return false;
    }
    return true;
}

/* The letters of %R~ %W~ %RW~, in any order and case, each once; text is what follows the %. */
static bool parse_access(slice *text, unsigned *access) {
    *access = 0;
    while (text->len) {
        char c = text->data[0];
        unsigned bit = c == 'R' || c == 'r' ? KEY_READS : c == 'W' || c == 'w' ? KEY_WRITES : 0;
        *text = slice_skip(*text, 1);
        /* "%~" gives no access at all, and is not a rule. */
        if (c == '~' && *access) return true;
        if (!bit || (*access & bit)) return false;
        *access |= bit;
    }
    return *access != 0;
}

/* ~pattern, %R~pattern, ... A pattern that comes twice has both accesses. */
static rule_error add_keys(selector *s, slice rule) {
    unsigned access = KEY_READS | KEY_WRITES;
    slice pattern = slice_skip(rule, 1);
    if (s->all_keys) return RULE_ALL_KEYS;
    if (rule.data[0] == '%' && !parse_access(&pattern, &access)) return RULE_SYNTAX;
    if (!name_is_clean(pattern)) return RULE_SYNTAX;
    /* names_get is 0 for one that is not there. */
    names_set(&s->keys, pattern, access | names_get(s->keys, pattern));
    return RULE_OK;
}

/* &pattern. */
static rule_error add_channels(selector *s, slice rule) {
    slice pattern = slice_skip(rule, 1);
    if (s->all_channels) return RULE_ALL_CHANNELS;
    if (!name_is_clean(pattern)) return RULE_SYNTAX;
    names_set(&s->channels, pattern, 1);
    return RULE_OK;
}

/* ---- rules -------------------------------------------------------------------------------------
 */

/* Words before signs, as ~* and +@all are words. */
rule_error selector_set(selector *s, slice rule) {
    char sign = rule.len ? rule.data[0] : 0;
    if (slice_ieq(rule, "allkeys") || slice_eq(rule, SLICE("~*"))) {
        s->all_keys = true;
        names_clear(&s->keys);
    } else if (slice_ieq(rule, "resetkeys")) {
        s->all_keys = false;
        names_clear(&s->keys);
    } else if (slice_ieq(rule, "allchannels") || slice_eq(rule, SLICE("&*"))) {
        s->all_channels = true;
        names_clear(&s->channels);
    } else if (slice_ieq(rule, "resetchannels")) {
        s->all_channels = false;
        names_clear(&s->channels);
    } else if (slice_ieq(rule, "allcommands") || slice_ieq(rule, "+@all")) {
        set_all(s, true);
    } else if (slice_ieq(rule, "nocommands") || slice_ieq(rule, "-@all")) {
        set_all(s, false);
    } else if (sign == '~' || sign == '%') {
        return add_keys(s, rule);
    } else if (sign == '&') {
        return add_channels(s, rule);
    } else if (sign == '+' || sign == '-') {
        return set_commands(s, slice_skip(rule, 1), sign == '+');
    } else {
        return RULE_SYNTAX;
    }
    return RULE_OK;
}

/* Redis' words. */
const char *rule_error_text(rule_error e) {
    static const char *const texts[] = {
        [RULE_OK] = "",
        [RULE_UNKNOWN] = "Unknown command or category name in ACL",
        [RULE_SYNTAX] = "Syntax error",
        [RULE_ALL_KEYS] = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not "
                          "valid and does not have any effect. Try 'resetkeys' to start with an "
                          "empty list of patterns",
        [RULE_ALL_CHANNELS] = "Adding a pattern after the * pattern (or the 'allchannels' flag) is "
                              "not valid and does not have any effect. Try 'resetchannels' to "
                              "start with an empty list of channels",
        [RULE_NO_PASSWORD] = "The password you are trying to remove from the user does not exist",
        [RULE_BAD_HASH] = "The password hash must be exactly 64 characters and contain only "
                          "lowercase hexadecimal characters",
        [RULE_OF_SUBCOMMAND] = "Allowing first-arg of a subcommand is not supported",
        [RULE_DUPLICATE_USER] = "Duplicate user found. A user can only be defined once in config "
                                "files",
    };
    return texts[e];
}

/* ---- showing -----------------------------------------------------------------------------------
 */

/* What the sign of a rule and its text are, quoted if within parentheses they would be taken for
 * something else. */
static void show_word(const char *sign, slice text, bool nested, buf *out) {
    /* A word that ends with a parenthesis would end the selector, one with quotes begin a quoted
     * part. */
    bool quote = nested && text.len && text.data[text.len - 1] == ')';
    for (size_t i = 0; nested && i < text.len; i++)
        quote = quote || text.data[i] == '"' || text.data[i] == '\'';
    if (out->len) buf_append_char(out, ' ');
    if (quote) buf_append_char(out, '"');
    buf_append(out, sign, strlen(sign));
    for (size_t i = 0; i < text.len; i++) {
        if (quote && (text.data[i] == '"' || text.data[i] == '\\')) buf_append_char(out, '\\');
        buf_append_char(out, text.data[i]);
    }
    if (quote) buf_append_char(out, '"');
}

/* The rules that are kept, behind what they are applied to. */
static void show_commands(const selector *s, bool nested, buf *out) {
    slice text;
    unsigned kind;
    show_word("", s->from_all ? SLICE("+@all") : SLICE("-@all"), nested, out);
    for (size_t pos = 0; names_next(s->rules, &pos, &text, &kind);)
        show_word(kind == RULE_ALLOWS ? "+" : "-", text, nested, out);
}

/* A pattern * among others is not the end of all patterns, as the rule ~* is. */
static void show_keys(const selector *s, bool nested, buf *out) {
    static const char *const signs[] = {
        [KEY_READS] = "%R~", [KEY_WRITES] = "%W~", [KEY_READS | KEY_WRITES] = "~"};
    slice text;
    unsigned access;
    /* The word ~* stands for all patterns, so with it there is no other. */
    if (s->all_keys) show_word("~", SLICE("*"), nested, out);
    for (size_t pos = 0; names_next(s->keys, &pos, &text, &access);)
        show_word(access == (KEY_READS | KEY_WRITES) && slice_eq(text, SLICE("*")) ? "%RW~"
                                                                                   : signs[access],
                  text, nested, out);
}

/* In the order in which they came. */
static void show_channels(const selector *s, bool nested, buf *out) {
    slice text;
    unsigned one;
    if (s->all_channels) show_word("&", SLICE("*"), nested, out);
    for (size_t pos = 0; names_next(s->channels, &pos, &text, &one);)
        show_word("&", text, nested, out);
}

/* For GETUSER, which tells each part by itself, and quotes nothing. */
void selector_show_commands(const selector *s, buf *out) {
    show_commands(s, false, out);
}
/* The same for keys. */
void selector_show_keys(const selector *s, buf *out) {
    show_keys(s, false, out);
}
/* The same for channels: none is told as nothing. */
void selector_show_channels(const selector *s, buf *out) {
    show_channels(s, false, out);
}

/* resetchannels goes before patterns, so that it holds whatever acl-pubsub-default is. */
void selector_show(const selector *s, bool nested, buf *out) {
    show_keys(s, nested, out);
    if (!s->all_channels) show_word("", SLICE("resetchannels"), nested, out);
    show_channels(s, nested, out);
    show_commands(s, nested, out);
}

/* ---- asking ------------------------------------------------------------------------------------
 */

/* First arguments are few, and compared without regard to case. */
bool selector_allows_command(const selector *s, const command_row *row, int argc,
                             const slice *argv) {
    if (s->all_commands || bit_of(s, row->id)) return true;
    const first_args *f = argc > 1 ? first_of(s, row->id) : NULL;
    size_t pos = 0;
    slice word;
    unsigned one;
    while (f && names_next(f->args, &pos, &word, &one)) {
        if (word.len != argv[1].len) continue;
        size_t i = 0;
        while (i < word.len &&
               tolower((unsigned char)argv[1].data[i]) == (unsigned char)word.data[i])
            i++;
        if (i == word.len) return true;
    }
    return false;
}

/* A pattern allows what it matches, if it has all of the access. */
bool selector_allows_key(const selector *s, slice key, unsigned access) {
    slice pattern;
    unsigned has;
    if (s->all_keys) return true;
    for (size_t pos = 0; names_next(s->keys, &pos, &pattern, &has);)
        if ((has & access) == access && glob_match(pattern, key, false)) return true;
    return false;
}

/* By the pattern * itself: of others nobody can say whether they match everything. */
bool selector_allows_every_key(const selector *s, unsigned access) {
    return s->all_keys || (names_get(s->keys, SLICE("*")) & access) == access;
}

/* A pattern that is listened to may match more than is allowed, so it must be known itself. */
bool selector_allows_channel(const selector *s, slice channel, bool is_pattern) {
    slice pattern;
    unsigned one;
    if (s->all_channels) return true;
    if (is_pattern) return names_get(s->channels, channel) != 0;
    for (size_t pos = 0; names_next(s->channels, &pos, &pattern, &one);)
        if (glob_match(pattern, channel, false)) return true;
    return false;
}
