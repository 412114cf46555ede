// The one registry of keys. A shortcut names the action it starts; pages hand `Shortcuts` a function per action. Labels
// come from the template, by action name. What a person has changed is laid over it by keymap.js.
//
// Keys are written as event.key in lower case, after any of "ctrl+" (also ⌘) and "shift+". Scopes are the task kinds on
// whose page the shortcut works.

const ALL = ["classification", "box", "polygon"];
const DRAWING = ["box", "polygon"];

/** @type {{action: string, keys: string[], scopes: string[], group: string}[]} */
export const REGISTRY = [
  { action: "submit", keys: ["enter", "ctrl+enter"], scopes: ALL, group: "page" },
  { action: "skip", keys: ["s"], scopes: ALL, group: "page" },
  { action: "skip_reason", keys: ["shift+s"], scopes: ALL, group: "page" },
  { action: "no_objects", keys: ["n"], scopes: DRAWING, group: "page" },
  { action: "previous", keys: ["j"], scopes: ALL, group: "page" },
  { action: "next", keys: ["k"], scopes: ALL, group: "page" },
  { action: "undo", keys: ["ctrl+z"], scopes: ALL, group: "page" },
  { action: "redo", keys: ["ctrl+shift+z", "ctrl+y"], scopes: ALL, group: "page" },
  { action: "instructions", keys: ["i"], scopes: ALL, group: "page" },
  { action: "beside", keys: ["shift+i"], scopes: ALL, group: "page" },
  { action: "comments", keys: ["c"], scopes: ALL, group: "page" },
  { action: "search", keys: ["/"], scopes: ALL, group: "page" },
  { action: "shortcuts", keys: ["?"], scopes: ALL, group: "page" },
  { action: "cancel", keys: ["escape"], scopes: ALL, group: "page" },

  { action: "accept", keys: ["y"], scopes: ALL, group: "suggestions" },
  { action: "accept_all", keys: ["shift+y"], scopes: ALL, group: "suggestions" },
  { action: "dismiss_all", keys: ["shift+backspace", "shift+delete"], scopes: ALL, group: "suggestions" },

  { action: "enlarge", keys: ["z"], scopes: ["classification"], group: "tools" },
  { action: "select_all", keys: ["a"], scopes: ["classification"], group: "tools" },
  { action: "move", keys: ["m"], scopes: DRAWING, group: "tools" },
  { action: "box", keys: ["r"], scopes: ["box"], group: "tools" },
  { action: "template", keys: ["t"], scopes: ["box"], group: "tools" },
  { action: "polygon", keys: ["p"], scopes: ["polygon"], group: "tools" },
  { action: "points", keys: ["u"], scopes: ["polygon"], group: "tools" },
  { action: "extreme", keys: ["e"], scopes: ["box"], group: "tools" },
  { action: "cut", keys: ["b"], scopes: ["polygon"], group: "tools" },
  { action: "hole", keys: ["o"], scopes: ["polygon"], group: "tools" },
  { action: "part", keys: ["a"], scopes: ["polygon"], group: "tools" },
  { action: "snap", keys: ["shift+a"], scopes: ["polygon"], group: "tools" },
  { action: "join", keys: ["shift+j"], scopes: ["polygon"], group: "tools" },
  { action: "place", keys: ["shift+r"], scopes: DRAWING, group: "tools" },
  { action: "click", keys: ["q", "shift+q"], scopes: DRAWING, group: "tools" },
  { action: "next_grip", keys: ["v"], scopes: DRAWING, group: "tools" },
  { action: "previous_grip", keys: ["shift+v"], scopes: DRAWING, group: "tools" },
  { action: "edit", keys: ["f2"], scopes: DRAWING, group: "tools" },
  { action: "duplicate", keys: ["d"], scopes: DRAWING, group: "tools" },
  { action: "repeat", keys: ["shift+d"], scopes: DRAWING, group: "tools" },
  { action: "select_all_objects", keys: ["shift+m"], scopes: DRAWING, group: "tools" },
  { action: "forward", keys: ["shift+f"], scopes: DRAWING, group: "tools" },
  { action: "back", keys: ["shift+b"], scopes: DRAWING, group: "tools" },
  { action: "hide", keys: ["shift+h"], scopes: DRAWING, group: "tools" },
  { action: "hide_all", keys: ["shift+g"], scopes: DRAWING, group: "tools" },
  { action: "lock_object", keys: ["shift+l"], scopes: DRAWING, group: "tools" },
  { action: "lock", keys: ["l"], scopes: DRAWING, group: "tools" },
  { action: "delete", keys: ["delete", "backspace"], scopes: DRAWING, group: "tools" },
  { action: "next_object", keys: ["x"], scopes: DRAWING, group: "tools" },
  { action: "previous_object", keys: ["shift+x"], scopes: DRAWING, group: "tools" },
  { action: "left", keys: ["arrowleft", "shift+arrowleft"], scopes: ALL, group: "tools" },
  { action: "right", keys: ["arrowright", "shift+arrowright"], scopes: ALL, group: "tools" },
  { action: "up", keys: ["arrowup", "shift+arrowup"], scopes: ALL, group: "tools" },
  { action: "down", keys: ["arrowdown", "shift+arrowdown"], scopes: ALL, group: "tools" },
  { action: "toggle", keys: [" "], scopes: ["classification"], group: "tools" },

  { action: "pan", keys: ["h"], scopes: ALL, group: "view" },
  { action: "fit", keys: ["f"], scopes: ALL, group: "view" },
  { action: "actual", keys: ["0"], scopes: ALL, group: "view" },
  { action: "zoom_in", keys: ["+", "="], scopes: ALL, group: "view" },
  { action: "zoom_out", keys: ["-"], scopes: ALL, group: "view" },
  { action: "zoom_object", keys: ["shift+z"], scopes: DRAWING, group: "view" },
  { action: "turn_left", keys: ["<"], scopes: ALL, group: "view" },
  { action: "turn_right", keys: [">"], scopes: ALL, group: "view" },
  { action: "ruler", keys: ["shift+u"], scopes: ALL, group: "view" },
  { action: "names", keys: ["g"], scopes: DRAWING, group: "view" },
  { action: "look", keys: ["shift+w"], scopes: ALL, group: "view" },
  { action: "brightness", keys: ["shift+t"], scopes: ALL, group: "view" },
  { action: "contrast", keys: ["shift+c"], scopes: ALL, group: "view" },
  { action: "gamma", keys: ["shift+e"], scopes: ALL, group: "view" },
  { action: "invert", keys: ["!"], scopes: ALL, group: "view" },
  { action: "opacity", keys: ["%"], scopes: DRAWING, group: "view" },
  { action: "outline", keys: ["shift+o"], scopes: DRAWING, group: "view" },
  { action: "crosshair", keys: ["*"], scopes: DRAWING, group: "view" },
  { action: "minimap", keys: ["shift+n"], scopes: ALL, group: "view" },
  { action: "window", keys: ["w"], scopes: ALL, group: "view" },
  { action: "preset", keys: [":"], scopes: ALL, group: "view" },
  { action: "previous_frame", keys: [","], scopes: ALL, group: "view" },
  { action: "next_frame", keys: ["."], scopes: ALL, group: "view" },
  { action: "play", keys: ["shift+k"], scopes: ALL, group: "view" },
];

