import assert from "node:assert/strict";
import { test } from "node:test";

import { apply, inverse, joined } from "../../static/js/editor/operations.js";
import { Store } from "../../static/js/editor/store.js";
import { generator } from "./support.mjs";

const SIZE = { width: 100, height: 100 };
const box = (id, label_class = 1, x = 0) => ({ id, label_class, frame: 0, box: { x, y: 0, width: 10, height: 10 } });

/** One edit of any kind on random annotations. */
function edit(store, random, step) {
  const pick = () => store.annotations.filter(() => random() < 0.3).map((one) => one.id);
  const fresh = (n) => Array.from({ length: n }, (_, i) => box(`${step}-${i}`, 1 + Math.floor(random() * 3)));
  const kind = Math.floor(random() * 8);
  const some = pick();
  if (kind === 4) store.reorder(some, store.annotations.findLast((one) => !some.includes(one.id))?.id ?? null);
  else if (kind === 5) store.reorder(some, null);
  else if (kind === 6) store.divide(some.slice(0, 1).map((id) => ({ ...store.get(id), label_class: 7 })), fresh(2));
  else if (kind === 7 && some.length > 1) store.absorb({ ...store.get(some[0]), label_class: 8 }, some.slice(1));
  else if (kind === 0) store.add(fresh(1 + Math.floor(random() * 3)));
  else if (kind === 1) store.remove(pick());
  else if (kind === 2) store.replace(pick().map((id) => ({ ...store.get(id), label_class: 9, box: { ...store.get(id).box, x: step } })));
  else store.swap(pick(), fresh(Math.floor(random() * 3)));
}

test("undo after any edits gives back every state before, and redo every state after", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = generator(seed);
    const store = new Store({ size: SIZE, annotations: [box("a"), box("b", 2), box("c")] });
    const states = [store.annotations];
    for (let step = 0; step < 25; step++) {
      const before = store.done.length;
      edit(store, random, step);
      if (store.done.length > before) states.push(store.annotations);
    }
    for (let i = states.length - 2; i >= 0; i--) {
      assert.ok(store.undo());
      assert.deepEqual(store.annotations, states[i], `seed ${seed}: undo to ${i}`);
    }
    assert.equal(store.undo(), false);
    for (let i = 1; i < states.length; i++) {
      assert.ok(store.redo());
      assert.deepEqual(store.annotations, states[i], `seed ${seed}: redo to ${i}`);
    }
    assert.equal(store.redo(), false);
  }
});

test("the inverse of the inverse is the operation", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = generator(seed);
    const store = new Store({ size: SIZE, annotations: [box("a"), box("b"), box("c")] });
    for (let step = 0; step < 8; step++) edit(store, random, step);
    for (const operation of store.done) assert.deepEqual(inverse(inverse(operation)), operation);
  }
});

test("what listeners hear, applied in order, is what the store holds", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = generator(seed);
    const start = [box("a"), box("b", 2), box("c")];
    const store = new Store({ size: SIZE, annotations: start });
    const sources = new Set();
    let copy = start;
    store.addEventListener("change", ({ detail }) => {
      sources.add(detail.source);
      copy = apply(copy, detail.operation);
    });
    for (let step = 0; step < 12; step++) {
      edit(store, random, step);
      if (random() < 0.4) store.undo();
      if (random() < 0.4) store.redo();
      assert.deepEqual(copy, store.annotations, `seed ${seed}, step ${step}`);
      assert.equal(store.byId.size, store.annotations.length);
      for (const one of store.annotations) assert.equal(store.get(one.id), one, `seed ${seed}, step ${step}: found by id`);
    }
    while (store.undo());
    assert.deepEqual(copy, start);
    for (const source of sources) assert.ok(["edit", "undo", "redo"].includes(source));
  }
});

test("an operation that does not fit is refused, not half applied", () => {
  const list = [box("a"), box("b")];
  const copy = structuredClone(list);
  assert.throws(() => apply(list, [{ id: "x", before: box("x"), after: null, at: 0 }]), /No annotation x/);
  assert.throws(() => apply(list, [{ id: "a", before: null, after: box("a"), at: 1 }]), /cannot go/);
  assert.throws(() => apply(list, [{ id: "z", before: null, after: box("z"), at: 7 }]), /cannot go/);
  assert.deepEqual(list, copy);
});

test("a new edit ends what could be redone", () => {
  const store = new Store({ size: SIZE });
  store.add([box("a")]);
  store.undo();
  assert.ok(store.canRedo);
  store.add([box("b")]);
  assert.equal(store.canRedo, false);
  assert.deepEqual(store.annotations.map((one) => one.id), ["b"]);
});

