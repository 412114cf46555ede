// The tags panel: search, one row per class with its key, colour, count and eye. Says which class was chosen; what that
// means is the page's business.

import { colourIn } from "../colours.js";
import { ClassHelp } from "./class_help.js";
import { byId, element, icon, say } from "./dom.js";
import { freeLetters } from "./shortcuts.js";

export class Tags {
  /** `scope` and `registry` decide which letters are free; `canHide` shows the eyes. Calls onPick(class id), onHide(class id, hidden). */
  constructor(classes, { scope, registry, canHide, onPick, onHide }) {
    this.classes = classes;
    this.scope = scope;
    this.onPick = onPick;
    this.onHide = onHide;
    this.canHide = canHide;
    this.byId = new Map(classes.map((one) => [one.id, one]));
    this.keys = keysOf(classes, scope, registry);
    this.list = byId("tags-list");
    this.searchBox = byId("tags-search");
    this.rows = new Map();
    this.list.replaceChildren(...classes.map((one) => this.#row(one)));
    byId("tags-none").hidden = classes.length > 0;
    colourIn(this.list);
    this.searchBox.addEventListener("input", () => this.#search());
    this.searchBox.addEventListener("keydown", (event) => this.#searchKey(event));
  }

  get(id) {
    return this.byId.get(id) ?? null;
  }

  nameOf = (id) => this.byId.get(id)?.name ?? say("unknown_class");
  colourOf = (id) => this.byId.get(id)?.colour ?? "#808080";

  /** The class with this key, "1" to "9" or a letter; null where none has it. */
  forKey(key) {
    return this.classes.find((one) => this.keys.get(one.id) === key) ?? null;
  }

  #row(one) {
    const key = this.keys.get(one.id);
    const count = element("span", { className: "tag-count" });
    const pick = element(
      "button",
      { type: "button", className: "tag-pick", title: [one.path || one.name, one.description].filter(Boolean).join("\n"), attrs: { "aria-pressed": "false" } },
      element("span", { className: "dot", data: { colour: one.colour } }),
      element("span", { className: "tag-name", textContent: one.name }),
      count,
      this.#cap(key),
    );
    pick.addEventListener("click", () => this.onPick(one.id));
    const row = element("li", { className: "tag-row", data: { depth: Math.min(one.depth ?? 0, 5) } }, pick);
    const about = one.description || one.examples?.length ? new ClassHelp(one, row) : null;
    if (about) row.append(about.button);
    const eye = this.canHide ? this.#eye(one) : null;
    if (eye) row.append(eye);
    this.rows.set(one.id, { row, pick, count, eye });
    return row;
  }

  #cap(key) {
    return key ? element("kbd", { textContent: key.toUpperCase() }) : element("span", { className: "tag-nokey" });
  }

  /** Other keys belong to actions now, so other letters are left for the classes. */
  useRegistry(registry) {
    this.keys = keysOf(this.classes, this.scope, registry);
    for (const [id, { pick }] of this.rows) pick.lastChild.replaceWith(this.#cap(this.keys.get(id)));
  }

  #eye(one) {
    const label = say("show_class", { name: one.name });
    const eye = element("button", { type: "button", className: "tag-eye", title: label, attrs: { "aria-label": label, "aria-pressed": "true" } }, icon("eye"));
    eye.addEventListener("click", () => {
      const hidden = eye.getAttribute("aria-pressed") === "true";
      this.showHidden(one.id, hidden);
      this.onHide(one.id, hidden);
    });
    return eye;
  }

  showHidden(id, hidden) {
    const { eye } = this.rows.get(id);
    eye.setAttribute("aria-pressed", String(!hidden));
    eye.replaceChildren(icon(hidden ? "eye-off" : "eye"));
  }

  /** Marks the classes that are chosen now, and how often each occurs on the page. */
  show({ active, counts }) {
    for (const [id, { pick, count }] of this.rows) {
      pick.setAttribute("aria-pressed", String(active.has(id)));
      const number = counts.get(id) ?? 0;
      count.textContent = number ? String(number) : "";
    }
  }

  /** Draws the eye to the panel when a class has to be chosen first. */
  nudge() {
    this.list.classList.remove("is-nudged");
    void this.list.offsetWidth; // restarts the animation
    this.list.classList.add("is-nudged");
  }

  focusSearch() {
    this.searchBox.focus();
    this.searchBox.select();
  }

  #matches() {
    const words = this.searchBox.value.trim().toLocaleLowerCase().split(/\s+/);
    return this.classes.filter((one) => words.every((word) => (one.path || one.name).toLocaleLowerCase().includes(word)));
  }

  #search() {
    const shown = new Set(this.#matches().map((one) => one.id));
    for (const [id, { row }] of this.rows) row.hidden = !shown.has(id);
  }

  #searchKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      const first = this.#matches()[0];
      if (first) this.onPick(first.id);
      this.#leaveSearch();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.#leaveSearch();
    }
  }

  #leaveSearch() {
    this.searchBox.value = "";
    this.#search();
    this.searchBox.blur();
  }
}

/** Class id → key: the site's digits (the first nine where it names none), then the letters that no action uses. */
export function keysOf(classes, scope, registry) {
  const keys = new Map();
  const letters = freeLetters(scope, registry);
  const given = classes.some((one) => one.key);
  for (const [i, one] of classes.entries()) {
    const key = given ? one.key : i < 9 ? String(i + 1) : null;
    const next = key ?? letters.shift();
    if (next) keys.set(one.id, String(next));
  }
  return keys;
}
