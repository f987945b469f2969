/* The bitmap commands: strings as arrays of bits. BITFIELD is in bitmap_field.c.
 *
 * Bit 0 is the highest bit of the first byte, as in Redis, so bits and bytes come in one order. A
 * string counts as followed by zeros without end: reading behind its end is no error, and writing
 * there makes it longer. Of a value in chunks only those that are needed are read or written, so
 * one bit of a bitmap of 16 MiB costs one chunk. */
#include "commands/bitmap_family.h"

#include "base/num.h"
#include "commands/commands.h"
#include "session/config.h"

#define BAD_OFFSET "ERR bit offset is not an integer or out of range"

/* ---- one bit ------------------------------------------------------------------------------------
 */

/* "#N" is the N-th integer of BITFIELD's width. The largest offset is that of a string of
 * proto-max-bulk-len bytes: 4294967295 by default. */
bool bitmap_arg_offset(client *c, slice arg, unsigned unit, int64_t *out) {
    bool hash = unit && arg.len > 0 && arg.data[0] == '#';
    if (hash) arg = slice_skip(arg, 1);
    if (num_parse_i64(arg, out) && *out >= 0 &&
        !(hash && __builtin_mul_overflow(*out, (int64_t)unit, out)) &&
        (*out >> 3) < session_config.max_bulk && (uint64_t)(*out >> 3) < STRING_MAX)
        return true;
    (void)reply_error(c, BAD_OFFSET);
    return false;
}

/* The string becomes as long as it must even if the bit is 0. An event is told only if something
 * changed, as redis-server 7.2 does. */
static command_result cmd_setbit(client *c) {
    int64_t off;
    string s;
    string_edit e;
    uint8_t byte;
    if (!bitmap_arg_offset(c, c->argv[2], 0, &off)) return CMD_REFUSED;
    slice arg = c->argv[3];
    if (arg.len != 1 || (arg.data[0] != '0' && arg.data[0] != '1'))
        return reply_error(c, "ERR bit is not an integer or out of range");
    bool on = arg.data[0] == '1';
    STEP_TRY(data_open(c, c->argv[1], KS_WRITE, &s));
    uint64_t at = (uint64_t)off / 8, old_len = s.len;
    ENGINE_TRY(c, string_edit_begin(&e, &s, at + 1));
    ENGINE_TRY(c, string_edit_read(&e, at, &byte, 1));
    uint8_t mask = (uint8_t)(0x80 >> (off % 8));
    bool was = byte & mask;
    if (was != on) {
        byte ^= mask;
        ENGINE_TRY(c, string_edit_write(&e, at, slice_of(&byte, 1)));
    }
    ENGINE_TRY(c, string_edit_end(&e));
    if (was != on || s.len != old_len) data_changed(c, KS_STRING, "setbit", s.key);
    data_depends(c, &s);
    reply_int(c, was);
    return CMD_DONE;
}

/* Of an absent key all bits are 0; the key is not made. */
static command_result cmd_getbit(client *c) {
    int64_t off;
    string s;
    uint8_t byte;
    if (!bitmap_arg_offset(c, c->argv[2], 0, &off)) return CMD_REFUSED;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    ENGINE_TRY(c, string_peek(&s, (uint64_t)off / 8, &byte, 1));
    data_depends(c, &s);
    reply_int(c, byte >> (7 - off % 8) & 1);
    return CMD_DONE;
}

/* ---- ranges -------------------------------------------------------------------------------------
 */

/* A range as BITCOUNT and BITPOS take it: in bytes or bits, both ends included, negative ones from
 * the end. */
typedef struct bit_range {
    int64_t start, end;
    bool has_end, in_bits;
} bit_range;

/* Reads BYTE or BIT, if argument `at` is there, as the last one. */
static bool unit_parse(client *c, int at, bit_range *out) {
    if (c->argc <= at) return true;
    out->in_bits = arg_is(c, at, "bit");
    if (c->argc == at + 1 && (out->in_bits || arg_is(c, at, "byte"))) return true;
    (void)reply_syntax_error(c);
    return false;
}

/* Reads start [end [BYTE|BIT]] from argument `at` on; false after having replied. Which of two
 * mistakes is told differs: BITPOS looks at the unit before it looks at the end. */
