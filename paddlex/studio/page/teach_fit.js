// The fourth step: the model learns, in a process of its own.

import { decimal, t } from "../i18n.js";
import { button, field, fill, h, icon } from "./parts/dom.js";
import { inWords } from "./parts/format.js";
import { isOver } from "./parts/follow.js";
import { attempt } from "./parts/toast.js";
import { JobPanel } from "./teach_job.js";

export async function mount(step) {
  const { call, path, product } = step;
  const outcome = h("p.outcome", { "data-kind": "fine", hidden: true });
  const notes = h("div.findings");
  const settings = how(step);
  const panel = new JobPanel(step, {
    kind: "train",
    start() {
      outcome.hidden = settings.hidden = true;
      fill(notes);
      const start = settings.querySelector("[name=start]")?.value;
      return call("POST", `${path}/fit`, { body: start ? { how: "refit", start } : { how: "train" } });
    },
    onDone: (job) => done(job),
  });
  step.element.append(outcome, notes, panel.element, settings);
  const { job } = product;
  const isFit = job?.kind === "train" || job?.kind === "refit";
  if (isFit && !isOver(job)) {
    settings.hidden = true;
    return void (await panel.run(job));
  }
  if (product.steps.fit === "done") await done(isFit ? job : null);
  else step.main({ words: t("fit.start"), icon: "live", run: () => panel.run(null) });

  async function done(ended) {
    const { versions } = await call("GET", `${path}/versions`);
    await step.changed();
    const [newest] = versions;
    settings.hidden = false;
    outcome.hidden = false;
    const seconds = ended?.endedAt && ended?.startedAt ? (ended.endedAt - ended.startedAt) / 1000 : null;
    const words = { number: newest.number, pictures: newest.pictures };
    outcome.replaceChildren(icon("ok"), seconds === null ? t("fit.done", words) : t("fit.doneIn", { ...words, seconds: decimal(seconds, 0) }));
    const findings = (ended?.result?.findings ?? []).filter(({ digests }) => digests.length > 0);
    fill(notes, findings.map(({ words: said, digests }) => h("div.finding-note", h("p", `${inWords(said)} (${digests.length})`), button(t("fit.look"), () => step.go("pictures")))));
    step.command(ended?.command ?? newest.command);
    step.main({
      words: t("teach.next"),
      icon: "right",
      run: () => step.go("threshold"),
      others: [button(t("fit.again"), () => panel.run(null), { icon: "reset" })],
    });
  }
}

/** What most need not touch: which model, how large it looks, whether parts are brought to one place. */
function how({ call, path, product, context }) {
  const { settings } = product;
  const change = (changes) => attempt(() => call("PATCH", path, { body: { settings: changes } }));
  const model = h("select", { onchange: () => change({ model: model.value }) }, context.templates.map((name) => new Option(name, name, false, name === settings.model)));
  const size = h("select", { onchange: () => change({ imageSize: size.value === "" ? null : Number(size.value) }) }, sizes(settings.imageSize));
  const align = h("input", { type: "checkbox", checked: settings.align, onchange: () => change({ align: align.checked }) });
  const light = h("input", { type: "checkbox", checked: settings.light === "brightness", onchange: () => change({ light: light.checked ? "brightness" : "none" }) });
  return h(
    "details.how",
    h("summary", t("fit.how")),
    h(
      "div.how-fields",
      context.startModels?.length > 0 && field(t("fit.begin"), h("select", { name: "start" }, new Option(t("fit.begin.train"), ""), context.startModels.map((name) => new Option(name, name))), t("fit.begin.about")),
      field(t("fit.model"), model),
      field(t("fit.size"), size, t("fit.size.about")),
      h("label.switch", align, h("span", t("fit.align"))),
      h("label.switch", light, h("span", t("fit.light"))),
    ),
  );
}

function sizes(chosen) {
  const known = ["", 224, 256, 320, 384, 448, 512];
  if (chosen !== null && chosen !== undefined && !known.includes(chosen)) known.push(chosen);
  return known.map((size) => new Option(size === "" ? t("fit.size.own") : `${size}`, size, false, size === (chosen ?? "")));
}
