import assert from "node:assert/strict";
import { test } from "node:test";

import { boundsOf } from "../../static/js/editor/geometry.js";
import { SpatialIndex, difference, searchIn, touches } from "../../static/js/editor/spatial.js";

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

let made = 0;
const box = (random) => ({ id: (made += 1), box: { x: random() * 900, y: random() * 900, width: 1 + random() * 90, height: 1 + random() * 90 } });
const slow = (list, region) => list.filter((one) => touches(boundsOf(one), region));

test("what lies between two lists", () => {
  const [a, b, c, d] = [{}, {}, {}, {}];
  assert.deepEqual(difference([a, b, c], [a, b, c]), { removed: [], added: [], reordered: false });
  const replaced = difference([a, b, c], [a, d, c]);
  assert.ok(replaced.removed[0] === b && replaced.added[0] === d && !replaced.reordered);
  const grown = difference([a], [a, b, c]);
  assert.ok(grown.removed.length === 0 && grown.added.length === 2);
  assert.equal(difference([a, b, c], [b, c, a]).reordered, true);
  assert.equal(difference([a, b, c], [c]).reordered, false);
});

test("through any edits the index finds what a walk over the list finds, in the same order", () => {
  const random = generator(7);
  let list = Array.from({ length: 700 }, () => box(random));
  const before = [list];
  const index = new SpatialIndex(list);
  for (let round = 0; round < 300; round++) {
    const at = Math.floor(random() * list.length);
    const kind = Math.floor(random() * 5);
    if (kind === 0) list = [...list, box(random)];
    else if (kind === 1) list = list.filter((_, i) => i !== at);
    else if (kind === 2) list = list.map((one, i) => (i === at ? { ...one, box: { ...one.box, x: random() * 900 } } : one));
    else if (kind === 3) list = [...list.filter((_, i) => i !== at), list[at]];
    else list = before[Math.floor(random() * before.length)]; // undo
    before.push(list);
    if (round % 3 === 0) continue; // several changes between two questions
    index.update(list);
    const [x, y] = [random() * 900, random() * 900];
    const region = [x, y, x + random() * 200, y + random() * 200];
    assert.deepEqual(index.search(region), slow(list, region));
  }
});

test("few annotations need no index, and an empty list has nothing", () => {
  const random = generator(3);
  const few = [box(random), box(random)];
  assert.deepEqual(new SpatialIndex(few).search([0, 0, 1000, 1000]), few);
  assert.deepEqual(new SpatialIndex([]).search([0, 0, 1000, 1000]), []);
});

test("the shared index follows from one image to the next", () => {
  const random = generator(5);
  const [first, second] = [Array.from({ length: 300 }, () => box(random)), Array.from({ length: 200 }, () => box(random))];
  const all = [-1, -1, 2000, 2000];
  assert.deepEqual(searchIn(first, all), first);
  assert.deepEqual(searchIn(second, all), second);
  assert.deepEqual(searchIn([], all), []);
});
