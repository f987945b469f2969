/* user: rules of a user, those of his root selector among them.
 *
 *     on off nopass >password #hash <password !hash resetpass
 *     sanitize-payload skip-sanitize-payload reset
 *     (...)                a selector of its own, its rules between the parentheses
 *     clearselectors       takes these away; the root stays
 *     any other            is the root selector's
 *
 * Passwords are kept as their hashes alone. */
#include "acl/user.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "resp/reader.h"

/* ---- life --------------------------------------------------------------------------------------
 */

/* Owned from now on. */
static void add_selector(user *u, selector *s) {
    if (u->nselectors == u->cap)
        u->selectors = mem_more(u->selectors, &u->cap, 1, sizeof *u->selectors);
    u->selectors[u->nselectors++] = s;
}

/* The root selector is there from the beginning. */
user *user_new(slice name) {
    user *u = mem_zalloc(sizeof *u);
    u->name = mem_zalloc(name.len + 1);
    if (name.len) memcpy(u->name, name.data, name.len);
    u->name_len = name.len;
    add_selector(u, selector_new());
    return u;
}

/* By the rules that would make him. */
user *user_new_default(void) {
    static const char *const rules[] = {"+@all", "~*", "&*", "on", "nopass"};
    user *u = user_new(SLICE("default"));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        CHECK(user_set(u, slice_cstr(rules[i])) == RULE_OK);
    user_settle(u);
    return u;
}

/* All but the root, or all. */
static void drop_selectors(user *u, uint32_t keep) {
    while (u->nselectors > keep)
        selector_free(u->selectors[--u->nselectors]);
}

/* All but the name. */
static void drop_contents(user *u) {
    drop_selectors(u, 0);
    mem_free(u->selectors);
    names_clear(&u->passwords);
}

/* NULL is fine. */
void user_free(user *u) {
    if (!u) return;
    drop_contents(u);
    mem_free(u->name);
    mem_free(u);
}

/* What a user has, without what belongs to it. */
static void copy_values(user *to, const user *from) {
    /* The name is what clients and the table have of him: it stays. */
    char *name = to->name;
    size_t name_len = to->name_len;
    *to = *from;
    to->name = name;
    to->name_len = name_len;
}

/* Selectors and passwords are copied. */
void user_assign(user *to, const user *from) {
    drop_contents(to);
    copy_values(to, from);
    to->passwords = NULL;
    to->selectors = NULL;
    to->nselectors = to->cap = 0;
    names_copy(&to->passwords, from->passwords);
    for (uint32_t i = 0; i < from->nselectors; i++)
        add_selector(to, selector_copy(from->selectors[i]));
}

/* Pointers to `to` stay good: clients have them. */
void user_take(user *to, user *from) {
    drop_contents(to);
    copy_values(to, from);
    mem_free(from->name);
    mem_free(from);
}

/* ---- passwords ---------------------------------------------------------------------------------
 */

/* As SHA-256 is written. */
static bool is_hash(slice s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
    }
    return s.len == SHA256_HEX;
}

/* >password #hash <password !hash */
static rule_error set_password(user *u, char sign, slice text) {
    char hash[SHA256_HEX];
    bool clear = sign == '>' || sign == '<';
    if (!clear && !is_hash(text)) return RULE_BAD_HASH;
    if (clear)
        sha256_hex(text.data, text.len, hash);
    else
        memcpy(hash, text.data, sizeof hash);
    /* From here on clear text and hash are the same. */
    text = slice_of(hash, sizeof hash);
    if (sign == '<' || sign == '!')
        return names_del(&u->passwords, text) ? RULE_OK : RULE_NO_PASSWORD;
    names_set(&u->passwords, text, 1);
    /* A user with a password needs one. */
    u->nopass = false;
    return RULE_OK;
}

/* nopass, resetpass */
static void drop_passwords(user *u, bool nopass) {
    names_clear(&u->passwords);
    u->nopass = nopass;
}

/* Those that were there go. */
void user_set_password(user *u, slice password) {
    drop_passwords(u, password.len == 0);
    if (password.len) CHECK(set_password(u, '>', password) == RULE_OK);
}

/* All are looked at, each in a time of its own length. */
bool user_has_password(const user *u, slice password) {
    char given[SHA256_HEX];
    slice hash;
    unsigned one;
    bool found = false;
    sha256_hex(password.data, password.len, given);
    for (size_t pos = 0; names_next(u->passwords, &pos, &hash, &one);)
        /* No early end: how long it takes says nothing of which password was nearly right. */
        found |= bytes_same(hash.data, given, sizeof given);
    return found;
}

/* ---- rules -------------------------------------------------------------------------------------
 */

/* As a new user is. */
static void reset(user *u) {
    u->on = u->skip_sanitize = false;
    drop_passwords(u, false);
    drop_selectors(u, 0);
    add_selector(u, selector_new());
}

