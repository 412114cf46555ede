/** A small seeded generator (mulberry32), so that a failure can be run again. */
export function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** As much of IndexedDB as locks need: one store of rows by `key`, transactions one after the other. */
export class FakeDatabase {
  constructor(key) {
    this.key = key;
    this.rows = new Map();
    this.last = Promise.resolve();
  }

  transaction() {
    const before = this.last;
    let finish = null;
    let pending = 0;
    this.last = new Promise((resolve) => (finish = resolve));
    const transaction = { objectStore: () => store };
    const ask = (run) => {
      const request = {};
      pending += 1;
      before.then(() => setImmediate(() => {
        request.result = structuredClone(run());
        request.onsuccess?.();
        pending -= 1;
        // Whoever heard the answer may ask for more before the transaction ends.
        setImmediate(() => pending || (transaction.oncomplete?.(), finish()));
      }));
      return request;
    };
    const { rows, key } = this;
    const store = {
      get: (name) => ask(() => rows.get(name)),
      getAll: () => ask(() => [...rows.values()]),
      put: (row) => ask(() => void rows.set(row[key], structuredClone(row))),
      delete: (name) => ask(() => void rows.delete(name)),
    };
    return transaction;
  }
}
