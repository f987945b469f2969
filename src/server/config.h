/* config: all settings of all modules, by name: files, the command line, CONFIG.
 *
 * Modules declare tables (base/setting.h); boot registers them here in an order that CONFIG REWRITE
 * and CONFIG GET keep. Nothing here knows what a setting means. */
#ifndef STAVE_SERVER_CONFIG_H
#define STAVE_SERVER_CONFIG_H

#include "base/buf.h"
#include "base/setting.h"

/* Adds a table ended by {0} and gives each setting its default. */
void config_register(const setting *table);
/* By name or alias; NULL if unknown. */
const setting *config_find(slice name);
/* A setting's value as text, empty for an unknown one; static, for immediate use. */
const char *config_value(const char *name);
/* All settings, in order of registration; *pos starts at 0; NULL at the end. */
const setting *config_next(size_t *pos);
/* True if the value is what it was right after registration. */
bool config_is_default(const setting *s);

/* One line of a file or of the command line: "name word word ...". Blank lines and comments are
 * fine. `include` reads another file. */
status config_line(slice line);
/* name and words already apart, before the server runs: any setting may be given. */
status config_assign(slice name, int argc, const slice *argv);
/* A whole file, "-" for standard input. The message names file, line number and the line. Its
 * absolute path is kept for CONFIG REWRITE. */
status config_read_file(const char *path);
const char *config_path(void); /* "" if there is none */

/* While the server runs (CONFIG SET): all of the pairs or none. argv: name, value, name, value ...
 * The message is the whole error reply, code first. */
status config_set_live(int npairs, const slice *argv);

/* CONFIG REWRITE: the file with each changed setting put in place of its line, comments kept, new
 * ones appended; written beside it, fsynced and renamed. */
status config_rewrite(void);

#endif
