// The course of labeling: get a page, journal what is done on it, submit, walk over one's earlier pages. Every failure ends
// in a sentence and a way on, and never in lost work.

import { ask } from "../confirm.js";
import { ApiError } from "../csrf.js";
import { byId, newId, say, storage } from "./dom.js";
import { byAssignment } from "./edits.js";
import { LayoutChoice } from "./layout_choice.js";
import { Lease } from "./lease.js";
import { PastPages } from "./past.js";
import { Refusals } from "./refusals.js";
import { Supply } from "./supply.js";
import { Waiting } from "./waiting.js";

const LAYOUT_KEY = "tessera.layout";

export class Session {
  constructor({ queue, sync, locks, drafts, page, view, viewTools, activity, context, isClassification, onOpen = () => {} }) {
    Object.assign(this, { queue, sync, drafts, page, view, viewTools, activity, context, isClassification, onOpen });
    this.journal = sync.journal;
    this.tab = newId();
    this.task = null;
    this.isPast = false;
    this.isLost = false;
    this.busy = false;
    this.restored = false;
    this.openTask = null;
    this.opened = 0;
    this.bases = new Map();
    this.past = new PastPages(queue);
    this.waiting = new Waiting(this);
    this.refusals = new Refusals(this);
    this.layout = new LayoutChoice((size) => this.setPageSize(size));
    const sizes = context.page_sizes ?? [1, 4, 6, 9];
    const saved = storage.get(LAYOUT_KEY);
    this.pageSize = isClassification && sizes.includes(saved) ? saved : 1;
    this.supply = new Supply({ queue, locks, drafts, journal: this.journal, view, session: this });
    this.lease = new Lease(queue, activity, {
      held: () => [...this.supply.ring.tasks, this.isLost ? null : this.openTask].filter(Boolean).map((one) => one.id),
      untouched: () => [...this.supply.ring.tasks, this.hasWork || this.isLost ? null : this.openTask].filter(Boolean).map((one) => one.id),
      onReply: (reply) => this.#kept(reply),
      pageSize: () => this.pageSize,
    });
    view.addEventListener("change", ({ detail }) => this.#journalEdit(detail));
    sync.addEventListener("submitted", ({ detail }) => this.#accepted(detail));
  }

  /** Whether this page holds work that is not submitted. */
  get isTouched() {
    return this.task !== null && (this.view.hasEdits || this.restored);
  }

  /** Whether the open page must stay with this person: an earlier page is looked at, or there is work on it. */
  get hasWork() {
    return this.isPast || this.isTouched || Boolean(this.openTask?.hasDraft);
  }

  // --- Getting work ---

  /** Opens the next page: the one taken ahead, at once, else the one that the site hands out. */
  async next() {
    if (this.busy) return;
    this.page.clearNotice();
    const ready = this.supply.ring.take();
    if (ready) {
      this.#leavePage();
      this.show(ready, false);
      this.supply.fill();
      return;
    }
    this.#leavePage();
    this.page.showState("loading");
    await this.guard(async () => {
      await this.waiting.looking; // it may have found a page
      await this.sync.settle(); // the site should know of our answers before it says what is left
      if (this.task || (await this.refusals.reopenOwn())) return;
      const put = this.supply.ring.pages.shift();
      if (put) {
        this.show(put, false);
        return;
      }
      const { page, reply } = await this.supply.fetch();
      this.page.setRemaining(reply.remaining);
      if (page) this.show(page, false);
      else this.showEnd(reply.reason);
    });
    this.supply.fill();
  }

  #leavePage() {
    this.waiting.end();
    if (this.isLost && this.openTask) this.supply.done(this.openTask.id);
    this.close();
    this.openTask = null;
    this.past.leave();
  }

  showEnd(reason) {
    this.page.showState(["paused", "waiting", "elsewhere", "enough"].includes(reason) ? reason : "empty");
    this.#markOpened(null);
    if (["paused", "waiting", "enough"].includes(reason)) this.waiting.begin();
  }

  /** For whoever watches the page from outside: which task is open, and how many were before it. */
  #markOpened(task) {
    const { dataset } = byId("label-page");
    dataset.task = task?.id ?? "";
    dataset.opened = String((this.opened += 1));
  }

  /** Runs a request that the whole page waits for; a refusal becomes the panel "failed" or a notice. */
  async guard(run) {
    this.#setBusy(true);
    try {
      await run();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.page.setFailure(error.message);
      byId("failed-sign-in").hidden = error.status !== 401 && error.status !== 403;
      if (error.status === 401) this.onSignedOut?.();
      this.page.showState("failed");
    } finally {
      this.#setBusy(false);
    }
  }

