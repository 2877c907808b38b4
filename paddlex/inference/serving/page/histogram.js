// Where the scores lie: those of the page upwards, those of the calibration's normal images downwards, the threshold
// across both. The axis is the model's own scale of scores, on which its own threshold stands in the middle; so the axis
// stays where it is while the threshold moves. The ticks say raw scores.

import { raw as formatRaw, t } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const BINS = 48;
const TOP = 18; // above the bars: the threshold's label
const UP = 50; // the page's bars
const DOWN = 26; // the calibration's bars
const AXIS = TOP + UP;
const FOOT = AXIS + DOWN + 4; // below the bars: the ticks
const HEIGHT = FOOT + 19;
const THUMB = 14; // half of the slider's thumb, which never reaches the slider's ends
const TICKS = [0.1, 0.25, 0.5, 0.75, 0.9]; // scores

export class Histogram {
  #svg;
  #title;
  #width = 0;

  /** @param svg holds a title, which says the same in words */
  constructor(onResize, svg = document.getElementById("histogram")) {
    this.#svg = svg;
    this.#title = svg.querySelector("title");
    new ResizeObserver(() => {
      const width = this.#svg.clientWidth;
      if (width === this.#width) return;
      this.#width = width;
      onResize();
    }).observe(this.#svg);
  }

  /** Draw nothing. */
  clear() {
    this.#title.textContent = "";
    this.#svg.replaceChildren(this.#title);
  }

  /** Draw the scores; the axis reaches from the score `low` to the score `high`, as the slider does. `words` say what is drawn. */
  render({ items, model, limit, ownLimit, words }, { low, high }) {
    if (this.#width === 0) return;
    const inner = this.#width - 2 * THUMB;
    const share = (raw) => Math.min(Math.max((ownLimit.normalise(raw) - low) / (high - low), 0), 1);
    const place = (raw) => THUMB + share(raw) * inner;
    const count = (scores) => {
      const bins = new Array(BINS).fill(0);
      for (const raw of scores) bins[Math.min(Math.floor(share(raw) * BINS), BINS - 1)] += 1;
      return bins;
    };

    const page = items.filter((item) => item.status === "done").map((item) => item.raw);
    const [ok, ng] = [page.filter((raw) => raw <= limit.threshold), page.filter((raw) => raw > limit.threshold)];
    const [okBins, ngBins, normalBins] = [ok, ng, model.calibrationScores].map(count);
    const least = (height) => height && Math.max(height, 3); // one image among hundreds is seen, too
    const unit = UP / Math.max(1, ...okBins.map((n, i) => n + ngBins[i]));
    const normalUnit = DOWN / Math.max(1, ...normalBins);
    const bar = (kind, i, n, y, height) =>
      n && shape("rect", `bar ${kind}`, { x: THUMB + (i * inner) / BINS + 0.5, y, width: inner / BINS - 1, height });
    const bars = okBins.flatMap((n, i) => {
      const [okHeight, ngHeight, normalHeight] = [n * unit, ngBins[i] * unit, normalBins[i] * normalUnit].map(least);
      return [
        bar("ok", i, n, AXIS - okHeight, okHeight),
        bar("ng", i, ngBins[i], AXIS - okHeight - ngHeight, ngHeight), // in one bin: on top of those below the threshold
        bar("normal", i, normalBins[i], AXIS, normalHeight),
      ];
    });

    const counts = { page: page.length, ng: ng.length, normal: model.calibrationScores.length };
    this.#title.textContent = words ?? t("histogram.title", { ...counts, raw: formatRaw(limit.threshold) });
    this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#svg.replaceChildren(
      this.#title,
      ...bars.filter(Boolean),
      line("axis", 0, AXIS, this.#width, AXIS),
      ...TICKS.flatMap((score) => tick(place(ownLimit.rawAt(score)), ownLimit.rawAt(score))),
      ...threshold(place(limit.threshold), limit.threshold, this.#width),
    );
  }
}

function tick(x, raw) {
  return [line("axis", x, FOOT, x, FOOT + 4), label("tick", x, HEIGHT - 2, "middle", String(Number(raw.toPrecision(3))))];
}

function threshold(x, raw, width) {
  const isLeft = x < 0.6 * width; // then there is more room for the words on its right
  const words = t("histogram.threshold", { raw: formatRaw(raw) });
  return [line("threshold-line", x, 0, x, FOOT + 4), label("threshold-word", x + (isLeft ? 7 : -7), 11, isLeft ? "start" : "end", words)];
}

function shape(tag, className, attributes) {
  const made = document.createElementNS(SVG, tag);
  made.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const line = (className, x1, y1, x2, y2) => shape("line", className, { x1, y1, x2, y2 });

function label(className, x, y, anchor, words) {
  const made = shape("text", className, { x, y, "text-anchor": anchor });
  made.textContent = words;
  return made;
}
