// The picture of a remembered verdict as the Judge view shows one: the word, the picture with heat map and outlines, the tools below.

import { decimal, raw, t } from "../../i18n.js";
import { PictureView } from "../../picture.js";
import { fetchBlob } from "./blob.js";
import { fill, h, icon, s } from "./dom.js";
import { exactly, share, when } from "./format.js";

export class PicturePanel {
  #verdict = null;
  #view;
  #word = h("div.verdict.small");
  #caption = h("p.name");
  #facts = h("dl.facts");
  #note = h("p.picture-note", { hidden: true });
  #abort = new AbortController();

  /** The element that holds just the picture. */
  frame;

  /** @param below elements between the picture's name and the picture. */
  constructor(below = []) {
    const parts = {
      picture: h("img", { alt: "" }),
      heat: h("canvas", { width: 1, height: 1, "aria-hidden": "true" }),
      outlines: s("svg.outlines", { "aria-hidden": "true", focusable: "false", preserveAspectRatio: "none" }),
      opacity: h("input", { type: "range", min: 0, max: 100, step: 5, value: 50 }),
      showOutlines: h("input", { type: "checkbox", checked: true }),
      zoomLevel: h("span", "1×"),
    };
    parts.zoom = h("button.square.zoom", { type: "button", "aria-label": t("zoom"), title: t("zoom") }, icon("zoom"), parts.zoomLevel);
    parts.frame = this.frame = h("div.frame", parts.picture, parts.heat, parts.outlines);
    parts.viewport = h("div.viewport", { role: "group", "aria-label": t("viewport") }, parts.frame);
    this.picture = parts.picture;
    this.#view = new PictureView(parts, () => this.#say(t("picture.unknown")));
    parts.picture.addEventListener("load", () => this.#outline());
    this.element = h(
      "div.picture-panel",
      this.#word,
      h("div.caption", this.#caption),
      ...below,
      h("div.light-table", parts.viewport, this.#note),
      h(
        "div.tools",
        { role: "group", "aria-label": t("tools") },
        h("label.opacity", h("span", t("heat")), parts.opacity),
        h("label.switch", parts.showOutlines, h("span", t("outlines"))),
        parts.zoom,
      ),
      this.#facts,
    );
  }

  /** Height and width of the picture that is shown, in pixels. */
  get size() {
    return [this.picture.naturalHeight, this.picture.naturalWidth];
  }

  /** Show a verdict, see the contract of /studio/verdicts. */
  show(verdict) {
    const isAnother = verdict.id !== this.#verdict?.id;
    this.#verdict = verdict;
    this.#renderWord();
    this.#renderFacts();
    if (!isAnother) return;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#say("");
    this.#view.open(verdict.isKept ? `studio/pictures/${verdict.digest}/shown` : null);
    if (verdict.isKept) this.#fetchHeat(verdict, this.#abort.signal);
    else this.#say(t("history.removed.long"));
  }

  #renderWord() {
    const { isAnomalous, score, name } = this.#verdict;
    const word = isAnomalous ? "ng" : "ok";
    this.#word.dataset.verdict = word;
    fill(
      this.#word,
      icon(word),
      h("p.word", t(`word.${word}`)),
      h("p.score", decimal(score), " ", h("small", t("score.of"))),
    );
    this.#caption.textContent = name || t("history.unnamed");
    this.#caption.title = name;
    this.picture.alt = t("picture.alt", { name, verdict: t(`word.${word}`), details: t("score.is", { score: decimal(score) }) });
  }

  #renderFacts() {
    const { at, product, version, by, area, rawScore, threshold, shadow, corrected, correctedBy, correctedAt } = this.#verdict;
    const facts = [
      ["history.at", h("time", { title: exactly(at) }, when(at))],
      ["history.version", t("history.version.is", { product, number: version })],
      ["history.by", by],
      ["history.raw", t("history.raw.is", { raw: raw(rawScore), threshold: raw(threshold) })],
      ["history.area", share(area, 2)],
      shadow && ["history.shadow", t("history.shadow.is", { number: shadow.version, word: t(shadow.isAnomalous ? "word.ng" : "word.ok"), score: decimal(shadow.score) })],
      corrected && ["history.corrected", t(`history.corrected.${corrected}`, { by: correctedBy, at: correctedAt ? when(correctedAt) : "" })],
    ];
    fill(this.#facts, facts.filter(Boolean).map(([key, value]) => h("div", h("dt", t(key)), h("dd", value))));
  }

  #outline() {
    if (this.#verdict) this.#view.drawOutlines(this.size, this.#verdict.regions ?? []);
  }

  async #fetchHeat({ id }, signal) {
    try {
      await this.#view.drawHeat(await fetchBlob(`studio/verdicts/${id}/heat`, signal));
    } catch (error) {
      if (error.name !== "AbortError") this.#say(t("history.heat.none", { reason: error.message }));
    }
  }

  #say(words) {
    this.#note.textContent = words;
    this.#note.hidden = words === "";
  }

  close() {
    this.#abort.abort();
  }
}
