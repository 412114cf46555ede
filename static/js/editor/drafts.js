// What is drawn and not yet sent, kept in this browser per assignment, so that a reload or a lost lease loses nothing.

import { storage } from "./dom.js";

const PREFIX = "tessera.draft.";
const KEEP_MS = 14 * 24 * 3600 * 1000;

export class Drafts {
  /** Drafts of one person in one project: another person on this browser never sees them. */
  constructor(projectId, userId) {
    this.prefix = `${PREFIX}${userId}.${projectId}.`;
    this.#forgetOld();
  }

  #forgetOld() {
    for (const key of storage.keys(PREFIX)) {
      if (!(storage.get(key)?.at > Date.now() - KEEP_MS)) storage.remove(key);
    }
  }

  /** The draft of this assignment, else that of an earlier lease of the same item, else null. */
  read(assignment) {
    const own = storage.get(this.prefix + assignment.id);
    if (own) return own;
    for (const key of storage.keys(this.prefix)) {
      const draft = storage.get(key);
      if (draft?.item === assignment.item.id) {
        storage.remove(key);
        storage.set(this.prefix + assignment.id, draft);
        return draft;
      }
    }
    return null;
  }

  has(assignment) {
    return storage.get(this.prefix + assignment.id) !== null;
  }

  /** False where the browser would not keep it. */
  write(assignment, annotations) {
    return storage.set(this.prefix + assignment.id, { item: assignment.item.id, at: Date.now(), annotations });
  }

  remove(assignment) {
    storage.remove(this.prefix + assignment.id);
  }
}
