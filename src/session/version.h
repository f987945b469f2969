/* version: the Redis whose commands, replies and texts these are, for clients that ask. */
#ifndef STAVE_SESSION_VERSION_H
#define STAVE_SESSION_VERSION_H

#define COMPAT_REDIS_VERSION "7.2.4"

#endif
