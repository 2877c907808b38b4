// A picture with what the model saw: its heat map, and outlines over it. It can be enlarged.

import { drawHeat } from "./heat.js";
import { percent } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const ZOOMS = [1, 2, 4];

export class PictureView {
  #parts;
  #hasPicture = true; // whether the browser can show it
  #zoom = 0;
  #shown = 0; // counts the pictures, so that a heat map that comes late is not laid on the next one
  #strongest = null; // the region where an enlarged picture opens: [x, y, width, height] in shares

  /**
   * @param parts the elements: viewport with frame in it, in that picture, heat (a canvas) and outlines (an SVG); opacity (a slider),
   *   showOutlines (a check box), zoom (a button) with zoomLevel in it.
   * @param onUnknown is told when the browser cannot show a picture.
   */
  constructor(parts, onUnknown = () => {}) {
    this.#parts = parts;
    const { opacity, showOutlines, zoom, viewport, picture, outlines } = parts;
    opacity.addEventListener("input", () => this.#applyOpacity());
    showOutlines.addEventListener("change", () => outlines.classList.toggle("hidden", !showOutlines.checked));
    zoom.addEventListener("click", () => this.#setZoom((this.#zoom + 1) % ZOOMS.length));
    viewport.addEventListener("pointermove", (event) => {
      if (this.#zoom > 0 && event.buttons === 1 && event.pointerType === "mouse") viewport.scrollBy(-event.movementX, -event.movementY);
    });
    picture.addEventListener("dragstart", (event) => event.preventDefault());
    picture.addEventListener("load", () => this.setRatio(picture.naturalWidth, picture.naturalHeight));
    picture.addEventListener("error", () => {
      if (!picture.hasAttribute("src")) return;
      this.#hasPicture = false;
      picture.hidden = true;
      onUnknown();
    });
    this.#applyOpacity();
  }

  /** Whether the browser can show what is open. */
  get hasPicture() {
    return this.#hasPicture;
  }

  /** Show the picture at an address, with nothing over it; null for none. */
  open(address) {
    const { picture } = this.#parts;
    this.#hasPicture = true;
    this.wipe(); // the last picture's heat map must not lie on this one
    picture.hidden = address === null;
    if (address === null) picture.removeAttribute("src");
    else picture.src = address;
    if (this.#zoom !== 0) this.#setZoom(0);
  }

  /** Take heat map and outlines away. */
  wipe() {
    this.#shown += 1;
    this.#strongest = null;
    const { heat, outlines } = this.#parts;
    heat.width = heat.height = 1;
    outlines.replaceChildren();
  }

  /** Lay a heat map (a Blob, PNG) over the picture, unless another one is open by then. */
  async drawHeat(png) {
    const shown = this.#shown;
    const scratch = document.createElement("canvas");
    await drawHeat(scratch, png);
    if (shown !== this.#shown) return;
    const { heat } = this.#parts;
    heat.width = scratch.width;
    heat.height = scratch.height;
    heat.getContext("2d").drawImage(scratch, 0, 0);
  }

  /** Outline `regions`, in pixels of a picture of `size` [height, width]: dark below bright, so that both show. */
  drawOutlines([height, width], regions) {
    const { outlines } = this.#parts;
    outlines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const lines = ["casing", "line"].flatMap((kind) =>
      regions.map((region) => {
        const polygon = document.createElementNS(SVG, "polygon");
        polygon.setAttribute("class", kind);
        polygon.setAttribute("points", region.polygon.map(([x, y]) => `${x + 0.5},${y + 0.5}`).join(" "));
        return polygon;
      }),
    );
    outlines.replaceChildren(...lines);
    const [x, y, w, h] = regions[0]?.bbox ?? [];
    this.#strongest = regions.length ? [x / width, y / height, w / width, h / height] : null;
  }

  setRatio(width, height) {
    const { style } = this.#parts.frame;
    style.setProperty("--width", width);
    style.setProperty("--height", height);
  }

  #applyOpacity() {
    const { heat, opacity } = this.#parts;
    heat.style.opacity = opacity.value / 100;
    opacity.setAttribute("aria-valuetext", percent(opacity.value / 100, 0));
  }

  #setZoom(index) {
    const { frame, viewport, zoomLevel } = this.#parts;
    this.#zoom = index;
    frame.style.setProperty("--zoom", ZOOMS[index]);
    viewport.classList.toggle("enlarged", index > 0);
    if (index > 0) viewport.tabIndex = 0; // the arrows then move the picture
    else viewport.removeAttribute("tabindex");
    zoomLevel.textContent = `${ZOOMS[index]}×`;
    if (index > 0) this.#scrollToStrongest();
  }

  /** An enlarged picture opens at its strongest region, where there is one. */
  #scrollToStrongest() {
    const { frame, viewport } = this.#parts;
    const [x, y, width, height] = this.#strongest ?? [0, 0, 1, 1];
    viewport.scrollTo(
      (x + width / 2) * frame.offsetWidth - viewport.clientWidth / 2,
      (y + height / 2) * frame.offsetHeight - viewport.clientHeight / 2,
    );
  }
}
