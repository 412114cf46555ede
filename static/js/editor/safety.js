// Connects the journal to the page: what is said about it, signing in again, and what happens when the network or the tab
// comes and goes.

import { byId, say } from "./dom.js";
import { Saved } from "./saved.js";
import { SignIn } from "./sign_in.js";

export function keepSafe({ sync, session, queue, context }) {
  const { journal } = sync;
  const saved = new Saved({
    list: async () => (await journal.all()).filter((one) => one.state === "refused"),
    discard: async (entries) => {
      await journal.change([], entries.map((one) => one.seq));
      await sync.recount();
    },
    reopen: (entry) => session.refusals.reopen(entry),
    offer: (entry) => session.refusals.offer(entry),
    nameOf: (entry) => (entry.names ?? [entry.projectName]).join(", "),
  });
  const signIn = new SignIn({
    url: byId("label-page").dataset.signIn,
    userId: context.user?.id,
    email: context.user?.email,
    meUrl: context.urls.me,
    refreshToken: () => queue.refreshToken(),
    onDone: async () => {
      await sync.signedIn();
      if (byId("label-page").dataset.state === "failed") await session.next();
    },
  });
  session.onSignedOut = () => signIn.open();
  byId("failed-sign-in").addEventListener("click", () => signIn.open());
  byId("saved-sign-in").addEventListener("click", () => signIn.open());
  sync.addEventListener("state", ({ detail }) => {
    saved.show(detail);
    byId("saved-sign-in").hidden = detail.name !== "signed_out";
    if (detail.name === "signed_out") signIn.open();
  });
  // What an earlier visit left behind is sent now.
  sync.kick();
  addEventListener("online", () => sync.online());
  addEventListener("offline", () => sync.offline());
  document.addEventListener("visibilitychange", () => sync.kick());
  addEventListener("beforeunload", (event) => {
    if (sync.state?.name === "unkept") event.preventDefault();
  });
  if (!journal.isLasting) session.page.showNotice("warning", say("no_storage"), []);
}
