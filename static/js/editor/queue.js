// The labeler's side of the queue: pages handed out, kept, edited, submitted, given back. Every call throws ApiError on a
// refusal.

import { api } from "../csrf.js";

const PATIENCE_MS = 30_000;
/** A request that may outlive its page can have this many bytes. */
const KEEPALIVE_BYTES = 30_000;

/** A POST that gives up in time, and that outlives the page where it is small enough. */
function post(url, body) {
  const keepalive = JSON.stringify(body).length < KEEPALIVE_BYTES;
  return api("POST", url, body, { keepalive, signal: AbortSignal.timeout?.(PATIENCE_MS) });
}

export class Queue {
  /** `urls.tasks` lists and hands out; `urls.task` holds "{id}" where the number of a task goes. */
  constructor(urls) {
    this.urls = urls;
  }

  #task(id, action = "") {
    return this.urls.task.replace("{id}", id) + action;
  }

  /**
   * {task, remaining, reason}; `task` is null when there is nothing to hand out. `holding` names tasks that are here
   * already; `ahead` asks for one that will be opened later.
   */
  next(pageSize, { holding = [], ahead = false } = {}) {
    return api("POST", this.urls.tasks, { page_size: pageSize, holding, ahead });
  }

  /** {lost, scarce}: which of these tasks are not ours any more, and whether pages taken ahead are wanted back. */
  heartbeat(tasks, pageSize) {
    return api("POST", `${this.urls.tasks}heartbeat/`, { tasks, page_size: pageSize });
  }

  /** `keepalive` lets the request outlive the page. */
  release(id, { keepalive = false } = {}) {
    return api("POST", this.#task(id, "release/"), {}, { keepalive });
  }

  /** Sends a step of the journal (sync.js): a page with its edits, or some edits alone. */
  send(step, body) {
    if (step.submit) return post(this.#task(step.submit.task, "submit/"), body);
    return post(this.#task(step.edits[0].task, "operations/"), body);
  }

  get(id) {
    return api("GET", this.#task(id));
  }

  /** One's own tasks, newest first: {tasks, more}, where `more` is the address of older ones or null. */
  async mine(url = this.urls.tasks) {
    const reply = await api("GET", url);
    return Array.isArray(reply) ? { tasks: reply, more: null } : { tasks: reply.results, more: reply.next };
  }

  /**
   * After signing in again this page's CSRF token is old: takes the one of a fresh copy of the page. False where that
   * copy is not to be had, as when nobody is signed in.
   */
  async refreshToken() {
    const response = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) return false;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector('meta[name="csrf-token"]')?.content;
    const mine = document.querySelector('meta[name="csrf-token"]');
    if (!fresh || !mine) return false;
    mine.content = fresh;
    return true;
  }
}
