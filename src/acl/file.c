/* file: users that are kept: lines "user NAME RULE ..." of the configuration, or of the aclfile.
 *
 * The configuration is read before any command is known, so its lines are kept, looked at for what
 * can be seen in them, and applied at the start. The aclfile is read whole, all of its users are
 * made, and take the place of all that were there, or, if there is anything wrong, none does. It is
 * written beside itself, fsynced and renamed.
 *
 *     configuration: user NAME RULE ..  ──> first_line ──┐
 *                                                        ├──> file_start ──> users
 *     aclfile:       user NAME RULE ..  ─── (ACL LOAD) ──┘        │
 *                        ^                                        │
 *                        └──────────────── ACL SAVE ──────────────┘
 *
 * A line of the configuration becomes one again by CONFIG REWRITE, from the users there are by
 * then. What is wrong in either file is told in Redis' words, with the line's number. */
#include "acl/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/vfs.h"

#include <errno.h>
#include <stdio.h>

#define READ_CHUNK 65536

char *users_file;

/* A line of the configuration: the name, then rules. */
typedef struct user_line {
    slice *words; /* in one piece with their bytes */
    int n;
    struct user_line *next;
} user_line;

static user_line *first_line;

/* For dict_free. */
static void free_users(void *u) {
    user_free(u);
}

/* ---- lines of the configuration ----------------------------------------------------------------
 */

/* They are applied, or another file begins anew. */
static void drop_lines(void) {
    while (first_line) {
        user_line *l = first_line;
        first_line = l->next;
        mem_free(l->words);
        mem_free(l);
    }
}

/* Words that outlive the file. */
static slice *copy_words(int n, const slice *argv) {
    size_t bytes = (size_t)n * sizeof *argv;
    for (int i = 0; i < n; i++)
        bytes += argv[i].len;
    slice *words = mem_alloc(bytes);
    char *p = (char *)(words + n);
    for (int i = 0; i < n; i++) {
        if (argv[i].len) memcpy(p, argv[i].data, argv[i].len);
        words[i] = slice_of(p, argv[i].len);
        p += argv[i].len;
    }
    return words;
}

/* Applies rules to u; the first that is refused ends it, but for those that name what is not known,
 * if known is not set: before the start nothing is. */
static status apply(user *u, int argc, const slice *argv, bool known) {
    rule_list rules;
    int bad;
    if (!rules_merge(argv, argc, &rules, &bad))
        return status_make(ST_INVALID, "Unmatched parenthesis in acl selector starting at '%.*s'.",
                           (int)argv[bad].len, argv[bad].data);
    status st = STATUS_OK;
    for (size_t i = 0; i < rules.n && status_ok(st); i++) {
        rule_error e = user_set(u, rules.at[i]);
        if (e == RULE_OK || (e == RULE_UNKNOWN && !known)) continue;
        st = status_make(ST_INVALID, "Error in user declaration '%.*s': %s", (int)rules.at[i].len,
                         rules.at[i].data, rule_error_text(e));
    }
    rules_free(&rules);
    return st;
}

/* A line more; none: from the beginning. */
status file_set_user(const setting *s, int argc, const slice *argv) {
    (void)s;
    /* One empty argument, `user ""`, is how CONFIG takes all of them away. */
    user_line **at = &first_line;
    if (argc == 0 || (argc == 1 && argv[0].len == 0)) {
        drop_lines();
        return STATUS_OK;
    }
    if (!name_is_clean(argv[0]))
        return status_make(ST_INVALID, "Spaces not allowed in ACL usernames");
    for (; *at; at = &(*at)->next)
        if (slice_eq((*at)->words[0], argv[0]))
            return status_make(ST_INVALID, "Error in user declaration '%.*s': %s", (int)argv[0].len,
                               argv[0].data, rule_error_text(RULE_DUPLICATE_USER));
    /* What is wrong in itself is told now, with the line's number; a command that is not known is
     * not, as none is: features have not registered theirs. */
    user *probe = user_new(argv[0]);
    status st = apply(probe, argc - 1, argv + 1, false);
    user_free(probe);
    if (!status_ok(st)) return st;
    user_line *l = mem_zalloc(sizeof *l);
    /* At the end, so that CONFIG REWRITE and errors have them in the order of the file. */
    l->words = copy_words(argc, argv);
    l->n = argc;
    *at = l;
    return STATUS_OK;
}

