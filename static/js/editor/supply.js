// Where pages come from: handed out by the site, locked against this person's other tabs, prepared with what this device
// has not sent, and taken ahead with their pictures.

import { ApiError } from "../csrf.js";
import { byId } from "./dom.js";
import { forgetAhead, loadAhead } from "./pictures.js";
import { Ring } from "./ring.js";

/** After a reload, or a crash, the lock of the tab before takes a while to end; a tab that lives says so at once. */
const LOCK_PATIENCE_MS = 10_000;
const LOCK_WAIT_MS = 100;
/** A site that hands out one page again and again, which another tab holds, is asked this often. */
const MOST_ASKED = 15;

export class Supply {
  constructor({ queue, locks, drafts, journal, view, session }) {
    Object.assign(this, { queue, locks, drafts, journal, view, session });
    this.prefix = `tessera.task.${drafts.user}.${drafts.project}.`;
    this.steals = false;
    this.mine = new Set();
    this.releasing = new Set();
    this.ring = new Ring({
      fetchNext: () => this.#ahead(),
      load: (page) => this.#load(page),
      giveBack: (page) => this.#giveBack(page),
    });
    this.isFirst = true;
    this.channel = globalThis.BroadcastChannel ? new BroadcastChannel(`tessera.pages.${drafts.user}`) : null;
    this.channel?.addEventListener("message", ({ data }) => {
      if (this.mine.has(data.whose)) this.channel.postMessage({ mine: data.whose });
      if (data.mine) this.alive.add(data.mine);
    });
    /** Tasks of tabs that have said that they are there. */
    this.alive = new Set();
  }

  /** {task, answers, restored}: the task that `ask()` brings, as it has to be shown; null where it brings none. */
  async loaded(ask) {
    const before = await this.journal.all();
    const task = await ask();
    return task && { task, ...(await this.drafts.open(task, before)) };
  }

  /** {page, reply}: a page to open now, locked for this tab; `page` is null where there is none, and reply says why. */
  async fetch() {
    const others = new Set();
    await this.session.lease.finishLeaving();
    for (let asked = 0; asked < MOST_ASKED; asked++) {
      let reply;
      const page = await this.loaded(async () => {
        reply = await this.queue.next(this.session.pageSize, { holding: [...(await this.#here()), ...others] });
        return reply.task;
      });
      if (!page) {
        const isElsewhere = ["waiting", "enough"].includes(reply.reason) && (await this.#elsewhere()).length > 0;
        return { page: null, reply: isElsewhere ? { ...reply, reason: "elsewhere" } : reply };
      }
      this.ring.forget(page.task.id); // two requests at once may bring one page, and it is shown once
      if (await this.#claim(page.task.id)) return { page, reply };
      others.add(page.task.id);
    }
    return { page: null, reply: { reason: "elsewhere" } };
  }

  async #claim(id) {
    const onLost = () => this.#lost(id);
    const until = performance.now() + (this.isFirst ? LOCK_PATIENCE_MS : 0);
    this.isFirst = false;
    this.alive.delete(id);
    this.channel?.postMessage({ whose: id });
    while (!(await this.locks.claim(this.prefix + id, { steal: this.steals, onLost }))) {
      if (this.alive.has(id) || performance.now() >= until) return false;
      await new Promise((resolve) => setTimeout(resolve, LOCK_WAIT_MS));
    }
    if (this.session.lease.left.includes(id)) { // its tab closed, and gives it back
      this.locks.release(this.prefix + id);
      return false;
    }
    this.mine.add(id);
    return true;
  }

  #lost(id) {
    this.mine.delete(id);
    this.session.takenOver(id);
  }

  /** Tasks that other tabs of this person hold. */
  async #elsewhere() {
    const names = await this.locks.names();
    const held = names.filter((name) => name.startsWith(this.prefix)).map((name) => Number(name.slice(this.prefix.length)));
    return held.filter((id) => !this.mine.has(id));
  }

  /** Tasks that the site must not hand out again: those of this tab, of others unless they are taken over, and those sent. */
  async #here() {
    const sent = (await this.journal.all()).filter((one) => one.kind === "submit").map((one) => one.task);
    const others = this.steals || this.isFirst ? [] : await this.#elsewhere();
    const { openTask } = this.session;
    return [...new Set([...this.ring.tasks.map((one) => one.id), ...(openTask ? [openTask.id] : []), ...this.releasing, ...others, ...sent])];
  }

  // --- Ahead ---

  /** Takes pages ahead in the background; the page says how many there are once that has come to rest. */
  async fill() {
    const { dataset } = byId("label-page");
    delete dataset.ahead;
    await this.ring.fill();
    dataset.ahead = String(this.ring.pages.length);
  }

  async #ahead() {
    try {
      await this.session.lease.finishLeaving();
      const page = await this.loaded(async () => {
        return (await this.queue.next(this.session.pageSize, { holding: await this.#here(), ahead: true })).task;
      });
      const isNew = page !== null && !this.mine.has(page.task.id);
      return isNew && (await this.#claim(page.task.id)) ? page : null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("No page ahead:", error.message);
      return null;
    }
  }

  async #load({ task }) {
    const sizes = await Promise.all(this.view.picturesOf(task.assignments).map(loadAhead));
    return sizes.reduce((sum, one) => sum + one, 0);
  }

  #giveBack({ task, restored }) {
    forgetAhead(this.view.picturesOf(task.assignments));
    if (restored) {
      this.done(task.id);
      return; // there is work on it: it keeps its lease, and is handed out again
    }
    this.releasing.add(task.id);
    const end = () => {
      this.releasing.delete(task.id);
      this.done(task.id);
    };
    task.release = this.queue.release(task.id).then(end, (error) => {
      end();
      if (!(error instanceof ApiError)) throw error;
      console.info("Release:", error.message);
    });
    this.lastReturn = Promise.all([this.lastReturn, task.release]);
  }

  /** Resolves when pages given back have arrived. */
  async returned() {
    await this.ring.filling;
    await this.lastReturn;
  }

  /** A page that was open waits as the next one. */
  putBack(page) {
    this.ring.pages.unshift(page);
  }

  /** This tab is through with a task. */
  done(id) {
    if (this.mine.delete(id)) this.locks.release(this.prefix + id);
  }
}
