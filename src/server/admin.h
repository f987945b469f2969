/* admin: the command tables of this folder, for modules.c. */
#ifndef STAVE_SERVER_ADMIN_H
#define STAVE_SERVER_ADMIN_H

#include "server/server.h"

extern const command config_commands[], info_commands[], admin_commands[], debug_commands[],
    lolwut_commands[];
status info_start(server *s);
const metric_section *info_sections(server *s);
status admin_start(server *s);
status debug_start(server *s);

/* INFO's text for the named sections, as the command and the crash report show it. */
void info_text(int nsections, const slice *names, buf *out);
/* Appends the fields of that section, but for those of the table `but` (NULL: of all tables). */
void info_collect(const char *section, const metric_section *but, buf *out);
/* The number in a field of such text; 0 if there is none. */
uint64_t info_number(const buf *text, const char *field);
bool info_has(const buf *text, const char *field);
/* Appends what redis-server has in that section and nobody has put into `text` (info_absent.c). */
void info_add_absent(const char *section, const buf *text, buf *out);
/* CONFIG RESETSTAT for what modules count. */
void info_reset(void);

#endif
