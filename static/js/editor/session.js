// The course of labeling: get a page, keep drafts, submit, walk over one's earlier pages. Every failure ends in a sentence
// and a way on, and never in lost work.

import { ask } from "../confirm.js";
import { ApiError } from "../csrf.js";
import { byId, debounce, newId, say, storage } from "./dom.js";
import { Lease } from "./lease.js";
import { PastPages } from "./past.js";
import { suggestionsOf } from "./prelabels.js";

const LAYOUT_KEY = "tessera.layout";

export class Session {
  constructor({ queue, drafts, page, view, viewTools, activity, context, isClassification, onOpen = () => {} }) {
    Object.assign(this, { queue, drafts, page, view, viewTools, activity, context, isClassification, onOpen });
    this.task = null;
    this.isPast = false;
    this.isLost = false;
    this.busy = false;
    this.restored = false;
    this.attempt = null;
    this.openTask = null;
    this.past = new PastPages(queue);
    this.lease = new Lease(queue, activity, this);
    const sizes = context.page_sizes ?? [1, 4, 6, 9];
    const saved = storage.get(LAYOUT_KEY);
    this.pageSize = isClassification && sizes.includes(saved) ? saved : 1;
    this.saveDraft = debounce(() => this.#saveDraft(), 250);
    view.addEventListener("change", () => {
      this.restored = true; // from now on the draft says more than the server does
      this.saveDraft();
      this.refresh();
    });
    document.addEventListener("visibilitychange", () => this.saveDraft.flush());
    addEventListener("pagehide", () => this.saveDraft.flush());
    addEventListener("online", () => this.isOffline && this.submit({ again: true }));
  }

  /** Whether something on this page has not reached the server. */
  get isTouched() {
    return this.task !== null && (this.view.hasEdits || this.restored);
  }

  /** Whether the open page must stay with this person: an earlier page is looked at, or a tab has work on it. */
  get hasWork() {
    return this.isPast || this.isTouched || (this.assignments ?? []).some((one) => this.drafts.has(one));
  }

  // --- Getting work ---

  /** Opens the page that waits for this person, or a new one. */
  async next() {
    if (this.busy) return;
    this.page.clearNotice();
    this.page.showState("loading");
    this.#close();
    this.openTask = null;
    this.past.leave();
    await this.#guard(async () => {
      await this.lease.finishLeaving();
      const reply = await this.queue.next(this.pageSize);
      this.page.setRemaining(reply.remaining);
      if (reply.task) await this.#show(reply.task, false);
      else this.page.showState(["paused", "waiting"].includes(reply.reason) ? reply.reason : "empty");
    });
  }

  /** Runs a request that the whole page waits for; a refusal becomes the panel "failed" or a notice. */
  async #guard(run) {
    this.#setBusy(true);
    try {
      await run();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.page.setFailure(error.message);
      byId("failed-sign-in").hidden = error.status !== 401 && error.status !== 403;
      this.page.showState("failed");
    } finally {
      this.#setBusy(false);
    }
  }

  async #show(task, isPast) {
    this.task = task;
    this.isPast = isPast;
    this.isLost = false;
    this.isOffline = false;
    this.attempt = null;
    if (!isPast) this.openTask = task;
    const assignments = [...task.assignments].sort((a, b) => a.position - b.position);
    const drafts = new Map(assignments.map((one) => [one.id, this.drafts.read(one)]));
    this.restored = [...drafts.values()].some((draft) => draft !== null);
    const answers = new Map(assignments.map((one) => [one.id, drafts.get(one.id)?.annotations ?? this.#known(one)]));
    this.assignments = assignments;
    this.page.showState("work");
    this.page.setTask(task, isPast);
    this.viewTools.open(assignments);
    this.activity.startPage();
    const loading = this.view.open(assignments, answers);
    this.onOpen(assignments);
    this.#showLayout();
    this.refresh();
    if (this.restored) this.page.show(say("restored"));
    else if (isPast) this.page.show(say("past_page"));
    // The image may take its time, and whoever knows the answer need not wait for it.
    loading.catch((error) => this.task === task && this.page.showNotice("warning", error.message, [this.#closing()]));
  }

  /** What the server knows of an item, as the view wants it. */
  #known({ response, prelabels }) {
    if (!response) return suggestionsOf(prelabels, { single: this.context.project.task_type === "multi_class" });
    if (response.outcome === "skipped") return this.isClassification ? [{ id: newId(), skipped: true, skip_reason: response.skip_reason }] : [];
    return response.annotations;
  }

  #close() {
    this.saveDraft.flush();
    this.task = null;
    this.isPast = false;
    this.restored = false;
    this.view.close();
  }

  #saveDraft() {
    if (!this.task) return;
    const answers = this.view.answers();
    let kept = true;
    for (const one of this.assignments) kept = this.drafts.write(one, answers.get(one.id)) && kept;
    if (!kept && !this.warnedStorage) {
      this.warnedStorage = true;
      this.page.show(say("no_storage"));
    }
  }

  #dropDrafts(assignments) {
    this.saveDraft.flush();
    for (const one of assignments) this.drafts.remove(one);
  }

  // --- Submitting ---

  /** Sends the page. `skip` skips it as a whole, `empty` allows no objects, `again` repeats the last try as it was meant. */
  async submit({ empty = false, skip = null, again = false } = {}) {
    if (!this.task || this.busy) return;
    if (again && this.attempt) ({ empty, skip } = this.attempt);
    const problem = skip === null ? this.view.problem() : null;
    if (problem && !(empty && problem === "nothing_drawn")) {
      this.page.show(say(problem));
      return;
    }
    if (skip === null) this.view.settle();
    this.#prepare(empty, skip);
    const { task, isPast } = this;
    this.#setBusy(true);
    this.page.clearNotice();
    let reply;
    try {
      reply = await this.queue.submit(task.id, this.attempt.body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#refused(error);
      return;
    } finally {
      this.#setBusy(false);
    }
    await this.#accepted(reply, task, isPast);
  }

  /** The same answers keep their operation id, so that a repeated request is stored once; changed answers get a new one. */
  #prepare(empty, skip) {
    const found = this.view.answers();
    const seconds = Math.round((this.activity.pageSeconds / this.assignments.length) * 10) / 10;
    const answers = this.assignments.map((one) => this.#answer(one.id, found.get(one.id), skip));
    const content = JSON.stringify([this.task.id, answers]);
    if (this.attempt?.content === content) return;
    const timed = answers.map((answer) => ({ ...answer, active_seconds: seconds }));
    this.attempt = { content, empty, skip, body: { operation_id: newId(), answers: timed } };
  }

  #answer(assignment, entries, skip) {
    const skipped = entries.find((one) => one.skipped);
    if (skip !== null || skipped) {
      return { assignment, outcome: "skipped", skip_reason: skip ?? skipped.skip_reason ?? "", annotations: [] };
    }
    return { assignment, outcome: "labeled", skip_reason: "", annotations: entries };
  }

  async #accepted(reply, task, isPast) {
    const refused = new Map((reply.refused ?? []).map((one) => [one.assignment, one.detail]));
    this.#dropDrafts(this.assignments.filter((one) => !refused.has(one.id)));
    this.attempt = null;
    this.restored = false;
    this.page.setRemaining(reply.remaining);
    this.past.forget();
    if (isPast) await this.#show(reply.task, true);
    else await this.next();
    this.page.say(say("saved"));
    if (isPast) this.page.show(say("correction_saved"));
    if (refused.size) this.page.showNotice("warning", [...new Set(refused.values())].join(" "), [this.#closing()]);
  }

  #closing() {
    return { label: say("close"), run: () => this.page.clearNotice() };
  }

  /** Nothing was stored: keeps what is on the page and says what can be done. */
  #refused(error) {
    this.saveDraft();
    this.saveDraft.flush();
    const again = { label: say("try_again"), run: () => this.submit({ again: true }) };
    const onward = { label: say("get_next"), run: () => this.next() };
    const { code } = error.problem;
    this.isOffline = error.status === 0;
    if (error.status === 0) this.page.showNotice("warning", say("offline"), [again]);
    else if (error.status === 401 || error.status === 403) this.#signIn(error, again);
    else if (code === "lease_lost") this.leaseLost(error.message);
    else if (code === "retired_class" || code === "unknown_class") {
      this.page.showNotice("warning", error.message, [{ label: say("reload"), run: () => location.reload() }]);
    } else if (error.status === 404 || error.status === 409) this.page.showNotice("warning", error.message, [onward, again]);
    else if (error.status === 400) this.page.showNotice("error", error.message, [this.#closing()]);
    else this.page.showNotice("error", `${error.message} ${say("kept")}`, [again]);
  }

  #signIn(error, again) {
    const retry = async () => {
      try {
        await this.queue.refreshToken();
      } catch (problem) {
        console.info("No fresh copy of this page:", problem.message);
      }
      await again.run();
    };
    const text = error.status === 401 ? say("signed_out") : error.message;
    const signIn = { label: say("sign_in"), href: byId("label-page").dataset.signIn };
    this.page.showNotice("warning", `${text} ${say("kept")}`, [signIn, { label: say("try_again"), run: retry }]);
  }

  /** The lease ran out. What is here stays, and may still be sent: the site takes it while the place is free. */
  leaseLost(text) {
    if (this.isPast) {
      this.openTask = null;
      return;
    }
    this.isLost = true;
    this.saveDraft();
    this.saveDraft.flush();
    this.page.showNotice("warning", text, [{ label: say("get_next"), run: () => this.next() }]);
    this.refresh();
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
    this.#keepOrForget();
    this.past.leave();
    if (!this.openTask || this.isLost) return this.next();
    const task = this.openTask;
    this.#close();
    this.page.clearNotice();
    await this.#guard(() => this.#show(task, false));
  }

  async #walk(by) {
    if (this.busy) return;
    this.#keepOrForget();
    await this.#guard(async () => {
      const task = await this.past.step(by);
      if (!task) {
        this.page.show(say("no_earlier"));
        return;
      }
      this.#close();
      this.page.clearNotice();
      await this.#show(task, true);
    });
  }

  #keepOrForget() {
    this.saveDraft.flush();
    if (this.task && !this.isTouched) this.#dropDrafts(this.assignments);
  }

  // --- Layout ---

  async setPageSize(size) {
    if (size === this.pageSize || this.busy) return;
    this.pageSize = size;
    storage.set(LAYOUT_KEY, size);
    this.#showLayout();
    if (!this.task) return;
    if (this.isTouched || this.isPast) {
      this.page.show(say("layout_later"));
      return;
    }
    const { id } = this.task;
    await this.#guard(() => this.queue.release(id));
    if (this.task?.id === id) await this.next();
  }

  #showLayout() {
    for (const button of document.querySelectorAll("[data-page-size]")) {
      button.setAttribute("aria-checked", String(Number(button.dataset.pageSize) === this.pageSize));
    }
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
