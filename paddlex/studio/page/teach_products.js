// The products as cards: how far each is, and a new one.

import { t } from "../i18n.js";
import { openDialog } from "./parts/dialog.js";
import { button, field, h, icon } from "./parts/dom.js";
import { isOver } from "./parts/follow.js";
import { STEPS, nextStep } from "./teach_steps.js";

export function renderProducts(element, context) {
  const { products } = context;
  const add = button(t("products.add"), () => addProduct(context), { kind: "primary", icon: "add", id: "add-product" });
  if (products.length === 0) {
    element.append(h("div.nothing", icon("teach"), h("h2", t("products.none")), h("p", t("products.none.about")), add));
    return;
  }
  element.append(h("div.view-head", h("h2.large", t("nav.teach")), add), h("ul.products", products.map((product) => h("li", card(product)))));
}

function card(product) {
  const { name, counts, live, job, steps } = product;
  const done = STEPS.filter((step) => steps[step] === "done").length;
  const isBusy = job && !isOver(job);
  const state = isBusy ? t("products.busy") : live ? t("products.live", { number: live.number }) : t("products.step", { step: t(`step.${nextStep(product)}`) });
  return h(
    "a.card.product",
    { href: `#teach/${encodeURIComponent(name)}`, "data-state": isBusy ? "busy" : live ? "live" : "open" },
    h("strong", { title: name }, name),
    h("span.product-state", h("span.lamp", { "aria-hidden": "true" }), state),
    h("span.quiet", t("products.counts", counts)),
    h("span.steps-done", { role: "img", "aria-label": t("products.done", { done, of: STEPS.length }) }, STEPS.map((step) => h("i", { class: steps[step] }))),
  );
}

async function addProduct(context) {
  const name = h("input", { type: "text", maxlength: 64, autocomplete: "off", spellcheck: "false", required: true });
  let made;
  const answer = await openDialog({
    title: t("products.new"),
    body: field(t("products.name"), name, t("products.name.about")),
    actions: [{ name: "add", words: t("products.create"), kind: "primary" }],
    async check() {
      try {
        made = await context.call("POST", "studio/products", { body: { name: name.value.trim() } });
        return "";
      } catch (error) {
        return error.message || t("error.network");
      }
    },
  });
  if (answer) context.go("teach", [made.name]);
}
