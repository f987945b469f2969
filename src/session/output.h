/* output: replies on their way to the socket, held until the log allows them to go.
 *
 * The bytes that a client was sent form a stream; a place in it is a 64-bit count. Commands append
 * to client.out; when a reply is complete, output_reply_end tags it. Most replies depend on nothing
 * that is not yet released and need no tag. As soon as one does, it and every one after it get a
 * mark, so that each reply can go, or become an error, by itself:
 *
 *      sent     held_from                                  end
 *        |  free    |  mark 0  |  mark 1  |     mark 2     |
 *        +----------+----------+----------+----------------+
 *        pieces (full buffers) ...          | client.out   |
 *
 * See README.md for the numbered rules. */
#ifndef STAVE_SESSION_OUTPUT_H
#define STAVE_SESSION_OUTPUT_H

#include "session/client.h"

/* One held reply (or push): it ends at this place, and may go when `depends` is released. */
typedef struct output_mark {
    uint64_t end : 63;
    uint64_t push : 1; /* not the reply of a command: dropped, not replaced, when the log fails */
    log_pos depends;
} output_mark;

typedef struct output_piece {
    struct output_piece *next;
    buf bytes;
} output_piece;

#define OUTPUT_BUF  16384 /* bytes of a pooled buffer */
#define OUTPUT_POOL 64    /* how many are kept */

/* Buffers that clients take when they have something to say, and give back when it has gone. */
typedef struct output_pool {
    buf bytes[OUTPUT_POOL], marks[OUTPUT_POOL];
    unsigned n_bytes, n_marks;
} output_pool;

/* A client is not read from while it leaves this much unread; at half of it, it is again. Redis has
 * no such bound (its default limit for normal clients is none), so it is generous: who sends a long
 * pipeline and reads nothing meanwhile gets this far. Beyond the total, the bound is a small one.
 */
#define OUTPUT_STOP       (128u << 20)
#define OUTPUT_STOP_SMALL (1u << 20)
#define OUTPUT_TOTAL      (512u << 20)
/* Who has not given the password is refused in few bytes, and has to read them. */
#define OUTPUT_STOP_UNKNOWN (16u << 10)
/* A client at that bound that takes nothing for so long is ended: both sides wait for each other.
 */
#define OUTPUT_STUCK_MS 60000

/* Before anything is appended to c->out. */
void output_open(client *c);
/* The bytes from c->out_from on are a reply (or a push), depending on c->depends. */
void output_end(client *c, bool push);
/* Nothing was appended: an empty buffer goes back. */
void output_unused(client *c);
/* Bytes that are queued and have not gone. */
static inline size_t output_unsent(const client *c) {
    return c->output.piece_bytes + c->out.len - c->output.sent;
}
size_t output_memory(const client *c);
/* May more commands of this client run? */
bool output_is_full(const client *c);
/* After the log moved: lets go what may go, and sends it. Nothing happens to a client whose socket
 * takes no more; the reactor tells when that changed. */
void output_send(client *c);
/* The socket takes bytes again: they go at the end of this turn. */
void output_writable(client *c);
/* The log failed: what held replies depend on will not come; each becomes an error. */
void output_fail(client *c);
/* Checks hard and soft limits; may close the client. */
void output_check_limits(client *c);
/* Gives all memory back. */
void output_free(client *c);
void output_pool_free(output_pool *p);

#endif
