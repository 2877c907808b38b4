// The third step: where the part is inspected. Without a word about it, everywhere.

import { t } from "../i18n.js";
import { button, h } from "./parts/dom.js";
import { Drawing } from "./parts/drawing.js";

const KINDS = ["inspect", "ignore"];
const TOOLS = [["box", "box"], ["free", "brush"], ["corners", "shape"]];

export async function mount(step) {
  const { call, path } = step;
  const regions = await call("GET", `${path}/regions`);
  let kind = "ignore";
  let tool = "box";
  let isChanged = false;
  const past = []; // what was painted before each change

  const picture = h("img", { src: regions.picture ? `studio/pictures/${regions.picture}/shown` : null, alt: t("regions.picture"), draggable: "false" });
  const frame = h("div.frame", picture);
  picture.addEventListener("load", () => {
    frame.style.setProperty("--width", picture.naturalWidth);
    frame.style.setProperty("--height", picture.naturalHeight);
    tell();
  });
  const layers = Object.fromEntries(KINDS.map((name) => [name, new Drawing(frame, { polygons: regions[name], kind: name, onChange: () => changed() })]));
  let now = snapshot();

  const undo = button(t("undo"), takeBack, { icon: "undo" });
  const clear = button(t("regions.clear"), () => put({ inspect: [], ignore: [] }), { icon: "clear" });
  const words = h("p.quiet", { role: "status" });
  step.element.append(
    h(
      "div.region-tools",
      choices("regions.kind", KINDS, kind, (name) => ((kind = name), choose()), (name) => [h("i.swatch", { class: name }), t(`regions.${name}`)]),
      choices("regions.tool", TOOLS.map(([name]) => name), tool, (name) => ((tool = name), choose()), (name) => t(`regions.${name}`)),
      undo,
      clear,
    ),
    h("div.light-table.painting", h("div.viewport", frame)),
    words,
    h("p.quiet.region-keys", t("regions.keys")),
  );
  choose();
  tell();

  /** A row of choices of which one is chosen. */
  function choices(name, all, chosen, onChoose, label) {
    return h(
      "fieldset.filter",
      h("legend.unseen", t(name)),
      all.map((one) => h("label", h("input", { type: "radio", name, value: one, checked: one === chosen, onchange: () => onChoose(one) }), h("span", label(one)))),
    );
  }

  function choose() {
    for (const name of KINDS) {
      const { element } = layers[name];
      layers[name].show(layers[name].polygons); // what is half drawn is dropped
      layers[name].tool = tool;
      element.classList.toggle("active", name === kind);
      element.tabIndex = name === kind ? 0 : -1;
    }
  }

  function snapshot() {
    return Object.fromEntries(KINDS.map((name) => [name, layers[name].polygons]));
  }

  function changed() {
    if (KINDS.every((name) => now[name] === layers[name].polygons)) return;
    past.push(now);
    now = snapshot();
    isChanged = true;
    tell();
  }

  function put(polygons) {
    for (const name of KINDS) layers[name].show(polygons[name]);
    changed();
  }

  function takeBack() {
    const before = past.pop();
    if (!before) return;
    now = before;
    for (const name of KINDS) layers[name].show(before[name]);
    tell();
  }

  function tell() {
    undo.disabled = past.length === 0;
    clear.disabled = KINDS.every((name) => now[name].length === 0);
    const isAll = clear.disabled;
    words.textContent = isAll ? t("regions.all") : t("regions.counts", { inspect: now.inspect.length, ignore: now.ignore.length });
    step.command(shellWords(now, picture));
    step.main({ words: t(isAll ? "regions.everywhere" : "teach.next"), icon: "right", run: keep });
  }

  async function keep() {
    const given = Object.fromEntries(KINDS.map((name) => [name, layers[name].finish()]));
    if (isChanged || step.product.steps.regions !== "done") {
      try {
        await call("PUT", `${path}/regions`, { body: { ...given, zones: regions.zones ?? [] } });
      } catch (error) {
        words.textContent = error.message || t("error.network");
        words.className = "wrong";
        return;
      }
    }
    step.go("fit");
  }
}

/** The same in a config, in pixels of the pictures. */
function shellWords({ inspect, ignore }, { naturalWidth: width, naturalHeight: height }) {
  if ((!inspect.length && !ignore.length) || !width) return "";
  const placed = (polygons) => JSON.stringify(polygons.map((polygon) => polygon.map(([x, y]) => [Math.round(x * width), Math.round(y * height)])));
  return `Train:\n  regions:\n    inspect: ${placed(inspect)}\n    ignore: ${placed(ignore)}`;
}
