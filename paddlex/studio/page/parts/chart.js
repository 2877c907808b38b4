// A chart of one figure over periods: the values with their intervals, and the lines they are held against. The numbers themselves are in
// a table beneath, which `periodTable` makes for all charts of a view together.

import { t } from "../../i18n.js";
import { fill, h, s } from "./dom.js";

const HEIGHT = 150;
const [TOP, RIGHT, FOOT, LEFT] = [10, 12, 22, 52];

export class Chart {
  #options;
  #svg = s("svg.chart", { role: "img" });
  #latest = h("strong");
  #points = [];
  #width = 0;

  /**
   * @param format(value) writes a value; least: the smallest span of the axis, so that noise does not look like change; floor: where the axis
   *   begins at the latest, such as 0.
   */
  constructor({ title, about = "", format, least = 0, floor = null }) {
    this.#options = { title, format, least, floor };
    this.element = h("figure.chart-card", h("figcaption", h("span", title), this.#latest, about && h("span.quiet", about)), this.#svg);
    new ResizeObserver(() => {
      if (this.#svg.clientWidth === this.#width) return;
      this.#width = this.#svg.clientWidth;
      this.#draw();
    }).observe(this.#svg);
  }

  /**
   * @param points [{label, value, low, high, about}], in their order; value null where nothing is known.
   * @param lines [{value, words, kind}]: what the values are held against.
   */
  render(points, lines = []) {
    this.#points = points;
    this.lines = lines.filter(({ value }) => Number.isFinite(value));
    this.#draw();
  }

  #draw() {
    const { title, format, least, floor } = this.#options;
    const known = this.#points.filter(({ value }) => Number.isFinite(value));
    const last = known.at(-1);
    this.#latest.textContent = last ? format(last.value) : "–";
    this.#svg.setAttribute("aria-label", last ? t("chart.label", { title, value: format(last.value), label: last.label, count: known.length }) : t("chart.empty", { title }));
    if (this.#width === 0) return;
    const values = [...known.flatMap(({ value, low, high }) => [value, low, high]), ...this.lines.map(({ value }) => value)].filter(Number.isFinite);
    const [bottom, top] = range(values, least, floor);
    const inner = { width: this.#width - LEFT - RIGHT, height: HEIGHT - TOP - FOOT };
    const x = (i) => LEFT + ((i + 0.5) / Math.max(this.#points.length, 1)) * inner.width;
    const y = (value) => TOP + (1 - (value - bottom) / (top - bottom)) * inner.height;
    this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    fill(
      this.#svg,
      [bottom, (bottom + top) / 2, top].map((value) => [
        s("line.grid-line", { x1: LEFT, x2: this.#width - RIGHT, y1: y(value), y2: y(value) }),
        s("text.tick", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
      ]),
      this.lines.map((line) => held(line, y(line.value), this.#width)),
      this.#curves(x, y),
      this.#points.flatMap((point, i) => this.#point(point, x(i), y)),
      this.#labels(x, inner.width),
    );
  }

  /** Neighbours that are both known are joined. */
  #curves(x, y) {
    return this.#points.slice(1).map(({ value }, i) => {
      const before = this.#points[i].value;
      return Number.isFinite(value) && Number.isFinite(before) && s("line.curve", { x1: x(i), y1: y(before), x2: x(i + 1), y2: y(value) });
    });
  }

  #point({ value, low, high, label, about = "" }, x, y) {
    if (!Number.isFinite(value)) return [];
    const hint = s("title", `${label}: ${this.#options.format(value)} ${about}`);
    const interval = Number.isFinite(low) && Number.isFinite(high) && s("line.interval", { x1: x, x2: x, y1: y(low), y2: y(high) });
    return [interval, s("circle.point", { cx: x, cy: y(value), r: 4 }, hint)];
  }

  #labels(x, width) {
    const room = Math.max(1, Math.floor(width / 92));
    const every = Math.ceil(this.#points.length / room);
    return this.#points.map(({ label }, i) => i % every === 0 && s("text.tick", { x: x(i), y: HEIGHT - 5, "text-anchor": "middle" }, label));
  }
}

function held({ words, kind = "" }, y, width) {
  const right = width - RIGHT;
  return [s("line.held", { class: `held ${kind}`, x1: LEFT, x2: right, y1: y, y2: y }), s("text.held-word", { x: right, y: y - 5, "text-anchor": "end" }, words)];
}

/** An axis a little wider than its values, and never narrower than `least`. */
function range(values, least, floor) {
  if (!values.length) return [floor ?? 0, (floor ?? 0) + (least || 1)];
  let [bottom, top] = [Math.min(...values), Math.max(...values)];
  const missing = Math.max(least - (top - bottom), 0.0001 * Math.abs(top), 1e-9);
  const pad = 0.06 * (top - bottom);
  bottom -= missing / 2 + pad;
  top += missing / 2 + pad;
  if (floor !== null && bottom < floor) [bottom, top] = [floor, Math.max(top, floor + least)];
  return [bottom, top];
}

/** The numbers of charts as a table: a row for each period, a column for each figure. */
export function periodTable(periods, columns) {
  return h(
    "details.figures-table",
    h("summary", t("chart.table")),
    h(
      "div.scroller",
      h(
        "table.grid",
        h("thead", h("tr", columns.map(({ head, kind = "number" }) => h("th", { scope: "col", class: kind }, head)))),
        h("tbody", periods.map((period) => h("tr", columns.map(({ cell, kind = "number" }) => h("td", { class: kind }, cell(period)))))),
      ),
    ),
  );
}
