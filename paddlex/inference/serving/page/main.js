// Puts the parts together: what comes in is judged, what is judged is shown, and every control moves the state.

import { ServiceError, fetchModels, identity, setApiKey } from "./api.js";
import { Camera } from "./camera.js";
import { download, toCsv } from "./csv.js";
import { forget, keepDetails } from "./details.js";
import { drawLegend } from "./heat.js";
import { currentLanguage, decimal, reasonOf, t, toggleLanguage, translate } from "./i18n.js";
import { openIntake } from "./intake.js";
import { State } from "./state.js";
import { Table } from "./table.js";
import { ThresholdPanel } from "./threshold.js";
import { Uploader } from "./uploader.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
export const state = new State();
const settled = new WeakMap(); // item -> what to call when it has its verdict, or none

// ---- judging

const uploader = new Uploader({
  model: () => state.model.name,
  onResult(item, result) {
    if (!state.items.includes(item)) return; // removed while it was under way
    keepResult(item, result);
    finish(item);
  },
  onError(item, error) {
    Object.assign(item, { status: "error", error });
    finish(item);
  },
  isCurrent({ rawScore, score, threshold, product }) {
    const own = state.ownLimitOf(state.modelOf({ product }));
    return threshold === own?.threshold && Math.abs(score - own.normalise(rawScore)) < 1e-9;
  },
  onReplaced() {
    showNotice(t("model.replaced"));
    judgeAnew(null);
    connect();
  },
  onKey: () => (identity.ask ?? askForKey)(),
  onWait(seconds, code) {
    const isBusy = code === 503 || code === 429;
    showService(isBusy ? "busy" : "lost", t(isBusy ? "service.full" : "service.lost", { seconds: Math.ceil(seconds) }));
  },
  onIdle() {
    showService("ready", t("service.ready"));
    state.changed();
    const { all, ng, ok, error: errors } = state.counts();
    if (all > 1) announce(t("announce.done", { all, ng, ok, errors }));
  },
});

/** Keep what the service says of an item. */
export function keepResult(item, result) {
  keepDetails(item, result);
  Object.assign(item, {
    status: "done",
    error: null,
    raw: result.rawScore,
    area: result.anomalousArea,
    size: result.size,
    regionCount: result.regions.length,
    isFound: result.position?.found ?? true,
    model: state.model.name,
    judgedBy: state.modelOf({ product: result.product }),
    product: result.product,
    verdictId: result.verdictId, // of a studio, which remembers it
    judgedAt: new Date(),
  });
}

function finish(item) {
  if (state.selected === null) state.select(item); // the first verdict is seen at once
  settled.get(item)?.();
  showService("busy", t("service.busy"));
  state.changed();
}

function take(items) {
  state.add(items);
  send(items);
}

function send(items) {
  for (const item of items) Object.assign(item, { status: "waiting", error: null, product: undefined });
  if (state.model) uploader.add(items);
  if (state.model) showService("busy", t("service.busy"));
  state.changed();
}

/** A frame of the camera: it is shown at once, and whoever took it waits for its verdict. */
function takeFrame(item) {
  const verdict = new Promise((resolve) => settled.set(item, resolve));
  take([item]);
  state.select(item);
  return verdict;
}

function cancel() {
  uploader.cancel();
  for (const item of state.items) {
    if (item.status !== "waiting") continue;
    Object.assign(item, { status: "error", error: { code: 0, message: "cancelled" } });
    settled.get(item)?.();
  }
  state.changed();
}

function clear() {
  uploader.cancel();
  for (const item of state.items) {
    forget(item);
    settled.get(item)?.();
  }
  state.remove(() => true);
  showNotice("");
  announce(t("announce.cleared"));
  $("choose-files").focus();
}

// ---- the service and its models

/** Ask for the models, and judge by the chosen one. */
export async function connect() {
  for (let wait = 1; ; wait = Math.min(2 * wait, 15)) {
    try {
      state.models = await fetchModels();
      break;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (error.code === 401) await (identity.ask ?? askForKey)();
      else {
        showService("lost", t("service.lost", { seconds: wait }));
        await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
      }
    }
  }
  const chosen = $("model").value; // none at the start
  const wanted = [({ name }) => name === chosen, ({ isDefault }) => isDefault, () => true]; // a studio may have no default
  if (state.further.includes(chosen)) wanted.splice(1);
  state.model = wanted.map((is) => state.models.find(is)).find(Boolean) ?? null;
  renderModels();
  if (state.unjudged.length) send(state.unjudged); // whatever was dropped before the service answered
  else showService("ready", t("service.ready"));
  state.changed();
}

/** Fill the chooser. */
export function renderModels() {
  const options = state.models.map(({ name, isDefault }) => {
    const label = isDefault && state.models.length > 1 ? t("model.default", { name }) : name;
    return new Option(label, name, isDefault, name === state.model?.name);
  });
  const chosen = $("model").value;
  options.push(...state.further.map((name) => new Option(t("model.untaught", { name }), name, false, name === chosen)));
  $("model").replaceChildren(...options);
  $("model").disabled = options.length < 2;
  $("model-facts").textContent = "";
  if (!state.model) return;
  if (state.model.products) {
    $("model-facts").textContent = t("model.products", { products: state.model.products.join(", ") });
    return;
  }
  const { modelName: architecture, inputSize: [width, height], device, runMode } = state.model;
  $("model-facts").textContent = t("model.facts", { architecture, width, height, device, runMode });
}

function changeModel() {
  judgeAnew(state.models.find((model) => model.name === $("model").value) ?? null);
  renderModels();
}

