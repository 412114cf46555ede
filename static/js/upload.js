// <file-uploader dataset="12" extensions=".jpg,.png" max-bytes="…" chunk-bytes="…">: takes files and folders, thousands
// of them, and sends them in resumable chunks. After a reload, dropping the same files goes on where the server is.
//
// Without `dataset`, the property `createDataset` (async, returns an id) is asked once before the first file goes out.
// Events: "uploads:changed" with the counts, "uploads:done" when nothing is under way any more.
import { ApiError, api } from "./csrf.js";

const BATCH = 200;
const PARALLEL = 4;
const LISTED = 100;
const RETRIES = 5;
const REDRAW_MS = 250;
const ENDED = new Set(["stored", "refused", "failed"]);

class FileUploader extends HTMLElement {
  connectedCallback() {
    if (this.drop) return;
    this.drop = this.querySelector(".filedrop");
    this.state = this.querySelector("[data-upload-state]");
    this.list = this.querySelector(".upload-list");
    this.bar = this.querySelector("tessera-progress");
    this.extensions = (this.getAttribute("extensions") ?? "").split(",").filter(Boolean);
    this.maxBytes = Number(this.getAttribute("max-bytes")) || Infinity;
    this.chunkBytes = Number(this.getAttribute("chunk-bytes")) || 4 * 1024 * 1024;
    this.entries = new Map(); // path -> {path, file, size, received, state, reason, id}
    this.announced = []; // entries the server knows, to be sent
    this.workers = 0;
    for (const input of this.querySelectorAll('input[type="file"]')) {
      input.addEventListener("change", () => {
        this.add([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
        input.value = "";
      });
    }
    for (const type of ["dragenter", "dragover"]) this.drop.addEventListener(type, (event) => this.over(event, true));
    for (const type of ["dragleave", "dragend"]) this.drop.addEventListener(type, (event) => this.over(event, false));
    this.drop.addEventListener("drop", (event) => this.dropped(event));
    this.querySelector("[data-upload-retry]").addEventListener("click", () => this.retry());
    this.querySelector("[data-upload-stop]").addEventListener("click", () => this.stop());
    addEventListener("beforeunload", (event) => this.isBusy && event.preventDefault());
  }

  get isBusy() {
    return this.workers > 0 || Boolean(this.announcing);
  }

  get counts() {
    const counts = { total: this.entries.size, stored: 0, refused: 0, failed: 0, open: 0, fresh: 0, bytes: 0, sent: 0 };
    for (const entry of this.entries.values()) {
      counts[ENDED.has(entry.state) ? entry.state : "open"] += 1;
      if (entry.state === "stored" && entry.wasSent) counts.fresh += 1;
      if (entry.state === "refused") continue;
      counts.bytes += entry.size;
      counts.sent += entry.state === "stored" ? entry.size : entry.received;
    }
    return counts;
  }

  over(event, isOver) {
    event.preventDefault();
    this.drop.dataset.over = String(isOver);
  }

  async dropped(event) {
    this.over(event, false);
    // Entries have to be taken before the first await: the list of the event is emptied after it.
    const roots = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = roots.length ? [] : [...event.dataTransfer.files].map((file) => ({ file, path: file.name }));
    try {
      for (const root of roots) await readEntry(root, plain);
    } catch (error) {
      this.say(`${this.dataset.unreadable} ${error.message}`);
    }
    this.add(plain);
  }

  /** Takes files in; what cannot be labeled is refused here and never sent. */
  add(files) {
    for (const { file, path } of files) {
      const known = this.entries.get(path);
      if (known && !["failed", "refused"].includes(known.state)) continue;
      const reason = this.refusal(file);
      this.entries.set(path, { path, file, size: file.size, received: 0, state: reason ? "refused" : "waiting", reason });
    }
    this.run();
  }

  refusal(file) {
    const extension = file.name.includes(".") ? `.${file.name.split(".").at(-1).toLowerCase()}` : "";
    if (this.extensions.length && !this.extensions.includes(extension)) return this.dataset.badKind;
    if (file.size === 0) return this.dataset.empty;
    if (file.size > this.maxBytes) return this.dataset.tooLarge;
    return "";
  }

  async run() {
    this.redraw();
    if (this.announcing) return;
    this.stopped = false;
    this.controller ??= new AbortController();
    this.announcing = true;
    try {
      if (!this.hasAttribute("dataset")) this.setAttribute("dataset", await this.createDataset());
      for (;;) {
        const batch = [...this.entries.values()].filter((entry) => entry.state === "waiting").slice(0, BATCH);
        if (!batch.length || this.stopped) break;
        await this.announce(batch);
        while (this.workers < PARALLEL && this.announced.length) this.work();
        // Not further ahead than the senders can follow: the server keeps what was announced.
        while (this.announced.length > BATCH && !this.stopped) await sleep(200);
      }
      this.say("");
    } catch (error) {
      this.say(error.message);
      for (const entry of this.entries.values()) if (entry.state === "waiting") this.fail(entry, error.message);
    } finally {
      this.announcing = false;
      this.redraw();
      this.finishSoon();
    }
  }

  async announce(batch) {
    const url = `/api/v1/datasets/${this.getAttribute("dataset")}/uploads/`;
    const body = { files: batch.map(({ path, size }) => ({ path, size })) };
    const answer = await this.patiently(() => api("POST", url, body, { signal: this.controller.signal }));
    const uploads = Array.isArray(answer) ? answer : (answer.results ?? answer.uploads);
    uploads.forEach((upload, index) => {
      const entry = batch[index];
      entry.id = upload.id;
      entry.received = upload.received ?? 0;
      entry.reason = upload.reason ?? "";
      entry.state = upload.state === "receiving" ? "announced" : upload.state;
      if (entry.state === "announced") this.announced.push(entry);
    });
  }

  async work() {
    this.workers += 1;
    try {
      while (this.announced.length && !this.stopped) await this.sendFile(this.announced.shift());
    } finally {
      this.workers -= 1;
      this.redraw();
      this.finishSoon();
    }
  }

  async sendFile(entry) {
    entry.state = "sending";
    this.redraw();
    try {
      do {
        const chunk = entry.file.slice(entry.received, entry.received + this.chunkBytes);
        let upload;
        try {
          upload = await this.patiently(() =>
            api("PATCH", `/api/v1/uploads/${entry.id}/`, chunk, {
              signal: this.controller.signal,
              headers: { "Upload-Offset": String(entry.received), "Content-Type": "application/octet-stream" },
            }),
          );
        } catch (error) {
          // The server counted differently, as after a lost answer: it says where to go on.
          if (error.status !== 409 || error.problem.received === undefined || entry.corrected > 3) throw error;
          entry.corrected = (entry.corrected ?? 0) + 1;
          entry.received = error.problem.received;
          continue;
        }
        entry.received = upload.received ?? entry.received + chunk.size;
        entry.state = upload.state === "receiving" ? "sending" : upload.state;
        entry.reason = upload.reason ?? "";
        entry.wasSent = true;
        this.redraw();
      } while (!ENDED.has(entry.state) && !this.stopped);
      if (!ENDED.has(entry.state)) entry.state = "waiting";
    } catch (error) {
      if (error.name === "AbortError") entry.state = "waiting";
      else this.fail(entry, error instanceof ApiError ? error.message : this.dataset.unreadable);
    }
  }

  /** Asks again when the network or the server was away for a moment; waits 1, 2, 4, 8 seconds in between. */
  async patiently(ask) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        const again = error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
        if (!again || attempt >= RETRIES || this.stopped) throw error;
        this.say(this.dataset.waiting);
        if (error.status === 429) attempt -= 1; // asked to be slower, which is no failure
        await sleep(error.status === 429 ? 1000 * (error.problem.retry_after || 5) : 1000 * 2 ** (attempt - 1));
        this.say("");
      }
    }
  }

  fail(entry, reason) {
    entry.state = "failed";
    entry.reason = reason;
  }

  retry() {
    for (const entry of this.entries.values()) if (entry.state === "failed") entry.state = "waiting";
    this.run();
  }

  stop() {
    this.stopped = true;
    this.controller?.abort();
    this.controller = null;
    for (const entry of this.announced) entry.state = "waiting";
    this.announced = [];
    for (const entry of this.entries.values()) if (entry.state === "waiting") this.fail(entry, this.dataset.stopped);
    this.redraw();
  }

  finishSoon() {
    clearTimeout(this.finishTimer);
    this.finishTimer = setTimeout(() => {
      if (this.isBusy) return;
      // A worker may have ended between two batches.
      if ([...this.entries.values()].some((entry) => entry.state === "waiting") && !this.stopped) this.run();
      else this.dispatchEvent(new CustomEvent("uploads:done", { bubbles: true, detail: this.counts }));
    }, 50);
  }

  say(text) {
    this.querySelector("[data-upload-note]").textContent = text;
  }

  redraw() {
    this.drawTimer ??= setTimeout(() => {
      this.drawTimer = null;
      this.draw();
    }, REDRAW_MS);
  }

  draw() {
    const counts = this.counts;
    this.state.hidden = counts.total === 0;
    this.bar.setAttribute("max", String(Math.max(1, counts.bytes)));
    this.bar.setAttribute("value", String(counts.sent));
    for (const name of ["stored", "open", "refused", "failed"]) {
      const place = this.querySelector(`[data-count="${name}"]`);
      place.querySelector("b").textContent = counts[name].toLocaleString();
      place.hidden = counts[name] === 0 && name !== "stored";
    }
    this.querySelector("[data-upload-retry]").hidden = counts.failed === 0 || this.isBusy;
    this.querySelector("[data-upload-stop]").hidden = !this.isBusy;
    this.drawList();
    this.dispatchEvent(new CustomEvent("uploads:changed", { bubbles: true, detail: counts }));
  }

  /** What needs attention first, then what is under way; never more rows than people read. */
  drawList() {
    const rank = { failed: 0, refused: 1, sending: 2 };
    const shown = [...this.entries.values()]
      .filter((entry) => entry.state in rank)
      .sort((a, b) => rank[a.state] - rank[b.state])
      .slice(0, LISTED);
    const rows = shown.map((entry) => {
      const row = document.createElement("li");
      row.dataset.state = entry.state;
      const name = document.createElement("span");
      name.className = "upload-name";
      name.textContent = name.title = entry.path;
      const word = document.createElement("span");
      word.className = "upload-word";
      word.textContent =
        entry.state === "sending" ? `${Math.floor((100 * entry.received) / Math.max(1, entry.size))} %` : entry.reason;
      row.append(name, word);
      return row;
    });
    this.list.replaceChildren(...rows);
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Collects the files below a dropped file or folder, with their paths. */
async function readEntry(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: entry.fullPath.replace(/^\/+/, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader hands out about a hundred entries at a time, and none when it is at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const one of some) await readEntry(one, found);
  }
}

customElements.define("file-uploader", FileUploader);
