// The last step: the gate looks at the new model, and if it passes, one click lets it judge.

import { t } from "../i18n.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { attempt, toast } from "./parts/toast.js";
import { gateAnswer } from "./models_gate.js";
import { JobPanel } from "./teach_job.js";

export async function mount(step) {
  const { call, path, context } = step;
  const { versions } = await call("GET", `${path}/versions`);
  const version = versions[0];
  const answer = h("div.gate-answer");
  const panel = new JobPanel(step, { kind: "gate", start: () => call("POST", `studio/versions/${version.id}/gate`), onDone: (job) => show(job.result.gate ?? job.result) });
  step.element.append(panel.element, answer);
  if (version.isLive) {
    fill(answer, h("p.outcome", { "data-kind": "fine" }, icon("ok"), t("golive.is", { number: version.number })));
    step.command(version.command);
    step.main({ words: t("golive.judge"), icon: "judge", run: judge });
  } else await panel.run(null);

  function show(gate) {
    step.command(version.command);
    fill(answer, gateAnswer(gate));
    const again = button(t("golive.again"), () => (fill(answer), panel.run(null)), { icon: "reset" });
    if (gate.passed) step.main({ words: t("golive.go"), icon: "live", run: goLive, others: [again] });
    else step.main({ words: t("golive.back"), icon: "left", run: () => step.go("pictures"), others: [again] });
  }

  async function goLive() {
    try {
      await call("POST", `studio/versions/${version.id}/live`);
    } catch (error) {
      if (error.answer?.gate) return show(error.answer.gate);
      toast(error.message || t("error.network"), { isError: true });
      return panel.run(null);
    }
    toast(t("golive.done", { name: step.product.name }));
    return judge();
  }

  async function judge() {
    await attempt(() => context.refresh(step.product.name));
    context.go("judge");
  }
}
