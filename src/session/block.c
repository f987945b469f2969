/* block: blocking commands' waiting, and its ends: served, timed out, CLIENT UNBLOCK, gone. */
#include "session/block.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/dispatch.h"
#include "session/input.h"
#include "session/reply.h"
#include "session/state.h"

/* The time limit's timer. */
static int64_t time_is_up(void *ctx) {
    client *c = ctx;
    c->block->timer = 0;
    client_unblock(c, BLOCK_TIMEOUT);
    return -1;
}

/* In a transaction, others could not run to wake it. */
bool client_can_block(const client *c) {
    return !(c->flags & (CLIENT_FAKE | CLIENT_MULTI | CLIENT_SCRIPT));
}

/* Nothing is replied now; dispatch sees the flag and leaves the reply open. */
void client_block_for(client *c, int64_t timeout_ms,
                      void (*end)(client *c, block_end why, void *state), void *state) {
    session *s = c->session;
    CHECK(s->running == c && !c->block && client_can_block(c));
    c->block = mem_zalloc(sizeof *c->block);
    c->block->end = end;
    c->block->state = state;
    c->block->argc = c->argc;
    c->block->argv = client_copy_args(c);
    c->block->limited = timeout_ms > 0;
    if (timeout_ms > 0) c->block->timer = reactor_timer_add(s->reactor, timeout_ms, time_is_up, c);
    c->flags |= CLIENT_BLOCKED;
    s->blocked_for_a_time += c->block->limited;
    s->blocked++;
}

/* The late reply is tagged and counted like any other; then the client's further input goes on. */
void client_unblock(client *c, block_end why) {
    session *s = c->session;
    client_block *b = c->block;
    CHECK(b && (c->flags & CLIENT_BLOCKED) && s->running != c && s->blocked > 0);
    bool late = why != BLOCK_CLOSED && why != BLOCK_REPLIED;
    uint64_t errors = s->stats.error_replies;
    if (b->timer) reactor_timer_remove(s->reactor, b->timer);
    c->block = NULL;
    c->flags &= ~(unsigned)CLIENT_BLOCKED;
    s->blocked--;
    s->blocked_for_a_time -= b->limited;
    if (late) {
        output_open(c);
        c->out_from = c->out.len;
        c->depends = 0;
        c->argc = b->argc;
        c->argv = b->argv;
    }
    if (why == BLOCK_ERROR)
        (void)reply_error_text(c, SLICE("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
    b->end(c, why, b->state);
    if (late) dispatch_end(c, CMD_DONE, s->stats.error_replies != errors);
    c->argc = 0;
    c->argv = NULL;
    mem_free(b->argv);
    mem_free(b);
    if (why != BLOCK_CLOSED) input_wake(c);
}

size_t client_block_memory(const client *c) {
    return c->block ? mem_size(c->block) + mem_size(c->block->argv) : 0;
}
