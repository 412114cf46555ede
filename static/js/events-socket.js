// The page's one WebSocket. Follows topics, notices versions that moved, comes back by itself.
//
// The server sends {"topic","version"} when something changed and {"versions":{topic:version}} after a subscription and
// every 15 s. A version is only compared, never trusted as data: whoever listens asks the server again.

const SILENCE_MS = 40_000; // two heartbeats and a half: the line is dead although nobody said so
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
const SIGNED_OUT = 4401;

window.tesseraSocketFrames = 0;

class EventsSocket {
  constructor() {
    this.topics = new Map(); // topic → { version: number | null, listeners: Set }
    this.socket = null;
    this.isUp = false;
    this.retry = FIRST_RETRY_MS;
    this.stateListeners = new Set();
    addEventListener("online", () => this.connectNow());
    document.addEventListener("visibilitychange", () => !document.hidden && this.connectNow());
  }

  /** Calls `listener()` whenever the topic moved past `version` (null: unknown, so called once at the first answer).
   *  Returns the function that ends it. */
  follow(topic, version, listener) {
    let entry = this.topics.get(topic);
    if (!entry) this.topics.set(topic, (entry = { version, listeners: new Set() }));
    entry.listeners.add(listener);
    if (version === null || (entry.version !== null && version < entry.version)) queueMicrotask(() => this.isUp && listener());
    this.connectNow();
    if (this.isUp && entry.listeners.size === 1) this.send({ subscribe: [topic] });
    return () => {
      entry.listeners.delete(listener);
      if (!entry.listeners.size) this.topics.delete(topic);
    };
  }

  /** Calls `listener(isUp)` at each change of the line's state. */
  onState(listener) {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  connectNow() {
    if (this.socket || this.isSignedOut || !this.topics.size) return;
    clearTimeout(this.retryTimer);
    const url = new URL("/ws/events/", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.socket = new WebSocket(url));
    socket.addEventListener("open", () => {
      this.retry = FIRST_RETRY_MS;
      this.send({ subscribe: [...this.topics.keys()] });
      this.setUp(true);
      this.watchSilence();
    });
    socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => this.lost(socket, event.code));
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  receive(message) {
    window.tesseraSocketFrames += 1;
    this.watchSilence();
    if (message.topic) this.moved(message.topic, message.version, true);
    for (const [topic, version] of Object.entries(message.versions ?? {})) this.moved(topic, version, false);
  }

  /** A hint for a topic without versions (0) always counts; a heartbeat counts only when the number differs. */
  moved(topic, version, isHint) {
    const entry = this.topics.get(topic);
    if (!entry || (entry.version === version && !(isHint && version === 0))) return;
    entry.version = version;
    for (const listener of entry.listeners) listener();
  }

  watchSilence() {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => this.socket && this.lost(this.socket, 0), SILENCE_MS);
  }

  lost(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    // A topic without versions cannot say what was missed meanwhile: ask again when the line is back.
    for (const entry of this.topics.values()) if (entry.version === 0) entry.version = null;
    clearTimeout(this.silenceTimer);
    socket.close();
    this.isSignedOut = code === SIGNED_OUT;
    this.setUp(false);
    if (this.isSignedOut) return;
    // Spread by chance, so that a restarted server is not met by everybody at once.
    this.retryTimer = setTimeout(() => this.connectNow(), this.retry * (0.5 + Math.random()));
    this.retry = Math.min(this.retry * 2, LAST_RETRY_MS);
  }

  setUp(isUp) {
    document.documentElement.dataset.live = isUp ? "on" : "off";
    // Each failed attempt says "down" again; only a change is news, or every attempt would put the polls off.
    if (isUp === this.isUp) return;
    this.isUp = isUp;
    for (const listener of this.stateListeners) listener(isUp);
  }
}

export const events = new EventsSocket();
