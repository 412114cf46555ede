// The grid of images of a classification page: tiles, which of them are selected, and which one is aimed at.
//
// The aim is the tile that the pointer came to rest on or that the arrow keys reached: the next class key is for it
// alone. It is spent by that key; a pointer that merely lies still, or trembles on the tile just answered, aims at
// nothing. So a page is answered by pointing at the few exceptions and one key for all the rest.

import { byId, element, icon, say } from "./dom.js";
import { pictureFor } from "./pictures.js";
import { renditionUrl, stepFor } from "./renditions.js";

/** The pointer has to travel this far on the screen before it means a tile. */
const AIM_AFTER = 6;
/** Up to how many images a page each number of columns is for. */
const COLUMNS = [[4, 2], [9, 3], [16, 4], [25, 5], [36, 6]];

const columnsFor = (count) => (COLUMNS.find(([most]) => count <= most) ?? COLUMNS.at(-1))[1];

export class Tiles {
  /** Calls onToggle(id), onEnlarge(id), onAim(). */
  constructor({ ratio, onToggle, onEnlarge, onAim }) {
    Object.assign(this, { ratio, onToggle, onEnlarge, onAim });
    this.list = byId("grid");
    this.byId = new Map();
    this.aimed = null;
    this.#forgetAim();
    this.list.addEventListener("pointermove", (event) => this.#point(event));
    this.list.addEventListener("pointerleave", () => this.#leave());
    this.list.addEventListener("focusin", (event) => this.#focus(event));
  }

  /** Shows these assignments, none for a page that is no grid; resolves when the images do. */
  open(assignments) {
    this.byId.clear();
    this.aimed = null;
    this.#forgetAim();
    this.list.hidden = !assignments.length;
    this.columns = columnsFor(assignments.length);
    this.list.dataset.columns = String(this.columns);
    this.list.replaceChildren(...assignments.map((one, i) => this.#tile(one, i, assignments.length)));
    return Promise.all([...this.byId.values()].map((tile) => tile.loaded));
  }

  /** The address of an item's picture on a page of so many. The list itself has no width while it is hidden. */
  urlOf(item, count) {
    return renditionUrl(item, { side: stepFor((this.list.parentElement.clientWidth / columnsFor(count)) * this.ratio) });
  }

  #tile(assignment, index, count) {
    const { item } = assignment;
    const image = pictureFor(this.urlOf(item, count));
    Object.assign(image, { alt: "", draggable: false, width: item.width, height: item.height });
    const select = element(
      "button",
      { type: "button", className: "tile-select", data: { enterSubmits: "" }, attrs: { "aria-pressed": "false" } },
      image,
      element("span", { className: "tile-check", attrs: { "aria-hidden": "true" } }, icon("check")),
    );
    select.addEventListener("click", () => this.onToggle(assignment.id));
    const label = say("enlarge_n", { n: index + 1 });
    const enlarge = element("button", { type: "button", className: "tile-enlarge", title: label, tabIndex: -1, attrs: { "aria-label": label } }, icon("expand"));
    enlarge.addEventListener("click", () => this.onEnlarge(assignment.id));
    const chips = element("div", { className: "chips" });
    const foot = element("div", { className: "tile-foot" }, element("span", { className: "tile-name", textContent: item.name, title: item.path }), chips);
    if (assignment.rejection) {
      const { comment } = assignment.rejection;
      foot.append(element("p", { className: "tile-comment", textContent: comment ? say("rejected_with", { comment }) : say("rejected") }));
    }
    const node = element("li", { className: "tile", data: { assignment: assignment.id } }, select, enlarge, foot);
    const loaded = image.decode().catch(() => {
      select.classList.add("is-broken");
      select.append(element("span", { className: "tile-broken", textContent: say("image_failed") }));
    });
    this.byId.set(assignment.id, { node, select, chips, loaded, name: say("image_n", { n: index + 1, name: item.name }) });
    return node;
  }

  /** Brings one tile up to date: its chips, its state, and what a screen reader says of it. */
  show(id, { isSelected, isAnswered, isSuggested, chips, words }) {
    const tile = this.byId.get(id);
    tile.select.setAttribute("aria-pressed", String(isSelected));
    tile.select.setAttribute("aria-label", [tile.name, ...words].join(", "));
    tile.node.classList.toggle("is-selected", isSelected);
    tile.node.classList.toggle("is-aimed", id === this.aimed);
    tile.node.classList.toggle("is-answered", isAnswered);
    tile.node.classList.toggle("is-suggested", isSuggested);
    tile.chips.replaceChildren(...chips);
  }

  // --- Aim ---

  /** The aim has done its work: the pointer has to come to another tile before it means one again. */
  spendAim() {
    this.spent = this.aimed ?? this.under;
    this.aimed = null;
    this.from = null;
  }

  /** True where there was an aim to take away. */
  dropAim() {
    const was = this.aimed !== null;
    this.spendAim();
    return was;
  }

  #forgetAim() {
    this.spent = null;
    this.under = null;
    this.from = null;
  }

  #point(event) {
    if (event.pointerType === "touch") return;
    const id = Number(event.target.closest(".tile")?.dataset.assignment) || null;
    this.under = id;
    // Browsers report a move when the page moves under a pointer at rest: only real way counts.
    this.from ??= [event.clientX, event.clientY];
    if (id === null || id === this.aimed || id === this.spent) return;
    if (Math.hypot(event.clientX - this.from[0], event.clientY - this.from[1]) < AIM_AFTER) return;
    this.#aim(id);
  }

  #leave() {
    this.under = null;
    this.from = null;
    this.spent = null;
    if (this.aimed !== null && !this.list.contains(document.activeElement)) this.#aim(null);
  }

  #focus(event) {
    // Focus that the mouse brought says nothing new; the arrow keys and Tab aim.
    if (event.target.matches(".tile-select:focus-visible")) this.#aim(Number(event.target.closest(".tile").dataset.assignment));
  }

  #aim(id) {
    this.aimed = id;
    if (id !== null) this.spent = null;
    this.onAim();
  }

  /** Walks by columns and rows from the tile in focus, else from the one aimed at, else to the first. */
  walk(dx, dy) {
    const tiles = [...this.byId.entries()];
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const focused = tiles.findIndex(([, tile]) => tile.select === document.activeElement);
    const at = focused >= 0 ? focused : tiles.findIndex(([id]) => id === this.aimed);
    const next = at < 0 ? 0 : at + Math.sign(dx) + Math.sign(dy) * columns;
    if (!tiles[next]) return;
    tiles[next][1].select.focus({ focusVisible: true });
    this.#aim(tiles[next][0]);
  }
}
