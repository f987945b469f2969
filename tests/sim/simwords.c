/* simwords: see simwords.h.
 *
 * A command is a line of words with places in it:
 *   [..]      perhaps      {..}     once or several times      <..|..>   one of
 *   %h %l %s %z %x %t %p   a key: hash, list, set, sorted set, stream, string, HyperLogLog
 *   %k a key of any type   %q one of a type, now and then of another
 *   %f a field or member   %v a value      %n an index, also negative   %u a small count
 *   %F a score             %i a stream's ID  %g a group    %c a consumer
 *   %T milliseconds        %A a moment       %d a database %D a payload of DUMP
 *   %y a system record's name
 * Lines that come twice are twice as likely. A key's name begins with the letter of its type, and
 * now and then a command is given one of another. */
#include "sim/simwords.h"

#include "base/log.h"
#include "sim/simscript.h"

#include <ctype.h>
#include <stdio.h>

static const char *const lines[] = {
    /* hashes */
    "HSET %h {%f %v}", "HSET %h {%f %v}", "HSET %h {%f %v}", "HSETNX %h %f %v", "HDEL %h {%f}",
    "HDEL %h {%f}", "HINCRBY %h %f %n", "HINCRBYFLOAT %h %f %F", "HGETDEL %h FIELDS 2 %f %f",
    "HGETEX %h <PX %T|PXAT %A|PERSIST> FIELDS 2 %f %f", "HGETEX %h PX %T FIELDS 1 %f",
    "HSETEX %h [<FNX|FXX>] <PX %T|KEEPTTL|PXAT %A> FIELDS 2 %f %v %f %v",
    "HSETEX %h PX %T FIELDS 1 %f %v", "HPEXPIRE %h %T FIELDS 1 %f",
    "HPEXPIRE %h %T [<NX|XX|GT|LT>] FIELDS 3 %f %f %f", "HPEXPIREAT %h %A FIELDS 2 %f %f",
    "HPERSIST %h FIELDS 2 %f %f", "HGETALL %h", "HLEN %h", "HMGET %h {%f}", "HRANDFIELD %h %n",
    "HPTTL %h FIELDS 2 %f %f", "HSCAN %h 0 COUNT %u",
    /* lists */
    "RPUSH %l {%v}", "LPUSH %l {%v}", "RPUSH %l {%v}", "LPUSHX %l %v", "LPOP %l [%u]",
    "RPOP %l [%u]", "LINSERT %l <BEFORE|AFTER> %f %v", "LINSERT %l BEFORE %f %f", "RPUSH %l {%f}",
    "LINSERT %l <BEFORE|AFTER> 1 %v", "LINSERT %l BEFORE 1 %f", "LINSERT %l BEFORE 1 2",
    "LSET %l %n %v", "LREM %l %n %f", "LTRIM %l %n %n", "LMOVE %l %l <LEFT|RIGHT> <LEFT|RIGHT>",
    "LMOVE %l %l <LEFT|RIGHT> <LEFT|RIGHT>", "RPOPLPUSH %l %l",
    "LMPOP 2 %l %l <LEFT|RIGHT> COUNT %u", "LRANGE %l %n %n", "LINDEX %l %n", "LLEN %l",
    "LPOS %l %f",
    /* sets */
    "SADD %s {%f}", "SADD %s {%f}", "SADD %s {%f}", "SADD %s %v", "SREM %s {%f}", "SPOP %s [%u]",
    "SMOVE %s %s %f", "SMOVE %s %s %f", "SUNIONSTORE %s %s %s", "SINTERSTORE %s %s %s",
    "SDIFFSTORE %s %s %s", "SDIFFSTORE %s %s", "SMEMBERS %s", "SMISMEMBER %s {%f}", "SCARD %s",
    "SRANDMEMBER %s %n", "SINTERCARD 2 %s %s", "SUNION %s %s", "SSCAN %s 0 COUNT %u",
    /* sorted sets */
    "ZADD %z {%F %f}", "ZADD %z {%F %f}", "ZADD %z {%F %f}", "ZADD %z <NX|XX|GT|LT> CH {%F %f}",
    "ZINCRBY %z %F %f", "ZREM %z {%f}", "ZPOPMIN %z [%u]", "ZPOPMAX %z [%u]",
    "ZMPOP 2 %z %z <MIN|MAX> COUNT %u", "ZREMRANGEBYRANK %z %n %n", "ZREMRANGEBYSCORE %z %F (%F",
    "ZREMRANGEBYLEX %z [%f (%f",
    "ZUNIONSTORE %z 2 %z <%z|%s> [WEIGHTS 2 %n] [AGGREGATE <MIN|MAX|SUM>]",
    "ZINTERSTORE %z 2 %z %z", "ZDIFFSTORE %z 2 %z %z", "ZRANGESTORE %z %z %n %n",
    "ZRANGESTORE %z %z %F +inf BYSCORE", "ZRANGE %z 0 -1 WITHSCORES", "ZSCORE %z %f", "ZRANK %z %f",
    "ZCOUNT %z %F %F", "ZCARD %z", "ZRANDMEMBER %z %n WITHSCORES", "ZSCAN %z 0 COUNT %u",
    "GEOADD %z %n.5 %n.25 %f", "GEOSEARCHSTORE %z %z FROMLONLAT 1 1 BYRADIUS 5000 km",
    /* streams */
    "XADD %x * {%f %v}", "XADD %x * {%f %v}", "XADD %x * f %v", "XADD %x * f %v",
    "XADD %x <MAXLEN|MAXLEN ~> %u * f %v", "XADD %x %i f %v", "XDEL %x {%i}", "XDEL %x {%i}",
    "XTRIM %x <MAXLEN %u|MINID %i|MAXLEN ~ %u>", "XGROUP CREATE %x %g <$|0|%i> [MKSTREAM]",
    "XGROUP CREATE %x %g 0 MKSTREAM", "XGROUP DESTROY %x %g", "XGROUP SETID %x %g %i",
    "XGROUP CREATECONSUMER %x %g %c", "XGROUP DELCONSUMER %x %g %c",
    "XREADGROUP GROUP %g %c COUNT %u [NOACK] STREAMS %x >", "XACK %x %g {%i}",
    "XGROUP CREATE %x %g 0 MKSTREAM", "XREADGROUP GROUP %g %c COUNT %u STREAMS %x >",
    "XREADGROUP GROUP %g %c STREAMS %x 0", "XACK %x %g {%i}", "XCLAIM %x %g %c 0 %i %i",
    "XAUTOCLAIM %x %g %c 0 - COUNT %u", "XSETID %x 99999-%u", "XRANGE %x - +", "XPENDING %x %g",
    "XPENDING %x %g - + 100", "XINFO STREAM %x FULL", "XLEN %x", "XREAD COUNT %u STREAMS %x %i",
    /* strings */
    "SET %t %v [<PX %T|KEEPTTL|XX|NX>]", "SET %t %v", "GETEX %t PX %T", "APPEND %t %v",
    "SETRANGE %t %u000 %v", "SETBIT %t %u777 1", "INCR %t", "BITOP <AND|OR|XOR> %t %t %t",
    "BITFIELD %t INCRBY u13 %u99 %n", "GETDEL %t", "GET %t", "STRLEN %t", "MSET %t %v %t %v",
    "PFADD %p {%f}", "PFADD %p {%f}", "PFMERGE %p %p %p", "PFCOUNT %p %p",
    /* of any type */
    "DEL {%k}", "DEL %k", "UNLINK %k", "RENAME %k %k", "RENAME %z %z", "RENAME %x %x",
    "RENAME %l %l", "RENAME %s %s", "RENAMENX %h %h", "RENAME %h %h",
    "COPY %k %k [DB %d] [REPLACE]", "COPY %z %z REPLACE", "COPY %h %h REPLACE",
    "COPY %x %x REPLACE", "COPY %l %l DB %d REPLACE", "MOVE %k %d", "MOVE %k %d", "MOVE %h %d",
    "SWAPDB %d %d", "PEXPIRE %k %T [<NX|XX|GT|LT>]", "PEXPIRE %h %T", "PEXPIREAT %k %A",
    "PERSIST %k", "PTTL %k", "TYPE %k", "DUMP %k", "DUMP %k", "DUMP %k", "RESTORE %k 0 %D REPLACE",
    "RESTORE %k %T %D [REPLACE]", "RESTORE %k 0 %D", "SORT <%l|%s|%z> ALPHA STORE %l",
    "SORT <%l|%s|%z> BY nosort GET # STORE %l",
    "SORT <%l|%s> BY %t* LIMIT %u %u GET # ALPHA STORE %l", "EXISTS %k", "OBJECT ENCODING %k",
    "TOUCH %k", "DBSIZE",
    /* system records (simsystem.c) */
    "SYSPUT %y %v", "SYSPUT %y %v", "SYSPUT %y %v %t", "SYSPUT %y %v %k", "SYSDEL %y", "SYSGET %y"};

