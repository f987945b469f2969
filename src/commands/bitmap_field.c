/* BITFIELD: a small language of its own. All of it is parsed before anything is done; then the
 * operations run one after another over one edit of the value, or over reads if none changes it. */
#include "base/mem.h"
#include "commands/bitmap_family.h"

#define BAD_TYPE                                                                                   \
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "    \
    "i64 is."

/* OVERFLOW is no verb: it changes how the writes behind it behave. */
typedef enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCRBY } field_verb;

/* One operation, with the overflow that was in force when it was parsed. */
typedef struct field_op {
    field_verb verb;
    bit_type type;
    bit_overflow overflow;
    int64_t off, value;
} field_op;

/* A whole command line, parsed; reach is how long its writes make the string. */
typedef struct field_ops {
    field_op *ops; /* owned */
    int n;
    bool writes;
    uint64_t reach; /* bytes that the string must have for the writes */
} field_ops;

/* ---- parsing -----------------------------------------------------------------------------------
 */

/* OVERFLOW WRAP|SAT|FAIL; false after having replied. */
static bool parse_overflow(client *c, int i, bit_overflow *out) {
    static const char *const names[] = {"wrap", "sat", "fail"};
    for (unsigned k = 0; k < 3; k++) {
        *out = (bit_overflow)k;
        if (arg_is(c, i, names[k])) return true;
    }
    (void)reply_error(c, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* The verb at argument i, if all of its arguments are there. */
static bool parse_verb(const client *c, int i, field_verb *out) {
    int rest = c->argc - i - 1;
    *out = arg_is(c, i, "get") ? FIELD_GET : arg_is(c, i, "set") ? FIELD_SET : FIELD_INCRBY;
    if (*out == FIELD_GET) return rest >= 2;
    return (*out == FIELD_SET || arg_is(c, i, "incrby")) && rest >= 3;
}

/* TYPE OFFSET [VALUE] after a verb. */
static bool parse_operands(client *c, int i, field_op *op) {
    if (!bit_type_parse(c->argv[i], &op->type)) {
        (void)reply_error(c, BAD_TYPE);
        return false;
    }
    if (!bitmap_arg_offset(c, c->argv[i + 1], op->type.bits, &op->off)) return false;
    return op->verb == FIELD_GET || arg_i64(c, i + 2, &op->value);
}

/* All operations; false after having replied. The caller frees out->ops either way. */
static bool parse_ops(client *c, bool read_only, field_ops *out) {
    bit_overflow overflow = OVERFLOW_WRAP;
    *out = (field_ops){.ops = mem_alloc(sizeof(field_op) * ((size_t)c->argc / 3 + 1))};
    for (int i = 2; i < c->argc;) {
        if (arg_is(c, i, "overflow") && i + 1 < c->argc) {
            if (!parse_overflow(c, i + 1, &overflow)) return false;
            i += 2;
            continue;
        }
        field_op op = {.overflow = overflow};
        if (!parse_verb(c, i, &op.verb)) {
            (void)reply_syntax_error(c);
            return false;
        }
        if (!parse_operands(c, i + 1, &op)) return false;
        if (op.verb != FIELD_GET) {
            uint64_t reach = ((uint64_t)op.off + op.type.bits + 7) / 8;
            out->writes = true;
            if (reach > out->reach) out->reach = reach;
        }
        out->ops[out->n++] = op;
        i += op.verb == FIELD_GET ? 3 : 4;
    }
    if (!read_only || !out->writes) return true;
    (void)reply_error(c, "ERR BITFIELD_RO only supports the GET subcommand");
    return false;
}

int bitfield_keys(const slice *argv, int argc, int *out, unsigned *flags) {
    bool reads = true;
    for (int i = 2; i < argc && reads;) {
        bool get = slice_ieq(argv[i], "get") && i + 2 < argc;
        bool overflow = slice_ieq(argv[i], "overflow") && i + 1 < argc;
        reads = get || overflow;
        i += get ? 3 : 2;
    }
    out[0] = 1;
    if (flags) flags[0] = reads ? KEY_RO | KEY_ACCESS : KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return 1;
}

/* ---- running -----------------------------------------------------------------------------------
 */

static command_result run_reads(client *c, const field_ops *f) {
    string s;
    STEP_TRY(data_open(c, c->argv[1], 0, &s));
    reply_array(c, f->n);
    for (int i = 0; i < f->n; i++) {
        const field_op *op = &f->ops[i];
        uint8_t window[BIT_WINDOW];
        ENGINE_TRY(c, string_peek(&s, (uint64_t)op->off / 8, window, BIT_WINDOW));
        reply_int(c, bit_window_get(window, (unsigned)(op->off % 8), op->type));
    }
    data_depends(c, &s);
    return CMD_DONE;
}

/* One operation of an edit; counts it as a change if it wrote what was not there. grown: the string
 * is longer than it was, so that whatever is written was not there. */
static command_result run_op(client *c, string_edit *e, const field_op *op, bool grown,
                             int64_t *changes) {
    uint8_t window[BIT_WINDOW];
    uint64_t byte = (uint64_t)op->off / 8;
    unsigned at = (unsigned)(op->off % 8);
    ENGINE_TRY(c, string_edit_read(e, byte, window, BIT_WINDOW));
    int64_t old = bit_window_get(window, at, op->type), now;
    if (op->verb == FIELD_GET) {
        reply_int(c, old);
        return CMD_DONE;
    }
    bool set = op->verb == FIELD_SET;
    if (!bit_add(op->type, op->overflow, set ? op->value : old, set ? 0 : op->value, &now)) {
        reply_null(c);
        return CMD_DONE;
    }
    reply_int(c, set ? old : now);
    *changes += grown || now != old;
    if (now == old) return CMD_DONE;
    bit_window_set(window, at, op->type, now);
    ENGINE_TRY(c, string_edit_write(e, byte, slice_of(window, bit_window_bytes(at, op->type))));
    return CMD_DONE;
}

/* All operations on one opened string: its length is made for the farthest at once. */
static command_result run_writes(client *c, const field_ops *f) {
    string s;
    string_edit e;
    STEP_TRY(data_open(c, c->argv[1], KS_WRITE, &s));
    bool grown = s.len < f->reach;
    int64_t changes = 0;
    ENGINE_TRY(c, string_edit_begin(&e, &s, f->reach));
    reply_array(c, f->n);
    for (int i = 0; i < f->n; i++)
        STEP_TRY(run_op(c, &e, &f->ops[i], grown, &changes));
    ENGINE_TRY(c, string_edit_end(&e));
    if (changes) {
        data_changed(c, KS_STRING, "setbit", s.key);
        ks_dirty(c->ks, changes - 1);
    }
    data_depends(c, &s);
    return CMD_DONE;
}

static command_result run(client *c, bool read_only) {
    field_ops f;
    command_result r = CMD_REFUSED;
    if (parse_ops(c, read_only, &f)) r = f.writes ? run_writes(c, &f) : run_reads(c, &f);
    mem_free(f.ops);
    return r;
}

/* Flagged as a write whatever it does: that it only reads is known after parsing. */
command_result cmd_bitfield(client *c) {
    return run(c, false);
}

/* For replicas, which must not write: a line with SET or INCRBY in it is refused whole. */
command_result cmd_bitfield_ro(client *c) {
    return run(c, true);
}
