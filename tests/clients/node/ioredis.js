// What ioredis sees besides types: transactions, messages, scripts, users.
"use strict";

const assert = require("assert");
const Redis = require("ioredis");
const kit = require("./kit");

const { range, refused, same, sleep, until } = kit;
// No INFO by itself: it may come when the connection listens already, or be more than a user may.
const connect = (how) => new Redis({ port: kit.PORT, host: "127.0.0.1", maxRetriesPerRequest: 1,
  enableReadyCheck: false, ...how });

// A connection that collects what it is told, and the list of that.
function listener(event = "message", how = {}) {
  const c = connect(how), heard = [];
  c.on(event, (...args) => heard.push(args));
  return [c, heard];
}

const tests = {
  async transactions(r) {
    same(await r.multi().set("a", 1).incr("a").get("a").exec(), [[null, "OK"], [null, 2], [null, "2"]]);
    const [[ok], [error]] = await r.multi().set("s", "x").incr("s").exec();
    same(ok, null);
    assert.ok(error.message.startsWith("ERR value is not an integer"), error.message);
    await refused(r.multi().call("SET", "only-a-key").get("a").exec(), "EXECABORT");
    await r.multi({ pipeline: false });
    same([await r.set("a", 3), await r.discard(), await r.get("a")], ["QUEUED", "OK", "2"]);
  },

  async watch(r) {
    const other = connect();
    await r.set("k", 1);
    await r.watch("k");
    await other.set("k", 2);
    same(await r.multi().set("k", 3).exec(), null);
    same(await r.get("k"), "2");
    // An optimistic counter that several share loses nothing.
    const add = async (c) => {
      for (;;) {
        await c.watch("n");
        const n = Number(await c.get("n"));
        if (await c.multi().set("n", n + 1).exec()) return;
      }
    };
    const clients = range(4).map(() => connect());
    await Promise.all(clients.map(async (c) => {
      for (let i = 0; i < 25; i++) await add(c);
    }));
    same(await r.get("n"), "100");
    [other, ...clients].forEach((c) => c.disconnect());
  },

  async messages(r) {
    const [c, heard] = listener();
    same(await c.subscribe("news", "other"), 2);
    same(await r.publish("news", "one"), 1);
    same(await r.pubsub("NUMSUB", "news", "nobody"), ["news", 1, "nobody", 0]);
    await until(() => heard.length === 1, "a message");
    same(heard, [["news", "one"]]);
    same(await c.unsubscribe("news"), 1);
    same(await r.publish("news", "two"), 0);
    await refused(c.get("k"), "subscriber mode");
    same(await c.unsubscribe(), 0);
    same(await c.get("k"), null);
    c.disconnect();
  },

  async patterns_and_shards(r) {
    const [c, heard] = listener("pmessage");
    await c.psubscribe("user:*");
    for (const i of range(100)) await r.publish("user:" + i, i);
    await until(() => heard.length === 100, "messages");
    same(heard[99], ["user:*", "user:99", "99"]);
    const [d, shard] = listener("smessage");
    await d.ssubscribe("s");
    same(await r.spublish("s", "x"), 1);
    await until(() => shard.length === 1, "a message");
    [c, d].forEach((x) => x.disconnect());
  },

  async keyspace_events(r) {
    const [c, heard] = listener("pmessage");
    await r.config("SET", "notify-keyspace-events", "KEA");
    try {
      await c.psubscribe("__keyevent@0__:*");
      await r.set("a", 1);
      await r.pexpire("a", 20);
      await r.lpush("l", 1);
      await until(() => heard.length >= 4, "events");
      same(heard.map(([, channel, key]) => channel.split(":")[1] + " " + key).sort(),
        ["expire a", "expired a", "lpush l", "set a"]);
    } finally {
      await r.config("SET", "notify-keyspace-events", "");
      c.disconnect();
    }
  },

  async scripts(r) {
    same(await r.eval("return {KEYS[1], ARGV[1], 3.7, false, {1, 2}}", 1, "k", "v"), ["k", "v", 3, null, [1, 2]]);
    r.defineCommand("limit", {
      numberOfKeys: 1,
      lua: `local n = redis.call('INCR', KEYS[1])
            if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
            return n <= tonumber(ARGV[1]) and 1 or 0`,
    });
    const passed = [];
    for (const i of range(5)) passed.push(await r.limit("rate", 3, 60000));
    same(passed, [1, 1, 1, 0, 0]);
    same(await r.script("FLUSH"), "OK");
    same(await r.limit("rate", 9, 60000), 1); // NOSCRIPT, then EVAL
    const p = r.pipeline();
    for (const i of range(50)) p.limit("pipe", 25, 60000);
    same((await p.exec()).filter(([, n]) => n === 1).length, 25);
    await refused(r.eval("return redis.call('NOSUCH')", 0), "Unknown Redis command called from script");
    await refused(r.eval("return redis.error_reply('MINE it is')", 0), "MINE it is");
  },

  async functions(r) {
    const code = `#!lua name=mylib
      redis.register_function('swap', function(keys, args)
        local old = redis.call('GET', keys[1])
        redis.call('SET', keys[1], args[1])
        return old
      end)`;
    same(await r.function("LOAD", "REPLACE", code), "mylib");
    await r.set("k", "old");
    same(await r.fcall("swap", 1, "k", "new"), "old");
    same(await r.get("k"), "new");
    same((await r.function("LIST"))[0][1], "mylib");
    same(await r.function("DELETE", "mylib"), "OK");
    await refused(r.fcall("swap", 1, "k", "new"), "Function not found");
  },

  async users(r) {
    same(await r.acl("SETUSER", "reader", "on", ">secret", "~pub:*", "+@read", "+ping"), "OK");
    const c = connect({ username: "reader", password: "secret" });
    same(await c.acl("WHOAMI").catch((e) => e.message.slice(0, 6)), "NOPERM");
    same(await c.get("pub:a"), null);
    await refused(c.get("priv"), "NOPERM");
    await refused(c.set("pub:a", 1), "NOPERM");
    const wrong = connect({ username: "reader", password: "no", retryStrategy: null, lazyConnect: true });
    const errors = [];
    wrong.on("error", (e) => errors.push(e.message));
    await wrong.connect().catch(() => {});
    await until(() => errors.some((e) => e.includes("WRONGPASS")), "WRONGPASS");
    same(await r.acl("DELUSER", "reader"), 1);
    [c, wrong].forEach((x) => x.disconnect());
  },

  async reconnects(r) {
    const c = connect({ maxRetriesPerRequest: 5, retryStrategy: () => 20 });
    const id = await c.client("ID");
    same(await r.client("KILL", "ID", id), 1);
    same(await c.set("k", "v"), "OK");
    assert.notStrictEqual(await c.client("ID"), id);
    c.disconnect();
  },

  async monitor(r) {
    const m = await connect().monitor(), seen = [];
    m.on("monitor", (_, args) => seen.push(args));
    await r.set("watched", "x");
    await until(() => seen.some((a) => a.join(" ").toLowerCase() === "set watched x"), "what SET was");
    m.disconnect();
    await sleep(1);
  },
};

kit.run(tests, async () => connect());
