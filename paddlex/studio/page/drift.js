// Drift: whether the line still shows the model what it has learnt; by shift and day, and what has changed where it does not.

import { decimal, percent, t } from "../i18n.js";
import { Chart, periodTable } from "./parts/chart.js";
import { confirm } from "./parts/dialog.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { dayOf, exactly, inWords, number, timeOf, when } from "./parts/format.js";
import { nothing } from "./parts/tabs.js";
import { attempt, toast } from "./parts/toast.js";

const CAUSES = ["light", "focus", "position", "parts"];
const PERIODS = { shift: 42, day: 30 }; // two weeks of three shifts, a month
const EVERY = 60_000; // ms until it is asked for again

let by = "shift"; // as long as the page is open

export async function mount(element, context) {
  if (!context.product) {
    fill(element, h("h2", t("nav.drift")), nothing(t("models.no.product")));
    return {};
  }
  const view = new DriftView(element, context);
  await view.load();
  return view;
}

const pixels = (value) => `${decimal(value, 1)} px`;
const plain = (value) => decimal(value, Math.abs(value) < 10 ? 2 : 1);

/** The figures that have a chart each. `of` picks from a period, `held` what it is held against. */
const figures = () => [
  {
    title: t("drift.alarmRate"),
    about: t("drift.alarmRate.about"),
    format: (value) => percent(value),
    least: 0.05,
    floor: 0,
    of: ({ alarmRate }) => ({ value: alarmRate.share, low: alarmRate.low, high: alarmRate.high }),
    held: (_, periods) => [{ value: periods.at(-1)?.alarmRate.target, words: t("drift.target"), kind: "target" }],
  },
  {
    title: t("drift.medianScore"),
    about: t("drift.medianScore.about"),
    format: (value) => decimal(value, 2),
    least: 0.2,
    of: ({ medianScore }) => ({ value: medianScore }),
    held: (reference) => [{ value: reference.medianScore ?? reference.score ?? 0.25, words: t("drift.reference") }, { value: 0.5, words: t("drift.threshold"), kind: "target" }],
  },
  {
    title: t("drift.correctionRate"),
    about: t("drift.correctionRate.about"),
    format: (value) => percent(value),
    least: 0.05,
    floor: 0,
    of: ({ correctionRate }) => ({ value: correctionRate }),
    held: () => [],
  },
  measured("brightness", 20),
  measured("sharpness", 1),
  measured("offsetX", 4, (value) => `${decimal(value, 1)} px`),
  measured("offsetY", 4, (value) => `${decimal(value, 1)} px`),
  measured("angle", 2, (value) => `${decimal(value, 1)}°`),
];

function measured(name, least, format = plain) {
  return {
    title: t(`drift.${name}`),
    about: t(`drift.${name}.about`),
    format,
    least,
    isOptional: true,
    of: (period) => ({ value: period[name] }),
    held: (reference) => [{ value: reference[name], words: t("drift.reference") }],
  };
}

class DriftView {
  #context;
  #abort = new AbortController();
  #timer;

  constructor(element, context) {
    this.#context = context;
    this.isEngineer = context.session.user.role === "engineer";
    this.status = h("div.causes");
    this.alarms = h("section.drift-alarms", { "aria-label": t("drift.alarms") });
    this.charts = h("div.charts");
    this.table = h("div");
    this.note = h("p.quiet");
    const choice = (value) =>
      h("label", h("input", { type: "radio", name: "by", value, checked: by === value, onchange: () => ((by = value), this.load()) }), h("span", t(`drift.by.${value}`)));
    fill(
      element,
      h("div.view-head", h("h2", t("nav.drift")), h("fieldset.filter", h("legend.unseen", t("drift.by")), choice("shift"), choice("day"))),
      this.status,
      this.note,
      this.alarms,
      this.charts,
      this.table,
    );
    this.#timer = setInterval(() => !document.hidden && this.load(), EVERY);
  }

