// Who is signed in. Whoever is not is asked over whatever the page shows, and goes on where she was.

import { request } from "../api.js";
import { t } from "../i18n.js";
import { field, h } from "./parts/dom.js";

const LEAST = 10; // characters of a password, as the studio wants them
const listeners = [];
let answer = null; // of GET studio/session
let asking = null; // several requests may be refused at once: one question is enough

/** {name, role}, or null. */
export const user = () => answer?.user ?? null;
export const isEngineer = () => user()?.role === "engineer";
export const csrf = () => answer?.csrf ?? "";

/** The whole answer: version and workspace besides. */
export const session = () => answer;

/** Call `listener` whenever somebody else is signed in, or in again. */
export const onSession = (listener) => listeners.push(listener);

/** Ask who she is, where the studio does not know; resolves when it does. */
export function ask() {
  asking ??= askOnce().finally(() => (asking = null));
  return asking;
}

export async function signOut() {
  await send("DELETE", "studio/session").catch(() => {});
  location.hash = "";
  location.reload(); // nothing of hers stays on the page
}

const isSession = (given) => typeof given?.signedIn === "boolean";

async function send(method, address, content) {
  const body = content && { body: JSON.stringify(content), headers: { "Content-Type": "application/json" } };
  return request(address, { method, ...body }, (given) => isSession(given) || (method === "DELETE" && given !== undefined));
}

function take(given) {
  answer = given;
  for (const listener of listeners) listener();
}

async function askOnce() {
  for (let wait = 1; ; wait = Math.min(2 * wait, 15)) {
    try {
      const given = await request("studio/session", {}, isSession);
      if (given.signedIn) return take(given);
      const name = user()?.name ?? "";
      return take(await (given.needsSetup ? setUp(given.needsToken) : signIn(name)));
    } catch (error) {
      if (error.code === undefined) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * wait)); // the page's lamp says that nobody answers
    }
  }
}

function signIn(lastName) {
  const name = h("input", { type: "text", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, value: lastName });
  const password = h("input", { type: "password", autocomplete: "current-password", required: true });
  return openAccess({
    title: lastName ? t("access.again") : t("access.title"),
    about: lastName ? t("access.againAbout") : null,
    fields: [field(t("access.name"), name), field(t("access.password"), password)],
    first: lastName ? password : name,
    action: t("access.signIn"),
    send: () => send("POST", "studio/session", { name: name.value.trim(), password: password.value }),
    onWrong: () => password.select(),
  });
}

function setUp(needsToken) {
  const name = h("input", { type: "text", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const password = h("input", { type: "password", autocomplete: "new-password", minlength: LEAST, required: true });
  const token = h("input", { type: "text", autocomplete: "off", spellcheck: "false", required: true });
  return openAccess({
    title: t("setup.title"),
    about: t("setup.about"),
    fields: [
      field(t("access.name"), name),
      field(t("access.password"), password, t("setup.password", { least: LEAST })),
      needsToken && field(t("setup.token"), token, t("setup.tokenAbout")),
    ],
    first: name,
    action: t("setup.action"),
    send: () =>
      send("POST", "studio/setup", { name: name.value.trim(), password: password.value, ...(needsToken && { token: token.value.trim() }) }),
  });
}

/** A dialog that stays until the studio has accepted what is filled in. */
function openAccess({ title, about, fields, first, action, send: sendIt, onWrong = () => {} }) {
  return new Promise((resolve) => {
    const wrong = h("p.wrong", { role: "alert", hidden: true });
    const submit = h("button.primary", { type: "submit" }, action);
    const form = h("form", h("h2#access-title", title), about && h("p", about), fields, wrong, h("div.buttons", submit));
    const dialog = h("dialog.access", { "aria-labelledby": "access-title" }, form);
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // nothing works without
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        const given = await sendIt();
        dialog.close();
        dialog.remove();
        resolve(given);
      } catch (error) {
        wrong.textContent = error.message || t("error.network");
        if (error.code === 401) wrong.textContent = t("access.wrong");
        if (error.code === 429) wrong.textContent = t("access.locked", { minutes: Math.max(1, Math.ceil((error.retryAfter ?? 60) / 60)) });
        wrong.hidden = false;
        onWrong();
      } finally {
        submit.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    first.focus();
  });
}
