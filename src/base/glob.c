/* glob: one pass with one place to return to.
 *
 * Every element of a pattern but '*' takes exactly one byte of the text. So when a later star has
 * been reached, the bytes before it never need another arrangement: a mismatch goes back to the
 * last star only, and gives it one byte more. That bounds the work by pattern length x text length,
 * where a recursion a star would be exponential.
 *
 * Malformed patterns mean what they mean in Redis: a class without ']' ends with the pattern, "[]"
 * is a class of nothing, "[^" any byte, a backslash at the very end is itself, a range may be
 * written backwards and compares bytes as signed. An empty text matches only "" and "*". */
#include "base/glob.h"

/* Lower case of an ASCII letter, if case is ignored. */
static int fold(bool ignore_case, char c) {
    return ignore_case && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Is c between two bytes of a pattern, whichever comes first? Order is decided before letters are
 * folded. */
static bool in_range(char from, char to, char c, bool ignore_case) {
    char low = from < to ? from : to, high = from < to ? to : from;
    int x = fold(ignore_case, c);
    return x >= fold(ignore_case, low) && x <= fold(ignore_case, high);
}

/* Matches c with the class whose '[' is at p[*at - 1]; *at moves behind the class. */
static bool match_class(slice p, size_t *at, char c, bool ignore_case) {
    size_t i = *at;
    bool negate = i < p.len && p.data[i] == '^', found = false;
    if (negate) i++;
    for (; i < p.len && p.data[i] != ']'; i++) {
        size_t left = p.len - i;
        if (p.data[i] == '\\' && left >= 2) {
            i++;
            found |= p.data[i] == c; /* an escaped byte minds its case */
        } else if (left >= 3 && p.data[i + 1] == '-') {
            found |= in_range(p.data[i], p.data[i + 2], c, ignore_case);
            i += 2;
        } else {
            found |= fold(ignore_case, p.data[i]) == fold(ignore_case, c);
        }
    }
    *at = i < p.len ? i + 1 : i;
    return found != negate;
}

/* Matches c with the element at p[*at], which is no star; *at moves behind it. */
static bool match_one(slice p, size_t *at, char c, bool ignore_case) {
    char e = p.data[(*at)++];
    if (e == '?') return true;
    if (e == '[') return match_class(p, at, c, ignore_case);
    if (e == '\\' && *at < p.len) e = p.data[(*at)++];
    return fold(ignore_case, e) == fold(ignore_case, c);
}

/* See the design note; each turn of the loop takes a star, a byte, or one step back to the star. */
bool glob_match(slice p, slice text, bool ignore_case) {
    size_t at = 0, t = 0;           /* next element, next byte of the text */
    size_t star_at = 0, star_t = 0; /* behind the last star; where its rest was last tried */
    bool star = false;
    if (text.len == 0) return p.len == 0 || slice_eq(p, SLICE("*"));
    while (t < text.len) {
        if (at < p.len && p.data[at] == '*') {
            while (at < p.len && p.data[at] == '*')
                at++;
            if (at == p.len) return true;
            star = true;
            star_at = at;
            star_t = t;
            continue;
        }
        if (at < p.len && match_one(p, &at, text.data[t], ignore_case)) {
            t++;
            continue;
        }
        if (!star) return false;
        at = star_at;
        t = ++star_t;
    }
    while (at < p.len && p.data[at] == '*')
        at++;
    return at == p.len;
}
