import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../../static/js/csrf.js";
import { applied, byAssignment, known } from "../../static/js/editor/edits.js";
import { Journal } from "../../static/js/editor/journal.js";
import { NoLocks } from "../../static/js/editor/locks.js";
import { bodyOf, judged, nextStep, settled, standing, Sync } from "../../static/js/editor/sync.js";

globalThis.document = { documentElement: { dataset: {} } };

const object = (id, x = 0) => ({ id, label_class: 1, box: { x, y: 0, width: 5, height: 5 } });
const set = (id, x = 0, at = 0) => ({ id, after: object(id, x), at });
const gone = (id) => ({ id, after: null, at: 0 });

let numbers = 0;
const edit = (task, ...changes) => ({
  seq: (numbers += 1), kind: "edit", state: "waiting", task, assignment: task * 10, operation: `e${numbers}`, base: 0, correction: false, changes,
});
const submit = (task, ...annotations) => ({
  seq: (numbers += 1), kind: "submit", state: "waiting", task, operation: `s${numbers}`, correction: false,
  answers: [{ assignment: task * 10, annotations }],
});

/** A small seeded generator (mulberry32), so that a failure can be run again. */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// --- Edits -----------------------------------------------------------------------------------------------------------

test("an edit over several images becomes a part for each, without what is the page's own", () => {
  const parts = byAssignment({
    assignment: null,
    operation: [
      { id: "a", before: null, after: { id: "a", assignment: 1, label_class: 2 }, at: 0 },
      { id: "b", before: { id: "b", assignment: 2, label_class: 2 }, after: null, at: 1 },
      { id: "c", before: null, after: { id: "c", assignment: 1, label_class: 3 }, at: 2 },
    ],
  });
  assert.deepEqual(parts, [
    { assignment: 1, changes: [{ id: "a", after: { id: "a", label_class: 2 }, at: 0 }, { id: "c", after: { id: "c", label_class: 3 }, at: 2 }] },
    { assignment: 2, changes: [{ id: "b", after: null, at: 1 }] },
  ]);
});

test("edits applied again in order end where they ended", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = generator(seed);
    const name = () => "abcdef"[Math.floor(random() * 6)];
    const edits = Array.from({ length: 12 }, (_, i) => [random() < 0.3 ? gone(name()) : set(name(), i, Math.floor(random() * 4))]);
    const end = edits.reduce(applied, []);
    const sorted = (list) => [...list].sort((a, b) => a.id.localeCompare(b.id));
    for (let from = 0; from < edits.length; from++) {
      assert.deepEqual(sorted(edits.slice(from).reduce(applied, end)), sorted(end), `seed ${seed}, again from ${from}`);
    }
  }
});

test("a move in the drawing order takes out and puts in", () => {
  const moved = applied([object("a"), object("b"), object("c")], [gone("a"), set("a", 0, 2)]);
  assert.deepEqual(moved.map((one) => one.id), ["b", "c", "a"]);
});

test("a page shows its draft, else its answer, else nothing", () => {
  const response = { outcome: "labeled", annotations: [object("a")] };
  assert.deepEqual(known({ draft: { revision: 3, annotations: [object("b")] }, response }, {}), [object("b")]);
  assert.deepEqual(known({ draft: { revision: 3, annotations: null }, response }, {}), [object("a")]);
  assert.deepEqual(known({ draft: null, response: null }, {}), []);
  const skipped = { outcome: "skipped", skip_reason: "dark", annotations: [] };
  assert.equal(known({ response: skipped }, { skips: true })[0].skip_reason, "dark");
  assert.deepEqual(known({ response: skipped }, { skips: false }), []);
});

// --- What is sent next -----------------------------------------------------------------------------------------------

test("edits of one page go together, in order; those before its submit go with it", () => {
  const [a, b, c] = [edit(1, set("a")), edit(2, set("b")), edit(1, set("c"))];
  assert.deepEqual(nextStep([a, b, c]), { submit: null, edits: [a, c] });
  const send = submit(1, object("a"), object("c"));
  const late = { ...edit(1, set("a", 9)), correction: true };
  assert.deepEqual(nextStep([a, b, c, send, late]), { submit: send, edits: [a, c] });
  const { answers, operation_id } = bodyOf({ submit: send, edits: [a, c] }, "me");
  assert.deepEqual([operation_id, answers[0].operations], [send.operation, [a.operation, c.operation]]);
  assert.equal(nextStep([{ ...a, state: "refused", code: "invalid" }]), null);
});