static const char *const rare[] = {"FLUSHDB", "FLUSHDB", "FLUSHDB", "FLUSHALL", "SWAPDB %d %d"};

/* ---- words --------------------------------------------------------------------------------------
 */

static uint64_t below(sim *s, uint64_t n) {
    return rng_below(&s->chance, n);
}

static void put_key(simwords *w, sim *s, char type) {
    static const char types[] = "hlszxtp";
    static const char letters[] = "hhllsszzxxt";
    if (type == 'k') type = letters[below(s, sizeof letters - 1)];
    if (sim_permille(s, 8)) type = types[below(s, sizeof types - 1)];
    unsigned n = (unsigned)below(s, type == 'x' ? 2 : 1 + s->style.keys / 10 % 8);
    buf_printf(&w->bytes, "%c:%u", type, n);
    if (n * 131 % 1000 >= s->style.long_keys * 3) return;
    memset(buf_reserve(&w->bytes, 500), 'k', 500);
    w->bytes.len += 500;
}

static void put_value(simwords *w, sim *s) {
    unsigned max = s->style.value_max;
    if (sim_permille(s, s->style.big_values)) max = 20000;
    if (sim_permille(s, s->style.big_values) && sim_permille(s, 300)) max = 700000;
    if (sim_permille(s, 500)) { /* the same as a member now and then */
        buf_printf(&w->bytes, "%u", (unsigned)below(s, s->style.elems));
        return;
    }
    size_t n = below(s, max + 1);
    if (max > 20000) n += 262144 - 1000;
    char *p = buf_reserve(&w->bytes, n + 8);
    uint64_t noise = rng_next(&s->chance);
    for (size_t i = 0; i < n; i += 8) {
        if (n & 1) noise = noise * 6364136223846793005u + 1442695040888963407u;
        memcpy(p + i, &noise, 8);
    }
    w->bytes.len += n;
}

