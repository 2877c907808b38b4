// Drawing areas on a picture: freely or as rectangles, by finger, pen or mouse, or by keyboard alone.

import { t } from "../../i18n.js";
import { fill, h, s } from "./dom.js";

const STEP = 0.02; // of the side, for a press of an arrow key
const NEAR = 0.004; // points closer than this to the last one say nothing new
const SMALLEST = 0.0002; // of the picture: less was a slip of the finger
const CLOSE = 0.03; // a corner so near to the first one closes the outline
const MOST_POINTS = 200; // of an outline

/** The area of a polygon of shares, as a share of the picture. */
function areaOf(polygon) {
  const sum = polygon.reduce((total, [x, y], i) => {
    const [nextX, nextY] = polygon[(i + 1) % polygon.length];
    return total + x * nextY - nextX * y;
  }, 0);
  return Math.abs(sum) / 2;
}

const within = (value) => Math.min(Math.max(value, 0), 1);
const rounded = (polygon) => polygon.map(([x, y]) => [Number(x.toFixed(4)), Number(y.toFixed(4))]);
const corners = ({ x, y, width, height }) => [[x, y], [x + width, y], [x + width, y + height], [x, y + height]];

/** Few enough points: every n-th one. */
function thinned(polygon) {
  const every = Math.ceil(polygon.length / MOST_POINTS);
  return polygon.filter((_, i) => i % every === 0);
}

/** A layer over `frame`, an element that holds just the picture. */
export class Drawing {
  #open = null; // what is being drawn by hand: {pointer, from, points}
  #box = null; // what is being placed by keyboard: {x, y, width, height}
  #shapes = s("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
  #spoken = h("span.unseen", { role: "status", "aria-live": "polite" });

  /** Polygons, [[x, y], ...] each, in shares of width and height. */
  polygons;
  /** "free" or "box": what a pointer draws; "corners": one a press, until the first is pressed again or Enter. */
  tool = "free";

  /** @param onChange is called when an area was added or taken away; `kind` is a class of all areas. */
  constructor(frame, { polygons = [], onChange = () => {}, kind = "" } = {}) {
    this.polygons = polygons;
    this.onChange = onChange;
    this.kind = kind;
    this.element = h(
      `div.drawing${kind && `.${kind}`}`,
      {
        tabindex: 0,
        role: "application",
        "aria-label": t("drawing.label"),
        onpointerdown: (event) => this.#start(event),
        onpointermove: (event) => this.#move(event),
        onpointerup: (event) => this.tool !== "corners" && this.#end(event),
        onpointercancel: () => this.#drop(),
        onkeydown: (event) => this.#press(event),
      },
      this.#shapes,
      this.#spoken,
    );
    frame.append(this.element);
    this.#render();
  }

  remove() {
    this.element.remove();
  }

  /** Show other areas; whoever says so knows of it. */
  show(polygons) {
    this.#box = this.#open = null;
    this.polygons = polygons;
    this.#render();
  }

  add(polygons) {
    this.polygons = [...this.polygons, ...polygons.map((polygon) => rounded(thinned(polygon)))];
    this.#changed();
  }

  removeLast() {
    if (this.#box) this.#box = null;
    else this.polygons = this.polygons.slice(0, -1);
    this.#changed();
  }

  clear() {
    this.#box = null;
    this.polygons = [];
    this.#changed();
  }

  /** What is still being placed by keyboard counts as meant. */
  finish() {
    if (this.#box) this.#keepBox();
    return this.polygons;
  }

  #changed() {
    this.#render();
    this.onChange();
  }

  #place(event) {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  }

  #start(event) {
    if (event.button !== 0) return;
    if (this.tool === "corners") return this.#putCorner(event);
    if (this.#open) return;
    this.element.setPointerCapture(event.pointerId);
    const from = this.#place(event);
    this.#open = { pointer: event.pointerId, from, points: [from] };
  }

  #putCorner(event) {
    const place = this.#place(event);
    const points = this.#open?.points.slice(0, -1) ?? []; // the last one follows the pointer
    const isClosed = points.length > 2 && Math.hypot(place[0] - points[0][0], place[1] - points[0][1]) < CLOSE;
    if (isClosed) return this.#closeCorners();
    this.#open = { pointer: null, points: [...points, place, place] };
    return this.#render();
  }

  #closeCorners() {
    const points = this.#open.points.slice(0, -1);
    this.#open = null;
    if (points.length > 2 && areaOf(points) > SMALLEST) this.add([points]);
    else this.#render();
  }

  #move(event) {
    if (this.tool === "corners") {
      if (!this.#open) return;
      this.#open.points.splice(-1, 1, this.#place(event));
      this.#render();
      return;
    }
    if (event.pointerId !== this.#open?.pointer) return;
    const { from, points } = this.#open;
    const [x, y] = this.#place(event);
    if (this.tool === "box") {
      this.#open.points = [from, [x, from[1]], [x, y], [from[0], y]];
    } else {
      const [lastX, lastY] = points.at(-1);
      if (Math.hypot(x - lastX, y - lastY) < NEAR) return;
      points.push([x, y]);
    }
    this.#render();
  }

  #end(event) {
    if (event.pointerId !== this.#open?.pointer) return;
    const { points } = this.#open;
    this.#open = null;
    if (points.length > 2 && areaOf(points) > SMALLEST) this.add([points]);
    else this.#render();
  }

  #drop() {
    this.#open = null;
    this.#render();
  }

  /** Arrows place a rectangle, with Shift they change its size; Enter keeps it, Backspace takes the last area away. */
  #press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const arrow = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (arrow) this.#push(arrow, event.shiftKey);
    else if (event.key === "Enter" && this.#box) this.#keepBox();
    else if (event.key === "Enter" && this.tool === "corners" && this.#open) this.#closeCorners();
    else if (event.key === "Escape" && this.#open) this.#drop();
    else if (event.key === "Backspace" || event.key === "Delete") this.removeLast();
    else return;
    event.preventDefault();
    event.stopPropagation(); // elsewhere on the page the arrows walk through the pictures
  }

  #push([right, down], isResizing) {
    if (!this.#box) this.#box = { x: 0.4, y: 0.4, width: 0.2, height: 0.2 };
    else if (isResizing) {
      this.#box.width = Math.min(Math.max(this.#box.width + right, STEP), 1 - this.#box.x);
      this.#box.height = Math.min(Math.max(this.#box.height + down, STEP), 1 - this.#box.y);
    } else {
      this.#box.x = Math.min(Math.max(this.#box.x + right, 0), 1 - this.#box.width);
      this.#box.y = Math.min(Math.max(this.#box.y + down, 0), 1 - this.#box.height);
    }
    const words = Object.fromEntries(Object.entries(this.#box).map(([name, share]) => [name, Math.round(100 * share)]));
    this.#spoken.textContent = t("drawing.at", words);
    this.#render();
  }

  #keepBox() {
    const box = corners(this.#box);
    this.#box = null;
    this.add([box]);
    this.#spoken.textContent = t("drawing.kept", { count: this.polygons.length });
  }

  #render() {
    const open = this.#open ? [this.#open.points] : this.#box ? [corners(this.#box)] : [];
    fill(this.#shapes, areas(this.polygons), areas(open, "open"));
  }
}

/** Areas as shapes for an SVG of 1 by 1: dark below bright, so that both show on any picture. */
export function areas(polygons, kind = "") {
  return polygons.flatMap((polygon) =>
    ["casing", "line"].map((line) => s(`polygon.${line}${kind && `.${kind}`}`, { points: polygon.map((point) => point.join(",")).join(" ") })),
  );
}
