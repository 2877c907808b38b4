// The largest thing on the page: the verdict on the selected image, and the image with what the model saw.

import { details, fetchDetails } from "./details.js";
import { decimal, percent, reasonOf, t } from "./i18n.js";
import { PictureView } from "./picture.js";

const $ = (id) => document.getElementById(id);

export class Viewer {
  #shown = null; // the item whose picture is on the page
  #address = null; // its object URL
  #isDrawn = false; // whether its heat map is, too
  #view;

  constructor() {
    const parts = Object.fromEntries(["viewport", "frame", "picture", "heat", "outlines", "opacity", "zoom"].map((id) => [id, $(id)]));
    const controls = { showOutlines: $("show-outlines"), zoomLevel: $("zoom-level") };
    this.#view = new PictureView({ ...parts, ...controls }, () => this.#note());
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
    this.#view.wipe();
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
    this.#isDrawn = false;
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = item && URL.createObjectURL(item.file);
    this.#view.open(this.#address);
  }

  async #draw(item) {
    this.#isDrawn = true;
    this.#view.setRatio(item.size[1], item.size[0]);
    try {
      if (!details.get(item.id)) await this.#fetchAgain(item);
      if (item !== this.#shown) return; // the user has walked on
      const { heat, regions } = details.get(item.id);
      this.#view.drawOutlines(item.size, regions);
      await this.#view.drawHeat(heat);
    } catch (error) {
      if (item === this.#shown) this.#note(String(error.message ?? error));
    }
  }

  /** Heat maps are dropped when there are too many; this one is wanted again. */
  async #fetchAgain(item) {
    this.#note(t("picture.loading"));
    await fetchDetails(item);
    this.#note();
  }

  #note(words) {
    const item = this.#shown;
    let text = words ?? "";
    if (!text && item?.error) text = reasonOf(item);
    else if (!text && item && !this.#view.hasPicture) text = t("picture.unknown");
    $("picture-note").textContent = text;
    $("picture-note").hidden = text === "";
  }
}

function describe({ isFound, regionCount, area }) {
  if (!isFound) return t("meaning.notFound");
  const key = regionCount === 0 ? "details.none" : regionCount === 1 ? "details.one" : "details.many";
  return t(key, { count: regionCount, area: percent(area, area < 0.001 ? 2 : 1) });
}
