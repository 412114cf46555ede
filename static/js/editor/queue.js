// The labeler's side of the queue: the next page, heartbeat, submit, release. Every call throws ApiError on a refusal.

import { api } from "../csrf.js";

export class Queue {
  /** `urls.tasks` lists and hands out; `urls.task` holds "{id}" or "0" where the number of a task goes. */
  constructor(urls) {
    this.urls = urls;
  }

  #task(id, action = "") {
    return this.urls.task.replace("{id}", id) + action;
  }

  /** {task, remaining, reason}; `task` is null when there is nothing to hand out. */
  next(pageSize) {
    return api("POST", this.urls.tasks, { page_size: pageSize });
  }

  heartbeat(id) {
    return api("POST", this.#task(id, "heartbeat/"), {});
  }

  /** `keepalive` lets the request outlive the page. */
  release(id, { keepalive = false } = {}) {
    return api("POST", this.#task(id, "release/"), {}, { keepalive });
  }

  /** `body` holds operation_id: the same body sent twice is stored once. */
  submit(id, body) {
    return api("POST", this.#task(id, "submit/"), body);
  }

  get(id) {
    return api("GET", this.#task(id));
  }

  /** One's own tasks, newest first: {tasks, more}, where `more` is the address of older ones or null. */
  async mine(url = this.urls.tasks) {
    const reply = await api("GET", url);
    return Array.isArray(reply) ? { tasks: reply, more: null } : { tasks: reply.results, more: reply.next };
  }

  /** After signing in again in another tab, this page's CSRF token is old: takes the one of a fresh copy of the page. */
  async refreshToken() {
    const response = await fetch(location.href, { credentials: "same-origin", headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector('meta[name="csrf-token"]')?.content;
    const mine = document.querySelector('meta[name="csrf-token"]');
    if (fresh && mine) mine.content = fresh;
  }
}
