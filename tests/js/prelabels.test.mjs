import assert from "node:assert/strict";
import { test } from "node:test";

import { isSame, plain, Suggestions, suggestionsOf } from "../../static/js/editor/prelabels.js";
import { Store } from "../../static/js/editor/store.js";

const box = (x) => ({ x, y: 10, width: 20, height: 20 });
const PRELABELS = [
  { id: "a", label_class: 1, frame: 0, confidence: 0.4, produced_by: "m", box: box(0) },
  { id: "b", label_class: 2, frame: 0, confidence: 0.9, produced_by: "m", box: box(50) },
];
const POLYGON = { parts: [{ outer: [[0, 0], [9, 0], [9, 9]], holes: [] }] };

function opened(prelabels = PRELABELS) {
  const suggestions = new Suggestions();
  suggestions.begin(suggestionsOf(prelabels));
  const store = new Store({ size: { width: 100, height: 80 }, annotations: suggestions.adopt(suggestionsOf(prelabels)) });
  store.view.isVeiled = (one) => suggestions.isVeiled(one);
  return { suggestions, store };
}

test("the surest comes first; a multi-class image has only that one", () => {
  assert.deepEqual(suggestionsOf(PRELABELS).map((one) => one.id), ["b", "a"]);
  assert.deepEqual(suggestionsOf(PRELABELS, { single: true }).map((one) => one.id), ["b"]);
  assert.deepEqual(suggestionsOf(undefined), []);
});

test("a suggestion is pending until it is accepted, changed or deleted; undo brings it back", () => {
  const { suggestions, store } = opened();
  assert.equal(suggestions.pending(store.annotations).length, 2);
  store.replace([plain(store.get("a"))]);
  assert.deepEqual(suggestions.pending(store.annotations).map((one) => one.id), ["b"]);
  store.replace([{ ...store.get("b"), box: box(51) }]);
  assert.deepEqual(suggestions.pending(store.annotations), [], "one pixel is a correction");
  store.remove(["b"]);
  for (let step = 0; step < 3; step++) store.undo();
  assert.equal(suggestions.pending(store.annotations).length, 2);
});

test("another class is a correction, too", () => {
  const { suggestions, store } = opened();
  store.replace([{ ...store.get("a"), label_class: 7 }]);
  assert.ok(!suggestions.isPending(store.get("a")));
});

test("moved and moved back is what was suggested", () => {
  const { suggestions, store } = opened();
  store.replace([{ ...store.get("a"), box: box(1) }]);
  store.replace([{ ...store.get("a"), box: box(0) }]);
  assert.ok(suggestions.isPending(store.get("a")));
});

test("a copy of a suggestion is one's own", () => {
  const { suggestions, store } = opened();
  store.add([{ ...store.get("a"), id: "copy" }]);
  assert.ok(!suggestions.isPending(store.get("copy")));
  assert.deepEqual(suggestions.sent(store.annotations).map((one) => [one.id, one.suggested]), [["b", true], ["a", true], ["copy", undefined]]);
});

test("the threshold hides those that are less sure, and only while nobody has touched them", () => {
  const { suggestions, store } = opened();
  suggestions.threshold = 0.5;
  store.look(() => {});
  assert.deepEqual(store.visible.map((one) => one.id), ["b"]);
  assert.deepEqual(suggestions.pending(store.annotations).map((one) => one.id), ["b"]);
  assert.deepEqual(suggestions.veiled(store.annotations).map((one) => one.id), ["a"]);
  store.replace([{ ...store.get("a"), label_class: 2 }]);
  assert.equal(store.visible.length, 2);
});

test("a draft that comes back refers to the same suggestions", () => {
  const { suggestions, store } = opened([{ ...PRELABELS[0], polygon: POLYGON, box: undefined }, PRELABELS[1]]);
  store.remove(["b"]);
  const draft = JSON.parse(JSON.stringify(suggestions.sent(store.annotations)));
  const back = suggestions.adopt(draft);
  assert.deepEqual(suggestions.pending(back).map((one) => one.id), ["a"]);
  assert.equal(back[0], suggestions.originals.get("a"), "the very object, so that comparing costs nothing");
});

test("same means class, frame and shape", () => {
  assert.ok(isSame({ label_class: 1 }, { label_class: 1, frame: 0 }));
  assert.ok(!isSame({ label_class: 1, frame: 1 }, { label_class: 1 }));
  assert.ok(!isSame({ label_class: 1, box: box(0) }, { label_class: 1 }));
  assert.ok(!isSame({ label_class: 1, box: box(0) }, { label_class: 1, polygon: POLYGON }));
  assert.ok(isSame({ label_class: 1, polygon: POLYGON }, { label_class: 1, polygon: structuredClone(POLYGON) }));
});
