// What a person has changed about the keys, laid over the registry: {action: [keys]}, kept by the site as a preference.
// Nothing here touches the page, so that all of it is tested in Node.

import { BROWSER_KEYS, REGISTRY } from "./shortcuts.js";

/** Esc always and only cancels, and space presses the button in focus: neither is given away or taken. */
export const FIXED = new Set(["cancel", "toggle"]);

/** Why no action may have this key: "browser", "class" or "cancel"; null where one may. */
export function refusal(key) {
  if (BROWSER_KEYS.has(key)) return "browser";
  if (/^[1-9]$/.test(key)) return "class";
  if (key === "escape") return "cancel";
  return null;
}

/**
 * The registry with a person's keys in it, still without conflicts.
 *
 * Unknown actions, fixed ones and keys that may not be had are passed over. What somebody chose wins over the default of
 * another action on the same pages, also over one that came with a later version of the site.
 */
export function resolved(overrides, registry = REGISTRY) {
  const chosen = new Map();
  for (const { action, scopes } of registry) {
    const keys = overrides?.[action];
    if (!Array.isArray(keys) || FIXED.has(action)) continue;
    const usable = keys.filter((key) => typeof key === "string" && refusal(key) === null);
    chosen.set(action, usable.filter((key) => !isTaken(chosen, registry, key, scopes)));
  }
  return registry.map((one) => {
    const keys = chosen.get(one.action) ?? one.keys.filter((key) => !isTaken(chosen, registry, key, one.scopes));
    return { ...one, keys };
  });
}

function isTaken(chosen, registry, key, scopes) {
  return registry.some(({ action, scopes: theirs }) => chosen.get(action)?.includes(key) && theirs.some((one) => scopes.includes(one)));
}

/** The actions that would lose this key if `action` took it, on any kind of page that both work on. */
export function losers(registry, action, key) {
  const { scopes } = registry.find((one) => one.action === action);
  return registry
    .filter((one) => one.action !== action && one.keys.includes(key) && one.scopes.some((scope) => scopes.includes(scope)))
    .map((one) => one.action);
}

/** The overrides after `action` got this one key; others that had it keep what is left to them. */
export function assigned(overrides, registry, action, key) {
  const next = { ...overrides, [action]: [key] };
  for (const loser of losers(registry, action, key)) {
    next[loser] = registry.find((one) => one.action === loser).keys.filter((one) => one !== key);
  }
  return next;
}

/** The overrides without those of one action. */
export const forgotten = (overrides, action) => Object.fromEntries(Object.entries(overrides).filter(([name]) => name !== action));

/** Whether the keys of an action are other than the site's. */
export function isChanged(registry, action) {
  const now = registry.find((one) => one.action === action)?.keys ?? [];
  const before = REGISTRY.find((one) => one.action === action)?.keys ?? [];
  return now.join("\n") !== before.join("\n");
}

const NAMES = new Map(
  Object.entries({
    enter: "Enter", escape: "Esc", delete: "Delete", backspace: "⌫", " ": "Space", arrowleft: "←", arrowright: "→",
    arrowup: "↑", arrowdown: "↓", ctrl: "Ctrl", shift: "Shift", tab: "Tab", home: "Home", end: "End", pageup: "PgUp",
    pagedown: "PgDn", insert: "Ins",
  }),
);

/** The parts of a key as they stand on the keys: "shift+s" is ["Shift", "S"]. */
export function caption(key) {
  const modifiers = [];
  let rest = key;
  for (const name of ["ctrl", "shift"]) {
    if (!rest.startsWith(`${name}+`) || rest.length === name.length + 1) continue;
    modifiers.push(NAMES.get(name));
    rest = rest.slice(name.length + 1);
  }
  return [...modifiers, NAMES.get(rest) ?? rest.toUpperCase()];
}

/**
 * A title that ends in the site's key of some action, as in "Undo (Ctrl+Z)", with the key it has now, or without one.
 *
 * Titles come translated from the server, so the key in brackets is the one thing that can be recognised.
 */
export function retitled(title, scope, registry) {
  const found = /^(.*) \(([^()]+)\)$/s.exec(title);
  if (!found) return title;
  const own = REGISTRY.find((one) => one.scopes.includes(scope) && one.keys[0] && caption(one.keys[0]).join("+") === found[2]);
  if (!own) return title;
  const [key] = registry.find((one) => one.action === own.action).keys;
  return key ? `${found[1]} (${caption(key).join("+")})` : found[1];
}

