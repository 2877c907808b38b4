// Letting another version judge: held against the gate first, and asked once, with what it would miss.

import { t } from "../i18n.js";
import { gateAnswer } from "./models_gate.js";
import { openDialog } from "./parts/dialog.js";
import { fill, h } from "./parts/dom.js";
import { follow } from "./parts/follow.js";
import { attempt, toast } from "./parts/toast.js";

/** Hold a version against the gate, with a bar of progress in `place`: its answer, or undefined. */
export async function tryGate(context, version, place, signal = null) {
  const bar = h("progress", { max: 1, "aria-label": t("gate.looking") });
  fill(place, h("p.looking", { role: "status" }, t("gate.looking"), " ", bar));
  const onStep = ({ done, total }) => (total ? (bar.value = done / total) : bar.removeAttribute("value"));
  const job = await attempt(async () => {
    const started = await context.call("POST", `studio/versions/${version.id}/gate`);
    return follow(context.call, started, { onStep, signal });
  });
  if (job?.state === "done") return job.result.gate ?? job.result;
  fill(place, job && h("p.wrong", { role: "alert" }, job.error || t(`job.${job.state}`)));
  return undefined;
}

/** Let a version go live, if it passes the gate: asked with the gate's answer before the eyes. Returns whether it has. */
export async function goLive(context, version) {
  return ask(context, version, {
    title: t("live.title", { number: version.number }),
    action: t("live.action"),
    act: () => context.call("POST", `studio/versions/${version.id}/live`),
    done: t("live.done", { number: version.number }),
  });
}

/** Go back to a version that was live before; what it would miss is said, and does not keep anybody from it. */
export async function goBack(context, version) {
  return ask(context, version, {
    title: t("back.title", { number: version.number }),
    action: t("back.action"),
    isUrgent: true,
    words: { passed: t("back.passed"), refused: t("back.refused") },
    act: () => context.call("POST", `studio/products/${encodeURIComponent(context.product)}/rollback`, { body: { version: version.id } }),
    done: t("back.done", { number: version.number }),
  });
}

/** Whoever goes back is in a hurry: she need not wait for the gate, which does not decide. */
async function ask(context, version, { title, action, act, done, words, isUrgent = false }) {
  const abort = new AbortController();
  const place = h("div.gate-place");
  const check = async () => {
    try {
      await act();
      return "";
    } catch (error) {
      if (error.answer?.gate) fill(place, gateAnswer(error.answer.gate, words));
      return error.message;
    }
  };
  const asked = openDialog({ title, body: place, wide: true, check, actions: [{ name: "yes", words: action, kind: "primary" }] });
  const submit = place.closest("form").querySelector("[type=submit]");
  submit.disabled = !isUrgent;
  tryGate(context, version, place, abort.signal).then((gate) => {
    if (!gate) return;
    fill(place, gateAnswer(gate, words));
    submit.disabled = !isUrgent && !gate.passed;
  });
  const name = await asked;
  abort.abort();
  if (name !== "yes") return false;
  toast(done);
  await context.refresh?.();
  return true;
}