/* Words of a rule as a line of the configuration has them: quoted if it has quotes in it. */
static void append_words(slice rules, buf *out) {
    while (rules.len) {
        const char *space = memchr(rules.data, ' ', rules.len);
        /* A pattern may have any byte in it but a space, so a space always ends a word here. */
        size_t n = space ? (size_t)(space - rules.data) : rules.len;
        bool quote = memchr(rules.data, '"', n) || memchr(rules.data, '\'', n);
        buf_append(out, " \"", quote ? 2 : 1);
        for (size_t i = 0; i < n; i++) {
            char c = rules.data[i];
            if (quote && (c == '"' || c == '\\')) buf_append_char(out, '\\');
            buf_append_char(out, c);
        }
        if (quote) buf_append_char(out, '"');
        rules = slice_skip(rules, space ? n + 1 : n);
    }
}

/* For CONFIG REWRITE: every user, a line each; with an aclfile none. */
void file_get_users(const setting *s, buf *out) {
    (void)s;
    if ((users_file && users_file[0]) || !users_default()) return;
    size_t n;
    user **users = users_sorted(&n);
    for (size_t i = 0; i < n; i++) {
        buf rules = {0}, line = {0};
        buf_append_slice(&rules, user_name(users[i]));
        buf_append_char(&rules, ' ');
        user_show(users[i], &rules);
        append_words(buf_slice(&rules), &line);
        buf_append_slice(out, slice_skip(buf_slice(&line), 1));
        buf_append_char(out, '\n');
        buf_free(&rules);
        buf_free(&line);
    }
    mem_free(users);
}

/* The default user begins anew, the others are made. */
static status apply_line(const user_line *l) {
    slice name = l->words[0];
    user *fresh = user_new(name);
    status st = apply(fresh, l->n - 1, l->words + 1, true);
    if (!status_ok(st)) {
        user_free(fresh);
        return st;
    }
    /* A user that nobody can be is most often an `on` that was forgotten. */
    if (!fresh->on)
        log_notice("The user '%s' is disabled (there is no 'on' modifier in the user description). "
                   "Make sure this is not a configuration error.",
                   fresh->name);
    user *there = users_find(name);
    if (there)
        users_change(there, fresh, NULL);
    else
        users_add(fresh);
    return STATUS_OK;
}

/* Either, not both: which of two would win, nobody could tell. */
status file_start(void) {
    bool has_file = users_file && users_file[0];
    if (has_file && first_line)
        return status_make(ST_INVALID,
                           "Configuring Redis with users defined in redis.conf and at the same "
                           "setting an ACL file path is invalid. This setup is very likely to lead "
                           "to configuration errors and security holes, please define either an "
                           "ACL file or declare users directly in your redis.conf, but not both.");
    for (const user_line *l = first_line; l; l = l->next)
        /* Commands are known by now: a rule that names none of them ends the start. */
        TRY(apply_line(l));
    drop_lines();
    buf errors = {0};
    status st = STATUS_OK;
    if (has_file && !file_load(&errors, NULL))
        st = status_make(ST_INVALID, "Aborting Redis startup because of ACL errors: %.*s",
                         (int)errors.len, errors.data);
    buf_free(&errors);
    return st;
}

/* ---- the aclfile: reading ----------------------------------------------------------------------
 */

/* strchr finds the NUL that ends the set too. */
static bool is_one_of(char c, const char *set) {
    return c && strchr(set, c);
}

/* Without what is in the set at both ends. */
static slice trimmed(slice s, const char *set) {
    while (s.len && is_one_of(s.data[0], set))
        s = slice_skip(s, 1);
    while (s.len && is_one_of(s.data[s.len - 1], set))
        s.len--;
    return s;
}

/* The words of a line, a space between each two; the array is the caller's. */
static int split(slice line, slice **out) {
    size_t n = 1;
    for (size_t i = 0; i < line.len; i++)
        n += line.data[i] == ' ';
    /* As many words as there are spaces, and one; two spaces have an empty word between them, which
     * is no rule (user_set). */
    slice *words = mem_alloc(n * sizeof *words);
    n = 0;
    for (bool more = true; more;) {
        const char *space = line.len ? memchr(line.data, ' ', line.len) : NULL;
        size_t len = space ? (size_t)(space - line.data) : line.len;
        words[n++] = slice_of(line.data, len);
        line = slice_skip(line, space ? len + 1 : len);
        more = space != NULL;
    }
    *out = words;
    return (int)n;
}

