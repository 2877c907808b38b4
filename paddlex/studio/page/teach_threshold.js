// The fifth step: where normal ends. The threshold that calibration has set is a good one; it can be moved, and what that costs is said.

import { Histogram } from "../histogram.js";
import { percent, raw, t } from "../i18n.js";
import { Limit, falseAlarms } from "../scale.js";
import { button, fill, h, s } from "./parts/dom.js";
import { inWords } from "./parts/format.js";

const [LOW, HIGH] = [0.02, 0.98];

export async function mount(step) {
  const { call, path } = step;
  const { versions } = await call("GET", `${path}/versions`);
  const version = versions[0];
  if (!version?.threshold) {
    step.element.append(h("p.notice", { role: "alert" }, version?.error ?? t("threshold.noModel")));
    step.main({ words: t("step.fit"), run: () => step.go("fit") });
    return undefined;
  }
  const own = new Limit(version.threshold, version.typical);
  let threshold = version.threshold;

  const title = s("title");
  const svg = s("svg.histogram", { role: "img" }, title);
  const slider = h("input", { type: "range", min: LOW, max: HIGH, step: 0.002, value: 0.5, "aria-label": t("threshold"), id: "teach-threshold" });
  const number = h("input.threshold-raw", { type: "number", step: "any", inputmode: "decimal", "aria-label": t("threshold.raw") });
  const reset = button(t("threshold.reset"), () => (move(version.threshold), slider.focus()), { icon: "reset" });
  const rate = h("p.rate-words", { role: "status" });
  const histogram = new Histogram(render, svg);
  slider.addEventListener("input", () => move(Math.abs(slider.valueAsNumber - 0.5) < 1e-9 ? version.threshold : own.rawAt(slider.valueAsNumber)));
  number.addEventListener("change", () => (Number.isFinite(number.valueAsNumber) ? move(number.valueAsNumber) : render()));
  fill(
    step.element,
    h("div.heading.threshold-head", rate, number, reset),
    h("div.threshold-scale", svg, slider, h("p.ends", h("span", t("threshold.strict")), h("span", t("threshold.loose")))),
    detectability(version.detectability),
  );
  render();

  function move(value) {
    threshold = value;
    render();
  }

  function render() {
    const limit = own.movedTo(threshold);
    const place = own.normalise(threshold);
    if (document.activeElement !== slider || Math.abs(slider.valueAsNumber - place) > 0.001) slider.value = place;
    slider.setAttribute("aria-valuetext", t("threshold.value", { raw: raw(threshold) }));
    number.value = Number(threshold.toPrecision(6));
    reset.disabled = threshold === version.threshold;
    const alarms = falseAlarms(version.scores, threshold);
    fill(rate, h("strong", alarms ? t("alarms.expected", { share: percent(alarms.share) }) : t("rate.unknown")), " ", alarms ? t("alarms.of", { ...alarms, low: percent(alarms.low), high: percent(alarms.high) }) : t("rate.none"));
    const items = version.scores.map((score) => ({ status: "done", raw: score }));
    const words = t("alarms.title", { count: items.length, above: alarms?.above ?? 0, raw: raw(threshold) });
    histogram.render({ items, model: { calibrationScores: [] }, limit, ownLimit: own, words }, { low: LOW, high: HIGH });
    step.command(shellWords(version.command, threshold));
    step.main({ words: t("teach.next"), icon: "right", run: keep });
  }

  async function keep() {
    if (threshold === version.threshold) return step.go("live");
    await call("POST", `${path}/threshold`, { body: { threshold, version: version.id } });
    return step.go("live");
  }
}

/** The command with another threshold: a version says it with its own, if that was changed before. */
function shellWords(command, threshold) {
  const at = ` --threshold=${Number(threshold.toPrecision(9))}`;
  return / --threshold=\S+/.test(command) ? command.replace(/ --threshold=\S+/, at) : command.replace(/ --input /, `${at} --input `);
}

/** How many drawn defects the training has found, where it has tried. */
const detectability = (found) => found?.words && h("p.detectability", inWords(found.words));
