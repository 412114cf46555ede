// M: pick one or several, resize by the handles, move by dragging inside, drag single points of a polygon. A drag that
// begins beside everything picks what lies wholly inside its frame. The × beside the only selected annotation deletes it.

import { boundsOf, movedTogether } from "../geometry.js";
import { annotationAt } from "../hit.js";
import { closeAt, strokeSeen } from "../render.js";
import { Grips, reachOf } from "./grips.js";

const DRAG_FROM = 3;
/** The × is small on purpose: it has to be pressed and let go within this many CSS pixels of its middle. */
const CLOSE_REACH = 8;

export class SelectTool {
  name = "move";
  hasClose = true;

  constructor(desk) {
    this.desk = desk;
    this.grips = new Grips(desk);
    this.drag = null;
    this.cursor = "default";
  }

  down(point, event) {
    const { store, stage } = this.desk;
    if (this.#onClose(point)) {
      this.drag = { kind: "close" };
      return;
    }
    const several = event.shiftKey || event.ctrlKey || event.metaKey;
    const grip = several ? null : this.grips.at(point, event);
    if (grip) {
      this.grips.begin(grip, point);
      return;
    }
    const one = annotationAt(store.visible, point, stage.reach(reachOf(event)));
    if (!one) this.drag = { kind: "frame", from: point, before: several ? [...store.selectedIds] : [] };
    else if (several) store.toggle(one.id);
    else this.#take(one, point);
  }

  /** Of several selected ones a press takes hold of all; only a click, without a drag, picks the one. */
  #take(one, point) {
    const { store } = this.desk;
    if (!store.selectedIds.has(one.id)) store.select(one.id);
    const ones = store.chosen.filter(({ id }) => store.canEdit(id));
    this.drag = { kind: "move", from: point, one, ones, started: false };
    if (!store.canEdit(one.id)) this.desk.tell("is_locked");
  }

  move(point, event) {
    const { desk, drag } = this;
    if (this.grips.isDragging) this.grips.move(point);
    else if (!drag) this.#hover(point, event);
    else if (drag.kind !== "close") {
      const far = Math.hypot(point[0] - drag.from[0], point[1] - drag.from[1]) >= desk.stage.reach(DRAG_FROM);
      drag.started ||= far;
      drag.to = point;
      if (drag.started && drag.kind === "move" && drag.ones.length) {
        desk.show(movedTogether(drag.ones, point[0] - drag.from[0], point[1] - drag.from[1], desk.store.size));
      }
    }
  }

  up(point) {
    if (this.grips.isDragging) {
      this.grips.end();
      return;
    }
    const { desk, drag } = this;
    if (!drag) return;
    const { preview, store } = desk;
    this.cancel();
    if (drag.kind === "close") {
      if (this.#onClose(point)) desk.commands.delete();
    } else if (drag.kind === "frame") store.selectAll(drag.started ? [...new Set([...drag.before, ...this.#inside(drag)])] : drag.before);
    else if (preview) store.replace(preview);
    else if (!drag.started) store.select(drag.one.id);
  }

  #inside({ from, to }) {
    const [left, top, right, bottom] = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
    const inside = ([l, t, r, b]) => l >= left && t >= top && r <= right && b <= bottom;
    return this.desk.store.visible.filter((one) => inside(boundsOf(one))).map((one) => one.id);
  }

  #onClose(point) {
    const { store, stage } = this.desk;
    const one = store.selection;
    if (!one || !store.canEdit(one.id)) return false;
    const [x, y] = closeAt(one, stage.viewport);
    const [px, py] = stage.viewport.toScreen(point);
    return Math.hypot(px - x, py - y) <= CLOSE_REACH;
  }

  /** Esc: the drag never happened. */
  cancel() {
    const was = this.drag !== null;
    this.drag = null;
    return this.grips.cancel() || was;
  }

  #hover(point, event) {
    const { store, stage } = this.desk;
    const over = () => annotationAt(store.visible, point, stage.reach(reachOf(event)));
    if (this.#onClose(point)) this.cursor = "pointer";
    else this.cursor = this.grips.cursorAt(point, event) ?? (over() ? "move" : "default");
  }

  draw(context) {
    if (this.drag?.kind !== "frame" || !this.drag.started) return;
    const { viewport } = this.desk.stage;
    const [a, b] = [viewport.toScreen(this.drag.from), viewport.toScreen(this.drag.to)];
    context.setLineDash([4, 3]);
    context.beginPath();
    context.rect(Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]));
    strokeSeen(context, "#ffffff", 1);
    context.setLineDash([]);
  }
}