/** What browsers keep for themselves or people expect of them; no shortcut of ours may be one of these. */
export const BROWSER_KEYS = new Set([
  "ctrl+r", "ctrl+shift+r", "f5", "ctrl+t", "ctrl+shift+t", "ctrl+n", "ctrl+shift+n", "ctrl+w", "ctrl+shift+w", "ctrl+l",
  "ctrl+f", "ctrl+g", "ctrl+p", "ctrl+s", "ctrl+o", "ctrl+h", "ctrl+j", "ctrl+d", "ctrl+u", "ctrl+a", "ctrl+c", "ctrl+v",
  "ctrl+x", "ctrl++", "ctrl+-", "ctrl+0", "ctrl+1", "ctrl+9", "ctrl+tab", "tab", "shift+tab", "f1", "f3", "f6", "f11",
  "f12", "ctrl+shift+i", "ctrl+shift+p", "ctrl+2", "ctrl+3", "ctrl+4", "ctrl+5", "ctrl+6", "ctrl+7", "ctrl+8", "ctrl+k",
  "ctrl+e", "ctrl+shift+tab", "ctrl+shift+delete", "f7", "f10",
]);

/** Problems of a registry, as sentences: a key twice in one scope, a key of the browser, a class key. */
export function conflicts(registry) {
  const problems = [];
  for (const scope of ALL) {
    const taken = new Map();
    for (const { action, keys, scopes } of registry) {
      if (!scopes.includes(scope)) continue;
      for (const key of keys) {
        if (BROWSER_KEYS.has(key)) problems.push(`${key} of ${action} belongs to the browser`);
        if (/^[1-9]$/.test(key)) problems.push(`${key} of ${action} belongs to a class`);
        if (taken.has(key)) problems.push(`${key} means ${taken.get(key)} and ${action} on ${scope} pages`);
        taken.set(key, action);
      }
    }
  }
  return problems;
}

