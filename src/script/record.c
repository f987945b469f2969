/* record: a list of scripts' commands, in order.
 *
 *     done ──> record ──> record ──> ...        of the scripts in one EXEC, oldest first
 *                │
 *                ├── commands[], their arguments in `blocks`
 *                └── tallies[], for those that were too many
 *
 * One outermost command runs at a time, so one list is enough; session_runs tells whose it is. A
 * record is kept for the next script, as most of them run a command or two. */
#include "script/record.h"

#include "base/log.h"
#include "base/mem.h"
#include "session/session.h"

#define BLOCK_BYTES 4096

/* Memory for arguments. Blocks never move, as commands point into them. */
typedef struct block {
    struct block *next;
    size_t used, size;
    char bytes[] __attribute__((aligned(16)));
} block;

/* Commands of one kind that are not kept one by one. */
typedef struct tally {
    command_row *row;
    uint64_t calls, ns, failed;
} tally;

struct record {
    record *next;
    inside_command *commands;
    uint32_t n, cap;
    block *blocks; /* the newest first */
    size_t bytes;
    tally *tallies;
    uint32_t ntallies, tallies_cap;
};

/* Those that have ended, the oldest first; one that is kept for the next script; and whose run they
 * are of. */
static record *done, **last = &done;
static record *spare;
static uint64_t run_number;

/* All but the oldest block, which stays for the next script. */
static void empty(record *r) {
    while (r->blocks && r->blocks->next) {
        block *b = r->blocks;
        r->blocks = b->next;
        mem_free(b);
    }
    if (r->blocks && r->blocks->size > BLOCK_BYTES) {
        mem_free(r->blocks);
        r->blocks = NULL;
    }
    if (r->blocks) r->blocks->used = 0;
    r->n = r->ntallies = 0;
    r->bytes = 0;
    r->next = NULL;
}

/* With all of its memory. */
static void free_record(record *r) {
    empty(r);
    mem_free(r->blocks);
    mem_free(r->commands);
    mem_free(r->tallies);
    mem_free(r);
}

/* One is kept, if it is of an ordinary size. */
static void give(record *r) {
    if (spare || r->cap > 1024) {
        free_record(r);
    } else {
        empty(r);
        spare = r;
    }
}

/* What has not been counted will not be. */
static void forget_done(void) {
    while (done) {
        record *r = done;
        done = r->next;
        give(r);
    }
    last = &done;
}

/* A number of another run says that the commands of the one before were aborted, or ended without
 * being counted: they never happened. */
record *record_begin(client *c) {
    uint64_t number = session_runs(c->session);
    if (number != run_number) forget_done();
    run_number = number;
    record *r = spare ? spare : mem_zalloc(sizeof *r);
    spare = NULL;
    empty(r);
    return r;
}

/* n bytes, aligned for slices. */
static void *take(record *r, size_t n) {
    n = (n + 15) & ~(size_t)15;
    block *b = r->blocks;
    if (!b || b->size - b->used < n) {
        size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
        b = mem_alloc(sizeof *b + size);
        *b = (block){.next = r->blocks, .size = size};
        r->blocks = b;
        r->bytes += size;
    }
    void *p = b->bytes + b->used;
    b->used += n;
    return p;
}

/* Adds to the counters of its row. */
static void add_tally(record *r, const inside_command *in) {
    uint32_t i = 0;
    while (i < r->ntallies && r->tallies[i].row != in->row)
        i++;
    if (i == r->ntallies) {
        if (r->ntallies == r->tallies_cap)
            r->tallies = mem_more(r->tallies, &r->tallies_cap, 8, sizeof *r->tallies);
        r->tallies[r->ntallies++] = (tally){.row = in->row};
    }
    r->tallies[i].calls++;
    r->tallies[i].ns += in->ns;
    r->tallies[i].failed += in->failed;
}

/* The row stays as it is for as long as the server runs; the arguments are the script's, and are
 * gone when it has ended: they are copied, the slices first and the bytes behind them. */
void record_add(record *r, const inside_command *in) {
    if (r->bytes + r->n * sizeof *in >= RECORD_BYTES) {
        add_tally(r, in);
        return;
    }
    if (r->n == r->cap) r->commands = mem_more(r->commands, &r->cap, 8, sizeof *in);
    size_t bytes = (size_t)in->argc * sizeof(slice);
    for (int i = 0; i < in->argc; i++)
        bytes += in->argv[i].len;
    slice *argv = take(r, bytes);
    char *p = (char *)(argv + in->argc);
    for (int i = 0; i < in->argc; i++) {
        if (in->argv[i].len) memcpy(p, in->argv[i].data, in->argv[i].len);
        argv[i] = slice_of(p, in->argv[i].len);
        p += in->argv[i].len;
    }
    r->commands[r->n] = *in;
    r->commands[r->n++].argv = argv;
}

/* At the end of the list, as scripts of one EXEC are counted in their order. */
void record_end(record *r) {
    *last = r;
    last = &r->next;
}

/* Commands that answer in a script are its own, so MONITOR shows them as Lua's. */
void record_account(client *c) {
    if (!done || run_number != session_runs(c->session)) return;
    record *r = done;
    done = r->next;
    if (!done) last = &done;
    uint32_t was = c->flags & CLIENT_SCRIPT;
    c->flags |= CLIENT_SCRIPT;
    for (uint32_t i = 0; i < r->n; i++)
        inside_account(c, &r->commands[i]);
    c->flags = (c->flags & ~(uint32_t)CLIENT_SCRIPT) | was;
    for (uint32_t i = 0; i < r->ntallies; i++) {
        const tally *t = &r->tallies[i];
        inside_count(c, t->row, t->calls, t->ns, t->failed);
    }
    give(r);
}

/* For script_stop. */
void record_free_all(void) {
    forget_done();
    if (spare) free_record(spare);
    spare = NULL;
}
