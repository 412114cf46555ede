// Where the page names keys: in brackets at the end of titles, in the menu "Regions", beside "Submit", and in sentences. The
// template knows only the keys of the site; a person may have others.

import { nameKeys, say } from "./dom.js";
import { caption, retitled } from "./keymap.js";

const TITLED = ":is(.label-head, .label-toolbar, .label-foot, .suggestions) [title]";

/** Brings all of them up to date. `scope` is the kind of page, `registry` the person's. */
export function showKeys(scope, registry) {
  const names = Object.fromEntries(registry.map(({ action, keys: [key] }) => [action, key ? caption(key).join("+") : ""]));
  nameKeys(Object.fromEntries(Object.entries(names).map(([action, name]) => [action, name || say("keys_none")])));
  for (const node of document.querySelectorAll(TITLED)) {
    node.dataset.title ??= node.title;
    node.title = retitled(node.dataset.title, scope, registry);
  }
  for (const node of document.querySelectorAll("kbd[data-key-of]")) {
    node.textContent = names[node.dataset.keyOf];
    node.hidden = !node.textContent;
  }
  document.querySelector("#stage[role=application]")?.setAttribute("aria-label", say("stage_help"));
}
