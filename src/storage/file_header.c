/* file_header: the header that all files begin with, and the names of files.
 *
 * The header says what a file is without a look at the manifest, so that a file that was copied
 * from another store, renamed, or restored from an old backup is told by its first 64 bytes. The
 * reserved bytes must be zero: a later format that uses them has a higher version. */
#include "storage/file_header.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"

enum { AT_VERSION = 8, AT_KIND = 12, AT_STORE = 16, AT_NUMBER = 24, AT_BEFORE = 28, AT_CRC = 60 };

static const char magic[8] = "\x89STAVE\r\n";

static const struct {
    const char *name, *suffix; /* no suffix: not one of a number */
} kinds[FILE_KINDS] = {
    [FILE_MANIFEST] = {"manifest", NULL}, [FILE_SEGMENT] = {"segment", "seg"},
    [FILE_HINT] = {"hint", "hint"},       [FILE_LOG] = {"log", "log"},
    [FILE_TABLE] = {"table", "sst"},
};

/* Kinds begin at 1, so that zeros are no kind. */
static bool known_kind(unsigned kind) {
    return kind > 0 && kind < FILE_KINDS;
}

/* For messages: any number is allowed. */
const char *file_kind_name(unsigned kind) {
    CHECK(kind == 0 || kind >= FILE_KINDS || kinds[kind].name);
    return known_kind(kind) ? kinds[kind].name : "unknown";
}

/* Reserved bytes are zero. */
void file_header_encode(char out[FILE_HEADER], const file_header *h) {
    CHECK(h->number > 0);
    CHECK(known_kind(h->kind));
    CHECK(h->before < h->number || h->before == 0);
    memset(out, 0, FILE_HEADER);
    memcpy(out, magic, sizeof magic);
    put_u32(out + AT_VERSION, FILE_FORMAT);
    out[AT_KIND] = (char)h->kind;
    put_u64(out + AT_STORE, h->store_id);
    put_u32(out + AT_NUMBER, h->number);
    put_u32(out + AT_BEFORE, h->before);
    put_u32(out + AT_CRC, crc32c(0, out, AT_CRC));
}

/* True if p[from .. to) is zeros. */
static bool zeros(const char *p, size_t from, size_t to) {
    CHECK(from <= to && to <= FILE_HEADER);
    for (size_t i = from; i < to; i++)
        if (p[i]) return false;
    return true;
}

/* From the most to the least telling: not ours, damaged, newer, senseless. */
status file_header_decode(slice bytes, const char *path, file_header *out) {
    CHECK(bytes.len == 0 || bytes.data);
    *out = (file_header){0};
    if (bytes.len < FILE_HEADER)
        return status_make(ST_CORRUPT, "%s: too short for a file header", path);
    const char *p = bytes.data;
    if (memcmp(p, magic, sizeof magic) != 0)
        return status_make(ST_CORRUPT, "%s: not a file of Stave's", path);
    if (crc32c(0, p, AT_CRC) != load_u32(p + AT_CRC))
        return status_make(ST_CORRUPT, "%s: the file header is damaged", path);
    out->version = load_u32(p + AT_VERSION);
    if (out->version > FILE_FORMAT)
        return status_make(ST_INVALID, "%s: format version %u is newer than this program's, %d",
                           path, out->version, FILE_FORMAT);
    out->kind = (uint8_t)p[AT_KIND];
    out->store_id = load_u64(p + AT_STORE);
    out->number = load_u32(p + AT_NUMBER);
    out->before = load_u32(p + AT_BEFORE);
    bool sane = out->version > 0 && out->number > 0 && known_kind(out->kind) &&
                zeros(p, AT_KIND + 1, AT_STORE) && zeros(p, AT_BEFORE + 4, AT_CRC) &&
                (out->before < out->number || out->before == 0);
    if (!sane) return status_make(ST_CORRUPT, "%s: the file header makes no sense", path);
    return STATUS_OK;
}

