// The labeling page: reads what the server put on the page, builds the parts, connects keys and buttons to them.

import { ask } from "../confirm.js";
import { Activity } from "./activity.js";
import { ClassificationView } from "./classification.js";
import { byId, say } from "./dom.js";
import { Drafts } from "./drafts.js";
import { DrawingView } from "./drawing.js";
import { fillShortcuts, Instructions } from "./help.js";
import { openJournal } from "./journal.js";
import { openLocks } from "./locks.js";
import { Page } from "./page.js";
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
const tags = new Tags(context.classes, {
  scope,
  canHide: !isClassification,
  onPick: (id) => session.task && view.pick(id),
  onHide: (id, hidden) => view.hide(id, hidden),
});
const view = isClassification
  ? new ClassificationView({ multiple: project.task_type === "multi_label", stage, tags, page })
  : new DrawingView({ kind: scope, stage, tags, page, projectId: project.id });
const viewTools = new ViewTools(stage, page, { onFrame: (frame) => view.setFrame?.(frame) });
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
  drafts: new Drafts({ journal, project: project.id, user, skips: isClassification }),
  page,
  view,
  viewTools,
  activity: new Activity((seconds) => page.setTime(seconds)),
  context,
  isClassification,
});
page.refresh = () => session.refresh();
keepSafe({ sync, session, queue, context });
view.addEventListener("frame", (event) => viewTools.setFrame(event.detail));
const instructions = new Instructions(project, () => session.next());

const setTool = (name) => {
  viewTools.stopWindow();
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

const arrow = (name) => (event) => {
  const [dx, dy] = ARROWS[name];
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
  undo: () => void view.undo(),
  redo: () => void view.redo(),
  instructions: () => instructions.toggle(),
  search: () => tags.focusSearch(),
  shortcuts: () => byId("shortcuts-dialog").showModal(),
  cancel: () => view.cancel(),
  left: arrow("left"),
  right: arrow("right"),
  up: arrow("up"),
  down: arrow("down"),
  fit: () => stage.fit(),
  actual: () => stage.actualSize(),
  zoom_in: () => viewTools.zoomIn(),
  zoom_out: () => viewTools.zoomOut(),
  window: () => viewTools.toggleWindow(),
  previous_frame: () => viewTools.stepFrame(-1),
  next_frame: () => viewTools.stepFrame(1),
  ...(isClassification
    ? { select_all: () => view.selectAll() }
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
  view.pick(found.id);
  return true;
};

// While the instructions are read only the keys that lead back work, and while a page is on its way nothing changes it.
const isBlocked = (name) => (instructions.isShown || session.busy) && !["instructions", "shortcuts"].includes(name);
const guarded = Object.fromEntries(
  Object.entries(actions).map(([name, run]) => [name, (event) => (isBlocked(name) ? false : run(event))]),
);
new Shortcuts(scope, { actions: guarded, onDigit: (digit) => pickByKey(String(digit)), onLetter: pickByKey });
fillShortcuts(scope);

const click = (id, run) => byId(id)?.addEventListener("click", run);
click("submit", submit);
click("skip", () => session.skip());
click("skip-more", () => session.skipWithReason());
click("no-objects", () => session.noObjects());
click("previous", () => session.previous());
click("next", () => session.following());
click("resume", () => session.resume());
click("tool-undo", () => view.undo());
click("tool-redo", () => view.redo());
click("select-all", () => view.selectAll());
click("tool-lock", () => view.setLocked(!view.store.locked));
click("tool-names", () => view.setNames(!view.names));
click("tool-delete-all", deleteAll);
for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => setTool(button.dataset.tool));
for (const button of document.querySelectorAll("[data-page-size]")) {
  button.addEventListener("click", () => session.setPageSize(Number(button.dataset.pageSize)));
}
for (const button of document.querySelectorAll("[data-get-next]")) button.addEventListener("click", () => session.next());
click("failed-again", () => session.next());
click("take-over", () => session.takeOver());

instructions.begin();
