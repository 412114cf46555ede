// While there is nothing to do because others hold the last images, or labeling is paused, the page looks again by itself:
// every now and then, and at once when somebody comes back to the tab.

import { ApiError } from "../csrf.js";
import { byId, say } from "./dom.js";

const LOOK_MS = 10_000;

export class Waiting {
  constructor(session) {
    this.session = session;
    this.timer = null;
    /** Resolves when the question that is under way is answered; null where none is. */
    this.looking = null;
    document.addEventListener("visibilitychange", () => this.timer && this.#turn());
  }

  begin() {
    clearTimeout(this.timer);
    // Spread by chance, so that many who wait do not ask in one moment.
    this.timer = setTimeout(() => this.#turn(), LOOK_MS * (0.75 + Math.random() / 2));
  }

  end() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  #turn() {
    const { session } = this;
    this.begin();
    if (document.hidden || session.busy || session.task || this.looking) return;
    this.looking = this.#look().finally(() => (this.looking = null));
  }

  /** Asks for work without a word; what is free by now opens. */
  async #look() {
    const { session } = this;
    try {
      const { page, reply } = await session.supply.fetch();
      session.page.setRemaining(reply.remaining);
      const isIdle = !session.task && !session.busy;
      if (!page) {
        if (isIdle && reply.reason !== byId("label-page").dataset.state) session.showEnd(reply.reason);
        return;
      }
      if (session.task || session.busy) session.supply.putBack(page); // meanwhile somebody went to an earlier page
      else {
        session.show(page, false);
        if (!page.restored) session.page.show(say("work_again"));
      }
      session.supply.fill();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("Looked for work:", error.message);
    }
  }
}
