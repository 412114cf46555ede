// Comments on the image that is open: threads beside it, pins on it, and the question to the lead.

import { api, ApiError, newKey } from "../csrf.js";
import { byId, element, say } from "./dom.js";
import { Pins } from "./pins.js";

export class Comments {
  /** `urls.comments` and `urls.comment` hold "{id}". `mayWrite` shows the form. `current()` is the assignment that counts. */
  constructor({ urls, mayWrite, stage, page, current, onOpen }) {
    Object.assign(this, { urls, mayWrite, stage, page, current, onOpen });
    this.assignments = [];
    this.shown = null;
    this.threads = [];
    this.point = null;
    this.number = 0;
    this.about = null;
    this.unsent = new Map();
    this.pins = new Pins(stage, { onPick: (id) => this.#reveal(id), onPlace: (point) => this.#place(point) });
    byId("comment-form").hidden = !mayWrite;
    byId("comment-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#write();
    });
    byId("comment-text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) this.#write();
      if (event.key === "Escape") event.target.blur();
    });
    byId("comment-pin").addEventListener("click", () => (this.pins.isPlacing ? this.#place(null) : this.#startPin()));
  }

  /** Another page of images is open. */
  open(assignments) {
    this.assignments = assignments;
    this.shown = null;
    this.#place(null);
    this.#showCount(assignments.reduce((sum, one) => sum + (one.comments?.open ?? 0), 0));
    this.follow();
  }

  /** Shows the threads of the image that counts now, where they can be seen at all. */
  async follow() {
    // What somebody is writing is about the image it was begun on.
    if (this.shown && byId("comment-text").value.trim()) return;
    const assignment = this.assignments.length ? this.current() : null;
    const isSeen = !byId("help-comments").hidden && !byId("help-panel").hidden;
    if (!assignment || (!isSeen && !(assignment.comments?.total && this.assignments.length === 1))) {
      if (!assignment || this.shown !== assignment) this.#clear(assignment);
      return;
    }
    if (this.shown === assignment) return;
    this.#clear(assignment);
    this.shown = assignment;
    await this.#load();
  }

  #clear(assignment) {
    this.#keepText(assignment?.entry ?? null);
    this.shown = null;
    this.number += 1;
    this.threads = [];
    byId("comments-of").textContent = assignment?.item.name ?? "";
    byId("comment-pin").hidden = this.assignments.length !== 1;
    this.#draw();
  }

  /** What is half written stays with the image that it is about, and is there again when that one is. */
  #keepText(entry) {
    if (entry === this.about) return;
    const field = byId("comment-text");
    if (this.about !== null) this.unsent.set(this.about, field.value);
    field.value = this.unsent.get(entry) ?? "";
    this.about = entry;
  }