/** Letters that no action of this scope uses; classes beyond the ninth get them in order. */
export function freeLetters(scope, registry = REGISTRY) {
  const taken = new Set(registry.flatMap((one) => (one.scopes.includes(scope) ? one.keys : [])));
  return [..."abcdefghijklmnopqrstuvwxyz"].filter((letter) => !taken.has(letter));
}

/**
 * The key of a keyboard event as the registry writes it; null where it is not ours (AltGr, dead keys, IME).
 *
 * Digits are also taken from the place on the keyboard, since the digit row of AZERTY types other signs without shift.
 */
export function keyOf(event) {
  if (event.isComposing || event.key === "Process" || event.key === "Dead" || event.altKey) return null;
  if (event.getModifierState?.("AltGraph")) return null;
  const ctrl = event.ctrlKey || event.metaKey;
  if (/^[1-9]$/.test(event.key)) return ctrl ? `ctrl+${event.key}` : event.key;
  if (!ctrl && !event.shiftKey && /^Digit[1-9]$/.test(event.code ?? "")) return event.code.at(-1);
  const key = event.key.toLowerCase();
  // On one layout a sign needs shift, on another it does not: for signs shift says nothing.
  const shifted = event.shiftKey && (key.length > 1 || /^\p{L}$/u.test(key));
  return `${ctrl ? "ctrl+" : ""}${shifted ? "shift+" : ""}${key}`;
}

const typing = (element) =>
  element instanceof HTMLElement &&
  (element.isContentEditable || /^(TEXTAREA|SELECT)$/.test(element.tagName) ||
    (element.tagName === "INPUT" && !/^(checkbox|radio|button|range)$/.test(element.type)));

/** Listens on the document and starts actions. A handler that returns false lets the browser have the key. */
export class Shortcuts {
  /** `onDialog(dialog, key, action)` is asked for keys pressed in an open dialog. `registry` is REGISTRY as keymap.js lays it out for this person; `use` takes another one at any time. */
  constructor(scope, { registry = REGISTRY, actions, onDigit, onLetter, onDialog = () => false }) {
    this.scope = scope;
    this.actions = actions;
    this.onDigit = onDigit;
    this.onLetter = onLetter;
    this.onDialog = onDialog;
    this.use(registry);
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  use(registry) {
    this.byKey = new Map();
    for (const { action, keys, scopes } of registry) {
      if (scopes.includes(this.scope)) for (const key of keys) this.byKey.set(key, action);
    }
  }

  #onKey(event) {
    // A dialog that has just closed may still hold the focus until the next frame: what is in it is no control any more.
    const isGone = event.target.closest?.("dialog:not([open])");
    if (event.defaultPrevented || (typing(event.target) && !isGone)) return;
    const key = keyOf(event);
    if (key === null) return;
    const dialog = document.querySelector("dialog[open]");
    if (dialog) {
      if (!event.repeat && this.onDialog(dialog, key, this.byKey.get(key))) event.preventDefault();
      return;
    }
    // Enter and space press the button that has the focus, but Enter on an image submits; arrows move sliders and radios.
    const onControl = isGone ? null : event.target.closest?.("button, a, summary, input");
    if (onControl && (key === " " || (key === "enter" && !("enterSubmits" in onControl.dataset)))) return;
    if (key.includes("arrow") && event.target.closest?.("input, summary")) return;
    if (this.#start(key, event)) event.preventDefault();
  }

  #start(key, event) {
    // A key held down names a class once: what follows would go to images that nobody has looked at.
    if (/^[1-9]$/.test(key)) return event.repeat || this.onDigit(Number(key)) !== false;
    const action = this.byKey.get(key);
    if (!action) return /^[a-z]$/.test(key) && (event.repeat || this.onLetter(key) !== false);
    const run = this.actions[action];
    if (!run || (event.repeat && !/^(left|right|up|down|zoom_.*|undo|redo|.*_frame)$/.test(action))) return false;
    return run(event) !== false;
  }
}
