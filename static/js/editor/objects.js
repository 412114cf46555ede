// The objects of the open image as a list: what the canvas shows, for eyes, keyboards and screen readers alike.

import { boundsOf } from "./geometry.js";
import { byId, element, icon, say } from "./dom.js";

/** More rows than this help nobody and cost time; the rest is on the canvas. */
const MOST = 300;

export class Objects {
  /** Calls onPick(id) and onDelete(id); `noteOf(annotation)` is what else there is to say of one. */
  constructor(tags, { onPick, onDelete, noteOf = () => "" }) {
    this.tags = tags;
    this.noteOf = noteOf;
    this.onPick = onPick;
    this.onDelete = onDelete;
    this.list = byId("objects-list");
    this.shown = null;
    byId("objects-panel").hidden = false;
  }

  show(store) {
    const { annotations, hidden, frame } = store;
    byId("objects-count").textContent = String(annotations.length);
    byId("objects-none").hidden = annotations.length > 0;
    byId("objects-more").hidden = annotations.length <= MOST;
    byId("objects-more").textContent = say("objects_more", { n: annotations.length - MOST });
    if (this.shown !== annotations) {
      this.shown = annotations;
      const focused = this.list.contains(document.activeElement) ? document.activeElement.closest("li")?.dataset.id : null;
      this.list.replaceChildren(...annotations.slice(0, MOST).map((one, i) => this.#row(one, i)));
      if (focused) this.#refocus(focused);
    }
    for (const [i, row] of [...this.list.children].entries()) {
      const one = annotations[i];
      const isSelected = one.id === store.selected;
      row.classList.toggle("is-hidden", hidden.has(one.label_class) || (one.frame ?? 0) !== frame || store.isVeiled(one));
      row.firstChild.setAttribute("aria-pressed", String(isSelected));
      if (isSelected) row.scrollIntoView({ block: "nearest" });
    }
  }

  #refocus(id) {
    const row = [...this.list.children].find((one) => one.dataset.id === id) ?? this.list.lastElementChild;
    row?.firstChild.focus();
  }

  #row(one, index) {
    const [left, top, right, bottom] = boundsOf(one).map(Math.round);
    const name = this.tags.nameOf(one.label_class);
    const place = say("object_place", { x: left, y: top, width: right - left, height: bottom - top });
    const frame = one.frame ? ` · ${say("frame_short", { n: one.frame + 1 })}` : "";
    const note = this.noteOf(one);
    const pick = element(
      "button",
      { type: "button", className: note ? "object-pick is-suggested" : "object-pick", attrs: { "aria-pressed": "false" } },
      element("span", { className: "dot", data: { colour: this.tags.colourOf(one.label_class) } }),
      element("span", { className: "object-name", textContent: `${index + 1}. ${name}` }),
      element("span", { className: "object-place", title: place + frame, textContent: note || place + frame }),
    );
    pick.addEventListener("click", () => this.onPick(one.id));
    const label = say("delete_object", { name: `${index + 1}. ${name}` });
    const remove = element("button", { type: "button", className: "object-delete", title: label, attrs: { "aria-label": label } }, icon("close"));
    remove.addEventListener("click", () => this.onDelete(one.id));
    return element("li", { data: { id: one.id } }, pick, remove);
  }
}
