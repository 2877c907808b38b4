// History: every verdict that was given, newest first, found by what it was; the chosen one with its picture, to be corrected here, too.

import { judge } from "../api.js";
import { decimal, t } from "../i18n.js";
import { Correcting } from "./correcting.js";
import { Filters } from "./history_filters.js";
import { fetchBlob } from "./parts/blob.js";
import { chip, tag } from "./parts/chip.js";
import { button, fill, h } from "./parts/dom.js";
import { exactly, when } from "./parts/format.js";
import { Grid } from "./parts/grid.js";
import { PicturePanel } from "./parts/picture_panel.js";
import { thumbnail } from "./parts/thumbnail.js";
import { attempt } from "./parts/toast.js";

const PAGE = 50; // rows

const columns = () => [
  { head: h("span.unseen", t("column.picture")), kind: "thumb", cell: (row) => thumbnail(row.digest, row) },
  {
    head: t("column.name"),
    kind: "name-cell",
    cell: (row) => [
      h("span.row-name", { title: row.name }, row.name || t("history.unnamed")),
      h("span.about", h("time", { title: exactly(row.at) }, when(row.at)), ` · ${row.product} ${row.version} · ${row.by}`),
    ],
  },
  {
    head: t("column.verdict"),
    kind: "verdict-cell",
    cell: (row) => chip(row.isAnomalous),
  },
  {
    head: t("history.corrected"),
    kind: "corrected-cell wide",
    cell: (row) => row.corrected && tag(t(`history.said.${row.corrected}`), row.corrected),
  },
  { head: t("column.score"), kind: "number row-score", cell: (row) => decimal(row.score) },
];

export async function mount(element, context) {
  const view = new HistoryView(element, context);
  await view.load();
  return view;
}

class HistoryView {
  #context;
  #pages = [null]; // where each page begins that was walked through; the last one is shown
  #abort = new AbortController();
  #next = null;

  constructor(element, context) {
    this.#context = context;
    this.filters = new Filters(context, () => this.#begin());
    this.grid = new Grid({ label: t("nav.history"), columns: columns(), keyOf: (row) => row.id, onSelect: (row, byPointer) => this.#open(row, byPointer) });
    this.count = h("p.quiet", { role: "status" });
    this.newer = button(t("history.newer"), () => this.#turn(-1), { icon: "left" });
    this.older = button(t("history.older"), () => this.#turn(1), { icon: "right" });
    this.exports = h("div.exports");
    const host = { onCorrected: (verdict) => this.#corrected(verdict), judgeAgain: (id) => this.#judgeAgain(id) };
    const below = h("div");
    this.panel = new PicturePanel([below]);
    this.correcting = new Correcting(context, this.panel.frame, host);
    below.append(this.correcting.element);
    this.panel.picture.addEventListener("load", () => this.#offer(this.chosen));
    const back = button(t("history.back"), () => this.#close(), { kind: "back", icon: "left" });
    this.detail = h("section.card.detail", { "aria-label": t("history.detail"), hidden: true }, back, this.panel.element);
    fill(
      element,
      h("h2.unseen", t("nav.history")),
      h(
        "div.split.history",
        h(
          "section.card.list",
          { "aria-label": t("history.list") },
          this.filters.element,
          this.grid.element,
          h("div.pager", h("div.buttons", this.newer, this.older), this.count, this.exports),
        ),
        this.detail,
      ),
    );
  }

  /** Show the page of rows that is wanted. */
  async load() {
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    const query = { ...this.filters.query, limit: PAGE, before: this.#pages.at(-1) };
    this.grid.element.classList.add("loading");
    const answer = await attempt(() => this.#context.call("GET", "studio/verdicts", { query, signal }));
    if (!answer) return; // said so, or something newer was asked for
    this.grid.element.classList.remove("loading");
    this.grid.element.scrollTop = 0;
    this.#next = answer.next;
    this.grid.show(answer.verdicts, t(this.filters.isEmpty ? "history.none" : "history.filtered"));
    this.newer.disabled = this.#pages.length === 1;
    this.older.disabled = !answer.next;
    this.count.textContent = this.#countWords(answer);
    this.#linkExports();
    if (!answer.verdicts.some(({ id }) => id === this.chosen?.id)) this.#choose(isWide() ? answer.verdicts[0] : null);
    else this.grid.select(this.chosen.id);
  }

  unmount() {
    this.#abort.abort();
    this.correcting.close();
    this.panel.close();
  }

  #countWords({ verdicts, total }) {
    if (verdicts.length === 0) return "";
    const from = (this.#pages.length - 1) * PAGE + 1;
    const range = { from: from.toLocaleString(), to: (from + verdicts.length - 1).toLocaleString() };
    return total === null ? t("history.range.many", range) : t("history.range", { ...range, total: total.toLocaleString() });
  }

  #linkExports() {
    const link = (format) => h("a.button", { href: `studio/verdicts/export?${new URLSearchParams({ format, ...this.filters.query })}`, download: true }, t(`history.export.${format}`));
    fill(this.exports, link("csv"), link("parquet"));
  }

  #begin() {
    this.#pages = [null];
    this.load();
  }

  #turn(step) {
    if (step > 0) this.#pages.push(this.#next);
    else this.#pages.pop();
    this.load();
  }

  // ---- the chosen verdict

  #choose(row) {
    if (row) {
      this.grid.select(row.id);
      this.#open(row, false);
    } else {
      this.chosen = null;
      this.detail.hidden = true;
    }
  }

  #open(row, byPointer) {
    const isAnother = row.id !== this.chosen?.id;
    this.chosen = row;
    this.detail.hidden = false;
    this.panel.show(row);
    if (isAnother || !row.isKept) this.correcting.show(row.isKept ? null : row); // with the picture's size, once it is there
    if (byPointer && !isWide()) this.detail.classList.add("open");
    if (!isAnother && row.isKept) this.#offer(row);
  }

  #offer(row) {
    if (row) this.correcting.show({ ...row, size: this.panel.size });
  }

  #close() {
    this.detail.classList.remove("open");
    this.grid.focus();
  }

  #corrected(verdict) {
    const row = { ...this.grid.rows.find(({ id }) => id === verdict.id), ...verdict };
    this.grid.replace(row);
    if (this.chosen?.id !== row.id) return;
    this.chosen = row;
    this.panel.show(row);
  }

  /** Judge the picture again by what is live now: a verdict of its own, which stands on top of the list from now on. */
  async #judgeAgain(id) {
    const row = this.grid.rows.find((other) => other.id === id);
    if (!row?.isKept) return null;
    const picture = await attempt(() => fetchBlob(`studio/pictures/${row.digest}`));
    const results = picture && (await attempt(() => judge([new File([picture], row.name || "picture")], row.product)));
    return results?.[0]?.errorCode === 0 ? results[0] : null;
  }
}

const isWide = () => matchMedia("(min-width: 72rem)").matches;