/* Rules of one line; what is wrong goes to errors, in Redis' words: of rules that name what is not
 * known all, of others the first. */
static void apply_rules(user *u, int number, int argc, const slice *argv, buf *errors) {
    rule_list rules;
    int bad;
    bool told = false;
    if (!rules_merge(argv, argc, &rules, &bad)) {
        buf_printf(errors, "%s:%d: Unmatched parenthesis in selector definition.", users_file,
                   number);
        return;
    }
    for (size_t i = 0; i < rules.n; i++) {
        /* A tab separates nothing, as in Redis, but is not a part of the rule at its ends. */
        slice rule = trimmed(rules.at[i], "\t\r\n");
        rule_error e = user_set(u, rule);
        if (e == RULE_UNKNOWN) {
            buf_printf(errors, "%s:%d: Error in applying operation '%.*s': %s. ", users_file,
                       number, (int)rule.len, rule.data, rule_error_text(e));
        } else if (e != RULE_OK && !told) {
            buf_printf(errors, "%s:%d: %s. ", users_file, number, rule_error_text(e));
            told = true;
        }
    }
    rules_free(&rules);
}

/* One line into the table of users. */
static void load_line(dict *fresh, int number, slice line, buf *errors) {
    slice *words;
    line = trimmed(line, " \t\r\n");
    if (!line.len) return;
    int n = split(line, &words);
    if (n < 2 || !slice_eq(words[0], SLICE("user"))) {
        buf_printf(errors, "%s:%d should start with user keyword followed by the username. ",
                   users_file, number);
    } else if (!name_is_clean(words[1])) {
        buf_printf(errors, "'%s:%d: username '%.*s' contains invalid characters. ", users_file,
                   number, (int)words[1].len, words[1].data);
    } else if (dict_get(fresh, words[1])) {
        buf_printf(errors, "WARNING: Duplicate user '%.*s' found on line %d. ", (int)words[1].len,
                   words[1].data, number);
    } else {
        /* Put to the table before its rules are looked at, so that a second line of the same name
         * is found. */
        user *u = user_new(words[1]);
        (void)dict_set(fresh, words[1], u);
        apply_rules(u, number, n - 2, words + 2, errors);
    }
    mem_free(words);
}

/* All of the file. */
static bool read_all(buf *text, buf *errors) {
    FILE *f = fopen(users_file, "re");
    size_t n = 0;
    if (f) {
        do {
            n = fread(buf_reserve(text, READ_CHUNK), 1, READ_CHUNK, f);
            text->len += n;
        } while (n > 0);
    }
    if (!f || ferror(f))
        buf_printf(errors, "Error loading ACLs, opening file '%s': %s", users_file,
                   strerror(errno));
    if (f) fclose(f);
    return errors->len == 0;
}

/* Users are made apart, and take the place of those that are there at the end. */
bool file_load(buf *errors, client *asker) {
    buf text = {0};
    dict *fresh = dict_new(false);
    if (!read_all(&text, errors)) {
        dict_free(fresh, NULL);
        buf_free(&text);
        return false;
    }
    slice left = buf_slice(&text);
    for (int number = 1; left.len; number++) {
        const char *end = memchr(left.data, '\n', left.len);
        size_t n = end ? (size_t)(end - left.data) : left.len;
        load_line(fresh, number, slice_of(left.data, n), errors);
        left = slice_skip(left, end ? n + 1 : n);
    }
    buf_free(&text);
    if (!errors->len) {
        /* From here on nothing can fail. */
        users_exchange(fresh, asker);
        return true;
    }
    dict_free(fresh, free_users);
    buf_printf(errors, "WARNING: ACL errors detected, no change to the previously active ACL rules "
                       "was performed");
    return false;
}

/* ---- the aclfile: writing ----------------------------------------------------------------------
 */

/* As ACL LIST shows them, a line each. */
status file_save(void) {
    buf text = {0};
    size_t n;
    user **users = users_sorted(&n);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&text, "user ");
        buf_append_slice(&text, user_name(users[i]));
        buf_append_char(&text, ' ');
        user_show(users[i], &text);
        buf_append_char(&text, '\n');
    }
    mem_free(users);
    /* A crash leaves the old file or the new one. */
    status st = vfs_posix_replace(users_file, buf_slice(&text));
    buf_free(&text);
    return st;
}