  async #load() {
    const number = (this.number += 1);
    const { entry } = this.shown;
    const reply = await this.#ask("GET", this.urls.comments.replace("{id}", entry));
    if (reply === null || number !== this.number) return;
    this.threads = reply.threads;
    this.#draw();
  }

  /** The API's answer; null where it refused, which is said. */
  async #ask(method, url, body, options) {
    this.#say("");
    try {
      return await api(method, url, body, options);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#say(error.message);
      return null;
    }
  }

  #say(text) {
    byId("comments-said").textContent = text;
    byId("comments-said").hidden = !text;
  }

  #showCount(open) {
    byId("comments-count").textContent = open ? String(open) : "";
    byId("comments-count").hidden = !open;
  }

  // --- Writing ---

  async #write() {
    const field = byId("comment-text");
    const text = field.value.trim();
    if (!text || !this.shown || this.isSending) return;
    this.isSending = true;
    const body = { text, asks_lead: byId("comment-lead").checked, frame: this.assignments.length === 1 ? this.stage.frame : 0 };
    if (this.point) body.point = this.point;
    const made = await this.#ask("POST", this.urls.comments.replace("{id}", this.shown.entry), body, { idempotencyKey: newKey() });
    this.isSending = false;
    if (made === null) return;
    field.value = "";
    byId("comment-lead").checked = false;
    this.#place(null);
    this.threads.push(made);
    this.#draw();
    this.page.say(say(made.asks_lead ? "lead_asked" : "comment_written"));
  }

  async #answer(thread, field) {
    const text = field.value.trim();
    if (!text) return;
    const made = await this.#ask("POST", `${this.urls.comment.replace("{id}", thread.id)}reply/`, { text }, { idempotencyKey: newKey() });
    if (made === null) return;
    thread.replies.push(made);
    this.#draw();
  }

  async #settle(thread) {
    const action = thread.resolved_at ? "reopen" : "resolve";
    const changed = await this.#ask("POST", `${this.urls.comment.replace("{id}", thread.id)}${action}/`, {});
    if (changed === null) return;
    Object.assign(thread, { resolved_at: changed.resolved_at, resolved_by: changed.resolved_by });
    this.#draw();
  }

  /** Esc while a place is being chosen. */
  cancel() {
    if (!this.pins.isPlacing) return false;
    this.#place(null);
    return true;
  }

  #startPin() {
    this.pins.start();
    this.page.show(say("pin_where"));
    byId("comment-pin").setAttribute("aria-pressed", "true");
  }

  #place(point) {
    this.pins.stop();
    this.point = point;
    byId("comment-pin").setAttribute("aria-pressed", "false");
    byId("comment-pin-text").textContent = point ? say("pin_at", { x: Math.round(point[0]), y: Math.round(point[1]) }) : say("pin");
    this.pins.setDraft(point);
    if (point) byId("comment-text").focus();
  }

  // --- Showing ---

  #draw() {
    const open = this.threads.filter((one) => !one.resolved_at);
    if (this.shown && this.assignments.length === 1) this.#showCount(open.length);
    byId("comments-none").hidden = !this.shown || this.threads.length > 0;
    byId("comments-list").replaceChildren(...this.threads.map((one, i) => this.#thread(one, i)));
    this.pins.show(this.threads.map((one, i) => ({ ...one, number: i + 1 })).filter((one) => one.point && !one.resolved_at));
  }

  #thread(thread, index) {
    const badges = [];
    if (thread.point) badges.push(element("span", { className: "pin-number", textContent: String(index + 1) }));
    if (thread.asks_lead) badges.push(element("span", { className: "badge badge-warning", textContent: say("asks_lead") }));
    if (thread.resolved_at) badges.push(element("span", { className: "badge badge-success", textContent: say("settled") }));
    const field = element("input", { type: "text", maxLength: 2000, placeholder: say("answer"), attrs: { "aria-label": say("answer") } });
    field.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && this.#answer(thread, field));
    const settle = element("button", { type: "button", className: "btn btn-s btn-quiet", textContent: say(thread.resolved_at ? "unsettle" : "settle") });
    settle.addEventListener("click", () => this.#settle(thread));
    return element(
      "li",
      { className: thread.resolved_at ? "thread is-resolved" : "thread", id: `thread-${thread.id}`, tabIndex: -1 },
      this.#remark(thread, badges),
      ...thread.replies.map((one) => this.#remark(one, [], "reply")),
      this.mayWrite ? element("div", { className: "thread-form" }, field, settle) : null,
    );
  }

  #remark(one, badges, className = "") {
    const when = new Date(one.created_at).toLocaleString(document.documentElement.lang || undefined, { dateStyle: "short", timeStyle: "short" });
    return element(
      "div",
      { className },
      element("p", { className: "thread-head" }, ...badges, element("strong", { textContent: one.author?.name ?? "–" }), element("span", { textContent: when })),
      element("p", { className: "comment-text", textContent: one.text }),
    );
  }

  #reveal(id) {
    this.onOpen();
    const thread = byId(`thread-${id}`);
    thread?.scrollIntoView({ block: "nearest" });
    thread?.focus();
  }
}
