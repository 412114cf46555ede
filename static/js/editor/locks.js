// Locks between the tabs of one browser: which tab works on a page, and which one sends. Web Locks where the browser has
// them (https and localhost), else rows in IndexedDB that end when their tab no longer renews them.

import { newId } from "./dom.js";
import { done, inStore, openDatabase } from "./idb.js";

const LIFE_MS = 6000;
const RENEW_MS = 2000;
const POLL_MS = 250;

/** The best locks that this browser has. */
export async function openLocks() {
  if (navigator.locks) return new WebLocks(navigator.locks);
  try {
    return new StoredLocks(await openDatabase());
  } catch (error) {
    console.info("No locks between tabs:", error?.message);
    return new NoLocks();
  }
}

class WebLocks {
  constructor(manager) {
    this.manager = manager;
    this.ends = new Map();
  }

  /** True when `name` is this tab's from now on. `steal` takes it from another tab, whose `onLost` is called. */
  claim(name, { steal = false, onLost = () => {} } = {}) {
    if (this.ends.has(name)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const held = this.manager.request(name, steal ? { steal: true } : { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock ? new Promise((end) => this.ends.set(name, end)) : null;
      });
      held.catch((error) => {
        this.ends.delete(name);
        if (error.name !== "AbortError") throw error;
        onLost(name);
      });
    });
  }

  release(name) {
    this.ends.get(name)?.();
    this.ends.delete(name);
  }

  /** Names that some tab holds. */
  async names() {
    return (await this.manager.query()).held.map((one) => one.name);
  }

  /** Runs `work` while no other tab runs one of this name. */
  hold(name, work) {
    return this.manager.request(name, work);
  }
}

export class StoredLocks {
  constructor(database, { now = () => Date.now(), timers = globalThis, tab = newId() } = {}) {
    Object.assign(this, { database, now, timers, tab });
    this.mine = new Map();
    this.timer = null;
    globalThis.addEventListener?.("pagehide", () => [...this.mine.keys()].forEach((name) => this.release(name)));
  }

  async claim(name, { steal = false, onLost = () => {} } = {}) {
    const isMine = await this.#take(name, steal);
    if (isMine) {
      this.mine.set(name, { onLost, until: this.now() + LIFE_MS });
      this.timer ??= this.timers.setInterval(() => this.#renew(), RENEW_MS);
    }
    return isMine;
  }

  #take(name, steal) {
    return inStore(this.database, "locks", "readwrite", async (store) => {
      const row = await done(store.get(name));
      if (!steal && row && row.tab !== this.tab && row.until > this.now()) return false;
      store.put({ name, tab: this.tab, until: this.now() + LIFE_MS });
      return true;
    });
  }

  async #renew() {
    for (const [name, held] of [...this.mine]) {
      const until = this.now() + LIFE_MS;
      const isMine = await inStore(this.database, "locks", "readwrite", async (store) => {
        const row = await done(store.get(name));
        if (row && row.tab !== this.tab) return false;
        if (this.mine.has(name)) store.put({ name, tab: this.tab, until });
        return true;
      });
      if (isMine) held.until = until;
      else if (this.mine.delete(name)) held.onLost(name);
    }
  }

  /** A page that is left has no time to read first. What it may have lost unnoticed it lets be. */
  release(name) {
    const held = this.mine.get(name);
    if (!this.mine.delete(name) || held.until <= this.now()) return;
    inStore(this.database, "locks", "readwrite", (store) => store.delete(name)).catch((error) => console.info("Lock:", error?.message));
  }

  async names() {
    const rows = await inStore(this.database, "locks", "readonly", (store) => done(store.getAll()));
    return rows.filter((one) => one.until > this.now()).map((one) => one.name);
  }

  async hold(name, work) {
    while (!(await this.claim(name))) await new Promise((resolve) => this.timers.setTimeout(resolve, POLL_MS));
    try {
      return await work();
    } finally {
      this.release(name);
    }
  }
}

/** No storage at all: each tab for itself, and the server keeps order. */
export class NoLocks {
  async claim() {
    return true;
  }

  release() {}

  async names() {
    return [];
  }

  hold(_name, work) {
    return work();
  }
}