  /** Shows a prepared page: {task, answers, restored} of Supply. */
  show({ task, answers, restored }, isPast) {
    this.task = task;
    this.isPast = isPast;
    this.isLost = false;
    this.restored = restored;
    if (!isPast) this.openTask = Object.assign(task, { hasDraft: restored });
    this.assignments = [...task.assignments].sort((a, b) => a.position - b.position);
    for (const one of this.assignments) this.bases.set(one.id, one.draft?.revision ?? 0);
    this.waiting.end();
    this.page.showState("work");
    this.page.setTask(task, isPast);
    this.viewTools.open(this.assignments);
    this.activity.startPage();
    const loading = this.view.open(this.assignments, answers);
    this.onOpen(this.assignments);
    this.#markOpened(task);
    this.layout.show(this.pageSize);
    this.refresh();
    if (this.restored) {
      this.sync.look();
      this.page.show(say("restored"));
    } else if (isPast) this.page.show(say("past_page"));
    // The image may take its time, and whoever knows the answer need not wait for it.
    loading.catch((error) => this.task === task && this.page.showNotice("warning", error.message, [this.page.closing]));
  }

  close() {
    this.task = null;
    this.isPast = false;
    this.restored = false;
    this.view.close();
  }

  // --- The journal ---

  /** What was done goes into the journal at once, a part for each image. */
  #journalEdit(detail) {
    this.restored = true;
    if (this.openTask && !this.isPast) this.openTask.hasDraft = true;
    this.refresh();
    const items = new Map(this.assignments.map((one) => [one.id, one]));
    const entries = byAssignment(detail).map(({ assignment, changes }) => ({
      ...this.#entry("edit"), assignment, item: items.get(assignment).item.id, names: [items.get(assignment).item.name], base: this.bases.get(assignment) ?? 0, changes,
    }));
    this.sync.add(entries);
  }

  #entry(kind) {
    const { id, name } = this.context.project;
    return { kind, tab: this.tab, project: id, projectName: name, task: this.task.id, correction: this.isPast, operation: newId() };
  }

  // --- Submitting ---

  /** Sends the page and opens the next one. `skip` skips it as a whole, `empty` allows no objects. */
  async submit({ empty = false, skip = null } = {}) {
    if (!this.task || this.busy) return;
    const problem = skip === null ? this.view.problem() : null;
    if (problem && !(empty && problem === "nothing_drawn")) {
      this.page.show(say(problem));
      return;
    }
    if (skip === null) this.view.settle();
    const { task, isPast } = this;
    const answers = this.#answers(skip);
    const names = this.assignments.map((one) => one.item.name);
    const kept = this.sync.add([{ ...this.#entry("submit"), answers, names }]);
    this.refusals.forget(task.id, kept);
    this.past.forget();
    if (this.isLost) await this.guard(() => kept.then(() => this.sync.settle())); // before we take its image ourselves
    if (isPast) this.show({ task: answered(task, answers), answers: this.view.answers(), restored: false }, true);
    else await this.next();
  }

  #answers(skip) {
    const found = this.view.answers();
    const { length } = this.assignments;
    const share = (value) => Math.round((value / length) * 100) / 100;
    return this.assignments.map((one) => {
      const entries = found.get(one.id);
      const skipped = entries.find((entry) => entry.skipped);
      const isSkipped = skip !== null || Boolean(skipped);
      return {
        assignment: one.id,
        outcome: isSkipped ? "skipped" : "labeled",
        skip_reason: isSkipped ? (skip ?? skipped.skip_reason ?? "") : "",
        annotations: isSkipped ? [] : entries,
        active_seconds: share(this.activity.pageSeconds),
        actions: share(this.activity.pageActions),
        base: this.bases.get(one.id) ?? 0,
      };
    });
  }

  /** The site has taken a page that this tab, or another, sent. */
  #accepted({ entry, reply }) {
    this.supply.done(entry.task);
    if (entry.project !== this.context.project.id) return;
    this.page.setRemaining(reply.remaining);
    if (entry.opinion) this.page.show(say("offered"));
    if (entry.tab !== this.tab) return;
    for (const one of reply.task.assignments) this.bases.set(one.id, one.draft?.revision ?? 0);
    this.page.say(say("saved"));
    if (entry.correction && this.task?.id === entry.task) this.page.show(say("correction_saved"));
  }

  // --- Leases ---

  #kept({ lost, scarce }) {
    for (const id of lost) this.supply.ring.forget(id);
    if (scarce) this.supply.ring.empty();
    if (this.openTask && lost.includes(this.openTask.id)) this.leaseLost(say("lease_lost"));
  }

  /** The lease ran out. What is here stays, and may still be sent: the site takes it while the place is free. */
  leaseLost(text) {
    if (this.isPast) {
      this.openTask = null;
      return;
    }
    if (this.isLost || !this.task) return;
    this.isLost = true;
    this.page.showNotice("warning", `${text} ${say("kept")}`, [{ label: say("get_next"), run: () => this.next() }]);
    this.refresh();
  }

  /** Another tab took this page over. */
  takenOver(taskId) {
    this.supply.ring.forget(taskId);
    if (this.openTask?.id !== taskId) return;
    this.#leavePage();
    this.page.clearNotice();
    this.showEnd("elsewhere");
  }

  /** Works here on the page that another tab has open. */
  async takeOver() {
    this.supply.steals = true;
    await this.next();
    this.supply.steals = false;
  }

  // --- Skipping ---

  /** Skips the page, or the selected images of a grid. Asks first where something would be thrown away. */
  async skip(reason = "") {
    if (!this.task || this.busy || this.view.skip?.(reason)) return;
    const drawn = [...this.view.answers().values()].flat().filter((one) => !one.skipped && !one.suggested).length;
    if (drawn && !(await ask({ title: say("skip_title"), detail: say("skip_detail", { n: drawn }), label: say("skip"), danger: true }))) return;
    await this.submit({ skip: reason });
  }

  skipWithReason() {
    if (!this.task || this.busy) return;
    const dialog = byId("skip-dialog");
    const input = byId("skip-reason");
    input.value = "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => dialog.returnValue === "skip" && this.skip(input.value.trim()), { once: true });
    dialog.showModal();
    input.focus();
  }

  async noObjects() {
    if (!this.task || this.busy) return;
    if (this.view.problem() !== "nothing_drawn") this.page.show(say("not_empty"));
    else await this.submit({ empty: true });
  }

  // --- Earlier pages ---

  async previous() {
    await this.#walk(1);
  }

  async following() {
    if (this.past.at < 0) return;
    if (this.past.at === 0) await this.resume();
    else await this.#walk(-1);
  }

  /** Back to the page that is still open, or a new one. */
  async resume() {
    if (this.busy || !this.isPast) return;
    this.past.leave();
    if (!this.openTask || this.isLost) return this.next();
    const task = this.openTask;
    this.close();
    this.page.clearNotice();
    await this.guard(async () => this.show(await this.supply.loaded(() => this.queue.get(task.id)), false));
  }

  async #walk(by) {
    if (this.busy) return;
    await this.guard(async () => {
      await this.sync.settle(); // an earlier page is the last one sent
      const page = await this.supply.loaded(() => this.past.step(by));
      if (!page) {
        this.page.show(say("no_earlier"));
        return;
      }
      this.close();
      this.page.clearNotice();
      this.show(page, true);
    });
  }

  // --- Layout ---

  async setPageSize(size) {
    if (size === this.pageSize || this.busy) return;
    this.pageSize = size;
    storage.set(LAYOUT_KEY, size);
    this.layout.show(size);
    this.supply.ring.empty();
    if (!this.task) return;
    if (this.isTouched || this.isPast) {
      this.page.show(say("layout_later"));
      return;
    }
    const { id } = this.task;
    await this.guard(async () => {
      await this.supply.returned();
      await this.queue.release(id);
      this.supply.done(id);
    });
    if (this.task?.id === id) await this.next();
  }

  // --- Buttons ---

  #setBusy(busy) {
    this.busy = busy;
    byId("submit").setAttribute("aria-busy", String(busy));
    byId("work-area").inert = busy;
    byId("side-panel").inert = busy;
    this.refresh();
  }

  refresh() {
    const idle = this.task !== null && !this.busy;
    const problem = idle ? this.view.problem() : null;
    byId("submit").disabled = !idle || problem !== null;
    byId("submit").title = problem ? say(problem) : "";
    const suggested = idle && !problem ? this.view.prelabels.pending(this.view.store.annotations).length : 0;
    const text = this.isPast ? "submit_correction" : suggested ? "accept_and_submit" : "submit";
    byId("submit-text").textContent = say(text, { n: suggested });
    byId("skip").disabled = !idle;
    byId("skip-more").disabled = !idle;
    byId("no-objects").disabled = !idle || problem !== "nothing_drawn";
    byId("previous").disabled = this.busy;
    byId("next").disabled = this.busy || this.past.at < 0;
    byId("resume").disabled = this.busy || !this.isPast;
  }
}

/** A task as it will be once its answers are stored. */
function answered(task, answers) {
  const given = new Map(answers.map((one) => [one.assignment, one]));
  const assignments = task.assignments.map((one) => ({ ...one, response: given.get(one.id), draft: { revision: one.draft?.revision ?? 0, annotations: null } }));
  return { ...task, assignments };
}
