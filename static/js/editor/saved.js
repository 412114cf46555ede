// How safe the work is, in words and with an icon, and the list of what the server would not take.

import { byId, element, icon, say } from "./dom.js";

const ICONS = { saved: "check", device: "clock", offline: "warning", signed_out: "lock", unkept: "warning" };
/** A state is read out once it has lasted: a word that changes with every edit helps nobody. */
const READ_AFTER_MS = 2000;

export class Saved {
  /**
   * `list()` resolves to refused entries; `discard(entries)` throws some away; `reopen(entry)` opens its page;
   * `offer(entry)` sends a page that came too late as a second opinion.
   */
  constructor({ list, discard, reopen, offer, nameOf }) {
    Object.assign(this, { list, discard, reopen, offer, nameOf });
    this.spoken = "saved";
    byId("refused-open").addEventListener("click", () => this.open());
    byId("refused-download").addEventListener("click", () => this.#download());
    byId("refused-copy").addEventListener("click", () => this.#copy());
  }

  /** `state` as Sync tells it. */
  show({ name, waiting, refused, writing }) {
    const box = byId("saved-state");
    if (box.dataset.state !== name) {
      box.dataset.state = name;
      byId("saved-icon").replaceChildren(icon(ICONS[name]));
      byId("saved-text").textContent = say(`state_${name}`);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#read(name), READ_AFTER_MS);
    }
    Object.assign(box.dataset, { waiting: String(waiting), writing: String(writing) });
    byId("refused-open").hidden = refused === 0;
    byId("refused-count").textContent = say("refused_count", { n: refused });
    if (byId("refused-dialog").open) this.#fill();
  }

  #read(name) {
    if (name === this.spoken) return;
    this.spoken = name;
    byId("saved-live").textContent = say(`state_${name}`);
  }

  async open() {
    await this.#fill();
    byId("refused-dialog").showModal();
  }

  async #fill() {
    const entries = await this.list();
    if (!entries.length && byId("refused-dialog").open) byId("refused-dialog").close();
    // Edits whose lease ended are as many as there were, and one thing to decide about.
    const groups = new Map();
    for (const one of entries) {
      const key = one.kind === "edit" && one.code === "lease_lost" ? `page ${one.task}` : one.seq;
      groups.set(key, [...(groups.get(key) ?? []), one]);
    }
    byId("refused-list").replaceChildren(...[...groups.values()].map((group) => this.#row(group)));
  }

  #row(entries) {
    const [entry] = entries;
    const key = entry.kind === "submit" ? "refused_page" : entries.length > 1 ? "refused_edits" : "refused_edit";
    const what = say(key, { name: this.nameOf(entry), n: entries.length });
    const row = element("li", { className: "refused-row", data: { code: entry.code } },
      element("div", {}, element("strong", { textContent: what }), element("p", { textContent: entry.detail })));
    const button = (label, run) => {
      const made = element("button", { type: "button", className: "btn btn-s", textContent: label });
      made.addEventListener("click", run);
      return made;
    };
    const actions = element("div", { className: "row" });
    const isLate = entry.code === "lease_lost";
    if (entry.kind === "submit" && isLate) actions.append(button(say("offer"), () => this.offer(entry)));
    if (entry.kind === "submit" || isLate) {
      actions.append(button(say("reopen"), () => {
        byId("refused-dialog").close();
        this.reopen(entry);
      }));
    }
    actions.append(button(say("discard"), async () => {
      await this.discard(entries);
      await this.#fill();
    }));
    row.append(actions);
    return row;
  }

  async #text() {
    return JSON.stringify(await this.list(), null, 2);
  }

  async #download() {
    const url = URL.createObjectURL(new Blob([await this.#text()], { type: "application/json" }));
    const link = element("a", { href: url, download: "unsent-labels.json" });
    link.click();
    URL.revokeObjectURL(url);
  }

  async #copy() {
    await navigator.clipboard.writeText(await this.#text());
    byId("saved-live").textContent = say("copied");
  }
}
