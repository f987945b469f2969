/* stream_family: the functions of the stream commands, by file, and what these share; stream.c has
 * their table. */
#ifndef STAVE_COMMANDS_STREAM_FAMILY_H
#define STAVE_COMMANDS_STREAM_FAMILY_H

#include "commands/data.h"
#include "types/stream_group.h"

/* stream_add.c */
command_result cmd_xadd(client *c);
command_result cmd_xtrim(client *c);
command_result cmd_xdel(client *c);
command_result cmd_xsetid(client *c);
/* stream_range.c */
command_result cmd_xlen(client *c);
command_result cmd_xrange(client *c);
command_result cmd_xrevrange(client *c);
/* stream_read.c */
command_result cmd_xread(client *c);
command_result cmd_xreadgroup(client *c);
/* Keys of XREADGROUP. */
int stream_group_keys(const slice *argv, int argc, int *out, unsigned *flags);
/* stream_pending.c */
command_result cmd_xack(client *c);
command_result cmd_xpending(client *c);
/* stream_claim.c */
command_result cmd_xclaim(client *c);
command_result cmd_xautoclaim(client *c);
/* stream_group.c, stream_info.c */
extern const command xgroup_subcommands[];
extern const command xinfo_subcommands[];

/* ---- arguments (stream_range.c) -------------------------------------------------------------- */

/* An ID as a command's argument: "ms", with that seq, or "ms-seq"; false: neither. auto_seq, if not
 * NULL, allows "ms-*", and is told of it. */
bool stream_text_id(slice text, uint64_t seq, stream_id *out, bool *auto_seq);
/* Argument i as such an ID; false after having replied. */
bool stream_arg_id(client *c, int i, uint64_t seq, stream_id *out);
/* Argument i as an end of an interval: also "-", "+", and "(ID" without it. */
bool stream_arg_start(client *c, int i, stream_id *out);
bool stream_arg_end(client *c, int i, stream_id *out);

/* ---- lookups and replies (stream_range.c) ---------------------------------------------------- */

/* As data_elements, with the stream's state. */
command_result stream_lookup(client *c, slice key, unsigned flags, stream *out);
/* The stream at argument `key` and its group at the next one; NOGROUP without them. */
command_result stream_lookup_group(client *c, int key, unsigned flags, stream *s, stream_group *g);
/* An error with two names in it, of any length. */
command_result stream_named_error(client *c, const char *what, slice a, const char *and, slice b,
                                  const char *behind);
/* "NOGROUP No such key '%s' or consumer group '%s'", with something behind it. */
command_result stream_no_group(client *c, slice key, slice group, const char *behind);
/* "NOGROUP No such consumer group '%s' for key name '%s'": arguments 3 and 2. */
command_result stream_no_such_group(client *c);
/* Refuses the name of a group or consumer that is too long. */
command_result stream_check_name(client *c, slice name);
/* The consumer, which is made if it is not there (with its event); seen now. */
command_result stream_need_consumer(client *c, stream *s, stream_group *g, slice key, slice name,
                                    stream_consumer **out);

/* A list of IDs that grows, in the memory of the batch. */
typedef struct stream_ids {
    stream_id *ids;
    size_t n, cap;
} stream_ids;
void stream_ids_add(client *c, stream_ids *list, stream_id id);
/* Arguments from `from` on, all of which must be IDs; false after having replied. */
bool stream_arg_ids(client *c, int from, stream_ids *out);

void stream_reply_id(client *c, stream_id id);
/* [id, [field, value ..]] */
void stream_reply_entry(client *c, stream_entry e);
/* The entries first .. last, as an array; at most `count` (0: all). seen, if not NULL: gets their
 * IDs. */
command_result stream_reply_range(client *c, stream *s, stream_id first, stream_id last,
                                  bool backward, uint64_t count, stream_ids *seen);

/* What every file's answers show is absence, counts and ranges. */
static inline void stream_depends(client *c) {
    client_depends_on_end(c);
}

#endif
