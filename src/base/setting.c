/* setting: words of a config line into a module's variable, and back.
 *
 * Messages are those of redis-server, as its users and its tests know them; whoever answers puts
 * the setting's name in front. Nothing is stored unless all of the value is good. */
#include "base/setting.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"

#define DEFAULT_WORDS 64 /* of one default_value */

/* A message that needs no formatting. */
static status invalid(const char *literal) {
    return (status){ST_INVALID, literal};
}

/* Redis takes no other words, neither 1 nor true. */
static status parse_bool(const setting *s, slice v) {
    bool yes = slice_ieq(v, "yes");
    if (!yes && !slice_ieq(v, "no")) return invalid("argument must be 'yes' or 'no'");
    *(int *)s->target = yes;
    return STATUS_OK;
}

/* Stores v if it lies in the setting's range. */
static status store_in_range(const setting *s, int64_t v) {
    if (v < s->min || v > s->max) {
        const char *fmt = s->kind == SETTING_OCTAL
                              ? "argument must be between %llo and %llo inclusive"
                              : "argument must be between %lld and %lld inclusive";
        /* Both conversions take a long long of the same size; the range of an octal is positive. */
        return status_make(ST_INVALID, fmt, (long long)s->min, (long long)s->max);
    }
    *(int64_t *)s->target = v;
    return STATUS_OK;
}

/* The strict form: no sign but '-', no leading zero. */
static status parse_int(const setting *s, slice v) {
    int64_t i;
    if (!num_parse_i64(v, &i)) return invalid("argument couldn't be parsed into an integer");
    return store_in_range(s, i);
}

/* Bytes as an int64; what is above stands for too much in any range. */
static bool parse_bytes(slice v, int64_t *out) {
    uint64_t bytes;
    if (!num_parse_memory(v, &bytes)) return false;
    *out = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
    return true;
}

/* Digits and a unit; never negative. */
static status parse_memory(const setting *s, slice v) {
    int64_t bytes;
    if (!parse_bytes(v, &bytes)) return invalid("argument must be a memory value");
    return store_in_range(s, bytes);
}

/* A percentage is stored negated; min is the largest one, negated. */
static status parse_percent_or_memory(const setting *s, slice v) {
    int64_t n;
    if (parse_bytes(v, &n)) return store_in_range(s, n);
    if (v.len < 2 || v.data[v.len - 1] != '%' || !num_parse_i64(slice_of(v.data, v.len - 1), &n) ||
        n < 0)
        return invalid("argument must be a memory or percent value");
    if (-n < s->min)
        return status_make(ST_INVALID, "percentage argument must be less or equal to %lld",
                           -(long long)s->min);
    *(int64_t *)s->target = -n;
    return STATUS_OK;
}

/* With or without leading zeros: 700 and 0700. */
static status parse_octal(const setting *s, slice v) {
    int64_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] < '0' || v.data[i] > '7' || n > INT64_MAX >> 3)
            return invalid("argument couldn't be parsed as an octal number");
        n = n * 8 + (v.data[i] - '0');
    }
    if (v.len == 0) return invalid("argument couldn't be parsed as an octal number");
    return store_in_range(s, n);
}

/* The message lists every choice; one that is longer than a status holds is cut there. */
static status parse_enum(const setting *s, slice v) {
    char names[STATUS_MSG_MAX] = "";
    size_t n = 0;
    for (const setting_choice *c = s->choices; c->name; c++) {
        if (slice_ieq(v, c->name)) {
            *(int *)s->target = c->value;
            return STATUS_OK;
        }
        size_t len = strlen(c->name);
        if (n + len + 3 > sizeof names) continue;
        if (n) {
            memcpy(names + n, ", ", 2);
            n += 2;
        }
        memcpy(names + n, c->name, len + 1);
        n += len;
    }
    return status_make(ST_INVALID, "argument(s) must be one of the following: %s", names);
}