/* A file that is too short is refused by the decoder. */
status file_header_read(vfs_file *f, const char *path, file_header *out) {
    CHECK(f && path);
    char p[FILE_HEADER];
    size_t got = 0;
    *out = (file_header){0};
    TRY(vfs_pread(f, p, sizeof p, 0, &got));
    CHECK(got <= sizeof p);
    return file_header_decode(slice_of(p, got), path, out);
}

/* The first thing that differs is named. */
status file_header_expect(vfs_file *f, const char *path, unsigned kind, uint64_t store_id,
                          uint32_t number, file_header *out) {
    CHECK(f && number > 0);
    file_header h;
    CHECK(known_kind(kind));
    TRY(file_header_read(f, path, &h));
    if (h.kind != kind)
        return status_make(ST_CORRUPT, "%s: is a %s file, not a %s file", path,
                           file_kind_name(h.kind), file_kind_name(kind));
    if (h.store_id != store_id)
        return status_make(ST_CORRUPT, "%s: belongs to store %016llx, not to %016llx", path,
                           (unsigned long long)h.store_id, (unsigned long long)store_id);
    if (h.number != number)
        return status_make(ST_CORRUPT, "%s: is file %u, not %u", path, h.number, number);
    if (out) *out = h;
    return STATUS_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The number has ten digits, so that a listing by name is one by number. */
void file_name(char out[FILE_NAME_MAX], unsigned kind, uint32_t number) {
    CHECK(number > 0 || kind == FILE_MANIFEST);
    CHECK(known_kind(kind));
    if (kinds[kind].suffix)
        snprintf(out, FILE_NAME_MAX, "%010u.%s", number, kinds[kind].suffix);
    else
        snprintf(out, FILE_NAME_MAX, "MANIFEST");
}

/* The directory comes from a setting and may be of any length. */
status file_path(char out[FILE_PATH_MAX], const char *dir, unsigned kind, uint32_t number) {
    CHECK(dir && dir[0]);
    char name[FILE_NAME_MAX];
    file_name(name, kind, number);
    int n = snprintf(out, FILE_PATH_MAX, "%s/%s", dir, name);
    CHECK(n > 0);
    if (n >= FILE_PATH_MAX)
        return status_make(ST_LIMIT, "the path of %s in the data directory is too long", name);
    return STATUS_OK;
}

/* The kind and number that have exactly this name, if any. */
static bool parse_name(slice name, unsigned *kind, uint32_t *number) {
    CHECK(name.len == 0 || name.data);
    if (slice_eq(name, SLICE("MANIFEST"))) {
        *kind = FILE_MANIFEST;
        *number = 0;
        return true;
    }
    char text[FILE_NAME_MAX], again[FILE_NAME_MAX];
    if (name.len >= sizeof text || name.len < 12 || name.data[10] != '.') return false;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    unsigned long long n = strtoull(text, NULL, 10);
    if (n == 0 || n > UINT32_MAX) return false;
    for (unsigned k = 1; k < FILE_KINDS; k++) {
        if (!kinds[k].suffix || strcmp(text + 11, kinds[k].suffix) != 0) continue;
        file_name(again, k, (uint32_t)n);
        *kind = k;
        *number = (uint32_t)n;
        return strcmp(again, text) == 0; /* no sign, space or missing zero */
    }
    return false;
}

/* A name counts only if it is exactly the one that would be given. */
file_name_class file_name_parse(const char *name, unsigned *kind, uint32_t *number) {
    CHECK(name);
    slice s = slice_cstr(name);
    *kind = 0;
    *number = 0;
    if (parse_name(s, kind, number)) return FILE_NAME_OURS;
    if (s.len > 4 && memcmp(s.data + s.len - 4, ".tmp", 4) == 0) {
        s.len -= 4;
        if (parse_name(s, kind, number)) return FILE_NAME_TMP;
    }
    CHECK(*kind == 0 || *number != 0);
    return FILE_NAME_FOREIGN;
}