test("edits that wait for a lost lease go with a submit, and never alone", () => {
  const lost = { ...edit(1, set("a")), state: "refused", code: "lease_lost" };
  assert.equal(nextStep([lost]), null);
  const send = submit(1, object("a"));
  assert.deepEqual(nextStep([lost, send]).edits, [lost]);
});

test("a batch has bounds, and a suspect goes alone", () => {
  const many = Array.from({ length: 150 }, (_, i) => edit(1, set(`o${i}`)));
  assert.equal(nextStep(many).edits.length, 100);
  assert.deepEqual(nextStep(many, new Set([many[0].seq])).edits, [many[0]]);
  assert.deepEqual(nextStep(many, new Set([many[2].seq])).edits, many.slice(0, 2));
  const big = Array.from({ length: 4 }, (_, i) => edit(1, { id: `b${i}`, after: { text: "x".repeat(150_000) }, at: 0 }));
  assert.equal(nextStep(big).edits.length, 2);
});

test("a refused edit stays with its reason until something overtakes it", () => {
  const [good, bad] = [edit(1, set("a")), edit(1, set("b"))];
  const reply = { results: [{ id: good.operation, status: "applied" }, { id: bad.operation, status: "refused", code: "retired_class", detail: "Why." }] };
  const first = settled({ submit: null, edits: [good, bad] }, reply, [good, bad]);
  assert.deepEqual(first.gone, [good.seq]);
  assert.deepEqual(first.put, [{ ...bad, state: "refused", code: "retired_class", detail: "Why." }]);
  const mended = edit(1, set("b", 7));
  const done = { results: [{ id: mended.operation, status: "applied" }] };
  assert.deepEqual(settled({ submit: null, edits: [mended] }, done, [first.put[0], mended]).gone, [mended.seq, bad.seq]);
  const other = edit(1, set("c"));
  const unrelated = { results: [{ id: other.operation, status: "applied" }] };
  assert.deepEqual(settled({ submit: null, edits: [other] }, unrelated, [first.put[0], other]).gone, [other.seq]);
});

test("of a page that is taken in part, the rest stays with its reason", () => {
  const send = { ...submit(1), answers: [{ assignment: 10, annotations: [] }, { assignment: 11, annotations: [object("a")] }] };
  const reply = { refused: [{ assignment: 11, code: "lease_lost", detail: "Too late." }] };
  const { put, gone: out } = settled({ submit: send, edits: [] }, reply, [send]);
  assert.deepEqual(out, []);
  assert.deepEqual([put[0].state, put[0].code, put[0].answers.length], ["refused", "lease_lost", 1]);
});

test("what a failure means", () => {
  const one = { submit: null, edits: [edit(1, set("a"))] };
  const two = { submit: null, edits: [edit(1, set("a")), edit(1, set("b"))] };
  const failed = (status, problem = {}) => ({ status, problem });
  assert.equal(judged(one, failed(0)), "wait");
  assert.equal(judged(one, failed(503)), "wait");
  assert.equal(judged(one, failed(429)), "wait");
  assert.equal(judged(one, failed(401)), "sign_in");
  assert.equal(judged(one, failed(403)), "token");
  assert.equal(judged(one, failed(403, { missing: "labeling/labels/write" })), "refuse");
  assert.equal(judged(two, failed(400)), "alone");
  assert.equal(judged(one, failed(400)), "refuse");
  assert.equal(judged(two, failed(500)), "alone");
  assert.equal(judged(one, failed(500), 0), "wait");
  assert.equal(judged(one, failed(500), 2), "refuse");
});

test("how things stand, in one word", () => {
  const all = { waiting: 0, isOffline: false, needsSignIn: false, isLasting: true };
  assert.equal(standing(all), "saved");
  assert.equal(standing({ ...all, waiting: 1 }), "device");
  assert.equal(standing({ ...all, waiting: 1, isOffline: true }), "offline");
  assert.equal(standing({ ...all, waiting: 1, isLasting: false }), "unkept");
  assert.equal(standing({ ...all, waiting: 1, needsSignIn: true }), "signed_out");
});

// --- Sending, with a fake clock, storage and server ------------------------------------------------------------------

