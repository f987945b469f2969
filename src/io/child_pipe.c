/* Frames between child and parent: a fixed header, then the body.
 *
 *   0        4      8        12         20        28          36        40
 *   | magic  | kind | length | a        | b       | cow bytes | crc32c  | body ...
 *
 * length is the body's; the CRC covers bytes 0..35 and the body. */
#include "io/child_pipe.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

#define MAGIC       0x68435453u /* "STCh" */
#define HEADER_SIZE 40
#define CRC_AT      36
#define BODY_MAX    (CHILD_RESULT_MAX + STATUS_MSG_MAX)

/* Writes it all to a blocking descriptor. */
static bool write_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t r = write(fd, p, n);
        if (r < 0 && errno == EINTR) continue;
        if (r <= 0) return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

/* The header, then the body: progress, which has none, goes out in one write. */
bool child_frame_write(int fd, const child_frame *f) {
    CHECK(f->body.len <= BODY_MAX);
    char header[HEADER_SIZE];
    char *p = put_u32(header, MAGIC);
    p = put_u32(p, (uint32_t)f->kind);
    p = put_u32(p, (uint32_t)f->body.len);
    p = put_u64(p, f->a);
    p = put_u64(p, f->b);
    p = put_u64(p, f->cow_bytes);
    CHECK(p == header + CRC_AT);
    put_u32(p, crc32c(crc32c(0, header, CRC_AT), f->body.data, f->body.len));
    return write_all(fd, header, HEADER_SIZE) && write_all(fd, f->body.data, f->body.len);
}

/* Looks at magic, kind and length before it asks for the body, so that noise is known at once. */
int child_frame_parse(slice in, child_frame *f, size_t *used) {
    *used = 0;
    if (in.len < HEADER_SIZE) return 0;
    uint32_t kind = load_u32(in.data + 4), len = load_u32(in.data + 8);
    if (load_u32(in.data) != MAGIC || len > BODY_MAX) return -1;
    if (kind != CHILD_PROGRESS && kind != CHILD_RESULT) return -1;
    if (in.len - HEADER_SIZE < len) return 0;
    slice body = slice_of(in.data + HEADER_SIZE, len);
    uint32_t crc = crc32c(crc32c(0, in.data, CRC_AT), body.data, body.len);
    if (crc != load_u32(in.data + CRC_AT)) return -1;
    *f = (child_frame){(child_frame_kind)kind, load_u64(in.data + 12), load_u64(in.data + 20),
                       load_u64(in.data + 28), body};
    if (kind == CHILD_RESULT && f->b > len) return -1;
    *used = HEADER_SIZE + len;
    return 1;
}
