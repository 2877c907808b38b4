// The studio around today's page: who is signed in, the navigation, one view at a time, and the product that all of them are about.

import "./prepare.js";
import { onLanguage, t } from "../i18n.js";
import { announce, connect, renderModels, state } from "../main.js";
import { call } from "./calls.js";
import { start as startCorrecting } from "./correct.js";
import { openDialog } from "./parts/dialog.js";
import { button, fill, h, icon, s } from "./parts/dom.js";
import { attempt } from "./parts/toast.js";
import { ask, isEngineer, onSession, session, signOut, user } from "./session.js";
import { SYMBOLS } from "./symbols.js";
import { VIEWS } from "./views.js";

const $ = (id) => document.getElementById(id);
const judge = $("judge");
let products = [];
let liveNow = ""; // which versions judge
let shown = null; // {name, place, element, mounted}: the view beside today's page that is open

// ---- what views are given

const context = {
  call,
  t,
  announce,
  go,
  refresh,
  get session() {
    return session();
  },
  get product() {
    return $("model").value;
  },
  get products() {
    return products;
  },
  get isEngineer() {
    return isEngineer();
  },
};

/** Open a view: at a place in it (a list), or with a question (an object). */
function go(name, where = []) {
  const behind = Array.isArray(where) ? where.map((part) => `/${encodeURIComponent(part)}`).join("") : `?${new URLSearchParams(where)}`;
  location.hash = `#${name}${behind}`;
}

/** Ask anew which products there are and which versions judge; `chosen` names the product to choose. */
async function refresh(chosen = context.product) {
  const answer = await call("GET", "studio/products");
  products = answer.products;
  Object.assign(context, { templates: answer.templates, startModels: answer.startModels });
  const live = JSON.stringify(products.map(({ name, live: version }) => [name, version?.id ?? null]));
  const isOther = live !== liveNow;
  liveNow = live;
  if (isOther) await connect();
  const names = new Set(state.models.map(({ name }) => name));
  state.further = products.map(({ name }) => name).filter((name) => !names.has(name));
  renderModels();
  choose(chosen);
  renderJudge();
}

function choose(name) {
  if (!name || name === context.product || ![...$("model").options].some(({ value }) => value === name)) return;
  $("model").value = name;
  $("model").dispatchEvent(new Event("change"));
}

// ---- which view

const mayOpen = ({ engineer = false }) => !engineer || isEngineer();

function readAddress() {
  const [path, search = ""] = location.hash.slice(1).split("?");
  const [name, ...parts] = path.split("/").map(decodeURIComponent);
  const view = VIEWS.find((known) => known.name === name && mayOpen(known)) ?? VIEWS[0];
  return { view, parts: parts.filter(Boolean), query: Object.fromEntries(new URLSearchParams(search)) };
}

/** Show what the address names. */
async function show() {
  if (!user()) return;
  const { view, parts, query } = readAddress();
  leave();
  for (const link of $("rail").children) {
    if (link.hash === `#${view.name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = view.name;
  document.title = `${t(`nav.${view.name}`)} · ${t("title")}`;
  judge.hidden = view.name !== "judge";
  renderJudge();
  if (!view.load) return;
  const element = h("main.view", { tabindex: -1, "aria-label": t(`nav.${view.name}`) });
  const now = { element, mounted: null };
  shown = now;
  judge.after(element);
  scrollTo(0, 0);
  element.focus({ preventScroll: true });
  try {
    const { mount } = await view.load();
    if (shown === now) now.mounted = (await mount(element, Object.assign(Object.create(context), { parts, query }))) ?? null;
    if (shown !== now) now.mounted?.unmount?.(); // left before it was there
  } catch (error) {
    if (shown !== now || error.name === "AbortError") return;
    fill(element, h("p.notice", { role: "alert" }, error.message || t("error.network")), button(t("view.again"), show, { icon: "reset" }));
    if (error.code === undefined) throw error;
  }
}

function leave() {
  shown?.mounted?.unmount?.();
  shown?.element.remove();
  shown = null;
}

/** Today's page judges by a product's model; where the chosen product has none yet, it says so. */
function renderJudge() {
  const isOpen = document.body.dataset.view === "judge";
  $("untaught")?.remove();
  judge.hidden = !isOpen || !state.model;
  if (!isOpen || state.model) return;
  const name = context.product;
  const words = name ? t("untaught.product", { name }) : t("untaught.none");
  const action = isEngineer()
    ? button(name ? t("untaught.go") : t("untaught.first"), () => go("teach", name ? [name] : []), { kind: "primary" })
    : h("p.quiet", t("untaught.ask"));
  judge.after(h("main#untaught.view", { tabindex: -1 }, h("div.nothing", icon("teach"), h("h2", words), action)));
}

// ---- who

function renderUser() {
  const { name, role } = user();
  document.body.dataset.role = role;
  fill($("user"), icon("user"), h("span.user-name", name));
  $("user").title = t("user.open", { name, role: t(`role.${role}`) });
  $("user").setAttribute("aria-label", $("user").title);
  fill(
    $("rail"),
    VIEWS.filter(mayOpen).map(({ name: view, icon: drawn }) => h("a", { href: `#${view}` }, icon(drawn), h("span", t(`nav.${view}`)))),
  );
  $("rail").setAttribute("aria-label", t("nav"));
}

async function openUser() {
  const { name, role } = user();
  const body = h("p", t("user.about", { name, role: t(`role.${role}`) }));
  if ((await openDialog({ title: t("user"), body, actions: [{ name: "out", words: t("user.signOut"), kind: "primary" }] })) === "out") signOut();
}

// ---- start

document.querySelector(".sprite").append(
  ...Object.entries(SYMBOLS).map(([name, shapes]) =>
    s("symbol", { id: `i-${name}`, viewBox: "0 0 24 24" }, shapes.map(([tag, attributes]) => s(tag, attributes))),
  ),
);
document.body.classList.add("studio");
document.body.dataset.view = "judge";
judge.before(h("nav#rail.rail"));
$("language").before(h("button#user.plain", { type: "button", "aria-haspopup": "dialog", onclick: openUser }));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the view
  (shown?.element ?? $("untaught") ?? $("stage")).focus();
});
$("model").addEventListener("change", () => {
  if (shown) show();
  renderJudge();
});
addEventListener("hashchange", show);
onLanguage(() => {
  if (!user()) return;
  renderUser();
  renderModels();
  if (shown?.mounted?.translate) shown.mounted.translate();
  else show();
});

let who = null;
onSession(async () => {
  const now = JSON.stringify(user());
  if (now === who) return; // signed in again: whatever is on the page stays
  who = now;
  renderUser();
  await attempt(refresh);
  if (!location.hash && products.length === 0 && isEngineer()) go("teach");
  else show();
  startCorrecting(context);
});
ask();