/** Storage like IndexedDB's: whole entries in, whole entries out, a new number for each. */
class FakeKept {
  constructor() {
    this.rows = [];
    this.seq = 0;
  }

  async append(entries) {
    if (this.isFull) throw new Error("QuotaExceededError");
    for (const one of structuredClone(entries)) this.rows.push({ ...one, seq: (this.seq += 1) });
  }

  async all() {
    return structuredClone(this.rows);
  }

  async change(put, out) {
    this.rows = this.rows.filter((one) => !out.includes(one.seq)).map((one) => put.find((other) => other.seq === one.seq) ?? one);
  }
}

/** Timers that run when the test says so. */
class FakeTimers {
  waiting = [];
  setTimeout = (run, ms) => this.waiting.push({ run, ms });
  clearTimeout = () => {
    this.waiting = [];
  };

  async ring() {
    const [{ run }] = this.waiting.splice(0);
    await run();
  }
}

function desk(server, { kept = new FakeKept() } = {}) {
  const journal = new Journal({ user: 1, client: "me", kept });
  const timers = new FakeTimers();
  const heard = { states: [], refused: [], submitted: [] };
  const sync = new Sync({ journal, locks: new NoLocks(), send: server, renewToken: async () => server.renewed === true, timers, isOnline: () => true });
  sync.addEventListener("state", ({ detail }) => heard.states.push(detail.name));
  sync.addEventListener("refused", ({ detail }) => heard.refused.push(...detail.entries));
  sync.addEventListener("submitted", ({ detail }) => heard.submitted.push(detail.entry));
  return { journal, timers, heard, sync, kept };
}

const accept = (body) => (body.answers ? { refused: [] } : { results: body.operations.map((one) => ({ id: one.id, status: "applied" })) });
const fresh = ({ seq: _number, ...entry }) => entry;

test("an entry is on the device before the network sees it, and goes when the server has it", async () => {
  let seen = null;
  const at = desk(async (_step, body) => {
    seen = await at.kept.all();
    return accept(body);
  });
  await at.sync.add([fresh(edit(1, set("a")))]);
  await at.sync.settle();
  assert.equal(seen.length, 1);
  assert.deepEqual(await at.kept.all(), []);
  assert.deepEqual(at.heard.states.at(-1), "saved");
  assert.ok(at.heard.states.includes("device"));
});

test("without a network it waits longer each time, and sends all in order when it is back", async () => {
  let isDown = true;
  const sent = [];
  const at = desk(async (_step, body) => {
    if (isDown) throw new ApiError(0, {}, "no network");
    sent.push(...body.operations.map((one) => one.id));
    return accept(body);
  });
  const edits = [edit(1, set("a")), edit(1, set("b")), edit(1, set("a", 4))];
  for (const one of edits) await at.sync.add([fresh(one)]);
  await at.sync.settle();
  assert.equal(at.sync.state.name, "offline");
  const first = at.timers.waiting.at(-1).ms;
  await at.timers.ring();
  assert.ok(at.timers.waiting.at(-1).ms > first);
  isDown = false;
  await at.sync.online();
  await at.sync.settle();
  assert.deepEqual(sent, edits.map((one) => one.operation));
  assert.equal(at.sync.state.name, "saved");
});

test("with lost replies at random the server ends where the edits end, each applied once", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = generator(seed);
    const known = new Set();
    let stored = [];
    let doubled = 0;
    const at = desk(async (_step, body) => {
      if (random() < 0.3) throw new ApiError(0, {}, "lost on the way there");
      for (const one of body.operations) {
        if (known.has(one.id)) doubled += 1;
        else stored = applied(stored, one.changes);
        known.add(one.id);
      }
      if (random() < 0.3) throw new ApiError(0, {}, "lost on the way back");
      return accept(body);
    });
    let shown = [];
    for (let i = 0; i < 30; i++) {
      const changes = [random() < 0.3 ? gone(`o${i % 7}`) : set(`o${i % 7}`, i, i)];
      shown = applied(shown, changes);
      await at.sync.add([fresh(edit(1, ...changes))]);
    }
    for (let tries = 0; tries < 200 && (await at.kept.all()).length; tries++) await at.sync.kick();
    assert.deepEqual(await at.kept.all(), [], `seed ${seed}`);
    assert.deepEqual(stored, shown, `seed ${seed}, ${doubled} sent again`);
  }
});

