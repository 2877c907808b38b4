// What the page knows, and who wants to be told when it changes. No element of the page is touched here.

import { Limit } from "./scale.js";

/** Frames of the camera live in memory (a file stays on the disk), so only the latest are kept. */
export const KEPT_FRAMES = 200;

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const RANK = { ng: 0, ok: 1, waiting: 2, error: 3 };

/**
 * One image on the page. `status` is waiting, done or error; `raw`, `area` (0..1), `size` [height, width] and
 * `regionCount` are there once it is done, `error` {code, message} when it failed.
 */
export class Item {
  static #count = 0;

  constructor(file, name, source = "file") {
    this.id = ++Item.#count;
    this.file = file;
    this.name = name;
    this.source = source;
    this.status = "waiting";
  }
}

export class State {
  #listeners = [];
  #scheduled = false;
  #rows = null;
  #thresholds = new WeakMap(); // by model: what the user chose instead of the model's own; one loaded anew has its own again

  items = [];
  models = [];
  model = null;
  selected = null;
  filter = "all";
  search = "";
  sort = { key: "order", descending: false };

  /** Call `listener` once a frame, after whatever changed. */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  changed() {
    this.#rows = null;
    if (this.#scheduled) return;
    this.#scheduled = true;
    const tell = () => {
      this.#scheduled = false;
      for (const listener of this.#listeners) listener(this);
    };
    if (document.hidden) setTimeout(tell, 200); // no frames are drawn while the page is hidden
    else requestAnimationFrame(tell);
  }

  /** The model's own limit: what the service itself decides by. */
  get ownLimit() {
    return this.model && new Limit(this.model.threshold, this.model.typical);
  }

  /** The limit that this page decides by. */
  get limit() {
    const own = this.ownLimit;
    return own && this.isMoved ? own.movedTo(this.#thresholds.get(this.model)) : own;
  }

  get isMoved() {
    return this.model !== null && this.#thresholds.has(this.model);
  }

  /** Decide by another threshold, a raw score; null for the model's own. */
  moveThreshold(threshold) {
    if (!this.model) return;
    if (threshold === null || threshold === this.model.threshold) this.#thresholds.delete(this.model);
    else this.#thresholds.set(this.model, threshold);
    this.changed();
  }

  add(items) {
    this.items.push(...items);
    const frames = this.items.filter((item) => item.source === "camera");
    const dropped = new Set(frames.slice(0, Math.max(0, frames.length - KEPT_FRAMES)));
    if (dropped.size) this.remove((item) => dropped.has(item));
    this.changed();
  }

  remove(isUnwanted) {
    this.items = this.items.filter((item) => !isUnwanted(item));
    if (this.selected && isUnwanted(this.selected)) this.selected = null;
    this.changed();
  }

  select(item) {
    this.selected = item;
    this.changed();
  }

  /** ok, ng, error or waiting. */
  verdict(item) {
    if (item.status !== "done") return item.status;
    return item.raw <= this.limit.threshold ? "ok" : "ng"; // what cannot be compared is not OK
  }

  score(item) {
    return this.limit.normalise(item.raw);
  }

  /** {all, ng, ok, error, waiting}: how many images of each verdict. */
  counts() {
    const counts = { all: this.items.length, ng: 0, ok: 0, error: 0, waiting: 0 };
    for (const item of this.items) counts[this.verdict(item)] += 1;
    return counts;
  }

  /** What the table shows: filtered, and sorted. Images without the value to sort by come last, whatever the direction. */
  rows() {
    if (this.#rows) return this.#rows;
    const wanted = this.search.trim().toLowerCase();
    const rows = this.items.filter(
      (item) =>
        (this.filter === "all" || this.verdict(item) === this.filter) && item.name.toLowerCase().includes(wanted),
    );
    const { key, descending } = this.sort;
    const sign = descending ? -1 : 1;
    if (key === "name") rows.sort((a, b) => sign * collator.compare(a.name, b.name));
    else if (key !== "order") rows.sort((a, b) => this.#compare(a, b, key, sign));
    this.#rows = rows;
    return rows;
  }

  #compare(a, b, key, sign) {
    if (key === "verdict") {
      const difference = RANK[this.verdict(a)] - RANK[this.verdict(b)];
      return sign * (difference || (b.raw ?? 0) - (a.raw ?? 0));
    }
    const field = key === "area" ? "area" : "raw"; // a score grows with its raw score
    if (a.status !== "done" || b.status !== "done") return (a.status !== "done") - (b.status !== "done");
    return sign * (a[field] - b[field]);
  }

  /** Select the row `step` rows on from the selected one, at most the last. */
  walk(step) {
    const rows = this.rows();
    if (rows.length === 0) return;
    const at = rows.indexOf(this.selected);
    const to = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
    this.select(rows[Math.min(Math.max(to, 0), rows.length - 1)]);
  }
}