/** Another model judges everything on the page anew that keeps no verdict; null if it is not known yet. */
function judgeAnew(model) {
  uploader.cancel();
  state.model = model;
  const items = state.unjudged;
  for (const item of items) forget(item);
  send(items);
}

let keyAsked = null; // several requests may be refused at once: one question is enough

function askForKey() {
  keyAsked ??= new Promise((resolve) => {
    const dialog = $("key-dialog");
    $("key-wrong").hidden = $("key").value === ""; // what was typed before is still there
    $("key").value = "";
    dialog.showModal();
    dialog.addEventListener("close", () => {
      setApiKey($("key").value);
      keyAsked = null;
      resolve();
    }, { once: true });
  });
  return keyAsked;
}

// ---- what the page says

function showService(lamp, words) {
  $("service").dataset.state = lamp;
  if ($("service-text").textContent !== words) $("service-text").textContent = words;
}

function showNotice(words) {
  $("notice").textContent = words;
  $("notice").hidden = words === "";
}

let announceTimer;

/** Say something to a screen reader, when nothing newer comes within half a second. */
export function announce(words) {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => ($("announcer").textContent = words), 500);
}

let lastAnnounced = "";

function announceVerdict() {
  const item = state.selected;
  if (!item || item.status === "waiting") return;
  const verdict = state.verdict(item);
  const now = `${item.id} ${verdict}`;
  if (now === lastAnnounced) return;
  lastAnnounced = now;
  if (verdict === "error") announce(t("announce.error", { name: item.name, reason: reasonOf(item) }));
  else {
    const words = { name: item.name, verdict: t(`word.${verdict}`), meaning: t(`meaning.${verdict}`) };
    announce(t("announce.verdict", { ...words, score: decimal(state.score(item)) }));
  }
}

function renderCounts() {
  const counts = state.counts();
  for (const verdict of ["all", "ng", "ok", "error"]) $(`count-${verdict}`).textContent = counts[verdict];
  const done = counts.all - counts.waiting;
  $("progress").hidden = counts.waiting === 0;
  $("progress-bar").max = counts.all;
  $("progress-bar").value = done;
  $("progress-text").textContent = t("progress.text", { done, all: counts.all });
  $("retry").hidden = counts.error === 0;
  $("export").disabled = $("clear").disabled = counts.all === 0;
}

function renderSwitches() {
  const isDark = document.documentElement.dataset.theme === "dark";
  $("theme").title = t(isDark ? "theme.light" : "theme.dark");
  $("theme").setAttribute("aria-label", $("theme").title);
  $("language").textContent = currentLanguage() === "en" ? "中文" : "English";
  $("language").lang = currentLanguage() === "en" ? "zh" : "en";
  $("language").setAttribute("aria-label", t("language"));
}

/** In a studio, other views may stand in the place of this one. */
function isShown() {
  return !$("judge").hidden;
}

// ---- start

translate();
renderSwitches();
drawLegend($("legend"));
showService("waiting", t("service.waiting"));

const viewer = new Viewer();
const table = new Table(state);
const threshold = new ThresholdPanel(state);
const camera = new Camera(takeFrame, () => state.changed(), showNotice);

state.onChange(() => {
  renderCounts();
  viewer.render(state);
  table.render();
  if (!state.model) return;
  threshold.render();
  announceVerdict();
});

openIntake(
  { files: $("files"), folder: $("folder"), photo: $("photo"), dropTarget: $("drop-target"), isOpen: isShown },
  (items) => {
    showNotice("");
    take(items);
  },
  (count) => showNotice(t("skipped", { count })),
);

$("choose-files").addEventListener("click", () => $("files").click());
$("choose-folder").addEventListener("click", () => $("folder").click());
$("take-photo").addEventListener("click", () => $("photo").click());
$("cancel").addEventListener("click", cancel);
$("clear").addEventListener("click", clear);
$("retry").addEventListener("click", () => send(state.items.filter((item) => item.status === "error")));
$("export").addEventListener("click", () => {
  const stamp = new Date().toLocaleString("sv").replace(/[^\d]/g, "").replace(/^(\d{8})/, "$1-");
  download(toCsv(state.rows(), state), `verdicts-${stamp}.csv`, "text/csv;charset=utf-8");
});
$("model").addEventListener("change", changeModel);
$("help").addEventListener("click", () => $("help-dialog").showModal());
$("key-dialog").addEventListener("cancel", (event) => event.preventDefault()); // nothing works without the key
$("theme").addEventListener("click", () => {
  globalThis.toggleTheme();
  renderSwitches();
});
$("language").addEventListener("click", () => {
  toggleLanguage();
  renderSwitches();
  if (state.models.length) renderModels();
  const lamp = $("service").dataset.state;
  if (!uploader.isBusy) showService(lamp, t(lamp === "waiting" ? "service.waiting" : "service.ready"));
  state.changed();
});
$("search").addEventListener("input", () => {
  state.search = $("search").value;
  state.changed();
});
for (const radio of document.querySelectorAll("input[name=filter]")) {
  radio.addEventListener("change", () => {
    state.filter = radio.value;
    state.changed();
  });
}
$("previous").addEventListener("click", () => state.walk(-1));
$("next").addEventListener("click", () => state.walk(1));
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!isShown()) return;
  if (event.target.closest("input, select, textarea, dialog, .viewport.enlarged")) return; // there the arrows have another meaning
  if (event.key === "ArrowLeft") state.walk(-1);
  if (event.key === "ArrowRight") state.walk(1);
});

state.changed();
connect();
