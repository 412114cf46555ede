// What was done on this device and has not reached the server yet, in the order in which it was done. An entry is written
// here before the network sees it, and goes when the server has answered for it.
//
// An entry is {seq, user, tab, project, task, state, kind, …}: state "waiting", or "refused" with code and detail;
// kind "edit" with {operation, assignment, item, base, correction, changes} or "submit" with {operation, answers,
// correction, names}.

import { newId } from "./dom.js";
import { atOnce, done, inStore, openDatabase } from "./idb.js";

/** Numbers of entries that are not in IndexedDB: after all that are. */
const LOOSE_FROM = 1e15;

/** The journal of one person. Where the browser keeps nothing it lives in this page's memory, and says so. */
export async function openJournal(user) {
  try {
    const database = await openDatabase();
    const client = await inStore(database, "facts", "readwrite", async (store) => {
      const known = await done(store.get("client"));
      if (known) return known;
      const made = newId();
      store.put(made, "client");
      return made;
    });
    return new Journal({ user, client, kept: new Kept(database, user) });
  } catch (error) {
    console.warn("This browser keeps nothing:", error?.message);
    return new Journal({ user, client: newId(), kept: null });
  }
}

/** Entries in IndexedDB. */
class Kept {
  constructor(database, user) {
    this.database = database;
    this.user = user;
  }

  append(entries) {
    return inStore(this.database, "entries", "readwrite", (store) => {
      for (const one of entries) store.add(one);
      atOnce(store);
    });
  }

  all() {
    return inStore(this.database, "entries", "readonly", (store) => done(store.index("user").getAll(this.user)));
  }

  change(put, gone) {
    return inStore(this.database, "entries", "readwrite", (store) => {
      for (const one of put) store.put(one);
      for (const seq of gone) store.delete(seq);
      atOnce(store);
    });
  }
}

export class Journal {
  /** `kept` stores entries, or is null; `client` names this browser. */
  constructor({ user, client, kept }) {
    this.user = user;
    this.client = client;
    this.kept = kept;
    this.loose = []; // what the browser refused to keep; sent all the same
    this.writing = 0;
  }

  /** Whether closing the page loses nothing. */
  get isLasting() {
    return this.kept !== null && this.loose.length === 0;
  }

  /** Writes entries, in this order, after all that is there; resolves when they are kept. */
  async append(entries) {
    const rows = entries.map((one) => ({ state: "waiting", ...one, user: this.user, at: Date.now() }));
    this.writing += 1;
    try {
      if (!this.kept || this.loose.length) throw new Error("This browser keeps nothing.");
      await this.kept.append(rows);
    } catch (error) {
      console.warn("Not kept on this device:", error?.message);
      const last = this.loose.at(-1)?.seq ?? LOOSE_FROM;
      this.loose.push(...rows.map((one, i) => ({ ...one, seq: last + 1 + i })));
    } finally {
      this.writing -= 1;
    }
  }

  /** Everything, oldest first. */
  async all() {
    let rows = [];
    try {
      if (this.kept) rows = await this.kept.all();
    } catch (error) {
      console.warn("The journal cannot be read:", error?.message);
    }
    return [...rows, ...this.loose];
  }

  /** Puts changed entries in the place of those with their `seq`, and takes others out. */
  async change(put, gone = []) {
    const out = new Set(gone);
    const next = new Map(put.map((one) => [one.seq, one]));
    this.loose = this.loose.filter((one) => !out.has(one.seq)).map((one) => next.get(one.seq) ?? one);
    if (this.kept) await this.kept.change(put.filter((one) => !this.loose.includes(one)), gone);
  }
}
