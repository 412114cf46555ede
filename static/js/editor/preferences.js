// What the site keeps for this person about the labeling page: {keymap, labeling: {one_key, help}}. The site checks the
// form of both.

import { api, ApiError } from "../csrf.js";

export class Preferences {
  /** `url` is where a person changes oneself; `kept` is what the page was drawn with. */
  constructor(url, kept) {
    this.url = url;
    this.keymap = kept?.keymap ?? {};
    this.labeling = kept?.labeling ?? {};
    if (!["instructions", "comments"].includes(this.labeling.help)) this.labeling.help = "";
  }

  /** Null forgets all changes. Rejects with ApiError where the site refuses or is away. */
  async saveKeymap(keymap) {
    await this.#save({ keymap });
    this.keymap = keymap ?? {};
  }

  /** Holds at once; that it could not be kept is worth no interruption. */
  async saveLabeling(changes) {
    this.labeling = { ...this.labeling, ...changes };
    try {
      await this.#save({ labeling: this.labeling });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("Not kept:", error.message);
    }
  }

  #save(preferences) {
    return api("PATCH", this.url, { preferences });
  }
}
