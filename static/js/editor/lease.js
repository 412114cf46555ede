// Keeps the lease of the open page while somebody is at work, and gives an untouched page back when its window closes.

import { ApiError } from "../csrf.js";

const HEARTBEAT_MS = 60_000;
const IDLE_LIMIT_MS = 15 * 60_000;
const LEFT_KEY = "tessera.left";

export class Lease {
  /** `session` tells what is open; its `leaseLost(task, text)` is called when the lease has ended. */
  constructor(queue, activity, session) {
    this.queue = queue;
    this.activity = activity;
    this.session = session;
    setInterval(() => this.#heartbeat(), HEARTBEAT_MS);
    document.addEventListener("visibilitychange", () => !document.hidden && this.#heartbeat());
    addEventListener("pagehide", () => this.#leave());
    // A page that comes back from the browser's memory may hold what was given back.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  async #heartbeat() {
    const { openTask, isLost, busy } = this.session;
    if (!openTask || isLost || busy || this.activity.idleFor > IDLE_LIMIT_MS) return;
    try {
      await this.queue.heartbeat(openTask.id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.session.openTask !== openTask || this.session.busy) return;
      if (error.status === 409 || error.status === 404) this.session.leaseLost(error.message);
      else console.info("Heartbeat:", error.message);
    }
  }

  /** A page that nobody touched goes back to the queue at once; one with work on it keeps its lease until that ends. */
  #leave() {
    const { openTask, isLost, busy } = this.session;
    if (!openTask || isLost || busy || this.session.hasWork) return;
    try {
      sessionStorage.setItem(LEFT_KEY, String(openTask.id));
    } catch (error) {
      console.info("No storage in this browser:", error.name);
    }
    this.queue.release(openTask.id, { keepalive: true }).catch((error) => console.info("Release:", error.message));
  }

  /** After a reload: makes sure that the page given back a moment ago is not handed out to us and then taken away. */
  async finishLeaving() {
    let left = null;
    try {
      left = sessionStorage.getItem(LEFT_KEY);
      sessionStorage.removeItem(LEFT_KEY);
    } catch (error) {
      console.info("No storage in this browser:", error.name);
    }
    if (!left) return;
    try {
      await this.queue.release(left);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0) throw error;
      console.info("Release:", error.message);
    }
  }
}
