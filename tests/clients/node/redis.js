// What node-redis sees, in RESP3 unless a test says otherwise.
"use strict";

const assert = require("assert");
const { createClient, createClientPool, defineScript, BasicClientSideCache, RESP_TYPES } = require("redis");
const kit = require("./kit");

const { Skip, range, refused, same, until } = kit;

async function connect(how = {}) {
  const c = createClient({ socket: { port: kit.PORT, host: "127.0.0.1" }, RESP: 3, ...how });
  c.on("error", () => {});
  return c.connect();
}

const plain = (o) => ({ ...o });

const tests = {
  async types(r) {
    same(await r.set("k", "v", { expiration: { type: "PX", value: 60000 }, GET: true }), null);
    same(await r.get("k"), "v");
    assert.ok((await r.pTTL("k")) > 0);
    same(await r.hSet("h", { a: "1", b: "2" }), 2);
    same(plain(await r.hGetAll("h")), { a: "1", b: "2" });
    same(await r.zAdd("z", [{ score: 1.5, value: "a" }, { score: Infinity, value: "b" }]), 2);
    same(await r.zRangeWithScores("z", 0, -1), [{ value: "a", score: 1.5 }, { value: "b", score: Infinity }]);
    same(await r.zScore("z", "nope"), null);
    same(await r.sAdd("s", ["x", "y"]), 2);
    same((await r.sMembers("s")).sort(), ["x", "y"]);
    same(await r.lPush("l", ["1", "2"]), 2);
    same(await r.lmPop("l", "LEFT", { COUNT: 2 }), ["l", ["2", "1"]]);
    same(await r.geoAdd("g", { longitude: 13.361389, latitude: 38.115556, member: "Palermo" }), 1);
    same((await r.geoPos("g", "Palermo")).length, 1);
    same(await r.pfAdd("p", ["a", "b"]), 1);
    same(await r.setBit("bits", 7, 1), 0);
    same(await r.bitField("bits", [{ operation: "GET", encoding: "u8", offset: 0 }]), [1]);
  },

  async streams(r) {
    same(await r.xAdd("x", "1-1", { a: "b" }), "1-1");
    same(await r.xGroupCreate("x", "g", "0"), "OK");
    const two = await connect({ RESP: 2 }); // node-redis does not take this in RESP3
    const [read] = await two.xReadGroup("g", "c", { key: "x", id: ">" });
    same([read.name, read.messages.map((m) => [m.id, plain(m.message)])], ["x", [["1-1", { a: "b" }]]]);
    two.destroy();
    same((await r.xPending("x", "g")).pending, 1);
    same(await r.xAck("x", "g", "1-1"), 1);
    same((await r.xInfoStream("x")).length, 1);
  },

  async expiry_of_fields(r) {
    if (!(await r.sendCommand(["COMMAND", "INFO", "HEXPIRE"]))[0]) throw new Skip("no command hexpire");
    await r.hSet("h", { a: "1", b: "2" });
    same(await r.hExpire("h", "a", 100), [1]);
    same(await r.hTTL("h", "b"), [-1]);
    same(await r.hPersist("h", "a"), [1]);
  },

  async transactions(r) {
    same(await r.multi().set("a", "1").incr("a").exec(), ["OK", 2]);
    const other = await connect();
    await other.watch("a");
    await r.set("a", "9");
    await refused(other.multi().get("a").exec(), "watched keys has been changed");
    other.destroy();
  },

  async pipelines(r) {
    const n = 2000;
    await Promise.all(range(n).map((i) => r.set("k" + i, "v" + i)));
    same(await Promise.all(range(n).map((i) => r.get("k" + i))), range(n).map((i) => "v" + i));
    same(await r.dbSize(), n);
  },

  async scans(r) {
    await r.mSet(Object.fromEntries(range(500).map((i) => ["k" + i, "v"])));
    const found = new Set();
    for await (const keys of r.scanIterator({ COUNT: 50 })) for (const k of keys) found.add(k);
    same(found.size, 500);
  },

  async messages(r) {
    for (const RESP of [2, 3]) {
      const c = await connect({ RESP }), heard = [];
      await c.subscribe("news", (message, channel) => heard.push([channel, message]));
      await c.pSubscribe("n*", (message, channel) => heard.push([channel, message, "p"]));
      await c.sSubscribe("shard", (message, channel) => heard.push([channel, message]));
      same(await r.publish("news", "one"), 2);
      same(await r.sPublish("shard", "two"), 1);
      await until(() => heard.length === 3, "messages");
      same(heard.sort(), [["news", "one"], ["news", "one", "p"], ["shard", "two"]]);
      if (RESP === 3) same(await c.get("k"), null); // no subscriber mode
      await c.unsubscribe("news");
      same(await r.publish("news", "three"), 1);
      c.destroy();
    }
  },

  async blocking_in_a_pool(r) {
    const pool = createClientPool({ socket: { port: kit.PORT, host: "127.0.0.1" }, RESP: 3 });
    await pool.connect();
    const got = pool.execute((c) => c.blPop("q", 20));
    await until(async () => (await r.info("clients")).includes("blocked_clients:1\r"), "a blocked client");
    await r.rPush("q", "v");
    same(plain(await got), { key: "q", element: "v" });
    pool.destroy();
  },

  async scripts() {
    const c = await connect({
      scripts: {
        add: defineScript({
          NUMBER_OF_KEYS: 1,
          SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
          parseCommand(parser, key, n) {
            parser.pushKey(key);
            parser.push(String(n));
          },
          transformReply: (n) => n,
        }),
      },
    });
    same(await c.scriptFlush(), "OK");
    same([await c.add("n", 5), await c.add("n", 6)], [5, 11]);
    same(await c.eval("return ARGV", { arguments: ["a", "b"] }), ["a", "b"]);
    same(await c.eval("redis.setresp(3); return redis.call('HGETALL', KEYS[1])", { keys: ["nope"] }).then(plain), {});
    c.destroy();
  },

  async client_side_cache(r) {
    const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: "LRU" });
    const c = await connect({ clientSideCache: cache });
    await r.set("k", "1");
    same([await c.get("k"), await c.get("k"), await c.get("k")], ["1", "1", "1"]);
    same(cache.stats().hitCount, 2);
    await r.set("k", "2");
    await until(async () => (await c.get("k")) === "2", "the new value");
    await r.pExpire("k", 10);
    await until(async () => (await c.get("k")) === null, "nothing, as it has expired");
    await r.set("k", "3");
    await until(async () => (await c.get("k")) === "3", "the newest value");
    await r.flushAll();
    await until(async () => (await c.get("k")) === null, "nothing, after a flush");
    c.destroy();
  },

  async reply_types(r) {
    const buffers = r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const raw = Buffer.from([0, 255, 13, 10, 128]);
    await r.set("raw", raw);
    same(await buffers.get("raw"), raw);
    const strings = r.withTypeMapping({ [RESP_TYPES.DOUBLE]: String });
    await r.zAdd("z", { score: 0.25, value: "m" });
    same(await strings.zScore("z", "m"), "0.25");
  },

  async errors(r) {
    await refused(r.sendCommand(["NOSUCH", "x"]), "unknown command");
    await r.set("k", "x");
    await refused(r.incr("k"), "not an integer");
    await refused(r.lPush("k", "x"), "WRONGTYPE");
    same(await r.ping(), "PONG");
  },
};

kit.run(tests, connect);
