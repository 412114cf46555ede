// One's own submitted pages, newest first, and where in them one is. `at` is -1 on the open page, 0 on the newest.

export class PastPages {
  constructor(queue) {
    this.queue = queue;
    this.at = -1;
    this.forget();
  }

  /** What was read is old now, as after a submit; the place stays. */
  forget() {
    this.tasks = [];
    this.more = undefined;
  }

  /** Back to the open page. */
  leave() {
    this.at = -1;
    this.forget();
  }

  /** Steps to older (1) or newer (-1) pages and returns the task there as it is now; null where there is none. */
  async step(by) {
    const at = this.at + by;
    while (at >= this.tasks.length && this.more !== null) {
      const reply = await this.queue.mine(this.more);
      this.tasks.push(...reply.tasks.filter((one) => one.state === "submitted"));
      this.more = reply.more;
    }
    const found = this.tasks[at];
    if (!found) return null;
    const task = await this.queue.get(found.id);
    this.at = at;
    return task;
  }
}
