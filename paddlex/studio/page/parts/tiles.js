// Small pictures in rows, however many: only those in view exist as elements.

import { fill, h } from "./dom.js";

const GAP = 10; // px
const SPARE = 1; // rows above and below the view

export class Tiles {
  #items = [];
  #made = new Map(); // item -> element
  #make;
  #keyOf;
  #width;
  #height;
  #inner = h("ul.tiles-inner");

  /** @param make(item) gives the element of an item; it has one button, which the item is acted on by. */
  constructor({ make, keyOf, label, width = 132, height = 132 }) {
    this.#make = make;
    this.#keyOf = keyOf;
    this.#width = width;
    this.#height = height;
    this.#inner.setAttribute("aria-label", label);
    this.element = h("div.tiles", this.#inner);
    this.element.addEventListener("scroll", () => this.#render(), { passive: true });
    new ResizeObserver(() => this.#render()).observe(this.element);
  }

  /** Show these; whoever had the focus keeps it, or the one that stands in its place now. */
  show(items) {
    const focused = [...this.#made].find(([, tile]) => tile.contains(document.activeElement));
    const at = focused ? this.#items.findIndex((item) => this.#keyOf(item) === focused[0]) : -1;
    this.#items = items;
    for (const tile of this.#made.values()) tile.remove();
    this.#made.clear();
    this.#render();
    if (at < 0 || items.length === 0) return;
    this.#made.get(this.#keyOf(items[Math.min(at, items.length - 1)]))?.querySelector("button")?.focus();
  }

  #render() {
    const columns = Math.max(1, Math.floor((this.element.clientWidth + GAP) / (this.#width + GAP)));
    const wide = (this.element.clientWidth - (columns - 1) * GAP) / columns;
    const tall = this.#height + GAP;
    const rows = Math.ceil(this.#items.length / columns);
    this.#inner.style.height = `${Math.max(0, rows * tall - GAP)}px`;
    const first = Math.max(0, Math.floor(this.element.scrollTop / tall) - SPARE) * columns;
    const last = (Math.ceil((this.element.scrollTop + this.element.clientHeight) / tall) + SPARE) * columns;
    const wanted = this.#items.slice(first, last);
    const keys = new Set(wanted.map(this.#keyOf));
    for (const [key, tile] of this.#made) {
      if (keys.has(key)) continue;
      tile.remove();
      this.#made.delete(key);
    }
    wanted.forEach((item, i) => {
      const key = this.#keyOf(item);
      if (!this.#made.has(key)) this.#made.set(key, h("li.tile", { "aria-setsize": this.#items.length, "aria-posinset": first + i + 1 }, this.#make(item)));
      const tile = this.#made.get(key);
      const [row, column] = [Math.floor((first + i) / columns), (first + i) % columns];
      Object.assign(tile.style, { width: `${wide}px`, height: `${this.#height}px`, transform: `translate(${column * (wide + GAP)}px, ${row * tall}px)` });
      if (this.#inner.children[i] !== tile) this.#inner.insertBefore(tile, this.#inner.children[i] ?? null); // Tab goes in their order
    });
  }

  clear() {
    fill(this.#inner);
  }
}
