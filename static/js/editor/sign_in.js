// Signing in again without leaving the page: the site's own sign-in form, in a dialog. Nothing of the work is touched.

import { byId, say } from "./dom.js";

export class SignIn {
  /** `onDone()` is called when the same person is signed in again; somebody else makes the page load anew. */
  constructor({ url, userId, email, meUrl, refreshToken, onDone }) {
    Object.assign(this, { url, userId, email, meUrl, refreshToken, onDone });
    this.dialog = byId("sign-in-dialog");
    this.body = byId("sign-in-body");
    this.body.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(event.target);
    });
  }

  /** Shows the form; where another tab has signed in meanwhile, goes on at once. */
  async open() {
    if (this.dialog.open || this.isOpening) return;
    this.isOpening = true;
    try {
      const reply = await this.#fetch(this.url);
      if (reply.redirected) await this.#signedIn();
      else this.#show(await reply.text());
    } catch (error) {
      console.info("The sign-in page:", error.message); // offline: the next try of the journal asks again
    } finally {
      this.isOpening = false;
    }
  }

  #fetch(url, init = {}) {
    return fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" }, ...init });
  }

  #show(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const form = page.querySelector('form[method="post"]');
    if (!form) throw new Error("The site's sign-in has no form.");
    this.body.replaceChildren(document.adoptNode(form));
    const email = form.querySelector("input[type=email]");
    if (email && !email.value) email.value = this.email ?? "";
    if (!this.dialog.open) this.dialog.showModal();
    form.querySelector(email?.value ? "input[type=password]" : "input[type=email]")?.focus();
  }

  async #send(form) {
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const body = new URLSearchParams(new FormData(form));
      const reply = await this.#fetch(this.url, { method: "POST", body });
      if (reply.redirected) await this.#signedIn();
      else this.#show(await reply.text());
    } catch (error) {
      console.info("Signing in:", error.message);
      byId("sign-in-trouble").textContent = say("no_answer");
    } finally {
      button.disabled = false;
    }
  }

  async #signedIn() {
    const me = await fetch(this.meUrl, { credentials: "same-origin", headers: { Accept: "application/json" } });
    const { id } = await me.json();
    if (id !== this.userId) {
      location.reload(); // another person: this page is not theirs, and the journal waits for its owner
      return;
    }
    await this.refreshToken();
    this.dialog.close();
    this.body.replaceChildren();
    this.onDone();
  }
}
