/* slice: the one function of slices that is too long to be inline. ASCII only, as the locale must
 * never change what a command's name is. */
#include "base/slice.h"

/* Lower case of an ASCII letter; any other byte as it is. */
static unsigned char lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

/* Compares byte by byte; s ends at its NUL, so a slice that holds a NUL equals no C string. */
bool slice_ieq(slice a, const char *s) {
    for (size_t i = 0; i < a.len; i++)
        if (s[i] == '\0' || lower((unsigned char)a.data[i]) != lower((unsigned char)s[i]))
            return false;
    return s[a.len] == '\0';
}