test("one bad edit is put aside with a reason and the rest goes through", async () => {
  const at = desk(async (_step, body) => {
    if (body.operations.some((one) => one.changes[0].id === "bad")) throw new ApiError(400, { detail: "No such thing.", code: "invalid" }, "");
    return accept(body);
  });
  for (const id of ["a", "bad", "b"]) await at.sync.add([fresh(edit(1, set(id)))]);
  await at.sync.settle();
  const left = await at.kept.all();
  assert.deepEqual(left.map((one) => [one.changes[0].id, one.state, one.detail]), [["bad", "refused", "No such thing."]]);
  assert.equal(at.heard.refused.length, 1);
  assert.deepEqual([at.sync.state.name, at.sync.state.refused], ["saved", 1]);
});

test("a session that ended asks for a sign-in and goes on after it", async () => {
  let isSignedIn = false;
  const at = desk(async (_step, body) => {
    if (!isSignedIn) throw new ApiError(401, {}, "");
    return accept(body);
  });
  await at.sync.add([fresh(edit(1, set("a")))]);
  await at.sync.settle();
  assert.equal(at.sync.state.name, "signed_out");
  assert.equal(at.timers.waiting.length, 0, "nobody knocks while nobody can open");
  isSignedIn = true;
  await at.sync.signedIn();
  await at.sync.settle();
  assert.equal(at.sync.state.name, "saved");
});

test("an old CSRF token is renewed without a word", async () => {
  let isOld = true;
  const server = async (_step, body) => {
    if (isOld) {
      isOld = false;
      throw new ApiError(403, {}, "CSRF");
    }
    return accept(body);
  };
  server.renewed = true;
  const at = desk(server);
  await at.sync.add([fresh(edit(1, set("a")))]);
  await at.sync.settle();
  assert.equal(at.sync.state.name, "saved");
  assert.ok(!at.heard.states.includes("signed_out"));
});

test("a refused page stays with its work; its edits are sent alone", async () => {
  const at = desk(async (_step, body) => {
    if (body.answers) throw new ApiError(409, { code: "retired_class", detail: "Retired." }, "");
    return accept(body);
  });
  await at.sync.add([fresh(edit(1, set("a")))]);
  await at.sync.add([fresh(edit(1, set("b"))), fresh(submit(1, object("a"), object("b")))]);
  await at.sync.settle();
  const left = await at.kept.all();
  assert.deepEqual(left.map((one) => [one.kind, one.state, one.code]), [["submit", "refused", "retired_class"]]);
});

test("a page that came too late is sent again as a second opinion, with its edits, under a number of its own", async () => {
  const sent = [];
  const at = desk(async (_step, body) => {
    sent.push(body);
    const late = { code: "lease_lost", detail: "Somebody else has it." };
    if (body.answers && !body.opinion) throw new ApiError(409, late, "");
    if (!body.answers) return { results: body.operations.map((one) => ({ id: one.id, status: "refused", ...late })) };
    return accept(body);
  });
  const drawn = fresh(edit(1, set("a")));
  await at.sync.add([drawn, fresh(submit(1, object("a")))]);
  await at.sync.settle();
  const left = await at.kept.all();
  assert.deepEqual(left.map((one) => [one.kind, one.state, one.code]), [["edit", "refused", "lease_lost"], ["submit", "refused", "lease_lost"]]);
  await at.sync.offer(left[1]);
  await at.sync.settle();
  assert.deepEqual(await at.kept.all(), []);
  const last = sent.at(-1);
  assert.deepEqual([last.opinion, last.answers[0].operations], [true, [drawn.operation]]);
  assert.notEqual(last.operation_id, sent[0].operation_id);
});

test("where the browser keeps nothing it is sent all the same, and the page says so", async () => {
  let isDown = true;
  const at = desk(async (_step, body) => {
    if (isDown) throw new ApiError(0, {}, "");
    return accept(body);
  });
  at.kept.isFull = true;
  await at.sync.add([fresh(edit(1, set("a")))]);
  await at.sync.settle();
  assert.equal(at.sync.state.name, "unkept");
  isDown = false;
  await at.sync.online();
  await at.sync.settle();
  assert.deepEqual([at.sync.state.name, (await at.journal.all()).length], ["saved", 0]);
});
