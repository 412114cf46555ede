import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../static/js/editor/store.js";
import { Sketch } from "../../static/js/editor/tools/sketch.js";
import { generator } from "./support.mjs";

const SIZE = { width: 100, height: 100 };
const box = (id, x = 0) => ({ id, label_class: 1, frame: 0, box: { x, y: 0, width: 10, height: 10 } });

/** A desk as the drawing page has it: points first, then the objects of the image. */
class Desk {
  constructor() {
    this.store = new Store({ size: SIZE, annotations: [box("a"), box("b", 20)] });
    this.sketch = new Sketch();
    this.store.addEventListener("change", ({ detail }) => detail.source === "edit" && this.sketch.edited());
    this.made = 0;
  }

  undo() {
    return this.sketch.undo(this.store.lastEdit) || this.store.undo();
  }

  redo() {
    return this.sketch.redo(this.store.lastEdit) || (this.sketch.isEmpty && this.store.redo());
  }

  get state() {
    return structuredClone([this.store.annotations, this.sketch.points]);
  }

  /** One thing that a person may do now. */
  act(random) {
    const kind = Math.floor(random() * 7);
    if (!this.sketch.isEmpty) {
      if (kind < 3) this.sketch.add([[Math.floor(random() * 100), 1]]);
      else if (kind === 3) this.sketch.extend([[2, 2]]);
      else if (kind === 4) this.sketch.cancel(this.store.lastEdit);
      else {
        this.sketch.clear();
        this.store.add([box(`made ${(this.made += 1)}`, this.made)]);
      }
      return;
    }
    const ids = this.store.annotations.map((one) => one.id).filter(() => random() < 0.5);
    if (kind < 3) this.sketch.add([[Math.floor(random() * 100), 0]]);
    else if (kind === 3) this.store.remove(ids);
    else if (kind === 4) this.store.replace(ids.map((id) => ({ ...this.store.get(id), label_class: 5 })));
    else if (kind === 5) this.store.reorder(ids, null);
    else this.store.add([box(`made ${(this.made += 1)}`, this.made)]);
  }
}

test("whatever is undone is redone, point by point and object by object", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = generator(seed);
    const desk = new Desk();
    for (let step = 0; step < 40; step++) {
      if (random() < 0.75) desk.act(random);
      else if (random() < 0.5) desk.undo();
      else desk.redo();
      const states = [desk.state];
      while (states.length < 30 && desk.undo()) states.push(desk.state);
      for (let i = states.length - 2; i >= 0; i--) {
        assert.ok(desk.redo(), `seed ${seed}, step ${step}`);
        assert.deepEqual(desk.state, states[i], `seed ${seed}, step ${step}, redo to ${i}`);
      }
    }
    let left = 200;
    while (left > 0 && desk.undo()) left -= 1;
    assert.ok(left > 0, "undo comes to an end");
    assert.deepEqual(desk.state, new Desk().state, `seed ${seed}: the start`);
  }
});

test("Esc loses nothing: undo brings the drawing back, redo puts it away again", () => {
  const desk = new Desk();
  desk.sketch.add([[1, 1]]);
  desk.sketch.add([[2, 2]]);
  desk.sketch.cancel(desk.store.lastEdit);
  assert.ok(desk.sketch.isEmpty);
  desk.undo();
  assert.deepEqual(desk.sketch.points, [[1, 1], [2, 2]]);
  desk.redo();
  assert.ok(desk.sketch.isEmpty);
});

test("points put away come back only while nothing else has happened", () => {
  const desk = new Desk();
  desk.sketch.add([[1, 1]]);
  desk.sketch.cancel(desk.store.lastEdit);
  desk.store.remove(["a"]);
  desk.undo();
  assert.equal(desk.store.annotations.length, 2, "first the object that was deleted last");
  assert.ok(desk.sketch.isEmpty);
  desk.undo();
  assert.deepEqual(desk.sketch.points, [[1, 1]], "then the drawing before it");
});

test("a finished shape is one step, not its points", () => {
  const desk = new Desk();
  for (let i = 0; i < 4; i++) desk.sketch.add([[i, i]]);
  desk.sketch.clear();
  desk.store.add([box("c")]);
  desk.undo();
  assert.deepEqual([desk.store.annotations.length, desk.sketch.points], [2, []]);
  assert.equal(desk.undo(), false);
});

test("a stroke is one step, and a press that was half of a pinch none", () => {
  const sketch = new Sketch();
  sketch.add([[0, 0]]);
  sketch.extend([[1, 1], [2, 2]]);
  sketch.add([[9, 9]]);
  sketch.drop();
  assert.deepEqual(sketch.points, [[0, 0], [1, 1], [2, 2]]);
  sketch.undo(null);
  assert.ok(sketch.isEmpty);
  sketch.redo(null);
  assert.equal(sketch.points.length, 3);
});
