// Sends the journal to the server, in order, one request at a time across all tabs of this person, and says how things
// stand. Which request comes next and what an answer means are pure functions; the class adds time and tabs.

import { ApiError } from "../csrf.js";
import { newId } from "./dom.js";

const MOST_EDITS = 100;
const MOST_BYTES = 400_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** A single edit that the server fails on this often is put aside, so that it does not hold up the rest. */
const MOST_TRIES = 3;

const isEditOf = (entry, task) => entry.kind === "edit" && entry.task === task;
/** Edits whose lease ended stay part of the page: a submit may still be taken. */
const canGo = (entry) => entry.state === "waiting" || entry.code === "lease_lost";

/**
 * The next request, null when nothing waits: {submit, edits} sends a page with the edits it contains, {edits} some edits
 * of one page. Edits before a submit of their page need no request of their own.
 */
export function nextStep(entries, alone = new Set()) {
  const first = entries.find((one) => one.state === "waiting");
  if (!first) return null;
  const submit = entries.find((one) => one.kind === "submit" && one.task === first.task && one.state === "waiting");
  if (submit) return { submit, edits: entries.filter((one) => isEditOf(one, submit.task) && one.seq < submit.seq && canGo(one)) };
  const edits = [];
  let bytes = 0;
  for (const one of entries) {
    if (!isEditOf(one, first.task) || one.state !== "waiting") continue;
    if (one.correction !== first.correction) break;
    bytes += JSON.stringify(one.changes).length;
    if (edits.length && (edits.length >= MOST_EDITS || bytes > MOST_BYTES || alone.has(one.seq) || alone.has(first.seq))) break;
    edits.push(one);
  }
  return { submit: null, edits };
}

/** The body of a step's request. */
export function bodyOf({ submit, edits }, client) {
  if (submit) {
    const operations = (id) => edits.filter((one) => one.assignment === id).map((one) => one.operation);
    const answers = submit.answers.map((one) => ({ ...one, operations: operations(one.assignment) }));
    return { client, operation_id: submit.operation, correction: submit.correction, opinion: submit.opinion ?? false, answers };
  }
  const operations = edits.map(({ operation, assignment, base, changes }) => ({ id: operation, assignment, base, changes }));
  return { client, correction: edits[0].correction, operations };
}

/** Whether a refused edit has been overtaken: everything it touched was set anew, or its page was sent as it looked. */
function healed(refused, { assignment, ids }) {
  return refused.kind === "edit" && refused.assignment === assignment && refused.changes.every((one) => ids.has(one.id));
}

const idsOf = (edit) => new Set(edit.changes.map((one) => one.id));

/** What a success means for the journal: {put: changed entries, gone: numbers of entries, refused: entries}. */
export function settled(step, reply, entries) {
  const put = [];
  const gone = [];
  let overtaking;
  if (step.submit) {
    const reasons = new Map((reply.refused ?? []).map((one) => [one.assignment, one]));
    const left = step.submit.answers.filter((one) => reasons.has(one.assignment));
    gone.push(...step.edits.map((one) => one.seq));
    if (left.length) {
      const { code, detail } = reasons.get(left[0].assignment);
      put.push({ ...step.submit, state: "refused", answers: left, code, detail });
    } else gone.push(step.submit.seq);
    const taken = step.submit.answers.filter((one) => !reasons.has(one.assignment));
    overtaking = taken.map((one) => ({ assignment: one.assignment, ids: new Set(one.annotations.map((object) => object.id)) }));
  } else {
    const results = new Map(reply.results.map((one) => [one.id, one]));
    for (const one of step.edits) {
      const result = results.get(one.operation);
      if (result?.status === "applied") gone.push(one.seq);
      else put.push({ ...one, state: "refused", code: result?.code ?? "unanswered", detail: result?.detail ?? "" });
    }
    const out = new Set(gone);
    overtaking = step.edits.filter((one) => out.has(one.seq)).map((one) => ({ assignment: one.assignment, ids: idsOf(one) }));
  }
  for (const one of entries) {
    if (one.state === "refused" && !gone.includes(one.seq) && overtaking.some((later) => healed(one, later))) gone.push(one.seq);
  }
  return { put, gone, refused: put };
}

