// Pages taken ahead: leased, their pictures fetched and decoded, so that the next image shows at once. As many as the
// speed of the labeler and of the site ask for, and as memory allows.

const MOST_PAGES = 4;
const FIRST_GUESS = { refill: 0.5, page: 3 };
const WEIGHT = 0.3;

/** How many pages to keep: those that pass while one is fetched, and one more; each of `bytes`, all within `budget`. */
export function wanted({ refill, page, bytes, budget }) {
  const bySpeed = Math.ceil(refill / Math.max(page, 0.05)) + 1;
  const byMemory = Math.floor(budget / Math.max(bytes, 1));
  return Math.max(1, Math.min(bySpeed, byMemory, MOST_PAGES));
}

/** Bytes for decoded pictures: a sixteenth of what the browser says the machine has, 128 to 512 MiB. */
export function budgetOf(deviceMemory = 4) {
  return Math.min(Math.max(deviceMemory / 16, 0.125), 0.5) * 2 ** 30;
}

export class Ring {
  /**
   * `fetchNext()` resolves to {task, …} of which nothing shows yet, or null where there is none now;
   * `load(page)` to the bytes of its decoded pictures; `giveBack(page)` returns a page unseen.
   */
  constructor({ fetchNext, load, giveBack, budget = budgetOf(globalThis.navigator?.deviceMemory), now = () => performance.now() }) {
    Object.assign(this, { fetchNext, load, giveBack, budget, now });
    this.pages = [];
    this.filling = null;
    this.round = 0;
    this.speed = { ...FIRST_GUESS };
    this.bytes = 1;
    this.lastTake = null;
  }

  get tasks() {
    return this.pages.map((one) => one.task);
  }

  get target() {
    return wanted({ ...this.speed, bytes: this.bytes, budget: this.budget });
  }

  /** The page to open now, null where none is ready. */
  take() {
    const at = this.now();
    if (this.lastTake !== null) this.#learn("page", (at - this.lastTake) / 1000);
    this.lastTake = at;
    return this.pages.shift() ?? null;
  }

  #learn(what, seconds) {
    this.speed[what] += WEIGHT * (Math.min(seconds, 60) - this.speed[what]);
  }

  /** Takes pages ahead until there are enough: one request at a time, and the pictures of two pages. */
  fill() {
    this.filling ??= this.#fill().finally(() => (this.filling = null));
    return this.filling;
  }

  async #fill() {
    let loading = null;
    while (this.pages.length < this.target) {
      const began = this.now();
      const { round } = this;
      const page = await this.fetchNext();
      if (!page) break;
      if (round !== this.round) {
        this.giveBack(page); // asked for before all were given back
        break;
      }
      this.pages.push(page);
      const before = loading;
      loading = this.#load(page, began);
      await before;
    }
    await loading;
  }

  async #load(page, began) {
    this.bytes = Math.max(await this.load(page), 1);
    this.#learn("refill", (this.now() - began) / 1000);
  }

  /** Gives back all pages taken ahead, as when others have nothing to do. */
  empty() {
    this.round += 1;
    const pages = this.pages.splice(0);
    for (const page of pages) this.giveBack(page);
    return pages;
  }

  /** Forgets a page without giving it back: it is somebody else's by now. */
  forget(taskId) {
    this.pages = this.pages.filter((one) => one.task.id !== taskId);
  }
}
