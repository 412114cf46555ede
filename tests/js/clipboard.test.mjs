import assert from "node:assert/strict";
import { test } from "node:test";

import { Clipboard, placed } from "../../static/js/editor/clipboard.js";
import { areaOf } from "../../static/js/editor/polygon_ops.js";
import { Patterns } from "../../static/js/editor/patterns.js";

const SIZE = { width: 100, height: 80 };

/** The tab's session: strings by key; `full` refuses to keep anything. */
class Session {
  constructor({ full = false } = {}) {
    this.full = full;
    this.kept = new Map();
  }

  getItem(key) {
    return this.kept.get(key) ?? null;
  }

  setItem(key, value) {
    if (this.full) throw new DOMException("full", "QuotaExceededError");
    this.kept.set(key, value);
  }
}

const box = { id: "a", label_class: 1, frame: 3, suggested: true, box: { x: 1, y: 2, width: 3, height: 4 } };

test("what is copied outlives the page, without identity, frame or marks", () => {
  const session = new Session();
  new Clipboard("box", 7, session).copy([box], 12);
  assert.deepEqual(new Clipboard("box", 8, session).copied, { item: 12, shapes: [{ label_class: 1, box: box.box }] });
  assert.equal(new Clipboard("polygon", 7, session).copied, null, "boxes are no polygons");
});

test("the image before is remembered per project, and an empty one changes nothing", () => {
  const session = new Session();
  const one = new Clipboard("box", 7, session);
  one.leave([box], 12);
  one.leave([], 13);
  assert.equal(one.before.item, 12);
  assert.equal(new Clipboard("box", 8, session).before, null);
});

test("a full or broken session costs nothing but memory beyond the page", () => {
  const full = new Clipboard("box", 7, new Session({ full: true }));
  full.copy([box], 12);
  assert.equal(full.copied.shapes.length, 1);
  const session = new Session();
  session.setItem("tessera.copied.box", "{not json");
  assert.equal(new Clipboard("box", 7, session).copied, null);
  session.setItem("tessera.copied.box", '{"shapes": 5}');
  assert.equal(new Clipboard("box", 7, session).copied, null);
});

test("a shape is cut to the image it goes to, or does not go there", () => {
  assert.deepEqual(placed(box, SIZE, [96, 0]).box, { x: 97, y: 2, width: 3, height: 4 });
  assert.deepEqual(placed(box, SIZE, [98, 0]).box, { x: 99, y: 2, width: 1, height: 4 });
  assert.equal(placed(box, SIZE, [99, 0]), null);
  const polygon = { label_class: 1, polygon: { parts: [{ outer: [[50, 50], [150, 50], [150, 150], [50, 150]], holes: [] }] } };
  assert.equal(areaOf(placed(polygon, SIZE).polygon), 50 * 30);
  assert.equal(placed(polygon, SIZE, [60, 0]), null);
  const inside = placed(polygon, { width: 500, height: 500 });
  assert.equal(inside.polygon.parts[0].outer.length, 4, "point for point where it fits");
});

test("eight classes in a row have eight different line patterns; locked ones are dashed while patterns are off", () => {
  globalThis.localStorage = new Session();
  const patterns = new Patterns({ classes: Array.from({ length: 9 }, (_, id) => ({ id })) });
  assert.deepEqual(patterns.dashOf({ label_class: 1 }, false), []);
  assert.ok(patterns.dashOf({ label_class: 1 }, true).length > 0);
  patterns.set(true);
  const seen = new Set(Array.from({ length: 8 }, (_, id) => patterns.dashOf({ label_class: id }, false).join()));
  assert.equal(seen.size, 8);
  assert.deepEqual(patterns.dashOf({ label_class: 8 }, false), patterns.dashOf({ label_class: 0 }, false));
});
