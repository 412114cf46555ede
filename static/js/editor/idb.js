// IndexedDB as promises: one database for what this browser keeps of the editor's work.

const NAME = "tessera";
const VERSION = 1;

/** The promise of a request's result. */
export const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Resolves once the transaction is on disk as far as the browser says so. */
const committed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("The browser's storage gave up."));
  });

/** The database, made on first use. Rejects where the browser has none, as in some private windows. */
export function openDatabase(factory = globalThis.indexedDB) {
  return new Promise((resolve, reject) => {
    if (!factory) {
      reject(new Error("This browser has no IndexedDB."));
      return;
    }
    const request = factory.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const entries = request.result.createObjectStore("entries", { keyPath: "seq", autoIncrement: true });
      entries.createIndex("user", "user");
      request.result.createObjectStore("facts");
      request.result.createObjectStore("locks", { keyPath: "name" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("Another tab holds an old version of the storage."));
  });
}

/**
 * Hands the transaction of this store over to the browser as it is. Without it the browser waits for this page to say,
 * after each answer, that it asks for nothing more; a tab that dies meanwhile takes the transaction with it.
 */
export const atOnce = (store) => store.transaction.commit?.();

/** Runs `work(store)` in one transaction; resolves to what it returns, once that is committed. */
export async function inStore(database, name, mode, work) {
  const transaction = database.transaction(name, mode);
  const end = committed(transaction);
  const result = await work(transaction.objectStore(name));
  if (mode === "readwrite") await end;
  else end.catch(() => {}); // a read that failed has said so already
  return result;
}
