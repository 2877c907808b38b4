// The steps as a rail with what is done, one step open, its one main button at the foot.

import { t } from "../i18n.js";
import { commandLine } from "./parts/command.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { attempt } from "./parts/toast.js";
import { STEPS, mayOpen, nextStep } from "./teach_steps.js";

const MODULES = {
  pictures: () => import("./teach_pictures.js"),
  check: () => import("./teach_check.js"),
  regions: () => import("./teach_regions.js"),
  fit: () => import("./teach_fit.js"),
  threshold: () => import("./teach_threshold.js"),
  live: () => import("./teach_live.js"),
};

/**
 * A step's module exports `mount(step)`, which may return {unmount, translate}. `step` is {element, product, context, path, call, go,
 * main, say, command, signal}: `main({words, run, isEnabled, icon})` sets the main button; `command(words)` what does the same in a
 * shell; `changed()` fetches the product anew and marks what is done.
 */
export async function openWizard(element, context, product, wanted) {
  const abort = new AbortController();
  const name = wanted !== undefined && STEPS.includes(wanted) && mayOpen(product, wanted) ? wanted : nextStep(product);
  const rail = h("ol.steps", { "aria-label": t("steps") });
  const body = h("div.step-body");
  const foot = h("div.step-foot");
  const shell = commandLine();
  element.append(
    h(
      "div.view-head",
      h("a.back", { href: "#teach", "aria-label": t("products.all"), title: t("products.all") }, icon("left")),
      h("h2.large.product-name", { title: product.name }, product.name),
    ),
    h("nav", { "aria-label": t("steps") }, rail),
    h("section.card.step", { "aria-labelledby": "step-title" }, body, foot, shell.element),
  );
  const path = `studio/products/${encodeURIComponent(product.name)}`;
  const step = {
    element: h("div.step-content"),
    product,
    context,
    path,
    signal: abort.signal,
    call: (method, address, options) => context.call(method, address, { signal: abort.signal, ...options }),
    go: (to) => context.go("teach", [product.name, to]),
    command: shell.set,
    main({ words, run, isEnabled = true, icon: drawn = null, others = [] }) {
      const pressed = async (event) => {
        main.disabled = true; // one press is enough
        await attempt(() => run(event));
        main.disabled = false;
      };
      const main = button(words, pressed, { kind: "primary", icon: drawn, id: "step-main", disabled: !isEnabled });
      fill(foot, others, main);
    },
    noMain: (...others) => fill(foot, others),
    async changed() {
      step.product = await step.call("GET", path);
      renderRail(rail, step.product, name);
      return step.product;
    },
  };
  renderRail(rail, product, name);
  const heading = h("h3#step-title", t(`step.${name}.title`));
  fill(body, heading, h("p.step-about", t(`step.${name}.about`)), step.element);
  const { mount } = await MODULES[name]();
  const mounted = await mount(step);
  return {
    unmount() {
      abort.abort();
      mounted?.unmount?.();
    },
  };
}

function renderRail(rail, product, current) {
  fill(
    rail,
    STEPS.map((step, i) => {
      const isDone = product.steps[step] === "done";
      const words = [h("span.step-mark", { "aria-hidden": "true" }, isDone ? icon("ok") : String(i + 1)), h("span.step-word", t(`step.${step}`)), isDone && h("span.unseen", t("step.done"))];
      const attributes = { "aria-current": step === current ? "step" : null, class: isDone ? "done" : "" };
      if (!mayOpen(product, step)) return h("li", h("span", { "aria-disabled": "true", ...attributes }, words));
      return h("li", h("a", { href: `#teach/${encodeURIComponent(product.name)}/${step}`, ...attributes }, words));
    }),
  );
  rail.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}
