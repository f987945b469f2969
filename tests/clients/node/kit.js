// What the programs of this folder share. Each is called by test_npm.py as
//
//   NODE_PATH=.../node_modules node PROGRAM.js PORT [NAME]
//
// A line "ok NAME", "skip NAME: why" or "fail NAME: why" for each test. Each finds the server empty.
"use strict";

const assert = require("assert");

const PORT = Number(process.argv[2]);
const LIMIT_MS = 120000; // a test that takes longer hangs
const same = assert.deepStrictEqual;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const range = (n) => [...Array(n).keys()];

class Skip extends Error {}

async function refused(promise, text) {
  await assert.rejects(promise, (e) => {
    assert.ok(e.message.includes(text), `${e.message}: should say ${text}`);
    return true;
  });
}

async function until(condition, what) {
  for (const end = Date.now() + 60000; !(await condition());) {
    assert.ok(Date.now() < end, `not within 60 s: ${what}`);
    await sleep(5);
  }
}

async function limited(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Runs all, or those whose name contains NAME, with one client that `connect` gives.
async function run(tests, connect) {
  const r = await connect();
  let failed = 0;
  for (const [title, test] of Object.entries(tests)) {
    if (process.argv[3] && !title.includes(process.argv[3])) continue;
    try {
      await (r.flushAll ? r.flushAll() : r.flushall());
      await limited(test(r));
      console.log("ok " + title);
    } catch (e) {
      failed += e instanceof Skip ? 0 : 1;
      console.log(e instanceof Skip ? `skip ${title}: ${e.message}` : `fail ${title}: ${e.stack}`);
    }
  }
  process.exit(failed ? 1 : 0); // a test that failed may have left connections
}

module.exports = { PORT, Skip, range, refused, run, same, sleep, until };
