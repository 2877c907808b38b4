// A table of rows, one of which may be chosen. Focus stays on the table, which names the chosen row (aria-activedescendant), as that
// of the Judge view does.

import { fill, h } from "./dom.js";

export class Grid {
  #columns;
  #keyOf;
  #onSelect;
  #rows = [];
  #selected = null;
  #body = h("tbody");
  #table;
  #empty = h("p.no-rows.quiet");

  /**
   * @param columns [{head, kind, cell(row)}]: `kind` are classes of head and cells, `cell` gives children, see `h`.
   * @param keyOf(row) names a row; onSelect(row, byPointer) is told which one was chosen, without it none can be.
   */
  constructor({ label, columns, keyOf, onSelect = null }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    this.#onSelect = onSelect;
    const kinds = ({ kind = "" }) => ({ class: kind });
    this.#table = h(
      "table.grid",
      {
        "aria-label": label,
        role: onSelect ? "grid" : null,
        tabindex: onSelect ? 0 : null,
        onkeydown: onSelect && ((event) => this.#press(event)),
      },
      h("thead", h("tr", columns.map((column) => h("th", { scope: "col", ...kinds(column) }, column.head)))),
      this.#body,
    );
    if (onSelect) this.#table.classList.add("choosing");
    this.element = h("div.scroller", this.#table, this.#empty);
  }

  get rows() {
    return this.#rows;
  }

  /** Show `rows`; where there are none, the words `empty`. */
  show(rows, empty = "") {
    this.#rows = rows;
    fill(this.#body, rows.map((row) => this.#element(row)));
    this.#empty.textContent = rows.length ? "" : empty;
    this.#empty.hidden = rows.length > 0;
    this.#mark();
  }

  /** Show a row anew that has changed. */
  replace(row) {
    const at = this.#rows.findIndex((other) => this.#keyOf(other) === this.#keyOf(row));
    if (at < 0) return;
    this.#rows[at] = row;
    this.#body.rows[at].replaceWith(this.#element(row));
    this.#mark();
  }

  /** Choose the row of a key, without telling anyone. */
  select(key) {
    this.#selected = key;
    this.#mark();
  }

  /** Choose the row so many rows on. */
  walk(step) {
    if (!this.#rows.length) return;
    const at = this.#rows.findIndex((row) => this.#keyOf(row) === this.#selected);
    const to = Math.min(Math.max(at < 0 ? 0 : at + step, 0), this.#rows.length - 1);
    this.#choose(this.#rows[to], false);
    this.#body.rows[to].scrollIntoView({ block: "nearest" });
  }

  focus() {
    this.#table.focus({ preventScroll: true });
  }

  #element(row) {
    const isChoosing = this.#onSelect !== null;
    const cells = this.#columns.map(({ cell, kind = "" }) => h("td", { class: kind, role: isChoosing ? "gridcell" : null }, cell(row)));
    return h("tr", { id: `row-${this.#keyOf(row)}`, role: isChoosing ? "row" : null, onclick: isChoosing && (() => this.#choose(row, true)) }, cells);
  }

  #choose(row, byPointer) {
    this.select(this.#keyOf(row));
    this.#onSelect(row, byPointer);
  }

  #mark() {
    if (!this.#onSelect) return;
    this.#rows.forEach((row, i) => this.#body.rows[i].setAttribute("aria-selected", this.#keyOf(row) === this.#selected));
    const isThere = this.#rows.some((row) => this.#keyOf(row) === this.#selected);
    if (isThere) this.#table.setAttribute("aria-activedescendant", `row-${this.#selected}`);
    else this.#table.removeAttribute("aria-activedescendant");
  }

  #press(event) {
    if (event.target !== this.#table) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.walk(steps[event.key]);
  }
}
