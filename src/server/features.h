/* features: the interfaces of all features above session, for the list of modules alone. */
#ifndef STAVE_SERVER_FEATURES_H
#define STAVE_SERVER_FEATURES_H

#include "acl/acl.h"
#include "migrate/migrate.h"
#include "observe/observe.h"
#include "pubsub/pubsub.h"
#include "tracking/tracking.h"
#include "tx/tx.h"
#include "wait/wait.h"
#ifdef STAVE_LUA
#include "script/script.h"
#endif

#endif