/* The words joined by a space, in a string of its own. */
static status parse_string(const setting *s, int argc, const slice *argv) {
    buf text = {0};
    for (int i = 0; i < argc; i++) {
        if (i) buf_append_char(&text, ' ');
        buf_append_slice(&text, argv[i]);
    }
    if (text.len && memchr(text.data, '\0', text.len)) {
        buf_free(&text);
        return invalid("argument can't contain a zero byte");
    }
    char **target = s->target;
    mem_free(*target);
    buf_append_char(&text, '\0');
    *target = text.data;
    return STATUS_OK;
}

/* One word for every kind but joined strings and what parses its words itself. */
status setting_parse(const setting *s, int argc, const slice *argv) {
    if (s->kind == SETTING_CUSTOM) return s->set(s, argc, argv);
    bool joined = s->kind == SETTING_STRING && (s->flags & SETTING_MULTI_ARG);
    if (argc < 1 || (argc > 1 && !joined)) return invalid("wrong number of arguments");
    switch (s->kind) {
    case SETTING_BOOL: return parse_bool(s, argv[0]);
    case SETTING_INT: return parse_int(s, argv[0]);
    case SETTING_MEMORY: return parse_memory(s, argv[0]);
    case SETTING_PERCENT_OR_MEMORY: return parse_percent_or_memory(s, argv[0]);
    case SETTING_OCTAL: return parse_octal(s, argv[0]);
    case SETTING_ENUM: return parse_enum(s, argv[0]);
    case SETTING_STRING: return parse_string(s, argc, argv);
    case SETTING_CUSTOM: break;
    }
    log_panic(__FILE__, __LINE__, "setting %s is of no known kind", s->name);
}

/* The name of an enum's value; a value without one can't have been stored by this module. */
static const char *choice_name(const setting *s) {
    for (const setting_choice *c = s->choices; c->name; c++)
        if (c->value == *(const int *)s->target) return c->name;
    log_panic(__FILE__, __LINE__, "setting %s has no choice %d", s->name, *(const int *)s->target);
}

/* The form that setting_parse reads again. */
void setting_show(const setting *s, buf *out) {
    const int64_t *number = s->target;
    switch (s->kind) {
    case SETTING_BOOL: buf_printf(out, "%s", *(const int *)s->target ? "yes" : "no"); return;
    case SETTING_INT:
    case SETTING_MEMORY: buf_printf(out, "%lld", (long long)*number); return;
    case SETTING_PERCENT_OR_MEMORY:
        buf_printf(out, *number < 0 ? "%lld%%" : "%lld", llabs(*number));
        return;
    case SETTING_OCTAL: buf_printf(out, "%llo", (unsigned long long)*number); return;
    case SETTING_ENUM: buf_append_slice(out, slice_cstr(choice_name(s))); return;
    case SETTING_STRING: {
        const char *text = *(char *const *)s->target;
        if (text) buf_append_slice(out, slice_cstr(text));
        return;
    }
    case SETTING_CUSTOM: s->get(s, out); return;
    }
}

/* Splits at single spaces, without quotes; an empty text is one empty word, as "" in a file. */
static int split_words(const char *text, slice *words) {
    int n = 0;
    for (;;) {
        size_t len = strcspn(text, " ");
        CHECK(n < DEFAULT_WORDS);
        words[n++] = slice_of(text, len);
        if (!text[len]) return n;
        text += len + 1;
    }
}

/* A setting without a default keeps what its variable begins with. */
void setting_defaults(const setting *table) {
    slice words[DEFAULT_WORDS];
    for (const setting *s = table; s->name; s++) {
        if (!s->default_value) continue;
        bool many = s->kind == SETTING_CUSTOM || (s->flags & SETTING_MULTI_ARG);
        words[0] = slice_cstr(s->default_value);
        int n = many ? split_words(s->default_value, words) : 1;
        status st = setting_parse(s, n, words);
        if (!status_ok(st))
            log_panic(__FILE__, __LINE__, "setting %s: default '%s': %s", s->name, s->default_value,
                      st.msg);
    }
}

/* Linear: tables are short, and looked up by people. */
const setting *setting_find(const setting *table, slice name) {
    for (const setting *s = table; s->name; s++)
        if (slice_ieq(name, s->name) || (s->alias && slice_ieq(name, s->alias))) return s;
    return NULL;
}
