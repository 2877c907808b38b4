// The threshold: a slider on the model's scale of scores, the same as a number, and what it would mean for normal images.

import { Histogram } from "./histogram.js";
import { percent, raw, t } from "./i18n.js";
import { falseAlarms } from "./scale.js";

const $ = (id) => document.getElementById(id);

export class ThresholdPanel {
  #state;
  #histogram;

  constructor(state) {
    this.#state = state;
    this.#histogram = new Histogram(() => state.changed());
    $("threshold").addEventListener("input", () => this.#slide());
    $("threshold-raw").addEventListener("change", () => {
      const value = $("threshold-raw").valueAsNumber;
      if (Number.isFinite(value)) state.moveThreshold(value);
      else state.changed(); // put the number back
    });
    $("threshold-reset").addEventListener("click", () => {
      state.moveThreshold(null);
      $("threshold").focus(); // the button is about to be disabled
    });
  }

  render() {
    const { isMoved, shownModel: model } = this.#state;
    for (const id of ["threshold", "threshold-raw"]) $(id).disabled = !model;
    if (!model) return this.#renderNone();
    const [limit, ownLimit] = [this.#state.limitOf(model), this.#state.ownLimitOf(model)];
    const items = this.#state.items.filter((item) => this.#state.modelOf(item) === model);
    const words = raw(limit.threshold);
    if (document.activeElement !== $("threshold-raw") || Number($("threshold-raw").value) !== limit.threshold) {
      $("threshold-raw").value = Number(limit.threshold.toPrecision(6));
    }
    const place = ownLimit.normalise(limit.threshold);
    if (document.activeElement !== $("threshold") || Math.abs($("threshold").valueAsNumber - place) > 0.001) {
      $("threshold").value = place;
    }
    $("threshold").setAttribute("aria-valuetext", t("threshold.value", { raw: words }));
    $("threshold-reset").disabled = !isMoved;
    this.#renderRate(falseAlarms(model.calibrationScores, limit.threshold));
    const own = raw(ownLimit.threshold);
    $("threshold-note").textContent = isMoved
      ? t("threshold.moved", { raw: own, value: Number(limit.threshold.toPrecision(6)) })
      : t("threshold.own", { source: model.thresholdSource });
    $("key-page").textContent = t("histogram.page", { count: items.filter((item) => item.status === "done").length });
    $("key-normal").textContent = t("histogram.normal", { count: model.calibrationScores.length });
    this.#histogram.render({ items, model, limit, ownLimit }, { low: Number($("threshold").min), high: Number($("threshold").max) });
  }

  /** Several products, and none of them is selected. */
  #renderNone() {
    $("threshold-reset").disabled = true;
    $("threshold-raw").value = "";
    $("threshold").value = 0.5;
    for (const id of ["key-page", "key-normal", "false-alarms"]) $(id).textContent = "";
    $("threshold-note").textContent = t("threshold.none");
    this.#histogram.clear();
  }

  #slide() {
    const place = $("threshold").valueAsNumber;
    // In the middle it is the model's own threshold to the last bit, not what rounding makes of it.
    const isOwn = Math.abs(place - 0.5) < 1e-9;
    const { shownModel } = this.#state;
    this.#state.moveThreshold(isOwn ? null : this.#state.ownLimitOf(shownModel).rawAt(place));
  }

  #renderRate(rate) {
    const known = document.createElement("strong");
    known.textContent = rate ? t("rate.known", { share: percent(rate.share) }) : t("rate.unknown");
    const detail = document.createElement("span");
    const interval = rate && { ...rate, low: percent(rate.low), high: percent(rate.high) };
    detail.textContent = rate ? t("rate.of", interval) : t("rate.none");
    $("false-alarms").replaceChildren(known, " ", detail);
  }
}
