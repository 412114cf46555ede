// U: add or remove points of the selected polygon. A click on an edge adds one, a click on a point takes it away, a drag
// moves it.

import { insertVertex, moveVertex } from "../geometry.js";
import { annotationAt, edgeAt, vertexAt } from "../hit.js";
import { drawPoint } from "../render.js";
import { gripPoint, reachOf } from "./grips.js";

const DRAG_FROM = 3;

export class PointsTool {
  name = "points";

  constructor(desk) {
    this.desk = desk;
    this.drag = null;
    this.hover = null;
  }

  get cursor() {
    return this.hover?.vertex ? "pointer" : this.hover?.edge ? "copy" : "default";
  }

  #under(point, event) {
    const one = this.desk.store.selection;
    if (!one?.polygon || !this.desk.store.canEdit(one.id)) return null;
    const reach = this.desk.stage.reach(reachOf(event));
    const vertex = vertexAt(one.polygon, point, reach);
    if (vertex) return { one, vertex };
    const edge = edgeAt(one.polygon, point, reach);
    return edge && { one, edge };
  }

  down(point, event) {
    const { store, stage } = this.desk;
    const under = this.#under(point, event);
    if (!under) {
      const one = annotationAt(store.visible, point, stage.reach(reachOf(event)));
      store.select(one?.id ?? null);
      if (one && !store.canEdit(one.id)) this.desk.tell("is_locked");
      return;
    }
    if (under.edge) {
      const polygon = insertVertex(under.one.polygon, under.edge, under.edge.point, store.size);
      const one = { ...under.one, polygon };
      this.drag = { one, vertex: { ...under.edge, index: under.edge.index + 1 }, from: point, isNew: true, dragged: false };
      this.desk.show([one]);
    } else this.drag = { ...under, from: point, isNew: false, dragged: false };
    stage.paint("shapes", "overlay");
  }

  move(point, event) {
    if (!this.drag) {
      this.hover = this.#under(point, event);
      return;
    }
    const { one, vertex, from } = this.drag;
    this.drag.dragged ||= Math.hypot(point[0] - from[0], point[1] - from[1]) >= this.desk.stage.reach(DRAG_FROM);
    if (!this.drag.dragged) return;
    const polygon = moveVertex(one.polygon, vertex, point, this.desk.store.size);
    if (polygon) this.desk.show([{ ...one, polygon }]);
  }

  up() {
    if (!this.drag) return;
    const { drag, desk } = this;
    const { preview } = desk;
    this.cancel();
    if (preview) desk.store.replace(preview.map(desk.sound).filter((one) => one !== null));
    else if (!drag.dragged) desk.commands.removeVertex(drag.one, drag.vertex);
  }

  cancel() {
    const was = this.drag !== null;
    this.drag = null;
    this.hover = null;
    this.desk.show(null);
    return was;
  }

  draw(context) {
    // After an undo the point under the pointer may be gone: the next move looks again.
    if (this.drag || !this.hover || this.hover.one !== this.desk.store.selection) return;
    const { viewport } = this.desk.stage;
    const { one, vertex, edge } = this.hover;
    drawPoint(context, viewport.toScreen(edge ? edge.point : gripPoint(one, { vertex })), this.desk.colour, edge ? 4.5 : 6);
  }
}
