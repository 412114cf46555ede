// The page of an upload dataset: when everything is sent, the new files are read at once.
import "./upload.js";
import { api, newKey } from "./csrf.js";
import { toast } from "./toast.js";

let before = 0;
document.querySelector("file-uploader")?.addEventListener("uploads:done", async (event) => {
  if (event.detail.fresh <= before) return;
  before = event.detail.fresh;
  const dataset = event.target.getAttribute("dataset");
  try {
    await api("POST", `/api/v1/datasets/${dataset}/versions/`, {}, { idempotencyKey: newKey() });
  } catch (error) {
    toast(error.message, "error");
  }
});
