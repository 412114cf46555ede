import assert from "node:assert/strict";
import { test } from "node:test";

import { conflicts, freeLetters, keyOf, REGISTRY } from "../../static/js/editor/shortcuts.js";

const press = (key, { code = "", ctrl = false, shift = false, alt = false, meta = false, ...rest } = {}) => ({
  key, code, ctrlKey: ctrl, shiftKey: shift, altKey: alt, metaKey: meta, ...rest,
});

test("no key means two things, belongs to the browser or to a class", () => {
  assert.deepEqual(conflicts(REGISTRY), []);
});

test("the check finds each kind of conflict", () => {
  const one = (action, key, scopes = ["box"]) => ({ action, keys: [key], scopes, group: "page" });
  assert.match(conflicts([one("a", "q"), one("b", "q")])[0], /q means a and b on box pages/);
  assert.deepEqual(conflicts([one("a", "q"), one("b", "q", ["polygon"])]), []);
  assert.match(conflicts([one("a", "ctrl+r")])[0], /browser/);
  assert.match(conflicts([one("a", "3")])[0], /class/);
});

test("digits come from the key, or from its place where the row types other signs", () => {
  assert.equal(keyOf(press("3", { code: "Digit3" })), "3");
  assert.equal(keyOf(press("&", { code: "Digit1" })), "1", "AZERTY");
  assert.equal(keyOf(press("-", { code: "Digit6" })), "6", "AZERTY");
  assert.equal(keyOf(press("1", { code: "Digit1", shift: true })), "1", "AZERTY with shift");
  assert.equal(keyOf(press("!", { code: "Digit1", shift: true })), "!", "QWERTY with shift");
  assert.equal(keyOf(press("5", { code: "Numpad5" })), "5");
  assert.equal(keyOf(press("-", { code: "Minus" })), "-");
  assert.equal(keyOf(press("1", { code: "Digit1", ctrl: true })), "ctrl+1", "the browser's");
});

test("letters and signs on any layout", () => {
  assert.equal(keyOf(press("z", { ctrl: true })), "ctrl+z");
  assert.equal(keyOf(press("z", { meta: true })), "ctrl+z", "⌘");
  assert.equal(keyOf(press("Z", { ctrl: true, shift: true })), "ctrl+shift+z");
  assert.equal(keyOf(press("S", { shift: true })), "shift+s");
  assert.equal(keyOf(press("?", { shift: true })), "?");
  assert.equal(keyOf(press("/", { shift: true, code: "Digit7" })), "/", "QWERTZ");
  assert.equal(keyOf(press("ArrowLeft", { shift: true })), "shift+arrowleft");
});

test("what is being composed, AltGr and Alt is not ours", () => {
  assert.equal(keyOf(press("a", { isComposing: true })), null);
  assert.equal(keyOf(press("Process")), null);
  assert.equal(keyOf(press("Dead")), null);
  assert.equal(keyOf(press("ArrowLeft", { alt: true })), null);
  assert.equal(keyOf(press("[", { ctrl: true, getModifierState: (name) => name === "AltGraph" })), null);
});

test("keys of other layouts and of input methods", () => {
  // AZERTY: the digit row types signs, a and q, z and w change places: letters are taken from what they type.
  assert.equal(keyOf(press("a", { code: "KeyQ" })), "a");
  assert.equal(keyOf(press("é", { code: "Digit2" })), "2");
  assert.equal(keyOf(press("à", { code: "Digit0" })), "à", "0 is no class: its row types a letter there");
  // QWERTZ: y and z change places; ? and / lie on shifted keys.
  assert.equal(keyOf(press("z", { code: "KeyY" })), "z");
  assert.equal(keyOf(press("z", { code: "KeyY", ctrl: true })), "ctrl+z");
  assert.equal(keyOf(press("?", { code: "Minus", shift: true })), "?");
  // While an input method composes, its keys are its own, whatever they are called.
  for (const key of ["a", "Enter", " ", "1", "ArrowLeft", "Escape"]) assert.equal(keyOf(press(key, { isComposing: true })), null);
  assert.equal(keyOf(press("Process", { code: "KeyA" })), null);
});

test("letters for later classes are free", () => {
  const used = REGISTRY.filter((one) => one.scopes.includes("box")).flatMap((one) => one.keys);
  const free = freeLetters("box");
  assert.ok(free.length > 3);
  for (const letter of free) assert.ok(!used.includes(letter));
});
