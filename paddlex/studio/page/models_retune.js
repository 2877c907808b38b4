// Another threshold for the live model: a version of its own, which goes live through the gate as any other.

import { raw, t } from "../i18n.js";
import { falseAlarms } from "../scale.js";
import { button, field, h } from "./parts/dom.js";
import { falseAlarmWords } from "./parts/format.js";
import { attempt, toast } from "./parts/toast.js";

/** @param onMade(version) is told of the new version. */
export function retune(context, { threshold, scores = [] }, onMade) {
  const input = h("input", { type: "number", step: "any", inputmode: "decimal", value: Number(threshold.toPrecision(6)), oninput: () => render() });
  const rate = h("p", { role: "status" });
  const make = button(t("models.retune.make"), send);
  const render = () => {
    const value = input.valueAsNumber;
    make.disabled = !Number.isFinite(value) || raw(value) === raw(threshold);
    const expected = Number.isFinite(value) ? falseAlarms(scores, value) : null;
    rate.textContent = `${t("models.alarms.expected")}: ${falseAlarmWords(expected && { ...expected, of: expected.n })}`;
  };

  async function send() {
    const path = `studio/products/${encodeURIComponent(context.product)}/threshold`;
    const version = await attempt(() => context.call("POST", path, { body: { threshold: input.valueAsNumber } }));
    if (!version) return;
    toast(t("models.retune.made", version));
    onMade(version);
  }

  render();
  return h("details", h("summary", t("models.retune")), h("div.retune", h("p.quiet", t("models.retune.about")), field(t("models.retune.raw"), input), rate, h("div.buttons", make)));
}
