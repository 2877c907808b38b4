// What of the history is shown: by time, product, verdict, score, correction and name.

import { t } from "../i18n.js";
import { button, h, icon } from "./parts/dom.js";

const EMPTY = { product: "", verdict: "", corrected: "any", name: "", from: "", to: "", scoreFrom: "", scoreTo: "" };
const PATIENCE = 300; // ms without a key before what was typed is looked for

let remembered = null; // as long as the page is open, the view comes back as it was left

export class Filters {
  #values;
  #onChange;
  #timer = null;

  constructor(context, onChange) {
    this.#onChange = onChange;
    const isAsked = Object.keys(context.query ?? {}).length > 0;
    this.#values = isAsked ? { ...EMPTY, ...context.query } : (remembered ?? { ...EMPTY, product: context.product });
    const products = (context.products ?? []).map(({ name }) => [name, name]);
    this.reset = button(t("history.reset"), () => this.#reset(), { icon: "reset" });
    this.element = h(
      "form.filters",
      { onsubmit: (event) => event.preventDefault(), role: "search" },
      this.#verdicts(),
      this.#input("name", { type: "search", placeholder: t("search"), "aria-label": t("search"), autocomplete: "off", spellcheck: "false" }),
      h(
        "details.more",
        { open: this.#isMore || matchMedia("(min-width: 100rem)").matches },
        h("summary", t("history.more")),
        h(
          "div.more-fields",
          this.#labelled("history.product", this.#select("product", [["", t("history.all.products")], ...products])),
          this.#labelled("history.corrected", this.#select("corrected", ["any", "good", "bad", "none"].map((value) => [value, t(`history.corrected.is.${value}`)]))),
          this.#range("history.time", ["from", "to"], { type: "date" }),
          this.#range("history.score", ["scoreFrom", "scoreTo"], { type: "number", min: 0, max: 1, step: "any", inputmode: "decimal" }),
          this.reset,
        ),
      ),
    );
    this.#renderReset();
  }

  /** The parameters of GET /studio/verdicts; days are whole days of the browser's time zone. */
  get query() {
    const { from, to, corrected, ...plain } = this.#values;
    const midnight = (day, later) => day && new Date(`${day}T00:00`).setDate(new Date(`${day}T00:00`).getDate() + later);
    const query = { ...plain, from: midnight(from, 0), to: midnight(to, 1), corrected: corrected === "any" ? "" : corrected };
    return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== "" && !Number.isNaN(value)));
  }

  get isEmpty() {
    return Object.keys(this.query).every((name) => name === "product");
  }

  get #isMore() {
    const { verdict, name, product, ...more } = this.#values;
    return Object.entries(more).some(([key, value]) => value !== EMPTY[key]);
  }

  #set(name, value, isTyped = false) {
    if (this.#values[name] === value) return;
    this.#values[name] = value;
    remembered = this.#values;
    this.#renderReset();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onChange(), isTyped ? PATIENCE : 0);
  }

  #reset() {
    for (const control of this.element.querySelectorAll("[name]")) {
      if (control.type === "radio") control.checked = control.value === EMPTY[control.name];
      else control.value = EMPTY[control.name];
    }
    this.#values = { ...EMPTY };
    remembered = this.#values;
    this.#renderReset();
    this.#onChange();
  }

  #renderReset() {
    this.reset.disabled = Object.entries(EMPTY).every(([name, value]) => this.#values[name] === value);
  }

  #verdicts() {
    const choice = (value, ...words) =>
      h("label", h("input", { type: "radio", name: "verdict", value, checked: this.#values.verdict === value, onchange: () => this.#set("verdict", value) }), h("span", words));
    return h(
      "fieldset.filter",
      h("legend.unseen", t("filter")),
      choice("", t("filter.all")),
      choice("ng", icon("ng"), "NG"),
      choice("ok", icon("ok"), "OK"),
    );
  }

  #input(name, attributes) {
    const isText = ["search", "number"].includes(attributes.type);
    const oninput = ({ target }) => target.checkValidity() && this.#set(name, target.value, isText);
    return h("input", { ...attributes, name, value: this.#values[name], oninput });
  }

  #select(name, options) {
    const choices = options.map(([value, words]) => h("option", { value, selected: value === this.#values[name] }, words));
    return h("select", { name, onchange: ({ target }) => this.#set(name, target.value) }, choices);
  }

  #labelled(key, control) {
    return h("label.labelled", h("span", t(key)), control);
  }

  #range(key, [from, to], attributes) {
    const end = (name, word) => this.#input(name, { ...attributes, "aria-label": `${t(key)}: ${t(word)}` });
    return h("div.labelled", h("span", t(key)), h("div.range", end(from, "range.from"), h("span.quiet", "–"), end(to, "range.to")));
  }
}
