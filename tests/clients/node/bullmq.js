// BullMQ: job queues made of scripts, streams, sorted sets and blocking commands.
"use strict";

const assert = require("assert");
const { FlowProducer, Queue, QueueEvents, Worker } = require("bullmq");
const Redis = require("ioredis");
const kit = require("./kit");

const { range, same, sleep, until } = kit;
const connection = { port: kit.PORT, host: "127.0.0.1", maxRetriesPerRequest: null };

// A queue, its worker and its events, which `use` gets; all are closed afterwards.
async function queue(work, use, options = {}) {
  const q = new Queue("q", { connection });
  const events = new QueueEvents("q", { connection, lastEventId: "0-0" }); // also what came before it listened
  const worker = new Worker("q", work, { connection, ...options });
  worker.on("error", () => {});
  try {
    await Promise.all([q.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()]);
    return await use(q, worker, events);
  } finally {
    await worker.close(true);
    await Promise.all([q.close(), events.close()]);
  }
}

const tests = {
  async one_job() {
    await queue(async (job) => job.data.a + job.data.b, async (q, worker, events) => {
      const job = await q.add("sum", { a: 40, b: 2 });
      same(await job.waitUntilFinished(events, 60000), 42);
      same(await job.getState(), "completed");
    });
  },

  async many_jobs() {
    const done = [];
    await queue(async (job) => done.push(job.data), async (q) => {
      await q.addBulk(range(500).map((i) => ({ name: "j", data: i })));
      await until(() => done.length === 500, "500 jobs done");
      await until(async () => (await q.getJobCounts("completed")).completed === 500, "500 completed");
      same(done.sort((a, b) => a - b), range(500));
      const { active, waiting, failed } = await q.getJobCounts("active", "waiting", "failed");
      same([active, waiting, failed], [0, 0, 0]);
    }, { concurrency: 20 });
  },

  async several_workers() {
    const done = [];
    const workers = range(4).map(() => new Worker("q", async (job) => done.push(job.id), { connection, concurrency: 5 }));
    const q = new Queue("q", { connection });
    await q.addBulk(range(400).map((i) => ({ name: "j", data: i })));
    await until(() => done.length === 400, "400 jobs done");
    same(new Set(done).size, 400); // each once
    await Promise.all(workers.map((w) => w.close(true)));
    await q.close();
  },

  async delays() {
    await queue(async () => Date.now(), async (q, worker, events) => {
      const start = Date.now();
      const delays = [900, 300, 600]; // the first shall be due when the last has long been added
      const jobs = await Promise.all(delays.map((delay) => q.add("j", {}, { delay })));
      const ends = await Promise.all(jobs.map((j) => j.waitUntilFinished(events, 60000)));
      delays.forEach((ms, i) => assert.ok(ends[i] - start >= ms, `${ends[i] - start} >= ${ms}`));
      assert.ok(ends[1] <= ends[2] && ends[2] <= ends[0], String(ends));
    });
  },

  async priorities() {
    const q = new Queue("q", { connection });
    for (const priority of [5, 1, 3, 2, 4]) await q.add("j", priority, { priority });
    const order = [];
    const worker = new Worker("q", async (job) => order.push(job.data), { connection });
    await until(() => order.length === 5, "five jobs");
    same(order, [1, 2, 3, 4, 5]);
    await worker.close(true);
    await q.close();
  },

  async retries() {
    let runs = 0;
    await queue(async () => {
      if (++runs < 3) throw new Error("once more");
      return "at last";
    }, async (q, worker, events) => {
      const job = await q.add("j", {}, { attempts: 3, backoff: { type: "fixed", delay: 20 } });
      same(await job.waitUntilFinished(events, 60000), "at last");
      runs = -10;
      const bad = await q.add("j", {}, { attempts: 1 });
      await assert.rejects(bad.waitUntilFinished(events, 60000), /once more/);
      same((await q.getFailed()).map((j) => j.failedReason), ["once more"]);
    });
  },

  async flows() {
    const flow = new FlowProducer({ connection });
    await queue(async (job) => {
      if (job.name !== "parent") return job.data;
      return Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
    }, async (q, worker, events) => {
      const tree = await flow.add({
        name: "parent", queueName: "q",
        children: range(10).map((i) => ({ name: "child", queueName: "q", data: i })),
      });
      same(await tree.job.waitUntilFinished(events, 60000), 45);
    }, { concurrency: 3 });
    await flow.close();
  },

  async schedules() {
    const done = [];
    await queue(async (job) => done.push(job.data), async (q) => {
      await q.upsertJobScheduler("tick", { every: 50, limit: 4 }, { name: "j", data: "tick" });
      await until(() => done.length >= 4, "four ticks");
      await sleep(200);
      same(done, Array(4).fill("tick"));
    });
  },

  async limits() {
    const done = [];
    await queue(async () => done.push(Date.now()), async (q) => {
      const start = Date.now(); // when the first was done may be told late
      await q.addBulk(range(6).map((i) => ({ name: "j", data: i })));
      await until(() => done.length === 6, "six jobs");
      assert.ok(done[5] - start >= 300, `${done[5] - start} ms`); // two in 200 ms
    }, { limiter: { max: 2, duration: 200 } });
  },

  async pause_and_removal() {
    const done = [];
    await queue(async (job) => done.push(job.data), async (q) => {
      await q.pause();
      const jobs = await q.addBulk(range(10).map((i) => ({ name: "j", data: i })));
      await jobs[3].remove();
      const { paused, waiting } = await q.getJobCounts("paused", "waiting");
      same([paused, waiting], [9, 0]);
      same(done, []);
      await q.resume();
      await until(async () => (await q.getJobCounts("completed")).completed === 9, "nine jobs");
      same(done.length, 9);
      await q.obliterate({ force: true });
      const r = new Redis(connection);
      same((await r.keys("bull:q:*")).filter((k) => !/:(events|meta|stalled-check|marker)$/.test(k)), []);
      r.disconnect();
    });
  },

  async events() {
    const seen = [];
    await queue(async (job) => job.updateProgress(50), async (q, worker, events) => {
      const names = ["added", "active", "progress", "completed"];
      for (const name of names) events.on(name, () => seen.push(name));
      await q.add("j", {});
      await until(() => seen.includes("completed"), "it has completed");
      same(seen, names);
    });
  },

  async stalled_jobs() {
    const q = new Queue("q", { connection });
    const job = await q.add("j", {});
    let taken = false; // by then its state may be another: that worker sees to stalled jobs too
    const dead = new Worker("q", () => {
      taken = true;
      return sleep(600000);
    }, { connection, lockDuration: 100, lockRenewTime: 1e6, stalledInterval: 50 });
    dead.on("error", () => {});
    await until(() => taken, "it is active");
    const worker = new Worker("q", async () => "done", { connection, stalledInterval: 50, lockDuration: 10000 });
    await until(async () => (await job.getState()) === "completed", "another worker did it");
    await worker.close(true);
    await dead.close(true);
    await q.close();
  },
};

kit.run(tests, async () => new Redis(connection));
