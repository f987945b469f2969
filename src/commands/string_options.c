/* The options that SET and GETEX share.
 *
 * A table of words and of what excludes what, so both commands refuse the same combinations in the
 * same way: a syntax error, whichever of the two words came first. A word may
 * be given twice; of two times in the same unit the last one counts. */
#include "commands/string_family.h"

/* A word, its bit, and the bits that must not be there when it comes. */
typedef struct option {
    const char *word;
    unsigned bit, excludes;
} option;

/* KEEPTTL and PERSIST say something about time themselves, so they exclude what sets one. */
static const option options[] = {
    {"nx", SET_NX, SET_XX},
    {"xx", SET_XX, SET_NX},
    {"get", SET_GET, 0},
    {"keepttl", SET_KEEPTTL, SET_PERSIST | SET_TIME},
    {"persist", SET_PERSIST, SET_KEEPTTL | SET_TIME},
    {"ex", SET_EX, SET_LIFE & ~SET_EX},
    {"px", SET_PX, SET_LIFE & ~SET_PX},
    {"exat", SET_EXAT, SET_LIFE & ~SET_EXAT},
    {"pxat", SET_PXAT, SET_LIFE & ~SET_PXAT},
};

/* The option that an argument names, if it is allowed beside the others. */
static const option *find_option(const client *c, int i, unsigned allowed, unsigned so_far) {
    for (size_t k = 0; k < sizeof options / sizeof options[0]; k++) {
        const option *o = &options[k];
        if (!(o->bit & allowed) || !arg_is(c, i, o->word)) continue;
        return o->excludes & so_far ? NULL : o;
    }
    return NULL;
}

/* The number behind EX and its kin is only noted: what is wrong with it is told after syntax errors
 * of later words. */
bool set_options_parse(client *c, int from, unsigned allowed, set_options *out) {
    *out = (set_options){0};
    for (int i = from; i < c->argc; i++) {
        const option *o = find_option(c, i, allowed, out->flags);
        bool wants_time = o && (o->bit & SET_TIME);
        if (!o || (wants_time && i + 1 == c->argc)) {
            (void)reply_syntax_error(c);
            return false;
        }
        out->flags |= o->bit;
        if (wants_time) out->time_arg = ++i;
    }
    return true;
}

/* 0 and less are refused here, unlike by EXPIRE: SET with EX 0 is an error. */
bool set_options_time(client *c, const set_options *o, int64_t *when) {
    *when = ENGINE_NO_EXPIRE;
    if (!(o->flags & SET_TIME)) return true;
    bool seconds = o->flags & (SET_EX | SET_EXAT), relative = o->flags & (SET_EX | SET_PX);
    return data_arg_expire(c, o->time_arg, seconds, relative, when);
}
