// The objects of the open image as a list: what the canvas shows, for eyes, keyboards and screen readers alike. One row
// has the focus; arrow keys walk, Enter picks. Only the rows that show are made, so ten thousand cost no more than fifty.

import { byId, element, icon, say } from "./dom.js";
import { boundsOf } from "./geometry.js";
import { percent } from "./prelabels.js";

/** Height of a row in CSS pixels, as css/editor.css has it; two lines of text. */
const ROW = 44;
/** Rows beyond the ends of what shows. */
const AROUND = 20;

export class Objects {
  /** `desk` is the DrawingView. */
  constructor(tags, desk) {
    this.tags = tags;
    this.desk = desk;
    this.list = byId("objects-list");
    this.store = null;
    this.at = 0;
    this.list.addEventListener("scroll", () => this.#fill());
    this.list.addEventListener("keydown", (event) => this.#onKey(event));
    this.list.addEventListener("click", (event) => this.#onClick(event));
    this.list.addEventListener("focusin", (event) => this.#onFocus(event));
    new ResizeObserver(() => this.#fill()).observe(this.list);
    byId("objects-panel").hidden = false;
  }

  show(store) {
    const before = this.store?.selected;
    this.store = store;
    const { length } = store.annotations;
    byId("objects-count").textContent = String(length);
    byId("objects-none").hidden = length > 0;
    this.at = Math.min(this.at, Math.max(length - 1, 0));
    if (store.selected !== null && (store.selected !== this.chosen || store !== this.chosenIn)) {
      this.at = store.annotations.findIndex((one) => one.id === store.selected);
      this.#scrollTo(this.at);
    }
    [this.chosen, this.chosenIn] = [store.selected, store];
    this.#fill(before);
  }

  /** An annotation in words: which one, its class, size and place. */
  sentence(one) {
    const [left, top, right, bottom] = boundsOf(one).map(Math.round);
    const { width, height } = this.store.size;
    const [column, row] = [(left + right) / 2 / width, (top + bottom) / 2 / height].map((part) => Math.min(Math.floor(part * 3), 2));
    return say("object_sentence", {
      n: this.store.annotations.indexOf(one) + 1, total: this.store.annotations.length, name: this.tags.nameOf(one.label_class),
      width: right - left, height: bottom - top, x: left, y: top, where: say(`where_${row}${column}`),
    });
  }

  #scrollTo(index) {
    const { list } = this;
    const [top, bottom] = [index * ROW, (index + 1) * ROW];
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  }

  /** Makes the rows that show, and room for the others. */
  #fill() {
    if (!this.store) return;
    const { list, store } = this;
    const { annotations } = store;
    const from = Math.max(Math.floor(list.scrollTop / ROW) - AROUND, 0);
    const to = Math.min(Math.ceil((list.scrollTop + list.clientHeight) / ROW) + AROUND, annotations.length);
    const focus = list.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    const rows = [];
    for (let i = from; i < to; i++) rows.push(this.#row(annotations[i], i, annotations.length));
    const room = (count) => {
      const node = element("li", { attrs: { role: "presentation" } });
      node.style.setProperty("height", `${count * ROW}px`);
      return node;
    };
    list.replaceChildren(...(from ? [room(from)] : []), ...rows, ...(to < annotations.length ? [room(annotations.length - to)] : []));
    if (focus) this.#focus(focus);
  }

  #row(one, index, total) {
    const { store, tags } = this;
    const { view } = store;
    const [left, top, right, bottom] = boundsOf(one).map(Math.round);
    const name = `${index + 1}. ${tags.nameOf(one.label_class)}`;
    const place = say("object_place", { x: left, y: top, width: right - left, height: bottom - top });
    const frame = one.frame ? ` · ${say("frame_short", { n: one.frame + 1 })}` : "";
    const isSelected = store.selectedIds.has(one.id);
    const isPending = this.desk.prelabels.isPending(one);
    const note = isPending ? say("suggested", { percent: percent(one.confidence) }) : place + frame;
    const pick = element(
      "button",
      { type: "button", className: isPending ? "object-pick is-suggested" : "object-pick", title: name, data: { part: "pick" }, attrs: { "aria-pressed": String(isSelected) } },
      element("span", { className: "dot", data: { colour: tags.colourOf(one.label_class), pattern: this.desk.patterns.numberOf(one.label_class) } }),
      element("span", { className: "object-name", textContent: name }),
      element("span", { className: "object-place", title: place + frame, textContent: note }),
    );
    const isHidden = view.isHidden(one) || view.isVeiled(one) || (one.frame ?? 0) !== store.frame;
    const isLocked = !store.canEdit(one.id);
    const buttons = [
      ["edit", "pencil", say("edit_object", { name }), false],
      ["hide", view.isHidden(one) ? "eye-off" : "eye", say("hide_object", { name }), view.isHidden(one)],
      ["lock", isLocked ? "lock" : "unlock", say("lock_object", { name }), isLocked],
      ["delete", "close", say("delete_object", { name }), false],
    ].map(([part, sign, label, isOn]) => {
      const attrs = { "aria-label": label, ...(part === "hide" || part === "lock" ? { "aria-pressed": String(isOn) } : {}) };
      return element("button", { type: "button", className: `object-button object-${part}`, title: label, data: { part }, attrs }, icon(sign));
    });
    const row = element("li", { data: { id: one.id, index: String(index) }, attrs: { "aria-setsize": String(total), "aria-posinset": String(index + 1) } }, pick, ...buttons);
    row.classList.toggle("is-hidden", isHidden);
    row.classList.toggle("is-selected", isSelected);
    // One row of the list can be reached with Tab, and its buttons after it.
    for (const button of [pick, ...buttons]) button.tabIndex = index === this.at ? 0 : -1;
    return row;
  }

  #focus(part) {
    const row = this.list.querySelector(`[data-index="${this.at}"]`);
    row?.classList.add("is-current"); // its buttons show, or they could not take the focus
    row?.querySelector(`[data-part="${part}"]`).focus();
  }

  #onFocus(event) {
    const row = event.target.closest("[data-index]");
    if (!row || Number(row.dataset.index) === this.at) return;
    this.at = Number(row.dataset.index);
    for (const button of this.list.querySelectorAll("button")) button.tabIndex = button.closest("[data-index]") === row ? 0 : -1;
  }

  #onClick(event) {
    const { part } = event.target.closest("[data-part]")?.dataset ?? {};
    const id = event.target.closest("[data-id]")?.dataset.id;
    if (!part || !id) return;
    const { desk, store } = this;
    if (part === "pick") desk.pickObject(id, { several: event.shiftKey || event.ctrlKey || event.metaKey });
    else if (part === "edit") {
      desk.pickObject(id);
      desk.dialog.open();
    } else if (part === "hide") {
      const one = store.get(id);
      if (store.view.isHidden(one)) desk.reveal([one]);
      else store.look((view) => view.hide([id], true));
    } else if (part === "lock") this.#toggleLock(id);
    else desk.delete(id);
  }

