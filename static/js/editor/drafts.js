// What a page shows when it opens: what the server knows of it, and on top what this device has not sent yet.

import { applied, known } from "./edits.js";
import { newId, storage } from "./dom.js";

/** Where earlier versions of this page kept unsent work. */
const OLD_PREFIX = "tessera.draft.";
const OLD_KEEP_MS = 14 * 24 * 3600 * 1000;

const isEditOf = (one, assignment) => one.kind === "edit" && one.assignment === assignment.id;
const shows = (one) => one.state === "waiting" || one.code === "lease_lost";

/** Two readings of the journal as one, in order; what stands in both is as in the later one. */
function merged(before, now) {
  const rows = new Map([...before, ...now].map((one) => [one.seq, one]));
  return [...rows.values()].sort((a, b) => a.seq - b.seq);
}

export class Drafts {
  /** `single`: an image has one class, and so one suggestion. */
  constructor({ journal, project, user, skips, single = false }) {
    Object.assign(this, { journal, project, user, skips, single });
    this.oldPrefix = `${OLD_PREFIX}${user}.${project}.`;
    for (const key of storage.keys(OLD_PREFIX)) {
      if (!(storage.get(key)?.at > Date.now() - OLD_KEEP_MS)) storage.remove(key);
    }
  }

  /**
   * {answers: assignment id → annotations, restored: whether any of them is unsent work}. Work on an earlier lease of
   * the same item becomes work on this one. `before` is the journal as it was before the task was asked for: what the
   * site took meanwhile may not be in the task yet, and to apply it twice changes nothing.
   */
  async open(task, before = []) {
    const entries = await this.#adopted(task, merged(before, await this.journal.all()));
    const answers = new Map();
    let restored = false;
    for (const assignment of task.assignments) {
      const edits = entries.filter((one) => isEditOf(one, assignment) && shows(one));
      const old = edits.length || assignment.draft?.annotations ? null : this.#old(assignment);
      let found = known(assignment, this);
      for (const one of edits) found = applied(found, one.changes);
      if (old) found = await this.#migrated(task, assignment, found, old);
      restored ||= Boolean(edits.length || old || assignment.draft?.annotations);
      answers.set(assignment.id, found);
    }
    return { answers, restored };
  }

  /** Entries in which those of a lost lease name the lease that follows it. */
  async #adopted(task, entries) {
    const byItem = new Map(task.assignments.map((one) => [one.item.id, one]));
    const moved = entries
      .filter((one) => one.kind === "edit" && one.code === "lease_lost" && byItem.has(one.item) && byItem.get(one.item).id !== one.assignment)
      .map((one) => ({ ...one, state: "waiting", code: "", detail: "", task: task.id, assignment: byItem.get(one.item).id, correction: false, base: 0 }));
    if (!moved.length) return entries;
    await this.journal.change(moved);
    const next = new Map(moved.map((one) => [one.seq, one]));
    return entries.map((one) => next.get(one.seq) ?? one);
  }

  /** Unsent work of this item that an earlier version left in localStorage. */
  #old(assignment) {
    for (const key of storage.keys(this.oldPrefix)) {
      const draft = storage.get(key);
      if (key === this.oldPrefix + assignment.id || draft?.item === assignment.item.id) return { key, annotations: draft?.annotations ?? [] };
    }
    return null;
  }

  /** Moves it into the journal, as one edit. */
  async #migrated(task, assignment, from, { key, annotations }) {
    const gone = from.filter((one) => !annotations.some((other) => other.id === one.id)).map(({ id }, at) => ({ id, after: null, at }));
    const changes = [...gone, ...annotations.map((after, at) => ({ id: after.id, after, at }))];
    if (changes.length) {
      const { id, item, draft, state } = assignment;
      await this.journal.append([
        {
          kind: "edit", project: this.project, task: task.id, assignment: id, item: item.id, operation: newId(),
          base: draft?.revision ?? 0, correction: state === "done", changes,
        },
      ]);
    }
    storage.remove(key);
    return applied(from, changes);
  }
}