  unmount() {
    clearInterval(this.#timer);
    this.#abort.abort();
  }

  async load() {
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    const query = { product: this.#context.product, by, periods: PERIODS[by] };
    const answer = await attempt(() => this.#context.call("GET", "studio/drift", { query, signal }));
    if (!answer) return;
    const { reference, periods, state, alarms = [], note } = answer;
    fill(this.status, CAUSES.filter((cause) => state?.[cause]).map((cause) => causeCard(cause, state[cause])));
    this.note.textContent = typeof note === "string" ? note : inWords(note);
    this.note.hidden = !this.note.textContent;
    this.#renderAlarms(alarms);
    if (!periods.length) {
      fill(this.charts, nothing(t("drift.none")));
      fill(this.table);
      return;
    }
    this.#renderCharts(reference ?? {}, periods);
  }

  #renderCharts(reference, periods) {
    const shown = figures().filter(({ isOptional, of }) => !isOptional || periods.some((period) => Number.isFinite(of(period).value)));
    const label = (period) => (by === "day" ? dayOf(period.from) : `${dayOf(period.from)}, ${timeOf(period.from)}`);
    fill(
      this.charts,
      shown.map((figure) => {
        const chart = new Chart(figure);
        const points = periods.map((period) => ({ ...figure.of(period), label: label(period), about: t("drift.of", { count: period.n }) }));
        chart.render(points, figure.held(reference, periods));
        return chart.element;
      }),
    );
    const cellOf = (figure) => (period) => {
      const { value, low, high } = figure.of(period);
      if (!Number.isFinite(value)) return "–";
      return Number.isFinite(low) ? `${figure.format(value)} (${figure.format(low)}–${figure.format(high)})` : figure.format(value);
    };
    const columns = [
      { head: t(`drift.by.${by}`), kind: "", cell: (period) => h("time", { title: `${exactly(period.from)} – ${exactly(period.to)}` }, label(period)) },
      { head: t("drift.count"), cell: ({ n }) => n.toLocaleString() },
      ...shown.map((figure) => ({ head: figure.title, cell: cellOf(figure) })),
    ];
    const wasOpen = this.table.querySelector("details")?.open ?? false;
    fill(this.table, periodTable([...periods].reverse(), columns));
    this.table.querySelector("details").open = wasOpen;
  }

  #renderAlarms(alarms) {
    const open = alarms.filter(({ closedAt }) => !closedAt);
    const closed = alarms.filter(({ closedAt }) => closedAt);
    fill(
      this.alarms,
      open.map((alarm) =>
        h(
          "div.alarm",
          icon("error"),
          h("div", h("p", h("strong", t(`drift.cause.${alarm.cause}`)), " ", h("span", inWords(alarm.words) || t(`drift.changed.${alarm.cause}`))), h("p.quiet", h("time", { title: exactly(alarm.at) }, when(alarm.at)))),
          this.isEngineer && h("div.buttons", button(t("drift.noted"), () => this.#close(alarm)), button(t("drift.rebase"), () => this.#rebase())),
        ),
      ),
      closed.length > 0 &&
        h(
          "details",
          h("summary", t("drift.closed", { count: closed.length })),
          h("ul.notes", closed.map((alarm) => h("li", `${when(alarm.at)}: ${inWords(alarm.words) || t(`drift.changed.${alarm.cause}`)} `, h("span.quiet", t("drift.closed.by", { by: alarm.closedBy, at: when(alarm.closedAt) }))))),
        ),
    );
  }

  async #close(alarm) {
    if ((await attempt(() => this.#context.call("POST", `studio/drift/alarms/${alarm.id}/close`))) === undefined) return;
    toast(t("drift.noted.done"));
    this.load();
  }

  async #rebase() {
    const { product } = this.#context;
    const words = [t("drift.rebase.what", { product }), t("drift.rebase.then")];
    if (!(await confirm({ title: t("drift.rebase"), words, action: t("drift.rebase.yes") }))) return;
    if ((await attempt(() => this.#context.call("POST", "studio/drift/rebase", { body: { product } }))) === undefined) return;
    toast(t("drift.rebased"));
    this.load();
  }
}

/** One thing that may have changed, and whether it has. */
function causeCard(cause, { isAlarm, since, words, value, limit, isWatched = true, learnt = 0, toLearn = 0 }) {
  const isKnown = isWatched && learnt >= toLearn && Number.isFinite(value);
  const state = isAlarm ? "bad" : isKnown ? "good" : "unknown";
  const said = inWords(words) || t(isAlarm ? `drift.changed.${cause}` : isKnown ? "drift.same" : "drift.unknown");
  return h(
    `section.card.cause.${state}`,
    icon(isAlarm ? "ng" : isKnown ? "ok" : "waiting"),
    h("div", h("h3", t(`drift.cause.${cause}`)), h("p", said), isAlarm && since && h("p.quiet", t("drift.since", { at: when(since) })), isKnown && h("p.quiet", t("drift.value", { value: number(value, 2), limit: number(limit, 2) }))),
  );
}
