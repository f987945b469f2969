/* bitmap_family: what the files of the bitmap commands share. */
#ifndef STAVE_COMMANDS_BITMAP_FAMILY_H
#define STAVE_COMMANDS_BITMAP_FAMILY_H

#include "commands/data.h"
#include "types/bitmap.h"

command_result cmd_bitfield(client *c);
command_result cmd_bitfield_ro(client *c);
int bitfield_keys(const slice *argv, int argc, int *out, unsigned *flags);

/* The place of a bit; with unit > 0 "#n" is n times that. False after having replied. */
bool bitmap_arg_offset(client *c, slice arg, unsigned unit, int64_t *out);

#endif
