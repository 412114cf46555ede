import assert from "node:assert/strict";
import { test } from "node:test";

import { budgetOf, Ring, wanted } from "../../static/js/editor/ring.js";

const MB = 2 ** 20;

test("as many pages as pass while one is fetched, and one more", () => {
  const speed = { bytes: MB, budget: 256 * MB };
  assert.equal(wanted({ ...speed, refill: 0.3, page: 3 }), 2);
  assert.equal(wanted({ ...speed, refill: 1.5, page: 0.8 }), 3);
  assert.equal(wanted({ ...speed, refill: 10, page: 0.1 }), 4, "never more than four");
});

test("no more than memory allows, but one", () => {
  assert.equal(wanted({ refill: 10, page: 0.1, bytes: 100 * MB, budget: 256 * MB }), 2);
  assert.equal(wanted({ refill: 10, page: 0.1, bytes: 900 * MB, budget: 256 * MB }), 1);
  assert.equal(budgetOf(8), 512 * MB);
  assert.equal(budgetOf(0.5), 128 * MB);
});

function ring({ pages = 10, bytes = MB } = {}) {
  let next = 0;
  let clock = 0;
  const given = [];
  const made = new Ring({
    fetchNext: async () => {
      clock += 200;
      return next < pages ? { task: { id: (next += 1) } } : null;
    },
    load: async () => bytes,
    giveBack: (page) => given.push(page.task.id),
    budget: 256 * MB,
    now: () => clock,
  });
  return { made, given, pass: (ms) => (clock += ms) };
}

test("pages come in the order in which they were taken, and the ring fills up again", async () => {
  const { made, pass } = ring();
  assert.equal(made.take(), null);
  await made.fill();
  assert.deepEqual(made.tasks.map((one) => one.id), [1, 2]);
  pass(3000);
  assert.equal(made.take().task.id, 1);
  await made.fill();
  assert.deepEqual(made.tasks.map((one) => one.id), [2, 3]);
});

test("a fast hand has more pages ahead", async () => {
  const { made, pass } = ring({ pages: 100 });
  for (let i = 0; i < 20; i++) {
    pass(100);
    made.take();
  }
  await made.fill();
  assert.ok(made.pages.length > 2, `${made.pages.length}`);
});

test("where the site has none to give, the ring stops asking until it is filled again", async () => {
  const { made } = ring({ pages: 1 });
  await made.fill();
  assert.equal(made.pages.length, 1);
  made.take();
  await made.fill();
  assert.equal(made.take(), null);
});

test("all go back when others have nothing to do; a lost one is forgotten", async () => {
  const { made, given } = ring();
  await made.fill();
  made.forget(1);
  made.empty();
  assert.deepEqual(given, [2]);
  assert.deepEqual(made.tasks, []);
});

test("a page that was on its way when all were given back goes back, too", async () => {
  const { made, given } = ring();
  const filled = made.fill();
  made.empty();
  await filled;
  assert.deepEqual([given, made.tasks], [[1], []]);
  await made.fill();
  assert.deepEqual(made.tasks.map((one) => one.id), [2, 3]);
});

test("two calls to fill are one", async () => {
  const { made } = ring();
  await Promise.all([made.fill(), made.fill()]);
  assert.equal(made.pages.length, 2);
});
