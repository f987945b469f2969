"""The section of what stands between a client and its command: users with permissions, scripts, transactions."""

import time

from .common import (KEYS, REDIS_EVERYSEC, Reference, Stave, Table, load, measure, plainly, ratio, started)
from .server import STAVE_THROUGHPUT

GET, SET = "return redis.call('GET', KEYS[1])", "return redis.call('SET', KEYS[1], ARGV[1])"
LIBRARY = ("#!lua name=bench\n"
           "redis.register_function{function_name='fget', flags={'no-writes'},"
           " callback=function(keys, args) return redis.call('GET', keys[1]) end}")
USER = ["on", ">secret", "~key:*", "+get", "+set", "+config|get"]  # redis-benchmark asks for settings


def users(s):
    return plainly(s) + ["--user", "app", "-a", "secret"]


def features(o):
    t = Table("Users and scripts: CPU and throughput, everysec, -c 50, %d random keys of 3 bytes" % KEYS,
              ["workload", "CPU us", "redis us", "CPU ratio", "req/s", "redis req/s", "ratio"])
    servers = [started(Stave(dict({"engine": o.engine, "appendfsync": "everysec"}, **STAVE_THROUGHPUT[o.engine]))),
               started(Reference(REDIS_EVERYSEC))]
    for s in servers:
        load(s, 3, KEYS)
        c = s.connect()
        c.call("FUNCTION", "LOAD", LIBRARY)
        shas = {text: c.call("SCRIPT", "LOAD", text).decode() for text in (GET, SET)}
    time.sleep(3)  # what follows from loading is not the rows'
    key = "key:__rand_int__"
    rows = [("EVALSHA GET", ["EVALSHA", shas[GET], "1", key]), ("EVALSHA SET", ["EVALSHA", shas[SET], "1", key, "xxx"]),
            ("EVAL GET", ["EVAL", GET, "1", key]), ("FCALL GET", ["FCALL", "fget", "1", key]),
            ("GET", ["GET", key]), ("SET", ["SET", key, "xxx"])]
    for who, by in (("", plainly), (" as a user", users)):
        if by is users:
            rows = rows[-2:]
            for s in servers:
                s.connect().call("ACL", "SETUSER", "app", *USER)
        for pipeline in (1, 16):
            for name, command in rows:
                n = (100000 if pipeline == 1 else 500000) // (4 if o.quick else 1)
                rates, cpus = measure(o, servers, test=None, n=n, pipeline=pipeline, size=3, keys=KEYS, command=command,
                                      by=by)
                t.add("%s%s -P %d" % (name, who, pipeline), "%.2f" % cpus[0], "%.2f" % cpus[1], ratio(*cpus),
                      "%.0f" % rates[0], "%.0f" % rates[1], ratio(*rates))
    for s in servers:
        s.close()
    return t
