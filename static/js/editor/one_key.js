// "One key": in a multi-class project the key of a class labels the image and goes on to the next one; undo brings the
// last one back. A person chooses whether that holds for single images (the rule), for grids as well, or never.

import { byId } from "./dom.js";

export class OneKey {
  constructor(taskType, preferences, { session, view, stage, page }) {
    Object.assign(this, { preferences, session, view, stage, page });
    this.isPossible = taskType === "multi_class";
    const choice = byId("one-key");
    if (!choice) return;
    choice.value = this.mode;
    choice.addEventListener("change", () => preferences.saveLabeling({ one_key: choice.value }));
  }

  get mode() {
    return this.preferences.labeling.one_key ?? "single";
  }

  /** Whether a class key ends the page that is open now. */
  get isOn() {
    if (!this.isPossible || this.mode === "never") return false;
    return this.view.isGrid ? this.mode === "grid" : true;
  }

  /**
   * A class went to the single image, or to all the rest of a grid.
   *
   * An image that is not on the screen yet is not sent: who types ahead would label what nobody has seen.
   */
  async picked() {
    if (!this.isOn || this.view.problem() !== null) return;
    if (!this.view.isGrid && !this.stage.image) return;
    const wasPast = this.session.isPast;
    await this.session.submit();
    // A correction of the page before leads back to where one was.
    if (wasPast && this.session.isPast && !this.session.isTouched) await this.session.resume();
  }

  /** Undo where there is nothing left to undo on the page: the page before it. False where that is not meant. */
  back() {
    if (!this.isOn || !this.session.task) return false;
    this.session.previous();
    return true;
  }
}