static bool range_parse(client *c, int at, bool unit_first, bit_range *out) {
    *out = (bit_range){.end = -1, .has_end = c->argc > at + 1};
    if (c->argc > at && !arg_i64(c, at, &out->start)) return false;
    if (unit_first && !unit_parse(c, at + 2, out)) return false;
    if (c->argc > at + 1 && !arg_i64(c, at + 1, &out->end)) return false;
    return unit_first || unit_parse(c, at + 2, out);
}

/* The range as places of bits from .. to-1 of a string of that length; empty: from >= to. */
static void range_apply(const bit_range *r, uint64_t len, uint64_t *from, uint64_t *to) {
    int64_t total = (int64_t)(r->in_bits ? len * 8 : len), start = r->start, end = r->end;
    int64_t unit = r->in_bits ? 1 : 8;
    if (start < 0) start = start + total < 0 ? 0 : start + total;
    if (end < 0) end = end + total < 0 ? 0 : end + total;
    if (end >= total) end = total - 1;
    *from = *to = 0;
    if (start > end) return;
    *from = (uint64_t)(start * unit);
    *to = (uint64_t)((end + 1) * unit);
}

/* With a start there must be an end: BITCOUNT key 0 is a syntax error in Redis, for whatever
 * reason.
 */
static command_result cmd_bitcount(client *c) {
    bit_range range;
    string s;
    uint64_t from, to, count;
    if (c->argc == 3) return reply_syntax_error(c);
    if (c->argc > 5) return reply_syntax_error(c);
    if (!range_parse(c, 2, false, &range)) return CMD_REFUSED;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    range_apply(&range, s.len, &from, &to);
    /* Both from the end and the wrong way round: empty, even where clamping would make them meet.
     */
    if (range.start < 0 && range.end < 0 && range.start > range.end) from = to;
    ENGINE_TRY(c, bitmap_count(&s, from, to, &count));
    data_depends(c, &s);
    reply_int(c, (int64_t)count);
    return CMD_DONE;
}

/* -1 if there is none. Of an absent key all bits are clear, so the first one is at 0. Looking for a
 * clear bit in a string of ones finds the one behind its end, unless an end was given: the range is
 * then what was asked about, and nothing in it is clear. */
static command_result cmd_bitpos(client *c) {
    int64_t bit, found = -1;
    bit_range range;
    string s;
    uint64_t from, to;
    if (!arg_i64(c, 2, &bit)) return CMD_REFUSED;
    if (bit != 0 && bit != 1) return reply_error(c, "ERR The bit argument must be 1 or 0.");
    if (c->argc > 6) return reply_syntax_error(c);
    if (!range_parse(c, 3, true, &range)) return CMD_REFUSED;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    if (!s.exists) {
        found = bit ? -1 : 0;
    } else {
        range_apply(&range, s.len, &from, &to);
        ENGINE_TRY(c, bitmap_find(&s, bit, from, to, &found));
        /* Without an explicit end a value counts as followed by zeros. */
        if (found < 0 && !bit && !range.has_end && from < to) found = (int64_t)to;
    }
    data_depends(c, &s);
    reply_int(c, found);
    return CMD_DONE;
}

/* ---- BITOP --------------------------------------------------------------------------------------
 */

/* False: there is no such operation. */
static bool parse_operation(const client *c, bitmap_operation *out) {
    static const char *const names[] = {"and", "or", "xor", "not"};
    for (unsigned i = 0; i < 4; i++) {
        *out = (bitmap_operation)i;
        if (arg_is(c, 1, names[i])) return true;
    }
    return false;
}

/* All sources are of the longest one's length, missing bytes and missing keys being zeros; NOT
 * alone takes one. An empty result deletes the destination, and the reply is 0. Sources are checked
 * before any is read, and the destination may be of any type. */
