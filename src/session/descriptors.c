/* descriptors: RLIMIT_NOFILE. A client costs one; segments, tables, sockets, pipes to children and
 * the rest of the server have a reserve, and whatever more the system lets the process have: a
 * store of a terabyte has some ten thousand segments, each of them open. */
#include "session/descriptors.h"

#include "base/log.h"
#include "session/config.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#define RESERVE 512
#define MOST    (1u << 20) /* descriptors: more than any store needs */

/* The system's bound for an unprivileged process may lie below what is wanted: then as much as
 * there is. */
static rlim_t raise_to(struct rlimit limit, rlim_t want) {
    rlim_t had = limit.rlim_cur, may = limit.rlim_max < MOST ? limit.rlim_max : MOST;
    if (may > want) want = may;
    if (had >= want) return had;
    limit.rlim_cur = want;
    rlim_t hard = limit.rlim_max;
    if (limit.rlim_max < want) limit.rlim_max = want;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return want;
    limit.rlim_max = hard;
    limit.rlim_cur = want < hard ? want : hard;
    return limit.rlim_cur > had && setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : had;
}

/* Also what CONFIG SET maxclients asks before it agrees. */
status descriptors_reserve(int64_t clients, int64_t *can) {
    struct rlimit limit;
    *can = clients;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        *can = 1024 - RESERVE;
    } else {
        rlim_t got = raise_to(limit, (rlim_t)clients + RESERVE);
        if (got < (rlim_t)clients + RESERVE) *can = got > RESERVE ? (int64_t)got - RESERVE : 1;
    }
    if (*can >= clients) return STATUS_OK;
    return status_make(ST_LIMIT,
                       "The operating system is not able to handle the specified number of "
                       "clients, try with %lld",
                       (long long)*can);
}

/* A smaller limit is no reason not to start. */
void descriptors_start(void) {
    int64_t can, want = session_config.maxclients;
    status st = descriptors_reserve(want, &can);
    if (status_ok(st)) return;
    log_warning("maxclients is %lld instead of %lld, as the open files limit of this process can't "
                "be raised any further (see 'ulimit -n').",
                (long long)can, (long long)want);
    session_config.maxclients = can;
}
