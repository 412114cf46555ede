// P: click point by point, or hold and draw freehand; a double click, Enter or the first point closes. Points close to a
// neighbour's border go onto it, and with Shift the line follows that border. O and A draw in the same way, and take the
// shape out of the selected polygon or add it as a further part.

import { along, nearestBorder } from "../borders.js";
import { simplified } from "../geometry.js";
import { annotationAt } from "../hit.js";
import { areaOf, fromOutline, subtracted, united } from "../polygon_ops.js";
import { reachOf } from "./grips.js";
import { SketchTool } from "./sketch_tool.js";

const CLOSE_REACH = 10;
const SNAP_REACH = 8;
/** A drag longer than this on the screen is a freehand stroke. */
const STROKE_FROM = 6;
/** How far a freehand line may lie from the hand's, in CSS pixels. */
const SMOOTH = 1.5;
/** The second half of a double click that closed a polygon does not begin the next one. */
const DOUBLE_CLICK_MS = 400;

export class PolygonTool extends SketchTool {
  name = "polygon";

  constructor(desk) {
    super(desk);
    this.finished = { at: -Infinity, point: [0, 0] };
    this.place = null;
  }

  /** Whether a drawing may begin at this point. */
  begins() {
    if (!this.desk.classReady()) return false;
    this.desk.store.select(null);
    return true;
  }

  /** Makes something of the finished shape; false where that is not possible and the drawing goes on. */
  use(polygon) {
    this.desk.add({ polygon });
    return true;
  }

  down(point, event) {
    if (event.timeStamp - this.finished.at < DOUBLE_CLICK_MS && !this.isFar(point, this.finished.point, STROKE_FROM)) return;
    if (!this.isDrawing && !this.begins(point, event)) return;
    if (this.#closes(point, event)) {
      this.#finishByPointer(point);
      return;
    }
    const place = this.#placed(point, event);
    const last = this.sketch.points.at(-1);
    const added = !last || this.isFar(place.point, last, 2);
    if (added) this.sketch.add([...this.#followed(place, event), place.point], place.border);
    this.press = { from: point, added, track: null };
    this.changed();
  }

  move(point, event) {
    this.at = point;
    this.place = this.#placed(point, event);
    this.path = this.isDrawing ? this.#followed(this.place, event) : [];
    this.isClosing = this.#closes(point, event);
    const { press } = this;
    if (!press || (!press.track && !this.isFar(press.from, point, STROKE_FROM))) return;
    press.track ??= [this.sketch.points.at(-1)];
    if (this.isFar(press.track.at(-1), point, 1)) press.track.push(this.inImage(point));
    this.desk.stage.paint("overlay");
  }

  up(point, event) {
    const { press } = this;
    this.press = null;
    if (!press?.track) return;
    const place = this.#placed(point, event);
    const stroke = simplified([...press.track, place.point], this.desk.stage.reach(SMOOTH)).slice(1);
    if (press.added) this.sketch.extend(stroke, place.border);
    else this.sketch.add(stroke, place.border);
    if (this.#closes(point, event)) this.finish();
    this.changed();
  }

  /** A point inside the image, on a neighbour's border where one is near: {point, border}. Ctrl looks past borders. */
  #placed(point, event) {
    const inside = this.inImage(point);
    if (!this.desk.snapping || event?.ctrlKey || event?.metaKey) return { point: inside, border: null };
    const border = nearestBorder(this.desk.store.visible, inside, this.desk.stage.reach(SNAP_REACH));
    return { point: border?.point ?? inside, border };
  }

  /** With Shift, from one place on a neighbour's border to another: the neighbour's points between them. */
  #followed({ border }, event) {
    const from = this.sketch.last?.border;
    if (!event?.shiftKey || !border || !from || from.id !== border.id || from.part !== border.part || from.hole !== border.hole) return [];
    const part = this.desk.store.get(border.id).polygon.parts[border.part];
    return along(border.hole < 0 ? part.outer : part.holes[border.hole], from, border);
  }

  #closes(point, event) {
    const { points } = this.sketch;
    if (points.length < 3) return false;
    return !this.isFar(point, points[0], Math.max(CLOSE_REACH, reachOf(event) / 2));
  }

  doubleClick(point) {
    if (this.isDrawing) this.#finishByPointer(point);
  }

  /** Only here a second press may follow at once and in the same place; after Enter the next press is meant. */
  #finishByPointer(point) {
    if (this.finish() && !this.isDrawing) this.finished = { at: performance.now(), point };
  }

  /** Closes the polygon; says so and draws on where it has no area yet. True when something was being drawn. */
  finish() {
    if (!this.isDrawing) return false;
    const polygon = fromOutline(this.sketch.points, this.desk.store.size);
    if (!polygon) {
      this.desk.tell("needs_points");
      return true;
    }
    const { steps } = this.sketch;
    this.sketch.clear();
    this.press = null;
    if (!this.use(polygon)) this.sketch.steps = steps;
    this.changed();
    return true;
  }

  draw(context) {
    const { pointer } = this.desk.stage;
    if (this.press?.track) this.drawSketch(context, { tip: this.press.track, closing: this.isClosing });
    else if (!this.isDrawing) this.drawSketch(context, { tip: pointer && this.place?.border ? [this.place.point] : [] });
    else {
      const end = this.isClosing ? this.sketch.points[0] : this.place?.point;
      this.drawSketch(context, { tip: pointer && end ? [...(this.path ?? []), end] : [], closing: this.isClosing });
    }
  }
}

/** What O and A share: they change the selected polygon, or the one where the drawing begins. */
class ChangeTool extends PolygonTool {
  begins(point) {
    const { store, stage } = this.desk;
    const one = store.selection ?? annotationAt(store.visible, point, stage.reach(CLOSE_REACH));
    if (!one) this.desk.tell("select_polygon");
    else if (!store.canEdit(one.id)) this.desk.tell("is_locked");
    else {
      store.select(one.id);
      this.target = one.id;
      return true;
    }
    return false;
  }

  use(polygon) {
    const one = this.desk.store.get(this.target);
    if (!one) return false;
    const after = this.combine(one.polygon, polygon);
    if (after) this.desk.store.replace([{ ...one, polygon: after }]);
    return after !== null;
  }
}

export class HoleTool extends ChangeTool {
  name = "hole";

  combine(polygon, drawn) {
    const after = subtracted(polygon, drawn);
    if (!after) this.desk.tell("nothing_left");
    else if (Math.abs(areaOf(after) - areaOf(polygon)) < 1e-6) this.desk.tell("hole_outside");
    else return after;
    return null;
  }
}

export class PartTool extends ChangeTool {
  name = "part";

  combine(polygon, drawn) {
    return united([polygon, drawn]);
  }
}
