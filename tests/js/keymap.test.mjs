import assert from "node:assert/strict";
import { test } from "node:test";

import { assigned, caption, forgotten, isChanged, losers, refusal, resolved, retitled } from "../../static/js/editor/keymap.js";
import { BROWSER_KEYS, conflicts, freeLetters, REGISTRY } from "../../static/js/editor/shortcuts.js";

const SCOPES = ["classification", "box", "polygon"];
const keysOf = (registry, action) => registry.find((one) => one.action === action).keys;

test("without changes the keys are the site's, and free of conflicts on every kind of page", () => {
  assert.deepEqual(resolved({}), REGISTRY);
  assert.deepEqual(resolved(null), REGISTRY);
  for (const scope of SCOPES) assert.deepEqual(conflicts(REGISTRY.filter((one) => one.scopes.includes(scope))), []);
});

test("a person's key wins, and whoever had it loses it", () => {
  const registry = resolved({ lock: ["s"] });
  assert.deepEqual(keysOf(registry, "lock"), ["s"]);
  assert.deepEqual(keysOf(registry, "skip"), []);
  assert.deepEqual(conflicts(registry), []);
  assert.deepEqual(losers(REGISTRY, "lock", "s"), ["skip"]);
});

test("actions of different kinds of pages may share a key", () => {
  assert.deepEqual(losers(REGISTRY, "polygon", "r"), [], "R draws boxes, where there are no polygons");
  const registry = resolved({ polygon: ["r"] });
  assert.deepEqual([keysOf(registry, "polygon"), keysOf(registry, "box")], [["r"], ["r"]]);
});

test("nothing takes a key of the browser, of a class, or Esc", () => {
  for (const key of BROWSER_KEYS) assert.equal(refusal(key), "browser");
  assert.equal(refusal("5"), "class");
  assert.equal(refusal("escape"), "cancel");
  assert.equal(refusal("q"), null);
  const registry = resolved({ skip: ["ctrl+w", "1", "escape", "q"], cancel: ["q"] });
  assert.deepEqual(keysOf(registry, "skip"), ["q"]);
  assert.deepEqual(keysOf(registry, "cancel"), ["escape"]);
});

test("whatever was kept, the result has no conflicts", () => {
  const actions = REGISTRY.map((one) => one.action);
  const keys = ["a", "s", "shift+s", "enter", "ctrl+z", "ctrl+r", "3", "escape", "q", "y", "arrowleft", "é", ";"];
  let seed = 7;
  const random = (n) => (seed = (seed * 16807) % 2147483647) % n;
  for (let round = 0; round < 500; round++) {
    const kept = {};
    for (let i = 0; i < 1 + random(6); i++) kept[actions[random(actions.length)]] = [keys[random(keys.length)], keys[random(keys.length)]].slice(0, 1 + random(2));
    const registry = resolved(kept);
    assert.deepEqual(conflicts(registry.map((one) => ({ ...one, keys: [...new Set(one.keys)] }))), [], JSON.stringify(kept));
  }
});

test("what is no keymap is passed over", () => {
  for (const kept of [{ skip: "s" }, { skip: [1] }, { nothing: ["q"] }, "x", []]) assert.deepEqual(conflicts(resolved(kept)), []);
  assert.deepEqual(keysOf(resolved({ skip: [7, null] }), "skip"), []);
});

test("taking a key and giving it back", () => {
  let kept = assigned({}, resolved({}), "lock", "s");
  assert.deepEqual(kept, { lock: ["s"], skip: [] });
  kept = assigned(kept, resolved(kept), "skip", "l");
  assert.deepEqual(kept, { lock: ["s"], skip: ["l"] });
  assert.ok(isChanged(resolved(kept), "lock"));
  kept = forgotten(forgotten(kept, "lock"), "skip");
  assert.deepEqual(resolved(kept), REGISTRY);
  assert.ok(!isChanged(resolved(kept), "lock"));
});

test("letters that actions gave up go to classes", () => {
  assert.ok(!freeLetters("box").includes("l"));
  assert.ok(freeLetters("box", resolved({ lock: ["q"] })).includes("l"));
  assert.ok(!freeLetters("box", resolved({ lock: ["q"] })).includes("q"));
});

test("keys as they stand on the keyboard", () => {
  assert.deepEqual(caption("shift+s"), ["Shift", "S"]);
  assert.deepEqual(caption("ctrl+shift+z"), ["Ctrl", "Shift", "Z"]);
  assert.deepEqual(caption("+"), ["+"]);
  assert.deepEqual(caption("ctrl++"), ["Ctrl", "+"]);
  assert.deepEqual(caption(" "), ["Space"]);
});

test("titles name the key that holds", () => {
  assert.equal(retitled("Lock regions (L)", "box", resolved({})), "Lock regions (L)");
  assert.equal(retitled("Lock regions (L)", "box", resolved({ lock: ["shift+q"] })), "Lock regions (Shift+Q)");
  assert.equal(retitled("Skip (S)", "box", resolved({ lock: ["s"] })), "Skip", "it has none any more");
  assert.equal(retitled("photo (copy)", "box", resolved({})), "photo (copy)");
});