  #toggleLock(id) {
    const { store, desk } = this;
    const { view } = store;
    if (view.locked || view.lockedClasses.has(store.get(id).label_class)) desk.tell(view.locked ? "all_are_locked" : "class_is_locked");
    else store.look(() => view.lock([id], !view.lockedIds.has(id)));
  }

  /** Keys of the list itself; everything else goes on to the page. */
  #onKey(event) {
    const last = this.store.annotations.length - 1;
    const page = Math.max(Math.floor(this.list.clientHeight / ROW) - 1, 1);
    const to = {
      ArrowDown: this.at + 1, ArrowUp: this.at - 1, Home: 0, End: last, PageDown: this.at + page, PageUp: this.at - page,
    }[event.key];
    const part = event.target.dataset?.part;
    if (event.ctrlKey || event.metaKey || event.altKey || !part) return;
    if (to !== undefined) {
      event.preventDefault();
      this.at = Math.min(Math.max(to, 0), last);
      this.#scrollTo(this.at);
      this.#fill();
      this.#focus("pick");
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      const parts = ["pick", "edit", "hide", "lock", "delete"];
      this.#focus(parts[Math.min(Math.max(parts.indexOf(part) + (event.key === "ArrowRight" ? 1 : -1), 0), parts.length - 1)]);
    } else if (event.key === "F2") {
      event.preventDefault();
      event.target.closest("li").querySelector("[data-part=edit]").click();
    }
  }
}
