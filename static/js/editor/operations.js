// What happened to the annotations of one item, as plain values. An operation is a list of changes
// {id, before, after, at}: the annotation before and after (null: not there) and its place in the drawing order. Its
// inverse is made by swapping, so undo needs no code per kind of edit.
//
// An annotation that changes its place occurs twice: taken out where it was, then put in where it goes. Otherwise places
// of what is taken out are those before the operation, places of what is put in those after it.

/** An operation that appends annotations. */
export const adding = (list, annotations) =>
  annotations.map((after, i) => ({ id: after.id, before: null, after, at: list.length + i }));

/** An operation that takes out the annotations with these ids. */
export function removing(list, ids) {
  const gone = new Set(ids);
  return changesOf(list, (one) => gone.has(one.id), () => null);
}

/** An operation that puts new values in the place of annotations with the same ids. */
export function replacing(list, annotations) {
  const next = new Map(annotations.map((one) => [one.id, one]));
  return changesOf(list, (one) => next.has(one.id), (one) => next.get(one.id));
}

/** A plain loop: lists may be ten thousand long, and every edit goes over one. */
function changesOf(list, isMeant, afterOf) {
  const changes = [];
  for (let at = 0; at < list.length; at++) {
    const before = list[at];
    if (isMeant(before)) changes.push({ id: before.id, before, after: afterOf(before), at });
  }
  return changes;
}

/**
 * An operation that moves the annotations with these ids, in the order they have, directly above the annotation `above`;
 * to the very bottom where that is null. `above` is not one of them.
 */
export function reordering(list, ids, above) {
  const moving = new Set(ids);
  const taken = list.filter((one) => moving.has(one.id));
  const rest = list.filter((one) => !moving.has(one.id));
  const start = above === null ? 0 : rest.findIndex((one) => one.id === above) + 1;
  const into = taken.map((after, i) => ({ id: after.id, before: null, after, at: start + i }));
  const same = into.every(({ id, at }) => list[at].id === id);
  return same ? [] : [...removing(list, ids), ...into];
}

/** The operation that takes this one back. */
export const inverse = (operation) =>
  operation.map(({ id, before, after, at }) => ({ id, before: after, after: before, at })).reverse();

/** The list after an operation. Throws where the operation does not fit the list: that would be a lost edit. */
export function apply(list, operation) {
  const next = [...list];
  const out = operation.filter((change) => change.after === null).sort((a, b) => b.at - a.at);
  const into = operation.filter((change) => change.before === null).sort((a, b) => a.at - b.at);
  for (const { id, after, before, at } of operation) {
    if (before === null) continue;
    if (next[at]?.id !== id) throw new Error(`No annotation ${id} at place ${at}.`);
    if (after !== null) next[at] = after;
  }
  for (const { at } of out) next.splice(at, 1);
  const there = into.length ? new Set(next.map((one) => one.id)) : null;
  for (const { after, at, id } of into) {
    if (at > next.length || there.has(id)) throw new Error(`Annotation ${id} cannot go to place ${at}.`);
    next.splice(at, 0, after);
    there.add(id);
  }
  return next;
}

/** Two operations on the same annotations, one after the other, as one; null where they cannot be joined. */
export function joined(first, second) {
  const replaces = (operation) => operation.every((change) => change.before !== null && change.after !== null);
  if (first.length !== second.length || !replaces(first) || !replaces(second)) return null;
  const later = new Map(second.map((change) => [change.id, change.after]));
  if (!first.every((change) => later.has(change.id))) return null;
  return first.map((change) => ({ ...change, after: later.get(change.id) }));
}