static command_result cmd_bitop(client *c) {
    bitmap_operation op;
    uint64_t len;
    bool deleted;
    slice dest = c->argv[2];
    if (!parse_operation(c, &op)) return reply_syntax_error(c);
    if (op == BITMAP_NOT && c->argc != 4)
        return reply_error(c, "ERR BITOP NOT must be called with a single source key.");
    STEP_TRY(data_check_key(c, dest));
    for (int i = 3; i < c->argc; i++) {
        entry ent;
        bool found;
        STEP_TRY(data_lookup(c, c->argv[i], KS_META, &ent, &found));
        if (found && ent.type != KEY_STRING) return reply_wrong_type(c);
    }
    ENGINE_TRY(c, bitmap_combine(c->ks, c->db, op, dest, c->argv + 3, (size_t)c->argc - 3, &len,
                                 &deleted));
    if (len > 0) data_changed(c, KS_STRING, "set", dest);
    if (deleted) data_changed(c, KS_GENERIC, "del", dest);
    client_depends_on_end(c);
    reply_int(c, (int64_t)len);
    return CMD_DONE;
}

/* ---- table --------------------------------------------------------------------------------------
 */

/* What all rows share. READ_KEY and UPDATED_KEY are what ACLs and clients learn of the first
 * argument. */
#define BITMAPS     .categories = CAT_BITMAP, .group = "bitmap"
#define READ_KEY    KEY_AT(1, KEY_RO | KEY_ACCESS)
#define UPDATED_KEY KEY_AT(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)

const command bitmap_commands[] = {
    {.name = "setbit",
     .run = cmd_setbit,
     .arity = 4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     BITMAPS,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Sets or clears one bit of the string value of a key and returns what it was.",
     .syntax = "key offset value:integer",
     .keys = {UPDATED_KEY}},
    {.name = "getbit",
     .run = cmd_getbit,
     .arity = 3,
     .flags = CMD_READONLY | CMD_FAST,
     BITMAPS,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Returns one bit of the string value of a key.",
     .syntax = "key offset",
     .keys = {READ_KEY}},
    {.name = "bitcount",
     .run = cmd_bitcount,
     .arity = -2,
     .flags = CMD_READONLY,
     BITMAPS,
     .since = "2.6.0",
     .complexity = "O(N)",
     .summary = "Counts the bits that are set in a string value or a part of it.",
     .syntax = "key @range:[start end @unit:[BYTE|BIT]^7.0.0]",
     .keys = {READ_KEY},
     .history = "7.0.0: Added the `BYTE|BIT` option."},
    {.name = "bitpos",
     .run = cmd_bitpos,
     .arity = -3,
     .flags = CMD_READONLY,
     BITMAPS,
     .since = "2.8.7",
     .complexity = "O(N)",
     .summary = "Finds the first bit that is set, or clear, in a string value or a part of it.",
     .syntax = "key bit @range:[start @end-unit-block:[end @unit:[BYTE|BIT]^7.0.0]]",
     .keys = {READ_KEY},
     .history = "7.0.0: Added the `BYTE|BIT` option."},
    {.name = "bitop",
     .run = cmd_bitop,
     .arity = -4,
     .flags = CMD_WRITE | CMD_DENYOOM,
     BITMAPS,
     .since = "2.6.0",
     .complexity = "O(N)",
     .summary = "Combines string values bit by bit and keeps the result at a key.",
     .syntax = "@operation:<AND|OR|XOR|NOT> destkey key...",
     .keys = {KEY_AT(2, KEY_OW | KEY_UPDATE), KEYS_FROM(3, 1, KEY_RO | KEY_ACCESS)}},
    {.name = "bitfield",
     .run = cmd_bitfield,
     .arity = -2,
     .flags = CMD_WRITE | CMD_DENYOOM,
     BITMAPS,
     .since = "3.2.0",
     .complexity = "O(1) for each subcommand specified",
     .summary = "Reads and changes integers of any width at any bit of a string value.",
     .syntax = "key @operation:[GET encoding offset|@write:<@overflow-block:[OVERFLOW "
               "<WRAP|SAT|FAIL>] @write-operation:<SET encoding offset value:integer|INCRBY "
               "encoding offset increment>>]...",
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS,
               .begin = 1,
               .step = 1,
               .notes = "This command allows both access and modification of the key"}},
     .getkeys = bitfield_keys},
    {.name = "bitfield_ro",
     .run = cmd_bitfield_ro,
     .arity = -2,
     .flags = CMD_READONLY | CMD_FAST,
     BITMAPS,
     .since = "6.0.0",
     .complexity = "O(1) for each subcommand specified",
     .summary = "Reads integers of any width at any bit of a string value.",
     .syntax = "key @get-block:[GET encoding offset]...",
     .keys = {READ_KEY}},
    {0},
};
