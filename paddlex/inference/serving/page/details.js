// What is large about an image, kept within bounds: heat maps with their regions, and thumbnails. The oldest go first;
// a thumbnail is drawn again from its file when its row comes into view, a heat map is asked for again.

import { judge } from "./api.js";

/** A map from item ids to values, with a limit on the sum of their sizes; the least recently used go first. */
class Bounded {
  #values = new Map();
  #total = 0;

  constructor(limit, onDrop = () => {}) {
    this.limit = limit;
    this.onDrop = onDrop;
  }

  get(id) {
    const entry = this.#values.get(id);
    if (!entry) return undefined;
    this.#values.delete(id);
    this.#values.set(id, entry);
    return entry.value;
  }

  set(id, value, size) {
    this.delete(id);
    this.#values.set(id, { value, size });
    this.#total += size;
    for (const oldest of this.#values.keys()) {
      if (this.#total <= this.limit || oldest === id) break;
      this.delete(oldest);
    }
  }

  delete(id) {
    const entry = this.#values.get(id);
    if (!entry) return;
    this.#values.delete(id);
    this.#total -= entry.size;
    this.onDrop(entry.value);
  }
}

/** By item id: {heat, regions}; `heat` a Blob (PNG, 8-bit gray, 128 at the pixel threshold). At most 64 MiB. */
export const details = new Bounded(64 * 1024 * 1024);

/** By item id: the address of a small picture, or "" for an image that this browser cannot show. At most 600. */
export const thumbnails = new Bounded(600, (address) => address && URL.revokeObjectURL(address));

/** Keep what belongs to `result`, an answer of the service, for the item. */
export function keepDetails(item, { heatMap, regions }) {
  keep(item, { heat: fromBase64(heatMap), regions });
}

function keep(item, { heat, regions }) {
  const points = regions.reduce((count, region) => count + region.polygon.length, 0);
  details.set(item.id, { heat, regions }, heat.size + 100 * points);
}

/** Of a studio: `fetch(item)` gives {heat, regions} of a verdict that it remembers; judged again, it would be another verdict. */
export const memory = { fetch: null };

/** Ask again for what was dropped. */
export async function fetchDetails(item) {
  if (memory.fetch !== null && item.verdictId !== undefined) return keep(item, await memory.fetch(item));
  const [result] = await judge([item.file], item.model);
  if (result.errorCode) throw new Error(result.errorMsg);
  return keepDetails(item, result);
}

export function forget(item) {
  details.delete(item.id);
  thumbnails.delete(item.id);
}

function fromBase64(text) {
  const binary = atob(text);
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}

const SIDE = 96; // pixels; twice of what is shown, for sharp screens
const wanted = []; // the latest wish is served first: it is what the user looks at
let isDrawing = false;

/** Draw the item's thumbnail when there is time, one at a time, then call `onDone`. */
export function requestThumbnail(item, onDone) {
  if (wanted.some((wish) => wish.item === item)) return;
  wanted.push({ item, onDone });
  if (wanted.length > 100) wanted.shift(); // scrolled past long ago
  if (!isDrawing) drawAll();
}

async function drawAll() {
  isDrawing = true;
  while (wanted.length) {
    const { item, onDone } = wanted.at(-1);
    thumbnails.set(item.id, await drawThumbnail(item.file), 1);
    const at = wanted.findIndex((wish) => wish.item === item);
    if (at >= 0) wanted.splice(at, 1);
    onDone();
  }
  isDrawing = false;
}

async function drawThumbnail(file) {
  let picture = null;
  try {
    picture = await createImageBitmap(file);
    const scale = SIDE / Math.min(picture.width, picture.height);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    const [width, height] = [picture.width * scale, picture.height * scale];
    canvas.getContext("2d").drawImage(picture, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
    return URL.createObjectURL(blob);
  } catch {
    return ""; // a format that browsers do not know, TIFF for one, or no image at all
  } finally {
    picture?.close();
  }
}
