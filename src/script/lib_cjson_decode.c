/* cjson.decode: a value from JSON. A reader of tokens, and above it a descent with a bounded depth.
 * Lua ends every string with a zero byte, and so the text ends for the tokens: no token is read
 * beyond one, and a zero byte inside the text ends it, as it does in redis-server.
 *
 * Control bytes in strings are let through; numbers are what strtod() takes (hexadecimal, "inf",
 * "nan"), unless decode_invalid_numbers is off. */
#include "script/lib_cjson.h"
#include "script/lib_out.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Their names are part of error texts. */
typedef enum token_type {
    T_OBJ_BEGIN,
    T_OBJ_END,
    T_ARR_BEGIN,
    T_ARR_END,
    T_STRING,
    T_NUMBER,
    T_BOOLEAN,
    T_NULL,
    T_COLON,
    T_COMMA,
    T_END,
    T_ERROR,
} token_type;

static const char *const token_names[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END",
                                          "T_STRING",    "T_NUMBER",  "T_BOOLEAN",   "T_NULL",
                                          "T_COLON",     "T_COMMA",   "T_END"};

/* One call of decode, and its current token. */
typedef struct decoder {
    lua_State *L;
    const lib_json_config *config;
    const char *text, *at;
    int depth;
    token_type type;
    const char *from;  /* where the token begins; of an error, where it is */
    const char *wrong; /* of T_ERROR */
    double number;     /* of T_NUMBER; T_BOOLEAN: 0 or 1 */
    lib_out string;    /* of T_STRING */
} decoder;

/* ---- tokens ------------------------------------------------------------------------------------
 */