/* "(rule rule ...)". Words may be quoted; a text that can't be split has none, as in Redis. */
static rule_error set_nested(user *u, slice rule) {
    slice *words = NULL;
    selector *s = selector_new();
    rule_error e = RULE_OK;
    int n = resp_split_line(slice_of(rule.data + 1, rule.len - 2), &words);
    for (int i = 0; i < n && e == RULE_OK; i++)
        e = selector_set(s, words[i]);
    mem_free(words);
    if (e == RULE_OK)
        add_selector(u, s);
    else
        selector_free(s);
    return e;
}

/* An empty rule is none. */
rule_error user_set(user *u, slice rule) {
    if (!rule.len) return RULE_OK;
    char sign = rule.data[0];
    if (slice_ieq(rule, "on") || slice_ieq(rule, "off")) {
        u->on = rule.len == 2;
    } else if (slice_ieq(rule, "sanitize-payload") || slice_ieq(rule, "skip-sanitize-payload")) {
        /* Told, and without effect: payloads are always looked at. */
        u->skip_sanitize = slice_ieq(rule, "skip-sanitize-payload");
    } else if (slice_ieq(rule, "nopass") || slice_ieq(rule, "resetpass")) {
        drop_passwords(u, slice_ieq(rule, "nopass"));
    } else if (sign == '>' || sign == '<' || sign == '#' || sign == '!') {
        return set_password(u, sign, slice_skip(rule, 1));
    } else if (sign == '(' && rule.len > 1 && rule.data[rule.len - 1] == ')') {
        return set_nested(u, rule);
    } else if (slice_ieq(rule, "clearselectors")) {
        drop_selectors(u, 1);
    } else if (slice_ieq(rule, "reset")) {
        reset(u);
    } else {
        return selector_set(u->selectors[0], rule);
    }
    return RULE_OK;
}

/* One selector must allow everything: two halves are no whole. */
void user_settle(user *u) {
    u->unrestricted = false;
    for (uint32_t i = 0; i < u->nselectors; i++) {
        const selector *s = u->selectors[i];
        u->unrestricted |= s->all_commands && s->all_keys && s->all_channels;
    }
}

/* ---- showing -----------------------------------------------------------------------------------
 */

/* In Redis' order. */
int user_flags(const user *u, const char *out[3]) {
    int n = 0;
    out[n++] = u->on ? "on" : "off";
    if (u->nopass) out[n++] = "nopass";
    out[n++] = u->skip_sanitize ? "skip-sanitize-payload" : "sanitize-payload";
    return n;
}

/* In Redis' order. */
void user_show(const user *u, buf *out) {
    const char *flags[3];
    int n = user_flags(u, flags);
    slice hash;
    unsigned one;
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? " " : "", flags[i]);
    for (size_t pos = 0; names_next(u->passwords, &pos, &hash, &one);)
        buf_printf(out, " #%.*s", (int)hash.len, hash.data);
    for (uint32_t i = 0; i < u->nselectors; i++) {
        buf text = {0};
        selector_show(u->selectors[i], i > 0, &text);
        buf_append(out, i ? " (" : " ", i ? 2 : 1);
        buf_append_slice(out, buf_slice(&text));
        if (i) buf_append_char(out, ')');
        buf_free(&text);
    }
}

/* ---- rules as they come ------------------------------------------------------------------------
 */

/* Does the text begin a selector? A lone parenthesis does. */
static bool opens(slice s) {
    return s.len && s.data[0] == '(';
}
/* Does it end one? */
static bool closes(slice s) {
    return s.len && s.data[s.len - 1] == ')';
}

/* Texts that are put together lie one after another in out->text, whose size is known beforehand,
 * so that it stays where it is. */
bool rules_merge(const slice *argv, int argc, rule_list *out, int *bad) {
    size_t bytes = 1;
    int open = -1;
    for (int i = 0; i < argc; i++)
        bytes += argv[i].len + 1;
    *out = (rule_list){.at = mem_alloc(((size_t)argc + 1) * sizeof *out->at)};
    (void)buf_reserve_exact(&out->text, bytes);
    for (int i = 0; i < argc; i++) {
        slice *last = &out->at[out->n];
        /* Nothing is open, and nothing is left open: the argument is a rule as it stands. */
        if (open < 0 && (!opens(argv[i]) || closes(argv[i]))) {
            out->at[out->n++] = argv[i];
            continue;
        }
        if (open < 0) {
            open = i;
            *last = slice_of(out->text.data + out->text.len, 0);
        } else {
            buf_append_char(&out->text, ' ');
        }
        buf_append_slice(&out->text, argv[i]);
        last->len = (size_t)(out->text.data + out->text.len - last->data);
        if (i == open || !closes(argv[i])) continue;
        out->n++;
        open = -1;
    }
    if (open < 0) return true;
    *bad = open;
    rules_free(out);
    return false;
}

/* The rules that were given as they are belong to the caller. */
void rules_free(rule_list *l) {
    mem_free(l->at);
    buf_free(&l->text);
    *l = (rule_list){0};
}