static void put_time(simwords *w, sim *s, int64_t from) {
    static const unsigned spans[] = {5, 50, 500, 5000, 60000};
    int64_t ms = (int64_t)below(s, spans[below(s, 5)]) + 1;
    if (from && sim_permille(s, 30)) ms = -ms;
    buf_printf(&w->bytes, "%lld", (long long)(from + ms));
}

void simwords_added(simwords *w, slice id) {
    char *slot = w->ids[w->n_ids++ % WORDS_IDS];
    snprintf(slot, WORDS_ID, "%.*s", (int)id.len, id.data);
}

/* An ID that there may be: entries are added at the clock's milliseconds, or under small ones. */
static void put_id(simwords *w, sim *s) {
    int64_t now = s->clock.wall_ms;
    unsigned n = w->n_ids < WORDS_IDS ? w->n_ids : WORDS_IDS;
    if (n && sim_permille(s, 700)) {
        buf_append_slice(&w->bytes, slice_cstr(w->ids[below(s, n)]));
        return;
    }
    if (sim_permille(s, 300)) {
        buf_printf(&w->bytes, "%u-%u", (unsigned)below(s, 20), (unsigned)below(s, 3));
        return;
    }
    buf_printf(&w->bytes, "%lld-%u", (long long)(now - (int64_t)below(s, 30)),
               (unsigned)below(s, 3));
}

static void put_member(simwords *w, sim *s) {
    unsigned n = (unsigned)below(s, s->style.elems);
    if (n % 97 == 1) memset(buf_reserve(&w->bytes, 200), 'm', 200), w->bytes.len += 200;
    buf_printf(&w->bytes, "%u", n);
}

static void put_place(simwords *w, sim *s, char c) {
    switch (c) {
    case 'f': put_member(w, s); break;
    case 'v': put_value(w, s); break;
    case 'n': buf_printf(&w->bytes, "%d", (int)below(s, 40) - 15); break;
    case 'u':
        buf_printf(&w->bytes, "%u", (unsigned)below(s, sim_permille(s, 100) ? 300 : 12));
        break;
    case 'F': buf_printf(&w->bytes, "%d.%u", (int)below(s, 20) - 10, (unsigned)below(s, 3)); break;
    case 'i': put_id(w, s); break;
    case 'g': buf_printf(&w->bytes, "g%u", (unsigned)below(s, 2)); break;
    case 'c': buf_printf(&w->bytes, "c%u", (unsigned)below(s, 3)); break;
    case 'T': put_time(w, s, 0); break;
    case 'A': put_time(w, s, s->clock.wall_ms); break;
    case 'd': buf_printf(&w->bytes, "%u", (unsigned)below(s, SIM_DBS)); break;
    case 'y': buf_printf(&w->bytes, "sys:%u", (unsigned)below(s, 1 + s->style.keys / 10)); break;
    case 'D': buf_append_slice(&w->bytes, w->dump); break;
    default: CHECK(strchr("hlszxtpk", c) != NULL); put_key(w, s, c);
    }
}

static void end_word(simwords *w) {
    if (w->open && w->argc < WORDS_MAX) w->ends[w->argc++] = w->bytes.len;
    w->open = false;
}

/* ---- lines -------------------------------------------------------------------------------------
 */

/* The end of a bracket's inside, which has no bracket of the same kind in it. */
static const char *closing(const char *p, char close) {
    const char *end = strchr(p, close);
    CHECK(end != NULL);
    return end;
}

