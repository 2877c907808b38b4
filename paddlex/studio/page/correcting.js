// "This is good", "this is bad": what a person says of a verdict, where she draws the defect, and what comes of it, in plain words.
// One of these stands below the picture of the Judge view, one in the History.

import { t } from "../i18n.js";
import { learn } from "./learning.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { Drawing } from "./parts/drawing.js";
import { inWords, number } from "./parts/format.js";
import { attempt } from "./parts/toast.js";

const ONE_COLUMN = matchMedia("(max-width: 71.99rem)"); // as in page.css

export class Correcting {
  #context;
  #hooks;
  #frame;
  #verdict = null;
  #drawing = null;
  #abort = new AbortController();
  #said = new Map(); // verdict id -> words of what has come of it, as long as the page is open

  /**
   * @param frame the element that holds just the picture: drawn on.
   * @param hooks onCorrected(verdict) takes the verdict as it is now; judgeAgain(verdict) -> {isAnomalous, score} or null judges its picture by
   *   what has been learnt; isShown(verdict) says whether that is still what the user looks at.
   */
  constructor(context, frame, hooks) {
    this.#context = context;
    this.#frame = frame;
    this.#hooks = hooks;
    this.element = h("div.correcting", { role: "group", "aria-label": t("correct.label") });
  }

  /** Offer to correct `verdict`, {id, isAnomalous, corrected, regions, size, isKept}; null for none. */
  show(verdict) {
    if (verdict?.id !== this.#verdict?.id) this.#stopDrawing();
    this.#verdict = verdict;
    this.element.hidden = verdict === null;
    if (verdict && !this.#drawing) this.#render();
  }

  /** The view goes: what is under way is not followed any more. */
  close() {
    this.#abort.abort();
    this.#stopDrawing();
  }

  #render() {
    const { id, corrected, correctedBy, isKept } = this.#verdict;
    if (corrected) {
      const mayUndo = corrected === "good" || this.#context.isEngineer; // the challenge set is locked to others
      const words = this.#said.get(id) ?? [t(`correct.was.${corrected}`, { by: correctedBy ?? this.#context.session.user.name })];
      fill(
        this.element,
        h(`p.said.${corrected}`, { role: "status" }, icon(corrected === "good" ? "ok" : "ng"), h("span", words)),
        mayUndo && button(t("correct.undo"), () => this.#takeBack(), { icon: "undo" }),
      );
    } else if (isKept === false) {
      fill(this.element, h("p.quiet", t("correct.gone")));
    } else {
      fill(
        this.element,
        h("p.question", t("correct.question")),
        button(t("correct.good"), () => this.#send("good", []), { icon: "ok", kind: "say-good" }),
        button(t("correct.bad"), () => this.#draw(), { icon: "ng", kind: "say-bad" }),
      );
    }
  }

  // ---- where it is bad

  #draw() {
    const { regions = [], size } = this.#verdict;
    const drawing = new Drawing(this.#frame, { kind: "defect", onChange: () => render() });
    this.#drawing = drawing;
    const tool = (name) =>
      button(t(`drawing.${name}`), () => ((drawing.tool = name), render(), drawing.element.focus()), { "aria-pressed": drawing.tool === name });
    const outlined = regions.map(({ polygon }) => polygon.map(([x, y]) => [(x + 0.5) / size[1], (y + 0.5) / size[0]]));
    const render = () => {
      const count = drawing.polygons.length;
      fill(
        this.element,
        h("p.question", h("strong", t("correct.draw")), " ", h("span.quiet", t("correct.draw.how"))),
        h("div.draw-tools", tool("free"), tool("box")),
        outlined.length > 0 && count === 0 && button(t("correct.outlines"), () => drawing.add(outlined)),
        count > 0 && button(t("drawing.undo"), () => drawing.removeLast(), { icon: "undo" }),
        h(
          "div.answers",
          button(t("cancel"), () => (this.#stopDrawing(), this.#render()), { kind: "plain" }),
          button(t(count ? "correct.send" : "correct.skip"), () => this.#send("bad", drawing.finish()), { kind: count ? "primary" : "" }),
        ),
      );
    };
    render();
    drawing.element.focus({ preventScroll: true });
    this.element.scrollIntoView({ block: ONE_COLUMN.matches ? "start" : "nearest" });
  }

  #stopDrawing() {
    this.#drawing?.remove();
    this.#drawing = null;
  }

  // ---- what comes of it

  async #send(label, where) {
    const { id } = this.#verdict;
    const buttons = [...this.element.querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    const answer = await attempt(() => this.#context.call("POST", `studio/verdicts/${id}/correction`, { body: { label, where } }));
    for (const each of buttons) each.disabled = false;
    if (!answer) return;
    this.#stopDrawing();
    this.#said.set(id, [answer.note ? inWords(answer.note.words) : t(`correct.said.${label}`)]);
    this.#take(id, { ...answer.verdict, corrected: label });
    this.element.querySelector("button")?.focus(); // undo, where the button was that was pressed
    if (answer.refit === "soon" || answer.job) await this.#follow(id, label, answer.verdict);
  }

  /** Say what is being learnt, until it is; then what is said of the picture by whatever judges now. */
  async #follow(id, label, { product, correctedAt }) {
    const { signal } = this.#abort;
    const bar = h("progress", { max: 1, "aria-label": t("correct.learning") });
    const onStep = ({ key, done, total }) => {
      this.#say(id, t(`correct.${key}`), " ", bar);
      if (total) bar.value = done / total;
      else bar.removeAttribute("value");
    };
    const end = await attempt(() => learn(this.#context.call, product, { signal, onStep, since: correctedAt ?? 0 }));
    if (!end) return;
    if (end.outcome === "failed") return this.#say(id, t("correct.failed", end));
    if (end.outcome === "refused") return this.#say(id, t("correct.refused"), " ", h("a", { href: "#models" }, t("correct.refused.why")));
    if (end.outcome === "offered") return this.#say(id, t("correct.offered"), " ", h("a", { href: "#models" }, t("nav.models")));
    if (end.outcome === "none") return this.#say(id, t(`correct.said.${label}`));
    await this.#context.refresh?.();
    const again = await this.#hooks.judgeAgain(id);
    if (!again) return this.#say(id, t("correct.learnt"));
    const words = { verdict: t(again.isAnomalous ? "word.ng" : "word.ok"), score: number(again.score) };
    const isAsSaid = again.isAnomalous === (label === "bad");
    this.#say(id, t(isAsSaid ? "correct.done" : "correct.still", words));
  }

  #say(id, ...words) {
    this.#said.set(id, words);
    if (this.#verdict?.id === id && !this.#drawing) this.#render();
  }

  async #takeBack() {
    const { id } = this.#verdict;
    const answer = await attempt(() => this.#context.call("DELETE", `studio/verdicts/${id}/correction`));
    if (!answer) return;
    this.#said.delete(id);
    this.#take(id, { ...(answer.verdict ?? answer), corrected: "" });
    this.element.querySelector("button")?.focus();
  }

  #take(id, verdict) {
    this.#hooks.onCorrected(verdict);
    if (this.#verdict?.id !== id) return;
    this.#verdict = { ...this.#verdict, ...verdict, size: this.#verdict.size };
    this.#render();
  }
}
