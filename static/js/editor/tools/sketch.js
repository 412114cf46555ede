// The points of a shape while it is drawn, with undo and redo of their own. A step is what one press of the pointer added:
// a point, a freehand stroke, or a stretch of a neighbour's border.
//
// `mark` is the last edit of the image (Store.lastEdit): points that were taken back or thrown away come again only while
// that is the same, so that points and finished objects are undone and redone in the order in which they were made.

export class Sketch {
  constructor() {
    this.steps = [];
    this.taken = [];
    this.lost = null;
    this.mark = null;
    this.wasLost = false;
  }

  get isEmpty() {
    return this.steps.length === 0;
  }

  get points() {
    return this.steps.flatMap((step) => step.points);
  }

  /** The step added last, or undefined. */
  get last() {
    return this.steps.at(-1);
  }

  /** Adds a step. `border` is where on a neighbour's border its last point lies (borders.js), or null. */
  add(points, border = null) {
    this.steps.push({ points, border });
    this.#forget();
  }

  /** More points for the last step; the border is that of the new last point. */
  extend(points, border = null) {
    const { points: before } = this.steps.pop();
    this.steps.push({ points: [...before, ...points], border });
  }

  /** The last step never happened, as when a press turns out to be half of a pinch. */
  drop() {
    this.steps.pop();
  }

  #forget() {
    this.taken = [];
    this.lost = null;
    this.wasLost = false;
  }

  /** Takes the last step back, or brings a drawing back that was thrown away; false where there is neither. */
  undo(mark) {
    if (!this.isEmpty) {
      this.taken.push(this.steps.pop());
      this.mark = mark;
      return true;
    }
    if (!this.lost || this.mark !== mark) return false;
    this.steps = this.lost;
    this.lost = null;
    this.wasLost = true;
    return true;
  }

  canRedo(mark) {
    return (this.taken.length > 0 || (this.wasLost && !this.isEmpty)) && this.mark === mark;
  }

  redo(mark) {
    if (!this.canRedo(mark)) return false;
    if (this.taken.length) this.steps.push(this.taken.pop());
    else {
      this.lost = this.steps;
      this.steps = [];
    }
    return true;
  }

  /** Throws the drawing away; undo brings it back. */
  cancel(mark) {
    if (this.isEmpty) return;
    const { steps } = this;
    this.steps = [];
    this.#forget();
    this.lost = steps;
    this.mark = mark;
  }

  /** The image was edited: what was taken back before that is not redone any more. */
  edited() {
    this.taken = [];
    this.wasLost = false;
  }

  /** The drawing has become an object. */
  clear() {
    this.steps = [];
    this.#forget();
  }
}