static void put_text(simwords *w, sim *s, const char *p, const char *end);

/* One of several, divided by '|'. */
static void put_choice(simwords *w, sim *s, const char *p, const char *end) {
    unsigned n = 1;
    for (const char *q = p; q < end; q++)
        n += *q == '|';
    const char *from = p;
    for (uint64_t skip = below(s, n); skip > 0; from++)
        skip -= *from == '|';
    const char *to = memchr(from, '|', (size_t)(end - from));
    put_text(w, s, from, to ? to : end);
}

/* Few times mostly, so often now and then that a small key becomes a large one. */
static void put_often(simwords *w, sim *s, const char *p, const char *end) {
    uint64_t n = 1 + below(s, sim_permille(s, 80) ? 300 : 5);
    for (; n > 0 && w->argc < WORDS_MAX - 20 && w->bytes.len < 400000; n--) {
        put_text(w, s, p, end);
        end_word(w);
    }
}

static void put_text(simwords *w, sim *s, const char *p, const char *end) {
    while (p < end) {
        const char *to;
        bool option = *p == '[' && p[1] != '%' ? true : *p == '[' && strchr("u]", p[2]) != NULL;
        if (option) {
            to = closing(p, ']');
            if (sim_permille(s, 350)) put_text(w, s, p + 1, to);
        } else if (*p == '{') {
            to = closing(p, '}');
            put_often(w, s, p + 1, to);
        } else if (*p == '<') {
            to = closing(p, '>');
            put_choice(w, s, p + 1, to);
        } else if (*p == '%') {
            to = p + 1;
            put_place(w, s, *to);
            w->open = true;
        } else {
            to = p;
            if (*p == ' ') {
                end_word(w);
            } else {
                buf_append_char(&w->bytes, *p);
                w->open = true;
            }
        }
        p = to + 1;
    }
}

/* Where the words are, once no more are added. */
void simwords_end(simwords *w) {
    end_word(w);
    for (int i = 0; i < w->argc; i++) {
        size_t from = i ? w->ends[i - 1] : 0;
        w->argv[i] = slice_of(w->bytes.data + from, w->ends[i] - from);
    }
}

void simwords_begin(simwords *w) {
    buf_clear(&w->bytes);
    w->argc = w->inner = 0;
    w->mark = 0;
    w->open = false;
}

/* In most runs, most commands are of one type, so that its keys live long and grow. */
static const char *pick_line(sim *s) {
    static const char focus[] = "hlszxxty";
    char kind = focus[s->seed % sizeof focus];
    bool any = !kind || sim_permille(s, 300);
    for (;;) {
        const char *line = lines[below(s, sizeof lines / sizeof *lines)];
        const char *place = strchr(line, '%');
        if (any || (place && (place[1] == kind || (kind == 'x' && *line == 'X')))) return line;
    }
}

void simwords_line(simwords *w, sim *s, const char *line) {
    simwords_begin(w);
    put_text(w, s, line, line + strlen(line));
    simwords_end(w);
}

void simwords_plain(simwords *w, sim *s) {
    const char *line = pick_line(s);
    if (sim_permille(s, s->style.flushes)) line = rare[below(s, sizeof rare / sizeof *rare)];
    simwords_line(w, s, line);
}

void simwords_make(simwords *w, sim *s) {
    if (!simscript_make(w, s)) simwords_plain(w, s);
}

void simwords_word(simwords *w, slice word) {
    buf_append_slice(&w->bytes, word);
    w->open = true;
    end_word(w);
}

size_t simwords_bytes(const simwords *w) {
    size_t bytes = (1 + (size_t)w->inner) * 4096;
    for (int i = 0; i < w->argc; i++)
        bytes += w->argv[i].len;
    return bytes;
}

void simwords_on_key(simwords *w, const char *line, slice key) {
    simwords_begin(w);
    for (const char *p = line; *p; p++) {
        w->open |= *p != ' ';
        if (*p == '%')
            buf_append_slice(&w->bytes, key);
        else if (*p == ' ')
            end_word(w);
        else
            buf_append_char(&w->bytes, *p);
    }
    simwords_end(w);
}

void simwords_read_all(simwords *w, unsigned type, slice key) {
    static const char *const all[] = {"GET %",      "LRANGE % 0 -1",
                                      "SMEMBERS %", "ZRANGE % 0 -1 WITHSCORES",
                                      "HGETALL %",  "XINFO STREAM % FULL COUNT 0"};
    CHECK(type < sizeof all / sizeof *all);
    simwords_on_key(w, all[type], key);
}

bool simwords_is(const simwords *w, const char *name) {
    return slice_eq(w->argv[0], slice_cstr(name));
}

void simwords_free(simwords *w) {
    buf_free(&w->bytes);
}
