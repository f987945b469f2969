/* file_header: the first 64 bytes of every file, and the files' names.
 *
 *   0  8 bytes  magic    89 'S' 'T' 'A' 'V' 'E' 0d 0a
 *   8  u32      version  FILE_FORMAT
 *  12  u8       kind     file_kind
 *  13  3 bytes  zero
 *  16  u64      store    id of the store, random, in its manifest too
 *  24  u32      number   the file's; never used again in this store
 *  28  u32      before   number of the log file before this one when this one was made; 0: none
 *  32  28 bytes zero
 *  60  u32      crc      CRC32C of bytes 0 .. 59
 *
 * A manifest's number counts its rewrites. A hint file has its segment's number. */
#ifndef STAVE_STORAGE_FILE_HEADER_H
#define STAVE_STORAGE_FILE_HEADER_H

#include "io/vfs.h"

#define FILE_HEADER   64
#define FILE_FORMAT   1
#define FILE_NAME_MAX 32 /* "0000000001.hint" and the like, with NUL */
#define FILE_PATH_MAX 4096

/* On disk: never renumber. */
enum file_kind {
    FILE_MANIFEST = 1,
    FILE_SEGMENT = 2,
    FILE_HINT = 3,
    FILE_LOG = 4,   /* the LSM's */
    FILE_TABLE = 5, /* the LSM's */
    FILE_KINDS = 6,
};

typedef struct file_header {
    uint8_t kind;
    uint32_t version; /* set by reading; writing uses FILE_FORMAT */
    uint64_t store_id;
    uint32_t number;
    uint32_t before;
} file_header;

void file_header_encode(char out[FILE_HEADER], const file_header *h);
/* ST_CORRUPT: not ours, or damaged; ST_INVALID: a newer format. path is for the message. */
status file_header_decode(slice bytes, const char *path, file_header *out);
/* Reads it from the file; ST_CORRUPT too if the file is too short. */
status file_header_read(vfs_file *f, const char *path, file_header *out);
/* Reads it and compares kind, store and number: ST_CORRUPT says what differs. out may be NULL. */
status file_header_expect(vfs_file *f, const char *path, unsigned kind, uint64_t store_id,
                          uint32_t number, file_header *out);

/* "MANIFEST", or "0000000012.seg" and the like. */
void file_name(char out[FILE_NAME_MAX], unsigned kind, uint32_t number);
/* "DIR/name"; ST_LIMIT if that is longer than FILE_PATH_MAX. */
status file_path(char out[FILE_PATH_MAX], const char *dir, unsigned kind, uint32_t number);

/* What a name in a data directory is. */
typedef enum file_name_class {
    FILE_NAME_FOREIGN, /* not a name that Stave gives */
    FILE_NAME_OURS,    /* kind and number are set */
    FILE_NAME_TMP,     /* ours with ".tmp" behind: left by a crash, to be deleted at start */
} file_name_class;
file_name_class file_name_parse(const char *name, unsigned *kind, uint32_t *number);
const char *file_kind_name(unsigned kind);

#endif
