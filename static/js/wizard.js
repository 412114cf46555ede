// <project-wizard>: one form, shown a step at a time. Each step is checked before the next; entries survive a reload in
// sessionStorage; the form is sent once and a refusal leads back to its step with the sentence beside the field.
// Without JavaScript all steps stand below each other and the form is sent as usual.
import "./class-tree.js";
import "./glob-preview.js";
import "./instructions-editor.js";
import { api } from "./csrf.js";
import "./upload.js";
import { showParts } from "./when.js";

const KEY = "tessera-new-project";

class ProjectWizard extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.steps = [...this.querySelectorAll("[data-step]")];
    this.markers = [...this.querySelectorAll(".step")];
    this.tree = this.querySelector("class-tree");
    this.uploader = this.querySelector("file-uploader");
    this.storageKey = `${KEY}:${this.dataset.workspace}`;
    this.current = 0;
    this.reached = 0;
    this.form.noValidate = true;
    if (!this.hasAttribute("data-bound")) this.restore();
    this.prepareUploader();
    this.form.addEventListener("input", () => this.changed());
    this.form.addEventListener("change", () => this.changed());
    // In the capturing phase: the step has to be right before anything else hears of the submit.
    this.form.addEventListener("submit", (event) => this.submitted(event), true);
    this.form.addEventListener("keydown", (event) => this.entered(event));
    this.tree.addEventListener("input", () => (this.querySelector("[data-tree-error]").textContent = ""));
    this.addEventListener("click", (event) => this.clicked(event));
    this.setAttribute("data-ready", "");
    showParts(this.form);
    const hasError = (step) => [...step.querySelectorAll(".errorlist")].some((list) => list.textContent.trim());
    const wrong = this.steps.findIndex(hasError);
    if (wrong >= 0) this.reached = this.steps.length - 1;
    this.show(wrong >= 0 ? wrong : Math.min(this.saved?.step ?? 0, this.steps.length - 1), { focus: wrong >= 0 });
  }

  // --- Steps ---------------------------------------------------------------------------------------------------------

  show(index, { focus = true } = {}) {
    this.current = index;
    this.reached = Math.max(this.reached, index);
    this.steps.forEach((step, at) => (step.hidden = at !== index));
    this.markers.forEach((marker, at) => {
      marker.dataset.state = at === index ? "current" : at <= this.reached ? "done" : "pending";
      marker.toggleAttribute("aria-current", at === index);
      if (at === index) marker.setAttribute("aria-current", "step");
      marker.querySelector("button").disabled = at > this.reached;
    });
    const isLast = index === this.steps.length - 1;
    this.querySelector("[data-back]").hidden = index === 0;
    this.querySelector("[data-next]").hidden = isLast;
    this.querySelector("[data-create]").hidden = !isLast;
    if (focus) {
      const target = this.steps[index].querySelector('[aria-invalid="true"]') ?? this.steps[index].querySelector("h2");
      target.focus({ preventScroll: true });
      scrollTo({ top: 0 });
    }
    this.save();
  }

  clicked(event) {
    const target = event.target.closest("button, a");
    if (!target) return;
    if (target.matches("[data-next]")) this.next();
    else if (target.matches("[data-back]")) this.show(this.current - 1);
    else if (target.matches("[data-cancel]")) this.forget();
    else if (target.matches("[data-go]")) {
      const wanted = Number(target.dataset.go);
      if (wanted < this.current || this.check(this.current)) this.show(wanted);
    }
  }

  next() {
    if (this.check(this.current)) this.show(this.current + 1);
  }

  /** Enter in a field goes on; it creates the project on the last step only. */
  entered(event) {
    if (event.key !== "Enter" || event.defaultPrevented || event.target.matches("textarea, button, a, [contenteditable]")) return;
    event.preventDefault();
    if (event.target.type === "radio" || event.target.type === "checkbox") event.target.click();
    else if (this.current < this.steps.length - 1) this.next();
  }

  /** Checks a step's own fields and parts; writes sentences beside the fields; true when all is well. */
  check(index) {
    const step = this.steps[index];
    for (const list of step.querySelectorAll("[data-made-here]")) list.remove();
    let isGood = true;
    const complain = (field, sentence) => {
      isGood = false;
      showError(field, sentence);
    };
    for (const field of step.querySelectorAll("input, select, textarea")) {
      if (field.disabled || !field.name || field.closest("[hidden]") !== step.closest("[hidden]")) continue;
      field.removeAttribute("aria-invalid");
      if (!field.checkValidity()) complain(field, field.validationMessage);
      else if (field.required && !field.value.trim()) complain(field, this.dataset.errorRequired);
      else if (field.name === "name" && field.value.includes("/")) complain(field, this.dataset.errorSlash);
      else if (field.name === "max_labelers" && Number(field.value) < Number(this.value("min_labelers")))
        complain(field, this.dataset.errorMost);
    }
    const source = this.value("source");
    if (step.contains(this.uploader) && source === "upload") {
      const { stored } = this.uploader.counts;
      const note = this.querySelector("[data-upload-error]");
      const sentence = this.uploader.isBusy
        ? this.dataset.errorUploading
        : stored + Number(this.alreadyStored ?? 0) === 0
          ? this.dataset.errorNoUpload
          : "";
      note.textContent = sentence;
      if (sentence) isGood = false;
    }
    if (step.contains(this.tree)) {
      const sentence = this.tree.validate();
      this.querySelector("[data-tree-error]").textContent = sentence;
      if (sentence) isGood = false;
    }
    if (!isGood) step.querySelector('[aria-invalid="true"]')?.focus();
    return isGood;
  }

  value(name) {
    const field = this.form.elements[name];
    return field?.value ?? "";
  }

  changed() {
    showParts(this.form);
    this.save();
  }

  // --- Uploads -------------------------------------------------------------------------------------------------------

  prepareUploader() {
    if (!this.uploader) return;
    const hidden = this.form.elements.uploaded_dataset;
    const name = this.form.elements.upload_name;
    const lock = () => (name.readOnly = Boolean(hidden.value));
    if (hidden.value) this.resume(hidden.value);
    lock();
    this.uploader.createDataset = async () => {
      const wanted = name.value.trim() || this.value("name").trim();
      const body = { workspace: Number(this.dataset.workspace), name: wanted, kind: "upload" };
      const dataset = await api("POST", "/api/v1/datasets/", body);
      hidden.value = dataset.id;
      name.value = dataset.name;
      lock();
      this.save();
      return dataset.id;
    };
    this.uploader.addEventListener("uploads:changed", () => (this.querySelector("[data-upload-error]").textContent = ""));
    this.form.elements.name.addEventListener("change", () => {
      if (!hidden.value && !name.value) name.value = this.value("name");
    });
  }

  async resume(id) {
    this.uploader.setAttribute("dataset", id);
    try {
      const counts = await api("GET", this.dataset.uploadCountsUrl.replace("/0/", `/${id}/`));
      this.alreadyStored = counts.stored;
      this.uploader.say(this.dataset.resumed.replace("{n}", counts.stored));
    } catch (error) {
      if (error.status !== 404) throw error;
      // The dataset is gone: begin a new one.
      this.form.elements.uploaded_dataset.value = "";
      this.form.elements.upload_name.readOnly = false;
      this.uploader.removeAttribute("dataset");
    }
  }

  // --- Draft ---------------------------------------------------------------------------------------------------------

  fields() {
    return [...this.form.elements].filter((field) => field.name && !["csrfmiddlewaretoken", "workspace"].includes(field.name) && field.type !== "file");
  }

  save() {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => {
      if (this.isDone) return;
      const values = {};
      for (const field of this.fields()) {
        if (field.type === "radio") {
          if (field.checked) values[field.name] = field.value;
        } else values[field.name] = field.type === "checkbox" ? field.checked : field.value;
      }
      try {
        sessionStorage.setItem(this.storageKey, JSON.stringify({ values, step: this.current }));
      } catch (error) {
        console.warn("The draft could not be kept:", error.message);
      }
    }, 200);
  }

  restore() {
    try {
      this.saved = JSON.parse(sessionStorage.getItem(this.storageKey) ?? "null");
    } catch (error) {
      console.warn("The draft could not be read:", error.message);
    }
    if (!this.saved) return;
    // A page opened for one dataset is about that one, whatever the draft said.
    const asked = new URLSearchParams(location.search).has("dataset") ? ["source", "dataset"] : [];
    for (const field of this.fields()) {
      if (!(field.name in this.saved.values) || asked.includes(field.name)) continue;
      const value = this.saved.values[field.name];
      if (field.type === "radio") field.checked = field.value === value;
      else if (field.type === "checkbox") field.checked = value;
      else if (field instanceof HTMLSelectElement) {
        if ([...field.options].some((option) => option.value === value)) field.value = value;
      } else field.value = value;
    }
    this.reached = this.saved.step ?? 0;
    this.tree.load?.();
    this.querySelector("rich-text").load?.();
  }

  forget() {
    this.isDone = true;
    try {
      sessionStorage.removeItem(this.storageKey);
    } catch (error) {
      console.warn("The draft could not be removed:", error.message);
    }
  }

  // --- Sending -------------------------------------------------------------------------------------------------------

  async submitted(event) {
    event.preventDefault();
    event.stopPropagation();
    if (this.isSending) return;
    const wrong = this.steps.findIndex((step, at) => !this.check(at));
    if (wrong >= 0) {
      this.show(wrong);
      return;
    }
    const button = this.querySelector("[data-create]");
    this.isSending = true;
    button.setAttribute("aria-busy", "true");
    this.sayAll("");
    try {
      const answer = await api("POST", this.form.action, new FormData(this.form));
      this.forget();
      location.assign(answer.url);
      return;
    } catch (error) {
      this.refused(error);
    }
    this.isSending = false;
    button.removeAttribute("aria-busy");
  }

  refused(error) {
    const fields = error.problem?.fields ?? {};
    let first = -1;
    let unplaced = [];
    for (const [name, sentences] of Object.entries(fields)) {
      const field = [...this.form.elements].find((one) => one.name === name);
      const step = field ? this.steps.findIndex((one) => one.contains(field)) : -1;
      if (step < 0) {
        unplaced = unplaced.concat(sentences);
        continue;
      }
      if (name === "classes") this.querySelector("[data-tree-error]").textContent = sentences.join(" ");
      else showError(field, sentences.join(" "));
      first = first < 0 ? step : Math.min(first, step);
    }
    if (first >= 0) this.show(first);
    if (first < 0 || unplaced.length) this.sayAll(unplaced.join(" ") || error.message);
  }

  sayAll(text) {
    const alert = this.querySelector("[data-wizard-error]");
    alert.hidden = !text;
    alert.querySelector("[data-text]").textContent = text;
    if (text) alert.scrollIntoView({ block: "nearest" });
  }
}

/** Writes a sentence under a field, where the server would have put it. */
function showError(field, sentence) {
  const holder = field.closest(".field") ?? field.parentElement;
  holder.querySelector(".errorlist")?.remove();
  const list = document.createElement("ul");
  list.className = "errorlist";
  list.dataset.madeHere = "";
  list.id = `${field.id || field.name}_error`;
  const item = document.createElement("li");
  item.textContent = sentence;
  list.append(item);
  holder.append(list);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", list.id);
}

customElements.define("project-wizard", ProjectWizard);
