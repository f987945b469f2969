/* pack: one way in which both engines give values to the log and take them back, so that a file of
 * either can be read by the same tools, and a value survives a change of engine. */
#include "engine/log/pack.h"

#include "base/log.h"
#include "engine/log/settings.h"
#include "storage/compress.h"

#define MISSES_MOST 64 /* attempts in a batch that may fail one after the other */
#define TRY_EVERY   16 /* values, of which one is tried then */

/* What an entry is, as a start finds it again. */
record pack_entry(uint32_t pdb, slice key, const entry *ent) {
    CHECK(ent->type < ENGINE_TYPES && ent->hint < 16 && ent->expire >= 0);
    unsigned flags = (ent->expire ? RECORD_EXPIRE : 0) | (ent->coll ? RECORD_COLL : 0);
    return (record){.kind = RECORD_PUT,
                    .type = (uint8_t)(ent->type | ent->hint << 4),
                    .flags = (uint16_t)flags,
                    .pdb = pdb,
                    .coll = ent->coll,
                    .key = key,
                    .expire = ent->expire};
}

/* Of a batch in which nothing has become smaller for a while only some values are tried: that is
 * nearly always one large value in pieces. */
static bool is_tried(pack_stats *stats) {
    CHECK(MISSES_MOST > 0 && TRY_EVERY > 0);
    if (stats->missed < MISSES_MOST) return true;
    return ++stats->missed % TRY_EVERY == 0;
}

/* A value shorter than compression-min-size seldom becomes so much smaller that it is worth the
 * time of its reads. */
void pack_value(slice plain, bool small, buf *scratch, pack_stats *stats, record *r) {
    slice packed;
    CHECK(plain.len <= RECORD_VALUE_MAX && !(r->flags & RECORD_LZ4));
    r->value = plain;
    r->plain_len = plain.len;
    if (small || log_conf.compression == LOG_PLAIN) return;
    if (plain.len < (size_t)log_conf.compression_min || !is_tried(stats)) return;
    stats->in += plain.len;
    if (compress_value(plain, scratch, &packed)) {
        r->value = packed;
        r->flags |= RECORD_LZ4;
        stats->missed = 0;
    } else if (stats->missed < MISSES_MOST) {
        stats->missed++;
    }
    CHECK(r->value.len <= plain.len);
    stats->out += r->value.len;
}

/* The length it must come to is the record's, so a damaged one can't ask for more memory than the
 * largest value there may be. */
status pack_undo(const record *r, buf *scratch, slice *out) {
    CHECK(r->kind == RECORD_PUT || r->kind == RECORD_MAP_PUT);
    *out = r->value;
    if (!(r->flags & RECORD_LZ4)) return STATUS_OK;
    buf_clear(scratch);
    TRY(compress_undo(r->value, r->plain_len, RECORD_VALUE_MAX, scratch));
    CHECK(scratch->len == r->plain_len);
    *out = buf_slice(scratch);
    return STATUS_OK;
}
