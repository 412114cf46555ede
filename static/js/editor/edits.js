// Edits as they are journaled and sent: what annotations are afterwards, not how they came to be. So edits applied again,
// in order, end where they ended before. The server's annotations/services/drafts.py applies them the same way.

import { newId } from "./dom.js";
import { suggestionsOf } from "./prelabels.js";

/** Parts of a "change" event, one for each image it touches: [{assignment, changes: [{id, after, at}]}]. */
export function byAssignment({ assignment, operation }) {
  const parts = new Map();
  for (const { id, before, after, at } of operation) {
    const owner = (after ?? before).assignment ?? assignment;
    if (!parts.has(owner)) parts.set(owner, []);
    const { assignment: _page, ...plain } = after ?? {};
    parts.get(owner).push({ id, after: after === null ? null : plain, at });
  }
  return [...parts].map(([owner, changes]) => ({ assignment: owner, changes }));
}

/** The annotations after an edit, in drawing order. */
export function applied(annotations, changes) {
  const out = new Set(changes.filter((one) => one.after === null).map((one) => one.id));
  const put = new Map(changes.filter((one) => one.after !== null).map((one) => [one.id, one]));
  const found = [];
  for (const one of annotations) {
    if (out.has(one.id)) continue;
    found.push(put.get(one.id)?.after ?? one);
    put.delete(one.id);
  }
  for (const { after, at } of [...put.values()].sort((a, b) => a.at - b.at)) found.splice(Math.min(at, found.length), 0, after);
  return found;
}

/** What the server knows of an item, as the view wants it: the draft, else the answer, else what models suggest. */
export function known({ draft, response, prelabels }, { skips, single }) {
  if (draft?.annotations) return draft.annotations;
  if (!response) return suggestionsOf(prelabels, { single });
  if (response.outcome !== "skipped") return response.annotations;
  return skips ? [{ id: newId(), skipped: true, skip_reason: response.skip_reason }] : [];
}
