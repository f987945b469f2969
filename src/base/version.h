/* version: what this program calls itself, and what it tells clients that ask for Redis' version.
 */
#ifndef STAVE_BASE_VERSION_H
#define STAVE_BASE_VERSION_H

#define STAVE_VERSION "0.1.0"
/* The level of Redis whose behaviour is followed: INFO's redis_version and HELLO's version. */
#define STAVE_REDIS_VERSION "7.2.4"

#endif
