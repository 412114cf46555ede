// What of an image's annotations is hidden and what is locked: single ones, those of a class, or all. Only a way of
// looking at them: neither undone nor submitted.

export class Visibility {
  /** Classes and the switches for all stay from one image to the next; single annotations do not. */
  constructor(before = null) {
    this.allHidden = before?.allHidden ?? false;
    this.hiddenClasses = new Set(before?.hiddenClasses);
    this.hiddenIds = new Set();
    this.locked = before?.locked ?? false;
    this.lockedClasses = new Set(before?.lockedClasses);
    this.lockedIds = new Set();
    /** Whether an annotation is kept out of sight for a reason of the page's own, as a suggestion that is too unsure. */
    this.isVeiled = before?.isVeiled ?? (() => false);
    /** Grows with every change. */
    this.version = 0;
  }

  isHidden({ id, label_class }) {
    return this.allHidden || this.hiddenClasses.has(label_class) || this.hiddenIds.has(id);
  }

  /** Whether this one or its class is locked; the lock on all is `locked`. */
  isLocked({ id, label_class }) {
    return this.lockedClasses.has(label_class) || this.lockedIds.has(id);
  }

  hide(ids, hidden) {
    for (const id of ids) set(this.hiddenIds, id, hidden);
  }

  hideClass(classId, hidden) {
    set(this.hiddenClasses, classId, hidden);
  }

  lock(ids, locked) {
    for (const id of ids) set(this.lockedIds, id, locked);
  }

  lockClass(classId, locked) {
    set(this.lockedClasses, classId, locked);
  }

  /** Takes away whatever hides this annotation. */
  reveal({ id, label_class }) {
    this.allHidden = false;
    this.hiddenClasses.delete(label_class);
    this.hiddenIds.delete(id);
  }
}

const set = (group, value, isIn) => (isIn ? group.add(value) : group.delete(value));