/** What a failure means: "wait" (try again later), "sign_in", "token" (the page's CSRF token is old), "alone", "refuse". */
export function judged(step, error, tries = 0) {
  const { status, problem = {} } = error;
  const several = !step.submit && step.edits.length > 1;
  if (status === 401) return "sign_in";
  if (status === 403 && !problem.missing) return "token";
  if (status === 500) return several ? "alone" : tries + 1 >= MOST_TRIES ? "refuse" : "wait";
  if (status === 0 || status === 429 || status > 500) return "wait";
  return several ? "alone" : "refuse";
}

/** How things stand, as one word for the page: saved, device, offline, signed_out, unkept. */
export function standing({ waiting, isOffline, needsSignIn, isLasting }) {
  if (needsSignIn) return "signed_out";
  if (waiting && !isLasting) return "unkept";
  if (isOffline) return "offline";
  return waiting ? "device" : "saved";
}

export class Sync extends EventTarget {
  /**
   * Emits "state" ({name, waiting, refused, writing}), "submitted" ({entry, reply}) and "refused" ({entries}); the last two also
   * for what another tab sent. `send(step, body)` makes the request; `renewToken()` fetches a fresh CSRF token.
   */
  constructor({ journal, locks, send, renewToken, channel = null, timers = globalThis, isOnline = () => navigator.onLine !== false }) {
    super();
    Object.assign(this, { journal, locks, send, renewToken, channel, timers, isOnline });
    this.isOffline = false;
    this.needsSignIn = false;
    this.wait = FIRST_WAIT_MS;
    this.timer = null;
    this.alone = new Set();
    this.tries = new Map();
    this.running = null;
    this.again = false;
    channel?.addEventListener("message", ({ data }) => this.#heard(data));
  }

  /** Keeps entries on this device, then sends them. */
  async add(entries) {
    const kept = this.journal.append(entries);
    this.#tell({ waiting: Math.max(this.state?.waiting ?? 0, 1), writing: this.journal.writing });
    await kept;
    this.#tell({ writing: this.journal.writing });
    this.kick();
  }

  /** Sends a page again that came too late: kept as a second opinion where it does not count any more. */
  async offer(submit) {
    await this.journal.change([{ ...submit, state: "waiting", code: "", detail: "", operation: newId(), opinion: true }]);
    return this.look();
  }

  /** There may be something in the journal that was not added here. */
  look() {
    this.#tell({ waiting: Math.max(this.state?.waiting ?? 0, 1) });
    return this.kick();
  }

  /** Starts sending, now; does nothing where somebody has to sign in first. */
  kick() {
    this.timers.clearTimeout(this.timer);
    this.timer = null;
    if (this.running) {
      this.again = true;
      return this.running;
    }
    this.running = this.#run().finally(() => (this.running = null));
    return this.running;
  }

  /** Resolves when everything is sent, or cannot be sent now. */
  async settle() {
    await this.kick();
    while (this.running) await this.running;
  }

  /** The browser says that the network is gone, or back. */
  offline() {
    this.isOffline = true;
    this.#tell({});
  }

  online() {
    this.isOffline = false;
    this.wait = FIRST_WAIT_MS;
    this.#tell({});
    return this.kick();
  }

  /** After somebody signed in again. */
  signedIn() {
    this.needsSignIn = false;
    return this.kick();
  }

  async #run() {
    do {
      this.again = false;
      await this.locks.hold(`tessera.sync.${this.journal.user}`, () => this.#drain());
    } while (this.again && !this.timer && !this.needsSignIn);
  }

  async #drain() {
    let isTokenFresh = false;
    for (;;) {
      const entries = await this.journal.all();
      const step = nextStep(entries, this.alone);
      this.#count(entries);
      if (!step) {
        this.isOffline &&= !this.isOnline();
        this.#tell({});
        return;
      }
      let reply;
      try {
        reply = await this.send(step, bodyOf(step, this.journal.client));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const verdict = judged(step, error, this.tries.get(this.#lead(step)) ?? 0);
        if (verdict === "token" && !isTokenFresh) {
          isTokenFresh = true;
          if (await this.#renewed()) continue;
        }
        if (!(await this.#failed(step, error, verdict === "token" ? "sign_in" : verdict))) return;
        continue;
      }
      this.isOffline = false;
      this.needsSignIn = false;
      this.wait = FIRST_WAIT_MS;
      this.tries.delete(this.#lead(step));
      await this.#accepted(step, reply);
    }
  }

  #lead = (step) => (step.submit ?? step.edits[0]).seq;

  async #renewed() {
    try {
      return await this.renewToken();
    } catch (error) {
      console.info("No fresh copy of this page:", error.message);
      return false;
    }
  }

  async #accepted(step, reply) {
    const entries = await this.journal.all();
    const { put, gone, refused } = settled(step, reply, entries);
    await this.journal.change(put, gone);
    if (step.submit) this.#emit("submitted", { entry: step.submit, reply });
    if (refused.length) this.#emit("refused", { entries: refused });
  }

  /** True where sending may go on with what comes next. */
  async #failed(step, error, verdict) {
    const lead = this.#lead(step);
    if (verdict === "alone") {
      for (const one of step.edits) this.alone.add(one.seq);
      return true;
    }
    if (verdict === "refuse") {
      const detail = error.message;
      const code = error.problem?.code ?? String(error.status);
      const refused = [step.submit ?? step.edits[0]].map((one) => ({ ...one, state: "refused", code, detail }));
      await this.journal.change(refused);
      this.#emit("refused", { entries: refused });
      return true;
    }
    this.tries.set(lead, (this.tries.get(lead) ?? 0) + 1);
    this.isOffline = error.status === 0;
    this.needsSignIn = verdict === "sign_in";
    this.#tell({});
    if (!this.needsSignIn) {
      const seconds = Number(error.problem?.retry_after) || 0;
      this.timer = this.timers.setTimeout(() => this.kick(), Math.max(this.wait, seconds * 1000));
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    }
    return false;
  }

  // --- What the page and other tabs hear ---

  #count(entries) {
    const waiting = entries.filter((one) => one.state === "waiting").length;
    const refused = entries.filter((one) => one.state === "refused").length;
    this.#tell({ waiting, refused });
  }

  #tell(change, { aloud = true } = {}) {
    const { isOffline, needsSignIn } = this;
    const state = { waiting: 0, refused: 0, writing: 0, ...this.state, ...change };
    state.name = standing({ ...state, isOffline, needsSignIn, isLasting: this.journal.isLasting });
    const isNews = ["name", "waiting", "refused", "writing"].some((name) => state[name] !== this.state?.[name]);
    this.state = state;
    if (!isNews) return;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
    if (aloud) this.channel?.postMessage({ type: "state", isOffline, needsSignIn, waiting: state.waiting, refused: state.refused });
  }

  /** Counts anew, as after something was thrown away. */
  async recount() {
    this.#count(await this.journal.all());
  }

  #emit(type, detail) {
    this.channel?.postMessage({ type, detail });
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #heard(message) {
    if (message.type === "state") {
      const { isOffline, needsSignIn, waiting, refused } = message;
      Object.assign(this, { isOffline, needsSignIn });
      this.#tell({ waiting, refused }, { aloud: false });
    } else if (message.type === "submitted" || message.type === "refused") {
      this.dispatchEvent(new CustomEvent(message.type, { detail: message.detail }));
    }
  }
}
