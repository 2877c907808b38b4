// The second step: what the data set check finds, as pictures to click away.

import { t } from "../i18n.js";
import { button, fill, h, icon } from "./parts/dom.js";
import { inWords } from "./parts/format.js";
import { attempt, toast } from "./parts/toast.js";
import { JobPanel } from "./teach_job.js";

const SHOWN = 60; // pictures of a finding

export async function mount(step) {
  const { call, path } = step;
  const list = h("div.findings");
  const panel = new JobPanel(step, { kind: "check", onDone: show, start: () => call("POST", `${path}/check`) });
  step.element.append(panel.element, list);
  const { job, steps } = step.product;
  const last = job?.kind === "check" ? job : null;
  if (steps.check === "done" && last?.state === "done") {
    const product = await roles(call, path);
    show(last, product);
  } else await panel.run(last);

  async function show(job, known = null) {
    const byDigest = known ?? (await roles(call, path));
    await step.changed();
    step.command(job.result?.command ?? job.command);
    const findings = (job.result?.findings ?? [])
      .map((finding) => ({ ...finding, digests: finding.digests.filter((digest) => byDigest.get(digest)?.role !== "aside") }))
      .filter(({ kind, digests }, i) => digests.length > 0 || kind === "dataSet" || job.result.findings[i].digests.length === 0);
    const pictures = findings.reduce((sum, { digests }) => sum + digests.length, 0);
    fill(
      list,
      h("p.outcome", { "data-kind": pictures ? "look" : "fine" }, icon(pictures ? "error" : "ok"), t(pictures ? "check.found" : "check.fine", { count: pictures })),
      findings.map((finding) => section(finding, byDigest)),
    );
    step.main({ words: t("teach.next"), icon: "right", run: () => step.go("regions"), others: [button(t("check.again"), again, { icon: "reset" })] });
  }

  async function again() {
    fill(list);
    await panel.run(null);
  }

  function section({ words, digests }, byDigest) {
    if (digests.length === 0) return h("p.finding-note", inWords(words));
    const left = new Set(digests);
    const element = h("section.finding");
    const aside = async (some) => {
      if ((await attempt(() => call("PATCH", `${path}/pictures`, { body: { digests: some, role: "aside" } }))) === undefined) return;
      const before = some.map((digest) => [digest, byDigest.get(digest)?.role ?? "good"]);
      for (const digest of some) left.delete(digest);
      render();
      await attempt(() => step.changed());
      toast(t("check.asideDone", { count: some.length }), { action: { words: t("undo"), run: () => back(before) } });
    };
    const back = async (before) => {
      for (const role of new Set(before.map(([, was]) => was))) {
        const some = before.filter(([, was]) => was === role).map(([digest]) => digest);
        await attempt(() => call("PATCH", `${path}/pictures`, { body: { digests: some, role } }));
        for (const digest of some) left.add(digest);
      }
      render();
      await attempt(() => step.changed());
    };
    const render = () => {
      element.hidden = left.size === 0;
      fill(
        element,
        h("div.heading", h("h4", inWords(words)), h("span.quiet", t("check.count", { count: left.size })), button(t("check.asideAll"), () => aside([...left]))),
        h("ul.findings-tiles", [...left].slice(0, SHOWN).map((digest) => h("li.tile", tile(digest, byDigest, aside)))),
      );
    };
    render();
    return element;
  }
}

function tile(digest, byDigest, aside) {
  const name = byDigest.get(digest)?.name ?? "";
  const label = `${t("pictures.aside")}: ${name}`;
  return [
    h("img", { src: `studio/pictures/${digest}/thumbnail`, alt: "", loading: "lazy", decoding: "async" }),
    h("button.tile-act", { type: "button", title: t("pictures.aside"), "aria-label": label, onclick: () => aside([digest]) }, icon("ng")),
    h("span.tile-name", { title: name }, name),
  ];
}

async function roles(call, path) {
  const found = new Map();
  for (let after = 0; after !== null; ) {
    const { pictures, next } = await call("GET", `${path}/pictures`, { query: { after, limit: 500 } });
    for (const member of pictures) found.set(member.digest, member);
    after = next;
  }
  return found;
}
