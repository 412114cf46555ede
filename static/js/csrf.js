// The one way to talk to the API from a page: session cookie, CSRF token from <meta name="csrf-token">, problem+json
// turned into an Error that a person can read.

export class ApiError extends Error {
  /** `problem` is the RFC 9457 body, {} where the answer was none; `status` is 0 when no answer came. */
  constructor(status, problem, fallback) {
    super([problem.detail || problem.title || fallback, problem.way_out].filter(Boolean).join(" "));
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }
}

export const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/**
 * Sends a request and returns the parsed JSON (null for an empty answer).
 *
 * `body`: a plain object becomes JSON; FormData and Blob go as they are. `idempotencyKey` makes a repeated creation
 * one. Throws ApiError for every status of 400 and above and when the network fails (status 0); an aborted request
 * throws the AbortError of fetch.
 */
export async function api(method, url, body, { idempotencyKey, signal, keepalive, headers = {} } = {}) {
  const isRaw = body instanceof FormData || body instanceof Blob || body instanceof ArrayBuffer;
  const init = { method, signal, keepalive, credentials: "same-origin", headers: { Accept: "application/json", ...headers } };
  if (method !== "GET" && method !== "HEAD") init.headers["X-CSRFToken"] = csrfToken();
  if (idempotencyKey) init.headers["Idempotency-Key"] = idempotencyKey;
  if (body !== undefined && body !== null) {
    if (!isRaw) init.headers["Content-Type"] = "application/json";
    init.body = isRaw ? body : JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {}, document.documentElement.dataset.offlineText || "The site does not answer.");
  }
  const isJson = /\bjson\b/.test(response.headers.get("Content-Type") ?? "");
  const text = await response.text();
  const data = isJson && text ? JSON.parse(text) : null;
  if (!response.ok) throw new ApiError(response.status, data ?? {}, `${response.status} ${response.statusText}`.trim());
  return data;
}

/** A key for one creation; use the same again when the same request is sent again. */
export const newKey = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
