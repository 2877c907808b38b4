// The largest thing on the page: the verdict on the selected image, and the image with what the model saw.

import { judge } from "./api.js";
import { details, keepDetails } from "./details.js";
import { drawHeat } from "./heat.js";
import { decimal, percent, reasonOf, t } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);
const ZOOMS = [1, 2, 4];

export class Viewer {
  #shown = null; // the item whose picture is on the page
  #address = null; // its object URL
  #isDrawn = false; // whether its heat map is, too
  #hasPicture = true; // whether the browser can show it
  #zoom = 0;

  constructor() {
    $("opacity").addEventListener("input", () => this.#applyOpacity());
    $("show-outlines").addEventListener("change", () => {
      $("outlines").classList.toggle("hidden", !$("show-outlines").checked);
    });
    $("zoom").addEventListener("click", () => this.#setZoom((this.#zoom + 1) % ZOOMS.length));
    $("viewport").addEventListener("pointermove", (event) => {
      if (this.#zoom > 0 && event.buttons === 1 && event.pointerType === "mouse") {
        $("viewport").scrollBy(-event.movementX, -event.movementY);
      }
    });
    $("picture").addEventListener("dragstart", (event) => event.preventDefault());
    $("picture").addEventListener("load", () => this.#setRatio($("picture").naturalWidth, $("picture").naturalHeight));
    $("picture").addEventListener("error", () => {
      if (!$("picture").hasAttribute("src")) return;
      this.#hasPicture = false;
      $("picture").hidden = true;
      this.#note();
    });
    this.#applyOpacity();
  }

  /** Show what `state` has selected; cheap when that has not changed. */
  render(state) {
    const item = state.selected;
    this.#renderVerdict(state, item);
    this.#renderCaption(state, item);
    $("empty").hidden = item !== null || !$("camera").hidden;
    $("viewport").hidden = $("caption").hidden = item === null;
    if (item !== this.#shown) this.#open(item);
    if (item?.status !== "done" && this.#isDrawn) this.#wipe(); // it is being judged anew
    if (item?.status === "done" && !this.#isDrawn) this.#draw(item);
    this.#note();
  }

  #wipe() {
    this.#isDrawn = false;
    $("heat").width = $("heat").height = 1;
    $("outlines").replaceChildren();
  }

  #renderVerdict(state, item) {
    const verdict = item ? state.verdict(item) : "none";
    const isDone = item?.status === "done";
    $("verdict").dataset.verdict = verdict;
    $("verdict-icon").setAttribute("href", `#i-${verdict}`);
    $("verdict-word").textContent = t(`word.${verdict}`);
    const meaning = t(isDone && !item.isFound ? "meaning.notFound" : `meaning.${verdict}`);
    $("verdict-meaning").textContent = [item?.product, meaning].filter(Boolean).join(" · ");
    $("verdict-figures").hidden = !isDone;
    $("picture").alt = item ? this.#alternative(item, verdict) : "";
    if (!isDone) return;
    const score = state.score(item);
    $("verdict-score").textContent = decimal(score);
    $("gauge-fill").setAttribute("width", 200 * score);
    $("verdict-details").textContent = describe(item);
  }

  #alternative(item, verdict) {
    const about = item.status === "done" ? describe(item) : item.error ? reasonOf(item) : t("meaning.waiting");
    return t("picture.alt", { name: item.name, verdict: t(`word.${verdict}`), details: about });
  }

  #renderCaption(state, item) {
    const rows = state.rows();
    const at = rows.indexOf(item);
    $("picture-name").textContent = item?.name ?? "";
    $("picture-place").textContent =
      item === null ? "" : at < 0 ? t("place.hidden") : t("place", { at: at + 1, of: rows.length });
    $("previous").disabled = rows.length === 0 || at === 0;
    $("next").disabled = rows.length === 0 || at === rows.length - 1;
  }

  #open(item) {
    this.#shown = item;
    this.#hasPicture = true;
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = item && URL.createObjectURL(item.file);
    this.#wipe(); // the last image's heat map must not lie on this one
    $("picture").hidden = item === null;
    if (item) $("picture").src = this.#address;
    else $("picture").removeAttribute("src");
    if (this.#zoom !== 0) this.#setZoom(0);
  }

  async #draw(item) {
    this.#isDrawn = true;
    this.#setRatio(item.size[1], item.size[0]);
    try {
      if (!details.get(item.id)) await this.#fetchAgain(item);
      const { heat, regions } = details.get(item.id);
      const scratch = document.createElement("canvas");
      await drawHeat(scratch, heat);
      if (item !== this.#shown) return; // the user has walked on
      const canvas = $("heat");
      canvas.width = scratch.width;
      canvas.height = scratch.height;
      canvas.getContext("2d").drawImage(scratch, 0, 0);
      drawOutlines(item.size, regions);
    } catch (error) {
      if (item === this.#shown) this.#note(String(error.message ?? error));
    }
  }

  /** Heat maps are dropped when there are too many; this one is wanted again. */
  async #fetchAgain(item) {
    this.#note(t("picture.loading"));
    const [result] = await judge([item.file], item.model);
    if (result.errorCode) throw new Error(result.errorMsg);
    keepDetails(item, result);
    this.#note();
  }

  #note(words) {
    const item = this.#shown;
    let text = words ?? "";
    if (!text && item?.error) text = reasonOf(item);
    else if (!text && item && !this.#hasPicture) text = t("picture.unknown");
    $("picture-note").textContent = text;
    $("picture-note").hidden = text === "";
  }

  #setRatio(width, height) {
    const { style } = $("frame");
    style.setProperty("--width", width);
    style.setProperty("--height", height);
  }

  #applyOpacity() {
    $("heat").style.opacity = $("opacity").value / 100;
    $("opacity").setAttribute("aria-valuetext", percent($("opacity").value / 100, 0));
  }

