// B: a line through the selected polygon cuts it in two. Drag it, or click its points and end with Enter or a double
// click. With nothing selected it cuts the smallest polygon that the line goes through, and only that.

import { simplified } from "../geometry.js";
import { newId } from "../dom.js";
import { areaOf } from "../polygon_ops.js";
import { split } from "../splitting.js";
import { SketchTool } from "./sketch_tool.js";

const STROKE_FROM = 6;
const SMOOTH = 1.5;

export class CutTool extends SketchTool {
  name = "cut";

  down(point) {
    const last = this.sketch.points.at(-1);
    const added = !last || this.isFar(point, last, 2);
    if (added) this.sketch.add([point]);
    this.press = { from: point, added, track: null };
    this.changed();
  }

  move(point) {
    this.at = point;
    const { press } = this;
    if (!press || (!press.track && !this.isFar(press.from, point, STROKE_FROM))) return;
    press.track ??= [press.from];
    press.track.push(point);
    this.desk.stage.paint("overlay");
  }

  up() {
    const { press } = this;
    this.press = null;
    if (!press?.track) return;
    this.sketch.extend(simplified(press.track, this.desk.stage.reach(SMOOTH)).slice(1));
    this.finish();
  }

  doubleClick() {
    this.finish();
  }

  /** Cuts; says so where the line goes through nothing. False where no line was begun. */
  finish() {
    if (!this.isDrawing) return false;
    const { store } = this.desk;
    const line = this.sketch.points;
    const ones = (store.selectedIds.size ? store.chosen : [...store.visible]).filter((one) => store.canEdit(one.id));
    if (line.length < 2) {
      this.desk.tell("needs_line");
      return true;
    }
    const cuts = ones.map((one) => ({ one, pieces: split(one.polygon, line) })).filter(({ pieces }) => pieces);
    const wanted = store.selectedIds.size ? cuts : cuts.sort((a, b) => areaOf(a.one.polygon) - areaOf(b.one.polygon)).slice(0, 1);
    if (!wanted.length) {
      this.desk.tell("cut_nothing");
      this.cancel();
      return true;
    }
    this.sketch.clear();
    const kept = wanted.map(({ one, pieces }) => ({ ...one, polygon: pieces[0] }));
    const fresh = wanted.flatMap(({ one, pieces }) => pieces.slice(1).map((polygon) => ({ ...one, id: newId(), polygon })));
    store.divide(kept, fresh);
    store.selectAll([...kept, ...fresh].map((one) => one.id));
    this.desk.tell("cut_done", { n: kept.length + fresh.length });
    return true;
  }

  draw(context) {
    const tip = this.press?.track ?? (this.at && this.desk.stage.pointer ? [this.at] : []);
    this.drawSketch(context, { tip: this.isDrawing ? tip : [], colour: "#ffffff" });
  }
}
