// The labeling page: reads what the server put on the page, builds the parts, connects keys and buttons to them.

import { ask } from "../confirm.js";
import { Activity } from "./activity.js";
import { ClassificationView } from "./classification.js";
import { Comments } from "./comments.js";
import { byId, debounce, say } from "./dom.js";
import { Drafts } from "./drafts.js";
import { DrawingView } from "./drawing.js";
import { HelpPanel, Instructions } from "./help.js";
import { openJournal } from "./journal.js";
import { showKeys } from "./key_names.js";
import { KeymapEditor } from "./keymap_editor.js";
import { openLocks } from "./locks.js";
import { OneKey } from "./one_key.js";
import { Page } from "./page.js";
import { Preferences } from "./preferences.js";
import { Queue } from "./queue.js";
import { keepSafe } from "./safety.js";
import { Session } from "./session.js";
import { Shortcuts } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { Sync } from "./sync.js";
import { Tags } from "./tags.js";
import { ViewTools } from "./view_tools.js";

const SCOPES = { multi_class: "classification", multi_label: "classification", object_detection: "box", instance_segmentation: "polygon" };
const ARROWS = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };

const context = JSON.parse(byId("label-context").textContent);
const { project } = context;
const scope = SCOPES[project.task_type];
const isClassification = scope === "classification";

const page = new Page();
const stage = new Stage(byId("stage"));
const preferences = new Preferences(context.urls.me, context.preferences);
const keymap = new KeymapEditor(scope, preferences.keymap, { save: (value) => preferences.saveKeymap(value), onChange: useKeys });
const tags = new Tags(context.classes, {
  scope,
  registry: keymap.registry,
  canHide: !isClassification,
  onPick: (id) => session.task && pick(id),
  onHide: (id, hidden) => view.hide(id, hidden),
});
const view = isClassification
  ? new ClassificationView({ multiple: project.task_type === "multi_label", stage, tags, page, projectId: project.id })
  : new DrawingView({ kind: scope, stage, tags, page, projectId: project.id });
const viewTools = new ViewTools(stage, page, {
  onFrame: (frame) => view.setFrame?.(frame),
  onOutline: (outline) => view.setOutline?.(outline),
  selection: () => (isClassification ? [] : view.store.chosen),
});
const queue = new Queue(context.urls);
const user = context.user?.id ?? 0;
const [journal, locks] = await Promise.all([openJournal(user), openLocks()]);
const sync = new Sync({
  journal,
  locks,
  send: (step, body) => queue.send(step, body),
  renewToken: () => queue.refreshToken(),
  channel: globalThis.BroadcastChannel ? new BroadcastChannel(`tessera.journal.${user}`) : null,
});
const session = new Session({
  queue,
  sync,
  locks,
  drafts: new Drafts({ journal, project: project.id, user, skips: isClassification, single: project.task_type === "multi_class" }),
  page,
  view,
  viewTools,
  activity: new Activity((seconds) => page.setTime(seconds)),
  context,
  isClassification,
  onOpen: (assignments) => comments.open(assignments),
});
const oneKey = new OneKey(project.task_type, preferences, { session, view, stage, page });
const comments = new Comments({
  urls: context.urls,
  mayWrite: context.user.may_comment,
  stage,
  page,
  current: () => view.current,
  onOpen: () => help.show("comments"),
});
const help = new HelpPanel(preferences.labeling.help ?? "", {
  onChange: (name) => preferences.saveLabeling({ help: name }),
  onShow: (name) => name === "comments" && comments.follow(),
});
page.refresh = () => {
  session.refresh();
  if (help.open === "comments") followLater();
};
// The pointer may pass over many images before it rests on one.
const followLater = debounce(() => comments.follow(), 300);
keepSafe({ sync, session, queue, context });
view.addEventListener("frame", (event) => viewTools.setFrame(event.detail));
const instructions = new Instructions(project, () => session.next());

const setTool = (name) => {
  viewTools.stopTool();
  return view.setTool(name);
};

async function deleteAll() {
  const count = view.store.annotations.length;
  if (!count) return;
  if (await ask({ title: say("delete_all_title"), detail: say("delete_all_detail", { n: count }), label: say("delete"), danger: true })) view.deleteAll();
}

function submit() {
  if (view.finish?.()) return;
  session.submit();
}

/** A class was chosen, by its key or its row. */
function pick(id) {
  if (view.pick(id)) oneKey.picked();
}

