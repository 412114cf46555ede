import assert from "node:assert/strict";
import { test } from "node:test";

import { StoredLocks } from "../../static/js/editor/locks.js";
import { FakeDatabase } from "./support.mjs";

/** Two tabs of one browser that has no Web Locks, with a clock and timers that the test moves. */
function browser() {
  const database = new FakeDatabase("name");
  const clock = { now: 0 };
  const tab = (name) => {
    const timers = {
      setInterval: (run) => (timers.renew = run),
      setTimeout: (run) => void setImmediate(run),
    };
    return Object.assign(new StoredLocks(database, { now: () => clock.now, timers, tab: name }), { renew: () => timers.renew() });
  };
  return { clock, one: tab("one"), two: tab("two"), settled: () => database.last };
}

test("what one tab holds no other gets, until it is released", async () => {
  const { one, two, settled } = browser();
  assert.equal(await one.claim("task"), true);
  assert.equal(await one.claim("task"), true, "one's own");
  assert.equal(await two.claim("task"), false);
  assert.equal(await two.claim("other"), true);
  assert.deepEqual((await one.names()).sort(), ["other", "task"]);
  one.release("task");
  await settled();
  assert.equal(await two.claim("task"), true);
});

test("a tab that renews keeps its lock, and one that is gone loses it", async () => {
  const { clock, one, two } = browser();
  await one.claim("task");
  for (let i = 0; i < 5; i++) {
    clock.now += 2000;
    await one.renew();
  }
  assert.equal(await two.claim("task"), false, "ten seconds later it is still held");
  clock.now += 6001; // its tab was killed, or sleeps
  assert.deepEqual(await two.names(), []);
  assert.equal(await two.claim("task"), true);
  assert.equal(await one.claim("task"), false);
});

test("who was asleep hears that the lock is gone", async () => {
  const { clock, one, two, settled } = browser();
  const lost = [];
  await one.claim("task", { onLost: (name) => lost.push(name) });
  clock.now += 6001;
  await two.claim("task");
  await one.renew();
  assert.deepEqual(lost, ["task"]);
  one.release("task");
  await settled();
  assert.deepEqual(await one.names(), ["task"]);
});

test("who leaves without having heard takes nothing from the other", async () => {
  const { clock, one, two, settled } = browser();
  const lost = [];
  await one.claim("task");
  clock.now += 6001;
  await two.claim("task", { onLost: (name) => lost.push(name) });
  one.release("task");
  await settled();
  assert.deepEqual(await one.names(), ["task"]);
  // A tab that closes right after its page was taken over deletes the row in good faith.
  await one.claim("task", { steal: true });
  two.release("task");
  await settled();
  await one.renew();
  assert.deepEqual([await two.claim("task"), lost], [false, []]);
});

test("a page is taken over from another tab, which hears of it", async () => {
  const { one, two } = browser();
  const lost = [];
  await one.claim("task", { onLost: (name) => lost.push(name) });
  assert.equal(await two.claim("task", { steal: true }), true);
  await one.renew();
  assert.deepEqual(lost, ["task"]);
  await two.renew();
  assert.equal(await one.claim("task"), false);
});

test("of two tabs one sends at a time, also when sending fails", async () => {
  const { one, two } = browser();
  let running = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, (running += 1));
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    running -= 1;
    return "sent";
  };
  const failing = one.hold("sync", async () => {
    await work();
    throw new Error("no network");
  });
  const [first, second] = await Promise.allSettled([failing, two.hold("sync", work)]);
  assert.deepEqual([first.status, second.value, most], ["rejected", "sent", 1]);
  assert.equal(await one.hold("sync", work), "sent");
});
