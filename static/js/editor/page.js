// What surrounds the image: notices, the state panels, header numbers, and which buttons can be pressed.

import { byId, element, say } from "./dom.js";

const HINT_MS = 4000;

export class Page {
  constructor() {
    this.live = byId("live-status");
    this.hint = byId("hint");
    this.notice = byId("notice");
    this.refresh = () => {};
    // Pressing a button with the mouse leaves the focus where it is, so that Enter goes on meaning "submit".
    byId("label-page").addEventListener("mousedown", (event) => {
      const button = event.target.closest("button");
      if (button && !button.closest("dialog, .notice, .state-panel")) event.preventDefault();
    });
    // The same for a slider, once the hand lets go.
    byId("label-page").addEventListener("pointerup", (event) => event.target.matches?.("input[type=range]") && event.target.blur());
  }

  /** For screen readers only. */
  say(text) {
    this.live.textContent = text;
  }

  /** A short hint over the image, read out too. */
  show(text) {
    this.say(text);
    this.hint.textContent = text;
    this.hint.hidden = false;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (this.hint.hidden = true), HINT_MS);
  }

  hideHint() {
    this.hint.hidden = true;
  }

  /** A notice that stays until it is dealt with. Actions are {label, run} or {label, href}. */
  showNotice(kind, text, actions = []) {
    this.notice.className = `notice alert alert-${kind}`;
    byId("notice-text").textContent = text;
    byId("notice-actions").replaceChildren(
      ...actions.map(({ label, run, href }, i) => {
        const className = i === 0 ? "btn btn-s btn-primary" : "btn btn-s";
        if (href) return element("a", { className, href, target: "_blank", rel: "noopener", textContent: label });
        const button = element("button", { type: "button", className, textContent: label });
        button.addEventListener("click", run);
        return button;
      }),
    );
    this.notice.hidden = false;
  }

  clearNotice() {
    this.notice.hidden = true;
  }

  /** The action of a notice that only closes it. */
  get closing() {
    return { label: say("close"), run: () => this.clearNotice() };
  }

  /** Shows the image area ("work") or one of the panels "loading", "empty", "waiting", "paused", "failed". */
  showState(state) {
    for (const panel of document.querySelectorAll("[data-state-panel]")) panel.hidden = panel.dataset.statePanel !== state;
    byId("label-page").dataset.state = state;
  }

  /** The text of the panel "failed". */
  setFailure(text) {
    byId("failed-text").textContent = text;
  }

  setRemaining(remaining) {
    if (remaining === undefined || remaining === null) return;
    byId("remaining").hidden = false;
    byId("remaining-count").textContent = String(remaining);
  }

  setTime(seconds) {
    const whole = Math.floor(seconds);
    const two = (value) => String(value).padStart(2, "0");
    byId("labeling-time").textContent = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  }

  /** Badges, comments of reviewers, and whether an earlier page is open. */
  setTask(task, isPast) {
    const queues = new Set(task.assignments.map((one) => one.queue));
    byId("badge-clustered").hidden = !queues.has("clustered");
    byId("badge-prelabeled").hidden = !queues.has("prelabeled");
    byId("badge-past").hidden = !isPast;
    const comments = task.assignments.filter((one) => one.rejection);
    const box = byId("rejections");
    // In a grid each image carries its own comment.
    box.hidden = comments.length === 0 || isPast || task.assignments.length > 1;
    byId("rejections-list").replaceChildren(
      ...comments.map(({ item, rejection }) =>
        element("li", { textContent: rejection.comment ? `${item.name}: ${rejection.comment}` : say("rejected_plain", { name: item.name }) }),
      ),
    );
  }
}