test("quick nudges are one step, slow ones are not", () => {
  let now = 0;
  const store = new Store({ size: SIZE, annotations: [box("a")], now: () => now });
  const nudge = (x) => store.replace([{ ...box("a"), box: { ...box("a").box, x } }], { join: "nudge a" });
  nudge(1);
  now += 100;
  nudge(2);
  now += 100;
  nudge(3);
  assert.equal(store.done.length, 1);
  now += 5000;
  nudge(4);
  assert.equal(store.done.length, 2);
  store.undo();
  assert.equal(store.get("a").box.x, 3);
  store.undo();
  assert.equal(store.get("a").box.x, 0);
});

test("only edits of the same annotations are joined", () => {
  const change = (id, from, to) => [{ id, before: box(id, 1, from), after: box(id, 1, to), at: 0 }];
  assert.deepEqual(joined(change("a", 0, 1), change("a", 1, 2)), change("a", 0, 2));
  assert.equal(joined(change("a", 0, 1), change("b", 0, 1)), null);
  assert.equal(joined(change("a", 0, 1), [{ id: "a", before: box("a"), after: null, at: 0 }]), null);
});

test("while locked only the newest annotation may change", () => {
  const store = new Store({ size: SIZE, annotations: [box("a")] });
  store.add([box("b")]);
  store.setLocked(true);
  assert.equal(store.canEdit("a"), false);
  assert.equal(store.canEdit("b"), true);
  store.setLocked(false);
  assert.equal(store.canEdit("a"), true);
});

test("a hidden class is neither visible nor selected", () => {
  const store = new Store({ size: SIZE, annotations: [box("a", 1), box("b", 2)] });
  store.select("a");
  store.setHidden(1, true);
  assert.equal(store.selection, null);
  assert.deepEqual(store.visible.map((one) => one.id), ["b"]);
  store.setHidden(1, false);
  assert.equal(store.visible.length, 2);
});

test("each frame shows its own annotations", () => {
  const store = new Store({ size: SIZE, annotations: [box("a"), { ...box("b"), frame: 3 }] });
  assert.deepEqual(store.visible.map((one) => one.id), ["a"]);
  store.setFrame(3);
  assert.deepEqual(store.visible.map((one) => one.id), ["b"]);
  assert.equal(store.annotations.length, 2);
});

test("moving in the drawing order keeps the order of those that move", () => {
  const store = new Store({ size: SIZE, annotations: ["a", "b", "c", "d"].map((id) => box(id)) });
  const order = () => store.annotations.map((one) => one.id).join("");
  store.reorder(["a", "c"], "d");
  assert.equal(order(), "bdac");
  store.reorder(["c"], null);
  assert.equal(order(), "cbda");
  store.reorder(["b"], "c");
  assert.equal(store.done.length, 2, "it lies there already");
  store.undo();
  store.undo();
  assert.equal(order(), "abcd");
});

test("several are selected, toggled, and deselected when they are hidden", () => {
  const store = new Store({ size: SIZE, annotations: [box("a", 1), box("b", 2), box("c", 1)] });
  store.selectAll(["a", "b"]);
  assert.equal(store.selection, null, "several are no single one");
  assert.deepEqual(store.chosen.map((one) => one.id), ["a", "b"]);
  store.toggle("c");
  store.toggle("a");
  assert.deepEqual(store.chosen.map((one) => one.id), ["b", "c"]);
  store.look((view) => view.hide(["c"], true));
  assert.equal(store.selection.id, "b");
});

test("one, a class or all are hidden and locked", () => {
  const store = new Store({ size: SIZE, annotations: [box("a", 1), box("b", 2), box("c", 1)] });
  const seen = () => store.visible.map((one) => one.id).join("");
  assert.equal(store.visible, store.visible, "the same list while nothing changes");
  store.look((view) => view.hide(["a"], true));
  assert.equal(seen(), "bc");
  store.look((view) => view.hideClass(2, true));
  assert.equal(seen(), "c");
  store.look((view) => (view.allHidden = true));
  assert.equal(seen(), "");
  store.look((view) => view.reveal(store.get("a")));
  assert.equal(seen(), "ac");
  const free = () => ["a", "b", "c"].filter((id) => store.canEdit(id)).join("");
  store.look((view) => view.lock(["a"], true));
  assert.equal(free(), "bc");
  store.look((view) => view.lockClass(1, true));
  assert.equal(free(), "b");
  store.look((view) => (view.locked = true));
  assert.equal(free(), "");
});

test("deleting what is selected deselects it; stepping goes round", () => {
  const store = new Store({ size: SIZE, annotations: [box("a"), box("b"), box("c")] });
  store.selectNext(-1);
  assert.equal(store.selected, "c");
  store.selectNext(1);
  assert.equal(store.selected, "a");
  store.remove(["a"]);
  assert.equal(store.selected, null);
});

test("listeners hear of changes, and of nothing when nothing changed", () => {
  const store = new Store({ size: SIZE });
  let heard = 0;
  store.addEventListener("change", () => (heard += 1));
  store.remove(["nobody"]);
  store.swap([], []);
  assert.equal(heard, 0);
  store.add([box("a")]);
  store.undo();
  assert.equal(heard, 2);
});
