/* keyspec: the positions of keys among the arguments.
 *
 * A specification finds where its keys begin (a fixed index, or behind a keyword) and how far they
 * go (a range with a step, or as many as a number among the arguments says). Redis: key-specs. */
#include "session/keyspec.h"

#include "base/log.h"
#include "base/num.h"

/* No place is given: argument 0 is the command itself. */
bool key_spec_is_unknown(const key_spec *s) {
    return s->begin == 0 && !s->keyword;
}

/* COMMAND INFO's movablekeys follows from it. */
bool key_spec_is_movable(const key_spec *s) {
    return key_spec_is_unknown(s) || s->keyword || s->counted || (s->flags & KEY_INCOMPLETE);
}

/* The index of the first key of a specification, or 0 if its keyword is not there. A negative begin
 * is where the search backward from the end begins. */
static int begin_of(const key_spec *s, const slice *argv, int argc) {
    if (!s->keyword) return s->begin;
    bool backward = s->begin < 0;
    int i = backward ? argc + s->begin : s->begin;
    for (; i > 0 && i < argc; i += backward ? -1 : 1)
        if (slice_ieq(argv[i], s->keyword)) return i + 1;
    return 0;
}

/* First and last index and step of what a specification says of this line; false if the line cannot
 * be right. No keys: *first > *last. */
static bool range_of(const key_spec *s, const slice *argv, int argc, int *first, int *last,
                     int *step) {
    *first = begin_of(s, argv, argc);
    *last = *first - 1;
    *step = s->step ? s->step : 1;
    if (*first == 0) return true;
    if (!s->counted) {
        *last = s->last >= 0 ? *first + s->last : argc + s->last;
        if (s->last == -1 && s->limit > 1) *last = *first + (argc - *first) / s->limit - 1;
        return *first < argc && *last < argc && *last >= *first;
    }
    int64_t n;
    if (*first >= argc || !num_parse_i64(argv[*first], &n)) return false;
    if (n < 0 || n > (argc - *first - 1) / *step) return false;
    *first += 1;
    *last = *first + (int)(n - 1) * *step;
    return true;
}

/* getkeys has the say; specifications are asked one after another. */
int command_keys(const command_row *row, const slice *argv, int argc, int *out,
                 unsigned *flags_out) {
    const command *def = row->def;
    int n = 0;
    if (def->getkeys) return def->getkeys(argv, argc, out, flags_out);
    for (int s = 0; s < 4 && def->keys[s].flags; s++) {
        int first, last, step;
        if ((def->keys[s].flags & KEY_NOT_KEY) || key_spec_is_unknown(&def->keys[s])) continue;
        if (!range_of(&def->keys[s], argv, argc, &first, &last, &step)) return -1;
        for (int i = first; i <= last; i += step) {
            CHECK(i > 0 && i < argc);
            if (n >= argc) return -1;
            if (flags_out) flags_out[n] = def->keys[s].flags;
            out[n++] = i;
        }
    }
    return n;
}

key_range command_legacy_range(const command *def) {
    key_range r = {0, 0, 0};
    bool end = false; /* the last key is counted from the end */
    for (int s = 0; s < 4 && def->keys[s].flags; s++) {
        const key_spec *k = &def->keys[s];
        if (k->keyword || k->counted || key_spec_is_unknown(k)) continue;
        int step = k->step ? k->step : 1, last = k->last < 0 ? k->last : k->begin + k->last;
        if (r.first == 0) {
            r = (key_range){k->begin, last, step};
            end = k->last < 0;
        } else if (!end && k->begin == r.last + 1) { /* one run, as of RENAME */
            r.last = last;
            end = k->last < 0;
        } else {
            break;
        }
    }
    return r;
}
