/* acl: users, their passwords, and what each may do. */
#ifndef STAVE_ACL_ACL_H
#define STAVE_ACL_ACL_H

#include "base/metric.h"
#include "base/setting.h"
#include "session/session.h"

extern const command acl_commands[];
extern const setting acl_settings[]; /* user, aclfile, acl-pubsub-default, acllog-max-len */
const metric_section *acl_metrics(void);
/* Once, at boot, when settings are read and all commands are registered. Makes the users of the
 * settings, or of the aclfile; fails if one of them can't be. */
status acl_start(session *s);

#endif
