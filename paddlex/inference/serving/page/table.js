// The table of results. However many images there are, only the rows in view exist as elements; the others are two empty
// rows of their height. Focus stays on the table itself, which names the active row (aria-activedescendant), so that it is
// never lost when a row scrolls away.

import { requestThumbnail, thumbnails } from "./details.js";
import { decimal, percent, raw, reasonOf, t } from "./i18n.js";

const ONE_COLUMN = matchMedia("(max-width: 71.99rem)"); // as in page.css
const SPARE = 6; // rows above and below the view
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

export class Table {
  #state;
  #pool = [];
  #above = spacer();
  #below = spacer();
  #lastSelected = null;

  constructor(state) {
    this.#state = state;
    $("rows").append(this.#above, this.#below);
    $("scroller").addEventListener("scroll", () => this.render(), { passive: true });
    new ResizeObserver(() => this.render()).observe($("scroller"));
    $("table").addEventListener("keydown", (event) => this.#onKey(event));
    for (const head of document.querySelectorAll("th[data-sort]")) {
      const button = head.querySelector("button");
      button.tabIndex = 0;
      button.addEventListener("click", () => this.#sortBy(head.dataset.sort));
    }
  }

  render() {
    const rows = this.#state.rows();
    const { selected } = this.#state;
    const height = this.#rowHeight();
    if (selected !== this.#lastSelected) {
      this.#lastSelected = selected;
      this.#below.style.height = `${rows.length * height}px`; // room enough to scroll to a row that is new
      this.#bringIntoView(rows.indexOf(selected), height);
    }
    const scroller = $("scroller");
    const first = Math.max(0, Math.min(Math.floor(scroller.scrollTop / height) - SPARE, rows.length));
    const count = Math.min(rows.length - first, Math.ceil(scroller.clientHeight / height) + 2 * SPARE);
    this.#resize(count);
    this.#above.style.height = `${first * height}px`;
    this.#below.style.height = `${(rows.length - first - count) * height}px`;
    this.#pool.forEach((row, i) => this.#fill(row, rows[first + i], first + i));
    $("table").setAttribute("aria-rowcount", rows.length + 1);
    const isThere = this.#pool.some((row) => row.item === selected);
    if (isThere && selected) $("table").setAttribute("aria-activedescendant", `row-${selected.id}`);
    else $("table").removeAttribute("aria-activedescendant");
    $("no-rows").hidden = rows.length > 0;
    $("no-rows").textContent = t(this.#state.items.length ? "rows.filtered" : "rows.none");
    this.#renderHeads();
  }

  #rowHeight() {
    return this.#pool[0]?.element.offsetHeight || 48;
  }

  #bringIntoView(index, height) {
    if (index < 0) return;
    const scroller = $("scroller");
    const view = scroller.clientHeight - $("table").tHead.offsetHeight; // the head covers the top of what is scrolled
    const [top, bottom] = [index * height, (index + 1) * height];
    if (top < scroller.scrollTop || view < height) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + view) scroller.scrollTop = bottom - view;
  }

  #resize(count) {
    while (this.#pool.length < count) {
      const row = newRow();
      row.element.addEventListener("click", () => {
        this.#state.select(row.item);
        if (ONE_COLUMN.matches) $("stage").scrollIntoView(); // the verdict would be out of sight
      });
      this.#pool.push(row);
      this.#below.before(row.element);
    }
    while (this.#pool.length > count) this.#pool.pop().element.remove();
  }

  #fill(row, item, index) {
    const verdict = this.#state.verdict(item);
    const isDone = item.status === "done";
    row.item = item;
    row.element.id = `row-${item.id}`;
    row.element.dataset.verdict = verdict;
    row.element.setAttribute("aria-rowindex", index + 2);
    row.element.setAttribute("aria-selected", item === this.#state.selected);
    const at = item.name.lastIndexOf("/") + 1; // the file's own name first: it is what tells two files of a folder apart
    setText(row.name, item.name.slice(at));
    row.name.title = item.name;
    setText(row.about, item.error ? reasonOf(item) : [item.name.slice(0, at), item.product].filter(Boolean).join(" · "));
    row.about.classList.toggle("reason", item.error != null);
    setText(row.word, t(`word.${verdict}`));
    row.icon.setAttribute("href", `#i-${verdict}`);
    setText(row.score, isDone ? decimal(this.#state.score(item)) : "");
    setText(row.raw, isDone ? raw(item.raw) : "");
    setText(row.area, isDone ? percent(item.area, 2) : "");
    const address = thumbnails.get(item.id);
    if (address === undefined) requestThumbnail(item, () => this.#state.changed());
    if (address) row.thumb.src !== address && (row.thumb.src = address);
    row.thumb.hidden = !address;
  }

  #sortBy(key) {
    const { sort } = this.#state;
    const isNumber = key === "score" || key === "raw" || key === "area";
    // First the way that is wanted most: high scores and NG on top, names from A; then the other way; then as they came.
    if (sort.key !== key) this.#state.sort = { key, descending: isNumber };
    else if (sort.descending === isNumber) this.#state.sort = { key, descending: !isNumber };
    else this.#state.sort = { key: "order", descending: false };
    this.#state.changed();
  }

  #renderHeads() {
    const { key, descending } = this.#state.sort;
    for (const head of document.querySelectorAll("th[data-sort]")) {
      const direction = head.dataset.sort !== key ? "none" : descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", direction);
    }
  }

  #onKey(event) {
    if (event.target !== $("table")) return;
    const page = Math.max(1, Math.floor($("scroller").clientHeight / this.#rowHeight()) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.#state.walk(steps[event.key]);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function spacer() {
  const row = document.createElement("tr");
  row.setAttribute("aria-hidden", "true");
  row.className = "spacer";
  row.insertCell();
  return row;
}

function newRow() {
  const element = document.createElement("tr");
  element.setAttribute("role", "row");
  const cell = (className) => {
    const td = element.insertCell();
    td.className = className;
    td.setAttribute("role", "gridcell");
    return td;
  };
  const make = (parent, tag, className) => {
    const child = document.createElement(tag);
    child.className = className;
    parent.append(child);
    return child;
  };
  const thumb = make(cell("thumb"), "img", "");
  thumb.alt = "";
  const nameCell = cell("name-cell");
  const name = make(nameCell, "span", "row-name");
  const about = make(nameCell, "span", "about");
  const chip = make(cell("verdict-cell"), "span", "chip");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const icon = document.createElementNS(SVG, "use");
  svg.append(icon);
  chip.append(svg);
  const word = make(chip, "span", "");
  return { element, thumb, name, about, icon, word, score: cell("number row-score"), raw: cell("number wide"), area: cell("number wide") };
}
