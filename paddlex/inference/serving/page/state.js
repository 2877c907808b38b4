// What the page knows, and who wants to be told when it changes. No element of the page is touched here.

import { Limit } from "./scale.js";

/** Frames of the camera live in memory (a file stays on the disk), so only the latest are kept. */
export const KEPT_FRAMES = 200;

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const RANK = { ng: 0, ok: 1, waiting: 2, error: 3 };

/**
 * One image on the page. `status` is waiting, done or error; `raw`, `area` (0..1), `size` [height, width] and
 * `regionCount` are there once it is done, `isFound`, whether the part is where it may be, and `product` where one of several was
 * recognised, `judgedBy` the model; `error` {code, message} when it failed.
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
  further = []; // names that can be chosen although no model judges under them: products of a studio that are not taught yet
  model = null;
  remembers = false; // whether a verdict stays what it was when another model takes over: in a studio, whose history has it
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

  /** What a model that takes over has to judge. */
  get unjudged() {
    return this.remembers ? this.items.filter(({ status }) => status === "waiting") : this.items;
  }

  /** The model that judges an item: the one that has, where verdicts stay; else the chosen one, or where that is of several products, the one of the item's. */
  modelOf(item) {
    if (this.remembers && item?.judgedBy) return item.judgedBy;
    if (!this.model?.products) return this.model;
    return this.models.find(({ name }) => name === item?.product) ?? null;
  }

  /** The model whose threshold is shown: the chosen one, or the one that has judged the selected item; null for none. */
  get shownModel() {
    return this.modelOf(this.selected);
  }

  /** A model's own limit: what the service itself decides by. */
  ownLimitOf(model) {
    return model && new Limit(model.threshold, model.typical);
  }

  /** The limit that this page decides by, for a model. */
  limitOf(model) {
    const own = this.ownLimitOf(model);
    return own && this.#thresholds.has(model) ? own.movedTo(this.#thresholds.get(model)) : own;
  }

  get isMoved() {
    return this.shownModel !== null && this.#thresholds.has(this.shownModel);
  }

  /** Decide by another threshold of the shown model, a raw score; null for the model's own. */
  moveThreshold(threshold) {
    const model = this.shownModel;
    if (!model) return;
    if (threshold === null || threshold === model.threshold) this.#thresholds.delete(model);
    else this.#thresholds.set(model, threshold);
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
    const limit = this.limitOf(this.modelOf(item));
    return item.isFound && item.raw <= limit?.threshold ? "ok" : "ng"; // what cannot be compared is not OK
  }

  score(item) {
    return this.limitOf(this.modelOf(item))?.normalise(item.raw) ?? NaN;
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
      return sign * (difference || this.#valueOf(b, "score") - this.#valueOf(a, "score"));
    }
    if (a.status !== "done" || b.status !== "done") return (a.status !== "done") - (b.status !== "done");
    return sign * (this.#valueOf(a, key) - this.#valueOf(b, key));
  }

  /** A number to sort by; a score grows with its raw score, which has no ties where the scale ends, but for one model alone. */
  #valueOf(item, key) {
    if (item.status !== "done") return 0;
    if (key === "area") return item.area;
    return key === "score" && this.model?.products ? this.score(item) : item.raw;
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
