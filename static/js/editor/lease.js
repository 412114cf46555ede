// Keeps the leases of the pages that are here while somebody is at work, and gives untouched ones back when the window
// closes.

import { ApiError } from "../csrf.js";

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
    try {
      sessionStorage.setItem(LEFT_KEY, JSON.stringify(tasks));
    } catch (error) {
      console.info("No storage in this browser:", error.name);
    }
    for (const id of tasks) {
      this.queue.release(id, { keepalive: true }).catch((error) => console.info("Release:", error.message));
    }
  }

  /** After a reload: makes sure that pages given back a moment ago are not handed out to us and then taken away. */
  async finishLeaving() {
    let left = [];
    try {
      left = JSON.parse(sessionStorage.getItem(LEFT_KEY)) ?? [];
      sessionStorage.removeItem(LEFT_KEY);
    } catch (error) {
      console.info("No storage in this browser:", error.name);
    }
    for (const id of left) {
      try {
        await this.queue.release(id);
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0) throw error;
        console.info("Release:", error.message);
      }
    }
  }
}