  #setZoom(index) {
    this.#zoom = index;
    $("frame").style.setProperty("--zoom", ZOOMS[index]);
    $("viewport").classList.toggle("enlarged", index > 0);
    if (index > 0) $("viewport").tabIndex = 0; // the arrows then move the picture
    else $("viewport").removeAttribute("tabindex");
    $("zoom-level").textContent = `${ZOOMS[index]}×`;
    if (index > 0) this.#scrollToStrongest();
  }

  /** An enlarged picture opens at its strongest region, where there is one. */
  #scrollToStrongest() {
    const [viewport, frame] = [$("viewport"), $("frame")];
    const strongest = details.get(this.#shown?.id)?.regions[0];
    const [height, width] = this.#shown?.size ?? [1, 1];
    const [x, y, w, h] = strongest?.bbox ?? [0, 0, width, height];
    viewport.scrollTo(
      ((x + w / 2) / width) * frame.offsetWidth - viewport.clientWidth / 2,
      ((y + h / 2) / height) * frame.offsetHeight - viewport.clientHeight / 2,
    );
  }
}

function describe({ isFound, regionCount, area }) {
  if (!isFound) return t("meaning.notFound");
  const key = regionCount === 0 ? "details.none" : regionCount === 1 ? "details.one" : "details.many";
  return t(key, { count: regionCount, area: percent(area, area < 0.001 ? 2 : 1) });
}

/** Outline `regions`, in pixels of an image of `size` [height, width]: dark below bright, so that both show. */
function drawOutlines([height, width], regions) {
  const svg = $("outlines");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const lines = ["casing", "line"].flatMap((kind) =>
    regions.map((region) => {
      const polygon = document.createElementNS(SVG, "polygon");
      polygon.setAttribute("class", kind);
      polygon.setAttribute("points", region.polygon.map(([x, y]) => `${x + 0.5},${y + 0.5}`).join(" "));
      return polygon;
    }),
  );
  svg.replaceChildren(...lines);
}
