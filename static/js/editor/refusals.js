// What the site would not take: said with its reason, kept, and brought back to be mended or offered as a second opinion.

import { byId, newId, say } from "./dom.js";

/** Reasons for which a page cannot be sent again: it is in other hands, or somebody has decided about it. */
const OVER = new Set(["lease_lost", "returned", "approved", "reviewed", "not_found", "forbidden"]);

const isRefusedPage = (one) => one.kind === "submit" && one.state === "refused";

export class Refusals {
  constructor(session) {
    this.session = session;
    session.sync.addEventListener("refused", ({ detail }) => this.#heard(detail.entries));
  }

  #heard(entries) {
    const { session } = this;
    const { page } = session;
    const lost = entries.find((one) => one.kind === "edit" && one.code === "lease_lost" && one.task === session.openTask?.id);
    if (lost) session.leaseLost(lost.detail);
    const submit = entries.find((one) => one.kind === "submit");
    const edit = entries.find((one) => one.kind === "edit" && one.code !== "lease_lost");
    const list = { label: say("refused_show"), run: () => byId("refused-open").click() };
    if (submit) {
      const name = submit.names?.[0] ?? "";
      page.showNotice("warning", `${say("page_refused", { name })} ${submit.detail} ${say("kept")}`, [this.#wayOn(submit), list]);
    } else if (edit) page.showNotice("warning", `${say("edit_refused")} ${edit.detail}`, [list, page.closing]);
  }

  #wayOn(submit) {
    if (submit.code === "lease_lost") return { label: say("offer"), run: () => this.offer(submit) };
    if (OVER.has(submit.code)) return this.session.page.closing;
    return { label: say("reopen"), run: () => this.reopen(submit) };
  }

  /** Sends a page that came too late as a second opinion. */
  async offer(submit) {
    this.session.page.clearNotice();
    await this.session.sync.offer(submit);
  }

  /** A page sent again takes the place of its refused sending, once `kept`. */
  async forget(taskId, kept) {
    const { journal, sync } = this.session;
    await kept;
    const old = (await journal.all()).filter((one) => isRefusedPage(one) && one.task === taskId);
    if (!old.length) return;
    await journal.change([], old.map((one) => one.seq));
    await sync.recount();
  }

  /** With nothing else on the screen, a page that came back opens by itself; false where there is none. */
  async reopenOwn() {
    const { journal, tab } = this.session;
    const entry = (await journal.all()).find((one) => isRefusedPage(one) && one.tab === tab && !OVER.has(one.code) && !one.seen);
    if (entry) await this.#open(entry);
    return Boolean(entry);
  }

  /** Opens a page that was refused, or of which an edit was, with the work that is here. */
  async reopen(entry) {
    const { session } = this;
    if (session.busy) return;
    session.page.clearNotice();
    await session.guard(() => this.#open(entry));
  }

  async #open(entry) {
    const { session } = this;
    const { openTask, supply, view } = session;
    const task = await session.queue.get(entry.task);
    if (entry.kind === "submit") await session.journal.change([{ ...entry, seen: true }]);
    if (openTask && !session.isPast && openTask.id !== task.id) supply.putBack({ task: openTask, answers: view.answers(), restored: session.isTouched });
    const { answers } = await session.drafts.open(task);
    for (const one of entry.answers ?? []) answers.set(one.assignment, skipsAsEntries(one));
    session.close();
    session.show({ task, answers, restored: true }, task.state === "submitted");
    session.page.showNotice("warning", entry.detail, [session.page.closing]);
  }
}

/** An answer that was sent, as the view holds it. */
function skipsAsEntries({ outcome, skip_reason, annotations }) {
  return outcome === "skipped" ? [{ id: newId(), skipped: true, skip_reason }] : annotations;
}