/* The token is an error, at the place where reading has come to. */
static void bad_token(decoder *d, const char *wrong) {
    d->type = T_ERROR;
    d->from = d->at;
    d->wrong = wrong;
}

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *p) {
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v * 16 + (low - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* Appends a code point as UTF-8. */
static void put_utf8(lib_out *o, uint32_t c) {
    if (c < 0x80) {
        lib_out_byte(o, c);
        return;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned heads[] = {0, 0xc0, 0xe0, 0xf0};
    lib_out_byte(o, heads[more] | c >> (6 * more));
    while (more--)
        lib_out_byte(o, 0x80 | ((c >> (6 * more)) & 0x3f));
}

/* Reads \uXXXX, two of them for what is beyond 16 bits. hex4() stops at the end of the text. */
static bool read_unicode(decoder *d) {
    int c = hex4(d->at + 2);
    size_t len = 6;
    if (c < 0) return false;
    if ((c & 0xf800) == 0xd800) {
        const char *second = d->at + 6;
        if ((c & 0x400) || second[0] != '\\' || second[1] != 'u') return false;
        int low = hex4(second + 2);
        if (low < 0 || (low & 0xfc00) != 0xdc00) return false;
        c = (((c & 0x3ff) << 10) | (low & 0x3ff)) + 0x10000;
        len = 12;
    }
    put_utf8(&d->string, (uint32_t)c);
    d->at += len;
    return true;
}

/* What the letter behind a backslash means; 0: nothing. */
static char escaped(char letter) {
    switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 't': return '\t';
    case 'n': return '\n';
    case 'f': return '\f';
    case 'r': return '\r';
    default: return 0;
    }
}

/* Behind the opening quote. */
static void read_string(decoder *d) {
    d->at++;
    d->type = T_STRING;
    d->string.len = 0;
    while (*d->at != '"') {
        size_t plain = strcspn(d->at, "\"\\");
        lib_out_append(&d->string, d->at, plain);
        d->at += plain;
        if (*d->at == 0) {
            bad_token(d, "unexpected end of string");
            return;
        }
        if (*d->at == '"') break;
        char letter = d->at[1], meant = escaped(letter);
        if (letter == 'u') {
            if (read_unicode(d)) continue;
            bad_token(d, "invalid unicode escape code");
            return;
        }
        if (!meant) {
            bad_token(d, "invalid escape code");
            return;
        }
        lib_out_byte(&d->string, (unsigned char)meant);
        d->at += 2;
    }
    d->at++;
}

/* Is what follows a number that strtod() knows and JSON does not? */
static bool is_invalid_number(const char *p) {
    if (*p == '+') return true;
    if (*p == '-') p++;
    if (*p == '0') return (p[1] | 0x20) == 'x' || (p[1] >= '0' && p[1] <= '9');
    if (*p <= '9') return false;
    return strncasecmp(p, "inf", 3) == 0 || strncasecmp(p, "nan", 3) == 0;
}

/* A number, as far as strtod() reads. */
static void read_number(decoder *d) {
    char *end;
    d->number = strtod(d->at, &end);
    d->type = T_NUMBER;
    if (end == d->at)
        bad_token(d, "invalid number");
    else
        d->at = end;
}

/* A word of the language, if it is the one that follows. */
static bool read_word(decoder *d, const char *word, token_type type, double number) {
    size_t n = strlen(word);
    if (strncmp(d->at, word, n) != 0) return false;
    d->type = type;
    d->number = number;
    d->at += n;
    return true;
}

/* The next token: by its first byte, blanks left out. */
static void read_token(decoder *d) {
    static const char marks[] = "{}[]:,";
    static const token_type of_marks[] = {T_OBJ_BEGIN, T_OBJ_END, T_ARR_BEGIN,
                                          T_ARR_END,   T_COLON,   T_COMMA};
    d->at += strspn(d->at, " \t\n\r");
    d->from = d->at;
    char c = *d->at;
    bool invalid = is_invalid_number(d->at);
    const char *mark = c ? strchr(marks, c) : NULL;
    if (c == 0) {
        d->type = T_END;
    } else if (mark) {
        d->type = of_marks[mark - marks];
        d->at++;
    } else if (c == '"') {
        read_string(d);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        if (invalid && !d->config->decode_numbers)
            bad_token(d, "invalid number");
        else
            read_number(d);
    } else if (!read_word(d, "true", T_BOOLEAN, 1) && !read_word(d, "false", T_BOOLEAN, 0) &&
               !read_word(d, "null", T_NULL, 0)) {
        if (invalid && d->config->decode_numbers)
            read_number(d);
        else
            bad_token(d, "invalid token");
    }
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* The token is not what should be there. */
static void expected(decoder *d, const char *what) {
    const char *found = d->type == T_ERROR ? d->wrong : token_names[d->type];
    luaL_error(d->L, "Expected %s but found %s at character %d", what, found,
               (int)(d->from - d->text) + 1);
}

/* One table deeper. */
static void descend(decoder *d) {
    if (++d->depth > d->config->decode_depth || !lua_checkstack(d->L, 3 + LIB_OUT_SLOTS))
        luaL_error(d->L, "Found too many nested data structures (%d) at character %d", d->depth,
                   (int)(d->at - d->text));
}

static void push_value(decoder *d);

/* Behind its "{". The key is on the stack while its value is read. */
static void push_object(decoder *d) {
    descend(d);
    lua_newtable(d->L);
    read_token(d);
    while (d->type != T_OBJ_END) {
        if (d->type != T_STRING) expected(d, "object key string");
        lib_out_push(&d->string);
        read_token(d);
        if (d->type != T_COLON) expected(d, "colon");
        read_token(d);
        push_value(d);
        lua_rawset(d->L, -3);
        read_token(d);
        if (d->type == T_OBJ_END) break;
        if (d->type != T_COMMA) expected(d, "comma or object end");
        read_token(d);
        if (d->type == T_OBJ_END) expected(d, "object key string");
    }
    d->depth--;
}

/* An index is below the text's length, which is below INT_MAX. */
static void push_array(decoder *d) {
    descend(d);
    lua_newtable(d->L);
    read_token(d);
    for (int i = 1; d->type != T_ARR_END; i++) {
        push_value(d);
        lua_rawseti(d->L, -2, i);
        read_token(d);
        if (d->type == T_ARR_END) break;
        if (d->type != T_COMMA) expected(d, "comma or array end");
        read_token(d);
        if (d->type == T_ARR_END) expected(d, "value");
    }
    d->depth--;
}

/* The value that begins with the current token. null is cjson.null, as nil would not stay in a
 * table. */
static void push_value(decoder *d) {
    switch (d->type) {
    case T_STRING: lib_out_push(&d->string); break;
    case T_NUMBER: lua_pushnumber(d->L, d->number); break;
    case T_BOOLEAN: lua_pushboolean(d->L, d->number != 0); break;
    case T_NULL: lua_pushlightuserdata(d->L, NULL); break;
    case T_OBJ_BEGIN: push_object(d); break;
    case T_ARR_BEGIN: push_array(d); break;
    default: expected(d, "value");
    }
}

/* decode(text) */
int lib_json_decode(lua_State *L) {
    decoder d = {.L = L, .config = lib_json_config_of(L)};
    size_t len;
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    d.text = d.at = luaL_checklstring(L, 1, &len);
    if (len >= 2 && (!d.text[0] || !d.text[1]))
        return luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");
    if (len > INT32_MAX) return luaL_error(L, "JSON text is too long");
    lib_out_start(&d.string, L);
    read_token(&d);
    push_value(&d);
    read_token(&d);
    if (d.type != T_END) expected(&d, "the end");
    return 1;
}
