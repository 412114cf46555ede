// Keeps the leases of the pages that are here while somebody is at work, and gives untouched ones back when the window
// closes.

import { ApiError } from "../csrf.js";
import { storage } from "./dom.js";

const HEARTBEAT_MS = 60_000;
const IDLE_LIMIT_MS = 15 * 60_000;
const LEFT_KEY = "tessera.left";

export class Lease {
  /**
   * `held()` lists the tasks that are here, `untouched()` those that nobody worked on; `onReply({lost, scarce})` hears
   * what a heartbeat brought.
   */
  constructor(queue, activity, { held, untouched, onReply, pageSize }) {
    Object.assign(this, { queue, activity, held, untouched, onReply, pageSize });
    setInterval(() => this.beat(), HEARTBEAT_MS);
    document.addEventListener("visibilitychange", () => !document.hidden && this.beat());
    addEventListener("pagehide", () => this.#leave());
    // A page that comes back from the browser's memory may hold what was given back.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  async beat() {
    const tasks = this.held();
    if (!tasks.length || this.activity.idleFor > IDLE_LIMIT_MS) return;
    try {
      this.onReply(await this.queue.heartbeat(tasks, this.pageSize()));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("Heartbeat:", error.message);
    }
  }

  /** A page that nobody touched goes back to the queue at once; one with work on it keeps its lease until that ends. */
  #leave() {
    const tasks = this.untouched();
    if (!tasks.length) return;
    storage.set(LEFT_KEY, [...this.left, ...tasks]);
    for (const id of tasks) {
      this.queue.release(id, { keepalive: true }).catch((error) => console.info("Release:", error.message));
    }
  }

  /** Pages that closed tabs of this browser gave back, of which the site may not have heard yet. */
  get left() {
    return storage.get(LEFT_KEY) ?? [];
  }

  /** Makes sure that what was given back a moment ago is not handed out to us, and taken away when the site hears of it. */
  async finishLeaving() {
    const { left } = this;
    for (const id of left) {
      try {
        await this.queue.release(id);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0) throw error;
        console.info("Release:", error.message);
      }
    }
    if (left.length) storage.set(LEFT_KEY, this.left.filter((id) => !left.includes(id)));
  }
}
