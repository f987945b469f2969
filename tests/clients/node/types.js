// What ioredis sees of each family of types.
"use strict";

const assert = require("assert");
const Redis = require("ioredis");
const kit = require("./kit");

const { Skip, range, refused, same, sleep } = kit;
const connect = (how) => new Redis({ port: kit.PORT, host: "127.0.0.1", maxRetriesPerRequest: 1, ...how });

// Few enough to be packed, and not.
const SIZES = [5, 1000];
const name = (letter, i) => letter + String(i).padStart(4, "0");

const blocked = (r, n) => kit.until(async () => (await r.info("clients")).includes(`blocked_clients:${n}\r`),
  `${n} clients blocked`);

async function collect(stream) {
  const all = [];
  for await (const page of stream) all.push(...page);
  return all;
}

// A flat list of names and values as an object.
function pairs(list) {
  const out = {};
  for (let i = 0; i < list.length; i += 2) out[list[i]] = list[i + 1];
  return out;
}

const tests = {
  async hash(r) {
    for (const n of SIZES) {
      await r.flushall();
      const model = Object.fromEntries(range(n).map((i) => [name("f", i), "v" + i]));
      same(await r.hset("h", model), n);
      same(await r.hset("h", new Map([["f0000", "new"]])), 0);
      model.f0000 = "new";
      same(await r.hgetall("h"), model);
      same((await r.hkeys("h")).sort(), Object.keys(model));
      same(await r.hvals("h"), Object.values(await r.hgetall("h")));
      same(await r.hmget("h", "f0001", "nope"), ["v1", null]);
      same([await r.hlen("h"), await r.hexists("h", "f0001"), await r.hstrlen("h", "f0001")], [n, 1, 2]);
      same(pairs(await collect(r.hscanStream("h", { count: 7 }))), model);
      same(await r.hdel("h", "f0001", "nope"), 1);
      same(await r.hget("h", "f0001"), null);
      same(new Set(await r.hrandfield("h", 3)).size, 3);
      same(pairs(await r.hrandfield("h", 2 * n, "WITHVALUES")), await r.hgetall("h"));
    }
    same([await r.hincrby("n", "i", 5), await r.hincrby("n", "i", -7)], [5, -2]);
    same(await r.hincrbyfloat("n", "f", 1.25), "1.25");
    same([await r.hsetnx("n", "i", 1), await r.hsetnx("n", "j", 1)], [0, 1]);
    await r.hset("n", "text", "x");
    await refused(r.hincrby("n", "text", 1), "hash value is not an integer");
  },

  async hash_field_times(r) {
    if (!(await r.call("COMMAND", "INFO", "HSETEX"))[0]) throw new Skip("no command hsetex");
    await r.hset("h", { a: 1, b: 2, c: 3 });
    same(await r.call("HPEXPIRE", "h", 60000, "FIELDS", 2, "a", "nope"), [1, -2]);
    const [ttl, none] = await r.call("HPTTL", "h", "FIELDS", 2, "a", "b");
    assert.ok(ttl > 0 && ttl <= 60000 && none === -1, `${ttl} ${none}`);
    same(await r.call("HPEXPIRE", "h", 1, "FIELDS", 1, "b"), [1]);
    await sleep(5);
    same(await r.hgetall("h"), { a: "1", c: "3" });
    same(await r.call("HPERSIST", "h", "FIELDS", 1, "a"), [1]);
    same(await r.call("HGETDEL", "h", "FIELDS", 2, "c", "b"), ["3", null]);
    same(await r.call("HSETEX", "h", "EX", 100, "FIELDS", 1, "d", "4"), 1);
    same(await r.call("HGETEX", "h", "PERSIST", "FIELDS", 1, "d"), ["4"]);
    same(await r.call("HTTL", "h", "FIELDS", 1, "d"), [-1]);
  },

  async list(r) {
    for (const n of SIZES) {
      await r.flushall();
      let model = range(n).map(String);
      same(await r.rpush("l", ...model), n);
      same(await r.lpush("l", "b", "a"), n + 2);
      model = ["a", "b", ...model];
      same(await r.lrange("l", 0, -1), model);
      same([await r.lindex("l", 3), await r.lindex("l", -1), await r.lindex("l", n + 2)],
        [model[3], model.at(-1), null]);
      same(await r.linsert("l", "AFTER", "b", "c"), n + 3);
      model.splice(2, 0, "c");
      same(await r.lset("l", 0, "A"), "OK");
      model[0] = "A";
      same([await r.lpos("l", "c"), await r.lpos("l", "nope")], [2, null]);
      same(await r.lrem("l", 1, "b"), 1);
      model.splice(1, 1);
      same([await r.lpop("l"), await r.rpop("l")], [model.shift(), model.pop()]);
      same(await r.lpop("l", 2), model.splice(0, 2));
      same(await r.ltrim("l", 1, -1), "OK");
      same(await r.lrange("l", 0, -1), model.slice(1));
    }
    await r.del("l");
    await r.rpush("l", 1, 2, 3);
    same(await r.lmove("l", "m", "RIGHT", "LEFT"), "3");
    same(await r.rpoplpush("l", "m"), "2");
    same(await r.lmpop(2, "nope", "m", "LEFT", "COUNT", 5), ["m", ["2", "3"]]);
    same(await r.keys("*"), ["l"]);
  },

  async set(r) {
    for (const n of SIZES) {
      await r.flushall();
      const model = range(n).map((i) => name("m", i));
      same(await r.sadd("s", ...model, "m0000"), n);
      same((await r.smembers("s")).sort(), model);
      same((await collect(r.sscanStream("s", { count: 9 }))).sort(), model);
      same(await r.smismember("s", "m0001", "nope"), [1, 0]);
      same(new Set(await r.srandmember("s", 4)).size, 4);
      await r.sadd("t", "m0001", "m0002", "x");
      same((await r.sinter("s", "t")).sort(), ["m0001", "m0002"]);
      same((await r.sdiff("t", "s")), ["x"]);
      same((await r.sunion("s", "t")).sort(), [...model, "x"]);
      same(await r.sinterstore("u", "s", "t"), 2);
      same(await r.sintercard(2, "s", "t", "LIMIT", 1), 1);
      const popped = await r.spop("s", 2);
      same(await r.scard("s"), n - 2);
      same(await r.smismember("s", ...popped), [0, 0]);
      same(await r.smove("t", "s", "x"), 1);
      same([await r.sismember("t", "x"), await r.sismember("s", "x")], [0, 1]);
    }
  },

  async sorted_set(r) {
    for (const n of SIZES) {
      await r.flushall();
      const flat = range(n).flatMap((i) => [name("m", i), String(i / 2)]);
      same(await r.zadd("z", ...range(n).flatMap((i) => [i / 2, name("m", i)])), n);
      same(await r.zrange("z", 0, -1, "WITHSCORES"), flat);
      same(await r.zrange("z", "(1", "+inf", "BYSCORE", "LIMIT", 0, 1), ["m0003"]);
      same(await r.zrangebyscore("z", 0.5, 1, "WITHSCORES"), ["m0001", "0.5", "m0002", "1"]);
      same(await r.zrevrange("z", -1, -1), ["m0000"]);
      same([await r.zrank("z", "m0003"), await r.zrevrank("z", "m0003"), await r.zrank("z", "x")],
        [3, n - 4, null]);
      same([await r.zscore("z", "m0001"), await r.zmscore("z", "m0001", "x")], ["0.5", ["0.5", null]]);
      same(await r.zincrby("z", 1e6, "m0000"), "1000000");
      same([await r.zcount("z", "-inf", 1), await r.zlexcount("z", "-", "+")], [2, n]);
      same(pairs(await collect(r.zscanStream("z", { count: 10 }))),
        pairs(await r.zrange("z", 0, -1, "WITHSCORES")));
      same(await r.zpopmax("z"), ["m0000", "1000000"]);
      same(await r.zpopmin("z", 2), ["m0001", "0.5", "m0002", "1"]);
      same(await r.zadd("z", "XX", "GT", "CH", 1, "m0003", 99, "m0004"), 1);
      same(await r.zadd("z", "INCR", 1, "m0003"), "2.5");
      same(await r.zremrangebyrank("z", 0, 0), 1);
      same(await r.zcard("z"), n - 4);
    }
    await r.flushall();
    await r.zadd("lex", ...range(300).flatMap((i) => [0, name("m", i)]));
    same(await r.zrange("lex", "[m0001", "(m0003", "BYLEX"), ["m0001", "m0002"]);
    same(await r.zremrangebylex("lex", "(m0000", "+"), 299);
    await r.zadd("a", 1, "x", 2, "y");
    await r.zadd("b", 10, "y", 20, "w");
    same(await r.zunion(2, "a", "b", "WEIGHTS", 2, 1, "WITHSCORES"), ["x", "2", "y", "14", "w", "20"]);
    same(await r.zinterstore("c", 2, "a", "b", "AGGREGATE", "MAX"), 1);
    same(await r.zdiff(2, "a", "b"), ["x"]);
    same(await r.zmpop(2, "no", "a", "MAX"), ["a", [["y", "2"]]]);
    same(await r.zrangestore("d", "b", 0, 0), 1);
    same(await r.zrange("d", 0, -1), ["y"]);
  },

  async stream(r) {
    for (const n of SIZES) {
      await r.flushall();
      const entries = range(n).map((i) => [`${i + 1}-1`, ["n", String(i), "k", "v"]]);
      for (const [id, fields] of entries) r.xadd("x", id, ...fields);
      same(await r.xlen("x"), n);
      same(await r.xrange("x", "-", "+"), entries);
      same(await r.xrevrange("x", "+", "-", "COUNT", 2), [entries[n - 1], entries[n - 2]]);
      same(await r.xread("COUNT", 2, "STREAMS", "x", "0"), [["x", entries.slice(0, 2)]]);
      same(await r.xread("STREAMS", "x", "$"), null);
      same(await r.xgroup("CREATE", "x", "g", "0"), "OK");
      same(await r.xreadgroup("GROUP", "g", "alice", "COUNT", 3, "STREAMS", "x", ">"),
        [["x", entries.slice(0, 3)]]);
      same(await r.xack("x", "g", "1-1"), 1);
      same(await r.xpending("x", "g"), [2, "2-1", "3-1", [["alice", "2"]]]);
      same(await r.xclaim("x", "g", "bob", 0, "2-1"), [entries[1]]);
      same(await r.xautoclaim("x", "g", "carol", 0, "0", "COUNT", 1), ["3-1", [entries[1]], []]);
      const info = pairs((await r.xinfo("GROUPS", "x"))[0]);
      same([info.name, info.consumers, info.pending, info["entries-read"], info.lag], ["g", 3, 2, 3, n - 3]);
      same(pairs(await r.xinfo("STREAM", "x")).length, n);
      same(await r.xdel("x", "1-1"), 1);
      same(await r.xtrim("x", "MAXLEN", 2), n - 3);
      same(await r.xrange("x", "-", "+"), entries.slice(-2));
      await refused(r.xadd("x", "1-1", "a", "b"), "equal or smaller");
    }
  },

  async hyperloglog(r) {
    same([await r.pfadd("p", "a", "b"), await r.pfadd("p", "a")], [1, 0]);
    same(await r.pfadd("q", ...range(3000)), 1);
    const count = await r.pfcount("p", "q");
    assert.ok(Math.abs(count - 3002) < 150, `${count}`);
    same(await r.pfmerge("m", "p", "q"), "OK");
    same(await r.pfcount("m"), count);
    await r.set("copy", await r.getBuffer("m"));
    same(await r.pfcount("copy"), count);
  },

  async geo(r) {
    if (!(await r.call("COMMAND", "INFO", "GEOSEARCH"))[0]) throw new Skip("no command geosearch");
    same(await r.geoadd("g", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"), 2);
    same(await r.geodist("g", "Palermo", "Catania"), "166274.1516");
    same(await r.geohash("g", "Palermo", "nope"), ["sqc8b49rny0", null]);
    same(await r.geopos("g", "nope"), [null]);
    same(await r.geosearch("g", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC", "WITHDIST"),
      [["Catania", "56.4413"], ["Palermo", "190.4424"]]);
    same(await r.georadius("g", 15, 37, 100, "km"), ["Catania"]);
    same(await r.geosearchstore("s", "g", "FROMMEMBER", "Palermo", "BYBOX", 50, 50, "km"), 1);
  },

  async sort(r) {
    for (const n of SIZES) {
      await r.flushall();
      const numbers = range(n).map((i) => (i * 7919) % 100003);
      const ordered = [...numbers].sort((a, b) => a - b).map(String);
      await r.sadd("s", ...numbers);
      same(await r.sort("s"), ordered);
      same(await r.sort("s", "DESC", "LIMIT", 0, 2), ordered.slice(-2).reverse());
      await r.mset(Object.fromEntries(numbers.map((i) => ["w:" + i, -i])));
      same(await r.sort("s", "BY", "w:*", "GET", "w:*", "STORE", "out"), n);
      same(await r.lrange("out", 0, -1), ordered.map((i) => String(-i)).reverse());
    }
  },

  async blocking(r) {
    const cases = [
      [(b) => b.blpop("k", "l", 20), () => r.rpush("l", "v"), ["l", "v"]],
      [(b) => b.brpop("l", 20), () => r.rpush("l", 1, 2), ["l", "2"]],
      [(b) => b.blmove("l", "m", "LEFT", "LEFT", 20), () => r.rpush("l", "v"), "v"],
      [(b) => b.blmpop(20, 1, "l", "LEFT"), () => r.rpush("l", "v"), ["l", ["v"]]],
      [(b) => b.bzpopmin("z", 20), () => r.zadd("z", 1.5, "m"), ["z", "m", "1.5"]],
      [(b) => b.bzmpop(20, 1, "z", "MAX"), () => r.zadd("z", 1, "m"), ["z", [["m", "1"]]]],
      [(b) => b.xread("BLOCK", 20000, "STREAMS", "x", "$"), () => r.xadd("x", "5-5", "a", "b"),
        [["x", [["5-5", ["a", "b"]]]]]],
    ];
    for (const [call, wake, wanted] of cases) {
      await r.flushall();
      const b = connect();
      const got = call(b);
      await blocked(r, 1);
      await wake();
      same(await got, wanted);
      b.disconnect();
    }
    const b = connect();
    same(await b.blpop("nope", 0.02), null);
    b.disconnect();
  },

  async blocking_several(r) {
    const waiters = range(5).map(() => connect());
    const got = [];
    for (const [i, b] of waiters.entries()) {
      got.push(b.brpop("q", 20));
      await blocked(r, i + 1);
    }
    same(await r.lpush("q", 1, 2, 3), 3);
    same(await r.lpush("q", 4, 5), 2);
    same(await Promise.all(got), range(5).map((i) => ["q", String(i + 1)]));
    same(await r.exists("q"), 0);
    waiters.forEach((b) => b.disconnect());
  },

  async dump_restore(r) {
    for (const n of SIZES) {
      await r.flushall();
      await r.rpush("list", ...range(n));
      await r.sadd("set", ...range(n));
      await r.zadd("zset", ...range(n).flatMap((i) => [i, "m" + i]));
      await r.hset("hash", ...range(n).flatMap((i) => ["f" + i, i]));
      for (const i of range(n)) r.xadd("stream", i + 1, "a", i);
      for (const [key, read] of [["list", () => r.lrange("list", 0, -1)], ["set", () => r.sort("set")],
        ["zset", () => r.zrange("zset", 0, -1, "WITHSCORES")], ["hash", () => r.hgetall("hash")],
        ["stream", () => r.xrange("stream", "-", "+")]]) {
        const before = await read();
        const payload = await r.dumpBuffer(key);
        same(await r.del(key), 1);
        same(await r.restore(key, 0, payload), "OK");
        same([await r.type(key), await read()], [key, before]);
        await refused(r.restore(key, 0, payload), "BUSYKEY");
      }
    }
  },

  async scan(r) {
    const p = r.pipeline();
    for (const i of range(300)) p.sadd("set:" + i, 1).rpush("list:" + i, 1);
    await p.exec();
    same(new Set(await collect(r.scanStream({ count: 20 }))).size, 600);
    same(new Set(await collect(r.scanStream({ type: "list" }))), new Set(range(300).map((i) => "list:" + i)));
    same((await collect(r.scanStream({ match: "set:29?" }))).sort(), range(10).map((i) => "set:29" + i));
  },

  async pipeline(r) {
    const p = r.pipeline();
    for (const i of range(300)) {
      p.hset("h", "f" + i, i).rpush("l", i).sadd("s", i).zadd("z", i, i).xadd("x", i + 1, "i", i).get("h");
    }
    const out = await p.exec();
    same(out.length, 1800);
    range(300).forEach((i) => {
      same(out.slice(6 * i, 6 * i + 5), [1, i + 1, 1, 1, `${i + 1}-0`].map((v) => [null, v]));
      assert.ok(out[6 * i + 5][0].message.startsWith("WRONGTYPE"), String(out[6 * i + 5]));
    });
  },

  async auto_pipelining(r) {
    const a = connect({ enableAutoPipelining: true });
    await Promise.all(range(300).map((i) => a.hset("h", "f" + i, i)));
    same(await Promise.all(range(300).map((i) => a.hget("h", "f" + i))), range(300).map(String));
    a.disconnect();
  },

  async bytes(r) {
    const raw = Buffer.from([0, 255, 13, 10, 128]);
    await r.hset("h", raw, raw);
    same(await r.hgetallBuffer("h").then((h) => Object.values(h)), [raw]);
    await r.rpush("l", raw, "");
    same(await r.lrangeBuffer("l", 0, -1), [raw, Buffer.alloc(0)]);
    await r.sadd("s", raw);
    same(await r.smembersBuffer("s"), [raw]);
  },
};

kit.run(tests, async () => connect());