/** Other keys than before: for actions, for classes, and in what buttons say of themselves. */
function useKeys(registry) {
  shortcuts.use(registry);
  tags.useRegistry(registry);
  showKeys(scope, registry);
}

const arrow = (name) => (event) => {
  const [dx, dy] = isClassification ? ARROWS[name] : stage.alongImage(ARROWS[name]);
  const reach = event.shiftKey ? 10 : 1;
  return view.nudge(dx * reach, dy * reach);
};

/** What each action of the registry does on this page; an action returns false to leave the key to the browser. */
const actions = {
  submit,
  skip: () => void session.skip(),
  skip_reason: () => session.skipWithReason(),
  previous: () => void session.previous(),
  next: () => void session.following(),
  undo: () => void (view.undo() || oneKey.back()),
  redo: () => void view.redo(),
  instructions: () => instructions.toggle(),
  beside: () => help.toggle("instructions"),
  comments: () => {
    help.show("comments");
    byId("comment-text").focus();
  },
  accept: () => view.accept(),
  accept_all: () => view.prelabels.acceptAll(view.store),
  dismiss_all: () => view.prelabels.dismissAll(view.store),
  search: () => tags.focusSearch(),
  shortcuts: () => byId("shortcuts-dialog").showModal(),
  cancel: () => comments.cancel() || viewTools.cancel() || view.cancel(),
  left: arrow("left"),
  right: arrow("right"),
  up: arrow("up"),
  down: arrow("down"),
  ...viewTools.actions,
  ...(isClassification
    ? { select_all: () => view.selectAll(), enlarge: () => view.enlarge() }
    : {
        no_objects: () => void session.noObjects(),
        ...Object.fromEntries([...view.tools.keys()].map((name) => [name, () => setTool(name)])),
        ...Object.fromEntries(view.commands.names.map((name) => [name, () => view.commands.run(name)])),
        click: (event) => view.commands.hand.click(event),
        next_grip: () => view.commands.hand.step(1),
        previous_grip: () => view.commands.hand.step(-1),
        lock: () => view.setLocked(!view.store.locked),
        delete: () => view.delete(),
        next_object: () => view.step(1),
        previous_object: () => view.step(-1),
        names: () => view.setNames(!view.names),
        pan: () => viewTools.togglePan(),
      }),
};

const pickByKey = (key) => {
  const found = tags.forKey(key);
  if (!found || instructions.isShown || !session.task || session.busy) return false;
  pick(found.id);
  return true;
};

/** Keys while one image of a grid is large: classes are for it, arrows lead on, undo undoes. */
function onDialog(dialog, key, action) {
  if (dialog.id !== "enlarge-dialog") return false;
  const found = tags.forKey(key);
  if (found) view.enlarged.pick(found.id);
  else if (action === "left" || action === "right") view.enlarged.step(action === "left" ? -1 : 1);
  else if (action === "undo" || action === "redo") view[action]();
  else if (action === "enlarge") view.enlarged.close();
  else return false;
  return true;
}

// While the instructions are read only the keys that lead back work, and while a page is on its way nothing changes it.
const isBlocked = (name) => (instructions.isShown || session.busy) && !["instructions", "shortcuts"].includes(name);
const guarded = Object.fromEntries(
  Object.entries(actions).map(([name, run]) => [name, (event) => (isBlocked(name) ? false : run(event))]),
);
const shortcuts = new Shortcuts(scope, {
  registry: keymap.registry,
  actions: guarded,
  onDigit: (digit) => pickByKey(String(digit)),
  onLetter: pickByKey,
  onDialog,
});
showKeys(scope, keymap.registry);

const click = (id, run) => byId(id)?.addEventListener("click", run);
click("submit", submit);
click("skip", () => session.skip());
click("skip-more", () => session.skipWithReason());
click("no-objects", () => session.noObjects());
click("previous", () => session.previous());
click("next", () => session.following());
click("resume", () => session.resume());
click("tool-undo", () => view.undo() || oneKey.back());
click("accept-all", () => view.prelabels.acceptAll(view.store));
click("dismiss-all", () => view.prelabels.dismissAll(view.store));
click("tool-redo", () => view.redo());
click("select-all", () => view.selectAll());
click("tool-lock", () => view.setLocked(!view.store.locked));
click("tool-names", () => view.setNames(!view.names));
click("tool-delete-all", deleteAll);
for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => setTool(button.dataset.tool));
for (const button of document.querySelectorAll("[data-get-next]")) button.addEventListener("click", () => session.next());
click("failed-again", () => session.next());
click("take-over", () => session.takeOver());

instructions.begin();
